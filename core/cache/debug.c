/* debug.c - what debug=redzone, poison and track add to a cache. Called by slow paths only: a cache with any of them
 *   has no fast path and no windows
 * to free into.
 * redzone: bytes behind the object hold a pattern, checked when it is freed. poison: free slots hold a pattern,
 *   checked when they are handed out (types with a ctor keep their constructed state instead). track: the address of
 *   the caller who allocated or freed the object last.
 * Invariant: the TRACK bit of a slot is set exactly while it is handed out by on_alloc; so a double free is seen even
 *   in a window, and a slot whose bit is still set when it is freed by mask gets its checks there.
 * Both patterns are odd in every byte: where a reference is expected they read as immediates.
 * Locks: none; TRACK words are shared by slots of several threads and change atomically. */
#include "core/cache/internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#define REDZONE_BYTE 0xbd
#define POISON_BYTE 0xdb

struct extent {
    uint8_t *object;
    size_t object_bytes; /* the program's */
    size_t slot_bytes;   /* with the redzone */
};

static struct extent extent_of(const struct sgc_slab *slab, void *object)
{
    const struct sgc_class *class_ = slab->class_;
    if (slab->slot_bytes)
        return (struct extent){object, class_->object_bytes, class_->slot_bytes};
    return (struct extent){object, slab->large_bytes, slab->large_bytes + sgc_cache_redzone_bytes(class_->cache)};
}

static bool poisons(const struct sgc_cache *cache)
{
    return cache->debug & SGC_DEBUG_POISON && !cache->type->ctor;
}

/* First byte of [at, at + bytes) that is not `byte`, or -1. */
static ptrdiff_t pattern_find_break(const uint8_t *at, size_t bytes, uint8_t byte)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != byte)
            return (ptrdiff_t)i;
    return -1;
}

static uint64_t *track_word(const struct sgc_slab *slab, const void *object)
{
    return sgc_slab_words(slab, SGC_KIND_TRACK) + sgc_slab_granule(object) / 64;
}
static uint64_t track_bit(const void *object)
{
    return UINT64_C(1) << (sgc_slab_granule(object) % 64);
}
static bool is_handed_out(const struct sgc_slab *slab, const void *object)
{
    return __atomic_load_n(track_word(slab, object), __ATOMIC_RELAXED) & track_bit(object);
}

static void site_record(const struct sgc_cache *cache, const void *object, const void *site)
{
    if (cache->debug & SGC_DEBUG_TRACK)
        __atomic_store_n(&sgc_arena.site_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT], (uint64_t)(uintptr_t)site,
                         __ATOMIC_RELAXED);
}

size_t sgc_debug_site_text(const struct sgc_slab *slab, const void *object, char *out, size_t out_bytes)
{
    if (!(slab->class_->cache->debug & SGC_DEBUG_TRACK))
        return 0;
    const uintptr_t site =
        (uintptr_t)__atomic_load_n(&sgc_arena.site_bias[(uintptr_t)object >> SGC_GRANULE_SHIFT], __ATOMIC_RELAXED);
    Dl_info info;
    int n;
    if (!site)
        n = snprintf(out, out_bytes, "core");
    else if (dladdr((void *)site, &info) && info.dli_fname)
        n = snprintf(out, out_bytes, "%s+0x%zx",
                     strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname,
                     (size_t)(site - (uintptr_t)info.dli_fbase));
    else
        n = snprintf(out, out_bytes, "0x%zx", (size_t)site);
    return (size_t)n < out_bytes ? (size_t)n : out_bytes - 1;
}

/* ---- hooks ---- */

void sgc_debug_slab_made(struct sgc_slab *slab)
{
    if (poisons(slab->class_->cache))
        memset(sgc_slab_start(slab), POISON_BYTE, SGC_SLAB_BYTES);
    if (CACHE_ASAN)
        SGC_ASAN_POISON(sgc_slab_start(slab), SGC_SLAB_BYTES);
}

static void alloc_check_poison(const struct sgc_cache *cache, const struct extent *extent)
{
    const ptrdiff_t broken = pattern_find_break(extent->object, extent->object_bytes, POISON_BYTE);
    if (broken >= 0)
        sgc_panic("write after free: byte %td of free object %p in cache %s is 0x%02x", broken, (void *)extent->object,
                  cache->name, extent->object[broken]);
}

void sgc_debug_on_alloc(struct sgc_cache *cache, void *object, size_t bytes, const void *site)
{
    const struct sgc_slab *slab = sgc_slab_of(object);
    const struct extent extent = extent_of(slab, object);
    SGC_DCHECK(bytes <= extent.slot_bytes);
    (void)bytes;
    if (poisons(cache) && slab->slot_bytes)
        alloc_check_poison(cache, &extent);
    if (cache->debug & SGC_DEBUG_REDZONE)
        memset(extent.object + extent.object_bytes, REDZONE_BYTE, extent.slot_bytes - extent.object_bytes);
    __atomic_fetch_or(track_word(slab, object), track_bit(object), __ATOMIC_RELAXED);
    site_record(cache, object, site);
}

