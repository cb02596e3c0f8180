/* stop_test.c - what the heap layer does to a cache while nobody else uses it. */
#include "tests/cache/items.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static const struct sgc_type bytes_type = {.name = "bytes", .tail_element_bytes = 1};

static unsigned n_used(const struct sgc_slab *slab)
{
    uint64_t used[SGC_SLAB_WORDS];
    unsigned n = 0;
    sgc_slab_used_words(slab, used);
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
        n += sgc_popcount64(used[i]);
    return n;
}

static void count_used(void *arg, struct sgc_slab *slab)
{
    *(uint64_t *)arg += n_used(slab);
}
static uint64_t n_used_in_all(void)
{
    uint64_t n = 0;
    sgc_cache_visit_slabs(cache, count_used, &n);
    return n;
}

static void *alloc_ten_and_stay_attached(void *arg)
{
    void **objects = arg;
    for (int i = 0; i < 10; i++)
        objects[i] = sgc_cache_alloc(cache);
    return NULL; /* the thread ends without giving its window back: as good as a thread at rest */
}

static unsigned n_in_windows(void)
{
    unsigned n = 0;
    SGC_LIST_FOR_EACH (at, &cache->classes[0]->fronts)
        n += SGC_LIST_ENTRY(at, struct sgc_front, link)->n;
    return n;
}

START_TEST(flush_empties_the_windows_of_all_threads_of_a_managed_cache)
{
    void *objects[20];
    in_thread(alloc_ten_and_stay_attached, objects);
    alloc_ten_and_stay_attached(objects + 10);
    cache->managed_manual = 0;
    ck_assert_uint_gt(n_used_in_all(), 20); /* windows look used */
    sgc_cache_flush(cache);
    ck_assert_uint_eq(n_in_windows(), 0);
    ck_assert_uint_eq(n_used_in_all(), 20);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 20);
    cache->managed_manual = 1;
    for (int i = 0; i < 20; i++)
        sgc_cache_free(cache, objects[i]);
    sgc_cache_flush(cache);
    ck_assert_uint_eq(n_used_in_all(), 0);
}
END_TEST

START_TEST(windows_of_a_bare_cache_stay_and_are_not_live)
{
    void *objects[20];
    in_thread(alloc_ten_and_stay_attached, objects);
    const unsigned n_other = n_in_windows();
    ck_assert_uint_gt(n_other, 0);
    alloc_ten_and_stay_attached(objects + 10);
    ck_assert_uint_eq(n_used_in_all(), 20);
    sgc_cache_flush(cache);
    ck_assert_uint_eq(n_in_windows(), n_other); /* this thread's alone is empty */
    ck_assert_uint_eq(n_used_in_all(), 20);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 20);
    attach_verify(cache);
    for (int i = 0; i < 20; i++)
        sgc_cache_free(cache, objects[i]);
    ck_assert_uint_eq(n_used_in_all(), 0);
}
END_TEST

struct worker {
    bool begun, over; /* atomic */
};

/* Stays in its window, as the inline paths do: whatever fills or empties it is kept away from stops. */
static void *allocate_and_free_until(void *arg)
{
    struct worker *worker = arg;
    void *objects[20];
    while (!__atomic_load_n(&worker->over, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < 20; i++)
            objects[i] = sgc_cache_alloc(cache);
        for (int i = 0; i < 20; i++)
            sgc_cache_free(cache, objects[i]);
        __atomic_store_n(&worker->begun, true, __ATOMIC_RELEASE);
    }
    sgc_fronts_detach(&sgc_context_);
    return NULL;
}

START_TEST(a_bare_cache_is_walked_while_a_thread_works_on_its_window)
{
    void *objects[20];
    struct worker worker = {false, false};
    pthread_t thread;
    alloc_ten_and_stay_attached(objects);
    alloc_ten_and_stay_attached(objects + 10);
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_and_free_until, &worker), 0);
    const struct sgc_slab *slab = sgc_slab_of(objects[0]);
    while (!__atomic_load_n(&worker.begun, __ATOMIC_ACQUIRE))
        sched_yield();
    for (int round = 0; round < 20000; round++) {
        uint64_t used[SGC_SLAB_WORDS];
        sgc_slab_used_words(slab, used); /* what this thread holds is always seen */
        for (int i = 0; i < 20; i++) {
            const unsigned granule = sgc_slab_granule(objects[i]);
            ck_assert(sgc_slab_of(objects[i]) != slab || used[granule / 64] >> (granule % 64) & 1);
        }
    }
    __atomic_store_n(&worker.over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    sgc_cache_free_bulk(cache, objects, 20);
    ck_assert_uint_eq(n_used_in_all(), 0);
}
END_TEST

