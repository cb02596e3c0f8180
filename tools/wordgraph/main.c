/* main.c - wordgraph: reads texts into a graph of words on a slabgc heap, and answers what follows what.
 * The garbage collector is config's to choose (SLABGC_CONFIG, SLABGC); answers and digest are the same with each. */
#include "wordgraph.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#define DEFAULT_INPUT "/usr/share/common-licenses"
#define MAX_READERS 64
#define ARGP_ENTRY_(key, name, arg, help)                                                                              \
    {                                                                                                                  \
        name, key, arg, 0, help, 0                                                                                     \
    }

struct options {
    unsigned long max_words, repeat, readers;
    bool stats, verify;
    const char **queries, **files;
    size_t n_queries, n_files;
};

static const struct argp_option option_table[] = {
    ARGP_ENTRY_('m', "max-words", "N", "Keep the N words used last (default 4096, at least 16)"),
    ARGP_ENTRY_('n', "repeat", "N", "Read the input N times (default 1)"),
    ARGP_ENTRY_('r', "readers", "N", "Let N threads query the graph while it grows (default 0, at most 64)"),
    ARGP_ENTRY_('q', "query", "WORD", "Print what follows WORD most often, and a sentence; may be repeated"),
    ARGP_ENTRY_('s', "stats", NULL, "Print what the heap did"),
    ARGP_ENTRY_('v', "verify", NULL, "Check the heap's invariants at the end"),
    {0},
};

static unsigned long parse_number(struct argp_state *state, const char *name, const char *text, unsigned long minimum,
                                  unsigned long maximum)
{
    char *end;
    errno = 0;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < minimum || value > maximum)
        argp_error(state, "--%s=%s: a number from %lu to %lu is wanted", name, text, minimum, maximum);
    return value;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;
    if (key == 'm')
        options->max_words = parse_number(state, "max-words", text, 16, 1ul << 30);
    else if (key == 'n')
        options->repeat = parse_number(state, "repeat", text, 1, 1000000);
    else if (key == 'r')
        options->readers = parse_number(state, "readers", text, 0, MAX_READERS);
    else if (key == 'q')
        options->queries[options->n_queries++] = text;
    else if (key == 's')
        options->stats = true;
    else if (key == 'v')
        options->verify = true;
    else if (key == ARGP_KEY_ARG)
        options->files[options->n_files++] = text;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static int fail(int status, const char *message)
{
    fprintf(stderr, "wordgraph: %s\n", message);
    return status;
}

struct reader {
    pthread_t thread;
    struct graph *graph;
    const bool *done;
    uint64_t random, n_met;
    bool failed;
};

static void *reader_main(void *arg)
{
    struct reader *reader = arg;
    while (!__atomic_load_n(reader->done, __ATOMIC_RELAXED) && !reader->failed) {
        const int n = graph_wander(reader->graph, &reader->random);
        reader->failed = n < 0;
        reader->n_met += n > 0 ? (uint64_t)n : 0;
    }
    return NULL;
}

/* Reads all input, with readers beside. 0 or an exit status. */
static int read_input(struct graph *graph, const struct options *options, uint64_t *n_met)
{
    static struct reader readers[MAX_READERS];
    bool done = false;
    int status = 0;
    unsigned long n = 0;
    for (; n < options->readers && !status; n++) {
        readers[n] = (struct reader){.graph = graph, .done = &done, .random = n + 1};
        if (pthread_create(&readers[n].thread, NULL, reader_main, &readers[n])) {
            status = fail(EX_OSERR, "cannot start a reader thread");
            break;
        }
    }
    for (unsigned long pass = 0; pass < options->repeat; pass++)
        for (size_t i = 0; i < options->n_files && !status; i++)
            status = input_read(graph, options->files[i]);
    __atomic_store_n(&done, true, __ATOMIC_RELAXED);
    while (n-- > 0) {
        pthread_join(readers[n].thread, NULL);
        *n_met += readers[n].n_met;
        if (readers[n].failed)
            status = fail(EX_SOFTWARE, "a reader met a word that was gone");
    }
    return status;
}

