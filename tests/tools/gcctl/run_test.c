/* run_test.c - a run measures what the program did, ends what takes too long, and leaves nothing behind. */
#include "tests/support/expect.h"
#include "tools/gcctl/run.h"
#include "tools/gcctl/run_report.h"
#include "tools/gcctl/run_setting.h"
#include "tools/gcctl/temporary.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

/* A script as the program; $1 is the report's path. */
static struct gcctl_run run_script(const char *script, struct gcctl_run_config config)
{
    char text[4096];
    struct gcctl_run run;
    snprintf(text, sizeof(text), "report=${SLABGC##*control.report=}\n%s", script);
    char *program[] = {"sh", "-c", text, NULL};
    config.program = program;
    ck_assert_int_eq(gcctl_run(&config, &run), 0);
    return run;
}

START_TEST(a_run_has_time_cpu_memory_and_status)
{
    struct gcctl_run run =
        run_script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3", (struct gcctl_run_config){0});
    ck_assert(run.failed && !run.timed_out && !run.cancelled);
    ck_assert(WIFEXITED(run.status));
    ck_assert_int_eq(WEXITSTATUS(run.status), 3);
    ck_assert_uint_gt(run.wall_ns, 0);
    ck_assert_uint_gt(run.user_ns + run.system_ns, 0);
    ck_assert_uint_gt(run.peak_rss_bytes, 100 << 10);
    ck_assert_uint_eq(json_array_size(run.heaps), 0);
    ck_assert(gcctl_run_unusable(&run, "the run"));
    gcctl_run_fini(&run);
}
END_TEST

START_TEST(a_run_over_its_limit_is_ended_with_its_children_and_says_so)
{
    struct gcctl_run run = run_script("trap '' TERM; sleep 100 & sleep 100; sleep 100",
                                      (struct gcctl_run_config){.limit_ns = NS_PER_S / 20});
    ck_assert(run.timed_out && !run.failed);
    ck_assert_uint_ge(run.wall_ns, NS_PER_S / 20);
    ck_assert_uint_lt(run.wall_ns, 30 * NS_PER_S);
    ck_assert(gcctl_run_unusable(&run, "the run"));
    gcctl_run_fini(&run);
}
END_TEST

START_TEST(a_cancelled_run_ends_at_once)
{
    static volatile sig_atomic_t cancel = 1;
    struct gcctl_run run = run_script("sleep 100", (struct gcctl_run_config){.cancel = &cancel});
    ck_assert(run.cancelled && !run.timed_out && !run.failed);
    ck_assert_uint_lt(run.wall_ns, 30 * NS_PER_S);
    gcctl_run_fini(&run);
}
END_TEST

START_TEST(the_end_of_stderr_is_kept)
{
    struct gcctl_run run = run_script("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; kill -9 $$",
                                      (struct gcctl_run_config){0});
    ck_assert(run.failed && WIFSIGNALED(run.status));
    ck_assert_uint_eq(strlen(run.stderr_end), sizeof(run.stderr_end) - 1);
    ck_assert_str_eq(run.stderr_end + strlen(run.stderr_end) - strlen("line 2998\nline 2999\n"),
                     "line 2998\nline 2999\n");
    gcctl_run_fini(&run);
}
END_TEST

START_TEST(equal_outputs_have_equal_digests_and_others_do_not)
{
    const struct gcctl_run_config keep = {.keep_output = true};
    struct gcctl_run a = run_script("echo one; echo two", keep), b = run_script("printf 'one\\ntwo\\n'", keep),
                     c = run_script("echo two; echo one", keep), none = run_script(":", keep);
    ck_assert_uint_eq(a.output_bytes, 8);
    ck_assert_mem_eq(a.output_digest, b.output_digest, sizeof(a.output_digest));
    ck_assert_mem_ne(a.output_digest, c.output_digest, sizeof(a.output_digest));
    ck_assert_mem_ne(a.output_digest, none.output_digest, sizeof(a.output_digest));
    gcctl_run_fini(&a);
    gcctl_run_fini(&b);
    gcctl_run_fini(&c);
    gcctl_run_fini(&none);
}
END_TEST

