/* scenarios.c - the programs of the fault tests. Each act does what programs do, takes every refusal that the interface
 * documents, and no other. */
#include "tests/faults/scenario.h"

#include "core/heap/record.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void finalize_nothing(void *object)
{
    (void)object;
}

static const struct sgc_type node_type = SGC_TYPE(struct faults_node, SGC_REFS(struct faults_node, left, right));
static const struct sgc_type plain_type = SGC_TYPE(struct faults_node, .flags = SGC_TYPE_LEAF);
static const struct sgc_type blob_type = SGC_TYPE(struct faults_blob, SGC_TAIL_DATA(1), .flags = SGC_TYPE_LEAF);
static struct sgc_type final_type;

/* ---- helpers: each call either works, or fails as its header says */

static bool error_is_clean(const struct sgc_error *error)
{
    return error->code < 0 && error->message[0] && memchr(error->message, '\0', sizeof(error->message));
}

static struct sgc_cache *make_cache(struct faults *faults, const struct sgc_type *type)
{
    struct sgc_error error = {0};
    struct sgc_cache *cache = faults->heap ? sgc_cache_create(faults->heap, type, &error) : NULL;
    if (!cache && faults->heap) {
        FAULTS_CHECK(error_is_clean(&error));
        faults->n_refused++;
    }
    return cache;
}

void faults_open(struct faults *faults)
{
    struct sgc_error error = {0};
    struct sgc_heap_options options = {.strategy = faults->strategy};
    faults->heap = sgc_heap_open("faults", &options, &error);
    if (!faults->heap) {
        FAULTS_CHECK(error_is_clean(&error));
        faults->n_refused++;
        return;
    }
    faults->capabilities = sgc_heap_capabilities(faults->heap);
    bool references = faults->capabilities & SGC_NEED_REFERENCES;
    faults->nodes = make_cache(faults, references ? &node_type : &plain_type);
    faults->blobs = make_cache(faults, &blob_type);
    final_type = references ? node_type : plain_type;
    final_type.name = "final";
    final_type.finalize = finalize_nothing;
    if (faults->capabilities & SGC_NEED_FINALIZERS)
        faults->finals = make_cache(faults, &final_type);
}

static void *keep(struct faults *faults, void *object)
{
    if (!object) {
        FAULTS_CHECK(errno == ENOMEM);
        faults->n_refused++;
    } else if (faults->n_held < FAULTS_HELD) {
        faults->held[faults->n_held++] = object;
    } else {
        sgc_drop(object);
    }
    return object;
}

static struct faults_node *make_node(struct faults *faults, struct sgc_cache *cache)
{
    errno = 0;
    struct faults_node *node = keep(faults, cache ? sgc_new(cache) : (errno = ENOMEM, NULL));
    if (node)
        node->label = 4711;
    return node;
}

void faults_release(struct faults *faults)
{
    while (faults->n_weak > 0)
        sgc_weak_destroy(faults->weak[--faults->n_weak]);
    while (faults->n_held > 0) {
        void *object = faults->held[--faults->n_held];
        sgc_drop(object);
    }
}

/* A graph of n nodes: a ring with chords, some garbage rings beside it. */
static void build_graph(struct faults *faults, unsigned n)
{
    if (!(faults->capabilities & SGC_NEED_REFERENCES) || !faults->nodes)
        return;
    struct faults_node *first = make_node(faults, faults->nodes), *last = first;
    for (unsigned i = 1; last && i < n; i++) {
        SGC_AUTO struct faults_node *next = sgc_new(faults->nodes);
        if (!next)
            return;
        next->label = i;
        sgc_set(last, left, next);
        sgc_set(next, right, i % 3 ? next : first);
        if (i % 5 == 0) {
            SGC_AUTO struct faults_node *garbage = sgc_new(faults->nodes);
            if (garbage) {
                sgc_set(garbage, left, garbage);
                sgc_set(garbage, right, next);
            }
        }
        last = next; /* named by the one before */
    }
    if (last)
        sgc_set(last, left, first);
}

static void nothing(struct faults *faults)
{
    (void)faults;
}

