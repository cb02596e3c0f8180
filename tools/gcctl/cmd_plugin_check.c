/* cmd_plugin_check.c - gcctl plugin check: does a file load, is its table right, does it keep the contract. */
#include "tools/gcctl/layout.h"
#include "tools/gcctl/plugin_exam.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

struct check {
    struct gcctl_call *call;
    const char *path;
    char kit[PATH_MAX];
    uint64_t n_held, n_failed;
    json_t *failures; /* lines */
};

/* ---- the conformance kit: a line for each claim, "ok   claim [strategy]" or "FAIL claim [strategy] how: why" */

/* The strategy is a path in the kit's lines; nobody reads it twice. */
static void check_without_path(const struct check *check, const char *line, char *out, size_t out_bytes)
{
    char place[PATH_MAX + 4];
    snprintf(place, sizeof(place), " [%s]", check->path);
    const char *at = strstr(line, place);
    if (at)
        snprintf(out, out_bytes, "%.*s%s", (int)(at - line), line, at + strlen(place));
    else
        snprintf(out, out_bytes, "%s", line);
}

static void check_line(struct check *check, char *line)
{
    char text[4096];
    line[strcspn(line, "\n")] = '\0';
    check_without_path(check, line, text, sizeof(text));
    const bool held = strncmp(text, "ok ", 3) == 0, failed = strncmp(text, "FAIL ", 5) == 0;
    check->n_held += held;
    check->n_failed += failed;
    if (failed)
        json_array_append_new(check->failures, json_string(text + 5));
    if (check->call->json)
        return;
    if (failed || strncmp(text, "     ", 5) == 0 || (held && gcctl_flag(check->call, "all")))
        puts(text);
}

static _Noreturn void check_child(const struct check *check, int out)
{
    const bool quick = gcctl_flag(check->call, "quick");
    char *const arguments[] = {(char *)check->kit,     "--strategy",
                               (char *)check->path,    quick ? "--disturbance" : NULL,
                               quick ? "quiet" : NULL, NULL};
    dup2(out, STDOUT_FILENO);
    unsetenv("SLABGC");
    unsetenv("SLABGC_CONFIG");
    execv(check->kit, arguments);
    _exit(127);
}

/* Runs the kit; its messages about claims stay away from ours: 0, or an exit status, said. */
static int check_kit(struct check *check)
{
    int ends[2], status = 0;
    char *line = NULL;
    size_t capacity = 0;
    FILE *lines;
    if (pipe2(ends, O_CLOEXEC))
        return gcctl_error(EX_OSERR, "pipe: %s", strerror(errno));
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        FILE *silent = freopen("/dev/null", "w", stderr); /* stalls and leaks that claims make on purpose */
        if (silent)
            check_child(check, ends[1]);
        _exit(127);
    }
    close(ends[1]);
    if (child < 0 || !(lines = fdopen(ends[0], "r"))) {
        close(ends[0]);
        return gcctl_error(EX_OSERR, "%s: %s", check->kit, strerror(errno));
    }
    while (getline(&line, &capacity, lines) > 0)
        check_line(check, line);
    free(line);
    fclose(lines);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        return gcctl_error(EX_SOFTWARE, "%s ended by SIG%s", check->kit, sigabbrev_np(WTERMSIG(status)));
    if (WEXITSTATUS(status) > 1 || check->n_held + check->n_failed == 0)
        return gcctl_error(EX_SOFTWARE, "%s ended with status %d before it said anything of the strategy", check->kit,
                           WEXITSTATUS(status));
    return 0;
}

/* ---- the command */

static int check_print(struct check *check, json_t *plugin, bool taken)
{
    const bool good = taken && check->n_failed == 0;
    const char *reason = json_string_value(json_object_get(plugin, "crash"));
    if (!reason)
        reason = json_string_value(json_object_get(plugin, "refused"));
    if (check->call->json) {
        json_object_set_new(plugin, "kit",
                            taken ? json_pack("{s:I, s:I, s:O}", "held", (json_int_t)check->n_held, "failed",
                                              (json_int_t)check->n_failed, "failures", check->failures)
                                  : json_null());
        json_object_set_new(plugin, "ok", json_boolean(good));
        const int status = gcctl_print_json(json_incref(plugin));
        return status ? status : good ? 0 : 1;
    }
    if (!taken)
        printf("%s: refused: %s\n", check->path, reason);
    else if (good)
        printf("%s: loads, its table is right, and all %llu claims of the contract hold\n", check->path,
               (unsigned long long)check->n_held);
    else
        printf("%s: loads, its table is right, but %llu of %llu claims of the contract fail\n", check->path,
               (unsigned long long)check->n_failed, (unsigned long long)(check->n_failed + check->n_held));
    return good ? 0 : 1;
}

static int check_run(struct gcctl_call *call)
{
    const char *file = gcctl_text(call, "file");
    char path[PATH_MAX];
    struct check check = {.call = call, .path = path};
    int status = 0;
    if (!realpath(file, path))
        return gcctl_error(EX_NOINPUT, "%s: %s", file, strerror(errno));
    if (strpbrk(path, ",:"))
        return gcctl_error(EX_USAGE, "%s: the kit parts names by ',' and ':'; move the file", path);
    if (!gcctl_layout_program("slabgc-conformance", check.kit))
        return EX_UNAVAILABLE;
    json_t *plugin = gcctl_plugin_examine(path);
    const bool taken =
        json_is_null(json_object_get(plugin, "crash")) && json_is_null(json_object_get(plugin, "refused"));
    check.failures = json_array();
    if (taken)
        status = check_kit(&check);
    if (status == 0)
        status = check_print(&check, plugin, taken);
    json_decref(check.failures);
    json_decref(plugin);
    return status;
}

static const struct gcctl_option check_arguments[] = {
    {.name = "file", .kind = GCCTL_FILE, .value = "FILE", .help = "The plug-in, NAME.so", .required = true},
    {0},
};
static const struct gcctl_option check_options[] = {
    {.name = "quick",
     .letter = 'q',
     .kind = GCCTL_FLAG,
     .help = "Run each claim once, without collections between its steps"},
    {.name = "all", .letter = 'a', .kind = GCCTL_FLAG, .help = "Print the claims that hold, too"},
    {0},
};

const struct gcctl_command gcctl_command_plugin_check = {
    .name = "plugin check",
    .group = "Plug-ins",
    .summary = "Say whether a plug-in loads and keeps the contract",
    .description =
        "Loads the file in a process of its own, as a program would: its owner and permissions, its ELF headers, every "
        "field of its table. A crash or a hang is named. Then runs the conformance kit on it: small programs, each of "
        "which "
        "shows one claim of the contract, each in a process of its own, undisturbed and with collections wherever it "
        "is at "
        "rest; live heaps are moved to the plug-in and away.\n\n"
        "Prints the claims that fail and a verdict. The exit status is 0 when the plug-in is good, 1 when it is "
        "refused or "
        "a claim fails. Takes some seconds.",
    .examples = "gcctl plugin check mine.so\ngcctl plugin check --quick mine.so\n",
    .arguments = check_arguments,
    .options = check_options,
    .flags = GCCTL_READS,
    .run = check_run,
};
