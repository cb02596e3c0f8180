/* sections.c - clause 2 of the contract: in a section or at rest. */
#include "tests/conformance/kit.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Only the outermost pair counts: what was read in the inner section lasts until the outer one ends. */
static void sections_nest(struct kit *kit)
{
    struct kit_node *parent = kit_node(kit, 1), *child = kit_node(kit, 2);
    sgc_set(parent, left, child);
    sgc_drop(child);
    sgc_enter();
    sgc_enter();
    struct kit_node *seen = sgc_get(parent, left);
    sgc_enter();
    sgc_set(parent, left, NULL);
    sgc_leave();
    sgc_leave();
    for (uint64_t i = 0; i < 200; i++)
        sgc_drop(kit_node(kit, 9));
    KIT_CHECK_EQ(seen->label, 2);
    sgc_leave();
    kit_expect_live(kit, "1");
    sgc_drop(parent);
}

static void sections_macros_end_with_their_scope(struct kit *kit)
{
    {
        SGC_AUTO struct kit_node *parent = kit_node(kit, 1);
        SGC_AUTO struct kit_node *child = kit_node(kit, 2);
        SGC_SECTION;
        sgc_set(parent, left, child);
        KIT_CHECK_EQ(sgc_get(parent, left)->label, 2);
    }
    kit_expect_live(kit, ""); /* panics in a section */
}

/* Each call at rest is a short section of its own; its operands are held. */
static void sections_calls_work_at_rest(struct kit *kit)
{
    static struct sgc_root cell;
    struct kit_node *a = kit_node(kit, 1), *b = kit_node(kit, 2), *c = kit_node(kit, 3);
    sgc_set(a, left, b);
    kit_at_rest(kit);
    struct kit_node *old = sgc_xchg(a, left, c);
    KIT_CHECK(old == b);
    sgc_drop(old);
    kit_at_rest(kit);
    KIT_CHECK(!sgc_cas(a, left, b, NULL));
    KIT_CHECK(sgc_cas(a, left, c, b));
    struct kit_node *values[] = {c, NULL};
    sgc_store_bulk(b, any[0], values, 2);
    sgc_root_set(&cell, a);
    kit_at_rest(kit);
    sgc_drop(a);
    sgc_drop(b);
    sgc_drop(c);
    kit_expect_live(kit, "1 2 3");
    sgc_root_set(&cell, NULL);
    kit_expect_live(kit, "");
}

struct resting {
    struct kit *kit;
    struct steps *steps;
};

static void *rest_with_a_hold(void *arg)
{
    struct resting *resting = arg;
    step(resting->steps, "rests: holds");
    struct kit_leaf *leaf = kit_leaf(resting->kit, 2);
    step(resting->steps, "rests: goes on");
    KIT_CHECK_EQ(leaf->label, 2);
    sgc_drop(leaf);
    steps_end(resting->steps);
    return NULL;
}

/* A thread at rest may block as long as it likes: no collector waits for it, and what it holds stays. */
static void sections_nobody_waits_for_a_thread_at_rest(struct kit *kit)
{
    struct resting resting = {kit, STEPS("rests: holds", "collects", "rests: goes on")};
    pthread_t thread = kit_start(rest_with_a_hold, &resting);
    step(resting.steps, "collects");
    for (int i = 0; i < 3; i++) {
        kit_expect_live(kit, "2");
        sgc_heap_collect(kit->heap, SGC_COLLECT_MINOR);
    }
    kit_verify(kit->heap);
    steps_end(resting.steps);
    kit_join(thread);
    steps_free(resting.steps);
    kit_expect_live(kit, "");
}

struct meeting {
    struct kit *kit;
    struct steps *steps;
    struct kit_node *parent;
    bool collector_waits; /* in this order it begins inside the section */
    _Atomic bool in_section, collected;
};

static void *read_in_section(void *arg)
{
    struct meeting *meeting = arg;
    step(meeting->steps, "reader: enters");
    sgc_enter();
    struct kit_node *child = sgc_get(meeting->parent, left);
    atomic_store(&meeting->in_section, true);
    step(meeting->steps, "reader: reads");
    KIT_CHECK(!meeting->collector_waits || !atomic_load(&meeting->collected));
    KIT_CHECK_EQ(child->label, 2);
    step(meeting->steps, "reader: leaves");
    atomic_store(&meeting->in_section, false);
    sgc_leave();
    steps_end(meeting->steps);
    return NULL;
}

static void *collect_once(void *arg)
{
    struct meeting *meeting = arg;
    step(meeting->steps, "collector: collects");
    sgc_heap_collect(meeting->kit->heap, SGC_COLLECT_FULL);
    KIT_CHECK(!meeting->collector_waits || !atomic_load(&meeting->in_section));
    atomic_store(&meeting->collected, true);
    steps_end(meeting->steps);
    return NULL;
}

static void meet(struct kit *kit, bool collector_waits, struct steps *steps)
{
    struct meeting meeting = {
        .kit = kit, .steps = steps, .parent = kit_node(kit, 1), .collector_waits = collector_waits};
    struct kit_node *child = kit_node(kit, 2);
    sgc_set(meeting.parent, left, child);
    sgc_drop(child);
    pthread_t reader = kit_start(read_in_section, &meeting), collector = kit_start(collect_once, &meeting);
    kit_join(reader);
    kit_join(collector);
    steps_free(steps);
    kit_expect_live(kit, "1 2");
    sgc_drop(meeting.parent);
}

/* Both orders. First: a collection that begins while a section runs waits for its end. */
static void sections_delay_collections(struct kit *kit)
{
    meet(kit, true, STEPS("reader: enters", "collector: collects &", "reader: reads", "reader: leaves"));
    meet(kit, false, STEPS("collector: collects", "reader: enters", "reader: reads", "reader: leaves"));
}

