/* cmd_config.c - gcctl config check, show, diff: config of files and of processes. */
#include "tools/gcctl/client.h"
#include "tools/gcctl/effective.h"
#include "tools/gcctl/figures.h"
#include "tools/gcctl/layout.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <slabgc/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- check */

static int check_run(struct gcctl_call *call)
{
    const char *file = gcctl_text(call, "file");
    struct sgc_error error = {0};
    char path[PATH_MAX];
    if (!realpath(file, path) || access(path, R_OK))
        return gcctl_error(errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s: %s", file, strerror(errno));
    gcctl_layout_plugins();
    const int code = sgc_config_check(path, &error);
    if (call->json) {
        json_t *message = code ? json_string(error.message) : json_null();
        const int status = gcctl_print_json(json_pack("{s:s, s:b, s:o}", "file", file, "ok", code == 0, "message",
                                                      message ? message : json_string("not in UTF-8")));
        return status ? status : code ? EX_CONFIG : 0;
    }
    if (code)
        return gcctl_error(EX_CONFIG, "%s", error.message);
    printf("%s: good\n", file);
    return 0;
}

static const struct gcctl_option check_arguments[] = {
    {.name = "file", .kind = GCCTL_FILE, .value = "FILE", .help = "The config file", .required = true},
    {0},
};

const struct gcctl_command gcctl_command_config_check = {
    .name = "config check",
    .group = "Config",
    .summary = "Check a config file before a program reads it",
    .description = "Reads FILE as a program would that has it in $SLABGC_CONFIG, on top of the system's config, and "
                   "checks sections, keys, values and units, that each "
                   "strategy can be found, and each strategy's parameters against its plug-in's table, which loads the "
                   "plug-in. Nothing is "
                   "applied anywhere.\n\n"
                   "Prints \"FILE: good\"; or the first fault on stderr, with file, line, column, the line itself with "
                   "a caret, and what may have been meant, and "
                   "exits with status 78. With --json, prints {\"file\",\"ok\",\"message\"}.",
    .examples = "gcctl config check my.conf\ngcctl config check /etc/slabgc/slabgc.conf --json\n",
    .arguments = check_arguments,
    .flags = GCCTL_READS,
    .run = check_run,
};

/* ---- show */

static void show_table(const struct gcctl_call *call, json_t *values)
{
    struct gcctl_table *table = gcctl_table_create(call);
    json_t *row;
    size_t i;
    gcctl_table_column(table, "SECTION", 0);
    gcctl_table_column(table, "KEY", 0);
    gcctl_table_column(table, "VALUE", 0);
    gcctl_table_column(table, "FROM", 0);
    json_array_foreach (values, i, row) {
        char section[256];
        snprintf(section, sizeof(section), "[%s]", gcctl_figure_text(row, "section"));
        gcctl_table_row(table, (const char *[]){section, gcctl_figure_text(row, "key"), gcctl_figure_text(row, "value"),
                                                gcctl_figure_text(row, "origin")});
    }
    gcctl_table_print(table);
}

static int show_run(struct gcctl_call *call)
{
    const char *file = gcctl_text(call, "file");
    int status = 0;
    if (file && gcctl_text(call, "pid"))
        return gcctl_error(EX_USAGE, "config show: a file or --pid, not both");
    json_t *values = gcctl_text(call, "pid") ? gcctl_effective_process(call, NULL, &status)
                                             : gcctl_effective_config(file, gcctl_flag(call, "all"), &status);
    if (!values)
        return status;
    if (call->json)
        return gcctl_print_json(json_pack("{s:o}", "values", values));
    if (json_array_size(values) == 0)
        gcctl_note("config says nothing; --all shows defaults too");
    show_table(call, values);
    json_decref(values);
    return 0;
}

static const struct gcctl_option show_arguments[] = {
    {.name = "file",
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "The config file to show, on top of the system's; the environment's config unless given"},
    {0},
};
static const struct gcctl_option show_options[] = {
    {.name = "all",
     .letter = 'a',
     .kind = GCCTL_FLAG,
     .help = "Also show the defaults of every strategy's parameters that nothing sets"},
    {0},
};

const struct gcctl_command gcctl_command_config_show = {
    .name = "config show",
    .group = "Config",
    .summary = "Show values in effect, and where each came from",
    .description =
        "Prints a line for each value that config sets, and each default of core: section, key, value, and the file "
        "and line, or the variable, "
        "that it came from. Where several sources "
        "set a value, the one in effect is shown: /usr/lib/slabgc/slabgc.conf, /etc/slabgc/slabgc.conf, "
        "/etc/slabgc/slabgc.conf.d/, the file "
        "$SLABGC_CONFIG, the text $SLABGC, each beating those before.\n\n"
        "Without FILE it is what a program would get that starts in this environment. With FILE, that file stands in "
        "the place of both variables. "
        "With --pid, a live process is asked what is in effect there, defaults and changes by gcctl set included; it "
        "is not "
        "stopped.\n\nThe exit status is 78 when config cannot be understood. With --json, prints {\"values\":[...]}.",
    .examples = "gcctl config show\ngcctl config show my.conf --all\ngcctl config show --pid=wordgraph\n",
    .arguments = show_arguments,
    .options = show_options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = show_run,
};

/* ---- diff */

static void diff_side(char out[600], json_t *side)
{
    if (json_is_object(side))
        snprintf(out, 600, "%s  (%s)", gcctl_figure_text(side, "value"), gcctl_figure_text(side, "origin"));
    else
        snprintf(out, 600, "-");
}

static void diff_table(const struct gcctl_call *call, json_t *differences, const char *left, const char *right)
{
    struct gcctl_table *table = gcctl_table_create(call);
    json_t *row;
    size_t i;
    gcctl_table_column(table, "KEY", 0);
    gcctl_table_column(table, left, 0);
    gcctl_table_column(table, right, 0);
    json_array_foreach (differences, i, row) {
        char key[512], a[600], b[600];
        snprintf(key, sizeof(key), "%s.%s", gcctl_figure_text(row, "section"), gcctl_figure_text(row, "key"));
        diff_side(a, json_object_get(row, "left"));
        diff_side(b, json_object_get(row, "right"));
        gcctl_table_row(table, (const char *[]){key, a, b});
    }
    gcctl_table_print(table);
}

static int diff_run(struct gcctl_call *call)
{
    const char *left = gcctl_text(call, "left"), *right = gcctl_text(call, "right");
    int status = 0;
    json_t *a = gcctl_effective_of(call, left, &status);
    if (!a)
        return status;
    json_t *b = right ? gcctl_effective_of(call, right, &status) : gcctl_effective_process(call, NULL, &status);
    if (!b) {
        json_decref(a);
        return status;
    }
    json_t *differences = gcctl_effective_diff(a, b);
    json_decref(a);
    json_decref(b);
    const bool differ = json_array_size(differences) > 0;
    if (call->json) {
        status = gcctl_print_json(json_pack("{s:o}", "differences", differences));
        return status ? status : differ;
    }
    diff_table(call, differences, left, right ? right : "process");
    json_decref(differences);
    return differ;
}

static const struct gcctl_option diff_arguments[] = {
    {.name = "left",
     .kind = GCCTL_FILE,
     .value = "LEFT",
     .help = "A config file; or a process, by pid, program's name or socket",
     .required = true},
    {.name = "right",
     .kind = GCCTL_FILE,
     .value = "RIGHT",
     .help = "What to compare it with, likewise; the process that --pid names, or the only one, unless given"},
    {0},
};

const struct gcctl_command gcctl_command_config_diff = {
    .name = "config diff",
    .group = "Config",
    .summary = "Show where two configs differ in what is in effect",
    .description = "Compares two config files, a file and a live process, or two processes, and prints a line for each "
                   "value that differs: its key, and on each side the value "
                   "and where it came from; - stands where a side says nothing and the default holds. A word that "
                   "names no file, or ends in .sock, names a process.\n\n"
                   "Values are compared as they take effect: 65536KiB is 64MiB, [heap] holds for [heap.NAME] where "
                   "that says nothing, and a default is the same as nothing "
                   "said. The exit status is 1 when there are differences. Processes are not stopped. With --json, "
                   "prints {\"differences\":[...]}.",
    .examples =
        "gcctl config diff old.conf new.conf\ngcctl config diff new.conf wordgraph\ngcctl config diff 1234 5678\n",
    .arguments = diff_arguments,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = diff_run,
};
