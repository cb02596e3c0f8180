/* thread.c - attaching threads on first use, detaching them at exit, and the process-wide start of the heap layer.
 * Called by section.h (first section), the exit key's destructor, fork.c, heap_open.c.
 * Locks: STOP around attaching, so that `solo` changes only while every attached thread is at rest; THREADS guards both
 * lists. Detaching unlinks inside the thread's last section: at a stop the list does not move. */
#include "core/heap/thread.h"
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/os/meta.h"
#include "core/os/thread.h"
#include <errno.h>
#include <string.h>

#define HOLD_STACK_ENTRIES 128 /* first size of a hold stack; doubles */
#define DEFERRED_ENTRIES 256   /* first size of the deferred decrements; doubles */

uint8_t sgc_solo = 1;
uint8_t sgc_store_mask = SGC_STATE_STORE;
struct sgc_lock sgc_threads_lock = SGC_LOCK_INIT(SGC_RANK_THREADS, "threads");
struct sgc_list sgc_threads = {&sgc_threads, &sgc_threads}, sgc_heaps = {&sgc_heaps, &sgc_heaps};
static unsigned n_threads; /* lock THREADS */
static struct {
    struct sgc_lock lock;
    bool ready; /* atomic: release after all of it */
    bool has_key, has_fork;
    pthread_key_t exit_key;
} process = {.lock = SGC_LOCK_INIT(SGC_RANK_PROCESS, "process start")};

static void thread_at_exit(void *thread);

int sgc_process_init(struct sgc_error *error)
{
    if (__atomic_load_n(&process.ready, __ATOMIC_ACQUIRE)) /* pairs with the release below */
        return 0;
    SGC_GUARD(&process.lock);
    int rc = sgc_arena_init(error);
    if (rc < 0)
        return rc;
    if (!process.has_key) {
        rc = sgc_os_exit_key_create(&process.exit_key, thread_at_exit);
        if (rc < 0)
            return sgc_error_set(error, rc, "no thread exit key left (pthread_key_create): %s", strerror(-rc));
        process.has_key = true;
    }
    if (!process.has_fork) {
        rc = sgc_fork_install();
        if (rc < 0)
            return sgc_error_set(error, rc, "fork handlers refused (pthread_atfork): %s", strerror(-rc));
        process.has_fork = true;
    }
    sgc_counts.count_bias = sgc_arena.byte_bias[SGC_KIND_COUNT];
    sgc_counts.state_bias = sgc_arena.byte_bias[SGC_KIND_STATE];
    sgc_host_init();
    sgc_stop_init();
    sgc_cache_end_managed = sgc_object_end_managed;
    sgc_cache_bare_made = sgc_record_bare_new;
    __atomic_store_n(&process.ready, true, __ATOMIC_RELEASE);
    return 0;
}

static void thread_free(struct sgc_thread *thread)
{
    sgc_meta_free(thread->deferred, thread->deferred_capacity * sizeof(void *));
    sgc_meta_free(thread, sizeof(*thread));
}

/* Joins the threads that stops wait for. With the second thread, solo ends: the first one must be at rest then. Lock
 * STOP is held. A first thread that has unlinked itself meanwhile is in its last section and does no more in it. */
static void thread_join_others(struct sgc_thread *thread)
{
    if (sgc_solo && sgc_thread_count() > 0) {
        struct sgc_stop stop;
        sgc_stop_begin_locked(&stop, NULL);
        sgc_solo = 0;
        sgc_stop_end_locked(&stop);
    }
    sgc_lock_acquire(&sgc_threads_lock);
    sgc_list_push_back(&sgc_threads, &thread->link);
    n_threads++;
    sgc_lock_release(&sgc_threads_lock);
}

