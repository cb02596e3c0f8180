/* chart.c - frames, axes and text of charts; see chart.h. */
#include "tools/gcctl/chart.h"

#include "tools/gcctl/print.h"

#include <math.h>
#include <string.h>

/* Text has a contrast of at least 4.5 to the background, lines and fills of at least 3. */
const char gcctl_chart_style[] =
    ":root{--back:#fff;--text:#1f2328;--faint:#59636e;--grid:#d8dee4;--c0:#2563c9;--c1:#b5480f;--c2:#1a7f37;"
    "--c3:#8250df;--c4:#0f7a84;--c5:#bf3989;--m0:#eef1f4;--m1:#c5d9f5;--m2:#8fb5ec;--m3:#5a8fde;--m4:#2f69c4;--m5:#"
    "123f87}\n"
    "@media "
    "(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--faint:#9aa4ae;--grid:#2d333b;--c0:#6cb0ff;"
    "--c1:#f0883e;--c2:#56d364;--c3:#bc8cff;--c4:#4fd1d9;--c5:#f778ba;--m0:#1c232b;--m1:#143a68;--m2:#1c5799;--m3:#"
    "2f7bd0;"
    "--m4:#66a8f0;--m5:#b9daff}}\n"
    ".chart text{font:12px system-ui,-apple-system,sans-serif;fill:var(--faint)}.chart text.strong{fill:var(--text)}"
    ".chart .grid{stroke:var(--grid)}.chart .axis{stroke:var(--faint)}.chart .hit{fill:transparent}"
    ".chart .line{fill:none;stroke-width:1.75;stroke-linejoin:round}.chart .dash{stroke-dasharray:5 4}"
    ".chart .area{opacity:.16;stroke:none}.chart .ring{fill:none;stroke-width:2.5}\n"
    ".chart .edge{stroke:var(--faint);stroke-width:.75}"
    ".chart .back{fill:var(--back)}.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}"
    ".f4{fill:var(--c4)}.f5{fill:var(--c5)}.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}"
    ".s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}\n"
    ".m0{fill:var(--m0)}.m1{fill:var(--m1)}.m2{fill:var(--m2)}.m3{fill:var(--m3)}.m4{fill:var(--m4)}.m5{fill:var(--m5)}"
    "\n";

/* ---- text */

/* Length of the character at `at` when it is UTF-8 that XML may have, else 0. */
static size_t character_length(const unsigned char *at)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (*at < 0x80)
        return *at >= 0x20 || *at == '\n' || *at == '\t' ? 1 : 0;
    const size_t n = *at >= 0xf0 && *at < 0xf8 ? 4 : *at >= 0xe0 ? 3 : *at >= 0xc0 ? 2 : 0;
    if (!n || *at >= 0xf8)
        return 0;
    uint32_t code = *at & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    const bool allowed = code >= least[n] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) && code < 0xfffe;
    return allowed || (code >= 0x10000 && code <= 0x10ffff && n == 4) ? n : 0;
}

void gcctl_chart_text(FILE *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        const size_t n = character_length(at);
        if (*at == '<')
            fputs("&lt;", out);
        else if (*at == '>')
            fputs("&gt;", out);
        else if (*at == '&')
            fputs("&amp;", out);
        else if (*at == '"')
            fputs("&quot;", out);
        else if (*at == '\'')
            fputs("&#39;", out);
        else if (*at == '\n')
            fputs("&#10;", out);
        else if (n)
            fwrite(at, 1, n, out);
        else
            fputs("&#xFFFD;", out);
        at += n ? n : 1;
    }
}

char *gcctl_chart_value(char out[32], enum gcctl_chart_unit unit, double value)
{
    if (value == 0)
        return strcpy(out, "0");
    if (unit == GCCTL_CHART_BYTES)
        return gcctl_bytes(out, value);
    if (unit == GCCTL_CHART_NS)
        return gcctl_duration(out, value);
    if (unit == GCCTL_CHART_SECONDS && value >= 1) {
        snprintf(out, 32, "%.4gs", value);
        return out;
    }
    if (unit == GCCTL_CHART_SECONDS)
        return gcctl_duration(out, value * 1e9);
    if (unit == GCCTL_CHART_COUNT)
        return gcctl_count(out, value);
    snprintf(out, 32, "%.3g", value);
    return out;
}

/* ---- frame */

void gcctl_chart_begin(FILE *out, double width, double height, const char *class, const char *label, bool standalone)
{
    fprintf(
        out,
        "<svg%s class=\"chart %s\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" aria-label=\"",
        standalone ? " xmlns=\"http://www.w3.org/2000/svg\"" : "", class, width, height, width, height);
    gcctl_chart_text(out, label);
    fputs("\">\n", out);
    if (!standalone)
        return;
    fputs("<title>", out);
    gcctl_chart_text(out, label);
    fprintf(out, "</title>\n<style>%s</style>\n<rect class=\"back\" width=\"100%%\" height=\"100%%\"/>\n",
            gcctl_chart_style);
}

void gcctl_chart_end(FILE *out)
{
    fputs("</svg>\n", out);
}

