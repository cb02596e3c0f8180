/* allocating.c - clause 5 of the contract and the types: what a new object looks like, sizes, constructors, manual and
 * immortal types, the bare object cache. Memory limits are in allocating_limits.c. */
#include "tests/conformance/kit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static bool is_zero(const void *at, size_t bytes)
{
    const unsigned char *byte = at;
    for (size_t i = 0; i < bytes; i++) {
        if (byte[i])
            return false;
    }
    return true;
}

/* Also in slots that were used before. */
static void allocating_gives_zeroed_objects(struct kit *kit)
{
    struct kit_leaf *leaves[1000];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 1000; i++) {
            leaves[i] = sgc_new(kit->leaves);
            KIT_CHECK(leaves[i] && is_zero(leaves[i], sizeof(*leaves[i])));
            memset(leaves[i], 0xa5, sizeof(*leaves[i]));
        }
        kit_at_rest(kit);
        for (int i = 0; i < 1000; i++)
            sgc_drop(leaves[i]);
        kit_at_rest(kit);
    }
    kit_expect_live(kit, "");
}

/* ---- variable sizes */

struct blob {
    uint64_t label;
    unsigned char bytes[];
};
static const struct sgc_type blob_type = SGC_TYPE(struct blob, SGC_TAIL_DATA(1), .flags = SGC_TYPE_LEAF);

/* From nothing over the largest slot (half a slab) to large objects. */
static void allocating_any_size(struct kit *kit)
{
    static const size_t sizes[] = {0, 1, 7, 8, 100, 1000, 4096, 10000, 32751, 32768, 40000, 70000, 1 << 20, 5 << 20};
    enum { N = sizeof(sizes) / sizeof(sizes[0]) };
    struct sgc_cache *blobs = kit_cache(kit, &blob_type);
    struct blob *kept[N];
    for (size_t i = 0; i < N; i++) {
        kept[i] = sgc_new_n(blobs, sizes[i]);
        KIT_CHECK(kept[i] && is_zero(kept[i]->bytes, sizes[i]));
        KIT_CHECK(sgc_size(kept[i]) >= sizeof(struct blob) + sizes[i]);
        kept[i]->label = i + 1;
        memset(kept[i]->bytes, (int)i + 1, sizes[i]);
    }
    kit_at_rest(kit);
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < sizes[i]; k += 511)
            KIT_CHECK(kept[i]->bytes[k] == i + 1);
    }
    kit_expect_live(kit, "1 2 3 4 5 6 7 8 9 10 11 12 13 14");
    for (size_t i = 0; i < N; i += 2)
        sgc_drop(kept[i]);
    kit_expect_live(kit, "2 4 6 8 10 12 14");
    for (size_t i = 1; i < N; i += 2)
        sgc_drop(kept[i]);
    kit_expect_live(kit, "");
}

static void allocating_too_much_is_an_overflow(struct kit *kit)
{
    struct sgc_cache *blobs = kit_cache(kit, &blob_type);
    errno = 0;
    KIT_CHECK(sgc_new_n(blobs, SIZE_MAX) == NULL && errno == EOVERFLOW);
    errno = 0;
    KIT_CHECK(sgc_new_n(blobs, SIZE_MAX / 2) == NULL && (errno == EOVERFLOW || errno == ENOMEM));
    kit_expect_live(kit, "");
}

/* Tails of references, small and as large objects. */
static void allocating_tails_of_references(struct kit *kit)
{
    struct sgc_cache *vecs = kit_cache(kit, &kit_vec_type);
    static const uint64_t lengths[] = {0, 1, 30, 5000, 200000};
    struct kit_vec *kept[5];
    for (uint64_t i = 0; i < 5; i++) {
        kept[i] = kit_vec(vecs, 1 + i, lengths[i]);
        for (uint64_t k = 0; k<lengths[i]; k += lengths[i]> 3 ? lengths[i] / 3 : 1) {
            struct kit_node *node = kit_node(kit, 100 * (i + 1) + k % 97);
            sgc_set(kept[i], items[k], node);
            sgc_drop(node);
        }
    }
    kit_at_rest(kit);
    kit_live(kit);
    for (uint64_t i = 0; i < 5; i++) {
        sgc_drop(kept[i]);
        kit_live(kit);
    }
    kit_expect_live(kit, "");
}

/* ---- alignment */

struct aligned_64 {
    uint64_t label;
    char rest[100];
} __attribute__((aligned(64)));
struct aligned_4096 {
    uint64_t label;
} __attribute__((aligned(4096)));
static const struct sgc_type aligned_64_type = SGC_TYPE(struct aligned_64, .flags = SGC_TYPE_LEAF);
static const struct sgc_type aligned_4096_type = SGC_TYPE(struct aligned_4096, .flags = SGC_TYPE_LEAF);

