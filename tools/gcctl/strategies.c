/* strategies.c - see strategies.h. Locks: none. */
#include "tools/gcctl/strategies.h"

#include "tools/gcctl/layout.h"
#include "tools/gcctl/print.h"

#include <slabgc/config.h>

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct {
    const char *name;
    uint32_t bit;
} bits[] = {
    {"references", SGC_NEED_REFERENCES},
    {"cycles", SGC_NEED_CYCLES},
    {"concurrent-readers", SGC_NEED_CONCURRENT_READERS},
    {"prompt", SGC_NEED_PROMPT},
    {"weak", SGC_NEED_WEAK},
    {"finalizers", SGC_NEED_FINALIZERS},
};
#define N_BITS (sizeof(bits) / sizeof(bits[0]))

/* ---- strategies */

struct load {
    struct gcctl_strategies found;
    const char *list;
};

/* Is the word one of the list's? */
static bool list_has(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        const char *begin = at + strspn(at, " ");
        size_t n = strcspn(begin, ",");
        while (n > 0 && begin[n - 1] == ' ')
            n--;
        if (n == length && !strncmp(begin, word, n))
            return true;
    }
    return false;
}

static int load_visit(void *arg, const struct sgc_plugin_info *info)
{
    struct load *load = arg;
    if (!info->plugin) {
        if (load->list && list_has(load->list, info->name))
            gcctl_note("strategy %s is left out: %s", info->name, info->refused ? info->refused : "it was refused");
        return 0;
    }
    if (load->found.n == GCCTL_MAX_STRATEGIES) {
        gcctl_note("strategy %s is left out: %d are looked at", info->name, GCCTL_MAX_STRATEGIES);
        return 0;
    }
    struct gcctl_strategy *strategy = &load->found.all[load->found.n++];
    *strategy = (struct gcctl_strategy){
        .capabilities = info->plugin->capabilities, .params = info->plugin->params, .n_params = info->plugin->n_params};
    snprintf(strategy->name, sizeof(strategy->name), "%s", info->name);
    return 0;
}

int gcctl_strategies_choose(const struct gcctl_strategies *all, const char *list, struct gcctl_strategies *out)
{
    const char *names[GCCTL_MAX_STRATEGIES + 1];
    struct gcctl_strategies chosen = {.n = 0};
    for (size_t i = 0; i < all->n; i++)
        names[i] = all->all[i].name;
    names[all->n] = NULL;
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',') {
        char name[64];
        const char *begin = at + strspn(at, " ");
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(begin, ", "), begin);
        if (!gcctl_strategies_find(all, name))
            return gcctl_error(EX_USAGE, "there is no strategy \"%s\"%s", name, gcctl_suggest(name, names));
    }
    for (size_t i = 0; i < all->n; i++)
        if (!list || list_has(list, all->all[i].name))
            chosen.all[chosen.n++] = all->all[i];
    *out = chosen;
    return 0;
}

int gcctl_strategies_load(struct gcctl_strategies *out, const char *list)
{
    static struct load load;
    struct sgc_error error;
    load = (struct load){.list = list};
    gcctl_layout_plugins(); /* also for the programs that will run */
    if (sgc_plugin_for_each(load_visit, &load, &error))
        return gcctl_error(EX_CONFIG, "%s", error.message);
    return gcctl_strategies_choose(&load.found, list, out);
}

const struct gcctl_strategy *gcctl_strategies_find(const struct gcctl_strategies *strategies, const char *name)
{
    for (size_t i = 0; i < strategies->n; i++)
        if (!strcmp(strategies->all[i].name, name))
            return &strategies->all[i];
    return NULL;
}

/* ---- heaps */

static uint32_t needs_of(const json_t *names)
{
    uint32_t needs = 0;
    size_t i;
    const json_t *name;
    json_array_foreach (names, i, name) {
        for (size_t b = 0; b < N_BITS; b++)
            if (json_is_string(name) && !strcmp(json_string_value(name), bits[b].name))
                needs |= bits[b].bit;
    }
    return needs;
}

size_t gcctl_heaps_found(const json_t *heaps, struct gcctl_heap_found out[GCCTL_MAX_HEAPS])
{
    size_t n = 0, i;
    const json_t *heap;
    json_array_foreach (heaps, i, heap) {
        const char *name = json_string_value(json_object_get(heap, "name")),
                   *strategy = json_string_value(json_object_get(heap, "strategy"));
        size_t at = 0;
        if (!name)
            continue;
        while (at < n && strcmp(out[at].name, name))
            at++;
        if (at == n && n == GCCTL_MAX_HEAPS) {
            gcctl_note("heap %s is left out: %d heaps are looked at", name, GCCTL_MAX_HEAPS);
            continue;
        }
        if (at == n) {
            out[n] = (struct gcctl_heap_found){.needs = 0};
            snprintf(out[n++].name, sizeof(out->name), "%s", name);
        }
        snprintf(out[at].strategy, sizeof(out->strategy), "%s", strategy ? strategy : "");
        out[at].needs |= needs_of(json_object_get(heap, "needs"));
    }
    return n;
}

uint32_t gcctl_needs_of(const struct gcctl_heap_found *heaps, size_t n)
{
    uint32_t needs = 0;
    for (size_t i = 0; i < n; i++)
        needs |= heaps[i].needs;
    return needs;
}

uint32_t gcctl_needs_unmet(const struct gcctl_heap_found *heaps, size_t n, const struct gcctl_strategy *strategy)
{
    for (size_t i = 0; i < n; i++)
        if (!(heaps[i].needs & ~strategy->capabilities))
            return 0;
    return gcctl_needs_of(heaps, n);
}

char *gcctl_missing(char *out, size_t out_bytes, uint32_t needs, uint32_t has)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N_BITS; i++)
        if ((needs & ~has & bits[i].bit) && length < out_bytes)
            length += (size_t)snprintf(out + length, out_bytes - length, "%s%s", length ? ", " : "", bits[i].name);
    return out;
}

json_t *gcctl_missing_json(uint32_t needs, uint32_t has)
{
    json_t *names = json_array();
    for (size_t i = 0; i < N_BITS; i++)
        if (needs & ~has & bits[i].bit)
            json_array_append_new(names, json_string(bits[i].name));
    return names;
}
