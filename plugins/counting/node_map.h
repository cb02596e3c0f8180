/* node_map.h - the graph that a cycle collection looks at: objects in the order in which they were met, and a way
 * from object to node. Used by trial.c and garbage.c at a stop. Locks: none, one collection at a time. */
#ifndef SLABGC_PLUGINS_COUNTING_NODE_MAP_H
#define SLABGC_PLUGINS_COUNTING_NODE_MAP_H

#include <slabgc/plugin.h>

#define SGC_NODE_NONE UINT32_MAX

enum sgc_node_flags {
    SGC_NODE_LIVE = 1 << 0,      /* reachable from a claim outside the map */
    SGC_NODE_EPHEMERON = 1 << 1, /* its value is no plain reference */
    SGC_NODE_WATCHED = 1 << 2,   /* may be the key of ephemerons */
    SGC_NODE_SELECTED = 1 << 3,  /* dead, but its finalizer runs first: lives on */
    SGC_NODE_FAR = 1 << 4        /* leads to more than the budget allows: to be taken out of the map */
};

struct sgc_node {
    void *object;
    /* references to it from nodes of the map; of a live node that waits to be followed: the next such node */
    uint32_t internal;
    uint32_t flags; /* enum sgc_node_flags */
};

struct sgc_node_map {
    struct sgc_node *nodes;
    uint32_t *table; /* node index + 1; 0: empty */
    uint32_t n;      /* nodes */
    uint32_t n_room; /* nodes allocated; the table has twice as many slots */
};

/* Index of the object's node or SGC_NODE_NONE. */
uint32_t sgc_node_map_find(const struct sgc_node_map *map, const void *object);
/* Adds an object that is not there; SGC_NODE_NONE: the OS refused memory, nothing changed. */
uint32_t sgc_node_map_add(const struct sgc_host *host, struct sgc_node_map *map, void *object);
/* Takes out all nodes with this flag. Indexes change. */
void sgc_node_map_remove(struct sgc_node_map *map, uint32_t flag);
/* Empties the map; keeps a small one's memory for the next collection. */
void sgc_node_map_clear(const struct sgc_host *host, struct sgc_node_map *map);
void sgc_node_map_fini(const struct sgc_host *host, struct sgc_node_map *map);

#endif
