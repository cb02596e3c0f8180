/* fake_host.c - the services of the fake host: each is the shortest code that keeps plugin.h's promise. See
 * fake_host.h. */
#include "tests/plugins/support/fake_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_state fake_state_;
#define S fake_state_

size_t fake_slot_of(const void *object)
{
    const size_t offset = (size_t)((const unsigned char *)object - &S.slots[0][0]);
    FAKE_CHECK(offset < sizeof(S.slots) && offset % FAKE_SLOT_BYTES == 0, "%p is no object", object);
    return offset / FAKE_SLOT_BYTES;
}

void fake_check_object(const void *object)
{
    FAKE_CHECK(S.types[fake_slot_of(object)] != NULL, "object %p is reclaimed", object);
}

/* ---- counts */

static uint8_t *bias(uint8_t *bytes)
{
    return (uint8_t *)((uintptr_t)bytes - ((uintptr_t)&S.slots[0][0] >> SGC_GRANULE_SHIFT));
}

uint32_t *fake_excess_of(const void *object)
{
    return &S.excess[fake_slot_of(object) * (FAKE_SLOT_BYTES / SGC_GRANULE_BYTES)];
}

uint8_t *fake_count_byte(const void *object)
{
    return &S.counts[fake_slot_of(object) * (FAKE_SLOT_BYTES / SGC_GRANULE_BYTES)];
}

static void increment_slow(void *object)
{
    uint8_t *byte = fake_count_byte(object);
    fake_check_object(object);
    FAKE_CHECK(*byte != SGC_COUNT_DEAD, "hold on dead object %p", object);
    *fake_excess_of(object) += 0x3f;
    *byte = (uint8_t)((*byte & 0x7f) - 0x3f + 1) | SGC_COUNT_EXCESS;
}

static bool decrement_slow(void *object)
{
    uint8_t *byte = fake_count_byte(object);
    fake_check_object(object);
    FAKE_CHECK(*byte != 0 && *byte != SGC_COUNT_DEAD, "double drop of %p", object);
    uint32_t *more = fake_excess_of(object), moved = *more < 0x3f ? *more : 0x3f;
    *more -= moved;
    *byte = (uint8_t)(moved - 1) | (*more ? SGC_COUNT_EXCESS : 0);
    return *byte == 0;
}

uint64_t fake_count_value(const void *object)
{
    const uint8_t byte = *fake_count_byte(object);
    return byte == SGC_COUNT_DEAD ? UINT64_MAX
                                  : (uint64_t)(byte & 0x7f) + (byte & SGC_COUNT_EXCESS ? *fake_excess_of(object) : 0);
}

/* ---- memory and objects */

static void *host_alloc(size_t bytes)
{
    if (fake.refuse_after == 0)
        return NULL;
    if (fake.refuse_after > 0)
        fake.refuse_after--;
    fake.n_records++;
    fake.record_bytes += bytes;
    return calloc(1, bytes);
}

static void host_free(void *at, size_t bytes)
{
    if (!at)
        return;
    FAKE_CHECK(fake.n_records > 0 && fake.record_bytes >= bytes, "freed more than was allocated");
    fake.n_records--;
    fake.record_bytes -= bytes;
    free(at);
}

static uint8_t *host_private_bias(unsigned which)
{
    return bias(S.private_bytes[which]);
}

static struct sgc_heap *host_heap_of(const void *object)
{
    (void)object;
    return NULL;
}

static const struct sgc_type *host_type_of(const void *object)
{
    fake_check_object(object);
    return S.types[fake_slot_of(object)];
}

static size_t host_size_of(const void *object)
{
    fake_check_object(object);
    return FAKE_SLOT_BYTES;
}

static void host_visit_references(void *object, sgc_visit_fn *visit, void *visitor)
{
    const struct sgc_type *type = host_type_of(object);
    for (uint32_t i = 0; type->n_ref_runs && i < FAKE_REFERENCES; i++)
        visit(visitor, &((struct fake_object *)object)->references[i]);
    if (type->trace)
        type->trace(object, visit, visitor);
}

static bool host_ephemeron_parts(void *object, void **key, void **value)
{
    const struct fake_ephemeron *ephemeron = object;
    if (host_type_of(object) != &fake_ephemeron_type)
        return false;
    *key = ephemeron->key;
    *value = ephemeron->value;
    return true;
}

static void host_visit_ephemerons_of(void *key, void (*visit)(void *arg, void *ephemeron, void *value), void *arg)
{
    FAKE_CHECK(fake.stopped, "called while no stop is in force");
    for (unsigned i = 0; i < S.n_ephemerons; i++) {
        if (S.ephemerons[i] && S.ephemerons[i]->key == key)
            visit(arg, S.ephemerons[i], S.ephemerons[i]->value);
    }
}

static void host_walk(struct sgc_heap *heap, void (*visit)(void *arg, void *object), void *arg)
{
    (void)heap;
    FAKE_CHECK(fake.stopped, "called while no stop is in force");
    for (size_t i = 0; i < S.n_fresh; i++) {
        if (S.types[i] && !(S.types[i]->flags & SGC_TYPE_MANUAL))
            visit(arg, S.slots[i]);
    }
}

