/* options.c - see options.h. Called by main.c. Every message says which option, what stands there, and what is wanted.
 */
#include "tests/bench/options.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 24
#define MAX_OBJECTS 100000000
#define MAX_LIST_BYTES 1024
#define DEFAULT_COUNTED 24

enum { INPUT = 256, OUTPUT, SVG, MARKDOWN };

static const struct option long_options[] = {{"bench", required_argument, NULL, 'b'},
                                             {"backend", required_argument, NULL, 'k'},
                                             {"peer", required_argument, NULL, 'p'},
                                             {"repetitions", required_argument, NULL, 'r'},
                                             {"depth", required_argument, NULL, 'd'},
                                             {"objects", required_argument, NULL, 'o'},
                                             {"live", required_argument, NULL, 'L'},
                                             {"phase-bytes", required_argument, NULL, 'P'},
                                             {"phase-idle-ms", required_argument, NULL, 'I'},
                                             {"loop-ms", required_argument, NULL, 'm'},
                                             {"instructions", optional_argument, NULL, 'i'},
                                             {"config", required_argument, NULL, 'c'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"list", no_argument, NULL, 'l'},
                                             {"input", required_argument, NULL, INPUT},
                                             {"output", required_argument, NULL, OUTPUT},
                                             {"svg", required_argument, NULL, SVG},
                                             {"markdown", required_argument, NULL, MARKDOWN},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static const char usage_text[] =
    "usage: bench [--bench NAME[,...]] [--peer NAME[,...]] [--backend NAME[,...]] [--repetitions N] [--loop-ms N]\n"
    "             [--live N] [--depth N] [--objects N] [--phase-bytes N] [--phase-idle-ms N]\n"
    "             [--instructions[=N]] [--config KEY=VALUE[,...]] [--json | --list]\n"
    "       bench report [--input FILE] [--output FILE.html] [--svg FILE] [--markdown FILE] [options as above]\n"
    "  --bench          workloads to run: names, groups (programs, micro, cache, shows) or patterns; default: all\n"
    "  --peer           the others to compare with: names or patterns; default: all that a workload has\n"
    "  --backend        backends to run on, ours and others: names or patterns; default: all that a workload has\n"
    "  --repetitions    runs of each pair, in turn over the backends (default 5)\n"
    "  --loop-ms        how long a loop over one operation lasts (default: the workload's, 50 or 200)\n"
    "  --live           no workload of group cache keeps more objects alive (default 1000000)\n"
    "  --phase-bytes    what phase grows to, as 1073741824 or 1GiB (default 1GiB)\n"
    "  --phase-idle-ms  how long phase waits for memory to go back (default 3000)\n"
    "  --depth          of binary-trees (default 16)\n"
    "  --objects        in the graph of mark (default 1000000)\n"
    "  --instructions   count instructions by operation too, by valgrind, of N workloads at most (default 24)\n"
    "  --config         $SLABGC of the runs; without it the environment's configuration is ignored\n"
    "  --json           one JSON document instead of tables\n"
    "  --list           only show what there is\n"
    "report writes Markdown to stdout, from a document of --json or from runs made now:\n"
    "  --input          the document; - is stdin\n"
    "  --output         one HTML page with chart and tables\n"
    "  --svg            the chart alone\n"
    "  --markdown       the table of ratios alone\n";

static _Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void refuse(const char *format, ...)
{
    va_list arguments;
    fputs("bench: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

/* scaled: KiB, MiB and GiB may follow. */
static uint64_t number(const char *option, const char *text, uint64_t least, uint64_t most, bool scaled)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    char *end;
    errno = 0;
    uint64_t value = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : (end = (char *)text, 0);
    bool good = end != text && errno == 0 && value <= most;
    unsigned unit = 0;
    while (unit < 4 && strcmp(end, units[unit]) != 0)
        unit++;
    good = good && unit < (scaled ? 4 : 1) && value <= most >> (10 * (unit & 3));
    value <<= 10 * (unit & 3);
    if (good && value >= least)
        return value;
    refuse("--%s %s: a number from %llu to %llu is wanted%s", option, text, (unsigned long long)least,
           (unsigned long long)most, scaled ? ", or one of KiB, MiB or GiB" : "");
}

/* True when an item of the list matches the name or is one of the groups (words, or NULL). */
static bool matches(const char *item, const char *name, const char *groups)
{
    char words[128];
    if (fnmatch(item, name, 0) == 0)
        return true;
    snprintf(words, sizeof(words), "%s", groups ? groups : "");
    for (char *at = NULL, *word = strtok_r(words, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        if (strcmp(item, word) == 0)
            return true;
    }
    return false;
}

static bool list_matches(const char *list, const char *name, const char *groups)
{
    char items[MAX_LIST_BYTES];
    if (!list)
        return true;
    snprintf(items, sizeof(items), "%s", list);
    for (char *at = NULL, *item = strtok_r(items, ",", &at); item; item = strtok_r(NULL, ",", &at)) {
        if (matches(item, name, groups))
            return true;
    }
    return false;
}

bool bench_selects_workload(const struct bench_options *options, const struct bench_workload *workload)
{
    return list_matches(options->bench, workload->name, workload->groups);
}

bool bench_selects_backend(const struct bench_options *options, const struct bench_backend *backend)
{
    return list_matches(options->backend, backend->name, NULL) &&
           (backend->role == BENCH_OWN || list_matches(options->peer, backend->name, NULL));
}

static bool known_workload(const char *item)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (matches(item, bench_workloads[i].name, bench_workloads[i].groups))
            return true;
    }
    return false;
}

static bool known_backend(const char *item)
{
    for (size_t i = 0; i < bench_n_backends; i++) {
        if (matches(item, bench_backends[i].name, NULL))
            return true;
    }
    return false;
}

static bool known_peer(const char *item)
{
    for (size_t i = 0; i < bench_n_backends; i++) {
        if (bench_backends[i].role != BENCH_OWN && matches(item, bench_backends[i].name, NULL))
            return true;
    }
    return false;
}

/* Every item of the list must stand for something: a misspelt one would silently measure less. */
static void check_list(const char *option, const char *list, bool (*known)(const char *item), const char *kind)
{
    char items[MAX_LIST_BYTES];
    if (!list)
        return;
    if (strlen(list) >= sizeof(items))
        refuse("--%s: the list is longer than %zu characters; a pattern such as 'random-*' is shorter", option,
               sizeof(items) - 1);
    snprintf(items, sizeof(items), "%s", list);
    size_t n = 0;
    for (char *at = NULL, *item = strtok_r(items, ",", &at); item; item = strtok_r(NULL, ",", &at), n++) {
        if (!known(item))
            refuse("--%s %s: there is no %s of this name; --list shows what there is", option, item, kind);
    }
    if (n == 0)
        refuse("--%s '%s': names are wanted, with commas; --list shows what there is", option, list);
}

static void check(const struct bench_options *options)
{
    check_list("bench", options->bench, known_workload, "workload or group");
    check_list("backend", options->backend, known_backend, "backend");
    check_list("peer", options->peer, known_peer, "peer");
    if (!options->report && (options->input || options->output || options->svg || options->markdown))
        refuse("--input, --output, --svg and --markdown belong to 'bench report'");
    if (options->json && (options->report || options->list))
        refuse("--json does not go with %s", options->report ? "'report', which reads it by --input" : "--list");
    if (options->input && (options->bench || options->backend || options->peer || options->n_counted))
        refuse(
            "--input reports what the document has: --bench, --backend, --peer and --instructions choose what to run");
}

static bool parse_text(struct bench_options *options, int c)
{
    const char **const place = c == 'b'        ? &options->bench
                               : c == 'k'      ? &options->backend
                               : c == 'p'      ? &options->peer
                               : c == 'c'      ? &options->config
                               : c == INPUT    ? &options->input
                               : c == OUTPUT   ? &options->output
                               : c == SVG      ? &options->svg
                               : c == MARKDOWN ? &options->markdown
                                               : NULL;
    if (place)
        *place = optarg;
    return place != NULL;
}

static bool parse_number(struct bench_options *options, int c)
{
    struct bench_params *params = &options->params;
    if (c == 'r')
        options->n_repetitions = number("repetitions", optarg, 1, 1000, false);
    else if (c == 'd')
        params->depth = (unsigned)number("depth", optarg, 4, MAX_DEPTH, false);
    else if (c == 'o')
        params->n_objects = number("objects", optarg, 1, MAX_OBJECTS, false);
    else if (c == 'L')
        params->max_live = number("live", optarg, 1, MAX_OBJECTS, false);
    else if (c == 'P')
        params->phase_bytes = number("phase-bytes", optarg, 1 << 20, UINT64_C(1) << 40, true);
    else if (c == 'I')
        params->phase_idle_ms = (unsigned)number("phase-idle-ms", optarg, 0, 60000, false);
    else if (c == 'm')
        params->loop_ms = (unsigned)number("loop-ms", optarg, 1, 60000, false);
    else if (c == 'i')
        options->n_counted = optarg ? number("instructions", optarg, 1, 1000, false) : DEFAULT_COUNTED;
    else
        return false;
    return true;
}

void bench_options_parse(struct bench_options *options, int argc, char **argv)
{
    *options = (struct bench_options){
        .n_repetitions = 5,
        .params = {
            .depth = 16, .n_objects = 1000000, .max_live = 1000000, .phase_bytes = 1 << 30, .phase_idle_ms = 3000}};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (parse_text(options, c) || parse_number(options, c))
            continue;
        if (c == 'j') {
            options->json = true;
        } else if (c == 'l') {
            options->list = true;
        } else {
            fputs(usage_text, c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
    }
    if (optind < argc && strcmp(argv[optind], "report") == 0) {
        options->report = true;
        optind++;
    }
    if (optind < argc)
        refuse("'%s' is no option; --help shows them", argv[optind]);
    check(options);
}
