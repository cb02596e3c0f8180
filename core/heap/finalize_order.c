/* finalize_order.c - which of the dead finalizable objects to queue now: those that no other one leads to, so that a
 *   finalizer never sees a referent that was finalized before it.
 * Called by trace_finish.c, and by cycle collectors through the host. At a stop.
 * The dead objects reachable from the given ones form a graph; its strongly connected components are found by Tarjan's
 *   algorithm with a stack of its own. Every node was reached from some given object, so a component has an edge coming
 *   in from outside exactly when a given object outside it leads to it. Objects of such components wait: they live on
 *   because the selected ones do, and are looked at again later. Members of one cycle are selected together.
 * An ephemeron may be dead, or its key, and then leads nowhere after all: objects that only so were to wait are
 *   selected in another round of the caller's.
 * Memory refused: 0, and the caller keeps all n alive until the next collection.
 * Locks: none. Source: Tarjan, SIAM J. Comput. 1972. */
#include "core/heap/heap.h"
#include "core/os/meta.h"

struct order_node {
    void *object;
    uint32_t low;              /* lowest index reachable; ORDER_DONE once its component is complete */
    uint32_t component;        /* index of the component's first node, once complete */
    bool reached_from_outside; /* of the component: kept at its first node */
};
#define ORDER_DONE UINT32_MAX

/* A growable array in core's metadata. */
struct order_array {
    void *at;
    size_t n, capacity;
};

struct order_frame {
    uint32_t node;
    size_t next_edge, end_edge; /* of the edges stack; a frame's edges are its uppermost */
};

struct order {
    bool (*is_dead)(void *arg, void *object);
    void *arg;
    bool failed;               /* the OS refused memory */
    struct order_array nodes;  /* struct order_node, in order of discovery */
    struct order_array edges;  /* void *: references to dead objects not yet followed */
    struct order_array frames; /* struct order_frame: the path being explored */
    struct order_array open;   /* uint32_t: nodes whose component is not complete */
    uint32_t *buckets;         /* node index + 1 by object: open addressing, a power of two */
    size_t n_buckets;
};

static void *order_push(struct order *order, struct order_array *array, size_t element_bytes)
{
    if (array->n == array->capacity) {
        const size_t capacity = array->capacity ? array->capacity * 2 : 256;
        void *at = sgc_meta_realloc(array->at, array->capacity * element_bytes, capacity * element_bytes);
        if (!at) {
            order->failed = true;
            return NULL;
        }
        array->at = at;
        array->capacity = capacity;
    }
    return (char *)array->at + array->n++ * element_bytes;
}

static struct order_node *order_node(const struct order *order, uint32_t index)
{
    return (struct order_node *)order->nodes.at + index;
}

static uint32_t *order_bucket(const struct order *order, const void *object)
{
    size_t i = sgc_hash64((uintptr_t)object >> SGC_GRANULE_SHIFT) & (order->n_buckets - 1);
    while (order->buckets[i] && order_node(order, order->buckets[i] - 1)->object != object)
        i = (i + 1) & (order->n_buckets - 1);
    return &order->buckets[i];
}

static bool order_grow_buckets(struct order *order)
{
    const size_t n_buckets = order->n_buckets ? order->n_buckets * 2 : 1024;
    uint32_t *buckets = sgc_meta_alloc(n_buckets * sizeof(*buckets));
    if (!buckets) {
        order->failed = true;
        return false;
    }
    sgc_meta_free(order->buckets, order->n_buckets * sizeof(*buckets));
    order->buckets = buckets;
    order->n_buckets = n_buckets;
    for (uint32_t i = 0; i < order->nodes.n; i++)
        *order_bucket(order, order_node(order, i)->object) = i + 1;
    return true;
}

/* visit_references' callback: an edge of the newest frame's node. */
static void order_add_edge(void *visitor, void **place)
{
    struct order *order = visitor;
    if (!sgc_is_object(*place) || !order->is_dead(order->arg, *place))
        return;
    void **edge = order_push(order, &order->edges, sizeof(*edge));
    if (edge)
        *edge = *place;
}

static void order_add_value(void *order, void *ephemeron, void *value)
{
    (void)ephemeron;
    order_add_edge(order, &value);
}

/* A key leads to the values of its ephemerons, unless it may be selected itself, which breaks them. */
static void order_add_values(struct order *order, void *object)
{
    const uint8_t state = *sgc_state_byte(&sgc_counts, object);
    const bool may_be_selected = sgc_object_cache(object)->type->finalize && !(state & SGC_STATE_FINALIZED);
    if ((state & SGC_STATE_WATCHED) && !may_be_selected)
        sgc_ephemerons_of(object, order_add_value, order);
}

