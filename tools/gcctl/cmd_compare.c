/* cmd_compare.c - gcctl compare: a program under each strategy that its heaps' needs allow, side by side.
 * One run tells the heaps and their needs (and warms the page cache; it is not counted). Then the strategies take
 * turns, each round beginning with another one, so that what changes on the machine meets all of them. One thread. */
#include "tools/gcctl/command.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/run.h"
#include "tools/gcctl/strategies.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define MAX_REPEAT 1000

enum figure { TIME, CPU, RSS, HEAP, PAUSES, P50, P99, MAX, N_FIGURES };
static const char *const figure_names[N_FIGURES] = {"time_ns", "cpu_ns",       "peak_rss_bytes", "peak_heap_bytes",
                                                    "pauses",  "pause_p50_ns", "pause_p99_ns",   "pause_max_ns"};

enum output { OUTPUT_UNKNOWN, OUTPUT_SAME, OUTPUT_DIFFERS, OUTPUT_VARIES };
static const char *const output_names[] = {"-", "same", "differs", "varies"};

struct candidate {
    const struct gcctl_strategy *strategy;
    char settings_text[GCCTL_MAX_HEAPS][160];
    const char *settings[GCCTL_MAX_HEAPS + 1];
    double *values[N_FIGURES]; /* of the runs that ended well */
    size_t n_runs;
    bool failed, timed_out, varies;
    uint8_t digest[32];
    struct gcctl_spread spread[N_FIGURES];
    enum output output;
};

struct compare {
    const struct gcctl_call *call;
    struct gcctl_strategies strategies;
    struct gcctl_heap_found heaps[GCCTL_MAX_HEAPS];
    size_t n_heaps, n, repeat;
    struct candidate candidates[GCCTL_MAX_STRATEGIES];
    int64_t limit_ns;
    uint32_t needs;
};

/* ---- runs */

static int compare_probe(struct compare *compare)
{
    struct gcctl_run run;
    const struct gcctl_run_config config = {.program = compare->call->program, .limit_ns = compare->limit_ns};
    if (gcctl_run(&config, &run))
        return EX_NOINPUT;
    const bool unusable = gcctl_run_unusable(&run, "the first run");
    compare->n_heaps = unusable ? 0 : gcctl_heaps_found(run.heaps, compare->heaps);
    compare->needs = gcctl_needs_of(compare->heaps, compare->n_heaps);
    gcctl_run_fini(&run);
    return unusable ? EX_UNAVAILABLE : 0;
}

static void candidate_init(struct candidate *candidate, const struct gcctl_strategy *strategy,
                           const struct compare *compare)
{
    *candidate = (struct candidate){.strategy = strategy};
    for (size_t i = 0; i < compare->n_heaps; i++) {
        snprintf(candidate->settings_text[i], sizeof(candidate->settings_text[i]), "heap.%s.strategy=%s",
                 compare->heaps[i].name, strategy->name);
        candidate->settings[i] = candidate->settings_text[i];
    }
    for (size_t f = 0; f < N_FIGURES; f++)
        candidate->values[f] = calloc(compare->repeat, sizeof(double));
}

static int compare_choose(struct compare *compare)
{
    for (size_t i = 0; i < compare->strategies.n; i++)
        if (!(compare->needs & ~compare->strategies.all[i].capabilities))
            candidate_init(&compare->candidates[compare->n++], &compare->strategies.all[i], compare);
    return compare->n ? 0 : gcctl_error(EX_CONFIG, "none of the strategies has what the program's heaps need");
}

