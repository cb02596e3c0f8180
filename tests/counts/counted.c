/* counted.c - the program whose instructions are counted: runs each path in a process of its own.
 *     counted --about                    compiler, C library and architecture that its counts are of
 *     counted [--blind] [PATTERN...]     runs the paths whose names match (all); --blind: see counted_blind
 * Called by measure.c under callgrind. For each path two children are forked before slabgc has done anything, so each
 * starts in the same state; for each a line "PID PATH OPERATIONS MULTIPLE" says whose counts callgrind's file PID has.
 * The environment decides the configuration. */
#include "tests/counts/counted.h"

#include "core/cache/cache.h"
#include "core/heap/heap.h"
#include "core/os/thread.h"
#include "tests/support/random.h"

#include <errno.h>
#include <fnmatch.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* After the first round the cache's word `debug` says that every check is on, but nothing else was set up for it: a
 * fast path that looks at the word counts differently. For paths that never leave the window. */
static bool counted_blind;

static struct counted run;

void counted_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "counted: %s on %s: ", run.path ? run.path->name : "no path", run.strategy ? run.strategy : "none");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    _exit(EXIT_FAILURE);
}

void *counted_made(void *object)
{
    if (!object)
        counted_fail("%s", strerror(errno));
    return object;
}

/* ---- types */

static int slot_construct(void *slot)
{
    memset(slot, 0, 64);
    return 0;
}

static void slot_reset(void *object)
{
    *(uint64_t *)object = 0;
}

static const struct sgc_type bytes_type = {.name = "counted", .size_bytes = 64};
static const struct sgc_type leaf_type = {.name = "counted", .size_bytes = sizeof(struct counted_node)};
static const struct sgc_type node_type = {
    .name = "counted", .size_bytes = sizeof(struct counted_node), SGC_REFS(struct counted_node, left, right)};
static const struct sgc_type constructed_type = {
    .name = "counted", .size_bytes = 64, .ctor = slot_construct, .reset = slot_reset};
static const struct sgc_type other_type = {.name = "other", .size_bytes = 48};

static const struct sgc_type *type_of(enum counted_type type, bool references)
{
    switch (type) {
    case COUNTED_64_BYTES:
        return &bytes_type;
    case COUNTED_CONSTRUCTED:
        return &constructed_type;
    default:
        return references ? &node_type : &leaf_type;
    }
}

/* ---- one run, in a child */

static void run_open(void)
{
    struct sgc_error error = {0};
    const bool references = strcmp(run.strategy, "none") != 0;
    const struct sgc_heap_options options = {.needs = references ? SGC_NEED_REFERENCES | SGC_NEED_WEAK : 0,
                                             .strategy = run.strategy};
    run.heap = sgc_heap_open("counts", &options, &error);
    if (!run.heap)
        counted_fail("%s", error.message);
    if (strcmp(sgc_heap_strategy(run.heap), run.strategy) != 0)
        counted_fail("config makes this heap one of %s", sgc_heap_strategy(run.heap));
    run.cache = sgc_cache_create(run.heap, type_of(run.path->type, references), &error);
    run.other = run.cache ? sgc_cache_create(run.heap, &other_type, &error) : NULL;
    if (!run.other)
        counted_fail("%s", error.message);
    counted_made(sgc_new(run.other));
}

static void run_shuffle(void)
{
    struct random random = {1};
    for (size_t i = 0; i < run.path->n_operations; i++) {
        const size_t k = random_below(&random, i + 1);
        run.order[i] = run.order[k];
        run.order[k] = (uint16_t)i;
    }
}

static void *run_body(void *unused)
{
    (void)unused;
    run.path->body(&run, run.n_body);
    return NULL;
}

static void run_round(unsigned round, size_t n)
{
    pthread_t thread;
    run.round = round;
    run.n_body = n;
    if (run.path->prepare)
        run.path->prepare(&run);
    if (run.path->old)
        sgc_heap_collect(run.heap, SGC_COLLECT_FULL);
    if (round > 0 && counted_blind)
        run.cache->debug = SGC_DEBUG_REDZONE | SGC_DEBUG_POISON | SGC_DEBUG_TRACK;
    counted_stall_begin(&run);
    if (!run.path->elsewhere)
        run_body(NULL);
    else if (pthread_create(&thread, NULL, run_body, NULL) != 0 || pthread_join(thread, NULL) != 0)
        counted_fail("no thread");
    counted_stall_end(&run);
}

static void *run_rounds(void *multiple)
{
    const size_t n = run.path->n_operations;
    run_open();
    run_shuffle();
    run_round(0, 2 * n);
    run_round(1, *(const size_t *)multiple * n);
    _exit(EXIT_SUCCESS);
}

/* On a thread: where the main thread's stack begins depends on the environment and on the program's path, and memcpy
 * takes other instructions for another alignment. */
static void run_child(size_t multiple)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_rounds, &multiple) != 0 || pthread_join(thread, NULL) != 0)
        counted_fail("no thread");
}

/* ---- all runs */

static void run_forked(const char *name, size_t multiple)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0)
        run_child(multiple);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        counted_fail("the run of %zu times %zu operations ended with status 0x%x", multiple, run.path->n_operations,
                     (unsigned)status);
    printf("%ld %s %zu %zu\n", (long)child, name, run.path->n_operations, multiple);
    fflush(stdout);
}

static bool is_wanted(const char *name, char **patterns)
{
    bool wanted = !patterns[0];
    for (; *patterns; patterns++)
        wanted |= fnmatch(*patterns, name, 0) == 0;
    return wanted;
}

static void run_path(const struct counted_path *path, char **patterns)
{
    for (size_t i = 0; path->strategies[i]; i++) {
        char name[64];
        snprintf(name, sizeof(name), path->strategies[1] ? "%s/%s" : "%s", path->name, path->strategies[i]);
        if (!is_wanted(name, patterns))
            continue;
        run.path = path;
        run.strategy = path->strategies[i];
        run_forked(name, 1);
        run_forked(name, 2);
    }
}

/* What counts depend on. Without membarrier each call and section takes a fence, and another way. */
static int about(void)
{
    struct utsname system;
    uname(&system);
#if defined(__clang__)
    printf("clang-%d.%d", __clang_major__, __clang_minor__);
#else
    printf("gcc-%d.%d", __GNUC__, __GNUC_MINOR__);
#endif
    printf(" %s glibc-%s%s\n", system.machine, gnu_get_libc_version(),
           sgc_os_has_membarrier() ? "" : " without-membarrier");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--about") == 0)
        return about();
    argv++;
    if (*argv && strcmp(*argv, "--blind") == 0) {
        counted_blind = true;
        argv++;
    }
    for (size_t i = 0; i < counted_n_bare; i++)
        run_path(&counted_bare[i], argv);
    for (size_t i = 0; i < counted_n_managed; i++)
        run_path(&counted_managed[i], argv);
    return EXIT_SUCCESS;
}
