/* graph.c - see wordgraph.h. What to copy from here: types, sections, holds, stores, and where no lock is needed.
 *
 * A word is found by its text through a table of chains, and stands in a ring in the order of last use. When the graph
 * is full, the oldest sixteenth is evicted: out of table and ring, marked with the number of this eviction. Nobody
 * frees it: edges of other words may still lead there, and the evicted words' edges to each other, in cycles; when no
 * path from the table is left, the collector reclaims them. A word in use drops its edges to evicted words, and an
 * evicted one those to words evicted before it, so stale edges lead to later evictions only, and keep at most max_words
 * words and one eviction more.
 *
 * Readers follow chains and edges in a section while the writer changes them. An evicted word keeps its `chain`: a
 * reader who stands on it finds the way on. */
#include "wordgraph.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_EDGES 16
#define MAX_STEPS 12 /* words of a sentence, of a reader's walk */
#define MAX_ANSWERS 5

struct word {
    struct word *chain;            /* next in its bucket */
    struct word *older, *newer;    /* the ring; NULL once evicted */
    struct word *edges[MAX_EDGES]; /* words that followed it; NULL: free */
    uint32_t counts[MAX_EDGES];    /* how often */
    uint64_t n_seen;
    uint32_t hash, evicted; /* evicted: 0, or the number of the eviction */
    char text[];
};
static const struct sgc_type word_type =
    SGC_TYPE(struct word, SGC_REFS(struct word, chain, older, newer, edges), SGC_TAIL_DATA(1));

struct table {
    size_t n; /* a power of two */
    struct word *buckets[];
};
static const struct sgc_type table_type = SGC_TYPE(struct table, SGC_TAIL_REFS);

/* Fields that are no references, and that readers look at while the writer writes. */
#define PUT(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELAXED)
#define LOOK(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) /* FNV-1a */
{
    for (const unsigned char *at = bytes; n--; at++)
        hash = (hash ^ *at) * UINT64_C(0x100000001b3);
    return hash;
}

static uint32_t word_hash(const char *text)
{
    const uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), text, strlen(text));
    return (uint32_t)(hash ^ hash >> 32);
}

static uint64_t random_next(uint64_t *state) /* xorshift64, Marsaglia 2003 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* ---- life */

int graph_open(struct graph *graph, size_t max_words, struct sgc_error *error)
{
    pthread_rwlockattr_t writer_first;
    *graph = (struct graph){.max_words = max_words};
    graph->heap = sgc_heap_open("wordgraph", &(struct sgc_heap_options){.needs = SGC_NEED_CYCLES}, error);
    if (!graph->heap)
        return error->code;
    graph->locked = !(sgc_heap_capabilities(graph->heap) & SGC_NEED_CONCURRENT_READERS);
    pthread_rwlockattr_init(&writer_first);
    pthread_rwlockattr_setkind_np(&writer_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&graph->lock, &writer_first);
    size_t n = 64;
    while (n < max_words)
        n *= 2;
    if (!(graph->words = sgc_cache_create(graph->heap, &word_type, error)) ||
        !(graph->tables = sgc_cache_create(graph->heap, &table_type, error)))
        goto fail;
    graph->table = sgc_new_n(graph->tables, n);
    graph->ring = sgc_new_n(graph->words, 1);
    if (!graph->table || !graph->ring) {
        *error = (struct sgc_error){-ENOMEM, "no memory for the table: lower --max-words or raise memory_limit"};
        goto fail;
    }
    graph->table->n = n;
    sgc_set(graph->ring, older, graph->ring);
    sgc_set(graph->ring, newer, graph->ring);
    return 0;
fail:
    graph_close(graph, NULL);
    return error->code;
}

int graph_close(struct graph *graph, struct sgc_error *error)
{
    graph_end_sentence(graph);
    sgc_drop(graph->table);
    sgc_drop(graph->ring);
    pthread_rwlock_destroy(&graph->lock);
    return sgc_heap_close(graph->heap, error);
}

/* A section of the writer's or a reader's: within the lock, where the strategy wants one. */
static void graph_enter(struct graph *graph, bool write)
{
    if (graph->locked && write)
        pthread_rwlock_wrlock(&graph->lock);
    else if (graph->locked)
        pthread_rwlock_rdlock(&graph->lock);
    sgc_enter();
}

