/* verify.c - checks the invariants of a cache: lists, owners, bitmaps, counters. Called by the heap's verify and by
 *   tests, at a stop after flush.
 * Names the first violation. Locks: none; nobody else uses the cache. */
#include "core/cache/internal.h"

#include <errno.h>

struct verify {
    struct sgc_error *error;
    int rc;
    uint64_t n_used, n_slabs, n_listed, n_fresh; /* of the class: by its slabs */
};

#define VIOLATION(verify_, ...)                                                                                        \
    do {                                                                                                               \
        (verify_)->rc = sgc_error_set((verify_)->error, -EUCLEAN, __VA_ARGS__);                                        \
        return;                                                                                                        \
    } while (0)

static const char *name_of(const struct sgc_class *class_)
{
    return class_->cache->name;
}

/* Bits and counts of one slab. */
static void slab_verify_bits(struct verify *verify, const struct sgc_class *class_, const struct sgc_slab *slab)
{
    const size_t number = sgc_slab_number(slab);
    unsigned n_free = 0;
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++) {
        const uint64_t free_word = sgc_slab_words(slab, SGC_KIND_FREE)[i],
                       remote_word = sgc_slab_words(slab, SGC_KIND_REMOTE)[i];
        if ((free_word | remote_word) & ~class_->slot_mask[i])
            VIOLATION(verify, "cache %s: slab %zu has a free bit where no slot begins", name_of(class_), number);
        if (free_word & remote_word)
            VIOLATION(verify, "cache %s: slab %zu has a slot that is free and freed remotely", name_of(class_), number);
        if (remote_word)
            VIOLATION(verify, "cache %s: slab %zu has remote frees that nobody took over", name_of(class_), number);
        if ((slab->free_words >> i & 1) != (free_word != 0))
            VIOLATION(verify, "cache %s: slab %zu has a wrong summary of its free words", name_of(class_), number);
        if (slab->kinds & SGC_KIND_BIT(SGC_KIND_MARK) && sgc_slab_words(slab, SGC_KIND_MARK)[i] & free_word)
            VIOLATION(verify, "cache %s: slab %zu has a free slot with a mark", name_of(class_), number);
        n_free += sgc_popcount64(free_word);
    }
    if (n_free != slab->n_free)
        VIOLATION(verify, "cache %s: slab %zu counts %u free slots, but has %u", name_of(class_), number, slab->n_free,
                  n_free);
    if (slab->n_notes || slab->n_owed)
        VIOLATION(verify, "cache %s: slab %zu waits for %u remote frees and owes %d", name_of(class_), number,
                  slab->n_notes, slab->n_owed);
}

static void slab_verify_counts(struct verify *verify, const struct sgc_class *class_, const struct sgc_slab *slab)
{
    if (!(slab->kinds & SGC_KIND_BIT(SGC_KIND_COUNT)))
        return;
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++)
        for (uint64_t left = sgc_slab_words(slab, SGC_KIND_FREE)[word]; left; left &= left - 1)
            if (*sgc_byte_at(SGC_KIND_COUNT, slab_object(slab, word, sgc_ctz64(left))))
                VIOLATION(verify, "cache %s: free object %p has a count", name_of(class_),
                          slab_object(slab, word, sgc_ctz64(left)));
}

static void slab_verify_place(struct verify *verify, const struct sgc_class *class_, const struct sgc_slab *slab)
{
    const size_t number = sgc_slab_number(slab);
    const struct sgc_front *owner = slab->owner;
    if (slab->class_ != class_)
        VIOLATION(verify, "cache %s: slab %zu is on the list of a class that is not its own", name_of(class_), number);
    if (owner && owner->class_ != class_)
        VIOLATION(verify, "cache %s: slab %zu has an owner of another class", name_of(class_), number);
    if (slab->n_slots != class_->n_slots || slab->slot_bytes != class_->slot_bytes)
        VIOLATION(verify, "cache %s: slab %zu has %u slots of %u bytes, its class %u of %u", name_of(class_), number,
                  slab->n_slots, slab->slot_bytes, class_->n_slots, class_->slot_bytes);
    const bool full = slab->n_free == 0;
    if (full != (slab->listed == SLAB_FULL))
        VIOLATION(verify, "cache %s: slab %zu has %u free slots, but %s", name_of(class_), number, slab->n_free,
                  full ? "is listed as having some" : "is listed as full");
    if (slab->listed == SLAB_CURRENT && (!owner || owner->current != slab))
        VIOLATION(verify, "cache %s: slab %zu is nobody's current slab", name_of(class_), number);
    if (slab->listed == SLAB_PARTIAL && sgc_list_empty(&slab->partial))
        VIOLATION(verify, "cache %s: slab %zu is missing from its partial list", name_of(class_), number);
    if (slab->listed == SLAB_DEPOT && (owner || slab->n_free != slab->n_slots))
        VIOLATION(verify, "cache %s: slab %zu is in the depot, but in use", name_of(class_), number);
    if (slab->fresh == sgc_list_empty(&slab->fresh_link))
        VIOLATION(verify, "cache %s: slab %zu is %s the fresh list", name_of(class_), number,
                  slab->fresh ? "missing from" : "wrongly on");
}

