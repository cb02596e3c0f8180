/* cmd_replay.c - gcctl replay: the work of a recording under each strategy that its heaps' needs allow, side by side.
 * Each replay is a run of slabgc-replay, which checks what lives against the recording's events; rounds are interleaved
 * as in cmd_compare.c. One thread. */
#include "tools/gcctl/command.h"
#include "tools/gcctl/layout.h"
#include "tools/gcctl/print.h"
#include "tools/gcctl/run.h"
#include "tools/gcctl/strategies.h"
#include "tools/trace/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define MAX_REPEAT 1000

enum figure { TIME, RATE, HEAP, P50, P99, MAX, N_FIGURES };
static const char *const figure_names[N_FIGURES] = {"elapsed_ns",   "events_per_second", "peak_heap_bytes",
                                                    "pause_p50_ns", "pause_p99_ns",      "pause_max_ns"};

struct candidate {
    const struct gcctl_strategy *strategy;
    double *values[N_FIGURES];
    struct gcctl_spread spread[N_FIGURES];
    size_t n_runs;
    int status;    /* of slabgc-replay, the worst; above 1: it could not be done */
    json_t *first; /* what the first run said */
};
struct replay {
    const struct gcctl_call *call;
    const char *file;
    char program[PATH_MAX];
    struct gcctl_strategies strategies;
    struct candidate candidates[GCCTL_MAX_STRATEGIES];
    size_t n, repeat;
    uint32_t needs;
    bool cut;
};

/* ---- runs */

/* Needs of the recorded heaps, those that types imply too. */
static int replay_look(struct replay *replay)
{
    struct sgc_error error;
    struct trace *trace = trace_open(replay->file, &error);
    if (!trace)
        return gcctl_error(error.code == -EBADMSG  ? EX_DATAERR
                           : error.code == -ENOMEM ? EX_OSERR
                                                   : EX_NOINPUT,
                           "%s: %s", replay->file, error.message);
    const struct trace_info *info = trace_info(trace);
    for (uint32_t i = 0; i < info->n_heaps; i++)
        replay->needs |= info->heaps[i].needs & ~SGC_NEED_FINALIZERS; /* finalizers are left out in a replay */
    for (uint32_t i = 0; i < info->n_caches; i++) {
        const struct trace_cache *cache = &info->caches[i];
        if (cache->defined && !(cache->flags & SGC_TYPE_MANUAL) && (cache->n_runs || cache->tail_refs || cache->traced))
            replay->needs |= SGC_NEED_REFERENCES;
    }
    replay->cut = info->cut_off;
    const bool replayable = info->replayable;
    trace_close(trace);
    return replayable ? 0 : gcctl_error(EX_DATAERR, "%s: a sampled recording cannot be replayed", replay->file);
}

static int replay_choose(struct replay *replay)
{
    const char *name;
    for (size_t i = 0; (name = gcctl_text_at(replay->call, "strategy", i)); i++) {
        const struct gcctl_strategy *strategy = gcctl_strategies_find(&replay->strategies, name);
        const char *names[GCCTL_MAX_STRATEGIES + 1] = {0};
        for (size_t k = 0; k < replay->strategies.n; k++)
            names[k] = replay->strategies.all[k].name;
        if (!strategy)
            return gcctl_error(EX_CONFIG, "no strategy \"%s\"%s", name, gcctl_suggest(name, names));
        if (replay->n < GCCTL_MAX_STRATEGIES)
            replay->candidates[replay->n++].strategy = strategy;
    }
    for (size_t i = 0; !gcctl_text(replay->call, "strategy") && i < replay->strategies.n; i++)
        if (!(replay->needs & ~replay->strategies.all[i].capabilities))
            replay->candidates[replay->n++].strategy = &replay->strategies.all[i];
    for (size_t i = 0; i < replay->n; i++)
        for (size_t f = 0; f < N_FIGURES; f++)
            if (!(replay->candidates[i].values[f] = calloc(replay->repeat, sizeof(double))))
                return gcctl_error(EX_OSERR, "no memory");
    return replay->n ? 0 : gcctl_error(EX_CONFIG, "none of the strategies has what the recorded heaps need");
}

