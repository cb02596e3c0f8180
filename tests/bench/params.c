/* params.c - a run's parameters on the command line of its process: one word, numbers with commas.
 * Called by run.c, which writes it, and child.c, which reads it. */
#include "tests/bench/bench.h"

#include <inttypes.h>
#include <stdio.h>

void bench_params_write(const struct bench_params *params, char text[BENCH_PARAMS_TEXT_BYTES])
{
    snprintf(text, BENCH_PARAMS_TEXT_BYTES, "%u,%" PRIu64 ",%u,%" PRIu64 ",%" PRIu64 ",%u,%" PRIu64, params->depth,
             params->n_objects, params->loop_ms, params->max_live, params->phase_bytes, params->phase_idle_ms,
             params->n_operations);
}

bool bench_params_read(struct bench_params *params, const char *text)
{
    return sscanf(text, "%u,%" SCNu64 ",%u,%" SCNu64 ",%" SCNu64 ",%u,%" SCNu64, &params->depth, &params->n_objects,
                  &params->loop_ms, &params->max_live, &params->phase_bytes, &params->phase_idle_ms,
                  &params->n_operations) == 7;
}
