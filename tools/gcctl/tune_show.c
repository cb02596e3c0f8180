/* tune_show.c - a tune on the terminal: progress while it runs, tables at its end. See tune_result.h.
 * Progress goes to stderr: one line that is written over on a terminal, else a line every ten seconds. */
#include "tools/gcctl/tune_result.h"

#include "tools/gcctl/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_NS INT64_C(10000000000)
enum { CELL_BYTES = 96, MOST_POINTS = 12, MOST_SENSITIVITIES = 12 };

/* ---- progress */

static void best_text(const struct tune_search *search, char *out, size_t out_bytes)
{
    size_t best, length = 0;
    char ratio[32];
    out[0] = '\0';
    if (!search->n_evals || !search->evals[0].n_good || !tune_best(search, 0, 1, &best) || !search->evals[best].n_good)
        return;
    length += (size_t)snprintf(out, out_bytes, best ? ", best so far:" : ", nothing better yet");
    for (size_t j = 0; best && j < search->objectives.n && length < out_bytes; j++) {
        const enum tune_metric metric = search->objectives.metrics[j];
        length +=
            (size_t)snprintf(out + length, out_bytes - length, "%s %s %s", j ? "," : "", tune_metric_names[metric],
                             tune_ratio_text(exp(search->evals[best].ratios[metric]), ratio));
    }
}

/* Columns that a line of the terminal has. */
static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

void tune_show_progress(const struct tune_context *tune)
{
    static int64_t shown_ns = -PROGRESS_NS;
    const struct tune_search *search = &tune->search;
    char best[200], line[300];
    const int64_t left_ns = search->budget_ns - search->spent_ns, left_s = left_ns > 0 ? left_ns / 1000000000 : 0;
    const bool terminal = isatty(STDERR_FILENO);
    if (!terminal && search->spent_ns - shown_ns < PROGRESS_NS)
        return;
    shown_ns = search->spent_ns;
    best_text(search, best, sizeof(best));
    snprintf(line, sizeof(line), "%s: run %zu, at most %" PRId64 ":%02" PRId64 " min left%s",
             tune_phase_names[search->phase], search->n_runs + 1, left_s / 60, left_s % 60, best);
    if (terminal)
        fprintf(stderr, "\r\033[K%.*s", columns(), line);
    else
        gcctl_note("%s", line);
}

void tune_show_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* ---- the defaults */

static void show_defaults(const struct tune_context *tune)
{
    const struct tune_eval *defaults = &tune->search.evals[0];
    struct gcctl_table *table = gcctl_table_create(tune->call);
    double *values = malloc((defaults->n_runs + 1) * sizeof(*values));
    gcctl_table_column(table, "DEFAULTS", 0);
    gcctl_table_column(table, "MEDIAN", GCCTL_RIGHT);
    gcctl_table_column(table, "LEAST", GCCTL_RIGHT);
    gcctl_table_column(table, "MOST", GCCTL_RIGHT);
    gcctl_table_column(table, "NOISE", GCCTL_RIGHT);
    for (size_t j = 0; j < tune->search.objectives.n && values; j++) {
        const enum tune_metric metric = tune->search.objectives.metrics[j];
        char cells[4][GCCTL_UNIT_BYTES];
        size_t n = 0;
        for (size_t r = 0; r < defaults->n_runs; r++)
            if (!defaults->runs[r].failed && !defaults->runs[r].timed_out)
                values[n++] = defaults->runs[r].values[metric];
        const struct gcctl_spread spread = gcctl_spread_of(values, n);
        snprintf(cells[3], sizeof(cells[3]), "±%.1f%%",
                 spread.median > 0 ? 50 * (spread.most - spread.least) / spread.median : 0);
        gcctl_table_row(table,
                        (const char *[]){tune_metric_names[metric], tune_metric_text(metric, spread.median, cells[0]),
                                         tune_metric_text(metric, spread.least, cells[1]),
                                         tune_metric_text(metric, spread.most, cells[2]), cells[3]});
    }
    free(values);
    gcctl_table_print(table);
}

/* ---- the Pareto set */

static const struct tune_final *final_of(const struct tune_search *search, size_t eval)
{
    for (size_t i = 0; i < search->n_finals; i++)
        if (search->finals[i].eval == eval)
            return &search->finals[i];
    return NULL;
}

static void settings_text(const struct tune_search *search, const struct tune_point *point, char *out, size_t out_bytes)
{
    static struct tune_settings settings;
    size_t length = 0;
    tune_point_settings(search->space, point, &settings);
    snprintf(out, out_bytes, "(defaults)");
    for (size_t i = 0; i < settings.n && length < out_bytes; i++)
        length += (size_t)snprintf(out + length, out_bytes - length, "%s%s", i ? "," : "", settings.text[i]);
}

static void ratio_text(const struct tune_search *search, size_t eval, size_t j, char out[CELL_BYTES])
{
    const struct tune_final *final = final_of(search, eval);
    const enum tune_metric metric = search->objectives.metrics[j];
    char ratio[32];
    if (final)
        snprintf(out, CELL_BYTES, "%s (%.3g-%.3g)%s", tune_ratio_text(final->objectives[j].median, ratio),
                 final->objectives[j].low, final->objectives[j].high,
                 final->objectives[j].verdict == TUNE_BETTER  ? " better"
                 : final->objectives[j].verdict == TUNE_WORSE ? " worse"
                                                              : "");
    else
        snprintf(out, CELL_BYTES, "%s ±%.1f%%", tune_ratio_text(exp(search->evals[eval].ratios[metric]), ratio),
                 100 * 1.96 * search->noise[metric] / sqrt((double)search->evals[eval].n_good));
}

