/* needs_prompt.c - clause 6 of the contract, for `prompt`: an acyclic death is noticed at the last drop, or at the end
 * of the section that it came in. Nothing here collects. A strategy with `concurrent-readers` may have to wait for
 * other threads' sections, so the other thread that there is, is at rest; a strategy that leaves the work to a thread
 * of its own may be as quick once, not a thousand times. */
#include "tests/conformance/kit.h"

#include <semaphore.h>

#define ROUNDS 1000

struct tree {
    uint64_t label;
    struct tree *left, *right;
};
/* Acyclic: of what may be in a cycle, the slot may outlast the death. */
static const struct sgc_type tree_type =
    SGC_TYPE(struct tree, SGC_REFS(struct tree, left, right), .flags = SGC_TYPE_ACYCLIC);

static struct tree *tree_node(struct sgc_cache *trees)
{
    struct tree *node = sgc_new(trees);
    KIT_CHECK(node != NULL);
    node->label = 1;
    return node;
}

/* Another thread that uses slabgc, at rest until the claim ends: alone, a thread may be served otherwise. */
struct other {
    pthread_mutex_t lock; /* held by the claim until its end */
    pthread_t thread;
    struct kit *kit;
    sem_t at_rest;
};

static void *other_run(void *arg)
{
    struct other *other = arg;
    sgc_drop(kit_leaf(other->kit, 3));
    sem_post(&other->at_rest);
    pthread_mutex_lock(&other->lock);
    pthread_mutex_unlock(&other->lock);
    return NULL;
}

static void other_begin(struct other *other, struct kit *kit)
{
    other->kit = kit;
    pthread_mutex_init(&other->lock, NULL);
    sem_init(&other->at_rest, 0, 0);
    pthread_mutex_lock(&other->lock);
    other->thread = kit_start(other_run, other);
    while (sem_wait(&other->at_rest))
        continue;
}

static void other_end(struct other *other)
{
    pthread_mutex_unlock(&other->lock);
    kit_join(other->thread);
}

static void expect_left(struct kit *kit, uint64_t n, const char *after)
{
    const uint64_t n_live = KIT_STAT(kit->heap, n_live);
    if (n_live != n)
        kit_fail(__FILE__, __LINE__, "not prompt: %llu objects are counted after %s, %llu are left",
                 (unsigned long long)n_live, after, (unsigned long long)n);
}

static void needs_prompt_at_the_last_drop(struct kit *kit)
{
    struct other other;
    other_begin(&other, kit);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct kit_leaf *leaf = kit_leaf(kit, 1);
        sgc_hold(leaf);
        sgc_drop(leaf);
        expect_left(kit, 1, "a drop that was not the last");
        sgc_drop(leaf);
        expect_left(kit, 0, "the last drop at rest");
        sgc_enter();
        sgc_drop(kit_leaf(kit, 2));
        sgc_leave();
        expect_left(kit, 0, "the section of the last drop");
    }
    other_end(&other);
}

/* A parent of two, one of which has a child. */
static struct tree *make_tree(struct sgc_cache *trees)
{
    struct tree *parent = tree_node(trees), *left = tree_node(trees), *right = tree_node(trees);
    sgc_set(left, left, right);
    sgc_set(parent, left, left);
    sgc_set(parent, right, right);
    sgc_drop(left);
    sgc_drop(right);
    return parent;
}

static void needs_prompt_down_the_references(struct kit *kit)
{
    struct sgc_cache *trees = kit_cache(kit, &tree_type);
    struct other other;
    other_begin(&other, kit);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct tree *parent = make_tree(trees);
        expect_left(kit, 3, "a tree was made");
        sgc_set(parent, left, NULL);
        expect_left(kit, 2, "a store over the last reference");
        sgc_drop(sgc_xchg(parent, right, NULL));
        expect_left(kit, 1, "an exchange of the last reference");
        sgc_drop(parent);
        expect_left(kit, 0, "the last drop");
        sgc_drop(make_tree(trees));
        expect_left(kit, 0, "the last drop of what names others");
    }
    other_end(&other);
}

static void needs_prompt_for_weak_references(struct kit *kit)
{
    struct other other;
    other_begin(&other, kit);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct kit_leaf *leaf = kit_leaf(kit, 1);
        struct sgc_weak *weak = sgc_weak_create(leaf);
        KIT_CHECK(weak != NULL);
        sgc_drop(leaf);
        leaf = sgc_weak_get(weak);
        if (leaf)
            kit_fail(__FILE__, __LINE__, "not prompt: a weak reference names an object after its last drop");
        sgc_weak_destroy(weak);
    }
    other_end(&other);
}

const struct kit_claim kit_needs_prompt[] = {
    KIT_CLAIM(needs_prompt_at_the_last_drop, SGC_NEED_PROMPT, KIT_PLAIN),
    KIT_CLAIM(needs_prompt_down_the_references, SGC_NEED_PROMPT | SGC_NEED_REFERENCES, KIT_PLAIN),
    KIT_CLAIM(needs_prompt_for_weak_references, SGC_NEED_PROMPT | SGC_NEED_WEAK, KIT_PLAIN),
    {0},
};
