/* reading_others.c - clause 3 of the contract, against other threads: what a section reads stays valid whatever they
 * drop and store under strategies with `concurrent-readers`; under the others the program locks.
 * Threads are driven by named steps, in both orders. */
#include "tests/conformance/kit.h"

#include <stdatomic.h>

struct pair {
    struct kit *kit;
    struct steps *steps;
    struct kit_node *parent; /* held by the claim */
    struct kit_node *kept;   /* what the reader holds at its end, or NULL */
    void (*unlink)(struct pair *pair);
    bool hold; /* the reader holds what it read */
};
static struct sgc_root cell;

static void *read_field(void *arg)
{
    struct pair *pair = arg;
    step(pair->steps, "reader: reads");
    sgc_enter();
    struct kit_node *child = sgc_get(pair->parent, left);
    step(pair->steps, "reader: uses");
    if (child) {
        KIT_CHECK_EQ(child->label, 2);
        KIT_CHECK_EQ(sgc_get(child, left)->label, 3);
        if (pair->hold)
            pair->kept = sgc_hold(child);
    }
    kit_say(pair->kit, "reader saw %s", child ? "the child" : "nothing");
    sgc_leave();
    steps_end(pair->steps);
    return NULL;
}

static void *unlink_child(void *arg)
{
    struct pair *pair = arg;
    step(pair->steps, "writer: unlinks");
    pair->unlink(pair);
    step(pair->steps, "writer: churns");
    for (int i = 0; i < 2000; i++) {
        struct kit_node *node = kit_node(pair->kit, 9999);
        node->value = 9999;
        sgc_drop(node);
    }
    steps_end(pair->steps);
    return NULL;
}

static void *collect(void *arg)
{
    struct pair *pair = arg;
    step(pair->steps, "collector: collects");
    sgc_heap_collect(pair->kit->heap, SGC_COLLECT_FULL);
    steps_end(pair->steps);
    return NULL;
}

static void by_set(struct pair *pair)
{
    sgc_set(pair->parent, left, NULL);
}

static void by_xchg(struct pair *pair)
{
    sgc_drop(sgc_xchg(pair->parent, left, NULL));
}

static void by_cas(struct pair *pair)
{
    sgc_enter();
    KIT_CHECK(sgc_cas(pair->parent, left, sgc_get(pair->parent, left), NULL));
    sgc_leave();
}

static void by_bulk(struct pair *pair)
{
    void *nothing[1] = {NULL};
    sgc_store_bulk(pair->parent, left, nothing, 1);
}

static void run_pair(struct kit *kit, struct pair *pair, struct steps *steps)
{
    pair->kit = kit;
    pair->steps = steps;
    pair->kept = NULL;
    pair->parent = kit_node(kit, 1);
    struct kit_node *child = kit_node(kit, 2), *grandchild = kit_node(kit, 3);
    sgc_set(pair->parent, left, child);
    sgc_set(child, left, grandchild);
    sgc_drop(child);
    sgc_drop(grandchild);
    pthread_t threads[] = {kit_start(read_field, pair), kit_start(unlink_child, pair), kit_start(collect, pair)};
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
        kit_join(threads[i]);
    steps_free(steps);
}

/* Reader first: unlinked, its slot wanted by others, a collection waiting, and yet valid. Writer first: nothing seen.
 */
static void both_orders(struct kit *kit, void (*unlink)(struct pair *pair), bool hold)
{
    struct pair pair = {.unlink = unlink, .hold = hold};
    run_pair(kit, &pair,
             STEPS("reader: reads", "writer: unlinks", "writer: churns &", "collector: collects &", "reader: uses"));
    KIT_CHECK(!pair.kept == !hold);
    kit_expect_live(kit, hold ? "1 2 3" : "1");
    sgc_drop(pair.kept);
    kit_expect_live(kit, "1");
    sgc_drop(pair.parent);
    run_pair(kit, &pair,
             STEPS("writer: unlinks", "writer: churns", "collector: collects", "reader: reads", "reader: uses"));
    KIT_CHECK(pair.kept == NULL);
    kit_expect_live(kit, "1");
    sgc_drop(pair.parent);
}

static void reading_survives_others_set(struct kit *kit)
{
    both_orders(kit, by_set, false);
}

static void reading_survives_others_xchg(struct kit *kit)
{
    both_orders(kit, by_xchg, false);
}

static void reading_survives_others_cas(struct kit *kit)
{
    both_orders(kit, by_cas, false);
}

static void reading_survives_others_bulk_store(struct kit *kit)
{
    both_orders(kit, by_bulk, false);
}

/* A hold in between saves what was already cut off. */
static void reading_hold_saves_what_others_unlinked(struct kit *kit)
{
    both_orders(kit, by_set, true);
}

static void *read_through_root(void *arg)
{
    struct pair *pair = arg;
    step(pair->steps, "reader: reads");
    sgc_enter();
    struct kit_node *parent = sgc_root_get(&cell);
    step(pair->steps, "reader: uses");
    KIT_CHECK_EQ(parent->label, 1);
    struct kit_node *child = sgc_get(parent, left); /* read only now: the whole path stays */
    KIT_CHECK_EQ(child->label, 2);
    sgc_leave();
    steps_end(pair->steps);
    return NULL;
}

