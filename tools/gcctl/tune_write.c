/* tune_write.c - the chosen config as a file. See tune_result.h.
 * Invariant: no byte of a program's name or argument reaches the file that config would not take in a comment. */
#include "tools/gcctl/tune_result.h"

#include "tools/gcctl/print.h"

#include <slabgc/config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define COMMENT_BYTES 1000 /* of a command line */
#define COMMENT_COLUMN 40

/* A comment's text: control characters and what is no ASCII become '?', a long one ends in "...". */
static void put_comment(FILE *out, const char *text, size_t *room)
{
    for (; *text && *room > 0; text++, (*room)--)
        fputc((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f ? '?' : *text, out);
    if (*text && *room == 0)
        fputs("...", out);
}

static void put_program(FILE *out, const struct tune_context *tune)
{
    size_t room = COMMENT_BYTES;
    fputs(tune->recording ? "# Recording:  " : "# Program:    ", out);
    if (tune->recording)
        put_comment(out, tune->recording, &room);
    else
        for (char *const *at = tune->program; *at && room > 0; at++) {
            put_comment(out, *at, &room);
            fputc(' ', out);
        }
    fputc('\n', out);
}

static void put_header(FILE *out, const struct tune_context *tune, const struct tune_final *final)
{
    const struct tune_search *search = &tune->search;
    char date[32], used[GCCTL_UNIT_BYTES];
    struct tm at;
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", gmtime_r(&tune->date, &at));
    fprintf(out, "# Chosen by gcctl tune (slabgc %s), %s.\n", sgc_version(), date);
    put_program(out, tune);
    fputs("# Objectives: ", out);
    for (size_t j = 0; j < search->objectives.n; j++)
        fprintf(out, "%s%s", j ? ", " : "", tune_metric_names[search->objectives.metrics[j]]);
    for (size_t i = 0; i < search->n_constraints; i++) {
        size_t room = COMMENT_BYTES;
        fputs(i ? ", " : "; kept: ", out);
        put_comment(out, search->constraints[i].text, &room);
    }
    fprintf(out, "\n# Search:     seed %" PRIu64 ", %zu runs in %s.\n", search->seed, search->n_runs,
            gcctl_duration(used, (double)search->spent_ns));
    fprintf(out, "# Measured:   ratios to the program's own config, medians of %zu pairs of runs (95%% interval):\n",
            final->pairs);
    for (size_t j = 0; j < search->objectives.n; j++)
        fprintf(out, "#     %-12s %.3gx (%.3g to %.3g)  %s\n", tune_metric_names[search->objectives.metrics[j]],
                final->objectives[j].median, final->objectives[j].low, final->objectives[j].high,
                tune_verdict_names[final->objectives[j].verdict]);
}

static void put_undo(FILE *out, const struct tune_search *search, size_t param)
{
    const struct tune_undo *undo = &search->undo[param];
    char ratio[32];
    if (!undo->known)
        return;
    fputs("; back alone:", out);
    for (size_t j = 0; j < search->objectives.n; j++)
        fprintf(out, "%s %s %s", j ? "," : "", tune_metric_names[search->objectives.metrics[j]],
                tune_ratio_text(exp(undo->ratios[search->objectives.metrics[j]]), ratio));
}

static void put_value(FILE *out, const char *key, const char *value)
{
    const int n = fprintf(out, "%s = %s", key, value);
    fprintf(out, "%*s # ", n < COMMENT_COLUMN ? COMMENT_COLUMN - n : 0, "");
}

static void put_heaps(FILE *out, const struct tune_space *space, const struct tune_point *point)
{
    for (size_t h = 0; h < space->n_heaps; h++) {
        const struct tune_heap *heap = &space->heaps[h];
        fprintf(out, "\n[heap.%s]\n", heap->name);
        put_value(out, "strategy", space->strategies.all[point->strategies[h]].name);
        if (point->strategies[h] == heap->base)
            fputs("as it was\n", out);
        else
            fprintf(out, "was %s\n", space->strategies.all[heap->base].name);
    }
}

static void put_params(FILE *out, const struct tune_search *search, const struct tune_point *point)
{
    const struct tune_space *space = search->space;
    uint8_t changed[TUNE_MAX_PARAMS];
    const size_t n = tune_point_changed(space, point, changed);
    char value[TUNE_VALUE_BYTES];
    int section = -1;
    for (size_t i = 0; i < n; i++) {
        const struct tune_param *param = &space->params[changed[i]];
        const enum sgc_param_type type = param->declared->type;
        if (section != param->strategy)
            fprintf(out, "\n[strategy.%s]\n", space->strategies.all[param->strategy].name);
        section = param->strategy;
        put_value(out, param->declared->key, tune_value_text(type, point->values[changed[i]], value));
        fprintf(out, "was %s", tune_value_text(type, param->base, value));
        put_undo(out, search, changed[i]);
        fputc('\n', out);
    }
}

char *tune_config_text(const struct tune_context *tune)
{
    const struct tune_search *search = &tune->search;
    char *text = NULL;
    size_t bytes;
    FILE *out = search->chosen >= 0 ? open_memstream(&text, &bytes) : NULL;
    if (!out)
        return NULL;
    const struct tune_final *final = &search->finals[search->chosen];
    const struct tune_point *point = &search->evals[final->eval].point;
    put_header(out, tune, final);
    put_heaps(out, search->space, point);
    put_params(out, search, point);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- files */

static int write_all(int fd, const char *text)
{
    for (size_t length = strlen(text); length > 0;) {
        const ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR)
            return -errno;
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) ? -errno : 0;
}

static int check_config(const char *path)
{
    struct sgc_error error;
    if (!sgc_config_check(path, &error))
        return 0;
    return gcctl_error(EX_SOFTWARE, "the config that tune wrote is refused: %s", error.message);
}

int tune_write_file(const char *path, const char *text, bool check)
{
    char other[PATH_MAX];
    if ((size_t)snprintf(other, sizeof(other), "%s.XXXXXX", path) >= sizeof(other))
        return gcctl_error(EX_CANTCREAT, "%s: the path is too long", path);
    const int fd = mkostemp(other, O_CLOEXEC);
    if (fd < 0)
        return gcctl_error(EX_CANTCREAT, "cannot create %s: %s", path, strerror(errno));
    const mode_t mask = umask(0);
    umask(mask);
    int code = fchmod(fd, 0666 & ~mask) ? -errno : write_all(fd, text);
    if (close(fd) && !code)
        code = -errno;
    int status = code ? gcctl_error(EX_IOERR, "cannot write %s: %s", path, strerror(-code)) : 0;
    if (!status && check)
        status = check_config(other);
    if (!status && rename(other, path))
        status = gcctl_error(EX_CANTCREAT, "cannot create %s: %s", path, strerror(errno));
    if (status)
        unlink(other);
    return status;
}
