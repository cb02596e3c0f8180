/* shrinker.c - callbacks of the program that give memory back when an allocation is about to fail.
 * Called by programs (register, unregister) and by alloc.c (run), all at rest.
 * Invariant: after unregister has returned the shrinker does not run and is never called again, so that its argument
 *   may go away; a shrinker may unregister itself, or any other. It runs outside every lock, on one thread at a time.
 * Lock: heap->lock, rank HEAP. */
#include "core/heap/heap.h"
#include "core/os/meta.h"

#include <errno.h>

int sgc_shrinker_register(struct sgc_heap *heap, sgc_shrink_fn *shrink, void *arg)
{
    struct sgc_shrinker *shrinker = sgc_meta_alloc(sizeof(*shrinker));
    if (!shrinker)
        return -ENOMEM;
    shrinker->shrink = shrink;
    shrinker->arg = arg;
    pthread_cond_init(&shrinker->idle, NULL); /* cannot fail for a default condition in glibc */
    SGC_GUARD(&heap->lock);
    sgc_list_push_back(&heap->shrinkers, &shrinker->link);
    return 0;
}

static void shrinker_free(struct sgc_shrinker *shrinker)
{
    sgc_list_remove(&shrinker->link);
    pthread_cond_destroy(&shrinker->idle);
    sgc_meta_free(shrinker, sizeof(*shrinker));
}

/* Lock held. */
static struct sgc_shrinker *shrinker_find(struct sgc_heap *heap, sgc_shrink_fn *shrink, const void *arg)
{
    SGC_LIST_FOR_EACH (link, &heap->shrinkers) {
        struct sgc_shrinker *shrinker = SGC_LIST_ENTRY(link, struct sgc_shrinker, link);
        if (shrinker->shrink == shrink && shrinker->arg == arg && !shrinker->doomed)
            return shrinker;
    }
    return NULL;
}

void sgc_shrinker_unregister(struct sgc_heap *heap, sgc_shrink_fn *shrink, void *arg)
{
    SGC_GUARD(&heap->lock);
    struct sgc_shrinker *shrinker = shrinker_find(heap, shrink, arg);
    if (!shrinker)
        sgc_panic("sgc_shrinker_unregister: no such shrinker in heap %s", heap->name);
    shrinker->doomed = true;
    if (shrinker->running && pthread_equal(shrinker->runner, pthread_self())) {
        shrinker->runner_frees = true;
        return;
    }
    while (shrinker->running)
        pthread_cond_wait(&shrinker->idle, &heap->lock.mutex);
    shrinker_free(shrinker);
}

/* Lock held: the next one that this pass has not called. One that another thread is running is passed over. */
static struct sgc_shrinker *shrinker_next(struct sgc_heap *heap, uint64_t pass)
{
    SGC_LIST_FOR_EACH (link, &heap->shrinkers) {
        struct sgc_shrinker *shrinker = SGC_LIST_ENTRY(link, struct sgc_shrinker, link);
        if (!shrinker->running && !shrinker->doomed && shrinker->pass < pass)
            return shrinker;
    }
    return NULL;
}

/* Lock held; released around the call. */
static size_t shrinker_call(struct sgc_heap *heap, struct sgc_shrinker *shrinker, size_t wanted)
{
    shrinker->running = true;
    shrinker->runner = pthread_self();
    sgc_lock_release(&heap->lock);
    const size_t given = shrinker->shrink(shrinker->arg, wanted);
    sgc_lock_acquire(&heap->lock);
    shrinker->running = false;
    if (shrinker->runner_frees)
        shrinker_free(shrinker);
    else
        pthread_cond_broadcast(&shrinker->idle);
    return given;
}

size_t sgc_shrinkers_run(struct sgc_heap *heap, size_t wanted)
{
    size_t given = 0;
    struct sgc_shrinker *shrinker;
    sgc_lock_assert_none_held("shrinkers");
    SGC_GUARD(&heap->lock);
    const uint64_t pass = ++heap->shrinker_pass;
    while (given < wanted && (shrinker = shrinker_next(heap, pass))) {
        shrinker->pass = pass;
        given += shrinker_call(heap, shrinker, wanted - given);
    }
    return given;
}

/* Shrinkers that other threads were inside run no more. */
void sgc_shrinkers_after_fork_child(struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH (link, &heap->shrinkers) {
        struct sgc_shrinker *shrinker = SGC_LIST_ENTRY(link, struct sgc_shrinker, link);
        if (shrinker->running && pthread_equal(shrinker->runner, pthread_self()))
            continue; /* it is the one that forked */
        shrinker->running = false;
        pthread_cond_init(&shrinker->idle, NULL); /* nobody waits on it any more */
    }
}

void sgc_shrinkers_fini(struct sgc_heap *heap)
{
    SGC_LIST_FOR_EACH_SAFE (link, &heap->shrinkers) {
        struct sgc_shrinker *shrinker = SGC_LIST_ENTRY(link, struct sgc_shrinker, link);
        shrinker_free(shrinker);
    }
}
