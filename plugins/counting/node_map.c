/* node_map.c - see node_map.h. Nodes lie dense; a table of indexes with linear probing, at most half full, leads to
 * them. */
#include "plugins/counting/node_map.h"

#include "plugins/counting/hash.h"

#include <string.h>

#define MAP_ROOM_MIN 1024
#define MAP_ROOM_KEPT (UINT32_C(64) << 10) /* 1.5 MiB: more goes back after the collection */
#define MAP_ROOM_MAX (UINT32_C(1) << 30)

static uint32_t map_slots(uint32_t n_room)
{
    return n_room * 2;
}

static uint32_t map_home(const struct sgc_node_map *map, const void *object)
{
    return (uint32_t)sgc_hash_pointer(object, map_slots(map->n_room));
}

/* The slot that leads to the object, or the empty one where it would go. */
static uint32_t *map_slot(const struct sgc_node_map *map, const void *object)
{
    const uint32_t mask = map_slots(map->n_room) - 1;
    uint32_t i = map_home(map, object);
    while (map->table[i] && map->nodes[map->table[i] - 1].object != object)
        i = (i + 1) & mask;
    return &map->table[i];
}

uint32_t sgc_node_map_find(const struct sgc_node_map *map, const void *object)
{
    return map->n ? *map_slot(map, object) - 1 : SGC_NODE_NONE; /* an empty slot's 0 wraps to SGC_NODE_NONE */
}

static void map_free(const struct sgc_host *host, const struct sgc_node_map *map)
{
    if (!map->n_room)
        return;
    host->free(map->nodes, map->n_room * sizeof(*map->nodes));
    host->free(map->table, map_slots(map->n_room) * sizeof(*map->table));
}

static bool map_grow(const struct sgc_host *host, struct sgc_node_map *map)
{
    if (map->n_room == MAP_ROOM_MAX)
        return false;
    struct sgc_node_map bigger = {.n = map->n, .n_room = map->n_room ? map->n_room * 2 : MAP_ROOM_MIN};
    bigger.nodes = host->alloc(bigger.n_room * sizeof(*bigger.nodes));
    if (!bigger.nodes)
        return false;
    bigger.table = host->alloc(map_slots(bigger.n_room) * sizeof(*bigger.table));
    if (!bigger.table) {
        host->free(bigger.nodes, bigger.n_room * sizeof(*bigger.nodes));
        return false;
    }
    for (uint32_t i = 0; i < map->n; i++) {
        bigger.nodes[i] = map->nodes[i];
        *map_slot(&bigger, map->nodes[i].object) = i + 1;
    }
    map_free(host, map);
    *map = bigger;
    return true;
}

uint32_t sgc_node_map_add(const struct sgc_host *host, struct sgc_node_map *map, void *object)
{
    if (map->n == map->n_room && !map_grow(host, map))
        return SGC_NODE_NONE;
    map->nodes[map->n] = (struct sgc_node){.object = object};
    *map_slot(map, object) = map->n + 1;
    return map->n++;
}

static void map_clear_table(struct sgc_node_map *map)
{
    memset(map->table, 0, map_slots(map->n_room) * sizeof(*map->table));
}

void sgc_node_map_remove(struct sgc_node_map *map, uint32_t flag)
{
    const uint32_t n = map->n;
    map_clear_table(map);
    map->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (map->nodes[i].flags & flag)
            continue;
        map->nodes[map->n] = map->nodes[i];
        *map_slot(map, map->nodes[map->n].object) = map->n + 1;
        map->n++;
    }
}

/* Few nodes in a large table: their slots alone. Last in, first out, so that each is found where it was put. */
void sgc_node_map_clear(const struct sgc_host *host, struct sgc_node_map *map)
{
    if (map->n_room > MAP_ROOM_KEPT) {
        sgc_node_map_fini(host, map);
        return;
    }
    if (map->n > map->n_room / 8)
        map_clear_table(map);
    for (uint32_t i = map->n; i > 0 && map->n <= map->n_room / 8; i--)
        *map_slot(map, map->nodes[i - 1].object) = 0;
    map->n = 0;
}

void sgc_node_map_fini(const struct sgc_host *host, struct sgc_node_map *map)
{
    map_free(host, map);
    *map = (struct sgc_node_map){0};
}
