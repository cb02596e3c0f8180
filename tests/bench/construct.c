/* construct.c - objects that must be put into a state before they are of use: a slab cache with a constructor keeps
 * that state while the slot is free (Bonwick 1994); with malloc every allocation builds it, and every free ends it.
 * Called through the table in workloads.c. Each object's state is looked at before it is freed, and is in the
 * checksum. */
#include "tests/bench/churn.h"

#include <pthread.h>
#include <string.h>

#define N_FIELDS 8
#define TABLE_BYTES 512
#define WARM_UP 20000

struct link {
    struct link *next, *prev;
};

/* Cut off behind what its level has. */
struct constructed {
    uint64_t word; /* the user's; not part of the state */
    struct link list;
    uint64_t fields[N_FIELDS];
    pthread_mutex_t lock;       /* from CONSTRUCT_MUTEX on */
    uint8_t table[TABLE_BYTES]; /* CONSTRUCT_HEAVY */
};

BENCH_INLINE void construct(struct constructed *object, const enum construct_level level)
{
    object->list.next = object->list.prev = &object->list;
    for (unsigned i = 0; i < N_FIELDS; i++)
        object->fields[i] = i + 1;
    if (level >= CONSTRUCT_MUTEX)
        pthread_mutex_init(&object->lock, NULL);
    if (level >= CONSTRUCT_HEAVY)
        memset(object->table, 0xff, sizeof(object->table));
}

BENCH_INLINE void destruct(struct constructed *object, const enum construct_level level)
{
    if (level >= CONSTRUCT_MUTEX)
        pthread_mutex_destroy(&object->lock);
}

/* What the object is worth: its word, and 2 while its list is empty and the field that the word chooses is right. */
BENCH_INLINE uint64_t look(const struct constructed *object, const enum construct_level level)
{
    const uint64_t word = object->word, i = word % N_FIELDS;
    uint64_t good = (object->list.next == &object->list) + (object->fields[i] == i + 1);
    if (level >= CONSTRUCT_HEAVY)
        good += object->table[word % TABLE_BYTES] == 0xff;
    return word + good;
}

BENCH_INLINE struct constructed *make(const struct objects *objects, uint64_t word, const enum construct_level level,
                                      const enum bench_kind kind)
{
    struct constructed *object = object_alloc(objects, kind);
    if (kind == BENCH_MALLOC)
        construct(object, level);
    object->word = word;
    return object;
}

BENCH_INLINE uint64_t end(const struct objects *objects, struct constructed *object, const enum construct_level level,
                          const enum bench_kind kind)
{
    const uint64_t worth = look(object, level);
    if (kind == BENCH_MALLOC)
        destruct(object, level);
    object_free(objects, object, kind);
    return worth;
}

BENCH_INLINE void pair(void *arg, uint64_t n, const enum construct_level level, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    uint64_t serial = churn->serial, sum = churn->sum;
    for (uint64_t i = 0; i < n; i++) {
        struct constructed *object = make(&objects, serial++, level, kind);
        bench_use(object);
        sum += end(&objects, object, level, kind);
    }
    churn->serial = serial;
    churn->sum = sum;
}

BENCH_INLINE void replace(void *arg, uint64_t n, const enum construct_level level, const enum bench_kind kind)
{
    struct churn *churn = arg;
    const struct objects objects = churn->objects;
    struct constructed **slots = (struct constructed **)churn->slots;
    uint64_t serial = churn->serial, sum = churn->sum;
    for (uint64_t i = 0; i < n; i++) {
        struct constructed **place = &slots[churn->order[churn->next++ & churn->order_mask]];
        struct constructed *fresh = make(&objects, serial++, level, kind);
        if (*place)
            sum += end(&objects, *place, level, kind);
        *place = fresh;
    }
    churn->serial = serial;
    churn->sum = sum;
}

