/* wordgraph_test.c - the program as a user runs it: the same answers with every strategy, bounded memory, and what it
 * says when something is wrong. */
#include "tests/support/expect.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"
#include "tests/support/strategies.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#define OUTPUT_BYTES 16384

static const char *wordgraph = "tools/wordgraph/wordgraph";
static char directory[SUPPORT_PATH_BYTES];
static char out[OUTPUT_BYTES], err[OUTPUT_BYTES]; /* of the last run */

static void setup(void)
{
    support_scratch_create(directory);
}
static void teardown(void)
{
    support_scratch_destroy(directory);
}

static void read_text(const char *name, char text[OUTPUT_BYTES])
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_path(path, directory, name);
    FILE *in = fopen(path, "r");
    ck_assert_ptr_nonnull(in);
    text[fread(text, 1, OUTPUT_BYTES - 1, in)] = '\0';
    fclose(in);
}

/* Runs a shell command in which $W is the program and $D the scratch directory; returns the exit status. */
static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char command[8192], whole[3 * 8192];
    va_list arguments;
    va_start(arguments, format);
    ck_assert_int_lt(vsnprintf(command, sizeof(command), format, arguments), (int)sizeof(command));
    va_end(arguments);
    snprintf(whole, sizeof(whole), "W='%s' D='%s'; ( %s ) >\"$D/out\" 2>\"$D/err\"", wordgraph, directory, command);
    const int status = system(whole);
    ck_assert_msg(WIFEXITED(status), "%s: status 0x%x", command, (unsigned)status);
    read_text("out", out);
    read_text("err", err);
    return WEXITSTATUS(status);
}

static void check_run(int expected, const char *command)
{
    const int status = run("%s", command);
    ck_assert_msg(status == expected, "%s: exit status %d instead of %d\n%s%s", command, status, expected, out, err);
}

static void check_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in: %s", part, text);
}

/* The value of a line of the program's output. */
static void value(const char *name, char text[64])
{
    const char *line = strstr(out, name);
    ck_assert_msg(line != NULL, "no '%s' in: %s", name, out);
    line += strlen(name);
    line += strspn(line, " ");
    snprintf(text, 64, "%.*s", (int)strcspn(line, "\n"), line);
}
static uint64_t number(const char *name)
{
    char text[64];
    value(name, text);
    return strtoull(text, NULL, 10);
}

static void write_file(const char *name, const char *content)
{
    char path[SUPPORT_PATH_BYTES];
    support_scratch_file(path, directory, name, content, 0600);
}

/* A text of n words from a vocabulary of the given size, few of them frequent; phrases come again. */
static void write_words(const char *name, size_t n, uint32_t vocabulary)
{
    char path[SUPPORT_PATH_BYTES];
    struct random random = {1};
    support_scratch_path(path, directory, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < n; i++) {
        uint32_t word = random_below(&random, random_below(&random, vocabulary) + 1);
        for (unsigned k = random_below(&random, 4); k <= 4; k++, word = word * 7 % vocabulary) {
            for (uint32_t left = word + 26; left; left /= 26)
                fputc((int)('a' + left % 26), file);
            fputc(' ', file);
        }
        if (random_chance(&random, 10))
            fputs(".\n", file);
    }
    fclose(file);
}

/* The strategies that can run the program. */
static size_t strategies(const char *names[])
{
    const size_t n_all = support_strategies(names);
    size_t n = 0;
    for (size_t i = 0; i < n_all; i++)
        if (strcmp(names[i], "none") != 0)
            names[n++] = names[i];
    ck_assert_uint_ge(n, 1);
    return n;
}

/* Runs the program on every strategy: digest, answers and live objects must be equal, and are left in out. */
static void check_same(const char *options)
{
    const char *names[SUPPORT_MAX_STRATEGIES];
    const size_t n = strategies(names);
    char first[OUTPUT_BYTES] = "";
    for (size_t i = 0; i < n; i++) {
        const int status = run("SLABGC=strategy=%s $W --stats --verify %s", names[i], options);
        ck_assert_msg(status <= 1, "%s %s: exit status %d: %s", names[i], options, status, err); /* 1: a word is absent */
        char seen[OUTPUT_BYTES], digest[64], strategy[64];
        value("digest", digest);
        value("strategy", strategy);
        ck_assert_str_eq(strategy, names[i]);
        const char *answers = strstr(strstr(out, "peak memory"), "\n");
        snprintf(seen, sizeof(seen), "%s, %" PRIu64 " live%s", digest, number("live"), answers);
        if (i == 0)
            strcpy(first, seen);
        ck_assert_msg(strcmp(first, seen) == 0, "%s: %s\n%s: %s", names[0], first, names[i], seen);
    }
}

