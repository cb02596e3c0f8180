/* control_inspect.c - the commands map, walk, why, leaks and verify: answered by a child that is a frozen copy.
 * run (parent, in a turn) checks names and addresses, so that a mistake costs no copy; child does the work. What the
 * child may call is in core/heap/snapshot.h: no allocation but core's own, no lock of libc's.
 * Locks: none in the child. The parent's turn keeps the list of heaps still. */
#include "core/base/check.h"
#include "core/base/suggest.h"
#include "core/heap/inspect.h"
#include "core/os/meta.h"
#include "core/os/place.h"
#include "core/runtime/control.h"
#include "core/runtime/control_lines.h"
#include "core/runtime/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CACHE_NAMES 512 /* among which the nearest to a misspelt one is looked for */
#define SITE_BYTES 128
#define PATH_STEPS_SHOWN 128 /* of a long path, at each end: two of them fill less than a line */

/* ---- parameters, in the parent and again in the child */

static bool heap_is_asked(const struct sgc_control_request *request, const struct sgc_heap *heap)
{
    const char *name = sgc_control_text(request, "heap");
    return !name || strcmp(name, heap->name) == 0;
}

/* Calls visit for each heap that is asked about; non-zero ends it and is returned. */
static int heaps_visit(const struct sgc_control_request *request, int (*visit)(void *arg, struct sgc_heap *heap),
                       void *arg)
{
    int rc = 0;
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps()) {
        struct sgc_heap *heap = SGC_LIST_ENTRY(link, struct sgc_open_heap, link)->heap;
        if (rc == 0 && heap_is_asked(request, heap))
            rc = visit(arg, heap);
    }
    return rc;
}

struct find_cache {
    const char *name; /* NULL: none is asked for */
    struct sgc_cache *found;
    const char *names[MAX_CACHE_NAMES];
    size_t n_names;
};

static int find_cache_look(void *arg, struct sgc_cache *cache)
{
    struct find_cache *find = arg;
    if (strcmp(cache->name, find->name) == 0)
        find->found = cache;
    if (find->n_names < MAX_CACHE_NAMES)
        find->names[find->n_names++] = cache->name;
    return find->found != NULL;
}

static int find_cache_in(void *arg, struct sgc_heap *heap)
{
    return sgc_cache_for_each(heap, find_cache_look, arg);
}

/* The heap's cache that is asked for: NULL with *all: every one; NULL without: it has none of that name. */
static struct sgc_cache *heap_cache(const struct sgc_control_request *request, struct sgc_heap *heap, bool *all)
{
    struct find_cache find = {.name = sgc_control_text(request, "cache")};
    *all = !find.name;
    if (find.name)
        find_cache_in(&find, heap);
    return find.found;
}

static int check_heap(struct sgc_control_request *request)
{
    struct sgc_open_heap *heap;
    return sgc_control_heap(request, &heap);
}

static int check_cache(struct sgc_control_request *request)
{
    struct find_cache find = {.name = sgc_control_text(request, "cache")};
    const int rc = check_heap(request);
    if (rc < 0 || !find.name || heaps_visit(request, find_cache_in, &find))
        return rc;
    const char *nearest = sgc_suggest(find.name, find.names, find.n_names);
    return sgc_control_fail(request, -EINVAL,
                            nearest ? "no cache \"%.64s\"; did you mean \"%s\"?" : "no cache \"%.64s\"", find.name,
                            nearest);
}

