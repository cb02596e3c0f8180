/* mutations.h - cases that each fail when one step of the safety argument is left out, and what they drive core with.
 * MUTATIONS.md has the list. A case runs twice, in a process of its own: as written (must pass), and with its mutant
 * switched on (must fail, with the text that it gives for it). Built with SGC_TEST_HOOKS: see <slabgc/testpoint.h>. */
#ifndef SLABGC_TESTS_CONFORMANCE_MUTATIONS_H
#define SLABGC_TESTS_CONFORMANCE_MUTATIONS_H

#include "tests/conformance/kit.h"

struct mutation {
    const char *mutant;     /* the step that is left out */
    const char *name;       /* the case's function */
    const char *strategies; /* a list with commas */
    const char *failure;    /* what the mutated run says on stderr */
    void (*run)(struct kit *kit);
};
#define MUTATION(mutant_, run_, strategies_, failure_)                                                                 \
    {                                                                                                                  \
        .mutant = (mutant_), .name = #run_, .strategies = (strategies_), .failure = (failure_), .run = (run_)          \
    }
#define MUTATION_ALL "refcount,rcu,generational"

/* Ended by an entry without a name. */
extern const struct mutation mutations_stops[], mutations_counts[], mutations_grace[], mutations_states[];

/* In a process of its own, which it ends: with exit status 0 when the case passes. */
void mutation_run(const struct mutation *mutation, const char *strategy, bool mutated);

/* ---- points */

/* When the calling thread passes the point next, it ends its step there and begins the one called name. */
void mutation_step_at(struct steps *steps, const char *point, const char *name);
/* True while a thread stands at this point and waits for its step. */
bool mutation_stands_at(const char *point);

/* For threads of core, which take no steps: the next thread that passes point (after one has passed `after`, unless
 * that is NULL) waits there until the gate opens. One gate at a time. */
void mutation_gate_shut(const char *point, const char *after);
void mutation_gate_await(void); /* until a thread waits there */
void mutation_gate_open(void);

/* How often any thread passed this point. */
unsigned mutation_n_passed(const char *point);
/* Called by each thread at each point, before it waits there. */
extern void (*_Atomic mutation_observer)(const char *point);

/* ---- deaths */

/* kit_node and kit->nodes work as ever, but nodes form no cycles, and tell of their end: true when a node of this label
 * (below 64) was reclaimed since mutation_forget. */
bool mutation_died(uint64_t label);
void mutation_forget(uint64_t label);
/* Under counting strategies: everything that this thread let go of before is reclaimed. At rest; no thread of the test
 * is in a section. Labels 62 and 63 are its own. */
void mutation_settle(struct kit *kit);

#endif
