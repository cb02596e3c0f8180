/* workloads.c - the table of workloads. Read by main.c; never changes. */
#include "tests/bench/churn.h"

static void run_trees(struct bench_run *run)
{
    if (run->backend->kind == BENCH_MALLOC)
        bench_trees_malloc(run);
    else
        bench_trees_slabgc(run);
}

#define STRATEGIES "refcount", "generational", "rcu"
#define MALLOCS "glibc", "jemalloc", "mimalloc", "tcmalloc"

#define MICRO(name_, what_, run_, ...)                                                                                 \
    {                                                                                                                  \
        .name = name_, .groups = "micro", .unit = "ns", .what = what_, .run = run_, .backends = { __VA_ARGS__ }        \
    }

#define CACHE_LOOP_MS 50    /* there are many of them */
#define CACHE_COUNTED 65536 /* operations: more than a cycle of what repeats itself with up to 1e4 objects alive */

/* Group cache: sgc_cache_alloc and sgc_cache_free, the bare object cache, and our malloc, against malloc and free. */
#define CACHE(name_, groups_, unit_, what_, run_, ...)                                                                 \
    {                                                                                                                  \
        .name = name_, .groups = "cache " groups_, .unit = unit_, .what = what_, .run = run_,                          \
        .backends = {MALLOCS, "cache", "slabgc-malloc"}, .loop_ms = CACHE_LOOP_MS, __VA_ARGS__                         \
    }

/* Rows for one order and size. Instructions with a million objects alive are not counted: they would
 * take valgrind minutes, and hardly differ from those with ten thousand. */
#define CHURN(name_, groups_, what_, order_, bytes_, ...)                                                              \
    CACHE(name_ "-" #bytes_, "churn " groups_, "ns", what_, bench_churn, .variant = order_, .size_bytes = bytes_,      \
          .n_counted = CACHE_COUNTED, __VA_ARGS__)
#define CHURN_LIVE(name_, groups_, what_, order_, bytes_, live_, n_counted_)                                           \
    CACHE(name_ "-" #bytes_ "-" #live_, "churn " groups_, "ns", what_, bench_churn, .variant = order_,                 \
          .size_bytes = bytes_, .live = (unsigned)live_, .n_counted = n_counted_)

/* Groups of the rows with 100, ten thousand and a million objects alive. */
#define CHURN_LIVES(name_, few_, some_, many_, what_, order_, bytes_)                                                  \
    CHURN_LIVE(name_, few_, what_, order_, bytes_, 1e2, CACHE_COUNTED),                                                \
        CHURN_LIVE(name_, some_, what_, order_, bytes_, 1e4, CACHE_COUNTED),                                           \
        CHURN_LIVE(name_, many_, what_, order_, bytes_, 1e6, 0)

#define CHURN_SIZE(bytes_, lifo_, many_)                                                                               \
    CHURN("pair", "shows", "allocate an object, write it, read it, free it", CHURN_PAIR, bytes_),                      \
        CHURN("lifo16", "shows", "allocate 16 objects, free them in reverse order", CHURN_LIFO16, bytes_),             \
        CHURN_LIVES("lifo", lifo_, lifo_, lifo_, "a stack that grows and shrinks by batches on top of what is live",   \
                    CHURN_LIFO, bytes_),                                                                               \
        CHURN_LIVES("fifo", "", "shows", many_, "a queue of what is live: allocate one, free the oldest", CHURN_FIFO,  \
                    bytes_),                                                                                           \
        CHURN_LIVES("random", "", "shows", many_, "allocate one, free a random one of what is live", CHURN_RANDOM,     \
                    bytes_),                                                                                           \
        CHURN_LIVES("wave", "", "", "", "allocate all, free all in the same order", CHURN_WAVE, bytes_),               \
        CHURN_LIVES("wave-shuffled", "", "", "", "allocate all, free all in random order", CHURN_WAVE_SHUFFLED,        \
                    bytes_)

#define CONSTRUCT(name_, what_, level_)                                                                                \
    CACHE("construct-" name_, "construct shows", "ns", "pairs of constructed objects: " what_, bench_construct,        \
          .variant = level_, .n_counted = CACHE_COUNTED),                                                              \
        CACHE("construct-" name_ "-1e4", "construct", "ns", "random replacement of constructed objects: " what_,       \
              bench_construct, .variant = level_, .live = 10000, .n_counted = CACHE_COUNTED)

