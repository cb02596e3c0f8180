/* control_log.c - the command log: recent events, and those to come.
 * Called by control_client.c. While somebody follows, the ring is looked at ten times a second; otherwise nobody looks.
 * Locks: none; the ring has none. */
#include "core/base/check.h"
#include "core/runtime/control.h"
#include "core/stats/events.h"

#include <errno.h>
#include <stdlib.h>

#define LOG_BATCH 128 /* events in a piece: some 350 bytes each, at most */

struct log {
    uint64_t next, n_lost;
    bool follow;
    struct sgc_event events[LOG_BATCH];
};

static json_t *log_values(const struct sgc_event *event)
{
    json_t *values = json_object();
    for (unsigned i = 0; i < SGC_ARRAY_LEN(event->n); i++) {
        const char *name = sgc_event_value_name(event->kind, i);
        if (name)
            json_object_set_new(values, name, sgc_control_u64(event->n[i]));
    }
    return values;
}

static json_t *log_event(const struct sgc_event *event)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:I, s:o}", "sequence", sgc_control_u64(event->sequence), "time_ns",
                     sgc_control_u64(event->timestamp_ns), "kind", sgc_event_kind_name(event->kind), "name",
                     sgc_control_string(event->name), "thread", (json_int_t)event->thread_id, "values",
                     log_values(event));
}

static json_t *log_produce(struct sgc_control_request *request, void *arg, enum sgc_control_state *state)
{
    struct log *log = arg;
    uint64_t n_lost;
    const size_t n = sgc_events_read(&log->next, log->events, LOG_BATCH, &n_lost);
    log->n_lost += n_lost;
    if (n > 0) {
        json_t *items = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(items, log_event(&log->events[i]));
        return items;
    }
    *state = log->follow ? SGC_CONTROL_MORE : SGC_CONTROL_END;
    if (!log->follow)
        sgc_control_result(
            request, json_pack("{s:o, s:o}", "next", sgc_control_u64(log->next), "lost", sgc_control_u64(log->n_lost)));
    return NULL;
}

static int log_run(struct sgc_control_request *request)
{
    struct log *log = calloc(1, sizeof(*log));
    if (!log)
        return sgc_control_fail(request, -ENOMEM, "no memory for events");
    sgc_control_integer(request, "from", &log->next);
    log->follow = sgc_control_flag(request, "follow");
    sgc_control_produce(request, log_produce, log, free);
    return 0;
}

static const struct sgc_control_parameter log_parameters[] = {
    {"from", SGC_CONTROL_INTEGER, false, "Sequence number of the first event wanted; the oldest there is"},
    {"follow", SGC_CONTROL_BOOLEAN, false, "Goes on with events as they happen, until the client closes"},
    {0},
};
const struct sgc_control_command sgc_control_log_commands[] = {
    {"log", "Recent events", SGC_CONTROL_STOPS_NO, true, log_parameters, log_run, NULL},
    {0},
};
