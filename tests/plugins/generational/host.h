/* host.h - a host that writes down what it is told, for tests of the parts of plugins/generational.
 * Objects are granules of a small arena; `marked` stands for core's mark bits. */
#ifndef SLABGC_TESTS_PLUGINS_GENERATIONAL_HOST_H
#define SLABGC_TESTS_PLUGINS_GENERATIONAL_HOST_H

#include "plugins/generational/generational.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_OBJECTS 64
#define SMALL_BYTES 16
#define BIG_BYTES (BIG_OWNER_BYTES * 2)

extern const struct sgc_strategy_plugin sgc_strategy_plugin;

static char arena[N_OBJECTS * 16] __attribute__((aligned(16)));
static uint8_t states[N_OBJECTS], counts[N_OBJECTS];
static bool marked[N_OBJECTS], big[N_OBJECTS], refuse;
static void *cell;
static char told[1024]; /* the calls, in words */
static uint8_t seen_state;
static void *seen_field;
static unsigned n_fields; /* calls of trace_fields */
static struct sgc_pace pace;
static const uint8_t solo = 1;
static struct sgc_host host;
static void *self;
static const struct sgc_strategy_ops *ops;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(told);
    if (length > sizeof(told) / 2) { /* the end is what counts */
        memmove(told, told + length - sizeof(told) / 4, sizeof(told) / 4 + 1);
        length = strlen(told);
    }
    va_start(arguments, format);
    vsnprintf(told + length, sizeof(told) - length, format, arguments);
    va_end(arguments);
}
static void *object(unsigned i)
{
    return &arena[i * 16];
}
static unsigned number(const void *object)
{
    return (unsigned)(((const char *)object - arena) / 16);
}

static void *fake_alloc(size_t bytes)
{
    return refuse ? NULL : calloc(1, bytes);
}
static void fake_free(void *at, size_t bytes)
{
    (void)bytes;
    free(at);
}
/* Called when an entry is about to be logged: notes what others could see of object 1 then. */
static void **fake_thread_cell(struct sgc_heap *heap)
{
    (void)heap;
    seen_state = states[1];
    seen_field = *(void **)object(1);
    return &cell;
}
static void fake_visit_thread_cells(struct sgc_heap *heap, void (*visit)(void *arg, void **cell), void *arg)
{
    (void)heap;
    visit(arg, &cell);
}
static void *fake_lock_create(void)
{
    return &host;
}
static void fake_lock(void *lock)
{
    (void)lock;
}
static size_t fake_size_of(const void *object)
{
    return big[number(object)] ? BIG_BYTES : SMALL_BYTES;
}
static bool fake_is_marked(const void *object)
{
    return marked[number(object)];
}
static struct sgc_trace *fake_begin(struct sgc_heap *heap, bool keep_marks)
{
    (void)heap;
    tell(keep_marks ? "begin(keep) " : "begin(clear) ");
    return (struct sgc_trace *)&host;
}
static void fake_roots(struct sgc_trace *trace, enum sgc_roots which)
{
    (void)trace;
    tell(which == SGC_ROOTS_ALL ? "roots(all) " : "roots(fresh) ");
}
static void fake_object(struct sgc_trace *trace, void *object)
{
    (void)trace;
    tell("object(%u) ", number(object));
}
static void fake_fields(struct sgc_trace *trace, void *object)
{
    (void)trace;
    tell("fields(%u) ", number(object));
    n_fields++;
}
static void fake_finish(struct sgc_trace *trace)
{
    (void)trace;
    tell("finish ");
}
static void fake_sweep(struct sgc_trace *trace, uint8_t clear_state, uint8_t set_state)
{
    (void)trace;
    tell("sweep(%u,%u)", clear_state, set_state);
}
static void fake_set_pace(struct sgc_heap *heap, const struct sgc_pace *to)
{
    (void)heap;
    pace = *to;
}
static int fake_fail(struct sgc_error *error, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    error->code = code;
    return code;
}

/* ---- what there is to verify: objects that a test made, of two fields each */
static bool made[N_OBJECTS], manual[N_OBJECTS];
static const struct sgc_type plain_type = {.name = "plain", .size_bytes = SMALL_BYTES},
                             manual_type = {.name = "manual", .size_bytes = SMALL_BYTES, .flags = SGC_TYPE_MANUAL};

static const struct sgc_type *fake_type_of(const void *object)
{
    return manual[number(object)] ? &manual_type : &plain_type;
}
static void fake_walk(struct sgc_heap *heap, void (*visit)(void *arg, void *object), void *arg)
{
    (void)heap;
    for (unsigned i = 0; i < N_OBJECTS; i++)
        if (made[i] && !manual[i])
            visit(arg, object(i));
}
static void fake_visit_references(void *object, sgc_visit_fn *visit, void *arg)
{
    visit(arg, (void **)object);
    visit(arg, (void **)object + 1);
}

static inline void setup(void)
{
    uint64_t params[8];
    struct sgc_error error;
    const uintptr_t first = (uintptr_t)arena >> SGC_GRANULE_SHIFT;
    host = (struct sgc_host){
        .counts = {.count_bias = (uint8_t *)((uintptr_t)counts - first),
                   .state_bias = (uint8_t *)((uintptr_t)states - first),
                   .solo = &solo},
        .alloc = fake_alloc,
        .free = fake_free,
        .thread_cell = fake_thread_cell,
        .visit_thread_cells = fake_visit_thread_cells,
        .lock_create = fake_lock_create,
        .lock_destroy = fake_lock,
        .lock = fake_lock,
        .unlock = fake_lock,
        .size_of = fake_size_of,
        .is_marked = fake_is_marked,
        .type_of = fake_type_of,
        .walk = fake_walk,
        .visit_references = fake_visit_references,
        .trace_begin = fake_begin,
        .trace_roots = fake_roots,
        .trace_object = fake_object,
        .trace_fields = fake_fields,
        .trace_finish = fake_finish,
        .trace_sweep = fake_sweep,
        .set_pace = fake_set_pace,
        .fail = fake_fail,
    };
    ops = sgc_strategy_plugin.ops;
    for (unsigned i = 0; i < sgc_strategy_plugin.n_params; i++)
        params[i] = sgc_strategy_plugin.params[i].default_value;
    ck_assert_int_eq(ops->open(&host, NULL, params, &self, &error), 0);
}
static inline void teardown(void)
{
    ops->close(self);
}

/* Object i is old: marked, its stores take the slow path. */
static inline void **old_object(unsigned i, bool is_big)
{
    marked[i] = true;
    big[i] = is_big;
    states[i] = SGC_STATE_STORE;
    return (void **)object(i);
}

static inline void collect_tells(enum sgc_collect_kind kind, const char *expected)
{
    told[0] = '\0';
    ops->collect(self, kind);
    ck_assert_str_eq(told, expected);
}

#endif
