/* cmd_ps.c - gcctl ps: processes that have a control socket, one line each. */
#include "tools/gcctl/client.h"
#include "tools/gcctl/connection.h"
#include "tools/gcctl/print.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct ps {
    json_t *processes; /* array of objects: hello's members, and stat's as "stat" */
};

/* hello and stat of one process. It may end in between: it is then left out. */
static int ps_visit(void *arg, const char *path, json_t *hello)
{
    struct ps *ps = arg;
    struct gcctl_client *client;
    int status = 0;
    if (gcctl_connection_open(path, GCCTL_HELLO_TIMEOUT_NS, &client, NULL))
        return 0;
    json_t *stat = gcctl_request(client, "stat", NULL, NULL, NULL, &status);
    gcctl_disconnect(client);
    if (!stat)
        return 0;
    json_t *process = json_copy(hello);
    json_object_set_new(process, "socket", json_string(path));
    json_object_set_new(process, "stat", stat);
    return json_array_append_new(ps->processes, process) ? EX_OSERR : 0;
}

/* Values of a member of all heaps, each once: "generational, rcu". */
static void ps_join(json_t *heaps, const char *member, char *out, size_t out_bytes)
{
    json_t *heap, *seen = json_object();
    size_t i;
    out[0] = '\0';
    json_array_foreach (heaps, i, heap) {
        const char *text = json_string_value(json_object_get(heap, member));
        if (!text || json_object_get(seen, text))
            continue;
        json_object_set_new(seen, text, json_true());
        const size_t length = strlen(out);
        snprintf(out + length, out_bytes - length, "%s%s", length ? "," : "", text);
    }
    json_decref(seen);
}

static void ps_row(struct gcctl_table *table, json_t *process)
{
    char pid[24], user[64], uptime[GCCTL_UNIT_BYTES], heaps[256], strategies[256], live[GCCTL_UNIT_BYTES],
        rss[GCCTL_UNIT_BYTES];
    json_t *stat = json_object_get(process, "stat"), *list = json_object_get(stat, "heaps"), *heap;
    const uid_t uid = (uid_t)json_integer_value(json_object_get(process, "uid"));
    const struct passwd *account = getpwuid(uid);
    size_t i;
    double live_bytes = 0;
    json_array_foreach (list, i, heap)
        live_bytes += json_number_value(json_object_get(heap, "live_bytes"));
    snprintf(pid, sizeof(pid), "%lld", (long long)json_integer_value(json_object_get(process, "pid")));
    if (account)
        snprintf(user, sizeof(user), "%s", account->pw_name);
    else
        snprintf(user, sizeof(user), "%u", (unsigned)uid);
    ps_join(list, "name", heaps, sizeof(heaps));
    ps_join(list, "strategy", strategies, sizeof(strategies));
    gcctl_table_row(table,
                    (const char *[]){pid, json_string_value(json_object_get(process, "program")), user,
                                     gcctl_duration(uptime, json_number_value(json_object_get(process, "uptime_ns"))),
                                     heaps, strategies, gcctl_bytes(live, live_bytes),
                                     gcctl_bytes(rss, json_number_value(json_object_get(stat, "rss_bytes"))),
                                     json_string_value(json_object_get(process, "socket"))});
}

static int ps_run(struct gcctl_call *call)
{
    struct ps ps = {json_array()};
    json_t *process;
    size_t i, n_silent;
    int status = gcctl_for_each_process(ps_visit, &ps, &n_silent);
    if (status) {
        json_decref(ps.processes);
        return gcctl_error(status, "out of memory");
    }
    if (call->json)
        return gcctl_print_json(json_pack("{s:o}", "processes", ps.processes));
    struct gcctl_table *table = gcctl_table_create(call);
    gcctl_table_column(table, "PID", GCCTL_RIGHT);
    gcctl_table_column(table, "PROGRAM", 0);
    gcctl_table_column(table, "USER", 0);
    gcctl_table_column(table, "UPTIME", GCCTL_RIGHT);
    gcctl_table_column(table, "HEAPS", 0);
    gcctl_table_column(table, "STRATEGIES", 0);
    gcctl_table_column(table, "LIVE", GCCTL_RIGHT);
    gcctl_table_column(table, "RSS", GCCTL_RIGHT);
    gcctl_table_column(table, "SOCKET", 0);
    json_array_foreach (ps.processes, i, process)
        ps_row(table, process);
    if (json_array_size(ps.processes) == 0 && !n_silent)
        gcctl_note(
            "no process with a control socket runs; start one with SLABGC=control.socket=auto in its environment");
    gcctl_table_print(table);
    json_decref(ps.processes);
    return 0;
}

const struct gcctl_command gcctl_command_ps = {
    .name = "ps",
    .group = "See",
    .summary = "List the processes that have a control socket",
    .description =
        "Prints one line for each process of yours (as root: of everybody) whose config has [control] socket = auto: "
        "its pid, "
        "program and user, how long it has used slabgc, the names and strategies of its heaps, the bytes of live "
        "objects in "
        "all of them, the process's resident memory, and the socket's path. Sockets that a killed process left behind "
        "are removed.\n\n"
        "Costs a process two short questions; nobody is stopped. A process that does not answer within 3 s is named on "
        "stderr "
        "and left out. The exit status is 0, also when there is none.",
    .examples = "gcctl ps\ngcctl ps --json\n",
    .flags = GCCTL_READS,
    .run = ps_run,
};
