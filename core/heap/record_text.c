/* record_text.c - what a recording says in words: who records, which heaps, caches and threads there are, how it ended.
 * Called by record.c and record_event.c, in sections and at stops; each message goes to the queue before the first
 * event that needs it can. JSON is written by hand: this layer has no library for it, nor malloc. Locks: rank RECORD
 * inside. */
#include "core/heap/record_stream.h"
#include "core/heap/section.h"
#include "core/os/clock.h"
#include "core/os/thread.h"
#include <errno.h>
#include <slabgc/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_BYTES 4096

/* Text that does not fit is cut; only lists of unknown length can be so long, and they look first. */
struct text {
    size_t n;
    char bytes[TEXT_BYTES];
};

static void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void text_add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text->bytes + text->n, sizeof(text->bytes) - text->n, format, args);
    va_end(args);
    if (n > 0)
        text->n += (size_t)n < sizeof(text->bytes) - text->n ? (size_t)n : sizeof(text->bytes) - text->n - 1;
}

/* A JSON string of any bytes: what is no printable ASCII is shown as '?'. */
static void text_add_string(struct text *text, const char *string)
{
    text_add(text, "\"");
    for (; *string; string++) {
        const char c = *string;
        if (c == '"' || c == '\\')
            text_add(text, "\\%c", c);
        else
            text_add(text, "%c", c >= ' ' && c <= '~' ? c : '?');
    }
    text_add(text, "\"");
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void text_send(struct text *text, enum sgc_recording_kind kind)
{
    sgc_record_message_send(kind, text->bytes, text->n);
}

void sgc_record_describe_begin(uint64_t sample)
{
    struct text text = {.n = 0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    text_add(&text, "{\"slabgc\":");
    text_add_string(&text, SGC_VERSION);
    text_add(&text, ",\"program\":");
    text_add_string(&text, program_invocation_short_name);
    text_add(&text, ",\"pid\":%ld,\"mode\":\"%s\",\"sample\":%llu,\"time_ns\":%llu}", (long)getpid(),
             sample > 1 ? "sampled" : "replayable", (unsigned long long)(sample > 1 ? sample : 1),
             (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec);
    text_send(&text, SGC_RECORDING_BEGIN);
}

void sgc_record_describe_heap(const struct sgc_heap *heap)
{
    struct text text = {.n = 0};
    text_add(&text, "{\"heap\":%u,\"name\":", heap->record_index);
    text_add_string(&text, heap->name);
    text_add(&text, ",\"strategy\":");
    text_add_string(&text, heap->plugin->name);
    text_add(&text, ",\"needs\":%u,\"memory_limit_bytes\":%llu,\"finalizer_thread\":%s}", heap->needs,
             (unsigned long long)__atomic_load_n(&heap->budget.soft_bytes, __ATOMIC_RELAXED),
             truth(heap->setup.finalizer_thread));
    text_send(&text, SGC_RECORDING_HEAP);
}

void sgc_record_describe_cache(const struct sgc_cache *cache)
{
    const struct sgc_type *type = cache->type;
    struct text text = {.n = 0};
    text_add(&text, "{\"cache\":%u,\"heap\":%u,\"name\":", cache->record_index, cache->heap->record_index);
    text_add_string(&text, cache->name);
    text_add(&text, ",\"size_bytes\":%u,\"align_bytes\":%u,\"flags\":%u,\"refs\":[", type->size_bytes,
             type->align_bytes, type->flags);
    for (uint32_t i = 0; i < type->n_ref_runs; i++)
        text_add(&text, "%s[%u,%u]", i ? "," : "", type->ref_runs[i].offset_bytes, type->ref_runs[i].n);
    text_add(&text, "],\"tail_element_bytes\":%u,\"tail_refs\":%s,\"traced\":%s,\"finalized\":%s,\"constructed\":%s,",
             type->tail_element_bytes, truth(type->tail_refs), truth(type->trace), truth(type->finalize),
             truth(type->ctor));
    text_add(&text, "\"bare\":%s}", truth(cache->managed_manual == SGC_CACHE_MANUAL_RECORDED));
    text_send(&text, SGC_RECORDING_CACHE);
}

void sgc_record_describe_thread(const struct sgc_record_thread *thread, bool ended)
{
    struct text text = {.n = 0};
    text_add(&text, "{\"thread\":%u,\"tid\":%lld,\"name\":", thread->index, (long long)thread->tid);
    text_add_string(&text, thread->name);
    text_add(&text, ",\"ended\":%s}", truth(ended));
    text_send(&text, SGC_RECORDING_THREAD);
}

/* Heaps that do not fit any more are left out. */
static void text_add_live(struct text *text)
{
    bool first = true;
    SGC_LIST_FOR_EACH (link, &sgc_heaps) {
        struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_heap, link);
        struct sgc_stats stats;
        if (!heap->record_index || text->n + 2 * SGC_HEAP_NAME_BYTES + 32 > sizeof(text->bytes))
            continue;
        sgc_heap_stats(heap, &stats);
        text_add(text, "%s", first ? "" : ",");
        text_add_string(text, heap->name);
        text_add(text, ":%llu", (unsigned long long)stats.n_live);
        first = false;
    }
}

void sgc_record_describe_end(const char *reason, uint64_t n_events, uint64_t began_ns)
{
    const uint64_t ns = sgc_os_now_ns() - began_ns;
    struct sgc_record_totals totals;
    struct text text = {.n = 0};
    sgc_record_queue_totals(&totals);
    text_add(&text, "{\"events\":%llu,\"bytes\":%llu,\"waited_ns\":%llu,\"seconds\":%llu.%03llu,\"reason\":",
             (unsigned long long)n_events, (unsigned long long)totals.n_bytes, (unsigned long long)totals.waited_ns,
             (unsigned long long)(ns / 1000000000), (unsigned long long)(ns / 1000000 % 1000));
    text_add_string(&text, reason);
    text_add(&text, ",\"live\":{");
    text_add_live(&text);
    text_add(&text, "}}");
    text_send(&text, SGC_RECORDING_END);
}
