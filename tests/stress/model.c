/* model.c - the random program; the oracle is in oracle.c. See model.h.
 * Finalizers and ephemerons are not used in one run: whether a dead object reaches another through an ephemeron's value
 * is a question of its own, with tests of its own. With finalizers, weak handles name finalizable objects alone: these
 * are cleared when they are queued, while what a queued object refers to is still there for it. */
#include "tests/stress/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RECORDS 40000

struct model *model_of_label[MODEL_MAX_MODELS + 1];

struct model_fixed {
    uint64_t label, check;
    void *fields[4];
};

static void model_finalize(void *pointer)
{
    struct model_object *object = pointer;
    struct model *model = model_of_label[object->label >> 32];
    struct model_record *record = &model->records[(uint32_t)object->label];
    MODEL_CHECK(model, object->check == 3 * object->label && record->address == pointer);
    record->n_finalized++;
    if ((uint32_t)object->label % 3 == 0)
        sgc_root_set(&record->saved, pointer);
}

static const struct sgc_type node_type = SGC_TYPE(struct model_fixed, SGC_REFS(struct model_fixed, fields));
static struct sgc_type final_type;
static const struct sgc_type vec_type = SGC_TYPE(struct model_object, SGC_TAIL_REFS);

bool model_caches_create(struct sgc_heap *heap, struct model_caches *caches)
{
    struct sgc_error error = {0};
    final_type = node_type;
    final_type.name = "model_final";
    final_type.finalize = model_finalize;
    caches->nodes = sgc_cache_create(heap, &node_type, &error);
    caches->vecs = caches->nodes ? sgc_cache_create(heap, &vec_type, &error) : NULL;
    caches->finals = caches->vecs ? sgc_cache_create(heap, &final_type, &error) : NULL;
    if (!caches->finals)
        fprintf(stderr, "model: %s\n", error.message);
    return caches->finals != NULL;
}

void model_fail(const struct model *model, const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: model %u after %llu operations, %u objects on %s: %s\n", file, line, model->index,
            (unsigned long long)model->n_operations, model->n_records, sgc_heap_strategy(model->heap), text);
    abort();
}

struct model *model_create(struct sgc_heap *heap, const struct model_caches *caches, unsigned index, uint64_t seed)
{
    struct model *model = calloc(1, sizeof(*model));
    if (!model || !(model->records = calloc(MAX_RECORDS + 1, sizeof(*model->records))))
        abort();
    model->heap = heap;
    model->nodes = caches->nodes;
    model->finals = caches->finals;
    model->vecs = caches->vecs;
    model->index = index;
    model->random.state = seed + 0x1000 * index;
    model->capacity = MAX_RECORDS;
    model_of_label[index + 1] = model;
    return model;
}

void model_destroy(struct model *model)
{
    model_of_label[model->index + 1] = NULL;
    free(model->records);
    free(model);
}

/* ---- slots */

static void slot_put(struct model *model, unsigned at, void *held, uint32_t label)
{
    sgc_drop(model->slots[at]);
    model->slots[at] = held;
    model->slot_labels[at] = label;
}

static unsigned slot_random(struct model *model)
{
    return random_below(&model->random, MODEL_SLOTS);
}

static bool slot_is_object(const struct model *model, unsigned at)
{
    uint32_t label = model->slot_labels[at];
    return label && model->records[label].kind != MODEL_EPHEMERON;
}

/* The object is the one that the oracle means. */
static void check_object(struct model *model, const void *object, uint32_t label)
{
    const struct model_record *record = &model->records[label];
    MODEL_CHECK(model, object == record->address && !record->gone);
    if (record->kind == MODEL_EPHEMERON)
        return;
    const struct model_object *known = object;
    MODEL_CHECK(model, known->label == ((uint64_t)(model->index + 1) << 32 | label));
    MODEL_CHECK(model, known->check == 3 * known->label);
}

static void *immediate(uint32_t number)
{
    return (void *)((uintptr_t)number << 1 | 1);
}

static void check_value(struct model *model, const void *value, uint32_t expected)
{
    if (expected & MODEL_IMMEDIATE)
        MODEL_CHECK(model, value == immediate(expected & ~MODEL_IMMEDIATE));
    else if (expected)
        check_object(model, value, expected);
    else
        MODEL_CHECK(model, value == NULL);
}

/* ---- operations: each may run in a section unless the table says otherwise */

static void maybe_collect(struct model *model)
{
    struct sgc_error error = {0};
    model->n_allocations++;
    if (!model->collect_every || sgc_context_.depth || model->n_allocations % model->collect_every)
        return;
    sgc_heap_collect(model->heap, random_chance(&model->random, 50) ? SGC_COLLECT_FULL : SGC_COLLECT_MINOR);
    if (sgc_heap_verify(model->heap, &error) != 0)
        model_fail(model, __FILE__, __LINE__, error.message);
}

