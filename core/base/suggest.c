/* suggest.c - the nearest word.
 * Called by config, the loader and tools when a name is unknown.
 * Invariant: bounded work and stack: words are at most 63 bytes, three rows of the distance table are kept.
 * Locks: none. Source: Damerau, CACM 1964, in the restricted form (optimal string alignment). */
#include "core/base/suggest.h"

#include <string.h>

#define WORD_BYTES 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned min = a < b ? a : b;
    return min < c ? min : c;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b, both shorter than WORD_BYTES. */
static unsigned suggest_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned table[3][WORD_BYTES];
    unsigned *before = table[0], *above = table[1], *row = table[2];
    for (size_t j = 0; j <= b_length; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_length];
}

const char *sgc_suggest(const char *word, const char *const *candidates, size_t n_candidates)
{
    size_t length = strlen(word);
    if (length == 0 || length >= WORD_BYTES)
        return NULL;
    unsigned limit = (unsigned)(length / 3);
    limit = limit < 1 ? 1 : limit > 3 ? 3 : limit;
    const char *nearest = NULL;
    for (size_t i = 0; i < n_candidates; i++) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length >= WORD_BYTES)
            continue;
        unsigned distance = suggest_distance(word, length, candidates[i], candidate_length);
        if (distance > limit || (nearest && distance == limit))
            continue;
        nearest = candidates[i];
        limit = distance;
    }
    return nearest;
}
