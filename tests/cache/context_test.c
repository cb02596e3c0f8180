/* context_test.c - tables of fronts: attach, detach, reuse, and classes that go while threads have them. */
#include "core/cache/internal.h"
#include "core/os/fault.h"
#include "core/os/meta.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>

static const struct sgc_type item_type = {.name = "item", .size_bytes = 64};

START_TEST(the_first_call_of_a_thread_attaches_it)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    ck_assert_ptr_null(sgc_context_.fronts);
    void *object = sgc_cache_alloc(cache);
    ck_assert_ptr_nonnull(object);
    ck_assert_ptr_nonnull(sgc_context_.fronts);
    attach_end();
    ck_assert_ptr_null(sgc_context_.fronts);
    attach_end(); /* once more is harmless */
    sgc_cache_free(cache, object);
    ck_assert_ptr_nonnull(sgc_context_.fronts);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(every_entry_begins_with_the_empty_window)
{
    ck_assert_int_eq(sgc_fronts_attach(&sgc_context_, NULL), 0);
    for (int i = 0; i < SGC_MAX_CLASSES; i++)
        ck_assert_ptr_eq(sgc_context_.fronts[i], &sgc_front_none);
    ck_assert_ptr_null(sgc_front_pop(&sgc_front_none));
    attach_end();
}
END_TEST

START_TEST(a_table_is_used_again_and_clean)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    struct sgc_front **fronts = sgc_context_.fronts;
    const size_t meta_bytes = sgc_meta_bytes();
    attach_end();
    ck_assert_int_eq(sgc_fronts_attach(&sgc_context_, NULL), 0);
    ck_assert_ptr_eq(sgc_context_.fronts, fronts);
    for (int i = 0; i < SGC_MAX_CLASSES; i++)
        ck_assert_ptr_eq(sgc_context_.fronts[i], &sgc_front_none);
    ck_assert_uint_eq(sgc_meta_bytes(), meta_bytes);
    sgc_cache_unmake(cache);
}
END_TEST

START_TEST(without_memory_a_thread_stays_unattached_and_gets_null)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    sgc_os_fault_arm(1, true);
    ck_assert_int_eq(sgc_fronts_attach(&sgc_context_, NULL), -ENOMEM);
    ck_assert_ptr_null(sgc_context_.fronts);
    errno = 0;
    ck_assert_ptr_null(sgc_cache_alloc(cache));
    ck_assert_int_eq(errno, ENOMEM);
    sgc_os_fault_disarm();
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_cache_unmake(cache);
}
END_TEST

static pthread_barrier_t barrier;

static void *use_then_wait(void *cache)
{
    sgc_cache_free(cache, sgc_cache_alloc(cache));
    pthread_barrier_wait(&barrier); /* used it */
    pthread_barrier_wait(&barrier); /* it is gone */
    attach_end();
    return NULL;
}

START_TEST(a_cache_may_go_while_threads_that_used_it_live_on)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    const uint32_t index = cache->classes[0]->index;
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_then_wait, cache), 0);
    pthread_barrier_wait(&barrier);
    sgc_cache_unmake(cache);
    struct sgc_cache *next = attach_cache(&item_type, 0, NULL); /* the index is used again */
    ck_assert_uint_eq(next->classes[0]->index, index);
    ck_assert_ptr_nonnull(sgc_cache_alloc(next));
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    attach_verify(next);
    sgc_cache_unmake(next);
}
END_TEST

static void *attach_often(void *unused)
{
    struct sgc_cache *cache = attach_cache(&item_type, 0, NULL);
    for (int i = 0; i < 200; i++) {
        sgc_cache_free(cache, sgc_cache_alloc(cache));
        attach_end();
    }
    sgc_cache_unmake(cache);
    return unused;
}

START_TEST(threads_attach_and_caches_come_and_go_at_once)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, attach_often, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert(sgc_list_empty(&sgc_caches));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("context");
    TCase *tcase = tcase_create("context");
    tcase_add_test(tcase, the_first_call_of_a_thread_attaches_it);
    tcase_add_test(tcase, every_entry_begins_with_the_empty_window);
    tcase_add_test(tcase, a_table_is_used_again_and_clean);
    tcase_add_test(tcase, without_memory_a_thread_stays_unattached_and_gets_null);
    tcase_add_test(tcase, a_cache_may_go_while_threads_that_used_it_live_on);
    tcase_add_test(tcase, threads_attach_and_caches_come_and_go_at_once);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
