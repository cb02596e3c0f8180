/* expect.c - see expect.h. */
#include "tests/support/expect.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STDERR_BYTES 16384 /* a sanitizer may talk before the panic */

int support_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void expect_child(void (*body)(void *arg), void *arg, int stderr_fd)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    body(arg);
    _exit(0);
}

/* Reads to the end, so that the child never blocks, and keeps the last out_bytes - 1 bytes. */
static void expect_read_tail(int fd, char *out, size_t out_bytes)
{
    size_t length = 0;
    for (;;) {
        if (length == out_bytes - 1) {
            memmove(out, out + out_bytes / 2, length - out_bytes / 2);
            length -= out_bytes / 2;
        }
        ssize_t n = read(fd, out + length, out_bytes - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    out[length] = '\0';
}

int support_run_child(void (*body)(void *arg), void *arg, char *out, size_t out_bytes)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(ends[0]);
        expect_child(body, arg, ends[1]);
    }
    close(ends[1]);
    expect_read_tail(ends[0], out, out_bytes);
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    return status;
}

static void expect_panic(void (*body)(void *arg), void *arg, const char *text, bool whole)
{
    static const char prefix[] = "slabgc: panic: ";
    char *seen = malloc(STDERR_BYTES);
    ck_assert_ptr_nonnull(seen);
    int status = support_run_child(body, arg, seen, STDERR_BYTES);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "expected the panic '%s', got status 0x%x: %s",
                  text, (unsigned)status, seen);
    char *panic = strstr(seen, prefix);
    ck_assert_msg(panic != NULL, "expected the panic '%s', got: %s", text, seen);
    panic += strlen(prefix);
    size_t length = strlen(text);
    bool same = strncmp(panic, text, length) == 0 && (!whole || strcmp(panic + length, "\n") == 0);
    ck_assert_msg(same, "expected the panic '%s', got '%s'", text, panic);
    free(seen);
}

void support_expect_panic(void (*body)(void *arg), void *arg, const char *text)
{
    expect_panic(body, arg, text, true);
}

void support_expect_panic_prefix(void (*body)(void *arg), void *arg, const char *text)
{
    expect_panic(body, arg, text, false);
}

uint64_t support_seed(const char *test, uint64_t fallback)
{
    const char *chosen = getenv("SLABGC_TEST_SEED");
    uint64_t seed = chosen ? strtoull(chosen, NULL, 0) : fallback;
    if (!seed) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    printf("%s: SLABGC_TEST_SEED=%" PRIu64 "\n", test, seed);
    fflush(stdout);
    return seed;
}

uint64_t support_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
