/* alloc_test.c - the bare object cache: single objects, constructed state, limits, faults. Misuse: alloc_misuse_test.c.
 */
#include "core/cache/internal.h"
#include "core/os/fault.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct item {
    uint64_t words[6];
};
static const struct sgc_type item_type = SGC_TYPE(struct item);

static const struct sgc_type bytes_type = {.name = "bytes", .size_bytes = 8, .tail_element_bytes = 1};

static uint64_t n_live(struct sgc_cache *cache)
{
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_allocated - stats.n_freed, stats.n_live);
    return stats.n_live;
}

START_TEST(objects_are_distinct_aligned_and_the_programs_own)
{
    enum { N = 5000 };
    static struct item *items[N];
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    ck_assert_str_eq(sgc_cache_name(cache), "item");
    for (uintptr_t i = 0; i < N; i++) {
        items[i] = sgc_cache_alloc(cache);
        ck_assert_ptr_nonnull(items[i]);
        ck_assert_uint_eq((uintptr_t)items[i] % 16, 0);
        for (int w = 0; w < 6; w++)
            items[i]->words[w] = i;
    }
    ck_assert_uint_eq(n_live(cache), N);
    for (uintptr_t i = 0; i < N; i++) {
        for (int w = 0; w < 6; w++)
            ck_assert_uint_eq(items[i]->words[w], i);
        sgc_cache_free(cache, items[i]);
    }
    sgc_cache_free(cache, NULL);
    ck_assert_uint_eq(n_live(cache), 0);
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(what_was_freed_last_is_handed_out_first_as_it_was_left)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    struct item *item = sgc_cache_alloc(cache);
    memset(item, 0x5a, sizeof(*item));
    sgc_cache_free(cache, item);
#ifndef SGC_ASAN
    ck_assert_ptr_eq(sgc_cache_alloc(cache), item);
    for (size_t i = 0; i < sizeof(*item); i++)
        ck_assert_uint_eq(((uint8_t *)item)[i], 0x5a);
#endif
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(objects_handed_out_are_counted_exactly)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    struct sgc_cache_stats stats;
    for (int i = 0; i < 1000; i++)
        sgc_cache_free(cache, sgc_cache_alloc(cache));
    void *kept = sgc_cache_alloc(cache);
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_allocated, 1001);
    ck_assert_uint_eq(stats.n_freed, 1000);
    ck_assert_uint_eq(stats.n_live, 1);
    ck_assert_uint_eq(stats.live_bytes, 48);
    ck_assert_uint_eq(stats.slot_bytes, 48);
    ck_assert_uint_eq(stats.slab_bytes, stats.n_slabs * SGC_SLAB_BYTES);
    sgc_cache_free(cache, kept);
    sgc_cache_unmake(cache);
}
END_TEST

/* ---- the model ---- */

#define MODEL_OBJECTS 300

struct model_object {
    uint8_t *at;
    size_t bytes;
    uint8_t stamp;
};

static bool is_filled(const uint8_t *at, size_t bytes, uint8_t value)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != value)
            return false;
    return true;
}

/* Objects of one cache of variable size and alignment, each filled with its stamp, in random order. */
static void model_run(struct sgc_cache *cache, uint64_t *state, size_t max_bytes, size_t align_bytes, int n_steps)
{
    struct model_object objects[MODEL_OBJECTS] = {0};
    uint64_t n = 0;
    for (int step = 0; step < n_steps; step++) {
        struct model_object *object = &objects[support_random(state) % MODEL_OBJECTS];
        const uint64_t random = support_random(state);
        if (object->at) {
            ck_assert(is_filled(object->at, object->bytes, object->stamp));
            sgc_cache_free(cache, object->at);
            object->at = NULL;
            n--;
            continue;
        }
        object->bytes = cache->variable ? random % max_bytes + 8 : max_bytes;
        object->stamp = (uint8_t)(random >> 32);
        object->at = cache->variable ? sgc_cache_alloc_n(cache, object->bytes - 8) : sgc_cache_alloc(cache);
        ck_assert_ptr_nonnull(object->at);
        ck_assert_uint_eq((uintptr_t)object->at % align_bytes, 0);
        memset(object->at, object->stamp, object->bytes);
        n++;
    }
    ck_assert_uint_eq(n_live(cache), n);
    attach_verify(cache);
    ck_assert_uint_eq(n_live(cache), n);
    for (int i = 0; i < MODEL_OBJECTS; i++)
        sgc_cache_free(cache, objects[i].at);
    ck_assert_uint_eq(n_live(cache), 0);
    attach_verify(cache);
}

