/* control_answer.c - one request: from a line to a command with checked parameters, and from a result to lines.
 * Called by control_client.c; the functions of control.h by commands.
 * Invariant: a command runs only with members that it declares, each of its declared type.
 * Locks: none; the thread that has the request alone. Parameters may be read in a snapshot's child, too: nothing there
 * allocates.
 */
#include "core/runtime/control_server.h"

#include "core/base/check.h"
#include "core/base/panic.h"
#include "core/base/suggest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 16 /* of a request: jansson's parser recurses, on a small stack */
#define MAX_NAMES 48 /* of commands, or members of one */

static const struct sgc_control_parameter no_parameters[] = {{0}};

static const struct sgc_control_parameter *command_parameters(const struct sgc_control_command *command)
{
    return command->parameters ? command->parameters : no_parameters;
}

/* ---- refusing */

int sgc_control_fail(struct sgc_control_request *request, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(request->error.message, sizeof(request->error.message), format, args);
    va_end(args);
    request->error.code = code;
    return code;
}

int sgc_control_fail_error(struct sgc_control_request *request, const struct sgc_error *error)
{
    request->error = *error;
    return error->code;
}

/* ---- reading a request */

/* True when brackets outside strings nest deeper than MAX_DEPTH. */
static bool line_is_deep(const char *line, size_t bytes)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < bytes; i++) {
        if (in_string && line[i] == '\\')
            i++;
        else if (line[i] == '"')
            in_string = !in_string;
        else if (!in_string && (line[i] == '{' || line[i] == '['))
            if (++depth > MAX_DEPTH)
                return true;
        if (!in_string && (line[i] == '}' || line[i] == ']') && depth > 0)
            depth--;
    }
    return false;
}

