/* model.h - a random program and a naive oracle that knows every object and every edge of it.
 *
 * Each thread drives a model of its own: C variables that hold objects (slots), root cells, a hold stack, weak handles,
 * finalizable objects, ephemerons. The model's records say what must be there. model_settle collects and finalizes
 * until nothing changes any more; model_compare then demands exactly the oracle's live set, each field, each weak
 * handle and each finalizer. What a strategy may notice earlier or later (deaths before a full collection) the model
 * takes as it comes: a dead object that a weak handle or an ephemeron still returns is held again, and lives.
 *
 * Used by one thread at a time; settle and compare with all model threads at rest. */
#ifndef SLABGC_TESTS_STRESS_MODEL_H
#define SLABGC_TESTS_STRESS_MODEL_H

#include "tests/support/random.h"
#include <slabgc/slabgc.h>

#include <stdbool.h>

#define MODEL_MAX_FIELDS 8 /* of one object; fixed-size ones have 4 */
#define MODEL_SLOTS 24
#define MODEL_ROOTS 8
#define MODEL_PUSHED 16
#define MODEL_WEAK 32
#define MODEL_MAX_MODELS 16

enum model_kind { MODEL_NODE, MODEL_FINAL, MODEL_VEC, MODEL_EPHEMERON };

/* What the oracle knows of one object. Fields hold labels; MODEL_IMMEDIATE | x is the immediate x, 0 is NULL. */
#define MODEL_IMMEDIATE (1u << 31)
struct model_record {
    void *address;                     /* ephemerons carry no label: they are known by where they are */
    struct sgc_root saved;             /* its finalizer put it here: resurrected */
    uint32_t fields[MODEL_MAX_FIELDS]; /* an ephemeron's: key, value */
    uint8_t kind, n_fields;
    bool gone;           /* it was not in a settled heap: it never may be again */
    bool is_saved;       /* oracle's view of `saved` */
    uint8_t n_finalized; /* runs of the finalizer, counted by itself */
    uint8_t expected_finalized;
    uint8_t reached; /* scratch: 1 reached, 2 also seen in the walk */
};

struct model_weak {
    struct sgc_weak *handle; /* NULL: free */
    uint32_t label;
    bool cleared; /* oracle: its object died, or was queued for its finalizer */
};

struct model {
    struct sgc_heap *heap;
    struct sgc_cache *nodes, *finals, *vecs;
    struct random random;
    unsigned index;              /* labels begin with it: (index + 1) << 32 */
    bool finalizers, ephemerons; /* what this run uses; not both: see model.c */
    unsigned collect_every;      /* stress mode: a collection and verify at every k-th allocation; 0: none */
    uint64_t n_allocations, n_operations;
    struct model_record *records; /* by label, from 1 */
    uint32_t n_records, capacity;
    void *slots[MODEL_SLOTS];
    uint32_t slot_labels[MODEL_SLOTS];
    struct sgc_root roots[MODEL_ROOTS];
    uint32_t root_labels[MODEL_ROOTS];
    uint32_t pushed[MODEL_PUSHED]; /* labels */
    unsigned n_pushed;
    struct model_weak weak[MODEL_WEAK];
};

/* Prints what is wrong, with the model's history in numbers, and aborts. */
_Noreturn void model_fail(const struct model *model, const char *file, int line, const char *text);
#define MODEL_CHECK(model, condition)                                                                                  \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            model_fail((model), __FILE__, __LINE__, #condition);                                                       \
    } while (0)

/* The caches of a heap for models; all models of a heap share them. At rest. */
struct model_caches {
    struct sgc_cache *nodes, *finals, *vecs;
};
bool model_caches_create(struct sgc_heap *heap, struct model_caches *caches);

struct model *model_create(struct sgc_heap *heap, const struct model_caches *caches, unsigned index, uint64_t seed);
/* Drops everything it holds. */
void model_clear(struct model *model);
void model_destroy(struct model *model);

/* One random operation, or a section of several. At rest. */
void model_step(struct model *model);

/* Collects fully and runs finalizers until nothing waits; the oracle does the same. All models of the heap. */
void model_settle(struct sgc_heap *heap, struct model *const *models, unsigned n);
/* After model_settle: the live set is the oracle's. extra: objects with labels below 1 << 32 are the caller's, may be
 * NULL (then there must be none). */
typedef bool model_extra_fn(void *arg, uint64_t label);
void model_compare(struct sgc_heap *heap, struct model *const *models, unsigned n, model_extra_fn *extra, void *arg);

/* oracle.c, for model.c */
void oracle_settle(struct model *model);
void oracle_reach_all(struct model *model); /* sets reached: from slots, roots, hold stack and saved objects */
extern struct model *model_of_label[MODEL_MAX_MODELS + 1]; /* for finalizers */

/* Objects of all kinds but ephemerons. */
struct model_object {
    uint64_t label, check; /* check: 3 * label, seen wrong when a slot is used too early */
    void *fields[];
};
static inline uint32_t model_label_of(const void *object)
{
    return (uint32_t)((const struct model_object *)object)->label;
}

#endif
