/* control_work_test.c - commands that wait keep nobody else waiting. */
#include "core/cache/call.h"
#include "core/heap/heap.h"
#include "core/os/fault.h"

#include "tests/runtime/control_kit.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COLLECT "{\"command\":\"collect\",\"kind\":\"full\"}"

/* A section that lasts until it is told to end: every stop waits for it. */
static struct stall {
    pthread_t thread;
    sem_t begun, end;
} stall;

static void *stall_run(void *unused)
{
    (void)unused;
    sgc_enter();
    sem_post(&stall.begun);
    while (sem_wait(&stall.end))
        continue;
    sgc_leave();
    return NULL;
}

static void stall_begin(void)
{
    sem_init(&stall.begun, 0, 0);
    sem_init(&stall.end, 0, 0);
    ck_assert_int_eq(pthread_create(&stall.thread, NULL, stall_run, NULL), 0);
    while (sem_wait(&stall.begun))
        continue;
}

/* A command waits for the section. */
static void stall_await(void)
{
    while (!(__atomic_load_n(&sgc_stop_flag, __ATOMIC_ACQUIRE) & SGC_STOP_NOW))
        sched_yield();
}

static void stall_end(void)
{
    sem_post(&stall.end);
    ck_assert_int_eq(pthread_join(stall.thread, NULL), 0);
}

static struct sgc_heap *begin(void)
{
    struct sgc_error error = {0};
    control_config(NULL);
    struct sgc_heap *heap = sgc_heap_open("words", &(struct sgc_heap_options){.strategy = "good"}, &error);
    ck_assert_msg(heap != NULL, "%s", error.message);
    return heap;
}

static uint64_t n_collections(struct sgc_heap *heap)
{
    struct sgc_stats stats;
    sgc_heap_stats(heap, &stats);
    return stats.n_full;
}

/* What others said or did before this call has been seen by the server when it returns: a round that sees the second
 * request began after the answer to the first. */
static void two_rounds(int fd)
{
    json_decref(control_result(fd, "{\"command\":\"hello\"}"));
    json_decref(control_result(fd, "{\"command\":\"hello\"}"));
}

static void expect_collected(int fd)
{
    char *line = control_hear(fd);
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, "\"ok\":true"));
    free(line);
}

START_TEST(figures_are_answered_while_a_command_waits_for_a_stop)
{
    static const char *const at_once[] = {"hello", "schema", "stat", "caches", "log", "go"};
    struct sgc_heap *heap = begin();
    int waits = control_connect("socket"), fd = control_connect("socket");
    stall_begin();
    control_say(waits, COLLECT);
    stall_await();
    for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]); i++) {
        char request[64];
        snprintf(request, sizeof(request), "{\"command\":\"%s\"}", at_once[i]);
        control_say(fd, request);
        char *line;
        while ((line = control_hear(fd)) && !strstr(line, "\"ok\":")) /* pieces of the log */
            free(line);
        ck_assert_msg(line && strstr(line, "\"ok\":true"), "%s: %s", at_once[i], line);
        free(line);
    }
    ck_assert_uint_eq(n_collections(heap), 0);
    stall_end();
    expect_collected(waits);
    ck_assert_uint_eq(n_collections(heap), 1);
}
END_TEST

START_TEST(commands_that_wait_run_one_after_the_other)
{
    struct sgc_heap *heap = begin();
    int fds[4];
    for (size_t i = 0; i < 4; i++)
        fds[i] = control_connect("socket");
    stall_begin();
    for (size_t i = 0; i < 4; i++)
        control_say(fds[i], i == 2 ? "{\"command\":\"verify\"}" : COLLECT);
    stall_end();
    for (size_t i = 0; i < 4; i++)
        expect_collected(fds[i]);
    ck_assert_uint_eq(n_collections(heap), 3);
}
END_TEST

START_TEST(who_leaves_before_its_turn_has_asked_for_nothing)
{
    struct sgc_heap *heap = begin();
    int waits = control_connect("socket"), queued = control_connect("socket"), fd = control_connect("socket");
    stall_begin();
    control_say(waits, COLLECT);
    stall_await();
    control_say(queued, COLLECT);
    two_rounds(fd);
    close(queued);
    two_rounds(fd);
    stall_end();
    expect_collected(waits);
    json_decref(control_result(fd, "{\"command\":\"get\"}")); /* behind all that was queued */
    ck_assert_uint_eq(n_collections(heap), 1);
}
END_TEST

START_TEST(who_leaves_while_its_command_runs_makes_room_when_it_is_over)
{
    struct sgc_heap *heap = begin();
    int waits = control_connect("socket"), fd = control_connect("socket"), more[7];
    stall_begin();
    control_say(waits, COLLECT);
    stall_await();
    close(waits);
    two_rounds(fd);
    stall_end();
    json_decref(control_result(fd, "{\"command\":\"get\"}"));
    ck_assert_uint_eq(n_collections(heap), 1);
    for (size_t i = 0; i < 7; i++) { /* the server may look at the one that left a moment later */
        json_t *answer;
        bool served;
        do {
            more[i] = control_connect("socket");
            answer = control_ask(more[i], "{\"command\":\"hello\"}");
            served = json_is_true(json_object_get(answer, "ok"));
            json_decref(answer);
            if (!served)
                close(more[i]);
        } while (!served);
    }
}
END_TEST

/* Exit status 0: the second thread was refused, and the command answered all the same; so was the next. 3: another call
 * failed. */
static void collect_with_fault(void *number)
{
    struct sgc_heap *heap = begin();
    int fd = control_connect("socket");
    json_decref(control_result(fd, "{\"command\":\"hello\"}"));
    sgc_os_fault_arm(*(unsigned *)number, false);
    control_say(fd, COLLECT);
    free(control_hear(fd)); /* NULL where it could not be read or answered */
    const bool refused = sgc_os_fault_fired() && strcmp(sgc_os_fault_fired_call(), "pthread_create") == 0;
    sgc_os_fault_disarm();
    if (!refused)
        _exit(3);
    ck_assert_uint_eq(n_collections(heap), 1);
    control_say(fd, COLLECT);
    expect_collected(fd);
    ck_assert_uint_eq(n_collections(heap), 2);
    _exit(0);
}

/* The gate of pthread_create is the second, or the third when the server had not begun to poll before the first. */
START_TEST(without_a_second_thread_commands_are_answered_all_the_same)
{
    int status = -1;
    for (unsigned i = 0; i < 200 && status != 0; i++) {
        char out[2048];
        unsigned number = 2 + i % 2;
        status = support_run_child(collect_with_fault, &number, out, sizeof(out));
        ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3), "call %u: %x %s",
                      number, status, out);
    }
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control work");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 110);
    tcase_add_test(all, figures_are_answered_while_a_command_waits_for_a_stop);
    tcase_add_test(all, commands_that_wait_run_one_after_the_other);
    tcase_add_test(all, who_leaves_before_its_turn_has_asked_for_nothing);
    tcase_add_test(all, who_leaves_while_its_command_runs_makes_room_when_it_is_over);
    tcase_add_test(all, without_a_second_thread_commands_are_answered_all_the_same);
    suite_add_tcase(suite, all);
    return support_main(suite);
}
