/* commands.c - the table of commands: one line for each, by group, in the order in which help shows them.
 * Each is declared and done in cmd_NAME.c. Constant data; no locks. */
#include "tools/gcctl/command.h"

#define COMMANDS(X)                                                                                                    \
    /* See */                                                                                                          \
    X(ps)                                                                                                              \
    X(stat)                                                                                                            \
    X(caches)                                                                                                          \
    X(log)                                                                                                             \
    X(top)                                                                                                             \
    X(map)                                                                                                             \
    X(walk)                                                                                                            \
    X(why)                                                                                                             \
    X(leaks)                                                                                                           \
    X(verify)                                                                                                          \
    X(get)                                                                                                             \
    X(export)                                                                                                          \
    /* Change */                                                                                                       \
    X(set)                                                                                                             \
    X(collect)                                                                                                         \
    X(reap)                                                                                                            \
    X(reload)                                                                                                          \
    X(switch)                                                                                                          \
    /* Plug-ins */                                                                                                     \
    X(plugin_list)                                                                                                     \
    X(plugin_check)                                                                                                    \
    X(plugin_new)                                                                                                      \
    /* Config */                                                                                                       \
    X(config_check)                                                                                                    \
    X(config_show)                                                                                                     \
    X(config_diff)                                                                                                     \
    /* Tuning */                                                                                                       \
    X(compare)                                                                                                         \
    X(record)                                                                                                          \
    X(replay)                                                                                                          \
    X(trace)                                                                                                           \
    X(tune)                                                                                                            \
    X(report)                                                                                                          \
    /* Other */                                                                                                        \
    X(demo)                                                                                                            \
    X(completion)                                                                                                      \
    X(document_man)                                                                                                    \
    X(document_man_list)                                                                                               \
    X(document_bash)                                                                                                   \
    X(document_candidates)                                                                                             \
    X(help)

#define DECLARE(name) extern const struct gcctl_command gcctl_command_##name;
COMMANDS(DECLARE)

#define ENTRY(name) &gcctl_command_##name,
const struct gcctl_command *const gcctl_commands[] = {COMMANDS(ENTRY) NULL};