static void candidate_run(struct candidate *candidate, const struct compare *compare)
{
    struct gcctl_run run;
    char what[80];
    const struct gcctl_run_config config = {.program = compare->call->program,
                                            .settings = candidate->settings,
                                            .limit_ns = compare->limit_ns,
                                            .keep_output = true};
    if (candidate->failed || candidate->timed_out)
        return;
    if (gcctl_run(&config, &run)) {
        candidate->failed = true;
        return;
    }
    snprintf(what, sizeof(what), "a run under %s", candidate->strategy->name);
    if (gcctl_run_unusable(&run, what)) {
        candidate->timed_out = run.timed_out;
        candidate->failed = !run.timed_out;
        gcctl_run_fini(&run);
        return;
    }
    const uint64_t figures[N_FIGURES] = {run.wall_ns,        run.user_ns + run.system_ns,
                                         run.peak_rss_bytes, run.peak_heap_bytes,
                                         run.n_pauses,       run.pause_p50_ns,
                                         run.pause_p99_ns,   run.pause_max_ns};
    for (size_t f = 0; f < N_FIGURES; f++)
        candidate->values[f][candidate->n_runs] = (double)figures[f];
    if (candidate->n_runs++ == 0)
        memcpy(candidate->digest, run.output_digest, sizeof(run.output_digest));
    else if (memcmp(candidate->digest, run.output_digest, sizeof(run.output_digest)) != 0)
        candidate->varies = true;
    gcctl_run_fini(&run);
}

static void compare_run(struct compare *compare)
{
    const bool progress = isatty(STDERR_FILENO);
    for (size_t round = 0; round < compare->repeat; round++)
        for (size_t i = 0; i < compare->n; i++) {
            struct candidate *candidate = &compare->candidates[(round + i) % compare->n];
            if (progress)
                fprintf(stderr, "\r\033[Kround %zu of %zu: %s", round + 1, compare->repeat, candidate->strategy->name);
            candidate_run(candidate, compare);
        }
    if (progress)
        fputs("\r\033[K", stderr);
}

/* ---- judging */

/* Outputs are told apart when at least one strategy always gives the same: then those that give another, or now this
 * and now that, differ. When all vary, so does the program's own output. Returns whether any differs. */
static bool compare_outputs(struct compare *compare)
{
    const struct candidate *reference = NULL;
    bool differs = false;
    for (size_t i = 0; i < compare->n && !reference; i++)
        if (compare->candidates[i].n_runs && !compare->candidates[i].varies)
            reference = &compare->candidates[i];
    for (size_t i = 0; i < compare->n; i++) {
        struct candidate *candidate = &compare->candidates[i];
        if (!candidate->n_runs)
            continue;
        candidate->output =
            !reference ? OUTPUT_VARIES
            : candidate->varies || memcmp(candidate->digest, reference->digest, sizeof(reference->digest)) != 0
                ? OUTPUT_DIFFERS
                : OUTPUT_SAME;
        differs |= candidate->output == OUTPUT_DIFFERS;
    }
    return differs;
}

static const struct candidate *compare_best(struct compare *compare)
{
    const struct candidate *best = NULL;
    for (size_t i = 0; i < compare->n; i++) {
        struct candidate *candidate = &compare->candidates[i];
        for (size_t f = 0; f < N_FIGURES; f++)
            candidate->spread[f] = gcctl_spread_of(candidate->values[f], candidate->n_runs);
        if (candidate->n_runs && (!best || candidate->spread[TIME].median < best->spread[TIME].median))
            best = candidate;
    }
    return best;
}

static bool same_within_noise(const struct candidate *candidate, const struct candidate *best)
{
    return candidate->spread[TIME].least <= best->spread[TIME].most;
}

static bool is_default(const struct compare *compare, const struct candidate *candidate)
{
    for (size_t i = 0; i < compare->n_heaps; i++)
        if (strcmp(compare->heaps[i].strategy, candidate->strategy->name) != 0)
            return false;
    return true;
}

/* ---- output */

