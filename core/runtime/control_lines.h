/* control_lines.h - an answer in lines of JSON, written by the child of a snapshot (CONTROL.md has their form).
 * Items fill a line before it is sent; a result that would not fit leaves the rest of its list out and says how much.
 *
 *     struct sgc_lines lines = sgc_lines_to(request, fd);
 *     sgc_lines_items_begin(&lines);
 *     sgc_lines_items_add(&lines, put, &item);        any number of times
 *     sgc_lines_items_send(&lines);
 *     sgc_lines_result_begin(&lines);
 *     sgc_json_member_u64(&lines.json, "objects", n);
 *     return sgc_lines_result_send(&lines); */
#ifndef SLABGC_CORE_RUNTIME_CONTROL_LINES_H
#define SLABGC_CORE_RUNTIME_CONTROL_LINES_H

#include "core/base/json_line.h"
#include "core/runtime/control.h"

struct sgc_lines {
    struct sgc_json json; /* of the line that is being written */
    const char *id;
    int fd;
    unsigned n_items; /* in the line */
    bool failed;      /* nobody reads, or an item is too long: no more is written */
};
typedef void sgc_lines_put_fn(struct sgc_json *json, const void *item); /* writes one value */

struct sgc_lines sgc_lines_to(const struct sgc_control_request *request, int fd);

/* Lines of items. add: a line that is full goes out before. */
void sgc_lines_items_begin(struct sgc_lines *lines);
void sgc_lines_items_add(struct sgc_lines *lines, sgc_lines_put_fn *put, const void *item);
void sgc_lines_items_send(struct sgc_lines *lines);

/* The last line: members of the result are written between the two; what was begun otherwise is forgotten. send, and
 * error_send in place of both: the status to exit with. */
void sgc_lines_result_begin(struct sgc_lines *lines);
int sgc_lines_result_send(struct sgc_lines *lines);
int sgc_lines_error_send(struct sgc_lines *lines, const struct sgc_error *error);

/* A list inside the result, whose bracket is open: adds a value, or counts it in *n_omitted when the line is full. end:
 * closes it, and adds the member "omitted" unless that is 0. */
void sgc_lines_list_add(struct sgc_lines *lines, sgc_lines_put_fn *put, const void *item, unsigned *n_omitted);
void sgc_lines_list_end(struct sgc_lines *lines, uint64_t n_omitted);

#endif
