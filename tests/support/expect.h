/* expect.h - what every test program needs: its main function, expected panics, seeds.
 * Depends on libcheck alone. A test that fails calls ck_abort, so call these from the test's own thread. */
#ifndef SLABGC_TESTS_SUPPORT_EXPECT_H
#define SLABGC_TESTS_SUPPORT_EXPECT_H

#include <check.h>
#include <stdint.h>

/* Runs the suite (CK_FORK, CK_RUN_CASE and CK_TIMEOUT_MULTIPLIER apply) and frees it; returns main's exit status. */
int support_main(Suite *suite);

/* Runs body(arg) in a forked child and fails unless it dies of SIGABRT with the line "slabgc: panic: <text>\n" as the
 * last of its stderr. Core's threads do not exist in the child: only for what one thread can provoke. */
void support_expect_panic(void (*body)(void *arg), void *arg, const char *text);

/* As above, for a message whose end varies: the panic line must begin with text. */
void support_expect_panic_prefix(void (*body)(void *arg), void *arg, const char *text);

/* Runs body(arg) in a forked child; returns its wait status and puts what it wrote to stderr into out (cut to fit). */
int support_run_child(void (*body)(void *arg), void *arg, char *out, size_t out_bytes);

/* The seed of a random test: $SLABGC_TEST_SEED, else `fallback` (0: taken from the clock). Prints it to stdout. */
uint64_t support_seed(const char *test, uint64_t fallback);

/* Next number of a splitmix64 sequence. */
uint64_t support_random(uint64_t *state);

#endif
