/* control_record_test.c - record and record_stop over a control socket, with a reader of the recording. */
#include "tests/runtime/control_kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <slabgc/recording.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct reader {
    int fd;
    pthread_t thread;
    size_t n_bytes, n_of_kind[SGC_RECORDING_END + 1];
    char last[1024]; /* the text of the end */
};

static void *reader_main(void *arg)
{
    struct reader *reader = arg;
    static char bytes[SGC_RECORDING_MESSAGE_BYTES] __attribute__((aligned(16)));
    ssize_t n;
    while ((n = recv(reader->fd, bytes, sizeof(bytes), 0)) > 0) {
        const struct sgc_recording_message *message = (const struct sgc_recording_message *)bytes;
        reader->n_bytes += (size_t)n;
        reader->n_of_kind[message->kind]++;
        if (message->kind == SGC_RECORDING_END)
            memcpy(reader->last, message + 1, (size_t)n - sizeof(*message));
    }
    return NULL;
}

/* Asks with a descriptor; what the answer is. */
static json_t *ask_with(int fd, const char *request, int passed)
{
    struct iovec part = {(void *)(uintptr_t)request, strlen(request)};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &passed, sizeof(int));
    ck_assert_int_eq(sendmsg(fd, &message, 0), (ssize_t)strlen(request));
    close(passed);
    char *line = control_hear(fd);
    json_t *answer = json_loads(line, 0, NULL);
    free(line);
    return answer;
}

static json_t *record(int fd, const char *request, struct reader *reader)
{
    int ends[2];
    memset(reader, 0, sizeof(*reader));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    reader->fd = ends[0];
    ck_assert_int_eq(pthread_create(&reader->thread, NULL, reader_main, reader), 0);
    return ask_with(fd, request, ends[1]);
}

static void reader_end(struct reader *reader)
{
    ck_assert_int_eq(pthread_join(reader->thread, NULL), 0);
    close(reader->fd);
}

struct bytes {
    char bytes[48];
};
static const struct sgc_type bytes_type = SGC_TYPE(struct bytes);

static void work(struct sgc_heap *heap)
{
    static struct sgc_cache *cache;
    if (!cache)
        cache = sgc_cache_create(heap, &bytes_type, NULL);
    ck_assert_ptr_nonnull(cache);
    for (unsigned i = 0; i < 1000; i++)
        sgc_drop(sgc_new(cache));
}

START_TEST(a_recording_begins_and_ends_by_command)
{
    struct reader reader;
    struct sgc_heap *heap = control_start(NULL);
    int fd = control_connect("socket");
    json_t *answer = record(fd, "{\"command\":\"record\"}\n", &reader);
    ck_assert_str_eq(control_text(answer, "result.mode"), "replayable");
    json_decref(answer);
    work(heap);
    answer = control_result(fd, "{\"command\":\"hello\"}");
    ck_assert(json_is_true(control_at(answer, "recording")));
    json_decref(answer);
    answer = control_result(fd, "{\"command\":\"record_stop\"}");
    reader_end(&reader);
    ck_assert_int_ge(control_number(answer, "events"), 3000);
    ck_assert_int_eq(control_number(answer, "bytes"), (json_int_t)reader.n_bytes);
    ck_assert_int_eq(control_number(answer, "waited_ns"), 0);
    ck_assert_ptr_nonnull(strstr(reader.last, "\"live\":{\"words\":0}"));
    ck_assert(reader.n_of_kind[SGC_RECORDING_HEAP] == 1 && reader.n_of_kind[SGC_RECORDING_CACHE] == 1);
    json_decref(answer);
    answer = control_result(fd, "{\"command\":\"hello\"}");
    ck_assert(json_is_false(control_at(answer, "recording")));
    json_decref(answer);
    control_refused(fd, "{\"command\":\"record_stop\"}", "ENOENT", "no recording of this process runs");
}
END_TEST

START_TEST(what_cannot_be_recorded_is_refused)
{
    struct reader reader, second;
    int ends[2];
    control_start(NULL);
    int fd = control_connect("socket");
    control_refused(fd, "{\"command\":\"record\"}", "EINVAL",
                    "record needs a SOCK_SEQPACKET socket to write to, sent along with the request");
    control_refused(fd, "{\"command\":\"record\",\"sample\":0}", "EINVAL",
                    "sample is 0: one object in how many? 1 records everything");
    control_refused(fd, "{\"command\":\"record\",\"heap\":\"wrods\"}", "EINVAL",
                    "no heap \"wrods\"; did you mean \"words\"?");
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    json_t *answer = ask_with(fd, "{\"command\":\"record\"}\n", ends[1]);
    ck_assert_str_eq(control_text(answer, "error.code"), "EINVAL");
    json_decref(answer);
    char byte;
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    answer = record(fd, "{\"command\":\"record\",\"heap\":\"words\",\"sample\":8}\n", &reader);
    ck_assert_str_eq(control_text(answer, "result.mode"), "sampled");
    json_decref(answer);
    answer = record(fd, "{\"command\":\"record\"}\n", &second);
    ck_assert_str_eq(control_text(answer, "error.code"), "EBUSY");
    json_decref(answer);
    reader_end(&second);
    json_decref(control_result(fd, "{\"command\":\"record_stop\"}"));
    reader_end(&reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_record");
    TCase *tcase = tcase_create("recordings");
    tcase_add_test(tcase, a_recording_begins_and_ends_by_command);
    tcase_add_test(tcase, what_cannot_be_recorded_is_refused);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
