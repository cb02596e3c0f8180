/* lookup.c - which command argv names, and what stands before it.
 * Called by main and by `help`. Locks: none, one thread. */
#include "tools/gcctl/arguments.h"
#include "tools/gcctl/print.h"

#include <slabgc/config.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define MAX_COMMANDS 128

const struct gcctl_command *gcctl_command_named(const char *name)
{
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

int gcctl_command_unknown(const char *name)
{
    const char *names[MAX_COMMANDS + 1];
    char list[512] = "";
    const size_t length = strlen(name);
    size_t n = 0;
    for (const struct gcctl_command *const *at = gcctl_commands; *at && n < MAX_COMMANDS; at++) {
        const char *candidate = (*at)->name;
        if ((*at)->flags & GCCTL_HIDDEN)
            continue;
        names[n++] = candidate;
        if (strncmp(candidate, name, length) == 0 && candidate[length] == ' ')
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? ", " : "", candidate);
    }
    names[n] = NULL;
    if (*list)
        return gcctl_error(EX_USAGE, "\"%s\" needs a second word: %s", name, list);
    const char *suggestion = gcctl_suggest(name, names);
    return gcctl_error(EX_USAGE, "there is no command \"%s\"%s", name, *suggestion ? suggestion : "; see gcctl help");
}

/* Whether some command's first word is this. */
static bool lookup_is_group(const char *word)
{
    const size_t length = strlen(word);
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++)
        if (strncmp((*at)->name, word, length) == 0 && (*at)->name[length] == ' ')
            return true;
    return false;
}

static int lookup_color(const char *text, enum gcctl_color *color)
{
    static const char *const words[] = {"auto", "always", "never", NULL};
    for (unsigned i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0) {
            *color = (enum gcctl_color)i;
            return GCCTL_GO_ON;
        }
    const char *suggestion = gcctl_suggest(text, words);
    return gcctl_error(EX_USAGE, "color: \"%s\" is none of auto, always, never%s", text, suggestion);
}

static void lookup_refused(const char *word)
{
    static const char *const names[] = {"help", "version", "color", NULL};
    char name[64];
    const size_t dashes = strspn(word, "-");
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + dashes, "="), word + dashes);
    gcctl_error(EX_USAGE, "gcctl has no option %s before a command%s", word, gcctl_suggest(name, names));
}

/* Options before the command; *at: the word that they end at. */
static int lookup_global(int argc, char **argv, int *at, enum gcctl_color *color)
{
    for (*at = 1; *at < argc && argv[*at][0] == '-' && argv[*at][1]; (*at)++) {
        const char *word = argv[*at];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            gcctl_help();
            return 0;
        }
        if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
            printf("gcctl %s\n", sgc_version());
            return 0;
        }
        int status = EX_USAGE;
        if (strncmp(word, "--color=", 8) == 0)
            status = lookup_color(word + 8, color);
        else if (strcmp(word, "--color") == 0 && *at + 1 < argc)
            status = lookup_color(argv[++*at], color);
        else if (strcmp(word, "--color") == 0)
            gcctl_error(EX_USAGE, "--color lacks its value: auto, always or never");
        else
            lookup_refused(word);
        if (status != GCCTL_GO_ON)
            return status;
    }
    return GCCTL_GO_ON;
}

int gcctl_arguments_command(int argc, char **argv, const struct gcctl_command **command, int *first,
                            enum gcctl_color *color)
{
    char name[128];
    int at, status = lookup_global(argc, argv, &at, color);
    if (status != GCCTL_GO_ON)
        return status;
    if (at >= argc)
        return gcctl_error(EX_USAGE, "what is to be done? gcctl help lists the commands");
    *first = at;
    *command = gcctl_command_named(argv[at]);
    if (*command)
        return GCCTL_GO_ON;
    if (lookup_is_group(argv[at]) && at + 1 < argc && argv[at + 1][0] != '-') {
        snprintf(name, sizeof(name), "%s %s", argv[at], argv[at + 1]);
        *command = gcctl_command_named(name);
        *first = at + 1;
        if (*command)
            return GCCTL_GO_ON;
        return gcctl_command_unknown(name);
    }
    if (lookup_is_group(argv[at]) && at + 1 < argc && strcmp(argv[at + 1], "--help") == 0) {
        gcctl_help();
        return 0;
    }
    return gcctl_command_unknown(argv[at]);
}
