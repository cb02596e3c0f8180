/* control_record.c - the commands record and record_stop.
 * Called by control_client.c. The recorder is core/heap/record*.c; its format <slabgc/recording.h>. A recording that
 * begins while heaps are open attaches its thread, as a collection does (control_act.c). Locks: in a turn
 * (runtime.h) over the look for the heap alone. */
#include "core/heap/record.h"
#include "core/runtime/control.h"
#include "core/runtime/runtime.h"

#include <errno.h>
#include <string.h>

/* A name is taken on trust only while no heap is open: before the program's first one, under `wait`. */
static int record_check_heap(struct sgc_control_request *request)
{
    struct sgc_open_heap *unused;
    int code = 0;
    sgc_runtime_begin("control");
    if (!sgc_list_empty(sgc_runtime_heaps()))
        code = sgc_control_heap(request, &unused);
    sgc_runtime_end();
    return code;
}

static int record_run(struct sgc_control_request *request)
{
    struct sgc_record_options options = {.heap = sgc_control_text(request, "heap"), .sample = 1};
    struct sgc_error error;
    const bool sampled = sgc_control_integer(request, "sample", &options.sample);
    if (sampled && options.sample == 0)
        return sgc_control_fail(request, -EINVAL, "sample is 0: one object in how many? 1 records everything");
    if (options.heap && strlen(options.heap) >= SGC_HEAP_NAME_BYTES)
        return sgc_control_fail(request, -EINVAL, "no heap has so long a name");
    (void)sgc_control_integer(request, "budget_bytes", &options.budget_bytes);
    const int code = record_check_heap(request);
    if (code < 0)
        return code;
    options.fd = sgc_control_take_fd(request);
    if (options.fd < 0)
        return sgc_control_fail(request, -EINVAL,
                                "record needs a SOCK_SEQPACKET socket to write to, sent along with the request");
    if (sgc_record_start(&options, &error) < 0)
        return sgc_control_fail_error(request, &error);
    return sgc_control_result(request, json_pack("{s:s}", "mode", options.sample > 1 ? "sampled" : "replayable"));
}

static int record_stop_run(struct sgc_control_request *request)
{
    struct sgc_record_totals totals;
    struct sgc_error error;
    if (sgc_record_stop(&totals, &error) < 0)
        return sgc_control_fail_error(request, &error);
    return sgc_control_result(request, json_pack("{s:o, s:o, s:o}", "events", sgc_control_u64(totals.n_events), "bytes",
                                                 sgc_control_u64(totals.n_bytes), "waited_ns",
                                                 sgc_control_u64(totals.waited_ns)));
}

static const struct sgc_control_parameter record_parameters[] = {
    {.name = "heap", .type = SGC_CONTROL_STRING, .help = "Records this heap alone"},
    {.name = "sample",
     .type = SGC_CONTROL_INTEGER,
     .help = "Records the begin and end of about one object in so many, which cannot be replayed"},
    {.name = "budget_bytes",
     .type = SGC_CONTROL_INTEGER,
     .help = "Memory for what the reader has not taken yet; beyond it the program waits"},
    {0},
};

const struct sgc_control_command sgc_control_record_commands[] = {
    {.name = "record",
     .summary = "Records what the program does with its heaps, to a socket sent along",
     .stops = SGC_CONTROL_STOPS_SHORT,
     .parameters = record_parameters,
     .run = record_run},
    {.name = "record_stop", .summary = "Ends the recording", .stops = SGC_CONTROL_STOPS_SHORT, .run = record_stop_run},
    {0},
};
