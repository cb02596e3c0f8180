/* rank_test.c - locks and their order. Without SGC_DEBUG the order is not checked; locking is tested all the same. */
#include "core/base/rank.h"

#include "core/base/sanitize.h"
#include "tests/support/expect.h"
#include <sys/wait.h>
#include <unistd.h>

static struct sgc_lock outer = SGC_LOCK_INIT(SGC_RANK_HEAP, "heap");
static struct sgc_lock inner = SGC_LOCK_INIT(SGC_RANK_CACHE, "cache");

START_TEST(locks_taken_in_rising_rank_pass)
{
    sgc_lock_acquire(&outer);
    sgc_lock_acquire(&inner);
    sgc_lock_assert_held(&outer);
    sgc_lock_assert_held(&inner);
    sgc_lock_release(&outer); /* any order of release */
    sgc_lock_release(&inner);
    sgc_lock_assert_none_held("test");
}
END_TEST

START_TEST(try_may_break_the_order_and_fails_on_a_taken_lock)
{
    sgc_lock_acquire(&inner);
    ck_assert(sgc_lock_try(&outer));
    ck_assert(!sgc_lock_try(&outer));
    sgc_lock_release(&inner);
    sgc_lock_release(&outer);
    sgc_lock_assert_none_held("test");
}
END_TEST

START_TEST(a_guard_releases_at_the_end_of_its_scope)
{
    for (int i = 0; i < 2; i++) {
        SGC_GUARD(&outer);
        SGC_GUARD(&inner);
        sgc_lock_assert_held(&outer);
    }
    ck_assert(sgc_lock_try(&outer));
    sgc_lock_release(&outer);
    sgc_lock_assert_none_held("test");
}
END_TEST

static void *add_to_counter(void *counter)
{
    for (int i = 0; i < 20000; i++) {
        SGC_GUARD(&outer);
        ++*(int *)counter;
    }
    return NULL;
}

START_TEST(a_lock_excludes_other_threads)
{
    int counter = 0;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_to_counter, &counter), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(counter, 40000);
}
END_TEST

static void destroy_held(void *arg)
{
    (void)arg;
    struct sgc_lock lock;
    sgc_lock_init(&lock, SGC_RANK_CACHE, "cache");
    sgc_lock_acquire(&lock);
    sgc_lock_fini(&lock);
}

START_TEST(destroying_a_held_lock_panics)
{
#ifdef SGC_TSAN
    return; /* it reports the destroyed mutex first */
#endif
    support_expect_panic(destroy_held, NULL, "lock order: cache (rank 60) destroyed while held");
}
END_TEST

/* Forks with both locks of one rank and the outer one taken as fork handlers take them; both sides use them after. */
START_TEST(fork_hands_usable_locks_to_parent_and_child)
{
    struct sgc_lock twin;
    sgc_lock_init(&twin, SGC_RANK_CACHE, "twin");
    struct sgc_lock *const locks[] = {&outer, &twin, &inner};
    for (int i = 0; i < 3; i++)
        sgc_lock_before_fork(locks[i]);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    for (int i = 0; i < 3; i++)
        sgc_lock_after_fork(locks[i], child == 0);
    int usable = 1;
    for (int i = 0; i < 3; i++) {
        usable &= sgc_lock_try(locks[i]);
        if (usable)
            sgc_lock_release(locks[i]);
    }
    sgc_lock_assert_none_held("test");
    if (child == 0)
        _exit(usable ? 42 : 1);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    ck_assert(usable);
    sgc_lock_fini(&twin);
}
END_TEST

