/* cmd_document.c - what is made from the table of commands: man pages and completion. The hidden commands are the
 * installer's and the completion script's own. */
#include "tools/gcctl/document.h"

#include "tools/gcctl/client.h"
#include "tools/gcctl/print.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static int man_run(struct gcctl_call *call)
{
    const char *page = gcctl_text(call, "page");
    if (gcctl_document_man(stdout, page))
        return 0;
    return gcctl_error(EX_USAGE, "there is no page \"%s\"; gcctl document man-list prints all", page);
}

static const struct gcctl_option man_arguments[] = {
    {.name = "page",
     .kind = GCCTL_TEXT,
     .value = "PAGE",
     .help = "The page: gcctl, gcctl-stat, gcctl-config-show",
     .required = true},
    {0},
};

const struct gcctl_command gcctl_command_document_man = {
    .name = "document man",
    .group = "Other",
    .summary = "Print the scdoc source of a man page",
    .description =
        "Prints the source of a page of section 1, made from the table of commands. scdoc turns it into a man page.",
    .examples = "gcctl document man gcctl-stat\n",
    .arguments = man_arguments,
    .flags = GCCTL_HIDDEN,
    .run = man_run,
};

static int man_list_run(struct gcctl_call *call)
{
    char page[GCCTL_PAGE_BYTES];
    (void)call;
    puts("gcctl");
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++) {
        gcctl_document_page(*at, page);
        if (!((*at)->flags & GCCTL_HIDDEN))
            puts(page);
    }
    return 0;
}

const struct gcctl_command gcctl_command_document_man_list = {
    .name = "document man-list",
    .group = "Other",
    .summary = "Print the names of all man pages",
    .description = "Prints one name a line, each an argument of gcctl document man.",
    .examples = "gcctl document man-list\n",
    .flags = GCCTL_HIDDEN,
    .run = man_list_run,
};

static int bash_run(struct gcctl_call *call)
{
    (void)call;
    gcctl_document_bash(stdout);
    return 0;
}

const struct gcctl_command gcctl_command_document_bash = {
    .name = "document bash",
    .group = "Other",
    .summary = "Print the completion script for bash",
    .description = "What gcctl completion bash prints.",
    .examples = "gcctl document bash\n",
    .flags = GCCTL_HIDDEN,
    .run = bash_run,
};

/* ---- completion */

static const struct gcctl_option completion_arguments[] = {
    {.name = "shell",
     .kind = GCCTL_CHOICE,
     .value = "SHELL",
     .choices = "bash",
     .help = "The shell; bash unless given"},
    {0},
};

const struct gcctl_command gcctl_command_completion = {
    .name = "completion",
    .group = "Other",
    .summary = "Print a completion script for the shell",
    .description =
        "Prints a script that teaches bash to complete gcctl's commands, options, their values and files, and, by "
        "asking the "
        "processes that run, pids, heaps, caches, strategies and keys. A process is asked only while you press the "
        "completion key, is not stopped, and is given up after half a second.\n\n"
        "An installed slabgc has the script where bash looks for it; this command is for other places.",
    .examples = "gcctl completion bash\nsource <(gcctl completion bash)\n",
    .arguments = completion_arguments,
    .run = bash_run,
};

/* ---- candidates: what the completion script asks for */

static const char *candidate_member(const char *kind)
{
    return strcmp(kind, "heap") == 0 ? "heaps" : strcmp(kind, "cache") == 0 ? "caches" : "values";
}

static void candidate_print(const char *kind, json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *section = json_string_value(json_object_get(item, "section"));
    const char *key = json_string_value(json_object_get(item, "key"));
    if (strcmp(kind, "key") == 0 && section && key)
        printf("%s.%s\n", section, key);
    else if (name)
        puts(name);
}

static int candidate_process(void *arg, const char *path, json_t *hello)
{
    (void)arg;
    (void)path;
    printf("%lld\n%s\n", (long long)json_integer_value(json_object_get(hello, "pid")),
           json_string_value(json_object_get(hello, "program")));
    return 0;
}

static int candidates_run(struct gcctl_call *call)
{
    const char *kind = gcctl_text(call, "kind");
    int status, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) { /* nobody wants to read messages while he types */
        dup2(null, STDERR_FILENO);
        close(null);
    }
    if (strcmp(kind, "process") == 0) {
        size_t n_silent;
        gcctl_for_each_process(candidate_process, NULL, &n_silent);
        return 0;
    }
    struct gcctl_client *client = gcctl_connect(call, NULL, &status);
    if (!client)
        return status;
    const bool strategy = strcmp(kind, "strategy") == 0;
    const char *command = strategy                     ? "plugins"
                          : strcmp(kind, "heap") == 0  ? "stat"
                          : strcmp(kind, "cache") == 0 ? "caches"
                                                       : "get";
    json_t *result = gcctl_request(client, command, NULL, NULL, NULL, &status), *item;
    size_t i;
    json_array_foreach (json_object_get(result, strategy ? "plugins" : candidate_member(kind)), i, item)
        candidate_print(kind, item);
    json_decref(result);
    gcctl_disconnect(client);
    return status;
}

static const struct gcctl_option candidates_arguments[] = {
    {.name = "kind",
     .kind = GCCTL_CHOICE,
     .value = "KIND",
     .choices = "process|heap|cache|key|strategy",
     .help = "What to list",
     .required = true},
    {0},
};

const struct gcctl_command gcctl_command_document_candidates = {
    .name = "document candidates",
    .group = "Other",
    .summary = "Print what a word may be completed to",
    .description =
        "Prints one candidate a line: what the completion script asks for. Says nothing when no process answers.",
    .examples = "gcctl document candidates heap\n",
    .arguments = candidates_arguments,
    .flags = GCCTL_HIDDEN | GCCTL_LIVE,
    .run = candidates_run,
};
