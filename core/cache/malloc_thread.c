/* malloc_thread.c - what a thread has of the general-purpose front: its fronts, from its first slow path to its exit.
 * Called by malloc.c; malloc_thread_exit by the thread library.
 * A thread needs no attachment to the heap layer for this: its fronts are in a table of their own, beside the one in
 *   sgc_context. They are found there by class number, and by fork.c through front->user.
 * Bootstrapping: the thread library's calls here (a key, its value, fork handlers) may allocate, by us. A thread that
 *   is inside them, one that ended, and every thread while the process has no key, borrows: it takes a front for one
 *   call, and gives it back. That costs two class locks, and works at any time.
 * Invariant: a front in the table is on class->fronts with this thread as its user; the table has fronts only between
 *   SGC_MALLOC_READY and the exit hook.
 * Lock: the class's, in obtain and idle. */
#include "core/cache/internal.h"
#include "core/cache/malloc.h"
#include "core/os/thread.h"

#include <errno.h>
#include <slabgc/section.h>

__thread struct sgc_malloc_thread sgc_malloc_thread_ __attribute__((tls_model("initial-exec"))) = {
    .places = {[0 ... SGC_MALLOC_N_CLASSES] = {.front = &sgc_front_none}}};

enum { PROCESS_NEW, PROCESS_STARTING, PROCESS_READY, PROCESS_KEYLESS };
static struct {
    uint32_t state; /* atomic; READY is stored with release, after the key */
    pthread_key_t key;
} process;

/* Stands in for core/heap's where that is not linked: front.c names it, but then there is no heap whose cache could
 * call it. */
__attribute__((weak)) int sgc_thread_attach(void)
{
    return -ENOMEM;
}

/* Frees and allocations of other exit hooks may follow. */
static void malloc_thread_exit(void *unused)
{
    struct sgc_malloc_thread *thread = &sgc_malloc_thread_;
    (void)unused;
    thread->state = SGC_MALLOC_ENDED;
    for (unsigned i = 1; i <= SGC_MALLOC_N_CLASSES; i++) {
        struct sgc_front *front = thread->places[i].front;
        if (front == &sgc_front_none)
            continue;
        thread->places[i] = (struct sgc_malloc_place){.front = &sgc_front_none}; /* before it is another thread's */
        sgc_front_idle(front);
    }
}

/* Once per process; a thread that comes meanwhile goes without. */
static bool process_start(void)
{
    uint32_t state = __atomic_load_n(&process.state, __ATOMIC_ACQUIRE);
    if (state == PROCESS_NEW && __atomic_compare_exchange_n(&process.state, &state, PROCESS_STARTING, false,
                                                            __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
        state = sgc_os_exit_key_create(&process.key, malloc_thread_exit) == 0 ? PROCESS_READY : PROCESS_KEYLESS;
        if (sgc_cache_fork_install() < 0)
            sgc_warn("fork handlers refused (pthread_atfork): a child of this process must not allocate");
        __atomic_store_n(&process.state, state, __ATOMIC_RELEASE); /* pairs with the acquire above */
    }
    return state == PROCESS_READY;
}

static bool thread_start(struct sgc_malloc_thread *thread)
{
    if (thread->state == SGC_MALLOC_READY)
        return true;
    if (thread->state != SGC_MALLOC_NEW)
        return false;
    thread->state = SGC_MALLOC_STARTING;
    const bool started = process_start() && pthread_setspecific(process.key, thread) == 0;
    thread->state = started ? SGC_MALLOC_READY : SGC_MALLOC_NEW;
    return started;
}

struct sgc_front *sgc_malloc_front(unsigned number, struct sgc_class *class_)
{
    struct sgc_malloc_thread *thread = &sgc_malloc_thread_;
    if (thread->places[number].front != &sgc_front_none)
        return thread->places[number].front;
    if (!thread_start(thread))
        return NULL;
    struct sgc_front *front = sgc_front_obtain(class_);
    if (front)
        thread->places[number] = (struct sgc_malloc_place){front, class_};
    return front;
}

void *sgc_malloc_borrow(struct sgc_class *class_)
{
    struct sgc_front *front = sgc_front_obtain(class_);
    void *object = NULL;
    if (front) {
        if (sgc_front_fill(front, 1)) {
            object = sgc_front_pop(front);
            sgc_malloc_note(object, sgc_malloc_number_of(class_->slot_bytes));
        }
        sgc_front_idle(front);
    }
    if (!object)
        errno = ENOMEM;
    return object;
}

size_t sgc_malloc_shrink(void)
{
    size_t bytes = 0;
    for (unsigned i = 1; i <= SGC_MALLOC_N_CLASSES; i++) {
        struct sgc_class *class_ = sgc_malloc_class_made(i);
        struct sgc_front *front = sgc_malloc_thread_.places[i].front;
        if (!class_)
            continue;
        if (front != &sgc_front_none)
            sgc_front_shrink(front);
        sgc_depot_shrink(class_);
        bytes += sgc_class_purge(class_, front != &sgc_front_none ? front : NULL);
    }
    return bytes + sgc_region_shrink();
}
