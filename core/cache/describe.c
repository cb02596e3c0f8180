/* describe.c - a cache's live objects, for the message of a refused destruction and of a heap that closes with leaks.
 * Called by the heap layer at a stop, or when nobody else uses the cache. Locks: inside flush. */
#include "core/cache/internal.h"

#include <stdio.h>

struct describe {
    char *out;
    size_t out_bytes, length;
    unsigned n_lines, max_lines;
    size_t n_live;
};

static void describe_object(struct describe *describe, const struct sgc_slab *slab, const void *object)
{
    char site[128];
    const size_t bytes = slab->slot_bytes ? slab->class_->object_bytes : slab->large_bytes;
    const bool has_site = sgc_debug_site_text(slab, object, site, sizeof(site)) > 0;
    const size_t room = describe->out_bytes - describe->length;
    const int n =
        snprintf(describe->out + describe->length, room, "%s  object %p, %zu bytes%s%s", describe->n_lines ? "\n" : "",
                 object, bytes, has_site ? ", allocated at " : "", has_site ? site : "");
    if (n < 0 || (size_t)n >= room) {
        describe->out[describe->length] = '\0'; /* whole lines only */
        describe->max_lines = describe->n_lines;
        return;
    }
    describe->length += (size_t)n;
    describe->n_lines++;
}

static void describe_slab(void *arg, struct sgc_slab *slab)
{
    struct describe *describe = arg;
    uint64_t used[SGC_SLAB_WORDS];
    sgc_slab_used_words(slab, used);
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        describe->n_live += sgc_popcount64(used[word]);
        for (uint64_t left = used[word]; left && describe->n_lines < describe->max_lines; left &= left - 1)
            describe_object(describe, slab, slab_object(slab, word, sgc_ctz64(left)));
    }
}

size_t sgc_cache_describe_live(struct sgc_cache *cache, char *out, size_t out_bytes, unsigned max_lines)
{
    struct describe describe = {.out = out, .out_bytes = out_bytes, .max_lines = out_bytes ? max_lines : 0};
    if (out_bytes)
        out[0] = '\0';
    sgc_cache_flush(cache);
    sgc_cache_visit_slabs(cache, describe_slab, &describe);
    return describe.n_live;
}