static void allocating_respects_alignment(struct kit *kit)
{
    struct sgc_cache *of_64 = kit_cache(kit, &aligned_64_type), *of_4096 = kit_cache(kit, &aligned_4096_type);
    void *kept[80];
    for (unsigned i = 0; i < 80; i++) {
        kept[i] = sgc_new(i % 2 ? of_64 : of_4096);
        KIT_CHECK(kept[i] && (uintptr_t)kept[i] % (i % 2 ? 64 : 4096) == 0);
    }
    kit_at_rest(kit);
    for (unsigned i = 0; i < 80; i++)
        sgc_drop(kept[i]);
    kit_expect_live(kit, "");
}

/* ---- constructed state */

static _Atomic unsigned n_ctor, n_reset, n_dtor;

struct made {
    uint64_t label;
    struct kit_node *child;
    uint64_t constructed; /* set by ctor, kept through the object's lives */
    uint64_t dirty;       /* put back by reset */
};

static int made_ctor(void *slot)
{
    memset(slot, 0, sizeof(struct made));
    ((struct made *)slot)->constructed = 4711;
    atomic_fetch_add(&n_ctor, 1);
    return 0;
}

static void made_reset(void *object)
{
    struct made *made = object;
    made->label = made->dirty = 0;
    atomic_fetch_add(&n_reset, 1);
}

static void made_dtor(void *slot)
{
    KIT_CHECK_EQ(((struct made *)slot)->constructed, 4711);
    atomic_fetch_add(&n_dtor, 1);
}

static const struct sgc_type made_type =
    SGC_TYPE(struct made, SGC_REFS(struct made, child), .ctor = made_ctor, .reset = made_reset, .dtor = made_dtor);

/* ctor once for a slot, reset at each death, dtor when the memory goes. */
static void allocating_retains_constructed_state(struct kit *kit)
{
    enum { N = 300, N_ROUNDS = 5 };
    struct sgc_cache *cache = kit_cache(kit, &made_type);
    struct made *objects[N];
    for (unsigned round = 1; round <= N_ROUNDS; round++) {
        for (unsigned i = 0; i < N; i++) {
            objects[i] = sgc_new(cache);
            KIT_CHECK(objects[i] && objects[i]->constructed == 4711 && !objects[i]->dirty && !objects[i]->child);
            objects[i]->label = 1 + i;
            objects[i]->dirty = 1;
            struct kit_node *child = kit_node(kit, 1000 + i);
            sgc_set(objects[i], child, child);
            sgc_drop(child);
        }
        kit_at_rest(kit);
        for (unsigned i = 0; i < N; i++)
            sgc_drop(objects[i]);
        kit_expect_live(kit, "");
        KIT_CHECK_EQ(atomic_load(&n_reset), round * N);
    }
    KIT_CHECK(atomic_load(&n_ctor) >= N);
    KIT_CHECK(sgc_cache_destroy(cache, NULL) == 0);
    KIT_CHECK_EQ(atomic_load(&n_ctor), atomic_load(&n_dtor));
}

static int failing_ctor(void *slot)
{
    (void)slot;
    return -1;
}

static void allocating_fails_when_the_constructor_does(struct kit *kit)
{
    static const struct sgc_type type = SGC_TYPE(struct kit_leaf, .ctor = failing_ctor, .flags = SGC_TYPE_LEAF);
    static struct sgc_type renamed;
    renamed = type;
    renamed.name = "refuses";
    struct sgc_cache *cache = kit_cache(kit, &renamed);
    errno = 0;
    KIT_CHECK(sgc_new(cache) == NULL && errno == ENOMEM);
    kit_expect_live(kit, "");
}

/* ---- manual, immortal, acyclic, traced types */

struct manual {
    uint64_t label;
    struct kit_leaf *mine; /* the program's affair */
};
static const struct sgc_type manual_type =
    SGC_TYPE(struct manual, SGC_REFS(struct manual, mine), .flags = SGC_TYPE_MANUAL);

/* Freed at the last drop or by sgc_cache_free, on every strategy. */
static void allocating_manual_types(struct kit *kit)
{
    struct sgc_cache *cache = kit_cache(kit, &manual_type);
    struct sgc_cache_stats stats;
    struct manual *a = sgc_new(cache), *b = sgc_cache_alloc(cache);
    KIT_CHECK(a && b);
    a->label = 1;
    *b = (struct manual){.label = 2};
    a->mine = kit_leaf(kit, 3);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3");
    sgc_drop(a->mine);
    kit_expect_live(kit, "1 2");
    sgc_drop(a);
    sgc_cache_free(cache, b);
    sgc_cache_stats(cache, &stats);
    KIT_CHECK_EQ(stats.n_live, 0);
    kit_expect_live(kit, "");
}

