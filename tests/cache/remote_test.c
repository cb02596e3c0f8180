/* remote_test.c - frees by threads that do not own the slab: nothing is lost, nothing is freed twice, no slab leaves
 *   too early or stays for ever.
 * The protocol's steps (F1-F3, T1-T3 in remote.c) are driven one by one where an interleaving matters. */
#include "core/cache/internal.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct item {
    uint64_t owner, sequence, filler[6];
};
static const struct sgc_type item_type = SGC_TYPE(struct item);
#define PER_SLAB (SGC_SLAB_BYTES / sizeof(struct item))

static struct sgc_cache *cache;

static void setup(void)
{
    cache = attach_cache(&item_type, 0, NULL);
}
static void teardown(void)
{
    attach_verify(cache);
    sgc_cache_unmake(cache);
}

static uint64_t n_slabs(void)
{
    struct sgc_cache_stats stats;
    sgc_cache_stats(cache, &stats);
    return stats.n_slabs;
}

static void in_thread(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, body, arg), 0);
    pthread_join(thread, NULL);
}

struct objects {
    void **at;
    size_t n;
};

static void *free_all(void *arg)
{
    const struct objects *objects = arg;
    for (size_t i = 0; i < objects->n; i++)
        sgc_cache_free(cache, objects->at[i]);
    attach_end();
    return NULL;
}

static void alloc_many(struct objects *objects, size_t n)
{
    objects->at = malloc(n * sizeof(void *));
    objects->n = n;
    for (size_t i = 0; i < n; i++) {
        objects->at[i] = sgc_cache_alloc(cache);
        ck_assert_ptr_nonnull(objects->at[i]);
    }
}

START_TEST(the_owner_takes_over_what_others_freed)
{
    struct objects objects;
    alloc_many(&objects, 10 * PER_SLAB);
    const uint64_t before = n_slabs();
    for (int round = 0; round < 20; round++) {
        in_thread(free_all, &objects);
        for (size_t i = 0; i < objects.n; i++)
            objects.at[i] = sgc_cache_alloc(cache);
        ck_assert_uint_le(n_slabs(), before + 2);
    }
    ck_assert_uint_eq(sgc_cache_n_live(cache), objects.n);
    sgc_cache_free_bulk(cache, objects.at, objects.n);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    free(objects.at);
}
END_TEST

START_TEST(slabs_freed_wholly_by_others_return_although_the_owner_never_looks)
{
    struct objects objects;
    struct sgc_region_stats stats;
    alloc_many(&objects, 200 * PER_SLAB);
    ck_assert_uint_ge(n_slabs(), 200);
    in_thread(free_all, &objects); /* this thread, the owner, does nothing meanwhile */
    ck_assert_uint_le(n_slabs(), 24);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_region_stats(&stats);
    ck_assert_uint_le(stats.committed_bytes - stats.free_bytes, 24 * SGC_SLAB_BYTES);
    free(objects.at);
}
END_TEST

START_TEST(a_walk_along_slabs_in_use_is_paid_for_by_whole_ones)
{
    enum { N = 200, N_WHOLE = 16 };
    struct objects all, some = {NULL, 0}, whole;
    alloc_many(&all, N * PER_SLAB);
    struct sgc_front *front = sgc_front_of(cache->classes[0]);
    some.at = malloc(N * sizeof(void *));
    for (size_t i = 0; i < N - N_WHOLE; i++) { /* one of each slab, so that it is on the owner's stack */
        some.at[some.n++] = all.at[i * PER_SLAB];
        all.at[i * PER_SLAB] = NULL;
    }
    whole = (struct objects){all.at + (N - N_WHOLE) * PER_SLAB, N_WHOLE * PER_SLAB};
    in_thread(free_all, &some);
    ck_assert_int_eq(front->n_whole, 0);
    in_thread(free_all, &whole);
    ck_assert_uint_le(n_slabs(), N - N_WHOLE / 2);
    ck_assert_int_lt(front->n_whole, 0); /* a walk found the others, and puts the next one off */
    all.n -= whole.n;
    in_thread(free_all, &all);
    ck_assert_uint_le(n_slabs(), 32);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
    sgc_cache_shrink(cache); /* looks at all */
    ck_assert_uint_eq(n_slabs(), 0);
    free(some.at);
    free(all.at);
}
END_TEST

