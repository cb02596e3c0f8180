/* cmd_help.c - gcctl help: what commands there are, and what one does. */
#include "tools/gcctl/arguments.h"

#include <stdio.h>

static int help_run(struct gcctl_call *call)
{
    const char *first = gcctl_text_at(call, "command", 0), *second = gcctl_text_at(call, "command", 1);
    char name[128];
    if (!first) {
        gcctl_help();
        return 0;
    }
    snprintf(name, sizeof(name), "%s%s%s", first, second ? " " : "", second ? second : "");
    const struct gcctl_command *command = gcctl_command_named(name);
    if (!command)
        return gcctl_command_unknown(name);
    gcctl_help_command(command);
    return 0;
}

static const struct gcctl_option help_arguments[] = {
    {.name = "command",
     .kind = GCCTL_TEXT,
     .value = "COMMAND",
     .help = "The command, one word or two",
     .repeatable = true},
    {0},
};

const struct gcctl_command gcctl_command_help = {
    .name = "help",
    .group = "Other",
    .summary = "List the commands, or say what one does",
    .description =
        "Without an argument, prints every command with one line each. With the name of a command, prints what that "
        "command does, its arguments, its options and examples: the text of its man page, and of its --help.",
    .examples = "gcctl help\ngcctl help stat\ngcctl help config show\n",
    .arguments = help_arguments,
    .run = help_run,
};
