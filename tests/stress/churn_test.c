/* Thread churn: many threads attach, allocate, leave objects to others and end; their slabs, windows, deferred
 * decrements and remembered stores are taken over, nothing is lost, and memory does not grow with the number of threads
 * that ever were. */
#include "tests/stress/common.h"
#include "tests/support/random.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define N_GENERATIONS 60
#define N_AT_ONCE 6
#define N_LEFT 40 /* objects that each thread leaves behind */

struct item {
    uint64_t label, check;
    struct item *next, *other;
};
static const struct sgc_type item_type = SGC_TYPE(struct item, SGC_REFS(struct item, next, other));

struct shared {
    struct sgc_heap *heap;
    struct sgc_cache *items;
    struct item *head;    /* held; head->next: list of all that was left behind */
    pthread_mutex_t lock; /* of the list */
    _Atomic uint64_t n_labels;
};

static struct item *item_new(struct shared *shared)
{
    struct item *item = sgc_new(shared->items);
    STRESS_CHECK(item != NULL);
    item->label = 1 + atomic_fetch_add(&shared->n_labels, 1);
    item->check = 3 * item->label;
    return item;
}

/* Puts an item in front of the list. The store of `next` has no other writer: the item is this thread's. */
static void leave_behind(struct shared *shared, struct item *item)
{
    pthread_mutex_lock(&shared->lock);
    sgc_enter();
    sgc_set(item, next, sgc_get(shared->head, next));
    sgc_set(shared->head, next, item);
    sgc_leave();
    pthread_mutex_unlock(&shared->lock);
}

/* Takes the first item out, if there is one. */
static struct item *take(struct shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    sgc_enter();
    struct item *first = sgc_hold(sgc_get(shared->head, next));
    if (first)
        sgc_set(shared->head, next, sgc_get(first, next));
    sgc_leave();
    pthread_mutex_unlock(&shared->lock);
    return first;
}

/* A thread's life: makes garbage, takes others' objects, leaves own ones, and ends without tidying up. */
static void *live_shortly(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < N_LEFT; i++) {
        struct item *item = item_new(shared), *garbage = item_new(shared);
        sgc_set(garbage, other, item);
        sgc_drop(garbage);
        leave_behind(shared, item);
        sgc_drop(item);
        struct item *taken = i % 2 ? take(shared) : NULL;
        STRESS_CHECK(!taken || taken->check == 3 * taken->label);
        sgc_drop(taken);
    }
    sgc_enter();
    sgc_drop(item_new(shared));
    sgc_leave();
    return NULL;
}

static void run_generation(struct shared *shared, unsigned generation)
{
    pthread_t threads[N_AT_ONCE];
    for (unsigned i = 0; i < N_AT_ONCE; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, live_shortly, shared), 0);
    if (generation % 5 == 0)
        sgc_heap_collect(shared->heap, generation % 10 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
    for (unsigned i = 0; i < N_AT_ONCE; i++)
        pthread_join(threads[i], NULL);
}

static uint64_t held_bytes(struct sgc_heap *heap)
{
    struct sgc_stats stats;
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_heap_stats(heap, &stats);
    return stats.held_bytes;
}

static uint64_t list_length(const struct item *head)
{
    uint64_t n = 0;
    for (const struct item *item = head->next; item; item = item->next, n++)
        STRESS_CHECK(item->check == 3 * item->label);
    return n;
}

START_TEST(threads_come_and_go_and_nothing_is_lost)
{
    struct sgc_heap *heap = stress_open(stress_strategies[_i], SGC_NEED_REFERENCES);
    struct shared shared = {.heap = heap, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct sgc_error error = {0};
    struct sgc_stats stats;
    shared.items = sgc_cache_create(heap, &item_type, &error);
    ck_assert_ptr_nonnull(shared.items);
    shared.head = item_new(&shared);
    unsigned n_generations = stress_scale(N_GENERATIONS);
    for (unsigned generation = 0; generation < n_generations; generation++) {
        run_generation(&shared, generation);
        ck_assert_uint_le(list_length(shared.head), (uint64_t)N_AT_ONCE * N_LEFT * (generation + 1));
    }
    uint64_t left = list_length(shared.head);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_msg(sgc_heap_verify(heap, &error) == 0, "%s", error.message);
    sgc_heap_stats(heap, &stats);
    ck_assert_uint_eq(stats.n_live, left + 1);
    for (struct item *item; (item = take(&shared)) != NULL;)
        sgc_drop(item);
    uint64_t before = held_bytes(heap);
    for (unsigned generation = 0; generation < n_generations; generation++) {
        run_generation(&shared, generation);
        for (struct item *item; (item = take(&shared)) != NULL;)
            sgc_drop(item);
    }
    uint64_t after = held_bytes(heap);
    printf("%s: %u threads, %llu then %llu bytes held\n", sgc_heap_strategy(heap), 2 * n_generations * N_AT_ONCE,
           (unsigned long long)before, (unsigned long long)after);
    ck_assert_uint_le(after, 2 * before + (4u << 20));
    sgc_drop(shared.head);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_heap_stats(heap, &stats);
    ck_assert_uint_eq(stats.n_live, 0);
    stress_close(heap);
}
END_TEST

int main(void)
{
    stress_init();
    Suite *suite = suite_create("stress/churn");
    TCase *tcase = tcase_create("churn");
    tcase_set_timeout(tcase, 200);
    tcase_add_loop_test(tcase, threads_come_and_go_and_nothing_is_lost, 0, n_stress_strategies);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
