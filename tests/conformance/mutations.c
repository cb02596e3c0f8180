/* mutations.c - see mutations.h.
 * Locks: points.lock, a leaf; sgc_test_point may be called with locks of core held. */
#include "tests/conformance/mutations.h"

#include <slabgc/testpoint.h>

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define N_LABELS 64
#define MAX_POINTS 32
#define TIMEOUT_S 100

static const char *mutant_on; /* set before any thread of the process begins */
void (*_Atomic mutation_observer)(const char *point);

/* ---- points */

/* What the calling thread asked for. */
static _Thread_local struct {
    struct steps *steps;
    const char *point, *name;
} armed;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        const char *name;
        unsigned n_passed;
    } seen[MAX_POINTS];
    const char *stands_at;
    const char *gate, *gate_after; /* NULL: no gate; no condition, or fulfilled */
    bool gate_taken;
} points = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int sgc_test_mutant(const char *mutant)
{
    return mutant_on && strcmp(mutant, mutant_on) == 0;
}

/* Lock held. */
static unsigned *point_counter(const char *point)
{
    for (size_t i = 0; i < MAX_POINTS; i++) {
        if (!points.seen[i].name)
            points.seen[i].name = point;
        if (strcmp(points.seen[i].name, point) == 0)
            return &points.seen[i].n_passed;
    }
    kit_fail(__FILE__, __LINE__, "more than %d points", MAX_POINTS);
}

static void point_count(const char *point)
{
    pthread_mutex_lock(&points.lock);
    ++*point_counter(point);
    pthread_mutex_unlock(&points.lock);
}

static void point_gate(const char *point)
{
    pthread_mutex_lock(&points.lock);
    if (points.gate_after && strcmp(points.gate_after, point) == 0)
        points.gate_after = NULL;
    else if (points.gate && !points.gate_taken && !points.gate_after && strcmp(points.gate, point) == 0) {
        points.gate_taken = true;
        pthread_cond_broadcast(&points.changed);
        while (points.gate)
            pthread_cond_wait(&points.changed, &points.lock);
    }
    pthread_mutex_unlock(&points.lock);
}

static void point_stand(const char *point)
{
    pthread_mutex_lock(&points.lock);
    points.stands_at = point;
    pthread_mutex_unlock(&points.lock);
}

void sgc_test_point(const char *point)
{
    void (*observer)(const char *point) = mutation_observer;
    if (observer)
        observer(point);
    point_count(point);
    point_gate(point);
    if (!armed.point || strcmp(armed.point, point) != 0)
        return;
    armed.point = NULL;
    point_stand(point);
    step(armed.steps, armed.name);
    point_stand(NULL);
}

void mutation_step_at(struct steps *steps, const char *point, const char *name)
{
    armed.steps = steps;
    armed.name = name;
    armed.point = point;
}

bool mutation_stands_at(const char *point)
{
    pthread_mutex_lock(&points.lock);
    bool stands = points.stands_at && strcmp(points.stands_at, point) == 0;
    pthread_mutex_unlock(&points.lock);
    return stands;
}

unsigned mutation_n_passed(const char *point)
{
    pthread_mutex_lock(&points.lock);
    unsigned n = *point_counter(point);
    pthread_mutex_unlock(&points.lock);
    return n;
}

void mutation_gate_shut(const char *point, const char *after)
{
    pthread_mutex_lock(&points.lock);
    points.gate = point;
    points.gate_after = after;
    points.gate_taken = false;
    pthread_mutex_unlock(&points.lock);
}

static bool gate_is_taken(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&points.lock);
    bool taken = points.gate_taken;
    pthread_mutex_unlock(&points.lock);
    return taken;
}

void mutation_gate_await(void)
{
    steps_await(gate_is_taken, NULL, "a thread comes to the gate");
}

void mutation_gate_open(void)
{
    pthread_mutex_lock(&points.lock);
    points.gate = NULL;
    pthread_cond_broadcast(&points.changed);
    pthread_mutex_unlock(&points.lock);
}

/* ---- deaths: a constructed type hears of each */

static _Atomic bool died[N_LABELS];

static int node_ctor(void *slot)
{
    memset(slot, 0, sizeof(struct kit_node));
    return 0;
}

static void node_reset(void *object)
{
    struct kit_node *node = object;
    if (node->label < N_LABELS)
        atomic_store(&died[node->label], true);
    node->label = node->value = 0;
}

/* Acyclic: else a slot may stay with the cycle collector's candidates for a while after its object's end. */
static const struct sgc_type node_type = SGC_TYPE(struct kit_node, SGC_REFS(struct kit_node, left, right, any),
                                                  .flags = SGC_TYPE_ACYCLIC, .ctor = node_ctor, .reset = node_reset);

bool mutation_died(uint64_t label)
{
    return atomic_load(&died[label]);
}

void mutation_forget(uint64_t label)
{
    atomic_store(&died[label], false);
}

static bool label_died(void *label)
{
    return mutation_died(*(const uint64_t *)label);
}

/* Two objects, the second after the end of the first: the batch that ended the first is worked off then, and what was
 * let go of before it was in that batch or an earlier one. */
void mutation_settle(struct kit *kit)
{
    for (uint64_t label = 62; label <= 63; label++) {
        mutation_forget(label);
        sgc_drop(kit_node(kit, label));
        steps_await(label_died, &label, "an object that was let go of ends");
    }
}

/* ---- running */

void mutation_run(const struct mutation *mutation, const char *strategy, bool mutated)
{
    struct sgc_error error = {0};
    const struct sgc_heap_options options = {.needs = SGC_NEED_REFERENCES | SGC_NEED_WEAK, .strategy = strategy};
    struct kit kit = {.strategy = strategy, .transcript = fopen("/dev/null", "w")};
    KIT_CHECK(kit.transcript != NULL);
    alarm(TIMEOUT_S);
    mutant_on = mutated ? mutation->mutant : NULL;
    kit.heap = sgc_heap_open("kit", &options, &error);
    if (!kit.heap)
        kit_fail(__FILE__, __LINE__, "the heap does not open: %s", error.message);
    kit.capabilities = sgc_heap_capabilities(kit.heap);
    kit.leaves = kit_cache(&kit, &kit_leaf_type);
    kit.nodes = kit_cache(&kit, &node_type);
    mutation->run(&kit);
    kit_verify(kit.heap);
    kit_expect_live(&kit, "");
    kit_verify(kit.heap);
    if (sgc_heap_close(kit.heap, &error) != 0)
        kit_fail(__FILE__, __LINE__, "closing the heap: %s", error.message);
    _exit(0);
}
