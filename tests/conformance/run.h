/* run.h - runs one claim in a process of its own; between main.c and run.c. */
#ifndef SLABGC_TESTS_CONFORMANCE_RUN_H
#define SLABGC_TESTS_CONFORMANCE_RUN_H

#include "tests/conformance/kit.h"

/* How a claim's process ended. */
struct kit_outcome {
    bool held;
    char reason[256]; /* when not held */
    char *transcript; /* what the program said; the caller frees it */
};

/* Runs the claim, or (refusal) only asserts that a heap with its needs does not open. */
void kit_run(const struct kit_claim *claim, const struct kit *template_, bool refusal, unsigned timeout_s,
             struct kit_outcome *outcome);

/* Capabilities of a strategy, found out in a process of its own: true, or false with the message. */
bool kit_probe(const char *strategy, uint32_t *capabilities, char *message, size_t message_bytes);

#endif