START_TEST(random_sizes_and_alignments_never_collide)
{
    uint64_t state = support_seed("alloc_test variable", 1);
    for (uint32_t align = 16; align <= 4096; align *= 4) {
        struct sgc_type type = bytes_type;
        type.align_bytes = align;
        struct sgc_cache *cache = attach_cache(&type, 0, NULL);
        model_run(cache, &state, 200, align, 3000);
        model_run(cache, &state, 5000, align, 3000);
        model_run(cache, &state, 40000, align, 1500);
        sgc_cache_unmake(cache);
    }
}
END_TEST

START_TEST(fixed_sizes_from_1_to_40000_bytes_work)
{
    uint64_t state = support_seed("alloc_test fixed", 2);
    for (uint32_t bytes = 1; bytes <= 40000; bytes += bytes / 2 + 5) {
        const struct sgc_type type = {.name = "fixed", .size_bytes = bytes};
        struct sgc_cache *cache = attach_cache(&type, 0, NULL);
        model_run(cache, &state, bytes, 16, 1500);
        sgc_cache_unmake(cache);
    }
}
END_TEST

START_TEST(the_model_holds_with_every_debug_feature)
{
    uint64_t state = support_seed("alloc_test debug", 3);
    for (uint32_t debug = 1; debug < 8; debug++) {
        struct sgc_cache *cache = attach_cache(&bytes_type, debug, NULL);
        model_run(cache, &state, 40000, 16, 1500);
        sgc_cache_unmake(cache);
    }
}
END_TEST

START_TEST(a_tail_that_fits_no_address_space_is_an_overflow)
{
    struct sgc_type type = bytes_type;
    type.tail_element_bytes = 24;
    struct sgc_cache *cache = attach_cache(&type, 0, NULL);
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 24, PTRDIFF_MAX / 24 + 1};
    for (int i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_ptr_null(sgc_cache_alloc_n(cache, sizes[i]));
        ck_assert_int_eq(errno, EOVERFLOW);
    }
    errno = 0;
    ck_assert_ptr_null(sgc_cache_alloc_n(cache, PTRDIFF_MAX / 24 - 1));
    ck_assert_int_eq(errno, ENOMEM);
    sgc_cache_unmake(cache);
}
END_TEST

/* ---- constructed state ---- */

static int n_constructed, n_destroyed, fail_at;
struct built {
    uint64_t magic, self, uses, filler[5];
};
static int built_ctor(void *slot)
{
    struct built *built = slot;
    if (fail_at && n_constructed + 1 == fail_at)
        return -1;
    n_constructed++;
    *built = (struct built){.magic = 0xb111d, .self = (uintptr_t)slot};
    return 0;
}
static void built_dtor(void *slot)
{
    struct built *built = slot;
    ck_assert_uint_eq(built->magic, 0xb111d);
    ck_assert_uint_eq(built->self, (uintptr_t)slot);
    built->magic = 0;
    n_destroyed++;
}
static const struct sgc_type built_type = SGC_TYPE(struct built, .ctor = built_ctor, .dtor = built_dtor);

