/* tune_result.h - what a tune says at its end: tables, JSON (TUNE-RESULT.md), a config file. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_TUNE_RESULT_H
#define SLABGC_TOOLS_GCCTL_TUNE_RESULT_H

#include "tools/gcctl/command.h"
#include "tools/gcctl/tune_search.h"

#include <time.h>

/* A tune, and what it was asked for. */
struct tune_context {
    const struct gcctl_call *call;
    char *const *program;   /* what runs */
    const char *recording;  /* what was recorded, or NULL */
    const char *write_path; /* or NULL */
    struct gcctl_strategies strategies; /* all that were found */
    struct gcctl_heap_found heaps[GCCTL_MAX_HEAPS];
    size_t n_heaps;
    struct tune_space space;
    struct tune_search search;
    time_t date;
    char *config; /* the text of the choice; NULL: the defaults stay */
};

/* ---- how much each parameter matters */
struct tune_sensitivity {
    int param; /* index in the space; -1: the strategy */
    enum tune_metric metric;
    size_t points;
    double correlation, explained; /* correlation: NAN for the strategy */
};
/* For each parameter with points enough, and each objective; malloc. Returns how many; *out NULL: no memory. */
size_t tune_sensitivities(const struct tune_search *search, struct tune_sensitivity **out);

/* ---- files (tune_write.c) */
/* The chosen finalist as a config file; malloc; NULL: no memory, or nothing was chosen. */
char *tune_config_text(const struct tune_context *tune);
/* Writes text under another name beside path, checks it as config if `check`, and renames it: the file is there as a whole or as it was. 0 or an exit status, all said. */
int tune_write_file(const char *path, const char *text, bool check);

json_t *tune_result_json(const struct tune_context *tune);

/* ---- on the terminal (tune_show.c) */
void tune_show_progress(const struct tune_context *tune);
void tune_show_progress_end(void);
void tune_show_result(const struct tune_context *tune);

#endif
