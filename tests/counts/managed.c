/* managed.c - paths of managed objects. Called through the table by counted.c. */
#include "tests/counts/counted.h"

#define N 1000

/* ---- making and dropping */

COUNTED(new_drop)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t i = 0; i < n; i++) {
        void *object = sgc_new(cache);
        counted_use(object);
        sgc_drop(object);
    }
}

COUNTED(new_drop_section)
{
    struct sgc_cache *cache = counted->cache;
    for (size_t done = 0; done < n; done += COUNTED_SECTION_OPS) {
        sgc_enter();
        for (size_t i = 0; i < COUNTED_SECTION_OPS; i++) {
            void *object = sgc_new(cache);
            counted_use(object);
            sgc_drop(object);
        }
        sgc_leave();
    }
}

/* ---- one object that stays alive: holds, roots, weak references */

static void make_values(struct counted *counted, size_t n)
{
    for (unsigned which = 0; which < 2; which++)
        for (size_t i = 0; i < n; i++)
            counted->values[which][i] = counted_made(sgc_new(counted->cache));
}

static void make_one(struct counted *counted)
{
    if (counted->round == 0)
        make_values(counted, 1);
}

static void make_weak(struct counted *counted)
{
    make_one(counted);
    if (counted->round == 0)
        counted->weak = counted_made(sgc_weak_create(counted->values[0][0]));
}

COUNTED(hold_drop)
{
    void *object = counted->values[0][0];
    for (size_t i = 0; i < n; i++) {
        sgc_hold(object);
        sgc_drop(object);
    }
}

COUNTED(hold_drop_section)
{
    void *object = counted->values[0][0];
    for (size_t done = 0; done < n; done += COUNTED_SECTION_OPS) {
        sgc_enter();
        for (size_t i = 0; i < COUNTED_SECTION_OPS; i++) {
            sgc_hold(object);
            sgc_drop(object);
        }
        sgc_leave();
    }
}

COUNTED(root_set)
{
    for (size_t i = 0; i < n; i++)
        sgc_root_set(&counted->root, counted->values[i & 1][0]);
}

/* With the drop of what it returns. */
COUNTED(weak_get)
{
    for (size_t i = 0; i < n; i++)
        sgc_drop(sgc_weak_get(counted->weak));
}

COUNTED(enter_leave)
{
    (void)counted;
    for (size_t i = 0; i < n; i++) {
        sgc_enter();
        counted_use(NULL);
        sgc_leave();
    }
}

/* ---- stores: each into an owner of its own, of a value of its own, over another value */

static void make_owners(struct counted *counted)
{
    if (counted->round != 0)
        return;
    make_values(counted, counted->n_body);
    for (size_t i = 0; i < counted->n_body; i++) {
        struct counted_node *owner = counted->objects[i] = counted_made(sgc_new(counted->cache));
        sgc_set(owner, left, counted->values[1][i]);
    }
}

COUNTED(store)
{
    struct counted_node **values = counted->values[counted->round];
    for (size_t i = 0; i < n; i++)
        sgc_set((struct counted_node *)counted->objects[i], left, values[i]);
}

COUNTED(store_section)
{
    struct counted_node **values = counted->values[counted->round];
    for (size_t done = 0; done < n; done += COUNTED_SECTION_OPS) {
        sgc_enter();
        for (size_t i = done; i < done + COUNTED_SECTION_OPS; i++)
            sgc_set((struct counted_node *)counted->objects[i], left, values[i]);
        sgc_leave();
    }
}

/* clang-format off */
#define ANY {"none", "refcount", "generational", "rcu"}
#define WITH_REFERENCES {"refcount", "generational", "rcu"}
const struct counted_path counted_managed[] = {
    {"new-drop", ANY, COUNTED_NODE, N, .body = body_new_drop},
    {"new-drop-section", ANY, COUNTED_NODE, N, .body = body_new_drop_section},
    {"new-drop-constructed", ANY, COUNTED_CONSTRUCTED, N, .body = body_new_drop},
    {"hold-drop", ANY, COUNTED_NODE, N, .prepare = make_one, .body = body_hold_drop},
    {"hold-drop-section", ANY, COUNTED_NODE, N, .prepare = make_one, .body = body_hold_drop_section},
    {"enter-leave", {"none"}, COUNTED_NODE, N, .body = body_enter_leave},
    {"store-young", WITH_REFERENCES, COUNTED_NODE, N, .prepare = make_owners, .body = body_store},
    {"store-young-section", WITH_REFERENCES, COUNTED_NODE, N, .prepare = make_owners, .body = body_store_section},
    {"store-old", WITH_REFERENCES, COUNTED_NODE, N, .prepare = make_owners, .body = body_store, .old = true},
    {"store-old-section", WITH_REFERENCES, COUNTED_NODE, N, .prepare = make_owners, .body = body_store_section,
     .old = true},
    {"root-set", ANY, COUNTED_NODE, N, .prepare = make_one, .body = body_root_set},
    {"weak-get", WITH_REFERENCES, COUNTED_NODE, N, .prepare = make_weak, .body = body_weak_get},
};
/* clang-format on */
const size_t counted_n_managed = sizeof(counted_managed) / sizeof(counted_managed[0]);
