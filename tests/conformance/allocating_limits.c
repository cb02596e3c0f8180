/* allocating_limits.c - clause 5 of the contract: at rest an allocation collects before it fails; in a section it never
 * collects, overdraws, and at the hard limit returns NULL; a reservation makes it sure. */
#include "tests/conformance/kit.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_BYTES 4096

struct page {
    uint64_t label;
    struct page *next, *other;
    char rest[PAGE_BYTES - 3 * 8];
};
static const struct sgc_type page_type = SGC_TYPE(struct page, SGC_REFS(struct page, next, other));
static const struct sgc_type leaf_page_type = SGC_TYPE(struct page, .flags = SGC_TYPE_LEAF);

static uint64_t n_collections(struct kit *kit)
{
    return KIT_STAT(kit->heap, n_full) + KIT_STAT(kit->heap, n_minor);
}

/* Ten times the limit, dead at once. */
static void allocating_at_rest_reclaims_before_null(struct kit *kit)
{
    struct sgc_cache *pages = kit_cache(kit, &page_type);
    for (unsigned i = 0; i < 10 * KIT_LIMIT_BYTES / PAGE_BYTES; i++) {
        struct page *page = sgc_new(pages);
        KIT_CHECK(page != NULL);
        sgc_drop(page);
    }
    KIT_CHECK(KIT_STAT(kit->heap, peak_bytes) <= 2 * KIT_LIMIT_BYTES);
    kit_expect_live(kit, "");
}

/* The same for rings, which no count notices. */
static void allocating_at_rest_collects_cycles_before_null(struct kit *kit)
{
    struct sgc_cache *pages = kit_cache(kit, &page_type);
    for (unsigned i = 0; i < 5 * KIT_LIMIT_BYTES / PAGE_BYTES; i++) {
        struct page *a = sgc_new(pages), *b = sgc_new(pages);
        KIT_CHECK(a && b);
        sgc_set(a, next, b);
        sgc_set(b, next, a);
        sgc_set(b, other, b);
        sgc_drop(a);
        sgc_drop(b);
    }
    KIT_CHECK(KIT_STAT(kit->heap, peak_bytes) <= 2 * KIT_LIMIT_BYTES);
    kit_expect_live(kit, "");
}

/* Holds pages in a chain by their `other` field's sibling: returns the first, and how many there were before NULL. */
static struct page *fill(struct sgc_cache *pages, unsigned *n)
{
    struct page *first = NULL;
    for (*n = 0; *n < 100 * KIT_LIMIT_BYTES / PAGE_BYTES; ++*n) {
        struct page *page = sgc_new(pages);
        if (!page)
            return first;
        page->label = 1;
        page->next = first; /* the program's own chain of held objects: the type has no references */
        first = page;
    }
    return first;
}

static void empty(struct page *first)
{
    while (first) {
        struct page *next = first->next;
        sgc_drop(first);
        first = next;
    }
}

static void allocating_returns_null_when_all_lives(struct kit *kit)
{
    struct sgc_cache *pages = kit_cache(kit, &leaf_page_type);
    for (int round = 0; round < 2; round++) {
        unsigned n;
        errno = 0;
        struct page *first = fill(pages, &n);
        KIT_CHECK(errno == ENOMEM);
        KIT_CHECK(n >= KIT_LIMIT_BYTES / PAGE_BYTES / 2 && n <= 2 * KIT_LIMIT_BYTES / PAGE_BYTES);
        kit_verify(kit->heap);
        struct page *rest = first->next;
        sgc_drop(first);
        sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
        struct page *again = sgc_new(pages);
        KIT_CHECK(again != NULL); /* what was given back can be had again */
        sgc_drop(again);
        empty(rest);
        kit_expect_live(kit, "");
    }
}