BENCH_INLINE void empty(void *arg, uint64_t n, const enum construct_level level, const enum bench_kind kind)
{
    struct churn *churn = arg;
    for (uint64_t i = 0; i < n; i++) {
        if (churn->slots[i])
            churn->sum += end(&churn->objects, (struct constructed *)churn->slots[i], level, kind);
    }
}

/* The bodies, constructor, destructor and type of one level. */
#define LEVEL(name, level)                                                                                             \
    BENCH_INLINE void pair_##name(void *arg, uint64_t n, const enum bench_kind kind)                                   \
    {                                                                                                                  \
        pair(arg, n, level, kind);                                                                                     \
    }                                                                                                                  \
    BENCH_BODIES(pair_##name);                                                                                         \
    BENCH_INLINE void replace_##name(void *arg, uint64_t n, const enum bench_kind kind)                                \
    {                                                                                                                  \
        replace(arg, n, level, kind);                                                                                  \
    }                                                                                                                  \
    BENCH_BODIES(replace_##name);                                                                                      \
    BENCH_INLINE void empty_##name(void *arg, uint64_t n, const enum bench_kind kind)                                  \
    {                                                                                                                  \
        empty(arg, n, level, kind);                                                                                    \
    }                                                                                                                  \
    BENCH_BODIES(empty_##name);                                                                                        \
    static int ctor_##name(void *slot)                                                                                 \
    {                                                                                                                  \
        construct(slot, level);                                                                                        \
        return 0;                                                                                                      \
    }                                                                                                                  \
    static void dtor_##name(void *slot)                                                                                \
    {                                                                                                                  \
        destruct(slot, level);                                                                                         \
    }

LEVEL(light, CONSTRUCT_LIGHT)
LEVEL(mutex, CONSTRUCT_MUTEX)
LEVEL(heavy, CONSTRUCT_HEAVY)

static const struct level {
    struct sgc_type type;
    bench_body *const *pair, *const *replace, *const *empty;
    unsigned worth; /* what look() adds to the word */
} levels[] = {
    [CONSTRUCT_LIGHT] =
        {{.name = "light", .size_bytes = offsetof(struct constructed, lock), .ctor = ctor_light, .dtor = dtor_light},
         pair_light_bodies,
         replace_light_bodies,
         empty_light_bodies,
         2},
    [CONSTRUCT_MUTEX] =
        {{.name = "mutex", .size_bytes = offsetof(struct constructed, table), .ctor = ctor_mutex, .dtor = dtor_mutex},
         pair_mutex_bodies,
         replace_mutex_bodies,
         empty_mutex_bodies,
         2},
    [CONSTRUCT_HEAVY] =
        {{.name = "heavy", .size_bytes = sizeof(struct constructed), .ctor = ctor_heavy, .dtor = dtor_heavy},
         pair_heavy_bodies,
         replace_heavy_bodies,
         empty_heavy_bodies,
         3},
};

void bench_construct(struct bench_run *run)
{
    const struct level *level = &levels[run->workload->variant];
    const enum bench_kind kind = run->backend->kind;
    struct bench_heap heap = {0};
    struct churn churn = {.live = bench_live(run)};
    bench_body *body = churn.live ? level->replace[kind] : level->pair[kind];
    bench_parameter_add(run, "bytes", "%u", level->type.size_bytes);
    if (!bench_objects_open(run, &heap, &churn.objects, level->type.size_bytes, &level->type))
        return;
    if (churn.live) {
        churn.slots = bench_map(churn.live * sizeof(*churn.slots));
        churn.order = bench_random_places(churn.live, churn.live, &churn.order_mask);
    }
    body(&churn, WARM_UP + 2 * churn.live);
    run->checksum = churn.sum;
    bench_loop(run, body, &churn);
    level->empty[kind](&churn, churn.live);
    if (churn.sum != bench_serial_sum(churn.serial) + churn.serial * level->worth)
        bench_fail(run, "objects were not as constructed");
    bench_objects_close(run, &heap);
}