static void *clear_root(void *arg)
{
    struct pair *pair = arg;
    step(pair->steps, "writer: unlinks");
    sgc_root_set(&cell, NULL);
    step(pair->steps, "writer: churns");
    for (int i = 0; i < 2000; i++)
        sgc_drop(kit_node(pair->kit, 9999));
    steps_end(pair->steps);
    return NULL;
}

static void reading_survives_others_last_drop(struct kit *kit)
{
    struct pair pair = {.kit = kit,
                        .steps = STEPS("reader: reads", "writer: unlinks", "writer: churns &", "collector: collects &",
                                       "reader: uses")};
    struct kit_node *parent = kit_node(kit, 1), *child = kit_node(kit, 2);
    sgc_set(parent, left, child);
    sgc_drop(child);
    sgc_root_set(&cell, parent);
    sgc_drop(parent);
    pthread_t threads[] = {kit_start(read_through_root, &pair), kit_start(clear_root, &pair),
                           kit_start(collect, &pair)};
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
        kit_join(threads[i]);
    steps_free(pair.steps);
    kit_expect_live(kit, "");
}

/* A reader that sees a published object sees what was written into it before. */
struct mailbox {
    struct kit *kit;
    pthread_mutex_t *lock; /* NULL: readers need none */
    struct kit_node *parent;
    unsigned n_messages;
    _Atomic bool ended;
};

static void mailbox_lock(struct mailbox *mailbox)
{
    if (mailbox->lock)
        pthread_mutex_lock(mailbox->lock);
}

static void mailbox_unlock(struct mailbox *mailbox)
{
    if (mailbox->lock)
        pthread_mutex_unlock(mailbox->lock);
}

static void *post_messages(void *arg)
{
    struct mailbox *mailbox = arg;
    for (unsigned i = 1; i <= mailbox->n_messages; i++) {
        struct kit_node *message = kit_node(mailbox->kit, i);
        message->value = 3 * (uint64_t)i;
        mailbox_lock(mailbox);
        sgc_set(mailbox->parent, left, message);
        mailbox_unlock(mailbox);
        sgc_drop(message);
        if (i % 4096 == 0)
            sgc_heap_collect(mailbox->kit->heap, i % 8192 ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
    }
    atomic_store(&mailbox->ended, true);
    return NULL;
}

/* Labels only grow; a held message stays what it is. */
static void *read_messages(void *arg)
{
    struct mailbox *mailbox = arg;
    uint64_t last = 0;
    while (!atomic_load(&mailbox->ended)) {
        mailbox_lock(mailbox);
        sgc_enter();
        struct kit_node *message = sgc_get(mailbox->parent, left);
        if (message) {
            KIT_CHECK(message->value == 3 * message->label && message->label >= last);
            last = message->label;
            sgc_hold(message);
        }
        sgc_leave();
        mailbox_unlock(mailbox);
        if (message)
            KIT_CHECK_EQ(message->label, last);
        sgc_drop(message);
    }
    return NULL;
}

static void exchange_messages(struct kit *kit, pthread_mutex_t *lock)
{
    struct mailbox mailbox = {.kit = kit, .lock = lock, .parent = kit_node(kit, 1000000), .n_messages = 20000};
    pthread_t threads[] = {kit_start(post_messages, &mailbox), kit_start(read_messages, &mailbox),
                           kit_start(read_messages, &mailbox)};
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
        kit_join(threads[i]);
    kit_expect_live(kit, "20000 1000000");
    sgc_drop(mailbox.parent);
}

static void reading_sees_what_was_published(struct kit *kit)
{
    exchange_messages(kit, NULL);
}

static void reading_under_a_lock_works_everywhere(struct kit *kit)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    exchange_messages(kit, &lock);
}

#define CONCURRENT (SGC_NEED_REFERENCES | SGC_NEED_CONCURRENT_READERS)
const struct kit_claim kit_reading_others[] = {
    KIT_CLAIM(reading_survives_others_set, CONCURRENT, KIT_PLAIN),
    KIT_CLAIM(reading_survives_others_xchg, CONCURRENT, KIT_PLAIN),
    KIT_CLAIM(reading_survives_others_cas, CONCURRENT, KIT_PLAIN),
    KIT_CLAIM(reading_survives_others_bulk_store, CONCURRENT, KIT_PLAIN),
    KIT_CLAIM(reading_survives_others_last_drop, CONCURRENT, KIT_PLAIN),
    KIT_CLAIM(reading_hold_saves_what_others_unlinked, CONCURRENT, KIT_PLAIN),
    KIT_CLAIM(reading_sees_what_was_published, CONCURRENT, KIT_PLAIN),
    KIT_CLAIM(reading_under_a_lock_works_everywhere, SGC_NEED_REFERENCES, KIT_PLAIN),
    {0},
};
