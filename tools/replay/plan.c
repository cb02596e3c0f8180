/* plan.c - reads a recording into the compact array. See plan.h.
 * Invariant: each operand of an event of the plan is a number below its table's size, each offset lies in its owner. */
#include "tools/replay/plan.h"
#include <slabgc/heap.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_FIELD UINT32_MAX
#define MAX_ARGUMENT ((1u << 24) - 1)

/* Numbers of handles as recorded -> small ones. Open addressing. */
struct handles {
    uint64_t *keys; /* recorded number + 1; 0: free */
    uint32_t *numbers, mask, n;
};

static int plan_fail(struct sgc_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int plan_fail(struct sgc_error *error, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return code;
}

/* Room for one more entry of *array. */
static int plan_room(void **array, uint32_t n, uint32_t *capacity, size_t entry_bytes)
{
    if (n < *capacity)
        return 0;
    if (*capacity > UINT32_MAX / 2)
        return -EOVERFLOW;
    const uint32_t more = *capacity ? 2 * *capacity : 1024;
    void *moved = realloc(*array, (size_t)more * entry_bytes);
    if (!moved)
        return -ENOMEM;
    *array = moved;
    *capacity = more;
    return 0;
}

/* ---- types */

static int plan_cache_make(struct plan_cache *cache, const struct trace_cache *from)
{
    *cache = (struct plan_cache){
        .n_words = from->size_bytes / 8,
        .manual = (from->flags & SGC_TYPE_MANUAL) || from->bare,
        .tail_refs = from->tail_refs,
        .traced = from->traced,
    };
    cache->n_fields = cache->n_words;
    if (from->traced || !from->n_runs) {
        cache->n_fields = from->traced ? cache->n_words : 0;
        return 0;
    }
    cache->field_of_word = malloc(cache->n_words * sizeof(*cache->field_of_word));
    if (!cache->field_of_word)
        return -ENOMEM;
    memset(cache->field_of_word, 0xff, cache->n_words * sizeof(*cache->field_of_word));
    cache->n_fields = 0;
    for (uint32_t run = 0; run < from->n_runs; run++)
        for (uint32_t i = 0; i < from->runs[run].n; i++)
            if (cache->field_of_word[from->runs[run].offset_bytes / 8 + i] == NO_FIELD)
                cache->field_of_word[from->runs[run].offset_bytes / 8 + i] = cache->n_fields++;
    return 0;
}

static uint64_t plan_tail_bytes(const struct plan *plan, const struct plan_object *object)
{
    return (uint64_t)object->tail * plan->info->caches[object->cache].tail_element_bytes;
}

uint32_t plan_fields(const struct plan *plan, const struct plan_object *object)
{
    if (object->cache == PLAN_EPHEMERON)
        return 0;
    const struct plan_cache *cache = &plan->caches[object->cache];
    if (cache->manual)
        return 0;
    if (cache->traced)
        return (uint32_t)((plan->info->caches[object->cache].size_bytes + plan_tail_bytes(plan, object)) / 8);
    return cache->n_fields + (cache->tail_refs ? object->tail : 0);
}

uint32_t plan_field(const struct plan *plan, const struct plan_object *object, uint32_t word)
{
    const struct plan_cache *cache = &plan->caches[object->cache];
    if (cache->traced)
        return word;
    if (word < cache->n_words)
        return cache->field_of_word ? cache->field_of_word[word] : NO_FIELD;
    return cache->tail_refs ? cache->n_fields + (word - cache->n_words) : NO_FIELD;
}

/* ---- handles */

static uint64_t *handles_entry(const struct handles *handles, uint64_t key)
{
    uint32_t i = (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
    while (handles->keys[i & handles->mask] && handles->keys[i & handles->mask] != key)
        i++;
    return &handles->keys[i & handles->mask];
}

static int handles_grow(struct handles *handles)
{
    const struct handles old = *handles;
    const uint32_t mask = old.keys ? 2 * old.mask + 1 : 1023;
    *handles = (struct handles){calloc((size_t)mask + 1, 8), malloc(((size_t)mask + 1) * 4), mask, old.n};
    if (!handles->keys || !handles->numbers) {
        free(handles->keys);
        free(handles->numbers);
        *handles = old;
        return -ENOMEM;
    }
    for (uint32_t i = 0; old.keys && i <= old.mask; i++)
        if (old.keys[i]) {
            uint64_t *entry = handles_entry(handles, old.keys[i]);
            *entry = old.keys[i];
            handles->numbers[entry - handles->keys] = old.numbers[i];
        }
    free(old.keys);
    free(old.numbers);
    return 0;
}

/* The handle's number. make: it is new. -1: no such handle; -ENOMEM. */
static int64_t handles_find(struct handles *handles, uint64_t recorded, bool make, uint32_t *n)
{
    const uint64_t key = recorded + 1;
    if (!key || (!make && !handles->keys))
        return -1;
    if (make && (!handles->keys || handles->n > handles->mask / 2) && handles_grow(handles))
        return -ENOMEM;
    uint64_t *entry = handles_entry(handles, key);
    if (!make)
        return *entry ? (int64_t)handles->numbers[entry - handles->keys] : -1;
    handles->n += !*entry;
    *entry = key;
    handles->numbers[entry - handles->keys] = *n;
    return (int64_t)(*n)++;
}

/* ---- events */

static int plan_put(struct plan *plan, uint32_t op, uint64_t argument, uint64_t a, uint64_t b)
{
    if (argument > MAX_ARGUMENT || plan->n_events == UINT32_MAX - 1)
        return -EOVERFLOW;
    const int code = plan_room((void **)&plan->events, plan->n_events, &plan->capacity, sizeof(*plan->events));
    if (!code)
        plan->events[plan->n_events++] = (struct plan_event){op | (uint32_t)argument << 8, (uint32_t)a, (uint32_t)b};
    return code;
}

static int plan_turn(struct plan *plan, uint32_t thread, uint32_t n)
{
    if (plan->n_runs && plan->runs[plan->n_runs - 1].thread == thread) {
        plan->runs[plan->n_runs - 1].n += n;
        return 0;
    }
    const int code = plan_room((void **)&plan->runs, plan->n_runs, &plan->runs_capacity, sizeof(*plan->runs));
    if (!code)
        plan->runs[plan->n_runs++] = (struct plan_run){thread, n, UINT32_MAX};
    return code;
}

static int plan_object_add(struct plan *plan, const struct trace_event *event)
{
    const bool ephemeron = event->op == SGC_RECORD_EPHEMERON;
    struct plan_object object = {.cache = ephemeron ? PLAN_EPHEMERON : event->index,
                                 .tail = ephemeron ? event->index : (uint32_t)event->number,
                                 .death = UINT32_MAX};
    if (event->object >= UINT32_MAX - 2 || event->number > UINT32_MAX)
        return -EOVERFLOW;
    if (!ephemeron && !plan->caches[event->index].manual && plan->info->caches[event->index].finalized)
        object.flags = PLAN_WISHED;
    const int code = plan_room((void **)&plan->objects, plan->n_objects, &plan->objects_capacity, sizeof(object));
    if (code)
        return code;
    plan->objects[plan->n_objects++] = object;
    if (!ephemeron)
        return 0;
    const int more = plan_room((void **)&plan->ephemerons, plan->n_ephemerons, &plan->ephemerons_capacity,
                               sizeof(*plan->ephemerons));
    if (!more)
        plan->ephemerons[plan->n_ephemerons++] =
            (struct plan_ephemeron){(uint32_t)event->object, (uint32_t)event->value, (uint32_t)event->other};
    return more;
}

/* A store's offset lies in its owner, where its type has a reference. */
static bool plan_offset_is_good(const struct plan *plan, const struct trace_event *event)
{
    const struct plan_object *owner = &plan->objects[event->object];
    if (owner->cache == PLAN_EPHEMERON || event->number > MAX_ARGUMENT)
        return false;
    const struct trace_cache *cache = &plan->info->caches[owner->cache];
    if (event->number >= (cache->size_bytes + plan_tail_bytes(plan, owner)) / 8)
        return false;
    return plan->caches[owner->cache].manual || plan_field(plan, owner, (uint32_t)event->number) != NO_FIELD;
}

static bool plan_names_object(uint8_t op)
{
    return op == SGC_RECORD_HOLD || op == SGC_RECORD_DROP || op == SGC_RECORD_STORE || op == SGC_RECORD_EXCHANGE ||
           op == SGC_RECORD_FREE || op == SGC_RECORD_WEAK_NEW || op == SGC_RECORD_HOLDS || op == SGC_RECORD_FINALIZE ||
           op == SGC_RECORD_FINALIZED || op == SGC_RECORD_DEATH;
}

/* Sections of core's grace-period thread are the recorded strategy's affair. */
static bool plan_is_cores(const struct plan *plan, const struct trace_event *event)
{
    return (event->op == SGC_RECORD_ENTER || event->op == SGC_RECORD_LEAVE) &&
           !strcmp(plan->info->threads[event->thread].name, "slabgc-grace");
}

static int plan_event_add(struct plan *plan, struct handles *handles, const struct trace_event *event)
{
    const uint32_t before = plan->n_events;
    int64_t handle = 0;
    int code = 0;
    if (plan_is_cores(plan, event))
        return 0;
    if ((plan_names_object(event->op) && event->object == TRACE_UNKNOWN) || event->value == TRACE_UNKNOWN ||
        event->other == TRACE_UNKNOWN) {
        plan->n_unknown++;
        if (trace_op_makes(event->op)) /* numbers go on */
            return plan_object_add(
                plan, &(struct trace_event){.op = event->op, .index = event->index, .object = event->object});
        return 0;
    }
    switch (event->op) {
    case SGC_RECORD_NEW:
    case SGC_RECORD_NEW_N:
    case SGC_RECORD_BARE_NEW:
        if ((code = plan_object_add(plan, event)))
            return code;
        if (event->op == SGC_RECORD_NEW && plan->info->caches[event->index].tail_element_bytes)
            return plan_put(plan, SGC_RECORD_NEW_N, event->index, event->object, 0)
                       ?: plan_turn(plan, event->thread, 1);
        code = plan_put(plan, event->op, event->index, event->object, event->number);
        break;
    case SGC_RECORD_STORE:
    case SGC_RECORD_EXCHANGE:
        if (!plan_offset_is_good(plan, event))
            return -EBADMSG;
        code = plan_put(plan, event->op, event->number, event->object, event->value);
        if (!code && event->op == SGC_RECORD_EXCHANGE)
            code = plan_put(plan, PLAN_EXTRA, 0, event->other, 0);
        break;
    case SGC_RECORD_WEAK_NEW:
    case SGC_RECORD_WEAK_GET:
    case SGC_RECORD_WEAK_FREE:
        handle = handles_find(handles, event->number, event->op == SGC_RECORD_WEAK_NEW, &plan->n_handles);
        if (handle == -ENOMEM)
            return -ENOMEM;
        if (handle < 0) {
            plan->n_unknown++;
            return 0;
        }
        plan->weak = true;
        code = plan_put(plan, event->op, 0, (uint64_t)handle,
                        event->op == SGC_RECORD_WEAK_NEW ? event->object : event->value);
        break;
    case SGC_RECORD_EPHEMERON:
        if ((code = plan_object_add(plan, event)))
            return code;
        code = plan_put(plan, event->op, event->index, event->object, event->value);
        code = code ? code : plan_put(plan, PLAN_EXTRA, 0, event->other, 0);
        break;
    case SGC_RECORD_ACCOUNT:
        code = plan_put(plan, event->op, event->index, event->number, event->number >> 32);
        break;
    case SGC_RECORD_FREE:
        if (plan->objects[event->object].cache != PLAN_EPHEMERON)
            plan->caches[plan->objects[event->object].cache].manual = true;
        code = plan_put(plan, event->op, 0, event->object, 0);
        break;
    case SGC_RECORD_COLLECT:
        code = plan_put(plan, event->op, event->index,
                        event->number == SGC_COLLECT_MINOR ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL, 0);
        break;
    default:
        code = plan_put(plan, event->op, event->index, event->object,
                        event->number > UINT32_MAX ? UINT32_MAX : event->number);
    }
    return code ? code : plan_turn(plan, event->thread, plan->n_events - before);
}

static int plan_read(struct plan *plan, struct trace_cursor *cursor, struct sgc_error *error)
{
    struct handles handles = {0};
    struct trace_event event;
    int code, more;
    while ((more = trace_next(cursor, &event, error)) > 0) {
        code = plan_event_add(plan, &handles, &event);
        if (code) {
            more = plan_fail(error, code, "%s at ticket %llu (offset %llu of the stream)",
                             code == -ENOMEM      ? "no memory for the plan"
                             : code == -EOVERFLOW ? "more than this program can replay"
                                                  : "a store to where its type has no reference",
                             (unsigned long long)event.ticket, (unsigned long long)event.file_at);
            break;
        }
        plan->n_recorded++;
        if (event.thread == 0 && plan->n_runs <= 1)
            plan->n_found = plan->n_events;
    }
    plan->cut = trace_cut(cursor);
    free(handles.keys);
    free(handles.numbers);
    return more;
}

/* Takes out what does nothing in a replay: events that were refused, deaths of objects that the replayer does not hold.
 * Runs of a thread that nothing stands between any more become one. */
static void plan_compact(struct plan *plan)
{
    uint32_t from = 0, n_events = 0, n_runs = 0, n_found = 0;
    for (uint32_t run = 0; run < plan->n_runs; run++) {
        const struct plan_run whole = plan->runs[run];
        const uint32_t begin = n_events;
        for (const uint32_t end = from + whole.n; from < end; from++) {
            const struct plan_event *event = &plan->events[from];
            const uint8_t op = plan_op(event);
            if (op == PLAN_NOTHING || op == SGC_RECORD_FINALIZE ||
                ((op == SGC_RECORD_DEATH || op == SGC_RECORD_FINALIZED) && !plan->objects[event->a].flags))
                continue;
            plan->events[n_events++] = *event;
        }
        if (n_events == begin)
            continue;
        if (n_runs && plan->runs[n_runs - 1].thread == whole.thread)
            plan->runs[n_runs - 1].n += n_events - begin;
        else
            plan->runs[n_runs++] = (struct plan_run){whole.thread, n_events - begin, UINT32_MAX};
        if (whole.thread == 0 && n_runs == 1)
            n_found = n_events;
    }
    plan->n_events = n_events;
    plan->n_runs = n_runs;
    plan->n_found = n_found;
}

/* Chains each thread's runs, and spreads the points. */
static int plan_chain(struct plan *plan)
{
    plan->first_run = malloc((plan->n_threads + 1) * sizeof(*plan->first_run));
    if (!plan->first_run)
        return -ENOMEM;
    for (uint32_t i = 0; i < plan->n_threads; i++)
        plan->first_run[i] = plan->n_runs;
    for (uint32_t run = plan->n_runs; run-- > 0;) {
        plan->runs[run].next = plan->first_run[plan->runs[run].thread];
        plan->first_run[plan->runs[run].thread] = run;
    }
    return 0;
}

/* The events nearest behind each n-th of all after which their thread is at rest. */
static int plan_spread(struct plan *plan, uint32_t n_points)
{
    bool *inside = calloc(plan->n_threads + 1, sizeof(*inside));
    uint32_t at = 0;
    if (!inside)
        return -ENOMEM;
    for (uint32_t run = 0; run < plan->n_runs && plan->n_points < n_points; run++) {
        bool *in = &inside[plan->runs[run].thread];
        for (const uint32_t end = at + plan->runs[run].n; at < end; at++) {
            const uint8_t op = plan_op(&plan->events[at]);
            *in = op == SGC_RECORD_ENTER || (op != SGC_RECORD_LEAVE && *in);
            const uint64_t due = (uint64_t)plan->n_events * (plan->n_points + 1) / (n_points + 1);
            const bool whole = at + 1 == plan->n_events || plan_op(&plan->events[at + 1]) != PLAN_EXTRA;
            if (plan->n_points < n_points && at >= due && at >= plan->n_found && !*in && whole)
                plan->points[plan->n_points++].at = at;
        }
    }
    free(inside);
    return 0;
}

int plan_make(struct plan *plan, struct trace *trace, uint32_t n_points, struct sgc_error *error)
{
    *plan = (struct plan){.info = trace_info(trace)};
    struct trace_cursor *cursor = trace_begin(trace, error);
    if (!cursor)
        return error->code;
    int code = -ENOMEM;
    plan->caches = calloc(plan->info->n_caches + 1, sizeof(*plan->caches));
    for (uint32_t i = 0; plan->caches && i < plan->info->n_caches; i++)
        if (plan->info->caches[i].defined && plan_cache_make(&plan->caches[i], &plan->info->caches[i]))
            goto memory;
    if (!plan->caches)
        goto memory;
    code = plan_read(plan, cursor, error);
    if (code)
        goto out;
    plan->n_threads = plan->info->n_threads;
    if (plan_check(plan))
        goto memory;
    plan_compact(plan);
    if (!plan_chain(plan) && !plan_spread(plan, n_points))
        goto out;
memory:
    code = plan_fail(error, -ENOMEM, "no memory for the plan");
out:
    trace_end(cursor);
    if (code)
        plan_fini(plan);
    return code;
}

void plan_fini(struct plan *plan)
{
    for (uint32_t i = 0; plan->caches && i < plan->info->n_caches; i++)
        free(plan->caches[i].field_of_word);
    for (uint32_t i = 0; i < plan->n_objects; i++)
        free(plan->objects[i].fields);
    free(plan->caches);
    free(plan->events);
    free(plan->runs);
    free(plan->first_run);
    free(plan->objects);
    free(plan->ephemerons);
    *plan = (struct plan){0};
}
