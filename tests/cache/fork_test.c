/* fork_test.c - caches in a forked child: the books are right, memory of the other threads' fronts is usable, nothing
 *   is handed out twice. */
#include "core/cache/internal.h"
#include "core/os/meta.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct item {
    uint64_t stamp, words[7];
};
static const struct sgc_type item_type = SGC_TYPE(struct item);
static struct sgc_cache *cache;

static void before(void)
{
    sgc_cache_before_fork();
    sgc_region_before_fork();
    sgc_meta_before_fork();
}
static void after(int in_child)
{
    sgc_meta_after_fork(in_child);
    sgc_region_after_fork(in_child);
    sgc_cache_after_fork(in_child);
}
static void after_in_parent(void)
{
    after(0);
}
static void after_in_child(void)
{
    after(1);
}

static void setup(void)
{
    cache = attach_cache(&item_type, 0, NULL);
    ck_assert_int_eq(pthread_atfork(before, after_in_parent, after_in_child), 0);
}

/* Runs body in a forked child; it must return true. */
static void in_child(bool (*body)(void *arg), void *arg)
{
    int status;
    const pid_t child = fork();
    if (child == 0)
        _exit(body(arg) ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static bool verify_here(void)
{
    struct sgc_error error = {0};
    sgc_cache_flush(cache);
    if (sgc_cache_verify(cache, &error) < 0 || sgc_region_verify(&error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return false;
    }
    return true;
}

static bool goes_on_alone(void *arg)
{
    void **kept = arg;
    for (int i = 0; i < 100; i++)
        sgc_cache_free(cache, kept[i]);
    for (int i = 0; i < 5000; i++)
        if (!sgc_cache_alloc(cache))
            return false;
    return sgc_cache_n_live(cache) == 5000 && verify_here();
}

START_TEST(a_single_thread_goes_on_in_parent_and_child)
{
    void *kept[100];
    for (int i = 0; i < 100; i++)
        kept[i] = sgc_cache_alloc(cache);
    in_child(goes_on_alone, kept);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 100);
    attach_verify(cache);
}
END_TEST

/* ---- other threads at rest ---- */

static pthread_barrier_t barrier;
static void *held[1000];

static void *hold_and_wait(void *unused)
{
    for (int i = 0; i < 1000; i++)
        held[i] = sgc_cache_alloc(cache);
    for (int i = 0; i < 1000; i += 2)
        sgc_cache_free(cache, held[i]);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    attach_end();
    return unused;
}

static bool takes_over(void *unused)
{
    (void)unused;
    const uint32_t n_slabs = cache->classes[0]->n_slabs;
    for (int i = 0; i < 500; i++) { /* as many as the other thread had free: they fit what it had */
        if (!sgc_cache_alloc(cache))
            return false;
    }
    if (cache->classes[0]->n_slabs != n_slabs)
        return false;
    for (int i = 1; i < 1000; i += 2)
        sgc_cache_free(cache, held[i]);
    return verify_here() && sgc_cache_n_live(cache) == 500;
}

START_TEST(the_child_takes_over_what_other_threads_had_at_hand)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_and_wait, NULL), 0);
    pthread_barrier_wait(&barrier);
    in_child(takes_over, NULL);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    attach_verify(cache);
}
END_TEST

/* ---- other threads in the middle of anything ---- */

#define N_SHARED 2000
static struct item *shared[N_SHARED];
static bool stop;
static uint32_t n_begun; /* atomic */

static void *churn(void *seed)
{
    uint64_t state = (uintptr_t)seed;
    sgc_cache_free(cache, sgc_cache_alloc(cache));
    __atomic_fetch_add(&n_begun, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        const uint64_t random = support_random(&state);
        struct item *item = random % 8 < 4 ? sgc_cache_alloc(cache) : NULL;
        if (item)
            __atomic_store_n(&item->stamp, 0x11fe, __ATOMIC_RELAXED);
        struct item *old = __atomic_exchange_n(&shared[random / 8 % N_SHARED], item, __ATOMIC_ACQ_REL);
        if (old)
            __atomic_store_n(&old->stamp, 0xdead, __ATOMIC_RELAXED);
        sgc_cache_free(cache, old);
    }
    attach_end();
    return NULL;
}

static void count_used(void *n_used, struct sgc_slab *slab)
{
    uint64_t used[SGC_SLAB_WORDS];
    sgc_slab_used_words(slab, used);
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
        *(uint64_t *)n_used += sgc_popcount64(used[i]);
}

/* Whatever the other threads were doing: what the child allocates is none of the objects it can reach. */
static bool nothing_is_handed_out_twice(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20000; i++) {
        struct item *item = sgc_cache_alloc(cache);
        if (!item)
            return false;
        item->stamp = 0x2222;
    }
    for (int i = 0; i < N_SHARED; i++) {
        if (shared[i] && shared[i]->stamp != 0x11fe)
            return false;
        sgc_cache_free(cache, shared[i]);
    }
    /* A thread may have had an object in its registers, and the slots of a word or a slab on their way: lost, but not
     * many. What was freed into slabs whose take-over the fork cut short is live for the books, however much it is. */
    const uint64_t n_live = sgc_cache_n_live(cache);
    uint64_t n_used = 0;
    sgc_cache_flush(cache);
    sgc_cache_flush(cache);
    sgc_cache_visit_slabs(cache, count_used, &n_used);
    return n_live < 20000 + 3 * 200 && n_used >= 20000 && n_used < 20000 + 3 * 200 && sgc_cache_n_live(cache) >= n_used;
}

START_TEST(a_fork_at_any_moment_hands_out_nothing_twice)
{
    pthread_t threads[2];
    for (uintptr_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    /* Sanitizers take locks of their own in a thread that begins, and when it gets its table of fronts; a fork leaves
     * them taken in the child. */
    while (__atomic_load_n(&n_begun, __ATOMIC_ACQUIRE) < 2)
        sched_yield();
    for (int round = 0; round < 60; round++)
        in_child(nothing_is_handed_out_twice, NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N_SHARED; i++)
        sgc_cache_free(cache, shared[i]);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    attach_verify(cache);
}
END_TEST

#ifndef SGC_TSAN
static void *allocate_one(void *out)
{
    *(void **)out = sgc_cache_alloc(cache);
    attach_end();
    return NULL;
}

static bool starts_threads(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        void *object = NULL;
        if (pthread_create(&thread, NULL, allocate_one, &object) != 0)
            return false;
        pthread_join(thread, NULL);
        if (!object)
            return false;
        sgc_cache_free(cache, object);
    }
    for (int i = 1; i < 1000; i += 2)
        sgc_cache_free(cache, held[i]);
    return verify_here() && sgc_cache_n_live(cache) == 0;
}

START_TEST(threads_of_the_child_use_the_fronts_of_those_left_behind)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_and_wait, NULL), 0);
    pthread_barrier_wait(&barrier);
    in_child(starts_threads, NULL);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("fork");
    TCase *tcase = tcase_create("fork");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_single_thread_goes_on_in_parent_and_child);
    tcase_add_test(tcase, the_child_takes_over_what_other_threads_had_at_hand);
    tcase_add_test(tcase, a_fork_at_any_moment_hands_out_nothing_twice);
#ifndef SGC_TSAN /* it does not support threads in the child of a process that had several */
    tcase_add_test(tcase, threads_of_the_child_use_the_fronts_of_those_left_behind);
#endif
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
