/* mutations_grace.c - grace periods: what a section may still read is not reclaimed, whoever let go of it and whenever.
 * Reclaiming is the grace-period thread's, which takes no steps: cases wait until it has either reclaimed the object or
 * come to wait for the section (it begins a grace period only when there is something left to wait for). */
#include "tests/conformance/mutations.h"

#define FOUND_READ "an object is reclaimed inside a section that reads it"
#define FOUND_HELD "an object is reclaimed that was held before its grace period was over"

struct reading {
    struct kit *kit;
    struct steps *steps;
    struct kit_node *parent; /* held; left is what the reader reads */
    struct kit_node *kept;   /* the reader's hold */
    bool hold;
};

static void *reader_main(void *arg)
{
    struct reading *reading = arg;
    step(reading->steps, "reader: reads");
    sgc_enter();
    struct kit_node *child = sgc_get(reading->parent, left);
    step(reading->steps, "reader: leaves");
    if (child && reading->hold)
        reading->kept = sgc_hold(child);
    sgc_leave();
    steps_end(reading->steps);
    return NULL;
}

/* A node with one child. The node is held, the child is not. */
static struct kit_node *parent_of(struct kit *kit, uint64_t label, struct kit_node *child)
{
    struct kit_node *parent = kit_node(kit, label);
    sgc_set(parent, left, child);
    return parent;
}

struct progress {
    uint64_t label;
    unsigned n_started;
};

static struct progress progress_of(uint64_t label)
{
    return (struct progress){label, mutation_n_passed("grace: started")};
}

static bool is_dead_or_waited_for(void *arg)
{
    const struct progress *progress = arg;
    return mutation_died(progress->label) || mutation_n_passed("grace: started") != progress->n_started;
}

static void check_unharmed(struct progress progress)
{
    steps_await(is_dead_or_waited_for, &progress, "the grace-period thread reclaims, or begins a grace period");
    if (mutation_died(progress.label))
        kit_fail(__FILE__, __LINE__, FOUND_READ);
}

/* ---- a stamp promises a grace period that has not begun yet */

static void read_and_unlink(struct kit *kit, bool another_runs, struct steps *steps)
{
    struct kit_node *child = kit_node(kit, 2), *other = kit_node(kit, 3);
    struct reading reading = {.kit = kit, .steps = steps, .parent = parent_of(kit, 1, child)};
    sgc_drop(child);
    mutation_settle(kit);
    mutation_forget(2);
    pthread_t reader = kit_start(reader_main, &reading);
    step(steps, "writer: lets another object go");
    if (another_runs)
        mutation_gate_shut("grace: synchronized", NULL);
    sgc_drop(other);
    if (another_runs)
        mutation_gate_await();
    else
        mutation_settle(kit);
    step(steps, "writer: unlinks");
    struct progress progress = progress_of(2);
    sgc_set(reading.parent, left, NULL);
    if (another_runs)
        mutation_gate_open();
    check_unharmed(progress);
    steps_end(steps);
    kit_join(reader);
    steps_free(steps);
    mutation_settle(kit);
    KIT_CHECK(mutation_died(2));
    sgc_drop(reading.parent);
}

/* No grace period runs when the object is let go of; then one that its reader came too late for. */
static void late_reader(struct kit *kit)
{
    read_and_unlink(kit, false,
                    STEPS("writer: lets another object go", "reader: reads", "writer: unlinks", "reader: leaves"));
    read_and_unlink(kit, true,
                    STEPS("writer: lets another object go", "reader: reads", "writer: unlinks", "reader: leaves"));
}

/* ---- a hold made during the grace period saves the object */

static void hold_in_order(struct kit *kit, bool sees, struct steps *steps)
{
    struct kit_node *child = kit_node(kit, 2);
    struct reading reading = {.kit = kit, .steps = steps, .parent = parent_of(kit, 1, child), .hold = true};
    sgc_drop(child);
    mutation_settle(kit);
    mutation_forget(2);
    pthread_t reader = kit_start(reader_main, &reading);
    step(steps, "writer: unlinks");
    sgc_set(reading.parent, left, NULL);
    steps_end(steps);
    kit_join(reader);
    steps_free(steps);
    mutation_settle(kit);
    if (sees && mutation_died(2))
        kit_fail(__FILE__, __LINE__, FOUND_HELD);
    KIT_CHECK(!reading.kept == !sees && mutation_died(2) == !sees);
    sgc_drop(reading.kept);
    mutation_settle(kit);
    KIT_CHECK(mutation_died(2));
    sgc_drop(reading.parent);
}

static void hold_in_between(struct kit *kit)
{
    hold_in_order(kit, true, STEPS("reader: reads", "writer: unlinks", "reader: leaves"));
    hold_in_order(kit, false, STEPS("writer: unlinks", "reader: reads", "reader: leaves"));
}

/* ---- children die with their parent only if no section can have read them since */

/* The child has two parents. One is let go of; its grace period runs when the reader comes and reads the child through
 * the other, which then lets go of it, too. */
static void touch_child_late(struct kit *kit)
{
    struct kit_node *child = kit_node(kit, 3), *dying = parent_of(kit, 2, child);
    struct reading reading = {.kit = kit,
                              .steps = STEPS("reader: reads", "writer: unlinks", "reader: leaves"),
                              .parent = parent_of(kit, 1, child)};
    sgc_drop(child);
    mutation_settle(kit);
    mutation_gate_shut("grace: synchronized", "rcu: batch closed");
    sgc_drop(dying);
    mutation_gate_await(); /* the grace period of the batch with the dying parent has waited for all it waits for */
    pthread_t reader = kit_start(reader_main, &reading);
    step(reading.steps, "writer: unlinks");
    struct progress progress = progress_of(3);
    sgc_set(reading.parent, left, NULL);
    mutation_gate_open();
    check_unharmed(progress);
    KIT_CHECK(mutation_died(2));
    steps_end(reading.steps);
    kit_join(reader);
    steps_free(reading.steps);
    mutation_settle(kit);
    KIT_CHECK(mutation_died(3));
    sgc_drop(reading.parent);
}

/* The other order: unlinked before that batch is closed, so its grace period waits for the reader. */
static void touch_child_early(struct kit *kit)
{
    struct kit_node *child = kit_node(kit, 3), *dying = parent_of(kit, 2, child);
    struct reading reading = {.kit = kit,
                              .steps = STEPS("reader: reads", "writer: unlinks", "reader: leaves"),
                              .parent = parent_of(kit, 1, child)};
    sgc_drop(child);
    mutation_settle(kit);
    mutation_forget(3);
    pthread_t reader = kit_start(reader_main, &reading);
    step(reading.steps, "writer: unlinks");
    struct progress progress = progress_of(3);
    sgc_set(reading.parent, left, NULL);
    sgc_drop(dying);
    check_unharmed(progress);
    steps_end(reading.steps);
    kit_join(reader);
    steps_free(reading.steps);
    mutation_settle(kit);
    KIT_CHECK(mutation_died(3));
    sgc_drop(reading.parent);
}

static void touched_child(struct kit *kit)
{
    touch_child_late(kit);
    touch_child_early(kit);
}

const struct mutation mutations_grace[] = {
    MUTATION("stamp-running", late_reader, "rcu", FOUND_READ),
    MUTATION("no-recheck", hold_in_between, "rcu", FOUND_HELD),
    MUTATION("no-touch", touched_child, "rcu", FOUND_READ),
    {0},
};
