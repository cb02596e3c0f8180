/* verify_test.c - each test breaks one invariant of slabs, references or counts, and verify names it. */
#include "core/heap/trace.h"
#include "core/heap/weak_table.h"
#include "core/os/fault.h"
#include "tests/heap/fixture.h"

static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void open_on(const struct sgc_strategy_plugin *plugin)
{
    heap = open_heap("verify", plugin);
    nodes = make_cache(heap, &node_type);
    assert_verifies(heap);
}

/* The corruption is undone by then. */
static void finish(void)
{
    assert_verifies(heap);
    close_heap(heap);
}

static void assert_violation(const char *text)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_heap_verify(heap, &error), -EUCLEAN);
    ck_assert_int_eq(error.code, -EUCLEAN);
    ck_assert_msg(strstr(error.message, text) != NULL, "expected '%s' in '%s'", text, error.message);
    ck_assert_msg(strstr(error.message, "heap verify: ") == error.message, "'%s' does not name the heap",
                  error.message);
}

START_TEST(a_heap_with_everything_in_it_verifies)
{
    open_on(_i ? &marking_plugin : &counting_plugin);
    struct node *root = new_node(nodes, NULL, (struct node *)0x3);
    for (int i = 0; i < 5000; i++) {
        struct node *node = new_node(nodes, root->left, NULL);
        sgc_set(root, left, node);
        sgc_drop(node);
    }
    struct sgc_weak *weak = sgc_weak_create(root);
    void *ephemeron = sgc_ephemeron_new(heap, root, root->left);
    for (int i = 0; i < 500; i++)
        sgc_hold(root);
    assert_verifies(heap);
    sgc_heap_collect(heap, SGC_COLLECT_MINOR);
    assert_verifies(heap);
    for (int i = 0; i < 501; i++)
        sgc_drop(root);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    ck_assert_uint_eq(n_live(heap), 1);
    sgc_weak_destroy(weak);
    sgc_drop(ephemeron);
    finish();
}
END_TEST

