/* cmd_top.c - gcctl top: what heaps and caches do, sampled again and again. Batch and JSON forms here, the terminal's
 * in cmd_top_draw.c, figures and order in cmd_top_model.c. Costs the process two answers of its control thread for each
 * sample; nobody is stopped. */
#include "tools/gcctl/cmd_top.h"

#include "tools/gcctl/print.h"
#include "tools/gcctl/samples.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

int gcctl_top_sample(struct gcctl_top_source *source)
{
    int status = 0;
    source->ended = gcctl_peer_ended(source->client);
    if (source->ended)
        return EX_UNAVAILABLE;
    json_t *stat = gcctl_request(source->client, "stat", NULL, NULL, NULL, &status);
    json_t *caches = stat ? gcctl_request(source->client, "caches", NULL, NULL, NULL, &status) : NULL;
    if (!caches) {
        json_decref(stat);
        source->ended = gcctl_peer_ended(source->client);
        return status ? status : EX_UNAVAILABLE;
    }
    gcctl_top_feed(source->top, stat, caches);
    return 0;
}

void gcctl_top_headline(const struct gcctl_top_source *source, char *out, size_t out_bytes)
{
    char rss[GCCTL_UNIT_BYTES], every[GCCTL_UNIT_BYTES];
    size_t heaps = 0;
    for (size_t i = 0; i < source->top->n_rows; i++)
        heaps += !source->top->rows[i].cache;
    snprintf(out, out_bytes, "%s (%d)  rss %s  %zu heap%s  every %s", source->program,
             (int)gcctl_client_pid(source->client), gcctl_bytes(rss, gcctl_figure(source->top->stat, "rss_bytes")),
             heaps, heaps == 1 ? "" : "s", gcctl_duration(every, (double)source->interval_ns));
}

static void print_table(const struct gcctl_top_source *source)
{
    char cells[GCCTL_TOP_COLUMNS][160], line[256];
    const char *texts[GCCTL_TOP_COLUMNS];
    struct gcctl_table *table = gcctl_table_create(source->call);
    gcctl_top_headline(source, line, sizeof(line));
    printf("%s\n", line);
    for (size_t i = 0; i < GCCTL_TOP_COLUMNS; i++)
        gcctl_table_column(table, gcctl_top_columns[i].title, i >= 2 ? GCCTL_RIGHT : 0);
    for (size_t i = 0; i < source->top->n_order; i++) {
        gcctl_top_cells(&source->top->rows[source->top->order[i]], cells);
        for (size_t j = 0; j < GCCTL_TOP_COLUMNS; j++)
            texts[j] = cells[j];
        gcctl_table_row(table, texts);
    }
    gcctl_table_print(table);
}

static void wait_interval(int64_t ns)
{
    const struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    nanosleep(&time, NULL);
}

/* Prints a sample after each interval: rates need two. */
static int top_batch(struct gcctl_top_source *source)
{
    int status = gcctl_top_sample(source);
    for (int64_t i = 0; !status && (!source->count || i < source->count); i++) {
        wait_interval(source->interval_ns);
        if (interrupted)
            return 130;
        status = gcctl_top_sample(source);
        if (status)
            break;
        if (source->call->json)
            status = gcctl_print_json(gcctl_top_json(source->top));
        else
            print_table(source);
        if (!status && fflush(stdout))
            status = gcctl_error(EX_IOERR, "cannot write: %s", strerror(errno));
        if (!status && !source->call->json && i + 1 != source->count)
            putchar('\n');
    }
    return status;
}

static int top_key(const char *name)
{
    for (int key = 0; name && key < GCCTL_N_TOP_KEYS; key++)
        if (!strcmp(gcctl_top_key_names[key], name))
            return key;
    return GCCTL_TOP_MEMORY;
}

static void top_choose(struct gcctl_top *top, const struct gcctl_call *call)
{
    const char *filter = gcctl_text(call, "filter");
    gcctl_top_init(top);
    top->key = (enum gcctl_top_key)top_key(gcctl_text(call, "sort"));
    top->reversed = gcctl_flag(call, "reverse");
    top->without_caches = gcctl_flag(call, "heaps");
    snprintf(top->filter, sizeof(top->filter), "%s", filter ? filter : "");
}

