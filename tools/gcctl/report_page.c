/* report_page.c - the page around the charts of a report: head, style, script, sections, tables. It loads nothing, and
 * a policy in its head forbids it to. */
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"

#include <string.h>
#include <time.h>

const char gcctl_report_style[] =
    "*{box-sizing:border-box}html{color-scheme:light dark}"
    "body{margin:0 auto;max-width:960px;padding:24px 20px 64px;background:var(--back);color:var(--text);"
    "font:15px/1.5 system-ui,-apple-system,sans-serif}\n"
    "h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:20px;margin:0 0 4px}"
    "h3{font-size:15px;margin:0 0 2px;overflow-wrap:anywhere}p{margin:4px 0 "
    "12px}.faint,figcaption{color:var(--faint)}\n"
    "a{color:var(--c0)}nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0;padding:10px 0;"
    "border-block:1px solid var(--grid)}\n"
    "section{margin:36px 0 0}footer{margin:40px 0 0;font-size:13px}figure{margin:14px 0 0;padding:14px 0 "
    "0}svg.chart{display:block;width:100%;height:auto}"
    "svg.narrow{display:none}@media(max-width:640px){svg.wide{display:none}svg.narrow{display:block}body{padding:16px "
    "12px 48px}}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:2px 16px;color:var(--faint);font-size:13px;margin:0 0 6px}"
    ".legend span{display:inline-flex;align-items:center;gap:6px}.legend svg{width:14px;height:10px}\n"
    "details{margin:8px 0 0}summary{cursor:pointer;color:var(--faint);font-size:13px}"
    ".scroll{overflow-x:auto;max-height:420px;overflow-y:auto}table{border-collapse:collapse;font-size:13px;margin:8px "
    "0;"
    "font-variant-numeric:tabular-nums}\n"
    "th,td{padding:3px 12px 3px 0;text-align:left;border-bottom:1px solid var(--grid);vertical-align:top}"
    "th{color:var(--faint);font-weight:600;white-space:nowrap}.n{text-align:right;white-space:nowrap}\n"
    ".missing{border:1px dashed var(--grid);border-radius:6px;padding:12px 14px;color:var(--faint)}"
    "code,pre{font:13px ui-monospace,monospace;overflow-wrap:anywhere}.copy{position:relative;margin:10px 0}"
    "pre{margin:0;padding:12px 14px;border:1px solid "
    "var(--grid);border-radius:6px;overflow-x:auto;overflow-wrap:normal;"
    "background:var(--m0)}\n"
    "button{position:absolute;top:8px;right:8px;font:13px system-ui,sans-serif;padding:4px 12px;border:1px solid "
    "var(--faint);"
    "border-radius:6px;background:var(--back);color:var(--text);cursor:pointer}\n"
    ".tip{position:fixed;pointer-events:none;white-space:pre-line;background:var(--text);color:var(--back);padding:5px "
    "9px;"
    "border-radius:5px;font-size:13px;line-height:1.35;max-width:260px;overflow-wrap:anywhere;z-index:9;display:none}"
    "[data-tip]:hover{stroke:var(--text);stroke-width:1.5}.hit:hover{fill:var(--faint);fill-opacity:.18;stroke:none}\n"
    "@media print{.copy button,nav{display:none}}\n";

const char gcctl_report_script[] =
    "'use strict';\n"
    "const tip=document.querySelector('.tip');\n"
    "function show(e){const at=e.target.closest&&e.target.closest('[data-tip]');\n"
    " if(!at){tip.style.display='none';return;}\n"
    " tip.textContent=at.dataset.tip;tip.style.display='block';\n"
    " const w=tip.offsetWidth,h=tip.offsetHeight;\n"
    " tip.style.left=Math.max(4,Math.min(e.clientX+14,innerWidth-w-4))+'px';\n"
    " tip.style.top=(e.clientY+18+h>innerHeight?e.clientY-h-10:e.clientY+18)+'px';}\n"
    "document.addEventListener('pointermove',show);document.addEventListener('pointerdown',show);\n"
    "document.addEventListener('scroll',()=>{tip.style.display='none';},{passive:true});\n"
    "function select(text){const s=getSelection(),r=document.createRange();r.selectNodeContents(text);\n"
    " s.removeAllRanges();s.addRange(r);return document.execCommand('copy');}\n"
    "for(const button of document.querySelectorAll('button[data-copy]'))button.addEventListener('click',async()=>{\n"
    " const text=document.getElementById(button.dataset.copy);let done=false;\n"
    " try{await navigator.clipboard.writeText(text.textContent);done=true;}catch(e){done=select(text);}\n"
    " button.textContent=done?'Copied':'Selected';setTimeout(()=>{button.textContent='Copy';},1600);});\n";

/* ---- parts */

void gcctl_report_section(FILE *out, const char *id, const char *title, const char *explanation)
{
    fprintf(out, "<section id=\"%s\"><h2>", id);
    gcctl_chart_text(out, title);
    fputs("</h2>\n<p class=\"faint\">", out);
    gcctl_chart_text(out, explanation);
    fputs("</p>\n", out);
}

void gcctl_report_section_end(FILE *out)
{
    fputs("</section>\n", out);
}

