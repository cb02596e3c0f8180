/* Tests of steps.c: threads run in the given order, whatever order they were started in. */
#include "tests/support/expect.h"
#include "tests/support/steps.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct steps *plan;
static char trail[64];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void leave_trail(const char *name)
{
    static pthread_mutex_t trail_lock =
        PTHREAD_MUTEX_INITIALIZER; /* a step that blocks has not ended when the next one begins */
    step(plan, name);
    pthread_mutex_lock(&trail_lock);
    size_t length = strlen(trail);
    trail[length] = name[0];
    trail[length + 1] = '\0';
    pthread_mutex_unlock(&trail_lock);
}

static void *walk_ac(void *arg)
{
    leave_trail("a");
    leave_trail("c");
    steps_end(plan);
    return arg;
}

static void *walk_bd(void *arg)
{
    leave_trail("b");
    leave_trail("d");
    steps_end(plan);
    return arg;
}

static void run_two(void *(*first)(void *), void *(*second)(void *))
{
    pthread_t threads[2];
    trail[0] = '\0';
    ck_assert_int_eq(pthread_create(&threads[0], NULL, first, NULL), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, second, NULL), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    steps_free(plan);
}

START_TEST(steps_run_in_the_given_order)
{
    plan = STEPS("a", "b", "c", "d");
    run_two(walk_ac, walk_bd);
    ck_assert_str_eq(trail, "abcd");
    plan = STEPS("b", "d", "a", "c");
    run_two(walk_ac, walk_bd);
    ck_assert_str_eq(trail, "bdac");
}
END_TEST

static void *walk_blocking(void *arg)
{
    leave_trail("blocks");
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    leave_trail("goes on");
    steps_end(plan);
    return arg;
}

START_TEST(a_marked_step_may_block_until_a_later_one)
{
    plan = STEPS("locks", "blocks &", "unlocks", "goes on");
    trail[0] = '\0';
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, walk_blocking, NULL), 0);
    leave_trail("locks");
    pthread_mutex_lock(&gate);
    leave_trail("unlocks");
    ck_assert(steps_begun(plan, "blocks"));
    ck_assert(!steps_ended(plan, "blocks"));
    pthread_mutex_unlock(&gate);
    steps_end(plan);
    pthread_join(thread, NULL);
    ck_assert_str_eq(trail, "lbug");
    steps_free(plan);
}
END_TEST

static void *sleeps_on_the_gate(void *begun)
{
    __atomic_store_n((bool *)begun, true, __ATOMIC_RELEASE);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return NULL;
}

START_TEST(that_all_others_sleep_is_waited_for)
{
    bool begun = false;
    pthread_t thread;
    steps_await_others_asleep(); /* there are none */
    pthread_mutex_lock(&gate);
    ck_assert_int_eq(pthread_create(&thread, NULL, sleeps_on_the_gate, &begun), 0);
    steps_await_others_asleep();
    ck_assert(__atomic_load_n(&begun, __ATOMIC_ACQUIRE));
    pthread_mutex_unlock(&gate);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void wait_for_ever(void *arg)
{
    (void)arg;
    setenv("SLABGC_TEST_STEP_SECONDS", "1", 1);
    plan = STEPS("a", "b");
    step(plan, "b");
}

START_TEST(a_step_that_never_comes_is_named)
{
    char text[1024];
    ck_assert_int_ne(support_run_child(wait_for_ever, NULL, text, sizeof(text)), 0);
    ck_assert_ptr_nonnull(strstr(text, "waited too long for 'b'"));
    ck_assert_ptr_nonnull(strstr(text, "1 pending  a"));
}
END_TEST

static void take_unknown(void *arg)
{
    (void)arg;
    plan = STEPS("a");
    step(plan, "z");
}

START_TEST(an_unknown_step_is_named)
{
    char text[1024];
    ck_assert_int_ne(support_run_child(take_unknown, NULL, text, sizeof(text)), 0);
    ck_assert_ptr_nonnull(strstr(text, "no step is left that is called 'z'"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("support/steps");
    TCase *tcase = tcase_create("steps");
    tcase_add_test(tcase, steps_run_in_the_given_order);
    tcase_add_test(tcase, a_marked_step_may_block_until_a_later_one);
    tcase_add_test(tcase, that_all_others_sleep_is_waited_for);
    tcase_add_test(tcase, a_step_that_never_comes_is_named);
    tcase_add_test(tcase, an_unknown_step_is_named);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
