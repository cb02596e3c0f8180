/* steps.h - threads driven through named steps in a given order, so that an interleaving is a fact and not a chance.
 *
 *     struct steps *s = STEPS("reader: reads", "writer: unlinks", "collector: collects &", "reader: holds");
 *     step(s, "reader: reads");     in the reader: waits for its turn, and ends the step that this thread was in
 *     steps_end(s);                 in each thread, after its last step
 *
 * A step runs from its step() to the thread's next step() or steps_end(). One marked with '&' may block in the middle:
 * later steps begin when it has ended or its thread is seen asleep (or spinning). Nothing sleeps for a fixed time; a
 * wait of more than $SLABGC_TEST_STEP_SECONDS (60) prints all steps with their states and aborts. */
#ifndef SLABGC_TESTS_SUPPORT_STEPS_H
#define SLABGC_TESTS_SUPPORT_STEPS_H

#include <stdbool.h>
#include <stddef.h>

struct steps;

/* order: names in the order in which they shall begin; the strings are used, not copied. A name may occur again: each
 * step() takes the first one left. Aborts without memory. */
struct steps *steps_new(const char *const *order, size_t n);
#define STEPS(...)                                                                                                     \
    steps_new((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
/* All steps have ended (aborts otherwise: a step was forgotten). */
void steps_free(struct steps *steps);

/* name: as in the order, without the '&'. Aborts when it is not there. Any thread. */
void step(struct steps *steps, const char *name);
void steps_end(struct steps *steps);

/* True when this step has begun, or has ended: for conditions of the test's own. */
bool steps_begun(struct steps *steps, const char *name);
bool steps_ended(struct steps *steps, const char *name);

/* Waits until condition(arg) holds, polling; the same time limit, then aborts and prints what. */
void steps_await(bool (*condition)(void *arg), void *arg, const char *what);

/* Waits until every other thread of the process sleeps; the same time limit. For a test that forks, and whose child
 * calls malloc or starts a thread: gcc 12's ASan takes no lock of its own along a fork, and a thread that starts takes
 * some; a child forked then waits for it forever. Threads of core's start when it wants them. */
void steps_await_others_asleep(void);

#endif
