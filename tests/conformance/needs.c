/* needs.c - clause 6 of the contract: a program gets what it states, or a refusal that says what is missing, who says
 * so, and what would do. Never silently weaker. */
#include "tests/conformance/kit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    uint32_t need;
    const char *word; /* how messages call it */
} needs[] = {
    {SGC_NEED_REFERENCES, "references"},
    {SGC_NEED_CYCLES, "cycles"},
    {SGC_NEED_CONCURRENT_READERS, "concurrent-readers"},
    {SGC_NEED_PROMPT, "prompt"},
    {SGC_NEED_WEAK, "weak"},
    {SGC_NEED_FINALIZERS, "finalizers"},
};
#define N_NEEDS (sizeof(needs) / sizeof(needs[0]))

/* The name that messages use: a path's file name without ".so". */
static const char *strategy_name(const struct kit *kit)
{
    static char name[256];
    const char *slash = strrchr(kit->strategy, '/');
    snprintf(name, sizeof(name), "%s", slash ? slash + 1 : kit->strategy);
    char *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".so") == 0)
        *dot = '\0';
    return name;
}

static void expect_text(const char *message, const char *text)
{
    if (!strstr(message, text))
        kit_fail(__FILE__, __LINE__, "expected '%s' in: %s", text, message);
}

static void needs_are_granted_or_refused_one_by_one(struct kit *kit)
{
    for (size_t i = 0; i < N_NEEDS; i++) {
        struct sgc_error error = {0};
        struct sgc_heap_options options = {.needs = needs[i].need, .strategy = kit->strategy};
        struct sgc_heap *heap = sgc_heap_open("kit", &options, &error);
        KIT_CHECK(!heap == !(kit->capabilities & needs[i].need));
        if (heap) {
            KIT_CHECK(strcmp(sgc_heap_strategy(heap), strategy_name(kit)) == 0);
            KIT_CHECK(sgc_heap_capabilities(heap) & needs[i].need);
            KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
            continue;
        }
        KIT_CHECK_EQ(error.code, -ENOTSUP);
        expect_text(error.message, needs[i].word);
        expect_text(error.message, strategy_name(kit));
    }
}

static void needs_all_at_once_are_granted(struct kit *kit)
{
    struct sgc_heap *heap = kit_open(kit, "kit", kit->capabilities, 0);
    KIT_CHECK_EQ(sgc_heap_capabilities(heap), kit->capabilities);
    KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
}

static void write_config(char *path, const char *strategy)
{
    int fd = mkstemp(path);
    KIT_CHECK(fd >= 0);
    char text[4352];
    int length = snprintf(text, sizeof(text), "# kit\n[heap.kit]\nstrategy = %s\n", strategy);
    KIT_CHECK(write(fd, text, (size_t)length) == length);
    close(fd);
    KIT_CHECK(setenv("SLABGC_CONFIG", path, 1) == 0);
}

/* The config overrides the program's preference, and is named with file and line. */
static void needs_refusal_names_the_config_line(struct kit *kit)
{
    const char *directory = getenv("TEST_TMPDIR");
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/kit-XXXXXX", directory ? directory : "/tmp");
    write_config(path, kit->strategy);
    for (size_t i = 0; i < N_NEEDS; i++) {
        struct sgc_error error = {0};
        struct sgc_heap_options options = {.needs = needs[i].need};
        struct sgc_heap *heap = sgc_heap_open("kit", &options, &error);
        KIT_CHECK(!heap == !(kit->capabilities & needs[i].need));
        if (heap) {
            KIT_CHECK(strcmp(sgc_heap_strategy(heap), strategy_name(kit)) == 0);
            KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
            continue;
        }
        char line[PATH_MAX + 16];
        snprintf(line, sizeof(line), "%s:3", path);
        expect_text(error.message, line);
        expect_text(error.message, needs[i].word);
        KIT_CHECK_EQ(error.code, -ENOTSUP);
    }
    unlink(path);
}

/* A refusal names the strategies of this run that would do, as far as they are found by name. */
static void needs_refusal_names_alternatives(struct kit *kit)
{
    for (size_t i = 0; i < N_NEEDS; i++) {
        if (kit->capabilities & needs[i].need)
            continue;
        struct sgc_error refusal = {0};
        struct sgc_heap_options options = {.needs = needs[i].need, .strategy = kit->strategy};
        KIT_CHECK(sgc_heap_open("kit", &options, &refusal) == NULL);
        for (size_t k = 0; k < kit->n_peers; k++) {
            options.strategy = kit->peers[k];
            struct sgc_heap *heap = strchr(kit->peers[k], '/') ? NULL : sgc_heap_open("peer", &options, NULL);
            if (!heap)
                continue;
            expect_text(refusal.message, kit->peers[k]);
            KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
        }
    }
}

