/* arguments.h - from argv to a struct gcctl_call, by a command's declaration; and what help says. One thread. */
#ifndef SLABGC_TOOLS_GCCTL_ARGUMENTS_H
#define SLABGC_TOOLS_GCCTL_ARGUMENTS_H

#include "tools/gcctl/command.h"

#define GCCTL_GO_ON (-1)

/* What stands before the command: "gcctl --color=never stat". Also taken behind it. */
enum gcctl_color { GCCTL_COLOR_AUTO, GCCTL_COLOR_ALWAYS, GCCTL_COLOR_NEVER };

/* Parses argv[1..] of gcctl: options before the command, then the command's name, one or two words. GCCTL_GO_ON:
 * *command is set and argv[*first] is its last word; else an exit status, all is said and done. */
int gcctl_arguments_command(int argc, char **argv, const struct gcctl_command **command, int *first,
                            enum gcctl_color *color);
/* Parses what is behind the command's name, argv[0] (the name) to argv[argc - 1]; keeps pointers into argv.
 * GCCTL_GO_ON: *call is filled and gcctl_arguments_fini is due; else an exit status. */
int gcctl_arguments_parse(const struct gcctl_command *command, int argc, char **argv, enum gcctl_color color,
                          struct gcctl_call *call);
void gcctl_arguments_fini(struct gcctl_call *call);

/* The i-th option of a command: its own, then those that its flags bring, then --color and --help; NULL behind the
 * last. */
const struct gcctl_option *gcctl_option_at(const struct gcctl_command *command, size_t i);
/* The command of that name, "stat" or "plugin list"; NULL: there is none. */
const struct gcctl_command *gcctl_command_named(const char *name);
/* Says that there is no command of that name, with a suggestion or what the group has; returns EX_USAGE. */
int gcctl_command_unknown(const char *name);

/* usage.c: help on stdout. */
void gcctl_help(void);
void gcctl_help_command(const struct gcctl_command *command);
/* "[OPTION]... [HEAP] [-- PROGRAM [ARGUMENT]...]" */
void gcctl_usage_line(const struct gcctl_command *command, char *out, size_t out_bytes);
/* The sentence about an option or argument, with its choices; without a full stop. */
void gcctl_option_text(const struct gcctl_option *option, char *out, size_t out_bytes);
/* "-i, --interval=DURATION" */
void gcctl_option_title(const struct gcctl_option *option, char *out, size_t out_bytes);

#endif
