/* main.c - slabgc-replay: does the work of a recording again, on the strategy that config or --strategy says. See
 * README.md. Exit status: 0; 1 the replay was not the recorded program's work (divergence, or live sets that are not
 * the model's); 64 usage; 65 no recording, bad data, or a sampled one; 66 file not there; 71 no memory; 78 config. */
#include "tools/replay/play.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define MAX_SETTINGS 64
#define ENTRY(key, name, arg, help)                                                                                    \
    {                                                                                                                  \
        name, key, arg, 0, help, 0                                                                                     \
    }

struct options {
    const char *file, *strategy, *settings[MAX_SETTINGS + 1];
    unsigned n_settings, repeat, points;
    bool check, json, points_given;
};

static const struct argp_option option_table[] = {
    ENTRY('s', "strategy", "NAME", "Run all heaps on this strategy (default: config's choice, else the recorded one)"),
    ENTRY('o', "set", "KEY=VALUE", "A line of config, as in $SLABGC (heap.words.memory_limit=64MiB); may be repeated"),
    ENTRY('c', "config", "FILE", "Read this config file, as $SLABGC_CONFIG"),
    ENTRY('k', "check", NULL, "Compare what lives with a model of the events; status 1 when it differs"),
    ENTRY('p', "points", "N",
          "Collect fully and look at what lives at N places on the way, outside the clock (default 0, with --check 3; "
          "at most 64)"),
    ENTRY('n', "repeat", "N", "Replay N times, each in a process of its own (default 1)"),
    ENTRY('j', "json", NULL, "Print one line of JSON for each replay"),
    {0},
};

static unsigned parse_number(struct argp_state *state, const char *name, const char *text, unsigned least,
                             unsigned most)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value < least || value > most)
        argp_error(state, "--%s=%s: a number from %u to %u is wanted", name, text, least, most);
    return (unsigned)value;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == 's')
        options->strategy = text;
    else if (key == 'o' && (options->n_settings == MAX_SETTINGS || !strchr(text, '=') || strchr(text, ',')))
        argp_error(state, "--set=%s: KEY=VALUE without commas is wanted, %d times at most", text, MAX_SETTINGS);
    else if (key == 'o')
        options->settings[options->n_settings++] = text;
    else if (key == 'c')
        setenv("SLABGC_CONFIG", text, 1);
    else if (key == 'k')
        options->check = true;
    else if (key == 'p')
        options->points_given = true, options->points = parse_number(state, "points", text, 0, PLAN_MAX_POINTS);
    else if (key == 'n')
        options->repeat = parse_number(state, "repeat", text, 1, 1000);
    else if (key == 'j')
        options->json = true;
    else if (key == ARGP_KEY_ARG && !options->file)
        options->file = text;
    else if (key == ARGP_KEY_ARG || key == ARGP_KEY_NO_ARGS)
        argp_error(state, "one FILE is wanted");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

/* ---- results */

static const char *const divergence_names[PLAY_N_DIVERGENCES] = {
    [PLAY_WEAK] = "weak", [PLAY_GONE] = "gone",       [PLAY_ORDER] = "order", [PLAY_REFUSED] = "refused",
    [PLAY_LATE] = "late", [PLAY_UNKNOWN] = "unknown", [PLAY_LIVE] = "live",
};
static const char *const divergence_help[PLAY_N_DIVERGENCES] = {
    [PLAY_WEAK] = "weak references that answered when recorded are dead here",
    [PLAY_GONE] = "events left out, since they name what such a weak reference answered",
    [PLAY_ORDER] = "exchanges returned another value than when recorded",
    [PLAY_REFUSED] = "weak references refused: the strategy has none",
    [PLAY_LATE] = "events of the recording that no correct program can have made, left out",
    [PLAY_UNKNOWN] = "events of objects that the recording did not see made, left out",
    [PLAY_LIVE] = "live sets that are not what the events say",
};

static uint64_t divergences(const struct play_result *result)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < PLAY_N_DIVERGENCES; i++)
        n += result->divergences[i];
    return n;
}

/* One number for the live sets of all points and the end. */
static uint64_t result_digest(const struct play_result *result)
{
    uint64_t digest = result->end.digest * 31 + result->end.n;
    for (uint32_t i = 0; i < result->n_points; i++)
        digest = digest * UINT64_C(0x100000001b3) ^ (result->points[i].digest * 31 + result->points[i].n);
    return digest;
}

