/* collect_test.c - which collection the strategy asks core for, on a host that writes down what it is told.
 * Objects are granules of a small arena; `marked` stands for core's mark bits. */
#include "plugins/generational/generational.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_OBJECTS 64
#define SMALL_BYTES 16
#define BIG_BYTES (BIG_OWNER_BYTES * 2)

extern const struct sgc_strategy_plugin sgc_strategy_plugin;

static char arena[N_OBJECTS * 16] __attribute__((aligned(16)));
static uint8_t states[N_OBJECTS], counts[N_OBJECTS];
static bool marked[N_OBJECTS], big[N_OBJECTS], refuse;
static void *cell;
static char told[1024]; /* the calls, in words */
static uint8_t seen_state;
static void *seen_field;
static unsigned n_fields; /* calls of trace_fields */
static struct sgc_pace pace;
static const uint8_t solo = 1;
static struct sgc_host host;
static void *self;
static const struct sgc_strategy_ops *ops;

static void tell(const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(told);
    if (length > sizeof(told) / 2) { /* the end is what counts */
        memmove(told, told + length - sizeof(told) / 4, sizeof(told) / 4 + 1);
        length = strlen(told);
    }
    va_start(arguments, format);
    vsnprintf(told + length, sizeof(told) - length, format, arguments);
    va_end(arguments);
}
static void *object(unsigned i)
{
    return &arena[i * 16];
}
static unsigned number(const void *object)
{
    return (unsigned)(((const char *)object - arena) / 16);
}

static void *fake_alloc(size_t bytes)
{
    return refuse ? NULL : calloc(1, bytes);
}
static void fake_free(void *at, size_t bytes)
{
    (void)bytes;
    free(at);
}
/* Called when an entry is about to be logged: notes what others could see of object 1 then. */
static void **fake_thread_cell(struct sgc_heap *heap)
{
    (void)heap;
    seen_state = states[1];
    seen_field = *(void **)object(1);
    return &cell;
}
static void fake_visit_thread_cells(struct sgc_heap *heap, void (*visit)(void *arg, void **cell), void *arg)
{
    (void)heap;
    visit(arg, &cell);
}
static void *fake_lock_create(void)
{
    return &host;
}
static void fake_lock(void *lock)
{
    (void)lock;
}
static size_t fake_size_of(const void *object)
{
    return big[number(object)] ? BIG_BYTES : SMALL_BYTES;
}
static bool fake_is_marked(const void *object)
{
    return marked[number(object)];
}
static struct sgc_trace *fake_begin(struct sgc_heap *heap, bool keep_marks)
{
    (void)heap;
    tell(keep_marks ? "begin(keep) " : "begin(clear) ");
    return (struct sgc_trace *)&host;
}
static void fake_roots(struct sgc_trace *trace, enum sgc_roots which)
{
    (void)trace;
    tell(which == SGC_ROOTS_ALL ? "roots(all) " : "roots(fresh) ");
}
static void fake_object(struct sgc_trace *trace, void *object)
{
    (void)trace;
    tell("object(%u) ", number(object));
}
static void fake_fields(struct sgc_trace *trace, void *object)
{
    (void)trace;
    tell("fields(%u) ", number(object));
    n_fields++;
}
static void fake_finish(struct sgc_trace *trace)
{
    (void)trace;
    tell("finish ");
}
static void fake_sweep(struct sgc_trace *trace, uint8_t clear_state, uint8_t set_state)
{
    (void)trace;
    tell("sweep(%u,%u)", clear_state, set_state);
}
static void fake_set_pace(struct sgc_heap *heap, const struct sgc_pace *to)
{
    (void)heap;
    pace = *to;
}
static int fake_fail(struct sgc_error *error, int code, const char *format, ...)
{
    (void)format;
    error->code = code;
    return code;
}

