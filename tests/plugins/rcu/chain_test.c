#include "plugins/rcu/chain.h"

#include "tests/plugins/rcu/kit.h"

#include <pthread.h>
#include <stdlib.h>

static void *object(uintptr_t i)
{
    return (void *)(0x700000000000 + i * 16);
}

START_TEST(objects_come_out_in_order_over_many_magazines)
{
    enum { N = SGC_MAGAZINE_OBJECTS * 5 };
    struct sgc_chain chain;
    uintptr_t n_put = 0, n_taken = 0;
    fake_reset();
    ck_assert(sgc_chain_init(fake_host(), &chain));
    ck_assert(sgc_chain_is_empty(&chain));
    for (unsigned step = 1; n_taken < N; step++) {
        for (unsigned i = 0; i < step * 7 && n_put < N; i++)
            ck_assert(sgc_chain_put(fake_host(), &chain, object(n_put++)));
        const uintptr_t n_cut = n_put;
        sgc_chain_cut(&chain);
        if (n_put < N)
            ck_assert(sgc_chain_put(fake_host(), &chain, object(n_put++))); /* behind the cut */
        while (n_taken < n_cut)
            ck_assert_ptr_eq(sgc_chain_take(fake_host(), &chain), object(n_taken++));
        ck_assert_ptr_null(sgc_chain_take(fake_host(), &chain));
        ck_assert(sgc_chain_is_empty(&chain) == (n_taken == n_put));
        ck_assert_uint_eq(sgc_chain_count(&chain), n_put - n_taken);
    }
    sgc_chain_fini(fake_host(), &chain);
    ck_assert_uint_eq(fake.n_records, 0);
}
END_TEST

START_TEST(a_full_magazine_that_was_taken_whole_is_empty)
{
    struct sgc_chain chain;
    fake_reset();
    ck_assert(sgc_chain_init(fake_host(), &chain));
    for (uintptr_t i = 0; i < SGC_MAGAZINE_OBJECTS; i++)
        sgc_chain_put(fake_host(), &chain, object(i));
    sgc_chain_cut(&chain);
    for (uintptr_t i = 0; i < SGC_MAGAZINE_OBJECTS; i++)
        ck_assert_ptr_eq(sgc_chain_take(fake_host(), &chain), object(i));
    ck_assert(sgc_chain_is_empty(&chain));
    sgc_chain_put(fake_host(), &chain, object(7));
    ck_assert(!sgc_chain_is_empty(&chain));
    sgc_chain_cut(&chain);
    ck_assert_ptr_eq(sgc_chain_take(fake_host(), &chain), object(7));
    sgc_chain_fini(fake_host(), &chain);
}
END_TEST

START_TEST(a_refusal_leaves_the_chain_as_it_was)
{
    struct sgc_chain chain;
    fake_reset();
    fake.refuse_after = 0;
    ck_assert(!sgc_chain_init(fake_host(), &chain));
    fake.refuse_after = 1;
    ck_assert(sgc_chain_init(fake_host(), &chain));
    for (uintptr_t i = 0; i < SGC_MAGAZINE_OBJECTS; i++)
        ck_assert(sgc_chain_put(fake_host(), &chain, object(i)));
    ck_assert(!sgc_chain_put(fake_host(), &chain, object(1000)));
    ck_assert_uint_eq(sgc_chain_count(&chain), SGC_MAGAZINE_OBJECTS);
    fake.refuse_after = -1;
    ck_assert(sgc_chain_put(fake_host(), &chain, object(1000)));
    ck_assert_uint_eq(sgc_chain_count(&chain), SGC_MAGAZINE_OBJECTS + 1);
    sgc_chain_fini(fake_host(), &chain);
}
END_TEST

/* Two threads: a host whose memory calls any thread may use. */
enum { RACE_OBJECTS = 1000000 };
static struct sgc_host race_host;
static struct sgc_chain race_chain;

static void *race_alloc(size_t bytes)
{
    return calloc(1, bytes);
}
static void race_free(void *at, size_t bytes)
{
    (void)bytes;
    free(at);
}

static void *race_write(void *unused)
{
    (void)unused;
    for (uintptr_t i = 0; i < RACE_OBJECTS; i++)
        sgc_chain_put(&race_host, &race_chain, object(i));
    return NULL;
}

START_TEST(a_reader_beside_the_writer_gets_every_object_once_and_in_order)
{
    pthread_t writer;
    race_host = (struct sgc_host){.alloc = race_alloc, .free = race_free};
    ck_assert(sgc_chain_init(&race_host, &race_chain));
    ck_assert_int_eq(pthread_create(&writer, NULL, race_write, NULL), 0);
    for (uintptr_t n = 0; n < RACE_OBJECTS;) {
        sgc_chain_cut(&race_chain);
        for (void *taken; (taken = sgc_chain_take(&race_host, &race_chain)) != NULL; n++) {
            if (taken != object(n))
                ck_abort_msg("object %p instead of %p", taken, object(n));
        }
    }
    pthread_join(writer, NULL);
    ck_assert(sgc_chain_is_empty(&race_chain));
    sgc_chain_fini(&race_host, &race_chain);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain");
    TCase *tests = tcase_create("chain");
    tcase_set_timeout(tests, 250); /* under a sanitizer on a loaded machine */
    tcase_add_test(tests, objects_come_out_in_order_over_many_magazines);
    tcase_add_test(tests, a_full_magazine_that_was_taken_whole_is_empty);
    tcase_add_test(tests, a_refusal_leaves_the_chain_as_it_was);
    tcase_add_test(tests, a_reader_beside_the_writer_gets_every_object_once_and_in_order);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