/* "0x7f..." */
static bool parse_address(const char *text, uintptr_t *out)
{
    const size_t digits = text[0] == '0' && text[1] == 'x' ? strspn(text + 2, "0123456789abcdefABCDEF") : 0;
    if (digits == 0 || digits > 2 * sizeof(*out) || text[2 + digits])
        return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

static int check_object(struct sgc_control_request *request)
{
    uintptr_t address;
    const char *text = sgc_control_text(request, "object");
    const int rc = check_heap(request);
    if (rc < 0 || parse_address(text, &address))
        return rc;
    return sgc_control_fail(request, -EINVAL, "object \"%.32s\" is no address; walk and map show some (0x...)", text);
}

/* ---- map */

struct map {
    struct sgc_lines answer;
    const struct sgc_control_request *request;
    const char *heap;
    uint64_t n_slabs, n_slots, n_used;
};
struct map_item {
    const char *heap;
    const struct sgc_inspect_slab *slab;
};

static void map_put(struct sgc_json *json, const void *arg)
{
    const struct map_item *item = arg;
    const struct sgc_inspect_slab *slab = item->slab;
    sgc_json_open(json, '{');
    sgc_json_member_text(json, "heap", item->heap);
    sgc_json_member_text(json, "cache", slab->cache->name);
    sgc_json_member_address(json, "address", slab->address);
    sgc_json_member_u64(json, "bytes", slab->bytes);
    sgc_json_member_u64(json, "slots", slab->n_slots);
    sgc_json_member_u64(json, "used", slab->n_used);
    sgc_json_key(json, "map");
    sgc_json_bits(json, slab->used, slab->n_slots);
    sgc_json_close(json, '}');
}

static int map_slab(void *arg, const struct sgc_inspect_slab *slab)
{
    struct map *map = arg;
    const struct map_item item = {map->heap, slab};
    map->n_slabs++;
    map->n_slots += slab->n_slots;
    map->n_used += slab->n_used;
    sgc_lines_items_add(&map->answer, map_put, &item);
    return map->answer.failed;
}

static int map_heap(void *arg, struct sgc_heap *heap)
{
    struct map *map = arg;
    bool all;
    struct sgc_cache *cache = heap_cache(map->request, heap, &all);
    map->heap = heap->name;
    sgc_inspect_flush(heap);
    return cache || all ? sgc_inspect_map(heap, cache, map_slab, map) : 0;
}

static int map_child(const struct sgc_control_request *request, int fd)
{
    struct map map = {.answer = sgc_lines_to(request, fd), .request = request};
    sgc_lines_items_begin(&map.answer);
    (void)heaps_visit(request, map_heap, &map);
    sgc_lines_items_send(&map.answer);
    sgc_lines_result_begin(&map.answer);
    sgc_json_member_u64(&map.answer.json, "slabs", map.n_slabs);
    sgc_json_member_u64(&map.answer.json, "slots", map.n_slots);
    sgc_json_member_u64(&map.answer.json, "used", map.n_used);
    return sgc_lines_result_send(&map.answer);
}

/* ---- walk */

struct walk {
    struct sgc_lines answer;
    const struct sgc_control_request *request;
    struct sgc_inspect inspect;
    uint64_t n_objects, n_bytes, limit;
    struct sgc_error error;
};
struct walk_item {
    const void *object;
    uint64_t n_holds;
};

static void put_object(struct sgc_json *json, const void *object, uint64_t n_holds)
{
    sgc_json_member_address(json, "id", object);
    sgc_json_member_text(json, "cache", sgc_object_cache(object)->name);
    sgc_json_member_u64(json, "bytes", sgc_object_bytes(object));
    sgc_json_member_u64(json, "holds", n_holds);
}

static void walk_put(struct sgc_json *json, const void *arg)
{
    const struct walk_item *item = arg;
    sgc_json_open(json, '{');
    put_object(json, item->object, item->n_holds);
    sgc_json_close(json, '}');
}

static int walk_object(void *arg, void *object)
{
    struct walk *walk = arg;
    if (walk->n_objects++ < walk->limit) {
        const struct walk_item item = {object, sgc_inspect_holds(&walk->inspect, object)};
        sgc_lines_items_add(&walk->answer, walk_put, &item);
    }
    walk->n_bytes += sgc_object_bytes(object);
    return walk->answer.failed;
}

static int walk_heap(void *arg, struct sgc_heap *heap)
{
    struct walk *walk = arg;
    bool all;
    struct sgc_cache *cache = heap_cache(walk->request, heap, &all);
    const int rc = sgc_inspect_open(&walk->inspect, heap, &walk->error);
    if (rc < 0)
        return rc;
    return cache || all ? sgc_inspect_walk(&walk->inspect, cache, walk_object, walk) : 0;
}

static int walk_child(const struct sgc_control_request *request, int fd)
{
    static struct walk walk;
    walk = (struct walk){.answer = sgc_lines_to(request, fd), .request = request, .limit = UINT64_MAX};
    (void)sgc_control_integer(request, "limit", &walk.limit);
    sgc_lines_items_begin(&walk.answer);
    if (heaps_visit(request, walk_heap, &walk) < 0)
        return sgc_lines_error_send(&walk.answer, &walk.error);
    sgc_lines_items_send(&walk.answer);
    sgc_lines_result_begin(&walk.answer);
    sgc_json_member_u64(&walk.answer.json, "objects", walk.n_objects);
    sgc_json_member_u64(&walk.answer.json, "bytes", walk.n_bytes);
    return sgc_lines_result_send(&walk.answer);
}

/* ---- why */

static void why_put(struct sgc_json *json, const void *arg)
{
    const struct sgc_inspect_step *step = arg;
    sgc_json_open(json, '{');
    put_object(json, step->object, step->n_holds);
    sgc_json_key(json, "field_offset");
    if (step->field_offset >= 0)
        sgc_json_u64(json, (uint64_t)step->field_offset);
    else
        sgc_json_raw(json, "null");
    sgc_json_close(json, '}');
}

static int why_send(struct sgc_lines *answer, const struct sgc_inspect_step *steps, size_t n_steps)
{
    unsigned n_cut = 0;
    const size_t n_left_out = n_steps > 2 * PATH_STEPS_SHOWN ? n_steps - 2 * PATH_STEPS_SHOWN : 0;
    sgc_lines_result_begin(answer);
    sgc_json_member_bool(&answer->json, "found", n_steps > 0);
    sgc_json_member_u64(&answer->json, "length", n_steps);
    sgc_json_key(&answer->json, "path");
    sgc_json_open(&answer->json, '[');
    for (size_t i = 0; i < n_steps; i++)
        if (n_left_out == 0 || i < PATH_STEPS_SHOWN || i >= n_steps - PATH_STEPS_SHOWN)
            sgc_lines_list_add(answer, why_put, &steps[i], &n_cut);
    sgc_lines_list_end(answer, n_left_out + n_cut);
    return sgc_lines_result_send(answer);
}

/* The object's heap, checked against what is asked for. */
static int why_find(const struct sgc_control_request *request, void **object, struct sgc_error *error)
{
    uintptr_t address;
    if (!parse_address(sgc_control_text(request, "object"), &address))
        return sgc_error_set(error, -EINVAL, "no address");
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps())
        sgc_inspect_flush(SGC_LIST_ENTRY(link, struct sgc_open_heap, link)->heap);
    const int rc = sgc_inspect_find((const void *)address, object, error);
    if (rc < 0)
        return rc;
    const struct sgc_cache *cache = sgc_object_cache(*object);
    if (!heap_is_asked(request, cache->heap))
        return sgc_error_set(error, -EINVAL, "object %p is one of heap %s", *object, cache->heap->name);
    if (cache->managed_manual)
        return sgc_error_set(error, -EINVAL,
                             "object %p of cache %s is freed by the program's hand or its last drop: no path of "
                             "references keeps it",
                             *object, cache->name);
    return 0;
}