static void allocating_manual_in_bulk(struct kit *kit)
{
    struct sgc_cache *cache = kit_cache(kit, &manual_type);
    void *objects[500];
    for (int round = 0; round < 3; round++) {
        KIT_CHECK_EQ(sgc_cache_alloc_bulk(cache, objects, 500), 500);
        for (uint64_t i = 0; i < 500; i++)
            *(struct manual *)objects[i] = (struct manual){.label = i + 1};
        kit_at_rest(kit);
        kit_live(kit);
        sgc_cache_free_bulk(cache, objects, 500);
    }
    kit_expect_live(kit, "");
    sgc_cache_shrink(cache);
}

static const struct sgc_type immortal_type = SGC_TYPE(struct kit_leaf, .flags = SGC_TYPE_IMMORTAL | SGC_TYPE_LEAF);

static void allocating_immortal_types(struct kit *kit)
{
    static struct sgc_type renamed;
    renamed = immortal_type;
    renamed.name = "immortal";
    struct sgc_cache *cache = kit_cache(kit, &renamed);
    struct kit_leaf *leaf = sgc_new(cache);
    KIT_CHECK(leaf != NULL);
    leaf->label = 1;
    sgc_drop(leaf);
    kit_at_rest(kit);
    kit_expect_live(kit, "1");
    KIT_CHECK_EQ(leaf->label, 1);
}

struct tree {
    uint64_t label;
    struct tree *left, *right;
};
static const struct sgc_type tree_type =
    SGC_TYPE(struct tree, SGC_REFS(struct tree, left, right), .flags = SGC_TYPE_ACYCLIC);

static struct tree *tree_build(struct sgc_cache *cache, unsigned depth)
{
    struct tree *tree = sgc_new(cache);
    KIT_CHECK(tree != NULL);
    tree->label = depth + 1;
    if (depth) {
        SGC_AUTO struct tree *left = tree_build(cache, depth - 1);
        SGC_AUTO struct tree *right = tree_build(cache, depth - 1);
        sgc_set(tree, left, left);
        sgc_set(tree, right, right);
    }
    return tree;
}

static void allocating_acyclic_types(struct kit *kit)
{
    struct sgc_cache *cache = kit_cache(kit, &tree_type);
    struct tree *tree = tree_build(cache, 9);
    kit_at_rest(kit);
    kit_live(kit);
    struct tree *part = sgc_hold(tree->left->right);
    sgc_drop(tree);
    kit_at_rest(kit);
    kit_live(kit);
    sgc_drop(part);
    kit_expect_live(kit, "");
}

/* References behind a tag that only the program understands. */
struct tagged {
    uint64_t label;
    bool is_reference;
    void *payload;
};

static void tagged_trace(void *object, sgc_visit_fn *visit, void *visitor)
{
    struct tagged *tagged = object;
    if (tagged->is_reference)
        visit(visitor, &tagged->payload);
}

static const struct sgc_type tagged_type = SGC_TYPE(struct tagged, .trace = tagged_trace);

static void allocating_traced_types(struct kit *kit)
{
    struct sgc_cache *cache = kit_cache(kit, &tagged_type);
    struct tagged *number = sgc_new(cache), *reference = sgc_new(cache);
    KIT_CHECK(number && reference);
    number->label = 1;
    number->payload = (void *)(uintptr_t)0xdeadbeef0;
    reference->label = 2;
    reference->is_reference = true;
    struct kit_node *node = kit_node(kit, 3);
    sgc_set(reference, payload, node);
    sgc_drop(node);
    kit_at_rest(kit);
    kit_expect_live(kit, "1 2 3");
    sgc_set(reference, payload, NULL);
    kit_expect_live(kit, "1 2");
    sgc_drop(number);
    sgc_drop(reference);
    kit_expect_live(kit, "");
}

const struct kit_claim kit_allocating[] = {
    KIT_CLAIM(allocating_gives_zeroed_objects, 0, 0),
    KIT_CLAIM(allocating_any_size, 0, 0),
    KIT_CLAIM(allocating_too_much_is_an_overflow, 0, 0),
    KIT_CLAIM(allocating_tails_of_references, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(allocating_respects_alignment, 0, 0),
    KIT_CLAIM(allocating_retains_constructed_state, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(allocating_fails_when_the_constructor_does, 0, 0),
    KIT_CLAIM(allocating_manual_types, 0, 0),
    KIT_CLAIM(allocating_manual_in_bulk, 0, 0),
    KIT_CLAIM(allocating_immortal_types, 0, 0),
    KIT_CLAIM(allocating_acyclic_types, SGC_NEED_REFERENCES, 0),
    KIT_CLAIM(allocating_traced_types, SGC_NEED_REFERENCES, 0),
    {0},
};
