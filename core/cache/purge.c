/* purge.c - free pages of slabs that are partly in use, back to the OS.
 * A non-moving allocator cannot empty slabs by force: after random frees most keep a live slot. Their free pages can
 *   still go, which is all that any allocator can give back whose objects stay where they are. Slabs that empty wholly
 *   are core/slab's business (core/slab/purge.c), which is reminded here too, as frees of whole runs may have ceased.
 * Called by front.c now and then on its slow paths, by alloc.c after so many inline allocations, and by
 *   sgc_cache_shrink. A thread that does nothing purges nothing.
 * Policy: a pass over the front's slabs at most once per PASS_NS, which goes on from call to call for a bounded share
 *   of the thread's time. A slab that was touched since the last pass looked at it is spared: so memory goes that was
 *   free for one to two PASS_NS. `discarded` remembers the pages that are gone already, until a slot of the slab is
 *   taken. TIME_MOST_NS bounds what a purge adds to an allocation. A call keeps stops away while it lasts, so it ends
 *   at the next look at the clock when a stop is wanted.
 * Invariant: a page is discarded only while every slot that overlaps it is in FREE, which no one but the owner changes
 *   from set to clear, and the owner is here. Slabs with constructed or poisoned slots are left alone: what is in
 *   their free slots matters.
 * Lock: none for the front's own slabs; the class's for slabs of nobody and of idle fronts. */
#include "core/cache/call.h"
#include "core/cache/internal.h"
#include "core/os/clock.h"
#include "core/os/pages.h"

#define PASS_NS UINT64_C(500000000)        /* free pages go after one to two of it; whole slabs decay in a second */
#define UNOWNED_PASS_NS INT64_C(375000000) /* less, so that each pass of a thread's finds one due */
#define DECAY_LOOK_NS UINT64_C(250000000)
#define DECAY_REST_NS UINT64_C(8000000) /* to the next look when there may be more: each takes about a millisecond */
#define PERIOD_NS UINT64_C(4000000)     /* of inline allocations, as the period is adapted */
#define SLABS_PER_LOOK 16               /* from one look at the clock to the next */
#define CALLS_PER_LOOK 32               /* to the OS, of 2 us each */
#define TIME_SHARE 4                    /* a thread purges for at most a quarter of its time */
#define TIME_LEAST_NS UINT64_C(100000)  /* the longest time from one look to the next, mostly */
#define TIME_MOST_NS UINT64_C(2000000)

struct purge {
    unsigned n_slabs, n_calls; /* left */
    bool force;                /* touched slabs too */
    size_t bytes;              /* given back */
};

/* Every slot that overlaps the page is free, and one does. */
static bool page_is_free(const struct sgc_slab *slab, const uint64_t *free_words, unsigned page, size_t page_bytes)
{
    const struct sgc_class *class_ = slab->class_;
    const unsigned words = (unsigned)(page_bytes / (64 * SGC_GRANULE_BYTES));
    for (unsigned i = page * words; i < (page + 1) * words; i++)
        if (free_words[i] != class_->slot_mask[i])
            return false;
    const unsigned first = (unsigned)(page * page_bytes / slab->slot_bytes); /* the one that its first byte is in */
    const size_t granule = (size_t)first * slab->slot_bytes / SGC_GRANULE_BYTES;
    return first < slab->n_slots && free_words[granule / 64] >> (granule % 64) & 1;
}

static uint16_t slab_free_pages(const struct sgc_slab *slab, size_t page_bytes)
{
    const uint64_t *free_words = sgc_slab_words(slab, SGC_KIND_FREE);
    uint16_t pages = 0;
    for (unsigned page = 0; page < SGC_SLAB_BYTES / page_bytes; page++)
        pages |= (uint16_t)(page_is_free(slab, free_words, page, page_bytes) << page);
    return pages;
}

