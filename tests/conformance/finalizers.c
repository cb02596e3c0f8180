/* finalizers.c - clause 8 of the contract: finalizers run once per object, after its weak references are cleared, from
 * a queue, never inside a program's store or drop; they may resurrect; a referent's finalizer waits for its referrer's.
 */
#include "tests/conformance/kit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FINAL (SGC_NEED_REFERENCES | SGC_NEED_FINALIZERS)
#define MAX_LABEL 4096

static struct kit *the_kit;
static _Atomic unsigned n_runs[MAX_LABEL]; /* by label */
static _Atomic unsigned n_total;
static uint64_t order[MAX_LABEL]; /* labels in the order of their finalizers */
static struct sgc_root saved;     /* what a finalizer resurrects */
static bool resurrect;
static struct sgc_weak *watched; /* a weak reference to look at from the finalizer */
static bool watched_was_cleared;

static void note_finalizer(void *object)
{
    struct kit_node *node = object;
    KIT_CHECK(node->label > 0 && node->label < MAX_LABEL);
    atomic_fetch_add(&n_runs[node->label], 1);
    order[atomic_fetch_add(&n_total, 1)] = node->label;
    if (watched) {
        void *got = sgc_weak_get(watched);
        watched_was_cleared = got == NULL;
        sgc_drop(got);
    }
    if (resurrect)
        sgc_root_set(&saved, object);
}

static struct sgc_type final_type;

static struct sgc_cache *final_cache(struct kit *kit)
{
    the_kit = kit;
    final_type = kit_node_type;
    final_type.name = "finalized";
    final_type.finalize = note_finalizer;
    return kit_cache(kit, &final_type);
}

static struct kit_node *final_node(struct sgc_cache *cache, uint64_t label)
{
    struct kit_node *node = sgc_new(cache);
    KIT_CHECK(node != NULL);
    node->label = label;
    return node;
}

/* Collects and finalizes until nothing waits; what the finalizers saw is in `order`. */
static void finalize_all(struct kit *kit)
{
    do
        sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    while (sgc_finalizers_run(kit->heap, 0) > 0);
}

static void finalizers_run_once(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    for (uint64_t label = 1; label <= 50; label++)
        sgc_drop(final_node(cache, label));
    struct kit_node *held = final_node(cache, 51);
    kit_at_rest(kit);
    finalize_all(kit);
    for (uint64_t label = 1; label <= 50; label++)
        KIT_CHECK_EQ(n_runs[label], 1);
    KIT_CHECK_EQ(n_runs[51], 0);
    kit_expect_live(kit, "51");
    sgc_drop(held);
    finalize_all(kit);
    KIT_CHECK_EQ(n_runs[51], 1);
    kit_expect_live(kit, "");
    KIT_CHECK_EQ(KIT_STAT(kit->heap, n_finalizers_queued), 51);
    KIT_CHECK_EQ(KIT_STAT(kit->heap, n_finalizers_run), 51);
}

static void finalizers_never_run_inside_a_store_or_drop(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    struct kit_node *parent = kit_node(kit, 100), *child = final_node(cache, 1);
    sgc_set(parent, left, child);
    sgc_drop(child);
    sgc_set(parent, left, NULL);
    sgc_drop(final_node(cache, 2));
    sgc_enter();
    sgc_drop(final_node(cache, 3));
    sgc_leave();
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    KIT_CHECK_EQ(n_total, 0);
    kit_expect_live(kit, "1 2 3 100"); /* dead, in the queue, whole */
    KIT_CHECK_EQ(sgc_finalizers_run(kit->heap, 2), 2);
    KIT_CHECK_EQ(n_total, 2);
    KIT_CHECK_EQ(sgc_finalizers_run(kit->heap, 0), 1);
    KIT_CHECK_EQ(sgc_finalizers_run(kit->heap, 0), 0);
    kit_expect_live(kit, "100");
    sgc_drop(parent);
}