/* One run: its JSON, or NULL with *status. Its messages go where ours go. */
static json_t *replay_execute(const struct replay *replay, const char *strategy, bool check, int *status)
{
    int ends[2], ended;
    const char *config = gcctl_text(replay->call, "config");
    char choice[128], file[PATH_MAX + 16];
    snprintf(choice, sizeof(choice), "--strategy=%s", strategy);
    snprintf(file, sizeof(file), "--config=%s", config ? config : "");
    const char *arguments[8] = {replay->program, "--json", choice};
    size_t n = 3;
    if (check)
        arguments[n++] = "--check";
    if (config)
        arguments[n++] = file;
    arguments[n++] = "--";
    arguments[n++] = replay->file;
    if (pipe(ends)) {
        *status = gcctl_error(EX_OSERR, "no pipe: %s", strerror(errno));
        return NULL;
    }
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(replay->program, (char *const *)arguments);
        gcctl_error(0, "%s: %s", replay->program, strerror(errno));
        _exit(EX_UNAVAILABLE);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    json_t *result = in && child > 0 ? json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (in)
        fclose(in);
    while (child > 0 && waitpid(child, &ended, 0) < 0 && errno == EINTR)
        ;
    *status = child < 0 ? gcctl_error(EX_OSERR, "cannot start %s: %s", replay->program, strerror(errno))
              : WIFEXITED(ended)
                  ? WEXITSTATUS(ended)
                  : gcctl_error(EX_SOFTWARE, "%s: the replay died of signal %d", strategy, WTERMSIG(ended));
    if (*status > 1 || !result) {
        json_decref(result);
        *status = *status > 1 ? *status : EX_SOFTWARE;
        return NULL;
    }
    return result;
}

static double number_of(const json_t *object, const char *key)
{
    return (double)json_integer_value(json_object_get(object, key));
}

/* check: what lives is looked at, also on the way, which costs collections: such a run's times are not used. */
static void candidate_run(const struct replay *replay, struct candidate *candidate, bool check)
{
    size_t i;
    json_t *heap;
    if (candidate->status > 1)
        return;
    int status;
    json_t *result = replay_execute(replay, candidate->strategy->name, check, &status);
    candidate->status = status > candidate->status ? status : candidate->status;
    if (!result)
        return;
    if (!candidate->first)
        candidate->first = json_incref(result);
    if (check) {
        json_decref(result);
        return;
    }
    double figures[N_FIGURES] = {number_of(result, "elapsed_ns")};
    figures[RATE] = figures[TIME] > 0 ? number_of(result, "events") / figures[TIME] * 1e9 : 0;
    json_array_foreach (json_object_get(result, "heaps"), i, heap) {
        static const char *const pauses[] = {"pause_p50_ns", "pause_p99_ns", "pause_max_ns"};
        figures[HEAP] += number_of(heap, "peak_bytes");
        for (unsigned k = 0; k < 3; k++)
            figures[P50 + k] =
                number_of(heap, pauses[k]) > figures[P50 + k] ? number_of(heap, pauses[k]) : figures[P50 + k];
    }
    for (size_t f = 0; f < N_FIGURES; f++)
        candidate->values[f][candidate->n_runs] = figures[f];
    candidate->n_runs++;
    json_decref(result);
}

static void replay_run(struct replay *replay)
{
    const bool progress = isatty(STDERR_FILENO);
    for (size_t i = 0; i < replay->n && !gcctl_flag(replay->call, "no-check"); i++) {
        if (progress)
            fprintf(stderr, "\r\033[Kcheck: %s", replay->candidates[i].strategy->name);
        candidate_run(replay, &replay->candidates[i], true);
    }
    for (size_t round = 0; round < replay->repeat; round++)
        for (size_t i = 0; i < replay->n; i++) {
            struct candidate *candidate = &replay->candidates[(round + i) % replay->n];
            if (progress)
                fprintf(stderr, "\r\033[Kround %zu of %zu: %s", round + 1, replay->repeat, candidate->strategy->name);
            candidate_run(replay, candidate, false);
        }
    if (progress)
        fputs("\r\033[K", stderr);
    for (size_t i = 0; i < replay->n; i++)
        for (size_t f = 0; f < N_FIGURES; f++)
            replay->candidates[i].spread[f] =
                gcctl_spread_of(replay->candidates[i].values[f], replay->candidates[i].n_runs);
}