static int why_child(const struct sgc_control_request *request, int fd)
{
    struct sgc_lines answer = sgc_lines_to(request, fd);
    struct sgc_inspect inspect;
    struct sgc_inspect_step *steps;
    struct sgc_error error;
    void *object;
    size_t n_steps;
    if (why_find(request, &object, &error) < 0 || sgc_inspect_open(&inspect, sgc_object_heap(object), &error) < 0 ||
        sgc_inspect_why(&inspect, object, &steps, &n_steps, &error) < 0)
        return sgc_lines_error_send(&answer, &error);
    return why_send(&answer, steps, n_steps);
}

/* ---- leaks */

struct leaks {
    struct sgc_lines answer;
    const char *heap;
    unsigned n_omitted;
    struct sgc_error error;
};
struct leaks_item {
    const char *heap;
    const struct sgc_inspect_leaks *leaks;
};

static void leaks_put_sites(struct sgc_json *json, const struct sgc_inspect_leaks *leaks)
{
    sgc_json_key(json, "sites");
    sgc_json_open(json, '[');
    for (unsigned i = 0; i < leaks->n_sites; i++) {
        const struct sgc_inspect_site *site = &leaks->sites[i];
        char text[SITE_BYTES] = "elsewhere";
        if (site->address)
            sgc_os_place_text(site->address, text, sizeof(text));
        sgc_json_open(json, '{');
        sgc_json_member_text(json, "site", text);
        sgc_json_member_u64(json, "held", site->n);
        sgc_json_member_u64(json, "held_bytes", site->bytes);
        sgc_json_close(json, '}');
    }
    sgc_json_close(json, ']');
}

static void leaks_put(struct sgc_json *json, const void *arg)
{
    const struct leaks_item *item = arg;
    const struct sgc_inspect_leaks *leaks = item->leaks;
    sgc_json_open(json, '{');
    sgc_json_member_text(json, "heap", item->heap);
    sgc_json_member_text(json, "cache", leaks->cache->name);
    sgc_json_member_u64(json, "unreachable", leaks->n_unreachable);
    sgc_json_member_u64(json, "unreachable_bytes", leaks->unreachable_bytes);
    sgc_json_member_u64(json, "held", leaks->n_held);
    sgc_json_member_u64(json, "held_bytes", leaks->held_bytes);
    sgc_json_key(json, "oldest");
    sgc_json_open(json, '[');
    for (unsigned i = 0; i < SGC_INSPECT_HELD && i < leaks->n_held; i++)
        sgc_json_address(json, leaks->held[i]);
    sgc_json_close(json, ']');
    if (leaks->cache->debug & SGC_DEBUG_TRACK)
        leaks_put_sites(json, leaks);
    sgc_json_close(json, '}');
}

