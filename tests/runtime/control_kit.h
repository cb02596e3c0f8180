/* control_kit.h - a process with a control socket, and a client of it, for the tests of control_*.c. The server runs in
 * the test's own process, the client on the test's thread. Failures end the test by libcheck. */
#ifndef SLABGC_TESTS_RUNTIME_CONTROL_KIT_H
#define SLABGC_TESTS_RUNTIME_CONTROL_KIT_H

#include "tests/runtime/kit.h"
#include <jansson.h>
#include <slabgc/slabgc.h>

/* Config of the test's own: plug-ins `good` and `second` at hand, a socket at kit_path("socket"), and more
 * ("key=value,..."; may be NULL) as $SLABGC has it. */
void control_config(const char *more);
/* The same, then opens heap `words` with strategy none. */
struct sgc_heap *control_start(const char *more);
/* Only isolates the process and opens heap `words` under these settings ($SLABGC; may be NULL): NULL with error. */
struct sgc_heap *control_open_with(const char *settings, struct sgc_error *error);

/* A connection to kit_path(name); it waits for nothing longer than 60 s. control_try_connect: -1 when nobody answers.
 */
int control_connect(const char *name);
int control_try_connect(const char *name);
void control_send(int fd, const char *bytes, size_t n_bytes);
/* With its newline, in one piece: a deadline runs for the rest of a line that has begun. */
void control_say(int fd, const char *line);
/* The next line without its newline, by malloc; NULL: the other end closed. */
char *control_hear(int fd);

/* Asks and returns the whole answer, or its "result" (the caller's), or fails unless it is refused with this code and
 * message. */
json_t *control_ask(int fd, const char *request);
json_t *control_result(int fd, const char *request);
void control_refused(int fd, const char *request, const char *code, const char *message);
/* The connection ends after one refusal with this message. Closes fd. */
void control_expect_end(int fd, const char *message);

/* Members of a path "heaps.0.live_objects". */
json_t *control_at(json_t *json, const char *path);
json_int_t control_number(json_t *json, const char *path);
const char *control_text(json_t *json, const char *path);

/* Fails unless `get` shows the key with this value and origin. */
void control_expect_origin(int fd, const char *key, const char *value, const char *origin);

#endif
