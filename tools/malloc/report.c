/* report.c - what malloc's caches hold, for people and for programs that ask.
 * The constructor reads $SLABGC_MALLOC_STATS: "1" means standard error, anything else is a file to append to; each
 *   process of the program writes one report when it exits. The environment is ignored where secure_getenv ignores it.
 * The place to write to is opened at the start, as the program may change its directory, its user, or close its
 *   standard error; and is used at exit only if the descriptor still is that file.
 * The report leaves in one write, so that those of several processes do not mix. Nothing here allocates. */
#include <slabgc/malloc.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_BYTES 8192
#define FD_LEAST 100 /* out of the way of programs that count on low numbers */

static struct {
    int fd; /* -1: no report is wanted */
    dev_t device;
    ino_t inode;
} report = {.fd = -1};

struct text {
    size_t length;
    char bytes[REPORT_BYTES];
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const size_t room = sizeof(text->bytes) - text->length;
    const int n = vsnprintf(text->bytes + text->length, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->length += (size_t)n < room ? (size_t)n : room - 1;
}

static void text_add_cache(struct text *text, const struct sgc_cache_stats *stats)
{
    text_add(text, "%-14s %10" PRIu64 " %12" PRIu64 " %12" PRIu64 " %14" PRIu64 " %14" PRIu64 "\n", stats->name,
             stats->n_live, (stats->live_bytes + 1023) / 1024, stats->slab_bytes / 1024, stats->n_allocated,
             stats->n_freed);
}

static void stats_add(struct sgc_cache_stats *total, const struct sgc_cache_stats *stats)
{
    total->n_live += stats->n_live;
    total->live_bytes += stats->live_bytes;
    total->slab_bytes += stats->slab_bytes;
    total->n_slabs += stats->n_slabs;
    total->n_allocated += stats->n_allocated;
    total->n_freed += stats->n_freed;
}

struct fold {
    struct text *text; /* NULL: sums alone */
    struct sgc_cache_stats small, large;
};

static int fold_cache(void *arg, struct sgc_cache *cache)
{
    struct fold *fold = arg;
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    stats_add(stats.slot_bytes ? &fold->small : &fold->large, &stats);
    if (fold->text)
        text_add_cache(fold->text, &stats);
    return 0;
}

static void report_fill(struct text *text)
{
    struct fold fold = {.text = text};
    text->length = 0;
    text_add(text, "slabgc malloc, process %ld (%s):\n%-14s %10s %12s %12s %14s %14s\n", (long)getpid(),
             program_invocation_short_name, "cache", "live", "live KiB", "held KiB", "allocated", "freed");
    (void)sgc_malloc_for_each(fold_cache, &fold);
    stats_add(&fold.small, &fold.large);
    strcpy(fold.small.name, "total");
    text_add_cache(text, &fold.small);
}

__attribute__((destructor(101))) static void report_write(void)
{
    struct stat now;
    struct text text;
    if (report.fd < 0 || fstat(report.fd, &now) != 0 || now.st_dev != report.device || now.st_ino != report.inode)
        return;
    report_fill(&text);
    for (size_t at = 0; at < text.length;) {
        const ssize_t n = write(report.fd, text.bytes + at, text.length - at);
        if (n < 0 && errno != EINTR)
            return;
        at += n > 0 ? (size_t)n : 0;
    }
}

__attribute__((constructor)) static void report_open(void)
{
    const char *value = secure_getenv("SLABGC_MALLOC_STATS");
    struct stat stat;
    const int saved_errno = errno;
    if (!value || !*value)
        return;
    int fd = STDERR_FILENO;
    if (strcmp(value, "1") != 0)
        fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    const int kept = fcntl(fd, F_DUPFD_CLOEXEC, FD_LEAST);
    if (fd > STDERR_FILENO)
        close(fd);
    if (kept >= 0 && fstat(kept, &stat) == 0) {
        report.device = stat.st_dev;
        report.inode = stat.st_ino;
        report.fd = kept;
    }
    errno = saved_errno;
}

/* ---- for programs that ask ---- */

static void fold_all(struct fold *fold)
{
    memset(fold, 0, sizeof(*fold));
    (void)sgc_malloc_for_each(fold_cache, fold);
}

__attribute__((visibility("default"))) struct mallinfo2 mallinfo2(void)
{
    struct fold fold;
    fold_all(&fold);
    return (struct mallinfo2){
        .arena = fold.small.slab_bytes,
        .hblks = fold.large.n_live,
        .hblkhd = fold.large.slab_bytes,
        .uordblks = fold.small.live_bytes + fold.large.live_bytes,
        .fordblks = fold.small.slab_bytes > fold.small.live_bytes ? fold.small.slab_bytes - fold.small.live_bytes : 0,
    };
}

/* The old form, whose fields are int: what does not fit is shown as the greatest there is. */
static int as_int(size_t value)
{
    return value < INT_MAX ? (int)value : INT_MAX;
}

__attribute__((visibility("default"))) struct mallinfo mallinfo(void)
{
    const struct mallinfo2 info = mallinfo2();
    return (struct mallinfo){
        .arena = as_int(info.arena),
        .hblks = as_int(info.hblks),
        .hblkhd = as_int(info.hblkhd),
        .uordblks = as_int(info.uordblks),
        .fordblks = as_int(info.fordblks),
    };
}
