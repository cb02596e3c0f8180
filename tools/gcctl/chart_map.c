/* chart_map.c - occupancy of slabs: one square each, darker the fuller, by heap and cache. Many slabs share a square,
 * which then shows their mean. See chart.h. */
#include "tools/gcctl/chart.h"

#include <math.h>
#include <string.h>

#define CELL 12
#define GAP 2
#define MOST_CELLS 2000 /* in one picture */
#define TITLE 22
#define MARGIN 8
#define LEGEND 28

static bool same_cache(const struct gcctl_slab *a, const struct gcctl_slab *b)
{
    return !strcmp(a->heap, b->heap) && !strcmp(a->cache, b->cache);
}

static size_t cache_end(const struct gcctl_slabs *data, size_t from)
{
    size_t to = from + 1;
    while (to < data->n && same_cache(&data->slabs[from], &data->slabs[to]))
        to++;
    return to;
}

static size_t columns(double width)
{
    return (size_t)((width - 2 * MARGIN) / (CELL + GAP));
}

/* Slabs of one square, so that all fit. */
static size_t slabs_per_cell(const struct gcctl_slabs *data)
{
    return data->n > MOST_CELLS ? (data->n + MOST_CELLS - 1) / MOST_CELLS : 1;
}

static double map_height(const struct gcctl_slabs *data, double width)
{
    const size_t each = slabs_per_cell(data), wide = columns(width);
    double height = LEGEND + MARGIN;
    for (size_t from = 0, to; from < data->n; from = to) {
        to = cache_end(data, from);
        const size_t cells = (to - from + each - 1) / each;
        height += TITLE + (double)((cells + wide - 1) / wide) * (CELL + GAP) + MARGIN;
    }
    return height;
}

/* 0: empty; 1 to 5 by fifths. */
static int shade(double used, double slots)
{
    const double share = slots > 0 ? used / slots : 0;
    if (share <= 0)
        return 0;
    const int fifth = (int)ceil(share * 5 - 1e-9);
    return fifth > 5 ? 5 : fifth;
}

static void draw_cell(FILE *out, const struct gcctl_slab *slabs, size_t n, double x, double y)
{
    double used = 0, slots = 0, bytes = 0;
    char text[32];
    for (size_t i = 0; i < n; i++) {
        used += slabs[i].used;
        slots += slabs[i].slots;
        bytes += slabs[i].bytes;
    }
    fprintf(out, "<rect class=\"m%d edge\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" data-tip=\"",
            shade(used, slots), x, y, CELL, CELL);
    gcctl_chart_text(out, slabs->cache);
    if (n > 1)
        fprintf(out, "&#10;%zu slabs", n);
    fprintf(out, "&#10;%.0f of %.0f slots used&#10;%s\"/>\n", used, slots,
            gcctl_chart_value(text, GCCTL_CHART_BYTES, bytes));
}

static double draw_cache(FILE *out, const struct gcctl_slabs *data, size_t from, size_t to, double width, double y)
{
    const size_t each = slabs_per_cell(data), wide = columns(width);
    double used = 0, slots = 0, bytes = 0;
    char text[32];
    for (size_t i = from; i < to; i++) {
        used += data->slabs[i].used;
        slots += data->slabs[i].slots;
        bytes += data->slabs[i].bytes;
    }
    fprintf(out, "<text x=\"%d\" y=\"%.1f\"><tspan style=\"font-weight:600\">", MARGIN, y + 14);
    gcctl_chart_text(out, data->slabs[from].heap);
    fputs(" / ", out);
    gcctl_chart_text(out, data->slabs[from].cache);
    fprintf(out, "</tspan>  %zu slab%s, %s, %.0f%% used</text>\n", to - from, to - from == 1 ? "" : "s",
            gcctl_chart_value(text, GCCTL_CHART_BYTES, bytes), slots > 0 ? 100 * used / slots : 0);
    y += TITLE;
    size_t cell = 0;
    for (size_t i = from; i < to; i += each, cell++)
        draw_cell(out, &data->slabs[i], i + each < to ? each : to - i, MARGIN + (double)(cell % wide) * (CELL + GAP),
                  y + (double)(cell / wide) * (CELL + GAP));
    return y + (double)((cell + wide - 1) / wide) * (CELL + GAP) + MARGIN;
}

static void draw_legend(FILE *out, const struct gcctl_slabs *data, double y)
{
    static const char *const names[] = {"empty", "to 20%", "40%", "60%", "80%", "100%"};
    double x = MARGIN;
    for (int i = 0; i < 6; i++) {
        fprintf(out,
                "<rect class=\"m%d edge\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\"/><text x=\"%.1f\" "
                "y=\"%.1f\">%s</text>\n",
                i, x, y, CELL, CELL, x + CELL + 4, y + 10, names[i]);
        x += CELL + 14 + 7.0 * (double)strlen(names[i]);
    }
    if (slabs_per_cell(data) > 1)
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">a square: %zu slabs</text>\n", x, y + 10, slabs_per_cell(data));
}

static void draw_slabs(FILE *out, const struct gcctl_slabs *data, double width, double y)
{
    draw_legend(out, data, y);
    y += LEGEND;
    for (size_t from = 0, to; from < data->n; from = to) {
        to = cache_end(data, from);
        y = draw_cache(out, data, from, to, width, y);
    }
}

static void draw_map(FILE *out, double width, const char *class, const void *arg)
{
    const struct gcctl_slabs *data = arg;
    gcctl_chart_begin(out, width, map_height(data, width) + MARGIN, class, "Occupancy of slabs by cache", false);
    draw_slabs(out, data, width, MARGIN);
    gcctl_chart_end(out);
}

void gcctl_chart_map(FILE *out, const struct gcctl_slabs *slabs)
{
    gcctl_chart_both(out, draw_map, slabs);
}

void gcctl_chart_map_file(FILE *out, const struct gcctl_slabs *slabs, const char *title)
{
    gcctl_chart_begin(out, GCCTL_CHART_WIDE, map_height(slabs, GCCTL_CHART_WIDE) + 36, "map", title, true);
    fprintf(out, "<text class=\"strong\" x=\"%d\" y=\"20\" style=\"font-weight:600\">", MARGIN);
    gcctl_chart_text(out, title);
    fputs("</text>\n", out);
    draw_slabs(out, slabs, GCCTL_CHART_WIDE, 34);
    gcctl_chart_end(out);
}
