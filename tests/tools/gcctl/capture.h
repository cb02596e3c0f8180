/* capture.h - what a piece of gcctl writes to stdout and stderr, for tests. Each test runs in a process of its own. */
#ifndef SLABGC_TESTS_TOOLS_GCCTL_CAPTURE_H
#define SLABGC_TESTS_TOOLS_GCCTL_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* From here on, stream's descriptor leads to a temporary file; returns it. */
static inline int capture_begin(FILE *stream)
{
    char path[] = "/tmp/gcctl-test-XXXXXX";
    const int fd = mkstemp(path);
    unlink(path);
    fflush(stream);
    dup2(fd, fileno(stream));
    return fd;
}

/* What was written since capture_begin or the last call; static storage for the next call's sake. */
static inline const char *capture_take(FILE *stream, int fd)
{
    static char *text;
    fflush(stream);
    const off_t size = lseek(fd, 0, SEEK_END);
    free(text);
    text = calloc(1, (size_t)size + 1);
    if (!text || pread(fd, text, (size_t)size, 0) != size || ftruncate(fd, 0))
        abort();
    lseek(fd, 0, SEEK_SET);
    lseek(fileno(stream), 0, SEEK_SET);
    return text;
}

#endif