static double milliseconds(const struct sgc_histogram *histogram, double quantile)
{
    return (double)sgc_histogram_quantile_ns(histogram, quantile) / 1e6;
}

/* live: after a full collection, when the live set is exact; the rest: when reading had ended. */
static void print_stats(struct graph *graph, double seconds, uint64_t n_met)
{
    static struct sgc_stats stats, exact;
    sgc_heap_stats(graph->heap, &stats);
    sgc_heap_collect(graph->heap, SGC_COLLECT_FULL);
    sgc_heap_stats(graph->heap, &exact);
    printf("strategy          %s\n", sgc_heap_strategy(graph->heap));
    printf("time              %.2f s\n", seconds);
    printf("words read        %" PRIu64 "\n", graph->n_read);
    printf("words met         %" PRIu64 " by readers, who take %s lock\n", n_met, graph->locked ? "a" : "no");
    printf("live              %" PRIu64 "\n", exact.n_live);
    printf("reclaimed         %" PRIu64 "\n", stats.n_reclaimed);
    printf("minor             %" PRIu64 "\n", stats.n_minor);
    printf("full              %" PRIu64 "\n", stats.n_full);
    printf("visited           %" PRIu64 "\n", stats.n_visited);
    printf("pause p50         %.3f ms\n", milliseconds(&stats.pauses, 0.5));
    printf("pause p99         %.3f ms\n", milliseconds(&stats.pauses, 0.99));
    printf("pause max         %.3f ms\n", (double)stats.pauses.max_ns / 1e6);
    printf("time to stop p99  %.3f ms\n", milliseconds(&stats.times_to_stop, 0.99));
    printf("live memory       %.2f MiB\n", (double)exact.live_bytes / (1 << 20));
    printf("peak memory       %.2f MiB\n", (double)stats.peak_bytes / (1 << 20));
}

static int print_answers(struct graph *graph, const struct options *options)
{
    int status = 0;
    for (size_t i = 0; i < options->n_queries; i++) {
        char word[WORD_MAX_BYTES + 1] = "";
        for (size_t n = 0; n < WORD_MAX_BYTES && options->queries[i][n]; n++)
            word[n] = input_letter((unsigned char)options->queries[i][n]);
        if (graph_answer(graph, word, stdout))
            continue;
        printf("%s: not in the graph\n", options->queries[i]);
        status = 1;
    }
    return status;
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int run(struct graph *graph, const struct options *options)
{
    struct sgc_error error;
    uint64_t n_met = 0;
    const double began = now();
    int status = read_input(graph, options, &n_met);
    if (status)
        return status;
    const double seconds = now() - began;
    printf("digest            %016" PRIx64 "\n", graph_digest(graph));
    if (options->stats)
        print_stats(graph, seconds, n_met);
    if (options->verify && sgc_heap_verify(graph->heap, &error))
        return fail(EX_SOFTWARE, error.message);
    status = print_answers(graph, options);
    return fflush(stdout) || ferror(stdout) ? fail(EX_IOERR, "cannot write to stdout") : status;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table,
        .parser = parse_option,
        .args_doc = "[FILE|DIRECTORY|-]...",
        .doc =
            "Reads texts (default: " DEFAULT_INPUT ") into a bounded graph of words and their successors, and prints "
            "its digest. SLABGC_CONFIG (a file) and SLABGC (key=value,...) choose the garbage collector.",
    };
    const char *queries[argc], *files[argc + 1];
    struct options options = {.max_words = 4096, .repeat = 1, .queries = queries, .files = files};
    struct graph graph;
    struct sgc_error error;
    argp_err_exit_status = EX_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    if (!options.n_files)
        options.files[options.n_files++] = DEFAULT_INPUT;
    const int code = graph_open(&graph, options.max_words, &error);
    if (code)
        return fail(code == -ENOMEM ? EX_OSERR : EX_CONFIG, error.message);
    int status = run(&graph, &options);
    if (graph_close(&graph, &error) && !status)
        status = fail(EX_SOFTWARE, error.message);
    return status;
}
