/* inspect_test.c - the slabs of a heap whose every object is known, and what lies at an address. */
#include "tests/heap/inspecting.h"

#include <stdio.h>

/* ---- slabs */

struct seen {
    unsigned n_slabs, n_used;
    struct sgc_inspect_slab last;
};

static int see_slab(void *arg, const struct sgc_inspect_slab *slab)
{
    struct seen *seen = arg;
    unsigned n = 0;
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
        n += sgc_popcount64(slab->used[i]);
    ck_assert_uint_eq(n, slab->n_used);
    seen->n_slabs++;
    seen->n_used += n;
    seen->last = *slab;
    return 0;
}

START_TEST(a_slab_shows_its_slots_and_which_are_in_use)
{
    struct node *a, *b;
    struct seen seen = {0};
    open_on(&marking_plugin);
    a = new_node(nodes, NULL, NULL);
    b = new_node(nodes, NULL, NULL);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_map(heap, nodes, see_slab, &seen), 0);
    ck_assert_uint_eq(seen.n_slabs, 1);
    ck_assert_uint_eq(seen.n_used, 2);
    ck_assert_ptr_eq(seen.last.cache, nodes);
    ck_assert_uint_eq(seen.last.bytes, SGC_SLAB_BYTES);
    ck_assert_uint_eq(seen.last.n_slots, SGC_SLAB_BYTES / sizeof(struct node));
    const struct node *const both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        const size_t slot = (size_t)((const char *)both[i] - (const char *)seen.last.address) / sizeof(struct node);
        ck_assert_uint_eq(seen.last.used[slot / 64] >> (slot % 64) & 1, 1);
    }
    inspect_end();
    sgc_drop(a);
    sgc_drop(b);
    close_heap(heap);
}
END_TEST

START_TEST(a_large_object_is_one_slot_of_its_own)
{
    struct seen seen = {0};
    open_on(&marking_plugin);
    struct sgc_cache *bigs = make_cache(heap, &big_type);
    struct big *big = sgc_new(bigs);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_map(heap, bigs, see_slab, &seen), 0);
    ck_assert_uint_eq(seen.n_slabs, 1);
    ck_assert_uint_eq(seen.last.n_slots, 1);
    ck_assert_uint_eq(seen.last.bytes, 2 * SGC_SLAB_BYTES);
    ck_assert_ptr_eq(seen.last.address, big);
    assert_holds(big, 1);
    inspect_end();
    sgc_drop(big);
    close_heap(heap);
}
END_TEST

/* ---- addresses */

static void assert_finds(const void *address, void *expected, const char *format, ...)
{
    char text[200] = "";
    void *object = NULL;
    struct sgc_error error = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const int rc = sgc_inspect_find(address, &object, &error);
    ck_assert_str_eq(error.message, text);
    ck_assert_int_eq(rc, expected ? 0 : -EINVAL);
    ck_assert_ptr_eq(object, expected);
}

START_TEST(an_address_is_an_object_or_the_error_says_what_it_is)
{
    open_on(&marking_plugin);
    struct sgc_cache *bigs = make_cache(heap, &big_type);
    struct node *a = new_node(nodes, NULL, NULL), *b = new_node(nodes, NULL, NULL);
    struct big *big = sgc_new(bigs);
    struct odd {
        char bytes[48];
    };
    static const struct sgc_type odd_type = {.name = "odd", .size_bytes = sizeof(struct odd)};
    struct sgc_cache *odds = make_cache(heap, &odd_type);
    struct odd *odd = sgc_new(odds);
    void *block = sgc_malloc(100);
    sgc_drop(b);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    inspect_begin();
    assert_finds(a, a, "");
    assert_finds(big, big, "");
    assert_finds(&a->value, NULL, "%p is no object: it lies 16 bytes inside object %p of cache node", &a->value, a);
    assert_finds((char *)a + 3, NULL, "%p is no object: it lies 3 bytes inside object %p of cache node", (char *)a + 3,
                 a);
    assert_finds(&big->bytes[70000], NULL, "%p is no object: it lies 70000 bytes inside object %p of cache big",
                 &big->bytes[70000], big);
    assert_finds(b, NULL, "%p is no object: it lies in a free slot of cache node", b);
    char *last = (char *)sgc_slab_start(sgc_slab_of(odd)) + SGC_SLAB_BYTES - 16; /* 65536 is no multiple of 48 */
    assert_finds(last, NULL, "%p is no object: it lies behind the last slot of a slab of cache odd", last);
    assert_finds(&a, NULL, "%p is no object: no heap has memory there", &a);
    assert_finds((void *)(sgc_arena.base + sgc_arena.bytes - 16), NULL, "%p is no object: no heap has memory there",
                 (void *)(sgc_arena.base + sgc_arena.bytes - 16));
    void *object = NULL;
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_inspect_find(block, &object, &error), -EINVAL);
    ck_assert_msg(strstr(error.message, "is memory of malloc (cache malloc-"), "%s", error.message);
    inspect_end();
    sgc_free(block);
    sgc_drop(a);
    sgc_drop(big);
    sgc_drop(odd);
    close_heap(heap);
}
END_TEST

START_TEST(memory_that_no_cache_uses_is_named_so)
{
    struct sgc_error error = {0};
    void *object = NULL;
    open_on(&marking_plugin);
    struct sgc_cache *bigs = make_cache(heap, &big_type);
    struct big *big = sgc_new(bigs);
    sgc_drop(big);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    inspect_begin();
    ck_assert_int_eq(sgc_inspect_find(big, &object, &error), -EINVAL);
    ck_assert_msg(strstr(error.message, "is no object: no cache uses the memory there"), "%s", error.message);
    inspect_end();
    close_heap(heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect");
    TCase *tc = tcase_create("inspect");
    tcase_set_timeout(tc, 110);
    tcase_add_test(tc, a_slab_shows_its_slots_and_which_are_in_use);
    tcase_add_test(tc, a_large_object_is_one_slot_of_its_own);
    tcase_add_test(tc, an_address_is_an_object_or_the_error_says_what_it_is);
    tcase_add_test(tc, memory_that_no_cache_uses_is_named_so);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
