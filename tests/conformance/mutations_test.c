/* mutations_test.c - runs each case of mutations_*.c on each of its strategies, as written and with its step left out.
 * MUTATIONS.md has the list. ThreadSanitizer sees the mutated runs' races before the cases see what these lead to, so
 * under it cases run as written alone. */
#include "tests/conformance/mutations.h"
#include "tests/support/expect.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MAX_RUNS 128
#define OUT_BYTES 16384

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif
#ifndef HAS_TSAN
#define HAS_TSAN 0
#endif

struct run {
    const struct mutation *mutation;
    char strategy[32];
    bool mutated;
};
static struct run runs[MAX_RUNS];
static int n_runs;

static const struct mutation *const groups[] = {mutations_stops, mutations_counts, mutations_grace, mutations_states};

static void add_runs(const struct mutation *mutation)
{
    char list[64];
    snprintf(list, sizeof(list), "%s", mutation->strategies);
    for (char *at = NULL, *name = strtok_r(list, ",", &at); name; name = strtok_r(NULL, ",", &at)) {
        if (n_runs == MAX_RUNS)
            abort();
        runs[n_runs] = (struct run){.mutation = mutation};
        snprintf(runs[n_runs++].strategy, sizeof(runs[0].strategy), "%s", name);
    }
}

/* Plug-ins with points and mutants, where Bazel puts them; core checks the directory that the file is really in. */
static void find_plugins(void)
{
    static char path[3 * PATH_MAX];
    static const char *const places[] = {"plugins/refcount/hooked/refcount.so", "plugins/rcu/hooked/rcu.so",
                                         "plugins/generational/hooked/generational.so"};
    unsetenv("SLABGC");
    unsetenv("SLABGC_CONFIG");
    if (getenv("SLABGC_PLUGIN_PATH"))
        return;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char real[PATH_MAX];
        size_t length = strlen(path);
        if (realpath(places[i], real))
            snprintf(path + length, sizeof(path) - length, "%s%s", length ? ":" : "", dirname(real));
    }
    setenv("SLABGC_PLUGIN_PATH", path, 1);
}

static void run_child(void *arg)
{
    const struct run *run = arg;
    mutation_run(run->mutation, run->strategy, run->mutated);
}

START_TEST(each_case_passes_as_written)
{
    static char out[OUT_BYTES];
    struct run run = runs[_i];
    int status = support_run_child(run_child, &run, out, sizeof(out));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s on %s: status 0x%x: %s", run.mutation->name,
                  run.strategy, (unsigned)status, out);
}
END_TEST

START_TEST(each_case_fails_without_the_step_that_it_guards)
{
    static char out[OUT_BYTES];
    struct run run = runs[_i];
    run.mutated = true;
    int status = support_run_child(run_child, &run, out, sizeof(out));
    ck_assert_msg(!(WIFEXITED(status) && WEXITSTATUS(status) == 0), "%s on %s passes under the mutant %s",
                  run.mutation->name, run.strategy, run.mutation->mutant);
    ck_assert_msg(strstr(out, run.mutation->failure) != NULL,
                  "%s on %s fails under the mutant %s, but for another reason: status 0x%x: %s", run.mutation->name,
                  run.strategy, run.mutation->mutant, (unsigned)status, out);
}
END_TEST

int main(void)
{
    find_plugins();
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        for (const struct mutation *mutation = groups[i]; mutation->name; mutation++)
            add_runs(mutation);
    }
    Suite *suite = suite_create("mutations");
    TCase *written = tcase_create("as written"), *mutated = tcase_create("mutated");
    tcase_add_loop_test(written, each_case_passes_as_written, 0, n_runs);
    suite_add_tcase(suite, written);
    tcase_add_loop_test(mutated, each_case_fails_without_the_step_that_it_guards, 0, HAS_TSAN ? 0 : n_runs);
    suite_add_tcase(suite, mutated);
    return support_main(suite);
}
