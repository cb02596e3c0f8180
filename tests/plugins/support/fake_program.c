/* fake_program.c - the test's side of the fake host: objects, stores, sections, collections. See fake_host.h. */
#include "tests/plugins/support/fake_state.h"

#include <stdarg.h>
#include <string.h>

struct fake fake;
#define S fake_state_

const struct sgc_type fake_node_type = SGC_TYPE(struct fake_object, SGC_REFS(struct fake_object, references));
const struct sgc_type fake_leaf_type = SGC_TYPE(struct fake_object, .flags = 0);
const struct sgc_type fake_acyclic_type =
    SGC_TYPE(struct fake_object, SGC_REFS(struct fake_object, references), .flags = SGC_TYPE_ACYCLIC);
const struct sgc_type fake_manual_type = SGC_TYPE(struct fake_object, .flags = SGC_TYPE_MANUAL);

static void finalize_unused(void *object)
{
    (void)object; /* the tests play the finalizer */
}
const struct sgc_type fake_finalized_type =
    SGC_TYPE(struct fake_object, SGC_REFS(struct fake_object, references), .finalize = finalize_unused);

static void ephemeron_trace(void *object, sgc_visit_fn *visit, void *visitor)
{
    visit(visitor, &((struct fake_ephemeron *)object)->value);
}
const struct sgc_type fake_ephemeron_type = {
    .name = "ephemeron", .size_bytes = sizeof(struct fake_ephemeron), .trace = ephemeron_trace};

void fake_reset(void)
{
    fake = (struct fake){.refuse_after = -1, .requested = -1};
    memset(S.counts, 0, sizeof(S.counts));
    memset(S.states, 0, sizeof(S.states));
    memset(S.private_bytes, 0, sizeof(S.private_bytes));
    memset(S.types, 0, sizeof(S.types));
    memset(S.cells, 0, sizeof(S.cells));
    S.n_fresh = S.free_head = S.n_free = S.n_weaks = S.n_ephemerons = S.n_deferred = 0;
}

void fake_open(const struct sgc_strategy_plugin *plugin, ...)
{
    uint64_t params[32];
    struct sgc_error error = {0};
    va_list pairs;
    fake_reset();
    FAKE_CHECK(plugin->n_params <= 32, "too many parameters for the fake");
    for (uint32_t i = 0; i < plugin->n_params; i++)
        params[i] = plugin->params[i].default_value;
    va_start(pairs, plugin);
    for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
        uint32_t i = 0;
        while (i < plugin->n_params && strcmp(plugin->params[i].key, key) != 0)
            i++;
        FAKE_CHECK(i < plugin->n_params, "no parameter %s", key);
        params[i] = (uint64_t)va_arg(pairs, int);
    }
    va_end(pairs);
    fake.ops = plugin->ops;
    FAKE_CHECK(plugin->ops->open(fake_host(), NULL, params, &fake.self, &error) == 0, "%s", error.message);
}

void fake_refuse_open(const struct sgc_strategy_plugin *plugin, long n_allocs)
{
    struct sgc_error error = {0};
    uint64_t params[32];
    FAKE_CHECK(plugin->n_params <= 32, "too many parameters for the fake");
    for (uint32_t i = 0; i < plugin->n_params; i++)
        params[i] = plugin->params[i].default_value;
    for (long refuse_after = 0; refuse_after < n_allocs; refuse_after++) {
        void *self = &error;
        fake_reset();
        fake.refuse_after = refuse_after;
        ck_assert_int_lt(plugin->ops->open(fake_host(), NULL, params, &self, &error), 0);
        ck_assert_ptr_eq(self, &error);
        ck_assert_uint_eq(fake.n_records, 0);
    }
}

void fake_close(void)
{
    fake.stopped = true;
    for (unsigned i = 0; i < FAKE_THREADS; i++)
        fake_detach(i);
    fake.ops->quiesce(fake.self);
    fake.stopped = false;
    fake.ops->close(fake.self);
    ck_assert_uint_eq(fake.n_records, 0);
}

struct fake_object *fake_new(const struct sgc_type *type)
{
    size_t slot = S.n_fresh;
    if (S.n_fresh < FAKE_OBJECTS) {
        S.n_fresh++;
    } else {
        FAKE_CHECK(S.n_free > 0, "too many objects for the fake");
        slot = S.free_ring[S.free_head++ % FAKE_OBJECTS];
        S.n_free--;
    }
    struct fake_object *object = (void *)S.slots[slot];
    memset(object, 0, FAKE_SLOT_BYTES);
    object->id = slot;
    S.types[slot] = type;
    *fake_count_byte(object) = 1;
    *fake_excess_of(object) = 0;
    *sgc_state_byte(&fake_host()->counts, object) =
        type->flags & SGC_TYPE_MANUAL ? SGC_STATE_COUNTED | SGC_STATE_DEFER : fake.ops->new_state;
    fake.n_live++;
    return object;
}

