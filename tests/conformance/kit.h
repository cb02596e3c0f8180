/* kit.h - the conformance kit: small programs, each of which shows one claim of the contract (docs: the project's
 * DESIGN.md, "The contract") on a strategy. Uses the public interface alone, so it runs on anybody's plug-in.
 *
 * A claim is a function. The runner (main.c) runs each in a process of its own, with a heap of the strategy under test,
 * several times: undisturbed, and with collections wherever the program says that it is at rest. What the program
 * says (kit_say, kit_live) is its transcript; transcripts must be equal under every disturbance and every strategy. */
#ifndef SLABGC_TESTS_CONFORMANCE_KIT_H
#define SLABGC_TESTS_CONFORMANCE_KIT_H

#include "tests/support/random.h"
#include "tests/support/steps.h"
#include <slabgc/slabgc.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#define KIT_MAX_PEERS 16

enum kit_disturbance { KIT_QUIET, KIT_MINOR, KIT_FULL, KIT_N_DISTURBANCES };

enum kit_claim_flags {
    KIT_NO_HEAP = 1 << 0, /* the claim opens its heaps itself */
    KIT_FINALIZER_THREAD = 1 << 1,
    KIT_PLAIN = 1 << 2,   /* not disturbed: the claim is about collections, or drives them by steps */
    KIT_LIMITED = 1 << 3, /* the heap's memory limit is KIT_LIMIT_BYTES */
    KIT_LEAKS = 1 << 4    /* objects are still held at the end */
};
#define KIT_LIMIT_BYTES (16u << 20)

struct kit {
    const char *strategy;  /* name or path, as options.strategy */
    uint32_t capabilities; /* of it */
    enum kit_disturbance disturbance;
    const char *peers[KIT_MAX_PEERS]; /* the strategies of this run, for claims about several */
    size_t n_peers;
    struct sgc_heap *heap;    /* opened by the runner unless KIT_NO_HEAP */
    struct sgc_cache *nodes;  /* of kit_node_type; NULL where the claim needs no references */
    struct sgc_cache *leaves; /* of kit_leaf_type */
    FILE *transcript;
};

struct kit_claim {
    const char *name; /* the function's */
    uint32_t needs;   /* SGC_NEED_* of the heap */
    uint32_t flags;   /* KIT_* */
    void (*run)(struct kit *kit);
};
#define KIT_CLAIM(function_, needs_, flags_)                                                                           \
    {                                                                                                                  \
#function_, (needs_), (flags_), function_                                                                      \
    }

/* The clauses of the contract, each a file; ended by an entry without a name. */
extern const struct kit_claim kit_holds[], kit_sections[], kit_reading[], kit_reading_others[], kit_writing[],
    kit_writing_many[], kit_allocating[], kit_allocating_limits[], kit_needs[], kit_needs_prompt[], kit_same_answers[],
    kit_same_switch[], kit_weak[], kit_finalizers[], kit_ephemerons[];

/* Objects of the kit begin with a label, given by the program: 0 is shown as "?". */
struct kit_leaf {
    uint64_t label;
    uint64_t value;
};
struct kit_node {
    uint64_t label;
    struct kit_node *left, *right;
    void *any[2]; /* references of any type, or immediates */
    uint64_t value;
};
struct kit_vec {
    uint64_t label;
    uint64_t n;
    struct kit_node *items[];
};
extern const struct sgc_type kit_leaf_type, kit_node_type, kit_vec_type;

/* New objects with one hold; fail the claim without memory. Any state. */
struct kit_leaf *kit_leaf(struct kit *kit, uint64_t label);
struct kit_node *kit_node(struct kit *kit, uint64_t label);
/* A cache of the heap; fails the claim when it cannot be made. At rest. */
struct sgc_cache *kit_cache(struct kit *kit, const struct sgc_type *type);
struct kit_vec *kit_vec(struct sgc_cache *cache, uint64_t label, uint64_t n);
/* Opens a heap of the strategy under test; fails the claim when it is refused. */
struct sgc_heap *kit_open(struct kit *kit, const char *name, uint32_t needs, uint64_t memory_limit_bytes);

/* The program is at rest: here a disturbance may strike. What it names it holds. */
void kit_at_rest(struct kit *kit);

/* A line of the transcript. Any thread. */
void kit_say(struct kit *kit, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Collects fully; says the labels of the live objects, sorted. At rest. */
void kit_live(struct kit *kit);
/* The same, and fails the claim unless they are these, as in "1 2 5" ("" for none; ephemerons count as "e"). */
void kit_expect_live_at(struct kit *kit, const char *labels, const char *file, int line);
#define kit_expect_live(kit, labels) kit_expect_live_at(kit, labels, __FILE__, __LINE__)
/* Only "1 2 5" without collecting, for claims about what was not collected. The caller frees it. */
char *kit_labels(struct sgc_heap *heap);

/* Fails the claim: prints file, line and text, and ends the process. Any thread. */
_Noreturn void kit_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define KIT_CHECK(condition)                                                                                           \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            kit_fail(__FILE__, __LINE__, "%s", #condition);                                                            \
    } while (0)
#define KIT_CHECK_EQ(a, b)                                                                                             \
    do {                                                                                                               \
        unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b);                                 \
        if (a_ != b_)                                                                                                  \
            kit_fail(__FILE__, __LINE__, "%s is %llu, %s is %llu", #a, a_, #b, b_);                                    \
    } while (0)

/* Checks the heap's invariants: at rest. */
void kit_verify_at(struct sgc_heap *heap, const char *file, int line);
#define kit_verify(heap) kit_verify_at(heap, __FILE__, __LINE__)

/* Threads; a claim joins what it starts. */
pthread_t kit_start(void *(*run)(void *arg), void *arg);
void kit_join(pthread_t thread);

/* Runs body(arg) in a child process and fails the claim unless it panics with a message that contains text. The child
 * has this thread alone. */
void kit_expect_panic_at(void (*body)(void *arg), void *arg, const char *text, const char *file, int line);
#define kit_expect_panic(body, arg, text) kit_expect_panic_at(body, arg, text, __FILE__, __LINE__)

/* An immediate: no object, low bit set. */
static inline void *kit_immediate(uintptr_t number)
{
    return (void *)(number << 1 | 1);
}

/* 0, or the statistic of a heap: KIT_STAT(heap, n_full). */
#define KIT_STAT(heap_, field_)                                                                                        \
    __extension__({                                                                                                    \
        struct sgc_stats kit_stats_;                                                                                   \
        sgc_heap_stats((heap_), &kit_stats_);                                                                          \
        kit_stats_.field_;                                                                                             \
    })

#endif
