/* document_test.c - walks the table of commands: help, man pages, completion, examples and README.md agree with it and
 * with one another. */
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include "tests/tools/gcctl/capture.h"
#include "tools/gcctl/arguments.h"
#include "tools/gcctl/document.h"

#include <ctype.h>
#include <string.h>
#include <sys/wait.h>

static char directory[SUPPORT_PATH_BYTES];
static char man[64 << 10], help[64 << 10], script[256 << 10];

static void setup(void)
{
    support_scratch_create(directory);
}
static void teardown(void)
{
    support_scratch_destroy(directory);
}

#define FOR_EACH_COMMAND(command)                                                                                      \
    for (const struct gcctl_command *const *at_ = gcctl_commands, *command; (command = *at_) != NULL; at_++)

static bool shown(const struct gcctl_command *command)
{
    return !(command->flags & GCCTL_HIDDEN);
}

/* Backslashes gone, and every run of white space one blank: texts that are wrapped and escaped differently get equal.
 */
static void normalize(char *text)
{
    char *out = text;
    bool blank = false;
    for (const char *at = text; *at; at++) {
        if (*at == '\\')
            continue;
        if (isspace((unsigned char)*at)) {
            blank = true;
            continue;
        }
        if (blank && out != text)
            *out++ = ' ';
        blank = false;
        *out++ = *at;
    }
    *out = '\0';
}

static void check_has(const char *what, const struct gcctl_command *command, const char *text, const char *part)
{
    char *wanted = strdup(part);
    normalize(wanted);
    ck_assert_msg(strstr(text, wanted) != NULL, "%s of %s lacks: %s", what, command->name, wanted);
    free(wanted);
}

static void read_man(const struct gcctl_command *command)
{
    char page[GCCTL_PAGE_BYTES];
    gcctl_document_page(command, page);
    FILE *out = fmemopen(man, sizeof(man), "w");
    ck_assert(gcctl_document_man(out, page));
    fclose(out);
    ck_assert_uint_lt(strlen(man), sizeof(man) - 1);
}

static void read_help(const struct gcctl_command *command)
{
    const int out = capture_begin(stdout);
    gcctl_help_command(command);
    snprintf(help, sizeof(help), "%s", capture_take(stdout, out));
    close(out);
}

START_TEST(each_command_is_declared_completely)
{
    static const char *const groups = "See|Change|Plug-ins|Config|Tuning|Other|";
    FOR_EACH_COMMAND(command)
    {
        char group[64];
        ck_assert_ptr_nonnull(command->run);
        snprintf(group, sizeof(group), "%s|", command->group);
        ck_assert_msg(strstr(groups, group) != NULL, "%s: no group %s", command->name, command->group);
        ck_assert_msg(isupper((unsigned char)command->summary[0]) &&
                          command->summary[strlen(command->summary) - 1] != '.' && strlen(command->summary) < 80,
                      "%s: summary", command->name);
        ck_assert_msg(strchr(".:}", command->description[strlen(command->description) - 1]) != NULL, "%s: description",
                      command->name);
        ck_assert_msg(!shown(command) || command->examples != NULL, "%s: no examples", command->name);
        ck_assert_ptr_eq(gcctl_command_named(command->name), command);
    }
}
END_TEST

static void check_option(const struct gcctl_command *command, const struct gcctl_option *option)
{
    ck_assert_msg(option->help && isupper((unsigned char)option->help[0]) &&
                      option->help[strlen(option->help) - 1] != '.',
                  "%s --%s: help is no sentence without a full stop", command->name, option->name);
    ck_assert_msg(option->kind == GCCTL_FLAG || option->value, "%s --%s: no name for its value", command->name,
                  option->name);
    ck_assert_msg((option->kind == GCCTL_CHOICE) == (option->choices != NULL), "%s --%s: choices", command->name,
                  option->name);
}

