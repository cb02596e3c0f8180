/* remote.c - frees of slots in slabs that the freeing thread does not own. Called by front.c, depot.c, stop.c. No
 *   lock on the freeing side.
 *
 * States of a slot in a slab owned by O: live; in a window; free (FREE bit, O's alone); freed remotely (REMOTE bit).
 *   A free from elsewhere sets the REMOTE bit; O later moves bits from REMOTE to FREE ("takes them over").
 *
 * The free, by thread X, for k slots of one word:
 *   F1  n = fetch_or(REMOTE word, mask)                release: the program's writes to the objects come before
 *   F2  before = fetch_add(slab->n_notes, k)           acq_rel: announces k slots
 *   F3  if before was 0: push the slab on the stack of its owner (or of the class). Otherwise it is on a stack
 *       already, and X touches nothing of the slab after F2.
 * The take-over, by O (or under the class lock for unowned slabs and idle fronts):
 *   T1  take the whole stack                           exchange, acquire; pairs with the push
 *   T2  for each slab: notes = n_notes; move all REMOTE bits to FREE (exchange 0 per word; pairs with F1); n_owed +=
 *       moved - notes;
 *   T3  compare-and-swap n_notes notes -> 0            release; fails when somebody announced more: again from T2.
 *
 * The token. A slab is on at most one stack, and is put there by the one X whose F2 saw 0. Between T1 and T3 the slab
 *   is with O alone, because n_notes is not 0 and so nobody pushes. Everything O has to do with the slab as a
 *   taken-over one is done before T3.
 * The debt. n_owed counts slots whose bits were taken over but whose F2 has not been seen: their X is between F1 and
 *   F2. A slot is announced once for each time it is freed, so n_owed is never negative, and a slab with n_owed 0 and
 *   every slot in FREE has no X inside F1..F3: nobody will touch its descriptor again. Only such a slab may leave the
 *   class. X therefore needs no lock, reference count or grace period. (Between F2 with before 0 and F3 the slab
 *   cannot leave either: it is on no stack, so X's bits are still in REMOTE or still owed.)
 * Ownership. X reads slab->owner after F2 (F3 only). The owner may change meanwhile, under the class lock: then the
 *   slab is pushed on the old owner's stack. Whoever takes that stack sees another owner and passes the slab on, with
 *   n_notes as it is (still a token). Fronts are never unmapped while the class lives, and slabs of a thread that
 *   runs change owner only at a stop or by theft.
 * Theft. A thread that does not refill would keep slabs that others freed completely. Under the class lock a thief
 *   takes the victim's stack (T1) and keeps slabs of the victim's with every slot in REMOTE and n_owed + n_slots ==
 *   n_notes: no live slot, none in a window, none in FREE, no X inside. The victim has such a slab nowhere but on its
 *   stack (it was full when its last slot was handed out, which happened before the free of that slot), so the thief
 *   is alone with it. All others it puts back.
 *
 * Progress: F1-F3 are lock-free (F3 retries only when another push succeeded); T3 retries at most once per slot freed
 *   meanwhile.
 * Source: the idea of a bitmap per slab for remote frees and of owner stacks is common (mimalloc, snmalloc); the debt
 *   count is ours. */
#include "core/cache/internal.h"

/* Whole slabs (1 MiB) that may wait for an owner who does not look; then a freeing thread hands them on */
#define WHOLE_MAX 16
/* Of as many slabs that a thief put back one must have become whole until the next walk: each walk is paid for by what
 * it finds, and so much of the stack may wait besides. */
#define WALK_SHARE 16

static void stack_push(struct sgc_class *class_, struct sgc_slab *slab, struct sgc_front *owner)
{
    struct sgc_slab **head = owner ? &owner->remote_head : &class_->remote_head;
    struct sgc_slab *old = __atomic_load_n(head, __ATOMIC_RELAXED);
    do {
        slab->remote_next = old;
    } while (!__atomic_compare_exchange_n(head, &old, slab, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED)); /* pairs with stack_take */
}

static struct sgc_slab *stack_take(struct sgc_class *class_, struct sgc_front *front)
{
    struct sgc_slab **head = front ? &front->remote_head : &class_->remote_head;
    if (!__atomic_load_n(head, __ATOMIC_RELAXED))
        return NULL;
    __atomic_store_n(front ? &front->n_whole : &class_->n_whole, 0, __ATOMIC_RELAXED);
    return __atomic_exchange_n(head, NULL, __ATOMIC_ACQUIRE); /* pairs with stack_push */
}

/* A slab became whole by remote frees alone. Beyond WHOLE_MAX the caller does the owner's work. */
static SGC_NOINLINE void remote_whole(struct sgc_class *class_, struct sgc_front *owner)
{
    int32_t *n_whole = owner ? &owner->n_whole : &class_->n_whole;
    if (__atomic_add_fetch(n_whole, 1, __ATOMIC_RELAXED) < WHOLE_MAX)
        return;
    struct slab_surplus surplus = {NULL};
    sgc_class_lock(class_);
    if (!owner || owner->idle)
        sgc_remote_drain(class_, owner, &surplus);
    else
        sgc_remote_steal_locked(class_, owner, &surplus);
    sgc_class_unlock(class_);
    sgc_depot_release(&surplus);
}

