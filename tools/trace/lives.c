/* lives.c - what a recording says of its objects: how long they lived, how many were alive, which events there were.
 * Called by gcctl trace and report. One pass over the events; a record of 24 bytes for each object, since a lifetime
 * ends at any time after its begin. */
#include "tools/trace/internal.h"

#include <errno.h>
#include <stdlib.h>

struct life {
    uint64_t time_ns, bytes_before; /* when it was made; bytes_before: allocated before it */
    uint32_t ticket;                /* low bits: a lifetime of 2^32 events and more counts as the rest */
    uint32_t cache;                 /* NONE: ended */
};
#define NONE UINT32_MAX

struct pass {
    struct trace_analysis *analysis;
    const struct trace_info *info;
    struct life *lives;
    uint32_t *bytes;
    uint64_t capacity, allocated_bytes, live, live_bytes, first_ns;
    uint64_t *live_of, *live_bytes_of; /* by cache */
};

static unsigned life_bucket(uint64_t value)
{
    const unsigned bucket = value ? 64u - (unsigned)__builtin_clzll(value) : 0;
    return bucket < TRACE_LIFE_BUCKETS ? bucket : TRACE_LIFE_BUCKETS - 1;
}

static uint64_t lives_bytes(const struct trace_cache *cache, uint64_t n_tail)
{
    uint64_t tail;
    return __builtin_mul_overflow(cache->tail_element_bytes, n_tail, &tail) || tail > UINT32_MAX - cache->size_bytes
               ? UINT32_MAX
               : cache->size_bytes + tail;
}

static int lives_make(struct pass *pass, const struct trace_event *event, uint64_t object)
{
    const uint64_t bytes = lives_bytes(&pass->info->caches[event->index], event->number);
    if (object >= pass->capacity) {
        const uint64_t capacity = 2 * (object > 2048 ? object : 2048); /* ephemerons have numbers too */
        struct life *lives = realloc(pass->lives, capacity * sizeof(*lives));
        pass->lives = lives ? lives : pass->lives;
        uint32_t *more = lives ? realloc(pass->bytes, capacity * sizeof(*more)) : NULL;
        pass->bytes = more ? more : pass->bytes;
        if (!more)
            return -ENOMEM;
        for (uint64_t i = pass->capacity; i < capacity; i++)
            lives[i].cache = NONE;
        pass->capacity = capacity;
    }
    pass->lives[object] = (struct life){event->time_ns, pass->allocated_bytes, (uint32_t)event->ticket, event->index};
    pass->bytes[object] = (uint32_t)bytes;
    struct trace_lives *of = &pass->analysis->caches[event->index];
    of->n_made++;
    of->bytes_made += bytes;
    pass->allocated_bytes += bytes;
    pass->live++;
    pass->live_bytes += bytes;
    pass->live_bytes_of[event->index] += bytes;
    const uint64_t live = ++pass->live_of[event->index];
    of->peak = live > of->peak ? live : of->peak;
    of->peak_bytes =
        pass->live_bytes_of[event->index] > of->peak_bytes ? pass->live_bytes_of[event->index] : of->peak_bytes;
    struct trace_analysis *analysis = pass->analysis;
    analysis->peak_live = pass->live > analysis->peak_live ? pass->live : analysis->peak_live;
    analysis->peak_bytes = pass->live_bytes > analysis->peak_bytes ? pass->live_bytes : analysis->peak_bytes;
    return 0;
}

static void lives_end(struct pass *pass, const struct trace_event *event)
{
    struct life *life = event->object < pass->capacity ? &pass->lives[event->object] : NULL;
    if (!life || life->cache == NONE)
        return;
    struct trace_lives *of = &pass->analysis->caches[life->cache];
    const uint64_t bytes = pass->bytes[event->object];
    of->n_ended++;
    of->by_ns[life_bucket(event->time_ns > life->time_ns ? event->time_ns - life->time_ns : 0)]++;
    of->by_bytes[life_bucket(pass->allocated_bytes - life->bytes_before)]++;
    of->by_events[life_bucket((uint32_t)event->ticket - life->ticket)]++;
    pass->live--;
    pass->live_bytes -= bytes;
    pass->live_of[life->cache]--;
    pass->live_bytes_of[life->cache] -= bytes;
    life->cache = NONE;
}

static int lives_event(struct pass *pass, const struct trace_event *event)
{
    struct trace_analysis *analysis = pass->analysis;
    const uint64_t step = pass->info->n_events / TRACE_POINTS + 1;
    if (!analysis->n_events)
        pass->first_ns = event->time_ns;
    const uint64_t since = event->time_ns > pass->first_ns ? event->time_ns - pass->first_ns : 0;
    analysis->duration_ns = since > analysis->duration_ns ? since : analysis->duration_ns;
    analysis->ops[event->op]++;
    int code = 0;
    if (trace_op_makes(event->op) && event->op != SGC_RECORD_EPHEMERON)
        code = lives_make(pass, event, event->object);
    else if (event->op == SGC_RECORD_DEATH || event->op == SGC_RECORD_FREE)
        lives_end(pass, event);
    if (analysis->n_events++ % step == 0 && analysis->n_points < TRACE_POINTS)
        analysis->points[analysis->n_points++] =
            (struct trace_point){event->ticket, since, pass->live, pass->live_bytes};
    return code;
}

struct trace_analysis *trace_analyze(struct trace *trace, struct sgc_error *error)
{
    struct sgc_error dropped;
    error = error ? error : &dropped;
    const struct trace_info *info = trace_info(trace);
    struct pass pass = {.info = info, .analysis = calloc(1, sizeof(*pass.analysis))};
    struct trace_cursor *cursor = NULL;
    struct trace_event event;
    int more = -ENOMEM;
    pass.live_of = calloc(info->n_caches + 1, sizeof(*pass.live_of));
    pass.live_bytes_of = calloc(info->n_caches + 1, sizeof(*pass.live_bytes_of));
    if (pass.analysis)
        pass.analysis->caches = calloc(info->n_caches + 1, sizeof(*pass.analysis->caches));
    trace_fail(error, -ENOMEM, "no memory for the analysis");
    if (!pass.analysis || !pass.analysis->caches || !pass.live_of || !pass.live_bytes_of)
        goto out;
    if (!(cursor = trace_begin(trace, error)))
        goto out;
    while ((more = trace_next(cursor, &event, error)) > 0) {
        if (lives_event(&pass, &event)) {
            more = trace_fail(error, -ENOMEM, "no memory for the analysis");
            break;
        }
    }
    pass.analysis->cut = trace_cut(cursor);
    pass.analysis->n_objects = trace_objects(cursor);
out:
    trace_end(cursor);
    free(pass.lives);
    free(pass.bytes);
    free(pass.live_of);
    free(pass.live_bytes_of);
    if (more == 0)
        return pass.analysis;
    trace_analysis_free(pass.analysis);
    return NULL;
}

void trace_analysis_free(struct trace_analysis *analysis)
{
    if (analysis)
        free(analysis->caches);
    free(analysis);
}
