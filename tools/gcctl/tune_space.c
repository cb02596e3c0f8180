/* tune_space.c - see tune_space.h. */
#include "tools/gcctl/tune_space.h"

#include "tools/gcctl/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define REACH 256        /* how far from the default a value is tried, as a factor */
#define REACH_PERCENT 16 /* ... for per cent */
#define ZERO_SHARE 0.1   /* of the scale that stands for 0 */

/* Where the scale is when a default is 0. */
static const struct {
    uint64_t minimum, maximum;
} without_default[] = {
    [SGC_PARAM_COUNT] = {16, 1 << 20},
    [SGC_PARAM_BYTES] = {64 << 10, 1 << 30},
    [SGC_PARAM_DURATION_NS] = {100000, UINT64_C(10000000000)},
    [SGC_PARAM_PERCENT] = {10, 1000},
    [SGC_PARAM_BOOL] = {0, 1},
};

/* ---- dimensions */

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t times(uint64_t value, uint64_t factor)
{
    return value > UINT64_MAX / factor ? UINT64_MAX : value * factor;
}

static struct tune_param param_of(const struct sgc_param *declared, uint8_t strategy, uint64_t memory_bytes)
{
    struct tune_param param = {
        .strategy = strategy, .declared = declared, .base = declared->default_value, .scale = TUNE_LOG};
    if (declared->type == SGC_PARAM_BOOL) {
        param.scale = TUNE_SWITCH;
        param.maximum = 1;
        return param;
    }
    if (declared->type == SGC_PARAM_PERCENT && declared->maximum <= 100) {
        param.scale = TUNE_LINEAR;
        param.minimum = declared->minimum;
        param.maximum = declared->maximum;
        return param;
    }
    const uint64_t at = declared->default_value;
    const uint64_t reach = declared->type == SGC_PARAM_PERCENT ? REACH_PERCENT : REACH;
    param.minimum = at ? most(at / reach, 1) : without_default[declared->type].minimum;
    param.maximum = at ? times(at, reach) : without_default[declared->type].maximum;
    if (declared->type == SGC_PARAM_BYTES && memory_bytes)
        param.maximum = least(param.maximum, most(memory_bytes / 2, most(at, 1)));
    param.minimum = most(param.minimum, declared->minimum);
    param.maximum = most(least(param.maximum, declared->maximum), param.minimum);
    param.zero = declared->minimum == 0;
    return param;
}

/* To three binary digits (bytes, counts) or two decimal ones. */
static uint64_t round_value(enum sgc_param_type type, double value)
{
    if (type == SGC_PARAM_BYTES || type == SGC_PARAM_COUNT) {
        const double unit = exp2(floor(log2(fmax(value, 1))) - 2);
        return (uint64_t)(unit < 1 ? round(value) : round(value / unit) * unit);
    }
    const double unit = pow(10, floor(log10(fmax(value, 1))) - 1);
    return (uint64_t)(unit < 1 ? round(value) : round(value / unit) * unit);
}

uint64_t tune_param_value(const struct tune_param *param, double unit)
{
    const double low = (double)param->minimum, high = (double)param->maximum;
    if (param->scale == TUNE_SWITCH)
        return unit >= 0.5;
    if (param->scale == TUNE_LINEAR)
        return param->minimum + (uint64_t)round(unit * (high - low));
    if (param->zero && unit < ZERO_SHARE)
        return 0;
    if (param->zero)
        unit = (unit - ZERO_SHARE) / (1 - ZERO_SHARE);
    const uint64_t value = round_value(param->declared->type, low * pow(high / low, unit));
    return most(least(value, param->maximum), param->minimum);
}

double tune_param_unit(const struct tune_param *param, uint64_t value)
{
    const double low = (double)param->minimum, high = (double)param->maximum, at = (double)value;
    double unit;
    if (param->scale == TUNE_SWITCH)
        return value ? 0.75 : 0.25;
    if (high <= low)
        return 0.5;
    if (param->scale == TUNE_LINEAR)
        unit = (at - low) / (high - low);
    else if (param->zero && value == 0)
        return ZERO_SHARE / 2;
    else
        unit = log(fmax(at, 1) / low) / log(high / low);
    unit = fmin(fmax(unit, 0), 0.999999);
    return param->zero ? ZERO_SHARE + unit * (1 - ZERO_SHARE) : unit;
}

/* ---- the space */

