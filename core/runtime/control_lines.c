/* control_lines.c - the lines in which the child of a snapshot answers (control_lines.h).
 * Called by control_inspect.c, in the child: no allocation, no lock. One answer at a time: the buffer is the child's.
 * Invariant: a line that is sent is whole JSON, and has at most SGC_CONTROL_LINE_BYTES.
 * Locks: none. */
#include "core/runtime/control_lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TAIL_BYTES 64 /* kept free in a line for what closes it */

static char line_text[SGC_CONTROL_LINE_BYTES]; /* the child's */

static void line_begin(struct sgc_lines *lines)
{
    lines->json = sgc_json_on(line_text, sizeof(line_text) - TAIL_BYTES);
    lines->n_items = 0;
    sgc_json_open(&lines->json, '{');
    sgc_json_key(&lines->json, "id");
    sgc_json_raw(&lines->json, lines->id);
}

static void line_send(struct sgc_lines *lines)
{
    const struct sgc_json *json = &lines->json;
    lines->failed |= json->cut;
    for (size_t at = 0; at < json->n && !lines->failed;) {
        const ssize_t n = write(lines->fd, json->text + at, json->n - at);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR)
            lines->failed = true; /* EPIPE: SIGPIPE is blocked */
    }
}

void sgc_lines_items_begin(struct sgc_lines *lines)
{
    line_begin(lines);
    sgc_json_key(&lines->json, "items");
    sgc_json_open(&lines->json, '[');
}

void sgc_lines_items_send(struct sgc_lines *lines)
{
    if (lines->n_items == 0 || lines->failed)
        return;
    lines->json.room = sizeof(line_text);
    sgc_json_close(&lines->json, ']');
    sgc_json_close(&lines->json, '}');
    sgc_json_end_line(&lines->json);
    line_send(lines);
}

void sgc_lines_items_add(struct sgc_lines *lines, void (*put)(struct sgc_json *json, const void *item),
                         const void *item)
{
    for (unsigned attempt = 0; attempt < 2 && !lines->failed; attempt++) {
        const struct sgc_json before = lines->json;
        put(&lines->json, item);
        if (!lines->json.cut) {
            lines->n_items++;
            return;
        }
        lines->json = before;
        lines->failed |= lines->n_items == 0; /* too long for any line */
        sgc_lines_items_send(lines);
        sgc_lines_items_begin(lines);
    }
}

void sgc_lines_result_begin(struct sgc_lines *lines)
{
    line_begin(lines);
    sgc_json_member_bool(&lines->json, "ok", true);
    sgc_json_key(&lines->json, "result");
    sgc_json_open(&lines->json, '{');
}

int sgc_lines_result_send(struct sgc_lines *lines)
{
    lines->json.room = sizeof(line_text);
    sgc_json_close(&lines->json, '}');
    sgc_json_close(&lines->json, '}');
    sgc_json_end_line(&lines->json);
    line_send(lines);
    return lines->failed;
}

int sgc_lines_error_send(struct sgc_lines *lines, const struct sgc_error *error)
{
    const char *name = strerrorname_np(-error->code);
    line_begin(lines);
    sgc_json_member_bool(&lines->json, "ok", false);
    sgc_json_key(&lines->json, "error");
    sgc_json_open(&lines->json, '{');
    sgc_json_member_text(&lines->json, "code", name ? name : "EIO");
    sgc_json_member_text(&lines->json, "message", error->message);
    return sgc_lines_result_send(lines);
}

void sgc_lines_list_add(struct sgc_lines *lines, void (*put)(struct sgc_json *json, const void *item),
                        const void *item, unsigned *n_omitted)
{
    const struct sgc_json before = lines->json;
    if (*n_omitted == 0)
        put(&lines->json, item);
    if (*n_omitted > 0 || lines->json.cut) {
        lines->json = before;
        ++*n_omitted;
    }
}

void sgc_lines_list_end(struct sgc_lines *lines, uint64_t n_omitted)
{
    lines->json.room = sizeof(line_text);
    sgc_json_close(&lines->json, ']');
    if (n_omitted)
        sgc_json_member_u64(&lines->json, "omitted", n_omitted);
}

struct sgc_lines sgc_lines_to(const struct sgc_control_request *request, int fd)
{
    return (struct sgc_lines){.id = sgc_control_id(request), .fd = fd};
}
