/* chart_scatter.c - points of a tune: one objective against another, with the points that no other beats joined by a
 * stair. See chart.h. */
#include "tools/gcctl/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct gcctl_axis range_of(const struct gcctl_scatter *data, struct gcctl_axis axis, bool y)
{
    axis.from = INFINITY;
    axis.to = 0;
    for (size_t i = 0; i < data->n; i++) {
        const double value = y ? data->points[i].y : data->points[i].x;
        axis.from = fmin(axis.from, value);
        axis.to = fmax(axis.to, value);
    }
    if (axis.from > axis.to)
        axis.from = 0;
    axis.log = axis.from > 0 && axis.to / axis.from > 30;
    if (axis.log) {
        axis.from /= 1.3;
        axis.to *= 1.3;
        return axis;
    }
    const double range = axis.to > axis.from ? axis.to - axis.from : fmax(axis.to, 1) * 0.2;
    axis.from = axis.from - 0.08 * range > 0 ? axis.from - 0.08 * range : 0;
    axis.to += 0.08 * range;
    return axis;
}

static int by_x(const void *a, const void *b)
{
    const struct gcctl_scatter_point *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y < q->y) - (p->y > q->y);
}

/* Through the points whose y no point left of them reaches. */
static void draw_stair(const struct gcctl_chart *chart, const struct gcctl_scatter *data)
{
    struct gcctl_scatter_point *sorted = malloc((data->n + 1) * sizeof(*sorted));
    double least = INFINITY;
    bool first = true;
    if (!sorted)
        return;
    memcpy(sorted, data->points, data->n * sizeof(*sorted));
    qsort(sorted, data->n, sizeof(*sorted), by_x);
    fputs("<path class=\"line s2\" d=\"", chart->out);
    for (size_t i = 0; i < data->n; i++) {
        if (!(sorted[i].y < least) || (sorted[i].kind != 1 && sorted[i].kind != 3))
            continue;
        least = sorted[i].y;
        const double x = gcctl_chart_x(chart, sorted[i].x), y = gcctl_chart_y(chart, sorted[i].y);
        if (first)
            fprintf(chart->out, "M%.1f %.1f", x, y);
        else
            fprintf(chart->out, "H%.1fV%.1f", x, y);
        first = false;
    }
    if (first)
        fprintf(chart->out, "M%.1f %.1f", chart->left, chart->bottom);
    fputs("\"/>\n", chart->out);
    free(sorted);
}

static void draw_point(const struct gcctl_chart *chart, const struct gcctl_scatter_point *point)
{
    const double x = gcctl_chart_x(chart, point->x), y = gcctl_chart_y(chart, point->y);
    FILE *out = chart->out;
    if (point->kind == 2) /* the defaults: a diamond */
        fprintf(out, "<path class=\"f1\" d=\"M%.1f %.1fl7 7l-7 7l-7 -7z\"", x, y - 7);
    else if (point->kind == 3) /* chosen: a dot in a ring */
        fprintf(out,
                "<circle class=\"ring s3\" cx=\"%.1f\" cy=\"%.1f\" r=\"9\"/><circle class=\"f3\" cx=\"%.1f\" "
                "cy=\"%.1f\" r=\"4.5\"",
                x, y, x, y);
    else
        fprintf(out, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"%s", point->kind == 1 ? 2 : 0, x, y,
                point->kind == 1 ? 5.0 : 3.5, point->kind == 1 ? "" : " opacity=\".75\"");
    fputs(" data-tip=\"", out);
    gcctl_chart_text(out, point->text);
    fputs("\"/>\n", out);
}

static void draw_scatter(FILE *out, double width, const char *class, const void *arg)
{
    const struct gcctl_scatter *data = arg;
    struct gcctl_chart chart = {.out = out, .left = 66, .right = width - 16, .top = 28, .bottom = 348};
    char label[200];
    chart.x = range_of(data, data->x, false);
    chart.y = range_of(data, data->y, true);
    snprintf(label, sizeof(label), "%.80s against %.80s of each configuration tried", data->y.label, data->x.label);
    gcctl_chart_begin(out, width, chart.bottom + 44, class, label, false);
    gcctl_chart_axes(&chart, false);
    draw_stair(&chart, data);
    for (int kind = 0; kind < 4; kind++)
        for (size_t i = 0; i < data->n; i++)
            if (data->points[i].kind == kind)
                draw_point(&chart, &data->points[i]);
    gcctl_chart_end(out);
}

void gcctl_chart_scatter(FILE *out, const struct gcctl_scatter *scatter)
{
    gcctl_chart_both(out, draw_scatter, scatter);
}
