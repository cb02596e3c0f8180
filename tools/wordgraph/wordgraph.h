/* wordgraph.h - a bounded graph of words and of which word follows which, on slabgc.
 * One thread writes (graph_read, graph_end_sentence), any number read at the same time (graph_answer, graph_wander).
 * All calls: at rest. */
#ifndef WORDGRAPH_H
#define WORDGRAPH_H

#include <slabgc/slabgc.h>

#include <pthread.h>
#include <stdio.h>

#define WORD_MAX_BYTES 63

struct graph {
    struct sgc_heap *heap;
    struct sgc_cache *words, *tables;
    struct table *table;   /* held: words by text */
    struct word *ring;     /* held: stands between the newest and the oldest word */
    struct word *previous; /* held, or NULL: the last word of the sentence being read */
    size_t n_words, max_words;
    uint32_t n_evictions;
    uint64_t n_read;
    bool locked;           /* the strategy lacks SGC_NEED_CONCURRENT_READERS: readers and the writer take the lock */
    pthread_rwlock_t lock; /* taken at rest, never inside a section */
};

/* Opens the heap "wordgraph" on the strategy that config chose. 0; or a negative errno with error filled, nothing is
 * open. */
int graph_open(struct graph *graph, size_t max_words, struct sgc_error *error);
/* 0; or what sgc_heap_close says. */
int graph_close(struct graph *graph, struct sgc_error *error);

/* The text goes on with this word, of at most WORD_MAX_BYTES bytes. 0, or -ENOMEM. */
int graph_read(struct graph *graph, const char *text);
/* The next word follows none. */
void graph_end_sentence(struct graph *graph);
/* A number that depends on the words, their order of use, counts and successors, and on nothing else. */
uint64_t graph_digest(struct graph *graph);

/* Prints what follows the word most often, and a sentence; false when the graph does not have it. */
bool graph_answer(struct graph *graph, const char *text, FILE *out);
/* A reader's errand: from some word along its successors. random: the reader's state, not 0. Returns how many words it
 * met; -1: one was not what it had been when it was made. */
int graph_wander(struct graph *graph, uint64_t *random);

/* input.c: reads a file, a directory's regular files in the order of their names (no symbolic links), or stdin ("-")
 * into the graph. 0; or an exit status of sysexits.h, and has said why on stderr. */
int input_read(struct graph *graph, const char *path);
/* A byte of a word in its small form (ASCII letters; bytes >= 0x80 as they are), 0 for bytes that part words. */
char input_letter(int byte);

#endif