static void show_point(struct gcctl_table *table, const struct tune_search *search, size_t eval)
{
    const struct tune_final *final = final_of(search, eval);
    char name[CELL_BYTES], cells[TUNE_N_METRICS][CELL_BYTES], settings[2000];
    const char *row[TUNE_N_METRICS + 2] = {name};
    const bool is_chosen = final && search->chosen >= 0 && final == &search->finals[search->chosen];
    snprintf(name, sizeof(name), "%zu%s", eval, is_chosen ? " chosen" : final ? " *" : "");
    for (size_t j = 0; j < search->objectives.n; j++) {
        ratio_text(search, eval, j, cells[j]);
        row[j + 1] = cells[j];
    }
    settings_text(search, &search->evals[eval].point, settings, sizeof(settings));
    row[search->objectives.n + 1] = settings;
    gcctl_table_row(table, row);
}

static void show_pareto(const struct tune_context *tune)
{
    const struct tune_search *search = &tune->search;
    struct gcctl_table *table = gcctl_table_create(tune->call);
    size_t n = 0, hidden = 0;
    gcctl_table_column(table, "POINT", 0);
    for (size_t j = 0; j < search->objectives.n; j++)
        gcctl_table_column(table, tune_metric_names[search->objectives.metrics[j]], 0);
    gcctl_table_column(table, "SETTINGS", GCCTL_WRAP);
    for (int finalists = 1; finalists >= 0; finalists--)
        for (size_t i = 0; i < search->n_evals; i++) {
            const struct tune_eval *eval = &search->evals[i];
            if ((final_of(search, i) != NULL) != (finalists != 0) || (!eval->pareto && !finalists))
                continue;
            if (n++ < MOST_POINTS)
                show_point(table, search, i);
            else
                hidden++;
        }
    printf(
        "\nBest points: ratios to the defaults (* and chosen: measured again beside them, with the 95%% interval)\n");
    gcctl_table_print(table);
    if (hidden)
        printf("and %zu more; --result has them all\n", hidden);
}

/* ---- what matters */

static int compare_explained(const void *a_, const void *b_)
{
    const struct tune_sensitivity *a = a_, *b = b_;
    return (a->explained < b->explained) - (a->explained > b->explained);
}

static void show_sensitivity(const struct tune_context *tune)
{
    const struct tune_space *space = &tune->space;
    struct tune_sensitivity *all;
    const size_t n = tune_sensitivities(&tune->search, &all);
    if (n == 0) {
        free(all);
        return;
    }
    struct gcctl_table *table = gcctl_table_create(tune->call);
    gcctl_table_column(table, "WHAT MATTERS", 0);
    gcctl_table_column(table, "FOR", 0);
    gcctl_table_column(table, "EXPLAINS", GCCTL_RIGHT);
    gcctl_table_column(table, "MORE OF IT", 0);
    gcctl_table_column(table, "POINTS", GCCTL_RIGHT);
    qsort(all, n, sizeof(*all), compare_explained);
    for (size_t i = 0; i < n && i < MOST_SENSITIVITIES && all[i].explained >= 0.05; i++) {
        char name[TUNE_SETTING_BYTES] = "strategy", share[16], points[24];
        if (all[i].param >= 0)
            snprintf(name, sizeof(name), "strategy.%s.%s",
                     space->strategies.all[space->params[all[i].param].strategy].name,
                     space->params[all[i].param].declared->key);
        snprintf(share, sizeof(share), "%.0f%%", 100 * all[i].explained);
        snprintf(points, sizeof(points), "%zu", all[i].points);
        gcctl_table_row(table, (const char *[]){name, tune_metric_names[all[i].metric], share,
                                                all[i].correlation > 0.3    ? "raises it"
                                                : all[i].correlation < -0.3 ? "lowers it"
                                                                            : "",
                                                points});
    }
    free(all);
    printf("\n");
    gcctl_table_print(table);
}

/* ---- the answer */

static void show_answer(const struct tune_context *tune)
{
    const struct tune_search *search = &tune->search;
    static char settings[TUNE_MAX_SETTINGS * TUNE_SETTING_BYTES];
    char spent[GCCTL_UNIT_BYTES];
    size_t bad = 0;
    for (size_t i = 0; i < search->n_evals; i++)
        for (size_t r = 0; r < search->evals[i].n_runs; r++)
            bad += search->evals[i].runs[r].failed || search->evals[i].runs[r].timed_out;
    printf("\n%zu runs in %s (%zu failed or were ended early), seed %" PRIu64 ", ended: %s.\n", search->n_runs,
           gcctl_duration(spent, round((double)search->spent_ns / 1e8) * 1e8), bad, search->seed,
           tune_end_names[search->end]);
    if (search->chosen < 0) {
        printf("Keep the defaults: %s.\n", search->reason);
        return;
    }
    const size_t eval = search->finals[search->chosen].eval;
    settings_text(search, &search->evals[eval].point, settings, sizeof(settings));
    printf("Chosen: point %zu, %s.\nSLABGC=%s\n", eval, search->reason, settings);
}

void tune_show_result(const struct tune_context *tune)
{
    const struct tune_search *search = &tune->search;
    char missing[200];
    for (size_t i = 0; i < tune->strategies.n; i++) {
        const struct gcctl_strategy *strategy = &tune->strategies.all[i];
        const uint32_t needs = gcctl_needs_unmet(tune->heaps, tune->n_heaps, strategy);
        if (needs)
            printf("%s is left out: it lacks %s.\n", strategy->name,
                   gcctl_missing(missing, sizeof(missing), needs, strategy->capabilities));
    }
    show_defaults(tune);
    if (search->n_evals > 1) {
        show_pareto(tune);
        show_sensitivity(tune);
    }
    show_answer(tune);
}
