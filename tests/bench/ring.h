/* ring.h - a bounded queue of objects from one thread to one other, in batches.
 * Invariant: n_sent - n_taken <= RING_SLOTS; slots between them are the consumer's. Each side writes its own counter,
 * in a cache line of its own; the release store of n_sent pairs with the consumer's acquire load, and the other way
 * round. Source: Lamport 1983. */
#ifndef SLABGC_TESTS_BENCH_RING_H
#define SLABGC_TESTS_BENCH_RING_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#define RING_BATCH 64
#define RING_SLOTS (16 * RING_BATCH)
#define RING_SPINS 1000 /* before the CPU is offered to others, who may be the other side */

struct ring {
    _Alignas(64) _Atomic uint64_t n_sent;
    _Alignas(64) _Atomic uint64_t n_taken;
    _Alignas(64) uint64_t *slots[RING_SLOTS];
};

static inline void ring_pause(unsigned *spins)
{
    if (++*spins % RING_SPINS == 0)
        sched_yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Room for a batch; waits for it. */
static inline uint64_t **ring_room(struct ring *ring)
{
    const uint64_t at = atomic_load_explicit(&ring->n_sent, memory_order_relaxed);
    for (unsigned spins = 0; at - atomic_load_explicit(&ring->n_taken, memory_order_acquire) > RING_SLOTS - RING_BATCH;)
        ring_pause(&spins);
    return &ring->slots[at % RING_SLOTS];
}

static inline void ring_send(struct ring *ring)
{
    const uint64_t at = atomic_load_explicit(&ring->n_sent, memory_order_relaxed);
    atomic_store_explicit(&ring->n_sent, at + RING_BATCH, memory_order_release);
}

/* The oldest batch; waits for it. */
static inline uint64_t **ring_batch(struct ring *ring)
{
    const uint64_t at = atomic_load_explicit(&ring->n_taken, memory_order_relaxed);
    for (unsigned spins = 0; atomic_load_explicit(&ring->n_sent, memory_order_acquire) == at;)
        ring_pause(&spins);
    return &ring->slots[at % RING_SLOTS];
}

static inline void ring_taken(struct ring *ring)
{
    const uint64_t at = atomic_load_explicit(&ring->n_taken, memory_order_relaxed);
    atomic_store_explicit(&ring->n_taken, at + RING_BATCH, memory_order_release);
}

#endif
