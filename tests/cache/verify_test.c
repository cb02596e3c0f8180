/* verify_test.c - sgc_cache_verify names the one invariant that a test broke. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct sgc_type item_type = {.name = "item", .size_bytes = 64};
#define PER_SLAB 1024

static struct sgc_cache *cache;
static struct sgc_class *class_;
static struct sgc_front *front;
static struct sgc_slab *slab, *full, *partial, *empty; /* slab: the current one */
static size_t number;                                  /* of slab */

/* Five slabs: current, full, partial, and two without live slots that went to the depot. */
static void setup(void)
{
    static void *objects[5 * PER_SLAB];
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_arena_init(NULL), 0);
    cache =
        sgc_cache_make(NULL, &item_type, NULL, NULL, SGC_KIND_BIT(SGC_KIND_COUNT) | SGC_KIND_BIT(SGC_KIND_MARK), NULL);
    cache->managed_manual = 1;
    sgc_cache_head_update(cache);
    class_ = cache->classes[0];
    for (int i = 0; i < 4 * PER_SLAB + 40; i++)
        objects[i] = sgc_cache_alloc(cache);
    front = sgc_front_of(class_);
    full = sgc_slab_of(objects[0]);
    partial = sgc_slab_of(objects[PER_SLAB]);
    slab = sgc_slab_of(objects[4 * PER_SLAB]);
    for (int i = PER_SLAB; i < PER_SLAB + 100; i++)
        sgc_cache_free(cache, objects[i]);
    for (int i = 2 * PER_SLAB; i < 4 * PER_SLAB; i++)
        sgc_cache_free(cache, objects[i]);
    sgc_cache_flush(cache);
    empty = class_->empty;
    number = sgc_slab_number(slab);
    ck_assert(full->listed == SLAB_FULL && partial->listed == SLAB_PARTIAL && slab->listed == SLAB_CURRENT &&
              empty->listed == SLAB_DEPOT);
    ck_assert_msg(sgc_cache_verify(cache, &error) == 0, "%s", error.message);
}