START_TEST(a_lock_held_over_fork_can_be_made_usable_in_the_child)
{
    sgc_lock_acquire(&outer);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        sgc_lock_reinit_after_fork(&outer);
        sgc_lock_assert_none_held("test");
        _exit(sgc_lock_try(&outer) ? 42 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    sgc_lock_release(&outer);
}
END_TEST

START_TEST(the_forking_thread_passes_its_own_locks_and_pairs_nest)
{
    struct sgc_lock late;
    for (int in_child = 0; in_child < 2; in_child++) {
        sgc_lock_before_fork(&outer);
        sgc_lock_before_fork(&inner);
        sgc_lock_before_fork(&outer); /* the handlers of a lower layer */
        ck_assert_uint_eq(sgc_lock_fork_depth(&outer), 2);
        sgc_lock_acquire(&inner); /* somebody else's handler allocates */
        sgc_lock_assert_held(&inner);
        sgc_lock_acquire(&outer);
        ck_assert(sgc_lock_try(&outer));
        sgc_lock_release(&outer);
        sgc_lock_release(&inner);
        sgc_lock_init(&late, SGC_RANK_CACHE, "late");
        sgc_lock_after_fork(&outer, in_child);
        ck_assert_uint_eq(sgc_lock_fork_depth(&outer), 1);
        sgc_lock_acquire(&late);
        sgc_lock_release(&late);
        sgc_lock_after_fork(&late, in_child);
        sgc_lock_after_fork(&inner, in_child);
        sgc_lock_after_fork(&outer, in_child);
        ck_assert_uint_eq(sgc_lock_fork_depth(&outer), 0);
        sgc_lock_acquire(&outer);
        sgc_lock_acquire(&inner);
        sgc_lock_release(&inner);
        sgc_lock_release(&outer);
        sgc_lock_fini(&late);
    }
}
END_TEST

#ifdef SGC_DEBUG

static void take_downwards(void *arg)
{
    (void)arg;
    sgc_lock_acquire(&inner);
    sgc_lock_acquire(&outer);
}

START_TEST(taking_a_lower_rank_panics_and_names_both_locks)
{
    support_expect_panic(take_downwards, NULL, "lock order: took heap (rank 30) while holding cache (rank 60)");
}
END_TEST

static void take_twice(void *arg)
{
    (void)arg;
    sgc_lock_acquire(&inner);
    sgc_lock_acquire(&inner);
}

START_TEST(taking_a_lock_twice_panics_instead_of_waiting_for_ever)
{
    support_expect_panic(take_twice, NULL, "lock order: took cache (rank 60) while holding cache (rank 60)");
}
END_TEST

static void take_below_tried(void *arg)
{
    (void)arg;
    sgc_lock_acquire(&inner);
    if (sgc_lock_try(&outer))
        sgc_lock_acquire(&(struct sgc_lock)SGC_LOCK_INIT(SGC_RANK_WEAK, "weak"));
}

START_TEST(the_highest_rank_held_counts_not_the_latest)
{
    support_expect_panic(take_below_tried, NULL, "lock order: took weak (rank 50) while holding cache (rank 60)");
}
END_TEST

static void release_unheld(void *arg)
{
    (void)arg;
    sgc_lock_release(&inner);
}

START_TEST(releasing_what_is_not_held_panics)
{
    support_expect_panic(release_unheld, NULL, "lock order: released cache (rank 60), which this thread does not hold");
}
END_TEST

static void assert_unheld(void *arg)
{
    (void)arg;
    sgc_lock_assert_held(&inner);
}

START_TEST(asserting_what_is_not_held_panics)
{
    support_expect_panic(assert_unheld, NULL, "lock order: cache (rank 60) is not held by this thread");
}
END_TEST

static void block_with_lock(void *arg)
{
    (void)arg;
    sgc_lock_acquire(&inner);
    sgc_lock_assert_none_held("waiting for a grace period");
}

START_TEST(blocking_with_a_lock_panics_and_says_what_would_have_blocked)
{
    support_expect_panic(block_with_lock, NULL, "lock order: waiting for a grace period while holding cache (rank 60)");
}
END_TEST

static void fork_downwards(void *arg)
{
    (void)arg;
    sgc_lock_before_fork(&inner);
    sgc_lock_before_fork(&outer);
}

START_TEST(fork_takes_locks_in_rising_rank_too)
{
    support_expect_panic(fork_downwards, NULL, "lock order: fork took heap (rank 30) after a lock of rank 60");
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("rank");
    TCase *tc = tcase_create("rank");
    tcase_add_test(tc, locks_taken_in_rising_rank_pass);
    tcase_add_test(tc, try_may_break_the_order_and_fails_on_a_taken_lock);
    tcase_add_test(tc, a_guard_releases_at_the_end_of_its_scope);
    tcase_add_test(tc, a_lock_excludes_other_threads);
    tcase_add_test(tc, destroying_a_held_lock_panics);
    tcase_add_test(tc, fork_hands_usable_locks_to_parent_and_child);
    tcase_add_test(tc, the_forking_thread_passes_its_own_locks_and_pairs_nest);
    tcase_add_test(tc, a_lock_held_over_fork_can_be_made_usable_in_the_child);
#ifdef SGC_DEBUG
    tcase_add_test(tc, taking_a_lower_rank_panics_and_names_both_locks);
    tcase_add_test(tc, taking_a_lock_twice_panics_instead_of_waiting_for_ever);
    tcase_add_test(tc, the_highest_rank_held_counts_not_the_latest);
    tcase_add_test(tc, releasing_what_is_not_held_panics);
    tcase_add_test(tc, asserting_what_is_not_held_panics);
    tcase_add_test(tc, blocking_with_a_lock_panics_and_says_what_would_have_blocked);
    tcase_add_test(tc, fork_takes_locks_in_rising_rank_too);
#endif
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
