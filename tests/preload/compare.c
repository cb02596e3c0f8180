/* compare.c - real programs under several mallocs, side by side: wall time, CPU time and peak memory.
 *
 *     bazel run -c opt //tests/preload:compare -- [--repetitions N] [--program NAME[,...]] [--malloc NAME[,...]]
 *                                                 [--short]
 *
 * Repetitions alternate over the mallocs, and each round begins with another one. The table has medians, least and
 * most, and the ratio to jemalloc's median. Exit status 1 when a program failed or answered differently, 2 for a wrong
 * command. */
#include "tests/preload/programs.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_REPETITIONS 50

/* glibc by name, too: redis-server of Debian is linked with jemalloc. ours: in the runfiles. */
static struct malloc_choice {
    const char *name, *library;
    const char *path; /* NULL: it is not installed */
} choices[] = {
    {"glibc", "libc.so.6", NULL},
    {"jemalloc", "libjemalloc.so.2", NULL},
    {"mimalloc", "libmimalloc.so.2", NULL},
    {"tcmalloc", "libtcmalloc_minimal.so.4", NULL},
    {"slabgc", NULL, NULL},
};
#define N_CHOICES (sizeof(choices) / sizeof(choices[0]))
#define JEMALLOC 1

struct figures {
    double wall_s[MAX_REPETITIONS], cpu_s[MAX_REPETITIONS], rss_mib[MAX_REPETITIONS];
    unsigned n;
};

struct options {
    unsigned n_repetitions;
    enum size size;
    const char *program, *choice; /* NULL: all */
};

static _Noreturn void usage(FILE *to, int status)
{
    fputs("usage: compare [--repetitions N] [--program NAME[,...]] [--malloc NAME[,...]] [--short]\n"
          "  --repetitions  of each program under each malloc (default 5, at most 50)\n"
          "  --program      python3, redis, sqlite3 or gcc; default: all\n"
          "  --malloc       glibc, jemalloc, mimalloc, tcmalloc or slabgc; default: all that are installed\n"
          "  --short        the size that the tests use\n",
          to);
    exit(status);
}

static struct options options_parse(int argc, char **argv)
{
    static const struct option names[] = {{"repetitions", required_argument, NULL, 'r'},
                                          {"program", required_argument, NULL, 'p'},
                                          {"malloc", required_argument, NULL, 'm'},
                                          {"short", no_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.n_repetitions = 5, .size = SIZE_LONG};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'r')
            options.n_repetitions = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'p')
            options.program = optarg;
        else if (c == 'm')
            options.choice = optarg;
        else if (c == 's')
            options.size = SIZE_SHORT;
        else
            usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
    }
    if (optind < argc || options.n_repetitions < 1 || options.n_repetitions > MAX_REPETITIONS)
        usage(stderr, 2);
    return options;
}

/* list: names with commas between; NULL: all there are. */
static bool is_listed(const char *name, const char *list)
{
    const size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length]))
            return true;
    return !list;
}

static void choices_find(const char *wanted)
{
    static const char *const directories[] = {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"};
    static char paths[N_CHOICES][PATH_MAX];
    for (size_t i = 0; i < N_CHOICES; i++) {
        if (!is_listed(choices[i].name, wanted))
            continue;
        if (!choices[i].library) {
            data_path("tools/malloc/libslabgc-malloc.so", paths[i]);
            choices[i].path = paths[i];
            if (access(paths[i], R_OK) == 0)
                continue;
            fprintf(stderr, "compare: there is no %s\n", paths[i]);
            exit(2);
        }
        for (size_t k = 0; k < 3 && !choices[i].path; k++) {
            snprintf(paths[i], PATH_MAX, "%s/%s", directories[k], choices[i].library);
            choices[i].path = access(paths[i], R_OK) == 0 ? paths[i] : NULL;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void column(double *values, unsigned n, double base, const char *format)
{
    const double middle = median(values, n);
    char range[64], text[64];
    snprintf(text, sizeof(text), format, middle);
    snprintf(range, sizeof(range), format, values[0]);
    const size_t length = strlen(range);
    range[length] = '-';
    snprintf(range + length + 1, sizeof(range) - length - 1, format, values[n - 1]);
    printf(" %8s %-15s", text, range);
    if (base > 0)
        printf(" %5.3f", middle / base);
    else
        printf("      ");
}

static void table_print(const char *program, struct figures figures[N_CHOICES])
{
    struct figures *base = &figures[JEMALLOC];
    double wall = 0, cpu = 0, rss = 0;
    if (base->n) {
        wall = median(base->wall_s, base->n);
        cpu = median(base->cpu_s, base->n);
        rss = median(base->rss_mib, base->n);
    }
    printf("%-10s %8s %-15s %5s %8s %-15s %5s %8s %-15s %5s\n", program, "wall s", "", "ratio", "cpu s", "", "ratio",
           "rss MiB", "", "ratio");
    for (size_t i = 0; i < N_CHOICES; i++) {
        if (!figures[i].n)
            continue;
        printf("  %-8s", choices[i].name);
        column(figures[i].wall_s, figures[i].n, wall, "%.3f");
        column(figures[i].cpu_s, figures[i].n, cpu, "%.3f");
        column(figures[i].rss_mib, figures[i].n, rss, "%.1f");
        printf("\n");
    }
    fflush(stdout);
}

/* True: it ran, and answered as the others did. */
static bool run_once(const struct program *program, const struct malloc_choice *choice, enum size size,
                     struct figures *figures, char answer[ANSWER_BYTES])
{
    static struct measure measure;
    program_run(program, choice->path, size, &measure);
    if (measure.fault[0]) {
        fprintf(stderr, "compare: %s under %s: %s\n", program->name, choice->name, measure.fault);
        return false;
    }
    if (!answer[0])
        snprintf(answer, ANSWER_BYTES, "%s", measure.answer);
    if (strcmp(answer, measure.answer) != 0) {
        fprintf(stderr, "compare: %s under %s answers differently:\n%s\nnot\n%s\n", program->name, choice->name,
                measure.answer, answer);
        return false;
    }
    figures->wall_s[figures->n] = measure.wall_s;
    figures->cpu_s[figures->n] = measure.cpu_s;
    figures->rss_mib[figures->n++] = (double)measure.rss_bytes / (1 << 20);
    return true;
}

static bool compare(const struct program *program, const struct options *options)
{
    static char answer[ANSWER_BYTES];
    struct figures figures[N_CHOICES] = {0};
    bool good = true;
    answer[0] = '\0';
    for (unsigned round = 0; round < options->n_repetitions; round++) {
        for (size_t k = 0; k < N_CHOICES; k++) {
            const size_t i = (round + k) % N_CHOICES;
            if (choices[i].path)
                good = run_once(program, &choices[i], options->size, &figures[i], answer) && good;
        }
    }
    table_print(program->name, figures);
    return good;
}

int main(int argc, char **argv)
{
    const struct options options = options_parse(argc, argv);
    bool good = true, any = false;
    choices_find(options.choice);
    for (const struct program *program = programs; program->name; program++) {
        if (!is_listed(program->name, options.program))
            continue;
        any = true;
        if (program_lacks(program))
            printf("%s: skipped, there is no %s\n", program->name, program_lacks(program));
        else
            good = compare(program, &options) && good;
    }
    if (!any)
        usage(stderr, 2);
    return good ? 0 : 1;
}