START_TEST(constructed_state_survives_and_ctors_balance_dtors)
{
    enum { N = 20000 };
    static struct built *objects[N];
    struct sgc_cache *cache = attach_cache(&built_type, 0, NULL);
    uint64_t n_uses = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) {
            objects[i] = sgc_cache_alloc(cache);
            ck_assert_uint_eq(objects[i]->magic, 0xb111d);
            ck_assert_uint_eq(objects[i]->self, (uintptr_t)objects[i]);
            n_uses += objects[i]->uses++ > 0;
        }
        for (int i = 0; i < N; i++)
            sgc_cache_free(cache, objects[(i * 7919) % N]);
        attach_verify(cache);
    }
    ck_assert_uint_gt(n_uses, 0); /* some came back without a ctor between */
    ck_assert_int_lt(n_constructed, 4 * N + 4096);
    sgc_cache_shrink(cache);
    ck_assert_int_eq(n_constructed, n_destroyed);
    for (int i = 0; i < 100; i++)
        objects[i] = sgc_cache_alloc(cache);
    sgc_cache_unmake(cache); /* with live objects: their slots are destroyed too */
    ck_assert_int_eq(n_constructed, n_destroyed);
}
END_TEST

START_TEST(a_ctor_that_fails_fails_the_allocation_and_undoes_its_slab)
{
    struct sgc_budget budget = {0};
    struct sgc_cache *cache = attach_cache(&built_type, 0, &budget);
    fail_at = 100;
    errno = 0;
    ck_assert_ptr_null(sgc_cache_alloc(cache));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(n_constructed, 99);
    ck_assert_int_eq(n_destroyed, 99);
    ck_assert_uint_eq(budget.used_bytes, 0);
    attach_verify(cache);
    fail_at = 0;
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_cache_unmake(cache);
    ck_assert_int_eq(n_constructed, n_destroyed);
}
END_TEST

START_TEST(the_allocator_writes_nothing_into_free_objects)
{
#ifndef SGC_ASAN
    enum { N = 4000 };
    static void *objects[N];
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    for (int i = 0; i < N; i++) {
        objects[i] = sgc_cache_alloc(cache);
        memset(objects[i], 0x77, sizeof(struct item));
    }
    for (int i = 0; i < N; i++)
        if (i % 8)
            sgc_cache_free(cache, objects[i]);
    attach_verify(cache);
    for (int i = 0; i < N; i++)
        ck_assert(is_filled(objects[i], sizeof(struct item), 0x77));
    sgc_cache_unmake(cache);
#endif
}
END_TEST

/* ---- limits ---- */