START_TEST(digest_answers_and_live_objects_are_equal_on_every_strategy)
{
    write_words("words", 20000, 3000);
    check_same("--max-words=200 --query=bab --query=caa $D/words");
    ck_assert_uint_ge(number("words read"), 40000);
    check_same("--max-words=100000 --repeat=2 --query=bab $D/words");
}
END_TEST

START_TEST(readers_change_nothing_and_meet_no_dead_word_on_any_strategy)
{
    char alone[64], digest[64];
    write_words("words", 20000, 3000);
    check_run(0, "$W --max-words=200 $D/words");
    value("digest", alone);
    check_same("--max-words=200 --readers=2 $D/words");
    value("digest", digest);
    ck_assert_str_eq(alone, digest);
}
END_TEST

START_TEST(the_graph_stays_bounded_when_each_new_word_leads_to_an_older_one)
{
    enum { N = 50000, MAX_WORDS = 160 };
    char path[SUPPORT_PATH_BYTES];
    support_scratch_path(path, directory, "chain");
    FILE *file = fopen(path, "w");
    for (unsigned i = 26; i < 26 + N; i++) { /* "b a c b d c ...": a chain of edges back to the beginning */
        for (unsigned back = 0; back < 2; back++) {
            for (unsigned left = i + 1 - back; left; left /= 26)
                fputc((int)('a' + left % 26), file);
            fputc(' ', file);
        }
    }
    fclose(file);
    check_same("--max-words=160 $D/chain");
    ck_assert_uint_eq(number("words read"), 2 * N);
    ck_assert_uint_le(number("live"), 2 * MAX_WORDS + MAX_WORDS / 16 + 2);
}
END_TEST

START_TEST(a_query_names_the_most_frequent_successors_and_a_sentence)
{
    write_file("cats", "The cat sat. The cat ran! The dog ran? the CAT sat");
    check_run(0, "$W --query=the --query=CAT --query=ran $D/cats");
    check_in(out, "the (4) -> cat (3), dog (1)\n    the ");
    check_in(out, "cat (3) -> sat (2), ran (1)\n    cat ");
    check_in(out, "ran (2)\n    ran.\n");
}
END_TEST

START_TEST(a_word_that_the_graph_lacks_is_said_and_status_1)
{
    check_run(1, "echo some words | $W --query=none --query=some -");
    check_in(out, "none: not in the graph\n");
    check_in(out, "some (1) -> words (1)\n");
}
END_TEST

START_TEST(words_are_letters_and_bytes_beyond_ascii_up_to_63_bytes)
{
    char text[256];
    memset(text, 'x', 63);
    strcpy(text + 63, " yes ");
    memset(text + 68, 'z', 64);
    strcpy(text + 132, " n\303\244chster, don't");
    write_file("text", text);
    check_run(0, "$W --stats --query=yes --query=n\303\244chster --query=don $D/text");
    ck_assert_uint_eq(number("words read"), 5);
    check_in(out, "yes (1) -> n\303\244chster (1)\n"); /* the run of 64 letters is no word */
    check_in(out, "n\303\244chster (1) -> don (1)\n");
    check_in(out, "don (1) -> t (1)\n");
}
END_TEST

START_TEST(a_directory_is_read_in_the_order_of_names_without_symbolic_links)
{
    check_run(0, "mkdir $D/texts && cd $D/texts && echo b c >2 && echo a b >1 && ln -s 1 3 && mkdir 4");
    char digest[64], other[64];
    check_run(0, "$W --stats $D/texts");
    value("digest", digest);
    ck_assert_uint_eq(number("words read"), 4);
    check_run(0, "$W $D/texts/1 $D/texts/2");
    value("digest", other);
    ck_assert_str_eq(digest, other);
}
END_TEST

START_TEST(readers_take_a_lock_only_where_the_strategy_lacks_concurrent_readers)
{
    static const char *const locked[] = {"refcount"};
    const char *names[SUPPORT_MAX_STRATEGIES];
    const size_t n = strategies(names);
    write_words("words", 100, 50);
    for (size_t i = 0; i < n; i++) {
        char met[64];
        ck_assert_int_eq(run("SLABGC=strategy=%s $W --stats --readers=1 $D/words", names[i]), 0);
        value("words met", met);
        check_in(met, strcmp(names[i], locked[0]) ? "take no lock" : "take a lock");
    }
}
END_TEST

/* ---- config */

START_TEST(a_misspelt_strategy_is_refused_with_place_caret_and_suggestion)
{
    write_file("bad.conf", "# wordgraph\n[heap]\nstrategy = generatinal\n");
    check_run(EX_CONFIG, "SLABGC_CONFIG=$D/bad.conf $W");
    ck_assert_str_eq(out, "");
    check_in(err, "bad.conf:3:12: ");
    check_in(err, "generatinal");
    check_in(err, "strategy = generatinal\n");
    check_in(err, "^");
    check_in(err, "did you mean \"generational\"");
}
END_TEST

