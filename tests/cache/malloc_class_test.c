/* malloc_class_test.c - the size classes of the general-purpose front. */
#include "core/cache/internal.h"
#include "core/cache/malloc.h"
#include "core/os/fault.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>

START_TEST(each_size_has_the_smallest_class_that_holds_it)
{
    for (size_t bytes = 0; bytes <= SGC_MALLOC_SMALL_MAX; bytes++) {
        const unsigned number = sgc_malloc_number_of(bytes);
        ck_assert(number >= 1 && number <= SGC_MALLOC_N_CLASSES);
        ck_assert_uint_ge(sgc_malloc_class_bytes[number], bytes);
        ck_assert(number == 1 || sgc_malloc_class_bytes[number - 1] < bytes);
    }
}
END_TEST

START_TEST(little_of_a_slot_or_slab_is_lost)
{
    for (unsigned n = 1; n <= SGC_MALLOC_N_CLASSES; n++) {
        const uint32_t bytes = sgc_malloc_class_bytes[n], below = n > 1 ? sgc_malloc_class_bytes[n - 1] : 0;
        ck_assert_uint_eq(bytes % SGC_GRANULE_BYTES, 0);
        ck_assert(bytes - below == 16 || (bytes - below) * 4 <= bytes || bytes > 4096);
        ck_assert_uint_lt(SGC_SLAB_BYTES % bytes * 16, SGC_SLAB_BYTES); /* less than a sixteenth of a slab */
    }
}
END_TEST

START_TEST(each_class_is_a_cache_named_by_its_size)
{
    static const struct {
        size_t bytes;
        const char *name;
    } expected[] = {{1, "malloc-16"},      {17, "malloc-32"},     {129, "malloc-160"},
                    {4096, "malloc-4096"}, {4097, "malloc-4672"}, {32768, "malloc-32768"}};
    for (size_t i = 0; i < SGC_ARRAY_LEN(expected); i++) {
        void *object = sgc_malloc(expected[i].bytes);
        const struct sgc_class *class_ = sgc_slab_of(object)->class_;
        ck_assert_str_eq(sgc_cache_name(class_->cache), expected[i].name);
        ck_assert_uint_eq(class_->slot_bytes, sgc_malloc_class_bytes[sgc_malloc_number_of(expected[i].bytes)]);
        sgc_free(object);
    }
    void *large = sgc_malloc(SGC_MALLOC_SMALL_MAX + 1);
    ck_assert_str_eq(sgc_cache_name(sgc_slab_of(large)->class_->cache), "malloc-large");
    sgc_free(large);
}
END_TEST

static int count(void *n, struct sgc_cache *cache)
{
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.n_live, 1);
    return ++*(int *)n == 3 ? 4711 : 0;
}

START_TEST(caches_are_listed_once_they_were_used)
{
    int n = 0;
    ck_assert_int_eq(sgc_malloc_for_each(count, &n), 0);
    ck_assert_int_eq(n, 0);
    void *a = sgc_malloc(1), *b = sgc_malloc(100000);
    ck_assert_int_eq(sgc_malloc_for_each(count, &n), 0);
    ck_assert_int_eq(n, 2);
    n = 0;
    void *c = sgc_malloc(1000);
    ck_assert_int_eq(sgc_malloc_for_each(count, &n), 4711);
    sgc_free(a);
    sgc_free(b);
    sgc_free(c);
}
END_TEST

START_TEST(a_class_that_cannot_be_made_is_made_later)
{
    sgc_os_fault_arm(1, true);
    errno = 0;
    ck_assert_ptr_null(sgc_malloc_class(5));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(sgc_malloc_class_made(5));
    sgc_os_fault_disarm();
    ck_assert_ptr_nonnull(sgc_malloc_class(5));
    ck_assert_ptr_eq(sgc_malloc_class(5), sgc_malloc_class_made(5));
}
END_TEST

static pthread_barrier_t barrier;

static void *make_all(void *classes)
{
    pthread_barrier_wait(&barrier);
    for (unsigned n = 1; n <= SGC_MALLOC_LARGE; n++)
        ((struct sgc_class **)classes)[n] = sgc_malloc_class(n);
    return NULL;
}

START_TEST(threads_that_make_the_same_class_get_the_same)
{
    static struct sgc_class *classes[2][SGC_MALLOC_LARGE + 1];
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_all, classes[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (unsigned n = 1; n <= SGC_MALLOC_LARGE; n++)
        ck_assert(classes[0][n] && classes[0][n] == classes[1][n]);
    unsigned n_caches = 0;
    SGC_LIST_FOR_EACH (at, &sgc_caches)
        n_caches++;
    ck_assert_uint_eq(n_caches, SGC_MALLOC_LARGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("malloc_class");
    TCase *tcase = tcase_create("malloc_class");
    tcase_add_test(tcase, each_size_has_the_smallest_class_that_holds_it);
    tcase_add_test(tcase, little_of_a_slot_or_slab_is_lost);
    tcase_add_test(tcase, each_class_is_a_cache_named_by_its_size);
    tcase_add_test(tcase, caches_are_listed_once_they_were_used);
    tcase_add_test(tcase, a_class_that_cannot_be_made_is_made_later);
    tcase_add_test(tcase, threads_that_make_the_same_class_get_the_same);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
