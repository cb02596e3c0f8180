/* record_test.c - recordings begin and end: around threads that run, around forks, of one heap, as a sample; and a
 * model that replays what threads did at once. */
#include "core/base/sanitize.h"
#include "core/cache/call.h"
#include "tests/heap/recording.h"

#include <fcntl.h>
#include <sys/wait.h>

static const struct sgc_strategy_plugin *const plugins[] = {&sharing_plugin, &tracing_plugin};
static struct sgc_heap *heap;
static struct sgc_cache *nodes;

static void open_nodes(const struct sgc_strategy_plugin *plugin)
{
    heap = open_limited("recorded", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

/* ---- a model of what the events say */

struct model_object {
    bool alive;
    uint64_t holds;
    uint64_t fields[2];
    bool reached;
};

#define MODEL_GRANULES (1u << 24)
static struct model_object *model;
static uint64_t n_model; /* granules named so far */

static struct model_object *model_at(uint64_t address)
{
    const uint64_t granule = (address - sgc_arena.base) >> 4;
    REQUIRE(granule < MODEL_GRANULES);
    n_model = granule >= n_model ? granule + 1 : n_model;
    return &model[granule];
}

static struct model_object *model_alive(uint64_t address, const struct event *event)
{
    struct model_object *object = model_at(address);
    if (!object->alive)
        ck_abort_msg("op %d names %llx, which is not there", event->op, (unsigned long long)address);
    return object;
}

static void model_value(uint64_t value, const struct event *event)
{
    if (value > 1)
        (void)model_alive(value, event);
}

static void model_event(const struct event *event)
{
    struct model_object *object;
    switch (event->op) {
    case SGC_RECORD_NEW:
        object = model_at(event->object);
        REQUIRE(!object->alive);
        *object = (struct model_object){.alive = true, .holds = 1};
        return;
    case SGC_RECORD_HOLD:
        model_alive(event->object, event)->holds++;
        return;
    case SGC_RECORD_HOLDS:
        model_alive(event->object, event)->holds += event->number;
        return;
    case SGC_RECORD_DROP:
        object = model_alive(event->object, event);
        REQUIRE(object->holds > 0);
        object->holds--;
        return;
    case SGC_RECORD_STORE:
        model_value(event->value, event);
        REQUIRE(event->offset == 0 || event->offset == 1);
        model_alive(event->object, event)->fields[event->offset] = event->value;
        return;
    case SGC_RECORD_EXCHANGE:
        model_value(event->value, event);
        object = model_alive(event->object, event);
        REQUIRE(object->fields[event->offset] == event->old);
        object->fields[event->offset] = event->value;
        if (event->old)
            model_alive(event->old, event)->holds++;
        return;
    case SGC_RECORD_WEAK_NEW:
        (void)model_alive(event->object, event);
        return;
    case SGC_RECORD_WEAK_GET:
        if (event->value)
            model_alive(event->value, event)->holds++;
        return;
    case SGC_RECORD_DEATH:
        object = model_alive(event->object, event);
        REQUIRE(object->holds == 0);
        object->alive = false;
        return;
    default:
        return;
    }
}

static void model_reach(uint64_t address)
{
    while (address > 1 && !model_at(address)->reached) {
        model_at(address)->reached = true;
        model_reach(model_at(address)->fields[1]);
        address = model_at(address)->fields[0];
    }
}

static int model_compare(void *arg, struct sgc_cache *cache, void *object, size_t bytes, uint64_t count)
{
    (void)cache, (void)bytes, (void)count;
    REQUIRE(model_at((uintptr_t)object)->reached);
    ++*(size_t *)arg;
    return 0;
}

/* After a full collection: what the recording's end says lives, lives, and nothing else. */
static void model_check(const struct recording *recording)
{
    size_t n_live = 0, n_reached = 0;
    n_model = 0;
    model = calloc(MODEL_GRANULES, sizeof(*model));
    for (size_t i = 0; i < recording->n_events; i++)
        model_event(&recording->events[i]);
    for (size_t i = 0; i < n_model; i++)
        if (model[i].alive && model[i].holds)
            model_reach(sgc_arena.base + (i << 4));
    ck_assert_int_eq(sgc_heap_walk(heap, NULL, model_compare, &n_live), 0);
    for (size_t i = 0; i < n_model; i++)
        n_reached += model[i].reached;
    ck_assert_uint_eq(n_reached, n_live);
    free(model);
}

/* ---- threads that share objects */

#define N_SHARED 8
#define N_THREADS 3
static struct node *shared[N_SHARED];
static unsigned n_rounds;
static bool stop_threads;

static void shared_make(void)
{
    for (unsigned i = 0; i < N_SHARED; i++)
        shared[i] = new_node(nodes, NULL, NULL);
}

static void shared_drop(void)
{
    for (unsigned i = 0; i < N_SHARED; i++)
        sgc_drop(shared[i]);
}

/* Where readers take no lock (tracing), a section reads what others store. */
static void work_read(uint64_t *random)
{
    struct node *owner = shared[support_random(random) % N_SHARED], *found;
    if (heap->plugin != &tracing_plugin)
        return;
    sgc_enter();
    found = sgc_get(owner, left);
    sgc_hold(found);
    sgc_leave();
    if (found)
        sgc_set(shared[support_random(random) % N_SHARED], left, found);
    sgc_drop(found);
}

static void work_once(unsigned me, uint64_t *random)
{
    const unsigned at = support_random(random) % N_SHARED;
    struct node *node = sgc_new(nodes), *other;
    if (support_random(random) % 4 == 0)
        sgc_enter();
    sgc_set(node, right, shared[at]);
    if (at % N_THREADS == me)
        sgc_set(shared[at], right, node);
    other = sgc_xchg(shared[at], left, node);
    if (other && support_random(random) % 2)
        sgc_set(node, left, other);
    sgc_drop(other);
    if (sgc_context_.depth)
        sgc_leave();
    if (support_random(random) % 8 == 0) {
        struct sgc_weak *weak = sgc_weak_create(node);
        sgc_drop(node);
        node = sgc_weak_get(weak);
        sgc_weak_destroy(weak);
    }
    sgc_drop(node);
    if (heap->plugin == &tracing_plugin)
        work_read(random);
    else if (support_random(random) % 16 == 0)
        sgc_drop(sgc_xchg(shared[at], left, NULL));
}

/* Without a number of rounds the threads go on as long as others take: they collect what they leave behind, and the
 * heap stays within the model. */
static void *work_main(void *arg)
{
    const unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t random = me + 1;
    for (unsigned i = 1; n_rounds ? i <= n_rounds : !__atomic_load_n(&stop_threads, __ATOMIC_RELAXED); i++) {
        work_once(me, &random);
        if (!n_rounds && i % 10000 == 0)
            sgc_heap_collect(heap, SGC_COLLECT_FULL);
    }
    return NULL;
}

static void work_start(pthread_t threads[N_THREADS])
{
    __atomic_store_n(&stop_threads, false, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < N_THREADS; i++)
        threads[i] = support_thread("worker", work_main, (void *)(uintptr_t)i);
}

static void work_end(pthread_t threads[N_THREADS])
{
    __atomic_store_n(&stop_threads, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < N_THREADS; i++)
        join(threads[i]);
}

START_TEST(what_threads_do_at_once_can_be_replayed)
{
    pthread_t threads[N_THREADS];
    struct recording *recording = recording_begin(NULL);
    open_nodes(plugins[_i]);
    shared_make();
    n_rounds = 4000;
    work_start(threads);
    work_end(threads);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    (void)recording_end(recording);
    model_check(recording);
    ck_assert_uint_gt(recording->n_events, 4000 * N_THREADS * 4);
    recording_free(recording);
    assert_verifies(heap);
    shared_drop();
    close_heap(heap);
}
END_TEST

START_TEST(recordings_begin_and_end_while_threads_run)
{
    pthread_t threads[N_THREADS];
    open_nodes(plugins[_i]);
    shared_make();
    n_rounds = 0;
    work_start(threads);
    for (unsigned i = 0; i < 50; i++)
        recording_free(({
            struct recording *recording = recording_begin(NULL);
            sgc_heap_collect(heap, SGC_COLLECT_FULL);
            (void)recording_end(recording);
            recording;
        }));
    struct recording *last = recording_begin(NULL);
    for (unsigned i = 0; i < 3; i++)
        sgc_heap_collect(heap, SGC_COLLECT_FULL);
    work_end(threads);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    (void)recording_end(last);
    model_check(last);
    recording_free(last);
    assert_verifies(heap);
    shared_drop();
    close_heap(heap);
}
END_TEST

/* ---- one at a time, and of one strategy */

START_TEST(a_second_recording_is_refused)
{
    struct recording *recording = recording_begin(NULL), other;
    struct sgc_error error;
    recording_pair(&other);
    ck_assert(sgc_record_is_running());
    ck_assert_int_eq(sgc_record_start(&(struct sgc_record_options){.fd = other.writer}, &error), -EBUSY);
    ck_assert_int_eq(fcntl(other.writer, F_GETFD), -1); /* it was the recorder's to close */
    close(other.reader);
    (void)recording_end(recording);
    recording_free(recording);
    ck_assert(!sgc_record_is_running());
    ck_assert_int_eq(sgc_record_stop(&(struct sgc_record_totals){0}, &error), -ENOENT);
}
END_TEST

START_TEST(only_a_packet_socket_will_do)
{
    int fds[2];
    struct sgc_error error;
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(sgc_record_start(&(struct sgc_record_options){.fd = fds[1]}, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, "SOCK_SEQPACKET"));
    close(fds[0]);
    ck_assert(!sgc_record_is_running());
}
END_TEST

START_TEST(a_recorded_heap_is_not_switched)
{
    const uint64_t no_params[1] = {0};
    struct sgc_error error;
    open_nodes(&sharing_plugin);
    struct recording *recording = recording_begin(NULL);
    ck_assert_int_eq(sgc_heap_switch_strategy(heap, &tracing_plugin, no_params, &error), -EBUSY);
    ck_assert_ptr_nonnull(strstr(error.message, "is being recorded"));
    (void)recording_end(recording);
    recording_free(recording);
    ck_assert_int_eq(sgc_heap_switch_strategy(heap, &tracing_plugin, no_params, &error), 0);
    close_heap(heap);
}
END_TEST

START_TEST(one_heap_of_several_may_be_recorded)
{
    struct names names = {.n = 0};
    open_nodes(plugins[_i]);
    struct sgc_heap *other = open_limited("other", plugins[_i], 0, 0);
    struct sgc_cache *others = make_cache(other, &node_type);
    struct node *theirs = new_node(others, NULL, NULL);
    struct recording *recording = recording_begin(&(struct sgc_record_options){.heap = "recorded"});
    struct node *mine = sgc_new(nodes);
    name_it(&names, "mine", mine);
    sgc_set(theirs, left, theirs);
    sgc_hold(theirs);
    sgc_set(mine, left, mine);
    sgc_drop(theirs);
    (void)recording_end(recording);
    expect_events(recording, &names, "new:1 mine; store mine.0=mine");
    recording_free(recording);
    sgc_set(mine, left, NULL);
    sgc_set(theirs, left, NULL);
    sgc_drop(mine);
    sgc_drop(theirs);
    close_heap(heap);
    close_heap(other);
}
END_TEST

/* ---- samples */

START_TEST(a_sample_has_both_ends_of_its_objects)
{
    enum { N = 20000 };
    static struct node *all[N];
    size_t n_new = 0, n_death = 0;
    open_nodes(plugins[_i]);
    struct recording *recording = recording_begin(&(struct sgc_record_options){.sample = 16});
    ck_assert(!sgc_recording_all() && sgc_record_is_running());
    for (size_t i = 0; i < N; i++)
        all[i] = new_node(nodes, i ? all[i - 1] : NULL, NULL);
    for (size_t i = 0; i < N; i++)
        sgc_drop(all[i]);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    (void)recording_end(recording);
    for (size_t i = 0; i < recording->n_events; i++) {
        n_new += recording->events[i].op == SGC_RECORD_NEW;
        n_death += recording->events[i].op == SGC_RECORD_DEATH;
    }
    ck_assert_uint_eq(n_new, n_death);
    ck_assert_uint_eq(n_new + n_death, recording->n_events);
    ck_assert(n_new > N / 16 / 2 && n_new < N / 16 * 2);
    ck_assert_ptr_nonnull(strstr(recording->text[SGC_RECORDING_BEGIN], "\"mode\":\"sampled\",\"sample\":16"));
    recording_free(recording);
    close_heap(heap);
}
END_TEST

/* ---- fork */

#ifndef SGC_TSAN /* it allows no thread after a fork with threads */

static void in_child(void *arg)
{
    struct node *node = arg;
    ck_assert(!sgc_record_is_running());
    ck_assert(sgc_arena_covers_plainly(node) && !(sgc_stop_flag & SGC_STOP_RECORDING));
    sgc_set(node, left, node);
    sgc_set(node, left, NULL);
    sgc_heap_collect(heap, SGC_COLLECT_FULL);
    struct recording *recording = recording_begin(NULL);
    sgc_hold(node);
    sgc_drop(node);
    (void)recording_end(recording);
    ck_assert_uint_ge(recording->n_events, 3);
    recording_free(recording);
}

START_TEST(a_recording_stays_with_the_parent_of_a_fork)
{
    int status;
    struct names names = {.n = 0};
    open_nodes(plugins[_i]);
    struct recording *recording = recording_begin(NULL);
    struct node *node = sgc_new(nodes);
    name_it(&names, "node", node);
    recording_wait(recording);
    const pid_t child = fork();
    if (child == 0) {
        in_child(node);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sgc_hold(node);
    sgc_drop(node);
    (void)recording_end(recording);
    expect_events(recording, &names, "new:1 node; hold node; drop node");
    recording_free(recording);
    sgc_drop(node);
    close_heap(heap);
}
END_TEST

#endif

/* ---- the exit */

START_TEST(an_exit_ends_the_recording)
{
    int status;
    static struct recording *recording; /* static: the child does not free it */
    recording = malloc(sizeof(*recording));
    recording_pair(recording);
    const pid_t child = fork();
    if (child == 0) {
        struct sgc_error error;
        close(recording->reader);
        if (sgc_record_start(&(struct sgc_record_options){.fd = recording->writer}, &error) < 0)
            _exit(1);
        open_nodes(plugins[_i]);
        sgc_hold(sgc_new(nodes));
        exit(0);
    }
    close(recording->writer);
    ck_assert_int_eq(pthread_create(&recording->thread, NULL, recording_drain, recording), 0);
    recording_decode(recording);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert(recording->ended);
    ck_assert_ptr_nonnull(strstr(recording->text[SGC_RECORDING_END], "\"reason\":\"exit\",\"live\":{\"recorded\":1}"));
    ck_assert_uint_eq(recording->n_events, 4);
    recording_free(recording);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tcase = tcase_create("recordings");
    tcase_set_timeout(tcase, 110);
    tcase_add_loop_test(tcase, what_threads_do_at_once_can_be_replayed, 0, 2);
    tcase_add_loop_test(tcase, recordings_begin_and_end_while_threads_run, 0, 2);
    tcase_add_test(tcase, a_second_recording_is_refused);
    tcase_add_test(tcase, only_a_packet_socket_will_do);
    tcase_add_test(tcase, a_recorded_heap_is_not_switched);
    tcase_add_loop_test(tcase, one_heap_of_several_may_be_recorded, 0, 2);
    tcase_add_loop_test(tcase, a_sample_has_both_ends_of_its_objects, 0, 2);
#ifndef SGC_TSAN
    tcase_add_loop_test(tcase, a_recording_stays_with_the_parent_of_a_fork, 0, 2);
#endif
    tcase_add_loop_test(tcase, an_exit_ends_the_recording, 0, 2);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
