/* Generations are real, also those of cycle collectors: beside a million live objects, collecting a thousand dead rings
 * of ten visits fifty thousand objects at most. */
#include "tests/stress/common.h"
#include "tests/support/random.h"

#define N_LIVE 1000000
#define N_RINGS 1000
#define RING_LENGTH 10
#define N_VISITED_MAX 50000

struct node {
    struct node *left, *right;
    uint64_t value;
};
static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));
struct vec {
    uint64_t n;
    struct node *items[];
};
static const struct sgc_type vec_type = SGC_TYPE(struct vec, SGC_TAIL_REFS);

static struct sgc_stats stats_of(struct sgc_heap *heap)
{
    struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats;
}

static struct node *new_node(struct sgc_cache *nodes)
{
    struct node *node = sgc_new(nodes);
    STRESS_CHECK(node != NULL);
    return node;
}

/* Nodes that refer to each other at random, all named by one vec; in one section, so that no collection comes between.
 */
static struct vec *build_live(struct sgc_cache *nodes, struct sgc_cache *vecs)
{
    struct random random = {5};
    struct vec *all = sgc_new_n(vecs, N_LIVE);
    STRESS_CHECK(all != NULL);
    SGC_SECTION;
    for (uint64_t i = 0; i < N_LIVE; i++) {
        struct node *node = new_node(nodes);
        sgc_set(all, items[i], node);
        sgc_set(node, left, all->items[random_below(&random, i + 1)]);
        sgc_set(node, right, all->items[random_below(&random, i + 1)]);
        sgc_drop(node);
    }
    return all;
}

static void drop_rings(struct sgc_cache *nodes)
{
    for (uint64_t i = 0; i < N_RINGS; i++) {
        struct node *first = new_node(nodes), *last = first;
        for (unsigned k = 1; k < RING_LENGTH; k++) {
            struct node *next = new_node(nodes);
            sgc_set(last, left, next);
            sgc_drop(next); /* the ring names it */
            last = next;
        }
        sgc_set(last, left, first);
        sgc_drop(first);
    }
}

START_TEST(dead_rings_beside_a_million_live_objects_cost_little)
{
    if (strcmp(stress_strategies[_i], "marksweep") == 0)
        return; /* has no generations */
    struct sgc_heap *heap = stress_open(stress_strategies[_i], SGC_NEED_CYCLES | SGC_NEED_REFERENCES);
    struct sgc_cache *nodes = sgc_cache_create(heap, &node_type, NULL), *vecs = sgc_cache_create(heap, &vec_type, NULL);
    ck_assert(nodes && vecs);
    struct vec *all = build_live(nodes, vecs);
    for (int i = 0; i < 3; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats_of(heap).n_live, N_LIVE + 1);
    uint64_t before = stats_of(heap).n_visited;
    drop_rings(nodes);
    sgc_heap_collect(heap,
                     SGC_COLLECT_MINOR); /* a strategy may have collected before, by its thresholds: counted, too */
    struct sgc_stats stats = stats_of(heap);
    printf("%s: %llu objects visited\n", stress_strategies[_i], (unsigned long long)(stats.n_visited - before));
    ck_assert_uint_eq(stats.n_live, N_LIVE + 1);
    ck_assert_uint_le(stats.n_visited - before, N_VISITED_MAX);
    sgc_drop(all);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(stats_of(heap).n_live, 0);
    stress_close(heap);
}
END_TEST

int main(void)
{
    stress_init();
    Suite *suite = suite_create("stress/rings");
    TCase *tcase = tcase_create("rings");
    tcase_set_timeout(tcase, 200);
    tcase_add_loop_test(tcase, dead_rings_beside_a_million_live_objects_cost_little, 0, n_stress_strategies);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
