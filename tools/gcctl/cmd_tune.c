/* cmd_tune.c - gcctl tune: the command around the search (tune_search.h, TUNING.md): what runs, what a point means for
 * it, signals, and what is written at the end. SIGINT once: the running search run is given up, the end phase follows
 * and is short. Twice: everything ends at once. */
#include "tools/gcctl/layout.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/tune_result.h"

#include <slabgc/config.h>

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#define DEFAULT_BUDGET_NS INT64_C(300000000000)
#define LEAST_LIMIT_NS INT64_C(5000000000) /* of the first run: what it takes tells which budget is wanted */
#define EXIT_INTERRUPTED 130

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (!interrupted) {
        interrupted = 1;
        return;
    }
    gcctl_run_abandon();
    _exit(EXIT_INTERRUPTED);
}

/* ---- what runs */

static int measure(void *arg, const struct tune_point *point, bool defaults, int64_t limit_ns, struct tune_measure *out)
{
    static struct tune_settings settings;
    const struct tune_context *tune = arg;
    struct gcctl_run_config config = {
        .program = tune->program, .limit_ns = limit_ns, .json_output = tune->recording != NULL};
    struct timespec began, ended;
    struct gcctl_run run;
    if (!defaults) {
        tune_point_settings(&tune->space, point, &settings);
        config.settings = settings.list;
    }
    if (tune->search.phase != TUNE_PHASE_FINAL)
        config.cancel = &interrupted;
    clock_gettime(CLOCK_MONOTONIC, &began);
    const int code = gcctl_run(&config, &run);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (code)
        return code;
    out->cost_ns = (ended.tv_sec - began.tv_sec) * 1000000000 + ended.tv_nsec - began.tv_nsec;
    out->timed_out = run.timed_out;
    out->failed = run.failed || (!run.timed_out && json_array_size(run.heaps) == 0);
    const int cancelled = run.cancelled;
    tune_metrics_of(&run, out->values);
    const json_t *elapsed = json_object_get(run.output, "elapsed_ns"); /* of a replay: without reading the recording */
    if (json_is_integer(elapsed))
        out->values[TUNE_TIME] = (double)json_integer_value(elapsed);
    if (out->failed && !cancelled && defaults) {
        tune_show_progress_end();
        gcctl_run_unusable(&run, "a run with the program's own config");
    }
    gcctl_run_fini(&run);
    return cancelled;
}

static void show_progress(void *arg, const struct tune_search *search)
{
    (void)search;
    tune_show_progress(arg);
}

/* The first run tells the heaps; it also warms the page cache, and is not counted. */
static int probe(struct tune_context *tune)
{
    const int64_t budget_ns = tune->search.budget_ns;
    const struct gcctl_run_config config = {.program = tune->program,
                                            .limit_ns = budget_ns > LEAST_LIMIT_NS ? budget_ns : LEAST_LIMIT_NS,
                                            .cancel = &interrupted};
    char limit[GCCTL_UNIT_BYTES];
    struct gcctl_run run;
    if (gcctl_run(&config, &run))
        return EX_NOINPUT;
    if (run.timed_out) {
        gcctl_run_fini(&run);
        return gcctl_error(EX_USAGE,
                           "a run takes more than %s, and some 20 are the least that tell anything: a longer "
                           "--budget is wanted",
                           gcctl_duration(limit, (double)config.limit_ns));
    }
    const bool unusable = gcctl_run_unusable(&run, "the first run");
    const bool cancelled = run.cancelled;
    if (!unusable)
        tune->n_heaps = gcctl_heaps_found(run.heaps, tune->heaps);
    gcctl_run_fini(&run);
    return cancelled ? EXIT_INTERRUPTED : unusable ? EX_UNAVAILABLE : 0;
}

static int take_base(void *arg, const char *section, const char *key, const char *value, const char *origin)
{
    static const char strategy[] = "strategy.";
    (void)origin;
    if (!strncmp(section, strategy, sizeof(strategy) - 1))
        tune_space_set_base(arg, section + sizeof(strategy) - 1, key, value);
    return 0;
}

static int make_space(struct tune_context *tune)
{
    const uint64_t memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const int status = tune_space_init(&tune->space, &tune->strategies, gcctl_text(tune->call, "strategies"),
                                       tune->heaps, tune->n_heaps, memory_bytes);
    if (!status)
        sgc_config_for_each(take_base, &tune->space);
    return status;
}

/* ---- what is asked for */

