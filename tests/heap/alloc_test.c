/* alloc_test.c - making objects: what a new one looks like, limits in sections and at rest, reservations, refusals by
 * the OS. */
#include "core/heap/section.h"
#include "core/os/fault.h"
#include "tests/heap/support.h"
#include "tests/support/steps.h"

#define LIMIT (SGC_SLAB_BYTES * 16)

struct block {
    struct block *next;
    char bytes[2000];
};
static const struct sgc_type block_type = SGC_TYPE(struct block, SGC_REFS(struct block, next));
static const struct sgc_type text_type = {.name = "text", .size_bytes = 24, SGC_TAIL_DATA(1)};

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *blocks, *texts;

static void open_with(const struct sgc_strategy_plugin *plugin, uint64_t soft_bytes, uint64_t hard_bytes)
{
    memset(&probe, 0, sizeof(probe));
    heap = open_limited("alloc", plugin, soft_bytes, hard_bytes);
    nodes = make_cache(heap, &node_type);
    blocks = make_cache(heap, &block_type);
    texts = make_cache(heap, &text_type);
}

static void setup(void)
{
    open_with(&sharing_plugin, 0, 0);
}

static void teardown(void)
{
    close_heap(heap);
}

static bool is_zero(const void *at, size_t bytes)
{
    const char *bytes_at = at;
    for (size_t i = 0; i < bytes; i++)
        if (bytes_at[i])
            return false;
    return true;
}

START_TEST(a_new_object_is_zero_with_one_hold_and_the_strategys_state)
{
    for (int round = 0; round < 3; round++) {
        struct block *block = sgc_new(blocks);
        struct node *node = sgc_new(nodes);
        ck_assert(is_zero(block, sizeof(*block)));
        ck_assert(is_zero(node, sizeof(*node)));
        ck_assert_uint_eq(count_of(block), 1);
        ck_assert_uint_eq(*sgc_state_byte(&sgc_counts, node), SGC_STATE_STORE | SGC_STATE_COUNTED | SGC_STATE_DEFER);
        memset(block->bytes, 0xee, sizeof(block->bytes)); /* the next round finds the slot again */
        node->value = -1;
        sgc_drop(block);
        sgc_drop(node);
    }
}
END_TEST

START_TEST(variable_objects_of_every_size_are_zero_to_their_end)
{
    static const size_t sizes[] = {0, 1, 7, 100, 1000, 5000, 30000, 70000, 1000000};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *text = sgc_new_n(texts, sizes[i]);
            ck_assert_uint_ge(sgc_size(text), 24 + sizes[i]);
            ck_assert(is_zero(text, sgc_size(text)));
            memset(text, 0x55, sgc_size(text));
            sgc_drop(text);
        }
    }
}
END_TEST