#define BULK(n_)                                                                                                       \
    CACHE("bulk-" #n_, "bulk", "ns", "objects by bulk calls, against loops of malloc and free", bench_bulk,            \
          .variant = n_, .size_bytes = 64, .n_counted = CACHE_COUNTED)

#define PHASE(name_, bytes_)                                                                                           \
    CACHE("phase-" name_, "phase shows", "s", "grow, free 90% at random, go on: what stays resident", bench_phase,     \
          .size_bytes = bytes_, .max_repetitions = 1)

const struct bench_workload bench_workloads[] = {
    {.name = "binary-trees",
     .groups = "programs",
     .unit = "s",
     .what = "build, count and drop trees up to --depth",
     .backends = {"glibc", "jemalloc", "boehm", "refcount", "refcount+sections", "generational",
                  "generational+sections", "rcu", "rcu+sections"},
     .run = run_trees},
    {.name = "new-drop-rest",
     .groups = "micro shows",
     .unit = "ns",
     .what = "a new object of 24 bytes and its only drop, at rest",
     .backends = {MALLOCS, "none", STRATEGIES},
     .run = bench_new_drop_rest,
     .n_counted = CACHE_COUNTED},
    {.name = "new-drop-section",
     .groups = "micro shows",
     .unit = "ns",
     .what = "the same, 128 in a section",
     .backends = {MALLOCS, "none", STRATEGIES},
     .run = bench_new_drop_section,
     .n_counted = CACHE_COUNTED},
    MICRO("hold-drop-rest", "one more hold and its drop, at rest", bench_hold_drop, STRATEGIES),
    MICRO("store-young-rest", "a store into one young object, at rest", bench_store_young_rest, STRATEGIES),
    MICRO("store-young-section", "the same, 128 in a section", bench_store_young_section, STRATEGIES),
    MICRO("store-old-rest", "a store into one object that a full collection has seen, at rest", bench_store_old_rest,
          STRATEGIES),
    MICRO("store-old-section", "the same, 128 in a section", bench_store_old_section, STRATEGIES),
    MICRO("store-old-first", "the first store since a collection into each of 65536 old objects, in sections",
          bench_store_old_first, STRATEGIES),
    MICRO("enter-leave", "an empty section", bench_enter_leave, STRATEGIES),
    MICRO("weak-get", "the object of a weak reference, and its drop, at rest", bench_weak_get, STRATEGIES),
    MICRO("mark", "a full collection by live object, in a random graph of --objects", bench_mark, "generational",
          "boehm", "refcount", "rcu"),
    MICRO("readers", "8 references followed from a root, by each of 2 threads at once", bench_readers,
          "refcount+rwlock", "generational", "rcu"),
    CHURN_SIZE(16, "", "shows"),
    CHURN_SIZE(64, "shows", "shows"),
    CHURN_SIZE(256, "", ""),
    CHURN_SIZE(1024, "", "shows"),
    CACHE("producer-consumer-64", "threads shows", "ns", "one thread allocates, another frees, through a bounded queue",
          bench_producer_consumer, .size_bytes = 64),
    CACHE("symmetric-64", "threads shows", "ns", "two threads exchange objects and free each other's", bench_symmetric,
          .size_bytes = 64),
    CACHE("larson-64", "threads shows", "ns", "random replacement by 2 chains of threads, each inheriting an array",
          bench_larson, .size_bytes = 64),
    CACHE("larson-mix", "threads shows", "ns", "the same with four sizes by place", bench_larson),
    CACHE("thread-churn-64", "threads", "ns", "threads that allocate, leave some objects behind and end",
          bench_thread_churn, .size_bytes = 64),
    CACHE("scaling-64-1e4", "threads shows", "ns", "random replacement by 2 threads at once; figures say what 1 does",
          bench_scaling, .size_bytes = 64, .live = 10000),
    CONSTRUCT("light", "list head, eight fields", CONSTRUCT_LIGHT),
    CONSTRUCT("mutex", "mutex, list head, eight fields", CONSTRUCT_MUTEX),
    CONSTRUCT("heavy", "mutex, list head, eight fields, table of 512 bytes", CONSTRUCT_HEAVY),
    BULK(16),
    BULK(64),
    BULK(256),
    PHASE("64", 64),
    PHASE("1024", 1024),
    PHASE("mix", 0),
};
const size_t bench_n_workloads = sizeof(bench_workloads) / sizeof(bench_workloads[0]);
