/* readers.c - workload readers: threads that look things up in a shared graph at once, nobody writing.
 * A read starts at a root cell and follows HOPS references. Each read is a section; on a strategy without concurrent
 * readers it stands under the read side of a lock instead. Beside the figure stands what passing a cache line to the
 * other thread and back costs at that moment: no two-thread figure means anything without it. */
#include "tests/bench/bodies.h"

#include <pthread.h>

#define N_READERS 2
#define HOPS 8
#define N_NODES 4096

struct node {
    struct node *left, *right;
    long value;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));

struct readers {
    struct sgc_root root;
    bool locked;
    pthread_rwlock_t lock;
    uint64_t n; /* reads by each thread */
    bool failed;
};

/* Any node leads to any other: left and right of node i are nodes 2i and 2i + 1, modulo N_NODES. */
static bool build(struct sgc_cache *cache, struct sgc_root *root)
{
    static struct node *nodes[N_NODES];
    for (size_t i = 0; i < N_NODES; i++) {
        nodes[i] = sgc_new(cache);
        if (!nodes[i])
            return false;
        nodes[i]->value = (long)i;
    }
    for (size_t i = 0; i < N_NODES; i++) {
        sgc_set(nodes[i], left, nodes[2 * i % N_NODES]);
        sgc_set(nodes[i], right, nodes[(2 * i + 1) % N_NODES]);
    }
    sgc_root_set(root, nodes[1]);
    for (size_t i = 0; i < N_NODES; i++)
        sgc_drop(nodes[i]);
    return true;
}

static long follow(const struct sgc_root *root, uint64_t choices)
{
    const struct node *node = sgc_root_get(root);
    for (unsigned i = 0; i < HOPS; i++, choices >>= 1)
        node = choices & 1 ? sgc_get(node, right) : sgc_get(node, left);
    return node->value;
}

static void *read_many(void *arg)
{
    struct readers *readers = arg;
    uint64_t random = (uintptr_t)&random | 1;
    for (uint64_t i = 0; i < readers->n; i++) {
        const uint64_t choices = bench_random(&random) >> (64 - HOPS);
        if (readers->locked)
            pthread_rwlock_rdlock(&readers->lock);
        else
            sgc_enter();
        const long value = follow(&readers->root, choices);
        if (readers->locked)
            pthread_rwlock_unlock(&readers->lock);
        else
            sgc_leave();
        bench_use((void *)value);
    }
    return NULL;
}

static void readers_body(void *arg, uint64_t n)
{
    struct readers *readers = arg;
    pthread_t other[N_READERS - 1];
    unsigned started = 0;
    readers->n = n;
    for (; started < N_READERS - 1; started++) {
        if (pthread_create(&other[started], NULL, read_many, readers) != 0) {
            readers->failed = true;
            break;
        }
    }
    read_many(readers);
    while (started > 0)
        pthread_join(other[--started], NULL);
}

void bench_readers(struct bench_run *run)
{
    static struct readers readers;
    struct bench_heap heap;
    readers.locked = run->backend->rwlock;
    bench_parameter_add(run, "threads", "%d", N_READERS);
    bench_parameter_add(run, "objects", "%d", N_NODES);
    pthread_rwlock_init(&readers.lock, NULL);
    if (!bench_heap_open(run, &heap, &node_type,
                         SGC_NEED_REFERENCES | (readers.locked ? 0 : SGC_NEED_CONCURRENT_READERS)))
        return;
    if (build(heap.cache, &readers.root)) {
        bench_figure_add(run, "line_ns", bench_line_ns());
        bench_loop(run, readers_body, &readers);
    } else {
        bench_fail(run, "no memory for %d objects", N_NODES);
    }
    if (readers.failed)
        bench_fail(run, "no second thread");
    sgc_root_set(&readers.root, NULL);
    bench_heap_close(run, &heap);
}