static const struct sgc_type manual_node_type =
    SGC_TYPE(struct kit_node, SGC_REFS(struct kit_node, left, right), .flags = SGC_TYPE_MANUAL);

static void no_finalizer(void *object)
{
    (void)object;
}

/* What a type implies is needed even if the program did not say so. */
static void needs_are_implied_by_types(struct kit *kit)
{
    static struct sgc_type finalized;
    finalized = kit_leaf_type;
    finalized.name = "finalized";
    finalized.finalize = no_finalizer;
    const struct {
        const struct sgc_type *type;
        uint32_t need;
        const char *word;
    } implied[] = {{&kit_node_type, SGC_NEED_REFERENCES, "references"},
                   {&kit_vec_type, SGC_NEED_REFERENCES, "references"},
                   {&finalized, SGC_NEED_FINALIZERS, "finalizers"},
                   {&kit_leaf_type, 0, ""}};
    struct sgc_heap *heap = kit_open(kit, "kit", 0, 0);
    for (size_t i = 0; i < sizeof(implied) / sizeof(implied[0]); i++) {
        struct sgc_error error = {0};
        struct sgc_cache *cache = sgc_cache_create(heap, implied[i].type, &error);
        KIT_CHECK(!cache == ((implied[i].need & ~kit->capabilities) != 0));
        if (cache)
            continue;
        KIT_CHECK_EQ(error.code, -ENOTSUP);
        expect_text(error.message, implied[i].word);
    }
    KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
    heap = kit_open(kit, "kit", 0, 0);
    KIT_CHECK(sgc_cache_create(heap, &manual_node_type, NULL) != NULL);
    KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
}

static void needs_unknown_strategy_is_refused(struct kit *kit)
{
    struct sgc_error error = {0};
    struct sgc_heap_options options = {.strategy = "generatinal"};
    (void)kit;
    KIT_CHECK(sgc_heap_open("kit", &options, &error) == NULL);
    KIT_CHECK_EQ(error.code, -ENOENT);
    expect_text(error.message, "generatinal");
}

/* Without a preference a heap opens on a strategy that has all of it. */
static void needs_choose_a_strategy(struct kit *kit)
{
    struct sgc_error error = {0};
    struct sgc_heap_options options = {.needs = kit->capabilities};
    struct sgc_heap *heap = sgc_heap_open("kit", &options, &error);
    if (!heap) {
        KIT_CHECK_EQ(error.code, -ENOTSUP); /* only the strategy under test has them, and nobody prefers it */
        return;
    }
    KIT_CHECK((sgc_heap_capabilities(heap) & kit->capabilities) == kit->capabilities);
    KIT_CHECK(sgc_heap_close(heap, NULL) == 0);
}

/* A switch is refused as an open is, and then nothing has changed. */
static void needs_are_kept_by_a_switch(struct kit *kit)
{
    struct sgc_error error = {0};
    for (size_t k = 0; k < kit->n_peers; k++) {
        struct sgc_heap *probe = sgc_heap_open("probe", &(struct sgc_heap_options){.strategy = kit->peers[k]}, &error);
        KIT_CHECK(probe != NULL);
        uint32_t missing = kit->capabilities & ~sgc_heap_capabilities(probe);
        KIT_CHECK(sgc_heap_close(probe, NULL) == 0);
        if (!missing)
            continue;
        kit->heap = kit_open(kit, "kit", missing, 0);
        kit->leaves = kit_cache(kit, &kit_leaf_type);
        struct kit_leaf *leaf = kit_leaf(kit, 1);
        KIT_CHECK(sgc_heap_switch(kit->heap, kit->peers[k], &error) == -ENOTSUP);
        KIT_CHECK(strcmp(sgc_heap_strategy(kit->heap), strategy_name(kit)) == 0);
        kit_verify(kit->heap);
        KIT_CHECK_EQ(leaf->label, 1);
        sgc_drop(leaf);
        KIT_CHECK(sgc_heap_close(kit->heap, NULL) == 0);
        kit->heap = NULL;
    }
}

const struct kit_claim kit_needs[] = {
    KIT_CLAIM(needs_are_granted_or_refused_one_by_one, 0, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(needs_all_at_once_are_granted, 0, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(needs_refusal_names_the_config_line, 0, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(needs_refusal_names_alternatives, 0, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(needs_are_implied_by_types, 0, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(needs_unknown_strategy_is_refused, 0, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(needs_choose_a_strategy, 0, KIT_NO_HEAP | KIT_PLAIN),
    KIT_CLAIM(needs_are_kept_by_a_switch, 0, KIT_NO_HEAP | KIT_PLAIN),
    {0},
};
