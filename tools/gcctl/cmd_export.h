/* cmd_export.h - the formats of `gcctl export`, made of answers of the control protocol (core/runtime/CONTROL.md). One
 * thread; each writes to `out` and leaves errors of writing to ferror. */
#ifndef SLABGC_TOOLS_GCCTL_CMD_EXPORT_H
#define SLABGC_TOOLS_GCCTL_CMD_EXPORT_H

#include <jansson.h>
#include <stdio.h>

/* Prometheus text exposition, version 0.0.4. hello, stat, caches: results. */
void gcctl_export_prometheus(FILE *out, const json_t *hello, const json_t *stat, const json_t *caches);
/* Chrome's trace format, which Perfetto reads: collections, stops and stalls as slices, live and held bytes as
 * counters. stats: results of `stat`; events: EVENT.. */
void gcctl_export_perfetto(FILE *out, const json_t *hello, const json_t *stats, const json_t *events);
/* A line for each heap of a sample. */
void gcctl_export_csv_head(FILE *out);
void gcctl_export_csv(FILE *out, const json_t *stat, double began_ns);

#endif
