/* cmd_top_model.h - what `gcctl top` shows, apart from how it is drawn: rows of heaps and caches with rates between two
 * samples, their order, and a filter. Called by cmd_top.c (batch, JSON) and cmd_top_draw.c (terminal). One thread. */
#ifndef SLABGC_TOOLS_GCCTL_CMD_TOP_MODEL_H
#define SLABGC_TOOLS_GCCTL_CMD_TOP_MODEL_H

#include "tools/gcctl/figures.h"

#include <stdbool.h>

enum gcctl_top_key {
    GCCTL_TOP_NAME, /* rising; all others fall */
    GCCTL_TOP_LIVE,
    GCCTL_TOP_MEMORY,
    GCCTL_TOP_HELD,
    GCCTL_TOP_ALLOCATED,
    GCCTL_TOP_RECLAIMED,
    GCCTL_TOP_COLLECTIONS,
    GCCTL_TOP_PAUSE,
    GCCTL_N_TOP_KEYS
};
extern const char *const gcctl_top_key_names[GCCTL_N_TOP_KEYS + 1]; /* "name", "live", ...; NULL at the end */

struct gcctl_top_row {
    const char *heap, *cache,
        *strategy; /* cache: NULL in a heap's row; strategy: "" in a cache's. Of the sample: valid to the next */
    uint64_t live, live_bytes, held_bytes;
    double allocated, reclaimed, collections;      /* a second, between the two samples */
    uint64_t n_pauses, pause_p99_ns, pause_max_ns; /* between the two samples */
    const json_t *figures;                         /* HEAP or CACHE; borrowed of the sample */
    size_t parent;                                 /* a cache's: index of its heap's row; a heap's: its own */
};

struct gcctl_top {
    json_t *stat, *caches;           /* last sample: results of `stat` and `caches`; owned */
    json_t *last_stat, *last_caches; /* the one before it, or NULL */
    struct gcctl_top_row *rows;      /* unsorted: each heap, then its caches */
    size_t n_rows;
    size_t *order; /* rows to show, in order */
    size_t n_order;
    double seconds; /* between the samples; 0 when there is one */
    /* what the user chose; gcctl_top_arrange after a change */
    enum gcctl_top_key key;
    bool reversed, without_caches;
    char filter[64]; /* part of a heap's, cache's or strategy's name, any case; "": all */
};

void gcctl_top_init(struct gcctl_top *top);
void gcctl_top_fini(struct gcctl_top *top);
/* Takes a sample (both stolen) and arranges it. */
void gcctl_top_feed(struct gcctl_top *top, json_t *stat, json_t *caches);
/* Chooses and sorts what to show: heaps by key, and below each its caches by the same key. */
void gcctl_top_arrange(struct gcctl_top *top);
/* The last sample as one object, in the order of `order`; new reference. */
json_t *gcctl_top_json(const struct gcctl_top *top);

/* One text for each column; returns how many columns there are. Cells are valid to the next call. */
#define GCCTL_TOP_COLUMNS 9
struct gcctl_top_column {
    const char *title;
    int width; /* 0: the name's, which takes what is left */
    int key;   /* enum gcctl_top_key it sorts by, or -1 */
};
extern const struct gcctl_top_column gcctl_top_columns[GCCTL_TOP_COLUMNS];
void gcctl_top_cells(const struct gcctl_top_row *row, char cells[GCCTL_TOP_COLUMNS][160]);

#endif
