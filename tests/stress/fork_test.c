/* Fork: while other threads are in sections, in allocations, in collections. The child finds a whole heap: it verifies,
 * collects fully (dead threads' sections have ended, their holds stay), works on and forks again; so does the parent.
 */
#include "tests/stress/common.h"
#include "tests/stress/model.h"
#include "tests/support/steps.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_THREADS 3
#define N_FORKS 25

/* ThreadSanitizer does not let a child of fork start threads (a strategy may want core's grace-period thread) when the
 * parent had several: there the child only looks and collects. */
#if defined(__SANITIZE_THREAD__)
#define CHILD_MAY_WORK false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHILD_MAY_WORK false
#endif
#endif
#ifndef CHILD_MAY_WORK
#define CHILD_MAY_WORK true
#endif

struct worker {
    struct sgc_heap *heap;
    struct model *model;
    _Atomic bool *stop;
    _Atomic uint64_t n_steps; /* a model step is complete */
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    while (!atomic_load(worker->stop)) {
        model_step(worker->model);
        atomic_fetch_add(&worker->n_steps, 1);
    }
    model_clear(worker->model);
    return NULL;
}

static void check_heap(struct sgc_heap *heap)
{
    struct sgc_error error = {0};
    if (sgc_heap_verify(heap, &error) != 0) {
        fprintf(stderr, "verify in process %d: %s\n", (int)getpid(), error.message);
        abort();
    }
}

/* Whoever forks waits until no thread is about to start (steps.h says why): a strategy's work may begin core's
 * grace-period thread. Here it does now, if ever. */
static void warm_up(struct model *mine)
{
    for (int i = 0; i < 300; i++)
        model_step(mine);
    steps_await_others_asleep();
}

/* The forking thread's own model is whole in the child; those of dead threads are somewhere within a step. */
static void be_child(struct sgc_heap *heap, struct model *mine, unsigned depth)
{
    alarm(60);
    check_heap(heap);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    check_heap(heap);
    if (!CHILD_MAY_WORK)
        return;
    warm_up(mine);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    check_heap(heap);
    if (depth == 0) {
        pid_t grandchild = fork();
        STRESS_CHECK(grandchild >= 0);
        if (grandchild == 0) {
            be_child(heap, mine, 1);
            _exit(0);
        }
        int status = 1;
        STRESS_CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    }
    model_clear(mine);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    check_heap(heap);
}

static void fork_once(struct sgc_heap *heap, struct model *mine)
{
    fflush(NULL);
    pid_t child = fork();
    STRESS_CHECK(child >= 0);
    if (child == 0) {
        be_child(heap, mine, 0);
        _exit(0);
    }
    for (int i = 0; i < 100; i++)
        model_step(mine);
    int status = 1;
    STRESS_CHECK(waitpid(child, &status, 0) == child);
    ck_assert_msg(status == 0, "the child ended with status 0x%x", (unsigned)status);
}

static bool has_worked(void *worker)
{
    return atomic_load(&((struct worker *)worker)->n_steps) > 0;
}

START_TEST(forked_children_and_parents_go_on)
{
    struct sgc_heap *heap = stress_open(stress_strategies[_i], STRESS_NEEDS);
    struct model_caches caches;
    struct worker workers[N_THREADS];
    struct model *models[N_THREADS + 1];
    pthread_t threads[N_THREADS];
    _Atomic bool stop = false;
    printf("fork on %s, ", stress_strategies[_i]);
    uint64_t seed = support_seed("fork", 0);
    ck_assert(model_caches_create(heap, &caches));
    for (unsigned i = 0; i <= N_THREADS; i++)
        models[i] = model_create(heap, &caches, i, seed);
    warm_up(models[N_THREADS]);
    for (unsigned i = 0; i < N_THREADS; i++) {
        workers[i] = (struct worker){.heap = heap, .model = models[i], .stop = &stop};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < N_THREADS; i++)
        steps_await(has_worked, &workers[i], "a worker has begun");
    for (unsigned i = 0; i < stress_scale(N_FORKS); i++)
        fork_once(heap, models[N_THREADS]);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    model_settle(heap, models, N_THREADS + 1);
    model_compare(heap, models, N_THREADS + 1, NULL, NULL);
    model_clear(models[N_THREADS]);
    model_settle(heap, models, N_THREADS + 1);
    model_compare(heap, models, N_THREADS + 1, NULL, NULL);
    for (unsigned i = 0; i <= N_THREADS; i++)
        model_destroy(models[i]);
    stress_close(heap);
}
END_TEST

static void fork_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    if (fork() == 0)
        _exit(0);
}

/* A fork waits until the other threads are at rest, so the forking one has to be. */
START_TEST(forking_inside_a_section_panics)
{
    struct sgc_heap *heap = stress_open(stress_strategies[_i], STRESS_NEEDS);
    support_expect_panic(fork_in_section, NULL, "fork: called inside a section");
    stress_close(heap);
}
END_TEST

int main(void)
{
    stress_init();
    Suite *suite = suite_create("stress/fork");
    TCase *tcase = tcase_create("fork");
    tcase_set_timeout(tcase, 200);
    tcase_add_loop_test(tcase, forked_children_and_parents_go_on, 0, n_stress_strategies);
    tcase_add_loop_test(tcase, forking_inside_a_section_panics, 0, n_stress_strategies);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
