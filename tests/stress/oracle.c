/* oracle.c - what must be alive: reachability over the records, finalizers and ephemerons included; and the comparison
 * with what is. Deliberately simple: recursion over arrays, quadratic selection. See model.h. */
#include "tests/stress/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reach(struct model *model, uint32_t label)
{
    if (label == 0 || (label & MODEL_IMMEDIATE))
        return;
    struct model_record *record = &model->records[label];
    if (record->reached)
        return;
    record->reached = 1;
    for (unsigned i = 0; record->kind != MODEL_EPHEMERON && i < record->n_fields; i++)
        reach(model, record->fields[i]);
}

/* Values of ephemerons that are reached and whose key is: until nothing is added. An immediate or NULL as value is no
 * object; keys are objects always. */
static void reach_ephemerons(struct model *model)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t label = 1; label <= model->n_records; label++) {
            const struct model_record *record = &model->records[label];
            if (record->kind != MODEL_EPHEMERON || !record->reached || !record->fields[0])
                continue;
            uint32_t value = record->fields[1];
            bool is_object = value && !(value & MODEL_IMMEDIATE);
            if (model->records[record->fields[0]].reached && is_object && !model->records[value].reached) {
                reach(model, value);
                again = true;
            }
        }
    }
}

static void forget_reached(struct model *model)
{
    for (uint32_t label = 1; label <= model->n_records; label++)
        model->records[label].reached = 0;
}

void oracle_reach_all(struct model *model)
{
    forget_reached(model);
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        reach(model, model->slot_labels[i]);
    for (unsigned i = 0; i < MODEL_ROOTS; i++)
        reach(model, model->root_labels[i]);
    for (unsigned i = 0; i < model->n_pushed; i++)
        reach(model, model->pushed[i]);
    for (uint32_t label = 1; label <= model->n_records; label++) {
        if (model->records[label].is_saved)
            reach(model, label);
    }
    reach_ephemerons(model);
}

/* ---- finalizers: of the dead, those reached from no other dead finalizable object outside their own cycle */

/* row[k]: dead[i] reaches dead[k] by one field or more. */
static void fill_row(struct model *model, const uint32_t *dead, unsigned n, unsigned i, unsigned char *row)
{
    forget_reached(model);
    const struct model_record *record = &model->records[dead[i]];
    for (unsigned f = 0; f < record->n_fields; f++)
        reach(model, record->fields[f]);
    for (unsigned k = 0; k < n; k++)
        row[k] = model->records[dead[k]].reached;
}

static bool is_first(const unsigned char *matrix, unsigned n, unsigned i)
{
    for (unsigned k = 0; k < n; k++) {
        if (k != i && matrix[k * n + i] && !matrix[i * n + k])
            return false;
    }
    return true;
}

static void clear_weak_of(struct model *model, uint32_t label)
{
    for (unsigned i = 0; i < MODEL_WEAK; i++) {
        if (model->weak[i].handle && model->weak[i].label == label)
            model->weak[i].cleared = true;
    }
}

static bool is_dead_final(const struct model_record *record)
{
    return record->kind == MODEL_FINAL && !record->expected_finalized && !record->reached && !record->gone;
}

/* One round: the dead finalizable objects that come first are finalized. Returns how many. */
static unsigned finalize_round(struct model *model)
{
    unsigned n = 0, n_first = 0;
    oracle_reach_all(model);
    for (uint32_t label = 1; label <= model->n_records; label++)
        n += is_dead_final(&model->records[label]);
    if (!n)
        return 0;
    uint32_t *dead = malloc(n * sizeof(uint32_t));
    unsigned char *matrix = malloc((size_t)n * n);
    MODEL_CHECK(model, dead && matrix);
    n = 0;
    for (uint32_t label = 1; label <= model->n_records; label++) {
        if (is_dead_final(&model->records[label]))
            dead[n++] = label;
    }
    for (unsigned i = 0; i < n; i++)
        fill_row(model, dead, n, i, matrix + (size_t)i * n);
    for (unsigned i = 0; i < n; i++) {
        if (!is_first(matrix, n, i))
            continue;
        struct model_record *record = &model->records[dead[i]];
        record->expected_finalized = 1;
        record->is_saved = dead[i] % 3 == 0; /* as the finalizer does */
        clear_weak_of(model, dead[i]);
        n_first++;
    }
    free(matrix);
    free(dead);
    return n_first;
}