static void *alloc_one_slab(void *out)
{
    *(uint64_t *)out = n_slabs();
    void *objects[PER_SLAB];
    for (size_t i = 0; i < PER_SLAB; i++)
        objects[i] = sgc_cache_alloc(cache);
    *(uint64_t *)out = n_slabs() - *(uint64_t *)out;
    for (size_t i = 0; i < PER_SLAB; i++)
        sgc_cache_free(cache, objects[i]);
    attach_end();
    return NULL;
}

START_TEST(a_thread_in_need_takes_whole_slabs_of_one_that_does_not_look)
{
    struct objects objects;
    uint64_t n_new = 99;
    alloc_many(&objects, 8 * PER_SLAB);
    in_thread(free_all, &objects); /* fewer than make the freeing thread hand them on */
    in_thread(alloc_one_slab, &n_new);
    ck_assert_uint_eq((int64_t)n_new <= 0, 1);
    free(objects.at);
}
END_TEST

/* ---- step by step ---- */

static struct sgc_slab *slab_of_object(void *object)
{
    return sgc_slab_of(object);
}
static unsigned word_of(void *object)
{
    return sgc_slab_granule(object) / 64;
}
static uint64_t bit_of(void *object)
{
    return UINT64_C(1) << (sgc_slab_granule(object) % 64);
}
static struct sgc_front *my_front(void)
{
    return sgc_front_of(cache->classes[0]);
}

/* One whole slab of objects, owned by this thread and not its current one. */
static struct sgc_slab *full_slab(void *objects[PER_SLAB])
{
    struct sgc_slab *slab = NULL;
    for (size_t n = 0; n < PER_SLAB;) {
        void *object = sgc_cache_alloc(cache);
        if (!slab && my_front()->n_taken > PER_SLAB) /* the second slab, from its first object on */
            slab = slab_of_object(object);
        if (slab && slab_of_object(object) == slab)
            objects[n++] = object;
    }
    ck_assert_uint_eq(slab->listed, SLAB_FULL);
    ck_assert_ptr_eq(slab->owner, my_front());
    return slab;
}

/* F1 alone, as a thread that was stopped behind it. */
static void free_step_1(void *object)
{
    __atomic_fetch_or(sgc_slab_words(slab_of_object(object), SGC_KIND_REMOTE) + word_of(object), bit_of(object),
                      __ATOMIC_ACQ_REL);
}
/* F2 and F3 of that thread. */
static void free_steps_2_and_3(struct sgc_slab *slab)
{
    if (__atomic_fetch_add(&slab->n_notes, 1, __ATOMIC_ACQ_REL) == 0) {
        slab->remote_next = slab->owner->remote_head;
        slab->owner->remote_head = slab;
    }
    my_front()->n_returned++; /* the stopped thread counts in this one's name */
}

START_TEST(a_slab_stays_while_a_thread_is_between_its_bit_and_its_announcement)
{
    void *objects[PER_SLAB];
    struct sgc_slab *slab = full_slab(objects);
    void *keep[2] = {sgc_cache_alloc(cache), sgc_cache_alloc(cache)};
    const uint64_t before = n_slabs();
    free_step_1(objects[0]);
    for (size_t i = 1; i < PER_SLAB; i++)
        sgc_remote_free(slab, word_of(objects[i]), bit_of(objects[i]));
    my_front()->n_returned += PER_SLAB - 1;
    sgc_front_drain(my_front());
    ck_assert_uint_eq(slab->n_free, PER_SLAB); /* every bit is there */
    ck_assert_int_eq(slab->n_owed, 1);         /* but one announcement is owed */
    ck_assert_uint_eq(slab->listed, SLAB_PARTIAL);
    ck_assert_uint_eq(n_slabs(), before);
    sgc_cache_relist(cache);
    ck_assert_ptr_eq(slab->class_, cache->classes[0]);
    free_steps_2_and_3(slab); /* touches the descriptor: it must still be this slab's */
    sgc_front_drain(my_front());
    ck_assert_int_eq(slab->n_owed, 0);
    sgc_cache_relist(cache);
    ck_assert_uint_ne(slab->listed, SLAB_FULL);
    sgc_cache_free(cache, keep[0]);
    sgc_cache_free(cache, keep[1]);
    sgc_cache_shrink(cache);
    ck_assert_ptr_null(slab->class_); /* it left once nobody was inside */
}
END_TEST

