/* chain.c - see chain.h, which has the order of the steps. */
#include "plugins/rcu/chain.h"

bool sgc_chain_init(const struct sgc_host *host, struct sgc_chain *chain)
{
    *chain = (struct sgc_chain){.tail = host->alloc(sizeof(struct sgc_magazine))};
    chain->head = chain->cut = chain->tail;
    return chain->tail != NULL;
}

void sgc_chain_fini(const struct sgc_host *host, struct sgc_chain *chain)
{
    for (struct sgc_magazine *magazine = chain->head, *next; magazine; magazine = next) {
        next = magazine->next;
        host->free(magazine, sizeof(*magazine));
    }
    *chain = (struct sgc_chain){0};
}

/* ---- the writer */

bool sgc_chain_put(const struct sgc_host *host, struct sgc_chain *chain, void *object)
{
    struct sgc_magazine *tail = chain->tail;
    if (tail->n == SGC_MAGAZINE_OBJECTS) {
        struct sgc_magazine *next = host->alloc(sizeof(*next));
        if (!next)
            return false;
        __atomic_store_n(&tail->next, next, __ATOMIC_RELEASE);  /* W2 */
        __atomic_store_n(&chain->tail, next, __ATOMIC_RELEASE); /* W3 */
        tail = next;
    }
    tail->objects[tail->n] = object;
    __atomic_store_n(&tail->n, tail->n + 1, __ATOMIC_RELEASE); /* W1 */
    return true;
}

/* ---- the reader */

bool sgc_chain_is_empty(const struct sgc_chain *chain)
{
    const struct sgc_magazine *tail = __atomic_load_n(&chain->tail, __ATOMIC_ACQUIRE); /* W3 */
    const uint64_t n_taken = chain->head == tail ? chain->n_taken : 0;
    /* W1 */
    return n_taken == __atomic_load_n(&tail->n, __ATOMIC_ACQUIRE) &&
           (chain->head == tail || chain->n_taken == SGC_MAGAZINE_OBJECTS);
}

void sgc_chain_cut(struct sgc_chain *chain)
{
    chain->cut = __atomic_load_n(&chain->tail, __ATOMIC_ACQUIRE);     /* W3 */
    chain->n_cut = __atomic_load_n(&chain->cut->n, __ATOMIC_ACQUIRE); /* W1 */
}

void *sgc_chain_take(const struct sgc_host *host, struct sgc_chain *chain)
{
    if (chain->head != chain->cut && chain->n_taken == SGC_MAGAZINE_OBJECTS) {
        struct sgc_magazine *empty = chain->head;
        chain->head = __atomic_load_n(&empty->next, __ATOMIC_ACQUIRE); /* W2 */
        chain->n_taken = 0;
        host->free(empty, sizeof(*empty));
    }
    if (chain->head != chain->cut || chain->n_taken < chain->n_cut)
        return chain->head->objects[chain->n_taken++];
    return NULL;
}

uint64_t sgc_chain_count(const struct sgc_chain *chain)
{
    uint64_t n = 0;
    for (const struct sgc_magazine *magazine = chain->head; magazine; magazine = magazine->next)
        n += magazine->n;
    return n - chain->n_taken;
}