/* Discovers an object: a node, open, on top of the path, its edges gathered. */
static void order_discover(struct order *order, void *object)
{
    if (order->nodes.n * 2 >= order->n_buckets && !order_grow_buckets(order))
        return;
    const uint32_t index = (uint32_t)order->nodes.n;
    struct order_node *node = order_push(order, &order->nodes, sizeof(*node));
    uint32_t *open = order_push(order, &order->open, sizeof(*open));
    struct order_frame *frame = order_push(order, &order->frames, sizeof(*frame));
    if (!node || !open || !frame)
        return;
    *node = (struct order_node){.object = object, .low = index};
    *open = index;
    *order_bucket(order, object) = index + 1;
    frame->node = index;
    frame->next_edge = order->edges.n;
    sgc_object_visit(object, order_add_edge, order);
    order_add_values(order, object);
    frame->end_edge = order->edges.n;
}

/* The path leaves its uppermost node: completes a component if the node is the first of one. */
static void order_finish_top(struct order *order)
{
    const struct order_frame *frame = (struct order_frame *)order->frames.at + --order->frames.n;
    const uint32_t index = frame->node;
    const uint32_t low = order_node(order, index)->low;
    if (low == index) {
        uint32_t member;
        do {
            member = ((uint32_t *)order->open.at)[--order->open.n];
            order_node(order, member)->low = ORDER_DONE;
            order_node(order, member)->component = index;
        } while (member != index);
    }
    if (order->frames.n == 0)
        return;
    struct order_node *parent = order_node(order, (frame - 1)->node);
    if (low == index)
        order_node(order, index)->reached_from_outside = true; /* the edge that led here crosses into the component */
    else if (low < parent->low)
        parent->low = low;
}

/* Follows all edges from one given object that was not discovered yet. */
static void order_explore(struct order *order, void *object)
{
    order_discover(order, object);
    while (order->frames.n > 0 && !order->failed) {
        struct order_frame *frame = (struct order_frame *)order->frames.at + order->frames.n - 1;
        if (frame->next_edge == frame->end_edge) {
            order_finish_top(order);
            continue;
        }
        /* Edges are followed from the last to the first, so that each is the array's end when it is taken. */
        void *target = ((void **)order->edges.at)[--frame->end_edge];
        order->edges.n = frame->end_edge;
        const uint32_t found = *order_bucket(order, target);
        if (!found) {
            order_discover(order, target);
            continue;
        }
        struct order_node *node = order_node(order, found - 1), *from = order_node(order, frame->node);
        if (node->low == ORDER_DONE)
            order_node(order, node->component)->reached_from_outside = true;
        else if (found - 1 < from->low)
            from->low = found - 1;
    }
}

static size_t order_select(const struct order *order, void **objects, size_t n)
{
    size_t n_selected = 0;
    for (size_t i = 0; i < n; i++) {
        const struct order_node *node = order_node(order, *order_bucket(order, objects[i]) - 1);
        if (order_node(order, node->component)->reached_from_outside)
            continue;
        void *selected = objects[i];
        objects[i] = objects[n_selected];
        objects[n_selected++] = selected;
    }
    return n_selected;
}

size_t sgc_select_finalizable(struct sgc_heap *heap, void **objects, size_t n, bool (*is_dead)(void *arg, void *object),
                              void *arg)
{
    (void)heap;
    struct order order = {.is_dead = is_dead, .arg = arg};
    if (n == 0)
        return 0;
    order.failed = !order_grow_buckets(&order);
    for (size_t i = 0; i < n && !order.failed; i++)
        if (!*order_bucket(&order, objects[i]))
            order_explore(&order, objects[i]);
    const size_t n_selected = order.failed ? 0 : order_select(&order, objects, n);
    sgc_meta_free(order.nodes.at, order.nodes.capacity * sizeof(struct order_node));
    sgc_meta_free(order.edges.at, order.edges.capacity * sizeof(void *));
    sgc_meta_free(order.frames.at, order.frames.capacity * sizeof(struct order_frame));
    sgc_meta_free(order.open.at, order.open.capacity * sizeof(uint32_t));
    sgc_meta_free(order.buckets, order.n_buckets * sizeof(uint32_t));
    return n_selected;
}
