/* bench_test.c - bench as a user runs it, small: every workload runs on every backend, answers are equal, reports have
 * what was measured, and the command line and the input are refused with what is wrong. No time is judged. */
#include "tests/support/expect.h"
#include "tests/support/scratch.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES (4 << 20)
#define SMALL "--depth 8 --objects 20000 --loop-ms 1 --repetitions 1 --live 1000 --phase-bytes 2MiB --phase-idle-ms 20"

static char directory[SUPPORT_PATH_BYTES];
static char out[OUTPUT_BYTES], err[OUTPUT_BYTES];

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

/* Runs bench with these arguments and checks the exit status. $BENCH: the program, when it is not where Bazel has it.
 */
static void check_run(int expected, const char *arguments)
{
    char command[2 * SUPPORT_PATH_BYTES + 512];
    const char *program = getenv("BENCH") ? getenv("BENCH") : "tests/bench/bench";
    ck_assert_int_lt(
        snprintf(command, sizeof(command), "'%s' %s >'%s/out' 2>'%s/err'", program, arguments, directory, directory),
        (int)sizeof(command));
    const int status = system(command);
    read_text("out", out);
    read_text("err", err);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == expected, "bench %s: status 0x%x\n%s%s", arguments,
                  (unsigned)status, out, err);
}

static void check_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in: %s", part, text);
}

static void check_not_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "'%s' is in: %s", part, text);
}

/* Others' libraries may be missing where the tests run. */
static bool may_be_skipped(const char *backend)
{
    static const char *const peers[] = {"jemalloc", "mimalloc", "tcmalloc", "boehm"};
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        if (strcmp(backend, peers[i]) == 0)
            return true;
    }
    return false;
}

/* The words of a line of --list are a workload's backends: each has a row in its table. */
static void check_rows(const char *name, char *backends)
{
    char title[64], row[64];
    snprintf(title, sizeof(title), "\n%s [", name);
    const char *table = strstr(out, title);
    ck_assert_msg(table != NULL, "no table of %s in: %s", name, out);
    const char *end = strstr(table, "\n\n");
    for (char *at = NULL, *backend = strtok_r(backends, " ", &at); backend; backend = strtok_r(NULL, " ", &at)) {
        snprintf(row, sizeof(row), "\n  %-22s ", backend);
        const char *found = strstr(table, row);
        ck_assert_msg(found && (!end || found < end), "%s has no row for %s in: %s", name, backend, out);
        if (strncmp(found + strlen(row), "skipped: ", 9) == 0) {
            fprintf(stderr, "%s on %s is %.*s\n", name, backend, (int)strcspn(found + strlen(row), "\n"),
                    found + strlen(row));
            ck_assert_msg(may_be_skipped(backend), "%s skipped", backend);
        }
    }
}

START_TEST(every_workload_runs_on_every_backend_with_the_same_answer)
{
    static char list[OUTPUT_BYTES];
    size_t n = 0;
    check_run(0, "--list");
    memcpy(list, out, sizeof(list));
    check_run(0, SMALL);
    for (char *at = NULL, *line = strtok_r(list, "\n", &at); line; line = strtok_r(NULL, "\n", &at), n++) {
        char *backends = strtok_r(NULL, "\n", &at);
        ck_assert_ptr_nonnull(backends);
        line[strcspn(line, " ")] = '\0';
        check_rows(line, backends);
    }
    ck_assert_uint_gt(n, 90);
    check_in(out, "control loop: ");
}
END_TEST

/* The result of a workload on a backend. */
static const json_t *result_in(const json_t *document, const char *bench, const char *backend)
{
    const json_t *results = json_object_get(document, "results");
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        if (strcmp(json_string_value(json_object_get(result, "bench")), bench) == 0 &&
            strcmp(json_string_value(json_object_get(result, "backend")), backend) == 0)
            return result;
    }
    ck_abort_msg("no result of %s on %s in: %s", bench, backend, out);
}

