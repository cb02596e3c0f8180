/* scratch.h - a directory of the test's own, and files in it. Fails the test when the file system refuses. */
#ifndef SLABGC_TESTS_SUPPORT_SCRATCH_H
#define SLABGC_TESTS_SUPPORT_SCRATCH_H

#include <sys/types.h>

#define SUPPORT_PATH_BYTES 4096

/* Makes an empty directory (mode 0700) under $TEST_TMPDIR, else /tmp; out gets its path without symbolic links. */
void support_scratch_create(char out[SUPPORT_PATH_BYTES]);
void support_scratch_destroy(const char *directory); /* with all that is in it */

/* out = directory/name; then writes content (a string) to it, mode as given whatever the umask. */
void support_scratch_path(char out[SUPPORT_PATH_BYTES], const char *directory, const char *name);
void support_scratch_file(char out[SUPPORT_PATH_BYTES], const char *directory, const char *name, const char *content,
                          mode_t mode);

#endif