/* Garbage waits, and yet the section overdraws; after it, the debt is paid. */
static void allocating_in_a_section_never_collects(struct kit *kit)
{
    struct sgc_cache *pages = kit_cache(kit, &page_type);
    uint64_t before = n_collections(kit);
    struct page *first = NULL;
    unsigned n = 0;
    sgc_enter();
    for (; n < 100 * KIT_LIMIT_BYTES / PAGE_BYTES; n++) {
        errno = 0;
        struct page *page = sgc_new(pages);
        if (!page)
            break;
        sgc_set(page, next, first);
        sgc_drop(first);
        first = page;
    }
    KIT_CHECK(errno == ENOMEM);
    KIT_CHECK_EQ(n_collections(kit), before);
    uint64_t held_bytes = KIT_STAT(kit->heap, held_bytes);
    sgc_leave();
    KIT_CHECK((uint64_t)n * PAGE_BYTES > KIT_LIMIT_BYTES);
    KIT_CHECK(held_bytes > KIT_LIMIT_BYTES && held_bytes <= 2 * (uint64_t)KIT_LIMIT_BYTES);
    kit_verify(kit->heap);
    sgc_drop(first);
    for (int i = 0; i < 100; i++) {
        struct page *page = sgc_new(pages);
        KIT_CHECK(page != NULL);
        sgc_drop(page);
    }
    kit_expect_live(kit, "");
}

static void allocating_reserved_objects_is_sure(struct kit *kit)
{
    enum { N = 700 };
    struct sgc_cache *pages = kit_cache(kit, &leaf_page_type);
    static struct sgc_type renamed;
    renamed = leaf_page_type;
    renamed.name = "filler";
    struct sgc_cache *fillers = kit_cache(kit, &renamed);
    struct page *reserved[N];
    unsigned n;
    KIT_CHECK(sgc_reserve(pages, N) == 0);
    uint64_t before = n_collections(kit);
    sgc_enter();
    struct page *first = fill(fillers, &n); /* nothing is left for anybody else */
    for (unsigned i = 0; i < N; i++) {
        reserved[i] = sgc_new(pages);
        KIT_CHECK(reserved[i] != NULL);
        reserved[i]->label = 1 + i;
    }
    KIT_CHECK_EQ(n_collections(kit), before);
    sgc_leave();
    empty(first);
    kit_live(kit);
    for (unsigned i = 0; i < N; i++)
        sgc_drop(reserved[i]);
    kit_expect_live(kit, "");
}

static void allocating_refuses_a_reservation_beyond_the_limit(struct kit *kit)
{
    struct sgc_cache *pages = kit_cache(kit, &leaf_page_type);
    KIT_CHECK(sgc_reserve(pages, 4 * KIT_LIMIT_BYTES / PAGE_BYTES) == -ENOMEM);
    kit_verify(kit->heap);
    struct page *page = sgc_new(pages);
    KIT_CHECK(page != NULL);
    sgc_drop(page);
    kit_expect_live(kit, "");
}

/* ---- shrinkers, external bytes, destruction, statistics */

struct stock {
    struct page *first;
    unsigned n_calls;
};

static size_t give_up_stock(void *arg, size_t wanted_bytes)
{
    struct stock *stock = arg;
    KIT_CHECK(wanted_bytes > 0);
    stock->n_calls++;
    size_t bytes = 0;
    while (stock->first && bytes < (1u << 20)) {
        struct page *next = stock->first->next;
        sgc_drop(stock->first);
        stock->first = next;
        bytes += PAGE_BYTES;
    }
    return bytes;
}

static void allocating_asks_shrinkers_before_null(struct kit *kit)
{
    struct sgc_cache *pages = kit_cache(kit, &leaf_page_type);
    struct stock stock = {0};
    unsigned n;
    stock.first = fill(pages, &n);
    KIT_CHECK(sgc_shrinker_register(kit->heap, give_up_stock, &stock) == 0);
    for (int i = 0; i < 300; i++) {
        struct page *page = sgc_new(pages);
        KIT_CHECK(page != NULL);
        page->next = stock.first;
        stock.first = page;
    }
    KIT_CHECK(stock.n_calls > 0);
    sgc_shrinker_unregister(kit->heap, give_up_stock, &stock);
    empty(stock.first);
    kit_expect_live(kit, "");
}

