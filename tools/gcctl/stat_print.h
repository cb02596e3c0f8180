/* stat_print.h - one heap in words and pictures, for stat. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_STAT_PRINT_H
#define SLABGC_TOOLS_GCCTL_STAT_PRINT_H

#include <jansson.h>
#include <stdint.h>

/* Everything that HEAP (core/runtime/CONTROL.md) says but histograms, a line each. */
void gcctl_stat_details(json_t *heap);
/* Its two histograms. */
void gcctl_stat_histograms(json_t *heap);
/* The least of 1, 2 and 5 times a power of ten that is not below ns. */
uint64_t gcctl_stat_bound(uint64_t ns);

#endif
