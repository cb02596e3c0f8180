/* context.c - the thread's context, and the tables that lead from a class index to the thread's front.
 * Called by the heap layer when a thread attaches and ends, by class.c when a class goes, by fork.c.
 * A table has an entry for every class the process can have, so that the fast path needs no bounds check; entries of
 *   classes that the thread never used lead to sgc_front_none, whose window is empty for ever.
 * Invariant: a table in the pool has all entries at sgc_front_none; tables of attached threads are on `attached`.
 * Lock: registry (CACHES) for both lists and for entries that other threads clear; a thread sets its own entries
 *   without a lock, as a class cannot go while it is used. */
#include "core/cache/call.h"
#include "core/cache/internal.h"
#include "core/os/meta.h"

#include <errno.h>

uint32_t sgc_stop_flag;
void (*sgc_call_wait)(struct sgc_context *context);
__thread struct sgc_context sgc_context_ __attribute__((tls_model("initial-exec")));

struct sgc_front sgc_front_none = {.partial = {&sgc_front_none.partial, &sgc_front_none.partial},
                                   .link = {&sgc_front_none.link, &sgc_front_none.link}};

#define POOL_TABLES 64 /* 2 MiB at most: threads that come and go need no mapping of their own */

struct front_table {
    struct sgc_list link; /* attached, or pool */
    struct sgc_front *fronts[SGC_MAX_CLASSES];
};

static struct sgc_list attached = {&attached, &attached};
static struct sgc_list pool = {&pool, &pool};
static unsigned n_pool;

static struct front_table *table_of(struct sgc_front **fronts)
{
    return SGC_CONTAINER_OF(fronts, struct front_table, fronts);
}

static struct front_table *table_from_pool(void)
{
    SGC_GUARD(&sgc_caches_lock);
    if (sgc_list_empty(&pool))
        return NULL;
    struct front_table *table = SGC_LIST_ENTRY(pool.next, struct front_table, link);
    sgc_list_remove(&table->link);
    sgc_list_push_back(&attached, &table->link);
    n_pool--;
    return table;
}

static struct front_table *table_new(void)
{
    struct front_table *table = sgc_meta_alloc(sizeof(*table));
    if (!table)
        return NULL;
    for (unsigned i = 0; i < SGC_MAX_CLASSES; i++)
        table->fronts[i] = &sgc_front_none;
    SGC_GUARD(&sgc_caches_lock);
    sgc_list_push_back(&attached, &table->link);
    return table;
}

int sgc_fronts_attach(struct sgc_context *context, struct sgc_thread *thread)
{
    (void)thread; /* fronts take it from the context when they are made */
    SGC_DCHECK(!context->fronts);
    struct front_table *table = table_from_pool();
    if (!table)
        table = table_new();
    if (!table)
        return -ENOMEM;
    context->fronts = table->fronts;
    return 0;
}

/* The table has no fronts any more. True: the caller frees it. */
static bool table_to_pool_locked(struct front_table *table)
{
    sgc_list_remove(&table->link);
    if (n_pool == POOL_TABLES)
        return false;
    sgc_list_push_back(&pool, &table->link);
    n_pool++;
    return true;
}

void sgc_fronts_detach(struct sgc_context *context)
{
    if (!context->fronts)
        return;
    struct front_table *table = table_of(context->fronts);
    sgc_lock_acquire(&sgc_caches_lock); /* no class that this thread used may go meanwhile */
    for (unsigned i = 1; i < SGC_MAX_CLASSES; i++) {
        struct sgc_front *front = table->fronts[i];
        if (front == &sgc_front_none)
            continue;
        sgc_front_idle(front);
        table->fronts[i] = &sgc_front_none;
    }
    context->fronts = NULL;
    const bool kept = table_to_pool_locked(table);
    sgc_lock_release(&sgc_caches_lock);
    if (!kept)
        sgc_meta_free(table, sizeof(*table));
}

void sgc_fronts_forget_locked(struct sgc_class *class_)
{
    sgc_lock_assert_held(&sgc_caches_lock);
    SGC_LIST_FOR_EACH (at, &attached)
        SGC_LIST_ENTRY(at, struct front_table, link)->fronts[class_->index] = &sgc_front_none;
}

void sgc_fronts_after_fork_locked(void)
{
    SGC_LIST_FOR_EACH_SAFE (at, &attached) {
        struct front_table *table = SGC_LIST_ENTRY(at, struct front_table, link);
        if (table->fronts == sgc_context_.fronts)
            continue;
        for (unsigned i = 1; i < SGC_MAX_CLASSES; i++)
            table->fronts[i] = &sgc_front_none;
        (void)table_to_pool_locked(table); /* beyond the pool's size it is forgotten: the child has it once */
    }
}