static void print_text(const struct plan *plan, const struct play_result *result, const struct play_heap_result *heaps,
                       bool check)
{
    const double seconds = (double)result->elapsed_ns / 1e9;
    printf("live sets         %016" PRIx64 " at %u points%s\n", result_digest(result), result->n_points + 1,
           !check                           ? ""
           : result->divergences[PLAY_LIVE] ? ", not as the events say"
                                            : ", as the events say");
    printf("time              %.3f s\n", seconds);
    printf("events            %" PRIu64 " (%.1f M/s)\n", plan->n_recorded,
           seconds > 0 ? (double)plan->n_recorded / seconds / 1e6 : 0);
    printf("threads           %" PRIu64 " turns passed, %" PRIu64 " times out of a section for a stop\n",
           result->n_handovers, result->n_stepped_out);
    for (uint32_t i = 0; i < plan->info->n_heaps; i++) {
        const struct sgc_stats *stats = &heaps[i].stats;
        if (!*heaps[i].strategy)
            continue;
        printf("heap %-12s %s: %s %" PRIu64 " objects, %" PRIu64 " bytes; peak %.2f MiB; %" PRIu64 " minor, %" PRIu64
               " full collections; pause p99 %.3f ms, max %.3f ms\n",
               plan->info->heaps[i].name, heaps[i].strategy, heaps[i].open ? "live" : "closed, live", heaps[i].n_live,
               heaps[i].live_bytes, (double)stats->peak_bytes / (1 << 20), stats->n_minor, stats->n_full,
               (double)sgc_histogram_quantile_ns(&stats->pauses, 0.99) / 1e6, (double)stats->pauses.max_ns / 1e6);
    }
    if (result->n_weak_later)
        printf("weak              %" PRIu64 " references still answered that were dead when recorded (no divergence)\n",
               result->n_weak_later);
    if (plan->n_kept)
        printf("kept              %" PRIu64
               " objects, named in a section after their death, were held by the replayer\n",
               plan->n_kept);
    for (unsigned i = 0; i < PLAY_N_DIVERGENCES; i++)
        if (result->divergences[i])
            printf("divergence        %s: %" PRIu64 " %s; first at event %" PRIu64 "\n", divergence_names[i],
                   result->divergences[i], divergence_help[i], result->first[i]);
}

static json_t *heap_json(const struct trace_heap *heap, const struct play_heap_result *result)
{
    const struct sgc_stats *stats = &result->stats;
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", heap->name,
                     "strategy", result->strategy, "open", result->open, "live_objects", (json_int_t)result->n_live,
                     "live_bytes", (json_int_t)result->live_bytes, "peak_bytes", (json_int_t)stats->peak_bytes,
                     "allocated", (json_int_t)stats->n_allocated, "reclaimed", (json_int_t)stats->n_reclaimed, "minor",
                     (json_int_t)stats->n_minor, "full", (json_int_t)stats->n_full, "pause_p50_ns",
                     (json_int_t)sgc_histogram_quantile_ns(&stats->pauses, 0.5), "pause_p99_ns",
                     (json_int_t)sgc_histogram_quantile_ns(&stats->pauses, 0.99), "pause_max_ns",
                     (json_int_t)stats->pauses.max_ns);
}

static json_t *result_json(const struct plan *plan, const struct play_result *result,
                           const struct play_heap_result *heaps, bool check)
{
    char digest[32];
    json_t *list = json_array(), *kinds = json_object();
    snprintf(digest, sizeof(digest), "%016" PRIx64, result_digest(result));
    for (uint32_t i = 0; i < plan->info->n_heaps; i++)
        if (*heaps[i].strategy)
            json_array_append_new(list, heap_json(&plan->info->heaps[i], &heaps[i]));
    for (unsigned i = 0; i < PLAY_N_DIVERGENCES; i++)
        if (result->divergences[i])
            json_object_set_new(kinds, divergence_names[i],
                                json_pack("{s:I, s:I, s:s}", "n", (json_int_t)result->divergences[i], "first_event",
                                          (json_int_t)result->first[i], "meaning", divergence_help[i]));
    return json_pack("{s:i, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:o, s:o}", "replay", 1, "digest",
                     digest, "live_objects", (json_int_t)result->end.n, "points", (int)result->n_points, "elapsed_ns",
                     (json_int_t)result->elapsed_ns, "events", (json_int_t)plan->n_recorded, "handovers",
                     (json_int_t)result->n_handovers, "stepped_out", (json_int_t)result->n_stepped_out, "weak_later",
                     (json_int_t)result->n_weak_later, "kept", (json_int_t)plan->n_kept, "cut_off", plan->cut,
                     "checked", check, "divergences", kinds, "heaps", list);
}

