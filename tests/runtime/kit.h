/* kit.h - files, plug-ins and errors for the tests of core/runtime. Failures end the test by libcheck. */
#ifndef SLABGC_TESTS_RUNTIME_KIT_H
#define SLABGC_TESTS_RUNTIME_KIT_H

#include "core/runtime/config.h"

#include "tests/support/expect.h"
#include <stdbool.h>
#include <stddef.h>

/* A directory of this test's own (mode 0700), removed when its process ends; below $TEST_TMPDIR unless that is so long
 * that messages with two such paths would be cut. */
const char *kit_directory(void);
/* DIRECTORY/name, in one of 16 buffers that take turns. */
const char *kit_path(const char *name);
/* Writes a file below the directory (mode 0644), making the directories in between (0755); returns its path. */
const char *kit_write(const char *name, const void *bytes, size_t n_bytes);
const char *kit_write_text(const char *name, const char *text);

/* Path of a plug-in built for the tests: broken/NAME.so. */
const char *kit_built_plugin(const char *name);
/* Copies it to the test's directory, `to` below it (mode 0755); returns the path. */
const char *kit_copy_plugin(const char *name, const char *to);
/* The bytes of a whole file, by malloc. */
char *kit_read(const char *path, size_t *n_bytes);

/* No config but the test's own: roots at the test's directory (usr/ and etc/ below it), environment of slabgc cleared.
 */
void kit_isolate(void);
/* An empty config to which a test adds texts, without built-in values. */
struct sgc_config *kit_config(void);
/* A config of one text, as file `name`; the parse must succeed. */
struct sgc_config *kit_parse(const char *name, const char *text);
/* The same, from one text that must be refused with exactly this message. */
void kit_expect_refused(const char *name, const char *text, int code, const char *message);

/* error->message is `message`, where every "@" stands for the test's directory. */
void kit_assert_message(const struct sgc_error *error, const char *message);

/* Takes so much memory that it shows. The kernel counts a process's pages by processor, and what each has shows in lots
 * alone, of up to twice as many pages as there are processors: few pages may show as none. */
void kit_take_memory(void);

#endif
