/* report.c - subcommand report: which form goes where. Called by main.c. */
#include "tests/bench/report.h"

#include <errno.h>
#include <string.h>

bool bench_report_possible(const struct bench_options *options)
{
    const char *const paths[] = {options->output, options->svg, options->markdown};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        FILE *out = paths[i] ? fopen(paths[i], "a") : NULL; /* what is there stays until the report is ready */
        if (paths[i] && !out) {
            fprintf(stderr, "bench: %s cannot be written: %s\n", paths[i], strerror(errno));
            return false;
        }
        if (out)
            fclose(out);
    }
    return true;
}

/* Writes one form into a file, or nothing when the path is NULL. False: the file cannot be written, stderr says why. */
static bool write_file(const char *path, void (*write)(FILE *out, const struct bench_results *results),
                       const struct bench_results *results)
{
    if (!path)
        return true;
    FILE *out = fopen(path, "w");
    bool good = out != NULL;
    if (good) {
        write(out, results);
        good = ferror(out) == 0;
        good = fclose(out) == 0 && good;
    }
    if (!good)
        fprintf(stderr, "bench: %s cannot be written: %s\n", path, strerror(errno));
    return good;
}

int bench_report(const struct bench_results *results, const struct bench_options *options)
{
    bench_write_markdown(stdout, results);
    const bool html = write_file(options->output, bench_write_html, results);
    const bool svg = write_file(options->svg, bench_write_chart, results);
    const bool markdown = write_file(options->markdown, bench_write_ratios, results);
    return html && svg && markdown && fflush(stdout) == 0 ? 0 : 1;
}