static void prepare_graph(struct faults *faults)
{
    faults_open(faults);
    FAULTS_CHECK(faults->heap && faults->nodes && faults->blobs);
    build_graph(faults, 3000);
    sgc_heap_collect(faults->heap, SGC_COLLECT_FULL);
    build_graph(faults, 3000);
}

static void prepare_open(struct faults *faults)
{
    faults_open(faults);
    FAULTS_CHECK(faults->heap && faults->nodes && faults->blobs);
    FAULTS_CHECK(sgc_thread_attach() == 0);
}

/* ---- acts */

static void act_open(struct faults *faults)
{
    faults_open(faults);
    if (!faults->heap || sgc_thread_attach() != 0)
        return;
    for (int i = 0; i < 10; i++)
        make_node(faults, faults->nodes);
}

static void act_allocate(struct faults *faults)
{
    static const size_t sizes[] = {0, 40, 500, 3000, 20000, 40000, 100000, 3 << 20};
    for (unsigned i = 0; i < 1500; i++)
        make_node(faults, faults->nodes);
    for (unsigned i = 0; i < 64; i++) {
        size_t bytes = sizes[i % 8];
        errno = 0;
        struct faults_blob *blob = keep(faults, sgc_new_n(faults->blobs, bytes));
        if (blob)
            memset(blob->bytes, 0x5a, bytes);
    }
    int rc = sgc_reserve(faults->nodes, 5000);
    FAULTS_CHECK(rc == 0 || rc == -ENOMEM);
    sgc_enter();
    for (unsigned i = 0; i < 5000; i++) {
        struct faults_node *node = sgc_new(faults->nodes);
        FAULTS_CHECK(node || rc != 0); /* reserved is sure */
        sgc_drop(node);
    }
    sgc_leave();
}

/* Stores and drops never fail; what they need memory for (remembered owners, decrements that wait) must find a way. */
static void act_store(struct faults *faults)
{
    struct faults_node *first = faults->n_held ? faults->held[0] : NULL;
    if (!(faults->capabilities & SGC_NEED_REFERENCES) || !first)
        return;
    sgc_enter();
    struct faults_node *node = first;
    for (unsigned i = 0; i < 2500; i++) {
        struct faults_node *next = node->left;
        sgc_set(node, right, i % 2 ? next : NULL);
        SGC_AUTO struct faults_node *young = sgc_new(faults->nodes);
        if (young)
            sgc_set(node, right, young);
        node = next;
    }
    FAULTS_CHECK(first->label == 4711);
    sgc_leave();
    size_t mark = sgc_mark();
    for (unsigned i = 0; i < 5000; i++) {
        sgc_hold(first);
        errno = 0;
        if (!sgc_push(first)) {
            FAULTS_CHECK(errno == ENOMEM);
            sgc_drop(first);
            faults->n_refused++;
        }
    }
    sgc_unwind(mark);
}

static void act_collect(struct faults *faults)
{
    sgc_heap_collect(faults->heap, SGC_COLLECT_MINOR);
    while (faults->n_held > 1)
        sgc_drop(faults->held[--faults->n_held]);
    build_graph(faults, 500);
    sgc_heap_collect(faults->heap, SGC_COLLECT_FULL);
    sgc_heap_collect(faults->heap, SGC_COLLECT_MINOR);
}

static void act_weak(struct faults *faults)
{
    for (unsigned i = 0; i < 60; i++) {
        struct faults_node *node = make_node(faults, faults->finals), *value = make_node(faults, faults->nodes);
        if (!node || !value || !(faults->capabilities & SGC_NEED_WEAK))
            continue;
        errno = 0;
        struct sgc_weak *weak = sgc_weak_create(node);
        if (weak) {
            void *got = sgc_weak_get(weak);
            FAULTS_CHECK(got == node);
            sgc_drop(got);
            faults->weak[faults->n_weak++] = weak;
        } else {
            FAULTS_CHECK(errno == ENOMEM);
            faults->n_refused++;
        }
        if (!(faults->capabilities & SGC_NEED_REFERENCES))
            continue;
        errno = 0;
        void *ephemeron = keep(faults, sgc_ephemeron_new(faults->heap, node, value));
        if (ephemeron) {
            void *got = sgc_ephemeron_value(ephemeron);
            FAULTS_CHECK(got == value);
            sgc_drop(got);
        }
    }
    for (size_t i = 0; i + 1 < faults->n_held; i += 2) {
        sgc_drop(faults->held[i]);
        faults->held[i] = NULL;
    }
    sgc_heap_collect(faults->heap, SGC_COLLECT_FULL);
    sgc_finalizers_run(faults->heap, 0);
    sgc_heap_collect(faults->heap, SGC_COLLECT_FULL);
}