static void finalizers_see_their_referents(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    struct kit_node *dying = final_node(cache, 1), *child = kit_node(kit, 2), *grandchild = kit_node(kit, 3);
    sgc_set(dying, left, child);
    sgc_set(child, left, grandchild);
    sgc_drop(child);
    sgc_drop(grandchild);
    sgc_drop(dying);
    kit_expect_live(kit, "1 2 3");
    resurrect = true;
    KIT_CHECK_EQ(sgc_finalizers_run(kit->heap, 0), 1);
    kit_expect_live(kit, "1 2 3");
    sgc_enter();
    struct kit_node *back = sgc_root_get(&saved);
    KIT_CHECK(back == dying && back->left->label == 2 && back->left->left->label == 3);
    sgc_leave();
    resurrect = false;
    sgc_root_set(&saved, NULL);
    finalize_all(kit);
    kit_expect_live(kit, "");
    KIT_CHECK_EQ(n_runs[1], 1); /* once per object, resurrected or not */
}

static void finalizers_come_after_weak_references_are_cleared(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    struct kit_node *dying = final_node(cache, 1);
    watched = sgc_weak_create(dying);
    KIT_CHECK(watched != NULL);
    resurrect = true;
    sgc_drop(dying);
    kit_expect_live(kit, "1");
    KIT_CHECK(sgc_weak_get(watched) == NULL); /* it waits in the queue: dying */
    finalize_all(kit);
    KIT_CHECK(watched_was_cleared);
    KIT_CHECK(sgc_weak_get(watched) == NULL); /* resurrected, and still cleared */
    sgc_weak_destroy(watched);
    watched = NULL;
    struct sgc_weak *again = sgc_weak_create(dying); /* alive again: new weak references work */
    void *got = sgc_weak_get(again);
    KIT_CHECK(got == dying);
    sgc_drop(got);
    resurrect = false;
    sgc_root_set(&saved, NULL);
    finalize_all(kit);
    KIT_CHECK(sgc_weak_get(again) == NULL && n_runs[1] == 1);
    sgc_weak_destroy(again);
    kit_expect_live(kit, "");
}

/* 1 -> 2 -> 3, all finalizable: each waits until its referrer is gone. Also through an object without finalizer. */
static void finalizers_run_referrers_first(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    struct kit_node *one = final_node(cache, 1), *two = final_node(cache, 2), *three = final_node(cache, 3);
    struct kit_node *between = kit_node(kit, 50);
    sgc_set(one, left, two);
    sgc_set(two, left, between);
    sgc_set(between, left, three);
    sgc_drop(three);
    sgc_drop(between);
    sgc_drop(two);
    sgc_drop(one);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3 50");
    for (unsigned n = 1; n <= 3; n++) {
        KIT_CHECK_EQ(sgc_finalizers_run(kit->heap, 0), 1);
        KIT_CHECK_EQ(n_total, n);
        KIT_CHECK_EQ(order[n - 1], n);
        kit_live(kit);
    }
    kit_expect_live(kit, "");
}

/* A cycle of finalizable objects has no first one: all of it is finalized; what hangs on it waits. */
static void finalizers_of_a_cycle(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    struct kit_node *ring[3], *hanging = final_node(cache, 10);
    for (unsigned i = 0; i < 3; i++)
        ring[i] = final_node(cache, 1 + i);
    for (unsigned i = 0; i < 3; i++)
        sgc_set(ring[i], right, ring[(i + 1) % 3]);
    sgc_set(ring[1], left, hanging);
    sgc_drop(hanging);
    for (unsigned i = 0; i < 3; i++)
        sgc_drop(ring[i]);
    kit_at_rest(kit);
    finalize_all(kit);
    KIT_CHECK(n_runs[1] == 1 && n_runs[2] == 1 && n_runs[3] == 1 && n_runs[10] == 1);
    KIT_CHECK_EQ(order[3], 10);
    kit_expect_live(kit, "");
}