/* One section covers all heaps of the process. */
static void sections_cover_every_heap(struct kit *kit)
{
    struct sgc_heap *second = kit_open(kit, "second", SGC_NEED_REFERENCES, 0);
    struct sgc_error error;
    struct sgc_cache *nodes = sgc_cache_create(second, &kit_node_type, &error);
    KIT_CHECK(nodes != NULL);
    struct kit_node *here = kit_node(kit, 1), *there = sgc_new(nodes);
    KIT_CHECK(there != NULL);
    there->label = 11;
    struct kit_node *child = kit_node(kit, 2), *other = sgc_new(nodes);
    KIT_CHECK(other != NULL);
    other->label = 12;
    sgc_set(here, left, child);
    sgc_set(there, left, other);
    sgc_drop(child);
    sgc_drop(other);
    sgc_enter();
    struct kit_node *seen_here = sgc_get(here, left), *seen_there = sgc_get(there, left);
    sgc_set(here, left, NULL);
    sgc_set(there, left, NULL);
    for (int i = 0; i < 100; i++) {
        sgc_drop(kit_node(kit, 9));
        sgc_drop(sgc_new(nodes));
    }
    KIT_CHECK(seen_here->label == 2 && seen_there->label == 12);
    sgc_leave();
    sgc_drop(there);
    kit_expect_live(kit, "1");
    sgc_heap_collect(second, SGC_COLLECT_FULL);
    kit_verify(second);
    KIT_CHECK(sgc_heap_close(second, NULL) == 0);
    sgc_drop(here);
}

static void *live_shortly(void *arg)
{
    struct kit *kit = arg;
    struct kit_leaf *leaf = kit_leaf(kit, 5);
    sgc_enter();
    sgc_drop(leaf);
    KIT_CHECK_EQ(leaf->label, 5);
    sgc_leave();
    return kit_leaf(kit, 6); /* its hold outlives the thread */
}

/* Threads attach by their first use and detach by ending; their holds stay. */
static void sections_threads_come_and_go(struct kit *kit)
{
    enum { N = 120 };
    for (unsigned i = 0; i < N; i++) {
        void *left_behind;
        pthread_t thread = kit_start(live_shortly, kit);
        KIT_CHECK(pthread_join(thread, &left_behind) == 0);
        if (i % 40 == 0)
            kit_at_rest(kit);
        KIT_CHECK_EQ(((struct kit_leaf *)left_behind)->label, 6);
        sgc_drop(left_behind);
    }
    kit_expect_live(kit, "");
}

/* ---- a section that is too long is reported, by its thread's name, while it lasts */

struct stall {
    struct kit *kit;
    struct steps *steps;
    int fd;          /* what is written to stderr for a while */
    char text[4096]; /* of it so far */
    size_t n;
};

static bool is_reported(void *arg)
{
    struct stall *stall = arg;
    ssize_t n = read(stall->fd, stall->text + stall->n, sizeof(stall->text) - 1 - stall->n);
    stall->n += n > 0 ? (size_t)n : 0;
    return strstr(stall->text, "slow-reader") != NULL;
}

static void *stay_too_long(void *arg)
{
    struct stall *stall = arg;
    pthread_setname_np(pthread_self(), "slow-reader");
    step(stall->steps, "stays: enters");
    sgc_enter();
    step(stall->steps, "stays: is reported");
    steps_await(is_reported, stall, "stderr names the thread");
    sgc_leave();
    steps_end(stall->steps);
    return NULL;
}

static void sections_too_long_are_named(struct kit *kit)
{
    struct stall stall = {.kit = kit, .steps = STEPS("stays: enters", "collects &", "stays: is reported")};
    int ends[2], kept = dup(STDERR_FILENO);
    KIT_CHECK(kept >= 0 && pipe2(ends, O_NONBLOCK) == 0);
    stall.fd = ends[0];
    dup2(ends[1], STDERR_FILENO);
    pthread_t thread = kit_start(stay_too_long, &stall);
    step(stall.steps, "collects");
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    steps_end(stall.steps);
    kit_join(thread);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    steps_free(stall.steps);
    KIT_CHECK(KIT_STAT(kit->heap, n_stalls) > 0);
}

static void collect_inside(void *heap)
{
    sgc_enter();
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
}

static void close_inside(void *heap)
{
    sgc_enter();
    sgc_heap_close(heap, NULL);
}

static void sections_collecting_inside_panics(struct kit *kit)
{
    kit_expect_panic(collect_inside, kit->heap, "section");
    kit_expect_panic(close_inside, kit->heap, "section");
}

static void leave_only(void *arg)
{
    (void)arg;
    sgc_leave();
}

static void sections_leaving_without_entering_panics(struct kit *kit)
{
    (void)kit;
    kit_expect_panic(leave_only, NULL, "section");
}

const struct kit_claim kit_sections[] = {
    KIT_CLAIM(sections_nest, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(sections_macros_end_with_their_scope, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(sections_calls_work_at_rest, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(sections_nobody_waits_for_a_thread_at_rest, 0, KIT_PLAIN),
    KIT_CLAIM(sections_delay_collections, SGC_NEED_REFERENCES, KIT_PLAIN),
    KIT_CLAIM(sections_cover_every_heap, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(sections_threads_come_and_go, 0, 0),
    KIT_CLAIM(sections_too_long_are_named, 0, KIT_PLAIN),
    KIT_CLAIM(sections_collecting_inside_panics, 0, KIT_PLAIN),
    KIT_CLAIM(sections_leaving_without_entering_panics, 0, KIT_PLAIN),
    {0},
};
