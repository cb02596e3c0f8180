/* tune_result.c - the result as JSON; its shape is TUNE-RESULT.md. See tune_result.h. */
#include "tools/gcctl/tune_result.h"

#include <slabgc/config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is no UTF-8 keeps its ASCII. */
static json_t *text_json(const char *text)
{
    json_t *json = text ? json_string(text) : json_null();
    if (json)
        return json;
    char *copy = strdup(text);
    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    json = json_string(copy ? copy : "");
    free(copy);
    return json;
}

static json_t *number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *whole_json(double value)
{
    return isfinite(value) ? json_integer((json_int_t)llround(value)) : json_null();
}

static json_t *metrics_json(const double values[TUNE_N_METRICS], bool ratios)
{
    json_t *object = json_object();
    for (size_t m = 0; m < TUNE_N_METRICS; m++)
        json_object_set_new(object, tune_metric_names[m], ratios ? number_json(exp(values[m])) : whole_json(values[m]));
    return object;
}

/* ---- what was asked for */

static json_t *objectives_json(const struct tune_search *search)
{
    json_t *array = json_array();
    for (size_t j = 0; j < search->objectives.n; j++)
        json_array_append_new(array, json_string(tune_metric_names[search->objectives.metrics[j]]));
    return array;
}

static json_t *constraints_json(const struct tune_search *search)
{
    json_t *array = json_array();
    for (size_t i = 0; i < search->n_constraints; i++) {
        const struct tune_constraint *constraint = &search->constraints[i];
        const double at_most = constraint->share > 0 ? constraint->share * search->evals[0].values[constraint->metric]
                                                     : constraint->at_most;
        json_array_append_new(array, json_pack("{s:s, s:o, s:o}", "metric", tune_metric_names[constraint->metric],
                                               "at_most", whole_json(at_most), "text", text_json(constraint->text)));
    }
    return array;
}

static json_t *heaps_json(const struct tune_context *tune)
{
    json_t *array = json_array();
    for (size_t i = 0; i < tune->n_heaps; i++) {
        const struct tune_heap *heap = &tune->space.heaps[i];
        json_t *strategies = json_array();
        for (size_t s = 0; s < heap->n_allowed; s++)
            json_array_append_new(strategies, json_string(tune->space.strategies.all[heap->allowed[s]].name));
        json_array_append_new(array, json_pack("{s:s, s:s, s:o, s:o}", "name", heap->name, "strategy",
                                               tune->space.strategies.all[heap->base].name, "needs",
                                               gcctl_missing_json(tune->heaps[i].needs, 0), "strategies", strategies));
    }
    return array;
}

static json_t *left_out_json(const struct tune_context *tune)
{
    json_t *array = json_array();
    for (size_t i = 0; i < tune->strategies.n; i++) {
        const struct gcctl_strategy *strategy = &tune->strategies.all[i];
        const uint32_t needs = gcctl_needs_unmet(tune->heaps, tune->n_heaps, strategy);
        if (needs)
            json_array_append_new(array, json_pack("{s:s, s:o}", "strategy", strategy->name, "missing",
                                                   gcctl_missing_json(needs, strategy->capabilities)));
    }
    return array;
}

static json_t *parameters_json(const struct tune_space *space)
{
    static const char *const types[] = {"count", "bytes", "duration", "percent", "switch"};
    static const char *const scales[] = {"log", "linear", "switch"};
    json_t *array = json_array();
    for (size_t i = 0; i < space->n_params; i++) {
        const struct tune_param *param = &space->params[i];
        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "strategy",
                                               space->strategies.all[param->strategy].name, "key", param->declared->key,
                                               "type", types[param->declared->type], "minimum",
                                               (json_int_t)(param->zero ? 0 : param->minimum), "maximum",
                                               (json_int_t)param->maximum, "default", (json_int_t)param->base, "scale",
                                               scales[param->scale]));
    }
    return array;
}

/* ---- what was measured */