static void slab_purge(struct purge *purge, struct sgc_slab *slab)
{
    const size_t page_bytes = sgc_os_page_bytes();
    if ((size_t)slab->n_free * slab->slot_bytes < page_bytes)
        return;
    uint16_t left = slab_free_pages(slab, page_bytes) & (uint16_t)~slab->discarded;
    while (left && purge->n_calls) {
        const unsigned first = sgc_ctz64(left);
        const unsigned n = sgc_ctz64(~((uint64_t)left >> first));
        const uint16_t mask = (uint16_t)(((1u << n) - 1) << first);
        left &= (uint16_t)~mask;
        purge->n_calls--;
        if (sgc_os_discard(sgc_slab_start(slab) + first * page_bytes, n * page_bytes) < 0)
            return; /* refused: the pages stay, and are tried again in the next pass */
        slab->discarded |= mask;
        purge->bytes += n * page_bytes;
    }
}

/* Looks at the first slabs of a partial list and moves them to its end. */
static unsigned list_purge(struct purge *purge, struct sgc_list *partial, unsigned n)
{
    unsigned looks = 0;
    while (looks < n && purge->n_slabs && purge->n_calls && !sgc_list_empty(partial)) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(partial->next, struct sgc_slab, partial);
        if (!slab->touched || purge->force)
            slab_purge(purge, slab);
        slab->touched = 0;
        sgc_list_remove(&slab->partial);
        sgc_list_push_back(partial, &slab->partial);
        purge->n_slabs--;
        looks++;
    }
    return looks;
}

static bool class_may_purge(const struct sgc_class *class_)
{
    return class_->slot_bytes && !class_->cache->type->ctor && !(class_->cache->debug & SGC_DEBUG_POISON);
}

static unsigned list_count(const struct sgc_list *list)
{
    unsigned n = 0;
    SGC_LIST_FOR_EACH (at, list)
        n++;
    return n;
}

/* Slabs of a list that nobody owns and the pass has not looked at: those are in front. True: there are no more. */
static bool unowned_list_purge(struct purge *purge, struct sgc_list *partial, uint16_t pass)
{
    while (!sgc_list_empty(partial)) {
        struct sgc_slab *slab = SGC_LIST_ENTRY(partial->next, struct sgc_slab, partial);
        if (slab->looked == pass)
            break;
        if (!list_purge(purge, partial, 1))
            return false;
        slab->looked = pass;
    }
    return true;
}

/* The class's own slabs, then those of idle fronts, the one that waited longest first. */
static bool unowned_go_on(struct purge *purge, struct sgc_class *class_)
{
    if (!unowned_list_purge(purge, &class_->partial, class_->pass))
        return false;
    while (!sgc_list_empty(&class_->idle_fronts)) {
        struct sgc_front *idle = SGC_LIST_ENTRY(class_->idle_fronts.next, struct sgc_front, link);
        if (idle->looked == class_->pass)
            break;
        if (!purge->n_slabs || !unowned_list_purge(purge, &idle->partial, class_->pass))
            return false;
        purge->n_slabs--; /* it counts as one, or many empty ones would be no look */
        idle->looked = class_->pass;
        sgc_list_remove(&idle->link);
        sgc_list_push_back(&class_->idle_fronts, &idle->link);
    }
    return true;
}

/* Slabs that no thread owns: whoever comes by looks at some, in passes of the class's. What comes into a list during
 * one may wait for the next. True: the pass is over, and none is due. */
static bool unowned_purge(struct purge *purge, struct sgc_class *class_, uint64_t now_ns)
{
    sgc_class_lock(class_);
    /* another thread may have read the clock later */
    if (!class_->passing && (int64_t)(now_ns - class_->pass_began_ns) >= UNOWNED_PASS_NS) {
        class_->pass_began_ns = now_ns;
        class_->pass++;
        class_->passing = true;
    }
    if (class_->passing)
        class_->passing = !unowned_go_on(purge, class_);
    const bool over = !class_->passing;
    sgc_class_unlock(class_);
    return over;
}