START_TEST(options_have_help_and_names_and_letters_of_their_own)
{
    FOR_EACH_COMMAND(command)
    {
        const struct gcctl_option *option, *other;
        for (size_t i = 0; (option = gcctl_option_at(command, i)); i++) {
            check_option(command, option);
            for (size_t j = 0; j < i && (other = gcctl_option_at(command, j)); j++) {
                ck_assert_msg(strcmp(option->name, other->name) != 0, "%s: --%s twice", command->name, option->name);
                ck_assert_msg(!option->letter || option->letter != other->letter, "%s: -%c twice", command->name,
                              option->letter);
            }
        }
        for (option = command->arguments; option && option->name; option++)
            check_option(command, option);
    }
}
END_TEST

START_TEST(help_and_man_page_say_the_same)
{
    FOR_EACH_COMMAND(command)
    {
        const struct gcctl_option *option;
        char text[1024];
        if (!shown(command))
            continue;
        read_man(command);
        read_help(command);
        normalize(man);
        normalize(help);
        check_has("help", command, help, command->description);
        check_has("help", command, help, command->summary);
        check_has("man page", command, man, command->summary + 1);
        if (!strchr(command->description, '\n')) /* else literal blocks have marks between */
            check_has("man page", command, man, command->description);
        check_has("help", command, help, command->examples);
        check_has("man page", command, man, command->examples);
        for (size_t i = 0; (option = gcctl_option_at(command, i)); i++) {
            gcctl_option_title(option, text, sizeof(text));
            check_has("help", command, help, text);
            snprintf(text, sizeof(text), "*--%s*%s", option->name, option->kind == GCCTL_FLAG ? "" : "=");
            check_has("man page", command, man, text);
            gcctl_option_text(option, text, sizeof(text));
            check_has("help", command, help, text);
            check_has("man page", command, man, text);
        }
        for (option = command->arguments; option && option->name; option++) {
            check_has("help", command, help, option->help);
            check_has("man page", command, man, option->help);
        }
    }
}
END_TEST

START_TEST(paragraphs_of_descriptions_are_in_man_pages)
{
    FOR_EACH_COMMAND(command)
    {
        if (!shown(command))
            continue;
        read_man(command);
        normalize(man);
        char *paragraphs = strdup(command->description);
        for (char *paragraph = paragraphs, *end; paragraph && *paragraph; paragraph = end ? end + 2 : NULL) {
            end = strstr(paragraph, "\n\n");
            if (end)
                *end = '\0';
            check_has("man page", command, man, paragraph);
        }
        free(paragraphs);
    }
}
END_TEST

/* Runs a command whose output is what is wrong: it must say nothing. */
static void check_silent(const char *command)
{
    char said[4096];
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    said[fread(said, 1, sizeof(said) - 1, pipe)] = '\0';
    const int status = pclose(pipe);
    ck_assert_msg(said[0] == '\0', "%s: %s", command, said);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "%s: status 0x%x", command, (unsigned)status);
}

/* scdoc puts a paragraph macro behind each heading and at each list's end, which mandoc calls superfluous: that warning
 * alone is let pass. */
static void check_page(const char *page)
{
    char path[SUPPORT_PATH_BYTES], command[3 * SUPPORT_PATH_BYTES];
    FILE *out = fmemopen(man, sizeof(man), "w");
    ck_assert_msg(gcctl_document_man(out, page), "%s", page);
    fclose(out);
    support_scratch_file(path, directory, page, man, 0600);
    snprintf(command, sizeof(command), "scdoc <'%s' 2>&1 >'%s.1'", path, path);
    check_silent(command);
    snprintf(command, sizeof(command), "mandoc -Tlint -W warning '%s.1' 2>&1 | grep -v 'skipping paragraph macro: PP'",
             path);
    check_silent(command);
}

START_TEST(man_pages_are_good_scdoc_and_good_mandoc)
{
    check_page("gcctl");
    FOR_EACH_COMMAND(command)
    {
        char page[GCCTL_PAGE_BYTES];
        gcctl_document_page(command, page);
        if (shown(command))
            check_page(page);
    }
}
END_TEST