/* ---- death */

static bool host_bury(void *object)
{
    fake_check_object(object);
    FAKE_CHECK(!S.locked, "locked twice, or called under the lock");
    for (unsigned i = 0; i < S.n_weaks; i++) {
        if (S.weaks[i] == object)
            S.weaks[i] = NULL;
    }
    for (unsigned i = 0; i < S.n_ephemerons; i++) {
        struct fake_ephemeron *ephemeron = S.ephemerons[i];
        if (ephemeron == object)
            S.ephemerons[i] = NULL;
        if (!ephemeron || ephemeron->key != object)
            continue;
        void *value = ephemeron->value;
        ephemeron->key = ephemeron->value = NULL;
        S.ephemerons[i] = NULL;
        if (sgc_is_object(value))
            fake.ops->decrement(fake.self, value);
    }
    uint8_t *state = sgc_state_byte(&fake_host()->counts, object);
    if (!host_type_of(object)->finalize || (*state & SGC_STATE_FINALIZED))
        return false;
    *state |= SGC_STATE_FINALIZED;
    if (*fake_count_byte(object) == SGC_COUNT_DEAD)
        *fake_count_byte(object) = 1;
    else
        fake_hold(object);
    FAKE_CHECK(fake.n_queued < sizeof(fake.queue) / sizeof(fake.queue[0]), "the finalizer queue of the fake is full");
    fake.queue[fake.n_queued++] = object;
    return true;
}

static void host_reclaim(struct sgc_heap *heap, void *const *objects, size_t n)
{
    (void)heap;
    FAKE_CHECK(!S.locked, "locked twice, or called under the lock");
    for (size_t i = 0; i < n; i++) {
        const size_t slot = fake_slot_of(objects[i]);
        fake_check_object(objects[i]);
        FAKE_CHECK(*fake_count_byte(objects[i]) == SGC_COUNT_DEAD, "reclaimed without a claim: %p", objects[i]);
        for (unsigned j = 0; j < fake.n_queued; j++)
            FAKE_CHECK(fake.queue[j] != objects[i], "reclaimed in the finalizer queue: %p", objects[i]);
        S.types[slot] = NULL;
        *fake_count_byte(objects[i]) = 0;
        *sgc_state_byte(&fake_host()->counts, objects[i]) = 0;
        memset(objects[i], 0xdd, FAKE_SLOT_BYTES);
        S.free_ring[(S.free_head + S.n_free++) % FAKE_OBJECTS] = (uint32_t)slot;
        fake.n_live--;
    }
}

struct reach {
    void *seen[256];
    unsigned n;
    bool (*is_dead)(void *arg, void *object);
    void *arg;
};

static void reach_visit(void *arg, void **place)
{
    struct reach *reach = arg;
    if (!sgc_is_object(*place) || !reach->is_dead(reach->arg, *place))
        return;
    for (unsigned i = 0; i < reach->n; i++) {
        if (reach->seen[i] == *place)
            return;
    }
    FAKE_CHECK(reach->n < 256, "too many dead objects for the fake");
    reach->seen[reach->n++] = *place;
    host_visit_references(*place, reach_visit, reach);
}

static bool reaches(void *from, void *to, bool (*is_dead)(void *arg, void *object), void *arg)
{
    struct reach reach = {.is_dead = is_dead, .arg = arg};
    host_visit_references(from, reach_visit, &reach);
    for (unsigned i = 0; i < reach.n; i++) {
        if (reach.seen[i] == to)
            return true;
    }
    return false;
}

static size_t host_select_finalizable(struct sgc_heap *heap, void **objects, size_t n,
                                      bool (*is_dead)(void *arg, void *object), void *arg)
{
    (void)heap;
    size_t n_first = 0;
    void *scratch = host_alloc(1); /* core's needs memory, too */
    if (!scratch)
        return 0;
    host_free(scratch, 1);
    for (size_t i = 0; i < n; i++) {
        bool last = false;
        for (size_t j = 0; j < n && !last; j++)
            last = j != i && reaches(objects[j], objects[i], is_dead, arg) &&
                   !reaches(objects[i], objects[j], is_dead, arg);
        if (last)
            continue;
        void *object = objects[i];
        objects[i] = objects[n_first];
        objects[n_first++] = object;
    }
    return n_first;
}

/* ---- threads, sections, decrements */

/* An object of a manual type is core's. */
static void decrement_now(void *object)
{
    if (!(host_type_of(object)->flags & SGC_TYPE_MANUAL)) {
        fake.ops->decrement(fake.self, object);
    } else if (sgc_count_decrement(&fake_host()->counts, object, true)) {
        FAKE_CHECK(sgc_count_claim_dead(&fake_host()->counts, object), "a manual object was held while it died");
        host_reclaim(NULL, &object, 1);
    }
}

void fake_decrement_later(void *object)
{
    if ((fake_state(object) & SGC_STATE_DEFER) && fake.depth) {
        FAKE_CHECK(S.n_deferred < FAKE_MAX_DEFERRED, "too many deferred decrements for the fake");
        S.deferred[S.n_deferred++] = object;
    } else {
        decrement_now(object);
    }
}