static int space_add_heap(struct tune_space *space, const struct gcctl_strategies *chosen,
                          const struct gcctl_heap_found *found)
{
    struct tune_heap *heap = &space->heaps[space->n_heaps++];
    snprintf(heap->name, sizeof(heap->name), "%s", found->name);
    const struct gcctl_strategy *base = gcctl_strategies_find(&space->strategies, found->strategy);
    if (!base)
        return gcctl_error(EX_CONFIG, "heap %s runs on strategy %s, which gcctl does not find", found->name,
                           found->strategy);
    heap->base = (uint8_t)(base - space->strategies.all);
    for (size_t i = 0; i < space->strategies.n; i++) {
        const struct gcctl_strategy *strategy = &space->strategies.all[i];
        if (!(found->needs & ~strategy->capabilities) && gcctl_strategies_find(chosen, strategy->name))
            heap->allowed[heap->n_allowed++] = (uint8_t)i;
    }
    return heap->n_allowed ? 0
                           : gcctl_error(EX_USAGE, "none of the strategies to try has what heap %s needs", found->name);
}

/* Is it the base or among the choices of any heap? */
static bool space_uses(const struct tune_space *space, size_t strategy)
{
    for (size_t i = 0; i < space->n_heaps; i++) {
        const struct tune_heap *heap = &space->heaps[i];
        for (size_t j = 0; j < heap->n_allowed; j++)
            if (heap->allowed[j] == strategy)
                return true;
    }
    return false;
}

int tune_space_init(struct tune_space *space, const struct gcctl_strategies *strategies, const char *list,
                    const struct gcctl_heap_found *heaps, size_t n_heaps, uint64_t memory_bytes)
{
    struct gcctl_strategies chosen;
    *space = (struct tune_space){.strategies = *strategies};
    int status = gcctl_strategies_choose(strategies, list, &chosen);
    for (size_t i = 0; i < n_heaps && !status; i++)
        status = space_add_heap(space, &chosen, &heaps[i]);
    for (size_t i = 0; i < strategies->n && !status; i++)
        for (uint32_t p = 0; p < strategies->all[i].n_params && space_uses(space, i); p++) {
            if (space->n_params == TUNE_MAX_PARAMS)
                return gcctl_error(EX_USAGE, "more than %d parameters: name fewer strategies by --strategies",
                                   TUNE_MAX_PARAMS);
            space->params[space->n_params++] = param_of(&strategies->all[i].params[p], (uint8_t)i, memory_bytes);
        }
    return status;
}

void tune_space_set_base(struct tune_space *space, const char *strategy, const char *key, const char *text)
{
    for (size_t i = 0; i < space->n_params; i++) {
        struct tune_param *param = &space->params[i];
        uint64_t value;
        if (strcmp(space->strategies.all[param->strategy].name, strategy) != 0 ||
            strcmp(param->declared->key, key) != 0 || !tune_value_parse(param->declared->type, text, &value))
            continue;
        param->base = value;
        if (value || !param->zero) { /* the program's own value lies within the scale, wherever it is */
            param->minimum = least(param->minimum, value);
            param->maximum = most(param->maximum, value);
        }
    }
}

void tune_space_base(const struct tune_space *space, struct tune_point *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < space->n_heaps; i++)
        out->strategies[i] = space->heaps[i].base;
    for (size_t i = 0; i < space->n_params; i++)
        out->values[i] = space->params[i].base;
}

static void arms_add(const struct tune_space *space, struct tune_point *arms, size_t *n, const struct tune_point *arm)
{
    for (size_t i = 0; i < *n; i++)
        if (tune_point_equal(space, &arms[i], arm))
            return;
    if (*n < TUNE_MAX_ARMS)
        arms[(*n)++] = *arm;
}

static bool heap_allows(const struct tune_heap *heap, size_t strategy)
{
    for (size_t i = 0; i < heap->n_allowed; i++)
        if (heap->allowed[i] == strategy)
            return true;
    return false;
}

size_t tune_space_arms(const struct tune_space *space, struct tune_point out[TUNE_MAX_ARMS])
{
    struct tune_point base, arm;
    size_t n = 0;
    tune_space_base(space, &base);
    arms_add(space, out, &n, &base);
    for (size_t s = 0; s < space->strategies.n; s++) { /* all heaps alike, as far as their needs allow */
        arm = base;
        for (size_t h = 0; h < space->n_heaps; h++)
            if (heap_allows(&space->heaps[h], s))
                arm.strategies[h] = (uint8_t)s;
        arms_add(space, out, &n, &arm);
    }
    for (size_t h = 0; h < space->n_heaps && space->n_heaps > 1; h++)
        for (size_t i = 0; i < space->heaps[h].n_allowed; i++) {
            arm = base;
            arm.strategies[h] = space->heaps[h].allowed[i];
            arms_add(space, out, &n, &arm);
        }
    return n;
}

/* ---- points */

