/* marksweep.c - a strategy as a stranger would write it: stop-the-world mark-sweep with a colour byte and a mark stack
 * of its own. It shows that the ABI carries a collector that uses none of core's tracing: it includes <slabgc/plugin.h>
 * and nothing else of slabgc. Tri-colour: white not seen, grey seen, black its fields are seen. A grey object is on the
 * mark stack, or `stack_full` is set and a walk finds it. At the end of marking nothing is grey, and white is dead. All
 * of it runs at a stop; stores need no barrier, and counts are holds alone. */
#include <slabgc/plugin.h>

#include <errno.h>

enum colour { WHITE, GREY, BLACK };

#define STACK_ENTRIES 4096

enum { PARAM_GROWTH, PARAM_MINIMUM, N_PARAMS };

static const struct sgc_param marksweep_params[N_PARAMS] = {
    [PARAM_GROWTH] = {"growth", SGC_PARAM_PERCENT, 1, 100000, 100, 1,
                      "A collection follows when the heap has outgrown what lived after the last one by this."},
    [PARAM_MINIMUM] = {"minimum", SGC_PARAM_BYTES, 0, UINT64_C(1) << 40, 16 << 20, 1,
                       "But not before the heap has grown by so many bytes."},
};

struct marksweep {
    const struct sgc_host *host;
    struct sgc_heap *heap;
    uint8_t *colours; /* colour of the object at p: colours[p >> 4] */
    /* Of one collection. */
    size_t n_stack;
    bool stack_full; /* a grey object found no room */
    uint64_t n_visited;
    void **finalizable; /* dead objects whose finalizer never ran */
    size_t n_finalizable, max_finalizable;
    void *stack[STACK_ENTRIES];
};

static uint8_t *colour_of(const struct marksweep *self, const void *object)
{
    return &self->colours[(uintptr_t)object >> SGC_GRANULE_SHIFT];
}

static const struct sgc_type *type_of(const struct marksweep *self, const void *object)
{
    return self->host->type_of(object);
}

/* ---- marking */

static void mark(struct marksweep *self, void *object)
{
    uint8_t *colour = colour_of(self, object);
    if (*colour != WHITE || type_of(self, object)->flags & SGC_TYPE_MANUAL)
        return;
    *colour = GREY;
    if (self->n_stack < STACK_ENTRIES)
        self->stack[self->n_stack++] = object;
    else
        self->stack_full = true;
}

static void mark_place(void *self, void **place)
{
    if (sgc_is_object(*place))
        mark(self, *place);
}

static void mark_value_of(void *self_, void *ephemeron, void *value)
{
    struct marksweep *self = self_;
    if (*colour_of(self, ephemeron) == BLACK && sgc_is_object(value))
        mark(self, value);
}

/* An ephemeron's value lives when both it and its key do: whichever of the two is scanned last marks it. */
static void scan_ephemeron(struct marksweep *self, void *key, void *value)
{
    if (!key || !sgc_is_object(value))
        return; /* broken, or nothing to keep */
    if (!sgc_is_object(key) || type_of(self, key)->flags & SGC_TYPE_MANUAL || *colour_of(self, key) == BLACK)
        mark(self, value);
}

static void scan(struct marksweep *self, void *object)
{
    const struct sgc_host *host = self->host;
    void *key, *value;
    *colour_of(self, object) = BLACK;
    self->n_visited++;
    if (host->ephemeron_parts(object, &key, &value))
        scan_ephemeron(self, key, value);
    else
        host->visit_references(object, mark_place, self);
    if (*sgc_state_byte(&host->counts, object) & SGC_STATE_WATCHED)
        host->visit_ephemerons_of(object, mark_value_of, self);
}

static void drain_stack(struct marksweep *self)
{
    while (self->n_stack)
        scan(self, self->stack[--self->n_stack]);
}

static void rescue_grey(void *self_, void *object)
{
    struct marksweep *self = self_;
    if (*colour_of(self, object) == GREY) {
        scan(self, object);
        drain_stack(self);
    }
}

/* Afterwards nothing is grey. Every walk blackens at least the grey objects that the last one left behind. */
static void drain(struct marksweep *self)
{
    drain_stack(self);
    while (self->stack_full) {
        self->stack_full = false;
        self->host->walk(self->heap, rescue_grey, self);
    }
}

static void whiten(void *self, void *object)
{
    *colour_of(self, object) = WHITE;
}

static void mark_root(void *self_, void *object)
{
    struct marksweep *self = self_;
    if (!sgc_count_is_zero(&self->host->counts, object) || type_of(self, object)->flags & SGC_TYPE_IMMORTAL)
        mark(self, object);
    drain_stack(self);
}

/* ---- death */

static bool awaits_finalizer(const struct marksweep *self, const void *object)
{
    return *colour_of(self, object) == WHITE && type_of(self, object)->finalize &&
           !(*sgc_state_byte(&self->host->counts, object) & SGC_STATE_FINALIZED);
}

static void finalizable_count(void *self_, void *object)
{
    struct marksweep *self = self_;
    self->max_finalizable += awaits_finalizer(self, object);
}

static void finalizable_gather(void *self_, void *object)
{
    struct marksweep *self = self_;
    if (awaits_finalizer(self, object))
        self->finalizable[self->n_finalizable++] = object;
}

static bool is_dead(void *self, void *object)
{
    return *colour_of(self, object) == WHITE && !(type_of(self, object)->flags & SGC_TYPE_MANUAL);
}