START_TEST(a_thief_leaves_a_slab_that_somebody_is_still_freeing_into)
{
    void *objects[PER_SLAB];
    struct sgc_slab *slab = full_slab(objects);
    struct slab_surplus surplus = {NULL};
    free_step_1(objects[0]);
    for (size_t i = 1; i < PER_SLAB; i++)
        sgc_remote_free(slab, word_of(objects[i]), bit_of(objects[i]));
    my_front()->n_returned += PER_SLAB - 1;
    sgc_class_lock(cache->classes[0]);
    sgc_remote_steal_locked(cache->classes[0], my_front(), &surplus);
    sgc_class_unlock(cache->classes[0]);
    ck_assert_ptr_eq(slab->owner, my_front());
    ck_assert_ptr_eq(my_front()->remote_head, slab);
    free_steps_2_and_3(slab);
    sgc_class_lock(cache->classes[0]);
    sgc_remote_steal_locked(cache->classes[0], my_front(), &surplus);
    sgc_class_unlock(cache->classes[0]);
    ck_assert_ptr_null(my_front()->remote_head);
    ck_assert_ptr_null(slab->owner);
    ck_assert_uint_eq(slab->listed, SLAB_DEPOT);
    sgc_depot_release(&surplus);
}
END_TEST

START_TEST(a_thief_leaves_a_slab_with_a_debt_from_an_earlier_round)
{
    void *objects[PER_SLAB];
    struct sgc_slab *slab = full_slab(objects);
    struct slab_surplus surplus = {NULL};
    free_step_1(objects[0]); /* this thread stops here ... */
    sgc_remote_free(slab, word_of(objects[1]), bit_of(objects[1]));
    my_front()->n_returned++;
    sgc_front_drain(my_front());
    ck_assert_int_eq(slab->n_owed, 1);
    while (slab->n_free) /* ... and both slots are handed out again */
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    sgc_cache_flush(cache); /* but one may be in the window */
    while (slab->n_free)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    while (my_front()->n)
        ck_assert_ptr_nonnull(sgc_cache_alloc(cache));
    ck_assert_uint_eq(slab->listed, SLAB_FULL);
    for (size_t i = 0; i < PER_SLAB; i++)
        sgc_remote_free(slab, word_of(objects[i]), bit_of(objects[i]));
    my_front()->n_returned += PER_SLAB;
    ck_assert_uint_eq(slab->n_notes, PER_SLAB);
    sgc_class_lock(cache->classes[0]);
    sgc_remote_steal_locked(cache->classes[0], my_front(), &surplus);
    sgc_class_unlock(cache->classes[0]);
    ck_assert_ptr_eq(slab->owner, my_front()); /* the thread that stopped will still announce */
    free_steps_2_and_3(slab);
    sgc_class_lock(cache->classes[0]);
    sgc_remote_steal_locked(cache->classes[0], my_front(), &surplus);
    sgc_class_unlock(cache->classes[0]);
    ck_assert_ptr_null(slab->owner);
    sgc_depot_release(&surplus);
}
END_TEST

START_TEST(an_announcement_during_the_take_over_is_not_lost)
{
    void *objects[PER_SLAB];
    struct sgc_slab *slab = full_slab(objects);
    free_step_1(objects[0]);
    free_steps_2_and_3(slab);
    sgc_front_drain(my_front());
    ck_assert_uint_eq(slab->n_free, 1);
    ck_assert_uint_eq(slab->n_notes, 0);
    free_step_1(objects[1]); /* its bit is taken over by a drain that another slot causes ... */
    free_step_1(objects[2]);
    free_steps_2_and_3(slab);
    sgc_front_drain(my_front());
    ck_assert_uint_eq(slab->n_free, 3);
    ck_assert_int_eq(slab->n_owed, 1);
    free_steps_2_and_3(slab); /* ... and its announcement pushes the slab once more, for nothing but the debt */
    ck_assert_ptr_eq(my_front()->remote_head, slab);
    sgc_front_drain(my_front());
    ck_assert_int_eq(slab->n_owed, 0);
    ck_assert_uint_eq(slab->n_free, 3);
}
END_TEST

