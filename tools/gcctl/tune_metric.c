/* tune_metric.c - see tune_metric.h. */
#include "tools/gcctl/tune_metric.h"

#include "tools/gcctl/print.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tune_metric_names[TUNE_N_METRICS + 1] = {
    [TUNE_TIME] = "time",           [TUNE_CPU] = "cpu",
    [TUNE_P50_PAUSE] = "p50_pause", [TUNE_P99_PAUSE] = "p99_pause",
    [TUNE_MAX_PAUSE] = "max_pause", [TUNE_PEAK_MEMORY] = "peak_memory",
    [TUNE_PEAK_HEAP] = "peak_heap",
};

bool tune_metric_is_time(enum tune_metric metric)
{
    return metric < TUNE_PEAK_MEMORY;
}

char *tune_metric_text(enum tune_metric metric, double value, char out[32])
{
    return tune_metric_is_time(metric) ? gcctl_duration(out, value) : gcctl_bytes(out, value);
}

double tune_log_ratio(enum tune_metric metric, double value, double reference)
{
    const bool pause = metric >= TUNE_P50_PAUSE && metric <= TUNE_MAX_PAUSE;
    const double least = pause ? 1e4 : tune_metric_is_time(metric) ? 1e6 : 64 << 10;
    return log(fmax(value, least) / fmax(reference, least));
}

void tune_metrics_of(const struct gcctl_run *run, double out[TUNE_N_METRICS])
{
    out[TUNE_TIME] = (double)run->wall_ns;
    out[TUNE_CPU] = (double)(run->user_ns + run->system_ns);
    out[TUNE_P50_PAUSE] = (double)run->pause_p50_ns;
    out[TUNE_P99_PAUSE] = (double)run->pause_p99_ns;
    out[TUNE_MAX_PAUSE] = (double)run->pause_max_ns;
    out[TUNE_PEAK_MEMORY] = (double)run->peak_rss_bytes;
    out[TUNE_PEAK_HEAP] = (double)run->peak_heap_bytes;
}

char *tune_ratio_text(double ratio, char out[32])
{
    snprintf(out, 32, ratio < 0.01 ? "%.1gx" : ratio < 10 ? "%.2fx" : "%.0fx", ratio);
    return out;
}

/* ---- reading */

static const char *all_names(char out[160])
{
    size_t length = 0;
    for (size_t i = 0; i < TUNE_N_METRICS; i++)
        length += (size_t)snprintf(out + length, 160 - length, "%s%s", i ? ", " : "", tune_metric_names[i]);
    return out;
}

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t");
}

/* Reads a metric's name at *at and moves behind it. */
static int parse_metric(const char *text, const char **at, enum tune_metric *out, char *message)
{
    char word[64], list[160];
    *at = skip_space(*at);
    size_t length = 0;
    while (isalnum((unsigned char)(*at)[length]) || (*at)[length] == '_')
        length++;
    snprintf(word, sizeof(word), "%.*s", (int)length, *at);
    for (size_t i = 0; i < TUNE_N_METRICS; i++)
        if (!strcmp(word, tune_metric_names[i])) {
            *at = skip_space(*at + length);
            *out = (enum tune_metric)i;
            return 0;
        }
    const int column = (int)(*at - text) + 1;
    if (!length) {
        snprintf(message, TUNE_MESSAGE_BYTES, "\"%s\", column %d: a metric is wanted: %s", text, column,
                 all_names(list));
        return -EINVAL;
    }
    const char *hint = gcctl_suggest(word, tune_metric_names);
    snprintf(message, TUNE_MESSAGE_BYTES, "\"%s\", column %d: there is no metric \"%s\"%s%s%s", text, column, word,
             hint, *hint ? "" : "; there are ", *hint ? "" : all_names(list));
    return -EINVAL;
}

int tune_objectives_parse(const char *text, struct tune_objectives *out, char message[TUNE_MESSAGE_BYTES])
{
    const char *at = text;
    struct tune_objectives objectives = {.n = 0};
    for (;;) {
        enum tune_metric metric;
        const int column = (int)(skip_space(at) - text) + 1;
        const int code = parse_metric(text, &at, &metric, message);
        if (code)
            return code;
        for (size_t i = 0; i < objectives.n; i++)
            if (objectives.metrics[i] == metric) {
                snprintf(message, TUNE_MESSAGE_BYTES, "\"%s\", column %d: \"%s\" stands twice", text, column,
                         tune_metric_names[metric]);
                return -EINVAL;
            }
        objectives.metrics[objectives.n++] = metric;
        if (*at == '\0')
            break;
        if (*at != ',') {
            snprintf(message, TUNE_MESSAGE_BYTES, "\"%s\", column %d: metrics are parted by commas", text,
                     (int)(at - text) + 1);
            return -EINVAL;
        }
        at++;
    }
    *out = objectives;
    return 0;
}

static int constraint_fault(const char *text, const char *at, const char *what, char *message)
{
    snprintf(message, TUNE_MESSAGE_BYTES, "\"%s\", column %d: %s", text, (int)(at - text) + 1, what);
    return -EINVAL;
}

static int parse_share(const char *text, const char *at, struct tune_constraint *out, char *message)
{
    char *end;
    out->share = strtod(at, &end) / 100;
    if (end == at || strcmp(skip_space(end), "%") != 0 || !isfinite(out->share) || out->share <= 0)
        return constraint_fault(text, at, "a share of the defaults' value is wanted, like 110%", message);
    out->at_most = NAN;
    return 0;
}

int tune_constraint_parse(const char *text, struct tune_constraint *out, char message[TUNE_MESSAGE_BYTES])
{
    const char *at = text;
    int64_t value;
    *out = (struct tune_constraint){.text = text};
    const int code = parse_metric(text, &at, &out->metric, message);
    if (code)
        return code;
    if (*at == '>')
        return constraint_fault(text, at, "only upper limits can be kept: METRIC<=VALUE", message);
    if (strncmp(at, "<=", 2) != 0)
        return constraint_fault(
            text, at, *at == '<' || *at == '=' ? "\"<=\" is wanted" : "\"<=\" and a value are wanted", message);
    at = skip_space(at + 2);
    if (*at == '\0')
        return constraint_fault(text, at, "a value is wanted", message);
    if (strchr(at, '%'))
        return parse_share(text, at, out, message);
    if (tune_metric_is_time(out->metric) ? gcctl_parse_duration(at, &value) : gcctl_parse_bytes(at, &value))
        return constraint_fault(text, at,
                                tune_metric_is_time(out->metric) ? "a duration is wanted, like 2ms, or a share of the "
                                                                   "defaults' value, like 110%"
                                                                 : "a number of bytes is wanted, like 512MiB, or a "
                                                                   "share of the defaults' value, like 110%",
                                message);
    if (value <= 0)
        return constraint_fault(text, at, "nothing can keep a limit of zero", message);
    out->at_most = (double)value;
    return 0;
}