static void setup(void)
{
    uint64_t params[8];
    struct sgc_error error;
    const uintptr_t first = (uintptr_t)arena >> SGC_GRANULE_SHIFT;
    host = (struct sgc_host){
        .counts = {.count_bias = (uint8_t *)((uintptr_t)counts - first),
                   .state_bias = (uint8_t *)((uintptr_t)states - first),
                   .solo = &solo},
        .alloc = fake_alloc,
        .free = fake_free,
        .thread_cell = fake_thread_cell,
        .visit_thread_cells = fake_visit_thread_cells,
        .lock_create = fake_lock_create,
        .lock_destroy = fake_lock,
        .lock = fake_lock,
        .unlock = fake_lock,
        .size_of = fake_size_of,
        .is_marked = fake_is_marked,
        .trace_begin = fake_begin,
        .trace_roots = fake_roots,
        .trace_object = fake_object,
        .trace_fields = fake_fields,
        .trace_finish = fake_finish,
        .trace_sweep = fake_sweep,
        .set_pace = fake_set_pace,
        .fail = fake_fail,
    };
    ops = sgc_strategy_plugin.ops;
    for (unsigned i = 0; i < sgc_strategy_plugin.n_params; i++)
        params[i] = sgc_strategy_plugin.params[i].default_value;
    ck_assert_int_eq(ops->open(&host, NULL, params, &self, &error), 0);
}
static void teardown(void)
{
    ops->close(self);
}

/* Object i is old: marked, its stores take the slow path. */
static void **old_object(unsigned i, bool is_big)
{
    marked[i] = true;
    big[i] = is_big;
    states[i] = SGC_STATE_STORE;
    return (void **)object(i);
}

static void collect_tells(enum sgc_collect_kind kind, const char *expected)
{
    told[0] = '\0';
    ops->collect(self, kind);
    ck_assert_str_eq(told, expected);
}

START_TEST(a_minor_collection_keeps_marks_and_looks_at_fresh_roots_alone)
{
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(a_full_collection_clears_marks_and_forgets_remembered_owners)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    collect_tells(SGC_COLLECT_FULL, "begin(clear) roots(all) finish sweep(0,1)");
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(a_store_into_an_old_object_logs_it_once_and_a_minor_arms_it_again)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    ck_assert_ptr_eq(*field, object(2));
    ck_assert_uint_eq(states[1], 0);
    ops->store(self, object(1), field, object(3));
    ck_assert_ptr_eq(*field, object(3));
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(a_store_logs_before_it_says_so_and_before_it_stores)
{
    for (unsigned way = 0; way < 3; way++) {
        void **field = old_object(1, false);
        *field = NULL;
        seen_state = 0;
        if (way == 0)
            ops->store(self, object(1), field, object(2));
        else if (way == 1)
            ops->exchange(self, object(1), field, object(2));
        else
            ops->compare_exchange(self, object(1), field, NULL, object(2));
        ck_assert_uint_eq(seen_state, SGC_STATE_STORE);
        ck_assert_ptr_null(seen_field);
        ck_assert_uint_eq(states[1], 0);
        ck_assert_ptr_eq(*field, object(2));
    }
}
END_TEST

START_TEST(an_owner_that_two_threads_logged_is_traced_once)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    states[1] |= SGC_STATE_STORE; /* the second thread tested the bit before the first cleared it */
    ops->store(self, object(1), field, object(3));
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
}
END_TEST

START_TEST(storing_no_reference_logs_nothing)
{
    void **field = old_object(1, false);
    ops->store(self, object(1), field, NULL);
    ops->store(self, object(1), field, (void *)(uintptr_t)5);
    ck_assert_uint_eq((uintptr_t)*field, 5);
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(a_big_owner_is_remembered_field_by_field)
{
    void **field = old_object(1, true);
    ops->store(self, object(1), field, object(2));
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    old_object(3, false);
    ops->store(self, object(1), field + 1, object(3)); /* old to old: nothing to remember */
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) object(2) finish sweep(0,1)");
}
END_TEST

START_TEST(a_long_set_takes_no_more_single_fields)
{
    void **field = old_object(1, true);
    for (size_t i = 0; i <= REMEMBER_LONG_CHUNKS * REMEMBER_CHUNK_ENTRIES && states[1]; i++)
        ops->store(self, object(1), field, object(2));
    ck_assert_uint_eq(states[1], 0); /* logged as a whole */
    ck_assert_uint_eq(((struct generational *)self)->remembered.n_chunks, REMEMBER_LONG_CHUNKS);
    ops->collect(self, SGC_COLLECT_MINOR);
    ck_assert_uint_eq(n_fields, 1);
    ck_assert_uint_eq(states[1], SGC_STATE_STORE);
    told[0] = '\0';
    ops->store(self, object(1), field, object(2));
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) object(2) finish sweep(0,1)");
}
END_TEST