void *fake_grow(void *owner, unsigned i, const struct sgc_type *type)
{
    void *object = fake_new(type);
    fake_set(owner, i, object);
    fake_drop(object);
    return object;
}

void *fake_list(unsigned n, const struct sgc_type *type)
{
    void *head = NULL;
    for (unsigned i = 0; i < n; i++) {
        void *object = fake_new(type);
        fake_set(object, 0, head);
        if (head)
            fake_drop(head);
        head = object;
    }
    return head;
}

void *fake_ephemeron(void *key, void *value)
{
    struct fake_ephemeron *ephemeron = (void *)fake_new(&fake_ephemeron_type);
    memset(ephemeron, 0, FAKE_SLOT_BYTES);
    ephemeron->key = key;
    fake.ops->store(fake.self, ephemeron, &ephemeron->value, value);
    *sgc_state_byte(&fake_host()->counts, key) |= SGC_STATE_WATCHED;
    FAKE_CHECK(S.n_ephemerons < FAKE_MAX_EPHEMERONS, "too many ephemerons for the fake");
    S.ephemerons[S.n_ephemerons++] = ephemeron;
    return ephemeron;
}

void *fake_ephemeron_value(void *ephemeron)
{
    fake_check_object(ephemeron);
    return ((struct fake_ephemeron *)ephemeron)->value;
}

void fake_set(void *owner, unsigned i, void *value)
{
    fake_check_object(owner);
    fake.ops->store(fake.self, owner, &((struct fake_object *)owner)->references[i], value);
}

void *fake_get(void *owner, unsigned i)
{
    fake_check_object(owner);
    return ((struct fake_object *)owner)->references[i];
}

void fake_hold(void *object)
{
    fake_check_object(object);
    sgc_count_increment(&fake_host()->counts, object, true);
}

void fake_drop(void *object)
{
    fake_check_object(object);
    if (!fake_end_straight(object))
        fake_decrement_later(object);
}

void fake_share(void *object)
{
    fake_check_object(object);
    *sgc_state_byte(&fake_host()->counts, object) &= (uint8_t)~SGC_STATE_DEFER;
}

unsigned fake_weak(void *object)
{
    fake_check_object(object);
    *sgc_state_byte(&fake_host()->counts, object) |= SGC_STATE_WATCHED;
    FAKE_CHECK(S.n_weaks < FAKE_MAX_WEAK, "too many weak references for the fake");
    S.weaks[S.n_weaks] = object;
    return S.n_weaks++;
}

bool fake_weak_is_cleared(unsigned weak)
{
    return !S.weaks[weak];
}

void fake_enter(void)
{
    fake.depth++;
}

void fake_leave(void)
{
    FAKE_CHECK(fake.depth > 0, "in no section");
    if (--fake.depth > 0)
        return;
    while (S.n_deferred > 0)
        fake.ops->decrement(fake.self, S.deferred[--S.n_deferred]);
}

void fake_collect(enum sgc_collect_kind kind)
{
    fake.stopped = true;
    fake.grace_done = ++fake.grace_started; /* a stop is a grace period */
    fake.requested = -1;
    fake.n_visited = 0;
    fake.ops->collect(fake.self, kind);
    fake.stopped = false;
}

void fake_verify(void)
{
    struct sgc_error error = {0};
    fake.stopped = true;
    FAKE_CHECK(fake.ops->verify(fake.self, &error) == 0, "%s", error.message);
    fake.stopped = false;
}

void fake_detach(unsigned thread)
{
    const unsigned caller = fake.thread;
    fake.thread = thread;
    if (S.cells[thread])
        fake.ops->thread_detach(fake.self, &S.cells[thread]);
    ck_assert_ptr_null(S.cells[thread]);
    fake.thread = caller;
}

struct fake_object *fake_unqueue(void)
{
    FAKE_CHECK(fake.n_queued > 0, "no finalizer waits");
    void *object = fake.queue[0];
    memmove(fake.queue, fake.queue + 1, --fake.n_queued * sizeof(fake.queue[0]));
    return object;
}

bool fake_grace_period(void)
{
    fake.grace_done = ++fake.grace_started;
    if (!fake.grace_wanted || (int64_t)(fake.grace_done - fake.grace_stamp) < 0)
        return false;
    const unsigned caller = fake.thread;
    fake.thread = 0;
    fake.grace_wanted = false;
    while (fake.ops->grace_elapsed(fake.self))
        ;
    fake.thread = caller;
    return true;
}

uint64_t fake_count(const void *object)
{
    fake_check_object(object);
    return fake_count_value(object);
}

bool fake_is_live(const void *object)
{
    return S.types[fake_slot_of(object)] != NULL;
}

uint8_t fake_state(const void *object)
{
    return S.states[fake_slot_of(object) * (FAKE_SLOT_BYTES / SGC_GRANULE_BYTES)];
}
