/* malloc_thread_test.c - the general-purpose front and threads: starting, ending, forking, other threads' memory. */
#include "core/cache/internal.h"
#include "core/cache/malloc.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void verify_all(void)
{
    for (unsigned i = 1; i <= SGC_MALLOC_LARGE; i++) {
        struct sgc_class *class_ = sgc_malloc_class_made(i);
        if (class_)
            attach_verify(class_->cache);
    }
}

static uint64_t n_live(void)
{
    uint64_t n = 0;
    for (unsigned i = 1; i <= SGC_MALLOC_LARGE; i++)
        n += sgc_malloc_class_made(i) ? sgc_cache_n_live(sgc_malloc_class_made(i)->cache) : 0;
    return n;
}

static void on_thread(void *(*body)(void *arg), void *arg)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, body, arg), 0);
    pthread_join(thread, NULL);
}

START_TEST(a_thread_needs_no_attachment)
{
    sgc_free(sgc_malloc(100));
    ck_assert_ptr_null(sgc_context_.fronts);
    ck_assert_int_eq(sgc_malloc_thread_.state, SGC_MALLOC_READY);
}
END_TEST

static void *use_each_class(void *unused)
{
    for (unsigned n = 1; n <= SGC_MALLOC_N_CLASSES; n++)
        sgc_free(sgc_malloc(sgc_malloc_class_bytes[n]));
    return unused;
}

START_TEST(the_next_thread_adopts_what_the_last_one_left)
{
    on_thread(use_each_class, NULL);
    const uint64_t bytes = sgc_malloc_budget.used_bytes, meta_bytes = sgc_meta_bytes();
    for (int i = 0; i < 20; i++)
        on_thread(use_each_class, NULL);
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, bytes);
    ck_assert_uint_eq(sgc_meta_bytes(), meta_bytes);
    verify_all();
}
END_TEST

START_TEST(shrinking_gives_back_free_pages_between_live_objects)
{
    static void *objects[4000];
    for (int i = 0; i < 4000; i++)
        objects[i] = memset(sgc_malloc(1000), 1, 1000);
    /* However long this thread waits for a processor, nothing is purged before it asks. */
    sgc_malloc_thread_.places[sgc_malloc_number_of(1000)].front->reserved_until = UINT64_MAX;
    for (int i = 0; i < 4000; i++)
        if (i % 16)
            sgc_free(objects[i]);
    ck_assert_uint_gt(sgc_malloc_shrink(), 2000000);
    for (int i = 0; i < 4000; i += 16) {
        ck_assert_int_eq(((char *)objects[i])[999], 1);
        sgc_free(objects[i]);
    }
    verify_all();
}
END_TEST

/* ---- after the exit hook ---- */

#ifndef SGC_TSAN /* whose own record of the thread is gone by then */

static pthread_key_t late_key;
static int n_late;

/* Called in each round of exit hooks, the last ones long after ours ran. */
static void late_hook(void *object)
{
    n_late++;
    ck_assert(n_late == 1 || sgc_malloc_thread_.state == SGC_MALLOC_ENDED);
    sgc_free(object);
    void *first = sgc_malloc(100), *second = sgc_calloc(10, 1000), *large = sgc_malloc(100000);
    ck_assert(first && second && large && first != second);
    first = sgc_realloc(first, 3000);
    sgc_free(second);
    sgc_free(large);
    ck_assert_int_eq(pthread_setspecific(late_key, first), 0);
}

static void *exit_late(void *unused)
{
    ck_assert_int_eq(pthread_setspecific(late_key, sgc_malloc(50)), 0);
    return unused;
}

START_TEST(exit_hooks_that_run_after_ours_may_allocate_and_free)
{
    sgc_free(sgc_malloc(1)); /* our key comes first */
    ck_assert_int_eq(pthread_key_create(&late_key, late_hook), 0);
    for (int i = 0; i < 10; i++) {
        n_late = 0;
        on_thread(exit_late, NULL);
        ck_assert_int_ge(n_late, 2);
    }
    ck_assert_uint_eq(n_live(), 10); /* what the last round of each left */
    verify_all();
}
END_TEST

#endif

/* ---- no exit hook to be had ---- */