START_TEST(a_size_that_no_address_space_holds_is_an_overflow)
{
    errno = 0;
    ck_assert_ptr_null(sgc_new_n(texts, SIZE_MAX));
    ck_assert_int_eq(errno, EOVERFLOW);
    errno = 0;
    ck_assert_ptr_null(sgc_new_n(texts, SIZE_MAX / 4));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

static int n_ctors, n_resets;
static int stamp_ctor(void *slot)
{
    n_ctors++;
    ((struct node *)slot)->pad = 77;
    return 0;
}
static void stamp_reset(void *object)
{
    n_resets++;
    ((struct node *)object)->value = 0;
}
static const struct sgc_type stamp_type = {
    .name = "stamp", .size_bytes = sizeof(struct node), .ctor = stamp_ctor, .reset = stamp_reset};

START_TEST(constructed_state_is_kept_and_not_cleared)
{
    struct sgc_cache *stamps = make_cache(heap, &stamp_type);
    for (int i = 0; i < 100; i++) {
        struct node *stamp = sgc_new(stamps);
        ck_assert_int_eq(stamp->pad, 77);
        stamp->value = i;
        sgc_drop(stamp);
    }
    ck_assert_int_eq(n_resets, 100);
    ck_assert_int_lt(n_ctors, 5000); /* a slab's worth, not one for each */
}
END_TEST

static const struct sgc_type eternal_type = {.name = "eternal", .size_bytes = 32, .flags = SGC_TYPE_IMMORTAL};

START_TEST(an_immortal_object_survives_its_last_drop)
{
    struct sgc_cache *eternals = make_cache(heap, &eternal_type);
    void *eternal = sgc_new(eternals);
    sgc_drop(eternal);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_hold(eternal);
    sgc_drop(eternal);
    ck_assert_uint_eq(n_live(heap), 1);
}
END_TEST

/* ---- limits: soft at rest, hard in sections */

/* Allocates until NULL; the objects hang on one list. Returns how many. */
static size_t fill(struct block **list)
{
    size_t n = 0;
    errno = 0;
    for (struct block *block; (block = sgc_new(blocks)) != NULL; n++) {
        sgc_set(block, next, *list);
        sgc_drop(*list);
        *list = block;
    }
    ck_assert_int_eq(errno, ENOMEM);
    return n;
}

START_TEST(a_section_overdraws_up_to_the_hard_limit_and_never_collects)
{
    struct block *list = NULL, *more = NULL;
    open_with(&sharing_plugin, LIMIT, LIMIT * 2);
    const size_t at_rest = fill(&list);
    const uint64_t n_full = stats_of(heap).n_full;
    ck_assert_uint_gt(n_full, 0); /* at rest it tried */
    ck_assert_uint_le(stats_of(heap).held_bytes, LIMIT);
    sgc_enter();
    const size_t in_section = fill(&more);
    ck_assert_uint_eq(stats_of(heap).n_full, n_full);
    sgc_leave();
    ck_assert_uint_gt(in_section, at_rest / 2);
    ck_assert_uint_le(stats_of(heap).held_bytes, LIMIT * 2);
    ck_assert_uint_le(stats_of(heap).peak_bytes, LIMIT * 2);
    sgc_drop(list);
    sgc_drop(more);
}
END_TEST

/* The strategy finds garbage only when it collects. */
static struct block *garbage;
static void collect_drops_garbage(void *self)
{
    (void)self;
    if (garbage) {
        sgc_reclaim(heap, (void *const *)&garbage, 1);
        garbage = NULL;
    }
}

START_TEST(at_rest_an_emergency_collection_comes_before_null)
{
    static void *all[4096];
    size_t n = 0;
    open_with(&probe_plugin, LIMIT, 0);
    probe.collect = collect_drops_garbage;
    while (n < 4096 && stats_of(heap).n_emergency == 0) {
        all[n] = sgc_new(blocks);
        if (!all[n])
            break;
        n++;
    }
    ck_assert_uint_gt(stats_of(heap).n_emergency, 0);
    const uint64_t before = stats_of(heap).n_emergency;
    garbage = all[--n];
    void *rescued = sgc_new(blocks);
    ck_assert_ptr_nonnull(rescued);
    ck_assert_uint_gt(stats_of(heap).n_emergency, before);
    ck_assert_ptr_null(sgc_new(blocks));
    while (n > 0)
        sgc_drop(all[--n]);
    sgc_drop(rescued);
}
END_TEST

static unsigned n_shrinks;
static size_t shrink_list(void *arg, size_t wanted)
{
    struct block **list = arg;
    n_shrinks++;
    ck_assert_uint_eq(sgc_context_.depth, 0);
    ck_assert_uint_gt(wanted, 0);
    sgc_drop(*list);
    *list = NULL;
    return LIMIT;
}

START_TEST(shrinkers_are_asked_when_collecting_was_not_enough)
{
    struct block *cached = NULL;
    open_with(&sharing_plugin, LIMIT, 0);
    ck_assert_int_eq(sgc_shrinker_register(heap, shrink_list, &cached), 0);
    for (size_t bytes = 0; bytes + 2 * SGC_SLAB_BYTES < LIMIT; bytes += sizeof(struct block)) {
        struct block *block = sgc_new(blocks);
        sgc_set(block, next, cached);
        sgc_drop(cached);
        cached = block;
    }
    n_shrinks = 0;
    char *large = sgc_new_n(texts, LIMIT / 2);
    ck_assert_ptr_nonnull(large);
    ck_assert_uint_eq(n_shrinks, 1);
    sgc_drop(large);
    sgc_shrinker_unregister(heap, shrink_list, &cached);
}
END_TEST

/* ---- reservations */

START_TEST(a_reservation_needs_nothing_of_the_os_in_the_section)
{
    enum { N = 5000 };
    static struct node *made[N];
    ck_assert_int_eq(sgc_reserve(nodes, N), 0);
    sgc_enter();
    sgc_os_fault_arm(1, true);
    for (int i = 0; i < N; i++)
        made[i] = sgc_new(nodes);
    sgc_os_fault_disarm();
    sgc_leave();
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_nonnull(made[i]);
        sgc_drop(made[i]);
    }
}
END_TEST

