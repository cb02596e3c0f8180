/* writing_many.c - clause 4 of the contract, several threads: one writer per field by sgc_set, several by sgc_xchg and
 * sgc_cas; no claim is lost and none invented. Counted by labels, and by what is live afterwards. */
#include "tests/conformance/kit.h"

#include <stdatomic.h>
#include <stdlib.h>

#define N_THREADS 4

struct worker {
    struct kit *kit;
    struct steps *steps;
    struct kit_vec *shared; /* held by the claim */
    unsigned number, n_rounds;
    uint64_t sum;
    pthread_mutex_t *lock; /* for strategies without concurrent readers; NULL: none needed */
};

static void run_workers(struct worker *workers, void *(*run)(void *arg))
{
    pthread_t threads[N_THREADS];
    for (unsigned i = 0; i < N_THREADS; i++)
        threads[i] = kit_start(run, &workers[i]);
    for (unsigned i = 0; i < N_THREADS; i++)
        kit_join(threads[i]);
}

static void init_workers(struct worker *workers, struct kit *kit, struct kit_vec *shared, unsigned n_rounds)
{
    for (unsigned i = 0; i < N_THREADS; i++)
        workers[i] = (struct worker){.kit = kit, .shared = shared, .number = i, .n_rounds = n_rounds};
}

/* Each thread has a field of its own in one object, next to the others'. */
static void *store_own_field(void *arg)
{
    struct worker *worker = arg;
    for (unsigned i = 0; i < worker->n_rounds; i++) {
        struct kit_node *node = kit_node(worker->kit, 10 + worker->number);
        sgc_set(worker->shared, items[worker->number], node);
        sgc_drop(node);
    }
    return NULL;
}

static void writing_different_fields_at_once(struct kit *kit)
{
    struct worker workers[N_THREADS];
    struct kit_vec *shared = kit_vec(kit_cache(kit, &kit_vec_type), 1, N_THREADS);
    init_workers(workers, kit, shared, 8000);
    run_workers(workers, store_own_field);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 10 11 12 13");
    sgc_drop(shared);
    kit_expect_live(kit, "");
}

/* Two threads store into the same old object for the first time since a collection, in both orders: both stores are
 * remembered. */
static void *store_in_turn(void *arg)
{
    struct worker *worker = arg;
    char name[32];
    snprintf(name, sizeof(name), "thread %u: stores", worker->number);
    struct kit_node *node = kit_node(worker->kit, 10 + worker->number);
    step(worker->steps, name);
    sgc_set(worker->shared, items[worker->number], node);
    sgc_drop(node);
    steps_end(worker->steps);
    return NULL;
}

static void store_in_order(struct kit *kit, struct sgc_cache *vecs, struct steps *steps)
{
    struct worker workers[N_THREADS];
    struct kit_vec *shared = kit_vec(vecs, 1, N_THREADS);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
    init_workers(workers, kit, shared, 1);
    for (unsigned i = 0; i < 2; i++)
        workers[i].steps = steps;
    pthread_t threads[] = {kit_start(store_in_turn, &workers[0]), kit_start(store_in_turn, &workers[1])};
    kit_join(threads[0]);
    kit_join(threads[1]);
    steps_free(steps);
    sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
    KIT_CHECK(shared->items[0]->label == 10 && shared->items[1]->label == 11);
    kit_verify(kit->heap);
    kit_expect_live(kit, "1 10 11");
    sgc_drop(shared);
    kit_expect_live(kit, "");
}

static void writing_two_fields_of_an_old_object(struct kit *kit)
{
    struct sgc_cache *vecs = kit_cache(kit, &kit_vec_type);
    store_in_order(kit, vecs, STEPS("thread 0: stores", "thread 1: stores"));
    store_in_order(kit, vecs, STEPS("thread 1: stores", "thread 0: stores"));
}

/* Tokens wander through exchanged fields; none is lost, none doubled. */
static void *exchange_tokens(void *arg)
{
    struct worker *worker = arg;
    struct random random = {worker->number};
    struct kit_node *mine = kit_node(worker->kit, 100 + worker->number);
    for (unsigned i = 0; i < worker->n_rounds; i++) {
        struct kit_node *old = sgc_xchg(worker->shared, items[random_below(&random, worker->shared->n)], mine);
        sgc_drop(mine);
        mine = old;
    }
    worker->sum = mine ? mine->label : 0;
    sgc_drop(mine);
    return NULL;
}

