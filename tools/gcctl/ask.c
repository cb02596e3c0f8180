/* ask.c - one question to one process. See ask.h. Locks: none, one thread. */
#include "tools/gcctl/ask.h"

#include "tools/gcctl/print.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

json_t *gcctl_parameters(const struct gcctl_call *call, const char *const *names)
{
    json_t *parameters = json_object();
    for (; *names; names++) {
        const char *text = gcctl_text(call, *names);
        /* What is no UTF-8 is no name either; the process says so. */
        if (text)
            json_object_set_new(parameters, *names, json_string(text) ?: json_string("?"));
    }
    if (call->dry_run)
        json_object_set_new(parameters, "dry_run", json_true());
    return parameters;
}

json_t *gcctl_ask(const struct gcctl_call *call, const char *command, json_t *parameters, int *status)
{
    json_t *result = NULL;
    struct gcctl_client *client = gcctl_connect(call, NULL, status);
    if (client)
        result = gcctl_request(client, command, parameters, NULL, NULL, status);
    json_decref(parameters);
    gcctl_disconnect(client);
    return result;
}

int gcctl_only_heap(const struct gcctl_call *call, struct gcctl_client *client, json_t *parameters)
{
    int status = 0;
    char list[512] = "";
    json_t *name;
    size_t i;
    if (gcctl_text(call, "heap"))
        return 0;
    json_t *hello = gcctl_request(client, "hello", NULL, NULL, NULL, &status);
    if (!hello)
        return status;
    json_t *heaps = json_object_get(hello, "heaps");
    json_array_foreach (heaps, i, name) {
        const size_t length = strlen(list);
        snprintf(list + length, sizeof(list) - length, "%s%s", i ? ", " : "", json_string_value(name) ?: "?");
    }
    if (json_array_size(heaps) == 1)
        json_object_set(parameters, "heap", json_array_get(heaps, 0));
    else if (json_array_size(heaps) == 0)
        status = gcctl_error(EX_UNAVAILABLE, "process %ld has no heap open", (long)gcctl_client_pid(client));
    else
        status = gcctl_error(EX_USAGE, "which heap is meant? There are %s", list);
    json_decref(hello);
    return status;
}

const char *gcctl_would(const struct gcctl_call *call)
{
    return call->dry_run ? "would be " : "";
}