/* ---- judging and output */

static const char *digest_of(const struct candidate *candidate)
{
    return candidate->first ? json_string_value(json_object_get(candidate->first, "digest")) : NULL;
}

/* "same" as the first that ran; "differs". */
static const char *lives_of(const struct replay *replay, const struct candidate *candidate)
{
    for (size_t i = 0; i < replay->n; i++)
        if (digest_of(&replay->candidates[i]))
            return digest_of(candidate) && !strcmp(digest_of(candidate), digest_of(&replay->candidates[i])) ? "same"
                                                                                                            : "differs";
    return "-";
}

static void divergences_of(const struct candidate *candidate, char *out, size_t out_bytes)
{
    const char *kind;
    json_t *found;
    size_t n = 0;
    snprintf(out, out_bytes, "none");
    json_object_foreach (json_object_get(candidate->first, "divergences"), kind, found) {
        n += (size_t)snprintf(out + n, n < out_bytes ? out_bytes - n : 0, "%s%s: %lld", n ? ", " : "", kind,
                              (long long)json_integer_value(json_object_get(found, "n")));
        if (n >= out_bytes)
            return;
    }
}

static void print_candidate(struct gcctl_table *table, const struct replay *replay, const struct candidate *candidate)
{
    char units[6][GCCTL_UNIT_BYTES], range[2 * GCCTL_UNIT_BYTES + 4], divergences[256];
    const struct gcctl_spread *spread = candidate->spread;
    if (!candidate->n_runs) {
        gcctl_table_row(table, (const char *[]){candidate->strategy->name, "failed", "", "", "", "", "", "", ""});
        return;
    }
    snprintf(range, sizeof(range), "%s-%s", gcctl_duration(units[0], spread[TIME].least),
             gcctl_duration(units[1], spread[TIME].most));
    divergences_of(candidate, divergences, sizeof(divergences));
    gcctl_duration(units[0], spread[TIME].median);
    gcctl_table_row(table, (const char *[]){
                               candidate->strategy->name, units[0], range, gcctl_count(units[1], spread[RATE].median),
                               gcctl_bytes(units[2], spread[HEAP].median), gcctl_duration(units[3], spread[P99].median),
                               gcctl_duration(units[4], spread[MAX].median), lives_of(replay, candidate), divergences});
}

static void print_table(const struct replay *replay)
{
    static const char *const titles[] = {"strategy",  "time",      "range",     "events/s",  "peak heap",
                                         "pause p99", "pause max", "live sets", "divergence"};
    struct gcctl_table *table = gcctl_table_create(replay->call);
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        gcctl_table_column(table, titles[i], i > 0 && i < 7 ? GCCTL_RIGHT : 0);
    for (size_t i = 0; i < replay->n; i++)
        print_candidate(table, replay, &replay->candidates[i]);
    gcctl_table_print(table);
    for (size_t i = 0; !gcctl_text(replay->call, "strategy") && i < replay->strategies.n; i++) {
        char missing[256];
        const struct gcctl_strategy *strategy = &replay->strategies.all[i];
        if (replay->needs & ~strategy->capabilities)
            gcctl_note("%s is left out: it lacks %s", strategy->name,
                       gcctl_missing(missing, sizeof(missing), replay->needs, strategy->capabilities));
    }
}

static json_t *replay_json(const struct replay *replay)
{
    json_t *list = json_array();
    for (size_t i = 0; i < replay->n; i++) {
        const struct candidate *candidate = &replay->candidates[i];
        json_t *entry = json_pack("{s:s, s:i, s:s, s:I, s:O?}", "strategy", candidate->strategy->name, "status",
                                  candidate->status, "live_sets", candidate->n_runs ? lives_of(replay, candidate) : "-",
                                  "runs", (json_int_t)candidate->n_runs, "first", candidate->first);
        for (size_t f = 0; candidate->n_runs && f < N_FIGURES; f++)
            json_object_set_new(entry, figure_names[f],
                                json_pack("{s:f, s:f, s:f}", "median", candidate->spread[f].median, "least",
                                          candidate->spread[f].least, "most", candidate->spread[f].most));
        json_array_append_new(list, entry);
    }
    return json_pack("{s:i, s:s, s:b, s:o}", "replay", 1, "file", replay->file, "cut_off", replay->cut, "strategies",
                     list);
}