static void expect(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void expect(const char *format, ...)
{
    struct sgc_error error = {0};
    char message[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    ck_assert_int_eq(sgc_cache_verify(cache, &error), -EUCLEAN);
    ck_assert_str_eq(error.message, message);
}

static unsigned free_word(const struct sgc_slab *of)
{
    unsigned word = 0;
    while (sgc_slab_words(of, SGC_KIND_FREE)[word] == 0)
        word++;
    return word;
}
static uint64_t lowest(uint64_t bits)
{
    return bits & -bits;
}

START_TEST(a_free_bit_off_the_slots_is_named)
{
    sgc_slab_words(slab, SGC_KIND_FREE)[0] |= 2;
    expect("cache item: slab %zu has a free bit where no slot begins", number);
}
END_TEST

START_TEST(a_slot_free_twice_is_named)
{
    const unsigned word = free_word(slab);
    sgc_slab_words(slab, SGC_KIND_REMOTE)[word] |= lowest(sgc_slab_words(slab, SGC_KIND_FREE)[word]);
    expect("cache item: slab %zu has a slot that is free and freed remotely", number);
}
END_TEST

START_TEST(a_remote_free_left_behind_is_named)
{
    sgc_slab_words(full, SGC_KIND_REMOTE)[0] |= 1;
    expect("cache item: slab %zu has remote frees that nobody took over", sgc_slab_number(full));
}
END_TEST

START_TEST(a_wrong_summary_is_named)
{
    full->free_words = 1;
    expect("cache item: slab %zu has a wrong summary of its free words", sgc_slab_number(full));
}
END_TEST

START_TEST(a_mark_on_a_free_slot_is_named)
{
    const unsigned word = free_word(slab);
    sgc_slab_words(slab, SGC_KIND_MARK)[word] |= lowest(sgc_slab_words(slab, SGC_KIND_FREE)[word]);
    expect("cache item: slab %zu has a free slot with a mark", number);
}
END_TEST

START_TEST(a_count_of_a_free_slot_is_named)
{
    const unsigned word = free_word(slab);
    void *object = slab_object(slab, word, sgc_ctz64(sgc_slab_words(slab, SGC_KIND_FREE)[word]));
    *sgc_byte_at(SGC_KIND_COUNT, object) = 1;
    expect("cache item: free object %p has a count", object);
}
END_TEST

START_TEST(a_wrong_number_of_free_slots_is_named)
{
    const unsigned n_free = slab->n_free++;
    expect("cache item: slab %zu counts %u free slots, but has %u", number, n_free + 1, n_free);
}
END_TEST

START_TEST(announcements_and_debts_are_named)
{
    slab->n_notes = 3;
    expect("cache item: slab %zu waits for 3 remote frees and owes 0", number);
    slab->n_notes = 0;
    slab->n_owed = 2;
    expect("cache item: slab %zu waits for 0 remote frees and owes 2", number);
}
END_TEST

START_TEST(a_slab_of_another_class_is_named)
{
    struct sgc_class other = *class_;
    slab->class_ = &other;
    expect("cache item: slab %zu is on the list of a class that is not its own", number);
}
END_TEST

START_TEST(an_owner_of_another_class_is_named)
{
    static struct sgc_front other;
    struct sgc_class other_class = *class_;
    other.class_ = &other_class;
    full->owner = &other;
    expect("cache item: slab %zu has an owner of another class", sgc_slab_number(full));
}
END_TEST

START_TEST(a_slab_of_other_slots_is_named)
{
    full->n_slots--;
    expect("cache item: slab %zu has 1023 slots of 64 bytes, its class 1024 of 64", sgc_slab_number(full));
}
END_TEST

START_TEST(a_full_slab_that_is_listed_is_named)
{
    full->listed = SLAB_PARTIAL;
    expect("cache item: slab %zu has 0 free slots, but is listed as having some", sgc_slab_number(full));
}
END_TEST

START_TEST(a_slab_with_free_slots_that_is_not_listed_is_named)
{
    const unsigned n_free = slab->n_free;
    slab->listed = SLAB_FULL;
    expect("cache item: slab %zu has %u free slots, but is listed as full", number, n_free);
}
END_TEST

START_TEST(a_current_slab_of_nobody_is_named)
{
    slab->listed = SLAB_CURRENT;
    front->current = NULL;
    expect("cache item: slab %zu is nobody's current slab", number);
}
END_TEST

START_TEST(a_slab_missing_from_its_partial_list_is_named)
{
    slab->listed = SLAB_PARTIAL;
    sgc_list_init(&slab->partial);
    expect("cache item: slab %zu is missing from its partial list", number);
}
END_TEST

START_TEST(a_depot_slab_in_use_is_named)
{
    empty->owner = front;
    expect("cache item: slab %zu is in the depot, but in use", sgc_slab_number(empty));
}
END_TEST

START_TEST(a_wrong_fresh_flag_is_named)
{
    sgc_cache_take_fresh(cache);
    slab->fresh = 1;
    expect("cache item: slab %zu is missing from the fresh list", number);
    slab->fresh = 0;
    sgc_list_push_back(&class_->fresh, &slab->fresh_link);
    expect("cache item: slab %zu is wrongly on the fresh list", number);
}
END_TEST

START_TEST(a_window_after_a_flush_is_named)
{
    ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    const unsigned n = front->n;
    struct sgc_error error;
    ck_assert_int_eq(sgc_cache_verify(cache, &error), 0); /* of a bare cache, whose threads go on at a stop */
    cache->managed_manual = 0;
    expect("cache item: a window with %u slots after a flush", n);
}
END_TEST

START_TEST(a_stack_of_remote_frees_is_named)
{
    front->remote_head = slab;
    expect("cache item: slabs with remote frees after a flush");
}
END_TEST

START_TEST(a_front_on_the_wrong_list_is_named)
{
    front->idle = 1;
    expect("cache item: a front is on the wrong list");
}
END_TEST

START_TEST(a_slab_on_a_strangers_list_is_named)
{
    sgc_list_push_back(&front->partial, &empty->partial);
    front->n_partial++;
    expect("cache item: slab %zu is on a list of a front that does not own it", sgc_slab_number(empty));
}
END_TEST

START_TEST(a_wrong_number_of_partial_slabs_is_named)
{
    const unsigned n = front->n_partial++;
    expect("cache item: a front counts %u partial slabs, but has %u", n + 1, n);
}
END_TEST

START_TEST(a_wrong_number_of_depot_slabs_is_named)
{
    const unsigned n = class_->n_empty++;
    expect("cache item: %u slabs in the depot, but %u linked", n + 1, n);
}
END_TEST

START_TEST(a_lost_list_entry_is_named)
{
    unsigned n_listed = class_->n_empty + front->n_partial + (front->current != NULL);
    class_->empty = empty->remote_next;
    class_->n_empty--;
    expect("cache item: %u slabs with free slots, but %u on lists", n_listed, n_listed - 1);
}
END_TEST

START_TEST(a_wrong_number_of_slabs_is_named)
{
    const unsigned n = class_->n_slabs++;
    expect("cache item: %u slabs counted, but %u listed", n + 1, n);
}
END_TEST

START_TEST(a_wrong_fresh_list_is_named)
{
    unsigned n = 0;
    SGC_LIST_FOR_EACH (at, &class_->fresh)
        n++;
    struct sgc_list stray;
    sgc_list_push_back(&class_->fresh, &stray);
    expect("cache item: %u fresh slabs, but %u on the fresh list", n, n + 1);
}
END_TEST

START_TEST(a_broken_equation_is_named)
{
    const uint64_t n_live = sgc_cache_n_live(cache);
    front->n_taken++;
    expect("cache item: %llu live objects by the counters, but %llu slots in use", (unsigned long long)n_live + 1,
           (unsigned long long)n_live);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify");
    TCase *tcase = tcase_create("verify");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_free_bit_off_the_slots_is_named);
    tcase_add_test(tcase, a_slot_free_twice_is_named);
    tcase_add_test(tcase, a_remote_free_left_behind_is_named);
    tcase_add_test(tcase, a_wrong_summary_is_named);
    tcase_add_test(tcase, a_mark_on_a_free_slot_is_named);
    tcase_add_test(tcase, a_count_of_a_free_slot_is_named);
    tcase_add_test(tcase, a_wrong_number_of_free_slots_is_named);
    tcase_add_test(tcase, announcements_and_debts_are_named);
    tcase_add_test(tcase, a_slab_of_another_class_is_named);
    tcase_add_test(tcase, an_owner_of_another_class_is_named);
    tcase_add_test(tcase, a_slab_of_other_slots_is_named);
    tcase_add_test(tcase, a_full_slab_that_is_listed_is_named);
    tcase_add_test(tcase, a_slab_with_free_slots_that_is_not_listed_is_named);
    tcase_add_test(tcase, a_current_slab_of_nobody_is_named);
    tcase_add_test(tcase, a_slab_missing_from_its_partial_list_is_named);
    tcase_add_test(tcase, a_depot_slab_in_use_is_named);
    tcase_add_test(tcase, a_wrong_fresh_flag_is_named);
    tcase_add_test(tcase, a_window_after_a_flush_is_named);
    tcase_add_test(tcase, a_stack_of_remote_frees_is_named);
    tcase_add_test(tcase, a_front_on_the_wrong_list_is_named);
    tcase_add_test(tcase, a_slab_on_a_strangers_list_is_named);
    tcase_add_test(tcase, a_wrong_number_of_partial_slabs_is_named);
    tcase_add_test(tcase, a_wrong_number_of_depot_slabs_is_named);
    tcase_add_test(tcase, a_lost_list_entry_is_named);
    tcase_add_test(tcase, a_wrong_number_of_slabs_is_named);
    tcase_add_test(tcase, a_wrong_fresh_list_is_named);
    tcase_add_test(tcase, a_broken_equation_is_named);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
