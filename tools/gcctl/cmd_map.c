/* cmd_map.c - gcctl map: how full each slab is, as a picture in the terminal, as SVG, or as JSON. A snapshot: the
 * process stops for a moment that does not depend on the heap's size, and a frozen copy of it answers. */
#include "tools/gcctl/cmd_map.h"

#include "tools/gcctl/print.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#define MOST_LINES 24 /* of cells, for one cache; more slabs share a cell */

/* ---- reading */

static int map_piece(void *arg, json_t *item)
{
    struct gcctl_map *map = arg;
    if (!map->keep_slots)
        json_object_del(item, "map");
    json_array_append(map->items, item);
    return 0;
}

static int compare_slabs(const void *left, const void *right)
{
    const struct gcctl_slab *a = left, *b = right;
    const int heaps = strcmp(a->heap, b->heap), caches = strcmp(a->cache, b->cache);
    if (heaps || caches)
        return heaps ? heaps : caches;
    return (a->order > b->order) - (a->order < b->order);
}

static int map_sort(struct gcctl_map *map)
{
    size_t i;
    json_t *item;
    map->slabs = calloc(json_array_size(map->items) + 1, sizeof(*map->slabs));
    if (!map->slabs)
        return gcctl_error(EX_OSERR, "out of memory");
    json_array_foreach (map->items, i, item) {
        map->slabs[map->n++] = (struct gcctl_slab){.heap = gcctl_figure_text(item, "heap"),
                                                   .cache = gcctl_figure_text(item, "cache"),
                                                   .bytes = gcctl_figure(item, "bytes"),
                                                   .slots = gcctl_figure(item, "slots"),
                                                   .used = gcctl_figure(item, "used"),
                                                   .order = i};
    }
    qsort(map->slabs, map->n, sizeof(*map->slabs), compare_slabs);
    return 0;
}

int gcctl_map_read(struct gcctl_client *client, const char *heap, const char *cache, struct gcctl_map *out)
{
    int status = 0;
    json_t *parameters = json_object();
    *out = (struct gcctl_map){.items = json_array(), .keep_slots = out->keep_slots};
    if (heap)
        json_object_set_new(parameters, "heap", json_string(heap));
    if (cache)
        json_object_set_new(parameters, "cache", json_string(cache));
    json_t *result = gcctl_request(client, "map", parameters, map_piece, out, &status);
    json_decref(parameters);
    if (!result)
        return status ? status : EX_UNAVAILABLE;
    json_decref(result);
    return map_sort(out);
}

void gcctl_map_fini(struct gcctl_map *map)
{
    free(map->slabs);
    json_decref(map->items);
    *map = (struct gcctl_map){0};
}

/* ---- characters */

/* Fullness in tenths: 0 empty, 1 to 10. */
static int tenth(double used, double slots)
{
    const double share = slots > 0 ? used / slots : 0;
    const int tenths = (int)ceil(share * 10 - 1e-9);
    return tenths < 0 ? 0 : tenths > 10 ? 10 : tenths;
}

static void put_cell(FILE *out, enum gcctl_map_form form, int tenths)
{
    static const char *const shades[] = {"·", "░", "▒", "▓", "█"};
    static const int colors[] = {240, 24, 24, 31, 31, 38, 38, 74, 74, 117, 195};
    static const char ascii[] = ".123456789#";
    const int shade = tenths ? 1 + (tenths > 3) + (tenths > 6) + (tenths > 9) : 0;
    if (form == GCCTL_MAP_ASCII)
        fputc(ascii[tenths], out);
    else if (form == GCCTL_MAP_UTF8)
        fputs(shades[shade], out);
    else
        fprintf(out, "\033[38;5;%dm%s\033[0m", colors[tenths], tenths ? "■" : "·");
}

static void put_legend(FILE *out, enum gcctl_map_form form)
{
    static const int color_steps[] = {0, 2, 4, 6, 8, 9, 10}, shade_steps[] = {0, 3, 6, 9, 10};
    if (form == GCCTL_MAP_ASCII) {
        fputs("a cell is a slab:  . empty  1 to 10% used ... 9 to 90%  # to 100%\n", out);
        return;
    }
    const int *steps = form == GCCTL_MAP_COLOR ? color_steps : shade_steps;
    const size_t n = form == GCCTL_MAP_COLOR ? sizeof(color_steps) / sizeof(int) : sizeof(shade_steps) / sizeof(int);
    fputs("a cell is a slab:", out);
    for (size_t i = 0; i < n; i++) {
        fputs("  ", out);
        put_cell(out, form, steps[i]);
        if (steps[i])
            fprintf(out, " to %d%%", steps[i] * 10);
        else
            fputs(" empty", out);
    }
    fputc('\n', out);
}

static size_t cells_of(FILE *out, const struct gcctl_slab *slabs, size_t n, enum gcctl_map_form form, size_t width)
{
    const size_t each = (n + width * MOST_LINES - 1) / (width * MOST_LINES);
    size_t cell = 0;
    for (size_t i = 0; i < n; i += each, cell++) {
        double used = 0, slots = 0;
        for (size_t j = i; j < n && j < i + each; j++) {
            used += slabs[j].used;
            slots += slabs[j].slots;
        }
        fputs(cell % width ? "" : cell ? "\n  " : "  ", out);
        put_cell(out, form, tenth(used, slots));
    }
    fputc('\n', out);
    return each;
}