static int replay_finish(const struct replay *replay)
{
    int status = 0;
    bool any = false;
    if (replay->call->json)
        status = gcctl_print_json(replay_json(replay));
    else
        print_table(replay);
    if (status)
        return status;
    for (size_t i = 0; i < replay->n; i++) {
        const struct candidate *candidate = &replay->candidates[i];
        any |= candidate->n_runs > 0;
        if (candidate->status || !candidate->n_runs || strcmp(lives_of(replay, candidate), "same") != 0)
            status = 1;
    }
    return any ? status : replay->candidates[0].status;
}

static int replay_command(struct gcctl_call *call)
{
    static struct replay replay;
    replay = (struct replay){
        .call = call, .file = gcctl_text(call, "file"), .repeat = (size_t)gcctl_number(call, "repeat", 1)};
    if (!gcctl_layout_program("slabgc-replay", replay.program))
        return EX_UNAVAILABLE;
    int status = replay_look(&replay);
    if (!status)
        status = gcctl_strategies_load(&replay.strategies, NULL);
    if (!status)
        status = replay_choose(&replay);
    if (!status) {
        replay_run(&replay);
        status = replay_finish(&replay);
    }
    for (size_t i = 0; i < replay.n; i++) {
        json_decref(replay.candidates[i].first);
        for (size_t f = 0; f < N_FIGURES; f++)
            free(replay.candidates[i].values[f]);
    }
    return status;
}

static const struct gcctl_option arguments[] = {
    {.name = "file", .kind = GCCTL_FILE, .value = "FILE", .help = "A recording", .required = true},
    {0},
};

static const struct gcctl_option options[] = {
    {.name = "strategy",
     .letter = 's',
     .kind = GCCTL_STRATEGY,
     .value = "STRATEGY",
     .help = "Replay on this strategy; may be repeated (default: all that have what the heaps need)",
     .repeatable = true},
    {.name = "config",
     .letter = 'c',
     .kind = GCCTL_FILE,
     .value = "FILE",
     .help = "Config for the replay, as $SLABGC_CONFIG"},
    {.name = "repeat",
     .letter = 'n',
     .kind = GCCTL_INTEGER,
     .value = "N",
     .minimum = 1,
     .maximum = MAX_REPEAT,
     .help = "Replay N times on each strategy (default 1)"},
    {.name = "no-check",
     .kind = GCCTL_FLAG,
     .help = "Leave out the first replay on each strategy, which checks what lives"},
    {0},
};

const struct gcctl_command gcctl_command_replay = {
    .name = "replay",
    .group = "Tuning",
    .summary = "Do the work of a recording again under each strategy, side by side",
    .description = "Opens heaps with the recorded names and needs and does the recorded events again, in their order, "
                   "on as many threads as there were. "
                   "Time is that of the events alone. In a first replay of each strategy, which is not measured, what "
                   "lives is compared at four points with a model of the events "
                   "and between strategies.\n\n"
                   "Divergence counts what could not be done again as recorded. \"weak\": a weak reference that was "
                   "alive when recorded and is dead here; "
                   "\"gone\": events that were left out since they name what such a reference answered; \"live\": "
                   "another live set than the events say. "
                   "The exit status is 1 when there is any, or when live sets differ.\n\n"
                   "Finalizers do not run: objects with one are held until their recorded finalizer ended, and its "
                   "events are replayed.",
    .examples = "gcctl replay words.trace\n"
                "gcctl replay words.trace --strategy rcu --strategy generational -c tuned.conf --repeat 5",
    .arguments = arguments,
    .options = options,
    .flags = GCCTL_READS,
    .run = replay_command,
};
