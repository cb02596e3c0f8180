/* chart.h - charts as inline SVG, drawn by the report and by `gcctl map --svg`. A chart loads nothing and has no colour
 * of its own: classes, whose colours for light and dark stand in gcctl_chart_style. One thread; no state; text from
 * outside goes through gcctl_chart_text. */
#ifndef SLABGC_TOOLS_GCCTL_CHART_H
#define SLABGC_TOOLS_GCCTL_CHART_H

#include "tools/gcctl/figures.h"

#include <stdbool.h>
#include <stdio.h>

enum gcctl_chart_unit { GCCTL_CHART_COUNT, GCCTL_CHART_BYTES, GCCTL_CHART_NS, GCCTL_CHART_SECONDS, GCCTL_CHART_RATIO };
#define GCCTL_CHART_COLORS 6 /* classes c0 to c5: strokes and fills of series */
#define GCCTL_CHART_WIDE 880
#define GCCTL_CHART_NARROW 360

struct gcctl_axis {
    enum gcctl_chart_unit unit;
    double from, to; /* to > from; log: from > 0 */
    bool log;
    const char *label; /* "time since begin"; the unit stands at the ticks */
};

struct gcctl_chart {
    FILE *out;
    double left, right, top, bottom; /* the plot's edges in the picture, y downwards */
    struct gcctl_axis x, y;
};

/* Style of charts for a page or a picture: classes and their colours, light and dark. */
extern const char gcctl_chart_style[];

/* text as XML: markup escaped, what XML cannot have replaced. */
void gcctl_chart_text(FILE *out, const char *text);
char *gcctl_chart_value(char out[32], enum gcctl_chart_unit unit, double value);

/* <svg> with role, label (also its title) and class; standalone: with name space, style and background, as a file of
 * its own. */
void gcctl_chart_begin(FILE *out, double width, double height, const char *class, const char *label, bool standalone);
void gcctl_chart_end(FILE *out);
/* Draws twice: for wide windows and for narrow ones; style shows one. */
typedef void gcctl_chart_draw_fn(FILE *out, double width, const char *class, const void *data);
void gcctl_chart_both(FILE *out, gcctl_chart_draw_fn *draw, const void *data);

double gcctl_chart_x(const struct gcctl_chart *chart, double value);
double gcctl_chart_y(const struct gcctl_chart *chart, double value);
/* Extends the axis to a round value above `to`, so that the highest tick is the edge. */
void gcctl_axis_round(struct gcctl_axis *axis, size_t n_ticks);
/* Ticks of the axis, about `wanted` of them, at most 16. */
size_t gcctl_axis_ticks(const struct gcctl_axis *axis, size_t wanted, double out[16]);
/* Grid, ticks and labels of both axes; without_x: not those of x (a panel above another). */
void gcctl_chart_axes(const struct gcctl_chart *chart, bool without_x);

/* ---- the charts */

struct gcctl_timeline {
    const char *heap;
    size_t n;
    const double *seconds, *live, *held; /* n each; bytes; held may be NULL */
    double limit;                        /* bytes; 0: none */
    size_t n_pauses;
    const struct gcctl_pause {
        double seconds, ns; /* its begin and length */
        bool full;
    } * pauses;
    bool without_pauses; /* the source has none: no panel for them */
};
void gcctl_chart_timeline(FILE *out, const struct gcctl_timeline *timeline);

struct gcctl_distribution {
    const char *heap;
    const char *what; /* "pauses" */
    const struct gcctl_buckets *buckets;
};
void gcctl_chart_distribution(FILE *out, const struct gcctl_distribution *distribution);

/* How long objects of each cache lived: shares of them by age. */
struct gcctl_lifetimes {
    size_t n_rows;
    const struct gcctl_lifetime_row {
        char name[160];    /* "heap/cache" */
        double n, n_alive; /* objects that died; that were alive at the end */
        double p50_ns, p90_ns;
        double bins[64]; /* died at an age below 2^(i+1) ns, and not in a lower bin */
    } * rows;
};
void gcctl_chart_lifetimes(FILE *out, const struct gcctl_lifetimes *lifetimes);

struct gcctl_slab {
    const char *heap, *cache;
    double bytes, slots, used;
    size_t order; /* among those of the cache */
};
struct gcctl_slabs {
    size_t n;
    const struct gcctl_slab *slabs; /* by heap and cache */
};
void gcctl_chart_map(FILE *out, const struct gcctl_slabs *slabs);
/* The same as a file of its own. */
void gcctl_chart_map_file(FILE *out, const struct gcctl_slabs *slabs, const char *title);

struct gcctl_scatter {
    struct gcctl_axis x, y; /* label and unit; the range is the points' */
    size_t n;
    const struct gcctl_scatter_point {
        double x, y;
        int kind;         /* 0 measured, 1 pareto, 2 defaults, 3 chosen */
        const char *text; /* for people */
    } * points;
};
void gcctl_chart_scatter(FILE *out, const struct gcctl_scatter *scatter);

struct gcctl_bars {
    const char *label; /* of the axis of values, 0 to 1 */
    size_t n, n_series;
    const char *const *names;  /* n */
    const char *const *series; /* n_series */
    const double *values;      /* n * n_series, NAN: none */
};
void gcctl_chart_bars(FILE *out, const struct gcctl_bars *bars);

#endif
