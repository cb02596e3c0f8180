/* heaps.c - the heaps of a replay: opened with the recorded names and needs, types rebuilt from the definitions; and
 * what lives in them. Called by play.c. Types: declared runs as recorded; a type with a trace callback has one here
 * that visits all words (what is no reference stays 0); a constructed type has a constructor that zeroes its slot;
 * finalizers are left out, see PLAN_WISHED. */
#include "tools/replay/play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* ---- types */

/* sgc_size and sgc_type_of read what never changes while an object lives: no lock, no section. */
void play_trace(void *object, sgc_visit_fn *visit, void *visitor)
{
    void **words = object;
    const struct sgc_type *type = sgc_type_of(object);
    const size_t bytes = type->tail_element_bytes ? sgc_size(object) : type->size_bytes;
    for (size_t i = 0, n = bytes / sizeof(*words); i < n; i++)
        if (sgc_is_object(__atomic_load_n(&words[i], __ATOMIC_RELAXED)))
            visit(visitor, &words[i]);
}

/* A constructor knows its slot's size by who it is: MAX_CONSTRUCTED of them. Types beyond have none; they are zeroed by
 * core. */
#define MAX_CONSTRUCTED 32
static uint32_t constructed_bytes[MAX_CONSTRUCTED];
#define EACH_8(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7)
#define EACH(X) EACH_8(X, 00) EACH_8(X, 01) EACH_8(X, 02) EACH_8(X, 03) /* octal */
#define CONSTRUCT(n)                                                                                                   \
    static int construct_##n(void *slot)                                                                               \
    {                                                                                                                  \
        memset(slot, 0, constructed_bytes[n]);                                                                         \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static void reset_##n(void *object)                                                                                \
    {                                                                                                                  \
        memset(object, 0, constructed_bytes[n]);                                                                       \
    }
EACH(CONSTRUCT)
#define CONSTRUCT_ENTRY(n) {construct_##n, reset_##n},
static const struct {
    int (*construct)(void *slot);
    void (*reset)(void *object);
} constructed[MAX_CONSTRUCTED] = {EACH(CONSTRUCT_ENTRY)};

static void heaps_type(const struct play *play, uint32_t index, unsigned *n_constructed, struct sgc_type *type)
{
    const struct trace_cache *from = &play->plan->info->caches[index];
    *type = (struct sgc_type){
        .name = from->name,
        .size_bytes = from->size_bytes,
        .align_bytes = from->align_bytes,
        .flags = from->flags & (SGC_TYPE_ACYCLIC | SGC_TYPE_LEAF | SGC_TYPE_MANUAL | SGC_TYPE_IMMORTAL),
        .n_ref_runs = from->traced ? 0 : from->n_runs,
        .tail_element_bytes = from->tail_element_bytes,
        .tail_refs = from->tail_refs && !from->traced,
        .trace = from->traced ? play_trace : NULL,
    };
    if (!from->traced)
        memcpy(type->ref_runs, from->runs, from->n_runs * sizeof(from->runs[0]));
    if (play->plan->caches[index].manual)
        type->flags |= SGC_TYPE_MANUAL;
    if (from->constructed && !from->tail_element_bytes && *n_constructed < MAX_CONSTRUCTED) {
        constructed_bytes[*n_constructed] = from->size_bytes;
        type->ctor = constructed[*n_constructed].construct;
        type->reset = constructed[(*n_constructed)++].reset;
    }
}

/* ---- opening */

static bool configure_is_choice(const struct trace_info *info, const char *entry, size_t n)
{
    char key[TRACE_NAME_BYTES + 32];
    if (n > 9 && !strncmp(entry, "strategy=", 9))
        return true;
    if (n > 14 && !strncmp(entry, "heap.strategy=", 14))
        return true;
    for (uint32_t i = 0; i < info->n_heaps; i++) {
        const int length = snprintf(key, sizeof(key), "heap.%s.strategy=", info->heaps[i].name);
        if (n > (size_t)length && !strncmp(entry, key, (size_t)length))
            return true;
    }
    return false;
}

/* A key may stand once in $SLABGC: a setting takes the place of an inherited one. */
static bool configure_is_set(const char *const *settings, const char *entry)
{
    const size_t key = strcspn(entry, "=,");
    for (; settings && *settings; settings++)
        if (strcspn(*settings, "=") == key && !strncmp(*settings, entry, key))
            return true;
    return false;
}

int play_configure(const struct trace_info *info, const char *strategy, const char *const *settings)
{
    const char *inherited = getenv("SLABGC");
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    const char *comma = "";
    if (!out)
        return -ENOMEM;
    for (const char *entry = inherited ? inherited : ""; *entry;) {
        const size_t n = strcspn(entry, ",");
        if (n && !(strategy && configure_is_choice(info, entry, n)) && !configure_is_set(settings, entry)) {
            fprintf(out, "%s%.*s", comma, (int)n, entry);
            comma = ",";
        }
        entry += n + (entry[n] == ',');
    }
    for (; settings && *settings; settings++) {
        fprintf(out, "%s%s", comma, *settings);
        comma = ",";
    }
    for (uint32_t i = 0; strategy && i < info->n_heaps; i++) {
        bool again = !info->heaps[i].defined; /* a heap that was opened twice has one name */
        for (uint32_t k = 0; k < i; k++)
            again |= info->heaps[k].defined && !strcmp(info->heaps[k].name, info->heaps[i].name);
        if (!again)
            fprintf(out, "%sheap.%s.strategy=%s", comma, info->heaps[i].name, strategy);
        comma = again ? comma : ",";
    }
    if (fclose(out))
        return -ENOMEM;
    const int code = *text ? setenv("SLABGC", text, 1) : unsetenv("SLABGC");
    free(text);
    return code ? -ENOMEM : 0;
}

/* The cache's name, made another one where its heap had a cache of that name before (which the program destroyed). */
static char *heaps_cache_name(const struct trace_info *info, uint32_t index)
{
    char *name = NULL;
    bool again = false;
    for (uint32_t i = 0; i < index; i++)
        again |= info->caches[i].defined && info->caches[i].heap == info->caches[index].heap &&
                 !strcmp(info->caches[i].name, info->caches[index].name);
    if (!again)
        return strdup(info->caches[index].name);
    return asprintf(&name, "%.40s.%u", info->caches[index].name, index) < 0 ? NULL : name;
}

static int heaps_open_caches(struct play *play, uint32_t heap)
{
    const struct trace_info *info = play->plan->info;
    struct sgc_error error = {.code = -ENOMEM, .message = "no memory"};
    for (uint32_t i = 0; i < info->n_caches; i++) {
        struct sgc_type *type = &play->types[i];
        if (!info->caches[i].defined || info->caches[i].heap != heap || !strncmp(info->caches[i].name, "slabgc.", 7))
            continue; /* core makes its own */
        heaps_type(play, i, &play->n_constructed, type);
        type->name = heaps_cache_name(info, i);
        play->caches[i] = type->name ? sgc_cache_create(play->heaps[heap], type, &error) : NULL;
        if (!play->caches[i]) {
            play_fail(play, error.code == -ENOMEM ? EX_OSERR : EX_DATAERR, "cache %s: %s", info->caches[i].name,
                      error.message);
            return play->result->status;
        }
    }
    return 0;
}

int play_open_heap(struct play *play, uint32_t index)
{
    const struct trace_heap *from = &play->plan->info->heaps[index];
    const struct sgc_heap_options options = {.needs = from->needs & ~SGC_NEED_FINALIZERS,
                                             .strategy = *from->strategy ? from->strategy : NULL,
                                             .memory_limit_bytes = from->memory_limit_bytes};
    struct sgc_error error;
    play->heaps[index] = sgc_heap_open(from->name, &options, &error);
    if (play->heaps[index])
        return heaps_open_caches(play, index);
    play_fail(play, error.code == -ENOMEM ? EX_OSERR : EX_CONFIG, "%s", error.message);
    return play->result->status;
}

int play_open(struct play *play)
{
    const struct trace_info *info = play->plan->info;
    for (uint32_t i = 0; i < info->n_heaps; i++) {
        bool again = !info->heaps[i].defined;
        for (uint32_t k = 0; k < i; k++) /* opens when that one closes */
            again |= info->heaps[k].defined && !strcmp(info->heaps[k].name, info->heaps[i].name);
        if (!again && play_open_heap(play, i))
            return play->result->status;
    }
    return 0;
}

/* ---- who lives where: address -> number of the object made last at it */

struct where {
    const struct play *play;
    uint32_t *table; /* 1 + number; 0: free */
    uint64_t mask;
    struct plan_live live;
    struct play_heap_result *of;
};

static uint32_t *where_entry(const struct where *where, const void *address)
{
    uint64_t i = ((uintptr_t)address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
    for (;; i++) {
        uint32_t *entry = &where->table[i & where->mask];
        if (!*entry || where->play->addresses[*entry - 1] == address)
            return entry;
    }
}

static bool where_make(struct where *where, struct play *play)
{
    *where = (struct where){.play = play, .mask = 1023};
    while (where->mask < (uint64_t)play->n_made * 2)
        where->mask = 2 * where->mask + 1;
    where->table = calloc(where->mask + 1, sizeof(*where->table));
    if (!where->table)
        return play_fail(play, EX_OSERR, "no memory for a live set"), false;
    for (uint32_t i = 0; i < play->n_made; i++)
        if (play->addresses[i])
            *where_entry(where, play->addresses[i]) = i + 1; /* rising: the last one stays */
    return true;
}

static int live_visit(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t count)
{
    struct where *where = arg;
    (void)cache, (void)count;
    const uint32_t number = *where_entry(where, object);
    const uint64_t digest = number ? plan_digest(number - 1) : 1;
    where->live.n++;
    where->live.digest += digest;
    if (where->of) {
        where->of->n_live++;
        where->of->live_bytes += bytes;
        where->of->digest += digest;
    }
    return 0;
}

struct plan_live play_live(struct play *play, uint32_t heap, struct play_heap_result *of)
{
    struct where where;
    if (!where_make(&where, play))
        return (struct plan_live){0, 0};
    where.of = of;
    for (uint32_t i = 0; i < play->plan->info->n_heaps; i++)
        if (play->heaps[i] && (!of || i == heap))
            sgc_heap_walk(play->heaps[i], NULL, live_visit, &where);
    free(where.table);
    return where.live;
}

/* ---- what a dead weak reference took with it */

struct search {
    struct where where;
    uint8_t *marks;
    uint32_t *stack;
    size_t n;
};

static void search_reach(struct search *search, uint32_t number)
{
    if (search->marks[number])
        return;
    search->marks[number] = 1;
    search->stack[search->n++] = number;
}

static void search_word(struct search *search, void *const *word)
{
    void *value = __atomic_load_n(word, __ATOMIC_RELAXED);
    const uint32_t number = sgc_is_object(value) ? *where_entry(&search->where, value) : 0;
    if (number)
        search_reach(search, number - 1);
}

static void search_fields(struct search *search, const struct play *play, uint32_t number)
{
    const struct plan_object *object = &play->plan->objects[number];
    if (object->cache == PLAN_EPHEMERON || play->plan->caches[object->cache].manual)
        return;
    const struct trace_cache *cache = &play->plan->info->caches[object->cache];
    void *const *words = play->addresses[number];
    if (cache->traced) {
        for (size_t i = 0, n = sgc_size(words) / sizeof(*words); i < n; i++)
            search_word(search, &words[i]);
        return;
    }
    for (uint32_t run = 0; run < cache->n_runs; run++)
        for (uint32_t i = 0; i < cache->runs[run].n; i++)
            search_word(search, &words[cache->runs[run].offset_bytes / 8 + i]);
    for (uint32_t i = 0; cache->tail_refs && i < object->tail; i++)
        search_word(search, &words[cache->size_bytes / 8 + i]);
}

static bool search_ephemerons(struct search *search, const struct plan *plan)
{
    const size_t before = search->n;
    for (uint32_t i = 0; i < plan->n_ephemerons; i++) {
        const struct plan_ephemeron *ephemeron = &plan->ephemerons[i];
        const bool key = !plan_is_object(ephemeron->key) || search->marks[ephemeron->key - TRACE_OBJECT];
        if (search->marks[ephemeron->object] && key && plan_is_object(ephemeron->value) &&
            search->where.play->addresses[ephemeron->value - TRACE_OBJECT])
            search_reach(search, ephemeron->value - (uint32_t)TRACE_OBJECT);
    }
    return search->n != before;
}

void play_search(struct play *play)
{
    const uint64_t begun = play_now();
    struct search search = {.n = 0};
    if (!where_make(&search.where, play))
        return;
    search.marks = calloc(play->plan->n_objects + 1u, 1);
    search.stack = malloc((play->plan->n_objects + 1u) * sizeof(*search.stack));
    if (search.marks && search.stack) {
        for (uint32_t i = 0; i < play->n_made; i++)
            if (play->holds[i] && play->addresses[i])
                search_reach(&search, i);
        do
            while (search.n)
                search_fields(&search, play, search.stack[--search.n]);
        while (search_ephemerons(&search, play->plan));
        for (uint32_t i = 0; i < play->n_made; i++)
            play->gone[i] = !search.marks[i];
    } else {
        play_fail(play, EX_OSERR, "no memory to find what is gone");
    }
    free(search.marks);
    free(search.stack);
    free(search.where.table);
    play->search_ns += play_now() - begun;
    if (play->search_ns > UINT64_C(10000000000))
        play_fail(play, EX_DATAERR,
                  "too many weak references answered when recorded and are dead here: the rest was not replayed");
}