static int leaks_cache(void *arg, const struct sgc_inspect_leaks *found)
{
    struct leaks *leaks = arg;
    const struct leaks_item item = {leaks->heap, found};
    sgc_lines_list_add(&leaks->answer, leaks_put, &item, &leaks->n_omitted);
    return 0;
}

static int leaks_heap(void *arg, struct sgc_heap *heap)
{
    struct leaks *leaks = arg;
    struct sgc_inspect inspect;
    leaks->heap = heap->name;
    int rc = sgc_inspect_open(&inspect, heap, &leaks->error);
    if (rc == 0)
        rc = sgc_inspect_leaks(&inspect, leaks_cache, leaks, &leaks->error);
    sgc_inspect_close(&inspect);
    return rc;
}

static int leaks_child(const struct sgc_control_request *request, int fd)
{
    static struct leaks leaks;
    leaks = (struct leaks){.answer = sgc_lines_to(request, fd)};
    sgc_lines_result_begin(&leaks.answer);
    sgc_json_key(&leaks.answer.json, "types");
    sgc_json_open(&leaks.answer.json, '[');
    if (heaps_visit(request, leaks_heap, &leaks) < 0)
        return sgc_lines_error_send(&leaks.answer, &leaks.error);
    sgc_lines_list_end(&leaks.answer, leaks.n_omitted);
    return sgc_lines_result_send(&leaks.answer);
}

/* ---- verify */

struct verify {
    struct sgc_lines answer;
    unsigned n_omitted;
};
struct verify_item {
    const char *heap, *message; /* message: NULL where all is well */
};

static void verify_put(struct sgc_json *json, const void *arg)
{
    const struct verify_item *item = arg;
    sgc_json_open(json, '{');
    sgc_json_member_text(json, "heap", item->heap);
    sgc_json_member_bool(json, "ok", !item->message);
    sgc_json_member_text(json, "message", item->message);
    sgc_json_close(json, '}');
}

static int verify_heap(void *arg, struct sgc_heap *heap)
{
    struct verify *verify = arg;
    struct sgc_error error = {0};
    sgc_inspect_flush(heap);
    const bool ok = sgc_heap_verify_stopped(heap, &error) == 0;
    const struct verify_item item = {heap->name, ok ? NULL : error.message};
    sgc_lines_list_add(&verify->answer, verify_put, &item, &verify->n_omitted);
    return 0;
}

static int verify_child(const struct sgc_control_request *request, int fd)
{
    struct verify verify = {.answer = sgc_lines_to(request, fd)};
    sgc_lines_result_begin(&verify.answer);
    sgc_json_key(&verify.answer.json, "heaps");
    sgc_json_open(&verify.answer.json, '[');
    (void)heaps_visit(request, verify_heap, &verify);
    sgc_lines_list_end(&verify.answer, verify.n_omitted);
    return sgc_lines_result_send(&verify.answer);
}

/* ---- the commands */

#define PARAMETER_HEAP                                                                                                 \
    {                                                                                                                  \
        "heap", SGC_CONTROL_STRING, false, "this heap alone"                                                           \
    }
#define PARAMETER_CACHE                                                                                                \
    {                                                                                                                  \
        "cache", SGC_CONTROL_STRING, false, "this cache alone"                                                         \
    }
static const struct sgc_control_parameter heap_parameters[] = {PARAMETER_HEAP, {0}};
static const struct sgc_control_parameter map_parameters[] = {PARAMETER_HEAP, PARAMETER_CACHE, {0}};
static const struct sgc_control_parameter walk_parameters[] = {
    {"heap", SGC_CONTROL_STRING, true, "the heap"},
    PARAMETER_CACHE,
    {"limit", SGC_CONTROL_INTEGER, false, "objects to show; the sums are over all"},
    {0}};
static const struct sgc_control_parameter why_parameters[] = {
    PARAMETER_HEAP, {"object", SGC_CONTROL_STRING, true, "the object's address, 0x..."}, {0}};

const struct sgc_control_command sgc_control_inspect_commands[] = {
    {"map", "Slabs and large objects, with the slots in use", SGC_CONTROL_STOPS_SNAPSHOT, true, map_parameters,
     check_cache, map_child},
    {"walk", "Every object of a heap", SGC_CONTROL_STOPS_SNAPSHOT, true, walk_parameters, check_cache, walk_child},
    {"why", "A shortest path of references from a held object to this one", SGC_CONTROL_STOPS_SNAPSHOT, false,
     why_parameters, check_object, why_child},
    {"leaks", "By type: objects that are unreachable, and objects that are held", SGC_CONTROL_STOPS_SNAPSHOT, false,
     heap_parameters, check_heap, leaks_child},
    {"verify", "Checks every invariant of the heaps", SGC_CONTROL_STOPS_SNAPSHOT, false, heap_parameters, check_heap,
     verify_child},
    {0}};
