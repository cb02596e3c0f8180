/* workloads.c - the table of workloads. Read by main.c; never changes. */
#include "tests/bench/bodies.h"

static void run_trees(struct bench_run *run)
{
    if (run->backend->kind == BENCH_MALLOC)
        bench_trees_malloc(run);
    else
        bench_trees_slabgc(run);
}

#define STRATEGIES "refcount", "generational", "rcu"

const struct bench_workload bench_workloads[] = {
    {"binary-trees",
     "programs",
     "s",
     "build, count and drop trees up to --depth",
     {"glibc", "jemalloc", "boehm", "refcount", "refcount+sections", "generational", "generational+sections", "rcu",
      "rcu+sections"},
     run_trees},
    {"new-drop-rest",
     "micro",
     "ns",
     "a new object of 24 bytes and its only drop, at rest",
     {"glibc", "jemalloc", "none", STRATEGIES},
     bench_new_drop_rest},
    {"new-drop-section",
     "micro",
     "ns",
     "the same, 128 in a section",
     {"glibc", "jemalloc", "none", STRATEGIES},
     bench_new_drop_section},
    {"hold-drop-rest", "micro", "ns", "one more hold and its drop, at rest", {STRATEGIES}, bench_hold_drop},
    {"store-young-rest", "micro", "ns", "a store into one young object, at rest", {STRATEGIES}, bench_store_young_rest},
    {"store-young-section", "micro", "ns", "the same, 128 in a section", {STRATEGIES}, bench_store_young_section},
    {"store-old-rest",
     "micro",
     "ns",
     "a store into one object that a full collection has seen, at rest",
     {STRATEGIES},
     bench_store_old_rest},
    {"store-old-section", "micro", "ns", "the same, 128 in a section", {STRATEGIES}, bench_store_old_section},
    {"store-old-first",
     "micro",
     "ns",
     "the first store since a collection into each of 65536 old objects, in sections",
     {STRATEGIES},
     bench_store_old_first},
    {"enter-leave", "micro", "ns", "an empty section", {STRATEGIES}, bench_enter_leave},
    {"weak-get", "micro", "ns", "the object of a weak reference, and its drop, at rest", {STRATEGIES}, bench_weak_get},
    {"mark",
     "micro",
     "ns",
     "a full collection by live object, in a random graph of --objects",
     {"generational", "boehm", "refcount", "rcu"},
     bench_mark},
    {"readers",
     "micro",
     "ns",
     "8 references followed from a root, by each of 2 threads at once",
     {"refcount+rwlock", "generational", "rcu"},
     bench_readers},
};
const size_t bench_n_workloads = sizeof(bench_workloads) / sizeof(bench_workloads[0]);