static void print_row(struct gcctl_table *table, const struct compare *compare, const struct candidate *candidate,
                      const struct candidate *best)
{
    char name[80], units[9][GCCTL_UNIT_BYTES], range[2 * GCCTL_UNIT_BYTES + 4], ratio[48];
    const struct gcctl_spread *spread = candidate->spread;
    snprintf(name, sizeof(name), "%s%s", candidate->strategy->name, is_default(compare, candidate) ? " *" : "");
    if (!candidate->n_runs) {
        gcctl_table_row(table, (const char *[]){name, candidate->timed_out ? "over the limit" : "failed", "", "", "",
                                                "", "", "", "", "", "", ""});
        return;
    }
    snprintf(range, sizeof(range), "%s-%s", gcctl_duration(units[0], spread[TIME].least),
             gcctl_duration(units[1], spread[TIME].most));
    if (candidate == best)
        snprintf(ratio, sizeof(ratio), "best");
    else
        snprintf(ratio, sizeof(ratio), "%.2fx%s", spread[TIME].median / best->spread[TIME].median,
                 same_within_noise(candidate, best) ? ", same within the noise" : "");
    gcctl_table_row(
        table,
        (const char *[]){name, gcctl_duration(units[2], spread[TIME].median), range, ratio,
                         gcctl_duration(units[3], spread[CPU].median), gcctl_bytes(units[4], spread[RSS].median),
                         gcctl_bytes(units[5], spread[HEAP].median), gcctl_count(units[0], spread[PAUSES].median),
                         gcctl_duration(units[6], spread[P50].median), gcctl_duration(units[7], spread[P99].median),
                         gcctl_duration(units[8], spread[MAX].median),
                         candidate->failed || candidate->timed_out ? "failed" : output_names[candidate->output]});
}

static void print_table(const struct compare *compare, const struct candidate *best)
{
    static const char *const titles[] = {"STRATEGY", "TIME",   "RANGE", "TO THE BEST", "CPU", "RSS",
                                         "HEAP",     "PAUSES", "P50",   "P99",         "MAX", "OUTPUT"};
    char missing[200];
    struct gcctl_table *table = gcctl_table_create(compare->call);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        gcctl_table_column(table, titles[i], i == 0 || i == 3 || i == 11 ? 0 : GCCTL_RIGHT);
    for (size_t i = 0; i < compare->n; i++)
        print_row(table, compare, &compare->candidates[i], best);
    gcctl_table_print(table);
    printf("* the program's own choice. Medians of %zu run%s each, taken in turns; range: least to most.\n",
           compare->repeat, compare->repeat == 1 ? "" : "s");
    for (size_t i = 0; i < compare->strategies.n; i++) {
        const struct gcctl_strategy *strategy = &compare->strategies.all[i];
        if (compare->needs & ~strategy->capabilities)
            printf("%s is left out: it lacks %s.\n", strategy->name,
                   gcctl_missing(missing, sizeof(missing), compare->needs, strategy->capabilities));
    }
}

static json_t *candidate_json(const struct compare *compare, const struct candidate *candidate,
                              const struct candidate *best)
{
    json_t *row = json_pack("{s:s, s:b, s:I, s:b, s:b}", "strategy", candidate->strategy->name, "default",
                            is_default(compare, candidate), "runs", (json_int_t)candidate->n_runs, "failed",
                            candidate->failed, "timed_out", candidate->timed_out);
    for (size_t f = 0; f < N_FIGURES && candidate->n_runs; f++)
        json_object_set_new(row, figure_names[f],
                            json_pack("{s:I, s:I, s:I}", "median", (json_int_t)llround(candidate->spread[f].median),
                                      "least", (json_int_t)llround(candidate->spread[f].least), "most",
                                      (json_int_t)llround(candidate->spread[f].most)));
    if (candidate->n_runs) {
        json_object_set_new(row, "ratio", json_real(candidate->spread[TIME].median / best->spread[TIME].median));
        json_object_set_new(row, "same_within_noise", json_boolean(same_within_noise(candidate, best)));
    }
    json_object_set_new(row, "output", candidate->output ? json_string(output_names[candidate->output]) : json_null());
    return row;
}

static json_t *compare_json(const struct compare *compare, const struct candidate *best, bool differs)
{
    json_t *root = json_pack("{s:[], s:[], s:[], s:[], s:I}", "program", "heaps", "strategies", "left_out", "repeat",
                             (json_int_t)compare->repeat);
    for (char *const *at = compare->call->program; *at; at++)
        json_array_append_new(json_object_get(root, "program"), json_stringn_nocheck(*at, strlen(*at)));
    for (size_t i = 0; i < compare->n_heaps; i++)
        json_array_append_new(json_object_get(root, "heaps"),
                              json_pack("{s:s, s:s, s:o}", "name", compare->heaps[i].name, "strategy",
                                        compare->heaps[i].strategy, "needs",
                                        gcctl_missing_json(compare->heaps[i].needs, 0)));
    for (size_t i = 0; i < compare->n; i++)
        json_array_append_new(json_object_get(root, "strategies"),
                              candidate_json(compare, &compare->candidates[i], best));
    for (size_t i = 0; i < compare->strategies.n; i++) {
        const struct gcctl_strategy *strategy = &compare->strategies.all[i];
        if (compare->needs & ~strategy->capabilities)
            json_array_append_new(json_object_get(root, "left_out"),
                                  json_pack("{s:s, s:o}", "strategy", strategy->name, "missing",
                                            gcctl_missing_json(compare->needs, strategy->capabilities)));
    }
    json_object_set_new(root, "outputs_differ", json_boolean(differs));
    return root;
}

