/* arguments_test.c - command lines: what is understood, what is refused, and what is said then. */
#include "tests/support/expect.h"
#include "tests/tools/gcctl/capture.h"
#include "tools/gcctl/arguments.h"

#include <limits.h>
#include <string.h>
#include <sysexits.h>

static const struct gcctl_option arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "A heap", .required = true},
    {.name = "file", .kind = GCCTL_FILE, .value = "FILE", .help = "Files", .repeatable = true},
    {0},
};
static const struct gcctl_option options[] = {
    {.name = "interval", .letter = 'i', .kind = GCCTL_DURATION, .value = "DURATION", .help = "How long"},
    {.name = "integer", .kind = GCCTL_INTEGER, .value = "N", .help = "Any"},
    {.name = "bounded", .kind = GCCTL_INTEGER, .value = "N", .help = "Some", .minimum = -2, .maximum = 9},
    {.name = "budget", .letter = 'b', .kind = GCCTL_BYTES, .value = "BYTES", .help = "How much"},
    {.name = "kind", .kind = GCCTL_CHOICE, .value = "KIND", .help = "Which", .choices = "minor|full"},
    {.name = "verbose", .letter = 'v', .kind = GCCTL_FLAG, .help = "More"},
    {.name = "word", .letter = 'w', .kind = GCCTL_TEXT, .value = "WORD", .help = "Words", .repeatable = true},
    {0},
};
static const struct gcctl_command command = {
    .name = "try",
    .group = "Other",
    .summary = "Try",
    .description = "Tries.",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_READS | GCCTL_CHANGES | GCCTL_PROGRAM | GCCTL_LIVE,
};
static const struct gcctl_command plain = {
    .name = "plain", .group = "Other", .summary = "Plain", .description = "Plain."};

static struct gcctl_call call;
static int err_fd;

static void setup(void)
{
    unsetenv("NO_COLOR");
    err_fd = capture_begin(stderr);
}
static void teardown(void)
{
    if (call.values)
        gcctl_arguments_fini(&call);
}

/* Parses words behind a command's name; returns GCCTL_GO_ON or the status. */
static int parse(const struct gcctl_command *of, const char *line)
{
    static char text[512];
    static char *words[64];
    int n = 0;
    snprintf(text, sizeof(text), "%s", line);
    teardown();
    words[n++] = "name";
    for (char *at = NULL, *word = strtok_r(text, " ", &at); word; word = strtok_r(NULL, " ", &at))
        words[n++] = word;
    words[n] = NULL;
    return gcctl_arguments_parse(of, n, words, GCCTL_COLOR_AUTO, &call);
}

static void parse_well(const char *line)
{
    const int status = parse(&command, line);
    ck_assert_msg(status == GCCTL_GO_ON, "%s: status %d: %s", line, status, capture_take(stderr, err_fd));
}

/* Refused as a usage error whose message has the part. */
static void parse_badly(const char *line, const char *part)
{
    const int status = parse(&command, line);
    const char *said = capture_take(stderr, err_fd);
    ck_assert_msg(status == EX_USAGE, "%s: status %d: %s", line, status, said);
    ck_assert_msg(strstr(said, part) != NULL, "%s: '%s' is not in: %s", line, part, said);
    ck_assert_msg(strncmp(said, "gcctl: ", 7) == 0 && strchr(said, '\n') == said + strlen(said) - 1,
                  "%s: not one message: %s", line, said);
}

START_TEST(values_come_by_name_letter_blank_and_equals_sign)
{
    parse_well("-i 10ms --budget=64MiB h --kind full -v");
    ck_assert_int_eq(gcctl_number(&call, "interval", 0), 10000000);
    ck_assert_int_eq(gcctl_number(&call, "budget", 0), 64 << 20);
    ck_assert_str_eq(gcctl_text(&call, "kind"), "full");
    ck_assert_str_eq(gcctl_text(&call, "heap"), "h");
    ck_assert(gcctl_flag(&call, "verbose"));
    parse_well("h -vb1KiB --inter=5s");
    ck_assert_int_eq(gcctl_number(&call, "budget", 0), 1024);
    ck_assert_int_eq(gcctl_number(&call, "interval", 0), 5000000000);
    ck_assert(gcctl_flag(&call, "verbose"));
}
END_TEST

START_TEST(what_is_not_given_is_null_false_or_the_default)
{
    parse_well("h");
    ck_assert_ptr_null(gcctl_text(&call, "kind"));
    ck_assert_ptr_null(gcctl_text(&call, "file"));
    ck_assert_ptr_null(gcctl_text_at(&call, "word", 0));
    ck_assert_int_eq(gcctl_number(&call, "interval", 7), 7);
    ck_assert(!gcctl_flag(&call, "verbose"));
    ck_assert(!call.json && !call.dry_run && !call.color);
    ck_assert_ptr_null(call.program);
}
END_TEST

