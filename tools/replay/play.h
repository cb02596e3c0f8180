/* play.h - doing a plan's work again. Called by main.c; play.c does the events, turn.c hands them from thread to
 * thread, heaps.c has heaps and types. */
#ifndef SLABGC_TOOLS_REPLAY_PLAY_H
#define SLABGC_TOOLS_REPLAY_PLAY_H

#include "tools/replay/plan.h"

#include <slabgc/slabgc.h>

#include <pthread.h>

enum play_divergence {             /* kinds, by what was found */
                       PLAY_WEAK,  /* a weak reference that answered when recorded is dead */
                       PLAY_GONE,  /* an event that was left out, since it names what such a reference answered, or what
                                      it alone kept */
                       PLAY_ORDER, /* an exchange returned another value than when recorded */
                       PLAY_REFUSED, /* the strategy has no weak references, or a heap did not take a collection */
                       PLAY_LATE,    /* the recording names an object behind its end (found before the clock starts) */
                       PLAY_UNKNOWN, /* the recording names an object that it did not make (the same) */
                       PLAY_LIVE,    /* a live set is not the model's */
                       PLAY_N_DIVERGENCES
};
struct play_heap_result {
    char strategy[64];
    bool open; /* at the end */
    uint64_t n_live, live_bytes, digest;
    struct sgc_stats stats;
};
struct play_result {
    int status; /* 0; or a sysexits code: the replay could not be done; message */
    char message[SGC_ERROR_MESSAGE_BYTES];
    uint64_t elapsed_ns, n_events, n_handovers, n_stepped_out;
    uint64_t n_weak_later; /* weak references that still answered though they did not when recorded */
    uint64_t divergences[PLAY_N_DIVERGENCES], first[PLAY_N_DIVERGENCES]; /* first: index of the event */
    struct plan_live points[PLAN_MAX_POINTS], end;                       /* as found */
    uint32_t n_points;
};

struct play_thread {
    struct play *play;
    pthread_t thread;
    uint32_t index, first; /* in the recording; its first run */
    bool started;
    bool inside;     /* in a section, as recorded */
    bool due;        /* a collection waits for the section's end */
    uint32_t asleep; /* futex; 1: waits for its turn, or to be asked out */
    bool out;        /* inside, but out of its section since a stop is wanted ... */
    void **held;     /* ... meanwhile with a hold on each of these */
    size_t n_held, held_capacity;
};

struct play {
    const struct plan *plan;
    struct play_result *result;
    struct play_heap_result *heap_results;
    struct sgc_heap **heaps;
    struct sgc_type *types; /* by cache; they outlive their caches */
    unsigned n_constructed;
    struct sgc_cache **caches;
    void **addresses; /* of objects; NULL: not made */
    struct sgc_weak **handles;
    uint8_t *kept; /* PLAN_KEPT, PLAN_WISHED of each object: holds of the replayer's that are still there; NULL: there
                      are none */
    /* Where the recording uses weak references: what this strategy has reclaimed before the recorded one did. */
    uint8_t *gone;
    uint32_t *holds;
    uint32_t *owed; /* holds that were not made, since what they name is gone */
    bool stale;     /* gone does not say what the last weak reference that was dead took with it */
    uint32_t n_made;
    uint64_t search_ns;
    uint64_t paused_ns; /* spent at points */
    uint32_t next_point;
    /* turns */
    struct play_thread *threads; /* by index in the recording */
    uint32_t n_threads;
    uint32_t *event_of_run;
    uint32_t turn;        /* the run that is due; atomic */
    uint32_t n_inside;    /* threads that wait for their turn inside a section, as recorded; the thread whose turn it is
                             alone writes it */
    uint32_t n_there;     /* of them, those not out; atomic */
    uint32_t n_leaving;   /* on their way out; atomic */
    uint32_t stop_wanted; /* futex, atomic */
    uint32_t failed;      /* atomic: somebody set result->status */
    uint32_t ready;       /* threads that are attached; atomic */
    unsigned n_spins;
};

/* heaps.c */
/* Opens the heaps and makes the caches that the plan says. strategy: NULL: config's, else the recorded one. 0, or
 * result's status. */
int play_open(struct play *play);
/* One heap; play_open leaves out those whose name an earlier one has, which the program closed first. */
int play_open_heap(struct play *play, uint32_t index);
/* Puts strategy and settings into $SLABGC, before slabgc is used first. */
int play_configure(const struct trace_info *info, const char *strategy, const char *const *settings);
/* Objects that live in the open heaps, at rest; those of heap into *of (may be NULL) too. */
struct plan_live play_live(struct play *play, uint32_t heap, struct play_heap_result *of);
/* Which objects can be reached from holds: all others are marked as gone. Only while the calling thread has the turn.
 */
void play_search(struct play *play);
void play_trace(void *object, sgc_visit_fn *visit, void *visitor);

/* play.c */
int play_run(const struct plan *plan, struct play_result *result, struct play_heap_result *heaps, bool check);
void play_fail(struct play *play, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Events of a run, by the thread whose turn it is. */
void play_events(struct play *play, struct play_thread *thread, uint32_t from, uint32_t n);

/* turn.c */
void *play_thread_main(void *thread);
/* Around what may stop all threads, by the thread whose turn it is: those that wait inside sections leave them
 * meanwhile. */
void play_quiet_begin(struct play *play);
void play_quiet_end(struct play *play);
void play_wake(struct play_thread *thread);
uint64_t play_now(void);

#endif
