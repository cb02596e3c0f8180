/* samples.c - see samples.h. Costs the process two answers of its control thread for each sample; nobody is stopped. */
#include "tools/gcctl/samples.h"

#include "tools/gcctl/figures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define MOST_SAMPLES 1000

void gcctl_samples_init(struct gcctl_samples *samples)
{
    *samples = (struct gcctl_samples){.stats = json_array(), .events = json_array()};
}

void gcctl_samples_fini(struct gcctl_samples *samples)
{
    json_decref(samples->stats);
    json_decref(samples->events);
    *samples = (struct gcctl_samples){0};
}

bool gcctl_peer_ended(const struct gcctl_client *client)
{
    char byte;
    const ssize_t n = recv(gcctl_client_fd(client), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static int samples_event(void *arg, json_t *item)
{
    struct gcctl_samples *samples = arg;
    json_array_append(samples->events, item);
    return 0;
}

int gcctl_samples_log(struct gcctl_samples *samples, struct gcctl_client *client)
{
    int status = 0;
    samples->ended = samples->ended || gcctl_peer_ended(client);
    if (samples->ended)
        return EX_UNAVAILABLE;
    json_t *parameters = json_pack("{s:I}", "from", samples->next);
    json_t *result = gcctl_request(client, "log", parameters, samples_event, samples, &status);
    json_decref(parameters);
    if (!result) {
        samples->ended = gcctl_peer_ended(client);
        return status ? status : EX_UNAVAILABLE;
    }
    samples->next = json_integer_value(json_object_get(result, "next"));
    samples->lost += json_integer_value(json_object_get(result, "lost"));
    json_decref(result);
    return 0;
}

int gcctl_samples_take(struct gcctl_samples *samples, struct gcctl_client *client)
{
    int status = gcctl_samples_log(samples, client);
    if (status)
        return status;
    json_t *stat = gcctl_request(client, "stat", NULL, NULL, NULL, &status);
    if (!stat) {
        samples->ended = gcctl_peer_ended(client);
        return status ? status : EX_UNAVAILABLE;
    }
    json_array_append_new(samples->stats, stat);
    return 0;
}

static void samples_thin(struct gcctl_samples *samples)
{
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(samples->stats); i += 2)
        json_array_append(kept, json_array_get(samples->stats, i));
    json_decref(samples->stats);
    samples->stats = kept;
}

/* From here to messages_release, messages go to a file in memory: a process that ends amid a request is no error here.
 * The descriptor of stderr, or -1. */
static int messages_hold(int *kept)
{
    *kept = memfd_create("gcctl-messages", MFD_CLOEXEC);
    const int terminal = *kept < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (terminal >= 0)
        dup2(*kept, STDERR_FILENO);
    return terminal;
}

static void messages_release(int terminal, int kept, bool print)
{
    char text[1024];
    ssize_t n;
    if (terminal >= 0) {
        dup2(terminal, STDERR_FILENO);
        close(terminal);
        lseek(kept, 0, SEEK_SET);
    }
    while (terminal >= 0 && print && (n = read(kept, text, sizeof(text))) > 0)
        fwrite(text, 1, (size_t)n, stderr);
    if (kept >= 0)
        close(kept);
}

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

int gcctl_samples_watch(struct gcctl_samples *samples, struct gcctl_client *client, int64_t for_ns, int64_t interval_ns,
                        const volatile int *stop, int (*tick)(void *arg), void *arg)
{
    const int64_t began_ns = now_ns();
    int64_t next_ns = began_ns;
    int status = 0, kept;
    const int terminal = messages_hold(&kept);
    while (!status && !(stop && *stop)) {
        status = gcctl_samples_take(samples, client);
        if (!status && tick)
            status = tick(arg);
        if (json_array_size(samples->stats) >= MOST_SAMPLES) {
            samples_thin(samples);
            interval_ns *= 2;
        }
        next_ns += interval_ns;
        if (next_ns - began_ns > for_ns)
            break;
        const int64_t left_ns = next_ns - now_ns();
        const struct timespec time = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
        if (left_ns > 0)
            nanosleep(&time, NULL);
        else
            next_ns = now_ns();
    }
    messages_release(terminal, kept, !samples->ended);
    return samples->ended ? 0 : status;
}
