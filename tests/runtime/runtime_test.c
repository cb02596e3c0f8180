/* runtime_test.c - one operation at a time: turns, open heaps that come and go, fork. */
#include "core/runtime/runtime.h"

#include "tests/runtime/kit.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <slabgc/slabgc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void make(void)
{
    kit_isolate();
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("second", "p/second.so");
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", "[heap]\nstrategy = good\n"), 1);
}

enum { N_THREADS = 4 };
static unsigned n_in_turn; /* plain: whoever has the turn owns it */

static void *take_turns(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2000; i++) {
        sgc_runtime_begin("test");
        n_in_turn++;
        sgc_runtime_end();
    }
    return NULL;
}

START_TEST(one_thread_at_a_time_has_its_turn)
{
    pthread_t threads[N_THREADS];
    for (unsigned i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_turns, NULL), 0);
    for (unsigned i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(n_in_turn, N_THREADS * 2000);
}
END_TEST

static unsigned n_listed(void)
{
    unsigned n = 0;
    sgc_runtime_begin("test");
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps())
        n++;
    sgc_runtime_end();
    return n;
}

START_TEST(heaps_are_listed_from_open_to_close)
{
    struct sgc_heap *one = sgc_heap_open("one", NULL, NULL), *two = sgc_heap_open("two", NULL, NULL);
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_nonnull(two);
    ck_assert_uint_eq(n_listed(), 2);
    ck_assert_int_eq(sgc_heap_close(one, NULL), 0);
    ck_assert_uint_eq(n_listed(), 1);
    ck_assert_int_eq(sgc_heap_close(two, NULL), 0);
    ck_assert_uint_eq(n_listed(), 0);
}
END_TEST

static atomic_uint n_running, n_rounds;

static void *open_and_close(void *arg)
{
    static const struct sgc_type type = {.name = "leaf", .size_bytes = 32};
    char name[32];
    for (unsigned i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "heap-%lu-%u", (unsigned long)(uintptr_t)arg, i % 3);
        struct sgc_heap *heap = sgc_heap_open(name, NULL, NULL);
        if (heap && sgc_cache_create(heap, &type, NULL) && i % 4 == 0)
            sgc_heap_switch(heap, "second", NULL);
        if (!heap || sgc_heap_close(heap, NULL))
            abort();
        atomic_fetch_add(&n_rounds, 1);
    }
    atomic_fetch_sub(&n_running, 1);
    return NULL;
}

START_TEST(reloads_never_meet_a_heap_that_goes_away)
{
    static const char *const texts[] = {
        "[heap]\nmemory_limit = 64MiB\n[strategy.good]\ngrowth = 300%\n",
        "[heap]\nmemory_limit = 32MiB\n[cache.other]\ndebug = track\n",
        "[heap]\nstall_report = 1s\n",
    };
    ck_assert_int_eq(sgc_config_reload(NULL), 0);
    pthread_t threads[2];
    atomic_store(&n_running, 2);
    for (uintptr_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_and_close, (void *)i), 0);
    unsigned n_reloads = 0;
    while (atomic_load(&n_running) > 0) {
        struct sgc_error error = {0};
        kit_write_text("new.conf", texts[n_reloads++ % 3]);
        rename(kit_path("new.conf"), kit_path("own.conf")); /* in one piece */
        int code = sgc_config_reload(&error);
        ck_assert_msg(code == 0, "%s", error.message);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(n_listed(), 0);
}
END_TEST

static bool child_works(struct sgc_heap *inherited)
{
    struct sgc_heap *own = sgc_heap_open("child", NULL, NULL);
    return own && sgc_config_reload(NULL) == 0 && sgc_heap_close(own, NULL) == 0 &&
           sgc_heap_close(inherited, NULL) == 0;
}

/* Forks; the child opens, reloads and closes, and is killed when it hangs. */
static void expect_child_works(struct sgc_heap *inherited)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        signal(SIGALRM, SIG_DFL); /* libcheck's handler would end the test itself */
        alarm(60);
        _exit(child_works(inherited) ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "status 0x%x", (unsigned)status);
}

static pthread_barrier_t step;

static void *keep_the_turn(void *arg)
{
    (void)arg;
    sgc_runtime_begin("test");
    pthread_barrier_wait(&step); /* has it */
    pthread_barrier_wait(&step); /* the fork is over */
    sgc_runtime_end();
    return NULL;
}

START_TEST(a_child_of_fork_gets_its_turn_although_a_thread_of_the_parent_has_it)
{
    struct sgc_heap *heap = sgc_heap_open("parent", NULL, NULL);
    ck_assert_ptr_nonnull(heap);
    pthread_t thread;
    pthread_barrier_init(&step, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_the_turn, NULL), 0);
    pthread_barrier_wait(&step);
    expect_child_works(heap);
    pthread_barrier_wait(&step);
    pthread_join(thread, NULL);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

static void *open_and_close_and_stay(void *arg)
{
    open_and_close(arg);
    pthread_barrier_wait(&step);
    return NULL;
}

/* But for starting, loading a plug-in and ending: then it calls malloc, whose locks gcc 12's AddressSanitizer leaves as
 * they are in the child, where config is read by libinih, with malloc. */
START_TEST(a_child_of_fork_works_whatever_other_threads_were_doing)
{
    struct sgc_heap *heap = sgc_heap_open("parent", NULL, NULL);
    ck_assert_ptr_nonnull(heap);
    pthread_t thread;
    atomic_store(&n_running, 1);
    pthread_barrier_init(&step, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, open_and_close_and_stay, (void *)7), 0);
    while (atomic_load(&n_rounds) == 0) /* the first loads the other plug-in */
        sched_yield();
    do {
        expect_child_works(heap);
    } while (atomic_load(&n_running) > 0);
    pthread_barrier_wait(&step);
    pthread_join(thread, NULL);
    ck_assert_int_eq(sgc_heap_close(heap, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("runtime");
    TCase *tc = tcase_create("runtime");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, one_thread_at_a_time_has_its_turn);
    tcase_add_test(tc, heaps_are_listed_from_open_to_close);
    tcase_add_test(tc, reloads_never_meet_a_heap_that_goes_away);
    tcase_add_test(tc, a_child_of_fork_gets_its_turn_although_a_thread_of_the_parent_has_it);
    tcase_add_test(tc, a_child_of_fork_works_whatever_other_threads_were_doing);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