static void graph_leave(struct graph *graph)
{
    sgc_leave(); /* under the lock still: what the section let go may be reclaimed here */
    if (graph->locked)
        pthread_rwlock_unlock(&graph->lock);
}

/* ---- writing: in a section of the writer's */

static struct word *table_find(const struct table *table, const char *text, uint32_t hash)
{
    struct word *word = sgc_get(table, buckets[hash & (table->n - 1)]);
    while (word && (word->hash != hash || strcmp(word->text, text)))
        word = sgc_get(word, chain);
    return word && !LOOK(word->evicted) ? word : NULL;
}

static void table_remove(struct table *table, struct word *word)
{
    const size_t bucket = word->hash & (table->n - 1);
    struct word *before = table->buckets[bucket];
    if (before == word) {
        sgc_set(table, buckets[bucket], word->chain);
        return;
    }
    while (before->chain != word)
        before = before->chain;
    sgc_set(before, chain, word->chain);
}

static void ring_remove(struct word *word)
{
    sgc_set(word->older, newer, word->newer);
    sgc_set(word->newer, older, word->older);
}

static void ring_add(struct word *ring, struct word *word)
{
    sgc_set(word, older, ring->older);
    sgc_set(word, newer, ring);
    sgc_set(ring->older, newer, word);
    sgc_set(ring, older, word);
}

static void graph_evict(struct graph *graph)
{
    const uint32_t eviction = ++graph->n_evictions;
    const size_t n = graph->max_words / 16;
    struct word *oldest = graph->ring->newer, *stays = oldest;
    for (size_t i = 0; i < n; i++, stays = stays->newer)
        PUT(stays->evicted, eviction);
    for (struct word *word = oldest, *next; word != stays; word = next) {
        next = word->newer;
        table_remove(graph->table, word);
        for (size_t i = 0; i < MAX_EDGES; i++)
            if (word->edges[i] && word->edges[i]->evicted && word->edges[i]->evicted < eviction)
                sgc_set(word, edges[i], NULL);
        sgc_set(word, older, NULL);
        sgc_set(word, newer, NULL);
    }
    sgc_set(graph->ring, newer, stays);
    sgc_set(stays, older, graph->ring);
    graph->n_words -= n;
}

/* Counts the edge from word to next. When all places are taken, the rarest is replaced and its count inherited: "space
 * saving", Metwally et al. 2005. */
static void word_follow(struct word *word, struct word *next)
{
    size_t place = 0;
    for (size_t i = 0; i < MAX_EDGES; i++) {
        if (word->edges[i] && word->edges[i]->evicted) {
            sgc_set(word, edges[i], NULL);
            PUT(word->counts[i], 0);
        }
        if (word->edges[place] != next && (word->edges[i] == next || word->counts[i] < word->counts[place]))
            place = i;
    }
    PUT(word->counts[place], word->counts[place] + 1);
    if (word->edges[place] != next)
        sgc_set(word, edges[place], next);
}

static void graph_add(struct graph *graph, struct word *word)
{
    struct table *table = graph->table;
    const size_t bucket = word->hash & (table->n - 1);
    if (graph->n_words == graph->max_words)
        graph_evict(graph);
    ring_add(graph->ring, word);
    sgc_set(word, chain, table->buckets[bucket]);
    sgc_set(table, buckets[bucket], word); /* from here on readers find it, complete */
    graph->n_words++;
}

int graph_read(struct graph *graph, const char *text)
{
    const uint32_t hash = word_hash(text);
    sgc_enter(); /* without the lock: nobody else writes */
    struct word *word = sgc_hold(table_find(graph->table, text, hash)), *known = word;
    sgc_leave();
    if (!known) {
        word = sgc_new_n(graph->words, strlen(text) + 1); /* at rest: this may collect */
        if (!word)
            return -ENOMEM;
        word->hash = hash;
        strcpy(word->text, text);
    }
    graph_enter(graph, true);
    if (!known) {
        graph_add(graph, word);
    } else if (graph->ring->older != word) {
        ring_remove(word);
        ring_add(graph->ring, word);
    }
    PUT(word->n_seen, word->n_seen + 1);
    if (graph->previous)
        word_follow(graph->previous, word);
    graph_leave(graph);
    graph_end_sentence(graph);
    graph->previous = word; /* the hold goes along */
    graph->n_read++;
    return 0;
}

