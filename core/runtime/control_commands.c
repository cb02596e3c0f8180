/* control_commands.c - the list of commands; hello, schema, go.
 * Called by control_answer.c for names, by control_client.c for the rest.
 * Locks: the read lock (runtime.h) for the names of heaps. */
#include "core/runtime/control_server.h"

#include "core/base/check.h"
#include "core/heap/record.h"
#include "core/heap/section.h"
#include "core/os/process.h"
#include "core/runtime/runtime.h"
#include <slabgc/config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_BYTES 8192 /* of the command line that hello shows */

#define N_AT_ONCE 3 /* groups whose commands take no turn and wait for no stop */
static const struct sgc_control_command *const groups[] = {
    sgc_control_basic_commands,
    sgc_control_stat_commands,
    sgc_control_log_commands, /* N_AT_ONCE: up to here */
    sgc_control_config_commands,
    sgc_control_act_commands,
    sgc_control_inspect_commands,
    sgc_control_plugin_commands,
    sgc_control_record_commands,
};

const struct sgc_control_command *sgc_control_command_at(size_t i)
{
    for (size_t group = 0; group < SGC_ARRAY_LEN(groups); group++)
        for (const struct sgc_control_command *at = groups[group]; at->name; at++)
            if (i-- == 0)
                return at;
    return NULL;
}

bool sgc_control_is_at_once(const struct sgc_control_command *command)
{
    for (size_t group = 0; group < N_AT_ONCE; group++)
        for (const struct sgc_control_command *at = groups[group]; at->name; at++)
            if (at == command)
                return true;
    return false;
}

const struct sgc_control_command *sgc_control_find(const char *name)
{
    const struct sgc_control_command *command;
    for (size_t i = 0; (command = sgc_control_command_at(i)); i++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* ---- hello */

static json_t *hello_arguments(void)
{
    char text[ARGUMENTS_BYTES];
    json_t *list = json_array();
    const ssize_t n = sgc_os_process_arguments(text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    for (const char *at = text; n > 0 && at < text + n; at += strlen(at) + 1)
        json_array_append_new(list, sgc_control_string(at));
    return list;
}

static json_t *hello_heaps(void)
{
    json_t *list = json_array();
    sgc_runtime_read_begin();
    SGC_LIST_FOR_EACH (link, sgc_runtime_heaps())
        json_array_append_new(list, json_string(SGC_LIST_ENTRY(link, struct sgc_open_heap, link)->heap->name));
    sgc_runtime_read_end();
    return list;
}

static int hello_run(struct sgc_control_request *request)
{
    uint64_t began = 0;
    sgc_os_process_start(0, &began);
    const bool fenced = __atomic_load_n(&sgc_stop_flag, __ATOMIC_RELAXED) & SGC_STOP_FENCED;
    return sgc_control_result(
        request, json_pack("{s:i, s:s, s:i, s:o, s:o, s:o, s:i, s:o, s:o, s:b, s:b}", "protocol", SGC_CONTROL_PROTOCOL,
                           "slabgc", sgc_version(), "pid", (int)getpid(), "start", sgc_control_u64(began), "program",
                           sgc_control_string(program_invocation_short_name), "command_line", hello_arguments(), "uid",
                           (int)geteuid(), "uptime_ns", sgc_control_u64(sgc_os_process_age_ns(began)), "heaps",
                           hello_heaps(), "recording", (int)sgc_record_is_running(),
                           "membarrier", (int)!fenced));
}

/* ---- schema */

static json_t *schema_parameters(const struct sgc_control_parameter *at)
{
    static const char *const types[] = {"string", "integer", "boolean"};
    json_t *list = json_array();
    for (; at && at->name; at++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s}", "name", at->name, "type", types[at->type],
                                              "required", (int)at->required, "help", at->help));
    return list;
}

static int schema_run(struct sgc_control_request *request)
{
    static const char *const stops[] = {"no", "short", "snapshot"};
    json_t *list = json_array();
    const struct sgc_control_command *command;
    for (size_t i = 0; (command = sgc_control_command_at(i)); i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", command->name, "summary", command->summary,
                                        "stops", stops[command->stops], "pieces", (int)command->pieces, "parameters",
                                        schema_parameters(command->parameters)));
    return sgc_control_result(request, json_pack("{s:i, s:o}", "protocol", SGC_CONTROL_PROTOCOL, "commands", list));
}

/* ---- go */

/* The program goes on when the answer is out: it may end at once, and this thread with it. */
static int go_run(struct sgc_control_request *request)
{
    request->answered = sgc_control_go;
    return sgc_control_result(request, json_object());
}

const struct sgc_control_command sgc_control_basic_commands[] = {
    {"hello", "Who answers: process, program, heaps", SGC_CONTROL_STOPS_NO, false, NULL, hello_run, NULL},
    {"schema", "The commands there are, and their parameters", SGC_CONTROL_STOPS_NO, false, NULL, schema_run, NULL},
    {"go", "Ends the wait of the first heap", SGC_CONTROL_STOPS_NO, false, NULL, go_run, NULL},
    {0},
};