static void put_new(struct model *model, void *address, enum model_kind kind, unsigned n_fields, unsigned at)
{
    uint32_t label = ++model->n_records;
    MODEL_CHECK(model, address != NULL);
    model->records[label] = (struct model_record){.address = address, .kind = kind, .n_fields = n_fields};
    if (kind != MODEL_EPHEMERON) {
        struct model_object *object = address;
        object->label = (uint64_t)(model->index + 1) << 32 | label;
        object->check = 3 * object->label;
    }
    slot_put(model, at, address, label);
}

static void op_new(struct model *model)
{
    if (model->n_records == model->capacity)
        return;
    maybe_collect(model);
    unsigned kind = random_below(&model->random, 10), n = 4;
    if (kind < 2 && model->finalizers) {
        put_new(model, sgc_new(model->finals), MODEL_FINAL, n, slot_random(model));
    } else if (kind < 5) {
        n = random_below(&model->random, MODEL_MAX_FIELDS + 1);
        put_new(model, sgc_new_n(model->vecs, n), MODEL_VEC, n, slot_random(model));
    } else {
        put_new(model, sgc_new(model->nodes), MODEL_NODE, n, slot_random(model));
    }
}

static void op_new_ephemeron(struct model *model)
{
    unsigned key = slot_random(model), value = slot_random(model);
    if (!model->ephemerons || !model->slot_labels[key] || model->n_records == model->capacity)
        return;
    maybe_collect(model);
    void *made = sgc_ephemeron_new(model->heap, model->slots[key], model->slots[value]);
    uint32_t parts[] = {model->slot_labels[key], model->slot_labels[value]};
    put_new(model, made, MODEL_EPHEMERON, 2, slot_random(model));
    memcpy(model->records[model->n_records].fields, parts, sizeof(parts));
}

static uint32_t random_value(struct model *model, void **value)
{
    unsigned at = slot_random(model), what = random_below(&model->random, 10);
    *value = what == 0 ? NULL : what == 1 ? immediate(at) : model->slots[at];
    return what == 0 ? 0 : what == 1 ? MODEL_IMMEDIATE | at : model->slot_labels[at];
}

static void op_link(struct model *model)
{
    unsigned at = slot_random(model);
    if (!slot_is_object(model, at))
        return;
    struct model_object *owner = model->slots[at];
    struct model_record *record = &model->records[model->slot_labels[at]];
    if (!record->n_fields)
        return;
    unsigned field = random_below(&model->random, record->n_fields), how = random_below(&model->random, 6);
    void *value, *old;
    uint32_t label = random_value(model, &value), old_label = record->fields[field];
    if (how == 0) {
        old = sgc_xchg(owner, fields[field], value);
        check_value(model, old, old_label);
        sgc_drop(old);
    } else if (how == 1) {
        SGC_SECTION; /* the expected value is read, not held */
        old = sgc_get(owner, fields[field]);
        MODEL_CHECK(model, !sgc_cas(owner, fields[field], immediate(77777), value));
        MODEL_CHECK(model, sgc_cas(owner, fields[field], old, value));
    } else if (how == 2 && field + 1 < record->n_fields) {
        void *values[] = {value, NULL};
        sgc_store_bulk(owner, fields[field], values, 2);
        record->fields[field + 1] = 0;
    } else {
        sgc_set(owner, fields[field], value);
    }
    record->fields[field] = label;
}

/* Holds what a held object refers to. */
static void op_follow(struct model *model)
{
    unsigned at = slot_random(model), into = slot_random(model);
    if (!slot_is_object(model, at))
        return;
    const struct model_record *record = &model->records[model->slot_labels[at]];
    if (!record->n_fields)
        return;
    unsigned field = random_below(&model->random, record->n_fields);
    SGC_SECTION;
    struct model_object *owner = model->slots[at];
    check_object(model, owner, model->slot_labels[at]);
    void *value = sgc_get(owner, fields[field]);
    uint32_t label = record->fields[field];
    check_value(model, value, label);
    if (label & MODEL_IMMEDIATE)
        slot_put(model, into, NULL, 0);
    else
        slot_put(model, into, sgc_hold(value), label);
}

/* A key that is reachable must give its value; one that is not may be there still, and then lives on. */
static void op_follow_ephemeron(struct model *model)
{
    unsigned at = slot_random(model), into = slot_random(model);
    uint32_t label = model->slot_labels[at];
    if (!label || model->records[label].kind != MODEL_EPHEMERON)
        return;
    const struct model_record *record = &model->records[label];
    bool want_key = random_chance(&model->random, 30), sure = false;
    if (record->fields[0] && random_chance(&model->random, 20)) {
        oracle_reach_all(model);
        sure = model->records[record->fields[0]].reached;
    }
    void *got = want_key ? sgc_ephemeron_key(model->slots[at]) : sgc_ephemeron_value(model->slots[at]);
    uint32_t expected = record->fields[want_key ? 0 : 1];
    MODEL_CHECK(model, got || !sure || !expected);
    if (got)
        check_value(model, got, expected);
    slot_put(model, into, sgc_is_object(got) ? got : NULL, sgc_is_object(got) ? expected : 0);
}

static void op_drop(struct model *model)
{
    slot_put(model, slot_random(model), NULL, 0);
}