START_TEST(the_main_page_and_help_list_every_command_and_no_hidden_one)
{
    FILE *out = fmemopen(man, sizeof(man), "w");
    ck_assert(gcctl_document_man(out, "gcctl"));
    fclose(out);
    const int fd = capture_begin(stdout);
    gcctl_help();
    snprintf(help, sizeof(help), "%s", capture_take(stdout, fd));
    normalize(help);
    normalize(man);
    FOR_EACH_COMMAND(command)
    {
        char text[256], page[GCCTL_PAGE_BYTES];
        gcctl_document_page(command, page);
        snprintf(text, sizeof(text), "%s %s", command->name, command->summary);
        ck_assert_msg((strstr(help, text) != NULL) == shown(command), "help: %s", command->name);
        snprintf(text, sizeof(text), "*%s*(1) %s.", page, command->summary);
        ck_assert_msg((strstr(man, text) != NULL) == shown(command), "man page: %s", command->name);
    }
}
END_TEST

/* ---- completion */

/* What the script's function says for its arguments, normalized. */
static void check_completes(const char *call, const char *wanted)
{
    char command[3 * SUPPORT_PATH_BYTES], said[4096];
    snprintf(command, sizeof(command), "bash -c 'source %s/script; %s' 2>&1", directory, call);
    FILE *pipe = popen(command, "r");
    said[fread(said, 1, sizeof(said) - 1, pipe)] = '\0';
    pclose(pipe);
    normalize(said);
    ck_assert_msg(strstr(said, wanted) != NULL, "%s: '%s' is not in: %s", call, wanted, said);
}

static void write_script(void)
{
    char path[SUPPORT_PATH_BYTES];
    FILE *out = fmemopen(script, sizeof(script), "w");
    gcctl_document_bash(out);
    fclose(out);
    support_scratch_file(path, directory, "script", script, 0600);
}

START_TEST(completion_knows_every_command_option_and_choice)
{
    char text[SUPPORT_PATH_BYTES + 64];
    write_script();
    snprintf(text, sizeof(text), "bash -n '%s/script' 2>&1", directory);
    check_silent(text);
    FOR_EACH_COMMAND(command)
    {
        const struct gcctl_option *option;
        snprintf(text, sizeof(text), "\n    '%s') echo '", command->name);
        const char *line = strstr(script, text);
        ck_assert_msg((line != NULL) == shown(command), "%s", command->name);
        if (!line)
            continue;
        for (size_t i = 0; (option = gcctl_option_at(command, i)); i++) {
            const char *end = strchr(line + 1, '\n');
            snprintf(text, sizeof(text), "--%s%s ", option->name, option->kind == GCCTL_FLAG ? "" : "=");
            const char *place = strstr(line, text);
            ck_assert_msg(place && place < end, "%s: %s", command->name, text);
            snprintf(text, sizeof(text), "'%s --%s'", command->name, option->name);
            ck_assert_msg((strstr(script, text) != NULL) == (option->kind != GCCTL_FLAG), "kind of %s", text);
        }
    }
}
END_TEST

START_TEST(completion_answers_what_people_type)
{
    write_script();
#define TYPED(words) "COMP_WORDS=(" words "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _gcctl; echo \"${COMPREPLY[@]}\""
    check_completes(TYPED("gcctl sta"), "stat");
    check_completes(TYPED("gcctl conf"), "config");
    check_completes(TYPED("gcctl config \"\""), "check show diff");
    check_completes(TYPED("gcctl stat --int"), "--interval=");
    check_completes(TYPED("gcctl stat --color = n"), "never");
    check_completes(TYPED("gcctl collect -k m"), "minor");
    check_completes(TYPED("gcctl help sw"), "switch");
    check_completes(TYPED("gcctl config check /et"), "/etc");
}
END_TEST

/* ---- examples */

/* Parts a line as a shell would, up to a pipe, a redirection or a comment; quotes vanish. Returns the number of words.
 */
