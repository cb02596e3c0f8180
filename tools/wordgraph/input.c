/* input.c - words from files. A word is a run of letters, of at most WORD_MAX_BYTES bytes (longer runs are skipped);
 * '.', '!',
 * '?' and the end of a file end a sentence. */
#include "wordgraph.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static int input_fail(int status, const char *path)
{
    fprintf(stderr, "wordgraph: %s: %s\n", path, strerror(errno));
    return status;
}

char input_letter(int byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return (char)(byte - 'A' + 'a');
    return (byte >= 'a' && byte <= 'z') || byte >= 0x80 ? (char)byte : 0;
}

static int read_stream(struct graph *graph, FILE *in, const char *path)
{
    char word[WORD_MAX_BYTES + 1];
    size_t n = 0;
    int byte;
    do {
        byte = getc_unlocked(in);
        const char letter = byte == EOF ? 0 : input_letter(byte);
        if (letter) {
            if (n < WORD_MAX_BYTES)
                word[n] = letter;
            n++;
            continue;
        }
        if (n > 0 && n <= WORD_MAX_BYTES) {
            word[n] = '\0';
            if (graph_read(graph, word)) {
                fprintf(stderr,
                        "wordgraph: %s: out of memory after %" PRIu64
                        " words; lower --max-words or raise memory_limit\n",
                        path, graph->n_read);
                return EX_OSERR;
            }
        }
        n = 0;
        if (byte == '.' || byte == '!' || byte == '?' || byte == EOF)
            graph_end_sentence(graph);
    } while (byte != EOF);
    return ferror(in) ? input_fail(EX_IOERR, path) : 0;
}

static int read_directory(struct graph *graph, const char *path)
{
    struct dirent **entries;
    const int n = scandir(path, &entries, NULL, alphasort);
    int status = n < 0 ? input_fail(EX_NOINPUT, path) : 0;
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX];
        struct stat st;
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        if (!status && !lstat(file, &st) && S_ISREG(st.st_mode))
            status = input_read(graph, file);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return status;
}

int input_read(struct graph *graph, const char *path)
{
    struct stat st;
    if (!strcmp(path, "-"))
        return read_stream(graph, stdin, "stdin");
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        return read_directory(graph, path);
    FILE *in = fopen(path, "r");
    if (!in)
        return input_fail(EX_NOINPUT, path);
    const int status = read_stream(graph, in, path);
    fclose(in);
    return status;
}