static void op_root(struct model *model)
{
    unsigned at = random_below(&model->random, MODEL_ROOTS), from = slot_random(model);
    if (random_chance(&model->random, 50)) {
        sgc_root_set(&model->roots[at], model->slots[from]);
    } else {
        void *old = sgc_root_xchg(&model->roots[at], model->slots[from]);
        check_value(model, old, model->root_labels[at]);
        sgc_drop(old);
    }
    model->root_labels[at] = model->slot_labels[from];
}

static void op_forget_saved(struct model *model)
{
    for (unsigned i = 0; i < 20 && model->n_records; i++) {
        struct model_record *record = &model->records[1 + random_below(&model->random, model->n_records)];
        if (!record->is_saved)
            continue;
        sgc_root_set(&record->saved, NULL);
        record->is_saved = false;
    }
}

static void op_push(struct model *model)
{
    unsigned at = slot_random(model);
    if (model->n_pushed == MODEL_PUSHED) {
        unsigned keep = random_below(&model->random, MODEL_PUSHED);
        sgc_unwind(sgc_mark() - (model->n_pushed - keep));
        model->n_pushed = keep;
    }
    model->pushed[model->n_pushed++] = model->slot_labels[at];
    sgc_push(sgc_hold(model->slots[at]));
}

static void op_weak(struct model *model)
{
    struct model_weak *weak = &model->weak[random_below(&model->random, MODEL_WEAK)];
    unsigned at = slot_random(model);
    uint32_t label = model->slot_labels[at];
    if (weak->handle && random_chance(&model->random, 70)) {
        void *got = sgc_weak_get(weak->handle);
        MODEL_CHECK(model, !got || !weak->cleared);
        if (got)
            check_object(model, got, weak->label);
        slot_put(model, at, got, got ? weak->label : 0);
        return;
    }
    if (!label || (model->finalizers && model->records[label].kind != MODEL_FINAL))
        return;
    if (weak->handle)
        sgc_weak_destroy(weak->handle);
    *weak = (struct model_weak){.handle = sgc_weak_create(model->slots[at]), .label = label};
    MODEL_CHECK(model, weak->handle != NULL);
}

static void op_collect(struct model *model)
{
    sgc_heap_collect(model->heap, random_chance(&model->random, 20) ? SGC_COLLECT_FULL : SGC_COLLECT_MINOR);
}

static const struct {
    void (*run)(struct model *model);
    unsigned weight;
    bool at_rest;
} operations[] = {
    {op_new, 200, false},
    {op_link, 400, false},
    {op_follow, 150, false},
    {op_drop, 60, false},
    {op_root, 30, false},
    {op_push, 20, false},
    {op_weak, 60, false},
    {op_forget_saved, 8, false},
    {op_collect, 4, true},
    {op_new_ephemeron, 40, false},
    {op_follow_ephemeron, 40, false},
};
#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void run_operation(struct model *model)
{
    unsigned total = 0;
    for (size_t i = 0; i < N_OPERATIONS; i++)
        total += operations[i].weight;
    unsigned pick = random_below(&model->random, total);
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        if (pick < operations[i].weight) {
            model->n_operations++;
            if (!operations[i].at_rest || !sgc_context_.depth)
                operations[i].run(model);
            return;
        }
        pick -= operations[i].weight;
    }
}

/* What was read before stays valid through whatever the section drops and stores. */
static void run_section(struct model *model)
{
    const struct model_object *read[MODEL_SLOTS];
    uint64_t labels[MODEL_SLOTS];
    SGC_SECTION;
    for (unsigned i = 0; i < MODEL_SLOTS; i++) {
        read[i] = slot_is_object(model, i) ? model->slots[i] : NULL;
        labels[i] = read[i] ? read[i]->label : 0;
    }
    for (unsigned n = random_below(&model->random, 12); n; n--)
        run_operation(model);
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        MODEL_CHECK(model, !read[i] || (read[i]->label == labels[i] && read[i]->check == 3 * labels[i]));
}

void model_step(struct model *model)
{
    if (random_chance(&model->random, 8))
        run_section(model);
    else
        run_operation(model);
}

/* ---- ends */

void model_clear(struct model *model)
{
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        slot_put(model, i, NULL, 0);
    for (unsigned i = 0; i < MODEL_ROOTS; i++) {
        sgc_root_set(&model->roots[i], NULL);
        model->root_labels[i] = 0;
    }
    if (model->n_pushed)
        sgc_unwind(sgc_mark() - model->n_pushed);
    model->n_pushed = 0;
    for (uint32_t label = 1; label <= model->n_records; label++) {
        if (model->records[label].is_saved)
            sgc_root_set(&model->records[label].saved, NULL);
        model->records[label].is_saved = false;
    }
    for (unsigned i = 0; i < MODEL_WEAK; i++) {
        if (model->weak[i].handle)
            sgc_weak_destroy(model->weak[i].handle);
        model->weak[i].handle = NULL;
    }
}

void model_settle(struct sgc_heap *heap, struct model *const *models, unsigned n)
{
    do
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    while (sgc_finalizers_run(heap, 0) > 0);
    for (unsigned i = 0; i < n; i++)
        oracle_settle(models[i]);
}
