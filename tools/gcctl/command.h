/* command.h - what a command of gcctl is. Declared once, as constant data, beside the function that does it; the argument parser, --help, "did you
 * mean", bash completion and the man pages derive from it (arguments.c, document.c). One thread; no state but struct gcctl_call. */
#ifndef SLABGC_TOOLS_GCCTL_COMMAND_H
#define SLABGC_TOOLS_GCCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gcctl_value_kind {
    GCCTL_FLAG,     /* no value */
    GCCTL_TEXT,
    GCCTL_INTEGER,  /* minimum to maximum */
    GCCTL_DURATION, /* "5m", "10ms"; ns */
    GCCTL_BYTES,    /* "512MiB"; bytes */
    GCCTL_CHOICE,   /* one of choices */
    GCCTL_FILE,     /* a path (completion) */
    GCCTL_PROCESS,  /* a pid or program name (completion) */
    GCCTL_HEAP,
    GCCTL_CACHE,
    GCCTL_KEY,
    GCCTL_STRATEGY
};

/* An option --name=VALUE (-letter VALUE), or a positional argument where letter and dashes mean nothing. */
struct gcctl_option {
    const char *name;    /* "interval"; NULL ends the array */
    char letter;         /* 0: none */
    enum gcctl_value_kind kind;
    const char *value;   /* "NS", in help */
    const char *help;    /* one sentence, without a full stop */
    const char *choices; /* GCCTL_CHOICE: "minor|full" */
    int64_t minimum, maximum; /* GCCTL_INTEGER; 0, 0: any that is not negative */
    bool repeatable;     /* may come several times; gcctl_text_at */
    bool required;       /* positional arguments only */
};

enum {
    GCCTL_READS = 1 << 0,    /* has --json */
    GCCTL_CHANGES = 1 << 1,  /* has --dry-run */
    GCCTL_PROGRAM = 1 << 2,  /* "-- PROGRAM ARGS..." may follow */
    GCCTL_LIVE = 1 << 3,     /* has --pid/-p PROCESS (GCCTL_PROCESS) */
    GCCTL_HIDDEN = 1 << 4    /* not in help (completion's own) */
};

struct gcctl_call;

struct gcctl_command {
    const char *name;        /* "stat", or "plugin list" */
    const char *group;       /* heading in help: "See", "Change", "Plug-ins", "Config", "Tuning", "Other" */
    const char *summary;     /* one line */
    const char *description; /* paragraphs for --help and the man page; what it prints, what it costs the process */
    const char *examples;    /* lines "gcctl stat wordgraph"; may be NULL */
    const struct gcctl_option *arguments; /* positional ones, in order; NULL: none */
    const struct gcctl_option *options;   /* NULL: none but those of flags */
    uint32_t flags;
    int (*run)(struct gcctl_call *call);  /* exit status */
};

/* One run of a command, arguments parsed and checked. */
struct gcctl_call {
    const struct gcctl_command *command;
    bool json, dry_run, color; /* color: stdout takes it */
    char **program;            /* behind "--", NULL at the end; NULL: none given */
    struct gcctl_values *values;
};

/* Values by the name of the option or argument: NULL, def or false when it was not given. */
const char *gcctl_text(const struct gcctl_call *call, const char *name);
const char *gcctl_text_at(const struct gcctl_call *call, const char *name, size_t i); /* repeatable: the i-th, or NULL */
int64_t gcctl_number(const struct gcctl_call *call, const char *name, int64_t def);   /* integer, ns or bytes */
bool gcctl_flag(const struct gcctl_call *call, const char *name);

extern const struct gcctl_command *const gcctl_commands[]; /* NULL at the end; commands.c */

#endif