START_TEST(exchange_returns_the_old_value_with_a_hold)
{
    void **field = old_object(1, false);
    *field = object(4);
    ck_assert_ptr_eq(ops->exchange(self, object(1), field, object(2)), object(4));
    ck_assert_ptr_eq(*field, object(2));
    ck_assert_uint_eq(counts[4], 1);
    ck_assert_uint_eq(counts[2], 0);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
}
END_TEST

START_TEST(compare_exchange_stores_when_equal_and_moves_no_count)
{
    void **field = old_object(1, false);
    ck_assert(!ops->compare_exchange(self, object(1), field, object(4), object(2)));
    ck_assert_ptr_null(*field);
    ck_assert(ops->compare_exchange(self, object(1), field, NULL, object(2)));
    ck_assert_ptr_eq(*field, object(2));
    ck_assert_uint_eq(counts[2] + counts[4], 0);
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) fields(1) finish sweep(0,1)");
}
END_TEST

START_TEST(after_a_lost_entry_the_next_collection_is_full)
{
    void **field = old_object(1, false);
    refuse = true;
    ops->store(self, object(1), field, object(2));
    refuse = false;
    ck_assert_ptr_eq(*field, object(2));
    collect_tells(SGC_COLLECT_MINOR, "begin(clear) roots(all) finish sweep(0,1)");
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(after_adopt_the_next_collection_is_full)
{
    struct sgc_error error;
    void **field = old_object(1, false);
    ops->store(self, object(1), field, object(2));
    ops->quiesce(self);
    ck_assert_int_eq(ops->adopt(self, &error), 0);
    collect_tells(SGC_COLLECT_MINOR, "begin(clear) roots(all) finish sweep(0,1)");
    collect_tells(SGC_COLLECT_MINOR, "begin(keep) roots(fresh) finish sweep(0,1)");
}
END_TEST

START_TEST(configure_sets_the_pace)
{
    const uint64_t params[] = {1 << 20, 50, 2 << 20};
    ck_assert_uint_eq(sgc_strategy_plugin.n_params, 3);
    ops->configure(self, params);
    ck_assert_uint_eq(pace.minor_bytes, 1 << 20);
    ck_assert_uint_eq(pace.full_growth_pct, 50);
    ck_assert_uint_eq(pace.full_min_bytes, 3 << 20); /* of old objects, and the young ones */
}
END_TEST

START_TEST(open_without_memory_is_refused)
{
    const uint64_t params[] = {1 << 20, 50, 2 << 20};
    struct sgc_error error;
    void *other = &error;
    refuse = true;
    ck_assert_int_eq(ops->open(&host, NULL, params, &other, &error), -ENOMEM);
    ck_assert_ptr_eq(other, &error);
    refuse = false;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generational/collect");
    TCase *tcase = tcase_create("collect");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_minor_collection_keeps_marks_and_looks_at_fresh_roots_alone);
    tcase_add_test(tcase, a_full_collection_clears_marks_and_forgets_remembered_owners);
    tcase_add_test(tcase, a_store_into_an_old_object_logs_it_once_and_a_minor_arms_it_again);
    tcase_add_test(tcase, a_store_logs_before_it_says_so_and_before_it_stores);
    tcase_add_test(tcase, an_owner_that_two_threads_logged_is_traced_once);
    tcase_add_test(tcase, storing_no_reference_logs_nothing);
    tcase_add_test(tcase, a_big_owner_is_remembered_field_by_field);
    tcase_add_test(tcase, a_long_set_takes_no_more_single_fields);
    tcase_add_test(tcase, exchange_returns_the_old_value_with_a_hold);
    tcase_add_test(tcase, compare_exchange_stores_when_equal_and_moves_no_count);
    tcase_add_test(tcase, after_a_lost_entry_the_next_collection_is_full);
    tcase_add_test(tcase, after_adopt_the_next_collection_is_full);
    tcase_add_test(tcase, configure_sets_the_pace);
    tcase_add_test(tcase, open_without_memory_is_refused);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
