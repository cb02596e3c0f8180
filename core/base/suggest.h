/* suggest.h - "did you mean": the candidate nearest to a misspelt word. */
#ifndef SLABGC_CORE_BASE_SUGGEST_H
#define SLABGC_CORE_BASE_SUGGEST_H

#include <stddef.h>

/* Returns the candidate with the smallest Damerau-Levenshtein distance to word (optimal string alignment), or NULL
 * when none is within a third of the word's length (at least 1, at most 3 edits). Ties go to the earliest.
 * Compares bytes. Allocates nothing; the empty word and words over 63 bytes never match. */
const char *sgc_suggest(const char *word, const char *const *candidates, size_t n_candidates);

#endif
