/* fake_host.h - a struct sgc_host made of arrays, for tests of strategies without core: one process, one thread that
 * plays several. Objects have up to FAKE_REFERENCES reference fields in a slot of 64 bytes; a reclaimed slot is
 * filled with a pattern and reused last. The fake fails the test (ck_abort) where core would panic, and where a
 * strategy breaks the rules of plugin.h that it can see. Depends on libcheck and include/ alone. */
#ifndef SLABGC_TESTS_PLUGINS_SUPPORT_FAKE_HOST_H
#define SLABGC_TESTS_PLUGINS_SUPPORT_FAKE_HOST_H

#include <check.h>
#include <slabgc/plugin.h>

#define FAKE_REFERENCES 6
#define FAKE_THREADS 4
#define FAKE_OBJECTS (1u << 18)

struct fake_object {
    void *references[FAKE_REFERENCES];
    uint64_t id;
};
extern const struct sgc_type fake_node_type, fake_leaf_type, fake_acyclic_type, fake_finalized_type, fake_manual_type;

/* What a strategy did, and what the test wants. Reset by fake_open. */
struct fake {
    const struct sgc_strategy_ops *ops;
    void *self;
    unsigned thread; /* who calls: index of the cell that the strategy gets */
    unsigned depth;  /* of that thread's section */
    bool stopped;    /* as in collect: forbids what needs a stop otherwise */
    size_t n_live;   /* objects not reclaimed */
    uint64_t n_visited;
    int64_t retired_bytes;
    int requested;                  /* -1, or the highest enum sgc_collect_kind asked for */
    size_t n_records, record_bytes; /* host->alloc'ed and not freed */
    long refuse_after;              /* host->alloc succeeds so many times more; -1: always */
    uint64_t grace_started, grace_done, grace_stamp;
    bool grace_wanted; /* the strategy asked for a grace period; grace_stamp: which */
    size_t n_queued;   /* objects in the finalizer queue */
    void *queue[64];
    struct sgc_pace pace;
    uint8_t solo;
    bool straight_ends; /* as core does: last drops at rest in ops->end_state do not come to the strategy; default: they
                           do */
};
extern struct fake fake;

const struct sgc_host *fake_host(void);
/* Opens a strategy with the defaults of its parameter table, but for `key`=value pairs ended by NULL; fails the test
 * when it refuses. Ends what was open. */
void fake_open(const struct sgc_strategy_plugin *plugin, ...);
/* Fails the test unless ops->open, without memory at each of its first n_allocs requests, is an error that leaves
 * nothing. */
void fake_refuse_open(const struct sgc_strategy_plugin *plugin, long n_allocs);
/* For tests of parts: the fake without a strategy; the test sets fake.ops and fake.self. */
void fake_reset(void);
/* Detaches all threads, quiesces and closes; fails the test if the strategy did not free all its records. */
void fake_close(void);

struct fake_object *fake_new(const struct sgc_type *type);
/* owner's field i refers to a new object that nothing else holds. */
void *fake_grow(void *owner, unsigned i, const struct sgc_type *type);
/* A list over field 0; returns its head, with the only hold. Built from the tail: every node was held once. */
void *fake_list(unsigned n, const struct sgc_type *type);
/* An ephemeron with one hold; the value's claim is counted through ops->store. */
void *fake_ephemeron(void *key, void *value);
void fake_set(void *owner, unsigned i, void *value);
void *fake_get(void *owner, unsigned i);
void fake_hold(void *object);
void fake_drop(void *object);
/* A root cell gets the object: sections may read it from now on. */
void fake_share(void *object);
/* What the ephemeron leads to: NULL once broken. */
void *fake_ephemeron_value(void *ephemeron);
/* Makes a weak reference to the object; its number. */
unsigned fake_weak(void *object);
bool fake_weak_is_cleared(unsigned weak);
void fake_enter(void);
void fake_leave(void);
void fake_collect(enum sgc_collect_kind kind);
/* Fails the test unless ops->verify finds nothing. */
void fake_verify(void);
/* Ends the current thread: ops->thread_detach of its cell. */
void fake_detach(unsigned thread);
/* Takes the oldest object from the finalizer queue, with its count. */
struct fake_object *fake_unqueue(void);
/* A grace period passes; the strategy is called, on thread 0, if it asked for one that is over. True: it was called. */
bool fake_grace_period(void);
uint64_t fake_count(const void *object); /* UINT64_MAX: dead */
bool fake_is_live(const void *object);   /* not reclaimed */
uint8_t fake_state(const void *object);

#endif