void gcctl_report_figure(FILE *out, const char *title, const char *const *legend, const char *const *classes)
{
    char color[8];
    fputs("<figure><h3>", out);
    gcctl_chart_text(out, title);
    fputs("</h3>\n", out);
    if (legend)
        fputs("<div class=\"legend\">", out);
    for (size_t i = 0; legend && legend[i]; i++) {
        snprintf(color, sizeof(color), "f%zu", i % GCCTL_CHART_COLORS);
        fprintf(out,
                "<span><svg viewBox=\"0 0 14 10\" aria-hidden=\"true\"><rect class=\"%s\" width=\"14\" height=\"10\" "
                "rx=\"2\"/></svg>",
                classes ? classes[i] : color);
        gcctl_chart_text(out, legend[i]);
        fputs("</span>", out);
    }
    fputs(legend ? "</div>\n" : "", out);
}

void gcctl_report_figure_end(FILE *out)
{
    fputs("</figure>\n", out);
}

void gcctl_report_missing(FILE *out, const char *why, const char *command)
{
    fputs("<p class=\"missing\">", out);
    gcctl_chart_text(out, why);
    if (command) {
        fputs(" <code>", out);
        gcctl_chart_text(out, command);
        fputs("</code>", out);
    }
    fputs("</p>\n", out);
}

void gcctl_report_table(FILE *out, const char *summary, const char *const *titles, size_t n_columns, size_t right)
{
    if (summary) {
        fputs("<details><summary>", out);
        gcctl_chart_text(out, summary);
        fputs("</summary>", out);
    }
    fputs("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>", out);
    for (size_t i = 0; i < n_columns; i++) {
        fprintf(out, "<th%s>", i >= right ? " class=\"n\"" : "");
        gcctl_chart_text(out, titles[i]);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
}

void gcctl_report_row(FILE *out, const char *const *cells, size_t n_columns, size_t right)
{
    fputs("<tr>", out);
    for (size_t i = 0; i < n_columns; i++) {
        fprintf(out, "<td%s>", i >= right ? " class=\"n\"" : "");
        gcctl_chart_text(out, cells[i] ? cells[i] : "");
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

void gcctl_report_table_end(FILE *out, const char *summary)
{
    fprintf(out, "</tbody></table></div>%s\n", summary ? "</details>" : "");
}

void gcctl_report_copy(FILE *out, const char *id, const char *text)
{
    fprintf(out,
            "<div class=\"copy\"><button type=\"button\" data-copy=\"%s\">Copy</button><pre id=\"%s\" tabindex=\"0\">",
            id, id);
    gcctl_chart_text(out, text);
    fputs("</pre></div>\n", out);
}

/* ---- the page */

static void write_title(FILE *out, const struct gcctl_report *report)
{
    const char *program = gcctl_figure_text(report->hello, "program");
    fputs("slabgc: ", out);
    if (*program)
        gcctl_chart_text(out, program);
    else
        gcctl_chart_text(out, *report->recording ? report->recording : "tuning");
}

static void write_head(FILE *out, const struct gcctl_report *report)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "script-src "
          "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          out);
    write_title(out, report);
    fprintf(out, "</title>\n<style>%s%s</style></head>\n<body>\n", gcctl_chart_style, gcctl_report_style);
}

static void write_header(FILE *out, const struct gcctl_report *report)
{
    static const char *const sections[][2] = {{"heaps", "Heaps over time"}, {"pauses", "Pauses"},
                                              {"occupancy", "Occupancy"},   {"lifetimes", "Lifetimes"},
                                              {"tuning", "Tuning"},         {"config", "Config"}};
    char date[64], took[GCCTL_UNIT_BYTES];
    const time_t now = time(NULL);
    struct tm tm;
    size_t i;
    json_t *word;
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %Z", localtime_r(&now, &tm));
    fputs("<header><h1>", out);
    write_title(out, report);
    fputs("</h1>\n<div class=\"faint\">", out);
    if (report->hello) {
        fputs("<code>", out);
        json_array_foreach (json_object_get(report->hello, "command_line"), i, word) {
            fputs(i ? " " : "", out);
            gcctl_chart_text(out, json_string_value(word) ? json_string_value(word) : "?");
        }
        fprintf(out, "</code><br>pid %.0f, slabgc ", gcctl_figure(report->hello, "pid"));
        gcctl_chart_text(out, gcctl_figure_text(report->hello, "slabgc"));
        fprintf(out, ", up %s when first looked at; ", gcctl_duration(took, gcctl_figure(report->hello, "uptime_ns")));
    }
    if (*report->recorded) {
        gcctl_chart_text(out, report->recorded);
        fputs("; ", out);
    }
    fprintf(out, "written %s</div>\n<nav aria-label=\"Sections\">", date);
    for (i = 0; i < sizeof(sections) / sizeof(*sections); i++)
        fprintf(out, "<a href=\"#%s\">%s</a>", sections[i][0], sections[i][1]);
    fputs("</nav></header>\n<main>\n", out);
}

void gcctl_report_write(FILE *out, const struct gcctl_report *report)
{
    write_head(out, report);
    write_header(out, report);
    gcctl_report_heaps(out, report);
    gcctl_report_pauses(out, report);
    gcctl_report_occupancy(out, report);
    gcctl_report_lifetimes(out, report);
    gcctl_report_tuning(out, report);
    gcctl_report_config(out, report);
    fputs("</main>\n", out);
    if (*report->how) {
        fputs("<footer class=\"faint\"><p>Made by <code>", out);
        gcctl_chart_text(out, report->how);
        fputs("</code></p></footer>\n", out);
    }
    fprintf(out, "<div class=\"tip\" aria-hidden=\"true\"></div>\n<script>%s</script>\n</body></html>\n",
            gcctl_report_script);
}
