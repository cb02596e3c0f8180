/* suggest.c - "did you mean": the candidate nearest to a misspelt word.
 * Called by everything that looks a name up.
 * Invariant: bounded work: words are at most 63 bytes, three rows of the distance table are kept. Locks: none.
 * Source: Damerau, CACM 1964, in the restricted form. The same rule as core's own suggestions, which tools cannot
 * reach. */
#include "tools/gcctl/print.h"

#include <stdio.h>
#include <string.h>

#define WORD_BYTES 64

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b. */
static unsigned suggest_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned table[3][WORD_BYTES];
    for (size_t j = 0; j <= b_length; j++)
        table[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *row = table[i % 3], *above = table[(i + 2) % 3], *before = table[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return table[a_length % 3][b_length];
}

const char *gcctl_suggest(const char *word, const char *const *candidates)
{
    static char out[WORD_BYTES + 32];
    const char *nearest = NULL;
    size_t length = strlen(word);
    if (length == 0 || length >= WORD_BYTES)
        return "";
    unsigned limit = (unsigned)(length < 6 ? length / 3 : length < 9 ? 2 : 3);
    limit = limit < 1 ? 1 : limit;
    for (; *candidates; candidates++) {
        size_t candidate_length = strlen(*candidates);
        if (candidate_length >= WORD_BYTES)
            continue;
        unsigned distance = suggest_distance(word, length, *candidates, candidate_length);
        if (distance > limit || (nearest && distance == limit))
            continue;
        nearest = *candidates;
        limit = distance;
    }
    if (!nearest)
        return "";
    snprintf(out, sizeof(out), "; did you mean \"%s\"?", nearest);
    return out;
}
