/* count_test.c - counts beyond the byte, alone and under contention; misuse that counting notices. */
#include "core/heap/section.h"
#include "tests/heap/support.h"

#include <stdio.h>

static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static struct node *node; /* held by the test: its count is 1 */

static void setup(void)
{
    heap = open_limited("count", &sharing_plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
    node = new_node(nodes, NULL, NULL);
}

static void teardown(void)
{
    sgc_drop(node);
    close_heap(heap);
}

/* In a section, as strategies do; the object stays, whatever the count says. */
static void claim(void *object, unsigned n)
{
    SGC_SECTION;
    while (n-- > 0)
        sgc_count_increment(&sgc_counts, object, sgc_solo);
}

static unsigned release(void *object, unsigned n)
{
    unsigned n_zeros = 0;
    SGC_SECTION;
    while (n-- > 0)
        n_zeros += sgc_count_decrement(&sgc_counts, object, sgc_solo);
    return n_zeros;
}

START_TEST(a_count_is_exact_through_the_byte_and_beyond)
{
    for (unsigned n = 2; n <= 1000; n++) {
        claim(node, 1);
        ck_assert_uint_eq(count_of(node), n);
    }
    for (unsigned n = 999; n >= 1; n--) {
        ck_assert_uint_eq(release(node, 1), 0);
        ck_assert_uint_eq(count_of(node), n);
    }
}
END_TEST

START_TEST(the_excess_flag_is_set_exactly_while_the_excess_word_is_not_zero)
{
    const uint32_t *excess = &sgc_arena.excess_bias[(uintptr_t)node >> SGC_GRANULE_SHIFT];
    const uint8_t *byte = sgc_count_byte(&sgc_counts, node);
    uint64_t state = support_seed("count_test", 1);
    unsigned n = 1;
    for (int i = 0; i < 20000; i++) {
        if (n == 1 || (n < 500 && support_random(&state) % 2)) {
            claim(node, 1);
            n++;
        } else {
            release(node, 1);
            n--;
        }
        ck_assert_uint_eq((*byte & 0x7fu) + *excess, n);
        ck_assert_int_eq((*byte & SGC_COUNT_EXCESS) != 0, *excess != 0);
    }
    release(node, n - 1);
}
END_TEST

/* ---- contention */

#define THREADS 4
#define CLAIMS 25000 /* each: 100,000 together */
static pthread_barrier_t barrier;
static unsigned zeros[THREADS];

static void *claims_and_releases(void *arg)
{
    unsigned *n_zeros = arg;
    claim(node, CLAIMS);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* main looks at the count */
    *n_zeros = release(node, CLAIMS);
    return NULL;
}

START_TEST(a_hundred_thousand_claims_of_several_threads_come_back_to_zero_exactly_once)
{
    pthread_t threads[THREADS];
    unsigned n_zeros = 0;
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        threads[i] = support_thread("claims", claims_and_releases, &zeros[i]);
    pthread_barrier_wait(&barrier);
    const uint64_t all = count_of(node);
    release(node, 1); /* the test's own hold, so that the last release is a thread's */
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
        n_zeros += zeros[i];
    }
    const uint64_t left = count_of(node);
    claim(node, 1); /* for teardown, whatever failed */
    ck_assert_uint_eq(all, THREADS * CLAIMS + 1);
    ck_assert_uint_eq(left, 0);
    ck_assert_uint_eq(n_zeros, 1);
}
END_TEST

static void *hovers(void *arg)
{
    uint64_t state = (uintptr_t)arg;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 20000; i++) {
        const unsigned n = 1 + support_random(&state) % 3;
        claim(node, n);
        release(node, n);
    }
    return NULL;
}

/* Start values around which the byte runs full, and around which it borrows. */
static const unsigned edges[] = {0x7c, 0x7e, 0x7f, 0x80, 0x3f, 0x40, 0x41, 0xbd};

