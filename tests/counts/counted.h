/* counted.h - what the counted program's files share: paths, and the state that one run of a path works on.
 * A path is one operation of slabgc in a loop. The loop stands in a function of its own, made by COUNTED, which no
 * compiler merges into its caller: callgrind counts from its entry to its return and nowhere else (measure.c).
 * Adding a path adds a row to a table. */
#ifndef SLABGC_TESTS_COUNTS_COUNTED_H
#define SLABGC_TESTS_COUNTS_COUNTED_H

#include <slabgc/slabgc.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTED_MAX_OBJECTS 20000 /* twice the operations of the longest path */
#define COUNTED_SECTION_OPS 100   /* operations in a section, where a path measures inside sections */

/* COUNTED_NODE has two reference fields; on strategy none, a type of the same size without. */
enum counted_type { COUNTED_64_BYTES, COUNTED_CONSTRUCTED, COUNTED_NODE };

struct counted_node {
    struct counted_node *left, *right;
    long value;
};

struct counted;

/* n_operations: a power of ten, so that the instructions of one operation are a decimal number without rest. A run is
 * two rounds of prepare and body: the first with 2 * n_operations, so that nothing happens for the first time in
 * the second; the second with n_operations or with twice as many. The value is what these two differ by. */
struct counted_path {
    const char *name;
    const char *strategies[5]; /* one run on each; NULL ends them */
    enum counted_type type;
    size_t n_operations;
    void (*prepare)(struct counted *counted); /* for any number of operations; NULL: nothing to do */
    void (*body)(struct counted *counted, size_t n);
    bool old;       /* full collections make the objects old before the body runs */
    bool elsewhere; /* the body runs on another thread than prepare */
};

/* One run: a heap with two caches, and the objects of the round. */
struct counted {
    const struct counted_path *path;
    const char *strategy;
    struct sgc_heap *heap;
    struct sgc_cache *cache; /* of the path's type; config calls it "counted" */
    struct sgc_cache *other; /* "other": one object, never touched while instructions count */
    size_t n_body;           /* operations of the round's body */
    unsigned round;          /* 0 or 1 */
    void *objects[COUNTED_MAX_OBJECTS];
    uint16_t order[COUNTED_MAX_OBJECTS]; /* the first path->n_operations numbers, shuffled */
    struct counted_node *values[2][COUNTED_MAX_OBJECTS];
    struct sgc_root root;
    struct sgc_weak *weak;
};

/* bare.c: the object cache. managed.c: new, drop, hold, stores, sections, roots, weak references. */
extern const struct counted_path counted_bare[], counted_managed[];
extern const size_t counted_n_bare, counted_n_managed;

/* stall.c: under a strategy that reclaims on core's thread, keeps it from doing so while instructions count. */
void counted_stall_begin(struct counted *counted);
void counted_stall_end(struct counted *counted);

/* counted.c: says what happened and ends the process. */
void counted_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Its argument, the result of an allocation: NULL ends the process. */
void *counted_made(void *object);

#if defined(__clang__)
#define COUNTED_ALONE noinline
#else
#define COUNTED_ALONE noipa
#endif
#define COUNTED(name) static __attribute__((COUNTED_ALONE)) void body_##name(struct counted *counted, size_t n)

/* A value that the compiler must produce, and memory that it may not know. */
static inline void counted_use(void *value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#endif
