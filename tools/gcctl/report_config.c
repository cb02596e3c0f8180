/* report_config.c - section of a report about config: what the process was set to besides the defaults, and what a tune
 * would change, each as lines to copy. See report.h. */
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"

#include <stdlib.h>
#include <string.h>

static bool value_differs(const json_t *value)
{
    return strcmp(gcctl_figure_text(value, "origin"), "default") &&
           strcmp(gcctl_figure_text(value, "section"), "control");
}

/* Lines of config: sections as they come, each value that somebody set. */
static void put_ini(FILE *text, const json_t *values)
{
    size_t i;
    const json_t *value;
    const char *section = "";
    json_array_foreach (values, i, value) {
        if (!value_differs(value))
            continue;
        if (strcmp(section, gcctl_figure_text(value, "section"))) {
            section = gcctl_figure_text(value, "section");
            fprintf(text, "[%s]\n", section);
        }
        fprintf(text, "%s = %s\n", gcctl_figure_text(value, "key"), gcctl_figure_text(value, "value"));
    }
}

static void write_values(FILE *out, const json_t *values)
{
    static const char *const titles[] = {"section", "key", "value", "default", "from"};
    char *ini = NULL;
    size_t size = 0, i, n = 0;
    const json_t *value;
    FILE *text = open_memstream(&ini, &size);
    if (text) {
        put_ini(text, values);
        fclose(text);
    }
    gcctl_report_figure(out, "What differs from the defaults", NULL, NULL);
    if (ini && *ini)
        gcctl_report_copy(out, "config-set", ini);
    else
        fputs("<p>Nothing: every value is a default.</p>\n", out);
    free(ini);
    gcctl_report_table(out, "Table of all values", titles, 5, 5);
    json_array_foreach (values, i, value) {
        n++;
        gcctl_report_row(out,
                         (const char *[]){gcctl_figure_text(value, "section"), gcctl_figure_text(value, "key"),
                                          gcctl_figure_text(value, "value"), gcctl_figure_text(value, "default"),
                                          gcctl_figure_text(value, "origin")},
                         5, 5);
    }
    gcctl_report_table_end(out, "");
    gcctl_report_figure_end(out);
}

static void write_diff(FILE *out, const json_t *config)
{
    static const char *const titles[] = {"section", "key", "default", "chosen"};
    const char *text = gcctl_figure_text(config, "text");
    size_t i;
    const json_t *line;
    gcctl_report_figure(out, "What the tune chose", NULL, NULL);
    if (!json_array_size(json_object_get(config, "diff")) && !*text)
        fputs("<p>Nothing: the defaults stay.</p>\n", out);
    if (json_array_size(json_object_get(config, "diff"))) {
        gcctl_report_table(out, NULL, titles, 4, 4);
        json_array_foreach (json_object_get(config, "diff"), i, line) {
            gcctl_report_row(out,
                             (const char *[]){gcctl_figure_text(line, "section"), gcctl_figure_text(line, "key"),
                                              gcctl_figure_text(line, "default"), gcctl_figure_text(line, "value")},
                             4, 4);
        }
        gcctl_report_table_end(out, NULL);
    }
    if (*text)
        gcctl_report_copy(out, "config-tuned", text);
    gcctl_report_figure_end(out);
}

void gcctl_report_config(FILE *out, const struct gcctl_report *report)
{
    const json_t *values = json_object_get(report->values, "values"), *config = json_object_get(report->tune, "config");
    gcctl_report_section(out, "config", "Config",
                         "Lines for a file that $SLABGC_CONFIG names, or for /etc/slabgc/slabgc.conf.d.");
    if (config)
        write_diff(out, config);
    if (values)
        write_values(out, values);
    if (!config && !values)
        gcctl_report_missing(out, "Neither a process nor the result of a tune was given:",
                             "gcctl report --tune tune.json -o report.html PID");
    gcctl_report_section_end(out);
}