START_TEST(options_and_arguments_that_repeat_are_kept_in_order)
{
    parse_well("-w a h --word=b f1 -wc f2");
    ck_assert_str_eq(gcctl_text_at(&call, "word", 0), "a");
    ck_assert_str_eq(gcctl_text_at(&call, "word", 2), "c");
    ck_assert_ptr_null(gcctl_text_at(&call, "word", 3));
    ck_assert_str_eq(gcctl_text_at(&call, "file", 0), "f1");
    ck_assert_str_eq(gcctl_text_at(&call, "file", 1), "f2");
}
END_TEST

START_TEST(of_an_option_that_does_not_repeat_the_last_counts)
{
    parse_well("h --kind=minor --kind=full --integer=1 --integer=2");
    ck_assert_str_eq(gcctl_text(&call, "kind"), "full");
    ck_assert_int_eq(gcctl_number(&call, "integer", 0), 2);
}
END_TEST

START_TEST(flags_bring_json_dry_run_pid_and_timeout)
{
    parse_well("h --json --dry-run -p 12 --timeout=1s");
    ck_assert(call.json && call.dry_run);
    ck_assert_str_eq(gcctl_text(&call, "pid"), "12");
    ck_assert_int_eq(gcctl_number(&call, "timeout", 0), 1000000000);
    ck_assert_int_eq(parse(&plain, "--json"), EX_USAGE);
    ck_assert_int_eq(parse(&plain, "--dry-run"), EX_USAGE);
    ck_assert_int_eq(parse(&plain, "--pid=1"), EX_USAGE);
    ck_assert_int_eq(parse(&plain, ""), GCCTL_GO_ON);
}
END_TEST

START_TEST(a_program_stands_behind_two_dashes_untouched)
{
    parse_well("h --json -- prog --verbose -i --");
    ck_assert_str_eq(call.program[0], "prog");
    ck_assert_str_eq(call.program[1], "--verbose");
    ck_assert_str_eq(call.program[3], "--");
    ck_assert_ptr_null(call.program[4]);
    ck_assert(!gcctl_flag(&call, "verbose"));
}
END_TEST

START_TEST(two_dashes_without_a_program_are_refused)
{
    parse_badly("h --", "no program stands behind --");
}
END_TEST

START_TEST(values_out_of_their_kind_are_usage_errors)
{
    parse_badly("h --interval=10", "\"10\" is no duration");
    parse_badly("h --interval=ms", "no duration");
    parse_badly("h --budget=64MB", "no number of bytes");
    parse_badly("h --budget=-1KiB", "no number of bytes");
    parse_badly("h --integer=-1", "from 0 on");
    parse_badly("h --integer=1x", "no whole number");
    parse_badly("h --integer=99999999999999999999", "no whole number");
    parse_badly("h --bounded=10", "from -2 to 9");
    parse_badly("h --bounded=-3", "from -2 to 9");
    parse_badly("h --kind=", "none of minor, full");
    parse_badly("h --pid=", "empty");
    parse_well("h --bounded=-2 --word=");
}
END_TEST

START_TEST(a_wrong_option_or_choice_gets_a_suggestion)
{
    parse_badly("h --intervall=1s", "did you mean \"interval\"?");
    parse_badly("h --jsn", "did you mean \"json\"?");
    parse_badly("h --dry_run", "did you mean \"dry-run\"?");
    parse_badly("h --kind=fulll", "did you mean \"full\"?");
    parse_badly("h --zzzzzz", "has no option --zzzzzz\n");
    parse_badly("h -z", "no option like that");
}
END_TEST

START_TEST(missing_surplus_and_ambiguous_words_are_named)
{
    parse_badly("", "lacks its argument HEAP");
    parse_badly("h --interval", "--interval lacks its value, DURATION");
    parse_badly("h -i", "--interval lacks its value");
    parse_badly("h --json=yes", "--json takes no value");
    parse_badly("h --in=1", "--in could be several options");
    ck_assert_int_eq(parse(&plain, "word"), EX_USAGE);
    ck_assert_ptr_nonnull(strstr(capture_take(stderr, err_fd), "\"word\" is too much"));
}
END_TEST

START_TEST(help_wins_over_what_else_is_wrong_and_ends_well)
{
    const int out = capture_begin(stdout);
    ck_assert_int_eq(parse(&command, "--zzz --help"), 0);
    ck_assert_ptr_nonnull(strstr(capture_take(stdout, out), "Usage: gcctl try [OPTION]... HEAP [FILE]... [-- PROGRAM"));
    ck_assert_str_eq(capture_take(stderr, err_fd), "");
}
END_TEST