static void slab_verify(struct verify *verify, const struct sgc_class *class_, const struct sgc_slab *slab)
{
    verify->n_slabs += slab->n_slabs;
    if (slab->slot_bytes == 0) {
        verify->n_used++;
        return;
    }
    slab_verify_bits(verify, class_, slab);
    if (verify->rc == 0)
        slab_verify_counts(verify, class_, slab);
    if (verify->rc == 0)
        slab_verify_place(verify, class_, slab);
    verify->n_used += slab->n_slots - slab->n_free;
    verify->n_listed += slab->listed != SLAB_FULL;
    verify->n_fresh += slab->fresh;
}

/* One front; returns the slabs it has listed. */
static uint64_t front_verify(struct verify *verify, const struct sgc_class *class_, const struct sgc_front *front,
                             bool idle)
{
    uint64_t n = 0;
    if ((idle || !sgc_cache_is_loose(class_->cache)) && front->n != 0) /* others go on using theirs */
        verify->rc = sgc_error_set(verify->error, -EUCLEAN, "cache %s: a window with %u slots after a flush",
                                   name_of(class_), front->n);
    if (front->remote_head)
        verify->rc =
            sgc_error_set(verify->error, -EUCLEAN, "cache %s: slabs with remote frees after a flush", name_of(class_));
    if ((front->idle != 0) != idle)
        verify->rc = sgc_error_set(verify->error, -EUCLEAN, "cache %s: a front is on the wrong list", name_of(class_));
    SGC_LIST_FOR_EACH (at, &front->partial) {
        const struct sgc_slab *slab = SGC_LIST_ENTRY(at, struct sgc_slab, partial);
        if (slab->owner != front || slab->listed != SLAB_PARTIAL)
            verify->rc = sgc_error_set(verify->error, -EUCLEAN,
                                       "cache %s: slab %zu is on a list of a front that does not own it",
                                       name_of(class_), sgc_slab_number(slab));
        n++;
    }
    if (n != front->n_partial)
        verify->rc = sgc_error_set(verify->error, -EUCLEAN, "cache %s: a front counts %u partial slabs, but has %llu",
                                   name_of(class_), front->n_partial, (unsigned long long)n);
    return n + (front->current != NULL);
}

static uint64_t list_length(const struct sgc_list *list)
{
    uint64_t n = 0;
    SGC_LIST_FOR_EACH (at, list)
        n++;
    return n;
}

static void class_verify_lists(struct verify *verify, const struct sgc_class *class_)
{
    uint64_t n = list_length(&class_->partial), n_empty = 0;
    SGC_LIST_FOR_EACH (at, &class_->fronts)
        n += front_verify(verify, class_, SGC_LIST_ENTRY(at, struct sgc_front, link), false);
    SGC_LIST_FOR_EACH (at, &class_->idle_fronts)
        n += front_verify(verify, class_, SGC_LIST_ENTRY(at, struct sgc_front, link), true);
    if (verify->rc)
        return;
    for (const struct sgc_slab *slab = class_->empty; slab; slab = slab->remote_next)
        n_empty++;
    if (n_empty != class_->n_empty)
        VIOLATION(verify, "cache %s: %u slabs in the depot, but %llu linked", name_of(class_), class_->n_empty,
                  (unsigned long long)n_empty);
    if (n + n_empty != verify->n_listed)
        VIOLATION(verify, "cache %s: %llu slabs with free slots, but %llu on lists", name_of(class_),
                  (unsigned long long)verify->n_listed, (unsigned long long)(n + n_empty));
    if (verify->n_slabs != class_->n_slabs)
        VIOLATION(verify, "cache %s: %u slabs counted, but %llu listed", name_of(class_), class_->n_slabs,
                  (unsigned long long)verify->n_slabs);
    if (class_->slot_bytes && verify->n_fresh != list_length(&class_->fresh))
        VIOLATION(verify, "cache %s: %llu fresh slabs, but %llu on the fresh list", name_of(class_),
                  (unsigned long long)verify->n_fresh, (unsigned long long)list_length(&class_->fresh));
}

/* The accounting equation: slots that are not free are live or in windows, and were counted so. */
static void class_verify_equation(struct verify *verify, struct sgc_class *class_)
{
    const uint64_t n_out = sgc_class_n_out(class_);
    if (n_out != verify->n_used)
        VIOLATION(verify, "cache %s: %llu live objects by the counters, but %llu slots in use", name_of(class_),
                  (unsigned long long)n_out, (unsigned long long)verify->n_used);
}

static void class_verify(struct sgc_class *class_, void *arg)
{
    struct verify *verify = arg;
    if (verify->rc)
        return;
    verify->n_used = verify->n_slabs = verify->n_listed = verify->n_fresh = 0;
    SGC_LIST_FOR_EACH (at, &class_->all) {
        slab_verify(verify, class_, SGC_LIST_ENTRY(at, struct sgc_slab, all));
        if (verify->rc)
            return;
    }
    class_verify_lists(verify, class_);
    if (verify->rc == 0)
        class_verify_equation(verify, class_);
}

int sgc_cache_verify(struct sgc_cache *cache, struct sgc_error *error)
{
    struct verify verify = {.error = error};
    sgc_cache_each_class(cache, class_verify, &verify);
    return verify.rc;
}
