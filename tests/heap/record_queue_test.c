/* record_queue_test.c - readers that are slow, leave, or take nothing; and what a thread that rests did before. */
#include "core/heap/record_stream.h"
#include "tests/heap/recording.h"

static const struct sgc_strategy_plugin *const plugins[] = {&sharing_plugin, &tracing_plugin};
static struct sgc_heap *heap;
static struct sgc_cache *nodes;
static bool reader_may_begin; /* atomic */

static void open_nodes(const struct sgc_strategy_plugin *plugin)
{
    heap = open_limited("recorded", plugin, 0, 0);
    nodes = make_cache(heap, &node_type);
}

static void *slow_reader(void *arg)
{
    struct recording *recording = arg;
    while (!__atomic_load_n(&reader_may_begin, __ATOMIC_ACQUIRE))
        sched_yield();
    return recording_drain(recording);
}

/* More than socket and buffers hold, whatever that is on this machine: until the reader may begin. */
static void *store_much(void *arg)
{
    struct node *node = arg;
    uintptr_t n = 1;
    for (; !__atomic_load_n(&reader_may_begin, __ATOMIC_ACQUIRE); n++)
        sgc_set(node, left, n & 1 ? node : NULL);
    sgc_set(node, left, NULL);
    return (void *)n;
}

/* The buffers are few, and the reader begins late: the program waits, and nothing is lost. */
START_TEST(a_program_waits_for_a_slow_reader)
{
    struct recording *recording = malloc(sizeof(*recording));
    struct sgc_error error;
    open_nodes(plugins[_i]);
    struct node *node = new_node(nodes, NULL, NULL);
    recording_pair(recording);
    reader_may_begin = false;
    ck_assert_int_eq(pthread_create(&recording->thread, NULL, slow_reader, recording), 0);
    ck_assert_int_eq(
        sgc_record_start(&(struct sgc_record_options){.fd = recording->writer, .budget_bytes = 1 << 19}, &error), 0);
    pthread_t thread = support_thread("storing", store_much, node);
    while (!sgc_record_queue_is_full())
        sched_yield();
    __atomic_store_n(&reader_may_begin, true, __ATOMIC_RELEASE);
    void *n_stored;
    ck_assert_int_eq(pthread_join(thread, &n_stored), 0);
    struct sgc_record_totals totals = recording_end(recording);
    ck_assert_uint_gt(recording->n_events, (uintptr_t)n_stored); /* the object's own beginning, too */
    ck_assert_uint_gt(totals.waited_ns, 0);
    recording_free(recording);
    sgc_drop(node);
    close_heap(heap);
}
END_TEST

START_TEST(a_reader_that_leaves_ends_the_recording_and_nothing_else)
{
    struct recording recording;
    struct sgc_record_totals totals;
    struct sgc_error error;
    open_nodes(plugins[_i]);
    struct node *node = new_node(nodes, NULL, NULL);
    recording_pair(&recording);
    ck_assert_int_eq(sgc_record_start(&(struct sgc_record_options){.fd = recording.writer}, &error), 0);
    close(recording.reader);
    while (sgc_record_is_running())
        sgc_set(node, left, node);
    ck_assert_int_eq(sgc_record_stop(&totals, &error), -EPIPE); /* waits for the stop at which the writer ends it */
    ck_assert_ptr_nonnull(strstr(error.message, "its reader left"));
    ck_assert(sgc_arena_covers_plainly(node));
    sgc_set(node, left, NULL);
    sgc_drop(node);
    assert_verifies(heap);
    struct recording *next = recording_begin(NULL);
    (void)recording_end(next);
    recording_free(next);
    close_heap(heap);
}
END_TEST

/* Nobody ever reads, and a thread waits in a section. */
START_TEST(a_reader_that_takes_nothing_ends_the_recording)
{
    struct recording recording;
    struct sgc_record_totals totals;
    struct sgc_error error;
    open_nodes(plugins[_i]);
    struct node *node = new_node(nodes, NULL, NULL);
    recording_pair(&recording);
    sgc_record_reader_ns = 200000000;
    ck_assert_int_eq(
        sgc_record_start(&(struct sgc_record_options){.fd = recording.writer, .budget_bytes = 1 << 19}, &error), 0);
    sgc_enter();
    for (unsigned i = 0; !sgc_record_queue_failed(); i++) /* without the end the thread would wait for ever */
        sgc_set(node, left, i & 1 ? node : NULL);
    sgc_set(node, left, NULL);
    sgc_leave();
    while (sgc_record_is_running())
        sched_yield();
    ck_assert_int_eq(sgc_record_stop(&totals, &error), -EPIPE);
    ck_assert_ptr_nonnull(strstr(error.message, "its reader took nothing for too long"));
    close(recording.reader);
    sgc_drop(node);
    assert_verifies(heap);
    close_heap(heap);
}
END_TEST

static void *rest_main(void *arg)
{
    int *pipes = arg;
    char byte;
    sgc_drop(sgc_new(nodes));
    ck_assert_int_eq(write(pipes[1], "x", 1), 1);
    ck_assert_int_eq(read(pipes[2], &byte, 1), 1);
    return NULL;
}

