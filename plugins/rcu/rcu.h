/* rcu.h - the strategy `rcu`: an object whose count reached 0 is retired, and ends when every section that may have
 * read it is over. rcu.c has the ops, chain.c the magazines that objects wait in, queues.c who fills and empties
 * them, grace.c what happens after a grace period, pressure.c the limits.
 *
 * Safety argument (the mechanisms are commented where they stand)
 *
 * An object may be claimed (count 0 -> dead) when (1) its count is 0 and (2) every section that may have a bare
 * reference to it has ended. Bare references come from reading fields and root cells. At count 0 no place refers to
 * the object, so any bare reference was read before the place was overwritten, and each such overwriting was followed
 * by a program's decrement (after sgc_xchg: of the hold that it gave). So (2) holds when all sections have ended that
 * ran at the last of those.
 *
 * Eras. `era` counts batches of retired objects, modulo 256 in an object's touch byte. A program's decrement first
 * touches the object: fence (A), era read, byte written; then counts down. The grace-period thread closes batch e by
 * raising era to e + 1, fence (B), and taking a grace period's stamp. When that grace period is over, e is `safe`. A
 * touch of e or less read era before it was raised, so A precedes B, and every section that could not see the
 * overwriting before A had begun before the grace period that followed B: it has ended. Sections that begin later see
 * the place overwritten. Hence: touch <= safe implies (2). While objects are claimed era is safe + 1, since the next
 * batch is closed afterwards. So a byte is a touch that is not over if it equals the low byte of safe + 1, and over
 * otherwise; the byte of an object not touched for 256 eras may equal it too, and such an object waits one batch
 * longer than it must. Nothing is ever ended early, because a byte written since safe was closed is exactly safe + 1.
 * 64-bit eras may wrap: only low bytes are compared. Two threads may touch one object: the one with the older era
 * must not overwrite the newer. Both are in sections (core runs ops->decrement in a liburcu section at rest, too), so
 * no batch that the older one read as open can be over, and the newer era is its era + 1 at the most: a
 * compare-and-swap keeps a byte of own era + 1. (Core's own stamps would not do in a byte: waits that time out let
 * them run ahead of what is done by any number.)
 *
 * The count and the byte. Touch precedes the decrement (acq_rel) and whoever sees the count that the decrement left
 * sees the touch. So the order for the claimer is: count is 0, byte is over, compare-and-swap 0 -> dead. Between
 * these steps nobody can raise the count: that takes a bare reference, and by (2) there is none. Core's weak
 * references and ephemerons raise no count of 0.
 *
 * The bit SGC_COUNTING_RETIRED: the object is in a magazine, once. A decrement to 0 that finds it set leaves it at
 * that: whoever takes the object out of the magazine clears the bit (acq_rel) before it reads count and byte, and so
 * sees that decrement and its touch, as the decrementer's `or` (acq_rel) came before the clear; or the `or` came
 * after it, found the bit clear and put the object into a magazine anew. An object in a magazine is never reclaimed
 * by another way: cascades and cycle collections leave it alone (pinned_state), and taking it out notes it as a
 * candidate if it lives.
 *
 * Children. When an object is claimed its children lose their counts. A child that falls to 0 joins the batch at once
 * if its touch is over: its bare references came from the parent (read before the parent was unlinked: ended) or from
 * another place, whose overwriting touched the child. If not, it is retired anew.
 *
 * Unshared objects. A new object has SGC_STATE_DEFER: no field, no root cell and no weak reference ever had it, so only
 * who holds it has a reference, and no section has a bare one. Stores and core (root cells) take the bit off before the
 * reference can be seen; it never comes back. While an object has it and no reference was stored into it either, its
 * last drop ends it at once, without a grace period: core does that (end_state). What was stored into goes by way of
 * a magazine like all others. */
#ifndef SLABGC_PLUGINS_RCU_RCU_H
#define SLABGC_PLUGINS_RCU_RCU_H

#include "plugins/counting/counting.h"
#include "plugins/rcu/chain.h"