START_TEST(a_slab_pushed_on_its_former_owners_stack_is_passed_on)
{
    void *objects[PER_SLAB];
    struct sgc_slab *slab = full_slab(objects);
    struct sgc_class *class_ = cache->classes[0];
    struct sgc_front *former = my_front();
    free_step_1(objects[0]);
    free_steps_2_and_3(slab); /* on the stack of this thread's front ... */
    attach_end();             /* ... which becomes idle */
    ck_assert_uint_eq(former->idle, 1);
    void *object = sgc_cache_alloc(cache);
    ck_assert_ptr_eq(my_front(), former); /* adopted whole */
    slab_set_owner(slab, NULL);           /* as a stop may do */
    if (slab->listed == SLAB_PARTIAL) {
        sgc_slab_unlist(slab, former);
        sgc_slab_list(slab, NULL);
    }
    const uint32_t n_free = slab->n_free;
    free_step_1(objects[1]);
    __atomic_fetch_add(&slab->n_notes, 1, __ATOMIC_ACQ_REL);
    slab->remote_next = former->remote_head; /* the freeing thread read the owner before it changed */
    former->remote_head = slab;
    former->n_returned++;
    sgc_front_drain(former);
    ck_assert_ptr_eq(class_->remote_head, slab);
    ck_assert_uint_eq(slab->n_notes, 1);
    sgc_class_lock(class_);
    struct slab_surplus surplus = {NULL};
    sgc_remote_drain(class_, NULL, &surplus);
    sgc_class_unlock(class_);
    ck_assert_uint_eq(slab->n_notes, 0);
    ck_assert_uint_eq(slab->n_free, n_free + 1);
    sgc_cache_free(cache, object);
}
END_TEST

static void *double_free_object;
static void *double_free_body(void *unused)
{
    (void)unused;
    struct sgc_slab *slab = slab_of_object(double_free_object);
    sgc_remote_free(slab, word_of(double_free_object), bit_of(double_free_object));
    return NULL;
}
static void double_free(void *unused)
{
    double_free_body(unused);
    double_free_body(unused);
}

START_TEST(a_double_remote_free_panics)
{
    char text[128];
    double_free_object = sgc_cache_alloc(cache);
    snprintf(text, sizeof(text), "double free of object %p in cache item", double_free_object);
    support_expect_panic(double_free, NULL, text);
    sgc_cache_free(cache, double_free_object);
}
END_TEST

/* ---- at speed ---- */

#define RING 1024
struct ring {
    void *slots[RING];
    uint64_t head __attribute__((aligned(64))), tail __attribute__((aligned(64)));
    uint64_t n_messages, n_wrong;
};

static void *consume(void *arg)
{
    struct ring *ring = arg;
    for (uint64_t i = 0; i < ring->n_messages; i++) {
        while (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == i)
            sched_yield();
        struct item *item = ring->slots[i % RING];
        ring->n_wrong += item->sequence != i;
        item->sequence = ~i;
        sgc_cache_free(cache, item);
        __atomic_store_n(&ring->tail, i + 1, __ATOMIC_RELEASE);
    }
    attach_end();
    return NULL;
}

START_TEST(a_producer_and_a_consumer_work_in_bounded_memory)
{
    static struct ring the_ring;
    struct ring *ring = &the_ring;
    pthread_t consumer;
    ring->n_messages = 300000;
    ck_assert_int_eq(pthread_create(&consumer, NULL, consume, ring), 0);
    for (uint64_t i = 0; i < ring->n_messages; i++) {
        while (i - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == RING)
            sched_yield();
        struct item *item = sgc_cache_alloc(cache);
        ck_assert_ptr_nonnull(item);
        item->sequence = i;
        ring->slots[i % RING] = item;
        __atomic_store_n(&ring->head, i + 1, __ATOMIC_RELEASE);
    }
    pthread_join(consumer, NULL);
    ck_assert_uint_eq(ring->n_wrong, 0);
    ck_assert_uint_le(n_slabs(), 2 * RING / PER_SLAB + 16);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
}
END_TEST

#define SHARED 512
static void *shared[SHARED];
static uint64_t n_torn;

/* Every thread swaps objects in and out of one table, so that most frees are of others' objects; in between threads
 * end. */
static void *swap_about(void *seed)
{
    uint64_t state = *(uint64_t *)seed;
    for (int i = 0; i < 40000; i++) {
        const uint64_t random = support_random(&state);
        struct item *item = random % 4 ? sgc_cache_alloc(cache) : NULL;
        if (item)
            item->owner = item->sequence = random;
        struct item *old = __atomic_exchange_n(&shared[random / 16 % SHARED], item, __ATOMIC_ACQ_REL);
        if (old && old->owner != old->sequence)
            __atomic_fetch_add(&n_torn, 1, __ATOMIC_RELAXED);
        if (old)
            old->owner = 0;
        sgc_cache_free(cache, old);
    }
    *(uint64_t *)seed = state;
    attach_end();
    return NULL;
}