static void top_program(struct gcctl_top_source *source)
{
    int status;
    json_t *hello = gcctl_request(source->client, "hello", NULL, NULL, NULL, &status);
    snprintf(source->program, sizeof(source->program), "%s", gcctl_figure_text(hello, "program"));
    json_decref(hello);
}

static int run(struct gcctl_call *call)
{
    struct gcctl_top top;
    int status = 0;
    const struct sigaction action = {.sa_handler = on_interrupt};
    struct gcctl_top_source source = {.call = call, .top = &top};
    source.client = gcctl_connect(call, gcctl_text(call, "process"), &status);
    if (!source.client)
        return status;
    const pid_t pid = gcctl_client_pid(source.client);
    top_choose(&top, call);
    top_program(&source);
    source.interval_ns = gcctl_number(call, "interval", 1000000000);
    source.count = gcctl_number(call, "count", 0);
    if (source.interval_ns < 10000000)
        source.interval_ns = 10000000;
    if (call->json || gcctl_flag(call, "batch") || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
        sigaction(SIGINT, &action, NULL);
        status = top_batch(&source);
    } else {
        status = gcctl_top_draw(&source);
    }
    if (source.ended) {
        gcctl_note("%s (%d) has ended", source.program, (int)pid);
        status = source.count ? EX_UNAVAILABLE : 0;
    }
    gcctl_top_fini(&top);
    gcctl_disconnect(source.client);
    return status;
}

static const struct gcctl_option arguments[] = {
    {.name = "process", .kind = GCCTL_PROCESS, .value = "PROCESS", .help = "Pid or program, where there are several"},
    {0},
};

static const struct gcctl_option options[] = {
    {.name = "interval",
     .letter = 'i',
     .kind = GCCTL_DURATION,
     .value = "DURATION",
     .help = "Time between samples (default 1s, at least 10ms)"},
    {.name = "count",
     .letter = 'n',
     .kind = GCCTL_INTEGER,
     .value = "N",
     .help = "End after N samples",
     .minimum = 1,
     .maximum = 1000000000},
    {.name = "sort",
     .letter = 's',
     .kind = GCCTL_CHOICE,
     .value = "KEY",
     .help = "Order of rows (default memory)",
     .choices = "name|live|memory|held|allocated|reclaimed|collections|pause"},
    {.name = "reverse", .letter = 'r', .kind = GCCTL_FLAG, .help = "Least first"},
    {.name = "filter",
     .letter = 'f',
     .kind = GCCTL_TEXT,
     .value = "TEXT",
     .help = "Only heaps, caches and strategies whose name has TEXT in it"},
    {.name = "heaps", .kind = GCCTL_FLAG, .help = "Heaps alone, without their caches"},
    {.name = "batch",
     .letter = 'b',
     .kind = GCCTL_FLAG,
     .help = "Print a table for each sample, as when the output is no terminal"},
    {0},
};

const struct gcctl_command gcctl_command_top = {
    .name = "top",
    .group = "See",
    .summary = "Live view of heaps and caches with rates",
    .description = "Shows each heap and its caches: objects live, their memory, memory held, and by the second between "
                   "two samples: allocations, objects reclaimed, "
                   "collections, and the 99th percentile of the pauses of that interval (\"-\": none).\n\n"
                   "Keys: q quits; up and down choose a heap, Enter shows its details (histograms of the interval and "
                   "since the heap opened, limits, parameters), Escape goes "
                   "back; n l m h a r c p sort by name, live, memory, held, allocated, reclaimed, collections, pause; "
                   "R turns the order round; t hides caches; / filters; "
                   "space halts; + and - change the interval.\n\n"
                   "Each sample costs the process two answers of its control thread and stops nobody.",
    .examples = "gcctl top\n"
                "gcctl top wordgraph --sort pause\n"
                "gcctl top --batch --count 10 --interval 500ms\n"
                "gcctl top --json --count 1",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = run,
};
