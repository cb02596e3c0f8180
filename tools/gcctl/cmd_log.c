/* cmd_log.c - gcctl log: what happened lately in a process, and what happens. */
#include "tools/gcctl/ask.h"
#include "tools/gcctl/connection.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* Both kinds of collection are found by their first word, "collection". */
#define KINDS "collection|stop|stall|limit|emergency|switch|reload|strategy"

struct log {
    const struct gcctl_call *call;
    int64_t offset_ns; /* from CLOCK_MONOTONIC to the time of day */
};

static bool log_wants(const struct gcctl_call *call, json_t *event)
{
    const char *kind, *heap = gcctl_text(call, "heap");
    size_t i = 0;
    if (heap && strcmp(gcctl_figure_text(event, "name"), heap) != 0)
        return false;
    for (; (kind = gcctl_text_at(call, "kind", i)); i++)
        if (strncmp(gcctl_figure_text(event, "kind"), kind, strlen(kind)) == 0)
            return true;
    return i == 0;
}

static bool log_ends(const char *text, const char *end)
{
    return strlen(text) > strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* "stop_ns": 1500000 is shown as "stop 1.5ms". */
static void log_value(const char *name, json_t *value)
{
    char text[GCCTL_UNIT_BYTES];
    const double number = json_number_value(value);
    if (strcmp(name, "kind") == 0 && json_is_integer(value))
        printf("  %s", number ? "full" : "minor");
    else if (json_is_string(value))
        printf("  %s %s", name, json_string_value(value));
    else if (log_ends(name, "_ns"))
        printf("  %.*s %s", (int)strlen(name) - 3, name, gcctl_duration(text, number));
    else if (log_ends(name, "_bytes"))
        printf("  %.*s %s", (int)strlen(name) - 6, name, gcctl_bytes(text, number));
    else
        printf("  %s %.0f", name, number);
}

static int log_piece(void *arg, json_t *event)
{
    const struct log *log = arg;
    if (!log_wants(log->call, event))
        return 0;
    if (log->call->json)
        return gcctl_print_json(json_incref(event));
    const int64_t at_ns = json_integer_value(json_object_get(event, "time_ns")) + log->offset_ns;
    const time_t seconds = (time_t)(at_ns / 1000000000);
    struct tm local;
    char clock[32];
    const char *key;
    json_t *value;
    strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&seconds, &local));
    printf("%s.%06d  %-16s %-16s", clock, (int)(at_ns % 1000000000 / 1000), gcctl_figure_text(event, "kind"),
           gcctl_figure_text(event, "name"));
    json_object_foreach (json_object_get(event, "values"), key, value)
        log_value(key, value);
    if (gcctl_figure(event, "thread") > 0)
        printf("  thread %.0f", gcctl_figure(event, "thread"));
    putchar('\n');
    if (gcctl_flag(log->call, "follow") && fflush(stdout))
        return gcctl_error(EX_IOERR, "cannot write to stdout: %s", strerror(errno));
    return 0;
}

static int log_run(struct gcctl_call *call)
{
    struct timespec now;
    int status;
    clock_gettime(CLOCK_REALTIME, &now);
    struct log log = {call, now.tv_sec * INT64_C(1000000000) + now.tv_nsec - gcctl_now_ns()};
    struct gcctl_client *client = gcctl_connect(call, NULL, &status);
    if (!client)
        return status;
    json_t *parameters = json_object();
    if (gcctl_text(call, "from"))
        json_object_set_new(parameters, "from", json_integer(gcctl_number(call, "from", 0)));
    if (gcctl_flag(call, "follow")) {
        json_object_set_new(parameters, "follow", json_true());
        gcctl_connection_timeout(client, INT64_MAX / 4);
    }
    json_t *result = gcctl_request(client, "log", parameters, log_piece, &log, &status);
    const double lost = gcctl_figure(result, "lost");
    if (lost > 0)
        gcctl_note("%.0f events were older than the process keeps, and are lost", lost);
    if (result && call->json)
        status = gcctl_print_json(json_incref(result));
    json_decref(result);
    json_decref(parameters);
    gcctl_disconnect(client);
    return status;
}

static const struct gcctl_option log_arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "Only the events of this heap"},
    {0},
};
static const struct gcctl_option log_options[] = {
    {.name = "follow",
     .letter = 'f',
     .kind = GCCTL_FLAG,
     .help = "Go on with events as they happen, until interrupted or the process ends"},
    {.name = "kind",
     .letter = 'k',
     .kind = GCCTL_CHOICE,
     .value = "KIND",
     .choices = KINDS,
     .help = "Only events of this kind; may come several times",
     .repeatable = true},
    {.name = "from",
     .kind = GCCTL_INTEGER,
     .value = "SEQUENCE",
     .help = "Begin with the event of this number, as \"next\" of an earlier --json says"},
    {0},
};

const struct gcctl_command gcctl_command_log = {
    .name = "log",
    .group = "See",
    .summary = "Show events: collections, stops, stalls, limits, changes",
    .description = "Prints the events that the process keeps, the last thousand or so, oldest first: time of day, "
                   "kind, name of the heap "
                   "(of the thread for a stall, of the strategy for a switch), the event's numbers, and the thread "
                   "that recorded it.\n\n"
                   "  collection  begins or ends: kind, live bytes; pause, objects visited\n"
                   "  stop        time until all threads were at rest, length of the stop, slowest thread\n"
                   "  stall       a section that is longer than the heap's stall_report\n"
                   "  limit       the memory limit was met; emergency: memory ran out\n"
                   "  switch      another strategy; reload: config was read again\n"
                   "  strategy    a plug-in was loaded\n\n"
                   "With --follow the process sends each event as it happens; when it ends, the exit status is 69. "
                   "With --json, prints one "
                   "object for each event, and at the end one with the number of the next event and how many were "
                   "lost. The process "
                   "copies its ring of events; nobody is stopped.",
    .examples = "gcctl log\ngcctl log -f --kind=collection --kind=limit\ngcctl log wordgraph --json\n",
    .arguments = log_arguments,
    .options = log_options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = log_run,
};
