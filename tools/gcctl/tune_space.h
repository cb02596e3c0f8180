/* tune_space.h - what tune may choose: a strategy for each heap, and the values that the strategies' parameter tables declare. A point is one choice. One thread; a
 * space is constant once it is made. */
#ifndef SLABGC_TOOLS_GCCTL_TUNE_SPACE_H
#define SLABGC_TOOLS_GCCTL_TUNE_SPACE_H

#include "tools/gcctl/strategies.h"

#define TUNE_MAX_PARAMS 128
#define TUNE_VALUE_BYTES 40
#define TUNE_SETTING_BYTES 192
#define TUNE_MAX_SETTINGS (TUNE_MAX_PARAMS + GCCTL_MAX_HEAPS)
#define TUNE_MAX_ARMS 12

enum tune_scale { TUNE_LOG, TUNE_LINEAR, TUNE_SWITCH };

/* A dimension. Searched: minimum to maximum, which is what is declared, but not farther than 256 times (per cent: 16 times) from the default, and for bytes not
 * more than half of the machine's memory: the declared bounds say what is valid, not what is sensible. */
struct tune_param {
    uint8_t strategy; /* index in space->strategies */
    const struct sgc_param *declared;
    uint64_t minimum, maximum, base; /* base: the program's own value */
    enum tune_scale scale;
    bool zero; /* 0 is a value beside minimum to maximum (most tables say "0: never") */
};

struct tune_heap {
    char name[64];
    uint8_t base; /* the program's own strategy */
    uint8_t allowed[GCCTL_MAX_STRATEGIES];
    size_t n_allowed;
};

struct tune_space {
    struct gcctl_strategies strategies;
    struct tune_heap heaps[GCCTL_MAX_HEAPS];
    size_t n_heaps;
    struct tune_param params[TUNE_MAX_PARAMS];
    size_t n_params;
};

/* Equal choices are equal bytes: parameters of strategies that no heap has stand at their base. */
struct tune_point {
    uint64_t values[TUNE_MAX_PARAMS];
    uint8_t strategies[GCCTL_MAX_HEAPS];
};

/* strategies: all that can be found; list: those to try ("a,b"; NULL: all) that have what a heap needs. memory_bytes: of the machine. Returns 0 or an exit
 * status, all said. */
int tune_space_init(struct tune_space *space, const struct gcctl_strategies *strategies, const char *list,
                    const struct gcctl_heap_found *heaps, size_t n_heaps, uint64_t memory_bytes);
/* The program's config says key = text in [strategy.NAME]: where the search starts. Keys of strategies that are not there are passed over. */
void tune_space_set_base(struct tune_space *space, const char *strategy, const char *key, const char *text);

void tune_space_base(const struct tune_space *space, struct tune_point *out);
/* Some choices of strategies for the heaps, the base's first: all of them when there are few, else all heaps alike and one heap changed. Returns how many. */
size_t tune_space_arms(const struct tune_space *space, struct tune_point out[TUNE_MAX_ARMS]);
bool tune_param_active(const struct tune_space *space, const struct tune_point *point, size_t param);
/* Puts inactive parameters to their base. */
void tune_point_clean(const struct tune_space *space, struct tune_point *point);
bool tune_point_equal(const struct tune_space *space, const struct tune_point *a, const struct tune_point *b);
/* Parameters that are not at their base; returns how many. */
size_t tune_point_changed(const struct tune_space *space, const struct tune_point *point, uint8_t out[TUNE_MAX_PARAMS]);

/* The value at a place 0 <= unit < 1 of the scale, rounded to what one would write by hand; and a value's place. */
uint64_t tune_param_value(const struct tune_param *param, double unit);
double tune_param_unit(const struct tune_param *param, uint64_t value);

/* "64MiB", as config reads it. */
char *tune_value_text(enum sgc_param_type type, uint64_t value, char out[TUNE_VALUE_BYTES]);
bool tune_value_parse(enum sgc_param_type type, const char *text, uint64_t *out);

/* What differs from the program's own config, for $SLABGC. */
struct tune_settings {
    char text[TUNE_MAX_SETTINGS][TUNE_SETTING_BYTES];
    const char *list[TUNE_MAX_SETTINGS + 1]; /* NULL at the end */
    size_t n;
};
void tune_point_settings(const struct tune_space *space, const struct tune_point *point, struct tune_settings *out);

#endif
