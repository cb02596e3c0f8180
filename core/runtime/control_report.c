/* control_report.c - final figures of each heap, appended to a file as JSON lines.
 * Called by runtime.c when a heap closes, by control.c at exit.
 * At exit other threads may be anywhere, and the one that exits may have come from a callback: nothing is waited for
 * but the locks under which figures are folded, and those are given up after a moment. Locks: the read lock (runtime.h)
 * at exit. */
#include "core/runtime/control_server.h"

#include "core/os/clock.h"
#include "core/os/process.h"
#include "core/runtime/control_stat.h"
#include "core/runtime/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_TRIES 50 /* of 2 ms */

char *sgc_control_report_path;

static char *report_line(const struct sgc_control_figures *figures, bool closed)
{
    uint64_t began = 0, cpu_ns, peak_rss_bytes;
    sgc_os_process_start(0, &began);
    sgc_os_process_usage(&cpu_ns, &peak_rss_bytes);
    json_t *line =
        json_pack("{s:i, s:o, s:i, s:b, s:o, s:o, s:o, s:o}", "report", 1, "program",
                  sgc_control_string(program_invocation_short_name), "pid", (int)getpid(), "closed", (int)closed,
                  "time_ns", sgc_control_u64(sgc_os_process_age_ns(began)), "cpu_ns", sgc_control_u64(cpu_ns),
                  "peak_rss_bytes", sgc_control_u64(peak_rss_bytes), "heap", sgc_control_figures_json(figures, true));
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    return text;
}

static void report_append(const struct sgc_control_figures *figures, bool closed)
{
    char *text = report_line(figures, closed);
    const size_t n = text ? strlen(text) : 0;
    int code = -ENOMEM;
    if (text) {
        text[n] = '\n'; /* in the place of the NUL: one write */
        code = sgc_os_append(sgc_control_report_path, text, n + 1);
    }
    free(text);
    if (code)
        sgc_warn("no report of heap %s: %s: %s", figures->name, sgc_control_report_path, strerrordesc_np(-code));
}

void sgc_control_report(struct sgc_heap *heap, bool closed)
{
    struct sgc_control_figures figures;
    sgc_control_figures(heap, &figures);
    report_append(&figures, closed);
}

void sgc_control_report_open_heaps(void)
{
    struct sgc_control_figures figures;
    bool more = true;
    for (size_t i = 0; more; i++) {
        unsigned tries = 0;
        while (!sgc_runtime_read_try()) {
            if (++tries == EXIT_TRIES) {
                sgc_warn("no report of the heaps that are open: they are in use");
                return;
            }
            sgc_os_sleep_ns(2000000);
        }
        size_t at = 0;
        more = false;
        SGC_LIST_FOR_EACH (link, sgc_runtime_heaps()) {
            if (at++ != i)
                continue;
            sgc_control_figures(SGC_LIST_ENTRY(link, struct sgc_open_heap, link)->heap, &figures);
            more = true;
        }
        sgc_runtime_read_end();
        if (more)
            report_append(&figures, false);
    }
}
