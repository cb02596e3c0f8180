/* verify_tables_test.c - each test breaks one invariant of the weak table or the finalizer queue, and verify names it.
 */
#include "core/heap/weak_table.h"
#include "tests/heap/fixture.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes, *mortals;
static struct node *node, *other;
static struct sgc_weak *weak;
static struct sgc_ephemeron *ephemeron;

static void node_finalize(void *object)
{
    (void)object;
}
static const struct sgc_type mortal_type = {.name = "mortal",
                                            .size_bytes = sizeof(struct node),
                                            .n_ref_runs = 1,
                                            .ref_runs = {{0, 2}},
                                            .finalize = node_finalize};

static void setup(void)
{
    heap = open_heap("verify", &marking_plugin);
    nodes = make_cache(heap, &node_type);
    mortals = make_cache(heap, &mortal_type);
    node = new_node(nodes, NULL, NULL);
    other = new_node(nodes, NULL, NULL);
    weak = sgc_weak_create(node);
    ephemeron = sgc_ephemeron_new(heap, node, NULL);
    assert_verifies(heap);
}

/* The corruption is undone by then. */
static void teardown(void)
{
    assert_verifies(heap);
    sgc_weak_destroy(weak);
    sgc_drop(ephemeron);
    sgc_drop(node);
    sgc_drop(other);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    sgc_finalizers_run(heap, 0);
    close_heap(heap);
}

static void assert_violation(const char *text)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_heap_verify(heap, &error), -EUCLEAN);
    ck_assert_msg(strstr(error.message, text) != NULL, "expected '%s' in '%s'", text, error.message);
    ck_assert_msg(strstr(error.message, "heap verify: ") == error.message, "'%s' does not name the heap",
                  error.message);
}

static struct sgc_weak_entry *entry(void)
{
    return sgc_weak_entry_find(&heap->weak, node);
}

START_TEST(an_entry_of_a_dead_object)
{
    struct sgc_weak_entry *of_node = entry();
    of_node->object = (char *)node + 16;
    assert_violation("which is no live object");
    of_node->object = node;
}
END_TEST

START_TEST(an_entry_of_an_object_that_is_not_watched)
{
    *sgc_state_byte(&sgc_counts, node) &= (uint8_t)~SGC_STATE_WATCHED;
    assert_violation("it has an entry in the weak table, but is not watched");
    *sgc_state_byte(&sgc_counts, node) |= SGC_STATE_WATCHED;
}
END_TEST

START_TEST(an_entry_that_lists_nothing)
{
    struct sgc_weak_entry saved = *entry();
    entry()->weaks = NULL;
    entry()->ephemerons = NULL;
    assert_violation("its entry in the weak table is empty");
    *entry() = saved;
}
END_TEST

START_TEST(a_handle_in_the_wrong_entry)
{
    weak->object = other;
    assert_violation("a weak reference in its entry does not name it");
    weak->object = node;
}
END_TEST

START_TEST(an_ephemeron_in_the_wrong_entry)
{
    ephemeron->key = other;
    assert_violation("an ephemeron in its entry has another key");
    ephemeron->key = node;
}
END_TEST

START_TEST(an_ephemeron_in_an_entry_that_is_none)
{
    struct sgc_ephemeron *saved = entry()->ephemerons;
    entry()->ephemerons = (struct sgc_ephemeron *)other;
    assert_violation("an ephemeron in its entry is no live ephemeron");
    entry()->ephemerons = saved;
}
END_TEST

START_TEST(entries_that_are_not_counted)
{
    heap->weak.n_entries++;
    assert_violation("weak table: 1 entries and 1 ephemerons, but it counts 2 and 1");
    heap->weak.n_entries--;
    heap->weak.n_ephemerons--;
    assert_violation("weak table: 1 entries and 1 ephemerons, but it counts 1 and 0");
    heap->weak.n_ephemerons++;
}
END_TEST

static struct node *dead_mortal(void)
{
    struct node *mortal = new_node(mortals, NULL, NULL);
    sgc_drop(mortal);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(heap->finalizers.n, 1);
    assert_verifies(heap);
    return mortal;
}

START_TEST(a_waiting_object_that_is_none)
{
    struct node *mortal = dead_mortal();
    void **place = &heap->finalizers.objects[heap->finalizers.head];
    *place = (char *)mortal + 16;
    assert_violation("is no live object");
    *place = mortal;
}
END_TEST

START_TEST(a_waiting_object_that_is_not_noted_as_queued)
{
    struct node *mortal = dead_mortal();
    *sgc_state_byte(&sgc_counts, mortal) &= (uint8_t)~SGC_STATE_FINALIZED;
    assert_violation("it waits for its finalizer, but is not noted as queued");
    *sgc_state_byte(&sgc_counts, mortal) |= SGC_STATE_FINALIZED;
}
END_TEST

START_TEST(a_waiting_object_without_the_queues_claim)
{
    struct node *mortal = dead_mortal();
    *sgc_count_byte(&sgc_counts, mortal) = 0;
    assert_violation("it waits for its finalizer, but has no claim from the queue");
    *sgc_count_byte(&sgc_counts, mortal) = 1;
}
END_TEST

START_TEST(more_waiting_objects_than_places)
{
    dead_mortal();
    heap->finalizers.n_reserved = 0;
    assert_violation("finalizer queue: 1 objects wait, 0 places are reserved, there is room for 64");
    heap->finalizers.n_reserved = 1;
}
END_TEST

START_TEST(places_that_nobody_needs)
{
    dead_mortal();
    heap->finalizers.n_reserved = 2;
    assert_violation("finalizer queue: 2 places are reserved, but 1 objects have finalizers");
    heap->finalizers.n_reserved = 1;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify_tables");
    TCase *tc = tcase_create("verify_tables");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_entry_of_a_dead_object);
    tcase_add_test(tc, an_entry_of_an_object_that_is_not_watched);
    tcase_add_test(tc, an_entry_that_lists_nothing);
    tcase_add_test(tc, a_handle_in_the_wrong_entry);
    tcase_add_test(tc, an_ephemeron_in_the_wrong_entry);
    tcase_add_test(tc, an_ephemeron_in_an_entry_that_is_none);
    tcase_add_test(tc, entries_that_are_not_counted);
    tcase_add_test(tc, a_waiting_object_that_is_none);
    tcase_add_test(tc, a_waiting_object_that_is_not_noted_as_queued);
    tcase_add_test(tc, a_waiting_object_without_the_queues_claim);
    tcase_add_test(tc, more_waiting_objects_than_places);
    tcase_add_test(tc, places_that_nobody_needs);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
