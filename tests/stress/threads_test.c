/* Model test with threads: each has a model of its own and drives it while the others collect; objects wander between
 * threads through shared fields, with a lock for each, and without one for reading where the strategy has
 * concurrent-readers. At barriers everything is compared, as in model_test.c. */
#include "tests/stress/common.h"
#include "tests/stress/model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define N_THREADS 4
#define N_SHARED 16
#define N_ROUNDS 6
#define N_STEPS 4000 /* of a thread, in a round */

/* The caller's objects have labels below 1 << 32 (model_compare). */
struct shared {
    struct sgc_heap *heap;
    struct sgc_cache *vecs;
    struct model_object *fields; /* one vec with N_SHARED fields; held by the test */
    pthread_mutex_t locks[N_SHARED];
    uint32_t labels[N_SHARED];        /* of what the field holds: under its lock */
    unsigned char seen[N_SHARED + 1]; /* scratch of the comparison */
    bool concurrent_readers;
    _Atomic uint32_t next_label;
    _Atomic uint64_t n_lock_free_reads;
};

struct worker {
    struct shared *shared;
    struct model *model;
    pthread_barrier_t *barrier;
    unsigned n_steps, n_rounds;
};

#define LABEL_OF_FIELDS 1u

static bool is_shared_label(void *arg, uint64_t label)
{
    struct shared *shared = arg;
    if (label == LABEL_OF_FIELDS)
        return true;
    for (unsigned i = 0; i < N_SHARED; i++) {
        if (shared->labels[i] != label || shared->seen[i])
            continue;
        shared->seen[i] = 1;
        return true;
    }
    return false;
}

static void replace_shared(struct shared *shared, struct random *random)
{
    unsigned at = random_below(random, N_SHARED);
    uint32_t label = atomic_fetch_add(&shared->next_label, 1);
    struct model_object *object = random_chance(random, 80) ? sgc_new_n(shared->vecs, 0) : NULL;
    if (object) {
        object->label = label;
        object->check = 3 * (uint64_t)label;
    }
    pthread_mutex_lock(&shared->locks[at]);
    if (random_chance(random, 50)) {
        sgc_set(shared->fields, fields[at], (void *)object);
    } else {
        struct model_object *old = sgc_xchg(shared->fields, fields[at], (void *)object);
        STRESS_CHECK((old ? old->label : 0) == shared->labels[at]);
        sgc_drop(old);
    }
    shared->labels[at] = object ? label : 0;
    pthread_mutex_unlock(&shared->locks[at]);
    sgc_drop(object);
}

static void read_shared(struct shared *shared, struct random *random)
{
    unsigned at = random_below(random, N_SHARED);
    bool lock = !shared->concurrent_readers || random_chance(random, 20);
    if (lock)
        pthread_mutex_lock(&shared->locks[at]);
    else
        atomic_fetch_add_explicit(&shared->n_lock_free_reads, 1, memory_order_relaxed);
    sgc_enter();
    struct model_object *object = sgc_get(shared->fields, fields[at]);
    uint64_t label = object ? object->label : 0;
    STRESS_CHECK(!object || object->check == 3 * label);
    struct model_object *held = random_chance(random, 50) ? sgc_hold(object) : NULL;
    STRESS_CHECK(!object || (object->label == label && object->check == 3 * label));
    sgc_leave();
    if (lock) {
        STRESS_CHECK(label == shared->labels[at]);
        pthread_mutex_unlock(&shared->locks[at]);
    }
    STRESS_CHECK(!held || (held->label == label && held->check == 3 * label));
    sgc_drop(held);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct random random = worker->model->random;
    random.state ^= 0x5555;
    for (unsigned round = 0; round < worker->n_rounds; round++) {
        for (unsigned step = 0; step < worker->n_steps; step++) {
            model_step(worker->model);
            if (random_chance(&random, 20))
                replace_shared(worker->shared, &random);
            for (int reads = 0; reads < 3; reads++)
                read_shared(worker->shared, &random);
        }
        pthread_barrier_wait(worker->barrier); /* all at rest: the test settles and compares */
        pthread_barrier_wait(worker->barrier);
    }
    model_clear(worker->model); /* the hold stack is this thread's */
    return NULL;
}

static void shared_init(struct shared *shared, struct sgc_heap *heap, const struct model_caches *caches)
{
    *shared = (struct shared){.heap = heap, .vecs = caches->vecs, .next_label = LABEL_OF_FIELDS + 1};
    shared->concurrent_readers = sgc_heap_capabilities(heap) & SGC_NEED_CONCURRENT_READERS;
    for (unsigned i = 0; i < N_SHARED; i++)
        pthread_mutex_init(&shared->locks[i], NULL);
    shared->fields = sgc_new_n(caches->vecs, N_SHARED);
    ck_assert_ptr_nonnull(shared->fields);
    shared->fields->label = LABEL_OF_FIELDS;
    shared->fields->check = 3 * LABEL_OF_FIELDS;
}

static void compare_all(struct shared *shared, struct model *const *models)
{
    model_settle(shared->heap, models, N_THREADS);
    memset(shared->seen, 0, sizeof(shared->seen));
    model_compare(shared->heap, models, N_THREADS, is_shared_label, shared);
    for (unsigned i = 0; i < N_SHARED; i++)
        ck_assert(shared->seen[i] || !shared->labels[i]);
}

static void run_threads(const char *name, const char *strategy, bool finalizers)
{
    printf("%s on %s, ", name, strategy);
    uint64_t seed = support_seed(name, 0);
    struct sgc_heap *heap = stress_open(strategy, STRESS_NEEDS);
    struct model_caches caches;
    ck_assert(model_caches_create(heap, &caches));
    struct shared shared;
    shared_init(&shared, heap, &caches);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, N_THREADS + 1);
    struct worker workers[N_THREADS];
    struct model *models[N_THREADS];
    pthread_t threads[N_THREADS];
    for (unsigned i = 0; i < N_THREADS; i++) {
        models[i] = model_create(heap, &caches, i, seed);
        models[i]->finalizers = finalizers;
        models[i]->ephemerons = !finalizers;
        workers[i] = (struct worker){&shared, models[i], &barrier, stress_scale(N_STEPS), N_ROUNDS};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        pthread_barrier_wait(&barrier);
        compare_all(&shared, models);
        pthread_barrier_wait(&barrier);
    }
    for (unsigned i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    compare_all(&shared, models);
    sgc_drop(shared.fields);
    memset(shared.labels, 0, sizeof(shared.labels));
    struct sgc_stats stats;
    do { /* each round finalizes what the objects saved in the round before referred to */
        for (unsigned i = 0; i < N_THREADS; i++)
            model_clear(models[i]);
        model_settle(heap, models, N_THREADS);
        sgc_heap_stats(heap, &stats);
    } while (stats.n_live > 0);
    for (unsigned i = 0; i < N_THREADS; i++)
        model_destroy(models[i]);
    pthread_barrier_destroy(&barrier);
    stress_close(heap);
}

START_TEST(threads_with_finalizers_match_their_oracles)
{
    run_threads("threads, finalizers", stress_strategies[_i], true);
}
END_TEST

START_TEST(threads_with_ephemerons_match_their_oracles)
{
    run_threads("threads, ephemerons", stress_strategies[_i], false);
}
END_TEST

int main(void)
{
    stress_init();
    Suite *suite = suite_create("stress/threads");
    TCase *tcase = tcase_create("threads");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, threads_with_finalizers_match_their_oracles, 0, n_stress_strategies);
    tcase_add_loop_test(tcase, threads_with_ephemerons_match_their_oracles, 0, n_stress_strategies);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