/* What a thread leaves to the grace-period thread. Registered with the heap until it is empty and its thread left. */
struct sgc_rcu_queue {
    struct sgc_chain retired;
    struct sgc_rcu_queue *next; /* lock */
    bool detached;              /* lock: the thread has left */
};

struct sgc_rcu_cell {
    struct sgc_counting_cell counting; /* first */
    struct sgc_rcu_queue *queue;       /* NULL before the first use */
};

/* Is a grace period asked for? */
enum sgc_rcu_wanted {
    SGC_RCU_QUIET,
    SGC_RCU_ASKED,   /* yes, but the grace-period thread never came yet */
    SGC_RCU_ANSWERED /* yes, and grace_elapsed will come */
};

struct sgc_rcu {
    struct sgc_counting counting; /* first; its lock also guards queues */
    uint8_t *touch_bias;          /* SGC_METADATA_PRIVATE_0: touch byte of p is touch_bias[p >> 4] */
    /* atomic: read at rest, while configure writes at a stop */
    uint64_t retired_soft_bytes, retired_hard_bytes, backpressure_max_ns;

    /* lock; new ones in front, taken out by the grace-period thread or the stopper alone */
    struct sgc_rcu_queue *queues;
    uint64_t era;          /* atomic; raised by the grace-period thread and the stopper */
    int64_t retired_bytes; /* atomic: of objects in magazines */
    uint8_t wanted;        /* atomic: enum sgc_rcu_wanted */

    /* The grace-period thread's, or the stopper's. */
    uint64_t safe;                /* every touch of this era or less is over */
    uint64_t batch_stamp;         /* the batch may be worked on when this grace period is done */
    bool batch, working;          /* there is one; its grace period is over */
    struct sgc_rcu_queue *taking; /* queues from here on may have something before their cuts */
    struct sgc_rcu_cell *cell;    /* atomic: the grace-period thread's own; NULL before it has run */
    struct sgc_cascade cascade;
};

/* ---- queues.c */
/* Marks the moment of a decrement. Before it, in the same section. */
void sgc_rcu_touch(struct sgc_rcu *rcu, void *object);
/* Puts an object whose count fell to 0 into a magazine of the calling thread, unless it is in one. In a section. */
void sgc_rcu_retire(struct sgc_rcu *rcu, struct sgc_rcu_cell *cell, void *object);
/* The thread leaves its queue. In a section of that thread, or at a stop. */
void sgc_rcu_queue_detach(struct sgc_rcu *rcu, struct sgc_rcu_cell *cell);
/* The rest: grace-period thread or stopper. Cuts all queues' chains at what is in them now; tells whether there is
 * anything. */
bool sgc_rcu_cut_retired(struct sgc_rcu *rcu);
/* Next object before the cuts, or NULL. */
void *sgc_rcu_take_retired(struct sgc_rcu *rcu);
bool sgc_rcu_anything_retired(struct sgc_rcu *rcu);
uint64_t sgc_rcu_queues_count(const struct sgc_rcu *rcu); /* objects in magazines; at a stop */
void sgc_rcu_queues_free(struct sgc_rcu *rcu);

/* ---- grace.c */
bool sgc_rcu_grace_elapsed(void *self);
/* The hooks drain and child_at_zero. */
void sgc_rcu_drain(struct sgc_counting *counting);
void sgc_rcu_child_at_zero(struct sgc_counting *counting, struct sgc_cascade *cascade, void *child);

/* ---- pressure.c */
void sgc_rcu_count_retired(struct sgc_rcu *rcu, int64_t bytes);
void sgc_rcu_before_alloc(void *self);

/* A grace period is asked for from now on; what was said of it before. */
static inline uint8_t sgc_rcu_want(struct sgc_rcu *rcu)
{
    const bool came = __atomic_load_n(&rcu->cell, __ATOMIC_RELAXED) != NULL;
    return __atomic_exchange_n(&rcu->wanted, came ? SGC_RCU_ANSWERED : SGC_RCU_ASKED, __ATOMIC_RELAXED);
}

static inline uint8_t *sgc_rcu_touch_byte(const struct sgc_rcu *rcu, const void *object)
{
    return &rcu->touch_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT];
}

#endif