static void free_check_redzone(const struct sgc_cache *cache, const struct extent *extent)
{
    const ptrdiff_t broken = pattern_find_break(extent->object + extent->object_bytes,
                                                extent->slot_bytes - extent->object_bytes, REDZONE_BYTE);
    if (broken >= 0)
        sgc_panic("overflow: byte %td behind object %p (%zu bytes) in cache %s is 0x%02x", broken,
                  (void *)extent->object, extent->object_bytes, cache->name,
                  extent->object[extent->object_bytes + (size_t)broken]);
}

static SGC_COLD _Noreturn void free_panic_double(const struct sgc_cache *cache, const struct sgc_slab *slab,
                                                 const void *object)
{
    char site[128];
    if (sgc_debug_site_text(slab, object, site, sizeof(site)))
        sgc_panic("double free of object %p in cache %s; freed before at %s", object, cache->name, site);
    sgc_panic("double free of object %p in cache %s", object, cache->name);
}

void sgc_debug_on_free(struct sgc_cache *cache, void *object, const void *site)
{
    const struct sgc_slab *slab = sgc_slab_of(object);
    const struct extent extent = extent_of(slab, object);
    const uint64_t bit = track_bit(object);
    if (!(__atomic_fetch_and(track_word(slab, object), ~bit, __ATOMIC_RELAXED) & bit))
        free_panic_double(cache, slab, object);
    if (cache->debug & SGC_DEBUG_REDZONE)
        free_check_redzone(cache, &extent);
    if (poisons(cache) && slab->slot_bytes)
        memset(object, POISON_BYTE, extent.slot_bytes);
    site_record(cache, object, site);
}

void sgc_debug_free_mask(struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    for (uint64_t left = mask; left; left &= left - 1) {
        void *object = slab_object(slab, word, sgc_ctz64(left));
        if (is_handed_out(slab, object))
            sgc_debug_on_free(slab->class_->cache, object, NULL);
    }
}

/* ---- the whole cache ---- */

static int slot_verify(const struct sgc_slab *slab, void *object, bool is_free, struct sgc_error *error)
{
    const struct sgc_cache *cache = slab->class_->cache;
    const struct extent extent = extent_of(slab, object);
    ptrdiff_t broken = -1;
    if (is_handed_out(slab, object) && cache->debug & SGC_DEBUG_REDZONE)
        broken = pattern_find_break(extent.object + extent.object_bytes, extent.slot_bytes - extent.object_bytes,
                                    REDZONE_BYTE);
    if (broken >= 0)
        return sgc_error_set(error, -EUCLEAN, "cache %s: byte %td behind object %p (%zu bytes) was overwritten",
                             cache->name, broken, object, extent.object_bytes);
    if (!is_handed_out(slab, object) && is_free && poisons(cache))
        broken = pattern_find_break(extent.object, extent.object_bytes, POISON_BYTE);
    if (broken >= 0)
        return sgc_error_set(error, -EUCLEAN, "cache %s: byte %td of free object %p was overwritten", cache->name,
                             broken, object);
    return 0;
}

struct debug_verify {
    struct sgc_error *error;
    int rc;
};

static void slab_verify(void *arg, struct sgc_slab *slab)
{
    struct debug_verify *verify = arg;
    uint64_t used[SGC_SLAB_WORDS];
    sgc_slab_used_words(slab, used);
    for (unsigned word = 0; word < SGC_SLAB_WORDS; word++) {
        const uint64_t slots = slab->slot_bytes ? slab->class_->slot_mask[word] : used[word];
        for (uint64_t left = slots; left && verify->rc == 0; left &= left - 1) {
            const uint64_t bit = left & -left;
            if (slab->slot_bytes && !(used[word] & bit))
                sgc_asan_unpoison_mask(slab, word, bit);
            verify->rc =
                slot_verify(slab, slab_object(slab, word, sgc_ctz64(left)), !(used[word] & bit), verify->error);
            if (slab->slot_bytes && !(used[word] & bit))
                sgc_asan_poison_mask(slab, word, bit);
        }
    }
}

int sgc_debug_verify(struct sgc_cache *cache, struct sgc_error *error)
{
    struct debug_verify verify = {error, 0};
    if (cache->debug)
        sgc_cache_visit_slabs(cache, slab_verify, &verify);
    return verify.rc;
}

/* ---- AddressSanitizer ---- */

#ifdef SGC_ASAN
void sgc_asan_poison_mask(const struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    for (uint64_t left = mask; left; left &= left - 1)
        SGC_ASAN_POISON(slab_object(slab, word, sgc_ctz64(left)), slab->slot_bytes);
}
void sgc_asan_unpoison_mask(const struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    for (uint64_t left = mask; left; left &= left - 1)
        SGC_ASAN_UNPOISON(slab_object(slab, word, sgc_ctz64(left)), slab->slot_bytes);
}
#endif