/* One thread at a time: whoever finds a look due puts the next one off before it begins. True: it took its time. */
static bool arena_decay(uint64_t now_ns)
{
    static uint64_t look_ns; /* atomic: when the next look is due */
    uint64_t due_ns = __atomic_load_n(&look_ns, __ATOMIC_RELAXED);
    if (now_ns < due_ns || !__atomic_compare_exchange_n(&look_ns, &due_ns, now_ns + DECAY_LOOK_NS, false,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return false;
    if (sgc_region_decay_some() == 0)
        return false;
    __atomic_store_n(&look_ns, sgc_os_now_ns() + DECAY_REST_NS, __ATOMIC_RELAXED);
    return true;
}

/* When this thread's last purge ended, of whatever class. */
static __thread uint64_t purged_ns __attribute__((tls_model("initial-exec")));

/* The time that this call may take: a share of what went by since the last purge. */
static uint64_t time_allowed(uint64_t now_ns)
{
    const uint64_t share_ns = (now_ns - purged_ns) / (TIME_SHARE - 1);
    return share_ns < TIME_MOST_NS ? share_ns : TIME_MOST_NS;
}

static bool stop_is_wanted(void)
{
    return __atomic_load_n(&sgc_stop_flag, __ATOMIC_RELAXED) & SGC_STOP_NOW; /* a hint: nothing is read because of it */
}

void sgc_front_purge_some(struct sgc_front *front)
{
    if (front->reserved_until > sgc_front_n_popped(front))
        return; /* what is reserved must not have to be asked for again */
    const uint64_t now_ns = sgc_os_now_ns();
    if (arena_decay(now_ns)) {
        purged_ns = sgc_os_now_ns();
        return;
    }
    if (!class_may_purge(front->class_))
        return;
    if (front->n_to_purge == 0) {
        if (now_ns - front->purge_began_ns < PASS_NS)
            return;
        front->purge_began_ns = now_ns;
        front->n_to_purge = front->n_partial + 1; /* one more for the slabs of nobody */
    }
    const uint64_t allowed_ns = time_allowed(now_ns), until_ns = now_ns + allowed_ns;
    if (allowed_ns < TIME_LEAST_NS)
        return;
    do {
        struct purge purge = {.n_slabs = SLABS_PER_LOOK, .n_calls = CALLS_PER_LOOK};
        front->n_to_purge -= list_purge(&purge, &front->partial, front->n_to_purge - 1);
        if (purge.n_slabs && purge.n_calls) /* the own ones are through, or fewer than they were */
            front->n_to_purge = !unowned_purge(&purge, front->class_, now_ns);
        purged_ns = sgc_os_now_ns();
    } while (front->n_to_purge && !stop_is_wanted() && purged_ns < until_ns);
}

void sgc_front_end_period(struct sgc_front *front)
{
    const uint64_t now_ns = sgc_os_now_ns(), elapsed_ns = now_ns - front->period_began_ns;
    front->period_began_ns = now_ns;
    if (elapsed_ns < PERIOD_NS / 2 && front->period < SGC_FRONT_PERIOD_MOST)
        front->period *= 2;
    if (elapsed_ns > PERIOD_NS * 2) {
        const uint64_t wanted = front->period * PERIOD_NS / elapsed_ns;
        front->period = wanted > SGC_FRONT_PERIOD_LEAST ? (uint32_t)wanted : SGC_FRONT_PERIOD_LEAST;
    }
    window_begin_period(front);
    sgc_front_purge_some(front);
}

size_t sgc_class_purge(struct sgc_class *class_, struct sgc_front *front)
{
    struct purge purge = {.n_slabs = UINT32_MAX, .n_calls = UINT32_MAX, .force = true};
    if (!class_may_purge(class_))
        return 0;
    if (front && front->reserved_until <= sgc_front_n_popped(front))
        list_purge(&purge, &front->partial, front->n_partial);
    sgc_class_lock(class_);
    list_purge(&purge, &class_->partial, list_count(&class_->partial));
    SGC_LIST_FOR_EACH (at, &class_->idle_fronts) {
        struct sgc_front *idle = SGC_LIST_ENTRY(at, struct sgc_front, link);
        list_purge(&purge, &idle->partial, idle->n_partial);
    }
    sgc_class_unlock(class_);
    return purge.bytes;
}
