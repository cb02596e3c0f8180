/* control_act.c - the commands collect, reap and switch.
 * Called by control_client.c. Collecting and switching attach the thread that runs them to the heaps, as any that
 * stops others: a program of one thread pays for atomic counts from then on (core/heap/DESIGN.md, solo mode). Locks: in
 * a turn (runtime.h), which keeps heaps open, over a collection or switch; for reap, the same over system calls. */
#include "core/base/check.h"
#include "core/base/suggest.h"
#include "core/heap/thread.h"
#include "core/runtime/control.h"
#include "core/runtime/runtime.h"
#include "core/stats/events.h"

#include <errno.h>
#include <string.h>

/* Calls act for the heap that is asked for, or for each, in a turn. */
static int act_each(struct sgc_control_request *request, void (*act)(void *arg, struct sgc_heap *heap), void *arg)
{
    struct sgc_open_heap *only;
    sgc_runtime_begin("control");
    const int code = sgc_control_heap(request, &only);
    if (code == 0) {
        SGC_LIST_FOR_EACH (link, sgc_runtime_heaps()) {
            struct sgc_open_heap *record = SGC_LIST_ENTRY(link, struct sgc_open_heap, link);
            if (!only || record == only)
                act(arg, record->heap);
        }
    }
    sgc_runtime_end();
    return code;
}

/* ---- collect */

struct collect {
    enum sgc_collect_kind kind;
    bool dry_run, unattached; /* no memory to attach its thread */
    json_t *heaps;
};

static void collect_heap(void *arg, struct sgc_heap *heap)
{
    struct collect *collect = arg;
    struct sgc_stats before, after;
    collect->unattached = !collect->dry_run && sgc_thread_attach() < 0;
    if (collect->unattached)
        return;
    sgc_heap_stats(heap, &before);
    after = before;
    if (!collect->dry_run) {
        sgc_heap_collect(heap, collect->kind);
        sgc_heap_stats(heap, &after);
    }
    json_array_append_new(collect->heaps,
                          json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "heap", heap->name, "before_objects",
                                    sgc_control_u64(before.n_live), "after_objects", sgc_control_u64(after.n_live),
                                    "before_bytes", sgc_control_u64(before.live_bytes), "after_bytes",
                                    sgc_control_u64(after.live_bytes), "stop_ns",
                                    sgc_control_u64(after.pauses.sum_ns - before.pauses.sum_ns)));
}

static int collect_run(struct sgc_control_request *request)
{
    static const char *const kinds[] = {"minor", "full"};
    const char *kind = sgc_control_text(request, "kind");
    struct collect collect = {.dry_run = sgc_control_flag(request, "dry_run")};
    if (strcmp(kind, "minor") != 0 && strcmp(kind, "full") != 0) {
        const char *nearest = sgc_suggest(kind, kinds, SGC_ARRAY_LEN(kinds));
        return sgc_control_fail(request, -EINVAL, "no kind \"%.32s\" of collection; %s%s%s", kind,
                                nearest ? "did you mean \"" : "there are minor and full", nearest ? nearest : "",
                                nearest ? "\"?" : "");
    }
    collect.kind = strcmp(kind, "full") == 0 ? SGC_COLLECT_FULL : SGC_COLLECT_MINOR;
    collect.heaps = json_array();
    int code = act_each(request, collect_heap, &collect);
    if (code == 0 && collect.unattached)
        code = sgc_control_fail(request, -ENOMEM, "no memory to attach the thread that collects");
    if (code) {
        json_decref(collect.heaps);
        return code;
    }
    return sgc_control_result(request, json_pack("{s:o}", "heaps", collect.heaps));
}

/* ---- reap */

struct reap {
    bool dry_run;
    uint64_t before_bytes, after_bytes;
};

static int reap_cache(void *arg, struct sgc_cache *cache)
{
    (void)arg;
    sgc_cache_shrink(cache);
    return 0;
}

/* Lock STOP keeps collections away, which take slabs and their lists for still; this thread may be one that no stop
 * waits for, and one that is attached may not wait for a stop under the heap's lock. */