static void *borrow(void *unused)
{
    static void *objects[1000];
    for (int i = 0; i < 1000; i++) {
        objects[i] = sgc_malloc((size_t)i);
        ck_assert_ptr_nonnull(objects[i]);
    }
    ck_assert_int_eq(sgc_malloc_thread_.state, SGC_MALLOC_NEW);
    for (int i = 0; i < 1000; i++)
        sgc_free(objects[i]);
    return unused;
}

static void borrow_at_gate(void *gate)
{
    sgc_os_fault_arm(*(const uint64_t *)gate, false);
    void *object = sgc_malloc(1);
    const char *call = sgc_os_fault_fired_call();
    sgc_os_fault_disarm();
    if (!call || strcmp(call, "pthread_key_create") != 0)
        _Exit(42);
    ck_assert_ptr_nonnull(object);
    sgc_free(object);
    borrow(NULL);
    on_thread(borrow, NULL);
    ck_assert_uint_eq(n_live(), 0);
    verify_all();
}

START_TEST(without_an_exit_key_threads_borrow)
{
    char output[1024];
    int status = -1;
    for (uint64_t gate = 1; gate < 50 && status != 0; gate++) {
        status = support_run_child(borrow_at_gate, &gate, output, sizeof(output));
        ck_assert_msg(status == 0 || status == 42 << 8, "%s", output);
    }
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- other threads' memory ---- */

#define N_SHARED 4000
static void *shared[N_SHARED];
static bool stop;
static uint32_t n_begun; /* atomic */

static void *churn(void *seed)
{
    uint64_t state = (uintptr_t)seed;
    sgc_free(sgc_malloc(1));
    __atomic_fetch_add(&n_begun, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        const uint64_t random = support_random(&state);
        const size_t bytes = random % 64 ? random / 64 % 600 : random / 64 % 100000;
        size_t *object = random % 8 < 4 ? sgc_malloc(bytes + sizeof(size_t)) : NULL;
        if (object)
            __atomic_store_n(object, 0x11fe, __ATOMIC_RELAXED);
        size_t *old = __atomic_exchange_n(&shared[random / 8 % N_SHARED], object, __ATOMIC_ACQ_REL);
        if (old)
            __atomic_store_n(old, 0xdead, __ATOMIC_RELAXED);
        sgc_free(old);
    }
    return NULL;
}

static void start_churn(pthread_t threads[2])
{
    for (uintptr_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    while (__atomic_load_n(&n_begun, __ATOMIC_ACQUIRE) < 2)
        sched_yield();
}

static void end_churn(pthread_t threads[2])
{
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N_SHARED; i++)
        sgc_free(shared[i]);
}

START_TEST(threads_free_each_others_memory)
{
    pthread_t threads[2];
    start_churn(threads);
    struct sgc_cache_stats stats = {0};
    while (stats.n_allocated < 5000) { /* one in forty goes to this class */
        if (sgc_malloc_class_made(4))
            sgc_cache_stats(sgc_malloc_class_made(4)->cache, &stats);
        sched_yield();
    }
    end_churn(threads);
    ck_assert_uint_eq(n_live(), 0);
    verify_all();
    (void)sgc_malloc_shrink();
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 0);
}
END_TEST

/* ---- fork ---- */