static int part(char *text, char *words[64])
{
    int n = 0;
    char quote = '\0', *out = text;
    bool inside = false;
    for (const char *at = text; *at && (quote || !strchr("|>&;)#\n", *at)) && n < 63; at++) {
        if (!quote && *at == ' ') {
            if (inside)
                *out++ = '\0';
            inside = false;
            continue;
        }
        if (!inside)
            words[n++] = out;
        inside = true;
        if (quote ? *at == quote : *at == '\'' || *at == '"')
            quote = quote ? '\0' : *at;
        else
            *out++ = *at;
    }
    *out = '\0';
    words[n] = NULL;
    return n;
}

/* Parses the gcctl call in a line, which may stand in a pipe or behind another program. */
static void check_example(const struct gcctl_command *of, const char *line, size_t length)
{
    char text[512], *words[64];
    const struct gcctl_command *command;
    struct gcctl_call call;
    enum gcctl_color color = GCCTL_COLOR_AUTO;
    int first;
    snprintf(text, sizeof(text), "%.*s", (int)length, line);
    char *call_text = strstr(text, "gcctl ");
    ck_assert_msg(call_text != NULL, "%s: no gcctl in: %s", of->name, text);
    const int n = part(call_text, words);
    int status = gcctl_arguments_command(n, words, &command, &first, &color);
    ck_assert_msg(status == GCCTL_GO_ON, "%s: example: %.*s", of->name, (int)length, line);
    status = gcctl_arguments_parse(command, n - first, words + first, color, &call);
    ck_assert_msg(status == GCCTL_GO_ON, "%s: example: %.*s", of->name, (int)length, line);
    gcctl_arguments_fini(&call);
}

START_TEST(examples_name_commands_and_options_that_exist)
{
    FOR_EACH_COMMAND(command)
    {
        for (const char *line = command->examples; line && *line; line += strspn(line, "\n")) {
            const size_t length = strcspn(line, "\n");
            check_example(command, line, length);
            line += length;
        }
    }
}
END_TEST

/* Whether the text at `word` begins with a command's name, or with the first word of one. */
static bool is_command(const char *word)
{
    FOR_EACH_COMMAND(command)
    {
        const size_t length = strlen(command->name), group = strcspn(command->name, " ");
        if (strncmp(word, command->name, length) == 0 && !islower((unsigned char)word[length]))
            return true;
        if (command->name[group] && strncmp(word, command->name, group) == 0 && !islower((unsigned char)word[group]))
            return true;
    }
    return false;
}

START_TEST(commands_that_the_readme_shows_exist)
{
    FILE *in = fopen("README.md", "r");
    ck_assert_ptr_nonnull(in);
    char line[1024];
    while (fgets(line, sizeof(line), in))
        for (const char *at = line; (at = strstr(at, "gcctl ")); at += 6) {
            const bool code = at > line ? at[-1] == '`' : false;
            const bool block =
                strncmp(line, "    ", 4) == 0 && (at == line + 4 || strspn(line, " ") == (size_t)(at - line));
            if ((code || block) && islower((unsigned char)at[6]))
                ck_assert_msg(is_command(at + 6), "README.md: %s", at);
        }
    fclose(in);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("document");
    TCase *tcase = tcase_create("document");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_command_is_declared_completely);
    tcase_add_test(tcase, options_have_help_and_names_and_letters_of_their_own);
    tcase_add_test(tcase, help_and_man_page_say_the_same);
    tcase_add_test(tcase, paragraphs_of_descriptions_are_in_man_pages);
    tcase_add_test(tcase, man_pages_are_good_scdoc_and_good_mandoc);
    tcase_add_test(tcase, the_main_page_and_help_list_every_command_and_no_hidden_one);
    tcase_add_test(tcase, completion_knows_every_command_option_and_choice);
    tcase_add_test(tcase, completion_answers_what_people_type);
    tcase_add_test(tcase, examples_name_commands_and_options_that_exist);
    tcase_add_test(tcase, commands_that_the_readme_shows_exist);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
