/* definitions.c - the messages of a recording that are JSON: its begin, heaps, caches, threads, its end.
 * Called by open.c for each such message of the file. Invariant: what stands in struct trace_info was checked; a type
 * built from a cache's definition is one that slabgc takes. */
#include "tools/trace/internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_MAX_BYTES (1u << 30)

int trace_fail(struct sgc_error *error, int code, const char *format, ...)
{
    va_list arguments;
    if (!error)
        return code;
    error->code = code;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    return code;
}

static int define_fail(struct sgc_error *error, uint64_t at, const char *what)
{
    return trace_fail(error, -EBADMSG, "bad definition at offset %llu of the stream: %s", (unsigned long long)at, what);
}

/* Makes room for entry `index` of an array of *n entries that are zero at first. */
static int define_grow(void **array, uint32_t *n, uint64_t index, uint64_t most, size_t entry_bytes)
{
    if (index >= most)
        return -EBADMSG;
    if (index < *n)
        return 0;
    uint8_t *more = realloc(*array, (index + 1) * entry_bytes);
    if (!more)
        return -ENOMEM;
    memset(more + *n * entry_bytes, 0, (index + 1 - *n) * entry_bytes);
    *array = more;
    *n = (uint32_t)(index + 1);
    return 0;
}

/* Members; false: absent or of another kind. Numbers: not negative. */
static bool define_number(json_t *object, const char *key, uint64_t most, uint64_t *out)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > most)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool define_flag(json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* Cut to fit; control characters become '?'. Names come from the recorded program. */
static void define_text(json_t *object, const char *key, char *out, size_t out_bytes)
{
    const char *text = json_string_value(json_object_get(object, key));
    size_t n = 0;
    for (; text && text[n] && n + 1 < out_bytes; n++)
        out[n] = (unsigned char)text[n] < ' ' || text[n] == 0x7f ? '?' : text[n];
    out[n] = '\0';
}

static bool define_name_is_good(const char *name)
{
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(name);
}

static int define_begin(struct trace_definitions *definitions, json_t *object, uint64_t at, struct sgc_error *error)
{
    struct trace_info *info = &definitions->info;
    uint64_t pid = 0;
    char mode[32];
    if (definitions->begun)
        return define_fail(error, at, "a second begin");
    definitions->begun = true;
    define_text(object, "program", info->program, sizeof(info->program));
    define_text(object, "slabgc", info->version, sizeof(info->version));
    define_text(object, "mode", mode, sizeof(mode));
    define_number(object, "pid", INT32_MAX, &pid);
    define_number(object, "sample", UINT32_MAX, &info->sample);
    info->pid = (int64_t)pid;
    info->replayable = strcmp(mode, "replayable") == 0;
    if (!info->replayable && strcmp(mode, "sampled"))
        return define_fail(error, at, "\"mode\" is neither \"replayable\" nor \"sampled\"");
    return 0;
}

static int define_heap(struct trace_definitions *definitions, json_t *object, uint64_t at, struct sgc_error *error)
{
    uint64_t index, needs = 0, limit = 0;
    struct trace_heap heap = {.defined = true};
    if (!define_number(object, "heap", TRACE_MAX_HEAPS - 1, &index))
        return define_fail(error, at, "a heap without an index, or one too many");
    define_text(object, "name", heap.name, sizeof(heap.name));
    define_text(object, "strategy", heap.strategy, sizeof(heap.strategy));
    define_number(object, "memory_limit_bytes", INT64_MAX, &limit);
    if (!define_name_is_good(heap.name))
        return define_fail(error, at, "a heap's name");
    if (!define_number(object, "needs", UINT32_MAX, &needs))
        return define_fail(error, at, "a heap without \"needs\"");
    heap.needs = (uint32_t)needs;
    heap.memory_limit_bytes = limit;
    heap.finalizer_thread = define_flag(object, "finalizer_thread");
    if (define_grow((void **)&definitions->heaps, &definitions->info.n_heaps, index, TRACE_MAX_HEAPS, sizeof(heap)))
        return trace_fail(error, -ENOMEM, "no memory for definitions");
    if (definitions->heaps[index].defined)
        return define_fail(error, at, "a heap is defined twice");
    definitions->heaps[index] = heap;
    return 0;
}

/* The runs of reference fields: inside the object, aligned. */
static const char *define_runs(struct trace_cache *cache, json_t *runs)
{
    size_t i;
    json_t *run;
    if (json_array_size(runs) > SGC_TYPE_MAX_REF_RUNS)
        return "more runs of references than a type can have";
    json_array_foreach (runs, i, run) {
        json_t *offset = json_array_get(run, 0), *n = json_array_get(run, 1);
        if (!json_is_integer(offset) || !json_is_integer(n))
            return "a run of references is not [offset, n]";
        const json_int_t from = json_integer_value(offset), count = json_integer_value(n);
        if (from < 0 || from % 8 || from > cache->size_bytes || count < 1 || count > (cache->size_bytes - from) / 8)
            return "a run of references leaves its object, or is not aligned";
        cache->runs[cache->n_runs++] = (struct sgc_ref_run){(uint32_t)from, (uint32_t)count};
    }
    return NULL;
}

static const char *define_shape(struct trace_cache *cache, json_t *object)
{
    uint64_t size, align = 0, flags = 0, tail = 0;
    if (!define_number(object, "size_bytes", OBJECT_MAX_BYTES, &size))
        return "a cache without a size, or a size that cannot be";
    if (!define_number(object, "align_bytes", 4096, &align) || (align & (align - 1)))
        return "an alignment that is no power of two up to 4096";
    if (!define_number(object, "flags", UINT32_MAX, &flags))
        return "a cache without \"flags\"";
    if (json_object_get(object, "tail_element_bytes") &&
        !define_number(object, "tail_element_bytes", OBJECT_MAX_BYTES, &tail))
        return "a tail's element that cannot be";
    cache->size_bytes = (uint32_t)size;
    cache->align_bytes = (uint32_t)align;
    cache->flags = (uint32_t)flags;
    cache->tail_element_bytes = (uint32_t)tail;
    cache->tail_refs = define_flag(object, "tail_refs");
    if (cache->tail_refs && (tail != 8 || size % 8))
        return "a tail of references that are not 8 bytes each, or not aligned";
    cache->traced = define_flag(object, "traced");
    cache->finalized = define_flag(object, "finalized");
    cache->constructed = define_flag(object, "constructed");
    cache->bare = define_flag(object, "bare");
    return define_runs(cache, json_object_get(object, "refs"));
}

static int define_cache(struct trace_definitions *definitions, json_t *object, uint64_t at, struct sgc_error *error)
{
    uint64_t index, heap;
    struct trace_cache cache = {.defined = true};
    if (!define_number(object, "cache", TRACE_MAX_CACHES - 1, &index))
        return define_fail(error, at, "a cache without an index, or one too many");
    if (!define_number(object, "heap", TRACE_MAX_HEAPS - 1, &heap) || heap >= definitions->info.n_heaps ||
        !definitions->heaps[heap].defined)
        return define_fail(error, at, "a cache of a heap that was not defined");
    cache.heap = (uint32_t)heap;
    define_text(object, "name", cache.name, sizeof(cache.name));
    if (!define_name_is_good(cache.name))
        return define_fail(error, at, "a cache's name");
    const char *wrong = define_shape(&cache, object);
    if (wrong)
        return define_fail(error, at, wrong);
    if (define_grow((void **)&definitions->caches, &definitions->info.n_caches, index, TRACE_MAX_CACHES, sizeof(cache)))
        return trace_fail(error, -ENOMEM, "no memory for definitions");
    if (definitions->caches[index].defined)
        return define_fail(error, at, "a cache is defined twice");
    definitions->caches[index] = cache;
    return 0;
}

struct trace_thread *trace_define_thread(struct trace_definitions *definitions, uint64_t index, uint64_t at,
                                         struct sgc_error *error)
{
    const int code = define_grow((void **)&definitions->threads, &definitions->info.n_threads, index, TRACE_MAX_THREADS,
                                 sizeof(*definitions->threads));
    if (code == -ENOMEM)
        trace_fail(error, code, "no memory for definitions");
    else if (code)
        define_fail(error, at, "a thread's index is beyond all bounds");
    return code ? NULL : &definitions->threads[index];
}

static int define_thread(struct trace_definitions *definitions, json_t *object, uint64_t at, struct sgc_error *error)
{
    uint64_t index;
    if (!define_number(object, "thread", TRACE_MAX_THREADS - 1, &index))
        return define_fail(error, at, "a thread without an index, or one too many");
    struct trace_thread *thread = trace_define_thread(definitions, index, at, error);
    if (!thread)
        return error->code;
    thread->defined = true;
    thread->ended = define_flag(object, "ended");
    define_text(object, "name", thread->name, sizeof(thread->name));
    return 0;
}

static int define_end(struct trace_definitions *definitions, json_t *object)
{
    struct trace_info *info = &definitions->info;
    definitions->ended = true;
    define_number(object, "waited_ns", INT64_MAX, &info->waited_ns);
    info->seconds = json_number_value(json_object_get(object, "seconds"));
    define_text(object, "reason", info->reason, sizeof(info->reason));
    return 0;
}

int trace_define(struct trace_definitions *definitions, uint32_t kind, const char *json, size_t n, uint64_t at,
                 struct sgc_error *error)
{
    json_error_t bad;
    int code = -EBADMSG;
    while (n && (json[n - 1] == '\0' || json[n - 1] == '\n'))
        n--;
    json_t *object = json_loadb(json, n, 0, &bad);
    if (!json_is_object(object))
        code = define_fail(error, at, object ? "no JSON object" : bad.text);
    else if (kind != SGC_RECORDING_BEGIN && !definitions->begun)
        code = define_fail(error, at, "it stands before the begin");
    else if (kind == SGC_RECORDING_BEGIN)
        code = define_begin(definitions, object, at, error);
    else if (kind == SGC_RECORDING_HEAP)
        code = define_heap(definitions, object, at, error);
    else if (kind == SGC_RECORDING_CACHE)
        code = define_cache(definitions, object, at, error);
    else if (kind == SGC_RECORDING_THREAD)
        code = define_thread(definitions, object, at, error);
    else
        code = define_end(definitions, object);
    json_decref(object);
    return code;
}

void trace_definitions_fini(struct trace_definitions *definitions)
{
    free(definitions->heaps);
    free(definitions->caches);
    free(definitions->threads);
}
