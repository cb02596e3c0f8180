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
        ;
    return recording_drain(recording);
}

static void *store_much(void *arg)
{
    struct node *node = arg;
    for (unsigned i = 0; i < 2000000; i++)
        sgc_set(node, left, i & 1 ? node : NULL);
    sgc_set(node, left, NULL);
    return NULL;
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
        ;
    __atomic_store_n(&reader_may_begin, true, __ATOMIC_RELEASE);
    join(thread);
    struct sgc_record_totals totals = recording_end(recording);
    ck_assert_uint_gt(recording->n_events, 2000000);
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
    ck_assert(sgc_arena_covers_plainly(node));
    ck_assert_int_eq(sgc_record_stop(&totals, &error), -EPIPE);
    ck_assert_ptr_nonnull(strstr(error.message, "its reader left"));
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
    sgc_record_reader_ns = 200000000;
    open_nodes(plugins[_i]);
    struct node *node = new_node(nodes, NULL, NULL);
    recording_pair(&recording);
    ck_assert_int_eq(
        sgc_record_start(&(struct sgc_record_options){.fd = recording.writer, .budget_bytes = 1 << 19}, &error), 0);
    sgc_enter();
    for (unsigned i = 0; i < 2000000; i++) /* more than socket and budget hold: without the end this would not end */
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

int main(void)
{
    Suite *suite = suite_create("record_queue");
    TCase *tcase = tcase_create("recordings");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_program_waits_for_a_slow_reader, 0, 2);
    tcase_add_loop_test(tcase, a_reader_that_leaves_ends_the_recording_and_nothing_else, 0, 2);
    tcase_add_loop_test(tcase, a_reader_that_takes_nothing_ends_the_recording, 0, 2);
    tcase_add_loop_test(tcase, what_a_thread_at_rest_did_is_seen_soon, 0, 2);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
