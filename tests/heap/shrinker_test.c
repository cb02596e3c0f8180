/* shrinker_test.c - callbacks under memory pressure. */
#include "core/os/meta.h"
#include "tests/heap/fixture.h"

#include <pthread.h>
#include <semaphore.h>

static struct sgc_heap *heap;
static size_t before_bytes;

static void setup(void)
{
    heap = open_heap("shrink", &marking_plugin);
    before_bytes = sgc_meta_bytes();
}

static void teardown(void)
{
    ck_assert(sgc_list_empty(&heap->shrinkers));
    ck_assert_uint_eq(sgc_meta_bytes(), before_bytes);
    close_heap(heap);
}

struct giver {
    size_t gives, asked;
    int n_calls;
};
static size_t give(void *arg, size_t wanted)
{
    struct giver *giver = arg;
    giver->asked = wanted;
    giver->n_calls++;
    return giver->gives;
}

START_TEST(shrinkers_are_asked_in_turn_until_enough_came_back)
{
    struct giver givers[3] = {{.gives = 10}, {.gives = 95}, {.gives = 1000}};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sgc_shrinker_register(heap, give, &givers[i]), 0);
    ck_assert_uint_eq(sgc_shrinkers_run(heap, 100), 105);
    ck_assert_uint_eq(givers[0].asked, 100);
    ck_assert_uint_eq(givers[1].asked, 90);
    ck_assert_int_eq(givers[2].n_calls, 0);
    ck_assert_uint_eq(sgc_shrinkers_run(heap, 2000), 1105);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(givers[i].n_calls, i == 2 ? 1 : 2);
        sgc_shrinker_unregister(heap, give, &givers[i]);
    }
    ck_assert_uint_eq(sgc_shrinkers_run(heap, 100), 0);
}
END_TEST

static size_t unregister_itself(void *arg, size_t wanted)
{
    (void)wanted;
    sgc_shrinker_unregister(heap, unregister_itself, arg);
    return 1;
}

START_TEST(a_shrinker_may_unregister_itself)
{
    struct giver giver = {.gives = 1};
    sgc_shrinker_register(heap, unregister_itself, &giver);
    sgc_shrinker_register(heap, give, &giver);
    ck_assert_uint_eq(sgc_shrinkers_run(heap, 100), 2);
    ck_assert_uint_eq(sgc_shrinkers_run(heap, 100), 1);
    sgc_shrinker_unregister(heap, give, &giver);
}
END_TEST

static size_t register_another(void *arg, size_t wanted)
{
    (void)wanted;
    ck_assert_int_eq(sgc_shrinker_register(heap, give, arg), 0);
    sgc_shrinker_unregister(heap, register_another, arg);
    return 1;
}

START_TEST(a_shrinker_may_register_others)
{
    struct giver giver = {.gives = 1};
    sgc_shrinker_register(heap, register_another, &giver);
    ck_assert_uint_eq(sgc_shrinkers_run(heap, 100), 2);
    sgc_shrinker_unregister(heap, give, &giver);
}
END_TEST

static sem_t entered, go_on;
static int finished;
static size_t block(void *arg, size_t wanted)
{
    (void)arg, (void)wanted;
    sem_post(&entered);
    sem_wait(&go_on);
    __atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
    return 7;
}
static void *run_shrinkers(void *arg)
{
    (void)arg;
    return (void *)sgc_shrinkers_run(heap, 100);
}
static void *let_go_on(void *arg)
{
    (void)arg;
    sem_post(&go_on);
    return NULL;
}

START_TEST(unregister_returns_when_the_shrinker_does_not_run_any_more)
{
    pthread_t runner, releaser;
    sem_init(&entered, 0, 0);
    sem_init(&go_on, 0, 0);
    sgc_shrinker_register(heap, block, NULL);
    pthread_create(&runner, NULL, run_shrinkers, NULL);
    sem_wait(&entered);
    ck_assert_uint_eq(sgc_shrinkers_run(heap, 100), 0); /* it runs on one thread at a time */
    pthread_create(&releaser, NULL, let_go_on, NULL);
    sgc_shrinker_unregister(heap, block, NULL);
    ck_assert_int_eq(__atomic_load_n(&finished, __ATOMIC_ACQUIRE), 1);
    void *given;
    pthread_join(runner, &given);
    pthread_join(releaser, NULL);
    ck_assert_uint_eq((uintptr_t)given, 7);
}
END_TEST

static void unregister_unknown(void *arg)
{
    (void)arg;
    sgc_shrinker_unregister(heap, give, NULL);
}

START_TEST(unregistering_what_was_not_registered_panics)
{
    support_expect_panic(unregister_unknown, NULL, "sgc_shrinker_unregister: no such shrinker in heap shrink");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shrinker");
    TCase *tc = tcase_create("shrinker");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, shrinkers_are_asked_in_turn_until_enough_came_back);
    tcase_add_test(tc, a_shrinker_may_unregister_itself);
    tcase_add_test(tc, a_shrinker_may_register_others);
    tcase_add_test(tc, unregister_returns_when_the_shrinker_does_not_run_any_more);
    tcase_add_test(tc, unregistering_what_was_not_registered_panics);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