bool tune_param_active(const struct tune_space *space, const struct tune_point *point, size_t param)
{
    for (size_t i = 0; i < space->n_heaps; i++)
        if (point->strategies[i] == space->params[param].strategy)
            return true;
    return false;
}

void tune_point_clean(const struct tune_space *space, struct tune_point *point)
{
    for (size_t i = 0; i < space->n_params; i++)
        if (!tune_param_active(space, point, i))
            point->values[i] = space->params[i].base;
}

bool tune_point_equal(const struct tune_space *space, const struct tune_point *a, const struct tune_point *b)
{
    return !memcmp(a->strategies, b->strategies, space->n_heaps) &&
           !memcmp(a->values, b->values, space->n_params * sizeof(a->values[0]));
}

size_t tune_point_changed(const struct tune_space *space, const struct tune_point *point, uint8_t out[TUNE_MAX_PARAMS])
{
    size_t n = 0;
    for (size_t i = 0; i < space->n_params; i++)
        if (point->values[i] != space->params[i].base && tune_param_active(space, point, i))
            out[n++] = (uint8_t)i;
    return n;
}

static void settings_add(struct tune_settings *out, const char *section, const char *name, const char *key,
                         const char *value)
{
    snprintf(out->text[out->n], TUNE_SETTING_BYTES, "%s.%s.%s=%s", section, name, key, value);
    out->list[out->n] = out->text[out->n];
    out->list[++out->n] = NULL;
}

void tune_point_settings(const struct tune_space *space, const struct tune_point *point, struct tune_settings *out)
{
    uint8_t changed[TUNE_MAX_PARAMS];
    char value[TUNE_VALUE_BYTES];
    out->n = 0;
    out->list[0] = NULL;
    for (size_t i = 0; i < space->n_heaps; i++)
        if (point->strategies[i] != space->heaps[i].base)
            settings_add(out, "heap", space->heaps[i].name, "strategy",
                         space->strategies.all[point->strategies[i]].name);
    const size_t n = tune_point_changed(space, point, changed);
    for (size_t i = 0; i < n; i++) {
        const struct tune_param *param = &space->params[changed[i]];
        settings_add(out, "strategy", space->strategies.all[param->strategy].name, param->declared->key,
                     tune_value_text(param->declared->type, point->values[changed[i]], value));
    }
}

/* ---- values as text: the largest unit that leaves a whole number */

static const struct unit {
    const char *name;
    uint64_t factor;
} byte_units[] = {{"TiB", UINT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}},
  duration_units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};

char *tune_value_text(enum sgc_param_type type, uint64_t value, char out[TUNE_VALUE_BYTES])
{
    const struct unit *unit = type == SGC_PARAM_BYTES ? byte_units : duration_units;
    if (type == SGC_PARAM_BOOL) {
        snprintf(out, TUNE_VALUE_BYTES, "%s", value ? "on" : "off");
    } else if (type == SGC_PARAM_PERCENT) {
        snprintf(out, TUNE_VALUE_BYTES, "%" PRIu64 "%%", value);
    } else if (type == SGC_PARAM_COUNT || value == 0) {
        snprintf(out, TUNE_VALUE_BYTES, "%" PRIu64, value);
    } else {
        while (value % unit->factor)
            unit++;
        snprintf(out, TUNE_VALUE_BYTES, "%" PRIu64 "%s", value / unit->factor, unit->name);
    }
    return out;
}

/* Whole numbers with '_' between digits, as config has them. */
static bool parse_count(const char *text, const char *unit, uint64_t *out)
{
    uint64_t value = 0;
    const char *at = text;
    for (; (*at >= '0' && *at <= '9') || (*at == '_' && at > text); at++)
        if (*at != '_')
            value = value * 10 + (uint64_t)(*at - '0');
    while (*at == ' ')
        at++;
    if (at == text || (strcmp(at, unit) != 0 && !(value == 0 && *at == '\0')))
        return false;
    *out = value;
    return true;
}

bool tune_value_parse(enum sgc_param_type type, const char *text, uint64_t *out)
{
    static const char *const switches[] = {"off", "on", "false", "true", "no", "yes"};
    int64_t value;
    if (type == SGC_PARAM_BOOL) {
        for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
            if (!strcmp(text, switches[i])) {
                *out = i % 2;
                return true;
            }
        return false;
    }
    if (type == SGC_PARAM_COUNT || type == SGC_PARAM_PERCENT)
        return parse_count(text, type == SGC_PARAM_PERCENT ? "%" : "", out);
    if (parse_count(text, "0", out)) /* a bare zero */
        return true;
    if ((type == SGC_PARAM_BYTES ? gcctl_parse_bytes : gcctl_parse_duration)(text, &value) || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}