/* One replay in this process. */
static int replay_once(const struct plan *plan, const struct options *options)
{
    static struct play_result result;
    struct play_heap_result *heaps = calloc(plan->info->n_heaps + 1u, sizeof(*heaps));
    if (!heaps || play_run(plan, &result, heaps, options->check)) {
        fprintf(stderr, "slabgc-replay: %s\n", heaps ? result.message : "no memory");
        free(heaps);
        return result.status ? result.status : EX_OSERR;
    }
    if (options->json) {
        json_t *json = result_json(plan, &result, heaps, options->check);
        if (json)
            json_dumpf(json, stdout, JSON_COMPACT);
        fputc('\n', stdout);
        json_decref(json);
    } else {
        print_text(plan, &result, heaps, options->check);
    }
    free(heaps);
    if (fflush(stdout) || ferror(stdout))
        return fprintf(stderr, "slabgc-replay: cannot write to stdout\n"), EX_IOERR;
    return divergences(&result) != 0;
}

static int replay_all(const struct plan *plan, const struct options *options)
{
    int worst = 0;
    if (options->repeat == 1)
        return replay_once(plan, options);
    for (unsigned i = 0; i < options->repeat; i++) {
        int status;
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0)
            exit(replay_once(plan, options));
        if (child < 0 || waitpid(child, &status, 0) < 0)
            return fprintf(stderr, "slabgc-replay: cannot start a replay: %s\n", strerror(errno)), EX_OSERR;
        if (!WIFEXITED(status))
            return fprintf(stderr, "slabgc-replay: the replay died of signal %d\n", WTERMSIG(status)), EX_SOFTWARE;
        worst = WEXITSTATUS(status) > worst ? WEXITSTATUS(status) : worst;
    }
    return worst;
}

static int fail(const char *file, const struct sgc_error *error)
{
    fprintf(stderr, "slabgc-replay: %s: %s\n", file, error->message);
    return error->code == -EBADMSG || error->code == -EOVERFLOW ? EX_DATAERR
           : error->code == -ENOMEM                             ? EX_OSERR
           : error->code == -EIO                                ? EX_IOERR
                                                                : EX_NOINPUT;
}

static int replay_file(struct trace *trace, const struct options *options)
{
    struct sgc_error error;
    struct plan plan;
    int status = EX_OSERR;
    if (!trace_info(trace)->replayable) {
        fprintf(stderr, "slabgc-replay: %s: a sampled recording (one object in %" PRIu64 ") cannot be replayed\n",
                options->file, trace_info(trace)->sample);
        return EX_DATAERR;
    }
    if (plan_make(&plan, trace, options->points, &error))
        return fail(options->file, &error);
    if (plan.cut)
        fprintf(stderr, "slabgc-replay: %s: cut off after %" PRIu64 " events\n", options->file, plan.n_recorded);
    if ((options->check && plan_lives(&plan)) || play_configure(plan.info, options->strategy, options->settings))
        fprintf(stderr, "slabgc-replay: no memory\n");
    else
        status = replay_all(&plan, options);
    plan_fini(&plan);
    return status;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table,
        .parser = parse_option,
        .args_doc = "FILE",
        .doc = "Does the work of a recording (gcctl record) again. Heaps get the recorded names and needs; "
               "$SLABGC_CONFIG and "
               "$SLABGC choose strategies and settings, as for any program on slabgc.",
    };
    struct options options = {.repeat = 1};
    struct sgc_error error;
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (options.check && !options.points_given)
        options.points = 3;
    struct trace *trace = trace_open(options.file, &error);
    const int status = trace ? replay_file(trace, &options) : fail(options.file, &error);
    trace_close(trace);
    return status;
}