void gcctl_chart_both(FILE *out, gcctl_chart_draw_fn *draw, const void *data)
{
    draw(out, GCCTL_CHART_WIDE, "wide", data);
    draw(out, GCCTL_CHART_NARROW, "narrow", data);
}

static double axis_share(const struct gcctl_axis *axis, double value)
{
    if (axis->log)
        return value > axis->from ? log(value / axis->from) / log(axis->to / axis->from) : 0;
    return (value - axis->from) / (axis->to - axis->from);
}

double gcctl_chart_x(const struct gcctl_chart *chart, double value)
{
    return chart->left + axis_share(&chart->x, value) * (chart->right - chart->left);
}

double gcctl_chart_y(const struct gcctl_chart *chart, double value)
{
    return chart->bottom - axis_share(&chart->y, value) * (chart->bottom - chart->top);
}

/* ---- axes */

/* The round step nearest above range / wanted: 1, 2, 5 of a power of ten; of bytes 1, 2, 4, .. 512 of a unit. */
static double axis_step(const struct gcctl_axis *axis, size_t wanted)
{
    const double least = (axis->to - axis->from) / (double)(wanted ? wanted : 1);
    if (axis->unit == GCCTL_CHART_BYTES)
        return least > 1 ? exp2(ceil(log2(least) - 1e-9)) : 1;
    const double ten = pow(10, floor(log10(least) + 1e-9));
    double step = 10 * ten;
    if (least <= ten * 1.0001)
        step = ten;
    else if (least <= 2 * ten)
        step = 2 * ten;
    else if (least <= 5 * ten)
        step = 5 * ten;
    return axis->unit == GCCTL_CHART_COUNT && step < 1 ? 1 : step;
}

void gcctl_axis_round(struct gcctl_axis *axis, size_t n_ticks)
{
    if (axis->log)
        return;
    const double step = axis_step(axis, n_ticks);
    axis->to = ceil(axis->to / step - 1e-9) * step;
    axis->from = floor(axis->from / step + 1e-9) * step;
    if (axis->to <= axis->from)
        axis->to = axis->from + step;
}

size_t gcctl_axis_ticks(const struct gcctl_axis *axis, size_t wanted, double out[16])
{
    size_t n = 0;
    if (!axis->log) {
        const double step = axis_step(axis, wanted);
        for (double at = ceil(axis->from / step - 1e-9) * step; at <= axis->to + step * 1e-6 && n < 16; at += step)
            out[n++] = fabs(at) < step * 1e-6 ? 0 : at;
        return n;
    }
    const int first = (int)ceil(log10(axis->from) - 1e-9), last = (int)floor(log10(axis->to) + 1e-9);
    if (last - first < 2) { /* few powers of ten: 1, 2, 5 of each */
        for (int power = first - 1; power <= last; power++)
            for (int i = 0; i < 3; i++) {
                const double at = pow(10, power) * (i == 2 ? 5 : i + 1);
                if (at >= axis->from * 0.999 && at <= axis->to * 1.001 && n < 16)
                    out[n++] = at;
            }
        return n;
    }
    int every = 1;
    while ((size_t)((last - first) / every + 1) > wanted && every < 16)
        every++;
    for (int power = first; power <= last && n < 16; power += every)
        out[n++] = pow(10, power);
    return n;
}

static void tick_text(const struct gcctl_chart *chart, const struct gcctl_axis *axis, double value, double x, double y,
                      const char *anchor)
{
    char text[32];
    fprintf(chart->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    gcctl_chart_text(chart->out, gcctl_chart_value(text, axis->unit, value));
    fputs("</text>\n", chart->out);
}

void gcctl_chart_axes(const struct gcctl_chart *chart, bool without_x)
{
    double ticks[16];
    FILE *out = chart->out;
    const size_t ny = gcctl_axis_ticks(&chart->y, chart->bottom - chart->top > 120 ? 5 : 3, ticks);
    for (size_t i = 0; i < ny; i++) {
        const double y = gcctl_chart_y(chart, ticks[i]);
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", chart->left, y,
                chart->right, y);
        tick_text(chart, &chart->y, ticks[i], chart->left - 6, y + 4, "end");
    }
    const size_t nx = gcctl_axis_ticks(&chart->x, (size_t)((chart->right - chart->left) / 55), ticks);
    for (size_t i = 0; i < nx; i++) {
        const double x = gcctl_chart_x(chart, ticks[i]);
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x, chart->top, x,
                chart->bottom + (without_x ? 0 : 4));
        if (!without_x)
            tick_text(chart, &chart->x, ticks[i], x > chart->right - 4 ? x + 8 : x, chart->bottom + 18,
                      x > chart->right - 4 ? "end" : "middle");
    }
    fprintf(out, "<path class=\"axis\" fill=\"none\" d=\"M%.1f %.1fV%.1fH%.1f\"/>\n", chart->left, chart->top,
            chart->bottom, chart->right);
    if (!without_x && chart->x.label) {
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", chart->right, chart->bottom + 35);
        gcctl_chart_text(out, chart->x.label);
        fputs("</text>\n", out);
    }
    if (chart->y.label) {
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">", chart->left, chart->top - 8);
        gcctl_chart_text(out, chart->y.label);
        fputs("</text>\n", out);
    }
}
