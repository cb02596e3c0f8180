/* run_report.c - see run_report.h.
 * The digest is 128-bit FNV-1a and the length: it tells outputs apart that differ by accident, nobody attacks it, and
 * no library that slabgc builds with offers one. */
#include "tools/gcctl/run_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- pauses */

static uint64_t integer_of(const json_t *object, const char *key)
{
    const json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static int pauses_add_bucket(struct gcctl_pauses *pauses, uint64_t upper_ns, uint64_t n)
{
    size_t at = pauses->n_buckets;
    while (at > 0 && pauses->buckets[at - 1].upper_ns >= upper_ns)
        at--;
    if (at < pauses->n_buckets && pauses->buckets[at].upper_ns == upper_ns) {
        pauses->buckets[at].n += n;
        return 0;
    }
    struct gcctl_pause_bucket *more = realloc(pauses->buckets, (pauses->n_buckets + 1) * sizeof(*more));
    if (!more)
        return -ENOMEM;
    pauses->buckets = more;
    memmove(more + at + 1, more + at, (pauses->n_buckets++ - at) * sizeof(*more));
    more[at] = (struct gcctl_pause_bucket){upper_ns, n};
    return 0;
}

int gcctl_pauses_add(struct gcctl_pauses *pauses, const json_t *histogram)
{
    size_t i;
    const json_t *bucket;
    json_array_foreach (json_object_get(histogram, "buckets"), i, bucket) {
        const json_int_t upper = json_integer_value(json_array_get(bucket, 0)),
                         n = json_integer_value(json_array_get(bucket, 1));
        if (upper < 0 || n <= 0)
            continue;
        const int code = pauses_add_bucket(pauses, (uint64_t)upper, (uint64_t)n);
        if (code)
            return code;
        pauses->n += (uint64_t)n;
    }
    const uint64_t max_ns = integer_of(histogram, "max_ns");
    pauses->max_ns = max_ns > pauses->max_ns ? max_ns : pauses->max_ns;
    return 0;
}

uint64_t gcctl_pauses_quantile_ns(const struct gcctl_pauses *pauses, double quantile)
{
    const double wanted = quantile * (double)pauses->n;
    uint64_t seen = 0;
    for (size_t i = 0; i < pauses->n_buckets; i++) {
        seen += pauses->buckets[i].n;
        if ((double)seen >= wanted) {
            const uint64_t upper = pauses->buckets[i].upper_ns;
            return pauses->max_ns && upper > pauses->max_ns ? pauses->max_ns : upper;
        }
    }
    return pauses->max_ns;
}

void gcctl_pauses_fini(struct gcctl_pauses *pauses)
{
    free(pauses->buckets);
    *pauses = (struct gcctl_pauses){0};
}

/* ---- report */

static int report_add_line(struct gcctl_run *run, struct gcctl_pauses *pauses, const char *line, size_t length)
{
    json_t *root = json_loadb(line, length, 0, NULL), *heap = json_object_get(root, "heap");
    int code = 0;
    if (json_is_object(heap)) {
        run->peak_heap_bytes += integer_of(heap, "peak_bytes");
        code = gcctl_pauses_add(pauses, json_object_get(heap, "pauses"));
        if (!code && json_array_append(run->heaps, heap))
            code = -ENOMEM;
    }
    json_decref(root);
    return code;
}

int gcctl_run_read_report(const char *path, struct gcctl_run *run)
{
    struct gcctl_pauses pauses = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    int code = 0;
    if (!run->heaps && !(run->heaps = json_array()))
        return -ENOMEM;
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? 0 : -errno; /* no heap was opened */
    while (!code && (length = getline(&line, &capacity, file)) > 0)
        code = report_add_line(run, &pauses, line, (size_t)length);
    free(line);
    fclose(file);
    run->n_pauses = pauses.n;
    run->pause_p50_ns = gcctl_pauses_quantile_ns(&pauses, 0.5);
    run->pause_p99_ns = gcctl_pauses_quantile_ns(&pauses, 0.99);
    run->pause_max_ns = pauses.max_ns;
    gcctl_pauses_fini(&pauses);
    return code;
}

/* ---- output */

int gcctl_run_digest(int fd, struct gcctl_run *run)
{
    const unsigned __int128 prime = ((unsigned __int128)1 << 88) + 0x13b;
    unsigned __int128 hash = ((unsigned __int128)UINT64_C(0x6c62272e07bb0142) << 64) + UINT64_C(0x62b821756295c58d);
    static unsigned char buffer[1 << 16];
    uint64_t length = 0;
    ssize_t n;
    while ((n = pread(fd, buffer, sizeof(buffer), (off_t)length)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            hash = (hash ^ buffer[i]) * prime;
        length += (uint64_t)n;
    }
    if (n < 0)
        return -errno;
    memset(run->output_digest, 0, sizeof(run->output_digest));
    memcpy(run->output_digest, &hash, sizeof(hash));
    memcpy(run->output_digest + sizeof(hash), &length, sizeof(length));
    run->output_bytes = length;
    return 0;
}