START_TEST(heaps_and_pauses_come_from_the_report)
{
    struct gcctl_run run = run_script(
        "echo '{\"report\":1,\"heap\":{\"name\":\"a\",\"peak_bytes\":1000,\"pauses\":{\"n\":99,\"max_ns\":900,"
        "\"buckets\":[[100,50],[1000,49]]}}}' >>$report\n"
        "echo '{\"report\":1,\"heap\":{\"name\":\"b\",\"peak_bytes\":24,\"pauses\":{\"n\":1,\"max_ns\":7000,"
        "\"buckets\":[[8000,1]]}}}' >>$report\n"
        "printf '{\"report\":1,\"he' >>$report",
        (struct gcctl_run_config){0});
    ck_assert(!gcctl_run_unusable(&run, "the run"));
    ck_assert_uint_eq(json_array_size(run.heaps), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(run.heaps, 1), "name")), "b");
    ck_assert_uint_eq(run.peak_heap_bytes, 1024);
    ck_assert_uint_eq(run.n_pauses, 100);
    ck_assert_uint_eq(run.pause_p50_ns, 100);
    ck_assert_uint_eq(run.pause_p99_ns, 1000);
    ck_assert_uint_eq(run.pause_max_ns, 7000);
    gcctl_run_fini(&run);
}
END_TEST

START_TEST(quantiles_of_merged_histograms_are_those_of_all_pauses)
{
    struct gcctl_pauses pauses = {0};
    ck_assert_uint_eq(gcctl_pauses_quantile_ns(&pauses, 0.99), 0);
    const char *const texts[] = {"{\"max_ns\":30,\"buckets\":[[10,1],[30,1]]}",
                                 "{\"max_ns\":35,\"buckets\":[[20,1],[40,1]]}", "{\"max_ns\":20,\"buckets\":[[20,2]]}"};
    for (size_t i = 0; i < 3; i++) {
        json_t *histogram = json_loads(texts[i], 0, NULL);
        ck_assert_int_eq(gcctl_pauses_add(&pauses, histogram), 0);
        json_decref(histogram);
    }
    ck_assert_uint_eq(pauses.n, 6);
    ck_assert_uint_eq(pauses.n_buckets, 4);
    ck_assert_uint_eq(gcctl_pauses_quantile_ns(&pauses, 0.1), 10);
    ck_assert_uint_eq(gcctl_pauses_quantile_ns(&pauses, 0.5), 20);
    ck_assert_uint_eq(gcctl_pauses_quantile_ns(&pauses, 0.8), 30);
    ck_assert_uint_eq(gcctl_pauses_quantile_ns(&pauses, 1), 35); /* a bucket's end, but never more than the longest */
    gcctl_pauses_fini(&pauses);
}
END_TEST

START_TEST(settings_replace_those_of_the_environment_and_keep_the_rest)
{
    const char *const settings[] = {"heap.w.strategy=rcu", "heap.memory_limit=1GiB", NULL};
    char *text =
        gcctl_run_compose("strategy=none,memory_limit=2GiB, heap.w.strategy = refcount,cache.n.debug=poison,check,"
                          "control.report=/x,",
                          settings, "/tmp/r");
    ck_assert_str_eq(text, "strategy=none,cache.n.debug=poison,check,heap.w.strategy=rcu,heap.memory_limit=1GiB,"
                           "control.report=/tmp/r");
    free(text);
    text = gcctl_run_compose(NULL, NULL, "/r");
    ck_assert_str_eq(text, "control.report=/r");
    free(text);
    static const char *const debug[] = {"cache.n.debug=none", NULL};
    text = gcctl_run_compose("cache.n.debug=poison,check,strategy=rcu", debug, "/r");
    ck_assert_str_eq(text, "strategy=rcu,cache.n.debug=none,control.report=/r");
    free(text);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_an_error)
{
    char *program[] = {"/nowhere/program", NULL};
    struct gcctl_run run;
    ck_assert_int_eq(gcctl_run(&(struct gcctl_run_config){.program = program}, &run), -ENOENT);
}
END_TEST