void oracle_settle(struct model *model)
{
    while (finalize_round(model) > 0)
        ;
    oracle_reach_all(model);
    for (uint32_t label = 1; label <= model->n_records; label++) {
        struct model_record *record = &model->records[label];
        if (!record->reached && !record->gone) {
            record->gone = true;
            clear_weak_of(model, label);
        }
        if (record->kind == MODEL_EPHEMERON && record->fields[0] && !model->records[record->fields[0]].reached)
            record->fields[0] = record->fields[1] = 0; /* broken by the death of its key */
    }
}

/* ---- comparison */

struct comparison {
    struct model *const *models;
    unsigned n;
    model_extra_fn *extra;
    void *arg;
    uint64_t wrong; /* label of an object that must not be there, or is damaged */
    const char *why;
};

static int complain(struct comparison *comparison, uint64_t label, const char *why)
{
    comparison->wrong = label;
    comparison->why = why;
    return 1;
}

/* Finds the record of an ephemeron by its address. */
static int compare_ephemeron(struct comparison *comparison, void *object)
{
    for (unsigned m = 0; m < comparison->n; m++) {
        struct model *model = comparison->models[m];
        for (uint32_t label = model->n_records; label > 0; label--) {
            struct model_record *record = &model->records[label];
            if (record->kind != MODEL_EPHEMERON || record->address != object || record->reached != 1)
                continue;
            record->reached = 2;
            return 0;
        }
    }
    return complain(comparison, 0, "an ephemeron that should be dead");
}

static int compare_one(void *arg, struct sgc_cache *cache, void *pointer, size_t bytes, uint64_t count)
{
    struct comparison *comparison = arg;
    const struct model_object *object = pointer;
    (void)bytes, (void)count;
    if (strstr(sgc_cache_name(cache), "ephemeron"))
        return compare_ephemeron(comparison, pointer);
    uint64_t index = object->label >> 32;
    if (index == 0 && comparison->extra)
        return comparison->extra(comparison->arg, object->label) ? 0 : complain(comparison, object->label, "extra");
    if (index == 0 || index > MODEL_MAX_MODELS || object->check != 3 * object->label)
        return complain(comparison, object->label, "a damaged object");
    struct model *model = model_of_label[index];
    struct model_record *record = &model->records[(uint32_t)object->label];
    if (record->reached != 1)
        return complain(comparison, object->label, record->reached ? "visited twice" : "an object that should be dead");
    record->reached = 2;
    for (unsigned i = 0; i < record->n_fields; i++) {
        const void *value = object->fields[i];
        uint32_t expected = record->fields[i];
        bool same = expected & MODEL_IMMEDIATE ? (uintptr_t)value == ((uintptr_t)(uint32_t)(expected << 1) | 1)
                    : expected                 ? value == model->records[expected].address
                                               : value == NULL;
        if (!same)
            return complain(comparison, object->label, "a field with another value");
    }
    return 0;
}

static void compare_weak(struct model *model)
{
    for (unsigned i = 0; i < MODEL_WEAK; i++) {
        struct model_weak *weak = &model->weak[i];
        if (!weak->handle)
            continue;
        void *got = sgc_weak_get(weak->handle);
        MODEL_CHECK(model, got == (weak->cleared ? NULL : model->records[weak->label].address));
        sgc_drop(got);
    }
}

void model_compare(struct sgc_heap *heap, struct model *const *models, unsigned n, model_extra_fn *extra, void *arg)
{
    struct comparison comparison = {.models = models, .n = n, .extra = extra, .arg = arg};
    struct sgc_error error = {0};
    if (sgc_heap_verify(heap, &error) != 0)
        model_fail(models[0], __FILE__, __LINE__, error.message);
    if (sgc_heap_walk(heap, NULL, compare_one, &comparison) != 0) {
        char text[256];
        snprintf(text, sizeof(text), "%s: label %llu.%u", comparison.why, (unsigned long long)(comparison.wrong >> 32),
                 (unsigned)comparison.wrong);
        model_fail(models[0], __FILE__, __LINE__, text);
    }
    for (unsigned m = 0; m < n; m++) {
        for (uint32_t label = 1; label <= models[m]->n_records; label++) {
            const struct model_record *record = &models[m]->records[label];
            if (record->reached == 1)
                fprintf(stderr, "model: %u.%u of kind %u should be alive\n", m + 1, label, record->kind);
            MODEL_CHECK(models[m], record->reached != 1);
            MODEL_CHECK(models[m], record->n_finalized == record->expected_finalized);
        }
        compare_weak(models[m]);
    }
}
