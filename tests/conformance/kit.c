/* kit.c - what the claims use: see kit.h.
 * Invariant: runs in the process of one claim; a failure ends it by exit status 1 after one line on stderr. */
#include "tests/conformance/kit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

const struct sgc_type kit_leaf_type = SGC_TYPE(struct kit_leaf, .flags = SGC_TYPE_LEAF);
const struct sgc_type kit_node_type = SGC_TYPE(struct kit_node, SGC_REFS(struct kit_node, left, right, any));
const struct sgc_type kit_vec_type = SGC_TYPE(struct kit_vec, SGC_TAIL_REFS);

void kit_fail(const char *file, int line, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    _exit(1);
}

struct kit_leaf *kit_leaf(struct kit *kit, uint64_t label)
{
    struct kit_leaf *leaf = sgc_new(kit->leaves);
    KIT_CHECK(leaf != NULL);
    leaf->label = label;
    return leaf;
}

struct kit_node *kit_node(struct kit *kit, uint64_t label)
{
    struct kit_node *node = sgc_new(kit->nodes);
    KIT_CHECK(node != NULL);
    node->label = label;
    return node;
}

struct kit_vec *kit_vec(struct sgc_cache *cache, uint64_t label, uint64_t n)
{
    struct kit_vec *vec = sgc_new_n(cache, n);
    KIT_CHECK(vec != NULL);
    vec->label = label;
    vec->n = n;
    return vec;
}

struct sgc_cache *kit_cache(struct kit *kit, const struct sgc_type *type)
{
    struct sgc_error error = {0};
    struct sgc_cache *cache = sgc_cache_create(kit->heap, type, &error);
    if (!cache)
        kit_fail(__FILE__, __LINE__, "cache %s: %s", type->name, error.message);
    return cache;
}

struct sgc_heap *kit_open(struct kit *kit, const char *name, uint32_t needs, uint64_t memory_limit_bytes)
{
    struct sgc_error error = {0};
    struct sgc_heap_options options = {
        .needs = needs, .strategy = kit->strategy, .memory_limit_bytes = memory_limit_bytes};
    struct sgc_heap *heap = sgc_heap_open(name, &options, &error);
    if (!heap)
        kit_fail(__FILE__, __LINE__, "heap %s on %s: %s", name, kit->strategy, error.message);
    return heap;
}

void kit_at_rest(struct kit *kit)
{
    if (kit->disturbance != KIT_QUIET && kit->heap)
        sgc_heap_collect(kit->heap, kit->disturbance == KIT_MINOR ? SGC_COLLECT_MINOR : SGC_COLLECT_FULL);
}

void kit_say(struct kit *kit, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    flockfile(kit->transcript);
    vfprintf(kit->transcript, format, arguments);
    fputc('\n', kit->transcript);
    funlockfile(kit->transcript);
    va_end(arguments);
}

/* ---- live sets */

#define LABEL_EPHEMERON UINT64_MAX

struct label_set {
    uint64_t *labels;
    size_t n, capacity;
};

/* malloc is no slabgc: a walk's visitor may use it. */
static int label_add(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t count)
{
    (void)bytes, (void)count;
    struct label_set *set = arg;
    if (set->n == set->capacity) {
        set->capacity = set->capacity ? 2 * set->capacity : 1024;
        set->labels = realloc(set->labels, set->capacity * sizeof(uint64_t));
        KIT_CHECK(set->labels != NULL);
    }
    bool ephemeron = strstr(sgc_cache_name(cache), "ephemeron") != NULL;
    set->labels[set->n++] = ephemeron ? LABEL_EPHEMERON : *(const uint64_t *)object;
    return 0;
}

static int label_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Long sets are cut in text, and a digest of the whole stands at the end. */
static char *label_text(const struct label_set *set)
{
    enum { MAX_SHOWN = 200, BYTES = 24 * MAX_SHOWN + 64 };
    char *text = malloc(BYTES);
    KIT_CHECK(text != NULL);
    size_t length = 0;
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    text[0] = '\0';
    for (size_t i = 0; i < set->n; i++) {
        uint64_t label = set->labels[i];
        digest = (digest ^ label) * UINT64_C(0x100000001b3);
        if (i >= MAX_SHOWN)
            continue;
        const char *space = i ? " " : "";
        if (label == LABEL_EPHEMERON || label == 0)
            length += (size_t)snprintf(text + length, BYTES - length, "%s%s", space, label ? "e" : "?");
        else
            length += (size_t)snprintf(text + length, BYTES - length, "%s%llu", space, (unsigned long long)label);
    }
    if (set->n > MAX_SHOWN)
        snprintf(text + length, BYTES - length, " ... n=%zu digest=%016llx", set->n, (unsigned long long)digest);
    return text;
}

char *kit_labels(struct sgc_heap *heap)
{
    struct label_set set = {0};
    KIT_CHECK(sgc_heap_walk(heap, NULL, label_add, &set) == 0);
    if (set.n)
        qsort(set.labels, set.n, sizeof(uint64_t), label_compare);
    char *text = label_text(&set);
    free(set.labels);
    return text;
}

void kit_live(struct kit *kit)
{
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    char *text = kit_labels(kit->heap);
    kit_say(kit, "live: %s", text);
    free(text);
}

void kit_expect_live_at(struct kit *kit, const char *labels, const char *file, int line)
{
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    char *text = kit_labels(kit->heap);
    if (strcmp(text, labels) != 0)
        kit_fail(file, line, "live objects are '%s', expected '%s'", text, labels);
    kit_say(kit, "live: %s", text);
    free(text);
}

void kit_verify_at(struct sgc_heap *heap, const char *file, int line)
{
    struct sgc_error error = {0};
    if (sgc_heap_verify(heap, &error) != 0)
        kit_fail(file, line, "verify: %s", error.message);
}

/* ---- threads and panics */

pthread_t kit_start(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, run, arg);
    if (failed)
        kit_fail(__FILE__, __LINE__, "pthread_create: %s", strerror(failed));
    return thread;
}

void kit_join(pthread_t thread)
{
    KIT_CHECK(pthread_join(thread, NULL) == 0);
}

static size_t read_all(int fd, char *text, size_t bytes)
{
    size_t length = 0;
    for (;;) {
        ssize_t n = read(fd, text + length, bytes - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || (length += (size_t)n) == bytes - 1)
            break;
    }
    text[length] = '\0';
    return length;
}

void kit_expect_panic_at(void (*body)(void *arg), void *arg, const char *text, const char *file, int line)
{
    static char seen[65536];
    int ends[2], status = 0;
    KIT_CHECK(pipe(ends) == 0);
    pid_t child = fork();
    KIT_CHECK(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        body(arg);
        _exit(0);
    }
    close(ends[1]);
    read_all(ends[0], seen, sizeof(seen));
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0)
        KIT_CHECK(errno == EINTR);
    const char *panic = strstr(seen, "slabgc: panic: ");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !panic || !strstr(panic, text))
        kit_fail(file, line, "expected a panic with '%s', got status 0x%x and: %s", text, (unsigned)status, seen);
}