bool fake_end_straight(void *object)
{
    const struct sgc_type *type = host_type_of(object);
    const uint8_t end_state = fake.ops->end_state;
    if (!fake.straight_ends || fake.depth || !end_state || *fake_count_byte(object) != 1 ||
        fake_state(object) != end_state || type->finalize || type == &fake_ephemeron_type ||
        (type->flags & SGC_TYPE_MANUAL))
        return false;
    for (uint32_t i = 0; type->n_ref_runs && i < FAKE_REFERENCES; i++)
        FAKE_CHECK(!sgc_is_object(((struct fake_object *)object)->references[i]),
                   "object %p is in its end state and refers to another", object);
    *fake_count_byte(object) = SGC_COUNT_DEAD;
    host_reclaim(NULL, &object, 1);
    return true;
}

static void **host_thread_cell(struct sgc_heap *heap)
{
    (void)heap;
    return &S.cells[fake.thread];
}

static void host_visit_thread_cells(struct sgc_heap *heap, void (*visit)(void *arg, void **cell), void *arg)
{
    (void)heap;
    FAKE_CHECK(fake.stopped, "called while no stop is in force");
    for (unsigned i = 0; i < FAKE_THREADS; i++)
        visit(arg, &S.cells[i]);
}

static void host_set_pace(struct sgc_heap *heap, const struct sgc_pace *pace)
{
    (void)heap;
    fake.pace = *pace;
}

static void host_request_collection(struct sgc_heap *heap, enum sgc_collect_kind kind)
{
    (void)heap;
    if ((int)kind > fake.requested)
        fake.requested = (int)kind;
}

static uint64_t host_grace_stamp(void)
{
    return fake.grace_started + 1;
}

static uint64_t host_grace_done(void)
{
    return fake.grace_done;
}

static void host_grace_request(struct sgc_heap *heap, uint64_t stamp)
{
    (void)heap;
    if (!fake.grace_wanted || (int64_t)(stamp - fake.grace_stamp) > 0)
        fake.grace_stamp = stamp;
    fake.grace_wanted = true;
}

/* A grace period passes unless somebody is in a section. */
static int host_grace_wait(uint64_t stamp, uint64_t timeout_ns)
{
    (void)timeout_ns;
    if (fake.depth)
        return -ETIMEDOUT;
    while ((int64_t)(fake.grace_done - stamp) < 0)
        fake.grace_done = ++fake.grace_started;
    return 0;
}

static void *host_lock_create(void)
{
    return host_alloc(1);
}

static void host_lock_destroy(void *lock)
{
    host_free(lock, 1);
}

static void host_lock(void *lock)
{
    (void)lock;
    FAKE_CHECK(!S.locked, "locked twice, or called under the lock");
    S.locked = true;
}

static void host_unlock(void *lock)
{
    (void)lock;
    FAKE_CHECK(S.locked, "unlocked twice");
    S.locked = false;
}

static void host_count_visited(struct sgc_heap *heap, uint64_t n)
{
    (void)heap;
    fake.n_visited += n;
}

static void host_count_retired(struct sgc_heap *heap, int64_t bytes)
{
    (void)heap;
    fake.retired_bytes += bytes;
}

static int host_fail(struct sgc_error *error, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->code = code;
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return code;
}

static __attribute__((noreturn, format(printf, 1, 2))) void host_panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("slabgc: panic: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    abort();
}

const struct sgc_host *fake_host(void)
{
    static struct sgc_host host = {
        .struct_bytes = sizeof(struct sgc_host),
        .abi_major = SGC_ABI_MAJOR,
        .abi_minor = SGC_ABI_MINOR,
        .counts = {.increment_slow = increment_slow,
                   .decrement_slow = decrement_slow,
                   .solo = &fake.solo,
                   .value = fake_count_value},
        .alloc = host_alloc,
        .free = host_free,
        .private_bias = host_private_bias,
        .heap_of = host_heap_of,
        .type_of = host_type_of,
        .size_of = host_size_of,
        .visit_references = host_visit_references,
        .ephemeron_parts = host_ephemeron_parts,
        .visit_ephemerons_of = host_visit_ephemerons_of,
        .walk = host_walk,
        .bury = host_bury,
        .reclaim = host_reclaim,
        .select_finalizable = host_select_finalizable,
        .decrement_later = fake_decrement_later,
        .thread_cell = host_thread_cell,
        .visit_thread_cells = host_visit_thread_cells,
        .set_pace = host_set_pace,
        .request_collection = host_request_collection,
        .grace_stamp = host_grace_stamp,
        .grace_done = host_grace_done,
        .grace_request = host_grace_request,
        .grace_wait = host_grace_wait,
        .lock_create = host_lock_create,
        .lock_destroy = host_lock_destroy,
        .lock = host_lock,
        .unlock = host_unlock,
        .count_visited = host_count_visited,
        .count_retired = host_count_retired,
        .fail = host_fail,
        .panic = host_panic,
    };
    host.counts.count_bias = bias(S.counts);
    host.counts.state_bias = bias(S.states);
    return &host;
}
