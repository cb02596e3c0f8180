/* record_queue.c - buffers of a recording on their way to its reader: the queue, its budget, and the writer.
 * Called by record_event.c and record_text.c (send), by record.c (open, close).
 * The writer is a thread of core's, not attached: no stop waits for it. It sends the queue in order; while it is idle
 * it asks once in a while that threads at rest give up what they have (record.c), for whoever looks on. Invariant:
 * n_buffers counts chunks' buffers, wherever they are; at most max_buffers while one of them is queued or being sent.
 * So who waits, waits for the reader alone, and threads that keep half-full chunks block nobody. Bound: a reader that
 * takes nothing for sgc_record_reader_ns fails the recording; from then on every call here is a no-op and nobody waits.
 * Lock: sgc_record_queue_lock, rank RECORD; a leaf but for META. The program's threads wait under it, in sections and
 *   even at stops: a recording loses nothing. */
#include "core/base/panic.h"
#include "core/heap/record_stream.h"
#include "core/os/clock.h"
#include "core/os/meta.h"
#include "core/os/packet.h"
#include "core/os/thread.h"
#include <errno.h>
#include <string.h>
#include <time.h>

#define RECORD_BUDGET_BYTES ((uint64_t)64 << 20)
#define RECORD_IDLE_NS UINT64_C(250000000) /* between looks at what threads at rest have */
#define RECORD_POLL_MS 100
#define RECORD_SOCKET_BYTES (1u << 20)
#define RECORD_MIN_BUFFERS 4

uint64_t sgc_record_reader_ns = UINT64_C(10000000000);
struct sgc_lock sgc_record_queue_lock = SGC_LOCK_INIT(SGC_RANK_RECORD, "recording");

static struct {
    struct sgc_record_buffer *first, **last; /* queued */
    struct sgc_record_buffer *spare;
    uint32_t n_buffers, max_buffers, n_queued; /* n_queued: the one being sent included */
    uint32_t n_waiting;                        /* threads that wait for a buffer */
    bool open, closing, failed, idle;          /* failed: atomic */
    const char *why;
    uint64_t n_bytes, waited_ns;
    int fd;
    pthread_t writer;
    pthread_cond_t work, space;
} queue;

static size_t buffer_bytes(size_t room_bytes)
{
    return sizeof(struct sgc_record_buffer) + room_bytes;
}

static bool buffer_is_chunk(const struct sgc_record_buffer *buffer)
{
    return buffer->room_bytes == SGC_RECORDING_MESSAGE_BYTES;
}

bool sgc_record_queue_failed(void)
{
    return __atomic_load_n(&queue.failed, __ATOMIC_RELAXED);
}

bool sgc_record_queue_is_full(void)
{
    SGC_GUARD(&sgc_record_queue_lock);
    return queue.n_waiting > 0;
}

bool sgc_record_queue_is_open(void)
{
    SGC_GUARD(&sgc_record_queue_lock);
    return queue.open;
}

/* ---- lock held */

static void buffer_put_locked(struct sgc_record_buffer *buffer)
{
    if (buffer_is_chunk(buffer) && !queue.failed && !queue.closing) {
        buffer->next = queue.spare;
        queue.spare = buffer;
        pthread_cond_signal(&queue.space);
        return;
    }
    queue.n_buffers -= buffer_is_chunk(buffer);
    sgc_meta_free(buffer, buffer_bytes(buffer->room_bytes));
}

static void queue_push_locked(struct sgc_record_buffer *buffer)
{
    buffer->next = NULL;
    *queue.last = buffer;
    queue.last = &buffer->next;
    queue.n_queued++;
    if (queue.idle)
        pthread_cond_signal(&queue.work);
}

static void queue_free_locked(struct sgc_record_buffer **list)
{
    while (*list) {
        struct sgc_record_buffer *buffer = *list;
        *list = buffer->next;
        queue.n_buffers -= buffer_is_chunk(buffer);
        sgc_meta_free(buffer, buffer_bytes(buffer->room_bytes));
    }
}

static void queue_fail_locked(const char *why)
{
    if (!queue.failed)
        queue.why = why;
    __atomic_store_n(&queue.failed, true, __ATOMIC_RELAXED);
    queue_free_locked(&queue.first);
    queue.last = &queue.first;
    queue.n_queued = 0;
    queue_free_locked(&queue.spare);
    pthread_cond_broadcast(&queue.space);
    pthread_cond_signal(&queue.work);
}

