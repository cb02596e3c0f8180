/* lies_test.c - the kit notices a strategy that claims what it does not do. A lie is a copy of a plug-in in which the
 * word of its capabilities is another one; a claim of the kit that needs the capability must fail on it. */
#include "tests/conformance/run.h"
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include "tests/support/strategies.h"

#include <slabgc/plugin.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_S 20
#define NEEDS                                                                                                          \
    (SGC_NEED_REFERENCES | SGC_NEED_CYCLES | SGC_NEED_CONCURRENT_READERS | SGC_NEED_PROMPT | SGC_NEED_WEAK |           \
     SGC_NEED_FINALIZERS)

static const struct {
    const char *path, *name; /* of the plug-in */
    uint32_t claimed;        /* beside what it has */
    const struct kit_claim *clause;
    const char *claim;
} lies[] = {
    {"tests/support/marksweep", "marksweep", SGC_NEED_PROMPT, kit_needs_prompt, "needs_prompt_at_the_last_drop"},
    {"tests/support/marksweep", "marksweep", SGC_NEED_PROMPT, kit_needs_prompt, "needs_prompt_down_the_references"},
    {"tests/support/marksweep", "marksweep", SGC_NEED_PROMPT, kit_needs_prompt, "needs_prompt_for_weak_references"},
    {"plugins/generational", "generational", SGC_NEED_PROMPT, kit_needs_prompt, "needs_prompt_at_the_last_drop"},
    {"plugins/rcu", "rcu", SGC_NEED_PROMPT, kit_needs_prompt, "needs_prompt_down_the_references"},
    {"plugins/refcount", "refcount", SGC_NEED_CONCURRENT_READERS, kit_reading_others, "reading_survives_others_set"},
    /* It does nothing at all. */
    {"tests/runtime/broken", "good", NEEDS, kit_needs_prompt, "needs_prompt_at_the_last_drop"},
    {"tests/runtime/broken", "good", NEEDS, kit_holds, "holds_keep_all_that_is_reachable"},
    {"tests/runtime/broken", "good", NEEDS, kit_writing, "writing_cycles_die"},
    {"tests/runtime/broken", "good", NEEDS, kit_weak, "weak_does_not_keep_alive"},
    {"tests/runtime/broken", "good", NEEDS, kit_finalizers, "finalizers_run_once"},
};

static char folder[SUPPORT_PATH_BYTES];

/* Of the plug-in, with these capabilities beside its own; its path. */
static const char *lie_write(const char *place, const char *name, uint32_t claimed)
{
    static char copy[SUPPORT_PATH_BYTES + 64], bytes[16 << 20];
    const uint64_t magic = SGC_PLUGIN_MAGIC;
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.so", place, name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    const size_t n = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    ck_assert_uint_lt(n, sizeof(bytes));
    char *at = memmem(bytes, n, &magic, sizeof(magic));
    ck_assert_ptr_nonnull(at);
    uint32_t capabilities;
    char *const word = at + offsetof(struct sgc_strategy_plugin, capabilities);
    memcpy(&capabilities, word, sizeof(capabilities));
    capabilities |= claimed;
    memcpy(word, &capabilities, sizeof(capabilities));
    snprintf(copy, sizeof(copy), "%s/%s.so", folder, name);
    file = fopen(copy, "w");
    ck_assert_msg(file != NULL, "%s", copy);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(copy, 0755), 0);
    return copy;
}

static const struct kit_claim *claim_named(const struct kit_claim *clause, const char *name)
{
    while (clause->name && strcmp(clause->name, name) != 0)
        clause++;
    ck_assert_msg(clause->name != NULL, "no claim %s", name);
    return clause;
}

START_TEST(a_capability_that_is_claimed_and_not_there_fails_a_claim)
{
    struct kit kit = {.n_peers = 0};
    struct kit_outcome outcome;
    char message[SGC_ERROR_MESSAGE_BYTES];
    support_scratch_create(folder);
    kit.strategy = lie_write(lies[_i].path, lies[_i].name, lies[_i].claimed);
    ck_assert_msg(kit_probe(kit.strategy, &kit.capabilities, message, sizeof(message)), "%s", message);
    ck_assert_uint_eq(kit.capabilities & lies[_i].claimed, lies[_i].claimed);
    kit_run(claim_named(lies[_i].clause, lies[_i].claim), &kit, false, TIMEOUT_S, &outcome);
    free(outcome.transcript);
    support_scratch_destroy(folder);
    ck_assert_msg(!outcome.held, "%s holds on a %s that claims 0x%x", lies[_i].claim, lies[_i].name, lies[_i].claimed);
}
END_TEST

int main(void)
{
    support_strategies_init();
    Suite *suite = suite_create("lies");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 3 * TIMEOUT_S);
    tcase_add_loop_test(all, a_capability_that_is_claimed_and_not_there_fails_a_claim, 0,
                        (int)(sizeof(lies) / sizeof(lies[0])));
    suite_add_tcase(suite, all);
    return support_main(suite);
}