static void act_switch(struct faults *faults)
{
    struct sgc_error error = {0};
    if (!faults->other)
        return;
    for (int i = 0; i < 2; i++) {
        const char *from = sgc_heap_strategy(faults->heap), *to = i ? faults->strategy : faults->other;
        int rc = sgc_heap_switch(faults->heap, to, &error);
        FAULTS_CHECK(rc == 0 || (rc == error.code && error_is_clean(&error)));
        FAULTS_CHECK(strcmp(sgc_heap_strategy(faults->heap), rc == 0 ? to : from) == 0);
        faults->n_refused += rc != 0;
        build_graph(faults, 50);
    }
}

static void *attach_and_work(void *arg)
{
    struct faults *faults = arg;
    if (sgc_thread_attach() != 0)
        return NULL; /* refused: this thread may not use the heap */
    for (unsigned i = 0; i < 300; i++)
        sgc_drop(sgc_new(faults->nodes));
    return faults;
}

static void act_threads(struct faults *faults)
{
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        void *worked;
        FAULTS_CHECK(pthread_create(&thread, NULL, attach_and_work, faults) == 0);
        pthread_join(thread, &worked);
        faults->n_refused += !worked;
    }
}

static void act_reload(struct faults *faults)
{
    struct sgc_error error = {0};
    int rc = sgc_config_reload(&error);
    FAULTS_CHECK(rc == 0 || error_is_clean(&error));
    faults->n_refused += rc != 0;
    static const struct sgc_type late_type = {.name = "late", .size_bytes = 64};
    struct sgc_cache *cache = make_cache(faults, &late_type);
    if (cache)
        FAULTS_CHECK(sgc_cache_destroy(cache, &error) == 0);
}

static void prepare_few(struct faults *faults)
{
    prepare_open(faults);
    build_graph(faults, 20);
}

/* What is sent fits into the socket: nobody has to read it. */
static void act_record(struct faults *faults)
{
    int fds[2];
    struct sgc_error error = {0};
    struct sgc_record_totals totals;
    FAULTS_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    const int began = sgc_record_start(&(struct sgc_record_options){.fd = fds[0]}, &error);
    FAULTS_CHECK(began == 0 || (began == error.code && error_is_clean(&error)));
    build_graph(faults, 20);
    const int ended = sgc_record_stop(&totals, &error);
    FAULTS_CHECK(ended == (began ? -ENOENT : 0) || (ended == -EPIPE && error_is_clean(&error)));
    FAULTS_CHECK(!sgc_record_is_running());
    faults->n_refused += began != 0 || ended != 0;
    close(fds[1]);
}

static void act_close(struct faults *faults)
{
    struct sgc_error error = {0};
    faults_release(faults);
    FAULTS_CHECK(sgc_heap_close(faults->heap, &error) == 0);
    faults->heap = NULL;
}

const struct faults_scenario faults_scenarios[] = {
    {"opening", nothing, act_open, false},
    {"allocating", prepare_open, act_allocate, false},
    {"storing", prepare_graph, act_store, false},
    {"collecting", prepare_graph, act_collect, false},
    {"weak references and finalizers", prepare_open, act_weak, false},
    {"loading and switching", prepare_graph, act_switch, false},
    {"threads", prepare_open, act_threads, false},
    {"reloading config", prepare_open, act_reload, false},
    {"recording", prepare_few, act_record, false},
    {"closing", prepare_graph, act_close, true},
    {0},
};