static void allocating_accounts_external_bytes(struct kit *kit)
{
    sgc_account(kit->heap, 1 << 20);
    KIT_CHECK_EQ(KIT_STAT(kit->heap, external_bytes), 1 << 20);
    sgc_account(kit->heap, -(1 << 20));
    KIT_CHECK_EQ(KIT_STAT(kit->heap, external_bytes), 0);
}

static void allocating_cache_with_objects_is_not_destroyed(struct kit *kit)
{
    struct sgc_cache *pages = kit_cache(kit, &leaf_page_type);
    struct sgc_error error = {0};
    struct page *page = sgc_new(pages);
    KIT_CHECK(page != NULL);
    kit_at_rest(kit);
    KIT_CHECK(sgc_cache_destroy(pages, &error) == -EBUSY && error.code == -EBUSY && error.message[0]);
    page->label = 1;
    kit_expect_live(kit, "1");
    sgc_drop(page);
    KIT_CHECK(sgc_cache_destroy(pages, &error) == 0);
}

/* After a full collection the figures are exact. */
static void allocating_is_counted(struct kit *kit)
{
    struct kit_leaf *kept[100];
    struct sgc_stats stats;
    for (unsigned i = 0; i < 1000; i++) {
        struct kit_leaf *leaf = kit_leaf(kit, 1 + i);
        if (i % 10 == 0)
            kept[i / 10] = leaf;
        else
            sgc_drop(leaf);
    }
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    sgc_heap_stats(kit->heap, &stats);
    KIT_CHECK_EQ(stats.n_live, 100);
    KIT_CHECK_EQ(stats.n_allocated, 1000);
    KIT_CHECK_EQ(stats.n_reclaimed, 900);
    KIT_CHECK(stats.live_bytes >= 100 * sizeof(struct kit_leaf) && stats.held_bytes >= stats.live_bytes);
    KIT_CHECK(stats.peak_bytes >= stats.held_bytes);
    for (unsigned i = 0; i < 100; i++)
        sgc_drop(kept[i]);
    kit_expect_live(kit, "");
    KIT_CHECK_EQ(KIT_STAT(kit->heap, n_live), 0);
}

static void allocating_heap_with_held_objects_closes_and_says_so(struct kit *kit)
{
    struct kit_leaf *leaf = kit_leaf(kit, 77);
    kit_at_rest(kit);
    KIT_CHECK_EQ(leaf->label, 77);
}

const struct kit_claim kit_allocating_limits[] = {
    KIT_CLAIM(allocating_at_rest_reclaims_before_null, SGC_NEED_REFERENCES, KIT_LIMITED | KIT_PLAIN),
    KIT_CLAIM(allocating_at_rest_collects_cycles_before_null, SGC_NEED_REFERENCES | SGC_NEED_CYCLES,
              KIT_LIMITED | KIT_PLAIN),
    KIT_CLAIM(allocating_returns_null_when_all_lives, 0, KIT_LIMITED | KIT_PLAIN),
    KIT_CLAIM(allocating_in_a_section_never_collects, SGC_NEED_REFERENCES, KIT_LIMITED | KIT_PLAIN),
    KIT_CLAIM(allocating_reserved_objects_is_sure, 0, KIT_LIMITED | KIT_PLAIN),
    KIT_CLAIM(allocating_refuses_a_reservation_beyond_the_limit, 0, KIT_LIMITED | KIT_PLAIN),
    KIT_CLAIM(allocating_asks_shrinkers_before_null, 0, KIT_LIMITED | KIT_PLAIN),
    KIT_CLAIM(allocating_accounts_external_bytes, 0, 0),
    KIT_CLAIM(allocating_cache_with_objects_is_not_destroyed, 0, 0),
    KIT_CLAIM(allocating_is_counted, 0, 0),
    KIT_CLAIM(allocating_heap_with_held_objects_closes_and_says_so, 0, KIT_LEAKS),
    {0},
};