static void *collects(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    return NULL;
}

START_TEST(a_reservation_outlives_other_threads_collections)
{
    enum { N = 3000 };
    static struct node *made[N];
    open_with(&sharing_plugin, LIMIT, LIMIT);
    ck_assert_int_eq(sgc_reserve(nodes, N), 0);
    join(support_thread("collects", collects, NULL));
    sgc_enter();
    sgc_os_fault_arm(1, true);
    for (int i = 0; i < N; i++)
        made[i] = sgc_new(nodes);
    sgc_os_fault_disarm();
    sgc_leave();
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_nonnull(made[i]);
        sgc_drop(made[i]);
    }
}
END_TEST

START_TEST(a_reservation_beyond_the_limit_is_refused)
{
    open_with(&sharing_plugin, LIMIT, LIMIT);
    ck_assert_int_eq(sgc_reserve(blocks, LIMIT / sizeof(struct block) * 2), -ENOMEM);
    ck_assert_uint_gt(stats_of(heap).n_emergency, 0);
    ck_assert_int_eq(sgc_reserve(blocks, 10), 0);
}
END_TEST

static void noop_finalize(void *object)
{
    (void)object;
}
static const struct sgc_type mourned_type = {.name = "mourned", .size_bytes = 32, .finalize = noop_finalize};

START_TEST(a_reservation_covers_the_finalizer_queue)
{
    enum { N = 20000 }; /* a queue of that length is no small record */
    static void *made[N];
    struct sgc_cache *mourned = make_cache(heap, &mourned_type);
    ck_assert_int_eq(sgc_reserve(mourned, N), 0);
    sgc_enter();
    sgc_os_fault_arm(1, true);
    for (int i = 0; i < N; i++)
        made[i] = sgc_new(mourned);
    sgc_os_fault_disarm();
    sgc_leave();
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_nonnull(made[i]);
        sgc_drop(made[i]);
    }
    ck_assert_uint_eq(sgc_finalizers_run(heap, 0), N);
}
END_TEST

static void reserve_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    (void)sgc_reserve(nodes, 1);
}

START_TEST(reserving_in_a_section_panics)
{
    support_expect_panic(reserve_in_section, NULL, "sgc_reserve: called inside a section; reserve before entering it");
}
END_TEST

/* ---- the strategy's part, and refusals */

static unsigned depth_before_alloc = 1, busy_before_alloc = 1;
static void note_rest(void *self)
{
    (void)self;
    depth_before_alloc = sgc_context_.depth;
    busy_before_alloc = sgc_context_.busy;
}