static json_t *baseline_json(const struct tune_search *search)
{
    const struct tune_eval *defaults = &search->evals[0];
    json_t *spreads = json_object();
    double *values = malloc((defaults->n_runs + 1) * sizeof(*values));
    for (size_t m = 0; m < TUNE_N_METRICS && values; m++) {
        size_t n = 0;
        for (size_t r = 0; r < defaults->n_runs; r++)
            if (!defaults->runs[r].failed && !defaults->runs[r].timed_out)
                values[n++] = defaults->runs[r].values[m];
        const struct gcctl_spread spread = gcctl_spread_of(values, n);
        const double noise = spread.median > 0 ? (spread.most - spread.least) / 2 / spread.median : 0;
        json_object_set_new(spreads, tune_metric_names[m],
                            json_pack("{s:o, s:o, s:o, s:o}", "median", whole_json(spread.median), "least",
                                      whole_json(spread.least), "most", whole_json(spread.most), "noise",
                                      number_json(noise)));
    }
    free(values);
    return json_pack("{s:i, s:I, s:o}", "point", 0, "runs", (json_int_t)defaults->n_runs, "spread", spreads);
}

static void param_name(const struct tune_space *space, size_t param, char out[TUNE_SETTING_BYTES])
{
    snprintf(out, TUNE_SETTING_BYTES, "strategy.%s.%s", space->strategies.all[space->params[param].strategy].name,
             space->params[param].declared->key);
}

static json_t *runs_json(const struct tune_eval *eval)
{
    json_t *array = json_array();
    for (size_t r = 0; r < eval->n_runs; r++) {
        const struct tune_run *run = &eval->runs[r];
        json_t *json = run->failed || run->timed_out ? json_object() : metrics_json(run->values, false);
        json_object_set_new(json, "failed", json_boolean(run->failed));
        json_object_set_new(json, "timed_out", json_boolean(run->timed_out));
        json_object_set_new(json, "ms_since_start", json_integer(run->at_ns / 1000000));
        json_array_append_new(array, json);
    }
    return array;
}

static json_t *point_json(const struct tune_search *search, size_t id)
{
    const struct tune_space *space = search->space;
    const struct tune_eval *eval = &search->evals[id];
    json_t *heaps = json_object(), *values = json_object(), *names = json_array();
    char name[TUNE_SETTING_BYTES];
    uint8_t changed[TUNE_MAX_PARAMS];
    for (size_t h = 0; h < space->n_heaps; h++)
        json_object_set_new(heaps, space->heaps[h].name,
                            json_string(space->strategies.all[eval->point.strategies[h]].name));
    for (size_t p = 0; p < space->n_params; p++)
        if (tune_param_active(space, &eval->point, p)) {
            param_name(space, p, name);
            json_object_set_new(values, name, json_integer((json_int_t)eval->point.values[p]));
        }
    const size_t n = tune_point_changed(space, &eval->point, changed);
    for (size_t i = 0; i < n; i++) {
        param_name(space, changed[i], name);
        json_array_append_new(names, json_string(name));
    }
    return json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b}", "id", (json_int_t)id, "origin",
                     tune_origin_names[eval->origin], "heaps", heaps, "values", values, "changed", names, "runs",
                     runs_json(eval), "median", eval->n_good ? metrics_json(eval->values, false) : json_null(), "ratio",
                     eval->n_good ? metrics_json(eval->ratios, true) : json_null(), "feasible",
                     eval->n_good && eval->violation <= 0, "pareto", eval->pareto, "finalist", eval->finalist);
}

static json_t *settings_json(const struct tune_search *search, size_t eval)
{
    static struct tune_settings settings;
    json_t *array = json_array();
    tune_point_settings(search->space, &search->evals[eval].point, &settings);
    for (size_t i = 0; i < settings.n; i++)
        json_array_append_new(array, json_string(settings.text[i]));
    return array;
}

static json_t *finalist_json(const struct tune_search *search, size_t i)
{
    const struct tune_final *final = &search->finals[i];
    json_t *ratios = json_object();
    for (size_t j = 0; j < search->objectives.n; j++)
        json_object_set_new(ratios, tune_metric_names[search->objectives.metrics[j]],
                            json_pack("{s:o, s:o, s:o, s:s}", "median", number_json(final->objectives[j].median), "low",
                                      number_json(final->objectives[j].low), "high",
                                      number_json(final->objectives[j].high), "verdict",
                                      tune_verdict_names[final->objectives[j].verdict]));
    return json_pack("{s:I, s:I, s:o, s:o, s:b, s:o}", "point", (json_int_t) final->eval, "pairs",
                     (json_int_t) final->pairs, "ratio", ratios, "score", number_json(final->score), "chosen",
                     search->chosen == (int)i, "settings", settings_json(search, final->eval));
}