/* Nobody makes the thread record again, and the recording is not over. */
START_TEST(what_a_thread_at_rest_did_is_seen_soon)
{
    int there[2], back[2];
    char byte;
    struct recording recording;
    struct sgc_error error;
    bool seen = false;
    open_nodes(plugins[_i]);
    recording_pair(&recording);
    ck_assert_int_eq(sgc_record_start(&(struct sgc_record_options){.fd = recording.writer}, &error), 0);
    ck_assert(pipe(there) == 0 && pipe(back) == 0);
    pthread_t thread = support_thread("resting", rest_main, (int[]){there[0], there[1], back[0]});
    ck_assert_int_eq(read(there[0], &byte, 1), 1);
    while (!seen) {
        uint8_t bytes[SGC_RECORDING_MESSAGE_BYTES] __attribute__((aligned(16)));
        ck_assert_int_gt(recv(recording.reader, bytes, sizeof(bytes), 0), 0);
        const struct sgc_recording_chunk *chunk = (const struct sgc_recording_chunk *)bytes;
        seen = chunk->message.kind == SGC_RECORDING_CHUNK;
    }
    ck_assert_int_eq(write(back[1], "x", 1), 1);
    join(thread);
    close(recording.reader);
    (void)sgc_record_stop(&(struct sgc_record_totals){0}, &error);
    close_heap(heap);
}
END_TEST

/* ---- the queue alone */

/* A queue whose socket takes nothing before the reader reads. */
static void queue_begin(struct recording *recording, uint64_t budget_bytes)
{
    static const uint8_t zeros[4096];
    struct sgc_error error;
    recording_pair(recording);
    ck_assert_int_eq(sgc_record_queue_open(recording->writer, budget_bytes, &error), 0);
    while (send(recording->writer, zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
        ;
}

static void queue_end(struct recording *recording)
{
    struct sgc_record_totals totals;
    ck_assert_ptr_null(sgc_record_queue_close(&totals));
    ck_assert_int_eq(pthread_join(recording->thread, NULL), 0);
    close(recording->reader);
    free(recording->bytes);
}

static void *take_one(void *buffer)
{
    *(struct sgc_record_buffer **)buffer = sgc_record_buffer_take();
    return NULL;
}

/* Four threads have begun chunks, which is the budget, and a fifth waits while its description goes out. */
START_TEST(nobody_waits_for_a_chunk_when_nothing_is_on_its_way)
{
    struct recording recording;
    struct sgc_record_buffer *buffers[5];
    pthread_t thread;
    queue_begin(&recording, 1);
    for (unsigned i = 0; i < 4; i++)
        buffers[i] = sgc_record_buffer_take();
    sgc_record_message_send(SGC_RECORDING_THREAD, "{}", 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_one, &buffers[4]), 0);
    while (!sgc_record_queue_is_full())
        sched_yield();
    ck_assert_int_eq(pthread_create(&recording.thread, NULL, recording_drain, &recording), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_ptr_nonnull(buffers[i]);
        buffers[i]->n_bytes = 0;
        sgc_record_buffer_send(buffers[i]);
    }
    queue_end(&recording);
}
END_TEST

START_TEST(a_budget_beyond_all_memory_is_no_small_one)
{
    struct recording recording;
    struct sgc_record_totals totals;
    queue_begin(&recording, UINT64_C(1) << 48); /* 2^32 buffers */
    for (unsigned i = 0; i < 32; i++) {
        struct sgc_record_buffer *buffer = sgc_record_buffer_take();
        ck_assert_ptr_nonnull(buffer);
        memset(buffer->data, 0, SGC_RECORDING_MESSAGE_BYTES);
        buffer->n_bytes = SGC_RECORDING_MESSAGE_BYTES;
        sgc_record_buffer_send(buffer);
    }
    sgc_record_queue_totals(&totals);
    ck_assert_uint_eq(totals.waited_ns, 0);
    ck_assert_int_eq(pthread_create(&recording.thread, NULL, recording_drain, &recording), 0);
    queue_end(&recording);
}
END_TEST

static void *send_without_end(void *n_sent)
{
    struct sgc_record_buffer *buffer;
    while ((buffer = sgc_record_buffer_take())) {
        buffer->n_bytes = SGC_RECORDING_MESSAGE_BYTES;
        sgc_record_buffer_send(buffer);
        __atomic_fetch_add((unsigned *)n_sent, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* A reader that keeps nothing: how much comes before the queue closes is a matter of the scheduler. */
static void *read_and_forget(void *arg)
{
    static uint8_t bytes[SGC_RECORDING_MESSAGE_BYTES];
    const struct recording *recording = arg;
    while (recv(recording->reader, bytes, sizeof(bytes), 0) > 0)
        continue;
    return NULL;
}

/* An exit from inside a section stops nobody. */
START_TEST(a_queue_that_closes_does_not_wait_for_who_goes_on)
{
    struct recording recording;
    pthread_t threads[2];
    unsigned n_sent = 0;
    queue_begin(&recording, 0);
    ck_assert_int_eq(pthread_create(&recording.thread, NULL, read_and_forget, &recording), 0);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_without_end, &n_sent), 0);
    while (__atomic_load_n(&n_sent, __ATOMIC_RELAXED) < 100)
        sched_yield();
    queue_end(&recording);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record_queue");
    TCase *tcase = tcase_create("recordings");
    tcase_set_timeout(tcase, 110);
    tcase_add_loop_test(tcase, a_program_waits_for_a_slow_reader, 0, 2);
    tcase_add_loop_test(tcase, a_reader_that_leaves_ends_the_recording_and_nothing_else, 0, 2);
    tcase_add_loop_test(tcase, a_reader_that_takes_nothing_ends_the_recording, 0, 2);
    tcase_add_loop_test(tcase, what_a_thread_at_rest_did_is_seen_soon, 0, 2);
    tcase_add_test(tcase, nobody_waits_for_a_chunk_when_nothing_is_on_its_way);
    tcase_add_test(tcase, a_budget_beyond_all_memory_is_no_small_one);
    tcase_add_test(tcase, a_queue_that_closes_does_not_wait_for_who_goes_on);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
