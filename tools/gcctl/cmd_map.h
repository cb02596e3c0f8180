/* cmd_map.h - a process's slabs as `map` of the control protocol tells them, and their picture in characters. Used by
 * map and report. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_CMD_MAP_H
#define SLABGC_TOOLS_GCCTL_CMD_MAP_H

#include "tools/gcctl/chart.h"
#include "tools/gcctl/client.h"

struct gcctl_map {
    struct gcctl_slab *slabs; /* by heap and cache, then as they came (by address); texts are items' */
    size_t n, room;
    json_t *items; /* SLAB.., owned; without their maps of slots unless kept */
    bool keep_slots;
};

/* Asks for the slabs of a heap and cache (NULL: all). 0, or an exit status with a message. */
int gcctl_map_read(struct gcctl_client *client, const char *heap, const char *cache, struct gcctl_map *out);
void gcctl_map_fini(struct gcctl_map *map);

enum gcctl_map_form { GCCTL_MAP_ASCII, GCCTL_MAP_UTF8, GCCTL_MAP_COLOR };
/* Draws with lines of at most `width` cells. */
void gcctl_map_draw(FILE *out, const struct gcctl_map *map, enum gcctl_map_form form, size_t width);

#endif