static json_t *sensitivity_json(const struct tune_search *search)
{
    const struct tune_space *space = search->space;
    struct tune_sensitivity *all;
    json_t *array = json_array();
    const size_t n = tune_sensitivities(search, &all);
    for (size_t i = 0; i < n; i++) {
        const struct tune_param *param = all[i].param >= 0 ? &space->params[all[i].param] : NULL;
        json_array_append_new(array, json_pack("{s:o, s:s, s:s, s:I, s:o, s:o}", "strategy",
                                               text_json(param ? space->strategies.all[param->strategy].name : NULL),
                                               "key", param ? param->declared->key : "strategy", "objective",
                                               tune_metric_names[all[i].metric], "points", (json_int_t)all[i].points,
                                               "correlation", number_json(all[i].correlation), "explained",
                                               number_json(all[i].explained)));
    }
    free(all);
    return array;
}

/* ---- what came of it */

static void diff_add(json_t *diff, const char *kind, const char *name, const char *key, const char *old,
                     const char *new)
{
    char section[96];
    snprintf(section, sizeof(section), "%s.%s", kind, name);
    json_array_append_new(
        diff, json_pack("{s:s, s:s, s:s, s:s}", "section", section, "key", key, "default", old, "value", new));
}

static json_t *diff_json(const struct tune_search *search, const struct tune_point *point)
{
    const struct tune_space *space = search->space;
    json_t *diff = json_array();
    uint8_t changed[TUNE_MAX_PARAMS];
    char old[TUNE_VALUE_BYTES], new[TUNE_VALUE_BYTES];
    for (size_t h = 0; h < space->n_heaps; h++)
        if (point->strategies[h] != space->heaps[h].base)
            diff_add(diff, "heap", space->heaps[h].name, "strategy", space->strategies.all[space->heaps[h].base].name,
                     space->strategies.all[point->strategies[h]].name);
    const size_t n = tune_point_changed(space, point, changed);
    for (size_t i = 0; i < n; i++) {
        const struct tune_param *param = &space->params[changed[i]];
        diff_add(diff, "strategy", space->strategies.all[param->strategy].name, param->declared->key,
                 tune_value_text(param->declared->type, param->base, old),
                 tune_value_text(param->declared->type, point->values[changed[i]], new));
    }
    return diff;
}

static json_t *config_json(const struct tune_context *tune)
{
    const struct tune_search *search = &tune->search;
    const bool chosen = search->chosen >= 0;
    const size_t eval = chosen ? search->finals[search->chosen].eval : 0;
    return json_pack("{s:o, s:o, s:o, s:o}", "path", text_json(chosen ? tune->write_path : NULL), "text",
                     text_json(tune->config), "settings", settings_json(search, eval), "diff",
                     diff_json(search, &search->evals[eval].point));
}

static json_t *array_of(size_t n, json_t *(*item)(const struct tune_search *, size_t), const struct tune_search *search)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, item(search, i));
    return array;
}

json_t *tune_result_json(const struct tune_context *tune)
{
    const struct tune_search *search = &tune->search;
    json_t *program = json_array();
    char date[32];
    struct tm at;
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&tune->date, &at));
    for (char *const *word = tune->program; *word; word++)
        json_array_append_new(program, text_json(*word));
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:I, s:o, s:o, s:I, s:I, s:I, s:s}", "tune", 1, "slabgc", sgc_version(), "date",
                  date, "seed", (json_int_t)search->seed, "program", program, "recording", text_json(tune->recording),
                  "budget_ns", (json_int_t)search->budget_ns, "used_ns", (json_int_t)search->spent_ns, "runs",
                  (json_int_t)search->n_runs, "ended", tune_end_names[search->end]);
    json_object_set_new(root, "objectives", objectives_json(search));
    json_object_set_new(root, "constraints", constraints_json(search));
    json_object_set_new(root, "heaps", heaps_json(tune));
    json_object_set_new(root, "left_out", left_out_json(tune));
    json_object_set_new(root, "parameters", parameters_json(&tune->space));
    json_object_set_new(root, "baseline", baseline_json(search));
    json_object_set_new(root, "points", array_of(search->n_evals, point_json, search));
    json_object_set_new(root, "finalists", array_of(search->n_finals, finalist_json, search));
    json_object_set_new(root, "sensitivity", sensitivity_json(search));
    json_object_set_new(
        root, "choice",
        json_pack("{s:o, s:b, s:s}", "point",
                  search->chosen >= 0 ? json_integer((json_int_t)search->finals[search->chosen].eval) : json_null(),
                  "keep_defaults", search->chosen < 0, "reason", search->reason));
    json_object_set_new(root, "config", config_json(tune));
    return root;
}