static void draw_cache(FILE *out, const struct gcctl_slab *slabs, size_t n, enum gcctl_map_form form, size_t width)
{
    double used = 0, slots = 0, bytes = 0;
    char unit[GCCTL_UNIT_BYTES], a[GCCTL_UNIT_BYTES], b[GCCTL_UNIT_BYTES];
    for (size_t i = 0; i < n; i++) {
        used += slabs[i].used;
        slots += slabs[i].slots;
        bytes += slabs[i].bytes;
    }
    fprintf(out, "%s / %s: %zu slab%s, %s, %s of %s slots used (%.0f%%)\n", slabs->heap, slabs->cache, n,
            n == 1 ? "" : "s", gcctl_bytes(unit, bytes), gcctl_count(a, used), gcctl_count(b, slots),
            slots > 0 ? 100 * used / slots : 0);
    const size_t each = cells_of(out, slabs, n, form, width);
    if (each > 1)
        fprintf(out, "  (a cell stands for %zu slabs here)\n", each);
}

void gcctl_map_draw(FILE *out, const struct gcctl_map *map, enum gcctl_map_form form, size_t width)
{
    put_legend(out, form);
    for (size_t from = 0, to; from < map->n; from = to) {
        for (to = from + 1; to < map->n && !strcmp(map->slabs[from].heap, map->slabs[to].heap) &&
                            !strcmp(map->slabs[from].cache, map->slabs[to].cache);
             to++)
            ;
        fputc('\n', out);
        draw_cache(out, &map->slabs[from], to - from, form, width);
    }
    if (!map->n)
        fputs("no slab: nothing was allocated there\n", out);
}

/* ---- the command */

static size_t terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    long width = columns ? strtol(columns, NULL, 10) : 0;
    if (width <= 0 && isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        width = size.ws_col;
    width = width <= 0 ? 80 : width < 20 ? 20 : width > 400 ? 400 : width;
    return (size_t)width - 4;
}

static enum gcctl_map_form map_form(const struct gcctl_call *call)
{
    setlocale(LC_CTYPE, "");
    if (gcctl_flag(call, "ascii") || strcasecmp(nl_langinfo(CODESET), "UTF-8"))
        return GCCTL_MAP_ASCII;
    return call->color ? GCCTL_MAP_COLOR : GCCTL_MAP_UTF8;
}

static int write_svg(const char *path, const struct gcctl_map *map, struct gcctl_client *client)
{
    char title[256];
    int status;
    FILE *out = strcmp(path, "-") ? fopen(path, "w") : stdout;
    if (!out)
        return gcctl_error(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    const struct gcctl_slabs slabs = {map->n, map->slabs};
    json_t *hello = gcctl_request(client, "hello", NULL, NULL, NULL, &status);
    snprintf(title, sizeof(title), "slabgc: occupancy of the slabs of %.150s (%d)", gcctl_figure_text(hello, "program"),
             (int)gcctl_client_pid(client));
    json_decref(hello);
    gcctl_chart_map_file(out, &slabs, title);
    return gcctl_output_end(out, path, 0);
}

static int print_json(const struct gcctl_map *map)
{
    double slots = 0, used = 0;
    for (size_t i = 0; i < map->n; i++) {
        slots += map->slabs[i].slots;
        used += map->slabs[i].used;
    }
    return gcctl_print_json(
        json_pack("{s:O, s:I, s:I}", "slabs", map->items, "slots", (json_int_t)slots, "used", (json_int_t)used));
}

static int run(struct gcctl_call *call)
{
    int status = 0;
    struct gcctl_map map = {.keep_slots = call->json};
    const char *svg = gcctl_text(call, "svg");
    struct gcctl_client *client = gcctl_connect(call, NULL, &status);
    if (!client)
        return status;
    status = gcctl_map_read(client, gcctl_text(call, "heap"), gcctl_text(call, "cache"), &map);
    if (!status && svg)
        status = write_svg(svg, &map, client);
    if (!status && call->json)
        status = print_json(&map);
    else if (!status && !svg)
        gcctl_map_draw(stdout, &map, map_form(call), terminal_width());
    gcctl_map_fini(&map);
    gcctl_disconnect(client);
    return status;
}

static const struct gcctl_option arguments[] = {
    {.name = "heap", .kind = GCCTL_HEAP, .value = "HEAP", .help = "This heap alone"},
    {0},
};

static const struct gcctl_option options[] = {
    {.name = "cache", .letter = 'c', .kind = GCCTL_CACHE, .value = "CACHE", .help = "This cache alone"},
    {.name = "svg", .kind = GCCTL_FILE, .value = "FILE", .help = "Write the picture to FILE as SVG (\"-\": stdout)"},
    {.name = "ascii", .kind = GCCTL_FLAG, .help = "Draw with digits, as where the terminal is not UTF-8"},
    {0},
};

const struct gcctl_command gcctl_command_map = {
    .name = "map",
    .group = "See",
    .summary = "Occupancy of slabs as a picture",
    .description = "Draws one cell for each slab, by heap and cache: the fuller, the denser. A cache whose slabs are "
                   "many and nearly empty holds memory that no other can use; "
                   "gcctl reap gives empty slabs back. With --svg the same goes to a file that stands alone; --json "
                   "has the bits of the slots in use as well.\n\n"
                   "A snapshot: the process stops for a moment, which does not depend on the heap's size; a frozen "
                   "copy of it answers.",
    .examples = "gcctl map\n"
                "gcctl map words --cache word\n"
                "gcctl map --svg slabs.svg",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_READS | GCCTL_LIVE,
    .run = run,
};