START_TEST(walks_see_exactly_the_live_objects)
{
    static void *objects[3000];
    for (int i = 0; i < 3000; i++)
        objects[i] = sgc_cache_alloc(cache);
    for (int i = 0; i < 3000; i += 3)
        sgc_cache_free(cache, objects[i]);
    sgc_cache_flush(cache);
    for (int i = 0; i < 3000; i++) {
        uint64_t used[SGC_SLAB_WORDS];
        sgc_slab_used_words(sgc_slab_of(objects[i]), used);
        const unsigned granule = sgc_slab_granule(objects[i]);
        ck_assert_uint_eq(used[granule / 64] >> (granule % 64) & 1, i % 3 != 0);
    }
    ck_assert_uint_eq(n_used_in_all(), 2000);
}
END_TEST

static void free_everything(void *unused, struct sgc_slab *slab)
{
    (void)unused;
    uint64_t used[SGC_SLAB_WORDS];
    sgc_slab_used_words(slab, used);
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
        sgc_slab_free_mask(slab, i, used[i]);
}

START_TEST(a_visit_may_free_what_it_visits_and_relist_returns_the_slabs)
{
    for (size_t i = 0; i < 30 * PER_SLAB; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_cache_flush(cache);
    sgc_cache_visit_slabs(cache, free_everything, NULL);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_cache_relist(cache);
    ck_assert_uint_le(class_->n_slabs, class_->n_keep + 1);
}
END_TEST

static void *fill_slabs(void *unused)
{
    for (size_t i = 0; i < 30 * PER_SLAB; i++)
        if (!sgc_cache_alloc(cache))
            abort();
    return unused;
}

START_TEST(a_sweep_of_other_threads_slabs_returns_them_too)
{
    in_thread(fill_slabs, NULL);
    sgc_cache_flush(cache);
    sgc_cache_visit_slabs(cache, free_everything, NULL);
    sgc_cache_relist(cache);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    ck_assert_uint_le(class_->n_slabs, class_->n_keep + 1);
}
END_TEST

static void free_odd_words(void *unused, struct sgc_slab *slab)
{
    (void)unused;
    uint64_t used[SGC_SLAB_WORDS];
    sgc_slab_used_words(slab, used);
    for (unsigned i = 1; i < SGC_SLAB_WORDS; i += 2)
        sgc_slab_free_mask(slab, i, used[i]);
}

START_TEST(after_a_relist_threads_share_what_one_had_too_much_of)
{
    in_thread(fill_slabs, NULL); /* its front stays, with 30 slabs */
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_cache_flush(cache);
    sgc_cache_visit_slabs(cache, free_odd_words, NULL);
    sgc_cache_relist(cache);
    ck_assert(!sgc_list_empty(&class_->partial));
    const uint32_t n_slabs = class_->n_slabs;
    for (size_t i = 0; i < 10 * PER_SLAB; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert_uint_eq(class_->n_slabs, n_slabs);
}
END_TEST

static uint64_t take_fresh_length(bool *has, const struct sgc_slab *wanted)
{
    uint64_t n = 0;
    *has = false;
    for (const struct sgc_slab *slab = sgc_cache_take_fresh(cache); slab; slab = slab->fresh_next) {
        *has |= slab == wanted;
        n++;
    }
    return n;
}

START_TEST(fresh_names_each_slab_allocated_from_since_the_last_call_once)
{
    bool has;
    void *object = NULL;
    for (size_t i = 0; i < 3 * PER_SLAB; i++)
        object = sgc_cache_alloc(cache);
    sgc_cache_flush(cache);
    ck_assert_uint_eq(take_fresh_length(&has, sgc_slab_of(object)), 3);
    ck_assert(has);
    ck_assert_uint_eq(take_fresh_length(&has, NULL), 0);
    sgc_cache_free(cache, object);
    sgc_cache_flush(cache);
    ck_assert_uint_eq(take_fresh_length(&has, NULL), 0); /* a free is no allocation */
    object = sgc_cache_alloc(cache);
    ck_assert_uint_eq(take_fresh_length(&has, sgc_slab_of(object)), 1);
    ck_assert(has);
    sgc_cache_flush(cache);
    object = sgc_cache_alloc(cache); /* the same slab again */
    ck_assert_uint_eq(take_fresh_length(&has, sgc_slab_of(object)), 1);
    ck_assert(has);
}
END_TEST

START_TEST(fresh_names_large_objects_and_lets_them_be_freed_on_the_way)
{
    struct sgc_cache *blobs = attach_cache(&bytes_type, 0, NULL);
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(sgc_cache_alloc_n(blobs, 100000));
    ck_assert_ptr_nonnull(sgc_cache_alloc_n(blobs, 100));
    sgc_cache_flush(blobs);
    int n = 0;
    for (struct sgc_slab *slab = sgc_cache_take_fresh(blobs); slab; slab = slab->fresh_next, n++)
        free_everything(NULL, slab);
    ck_assert_int_eq(n, 6);
    sgc_cache_relist(blobs);
    ck_assert_uint_eq(sgc_cache_n_live(blobs), 0);
    attach_verify(blobs);
    sgc_cache_unmake(blobs);
}
END_TEST

START_TEST(a_fresh_slab_that_leaves_is_on_no_list)
{
    bool has;
    static void *objects[20 * PER_SLAB];
    for (size_t i = 0; i < 20 * PER_SLAB; i++)
        objects[i] = sgc_cache_alloc(cache);
    for (size_t i = 0; i < 20 * PER_SLAB; i++)
        sgc_cache_free(cache, objects[i]);
    sgc_cache_shrink(cache);
    ck_assert_uint_eq(class_->n_slabs, 0);
    ck_assert_uint_eq(take_fresh_length(&has, NULL), 0);
}
END_TEST

/* A miniature of a collector: random deaths found at stops while threads allocate between them. */
static void *allocate_some(void *seed)
{
    uint64_t state = *(uint64_t *)seed;
    for (int i = 0; i < 3000; i++) {
        struct item *item = sgc_cache_alloc(cache);
        item->words[0] = support_random(&state) % 4; /* lives so many sweeps */
    }
    *(uint64_t *)seed = state;
    return NULL;
}
static void sweep_slab(void *n_survivors, struct sgc_slab *slab)
{
    uint64_t used[SGC_SLAB_WORDS];
    sgc_slab_used_words(slab, used);
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        uint64_t dead = 0;
        for (uint64_t left = used[word]; left; left &= left - 1) {
            struct item *item = slab_object(slab, word, sgc_ctz64(left));
            if (item->words[0]-- == 0)
                dead |= left & -left;
            else
                ++*(uint64_t *)n_survivors;
        }
        sgc_slab_free_mask(slab, word, dead);
    }
}

START_TEST(sweeps_at_stops_keep_the_books)
{
    uint64_t seeds[2] = {support_seed("stop_test", 1), 2};
    pthread_t threads[2];
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate_some, &seeds[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        uint64_t n_survivors = 0;
        sgc_cache_flush(cache);
        sgc_cache_visit_slabs(cache, sweep_slab, &n_survivors);
        sgc_cache_flush(cache);
        sgc_cache_relist(cache);
        ck_assert_uint_eq(sgc_cache_n_live(cache), n_survivors);
        attach_verify(cache);
    }
    ck_assert_uint_le(class_->n_slabs,
                      120); /* 4 rounds of 6,000 objects live at most, two threads' leftovers a round */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stop");
    TCase *tcase = tcase_create("stop");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, flush_empties_the_windows_of_all_threads_of_a_managed_cache);
    tcase_add_test(tcase, windows_of_a_bare_cache_stay_and_are_not_live);
    tcase_add_test(tcase, a_bare_cache_is_walked_while_a_thread_works_on_its_window);
    tcase_add_test(tcase, walks_see_exactly_the_live_objects);
    tcase_add_test(tcase, a_visit_may_free_what_it_visits_and_relist_returns_the_slabs);
    tcase_add_test(tcase, a_sweep_of_other_threads_slabs_returns_them_too);
    tcase_add_test(tcase, after_a_relist_threads_share_what_one_had_too_much_of);
    tcase_add_test(tcase, fresh_names_each_slab_allocated_from_since_the_last_call_once);
    tcase_add_test(tcase, fresh_names_large_objects_and_lets_them_be_freed_on_the_way);
    tcase_add_test(tcase, a_fresh_slab_that_leaves_is_on_no_list);
    tcase_add_test(tcase, sweeps_at_stops_keep_the_books);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
