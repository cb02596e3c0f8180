/* document.c - man pages as scdoc source, from the table of commands.
 * Called by `gcctl document man`, which the installer runs, and by tests.
 * Invariant: a page says what --help says (usage.c), in the same order. Locks: none, one thread. */
#include "tools/gcctl/document.h"

#include "tools/gcctl/arguments.h"

#include <ctype.h>
#include <slabgc/config.h>
#include <string.h>

/* Text in which scdoc would see markup: each such character gets a backslash. */
static void document_text(FILE *out, const char *text, size_t length)
{
    bool begins = true;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (strchr("\\_*~^<>|[]", c) || (begins && strchr("#-.`", c)))
            fputc('\\', out);
        fputc(c, out);
        begins = c == '\n';
    }
}

/* Lines that begin with a blank, up to an empty line, stand as they are; the rest are paragraphs. */
static void document_paragraphs(FILE *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        const size_t length = end ? (size_t)(end - text) : strlen(text);
        if (*text == ' ') {
            fprintf(out, "```\n%.*s\n```\n\n", (int)length, text);
        } else {
            document_text(out, text, length);
            fputs("\n\n", out);
        }
        text += length;
        text += strspn(text, "\n");
    }
}

static void document_help(FILE *out, const struct gcctl_option *option)
{
    char text[1024];
    gcctl_option_text(option, text, sizeof(text));
    fputc('\t', out);
    document_text(out, text, strlen(text));
    fputs(".\n\n", out);
}

static void document_option(FILE *out, const struct gcctl_option *option)
{
    if (option->letter)
        fprintf(out, "*-%c*, ", option->letter);
    fprintf(out, "*--%s*", option->name);
    if (option->kind != GCCTL_FLAG) {
        fputs("=_", out);
        document_text(out, option->value, strlen(option->value));
        fputc('_', out);
    }
    fputc('\n', out);
    document_help(out, option);
}

static void document_examples(FILE *out, const char *examples)
{
    fprintf(out, "# EXAMPLES\n\n```\n%s%s```\n\n", examples, examples[strlen(examples) - 1] == '\n' ? "" : "\n");
}

void gcctl_document_page(const struct gcctl_command *command, char page[GCCTL_PAGE_BYTES])
{
    snprintf(page, GCCTL_PAGE_BYTES, "gcctl-%s", command->name);
    for (char *at = page; *at; at++)
        if (*at == ' ')
            *at = '-';
}

/* ---- gcctl(1) */

static const char *const groups[] = {"See", "Change", "Plug-ins", "Config", "Tuning", "Other", NULL};

static const char description[] =
    "*gcctl* shows what processes that use slabgc do, changes it while they run, finds the settings that suit a load "
    "best, and looks after plug-ins and config files.\n\n"
    "It speaks with a process through a socket. A process has one when its config says\n\n"
    "```\n[control]\nsocket = auto\n```\n\n"
    "or, without a file, when *SLABGC=control.socket=auto* is in its environment. Only the user of the process and "
    "root are "
    "served. Nothing is ever done by signals or ptrace, and a process without a socket pays nothing.\n\n"
    "A process is named by *--pid*: its pid, its program's name where only one runs, or the path of its socket. "
    "Without "
    "*--pid* the only process that has a socket is asked; where there are several, they are listed.\n\n"
    "Data goes to stdout, messages to stderr. Bytes and durations are written as config files write them, 64MiB and "
    "1.5ms; "
    "with *--json* they are plain numbers of bytes and nanoseconds. Commands that change something take "
    "*--dry-run*.\n\n";

static const char statuses[] = "# EXIT STATUS\n\n"
                               "*0*\n\tDone.\n\n"
                               "*1*\n\tThe answer is no: faults, differences, leaks, divergence.\n\n"
                               "*64*\n\tThe command line, or a name or value in it, is wrong.\n\n"
                               "*65*, *66*\n\tA file has bad data; a file is not there.\n\n"
                               "*69*\n\tThere is no such process, it has no socket, or it does not answer.\n\n"
                               "*70*, *71*\n\tA bug of gcctl; the system lacks memory or processes.\n\n"
                               "*73*, *74*\n\tA file cannot be created; reading or writing failed.\n\n"
                               "*75*\n\tNot now, as when a value cannot change while a heap is open.\n\n"
                               "*77*\n\tNot permitted: the process belongs to somebody else.\n\n"
                               "*78*\n\tA config file is wrong.\n\n"
                               "*130*\n\tInterrupted.\n\n";

