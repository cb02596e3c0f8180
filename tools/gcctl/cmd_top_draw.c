/* cmd_top_draw.c - gcctl top on a terminal (ncurses). Waits for a key or the next sample, whichever is first; nothing
 * is drawn in between. While the screen is curses', messages of requests go to a file in memory and are printed when
 * the terminal is back. One thread. */
#include "tools/gcctl/cmd_top.h"

#include "tools/gcctl/print.h"

#include <inttypes.h>
#include <locale.h>
#include <ncurses.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_PARAMETERS 64

struct screen {
    struct gcctl_top_source *source;
    size_t selected; /* index into order */
    size_t first;    /* row at the top of the list */
    bool halted, filtering, help;
    char details[128]; /* the heap whose details are shown; "": the list */
    json_t *values;    /* result of `get` for details */
};

static const int64_t intervals_ms[] = {100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000};

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* ---- drawing */

static void put(int y, int x, int width, bool right, const char *text)
{
    if (width > 0 && right)
        mvprintw(y, x, "%*.*s", width, width, text);
    else if (width > 0)
        mvprintw(y, x, "%-*.*s", width, width, text);
}

/* Width of the name's column; columns that do not fit are left out from the right. */
static int name_width(int *n_columns)
{
    int used = 0, name;
    *n_columns = 1;
    for (int i = 1; i < GCCTL_TOP_COLUMNS; i++) {
        if (used + gcctl_top_columns[i].width + 1 > COLS - 16)
            break;
        used += gcctl_top_columns[i].width + 1;
        *n_columns = i + 1;
    }
    name = COLS - used;
    return name > 48 ? 48 : name;
}

static void draw_titles(const struct gcctl_top *top, int y, int name, int n_columns)
{
    attron(A_REVERSE);
    mvprintw(y, 0, "%*s", COLS, "");
    for (int i = 0, x = 0; i < n_columns; i++) {
        char title[32];
        const int width = i ? gcctl_top_columns[i].width : name;
        snprintf(title, sizeof(title), "%s%s", gcctl_top_columns[i].title,
                 gcctl_top_columns[i].key == (int)top->key ? (top->reversed ? "^" : "v") : "");
        put(y, x, width, i >= 2, title);
        x += width + 1;
    }
    attroff(A_REVERSE);
}

static void draw_row(const struct gcctl_top_row *row, int y, int name, int n_columns, bool selected)
{
    char cells[GCCTL_TOP_COLUMNS][160];
    const attr_t look = selected ? A_STANDOUT : row->cache ? A_DIM : A_BOLD;
    gcctl_top_cells(row, cells);
    attron(look);
    mvprintw(y, 0, "%*s", selected ? COLS : 0, "");
    for (int i = 0, x = 0; i < n_columns; i++) {
        const int width = i ? gcctl_top_columns[i].width : name;
        put(y, x, width, i >= 2, cells[i]);
        x += width + 1;
    }
    attroff(look);
}

static void draw_list(struct screen *screen)
{
    const struct gcctl_top *top = screen->source->top;
    int n_columns;
    const int name = name_width(&n_columns), lines = LINES - 4 > 1 ? LINES - 4 : 1;
    if (screen->selected >= top->n_order)
        screen->selected = top->n_order ? top->n_order - 1 : 0;
    if (screen->selected < screen->first)
        screen->first = screen->selected;
    if (screen->selected >= screen->first + (size_t)lines)
        screen->first = screen->selected - (size_t)lines + 1;
    draw_titles(top, 2, name, n_columns);
    for (size_t i = screen->first; i < top->n_order && i < screen->first + (size_t)lines; i++)
        draw_row(&top->rows[top->order[i]], 3 + (int)(i - screen->first), name, n_columns, i == screen->selected);
    if (!top->n_order)
        mvprintw(4, 2, "%s", top->n_rows ? "no name has the filter's text in it" : "no heap is open");
}

static void draw_line(int *y, int x, const char *name, const char *value)
{
    if (*y < LINES - 1)
        mvprintw(*y, x, "%-16s %.*s", name, COLS - x - 18 > 0 ? COLS - x - 18 : 0, value);
    ++*y;
}

