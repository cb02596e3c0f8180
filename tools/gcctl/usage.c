/* usage.c - help as text, from the table of commands.
 * Called by arguments.c and `help`. Invariant: says what document.c says in man pages. Locks: none, one thread. */
#include "tools/gcctl/arguments.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80

static const char *const groups[] = {"See", "Change", "Plug-ins", "Config", "Tuning", "Other", NULL};

/* Prints words, wrapped, with `indent` blanks before each line but the first, which has come to column `at` already. */
static void usage_wrap(const char *text, size_t length, size_t indent, size_t at)
{
    bool first = true;
    while (length) {
        size_t blank = strspn(text, " \n");
        blank = blank < length ? blank : length;
        text += blank;
        length -= blank;
        size_t word = strcspn(text, " \n");
        word = word < length ? word : length;
        if (word == 0)
            break;
        if (!first && at + 1 + word > WIDTH) {
            printf("\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        printf("%s%.*s", first ? "" : " ", (int)word, text);
        at += word + !first;
        first = false;
        text += word;
        length -= word;
    }
    putchar('\n');
}

/* Paragraphs, a blank line between them; lines that begin with a blank stand as they are. */
static void usage_paragraphs(const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        if (*text == ' ')
            printf("%.*s\n", (int)length, text);
        else
            usage_wrap(text, length, 0, 0);
        text += length;
        text += strspn(text, "\n");
        if (*text)
            putchar('\n');
    }
}

static void usage_item(const char *title, size_t column, const char *text)
{
    size_t length = strlen(title);
    printf("  %s", title);
    if (length + 4 > column)
        printf("\n%*s", (int)column, "");
    else
        printf("%*s", (int)(column - length - 2), "");
    usage_wrap(text, strlen(text), column, column);
}

void gcctl_option_title(const struct gcctl_option *option, char *out, size_t out_bytes)
{
    char letter[8] = "";
    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(out, out_bytes, "%s--%s%s%s", letter, option->name, option->kind == GCCTL_FLAG ? "" : "=",
             option->kind == GCCTL_FLAG ? "" : option->value);
}

void gcctl_option_text(const struct gcctl_option *option, char *out, size_t out_bytes)
{
    size_t n = (size_t)snprintf(out, out_bytes, "%s", option->help);
    if (option->kind != GCCTL_CHOICE || n >= out_bytes)
        return;
    for (const char *at = option->choices; *at && n + 4 < out_bytes; at++) {
        n += (size_t)snprintf(out + n, out_bytes - n, "%s", at == option->choices ? " (" : "");
        n += (size_t)snprintf(out + n, out_bytes - n, *at == '|' ? ", " : "%c", *at);
    }
    snprintf(out + n, out_bytes - n, ")");
}

void gcctl_usage_line(const struct gcctl_command *command, char *out, size_t out_bytes)
{
    size_t n = (size_t)snprintf(out, out_bytes, "[OPTION]...");
    for (const struct gcctl_option *a = command->arguments; a && a->name && n < out_bytes; a++)
        n += (size_t)snprintf(out + n, out_bytes - n, " %s%s%s%s", a->required ? "" : "[", a->value,
                              a->required ? "" : "]", a->repeatable ? "..." : "");
    if (command->flags & GCCTL_PROGRAM && n < out_bytes)
        snprintf(out + n, out_bytes - n, " [-- PROGRAM [ARGUMENT]...]");
}

void gcctl_help(void)
{
    puts("Usage: gcctl [--color=auto|always|never] COMMAND [OPTION]... [ARGUMENT]...\n"
         "Shows what processes with slabgc do, changes it, and finds the best settings for a load.");
    for (const char *const *group = groups; *group; group++) {
        bool any = false;
        for (const struct gcctl_command *const *at = gcctl_commands; *at; at++) {
            if (strcmp((*at)->group, *group) != 0 || (*at)->flags & GCCTL_HIDDEN)
                continue;
            if (!any)
                printf("\n%s:\n", *group);
            any = true;
            usage_item((*at)->name, 20, (*at)->summary);
        }
    }
    puts("\ngcctl help COMMAND says more of one; gcctl --version prints the version. A program has a socket for\n"
         "gcctl when its config says [control] socket = auto, or its environment SLABGC=control.socket=auto.");
}

void gcctl_help_command(const struct gcctl_command *command)
{
    char title[512], text[1024];
    gcctl_usage_line(command, title, sizeof(title));
    printf("Usage: gcctl %s %s\n%s.\n\n", command->name, title, command->summary);
    usage_paragraphs(command->description);
    if (command->arguments && command->arguments->name) {
        puts("\nArguments:");
        for (const struct gcctl_option *argument = command->arguments; argument->name; argument++) {
            gcctl_option_text(argument, text, sizeof(text));
            usage_item(argument->value, 26, text);
        }
    }
    puts("\nOptions:");
    const struct gcctl_option *option;
    for (size_t i = 0; (option = gcctl_option_at(command, i)); i++) {
        gcctl_option_title(option, title, sizeof(title));
        gcctl_option_text(option, text, sizeof(text));
        usage_item(title, 26, text);
    }
    if (command->examples) {
        puts("\nExamples:");
        for (const char *line = command->examples; *line; line += strspn(line, "\n")) {
            size_t length = strcspn(line, "\n");
            printf("  %.*s\n", (int)length, line);
            line += length;
        }
    }
}
