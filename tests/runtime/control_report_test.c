/* control_report_test.c - the figures of each heap that a process leaves behind. */
#include "core/runtime/runtime.h"

#include "tests/runtime/control_kit.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static json_t *report_line(unsigned wanted)
{
    char line[65536];
    FILE *file = fopen(kit_path("report"), "r");
    json_t *found = NULL;
    for (unsigned i = 0; file && fgets(line, sizeof(line), file); i++)
        if (i == wanted)
            found = json_loads(line, 0, NULL);
    if (file)
        fclose(file);
    return found;
}

struct leaf {
    long value[8];
};
static const struct sgc_type leaf_type = SGC_TYPE(struct leaf, .flags = SGC_TYPE_LEAF);

static void report_two_heaps(void *settings)
{
    struct sgc_heap *heap = control_open_with(settings, NULL), *other;
    struct sgc_cache *leaves = heap ? sgc_cache_create(heap, &leaf_type, NULL) : NULL;
    if (!leaves || !(other = sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "none"}, NULL)))
        _exit(1);
    for (unsigned i = 0; i < 1000; i++)
        sgc_drop(sgc_new(leaves));
    kit_take_memory();
    sgc_heap_close(other, NULL);
    exit(0);
}

START_TEST(a_report_has_the_final_figures_of_each_heap)
{
    char out[512], settings[4096];
    snprintf(settings, sizeof(settings), "control.report=%s", kit_path("report"));
    const int status = support_run_child(report_two_heaps, settings, out, sizeof(out));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    json_t *closed = report_line(0), *at_exit = report_line(1);
    ck_assert(closed && at_exit && !report_line(2));
    ck_assert(json_is_true(control_at(closed, "closed")) && json_is_false(control_at(at_exit, "closed")));
    ck_assert_str_eq(control_text(closed, "heap.name"), "other");
    ck_assert_str_eq(control_text(at_exit, "heap.name"), "words");
    ck_assert_int_eq(control_number(at_exit, "report"), 1);
    ck_assert_int_eq(control_number(at_exit, "heap.allocated"), 1000);
    ck_assert_int_eq(control_number(at_exit, "heap.live_objects"), 0);
    ck_assert_int_gt(control_number(at_exit, "cpu_ns"), 0);
    ck_assert_int_gt(control_number(at_exit, "peak_rss_bytes"), 0);
    ck_assert_int_gt(control_number(at_exit, "pid"), 0);
    json_decref(closed);
    json_decref(at_exit);
}
END_TEST

START_TEST(a_report_that_cannot_be_written_refuses_the_heap)
{
    struct sgc_error error = {0};
    char settings[4096];
    snprintf(settings, sizeof(settings), "control.report=%s", kit_path("missing/report"));
    ck_assert_ptr_null(control_open_with(settings, &error));
    ck_assert_msg(strstr(error.message, "cannot append to it: No such file or directory"), "%s", error.message);
}
END_TEST

/* Everything between the first heap and the report. */
static void lose_the_directory(void *settings)
{
    if (!control_open_with(settings, NULL) || unlink(kit_path("gone/report")) || rmdir(kit_path("gone")))
        _exit(1);
    exit(0);
}

START_TEST(a_report_that_cannot_be_written_in_the_end_is_a_warning)
{
    char out[512], settings[4096], expected[4096];
    ck_assert_int_eq(mkdir(kit_path("gone"), 0700), 0);
    snprintf(settings, sizeof(settings), "control.report=%s", kit_path("gone/report"));
    const int status = support_run_child(lose_the_directory, settings, out, sizeof(out));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    snprintf(expected, sizeof(expected), "slabgc: no report of heap words: %s: No such file or directory\n",
             kit_path("gone/report"));
    ck_assert_str_eq(out, expected);
}
END_TEST

START_TEST(a_report_is_appended_to)
{
    char out[512], settings[4096];
    snprintf(settings, sizeof(settings), "control.report=%s", kit_write_text("report", "{\"report\":0}\n"));
    for (unsigned round = 0; round < 2; round++) {
        const int status = support_run_child(report_two_heaps, settings, out, sizeof(out));
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    }
    for (unsigned i = 0; i < 5; i++) {
        json_t *line = report_line(i);
        ck_assert_int_eq(control_number(line, "report"), i > 0);
        json_decref(line);
    }
    ck_assert_ptr_null(report_line(5));
}
END_TEST

static void *hold_the_lock(void *held)
{
    sgc_runtime_read_begin();
    sem_post(held);
    for (;;)
        pause();
    return NULL;
}

static void exit_while_heaps_are_in_use(void *settings)
{
    pthread_t thread;
    sem_t held;
    sem_init(&held, 0, 0);
    if (!control_open_with(settings, NULL) || pthread_create(&thread, NULL, hold_the_lock, &held))
        _exit(1);
    sem_wait(&held);
    exit(0);
}

START_TEST(an_exit_does_not_wait_for_who_has_the_heaps)
{
    char out[512], settings[4096];
    snprintf(settings, sizeof(settings), "control.report=%s", kit_path("report"));
    const int status = support_run_child(exit_while_heaps_are_in_use, settings, out, sizeof(out));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x %s", status, out);
    ck_assert_str_eq(out, "slabgc: no report of the heaps that are open: they are in use\n");
    ck_assert_ptr_null(report_line(0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control report");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, a_report_has_the_final_figures_of_each_heap);
    tcase_add_test(all, a_report_that_cannot_be_written_refuses_the_heap);
    tcase_add_test(all, a_report_that_cannot_be_written_in_the_end_is_a_warning);
    tcase_add_test(all, a_report_is_appended_to);
    tcase_add_test(all, an_exit_does_not_wait_for_who_has_the_heaps);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