void graph_end_sentence(struct graph *graph)
{
    sgc_drop(graph->previous);
    graph->previous = NULL;
}

/* ---- reading: in a section of anybody's */

/* The word at one end of an edge, NULL when there is none: never an evicted one. */
static struct word *word_successor(struct word *word, size_t i)
{
    struct word *next = sgc_get(word, edges[i]);
    return next && !LOOK(next->evicted) ? next : NULL;
}

/* One of the successors, each as likely as it was frequent; NULL when there is none. */
static struct word *word_step(struct word *word, uint64_t *random)
{
    uint64_t total = 0;
    struct word *chosen = NULL;
    for (size_t i = 0; i < MAX_EDGES; i++) {
        struct word *next = word_successor(word, i);
        const uint32_t count = next ? LOOK(word->counts[i]) : 0;
        total += count;
        if (count && random_next(random) % total < count)
            chosen = next;
    }
    return chosen;
}

int graph_wander(struct graph *graph, uint64_t *random)
{
    int n = 0;
    graph_enter(graph, false);
    struct word *word = sgc_get(graph->table, buckets[random_next(random) & (graph->table->n - 1)]);
    for (; word && n >= 0 && n < MAX_STEPS; word = word_step(word, random))
        n = word_hash(word->text) == word->hash ? n + 1 : -1;
    graph_leave(graph);
    return n;
}

struct answer {
    struct word *word; /* held */
    uint32_t count;
};

/* The most frequent successors, the first among equals; returns how many. */
static size_t word_answers(struct word *word, struct answer out[MAX_ANSWERS])
{
    size_t n = 0;
    uint32_t taken = 0;
    for (; n < MAX_ANSWERS; n++) {
        struct answer best = {NULL, 0};
        size_t place = 0;
        for (size_t i = 0; i < MAX_EDGES; i++) {
            const struct answer edge = {word_successor(word, i), LOOK(word->counts[i])};
            if (!(taken >> i & 1) && edge.word && edge.count > best.count) {
                best = edge;
                place = i;
            }
        }
        if (!best.word)
            break;
        taken |= 1u << place;
        sgc_hold(best.word);
        out[n] = best;
    }
    return n;
}

bool graph_answer(struct graph *graph, const char *text, FILE *out)
{
    struct answer answers[MAX_ANSWERS];
    struct word *sentence[MAX_STEPS], *at;
    size_t n_answers = 0, n_words = 0;
    uint64_t random = word_hash(text) + UINT64_C(1);
    graph_enter(graph, false);
    for (at = table_find(graph->table, text, word_hash(text)); at && n_words < MAX_STEPS; at = word_step(at, &random))
        sentence[n_words++] = sgc_hold(at); /* a hold carries it beyond the section */
    if (n_words)
        n_answers = word_answers(sentence[0], answers);
    graph_leave(graph);
    if (!n_words)
        return false;
    fprintf(out, "%s (%" PRIu64 ")", sentence[0]->text, LOOK(sentence[0]->n_seen));
    for (size_t i = 0; i < n_answers; i++) {
        fprintf(out, "%s %s (%" PRIu32 ")", i ? "," : " ->", answers[i].word->text, answers[i].count);
        sgc_drop(answers[i].word);
    }
    for (size_t i = 0; i < n_words; i++) {
        fprintf(out, "%s%s", i ? " " : "\n    ", sentence[i]->text);
        sgc_drop(sentence[i]);
    }
    fputs(".\n", out);
    return true;
}

uint64_t graph_digest(struct graph *graph)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    graph_enter(graph, false);
    for (struct word *word = graph->ring->newer; word != graph->ring; word = word->newer) {
        hash = hash_bytes(hash, word->text, strlen(word->text) + 1);
        hash = hash_bytes(hash, &word->n_seen, sizeof(word->n_seen));
        for (size_t i = 0; i < MAX_EDGES; i++) {
            const struct word *next = word_successor(word, i);
            hash = next ? hash_bytes(hash, next->text, strlen(next->text) + 1) : hash;
            hash = next ? hash_bytes(hash, &word->counts[i], sizeof(word->counts[i])) : hash;
        }
    }
    graph_leave(graph);
    return hash;
}