int sgc_thread_attach(void)
{
    struct sgc_context *context = &sgc_context_;
    if (context->thread)
        return 0;
    if (sgc_process_init(NULL) < 0)
        return -ENOMEM;
    struct sgc_thread *thread = sgc_meta_alloc(sizeof(*thread));
    if (!thread)
        return -ENOMEM;
    thread->context = context;
    thread->tid = sgc_os_thread_id();
    sgc_os_thread_name(thread->name);
    thread->deferred = sgc_meta_alloc(DEFERRED_ENTRIES * sizeof(void *));
    if (!thread->deferred)
        goto fail_thread;
    thread->deferred_capacity = DEFERRED_ENTRIES;
    void **holds = sgc_meta_alloc(HOLD_STACK_ENTRIES * sizeof(void *));
    if (!holds)
        goto fail_thread;
    if (sgc_fronts_attach(context, thread) < 0)
        goto fail_holds;
    if (pthread_setspecific(process.exit_key, thread) != 0)
        goto fail_fronts;
    context->hold_base = context->hold_top = holds;
    context->hold_limit = holds + HOLD_STACK_ENTRIES;
    context->count_bias = sgc_arena.byte_bias[SGC_KIND_COUNT];
    context->state_bias = sgc_arena.byte_bias[SGC_KIND_STATE];
    urcu_bp_register_thread();
    sgc_stop_lock();
    context->store_mask = sgc_store_mask;
    thread_join_others(thread);
    context->thread = thread;
    sgc_stop_unlock();
    return 0;

fail_fronts:
    sgc_fronts_detach(context);
fail_holds:
    sgc_meta_free(holds, HOLD_STACK_ENTRIES * sizeof(void *));
fail_thread:
    thread_free(thread);
    return -ENOMEM;
}

SGC_COLD void sgc_section_attach(void)
{
    if (sgc_thread_attach() < 0)
        sgc_panic("no memory to attach this thread; call sgc_thread_attach first to be told instead");
}

/* Every open heap, as of now: stable for the caller's section, as a heap is freed only after a stop that follows its
 * unlinking. */
static size_t heaps_snapshot(struct sgc_heap *out[SGC_MAX_HEAPS])
{
    size_t n = 0;
    SGC_GUARD(&sgc_threads_lock);
    SGC_LIST_FOR_EACH (link, &sgc_heaps)
        out[n++] = SGC_LIST_ENTRY(link, struct sgc_heap, link);
    return n;
}

static void thread_detach_cells(struct sgc_thread *thread)
{
    struct sgc_heap *heaps[SGC_MAX_HEAPS];
    const size_t n = heaps_snapshot(heaps);
    for (size_t i = 0; i < n; i++) {
        void **cell = &thread->cells[heaps[i]->index];
        if (!*cell)
            continue;
        heaps[i]->ops->thread_detach(heaps[i]->self, cell);
        *cell = NULL;
    }
}

static void thread_unlink(struct sgc_thread *thread)
{
    SGC_GUARD(&sgc_threads_lock);
    sgc_list_remove(&thread->link);
    n_threads--;
}

/* The thread left its program inside a section. liburcu's own exit hook may have run before: then it has ended the
 * section already. */
static SGC_COLD void thread_end_section(struct sgc_thread *thread)
{
    struct sgc_context *context = thread->context;
    sgc_warn("thread \"%s\" (tid %lld) exits inside a section; the section ends here", thread->name,
             (long long)thread->tid);
    __atomic_store_n(&context->depth, 1, __ATOMIC_RELAXED);
    context->rest_pending &= (uint8_t)~SGC_REST_COLLECT; /* others will see it due */
    if (URCU_TLS(urcu_bp_reader))
        sgc_leave();
    else
        __atomic_store_n(&context->depth, 0, __ATOMIC_RELAXED);
}

/* The thread's own end, in its last section. Nothing is left to do after the fronts went. */
static void thread_at_exit(void *argument)
{
    struct sgc_thread *thread = argument;
    struct sgc_context *context = thread->context;
    if (context->depth != 0)
        thread_end_section(thread);
    sgc_unwind(0);
    sgc_enter();
    do { /* either may cause the other: the strategy's records go, and what they deferred */
        sgc_deferred_apply(thread);
        thread_detach_cells(thread);
    } while (thread->n_deferred > 0);
    sgc_fronts_detach(context);
    sgc_record_thread_ends(thread);
    thread_unlink(thread);
    sgc_leave();
    sgc_meta_free(context->hold_base, (size_t)(context->hold_limit - context->hold_base) * sizeof(void *));
    context->thread = NULL;
    context->hold_base = context->hold_top = context->hold_limit = NULL;
    thread_free(thread);
}

struct sgc_lock *sgc_process_lock_of_fork(void)
{
    return &process.lock;
}

unsigned sgc_thread_count(void)
{
    SGC_GUARD(&sgc_threads_lock);
    return n_threads;
}

/* In a forked child: ends the record of a thread that does not exist here. It was at rest when the program forked, so
 * nothing waits for a section's end. Its holds stay, on its hold stack too. Its strategies' records need a section of
 * the only thread; without a record for that one they are forgotten. */
void sgc_thread_bury_after_fork(struct sgc_thread *thread)
{
    if (sgc_context_.depth != 0)
        thread_detach_cells(thread);
    thread_unlink(thread);
    thread_free(thread);
}