static void finalizer_that_works(void *object)
{
    struct kit_node *self = object;
    for (uint64_t i = 0; i < 100; i++) {
        SGC_AUTO struct kit_node *node = kit_node(the_kit, 500 + i);
        sgc_set(self, left, node);
    }
    sgc_heap_collect(the_kit->heap, SGC_COLLECT_MINOR);
    KIT_CHECK_EQ(self->left->label, 599);
    atomic_fetch_add(&n_total, 1);
}

/* They run at rest, with the object held, and may call all of slabgc. */
static void finalizers_may_use_the_heap(struct kit *kit)
{
    the_kit = kit;
    final_type = kit_node_type;
    final_type.name = "finalized";
    final_type.finalize = finalizer_that_works;
    struct sgc_cache *cache = kit_cache(kit, &final_type);
    for (uint64_t label = 1; label <= 3; label++)
        sgc_drop(final_node(cache, label));
    kit_at_rest(kit);
    finalize_all(kit);
    KIT_CHECK_EQ(n_total, 3);
    kit_expect_live(kit, "");
}

static bool two_ran(void *arg)
{
    (void)arg;
    return atomic_load(&n_total) == 2;
}

static bool is_empty(void *arg)
{
    struct kit *kit = arg;
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    return KIT_STAT(kit->heap, n_live) == 0;
}

/* options.finalizer_thread: nobody calls sgc_finalizers_run. */
static void finalizers_run_on_cores_thread(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    sgc_drop(final_node(cache, 1));
    sgc_drop(final_node(cache, 2));
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    steps_await(two_ran, NULL, "two finalizers ran");
    steps_await(is_empty, kit, "the heap is empty");
    KIT_CHECK(n_runs[1] == 1 && n_runs[2] == 1);
}

/* What still waits when the heap closes does not run. */
static void finalizers_do_not_run_at_close(struct kit *kit)
{
    struct sgc_heap *heap = kit->heap = kit_open(kit, "kit", FINAL, 0);
    struct sgc_cache *cache = final_cache(kit);
    sgc_drop(final_node(cache, 1));
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_drop(final_node(cache, 2));
    KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
    KIT_CHECK_EQ(n_total, 0);
}

/* Many threads drop, one runs finalizers: each object once. */
static void *drop_many(void *arg)
{
    struct sgc_cache *cache = arg;
    for (uint64_t label = 1; label <= 1000; label++)
        sgc_drop(final_node(cache, label));
    return NULL;
}

static void finalizers_run_once_whoever_drops(struct kit *kit)
{
    struct sgc_cache *cache = final_cache(kit);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = kit_start(drop_many, cache);
    for (int i = 0; i < 50; i++) {
        sgc_finalizers_run(kit->heap, 10);
        kit_at_rest(kit);
    }
    for (int i = 0; i < 3; i++)
        kit_join(threads[i]);
    finalize_all(kit);
    for (uint64_t label = 1; label <= 1000; label++)
        KIT_CHECK_EQ(n_runs[label], 3);
    kit_expect_live(kit, "");
}

const struct kit_claim kit_finalizers[] = {
    KIT_CLAIM(finalizers_run_once, FINAL, 0),
    KIT_CLAIM(finalizers_never_run_inside_a_store_or_drop, FINAL, 0),
    KIT_CLAIM(finalizers_see_their_referents, FINAL, 0),
    KIT_CLAIM(finalizers_come_after_weak_references_are_cleared, FINAL | SGC_NEED_WEAK, 0),
    KIT_CLAIM(finalizers_run_referrers_first, FINAL, 0),
    KIT_CLAIM(finalizers_of_a_cycle, FINAL | SGC_NEED_CYCLES, 0),
    KIT_CLAIM(finalizers_may_use_the_heap, FINAL, 0),
    KIT_CLAIM(finalizers_run_on_cores_thread, FINAL, KIT_FINALIZER_THREAD | KIT_PLAIN),
    KIT_CLAIM(finalizers_do_not_run_at_close, FINAL, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(finalizers_run_once_whoever_drops, FINAL, 0),
    {0},
};