/* A recording is run by slabgc-replay; else the program is. argv: room for it. */
static int take_program(struct tune_context *tune, const char *replay_argv[4])
{
    static char replay[PATH_MAX];
    const char *file = gcctl_text(tune->call, "file");
    const bool has_program = tune->call->program && tune->call->program[0];
    if (!file == !has_program)
        return gcctl_error(EX_USAGE, "tune: %s: gcctl tune FILE, or gcctl tune -- PROGRAM [ARGUMENT]...",
                           file ? "a recording and a program are one too many" : "what to run is missing");
    tune->program = tune->call->program;
    if (!file)
        return 0;
    if (access(file, R_OK))
        return gcctl_error(EX_NOINPUT, "%s: %s", file, strerror(errno));
    if (!gcctl_layout_program("slabgc-replay", replay))
        return EX_UNAVAILABLE;
    replay_argv[0] = replay;
    replay_argv[1] = "--json";
    replay_argv[2] = file;
    replay_argv[3] = NULL;
    tune->recording = file;
    tune->program = (char *const *)replay_argv;
    return 0;
}

static int take_goals(struct tune_context *tune)
{
    char message[TUNE_MESSAGE_BYTES];
    const char *objectives = gcctl_text(tune->call, "objective"), *text;
    struct tune_search *search = &tune->search;
    if (tune_objectives_parse(objectives        ? objectives
                              : tune->recording ? "time,p99_pause,peak_heap"
                                                : "time,p99_pause,peak_memory",
                              &search->objectives, message))
        return gcctl_error(EX_USAGE, "--objective: %s", message);
    while ((text = gcctl_text_at(tune->call, "constraint", search->n_constraints))) {
        if (search->n_constraints == TUNE_MAX_CONSTRAINTS)
            return gcctl_error(EX_USAGE, "--constraint: at most %d", TUNE_MAX_CONSTRAINTS);
        if (tune_constraint_parse(text, &search->constraints[search->n_constraints], message))
            return gcctl_error(EX_USAGE, "--constraint: %s", message);
        search->n_constraints++;
    }
    return 0;
}

/* Before minutes of runs: can the file be made there? Both are written beside their places and renamed. */
static int check_place(const char *path)
{
    char folder[PATH_MAX];
    if (!path)
        return 0;
    snprintf(folder, sizeof(folder), "%s", path);
    return access(dirname(folder), W_OK | X_OK)
               ? gcctl_error(EX_CANTCREAT, "cannot create %s: %s", path, strerror(errno))
               : 0;
}

static uint64_t new_seed(void)
{
    uint32_t seed = 1;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = (uint32_t)time(NULL);
    return seed;
}

/* ---- the end */

static int finish(struct tune_context *tune)
{
    const char *result_path = gcctl_text(tune->call, "result");
    int status = 0, other = 0;
    tune->config = tune_config_text(tune);
    json_t *result = tune_result_json(tune);
    char *text = result_path && result ? json_dumps(result, JSON_INDENT(1)) : NULL;
    if (result_path)
        status = text ? tune_write_file(result_path, text, false) : gcctl_error(EX_OSERR, "out of memory");
    free(text);
    if (tune->write_path && tune->config)
        other = tune_write_file(tune->write_path, tune->config, true);
    if (tune->call->json) {
        const int printed = gcctl_print_json(result);
        other = other ? other : printed;
    } else {
        json_decref(result);
        tune_show_result(tune);
        if (tune->write_path && tune->config && !other)
            printf("Written to %s: use it by SLABGC_CONFIG=%s, or put it into /etc/slabgc/slabgc.conf.d/.\n",
                   tune->write_path, tune->write_path);
        else if (tune->write_path && !tune->config)
            printf("Nothing is written to %s.\n", tune->write_path);
    }
    free(tune->config);
    return status ? status : other;
}

static int search(struct tune_context *tune)
{
    char one[GCCTL_UNIT_BYTES], least[GCCTL_UNIT_BYTES];
    struct tune_search *search = &tune->search;
    search->space = &tune->space;
    search->measure = measure;
    search->progress = show_progress;
    search->arg = tune;
    search->stop = &interrupted;
    const int code = tune_search_run(search);
    tune_show_progress_end();
    if (code == -ETIME)
        return gcctl_error(EX_USAGE, "a run takes %s, and some 20 are the least that tell anything: --budget=%s",
                           gcctl_duration(one, (double)search->run_ns),
                           gcctl_duration(least, (double)(search->run_ns / 1000000000 + 1) * 30e9));
    if (code == -EINVAL)
        return interrupted ? EXIT_INTERRUPTED
                           : gcctl_error(EX_UNAVAILABLE, "the program does not run with its own config");
    return code ? gcctl_error(EX_OSERR, "%s", strerror(-code)) : finish(tune);
}

