/* Fault test: every system call that core makes is made to fail at the k-th time, for k = 1, 2, ... until a run has no
 * k-th call left; once alone, and once with all later calls failing too. Each run ends in success or in clean errors;
 * sgc_heap_verify passes after it, everything can be dropped and reclaimed, and the heap closes. */
#include "core/os/fault.h"
#include "tests/faults/scenario.h"
#include "tests/support/expect.h"
#include "tests/support/strategies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CALLS 4000

/* ThreadSanitizer makes a process slow to start and to end, and each call has one of its own: every seventh call there.
 */
#if defined(__SANITIZE_THREAD__)
#define STRIDE 7
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRIDE 7
#endif
#endif
#ifndef STRIDE
#define STRIDE 1
#endif

static const char *strategies[SUPPORT_MAX_STRATEGIES];
static size_t n_strategies;

/* What a run tells its parent. */
struct run {
    uint64_t n_passed, n_refused;
    bool fired;
    char call[32]; /* the first that failed */
};

/* After the faults: the heap is whole, and lets go of everything. */
static void run_check(struct faults *faults)
{
    struct sgc_error error = {0};
    struct sgc_stats stats;
    if (!faults->heap)
        return;
    if (sgc_heap_verify(faults->heap, &error) != 0) {
        fprintf(stderr, "verify: %s\n", error.message);
        exit(1);
    }
    faults_release(faults);
    do
        sgc_heap_collect(faults->heap, SGC_COLLECT_FULL);
    while (sgc_finalizers_run(faults->heap, 0) > 0);
    sgc_heap_stats(faults->heap, &stats);
    FAULTS_CHECK(stats.n_live == 0);
    FAULTS_CHECK(sgc_heap_verify(faults->heap, &error) == 0);
    if (sgc_heap_close(faults->heap, &error) != 0) {
        fprintf(stderr, "close: %s\n", error.message);
        exit(1);
    }
}

static void run_in_child(const struct faults_scenario *scenario, struct faults *faults, uint64_t k, bool forever,
                         int fd)
{
    struct run run = {0};
    alarm(600); /* what hangs, and not what has a busy machine */
    scenario->prepare(faults);
    sgc_os_fault_arm(k, forever);
    scenario->act(faults);
    sgc_os_fault_disarm();
    run.n_passed = sgc_os_fault_n_passed();
    run.fired = sgc_os_fault_fired();
    run.n_refused = faults->n_refused;
    if (run.fired)
        snprintf(run.call, sizeof(run.call), "%s", sgc_os_fault_fired_call());
    run_check(faults);
    FAULTS_CHECK(write(fd, &run, sizeof(run)) == (ssize_t)sizeof(run));
}

static struct run run_once(const struct faults_scenario *scenario, const struct faults *template_, uint64_t k,
                           bool forever)
{
    int ends[2], status = 0;
    struct run run = {0};
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct faults faults = *template_;
        close(ends[0]);
        run_in_child(scenario, &faults, k, forever, ends[1]);
        exit(0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &run, sizeof(run));
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(n == (ssize_t)sizeof(run) && status == 0, "%s on %s, call %llu%s: status 0x%x", scenario->name,
                  template_->strategy, (unsigned long long)k, forever ? " and all after it" : "", (unsigned)status);
    return run;
}

/* The names of the calls that were made to fail, each once. */
static void note_call(char *calls, size_t bytes, const char *call)
{
    size_t length = strlen(calls), call_length = strlen(call);
    for (const char *at = calls; (at = strstr(at, call)) != NULL; at++) {
        if ((at == calls || at[-1] == ' ') && (at[call_length] == ' ' || !at[call_length]))
            return;
    }
    snprintf(calls + length, bytes - length, "%s%s", length ? " " : "", call);
}

static void run_scenario(const struct faults_scenario *scenario, const struct faults *template_, bool forever)
{
    char calls[512] = "";
    uint64_t n_failed = 0, n_refused = 0;
    for (uint64_t k = 1;; k += STRIDE) {
        struct run run = run_once(scenario, template_, k, forever);
        if (!run.fired)
            break;
        ck_assert_uint_lt(k, MAX_CALLS);
        note_call(calls, sizeof(calls), run.call);
        n_refused += run.n_refused;
        n_failed++;
    }
    printf("%s, %s%s: %llu calls failed, %llu clean errors (%s)\n", template_->strategy, scenario->name,
           forever ? ", for good" : "", (unsigned long long)n_failed, (unsigned long long)n_refused, calls);
    fflush(stdout);
}

static const char *other_strategy(size_t i)
{
    if (strcmp(strategies[i], "none") == 0)
        return NULL;
    for (size_t k = 1; k < n_strategies; k++) {
        const char *other = strategies[(i + k) % n_strategies];
        if (strcmp(other, "none") != 0)
            return other;
    }
    return NULL;
}

static void run_all(size_t i, bool forever)
{
    struct faults template_ = {.strategy = strategies[i], .other = other_strategy(i)};
    for (const struct faults_scenario *scenario = faults_scenarios; scenario->name; scenario++)
        run_scenario(scenario, &template_, forever);
}

START_TEST(every_call_that_fails_once_is_survived)
{
    run_all((size_t)_i, false);
}
END_TEST

START_TEST(every_call_that_fails_for_good_is_survived)
{
    run_all((size_t)_i, true);
}
END_TEST

int main(void)
{
    support_strategies_init();
    n_strategies = support_strategies(strategies);
    Suite *suite = suite_create("faults");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, every_call_that_fails_once_is_survived, 0, (int)n_strategies);
    tcase_add_loop_test(tcase, every_call_that_fails_for_good_is_survived, 0, (int)n_strategies);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