START_TEST(at_the_memory_limit_allocation_fails_cleanly_and_goes_on_after_frees)
{
    static void *objects[10000];
    struct sgc_budget budget = {.hard_bytes = 3 * SGC_SLAB_BYTES};
    struct sgc_cache *cache = attach_cache(&item_type, 0, &budget);
    int n = 0;
    errno = 0;
    while ((objects[n] = sgc_cache_alloc(cache)))
        n++;
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(n, 3 * (int)(SGC_SLAB_BYTES / 48));
    ck_assert_uint_eq(budget.used_bytes, 3 * SGC_SLAB_BYTES);
    ck_assert_uint_eq(budget.peak_bytes, 3 * SGC_SLAB_BYTES);
    attach_verify(cache);
    sgc_cache_free(cache, objects[17]);
    objects[17] = sgc_cache_alloc(cache);
    ck_assert_ptr_nonnull(objects[17]);
    for (int i = 0; i < n; i++)
        sgc_cache_free(cache, objects[i]);
    ck_assert_uint_gt(sgc_cache_shrink(cache), 0);
    ck_assert_uint_eq(budget.used_bytes, 0);
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(what_other_caches_of_the_heap_keep_in_stock_serves_one_at_the_limit)
{
    static void *objects[4000];
    struct sgc_budget budget = {.hard_bytes = 16 * SGC_SLAB_BYTES};
    struct sgc_cache *hoarder = attach_cache(&bytes_type, 0, &budget), *cache = attach_cache(&item_type, 0, &budget);
    for (size_t bytes = 100; bytes < 8000; bytes += bytes / 2) /* one slab of each of many classes, and none in use */
        sgc_cache_free(hoarder, sgc_cache_alloc_n(hoarder, bytes));
    ck_assert_uint_ge(budget.used_bytes, 8 * SGC_SLAB_BYTES);
    void *large = sgc_cache_alloc_n(hoarder, 10 * SGC_SLAB_BYTES);
    ck_assert_ptr_nonnull(large);
    for (int i = 0; i < 4000; i++) {
        objects[i] = sgc_cache_alloc(cache);
        ck_assert_ptr_nonnull(objects[i]);
    }
    for (int i = 0; i < 4000; i++)
        sgc_cache_free(cache, objects[i]);
    sgc_cache_free(hoarder, large);
    attach_verify(cache);
    attach_verify(hoarder);
    ck_assert_uint_gt(budget.used_bytes, 0);
    large = sgc_cache_alloc_n(hoarder, 16 * SGC_SLAB_BYTES - 8); /* all there is */
    ck_assert_ptr_nonnull(large);
    ck_assert_ptr_null(sgc_cache_alloc(cache));
    sgc_cache_free(hoarder, large);
    sgc_cache_unmake(cache);
    sgc_cache_unmake(hoarder);
    ck_assert_uint_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(the_soft_limit_holds_while_the_context_says_so)
{
    struct sgc_budget budget = {.soft_bytes = SGC_SLAB_BYTES};
    struct sgc_cache *cache = attach_cache(&item_type, 0, &budget);
    while (budget.used_bytes < SGC_SLAB_BYTES)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_context_.soft_limit = 1;
    while (sgc_cache_alloc(cache))
        ck_assert_uint_le(budget.used_bytes, SGC_SLAB_BYTES);
    sgc_context_.soft_limit = 0;
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(shrink_gives_memory_back_to_the_os)
{
    enum { N = 100000 };
    static void *objects[N];
    struct sgc_region_stats full, empty;
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    for (int i = 0; i < N; i++)
        objects[i] = sgc_cache_alloc(cache);
    sgc_region_stats(&full);
    for (int i = 0; i < N; i++)
        sgc_cache_free(cache, objects[i]);
    ck_assert_uint_gt(sgc_cache_shrink(cache), 0);
    sgc_region_stats(&empty);
    ck_assert_uint_ge(full.committed_bytes, N * 48);
    ck_assert_uint_eq(empty.committed_bytes + empty.free_bytes, 0);
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_slabs, 0);
    attach_verify(cache);
    sgc_cache_unmake(cache);
}
END_TEST

/* ---- faults ---- */

/* Returns how many calls failed; each failure must be clean. */
static unsigned scenario(void)
{
    static void *objects[4000];
    static const struct sgc_type *const types[] = {&item_type, &bytes_type, &built_type};
    struct sgc_budget budget = {0};
    unsigned n_failed = 0;
    for (int t = 0; t < 3; t++) {
        struct sgc_error error = {0};
        struct sgc_cache *cache = sgc_cache_make(NULL, types[t], NULL, &budget,
                                                 SGC_KIND_BIT(SGC_KIND_COUNT) | SGC_KIND_BIT(SGC_KIND_MARK), &error);
        if (!cache) {
            ck_assert_int_eq(error.code, -ENOMEM);
            n_failed++;
            continue;
        }
        cache->managed_manual = 1;
        sgc_cache_head_update(cache);
        unsigned n = 0;
        for (int i = 0; i < 4000; i++) {
            errno = 0;
            objects[n] = t == 1 ? sgc_cache_alloc_n(cache, (size_t)i * (i % 100 ? 1 : 30)) : sgc_cache_alloc(cache);
            ck_assert(objects[n] || errno == ENOMEM);
            n_failed += !objects[n];
            n += objects[n] != NULL;
        }
        ck_assert_uint_eq(n_live(cache), n);
        attach_verify(cache);
        while (n > 0)
            sgc_cache_free(cache, objects[--n]);
        void *out[500];
        const size_t n_bulk = sgc_cache_alloc_bulk(cache, out, 500);
        ck_assert(n_bulk == 500 || (n_bulk == 0 && errno == ENOMEM));
        n_failed += n_bulk == 0;
        sgc_cache_free_bulk(cache, out, n_bulk);
        sgc_cache_shrink(cache);
        ck_assert_uint_eq(n_live(cache), 0);
        attach_verify(cache);
        sgc_cache_unmake(cache);
    }
    ck_assert_uint_eq(budget.used_bytes, 0);
    ck_assert_int_eq(n_constructed, n_destroyed);
    return n_failed;
}

static void fault_one(void *arg)
{
    sgc_os_fault_arm(*(const uint64_t *)arg, false);
    (void)scenario();
    attach_end();
    const bool fired = sgc_os_fault_fired();
    sgc_os_fault_disarm();
    ck_assert_uint_eq(scenario(), 0);
    _Exit(fired ? 0 : 42);
}

START_TEST(any_call_to_the_os_may_fail)
{
    char output[4096];
    uint64_t k = 1;
    for (;; k++) {
        const int status = support_run_child(fault_one, &k, output, sizeof(output));
        ck_assert_msg(status == 0 || status == 42 << 8, "gate %llu: status 0x%x %s", (unsigned long long)k,
                      (unsigned)status, output);
        if (status)
            break;
    }
    printf("alloc_test: %llu gates\n", (unsigned long long)k - 1);
    ck_assert_uint_gt(k, 20);
}
END_TEST

START_TEST(when_the_os_refuses_everything_nothing_breaks)
{
    sgc_os_fault_arm(1, true);
    ck_assert_uint_gt(scenario(), 0);
    sgc_os_fault_disarm();
    ck_assert_uint_eq(scenario(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alloc");
    TCase *tcase = tcase_create("alloc");
    tcase_add_test(tcase, objects_are_distinct_aligned_and_the_programs_own);
    tcase_add_test(tcase, what_was_freed_last_is_handed_out_first_as_it_was_left);
    tcase_add_test(tcase, objects_handed_out_are_counted_exactly);
    tcase_add_test(tcase, random_sizes_and_alignments_never_collide);
    tcase_add_test(tcase, fixed_sizes_from_1_to_40000_bytes_work);
    tcase_add_test(tcase, the_model_holds_with_every_debug_feature);
    tcase_add_test(tcase, a_tail_that_fits_no_address_space_is_an_overflow);
    tcase_add_test(tcase, constructed_state_survives_and_ctors_balance_dtors);
    tcase_add_test(tcase, a_ctor_that_fails_fails_the_allocation_and_undoes_its_slab);
    tcase_add_test(tcase, the_allocator_writes_nothing_into_free_objects);
    tcase_add_test(tcase, at_the_memory_limit_allocation_fails_cleanly_and_goes_on_after_frees);
    tcase_add_test(tcase, what_other_caches_of_the_heap_keep_in_stock_serves_one_at_the_limit);
    tcase_add_test(tcase, the_soft_limit_holds_while_the_context_says_so);
    tcase_add_test(tcase, shrink_gives_memory_back_to_the_os);
    suite_add_tcase(suite, tcase);
    TCase *faults = tcase_create("faults");
    tcase_set_timeout(faults, 600); /* a child for each call to the OS, under a sanitizer on a loaded machine */
    tcase_add_test(faults, any_call_to_the_os_may_fail);
    tcase_add_test(faults, when_the_os_refuses_everything_nothing_breaks);
    suite_add_tcase(suite, faults);
    return support_main(suite);
}
