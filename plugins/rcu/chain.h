/* chain.h - a chain of magazines: objects in the order in which one thread put them in, taken out by one other, with
 * no lock and no waiting. Writer: a program's thread. Reader: the grace-period thread, or the stopper in its place.
 * Used for retired objects (queues.c).
 *
 * A cut takes note of how far the writer has come; what is before the cut is taken later, whatever the writer does
 * meanwhile. So a magazine that its thread left half full waits no longer than a full one.
 * Writer: object, then n (release W1); a full magazine's successor: `next` (release W2), then `tail` (release W3).
 * Reader: tail (acquire W3), its n (acquire W1); on the way there each magazine's next (acquire W2), its n being
 * full. */
#ifndef SLABGC_PLUGINS_RCU_CHAIN_H
#define SLABGC_PLUGINS_RCU_CHAIN_H

#include <slabgc/plugin.h>

#define SGC_MAGAZINE_OBJECTS 254 /* with the header: 2 KiB */

struct sgc_magazine {
    struct sgc_magazine *next; /* atomic; set when this one is full */
    uint64_t n;                /* atomic */
    void *objects[SGC_MAGAZINE_OBJECTS];
};

struct sgc_chain {
    struct sgc_magazine *tail;       /* atomic; the writer's */
    struct sgc_magazine *head, *cut; /* the reader's: where it takes, and up to where */
    uint64_t n_taken, n_cut;         /* of those magazines */
};

/* False: the OS refused memory. */
bool sgc_chain_init(const struct sgc_host *host, struct sgc_chain *chain);
void sgc_chain_fini(const struct sgc_host *host, struct sgc_chain *chain);
/* Writer. False: the OS refused memory; the object is not in. */
bool sgc_chain_put(const struct sgc_host *host, struct sgc_chain *chain, void *object);
/* Reader. */
bool sgc_chain_is_empty(const struct sgc_chain *chain);
void sgc_chain_cut(struct sgc_chain *chain);
/* Next object before the cut, or NULL; frees magazines on the way. */
void *sgc_chain_take(const struct sgc_host *host, struct sgc_chain *chain);
/* At a stop: objects in it. */
uint64_t sgc_chain_count(const struct sgc_chain *chain);

#endif