START_TEST(a_run_leaves_no_files_behind)
{
    char directory[] = "/tmp/run_test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    setenv("TMPDIR", directory, 1);
    struct gcctl_run run = run_script("echo '{\"heap\":{}}' >>$report; echo out; echo $report",
                                      (struct gcctl_run_config){.keep_output = true});
    ck_assert_uint_gt(run.output_bytes, strlen(directory) + 4);
    ck_assert_uint_eq(json_array_size(run.heaps), 1);
    gcctl_run_fini(&run);
    ck_assert_int_eq(rmdir(directory), 0); /* it is empty */
}
END_TEST

START_TEST(temporary_folders_can_stand_in_slabgcs_config)
{
    char parent[] = "/tmp/run,test XXXXXX", folder[200];
    ck_assert_ptr_nonnull(mkdtemp(parent));
    setenv("TMPDIR", parent, 1);
    ck_assert_int_eq(gcctl_temporary_folder(folder, sizeof(folder)), 0);
    gcctl_temporary_remove(folder);
    ck_assert_int_eq(rmdir(parent), 0);
    ck_assert_msg(!strpbrk(folder, ", "), "%s", folder);
}
END_TEST

START_TEST(config_file_and_settings_reach_the_program)
{
    static const char *const settings[] = {"strategy=rcu", NULL};
    setenv("SLABGC", "strategy=none,heap.x.memory_limit=1MiB", 1);
    struct gcctl_run run = run_script("[ \"${SLABGC%,control*}\" = heap.x.memory_limit=1MiB,strategy=rcu ] || exit 1\n"
                                      "[ \"$SLABGC_CONFIG\" = /some/file ] || exit 2; cat && [ -z \"$(jobs)\" ]",
                                      (struct gcctl_run_config){.settings = settings, .config_file = "/some/file"});
    ck_assert(!run.failed);
    gcctl_run_fini(&run);
}
END_TEST

START_TEST(output_that_is_json_is_read)
{
    const struct gcctl_run_config config = {.json_output = true};
    struct gcctl_run run = run_script("echo '{\"elapsed_ns\":5}'; echo more", config),
                     none = run_script("echo none", config);
    ck_assert_int_eq(json_integer_value(json_object_get(run.output, "elapsed_ns")), 5);
    ck_assert_ptr_null(none.output);
    gcctl_run_fini(&run);
    gcctl_run_fini(&none);
}
END_TEST

START_TEST(a_spread_is_median_least_and_most)
{
    struct gcctl_spread spread = gcctl_spread_of((double[]){5, 1, 3}, 3);
    ck_assert_double_eq(spread.median, 3);
    ck_assert_double_eq(spread.least, 1);
    ck_assert_double_eq(spread.most, 5);
    ck_assert_double_eq(gcctl_spread_of((double[]){4, 2}, 2).median, 3);
    ck_assert(isnan(gcctl_spread_of(NULL, 0).median));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run");
    TCase *tcase = tcase_create("run");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_run_has_time_cpu_memory_and_status);
    tcase_add_test(tcase, a_run_over_its_limit_is_ended_with_its_children_and_says_so);
    tcase_add_test(tcase, a_cancelled_run_ends_at_once);
    tcase_add_test(tcase, the_end_of_stderr_is_kept);
    tcase_add_test(tcase, equal_outputs_have_equal_digests_and_others_do_not);
    tcase_add_test(tcase, heaps_and_pauses_come_from_the_report);
    tcase_add_test(tcase, quantiles_of_merged_histograms_are_those_of_all_pauses);
    tcase_add_test(tcase, settings_replace_those_of_the_environment_and_keep_the_rest);
    tcase_add_test(tcase, a_program_that_is_not_there_is_an_error);
    tcase_add_test(tcase, a_run_leaves_no_files_behind);
    tcase_add_test(tcase, temporary_folders_can_stand_in_slabgcs_config);
    tcase_add_test(tcase, config_file_and_settings_reach_the_program);
    tcase_add_test(tcase, output_that_is_json_is_read);
    tcase_add_test(tcase, a_spread_is_median_least_and_most);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
