/* main.c - the conformance kit's runner: every claim on every strategy asked for, a line for each.
 *
 *     conformance --strategy mine --plugin-path /usr/local/lib/my-strategy
 *     conformance --strategy mine,refcount        answers are compared too
 *
 * Exits with 0 when every claim holds, 1 when one does not, 2 when a strategy does not open. */
#include "tests/conformance/run.h"
#include "tests/support/strategies.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct kit_claim *const clauses[] = {
    kit_holds,      kit_sections,          kit_reading,   kit_reading_others, kit_writing,      kit_writing_many,
    kit_allocating, kit_allocating_limits, kit_needs,     kit_needs_prompt,   kit_same_answers, kit_same_switch,
    kit_weak,       kit_finalizers,        kit_ephemerons};
#define N_CLAUSES (sizeof(clauses) / sizeof(clauses[0]))

static const char *const disturbance_names[KIT_N_DISTURBANCES] = {"quiet", "minor", "full"};

struct options {
    const char *strategies[KIT_MAX_PEERS];
    size_t n_strategies;
    const char *only_claim; /* substring of its name */
    int only_disturbance;   /* -1: all */
    unsigned timeout_s;
    bool list, transcripts;
};

static size_t n_held, n_failed;

static const struct option long_options[] = {{"strategy", required_argument, NULL, 's'},
                                             {"plugin-path", required_argument, NULL, 'p'},
                                             {"claim", required_argument, NULL, 'c'},
                                             {"disturbance", required_argument, NULL, 'd'},
                                             {"timeout", required_argument, NULL, 't'},
                                             {"list", no_argument, NULL, 'l'},
                                             {"transcripts", no_argument, NULL, 'T'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static _Noreturn void usage(FILE *to, int status)
{
    fputs("usage: conformance [--strategy NAME|FILE[,...]] [--plugin-path DIRECTORY[:...]] [--claim TEXT]\n"
          "                   [--disturbance quiet|minor|full] [--timeout SECONDS] [--transcripts] [--list]\n"
          "Shows that a strategy keeps the contract: a line for each claim. Without --strategy: those of\n"
          "$SLABGC_TEST_STRATEGIES, else all of this project.\n",
          to);
    exit(status);
}

static void add_strategies(struct options *options, char *list)
{
    for (char *at = NULL, *name = strtok_r(list, ",", &at); name; name = strtok_r(NULL, ",", &at)) {
        if (options->n_strategies == KIT_MAX_PEERS)
            usage(stderr, 2);
        options->strategies[options->n_strategies++] = name;
    }
}

static int disturbance_by_name(const char *name)
{
    for (int i = 0; i < KIT_N_DISTURBANCES; i++) {
        if (strcmp(name, disturbance_names[i]) == 0)
            return i;
    }
    usage(stderr, 2);
}

static void parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.only_disturbance = -1, .timeout_s = 100};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (c) {
        case 's':
            add_strategies(options, optarg);
            break;
        case 'p':
            setenv("SLABGC_PLUGIN_PATH", optarg, 1);
            break;
        case 'c':
            options->only_claim = optarg;
            break;
        case 'd':
            options->only_disturbance = disturbance_by_name(optarg);
            break;
        case 't':
            options->timeout_s = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'l':
            options->list = true;
            break;
        case 'T':
            options->transcripts = true;
            break;
        default:
            usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
        }
    }
    if (optind != argc)
        usage(stderr, 2);
    if (options->n_strategies == 0)
        options->n_strategies = support_strategies(options->strategies);
}

/* The first line in which two transcripts differ. */
static void print_difference(const char *expected, const char *got)
{
    const char *a = expected, *b = got;
    unsigned line = 1;
    for (size_t i = 0; expected[i] == got[i] && expected[i]; i++) {
        if (expected[i] == '\n') {
            a = expected + i + 1;
            b = got + i + 1;
            line++;
        }
    }
    printf("     line %u of the transcript\n     first: %.*s\n     here:  %.*s\n", line, (int)strcspn(a, "\n"), a,
           (int)strcspn(b, "\n"), b);
}

static void report(const struct kit_claim *claim, const char *strategy, const char *how, const char *failure)
{
    if (failure) {
        n_failed++;
        printf("FAIL %s [%s] %s: %s\n", claim->name, strategy, how, failure);
    } else {
        n_held++;
        printf("ok   %s [%s]%s%s\n", claim->name, strategy, *how ? " " : "", how);
    }
    fflush(stdout);
}

/* Runs a claim on a strategy under each disturbance; *answer is what it said the first time, on any strategy. */
static void run_claim(const struct options *options, const struct kit_claim *claim, struct kit *kit, char **answer)
{
    const char *failure = NULL, *how = "";
    struct kit_outcome outcome;
    if (claim->needs & ~kit->capabilities) {
        kit_run(claim, kit, true, options->timeout_s, &outcome);
        free(outcome.transcript);
        report(claim, kit->strategy, "refused", outcome.held ? NULL : outcome.reason);
        return;
    }
    int last = claim->flags & KIT_PLAIN ? KIT_QUIET : KIT_N_DISTURBANCES - 1;
    for (int i = KIT_QUIET; i <= last && !failure; i++) {
        if (options->only_disturbance >= 0 && i != options->only_disturbance)
            continue;
        kit->disturbance = (enum kit_disturbance)i;
        kit_run(claim, kit, false, options->timeout_s, &outcome);
        if (options->transcripts)
            printf("---- %s [%s] %s\n%s", claim->name, kit->strategy, disturbance_names[i], outcome.transcript);
        how = disturbance_names[i];
        if (!outcome.held)
            failure = outcome.reason;
        else if (!*answer)
            *answer = strdup(outcome.transcript);
        else if (strcmp(*answer, outcome.transcript) != 0)
            failure = "other answers than the first run";
        if (failure && *answer && outcome.held)
            print_difference(*answer, outcome.transcript);
        free(outcome.transcript);
    }
    report(claim, kit->strategy, failure ? how : "", failure);
}

static void run_all(const struct options *options, struct kit *kits)
{
    for (size_t i = 0; i < N_CLAUSES; i++) {
        for (const struct kit_claim *claim = clauses[i]; claim->name; claim++) {
            if (options->only_claim && !strstr(claim->name, options->only_claim))
                continue;
            if (options->list) {
                puts(claim->name);
                continue;
            }
            char *answer = NULL;
            for (size_t s = 0; s < options->n_strategies; s++)
                run_claim(options, claim, &kits[s], &answer);
            free(answer);
        }
    }
}

static int probe_all(const struct options *options, struct kit *kits)
{
    char message[SGC_ERROR_MESSAGE_BYTES];
    for (size_t s = 0; s < options->n_strategies; s++) {
        kits[s] = (struct kit){.strategy = options->strategies[s], .n_peers = options->n_strategies};
        memcpy(kits[s].peers, options->strategies, sizeof(kits[s].peers));
        if (options->list || kit_probe(kits[s].strategy, &kits[s].capabilities, message, sizeof(message)))
            continue;
        fprintf(stderr, "conformance: no heap opens on %s: %s\n", kits[s].strategy, message);
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options options;
    struct kit kits[KIT_MAX_PEERS];
    support_strategies_init();
    parse(&options, argc, argv);
    int failed = probe_all(&options, kits);
    if (failed)
        return failed;
    run_all(&options, kits);
    if (!options.list)
        printf("conformance: %zu held, %zu failed\n", n_held, n_failed);
    return n_failed ? 1 : 0;
}
