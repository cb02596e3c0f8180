/* debug_test.c - `debug=` costs nothing where it is off: the bare cache takes the same instructions whatever other
 * caches have on, reaches none of the checks, and does not even look. Each claim is shown to be one that can fail.
 * No golden values: what is compared was counted a moment ago, with any compiler. */
#include "tests/counts/measure.h"
#include "tests/support/expect.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES (1 << 20)
#define PAIRS "cache-pair-*"
#define BULK "cache-bulk-of-64"
#define REFILLS "cache-alloc-64"

/* The waves are no more than alloc and free. */
static const char *const patterns[] = {"cache-alloc-*", "cache-free-*", PAIRS, BULK, NULL};

static char error[COUNTS_ERROR_BYTES];
static struct counts_table without; /* no config file at all */
static struct counts_table with;    /* the cache's own checks are on */

static void count(struct counts_table *table, const char *config)
{
    const struct counts_options options = {.config = config, .patterns = patterns};
    ck_assert_msg(counts_measure(&options, table, error), "%s", error);
}

static void count_both(void)
{
    count(&without, NULL);
    count(&with, "[cache.counted]\ndebug = track\n");
    ck_assert_uint_gt(without.n, 0);
    ck_assert_uint_eq(without.n, with.n);
}

static void check_same(const struct counts_table *table)
{
    ck_assert_uint_eq(table->n, without.n);
    for (size_t i = 0; i < table->n; i++) {
        const struct counts_path *path = &table->paths[i], *as = &without.paths[i];
        ck_assert_str_eq(path->name, as->name);
        ck_assert_msg(path->instructions == as->instructions,
                      "%s: %llu instructions without a config, %llu with one, in %llu operations", path->name,
                      (unsigned long long)as->instructions, (unsigned long long)path->instructions,
                      (unsigned long long)path->n_operations);
    }
}

static void check_costs_nothing(const char *config)
{
    struct counts_table *table = malloc(sizeof(*table));
    count(table, config);
    check_same(table);
    counts_table_fini(table);
    free(table);
}

START_TEST(checks_of_another_cache_cost_nothing)
{
    check_costs_nothing("[cache.other]\ndebug = check,redzone,poison,track\n");
}
END_TEST

START_TEST(checks_that_are_off_by_name_cost_nothing)
{
    check_costs_nothing("[cache.*]\ndebug = check,redzone,poison,track\n[cache.counted]\ndebug = none\n");
}
END_TEST

START_TEST(checks_that_are_on_are_seen_in_the_counts_of_each_path)
{
    for (size_t i = 0; i < with.n; i++) {
        const struct counts_path *path = &with.paths[i];
        ck_assert_msg(path->instructions > without.paths[i].instructions, "%s counts no more", path->name);
        ck_assert_msg(strstr(path->functions, "\nsgc_debug_on_"), "%s ran no check:%s", path->name, path->functions);
    }
}
END_TEST

/* ---- what runs, and what stands there to be run */

START_TEST(no_check_is_reached_but_the_one_for_new_slabs)
{
    for (size_t i = 0; i < without.n; i++) {
        const char *at = without.paths[i].functions;
        while ((at = strstr(at, "\nsgc_debug_")) != NULL) {
            ck_assert_msg(strncmp(at, "\nsgc_debug_slab_made\n", 21) == 0, "%s reaches%.40s", without.paths[i].name,
                          at);
            at++;
        }
    }
}
END_TEST

/* The instructions of one function of the counted program; empty: it has no such function. */
static void disassemble(const char *function, char text[TEXT_BYTES])
{
    char command[4096];
    snprintf(command, sizeof(command), "objdump --disassemble='%s' --no-show-raw-insn '%s'", function,
             counts_program());
    FILE *in = popen(command, "r");
    ck_assert_ptr_nonnull(in);
    text[fread(text, 1, TEXT_BYTES - 1, in)] = '\0';
    ck_assert_msg(pclose(in) == 0, "%s failed", command);
    char *begin = strstr(text, ">:\n");
    memmove(text, begin ? begin : "", begin ? strlen(begin) + 1 : 1);
}

/* How many of these functions, of the counted program, have a call or jump to a check in them. */
static unsigned count_with_checks(const char *functions, unsigned *n_seen)
{
    char *list = strdup(functions), *text = malloc(TEXT_BYTES);
    unsigned n = 0;
    *n_seen = 0;
    for (char *at, *name = strtok_r(list, "\n", &at); name; name = strtok_r(NULL, "\n", &at)) {
        if (strchr(name, '(') || strchr(name, '\'') || strncmp(name, "sgc_debug_", 10) == 0)
            continue;
        disassemble(name, text);
        *n_seen += text[0] != '\0';
        n += strstr(text, "<sgc_debug_") != NULL;
    }
    free(list);
    free(text);
    return n;
}

/* The same of all pairs of a table. */
static unsigned count_pairs_with_checks(const struct counts_table *table)
{
    unsigned n = 0, n_seen;
    for (size_t i = 0; i < table->n; i++) {
        if (fnmatch(PAIRS, table->paths[i].name, 0) != 0)
            continue;
        ck_assert_ptr_nonnull(strstr(table->paths[i].functions, "\nbody_cache_pair\n"));
        n += count_with_checks(table->paths[i].functions, &n_seen);
        ck_assert_uint_ge(n_seen, 1);
    }
    return n;
}

START_TEST(no_function_that_a_pair_runs_has_a_call_of_a_check_in_it)
{
    ck_assert_uint_eq(count_pairs_with_checks(&without), 0);
    ck_assert_uint_gt(count_pairs_with_checks(&with), 0);
}
END_TEST

/* ---- the word that says which checks are on, set behind the cache's back */

/* False: the counted program died of it. */
static bool count_blind(struct counts_table *table, const char *pattern)
{
    const char *const one[] = {pattern, NULL};
    const struct counts_options options = {.patterns = one, .blind = true};
    return counts_measure(&options, table, error);
}

START_TEST(a_pair_does_not_look_whether_there_are_checks)
{
    struct counts_table *table = malloc(sizeof(*table));
    ck_assert_msg(count_blind(table, PAIRS), "a pair runs into checks that nothing was set up for: %s", error);
    for (size_t i = 0; i < table->n; i++) {
        const struct counts_path *path = &table->paths[i], *as = counts_find(&without, path->name);
        ck_assert_msg(path->instructions == as->instructions, "%s looks at the cache's checks", path->name);
    }
    counts_table_fini(table);
    free(table);
}
END_TEST

/* A refill is no fast path: it looks, and runs into checks that nothing was set up for. */
START_TEST(a_look_at_the_checks_is_seen_where_there_is_one)
{
    struct counts_table *table = malloc(sizeof(*table));
    ck_assert(!count_blind(table, REFILLS) ||
              table->paths[0].instructions != counts_find(&without, REFILLS)->instructions);
    counts_table_fini(table);
    free(table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("debug");
    TCase *tests = tcase_create("debug");
    tcase_add_unchecked_fixture(tests, count_both, NULL);
    tcase_add_test(tests, checks_of_another_cache_cost_nothing);
    tcase_add_test(tests, checks_that_are_off_by_name_cost_nothing);
    tcase_add_test(tests, checks_that_are_on_are_seen_in_the_counts_of_each_path);
    tcase_add_test(tests, no_check_is_reached_but_the_one_for_new_slabs);
    tcase_add_test(tests, no_function_that_a_pair_runs_has_a_call_of_a_check_in_it);
    tcase_add_test(tests, a_pair_does_not_look_whether_there_are_checks);
    tcase_add_test(tests, a_look_at_the_checks_is_seen_where_there_is_one);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