START_TEST(threads_that_free_each_others_objects_lose_none)
{
    uint64_t seeds[3] = {support_seed("remote_test", 1), 0, 0};
    pthread_t threads[3];
    seeds[1] = ~seeds[0];
    seeds[2] = seeds[0] * 3;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, swap_about, &seeds[i]), 0);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        uint64_t n = 0;
        for (int i = 0; i < SHARED; i++)
            n += shared[i] != NULL;
        ck_assert_uint_eq(sgc_cache_n_live(cache), n);
        attach_verify(cache);
    }
    ck_assert_uint_eq(n_torn, 0);
    ck_assert_uint_le(n_slabs(), 40);
    for (int i = 0; i < SHARED; i++)
        sgc_cache_free(cache, shared[i]);
    ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
}
END_TEST

static bool stop_allocating;
static void *hold_and_wait(void *out)
{
    struct objects *objects = out;
    alloc_many(objects, 40 * PER_SLAB);
    __atomic_store_n(&stop_allocating, true, __ATOMIC_RELEASE);
    while (__atomic_load_n(&stop_allocating, __ATOMIC_ACQUIRE)) {
        sgc_cache_free(cache, sgc_cache_alloc(cache)); /* refills, flushes and drains while others steal and push */
        sched_yield();
    }
    attach_end();
    return NULL;
}
static void *free_half(void *arg)
{
    const struct objects *objects = arg;
    for (size_t i = 0; i < objects->n; i++)
        sgc_cache_free(cache, objects->at[i]);
    void *own[100];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++)
            own[i] = sgc_cache_alloc(cache);
        for (int i = 0; i < 100; i++)
            sgc_cache_free(cache, own[i]);
    }
    attach_end();
    return NULL;
}

START_TEST(owner_thieves_and_freeing_threads_agree)
{
    for (int round = 0; round < 20; round++) {
        struct objects objects;
        pthread_t owner, freeing[2];
        ck_assert_int_eq(pthread_create(&owner, NULL, hold_and_wait, &objects), 0);
        while (!__atomic_load_n(&stop_allocating, __ATOMIC_ACQUIRE))
            sched_yield();
        struct objects halves[2] = {{objects.at, objects.n / 2},
                                    {objects.at + objects.n / 2, objects.n - objects.n / 2}};
        for (size_t i = 0; i + 1 < objects.n / 2; i += 2) { /* neighbours in different hands */
            void *swap = halves[0].at[i];
            halves[0].at[i] = halves[1].at[i];
            halves[1].at[i] = swap;
        }
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&freeing[i], NULL, free_half, &halves[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(freeing[i], NULL);
        __atomic_store_n(&stop_allocating, false, __ATOMIC_RELEASE);
        pthread_join(owner, NULL);
        ck_assert_uint_eq(sgc_cache_n_live(cache), 0);
        attach_verify(cache);
        ck_assert_uint_le(n_slabs(), 30);
        free(objects.at);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("remote");
    TCase *tcase = tcase_create("remote");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_owner_takes_over_what_others_freed);
    tcase_add_test(tcase, slabs_freed_wholly_by_others_return_although_the_owner_never_looks);
    tcase_add_test(tcase, a_walk_along_slabs_in_use_is_paid_for_by_whole_ones);
    tcase_add_test(tcase, a_thread_in_need_takes_whole_slabs_of_one_that_does_not_look);
    tcase_add_test(tcase, a_slab_stays_while_a_thread_is_between_its_bit_and_its_announcement);
    tcase_add_test(tcase, a_thief_leaves_a_slab_that_somebody_is_still_freeing_into);
    tcase_add_test(tcase, a_thief_leaves_a_slab_with_a_debt_from_an_earlier_round);
    tcase_add_test(tcase, an_announcement_during_the_take_over_is_not_lost);
    tcase_add_test(tcase, a_slab_pushed_on_its_former_owners_stack_is_passed_on);
    tcase_add_test(tcase, a_double_remote_free_panics);
    tcase_add_test(tcase, a_producer_and_a_consumer_work_in_bounded_memory);
    tcase_add_test(tcase, threads_that_free_each_others_objects_lose_none);
    tcase_add_test(tcase, owner_thieves_and_freeing_threads_agree);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