/* ---- the command */

static int compare_finish(struct compare *compare)
{
    const struct candidate *best = compare_best(compare);
    const bool differs = compare_outputs(compare);
    bool failed = false, varies = false;
    int status = 0;
    for (size_t i = 0; i < compare->n; i++) {
        failed |= compare->candidates[i].failed;
        varies |= compare->candidates[i].output == OUTPUT_VARIES;
    }
    if (compare->call->json)
        status = gcctl_print_json(compare_json(compare, best, differs));
    else
        print_table(compare, best);
    if (differs)
        gcctl_note("the program's output is not the same under all strategies");
    if (varies)
        gcctl_note("the program's output varies from run to run under every strategy: there is nothing to compare");
    return status ? status : differs || failed ? 1 : 0;
}

static int compare_command(struct gcctl_call *call)
{
    static struct compare compare;
    compare = (struct compare){
        .call = call, .repeat = (size_t)gcctl_number(call, "repeat", 5), .limit_ns = gcctl_number(call, "limit", 0)};
    if (!call->program || !call->program[0])
        return gcctl_error(EX_USAGE, "compare: a program is wanted: gcctl compare -- PROGRAM [ARGUMENT]...");
    gcctl_run_catch(true);
    int status = gcctl_strategies_load(&compare.strategies, gcctl_text(call, "strategies"));
    if (!status)
        status = compare_probe(&compare);
    if (!status)
        status = compare_choose(&compare);
    if (!status) {
        compare_run(&compare);
        status = compare_finish(&compare);
    }
    for (size_t i = 0; i < compare.n; i++)
        for (size_t f = 0; f < N_FIGURES; f++)
            free(compare.candidates[i].values[f]);
    return status;
}

static const struct gcctl_option options[] = {
    {.name = "repeat",
     .letter = 'n',
     .kind = GCCTL_INTEGER,
     .value = "N",
     .minimum = 1,
     .maximum = MAX_REPEAT,
     .help = "Run the program N times under each strategy (default 5)"},
    {.name = "strategies", .letter = 's', .kind = GCCTL_TEXT, .value = "A,B", .help = "Only these strategies"},
    {.name = "limit",
     .letter = 'l',
     .kind = GCCTL_DURATION,
     .value = "TIME",
     .help = "End a run that takes longer (default: none)"},
    {0},
};

const struct gcctl_command gcctl_command_compare = {
    .name = "compare",
    .group = "Tuning",
    .summary = "Run a program under each strategy and compare",
    .description = "Runs the program once to see its heaps and what they need, then several times under each strategy "
                   "that has all of that, in turns, and "
                   "prints time (median, range, ratio to the best), CPU time, the largest resident set, the most that "
                   "the heaps held, and their pauses. Where the "
                   "range of times overlaps with the best one's, the two are the same within the noise.\n\n"
                   "Each run has its own process group, reads stdin from /dev/null, and gets the strategy of each heap "
                   "by $SLABGC, in front of all other "
                   "config. What the program prints is compared too: the exit status is 1 when it is not the same "
                   "under all strategies, or when a run fails. A "
                   "program that prints times has no output to compare; give it the options that make it quiet.",
    .examples = "gcctl compare -- wordgraph --max-words=1000 --repeat=20\n"
                "gcctl compare --repeat=9 --strategies=rcu,generational -- server --selftest\n",
    .options = options,
    .flags = GCCTL_READS | GCCTL_PROGRAM,
    .run = compare_command,
};