START_TEST(a_count_where_no_object_begins)
{
    open_on(&marking_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    *sgc_count_byte(&sgc_counts, (char *)node + 16) = 5;
    assert_violation("has a count where no object begins");
    *sgc_count_byte(&sgc_counts, (char *)node + 16) = 0;
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(a_mark_where_no_object_begins)
{
    open_on(&marking_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    *sgc_mark_word((char *)node + 16) |= sgc_mark_bit((char *)node + 16);
    assert_violation("has a mark where no object begins");
    *sgc_mark_word((char *)node + 16) &= ~sgc_mark_bit((char *)node + 16);
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(what_a_cache_finds_wrong_names_the_heap_too)
{
    open_on(&marking_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    sgc_drop(node);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    *sgc_count_byte(&sgc_counts, node) = 5;
    assert_violation("has a count");
    *sgc_count_byte(&sgc_counts, node) = 0;
    finish();
}
END_TEST

START_TEST(a_trace_that_was_not_swept)
{
    open_on(&marking_plugin);
    struct sgc_stop stop;
    struct sgc_error error = {0};
    sgc_stop_begin(&stop, heap);
    sgc_heap_flush(heap);
    struct sgc_trace *trace = sgc_trace_begin(heap, false);
    sgc_trace_finish(trace);
    ck_assert_int_eq(sgc_heap_verify_stopped(heap, &error), -EUCLEAN);
    ck_assert_str_eq(error.message, "heap verify: a trace was begun and not swept");
    sgc_trace_sweep(trace, 0, 0);
    sgc_stop_end(&stop);
    finish();
}
END_TEST

START_TEST(a_reference_to_no_object)
{
    open_on(&marking_plugin);
    struct node *node = new_node(nodes, NULL, NULL), *other = new_node(nodes, NULL, NULL);
    static char elsewhere[64] __attribute__((aligned(16)));
    node->left = (struct node *)elsewhere;
    assert_violation("the reference at byte 0 points to no object");
    node->left = NULL;
    node->right = (struct node *)((char *)other + 16); /* inside an object */
    assert_violation("the reference at byte 8 points to no object");
    node->right = (struct node *)((char *)other + 8);
    assert_violation("the reference at byte 8 points to no object");
    node->right = NULL;
    sgc_drop(other);
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(a_reference_into_another_heap)
{
    open_on(&marking_plugin);
    struct sgc_heap *other = open_heap("other", &marking_plugin);
    struct node *foreign = new_node(make_cache(other, &node_type), NULL, NULL), *node = new_node(nodes, NULL, NULL);
    node->left = foreign;
    assert_violation("the reference at byte 0 points into heap other");
    node->left = NULL;
    sgc_drop(foreign);
    sgc_drop(node);
    close_heap(other);
    finish();
}
END_TEST

START_TEST(a_reference_to_a_reclaimed_object)
{
    open_on(&marking_plugin);
    struct node *node = new_node(nodes, NULL, NULL), *dead = new_node(nodes, NULL, NULL);
    sgc_drop(dead);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    node->left = dead;
    assert_violation("the reference at byte 0 points to a reclaimed object");
    node->left = NULL;
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(a_reference_to_a_dead_object)
{
    open_on(&counting_plugin);
    struct node *child = new_node(nodes, NULL, NULL), *node = new_node(nodes, child, NULL);
    *sgc_count_byte(&sgc_counts, child) = SGC_COUNT_DEAD;
    assert_violation("the reference at byte 0 points to a dead object");
    *sgc_count_byte(&sgc_counts, child) = 2;
    sgc_drop(child);
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(a_count_lower_than_the_references_that_lead_there)
{
    open_on(&counting_plugin);
    struct node *child = new_node(nodes, NULL, NULL), *node = new_node(nodes, child, child);
    *sgc_count_byte(&sgc_counts, child) = 2; /* the test's hold; two fields */
    assert_verifies(heap);
    *sgc_count_byte(&sgc_counts, child) = 1;
    assert_violation("its count is 1, but 2 references and claims lead to it");
    *sgc_count_byte(&sgc_counts, child) = 3;
    sgc_drop(child);
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(an_ephemerons_claim_is_counted)
{
    open_on(&counting_plugin);
    struct node *key = new_node(nodes, NULL, NULL), *value = new_node(nodes, NULL, NULL);
    void *ephemeron = sgc_ephemeron_new(heap, key, value);
    sgc_drop(value);
    *sgc_count_byte(&sgc_counts, value) = 0;
    assert_violation("its count is 0, but 1 references and claims lead to it");
    *sgc_count_byte(&sgc_counts, value) = 1;
    sgc_drop(key);
    sgc_drop(ephemeron);
    finish();
}
END_TEST

START_TEST(a_state_byte_without_cores_bits)
{
    open_on(&counting_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    *sgc_state_byte(&sgc_counts, node) &= (uint8_t)~SGC_STATE_COUNTED;
    assert_violation("its state byte is 0x11, a new object's 0x31: core's bits differ");
    *sgc_state_byte(&sgc_counts, node) |= SGC_STATE_COUNTED;
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(a_watched_object_that_nothing_names)
{
    open_on(&marking_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    *sgc_state_byte(&sgc_counts, node) |= SGC_STATE_WATCHED;
    assert_violation("it is watched, but nothing names it weakly");
    *sgc_state_byte(&sgc_counts, node) &= (uint8_t)~SGC_STATE_WATCHED;
    sgc_drop(node);
    finish();
}
END_TEST

static int refusing_verify(void *self, struct sgc_error *error)
{
    struct marking *marking = self;
    return (marking->host->fail)(error, -EUCLEAN, "its own invariant"); /* libcheck has a macro of that name */
}

START_TEST(the_strategys_own_check_comes_last)
{
    static struct sgc_strategy_ops ops;
    static struct sgc_strategy_plugin plugin;
    ops = marking_ops;
    plugin = marking_plugin;
    plugin.ops = &ops;
    open_on(&plugin);
    ops.verify = refusing_verify;
    assert_violation("heap verify: strategy marking: its own invariant");
    struct node *node = new_node(nodes, NULL, NULL);
    node->left = (struct node *)&plugin;
    assert_violation("points to no object");
    node->left = NULL;
    ops.verify = marking_ops.verify;
    sgc_drop(node);
    finish();
}
END_TEST

START_TEST(no_memory_to_recount_is_said)
{
    open_on(&counting_plugin);
    struct node *node = new_node(nodes, NULL, NULL);
    struct sgc_error error = {0};
    sgc_os_fault_arm(1, true);
    const int rc = sgc_heap_verify(heap, &error);
    sgc_os_fault_disarm();
    ck_assert_int_eq(rc, -ENOMEM);
    ck_assert_str_eq(error.message, "heap verify: no memory to count its references again");
    sgc_drop(node);
    finish();
}
END_TEST

static void verify_in_section(void *arg)
{
    (void)arg;
    sgc_enter();
    sgc_heap_verify(heap, NULL);
}

START_TEST(verifying_in_a_section_panics)
{
    open_on(&marking_plugin);
    support_expect_panic(verify_in_section, NULL, "sgc_heap_verify: called inside a section");
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify");
    TCase *tc = tcase_create("verify");
    tcase_add_loop_test(tc, a_heap_with_everything_in_it_verifies, 0, 2);
    tcase_add_test(tc, a_count_where_no_object_begins);
    tcase_add_test(tc, a_mark_where_no_object_begins);
    tcase_add_test(tc, what_a_cache_finds_wrong_names_the_heap_too);
    tcase_add_test(tc, a_trace_that_was_not_swept);
    tcase_add_test(tc, a_reference_to_no_object);
    tcase_add_test(tc, a_reference_into_another_heap);
    tcase_add_test(tc, a_reference_to_a_reclaimed_object);
    tcase_add_test(tc, a_reference_to_a_dead_object);
    tcase_add_test(tc, a_count_lower_than_the_references_that_lead_there);
    tcase_add_test(tc, an_ephemerons_claim_is_counted);
    tcase_add_test(tc, a_state_byte_without_cores_bits);
    tcase_add_test(tc, a_watched_object_that_nothing_names);
    tcase_add_test(tc, the_strategys_own_check_comes_last);
    tcase_add_test(tc, no_memory_to_recount_is_said);
    tcase_add_test(tc, verifying_in_a_section_panics);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