/* ---- what threads call */

void sgc_record_queue_fail(const char *why)
{
    SGC_GUARD(&sgc_record_queue_lock);
    queue_fail_locked(why);
}

static struct sgc_record_buffer *buffer_take_locked(void)
{
    uint64_t began_ns = 0;
    while (!queue.failed && !queue.spare && queue.n_buffers >= queue.max_buffers && queue.n_queued > 0) {
        if (!began_ns)
            began_ns = sgc_os_now_ns();
        queue.n_waiting++;
        pthread_cond_wait(&queue.space, &sgc_record_queue_lock.mutex);
        queue.n_waiting--;
    }
    if (began_ns)
        queue.waited_ns += sgc_os_now_ns() - began_ns;
    if (queue.failed)
        return NULL;
    struct sgc_record_buffer *buffer = queue.spare;
    if (buffer) {
        queue.spare = buffer->next;
        return buffer;
    }
    buffer = sgc_meta_alloc(buffer_bytes(SGC_RECORDING_MESSAGE_BYTES));
    if (!buffer) {
        queue_fail_locked("no memory for its buffers");
        return NULL;
    }
    buffer->room_bytes = SGC_RECORDING_MESSAGE_BYTES;
    queue.n_buffers++;
    return buffer;
}

struct sgc_record_buffer *sgc_record_buffer_take(void)
{
    SGC_GUARD(&sgc_record_queue_lock);
    return buffer_take_locked();
}

/* n_bytes 0: there is nothing in it. Who sends while the queue closes goes on at an exit, perhaps for ever. */
void sgc_record_buffer_send_locked(struct sgc_record_buffer *buffer)
{
    if (queue.failed || queue.closing || buffer->n_bytes == 0)
        buffer_put_locked(buffer);
    else
        queue_push_locked(buffer);
}

void sgc_record_buffer_send(struct sgc_record_buffer *buffer)
{
    SGC_GUARD(&sgc_record_queue_lock);
    sgc_record_buffer_send_locked(buffer);
}

void sgc_record_message_send(enum sgc_recording_kind kind, const char *text, size_t n_bytes)
{
    const size_t bytes = sizeof(struct sgc_recording_message) + n_bytes;
    struct sgc_record_buffer *buffer = sgc_meta_alloc(buffer_bytes(bytes));
    if (!buffer) {
        sgc_record_queue_fail("no memory for its buffers");
        return;
    }
    buffer->room_bytes = (uint32_t)bytes;
    buffer->n_bytes = (uint32_t)bytes;
    *(struct sgc_recording_message *)buffer->data =
        (struct sgc_recording_message){.bytes = (uint32_t)bytes, .kind = (uint32_t)kind};
    memcpy(buffer->data + sizeof(struct sgc_recording_message), text, n_bytes);
    sgc_record_buffer_send(buffer);
}

void sgc_record_queue_totals(struct sgc_record_totals *totals)
{
    SGC_GUARD(&sgc_record_queue_lock);
    totals->n_bytes = queue.n_bytes;
    totals->waited_ns = queue.waited_ns;
}

/* ---- the writer */

/* NULL, or why the recording ends. */
static const char *writer_send(const struct sgc_record_buffer *buffer)
{
    const uint64_t began_ns = sgc_os_now_ns();
    for (;;) {
        const int rc = sgc_os_packet_send(queue.fd, buffer->data, buffer->n_bytes);
        if (rc == 0)
            return NULL;
        if (rc != -EAGAIN)
            return "its reader left";
        if (sgc_record_queue_failed())
            return queue.why;
        (void)sgc_os_packet_wait(queue.fd, RECORD_POLL_MS);
        if (sgc_os_now_ns() - began_ns > sgc_record_reader_ns)
            return "its reader took nothing for too long";
    }
}

/* The next buffer to send. NULL: nothing came for a while, or the queue closes and is empty (*end). */
static struct sgc_record_buffer *writer_take(bool *end)
{
    SGC_GUARD(&sgc_record_queue_lock);
    if (!queue.first && !queue.closing && !queue.failed) {
        struct timespec until;
        const uint64_t until_ns = sgc_os_now_ns() + RECORD_IDLE_NS;
        until.tv_sec = (time_t)(until_ns / 1000000000);
        until.tv_nsec = (long)(until_ns % 1000000000);
        queue.idle = true;
        (void)pthread_cond_timedwait(&queue.work, &sgc_record_queue_lock.mutex, &until);
        queue.idle = false;
    }
    struct sgc_record_buffer *buffer = queue.first;
    *end = queue.failed || (!buffer && queue.closing);
    if (buffer) {
        queue.first = buffer->next;
        if (!queue.first)
            queue.last = &queue.first;
    }
    return buffer;
}