static int tune_command(struct gcctl_call *call)
{
    static struct tune_context tune;
    const char *replay_argv[4];
    struct sigaction action = {.sa_handler = on_interrupt}, before;
    tune = (struct tune_context){.call = call, .write_path = gcctl_text(call, "write"), .date = time(NULL)};
    tune.search.budget_ns = gcctl_number(call, "budget", DEFAULT_BUDGET_NS);
    tune.search.pairs = (size_t)gcctl_number(call, "repeat", 7);
    const int64_t seed = gcctl_number(call, "seed", -1);
    tune.search.seed = seed >= 0 ? (uint64_t)seed : new_seed();
    int status = take_program(&tune, replay_argv);
    if (!status)
        status = take_goals(&tune);
    if (!status)
        status = check_place(tune.write_path);
    if (!status)
        status = check_place(gcctl_text(call, "result"));
    if (!status)
        status = gcctl_strategies_load(&tune.strategies, NULL);
    if (status)
        return status;
    gcctl_run_catch(false);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before);
    gcctl_note("seed %" PRIu64, tune.search.seed);
    status = probe(&tune);
    if (!status)
        status = make_space(&tune);
    if (!status)
        status = search(&tune);
    tune_search_fini(&tune.search);
    sigaction(SIGINT, &before, NULL);
    return interrupted && !status ? EXIT_INTERRUPTED : status;
}

static const struct gcctl_option arguments[] = {
    {.name = "file", .kind = GCCTL_FILE, .value = "RECORDING", .help = "What gcctl record wrote; instead of a program"},
    {0},
};

static const struct gcctl_option options[] = {
    {.name = "objective",
     .letter = 'O',
     .kind = GCCTL_TEXT,
     .value = "METRIC,...",
     .help = "What shall become less (default time,p99_pause,peak_memory; for a recording peak_heap, not peak_memory): "
             "time, cpu, "
             "p50_pause, p99_pause, max_pause, "
             "peak_memory, peak_heap"},
    {.name = "constraint",
     .letter = 'C',
     .kind = GCCTL_TEXT,
     .value = "METRIC<=VALUE",
     .repeatable = true,
     .help = "What must be kept: peak_memory<=512MiB, p99_pause<=2ms, time<=110% (of the defaults')"},
    {.name = "budget",
     .letter = 'b',
     .kind = GCCTL_DURATION,
     .value = "TIME",
     .help = "Time for all runs together (default 5min)"},
    {.name = "write",
     .letter = 'w',
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "Write the chosen config there; nothing when the defaults are to stay"},
    {.name = "result",
     .letter = 'r',
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "Write all that was measured there, as JSON, for gcctl report"},
    {.name = "strategies", .letter = 's', .kind = GCCTL_TEXT, .value = "A,B", .help = "Try only these strategies"},
    {.name = "repeat",
     .letter = 'n',
     .kind = GCCTL_INTEGER,
     .value = "N",
     .minimum = 3,
     .maximum = 1000,
     .help = "Measure the winners in at least N rounds beside the defaults, where the budget allows it (default 7)"},
    {.name = "seed",
     .kind = GCCTL_INTEGER,
     .value = "N",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "Of the search's chance (default: a new one; always printed)"},
    {0},
};

const struct gcctl_command gcctl_command_tune = {
    .name = "tune",
    .group = "Tuning",
    .summary = "Find the best strategy and settings for a program",
    .description = "Runs a program, or a recording of one, again and again under different strategies and parameters, "
                   "and says which config is best for the "
                   "objectives, or that the defaults should stay. The parameters and their bounds are those that the "
                   "strategies declare.\n\n"
                   "The program's own config runs several times first and between the others, which tells the noise. "
                   "Then come samples of all strategies and parameters, "
                   "refinement around the best, and a check of which changes matter at all. Runs that take far longer "
                   "than the defaults are ended early. At the "
                   "end the winners run again, in turns with the defaults, and only that counts: a config is chosen "
                   "when it is better by more than the noise, "
                   "and its gain is printed with its 95% interval.\n\n"
                   "--write writes a config with a comment at each changed value; it is put in place as a whole, and "
                   "nothing is written when the defaults are to "
                   "stay. Interrupted once (Ctrl-C), it measures the best again, says and writes what it has, and "
                   "exits with status 130; interrupted twice, it ends at once.\n\n"
                   "The program reads stdin from /dev/null, and each run should do the same work. Machines that do "
                   "other work at the time are noisy: then "
                   "less can be told.",
    .examples = "gcctl tune --budget=2m -- wordgraph --max-words=1000 --repeat=20\n"
                "gcctl tune --objective=time,p99_pause --constraint='peak_memory<=512MiB' --write=best.conf load.rec\n",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_READS | GCCTL_PROGRAM,
    .run = tune_command,
};