START_TEST(colours_are_for_terminals_and_never_with_no_color)
{
    capture_begin(stdout); /* no terminal */
    parse_well("h");
    ck_assert(!call.color);
    parse_well("h --color=always");
    ck_assert(call.color);
    parse_well("h --color=never");
    ck_assert(!call.color);
    setenv("NO_COLOR", "", 1);
    parse_well("h --color=always");
    ck_assert(!call.color);
    parse_badly("h --color=alway", "did you mean \"always\"?");
}
END_TEST

/* ---- the command's name */

static const struct gcctl_command *found;
static enum gcctl_color color;
static int first;

static int look(const char *line)
{
    static char text[256];
    static char *words[16];
    int n = 0;
    snprintf(text, sizeof(text), "%s", line);
    words[n++] = "gcctl";
    for (char *at = NULL, *word = strtok_r(text, " ", &at); word; word = strtok_r(NULL, " ", &at))
        words[n++] = word;
    words[n] = NULL;
    return gcctl_arguments_command(n, words, &found, &first, &color);
}

static void look_badly(const char *line, const char *part)
{
    ck_assert_int_eq(look(line), EX_USAGE);
    const char *said = capture_take(stderr, err_fd);
    ck_assert_msg(strstr(said, part) != NULL, "%s: '%s' is not in: %s", line, part, said);
}

START_TEST(a_command_has_one_word_or_two)
{
    ck_assert_int_eq(look("stat --json"), GCCTL_GO_ON);
    ck_assert_str_eq(found->name, "stat");
    ck_assert_int_eq(first, 1);
    ck_assert_int_eq(look("config show x"), GCCTL_GO_ON);
    ck_assert_str_eq(found->name, "config show");
    ck_assert_int_eq(first, 2);
}
END_TEST

START_TEST(options_may_stand_before_the_command)
{
    ck_assert_int_eq(look("--color=never stat"), GCCTL_GO_ON);
    ck_assert_int_eq(color, GCCTL_COLOR_NEVER);
    ck_assert_int_eq(look("--color always config show"), GCCTL_GO_ON);
    ck_assert_int_eq(color, GCCTL_COLOR_ALWAYS);
    ck_assert_int_eq(first, 4);
    look_badly("--colour=never stat", "did you mean \"color\"?");
    look_badly("--color=nevr stat", "did you mean \"never\"?");
    look_badly("--json stat", "no option --json before a command");
}
END_TEST

START_TEST(a_wrong_command_gets_a_suggestion_or_the_words_that_may_follow)
{
    look_badly("stats", "there is no command \"stats\"; did you mean \"stat\"?");
    look_badly("config shwo", "did you mean \"config show\"?");
    look_badly("config", "needs a second word: config check, config show, config diff");
    look_badly("zzzzzzzz", "see gcctl help");
    look_badly("", "what is to be done?");
}
END_TEST

START_TEST(help_and_version_end_well)
{
    const int out = capture_begin(stdout);
    ck_assert_int_eq(look("--help"), 0);
    ck_assert_ptr_nonnull(strstr(capture_take(stdout, out), "\nSee:\n  ps "));
    ck_assert_int_eq(look("--version"), 0);
    ck_assert_ptr_nonnull(strstr(capture_take(stdout, out), "gcctl "));
    ck_assert_int_eq(look("config --help"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arguments");
    TCase *tcase = tcase_create("arguments");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, values_come_by_name_letter_blank_and_equals_sign);
    tcase_add_test(tcase, what_is_not_given_is_null_false_or_the_default);
    tcase_add_test(tcase, options_and_arguments_that_repeat_are_kept_in_order);
    tcase_add_test(tcase, of_an_option_that_does_not_repeat_the_last_counts);
    tcase_add_test(tcase, flags_bring_json_dry_run_pid_and_timeout);
    tcase_add_test(tcase, a_program_stands_behind_two_dashes_untouched);
    tcase_add_test(tcase, two_dashes_without_a_program_are_refused);
    tcase_add_test(tcase, values_out_of_their_kind_are_usage_errors);
    tcase_add_test(tcase, a_wrong_option_or_choice_gets_a_suggestion);
    tcase_add_test(tcase, missing_surplus_and_ambiguous_words_are_named);
    tcase_add_test(tcase, help_wins_over_what_else_is_wrong_and_ends_well);
    tcase_add_test(tcase, colours_are_for_terminals_and_never_with_no_color);
    tcase_add_test(tcase, a_command_has_one_word_or_two);
    tcase_add_test(tcase, options_may_stand_before_the_command);
    tcase_add_test(tcase, a_wrong_command_gets_a_suggestion_or_the_words_that_may_follow);
    tcase_add_test(tcase, help_and_version_end_well);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