START_TEST(the_strategy_is_asked_at_rest_and_only_on_the_slow_path)
{
    enum { N = 2000 };
    static struct node *made[N];
    open_with(&probe_plugin, 0, 0);
    probe.before_alloc = note_rest;
    sgc_drop(sgc_new(nodes));
    ck_assert_uint_ge(probe.n_before_alloc, 1);
    ck_assert_uint_eq(depth_before_alloc, 0);
    ck_assert_uint_eq(busy_before_alloc, 0);
    const unsigned before = probe.n_before_alloc;
    for (int i = 0; i < N; i++)
        made[i] = sgc_new(nodes);
    ck_assert_uint_gt(probe.n_before_alloc, before);
    ck_assert_uint_lt(probe.n_before_alloc, before + N / 16);
    const unsigned at_rest = probe.n_before_alloc;
    sgc_enter();
    for (int i = 0; i < N; i++)
        sgc_drop(sgc_new(nodes)); /* nothing is reclaimed: each takes a slot */
    sgc_leave();
    ck_assert_uint_eq(probe.n_before_alloc, at_rest);
    for (int i = 0; i < N; i++)
        sgc_drop(made[i]);
}
END_TEST

START_TEST(every_refusal_by_the_os_is_null_with_enomem_and_breaks_nothing)
{
    struct sgc_cache *mourned = make_cache(heap, &mourned_type);
    unsigned n_refused = 0;
    for (uint64_t k = 1; k < 200; k++) {
        void *made[3] = {0};
        /* needs slabs of its own */
        struct sgc_cache *fresh = make_cache(heap, &(struct sgc_type){.name = "fresh", .size_bytes = 3000});
        errno = 0;
        sgc_os_fault_arm(k, true);
        made[0] = sgc_new(fresh);
        made[1] = made[0] ? sgc_new_n(texts, 300000) : NULL;
        made[2] = made[1] ? sgc_new(mourned) : NULL;
        const bool fired = sgc_os_fault_fired();
        sgc_os_fault_disarm();
        if (!made[2])
            ck_assert_int_eq(errno, ENOMEM);
        n_refused += !made[2];
        for (int i = 0; i < 3; i++)
            sgc_drop(made[i]);
        sgc_finalizers_run(heap, 0);
        ck_assert_uint_eq(n_live(heap), 0);
        assert_verifies(heap);
        ck_assert_int_eq(sgc_cache_destroy(fresh, NULL), 0);
        if (!fired)
            break;
    }
    ck_assert_uint_gt(n_refused, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alloc");
    TCase *tc = tcase_create("alloc");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_new_object_is_zero_with_one_hold_and_the_strategys_state);
    tcase_add_test(tc, variable_objects_of_every_size_are_zero_to_their_end);
    tcase_add_test(tc, a_size_that_no_address_space_holds_is_an_overflow);
    tcase_add_test(tc, constructed_state_is_kept_and_not_cleared);
    tcase_add_test(tc, an_immortal_object_survives_its_last_drop);
    tcase_add_test(tc, a_reservation_needs_nothing_of_the_os_in_the_section);
    tcase_add_test(tc, a_reservation_covers_the_finalizer_queue);
    tcase_add_test(tc, reserving_in_a_section_panics);
    tcase_add_test(tc, every_refusal_by_the_os_is_null_with_enomem_and_breaks_nothing);
    suite_add_tcase(suite, tc);
    TCase *limits = tcase_create("limits");
    tcase_add_checked_fixture(limits, NULL, teardown);
    tcase_add_test(limits, a_section_overdraws_up_to_the_hard_limit_and_never_collects);
    tcase_add_test(limits, at_rest_an_emergency_collection_comes_before_null);
    tcase_add_test(limits, shrinkers_are_asked_when_collecting_was_not_enough);
    tcase_add_test(limits, a_reservation_outlives_other_threads_collections);
    tcase_add_test(limits, a_reservation_beyond_the_limit_is_refused);
    tcase_add_test(limits, the_strategy_is_asked_at_rest_and_only_on_the_slow_path);
    suite_add_tcase(suite, limits);
    return support_main(suite);
}