/* Runs body in a forked child; it must return true. */
static void in_child(bool (*body)(void))
{
    int status;
    const pid_t child = fork();
    if (child == 0)
        _exit(body() ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static bool nothing_is_handed_out_twice(void)
{
    for (int i = 0; i < 20000; i++) {
        size_t *object = sgc_malloc(sizeof(size_t) + (size_t)i % 600);
        if (!object)
            return false;
        *object = 0x2222;
    }
    for (int i = 0; i < N_SHARED; i++) {
        if (shared[i] && *(size_t *)shared[i] != 0x11fe)
            return false;
        sgc_free(shared[i]);
    }
    void *large = sgc_malloc(300000);
    sgc_free(sgc_realloc(large, 3000000));
    return large != NULL;
}

START_TEST(a_fork_at_any_moment_hands_out_nothing_twice)
{
    pthread_t threads[2];
    sgc_free(sgc_malloc(1)); /* installs our fork handlers, which a thread might else be about to do */
    start_churn(threads);    /* has begun: sanitizers take locks in a thread that begins, which a fork leaves taken */
    for (int i = 0; i < 100; i++) {
        sgc_free(sgc_malloc(64)); /* fronts of this thread's own */
        in_child(nothing_is_handed_out_twice);
    }
    end_churn(threads);
    ck_assert_uint_eq(n_live(), 0);
    verify_all();
}
END_TEST

static size_t *kept[1000];

static bool the_parents_memory_is_the_childs_too(void)
{
    const uint64_t bytes = sgc_malloc_budget.used_bytes;
    for (size_t i = 0; i < 1000; i++) {
        if (*kept[i] != i)
            return false;
        sgc_free(kept[i]);
    }
    for (size_t i = 0; i < 1000; i++)
        kept[i] = sgc_malloc(200);
    verify_all();
    return sgc_malloc_budget.used_bytes == bytes; /* the same fronts, windows and slabs */
}

START_TEST(the_forking_thread_keeps_its_fronts)
{
    for (size_t i = 0; i < 1000; i++)
        *(kept[i] = sgc_malloc(200)) = i;
    in_child(the_parents_memory_is_the_childs_too);
    ck_assert(the_parents_memory_is_the_childs_too());
}
END_TEST

static unsigned n_prepared, n_after;
static void *of_handler;

/* They run between our handlers and the fork itself, as they were installed before: our locks are taken. */
static void allocate_before(void)
{
    for (size_t bytes = 1; bytes < 30000; bytes += 99)
        sgc_free(sgc_malloc(bytes));
    of_handler = sgc_malloc(50000);
    n_prepared++;
}
static void allocate_after(void)
{
    for (size_t bytes = 1; bytes < 60000; bytes += 999)
        sgc_free(sgc_malloc(bytes));
    sgc_free(of_handler);
    n_after++;
}

static bool handlers_ran(void)
{
    static void *objects[5000];
    for (int i = 0; i < 5000; i++)
        objects[i] = sgc_malloc((size_t)i);
    for (int i = 0; i < 5000; i++)
        sgc_free(objects[i]);
    verify_all();
    return n_prepared == 1 && n_after == 1 && n_live() == 0;
}

START_TEST(fork_handlers_installed_before_ours_may_allocate)
{
    ck_assert_int_eq(pthread_atfork(allocate_before, allocate_after, allocate_after), 0);
    sgc_free(sgc_malloc(1)); /* installs ours */
    in_child(handlers_ran);
    ck_assert(handlers_ran());
}
END_TEST

START_TEST(fork_handlers_installed_after_ours_may_allocate)
{
    sgc_free(sgc_malloc(1));
    ck_assert_int_eq(pthread_atfork(allocate_before, allocate_after, allocate_after), 0);
    in_child(handlers_ran);
    ck_assert(handlers_ran());
}
END_TEST

#ifndef SGC_TSAN
static bool children_fork_and_start_threads(void)
{
    on_thread(use_each_class, NULL);
    in_child(handlers_ran);
    on_thread(use_each_class, NULL);
    return true;
}

START_TEST(a_child_may_fork_and_start_threads)
{
    n_prepared = n_after = 1;
    sgc_free(sgc_malloc(1));
    in_child(children_fork_and_start_threads);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("malloc_thread");
    TCase *tcase = tcase_create("threads");
    tcase_add_test(tcase, a_thread_needs_no_attachment);
    tcase_add_test(tcase, the_next_thread_adopts_what_the_last_one_left);
    tcase_add_test(tcase, shrinking_gives_back_free_pages_between_live_objects);
#ifndef SGC_TSAN
    tcase_add_test(tcase, exit_hooks_that_run_after_ours_may_allocate_and_free);
#endif
    tcase_add_test(tcase, without_an_exit_key_threads_borrow);
    tcase_add_test(tcase, threads_free_each_others_memory);
    suite_add_tcase(suite, tcase);
    TCase *forks = tcase_create("fork");
    tcase_add_test(forks, a_fork_at_any_moment_hands_out_nothing_twice);
    tcase_add_test(forks, the_forking_thread_keeps_its_fronts);
    tcase_add_test(forks, fork_handlers_installed_before_ours_may_allocate);
    tcase_add_test(forks, fork_handlers_installed_after_ours_may_allocate);
#ifndef SGC_TSAN /* it does not support threads in the child of a process that had several */
    tcase_add_test(forks, a_child_may_fork_and_start_threads);
#endif
    suite_add_tcase(suite, forks);
    return support_main(suite);
}
