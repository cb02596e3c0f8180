/* control.h - what a command of the control socket is, and what it may ask of its request. The protocol is in
 * CONTROL.md. Included by the files that have commands (control_*.c) and by the server (control_server.h).
 *
 * A command is declared once, as constant data; the check of parameters, "did you mean" and the command `schema` derive
 * from that. Each file with commands has an array of them; control_commands.c lists the arrays.
 *
 * All commands run on the server's one thread, one after the other, at rest, with no lock and no turn (runtime.h) of
 * their own: they take a turn to look at heaps, and let go of it soon, because opening and closing heaps waits for it.
 */
#ifndef SLABGC_CORE_RUNTIME_CONTROL_H
#define SLABGC_CORE_RUNTIME_CONTROL_H

#include <jansson.h>
#include <slabgc/error.h>
#include <stdbool.h>
#include <stdint.h>

#define SGC_CONTROL_PROTOCOL 1
#define SGC_CONTROL_LINE_BYTES ((size_t)64 << 10) /* of a request or an answer, newline included */

enum sgc_control_type { SGC_CONTROL_STRING, SGC_CONTROL_INTEGER /* not negative */, SGC_CONTROL_BOOLEAN };
struct sgc_control_parameter {
    const char *name; /* NULL ends the array */
    enum sgc_control_type type;
    bool required;
    const char *help; /* one sentence, without a full stop */
};

enum sgc_control_stops { SGC_CONTROL_STOPS_NO, SGC_CONTROL_STOPS_SHORT, SGC_CONTROL_STOPS_SNAPSHOT };

struct sgc_control_request;

/* run: answers by sgc_control_result and returns 0, or returns a negative errno from sgc_control_fail. It may also
 * leave a producer of pieces behind (sgc_control_produce). That of a snapshot command is called in a turn, in which the
 * copy is made, too: what it found of heaps is still so in the child. It gives no result. child (snapshot commands):
 * runs in the frozen copy made by sgc_snapshot_fork (core/heap/snapshot.h has what is allowed there), after run, where
 * there is one, returned 0 in the parent. It reads parameters by the functions below, which do not allocate, and writes
 * whole lines to fd, at most SGC_CONTROL_LINE_BYTES each: any number of
 *     {"id":ID,"items":[..]}
 * and one with "ok" at the end; ID is the text sgc_control_id. Returns the status to exit with, 0: all was written. */
struct sgc_control_command {
    const char *name; /* NULL ends an array */
    const char *summary;
    enum sgc_control_stops stops;
    bool pieces;                                                     /* may answer in items */
    const struct sgc_control_parameter *parameters;                  /* NULL: none */
    int (*run)(struct sgc_control_request *request);                 /* NULL: snapshot commands without one */
    int (*child)(const struct sgc_control_request *request, int fd); /* NULL: others */
};

/* ---- parameters: of the declared type, or absent */
const char *sgc_control_text(const struct sgc_control_request *request, const char *name); /* NULL: absent */
bool sgc_control_integer(const struct sgc_control_request *request, const char *name,
                         uint64_t *out);                                            /* false: absent */
bool sgc_control_flag(const struct sgc_control_request *request, const char *name); /* false: absent */
const char *sgc_control_id(const struct sgc_control_request *request); /* JSON text; "null" where there was none */
/* The descriptor that came with the request, which becomes the caller's; -1: none. The server closes what is not taken.
 */
int sgc_control_take_fd(struct sgc_control_request *request);

/* ---- answers */
/* The result, whose reference it takes. NULL: -ENOMEM. Returns 0 or that. */
int sgc_control_result(struct sgc_control_request *request, json_t *result);
/* Refuses: code is a negative errno. Returns it. */
int sgc_control_fail(struct sgc_control_request *request, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int sgc_control_fail_error(struct sgc_control_request *request, const struct sgc_error *error);
/* Answers in pieces: produce is called whenever the client has read what was written. It returns an array of items (a
 * new reference; its text must fit a line), or NULL: with *state SGC_CONTROL_MORE nothing just now, call again in a
 * tenth of a second; with SGC_CONTROL_END the answer is complete (sgc_control_result has given its result), or
 * sgc_control_fail has. forget (may be NULL) is called once at the end, also when the client went away. */
enum sgc_control_state { SGC_CONTROL_MORE, SGC_CONTROL_END };
typedef json_t *sgc_control_produce_fn(struct sgc_control_request *request, void *arg, enum sgc_control_state *state);
void sgc_control_produce(struct sgc_control_request *request, sgc_control_produce_fn *produce, void *arg,
                         void (*forget)(void *arg));
/* A JSON string of any bytes: what is no UTF-8 is shown as '?'. NULL: no memory. */
json_t *sgc_control_string(const char *text);
json_t *sgc_control_u64(uint64_t value); /* JSON integers end at 2^63 - 1: larger values are shown as that */

/* ---- heaps. In a turn, or under the read lock (runtime.h). */
struct sgc_open_heap;
/* The open heap of the parameter `heap`; *out NULL: there is no such parameter. 0; or -EINVAL, refused with the nearest
 * name. */
int sgc_control_heap(struct sgc_control_request *request, struct sgc_open_heap **out);

/* ---- arrays of commands */
extern const struct sgc_control_command sgc_control_basic_commands[];  /* control_commands.c: hello, schema, go */
extern const struct sgc_control_command sgc_control_stat_commands[];   /* control_stat.c: stat, caches */
extern const struct sgc_control_command sgc_control_log_commands[];    /* control_log.c: log */
extern const struct sgc_control_command sgc_control_config_commands[]; /* control_config.c: get, set, reload */
extern const struct sgc_control_command sgc_control_plugin_commands[]; /* plugin_list.c: plugins */
extern const struct sgc_control_command sgc_control_act_commands[];    /* control_act.c: collect, reap, switch */
extern const struct sgc_control_command
    sgc_control_inspect_commands[]; /* control_inspect.c: map, walk, why, leaks, verify */
extern const struct sgc_control_command sgc_control_record_commands[]; /* control_record.c: record, record_stop */

#endif