static json_t *parse_output(void)
{
    json_error_t error;
    json_t *document = json_loads(out, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(document != NULL, "line %d: %s in: %s", error.line, error.text, out);
    return document;
}

START_TEST(json_is_one_document_with_all_runs)
{
    static const char *const backends[] = {"glibc", "cache"};
    check_run(0, "--json --bench 'random-64-*,larson-mix' --backend 'g*,cache,generational' --live 500 --loop-ms 1 "
                 "--repetitions 2");
    json_t *document = parse_output();
    ck_assert_uint_eq(json_array_size(json_object_get(document, "results")), 8);
    const char *checksum = NULL;
    for (size_t i = 0; i < 2; i++) {
        const json_t *result = result_in(document, "random-64-1e4", backends[i]);
        const json_t *parameters = json_object_get(result, "parameters"), *runs = json_object_get(result, "runs");
        ck_assert_str_eq(json_string_value(json_object_get(parameters, "bytes")), "64");
        ck_assert_str_eq(json_string_value(json_object_get(parameters, "live")), "500");
        ck_assert_uint_eq(json_array_size(runs), 2);
        for (size_t k = 0; k < 2; k++) {
            const json_t *run = json_array_get(runs, k);
            const char *own = json_string_value(json_object_get(run, "checksum"));
            ck_assert_ptr_nonnull(own);
            ck_assert_str_ne(own, "0");
            checksum = checksum ? checksum : own;
            ck_assert_str_eq(own, checksum);
            ck_assert(json_real_value(json_object_get(run, "value")) > 0);
            ck_assert(json_integer_value(json_object_get(run, "rss_bytes")) > 0);
            ck_assert(json_integer_value(json_object_get(run, "operations")) > 0);
        }
    }
    const json_t *to = json_object_get(result_in(document, "larson-mix", "cache"), "ratio_to");
    ck_assert(json_real_value(json_object_get(json_object_get(to, "glibc"), "median")) > 0);
    json_decref(document);
}
END_TEST

START_TEST(peers_are_chosen_beside_ours)
{
    check_run(0, "--peer glibc --bench pair-64 --loop-ms 1 --repetitions 1");
    check_in(out, "\n  glibc ");
    check_in(out, "\n  cache ");
    check_not_in(out, "jemalloc");
}
END_TEST

START_TEST(instructions_are_counted_by_operation)
{
    check_run(0, "--json --instructions=1 --bench pair-64,lifo16-64 --backend glibc,cache --loop-ms 1 --repetitions 1");
    json_t *document = parse_output();
    const double ours = json_real_value(json_object_get(result_in(document, "pair-64", "cache"), "instructions"));
    const double glibc = json_real_value(json_object_get(result_in(document, "pair-64", "glibc"), "instructions"));
    ck_assert_msg(ours > 5 && ours < 1000 && glibc > 5 && glibc < 1000, "ours %g, glibc %g", ours, glibc);
    ck_assert_ptr_null(json_object_get(result_in(document, "lifo16-64", "cache"), "instructions"));
    check_in(err, "the instructions of 1 more workloads were not counted; --instructions=2 would");
    json_decref(document);
}
END_TEST

START_TEST(a_report_has_every_result_of_the_runs_it_makes)
{
    static const char *const others[] = {"glibc", "jemalloc", "mimalloc", "tcmalloc"};
    char arguments[2 * SUPPORT_PATH_BYTES], row[64];
    snprintf(arguments, sizeof(arguments), "report --bench construct-light,bulk-16 %s --output '%s/page.html'", SMALL,
             directory);
    check_run(0, arguments);
    for (size_t i = 0; i < 4; i++) {
        snprintf(row, sizeof(row), "\n| construct-light | %s | ", others[i]);
        check_in(out, row);
    }
    check_in(out, "\n| bulk-16 | cache | ");
    check_in(out, "bytes=64 at-once=16");
    read_text("page.html", out);
    check_in(out, "<td>bulk-16</td><td>cache</td>");
}
END_TEST

#define RUN(value, rss)                                                                                                \
    "{\"repetition\":1,\"value\":" value ",\"cpu\":" value ",\"rss_bytes\":" rss                                       \
    ",\"control_ns\":[0.4,0.5],\"figures\":{\"line_ns\":50}}"
#define RESULT(bench, backend, role, runs)                                                                             \
    "{\"bench\":\"" bench "\",\"what\":\"a <b> & c|d\",\"unit\":\"ns\",\"backend\":\"" backend "\",\"role\":\"" role   \
    "\",\"parameters\":{\"bytes\":\"64\"},\"runs\":[" runs "]}"
#define DOCUMENT(results) "{\"format\":\"slabgc bench 1\",\"parameters\":{\"config\":\"\"},\"results\":[" results "]}"

#define SKIPPED "{\"repetition\":1,\"skipped\":\"no such library\"}"

#define GLIBC RESULT("pair", "glibc", "peer", RUN("8", "1048576") "," RUN("8", "1048576"))
#define JEMALLOC RESULT("pair", "jemalloc", "rival", RUN("6", "4194304") "," RUN("4", "4194304"))
#define MIMALLOC RESULT("pair", "mimalloc", "rival", RUN("7", "2097152") "," RUN("7", "2097152"))
#define CACHE RESULT("pair", "cache", "own", RUN("1.5", "3145728") "," RUN("2", "3145728"))
#define OTHER RESULT("pair", "other", "own", SKIPPED "," SKIPPED)
#define ALONE RESULT("alone", "cache", "own", RUN("3", "1048576"))
static const char fixed_document[] = DOCUMENT(GLIBC "," JEMALLOC "," MIMALLOC "," CACHE "," OTHER "," ALONE);

/* With the paths of all outputs in the scratch directory. */
static void report_fixed(void)
{
    char path[SUPPORT_PATH_BYTES], arguments[5 * SUPPORT_PATH_BYTES];
    support_scratch_file(path, directory, "in.json", fixed_document, 0600);
    snprintf(arguments, sizeof(arguments),
             "report --input '%s' --output '%s/o.html' --svg '%s/o.svg' --markdown '%s/o.md'", path, directory,
             directory, directory);
    check_run(0, arguments);
}

START_TEST(a_report_from_a_document_has_every_row_and_its_ratios)
{
    static char text[OUTPUT_BYTES];
    report_fixed();
    check_in(out, "| workload | backend | median | / glibc | / jemalloc | / mimalloc | / best (min-max) | cpu / best | "
                  "MiB | / best |");
    check_in(
        out,
        "\n| pair | cache | 1.75 ns | 0.22 | 0.35 | 0.25 | **0.35** (0.25-0.50) jemalloc | 0.35 | 3.00 | 1.50 |  |\n");
    check_in(out, "\n| pair | other | - | | | | | | | | |\n");
    check_in(out, "\n| alone | cache | 3.00 ns |  |  |  | |  | 1.00 |  |  |\n");
    check_in(out, "\n| pair | jemalloc | 5.00 | 4.00 | 6.00 | 5.00 | 4.00 |  | line\\_ns 50.0 |\n");
    check_in(out, "no such library");
    check_in(out, "\n- pair (ns, 2 repetitions): a \\<b\\> & c\\|d; bytes=64\n");
    check_in(out, "max/min 1.25");
    read_text("o.md", text);
    ck_assert_msg(strstr(out, text) != NULL, "the table of ratios differs: %s", text);
}
END_TEST

START_TEST(page_and_chart_stand_alone)
{
    static const char *const rows[] = {"<td>pair</td><td>glibc</td>",    "<td>pair</td><td>jemalloc</td>",
                                       "<td>pair</td><td>mimalloc</td>", "<td>pair</td><td>cache</td>",
                                       "<td>pair</td><td>other</td>",    "<td>alone</td><td>cache</td>"};
    static const char *const outside[] = {"src=", "href=", "url(", "@import", "<script", "a <b> & c"};
    static char text[OUTPUT_BYTES];
    report_fixed();
    read_text("o.html", text);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_in(text, rows[i]);
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        check_not_in(text, outside[i]);
    check_in(text, "a &lt;b&gt; &amp; c|d");
    check_in(text, "<title>pair: cache 0.35 of jemalloc, 0.25 to 0.50</title>");
    check_in(text, "prefers-color-scheme:dark");
    static char chart[OUTPUT_BYTES];
    read_text("o.svg", chart);
    ck_assert_int_eq(strncmp(chart, "<svg xmlns=", 11), 0);
    check_in(text, chart);
    check_in(out, "## All figures");
}
END_TEST

/* Runs a report of this document, which must be refused with this text. */
static void check_refused(const char *document, const char *expected)
{
    char path[SUPPORT_PATH_BYTES], arguments[2 * SUPPORT_PATH_BYTES];
    support_scratch_file(path, directory, "bad.json", document, 0600);
    snprintf(arguments, sizeof(arguments), "report --input '%s'", path);
    check_run(2, arguments);
    check_in(err, "bad.json: ");
    check_in(err, expected);
    check_in(err, "; a document of 'bench --json' is wanted\n");
    unlink(path);
}

START_TEST(a_wrong_document_is_refused_with_its_place)
{
    check_refused("", "line 1, column 0: '[' or '{' expected near end of file");
    check_refused("{\"format\": 1,\n]", "line 2, column 1: string or '}' expected near ']'");
    check_refused("[]", "its format is missing");
    check_refused("{\"format\": \"slabgc bench 9\"}", "its format is slabgc bench 9 where 'slabgc bench 1' is wanted");
    check_refused(DOCUMENT(""), "results is an array with 0 items where 1 to ");
    check_refused(DOCUMENT("7"), "results[0] is an integer where an object is wanted");
    check_refused(DOCUMENT(RESULT("a", "b", "friend", RUN("1", "1"))),
                  "results[0].role is 'friend' where own, peer or rival is wanted");
    check_refused(DOCUMENT(RESULT("a", "b", "own", "")), "results[0].runs is an array with 0 items where 1 to ");
    check_refused(DOCUMENT(RESULT("a", "b", "own", RUN("1", "1") "," RUN("-1", "1"))),
                  "results[0].runs[1].value is out of range where a number of at least 0 is wanted");
    check_refused(DOCUMENT(RESULT("a", "b", "own", RUN("\"x\"", "1"))), "results[0].runs[0].value is a string where");
    check_refused(DOCUMENT(RESULT("a", "b", "own", "{\"value\":1}")), "results[0].runs[0].control_ns is missing where");
    check_refused(DOCUMENT(RESULT("a", "b", "own", RUN("1", "1")) "," RESULT("a", "b", "own", RUN("1", "1"))),
                  "results[1] is one more result of a on b");
    check_refused(
        DOCUMENT(RESULT("a", "b", "own", RUN("1", "1")) "," RESULT("a", "c", "own", RUN("1", "1") "," RUN("1", "1"))),
        "results[1].runs has 2 items where the first backend of a has 1");
    check_run(2, "report --input /no/such/file");
    check_in(err, "bench: /no/such/file: No such file or directory; --input wants a file that 'bench --json' wrote");
}
END_TEST

START_TEST(without_the_reference_there_is_no_ratio)
{
    check_run(0, "--bench hold-drop-rest --backend rcu --loop-ms 1 --repetitions 3");
    check_in(out, " - ");
}
END_TEST

START_TEST(a_run_that_fails_is_named_and_sets_the_status)
{
    check_run(1,
              "--bench binary-trees --backend glibc,generational --depth 6 --repetitions 1 --config strategy=refcount");
    check_in(err, "binary-trees on generational failed: config makes this heap one of refcount");
    check_in(out, "  glibc ");
}
END_TEST

START_TEST(a_wrong_command_line_is_refused)
{
    static const struct {
        const char *arguments, *message;
    } wrong[] = {
        {"--bench no-such", "--bench no-such: there is no workload or group of this name; --list shows what there is"},
        {"--bench pair-64,pair-65", "--bench pair-65: there is no workload or group"},
        {"--bench ,", "--bench ',': names are wanted"},
        {"--backend jmalloc", "--backend jmalloc: there is no backend of this name; --list shows"},
        {"--peer cache", "--peer cache: there is no peer of this name"},
        {"--bench mark --backend cache", "none of these workloads runs on these backends; --list shows what there is"},
        {"--depth 3", "--depth 3: a number from 4 to 24 is wanted"},
        {"--repetitions 1x", "--repetitions 1x: a number from 1 to 1000 is wanted"},
        {"--repetitions -1", "--repetitions -1: a number from 1 to 1000 is wanted"},
        {"--live 0", "--live 0: a number from 1 to 100000000 is wanted"},
        {"--phase-bytes 1KiB", "--phase-bytes 1KiB: a number from 1048576 to 1099511627776 is wanted, or one of KiB"},
        {"--phase-bytes 99999999999GiB", "--phase-bytes 99999999999GiB: a number from"},
        {"--phase-bytes 1gb", "--phase-bytes 1gb: a number from"},
        {"--instructions=0", "--instructions 0: a number from 1 to 1000 is wanted"},
        {"--nonsense", "usage: bench"},
        {"nonsense", "'nonsense' is no option; --help shows them"},
        {"--output x.html", "--input, --output, --svg and --markdown belong to 'bench report'"},
        {"report --json", "--json does not go with 'report', which reads it by --input"},
        {"report --input x --bench pair-64", "--input reports what the document has"},
        {"report --bench pair-64 --output /no/such/directory/x",
         "/no/such/directory/x cannot be written: No such file"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        check_run(2, wrong[i].arguments);
        check_in(err, wrong[i].message);
    }
}
END_TEST

START_TEST(a_phase_that_does_not_fit_is_made_smaller)
{
    if ((uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >= UINT64_C(1) << 40) {
        printf("skipped: the largest phase may fit here\n");
        return;
    }
    check_run(2, "--bench phase-64 --phase-bytes 1024GiB --backend boehm"); /* which does not run it */
    check_in(err, "bench: phase grows to ");
    check_in(err, " MiB instead of 1048576: more is not available");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *tests = tcase_create("bench");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_workload_runs_on_every_backend_with_the_same_answer);
    tcase_add_test(tests, json_is_one_document_with_all_runs);
    tcase_add_test(tests, peers_are_chosen_beside_ours);
    tcase_add_test(tests, instructions_are_counted_by_operation);
    tcase_add_test(tests, a_report_has_every_result_of_the_runs_it_makes);
    tcase_add_test(tests, a_report_from_a_document_has_every_row_and_its_ratios);
    tcase_add_test(tests, page_and_chart_stand_alone);
    tcase_add_test(tests, a_wrong_document_is_refused_with_its_place);
    tcase_add_test(tests, without_the_reference_there_is_no_ratio);
    tcase_add_test(tests, a_run_that_fails_is_named_and_sets_the_status);
    tcase_add_test(tests, a_wrong_command_line_is_refused);
    tcase_add_test(tests, a_phase_that_does_not_fit_is_made_smaller);
    suite_add_tcase(suite, tests);
    return support_main(suite);
}
