/* replay_test.c - slabgc-replay as a user runs it, on recordings made up here: the same live sets on every strategy,
 * several threads, weak references that strategies answer differently, damaged recordings. */
#include "tests/support/expect.h"
#include "tests/support/scratch.h"
#include "tests/support/strategies.h"
#include "tests/tools/trace/artificial.h"

#include <slabgc/heap.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

#define OUTPUT_BYTES 16384

static const char *replay = "tools/replay/slabgc-replay";
static char directory[SUPPORT_PATH_BYTES], path[SUPPORT_PATH_BYTES];
static char out[OUTPUT_BYTES], err[OUTPUT_BYTES];
static struct artificial made;

static void setup(void)
{
    support_scratch_create(directory);
    support_scratch_path(path, directory, "recording");
}
static void teardown(void)
{
    support_scratch_destroy(directory);
}

static void read_text(const char *name, char text[OUTPUT_BYTES])
{
    char file[SUPPORT_PATH_BYTES];
    support_scratch_path(file, directory, name);
    FILE *in = fopen(file, "r");
    text[in ? fread(text, 1, OUTPUT_BYTES - 1, in) : 0] = '\0';
    if (in)
        fclose(in);
}

/* Runs slabgc-replay with these options on the recording; its exit status, or 1000 + the signal. */
static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char options[1024], command[4 * SUPPORT_PATH_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options, sizeof(options), format, arguments);
    va_end(arguments);
    snprintf(command, sizeof(command), "exec timeout 600 '%s' %s '%s' >'%s/out' 2>'%s/err'", replay, options, path,
             directory, directory);
    const int status = system(command);
    read_text("out", out);
    read_text("err", err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* On every strategy that can: status 0, and the same live sets. */
static void check_same(bool none_too)
{
    const char *names[SUPPORT_MAX_STRATEGIES];
    const size_t n = support_strategies(names);
    char first[64] = "", digest[64];
    for (size_t i = 0; i < n; i++) {
        if (!none_too && !strcmp(names[i], "none"))
            continue;
        const int status = run("--check --strategy=%s", names[i]);
        ck_assert_msg(status == 0, "%s: status %d: %s%s", names[i], status, out, err);
        ck_assert_int_eq(sscanf(out, "live sets %63s", digest), 1);
        if (!*first)
            strcpy(first, digest);
        ck_assert_msg(!strcmp(first, digest), "%s: %s", names[i], out);
    }
}

/* ---- a random correct program: places are cells that a thread holds or that a global table refers to */

enum { PLACES = 400, FIELDS = 4, MAX_HELD = 40 };
struct model {
    bool used[PLACES]; /* an object was made there; never reused while it may live */
    uint32_t fields[PLACES][FIELDS];
    uint32_t held[ARTIFICIAL_THREADS][MAX_HELD], n_held[ARTIFICIAL_THREADS];
    bool inside[ARTIFICIAL_THREADS], dead[PLACES];
    uint64_t seed;
};
static struct model model;

static uint64_t at(uint32_t place)
{
    return 0x7f000000000 + place * 4u;
}

static uint32_t pick(uint32_t n)
{
    return (uint32_t)(support_random(&model.seed) % n);
}

/* Objects that nothing reaches any more die: their places become free. */
static void model_collect(uint32_t n_threads, bool recorded)
{
    static bool marks[PLACES];
    uint32_t stack[PLACES], n = 0;
    memset(marks, 0, sizeof(marks));
    for (uint32_t thread = 0; thread <= n_threads; thread++)
        for (uint32_t i = 0; i < model.n_held[thread]; i++)
            if (!marks[model.held[thread][i]]) {
                marks[model.held[thread][i]] = true;
                stack[n++] = model.held[thread][i];
            }
    while (n) {
        const uint32_t place = stack[--n];
        for (uint32_t i = 0; i < FIELDS; i++) {
            const uint32_t to = model.fields[place][i];
            if (to && !marks[to - 1]) {
                marks[to - 1] = true;
                stack[n++] = to - 1;
            }
        }
    }
    for (uint32_t place = 0; place < PLACES; place++) {
        if (!model.used[place] || marks[place])
            continue;
        if (recorded)
            ARTIFICIAL(&made, 1, DEATH, at(place));
        model.used[place] = false;
        memset(model.fields[place], 0, sizeof(model.fields[place]));
    }
}

static void model_step(uint32_t thread, uint32_t n_threads)
{
    uint32_t *held = model.held[thread], *n = &model.n_held[thread];
    const uint32_t choice = pick(100);
    if (choice < 12) {
        model.inside[thread] = !model.inside[thread];
        if (model.inside[thread])
            ARTIFICIAL(&made, thread, ENTER);
        else
            ARTIFICIAL(&made, thread, LEAVE);
    } else if ((choice < 35 || !*n) && *n < MAX_HELD) {
        uint32_t place = pick(PLACES);
        for (uint32_t tries = 0; model.used[place]; place = pick(PLACES))
            if (tries++ > 50)
                return;
        model.used[place] = true;
        if (place % 3)
            ARTIFICIAL(&made, thread, NEW, 0, at(place));
        else
            ARTIFICIAL(&made, thread, NEW_N, 1, at(place), FIELDS);
        held[(*n)++] = place;
    } else if (choice < 50) {
        const uint32_t i = pick(*n);
        ARTIFICIAL(&made, thread, DROP, at(held[i]));
        held[i] = held[--*n];
    } else if (choice < 85) {
        const uint32_t owner = held[pick(*n)], field = pick(FIELDS), other = 1 + pick(n_threads);
        const uint32_t value = model.n_held[other] && pick(4) ? model.held[other][pick(model.n_held[other])] + 1 : 0;
        model.fields[owner][field] = value;
        ARTIFICIAL(&made, thread, STORE, at(owner), field + (owner % 3 == 0), value ? at(value - 1) : pick(2));
    } else if (model.inside[thread] && *n < MAX_HELD) { /* reads a field, and holds what it finds */
        const uint32_t to = model.fields[held[pick(*n)]][pick(FIELDS)];
        if (to) {
            ARTIFICIAL(&made, thread, HOLD, at(to - 1));
            held[(*n)++] = to - 1;
        }
    } else if (*n) {
        const uint32_t owner = held[pick(*n)], field = pick(FIELDS), old = model.fields[owner][field];
        if (!old || *n == MAX_HELD)
            return;
        model.fields[owner][field] = 0;
        ARTIFICIAL(&made, thread, EXCHANGE, at(owner), field + (owner % 3 == 0), 0, at(old - 1));
        held[(*n)++] = old - 1;
    }
}

static void make_program(uint64_t seed, uint32_t n_threads, unsigned n_steps)
{
    memset(&model, 0, sizeof(model));
    model.seed = seed;
    artificial_begin(&made, path, SGC_NEED_CYCLES);
    artificial_cache(&made, 0, "node", 40, FIELDS, NULL);
    artificial_cache(&made, 1, "tail", 8, 0, "\"flags\":0,\"tail_element_bytes\":8,\"tail_refs\":true");
    for (unsigned i = 0; i < 20; i++) { /* the state that was found */
        model.used[i] = true;
        model.held[1][model.n_held[1]++] = i;
        if (i % 3)
            ARTIFICIAL(&made, 0, NEW, 0, at(i));
        else
            ARTIFICIAL(&made, 0, NEW_N, 1, at(i), FIELDS);
        ARTIFICIAL(&made, 0, HOLDS, at(i), 1);
        model.held[1][model.n_held[1]++] = i;
    }
    for (unsigned i = 0; i < n_steps; i++) {
        const uint32_t thread = 1 + pick(n_threads);
        for (unsigned k = pick(12); k > 0; k--)
            model_step(thread, n_threads);
        if (i % 64 == 63)
            model_collect(n_threads, true);
    }
    artificial_end(&made, true);
}

START_TEST(one_thread_gives_the_models_live_sets_on_every_strategy)
{
    make_program(support_seed("one", 0), 1, 4000);
    check_same(false);
}
END_TEST

START_TEST(several_threads_give_the_models_live_sets_on_every_strategy)
{
    make_program(support_seed("several", 0), 4, 3000);
    check_same(false);
}
END_TEST

START_TEST(leaves_run_on_every_strategy_the_built_in_one_too)
{
    artificial_begin(&made, path, 0);
    artificial_cache(&made, 0, "leaf", 24, 0, NULL);
    artificial_cache(&made, 1, "bytes", 8, 0, "\"flags\":2,\"tail_element_bytes\":1");
    artificial_cache(&made, 2, "bare", 100, 0, "\"flags\":0,\"bare\":true,\"constructed\":true");
    for (uint32_t i = 0; i < 3000; i++) {
        ARTIFICIAL(&made, 1, NEW, 0, 100 + i % 7 * 10);
        ARTIFICIAL(&made, 1, NEW_N, 1, 101 + i % 7 * 10, i);
        ARTIFICIAL(&made, 1, BARE_NEW, 2, 102 + i % 7 * 10);
        if (i % 2) {
            ARTIFICIAL(&made, 1, DROP, 100 + i % 7 * 10);
            ARTIFICIAL(&made, 1, DROP, 101 + i % 7 * 10);
            ARTIFICIAL(&made, 1, FREE, 102 + i % 7 * 10);
        }
        ARTIFICIAL(&made, 1, ACCOUNT, 0, i % 2 ? 100 : (uint64_t)-100);
    }
    ARTIFICIAL(&made, 1, COLLECT, 0, SGC_COLLECT_MINOR);
    artificial_end(&made, true);
    check_same(true);
    ck_assert_int_eq(run("--strategy=none --json --repeat=2"), 0);
    ck_assert_ptr_nonnull(strstr(out, "\"live_objects\":4500"));
    ck_assert_ptr_nonnull(strchr(strchr(out, '\n') + 1, '\n'));
}
END_TEST

START_TEST(traced_constructed_and_finalized_types_are_rebuilt)
{
    artificial_begin(&made, path, SGC_NEED_CYCLES);
    artificial_cache(&made, 0, "traced", 64, 0, "\"flags\":0,\"traced\":true");
    artificial_cache(&made, 1, "constructed", 32, 2, "\"flags\":0,\"constructed\":true");
    artificial_cache(&made, 2, "finalized", 32, 2, "\"flags\":0,\"finalized\":true");
    for (uint32_t i = 0; i < 1000; i++) {
        ARTIFICIAL(&made, 1, NEW, 0, 1000 + i * 4);
        ARTIFICIAL(&made, 1, NEW, 1, 1001 + i * 4);
        ARTIFICIAL(&made, 1, NEW, 2, 1002 + i * 4);
        ARTIFICIAL(&made, 1, STORE, 1000 + i * 4, 7, 1001 + i * 4);
        ARTIFICIAL(&made, 1, STORE, 1001 + i * 4, 1, 1002 + i * 4);
        ARTIFICIAL(&made, 1, STORE, 1002 + i * 4, 0, 1000 + i * 4);
        ARTIFICIAL(&made, 1, DROP, 1001 + i * 4);
        ARTIFICIAL(&made, 1, DROP, 1002 + i * 4);
        if (i % 2)
            continue;
        ARTIFICIAL(&made, 1, DROP, 1000 + i * 4); /* a dead cycle */
        if (i % 4)
            continue;
        ARTIFICIAL(&made, 1, FINALIZE, 1002 + i * 4); /* its finalizer holds what it finds for a moment */
        ARTIFICIAL(&made, 1, HOLD, 1000 + i * 4);
        ARTIFICIAL(&made, 1, DROP, 1000 + i * 4);
        ARTIFICIAL(&made, 1, FINALIZED, 1002 + i * 4);
    }
    artificial_end(&made, true);
    check_same(false);
    ck_assert_ptr_nonnull(strstr(out, "live 1500 objects"));
}
END_TEST

START_TEST(a_section_may_name_what_others_dropped_since_it_began)
{
    artificial_begin(&made, path, SGC_NEED_CYCLES);
    artificial_cache(&made, 0, "node", 32, 2, NULL);
    for (uint32_t i = 0; i < 500; i++) {
        ARTIFICIAL(&made, 1, NEW, 0, 100 + i);
        ARTIFICIAL(&made, 2, ENTER);
        ARTIFICIAL(&made, 1, DROP, 100 + i); /* thread 2 has seen it, its section keeps it */
        ARTIFICIAL(&made, 1, NEW, 0, 1000 + i);
        ARTIFICIAL(&made, 1, COLLECT, 0, SGC_COLLECT_FULL); /* which the section may not hold up */
        ARTIFICIAL(&made, 2, HOLD, 100 + i);
        ARTIFICIAL(&made, 2, LEAVE);
        ARTIFICIAL(&made, 2, DROP, 100 + i);
        ARTIFICIAL(&made, 1, DEATH, 100 + i);
    }
    artificial_end(&made, true);
    check_same(false);
    ck_assert_ptr_nonnull(strstr(out, "kept              500 objects"));
}
END_TEST

START_TEST(weak_references_that_are_dead_here_are_counted_and_what_they_kept_is_left_out)
{
    artificial_begin(&made, path, SGC_NEED_CYCLES | SGC_NEED_WEAK);
    artificial_cache(&made, 0, "node", 32, 2, NULL);
    for (uint32_t i = 0; i < 100; i++) {
        ARTIFICIAL(&made, 1, NEW, 0, 100 + 2 * i);
        ARTIFICIAL(&made, 1, NEW, 0, 101 + 2 * i);
        ARTIFICIAL(&made, 1, STORE, 100 + 2 * i, 0, 101 + 2 * i);
        ARTIFICIAL(&made, 1, DROP, 101 + 2 * i);
        ARTIFICIAL(&made, 1, WEAK_NEW, i + 1, 100 + 2 * i);
        ARTIFICIAL(&made, 1, DROP, 100 + 2 * i);
    }
    for (uint32_t i = 0; i < 10; i++) {
        ARTIFICIAL(&made, 1, WEAK_GET, i + 1, 100 + 2 * i); /* generational: not collected yet */
        ARTIFICIAL(&made, 1, HOLD, 101 + 2 * i);
        ARTIFICIAL(&made, 1, STORE, 101 + 2 * i, 1, 100 + 2 * i);
        ARTIFICIAL(&made, 1, DROP, 100 + 2 * i);
        ARTIFICIAL(&made, 1, WEAK_FREE, i + 1);
    }
    artificial_end(&made, true);
    ck_assert_msg(run("--check --points=0 --strategy=generational") == 0, "%s%s", out, err);
    ck_assert_msg(run("--check --points=0 --strategy=refcount") == 1, "%s%s", out, err);
    ck_assert_ptr_nonnull(strstr(out, "weak: 10 "));
    ck_assert_ptr_nonnull(strstr(out, "gone: 30 "));
    ck_assert_int_eq(run("--json --strategy=refcount"), 1);
    ck_assert_ptr_nonnull(strstr(out, "\"weak\":{\"n\":10"));
}
END_TEST

START_TEST(ephemerons_keep_their_value_while_key_and_ephemeron_live)
{
    artificial_begin(&made, path, SGC_NEED_CYCLES | SGC_NEED_WEAK);
    artificial_cache(&made, 0, "node", 32, 2, NULL);
    for (uint32_t i = 0; i < 300; i++) {
        const uint64_t key = 1000 + 4 * i, value = key + 1, ephemeron = key + 2;
        ARTIFICIAL(&made, 1, NEW, 0, key);
        ARTIFICIAL(&made, 1, NEW, 0, value);
        ARTIFICIAL(&made, 1, EPHEMERON, 0, ephemeron, key, value);
        ARTIFICIAL(&made, 1, DROP, value);
        if (i % 3 == 1)
            ARTIFICIAL(&made, 1, DROP, key);
        if (i % 3 == 2)
            ARTIFICIAL(&made, 1, DROP, ephemeron);
    }
    artificial_end(&made, true);
    check_same(false);
}
END_TEST

START_TEST(heaps_and_caches_of_the_same_name_follow_each_other)
{
    artificial_begin(&made, path, SGC_NEED_CYCLES);
    artificial_cache(&made, 0, "node", 32, 2, NULL);
    artificial_cache(&made, 1, "node", 48, 2, NULL); /* the first one was destroyed meanwhile */
    artificial_define(&made, SGC_RECORDING_HEAP,
                      "{\"heap\":1,\"name\":\"artificial\",\"strategy\":\"rcu\",\"needs\":3,\"memory_limit_bytes\":0}");
    artificial_define(
        &made, SGC_RECORDING_CACHE,
        "{\"cache\":2,\"heap\":1,\"name\":\"node\",\"size_bytes\":32,\"align_bytes\":8,\"flags\":0,\"refs\":[[0,1]]}");
    for (uint32_t i = 0; i < 100; i++) {
        ARTIFICIAL(&made, 1, NEW, i % 2, 100 + i);
        if (i % 4)
            ARTIFICIAL(&made, 1, DROP, 100 + i);
    }
    ARTIFICIAL(&made, 1, CLOSE, 0);
    for (uint32_t i = 0; i < 100; i++)
        ARTIFICIAL(&made, 1, NEW, 2, 100 + i);
    artificial_end(&made, true);
    check_same(false);
    ck_assert_ptr_nonnull(strstr(out, "live 100 objects"));
}
END_TEST

START_TEST(what_no_correct_program_did_is_left_out_and_said)
{
    artificial_begin(&made, path, SGC_NEED_CYCLES);
    artificial_cache(&made, 0, "node", 32, 2, NULL);
    ARTIFICIAL(&made, 1, NEW, 0, 100);
    ARTIFICIAL(&made, 1, HOLD, 999);
    ARTIFICIAL(&made, 1, DROP, 100);
    ARTIFICIAL(&made, 1, DROP, 100);
    ARTIFICIAL(&made, 1, LEAVE);
    ARTIFICIAL(&made, 1, WEAK_GET, 77, 100);
    artificial_end(&made, true);
    ck_assert_int_eq(run("--strategy=refcount"), 1);
    ck_assert_ptr_nonnull(strstr(out, "late: 2 "));
    ck_assert_ptr_nonnull(strstr(out, "unknown: 2 "));
}
END_TEST

START_TEST(bad_files_and_options_have_their_status)
{
    ck_assert_int_eq(run("--strategy=refcount"), EX_NOINPUT);
    FILE *file = fopen(path, "w");
    fputs("no recording at all", file);
    fclose(file);
    ck_assert_int_eq(run("--strategy=refcount"), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(err, "no recording"));
    ck_assert_int_eq(run("--points=65"), EX_USAGE);
    ck_assert_int_eq(run("--set=a"), EX_USAGE);
    make_program(1, 1, 10);
    ck_assert_int_eq(run("--strategy=refcont"), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(err, "did you mean \"refcount\""));
    ck_assert_int_eq(run("--strategy=none"), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(err, "cycles"));
    artificial_begin(&made, path, 0);
    artificial_cache(&made, 0, "node", 32, 2, NULL);
    ARTIFICIAL(&made, 1, NEW, 0, 100);
    ARTIFICIAL(&made, 1, STORE, 100, 3, 0); /* no reference there */
    artificial_end(&made, true);
    ck_assert_int_eq(run("--strategy=refcount"), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(err, "at ticket 1 "));
}
END_TEST

/* Events in any order, operands at random: no crash, whatever they say. */
START_TEST(nonsense_never_crashes_the_replay)
{
    uint64_t seed = support_seed("nonsense", 0);
    for (unsigned round = 0; round < 12; round++) {
        artificial_begin(&made, path, SGC_NEED_CYCLES | SGC_NEED_WEAK);
        artificial_cache(&made, 0, "node", 32, 4, NULL);
        artificial_cache(&made, 1, "tail", 16, 0, "\"flags\":0,\"tail_element_bytes\":8,\"tail_refs\":true");
        artificial_cache(&made, 2, "manual", 16, 0, "\"flags\":4,\"finalized\":true");
        artificial_cache(&made, 3, "finalized", 64, 0, "\"flags\":0,\"finalized\":true,\"traced\":true");
        for (unsigned i = 0; i < 3000; i++) {
            static const enum sgc_record_op ops[] = {
                SGC_RECORD_NEW,   SGC_RECORD_NEW,      SGC_RECORD_HOLD,      SGC_RECORD_DROP,      SGC_RECORD_STORE,
                SGC_RECORD_STORE, SGC_RECORD_EXCHANGE, SGC_RECORD_ENTER,     SGC_RECORD_LEAVE,     SGC_RECORD_WEAK_NEW,
                SGC_RECORD_STORE, SGC_RECORD_WEAK_GET, SGC_RECORD_WEAK_FREE, SGC_RECORD_EPHEMERON, SGC_RECORD_DEATH,
                SGC_RECORD_NEW,   SGC_RECORD_NEW_N,    SGC_RECORD_FINALIZED, SGC_RECORD_HOLDS,     SGC_RECORD_COLLECT};
            const enum sgc_record_op op = ops[support_random(&seed) % (sizeof(ops) / sizeof(ops[0]))];
            uint64_t a = 50 + support_random(&seed) % 40, b = support_random(&seed) % 4,
                     c = 50 + support_random(&seed) % 40,
                     d = support_random(&seed) % 3 ? 50 + support_random(&seed) % 40 : 0;
            if (op == SGC_RECORD_NEW || op == SGC_RECORD_NEW_N)
                b = a, a = op == SGC_RECORD_NEW_N ? 1 : support_random(&seed) % 4, c = b % 5;
            else if (op == SGC_RECORD_WEAK_NEW || op == SGC_RECORD_WEAK_GET || op == SGC_RECORD_WEAK_FREE)
                b = a, a = c % 10;
            else if (op == SGC_RECORD_EPHEMERON)
                b = a, a = 0;
            else if (op == SGC_RECORD_COLLECT)
                a = 0, b = b % 2;
            else if (op == SGC_RECORD_STORE || op == SGC_RECORD_EXCHANGE)
                b = 2 + b % 2; /* within all but manual ones */
            if (i == 2500 && round % 2)
                ARTIFICIAL(&made, 1, CLOSE, 0);
            artificial_event(&made, 1 + (uint32_t)(support_random(&seed) % 3), op, a, b, c, d);
        }
        artificial_end(&made, true);
        const char *names[SUPPORT_MAX_STRATEGIES];
        const size_t n = support_strategies(names);
        const char *name = names[round % n];
        if (!strcmp(name, "none"))
            continue;
        const int status = run("--check --strategy=%s", name);
        ck_assert_msg(status == 1 || status == EX_DATAERR, "%s: status %d: %s%s", name, status, out, err);
    }
}
END_TEST

int main(void)
{
    support_strategies_init();
    if (getenv("SLABGC_REPLAY"))
        replay = getenv("SLABGC_REPLAY");
    Suite *suite = suite_create("replay");
    TCase *tcase = tcase_create("replay");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, one_thread_gives_the_models_live_sets_on_every_strategy);
    tcase_add_test(tcase, several_threads_give_the_models_live_sets_on_every_strategy);
    tcase_add_test(tcase, leaves_run_on_every_strategy_the_built_in_one_too);
    tcase_add_test(tcase, traced_constructed_and_finalized_types_are_rebuilt);
    tcase_add_test(tcase, a_section_may_name_what_others_dropped_since_it_began);
    tcase_add_test(tcase, weak_references_that_are_dead_here_are_counted_and_what_they_kept_is_left_out);
    tcase_add_test(tcase, ephemerons_keep_their_value_while_key_and_ephemeron_live);
    tcase_add_test(tcase, heaps_and_caches_of_the_same_name_follow_each_other);
    tcase_add_test(tcase, what_no_correct_program_did_is_left_out_and_said);
    tcase_add_test(tcase, bad_files_and_options_have_their_status);
    suite_add_tcase(suite, tcase);
    TCase *nonsense = tcase_create("nonsense");
    tcase_add_checked_fixture(nonsense, setup, teardown);
    tcase_set_timeout(nonsense, 120);
    tcase_add_test(nonsense, nonsense_never_crashes_the_replay);
    suite_add_tcase(suite, nonsense);
    return support_main(suite);
}
