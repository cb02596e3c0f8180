/* control_commands_test.c - hello, the schema of all commands, and what no command may change by being asked. */
#include "core/heap/heap.h"
#include "core/runtime/control.h"
#include "core/runtime/control_server.h"

#include "tests/runtime/control_kit.h"
#include <string.h>
#include <unistd.h>

START_TEST(hello_names_the_process_and_its_heaps)
{
    control_start(NULL);
    int fd = control_connect("socket");
    json_t *hello = control_result(fd, "{\"command\":\"hello\"}");
    ck_assert_int_eq(control_number(hello, "protocol"), 1);
    ck_assert_str_eq(control_text(hello, "slabgc"), sgc_version());
    ck_assert_int_eq(control_number(hello, "pid"), getpid());
    ck_assert_str_eq(control_text(hello, "heaps.0"), "words");
    ck_assert_int_gt(control_number(hello, "start"), 0);
    ck_assert_int_eq(control_number(hello, "uid"), geteuid());
    ck_assert_uint_ge(json_array_size(control_at(hello, "command_line")), 1);
    ck_assert(json_is_false(control_at(hello, "recording")));
    ck_assert(json_is_boolean(control_at(hello, "membarrier")));
    json_decref(hello);
}
END_TEST

START_TEST(the_schema_declares_every_command_that_is_answered)
{
    control_start(NULL);
    int fd = control_connect("socket");
    json_t *schema = control_result(fd, "{\"command\":\"schema\"}"), *commands = control_at(schema, "commands"),
           *command;
    size_t i;
    ck_assert_uint_ge(json_array_size(commands), 12);
    json_array_foreach (commands, i, command) {
        const struct sgc_control_command *declared = sgc_control_find(control_text(command, "name"));
        ck_assert_ptr_nonnull(declared);
        ck_assert_str_eq(control_text(command, "summary"), declared->summary);
        ck_assert(json_is_boolean(control_at(command, "pieces")));
        ck_assert_ptr_nonnull(control_text(command, "stops"));
        /* "?" at the end of a summary or help is a sign of a forgotten text */
        ck_assert_ptr_null(strchr(declared->summary, '?'));
        ck_assert_msg(declared->run || declared->child, "%s does nothing", declared->name);
    }
    json_decref(schema);
}
END_TEST

START_TEST(looking_and_setting_leave_a_program_of_one_thread_its_plain_counts)
{
    static const char *const requests[] = {
        "{\"command\":\"stat\"}",
        "{\"command\":\"caches\"}",
        "{\"command\":\"get\"}",
        "{\"command\":\"set\",\"key\":\"heap.words.memory_limit\",\"value\":\"64MiB\"}",
        "{\"command\":\"set\",\"key\":\"strategy.good.growth\",\"value\":\"150%\"}",
        "{\"command\":\"reload\"}",
        "{\"command\":\"reap\"}",
        "{\"command\":\"verify\"}",
        "{\"command\":\"plugins\"}",
    };
    control_start(NULL);
    ck_assert_ptr_nonnull(sgc_heap_open("other", &(struct sgc_heap_options){.strategy = "good"}, NULL));
    int fd = control_connect("socket");
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        json_decref(control_result(fd, requests[i]));
        ck_assert_msg(sgc_solo, "%s ended solo mode", requests[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control commands");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, hello_names_the_process_and_its_heaps);
    tcase_add_test(all, the_schema_declares_every_command_that_is_answered);
    tcase_add_test(all, looking_and_setting_leave_a_program_of_one_thread_its_plain_counts);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