START_TEST(a_strategy_that_lacks_a_needed_capability_is_refused_by_name)
{
    write_file("none.conf", "[heap.wordgraph]\nstrategy = none\n");
    check_run(EX_CONFIG, "SLABGC_CONFIG=$D/none.conf $W");
    ck_assert_str_eq(out, "");
    check_in(err, "none.conf:2:12: ");
    check_in(err, "cycles");
    check_in(err, "generational");
}
END_TEST

START_TEST(the_example_configs_give_one_digest_and_each_its_strategy)
{
    static const char *const names[] = {"refcount", "generational", "rcu"};
    char first[64] = "", digest[64], strategy[64];
    write_words("words", 5000, 1000);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const int status = run("SLABGC_CONFIG=tools/wordgraph/configs/%s.conf $W --stats $D/words", names[i]);
        ck_assert_msg(status == 0, "%s.conf: status %d: %s", names[i], status, err);
        value("strategy", strategy);
        ck_assert_str_eq(strategy, names[i]);
        value("digest", digest);
        if (i == 0)
            strcpy(first, digest);
        ck_assert_str_eq(first, digest);
    }
}
END_TEST

START_TEST(compare_shows_all_strategies_in_one_table)
{
    const char *names[SUPPORT_MAX_STRATEGIES];
    const size_t n = strategies(names);
    write_words("words", 2000, 500);
    const int status = run("WORDGRAPH=$W tools/wordgraph/compare.sh --max-words=100 $D/words");
    ck_assert_msg(status == 0, "status %d: %s%s", status, out, err);
    for (size_t i = 0; i < n; i++) {
        char line[64];
        snprintf(line, sizeof(line), "\n%-14s ", names[i]);
        check_in(out, line);
    }
    check_in(out, "none is left out: ");
}
END_TEST

/* ---- bad input */

START_TEST(bad_options_are_usage_errors)
{
    static const char *const options[] = {"--max-words=15", "--max-words=1e6", "--readers=65", "--readers=-1",
                                          "--repeat=0",     "--repeat=",       "--no-such"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const int status = run("$W %s </dev/null", options[i]);
        ck_assert_msg(status == EX_USAGE, "%s: status %d: %s", options[i], status, err);
        ck_assert_str_eq(out, "");
    }
    check_run(EX_USAGE, "$W --readers=65");
    check_in(err, "--readers=65: a number from 0 to 64 is wanted");
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    check_run(EX_NOINPUT, "$W $D/absent");
    check_in(err, "/absent: No such file or directory\n");
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(no_output_is_an_error)
{
    check_run(EX_IOERR, "echo a b | $W - >/dev/full");
    check_in(err, "cannot write to stdout");
}
END_TEST

START_TEST(a_memory_limit_that_is_too_small_ends_the_program_with_a_message)
{
    write_words("words", 20000, 100000);
    check_run(EX_OSERR, "SLABGC=memory_limit=1MiB $W --max-words=100000 $D/words");
    check_in(err, "memory_limit");
    ck_assert_str_eq(out, "");
}
END_TEST

int main(void)
{
    support_strategies_init();
    if (getenv("WORDGRAPH"))
        wordgraph = getenv("WORDGRAPH");
    Suite *suite = suite_create("wordgraph");
    TCase *tcase = tcase_create("wordgraph");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, digest_answers_and_live_objects_are_equal_on_every_strategy);
    tcase_add_test(tcase, readers_change_nothing_and_meet_no_dead_word_on_any_strategy);
    tcase_add_test(tcase, the_graph_stays_bounded_when_each_new_word_leads_to_an_older_one);
    tcase_add_test(tcase, a_query_names_the_most_frequent_successors_and_a_sentence);
    tcase_add_test(tcase, a_word_that_the_graph_lacks_is_said_and_status_1);
    tcase_add_test(tcase, words_are_letters_and_bytes_beyond_ascii_up_to_63_bytes);
    tcase_add_test(tcase, a_directory_is_read_in_the_order_of_names_without_symbolic_links);
    tcase_add_test(tcase, readers_take_a_lock_only_where_the_strategy_lacks_concurrent_readers);
    tcase_add_test(tcase, a_misspelt_strategy_is_refused_with_place_caret_and_suggestion);
    tcase_add_test(tcase, a_strategy_that_lacks_a_needed_capability_is_refused_by_name);
    tcase_add_test(tcase, the_example_configs_give_one_digest_and_each_its_strategy);
    tcase_add_test(tcase, compare_shows_all_strategies_in_one_table);
    tcase_add_test(tcase, bad_options_are_usage_errors);
    tcase_add_test(tcase, a_missing_file_is_named);
    tcase_add_test(tcase, no_output_is_an_error);
    tcase_add_test(tcase, a_memory_limit_that_is_too_small_ends_the_program_with_a_message);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