static void draw_bytes(int *y, const char *name, const json_t *heap, const char *key)
{
    char unit[GCCTL_UNIT_BYTES];
    const json_t *value = json_object_get(heap, key);
    draw_line(y, 2, name, json_is_number(value) ? gcctl_bytes(unit, json_number_value(value)) : "none");
}

static void draw_count(int *y, const char *name, const json_t *heap, const char *key)
{
    char unit[GCCTL_UNIT_BYTES];
    draw_line(y, 2, name, gcctl_count(unit, gcctl_figure(heap, key)));
}

/* Bars by powers of two: histograms of core have eight steps in each. */
static void draw_histogram(int *y, const char *title, const struct gcctl_buckets *buckets)
{
    uint64_t sums[64] = {0}, most = 0;
    char a[GCCTL_UNIT_BYTES], b[GCCTL_UNIT_BYTES], c[GCCTL_UNIT_BYTES];
    const int room = COLS - 26 > 4 ? COLS - 26 : 4;
    int from = 63, to = 0;
    if (*y < LINES - 1)
        mvprintw(*y, 0, "%s: %" PRIu64 ", p50 %s, p99 %s, max %s", title, buckets->n,
                 gcctl_duration(a, (double)gcctl_buckets_quantile(buckets, 0.5)),
                 gcctl_duration(b, (double)gcctl_buckets_quantile(buckets, 0.99)),
                 gcctl_duration(c, (double)buckets->max_ns));
    ++*y;
    for (size_t i = 0; i < buckets->n_buckets; i++) {
        const uint64_t upper = buckets->buckets[i].upper_ns;
        const int power = upper > 1 ? 63 - __builtin_clzll(upper - 1) : 0;
        sums[power] += buckets->buckets[i].n;
        most = sums[power] > most ? sums[power] : most;
        from = power < from ? power : from;
        to = power > to ? power : to;
    }
    for (int i = from; i <= to && most && *y < LINES - 1; i++, ++*y) {
        const int length = (int)((double)sums[i] / (double)most * room + 0.999);
        mvprintw(*y, 2, "<%8s %8" PRIu64 " ", gcctl_duration(a, (double)(UINT64_C(2) << i)), sums[i]);
        for (int j = 0; j < length && j < room; j++)
            addch('#');
    }
}

static void draw_parameters(int *y, const struct screen *screen, const char *strategy, const char *heap)
{
    char section[160], own[160], name[64], value[256];
    size_t i, n = 0;
    json_t *item;
    snprintf(section, sizeof(section), "strategy.%s", strategy);
    snprintf(own, sizeof(own), "heap.%s", heap);
    json_array_foreach (json_object_get(screen->values, "values"), i, item) {
        const char *of = gcctl_figure_text(item, "section");
        if ((strcmp(of, section) && strcmp(of, own)) || n++ == MAX_PARAMETERS)
            continue;
        snprintf(name, sizeof(name), "%s", gcctl_figure_text(item, "key"));
        snprintf(value, sizeof(value), "%s  (%s)", gcctl_figure_text(item, "value"), gcctl_figure_text(item, "origin"));
        draw_line(y, 2, name, value);
    }
}