static void writing_xchg_by_many_loses_nothing(struct kit *kit)
{
    struct worker workers[N_THREADS];
    struct kit_vec *shared = kit_vec(kit_cache(kit, &kit_vec_type), 1, 3);
    init_workers(workers, kit, shared, 20000);
    run_workers(workers, exchange_tokens);
    kit_at_rest(kit);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    uint64_t sum = 0;
    for (unsigned i = 0; i < N_THREADS; i++)
        sum += workers[i].sum;
    for (unsigned i = 0; i < shared->n; i++)
        sum += shared->items[i] ? shared->items[i]->label : 0;
    KIT_CHECK_EQ(sum, 100 + 101 + 102 + 103);
    sgc_drop(shared);
    kit_expect_live(kit, "");
}

/* A stack (Treiber 1986) in one field: push by cas; pop by taking all and pushing the rest back, so that there is no
 * ABA question. */
static void push_list(struct worker *worker, struct kit_node *first, struct kit_node *last)
{
    for (bool done = false; !done;) {
        if (worker->lock)
            pthread_mutex_lock(worker->lock);
        sgc_enter();
        struct kit_node *top = sgc_get(worker->shared, items[0]);
        sgc_set(last, left, top);
        done = sgc_cas(worker->shared, items[0], top, first);
        sgc_leave();
        if (worker->lock)
            pthread_mutex_unlock(worker->lock);
    }
}

static void *push_and_pop(void *arg)
{
    struct worker *worker = arg;
    for (unsigned i = 0; i < worker->n_rounds; i++) {
        struct kit_node *node = kit_node(worker->kit, 1 + i);
        push_list(worker, node, node);
        sgc_drop(node);
        if (worker->lock)
            pthread_mutex_lock(worker->lock);
        struct kit_node *all = sgc_xchg(worker->shared, items[0], NULL);
        if (worker->lock)
            pthread_mutex_unlock(worker->lock);
        if (!all)
            continue;
        worker->sum += all->label;
        struct kit_node *rest = sgc_hold(all->left), *last = rest;
        sgc_set(all, left, NULL);
        sgc_drop(all);
        while (last && last->left)
            last = last->left;
        if (rest)
            push_list(worker, rest, last);
        sgc_drop(rest);
    }
    return NULL;
}

static void run_stack(struct kit *kit, pthread_mutex_t *lock)
{
    struct worker workers[N_THREADS];
    enum { N_ROUNDS = 4000 };
    struct kit_vec *shared = kit_vec(kit_cache(kit, &kit_vec_type), 1, 1);
    init_workers(workers, kit, shared, N_ROUNDS);
    for (unsigned i = 0; i < N_THREADS; i++)
        workers[i].lock = lock;
    run_workers(workers, push_and_pop);
    kit_at_rest(kit);
    uint64_t sum = 0, expected = (uint64_t)N_THREADS * N_ROUNDS * (N_ROUNDS + 1) / 2;
    for (unsigned i = 0; i < N_THREADS; i++)
        sum += workers[i].sum;
    for (struct kit_node *node = shared->items[0]; node; node = node->left)
        sum += node->label;
    KIT_CHECK_EQ(sum, expected);
    sgc_drop(shared);
    kit_expect_live(kit, "");
}

static void writing_cas_stack_without_locks(struct kit *kit)
{
    run_stack(kit, NULL);
}

static void writing_cas_stack_with_a_lock(struct kit *kit)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    run_stack(kit, &lock);
}

/* A root cell has several writers. */
static struct sgc_root cell;

static void *exchange_root(void *arg)
{
    struct worker *worker = arg;
    for (unsigned i = 0; i < worker->n_rounds; i++) {
        struct kit_leaf *leaf = kit_leaf(worker->kit, 1 + i);
        if (i % 2) {
            struct kit_leaf *old = sgc_root_xchg(&cell, leaf);
            KIT_CHECK(!old || (old->label >= 1 && old->label <= worker->n_rounds));
            sgc_drop(old);
        } else {
            sgc_root_set(&cell, leaf);
        }
        sgc_drop(leaf);
    }
    return NULL;
}

static void writing_root_cells_by_many(struct kit *kit)
{
    struct worker workers[N_THREADS];
    init_workers(workers, kit, NULL, 10000);
    run_workers(workers, exchange_root);
    kit_at_rest(kit);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    char *labels = kit_labels(kit->heap);
    KIT_CHECK_EQ(strtoull(labels, NULL, 10), 10000);
    free(labels);
    sgc_root_set(&cell, NULL);
    kit_expect_live(kit, "");
}

#define CONCURRENT (SGC_NEED_REFERENCES | SGC_NEED_CONCURRENT_READERS)
const struct kit_claim kit_writing_many[] = {
    KIT_CLAIM(writing_different_fields_at_once, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_two_fields_of_an_old_object, SGC_NEED_REFERENCES, KIT_PLAIN),
    KIT_CLAIM(writing_xchg_by_many_loses_nothing, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_cas_stack_without_locks, CONCURRENT, 0),
    KIT_CLAIM(writing_cas_stack_with_a_lock, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(writing_root_cells_by_many, 0, 0),
    {0},
};