static const char environment[] =
    "# ENVIRONMENT\n\n"
    "*NO\\_COLOR*\n\tWhen set, to anything, there are no colours.\n\n"
    "*SLABGC*, *SLABGC\\_CONFIG*\n\tConfig in text, and a config file, of programs with slabgc; the commands about "
    "config "
    "read them too.\n\n"
    "*SLABGC\\_PLUGIN\\_PATH*\n\tDirectories in which plug-ins are looked for first.\n\n"
    "*SLABGC\\_LIBEXEC*\n\tWhere the programs lie that gcctl starts, if not beside it.\n\n"
    "*XDG\\_RUNTIME\\_DIR*\n\tSockets lie in its directory slabgc.\n\n"
    "# FILES\n\n"
    "_$XDG\\_RUNTIME\\_DIR/slabgc/PID-START.sock_, _/run/user/UID/slabgc/_, _/tmp/slabgc-UID/_\n"
    "\tSockets of processes: pid and start time, which together name a process for ever. Those that a killed process "
    "left "
    "are removed by whoever finds them.\n\n"
    "_/etc/slabgc/slabgc.conf_, _/etc/slabgc/slabgc.conf.d/\\*.conf_\n\tConfig of all programs.\n\n";

static void document_main(FILE *out)
{
    char page[GCCTL_PAGE_BYTES];
    fprintf(out,
            "gcctl(1) \"slabgc %s\" \"slabgc\"\n\n# NAME\n\ngcctl - see, change and tune processes that use slabgc\n\n"
            "# SYNOPSIS\n\n*gcctl* \\[*--color*=_WHEN_\\] _COMMAND_ \\[_OPTION_\\]... \\[_ARGUMENT_\\]...\n\n"
            "*gcctl help* \\[_COMMAND_\\]\n\n# DESCRIPTION\n\n%s# COMMANDS\n\n",
            sgc_version(), description);
    for (const char *const *group = groups; *group; group++) {
        bool any = false;
        for (const struct gcctl_command *const *at = gcctl_commands; *at; at++) {
            if (strcmp((*at)->group, *group) != 0 || (*at)->flags & GCCTL_HIDDEN)
                continue;
            if (!any)
                fprintf(out, "## %s\n\n", *group);
            any = true;
            gcctl_document_page(*at, page);
            fprintf(out, "*%s*(1)\n\t", page);
            document_text(out, (*at)->summary, strlen((*at)->summary));
            fputs(".\n\n", out);
        }
    }
    fputs("# OPTIONS\n\nBefore the command or behind it:\n\n"
          "*--color*=_WHEN_\n\tUse colours: auto (on a terminal alone), always or never; never where NO\\_COLOR is "
          "set.\n\n"
          "*--help*\n\tPrint help: of gcctl, or of the command.\n\n"
          "*--version*\n\tPrint the version. Before the command alone.\n\n",
          out);
    fputs(statuses, out);
    fputs(environment, out);
    document_examples(out, "SLABGC=control.socket=auto wordgraph --repeat=1000 &\n"
                           "gcctl ps\n"
                           "gcctl stat\n"
                           "gcctl set heap.wordgraph.memory_limit 64MiB\n"
                           "gcctl log --follow\n");
}

/* ---- gcctl-COMMAND(1) */

static void document_synopsis(FILE *out, const struct gcctl_command *command)
{
    char usage[512];
    gcctl_usage_line(command, usage, sizeof(usage));
    fprintf(out, "# SYNOPSIS\n\n*gcctl %s* ", command->name);
    document_text(out, usage, strlen(usage));
    fputs("\n\n", out);
}

static void document_statuses(FILE *out, const struct gcctl_command *command)
{
    fputs("# EXIT STATUS\n\n0 when done, 64 when the command line is wrong", out);
    if (command->flags & GCCTL_LIVE)
        fputs(", 69 when there is no such process or it does not answer, 75 when it cannot do it now, 77 when it "
              "belongs to "
              "somebody else",
              out);
    fputs("; *gcctl*(1) lists all.\n\n", out);
}

static void document_command(FILE *out, const struct gcctl_command *command, const char *page)
{
    const struct gcctl_option *option;
    fprintf(out, "%s(1) \"slabgc %s\" \"slabgc\"\n\n# NAME\n\n%s - ", page, sgc_version(), page);
    fputc(tolower((unsigned char)command->summary[0]), out);
    document_text(out, command->summary + 1, strlen(command->summary) - 1);
    fputs("\n\n", out);
    document_synopsis(out, command);
    fputs("# DESCRIPTION\n\n", out);
    document_paragraphs(out, command->description);
    if (command->arguments && command->arguments->name) {
        fputs("# ARGUMENTS\n\n", out);
        for (option = command->arguments; option->name; option++) {
            fputc('_', out);
            document_text(out, option->value, strlen(option->value));
            fputs("_\n", out);
            document_help(out, option);
        }
    }
    fputs("# OPTIONS\n\n", out);
    for (size_t i = 0; (option = gcctl_option_at(command, i)); i++)
        document_option(out, option);
    document_statuses(out, command);
    if (command->examples)
        document_examples(out, command->examples);
    fputs("# SEE ALSO\n\n*gcctl*(1)\n", out);
}

bool gcctl_document_man(FILE *out, const char *page)
{
    char candidate[GCCTL_PAGE_BYTES];
    if (strcmp(page, "gcctl") == 0) {
        document_main(out);
        return true;
    }
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++) {
        gcctl_document_page(*at, candidate);
        if (strcmp(page, candidate) != 0 || (*at)->flags & GCCTL_HIDDEN)
            continue;
        document_command(out, *at, page);
        return true;
    }
    return false;
}