bool sgc_remote_announce(struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    struct sgc_class *class_ = slab->class_;
    const uint32_t n_slots = slab->n_slots;
    const uint32_t n = mask_count(mask);
    if (sgc_unlikely(word_load(sgc_slab_words(slab, SGC_KIND_FREE) + word) &
                     mask)) /* before F1: afterwards the owner may set them */
        sgc_panic_double_free(slab, word, word_load(sgc_slab_words(slab, SGC_KIND_FREE) + word) & mask);
    sgc_asan_poison_mask(slab, word, mask);
    const uint64_t old = __atomic_fetch_or(sgc_slab_words(slab, SGC_KIND_REMOTE) + word, mask, __ATOMIC_ACQ_REL);
    if (sgc_unlikely(old & mask))
        sgc_panic_double_free(slab, word, old & mask);
    const uint32_t before = __atomic_fetch_add(&slab->n_notes, n, __ATOMIC_ACQ_REL);
    if (before == 0)
        stack_push(class_, slab, slab_owner(slab));
    return before + n == n_slots;
}

void sgc_remote_free(struct sgc_slab *slab, unsigned word, uint64_t mask)
{
    struct sgc_class *class_ = slab->class_;
    struct sgc_front *owner =
        slab_owner(slab); /* as a hint: it may have another one by now, and the slab may be gone after the next line */
    if (sgc_unlikely(sgc_remote_announce(slab, word, mask)))
        remote_whole(class_, owner);
}

/* T2 and T3. True: nothing of the slab is live or in anybody's hands. */
static bool slab_take_over(struct sgc_slab *slab, struct sgc_front *front)
{
    const struct sgc_class *class_ = slab->class_;
    uint64_t *free_words = sgc_slab_words(slab, SGC_KIND_FREE), *remote_words = sgc_slab_words(slab, SGC_KIND_REMOTE);
    uint32_t notes =
        __atomic_load_n(&slab->n_notes, __ATOMIC_ACQUIRE); /* pairs with F2: what was announced is seen below */
    int32_t owed = slab->n_owed;
    bool whole;
    do {
        uint32_t n_moved = 0;
        for (uint64_t left = class_->slot_words; left; left &= left - 1) {
            const unsigned i = sgc_ctz64(left);
            if (!word_load(&remote_words[i]))
                continue;
            const uint64_t bits = __atomic_exchange_n(&remote_words[i], 0, __ATOMIC_ACQ_REL); /* pairs with F1 */
            slab_add_free(slab, free_words, i, bits);
            n_moved += mask_count(bits);
        }
        owed += (int32_t)n_moved;
        slab->n_free += n_moved;
        slab->n_owed = owed - (int32_t)notes;
        if (slab->listed == SLAB_FULL && slab->n_free)
            sgc_slab_list(slab, front);
        whole = slab->listed == SLAB_PARTIAL && slab->n_free == slab->n_slots && slab->n_owed == 0;
    } while (!__atomic_compare_exchange_n(&slab->n_notes, &notes, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return whole;
}

void sgc_remote_drain(struct sgc_class *class_, struct sgc_front *front, struct slab_surplus *surplus)
{
    struct sgc_slab *slab = stack_take(class_, front);
    while (slab) {
        struct sgc_slab *next = slab->remote_next; /* before T3: then others may push the slab */
        struct sgc_front *owner = slab_owner(slab);
        if (owner != front) {
            stack_push(class_, slab, owner);
        } else if (slab_take_over(slab, front)) {
            if (surplus) {
                sgc_slab_unlist(slab, front);
                sgc_depot_put_locked(slab, surplus);
            } else {
                sgc_depot_retire(front, slab);
            }
        }
        slab = next;
    }
}

/* Every slot in REMOTE, and every one of them announced. The caller has the token. */
static bool slab_is_whole(const struct sgc_slab *slab, const struct sgc_class *class_)
{
    const uint32_t notes = __atomic_load_n(&slab->n_notes, __ATOMIC_ACQUIRE); /* pairs with F2 */
    if (notes < slab->n_slots)
        return false;
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++)
        if (__atomic_load_n(sgc_slab_words(slab, SGC_KIND_REMOTE) + i, __ATOMIC_ACQUIRE) !=
            class_->slot_mask[i]) /* pairs with F1 */
            return false;
    return slab->n_owed + (int32_t)slab->n_slots == (int32_t)notes;
}

static void slab_claim(struct sgc_slab *slab, const struct sgc_class *class_)
{
    SGC_DCHECK(slab->listed == SLAB_FULL && slab->n_free == 0);
    for (unsigned i = 0; i < SGC_SLAB_WORDS; i++) {
        word_store(sgc_slab_words(slab, SGC_KIND_REMOTE) + i, 0);
        word_store(sgc_slab_words(slab, SGC_KIND_FREE) + i, class_->slot_mask[i]);
    }
    slab->free_words = class_->slot_words;
    slab->n_free = slab->n_slots;
    slab->n_owed = 0;
    __atomic_store_n(&slab->n_notes, 0, __ATOMIC_RELAXED);
}

void sgc_remote_steal_locked(struct sgc_class *class_, struct sgc_front *victim, struct slab_surplus *surplus)
{
    sgc_lock_assert_held(&class_->lock);
    struct sgc_slab *slab = stack_take(class_, victim);
    int32_t n_back = 0;
    while (slab) {
        struct sgc_slab *next = slab->remote_next;
        struct sgc_front *owner = slab_owner(slab);
        if (owner == victim && slab_is_whole(slab, class_)) {
            slab_claim(slab, class_);
            sgc_depot_put_locked(slab, surplus);
        } else {
            stack_push(class_, slab, owner);
            n_back++;
        }
        slab = next;
    }
    if (n_back >= WALK_SHARE)
        __atomic_fetch_sub(&victim->n_whole, n_back / WALK_SHARE, __ATOMIC_RELAXED);
}
