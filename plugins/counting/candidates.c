/* candidates.c - candidates for dead cycles: objects that lost a claim and lived on.
 * Called by sgc_counting_release (note), by cascades (gone), by collect.c, trial.c and garbage.c (the rest, at a stop).
 *
 * Invariant: in every group of dead objects that only they themselves refer to, some object is a candidate, or lies
 * where no cycle leads through. The last claim that came from outside such a group fell on one of its objects, and
 * left its count above 0; that decrement noted it, unless it was one already.
 *
 * A candidate is an object with the bit SGC_COUNTING_CANDIDATE in its state byte; no list names it. Whoever sets the
 * bit adds the object's page to a set: a thread to its own, the stopper to the heap's. So a candidate that dies needs
 * no more than that its state byte is cleared with the slot, whoever ends it, and whatever set its page is in; a look
 * at the candidates reads the state bytes of the pages, at a stop. The bit is set while a claim pins the object: never
 * after the decrement, when another thread's decrement may have ended it.
 *
 * What a page had when it was added may be gone: its slab may be another cache's, another heap's, or nobody's. A
 * granule is a candidate of this heap if its state byte says so, its count is that of a live object, and it is an
 * object of this heap; side metadata of slabs that are not in use is zero.
 * Locks: counting->lock (rank STRATEGY) for the heap's sets against threads that end; at a stop nobody else is there.
 */
#include "plugins/counting/counting.h"

#include <string.h>

/* ---- noting */

void sgc_candidates_lose(struct sgc_counting *counting)
{
    if (!__atomic_exchange_n(&counting->lost, true, __ATOMIC_RELAXED)) /* read by the stopper, after every section */
        counting->host->request_collection(counting->heap, SGC_COLLECT_FULL);
}

/* False: it is one already. Young: without the bit that stands for old beside it. */
static bool candidate_mark(const struct sgc_counting *counting, void *object)
{
    uint8_t *byte = sgc_state_byte(&counting->host->counts, object);
    uint8_t state = __atomic_load_n(byte, __ATOMIC_RELAXED);
    for (;;) {
        const uint8_t marked = (uint8_t)((state & ~SGC_COUNTING_OLD) | SGC_COUNTING_CANDIDATE);
        if (state & SGC_COUNTING_CANDIDATE)
            return false;
        if (*counting->host->counts.solo) {
            __atomic_store_n(byte, marked, __ATOMIC_RELAXED);
            return true;
        }
        /* the decrement that follows releases it */
        if (__atomic_compare_exchange_n(byte, &state, marked, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
    }
}

void sgc_candidate_note(struct sgc_counting *counting, struct sgc_candidates *own, void *object)
{
    if (sgc_counting_is_acyclic(counting, object) || !candidate_mark(counting, object))
        return;
    const uintptr_t page = sgc_page_of(object);
    if (!own || (page != own->pages.last && !sgc_page_set_add(counting->host, &own->pages, page)))
        sgc_candidates_lose(counting);
    else if (++own->n == own->limit && !counting->stopped)
        counting->host->request_collection(counting->heap, SGC_COLLECT_MINOR);
}

/* ---- sets that change hands */

void sgc_candidates_detach(struct sgc_counting *counting, struct sgc_candidates *own)
{
    counting->host->lock(counting->lock);
    const bool whole = sgc_page_set_merge(counting->host, &counting->young.pages, &own->pages);
    counting->host->unlock(counting->lock);
    if (!whole)
        sgc_candidates_lose(counting);
    sgc_page_set_fini(counting->host, &own->pages);
    own->n = 0;
}

static void candidates_gather_cell(void *arg, void **place)
{
    struct sgc_counting *counting = arg;
    struct sgc_counting_cell *cell = *place;
    if (!cell)
        return;
    counting->n_noted += cell->young.n;
    sgc_candidates_detach(counting, &cell->young);
    cell->young.limit = counting->threshold;
}

void sgc_candidates_gather(struct sgc_counting *counting)
{
    counting->host->visit_thread_cells(counting->heap, candidates_gather_cell, counting);
}

/* ---- looking, at a stop */

void sgc_candidate_settle(struct sgc_counting *counting, void *object)
{
    uint8_t *state = sgc_state_byte(&counting->host->counts, object);
    if (*state & SGC_COUNTING_CANDIDATE)
        *state = (uint8_t)((*state & ~SGC_COUNTING_CANDIDATE) | SGC_COUNTING_USED);
}

/* Calls visit for each candidate of the page, until it says that this is enough. */
static bool page_visit(struct sgc_counting *counting, uintptr_t page,
                       bool (*visit)(void *arg, void *object, uint8_t state), void *arg)
{
    const struct sgc_host *host = counting->host;
    char *start = (char *)(page << SGC_PAGE_SHIFT);
    const uint8_t *states = sgc_state_byte(&host->counts, start);
    bool ours = false; /* a page lies in one slab, and so in one heap */
    for (unsigned i = 0; i < SGC_PAGE_GRANULES; i += 8) {
        uint64_t left;
        memcpy(&left, states + i, sizeof(left));
        for (left &= SGC_COUNTING_CANDIDATE * UINT64_C(0x0101010101010101); left; left &= left - 1) {
            const unsigned granule = i + (unsigned)__builtin_ctzll(left) / 8;
            void *object = start + (size_t)granule * SGC_GRANULE_BYTES;
            if (!ours && host->heap_of(object) != counting->heap)
                return true;
            ours = true;
            const uint8_t count = *sgc_count_byte(&host->counts, object);
            if (count == 0 || count == SGC_COUNT_DEAD) /* it waits for its end, or the slot is free */
                sgc_candidate_settle(counting, object);
            else if (!visit(arg, object, states[granule]))
                return false;
        }
    }
    return true;
}

bool sgc_candidates_visit(struct sgc_counting *counting, struct sgc_candidates *candidates,
                          bool (*visit)(void *arg, void *object, uint8_t state), void *arg)
{
    const struct sgc_page_set *pages = &candidates->pages;
    for (size_t i = 0; i < pages->n_slots; i++) {
        const size_t slot = (candidates->next_slot + i) & (pages->n_slots - 1);
        if (pages->slots[slot] && !page_visit(counting, pages->slots[slot], visit, arg)) {
            candidates->next_slot = slot; /* others' turn before it is this page's again */
            return false;
        }
    }
    return true;
}

struct candidate_count {
    uint8_t wanted; /* SGC_COUNTING_OLD or 0 */
    uint64_t n;
};

static bool candidate_count_one(void *arg, void *object, uint8_t state)
{
    struct candidate_count *count = arg;
    (void)object;
    count->n += (state & SGC_COUNTING_OLD) == count->wanted;
    return true;
}

uint64_t sgc_candidates_count(struct sgc_counting *counting, struct sgc_candidates *candidates, bool old)
{
    struct candidate_count count = {.wanted = old ? SGC_COUNTING_OLD : 0};
    sgc_candidates_visit(counting, candidates, candidate_count_one, &count);
    return count.n;
}

bool sgc_candidate_make_old(struct sgc_counting *counting, void *object)
{
    if (!sgc_page_set_add(counting->host, &counting->old.pages, sgc_page_of(object)))
        return false;
    *sgc_state_byte(&counting->host->counts, object) |= SGC_COUNTING_OLD;
    counting->old.n++;
    return true;
}