static void reap_heap(void *arg, struct sgc_heap *heap)
{
    struct reap *reap = arg;
    reap->before_bytes += __atomic_load_n(&heap->budget.used_bytes, __ATOMIC_RELAXED);
    if (!reap->dry_run) {
        sgc_stop_lock();
        sgc_cache_for_each(heap, reap_cache, NULL);
        sgc_stop_unlock();
    }
    reap->after_bytes += __atomic_load_n(&heap->budget.used_bytes, __ATOMIC_RELAXED);
}

static int reap_run(struct sgc_control_request *request)
{
    struct reap reap = {.dry_run = sgc_control_flag(request, "dry_run")};
    const int code = act_each(request, reap_heap, &reap);
    return code
               ? code
               : sgc_control_result(request, json_pack("{s:o, s:o}", "before_bytes", sgc_control_u64(reap.before_bytes),
                                                       "after_bytes", sgc_control_u64(reap.after_bytes)));
}

/* ---- switch */

/* How long the threads stood still: the newest event of a switch since `from`. */
static uint64_t switch_stop_ns(uint64_t from)
{
    struct sgc_event events[16];
    uint64_t stop_ns = 0;
    for (size_t n; (n = sgc_events_read(&from, events, SGC_ARRAY_LEN(events), NULL)) > 0;)
        for (size_t i = 0; i < n; i++)
            if (events[i].kind == SGC_EVENT_SWITCH)
                stop_ns = events[i].n[0];
    return stop_ns;
}

/* The number of the next event. */
static uint64_t switch_events_end(void)
{
    struct sgc_event events[16];
    uint64_t next = 0;
    while (sgc_events_read(&next, events, SGC_ARRAY_LEN(events), NULL) > 0)
        continue;
    return next;
}

static int switch_run(struct sgc_control_request *request)
{
    const bool dry_run = sgc_control_flag(request, "dry_run");
    const char *strategy = sgc_control_text(request, "strategy"), *old = NULL, *new = NULL;
    struct sgc_error error = {0};
    struct sgc_open_heap *record;
    char name[SGC_HEAP_NAME_BYTES] = "";
    const uint64_t from = switch_events_end();
    sgc_runtime_begin("control");
    int code = sgc_control_heap(request, &record);
    if (code == 0) {
        memcpy(name, record->heap->name, sizeof(name));
        old = sgc_heap_strategy(record->heap);
        code = sgc_switch_in_turn(record->heap, strategy, "gcctl", dry_run, &error);
        new = dry_run ? strategy : sgc_heap_strategy(record->heap);
        if (code)
            sgc_control_fail_error(request, &error);
    }
    sgc_runtime_end();
    if (code)
        return code;
    return sgc_control_result(request, json_pack("{s:s, s:s, s:o, s:o}", "heap", name, "old", old, "new",
                                                 sgc_control_string(new), "stop_ns",
                                                 sgc_control_u64(dry_run ? 0 : switch_stop_ns(from))));
}

#define DRY_RUN                                                                                                        \
    {                                                                                                                  \
        "dry_run", SGC_CONTROL_BOOLEAN, false, "Says what would be done, does nothing"                                 \
    }
static const struct sgc_control_parameter collect_parameters[] = {
    {"heap", SGC_CONTROL_STRING, false, "Only this heap"},
    {"kind", SGC_CONTROL_STRING, true, "minor or full"},
    DRY_RUN,
    {0},
};
static const struct sgc_control_parameter reap_parameters[] = {
    {"heap", SGC_CONTROL_STRING, false, "Only this heap"},
    DRY_RUN,
    {0},
};
static const struct sgc_control_parameter switch_parameters[] = {
    {"heap", SGC_CONTROL_STRING, true, "The heap to move"},
    {"strategy", SGC_CONTROL_STRING, true, "Its next strategy, by name or absolute path"},
    DRY_RUN,
    {0},
};
const struct sgc_control_command sgc_control_act_commands[] = {
    {"collect", "Collects now", SGC_CONTROL_STOPS_SHORT, false, collect_parameters, collect_run, NULL},
    {"reap", "Gives empty slabs and regions back to the OS", SGC_CONTROL_STOPS_NO, false, reap_parameters, reap_run,
     NULL},
    {"switch", "Moves a heap to another strategy", SGC_CONTROL_STOPS_SHORT, false, switch_parameters, switch_run, NULL},
    {0},
};
