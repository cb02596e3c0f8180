/* figures.c - see figures.h. */
#include "tools/gcctl/figures.h"

#include <math.h>
#include <string.h>

double gcctl_figure(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

uint64_t gcctl_figure_u64(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const json_int_t n = json_is_integer(value) ? json_integer_value(value) : (json_int_t)json_number_value(value);
    return n > 0 ? (uint64_t)n : 0;
}

const char *gcctl_figure_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_t *gcctl_figure_find(const json_t *array, const char *key, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        if (!strcmp(gcctl_figure_text(item, key), text))
            return item;
    }
    return NULL;
}

static void buckets_put(struct gcctl_buckets *out, uint64_t upper_ns, uint64_t n)
{
    if (!n || out->n_buckets == SGC_HISTOGRAM_BUCKETS)
        return;
    out->buckets[out->n_buckets].upper_ns = upper_ns;
    out->buckets[out->n_buckets++].n = n;
}

void gcctl_buckets_read(struct gcctl_buckets *out, const json_t *histogram)
{
    size_t i;
    json_t *pair;
    out->n = gcctl_figure_u64(histogram, "n");
    out->sum_ns = gcctl_figure_u64(histogram, "sum_ns");
    out->max_ns = gcctl_figure_u64(histogram, "max_ns");
    out->n_buckets = 0;
    json_array_foreach(json_object_get(histogram, "buckets"), i, pair)
    {
        const json_int_t upper = json_integer_value(json_array_get(pair, 0));
        const json_int_t n = json_integer_value(json_array_get(pair, 1));
        if (upper >= 0 && n > 0)
            buckets_put(out, (uint64_t)upper, (uint64_t)n);
    }
}

void gcctl_buckets_subtract(struct gcctl_buckets *now, const struct gcctl_buckets *before)
{
    struct gcctl_buckets left = {.max_ns = now->max_ns};
    if (before->n > now->n || before->sum_ns > now->sum_ns)
        return;
    size_t j = 0;
    for (size_t i = 0; i < now->n_buckets; i++) {
        const uint64_t upper = now->buckets[i].upper_ns;
        while (j < before->n_buckets && before->buckets[j].upper_ns < upper)
            j++;
        const uint64_t gone = j < before->n_buckets && before->buckets[j].upper_ns == upper ? before->buckets[j].n : 0;
        const uint64_t n = now->buckets[i].n > gone ? now->buckets[i].n - gone : 0;
        buckets_put(&left, upper, n);
        left.n += n;
    }
    left.sum_ns = now->sum_ns - before->sum_ns;
    const uint64_t highest = left.n_buckets ? left.buckets[left.n_buckets - 1].upper_ns : 0;
    left.max_ns = highest < now->max_ns ? highest : now->max_ns;
    *now = left;
}

void gcctl_buckets_add(struct gcctl_buckets *to, const struct gcctl_buckets *more)
{
    struct gcctl_buckets sum = {.n = to->n + more->n, .sum_ns = to->sum_ns + more->sum_ns};
    sum.max_ns = to->max_ns > more->max_ns ? to->max_ns : more->max_ns;
    for (size_t i = 0, j = 0; i < to->n_buckets || j < more->n_buckets;) {
        const uint64_t a = i < to->n_buckets ? to->buckets[i].upper_ns : UINT64_MAX;
        const uint64_t b = j < more->n_buckets ? more->buckets[j].upper_ns : UINT64_MAX;
        uint64_t n = 0;
        if (a <= b)
            n += to->buckets[i++].n;
        if (b <= a)
            n += more->buckets[j++].n;
        buckets_put(&sum, a < b ? a : b, n);
    }
    *to = sum;
}

uint64_t gcctl_buckets_quantile(const struct gcctl_buckets *buckets, double quantile)
{
    const double wanted = ceil(quantile * (double)buckets->n);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets->n_buckets; i++) {
        seen += buckets->buckets[i].n;
        if ((double)seen >= wanted) {
            const uint64_t upper = buckets->buckets[i].upper_ns;
            return buckets->max_ns && upper > buckets->max_ns ? buckets->max_ns : upper;
        }
    }
    return buckets->max_ns;
}