static json_t *line_parse(struct sgc_control_request *request, const char *line, size_t bytes)
{
    json_error_t fault;
    if (line_is_deep(line, bytes)) {
        sgc_control_fail(request, -EINVAL, "a request nests at most %d deep", MAX_DEPTH);
        return NULL;
    }
    json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &fault);
    if (!object)
        sgc_control_fail(request, -EINVAL, "no JSON object: %s at byte %d", fault.text, fault.position);
    else if (!json_is_object(object))
        sgc_control_fail(request, -EINVAL, "a request is a JSON object in one line");
    if (object && json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

static int request_take_id(struct sgc_control_request *request)
{
    const json_t *id = json_object_get(request->object, "id");
    if (!id)
        return 0;
    const size_t n = json_dumpb(id, request->id, sizeof(request->id) - 1, JSON_COMPACT | JSON_ENCODE_ANY);
    if (n > 0 && n < sizeof(request->id)) {
        request->id[n] = '\0';
        return 0;
    }
    strcpy(request->id, "null");
    return sgc_control_fail(request, -EINVAL, "an id has at most %d bytes", SGC_CONTROL_ID_BYTES - 1);
}

static int request_unknown_command(struct sgc_control_request *request, const char *name)
{
    const char *names[MAX_NAMES];
    size_t n = 0;
    for (const struct sgc_control_command *command; n < MAX_NAMES && (command = sgc_control_command_at(n)); n++)
        names[n] = command->name;
    const char *nearest = sgc_suggest(name, names, n);
    if (nearest)
        return sgc_control_fail(request, -EINVAL, "unknown command \"%.64s\"; did you mean \"%s\"?", name, nearest);
    return sgc_control_fail(request, -EINVAL, "unknown command \"%.64s\"; schema lists those there are", name);
}

static const struct sgc_control_parameter *command_find(const struct sgc_control_command *command, const char *name)
{
    const struct sgc_control_parameter *at = command_parameters(command);
    while (at->name && strcmp(at->name, name) != 0)
        at++;
    return at->name ? at : NULL;
}

static int request_unknown_member(struct sgc_control_request *request, const char *name)
{
    const char *names[MAX_NAMES] = {"id", "command"};
    char list[256] = "";
    size_t n = 2, length = 0;
    for (const struct sgc_control_parameter *at = command_parameters(request->command); at->name && n < MAX_NAMES;
         at++) {
        names[n++] = at->name;
        if (length < sizeof(list))
            length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", length ? ", " : "", at->name);
    }
    const char *nearest = sgc_suggest(name, names, n);
    if (nearest)
        return sgc_control_fail(request, -EINVAL, "%s: unknown member \"%.64s\"; did you mean \"%s\"?",
                                request->command->name, name, nearest);
    return sgc_control_fail(request, -EINVAL, "%s: unknown member \"%.64s\"; it takes %s", request->command->name, name,
                            length ? list : "none");
}

static int request_check_member(struct sgc_control_request *request, const char *name, const json_t *value)
{
    static const char *const types[] = {"a string", "a whole number that is not negative", "true or false"};
    const struct sgc_control_parameter *parameter = command_find(request->command, name);
    if (!parameter)
        return request_unknown_member(request, name);
    const bool fits = parameter->type == SGC_CONTROL_STRING ? json_is_string(value)
                      : parameter->type == SGC_CONTROL_INTEGER
                          ? json_is_integer(value) && json_integer_value(value) >= 0
                          : json_is_boolean(value);
    return fits ? 0
                : sgc_control_fail(request, -EINVAL, "%s: \"%s\" must be %s", request->command->name, name,
                                   types[parameter->type]);
}

static int request_check(struct sgc_control_request *request)
{
    const char *name;
    json_t *value;
    json_object_foreach (request->object, name, value) {
        if (strcmp(name, "id") == 0 || strcmp(name, "command") == 0)
            continue;
        const int code = request_check_member(request, name, value);
        if (code)
            return code;
    }
    for (const struct sgc_control_parameter *at = command_parameters(request->command); at->name; at++)
        if (at->required && !json_object_get(request->object, at->name))
            return sgc_control_fail(request, -EINVAL, "%s: \"%s\" is missing: %s", request->command->name, at->name,
                                    at->help);
    return 0;
}

static int request_find_command(struct sgc_control_request *request)
{
    const json_t *name = json_object_get(request->object, "command");
    if (!name)
        return sgc_control_fail(request, -EINVAL, "a request names its \"command\"");
    if (!json_is_string(name))
        return sgc_control_fail(request, -EINVAL, "\"command\" must be a string");
    request->command = sgc_control_find(json_string_value(name));
    return request->command ? 0 : request_unknown_command(request, json_string_value(name));
}

void sgc_control_request_begin(struct sgc_control_request *request, const char *line, size_t bytes, bool *fatal)
{
    memset(request, 0, sizeof(*request));
    request->fd = -1;
    strcpy(request->id, "null");
    request->object = line_parse(request, line, bytes);
    *fatal = !request->object;
    if (!request->object)
        return;
    int code = request_take_id(request);
    if (code == 0)
        code = request_find_command(request);
    if (code == 0)
        code = request_check(request);
    if (code)
        request->command = NULL;
}

void sgc_control_request_end(struct sgc_control_request *request)
{
    if (request->forget)
        request->forget(request->produce_arg);
    json_decref(request->result);
    json_decref(request->object);
    sgc_control_close_fd(&request->fd);
    request->forget = NULL;
    request->produce = NULL;
    request->command = NULL;
    request->result = request->object = NULL;
}

/* ---- parameters */

const char *sgc_control_text(const struct sgc_control_request *request, const char *name)
{
    return json_string_value(json_object_get(request->object, name));
}

bool sgc_control_integer(const struct sgc_control_request *request, const char *name, uint64_t *out)
{
    const json_t *value = json_object_get(request->object, name);
    if (value)
        *out = (uint64_t)json_integer_value(value);
    return value;
}

bool sgc_control_flag(const struct sgc_control_request *request, const char *name)
{
    return json_is_true(json_object_get(request->object, name));
}

const char *sgc_control_id(const struct sgc_control_request *request)
{
    return request->id;
}

int sgc_control_take_fd(struct sgc_control_request *request)
{
    SGC_GUARD(&sgc_control_lock);
    const int fd = request->fd;
    request->fd = -1;
    return fd;
}

/* ---- answering */

int sgc_control_result(struct sgc_control_request *request, json_t *result)
{
    json_decref(request->result);
    request->result = result;
    return result ? 0 : sgc_control_fail(request, -ENOMEM, "no memory for the answer");
}

void sgc_control_produce(struct sgc_control_request *request, sgc_control_produce_fn *produce, void *arg,
                         void (*forget)(void *arg))
{
    request->produce = produce;
    request->produce_arg = arg;
    request->forget = forget;
}

/* `before`, the JSON, `behind`; how many bytes, 0: more than a line has. */
static size_t write_json(char *out, size_t length, const json_t *json, const char *behind)
{
    const size_t room = SGC_CONTROL_LINE_BYTES - length - strlen(behind);
    const size_t n = json_dumpb(json, out + length, room, JSON_COMPACT | JSON_ENCODE_ANY);
    if (n == 0 || n > room)
        return 0;
    memcpy(out + length + n, behind, strlen(behind));
    return length + n + strlen(behind);
}

static size_t write_error(struct sgc_control_request *request, char *out)
{
    const char *name = strerrorname_np(-request->error.code);
    json_t *message = sgc_control_string(request->error.message);
    const int length =
        snprintf(out, SGC_CONTROL_LINE_BYTES,
                 "{\"id\":%s,\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":", request->id, name ? name : "EIO");
    const size_t n = message ? write_json(out, (size_t)length, message, "}}\n") : 0;
    json_decref(message);
    return n ? n
             : (size_t)snprintf(out, SGC_CONTROL_LINE_BYTES,
                                "{\"id\":%s,\"ok\":false,\"error\":{\"code\":\"ENOMEM\",\"message\":\"no memory\"}}\n",
                                request->id);
}

size_t sgc_control_write_result(struct sgc_control_request *request, char *out)
{
    if (request->error.code == 0 && request->result) {
        const int length = snprintf(out, SGC_CONTROL_LINE_BYTES, "{\"id\":%s,\"ok\":true,\"result\":", request->id);
        const size_t n = write_json(out, (size_t)length, request->result, "}\n");
        if (n)
            return n;
        sgc_control_fail(request, -E2BIG,
                         "the answer is longer than a line, %zu bytes: ask for less, one heap or key say",
                         SGC_CONTROL_LINE_BYTES);
    }
    if (request->error.code == 0)
        sgc_control_fail(request, -EIO, "%s gave no answer", request->command->name);
    return write_error(request, out);
}

size_t sgc_control_write_items(struct sgc_control_request *request, json_t *items, char *out)
{
    const int length = snprintf(out, SGC_CONTROL_LINE_BYTES, "{\"id\":%s,\"items\":", request->id);
    return write_json(out, (size_t)length, items, "}\n");
}

json_t *sgc_control_u64(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *sgc_control_string(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char copy[SGC_ERROR_MESSAGE_BYTES];
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = copy; *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    return json_string(copy);
}