START_TEST(threads_that_hover_around_an_edge_leave_the_count_as_it_was)
{
    pthread_t threads[THREADS];
    const unsigned edge = edges[_i];
    claim(node, 200); /* so that there is an excess word to borrow from */
    release(node, 201 - edge);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = support_thread("hovers", hovers, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    ck_assert_uint_eq(count_of(node), edge);
    ck_assert_uint_eq(release(node, edge - 1), 0);
}
END_TEST

/* ---- claims that want a claim to be there */

START_TEST(a_claim_unless_zero_needs_a_claim)
{
    static const unsigned counts[] = {1, 2, 0x7d, 0x7e, 0x7f, 0x100, 5000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        claim(node, counts[i] - 1);
        ck_assert(sgc_count_increment_unless_zero(node));
        ck_assert_uint_eq(count_of(node), counts[i] + 1);
        release(node, counts[i]);
    }
    ck_assert_uint_eq(release(node, 1), 1);
    ck_assert(!sgc_count_increment_unless_zero(node));
    ck_assert_uint_eq(count_of(node), 0);
    ck_assert(sgc_count_claim_dead(&sgc_counts, node));
    ck_assert(!sgc_count_increment_unless_zero(node));
    ck_assert_uint_eq(count_of(node), UINT64_MAX);
    *sgc_count_byte(&sgc_counts, node) = 1; /* back to life for teardown */
}
END_TEST

/* One thread takes all claims away and claims the object; the other wants one of a full byte. Whoever loses, nobody
 * sees both. */
#define FULL 0x7e
static bool got; /* the claimer's answer */

static void *claims_unless_zero(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier);
    SGC_SECTION;
    got = sgc_count_increment_unless_zero(node);
    return NULL;
}

START_TEST(a_claim_unless_zero_never_meets_a_dead_object)
{
    pthread_barrier_init(&barrier, NULL, 2);
    claim(node, FULL - 1);
    for (int i = 0; i < 300; i++) {
        const pthread_t thread = support_thread("claims", claims_unless_zero, NULL);
        pthread_barrier_wait(&barrier);
        bool zero = release(node, FULL) == 1;
        const bool dead = zero && sgc_count_claim_dead(&sgc_counts, node);
        join(thread);
        ck_assert_int_ne(got, dead);
        ck_assert_uint_eq(count_of(node), got ? 1 : UINT64_MAX);
        *sgc_count_byte(&sgc_counts, node) = FULL;
    }
    release(node, FULL - 1);
}
END_TEST

START_TEST(only_an_object_without_a_claim_can_be_claimed_dead)
{
    ck_assert(!sgc_count_claim_dead(&sgc_counts, node));
    release(node, 1);
    ck_assert(sgc_count_is_zero(&sgc_counts, node));
    claim(node, 1); /* a hold in between */
    ck_assert(!sgc_count_claim_dead(&sgc_counts, node));
    release(node, 1);
    ck_assert(sgc_count_claim_dead(&sgc_counts, node));
    ck_assert(!sgc_count_claim_dead(&sgc_counts, node));
    *sgc_count_byte(&sgc_counts, node) = 1;
}
END_TEST

/* ---- misuse */

static void hold_dead(void *arg)
{
    (void)arg;
    *sgc_count_byte(&sgc_counts, node) = SGC_COUNT_DEAD;
    sgc_hold(node);
}

static void release_nothing(void *object)
{
    release(object, 1);
}

static void claim_beyond_the_word(void *excess)
{
    claim(node, 200);
    *(uint32_t *)excess = UINT32_MAX - 100;
    claim(node, 400);
}

START_TEST(a_count_that_would_wrap_panics)
{
    char text[96];
    snprintf(text, sizeof(text), "too many claims: object %p of cache node", (void *)node);
    support_expect_panic(claim_beyond_the_word, &sgc_arena.excess_bias[(uintptr_t)node >> SGC_GRANULE_SHIFT], text);
}
END_TEST

START_TEST(misuse_panics_with_object_and_cache)
{
    char text[128];
    struct node *other = new_node(nodes, NULL, NULL);
    snprintf(text, sizeof(text), "hold on a dead object: object %p of cache node", (void *)node);
    support_expect_panic(hold_dead, NULL, text);
    release(other, 1);
    snprintf(text, sizeof(text), "double drop: object %p of cache node", (void *)other);
    support_expect_panic(release_nothing, other, text);
    *sgc_count_byte(&sgc_counts, other) = SGC_COUNT_DEAD;
    support_expect_panic(release_nothing, other, text);
    *sgc_count_byte(&sgc_counts, other) = 1;
    sgc_drop(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("count");
    TCase *tc = tcase_create("count");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_count_is_exact_through_the_byte_and_beyond);
    tcase_add_test(tc, the_excess_flag_is_set_exactly_while_the_excess_word_is_not_zero);
    tcase_add_test(tc, a_hundred_thousand_claims_of_several_threads_come_back_to_zero_exactly_once);
    tcase_add_loop_test(tc, threads_that_hover_around_an_edge_leave_the_count_as_it_was, 0,
                        sizeof(edges) / sizeof(edges[0]));
    tcase_add_test(tc, a_claim_unless_zero_needs_a_claim);
    tcase_add_test(tc, a_claim_unless_zero_never_meets_a_dead_object);
    tcase_add_test(tc, only_an_object_without_a_claim_can_be_claimed_dead);
    tcase_add_test(tc, a_count_that_would_wrap_panics);
    tcase_add_test(tc, misuse_panics_with_object_and_cache);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
