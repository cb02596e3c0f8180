/* cmd_report.c - gcctl report: one page about a process, a recording or a program, with the result of a tune.
 * Collecting is in report_collect.c and report_trace.c, the page in report_page.c and the files of its sections. */
#include "tools/gcctl/print.h"
#include "tools/gcctl/report.h"
#include "tools/gcctl/temporary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static volatile int interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static bool is_recording(const char *source)
{
    struct stat about;
    return source && !stat(source, &about) && S_ISREG(about.st_mode);
}

static int collect(struct gcctl_report *report, const struct gcctl_call *call)
{
    const char *source = gcctl_text(call, "source"), *recording = gcctl_text(call, "recording"),
               *tune = gcctl_text(call, "tune");
    const struct gcctl_report_options options = {
        .for_ns = gcctl_number(call, "for", call->program ? 600000000000 : 5000000000),
        .stop = &interrupted,
        .without_recording = recording || gcctl_flag(call, "no-record")};
    int status = 0;
    if (tune)
        status = gcctl_report_tune(report, tune);
    if (!status && recording)
        status = gcctl_report_recording(report, recording);
    if (status)
        return status;
    if (call->program)
        return gcctl_report_program(report, call->program, &options);
    if (is_recording(source))
        return gcctl_report_recording(report, source);
    if (!source && !gcctl_text(call, "pid") && (tune || recording))
        return 0;
    struct gcctl_client *client = gcctl_connect(call, source, &status);
    if (!client) {
        if (status == EX_UNAVAILABLE)
            gcctl_note_no_file(source);
        return status;
    }
    status = gcctl_report_process(report, client, &options);
    gcctl_disconnect(client);
    return status;
}

/* The command as it was typed, for the page's foot. */
static void say_how(struct gcctl_report *report, const struct gcctl_call *call)
{
    const char *const names[][2] = {
        {"tune", " --tune "}, {"recording", " --recording "}, {"pid", " -p "}, {"source", " "}};
    size_t n = (size_t)snprintf(report->how, sizeof(report->how), "gcctl report -o %.200s", gcctl_text(call, "output"));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && n < sizeof(report->how); i++)
        if (gcctl_text(call, names[i][0]))
            n += (size_t)snprintf(report->how + n, sizeof(report->how) - n, "%s%s", names[i][1],
                                  gcctl_text(call, names[i][0]));
    for (size_t i = 0; call->program && call->program[i] && n < sizeof(report->how); i++)
        n += (size_t)snprintf(report->how + n, sizeof(report->how) - n, "%s%s", i ? " " : " -- ", call->program[i]);
}

static int write_page(const struct gcctl_report *report, const char *path)
{
    FILE *out = strcmp(path, "-") ? fopen(path, "w") : stdout;
    if (!out)
        return gcctl_error(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    gcctl_report_write(out, report);
    return gcctl_output_end(out, path, 0);
}

static int run(struct gcctl_call *call)
{
    struct gcctl_report report;
    const char *path = gcctl_text(call, "output");
    if (!path)
        return gcctl_error(EX_USAGE, "report: -o FILE is wanted: where the page goes (\"-\": stdout)");
    if (call->program && gcctl_text(call, "source"))
        return gcctl_error(EX_USAGE, "report: either a process or recording, or a program behind \"--\"");
    gcctl_temporary_guard(on_interrupt);
    gcctl_report_init(&report);
    int status = collect(&report, call);
    const bool something = json_array_size(report.samples.stats) || *report.recording || report.tune;
    if (!status && something) {
        say_how(&report, call);
        status = write_page(&report, path);
    }
    if (!status && something && strcmp(path, "-"))
        gcctl_note("%s: written", path);
    gcctl_report_fini(&report);
    return !status && interrupted && !something ? 130 : status;
}

static const struct gcctl_option arguments[] = {
    {.name = "source",
     .kind = GCCTL_FILE,
     .value = "PROCESS|RECORDING",
     .help = "A pid, a program's name, or a file that gcctl record wrote"},
    {0},
};

static const struct gcctl_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "Where the page goes (\"-\": stdout)"},
    {.name = "for",
     .kind = GCCTL_DURATION,
     .value = "DURATION",
     .help = "Watch a process for so long (default 5s), end a program after so long (default 10min)"},
    {.name = "tune",
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "The result of gcctl tune --result FILE, for its charts"},
    {.name = "recording",
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "A recording, for lifetimes, beside a process or a program"},
    {.name = "no-record", .kind = GCCTL_FLAG, .help = "Do not run the program a second time to record it"},
    {0},
};

const struct gcctl_command gcctl_command_report = {
    .name = "report",
    .group = "Tuning",
    .summary = "One page about a process, a program or a recording",
    .description = "Writes one HTML page that stands alone, without network: heaps over time with their pauses, how "
                   "pauses are distributed, occupancy of slabs, lifetimes of objects "
                   "by cache, the points of a tune and what its parameters matter, and the config that differs from "
                   "the defaults, to be copied. Each chart has its figures as a table. "
                   "What there are no data for says how to get them.\n\n"
                   "A process is watched for --for: two answers of its control thread each 25 ms, and a snapshot of "
                   "its slabs at the begin and end. A program is run twice, to its end: once "
                   "to measure it, once to record it (its output is thrown away). A recording has lifetimes and live "
                   "bytes alone. With --tune or --recording alone the page has only those.",
    .examples = "gcctl report -o report.html wordgraph --for 10s\n"
                "gcctl report -o report.html -- ./program --its-option\n"
                "gcctl report -o report.html words.rec --tune tune.json",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_LIVE | GCCTL_PROGRAM,
    .run = run,
};