static void finalizable_keep(void *self_, void *object)
{
    struct marksweep *self = self_;
    if (awaits_finalizer(self, object))
        mark(self, object);
}

/* Gathers them and puts those first whose turn it is; returns how many, 0 without memory. */
static size_t finalizable_select(struct marksweep *self)
{
    self->n_finalizable = 0;
    self->finalizable = self->host->alloc(self->max_finalizable * sizeof(void *));
    if (!self->finalizable)
        return 0;
    self->host->walk(self->heap, finalizable_gather, self);
    return self->host->select_finalizable(self->heap, self->finalizable, self->n_finalizable, is_dead, self);
}

/* Queues finalizers, and keeps their objects and what these reach. Without memory to put them in order keeps all of
 * them unqueued: the next collection tries again. False: none is left. */
static bool queue_finalizers(struct marksweep *self)
{
    const struct sgc_host *host = self->host;
    self->max_finalizable = 0;
    host->walk(self->heap, finalizable_count, self);
    if (!self->max_finalizable)
        return false;
    const size_t n = finalizable_select(self);
    for (size_t i = 0; i < n; i++)
        host->bury(self->finalizable[i]);
    for (size_t i = 0; i < n; i++)
        mark(self, self->finalizable[i]);
    if (!n)
        host->walk(self->heap, finalizable_keep, self);
    host->free(self->finalizable, self->max_finalizable * sizeof(void *));
    drain(self);
    return true;
}

static void bury_white(void *self_, void *object)
{
    struct marksweep *self = self_;
    if (*colour_of(self, object) == WHITE && self->host->bury(object))
        self->host->panic("marksweep: dead object %p was not selected for its finalizer", object);
}

static void reclaim_white(void *self_, void *object)
{
    struct marksweep *self = self_;
    if (*colour_of(self, object) == WHITE)
        self->host->reclaim(self->heap, &object, 1);
}

/* ---- ops */

static void marksweep_collect(void *self_, enum sgc_collect_kind kind)
{
    struct marksweep *self = self_;
    const struct sgc_host *host = self->host;
    (void)kind; /* every collection is full */
    self->n_visited = 0;
    host->walk(self->heap, whiten, self);
    host->walk(self->heap, mark_root, self);
    drain(self);
    while (queue_finalizers(self)) /* again: a queued key broke the ephemerons that led to other dead objects */
        ;
    /* Two walks: weak references and ephemerons are cleared while all that they name is still there. */
    host->walk(self->heap, bury_white, self);
    host->walk(self->heap, reclaim_white, self);
    host->count_visited(self->heap, self->n_visited);
}

static void *marksweep_exchange(void *self_, void *owner, void **field, void *value)
{
    const struct sgc_counts *counts = &((struct marksweep *)self_)->host->counts;
    (void)owner;
    void *old = __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
    if (sgc_is_object(old))
        sgc_count_increment(counts, old, *counts->solo);
    return old;
}

static bool marksweep_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    (void)self, (void)owner;
    return __atomic_compare_exchange_n(field, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void marksweep_configure(void *self_, const uint64_t *params)
{
    struct marksweep *self = self_;
    const struct sgc_pace pace = {
        .minor_bytes = 0,
        .full_growth_pct = params[PARAM_GROWTH],
        .full_min_bytes = params[PARAM_MINIMUM],
    };
    self->host->set_pace(self->heap, &pace);
}

static int marksweep_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **out,
                          struct sgc_error *error)
{
    struct marksweep *self = host->alloc(sizeof(*self));
    if (!self)
        return host->fail(error, -ENOMEM, "marksweep: no memory for the heap's record");
    self->host = host;
    self->heap = heap;
    self->colours = host->private_bias(0);
    marksweep_configure(self, params);
    *out = self;
    return 0;
}

static void marksweep_close(void *self_)
{
    struct marksweep *self = self_;
    self->host->free(self, sizeof(*self));
}

static const struct sgc_strategy_ops marksweep_ops = {
    .struct_bytes = sizeof(marksweep_ops),
    .open = marksweep_open,
    .configure = marksweep_configure,
    .close = marksweep_close,
    .store = sgc_op_store_plain,
    .exchange = marksweep_exchange,
    .compare_exchange = marksweep_compare_exchange,
    .decrement = sgc_op_decrement_never,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = marksweep_collect,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = sgc_op_thread_detach_nothing,
    .quiesce = sgc_op_quiesce_nothing,
    .adopt = sgc_op_adopt_nothing,
    .verify = sgc_op_verify_nothing,
};

const struct sgc_strategy_plugin sgc_strategy_plugin SGC_PLUGIN_EXPORT = {
    .magic = SGC_PLUGIN_MAGIC,
    .struct_bytes = sizeof(struct sgc_strategy_plugin),
    .abi_major = SGC_ABI_MAJOR,
    .abi_minor = SGC_ABI_MINOR,
    .name = "marksweep",
    .version = "1.0",
    .license = "MIT",
    .description = "Stop-the-world mark-sweep with a mark stack and colours of its own.",
    .capabilities =
        SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS | SGC_NEED_WEAK | SGC_NEED_FINALIZERS,
    .metadata = SGC_METADATA_PRIVATE_0,
    .params = marksweep_params,
    .n_params = N_PARAMS,
    .ops = &marksweep_ops,
};