static void writer_sent(struct sgc_record_buffer *buffer, const char *why)
{
    SGC_GUARD(&sgc_record_queue_lock);
    if (queue.n_queued && --queue.n_queued == 0)
        pthread_cond_broadcast(&queue.space); /* nothing is on its way: who waits gets one beyond the budget */
    if (!why)
        queue.n_bytes += buffer->n_bytes;
    buffer_put_locked(buffer);
    if (why)
        queue_fail_locked(why);
}

static void *writer_main(void *unused)
{
    uint64_t looked_ns = sgc_os_now_ns();
    bool end = false;
    (void)unused;
    while (!end) {
        struct sgc_record_buffer *buffer = writer_take(&end);
        if (buffer)
            writer_sent(buffer, writer_send(buffer));
        const uint64_t now_ns = sgc_os_now_ns();
        if (!end && now_ns - looked_ns > RECORD_IDLE_NS) {
            looked_ns = now_ns;
            sgc_record_look();
        }
    }
    if (sgc_record_queue_failed())
        sgc_record_cut();
    return NULL;
}

/* ---- life */

static int queue_start_locked(int fd, uint64_t budget_bytes, struct sgc_error *error)
{
    pthread_condattr_t monotonic;
    const uint64_t budget = (budget_bytes ? budget_bytes : RECORD_BUDGET_BYTES) / SGC_RECORDING_MESSAGE_BYTES;
    queue.first = queue.spare = NULL;
    queue.last = &queue.first;
    queue.n_buffers = queue.n_queued = 0;
    queue.max_buffers = budget < RECORD_MIN_BUFFERS ? RECORD_MIN_BUFFERS
                        : budget > UINT32_MAX       ? UINT32_MAX
                                                    : (uint32_t)budget;
    queue.closing = queue.failed = queue.idle = false;
    queue.why = NULL;
    queue.n_bytes = queue.waited_ns = 0;
    queue.fd = fd;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.work, &monotonic);
    pthread_cond_init(&queue.space, NULL);
    pthread_condattr_destroy(&monotonic);
    const int rc = sgc_os_thread_start(&queue.writer, "sgc-recorder", writer_main, NULL);
    if (rc < 0)
        return sgc_error_set(error, rc, "recording: no thread to write it: %s", strerror(-rc));
    queue.open = true;
    return 0;
}

int sgc_record_queue_open(int fd, uint64_t budget_bytes, struct sgc_error *error)
{
    const int rc = sgc_os_packet_prepare(fd, RECORD_SOCKET_BYTES);
    if (rc < 0)
        return sgc_error_set(error, -EINVAL, "recording: the descriptor is no SOCK_SEQPACKET socket: %s",
                             strerror(-rc));
    SGC_GUARD(&sgc_record_queue_lock);
    return queue_start_locked(fd, budget_bytes, error);
}

const char *sgc_record_queue_close(struct sgc_record_totals *totals)
{
    sgc_lock_acquire(&sgc_record_queue_lock);
    queue.closing = true;
    pthread_cond_signal(&queue.work);
    sgc_lock_release(&sgc_record_queue_lock);
    sgc_os_thread_join(queue.writer);
    SGC_GUARD(&sgc_record_queue_lock);
    sgc_os_packet_close(queue.fd);
    queue_free_locked(&queue.first);
    queue_free_locked(&queue.spare);
    pthread_cond_destroy(&queue.work);
    pthread_cond_destroy(&queue.space);
    queue.open = false;
    __atomic_store_n(&queue.failed, true, __ATOMIC_RELAXED); /* for whoever records still, at an exit */
    totals->n_bytes = queue.n_bytes;
    totals->waited_ns = queue.waited_ns;
    return queue.why;
}

/* The writer is the parent's; what it had in hand is lost here. */
void sgc_record_queue_after_fork_child(void)
{
    if (!queue.open)
        return;
    queue.failed = true; /* what threads have is freed, not sent */
    queue_free_locked(&queue.first);
    queue_free_locked(&queue.spare);
    sgc_os_packet_close(queue.fd);
    queue.open = false;
}