static void draw_details(struct screen *screen)
{
    const struct gcctl_top *top = screen->source->top;
    const json_t *heap = gcctl_figure_find(json_object_get(top->stat, "heaps"), "name", screen->details);
    const json_t *before = gcctl_figure_find(json_object_get(top->last_stat, "heaps"), "name", screen->details);
    struct gcctl_buckets all, now, earlier;
    int y = 2;
    if (!heap) {
        mvprintw(2, 0, "the heap \"%s\" has closed; Escape goes back", screen->details);
        return;
    }
    attron(A_BOLD);
    mvprintw(y++, 0, "%s: strategy %s", screen->details, gcctl_figure_text(heap, "strategy"));
    attroff(A_BOLD);
    draw_bytes(&y, "live", heap, "live_bytes");
    draw_count(&y, "live objects", heap, "live_objects");
    draw_bytes(&y, "held", heap, "held_bytes");
    draw_bytes(&y, "peak", heap, "peak_bytes");
    draw_bytes(&y, "memory limit", heap, "memory_limit_bytes");
    draw_count(&y, "minor", heap, "minor");
    draw_count(&y, "full", heap, "full");
    draw_count(&y, "visited last", heap, "last_visited");
    draw_bytes(&y, "retired", heap, "retired_bytes");
    draw_count(&y, "stalls", heap, "stalls");
    draw_parameters(&y, screen, gcctl_figure_text(heap, "strategy"), screen->details);
    gcctl_buckets_read(&all, json_object_get(heap, "pauses"));
    now = all;
    gcctl_buckets_read(&earlier, json_object_get(before, "pauses"));
    gcctl_buckets_subtract(&now, &earlier);
    y++;
    draw_histogram(&y, "pauses of the interval", &now);
    y++;
    draw_histogram(&y, "pauses since the heap opened", &all);
}

static void draw_help(void)
{
    static const char *const lines[] = {
        "q      quit                     space  halt and go on",
        "Enter  details of a heap        Escape back",
        "up, down, PgUp, PgDn  choose    t      with or without caches",
        "/      filter by name           + -    interval",
        "sort by: n name, l live, m memory, h held, a allocated, r reclaimed,",
        "         c collections, p pause;  R  the other way round",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        mvprintw(3 + (int)i, 2, "%s", lines[i]);
}

static void draw(struct screen *screen)
{
    char line[256];
    const struct gcctl_top *top = screen->source->top;
    erase();
    gcctl_top_headline(screen->source, line, sizeof(line));
    mvprintw(0, 0, "%.*s%s", COLS - 9 > 0 ? COLS - 9 : 0, line, screen->halted ? "  [HALTED]" : "");
    if (screen->help)
        draw_help();
    else if (screen->details[0])
        draw_details(screen);
    else
        draw_list(screen);
    if (screen->filtering)
        mvprintw(LINES - 1, 0, "filter: %s_", top->filter);
    else if (top->filter[0])
        mvprintw(LINES - 1, 0, "filter: %s   (/ changes it)   ? help   q quit", top->filter);
    else
        mvprintw(LINES - 1, 0, "%.*s", COLS > 1 ? COLS - 1 : 0,
                 "q quit   Enter details   / filter   n l m h a r c p sort   space halt   ? help");
    refresh();
}

/* ---- keys */

static void change_interval(struct gcctl_top_source *source, bool longer)
{
    const size_t n = sizeof(intervals_ms) / sizeof(*intervals_ms);
    int64_t next = source->interval_ns;
    for (size_t i = 0; i < n; i++) {
        const int64_t ns = intervals_ms[i] * 1000000;
        if (longer && ns > source->interval_ns) {
            next = ns;
            break;
        }
        if (!longer && ns < source->interval_ns)
            next = ns;
    }
    source->interval_ns = next;
}

static void filter_key(struct screen *screen, int key)
{
    char *filter = screen->source->top->filter;
    size_t n = strlen(filter);
    if (key == '\n' || key == '\r' || key == KEY_ENTER) {
        screen->filtering = false;
    } else if (key == 27) {
        screen->filtering = false;
        filter[0] = 0;
    } else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && n) {
        filter[n - 1] = 0;
    } else if (key >= 32 && key < 127 && n + 1 < sizeof(screen->source->top->filter)) {
        filter[n] = (char)key;
        filter[n + 1] = 0;
    }
    screen->selected = screen->first = 0;
    gcctl_top_arrange(screen->source->top);
}

static bool sort_key(struct gcctl_top *top, int key)
{
    static const char letters[] = "nlmharcp";
    const char *at = key > 0 && key < 128 ? strchr(letters, key) : NULL;
    if (!at || !*at)
        return false;
    top->key = (enum gcctl_top_key)(at - letters);
    gcctl_top_arrange(top);
    return true;
}

