/* object_test.c - size, type, identity and references of objects. */
#include "core/heap/weak_table.h"
#include "tests/heap/fixture.h"

static struct sgc_heap *heap;

static void setup(void)
{
    heap = open_heap("objects", &marking_plugin);
}

static void teardown(void)
{
    close_heap(heap);
}

struct places {
    void **at[64];
    size_t n;
};

static void note_place(void *visitor, void **place)
{
    struct places *places = visitor;
    ck_assert_uint_lt(places->n, 64);
    places->at[places->n++] = place;
}

static struct places places_of(void *object)
{
    struct places places = {.n = 0};
    sgc_object_visit(object, note_place, &places);
    return places;
}

struct record {
    long before;
    void *one;
    long between;
    void *many[3];
};
static const struct sgc_type record_type = SGC_TYPE(struct record, SGC_REFS(struct record, one, many));

START_TEST(declared_runs_are_visited_in_order)
{
    struct record *record = sgc_new(make_cache(heap, &record_type));
    struct places places = places_of(record);
    ck_assert_uint_eq(places.n, 4);
    ck_assert_ptr_eq(places.at[0], &record->one);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(places.at[1 + i], &record->many[i]);
    sgc_drop(record);
}
END_TEST

struct vector {
    size_t n;
    void *items[];
};
static const struct sgc_type vector_type = SGC_TYPE(struct vector, SGC_TAIL_REFS);

START_TEST(a_tail_is_visited_to_the_slots_end_and_unused_elements_are_null)
{
    struct vector *vector = sgc_new_n(make_cache(heap, &vector_type), 5);
    struct places places = places_of(vector);
    const size_t capacity = (sgc_size(vector) - sizeof(*vector)) / sizeof(void *);
    ck_assert_uint_ge(capacity, 5);
    ck_assert_uint_eq(places.n, capacity);
    for (size_t i = 0; i < capacity; i++) {
        ck_assert_ptr_eq(places.at[i], &vector->items[i]);
        ck_assert_ptr_null(*places.at[i]);
    }
    sgc_drop(vector);
}
END_TEST

START_TEST(a_large_object_knows_its_bytes_and_its_tail)
{
    struct vector *vector = sgc_new_n(make_cache(heap, &vector_type), 100000);
    ck_assert_uint_ge(sgc_size(vector), 8 + 100000 * sizeof(void *));
    ck_assert_uint_le(sgc_size(vector), 8 + 100000 * sizeof(void *) + SGC_SLAB_BYTES);
    sgc_drop(vector);
}
END_TEST

struct tagged {
    int has_reference;
    void *reference;
};
static void tagged_trace(void *object, sgc_visit_fn *visit, void *visitor)
{
    struct tagged *tagged = object;
    if (tagged->has_reference)
        visit(visitor, &tagged->reference);
}
static const struct sgc_type tagged_type = SGC_TYPE(struct tagged, .trace = tagged_trace);

START_TEST(a_trace_callback_says_which_places_are_references_now)
{
    struct tagged *tagged = sgc_new(make_cache(heap, &tagged_type));
    ck_assert_uint_eq(places_of(tagged).n, 0);
    tagged->has_reference = 1;
    ck_assert_uint_eq(places_of(tagged).n, 1);
    ck_assert_ptr_eq(places_of(tagged).at[0], &tagged->reference);
    sgc_drop(tagged);
}
END_TEST

START_TEST(an_object_knows_its_type_and_heap)
{
    struct node *node = sgc_new(make_cache(heap, &node_type));
    ck_assert_ptr_eq(sgc_type_of(node), &node_type);
    ck_assert_ptr_eq(sgc_heap_of(node), heap);
    ck_assert_uint_ge(sgc_size(node), sizeof(*node));
    ck_assert(!sgc_object_is_ephemeron(node));
    sgc_drop(node);
}
END_TEST

START_TEST(identities_are_unique_stable_and_zero_for_what_is_no_object)
{
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *objects[1000];
    for (int i = 0; i < 1000; i++)
        objects[i] = new_node(nodes, NULL, NULL);
    uint64_t first = sgc_id(objects[0]);
    for (int i = 1; i < 1000; i++) {
        ck_assert_uint_ne(sgc_id(objects[i]), 0);
        ck_assert_uint_ne(sgc_id(objects[i]), sgc_id(objects[i - 1]));
    }
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(sgc_id(objects[0]), first);
    ck_assert_uint_eq(sgc_id(NULL), 0);
    ck_assert_uint_eq(sgc_id((void *)0x1235), 0);
    for (int i = 0; i < 1000; i++)
        sgc_drop(objects[i]);
}
END_TEST

START_TEST(an_ephemeron_enumerates_its_value_alone)
{
    struct sgc_cache *nodes = make_cache(heap, &node_type);
    struct node *key = new_node(nodes, NULL, NULL), *value = new_node(nodes, NULL, NULL);
    struct sgc_ephemeron *ephemeron = sgc_ephemeron_new(heap, key, value);
    ck_assert(sgc_object_is_ephemeron(ephemeron));
    struct places places = places_of(ephemeron);
    ck_assert_uint_eq(places.n, 1);
    ck_assert_ptr_eq(*places.at[0], value);
    sgc_drop(ephemeron);
    sgc_drop(key);
    sgc_drop(value);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("object");
    TCase *tc = tcase_create("object");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, declared_runs_are_visited_in_order);
    tcase_add_test(tc, a_tail_is_visited_to_the_slots_end_and_unused_elements_are_null);
    tcase_add_test(tc, a_large_object_knows_its_bytes_and_its_tail);
    tcase_add_test(tc, a_trace_callback_says_which_places_are_references_now);
    tcase_add_test(tc, an_object_knows_its_type_and_heap);
    tcase_add_test(tc, identities_are_unique_stable_and_zero_for_what_is_no_object);
    tcase_add_test(tc, an_ephemeron_enumerates_its_value_alone);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
