/* runtime.h - the state that the public calls of core/runtime share: the current config, the open heaps, whose turn it
 * is. A turn lasts from sgc_runtime_begin to sgc_runtime_end; one thread has it at a time, at rest. It is no ranked
 * lock, because turns wait for stops. Inside a turn everything here may be used; the lock guards what is read outside
 * of one. */
#ifndef SLABGC_CORE_RUNTIME_RUNTIME_H
#define SLABGC_CORE_RUNTIME_RUNTIME_H

#include "core/base/list.h"
#include "core/heap/heap.h"
#include "core/runtime/config.h"

/* A heap that was opened through sgc_heap_open. */
struct sgc_open_heap {
    struct sgc_list link;
    struct sgc_heap *heap;
    struct sgc_heap_options options; /* what the program asked for; strategy points behind the record */
    const char *switched_by;         /* who gave it its strategy, "sgc_heap_switch" or "gcctl"; NULL: config did */
    size_t bytes;                    /* of the record */
};

/* Waits for the turn. call: the public function, for the panic "CALL: called inside a section". */
void sgc_runtime_begin(const char *call);
void sgc_runtime_end(void);

/* In a turn: the current config, read on first use: 0 and *out, or a negative errno. wanted: the strategy that the
 * program asks for, or NULL. */
int sgc_runtime_config(const char *wanted, const struct sgc_config **out, struct sgc_error *error);
/* In a turn: reads all sources anew, takes the live changes over, and checks what can be checked without a heap. *out
 * is the caller's. */
int sgc_runtime_read_config(const char *wanted, struct sgc_config **out, struct sgc_error *error);
/* In a turn: checks what can be checked of a config without a heap: strategies that it names, parameters of those that
 * are loaded. */
int sgc_runtime_check_config(const struct sgc_config *config, const char *wanted, struct sgc_error *error);
/* In a turn: makes config the current one and frees the old one. */
void sgc_runtime_replace_config(struct sgc_config *config);

/* In a turn, or under the read lock: list of struct sgc_open_heap. */
struct sgc_list *sgc_runtime_heaps(void);
/* The read lock: a heap found in the list between the two stays open. Waits for no turn, so it also serves while one
 * waits for a stop; for a look at figures alone, since opening and closing heaps wait for it. Outside of turns. */
void sgc_runtime_read_begin(void);
void sgc_runtime_read_end(void);
bool sgc_runtime_read_try(void); /* false: somebody has the lock */
/* A record, not listed yet: -ENOMEM with error filled. Freed by the heap's closing, or by sgc_open_heap_free. */
int sgc_open_heap_alloc(const struct sgc_heap_options *options, struct sgc_open_heap **out, struct sgc_error *error);
void sgc_open_heap_free(struct sgc_open_heap *record);
void sgc_open_heap_list(struct sgc_open_heap *record); /* in a turn: record->heap is open */

/* switch.c, in a turn: sgc_heap_switch. by: a constant, whom get shows. dry_run: as far as it goes without a stop. */
int sgc_switch_in_turn(struct sgc_heap *heap, const char *strategy, const char *by, bool dry_run,
                       struct sgc_error *error);

/* The callbacks of struct sgc_heap_setup; arg is the record. Outside of turns. */
int sgc_runtime_cache_config(void *arg, const char *heap, const char *cache, struct sgc_cache_config *out,
                             struct sgc_error *error);
void sgc_runtime_closing(void *arg, struct sgc_heap *heap);

#endif