static void show_details(struct screen *screen)
{
    int status;
    const struct gcctl_top *top = screen->source->top;
    if (screen->selected >= top->n_order)
        return;
    snprintf(screen->details, sizeof(screen->details), "%s", top->rows[top->order[screen->selected]].heap);
    json_decref(screen->values);
    screen->values = gcctl_request(screen->source->client, "get", NULL, NULL, NULL, &status);
}

static void move_by(struct screen *screen, long by)
{
    const long n = (long)screen->source->top->n_order;
    long at = (long)screen->selected + by;
    at = at >= n ? n - 1 : at;
    screen->selected = at > 0 ? (size_t)at : 0;
}

/* False: the user is done. */
static bool take_key(struct screen *screen, int key)
{
    struct gcctl_top *top = screen->source->top;
    if (screen->filtering) {
        filter_key(screen, key);
        return true;
    }
    screen->help = key == '?' && !screen->help;
    if (key == 'q' || key == 'Q')
        return false;
    if (key == 27)
        screen->details[0] = 0;
    else if (key == '\n' || key == '\r' || key == KEY_ENTER)
        show_details(screen);
    else if (key == ' ')
        screen->halted = !screen->halted;
    else if (key == '/')
        screen->filtering = true;
    else if (key == '+' || key == '-')
        change_interval(screen->source, key == '+');
    else if (key == 'R' || key == 't') {
        top->reversed ^= key == 'R';
        top->without_caches ^= key == 't';
        gcctl_top_arrange(top);
    } else if (key == KEY_UP || key == KEY_DOWN)
        move_by(screen, key == KEY_UP ? -1 : 1);
    else if (key == KEY_PPAGE || key == KEY_NPAGE)
        move_by(screen, key == KEY_PPAGE ? -(LINES - 5) : LINES - 5);
    else
        sort_key(top, key);
    return true;
}

static int draw_until_end(struct screen *screen)
{
    struct gcctl_top_source *source = screen->source;
    int64_t shown = 0, next_ns = now_ns();
    int status = gcctl_top_sample(source);
    while (!status) {
        draw(screen);
        next_ns = now_ns() + (shown ? source->interval_ns : 200000000); /* the first rates come soon */
        for (int key; !status;) {
            const int64_t left_ms = (next_ns - now_ns()) / 1000000;
            if (left_ms <= 0 && !screen->halted)
                break;
            timeout(screen->halted ? 1000 : (int)left_ms + 1);
            if ((key = getch()) == ERR)
                continue;
            if (!take_key(screen, key))
                return 0;
            if (key == '+' || key == '-')
                next_ns = now_ns() + source->interval_ns;
            draw(screen);
        }
        if (source->count && shown++ >= source->count)
            return 0;
        shown += !source->count;
        status = gcctl_top_sample(source);
    }
    return status;
}

static void replay_messages(int kept)
{
    char text[1024];
    ssize_t n;
    lseek(kept, 0, SEEK_SET);
    while ((n = read(kept, text, sizeof(text))) > 0)
        if (write(STDERR_FILENO, text, (size_t)n) < 0)
            return;
}

int gcctl_top_draw(struct gcctl_top_source *source)
{
    struct screen screen = {.source = source};
    const int kept = memfd_create("gcctl-messages", MFD_CLOEXEC), terminal = dup(STDERR_FILENO);
    setlocale(LC_CTYPE, "");
    set_escdelay(25);
    if (!newterm(NULL, stdout, stdin)) {
        close(kept);
        close(terminal);
        return gcctl_error(1, "this terminal ($TERM) is unknown; use --batch");
    }
    cbreak();
    noecho();
    keypad(stdscr, true);
    curs_set(0);
    if (kept >= 0)
        dup2(kept, STDERR_FILENO);
    const int status = draw_until_end(&screen);
    endwin();
    dup2(terminal, STDERR_FILENO);
    close(terminal);
    if (kept >= 0) {
        if (!source->ended)
            replay_messages(kept);
        close(kept);
    }
    json_decref(screen.values);
    return status;
}
