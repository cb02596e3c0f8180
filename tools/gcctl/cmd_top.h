/* cmd_top.h - between cmd_top.c (the command, samples, batch) and cmd_top_draw.c (the terminal). One thread. */
#ifndef SLABGC_TOOLS_GCCTL_CMD_TOP_H
#define SLABGC_TOOLS_GCCTL_CMD_TOP_H

#include "tools/gcctl/client.h"
#include "tools/gcctl/cmd_top_model.h"

struct gcctl_top_source {
    const struct gcctl_call *call;
    struct gcctl_client *client;
    struct gcctl_top *top;
    char program[64];
    int64_t interval_ns, count; /* count: samples to show; 0: until the end */
    bool ended;                 /* the process is gone */
};

/* Takes a sample. 0; or an exit status: source->ended is set, or a message was printed. */
int gcctl_top_sample(struct gcctl_top_source *source);
/* Draws until q, the count or the process's end; exit status. */
int gcctl_top_draw(struct gcctl_top_source *source);
/* The line above the table, without a newline. */
void gcctl_top_headline(const struct gcctl_top_source *source, char *out, size_t out_bytes);

#endif
