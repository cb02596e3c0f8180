/* run.c - see run.h.
 * Invariant: the parent never uses slabgc, so each claim's process begins with none of its state. */
#include "tests/conformance/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the child */

static void child_open(struct kit *kit, const struct kit_claim *claim)
{
    struct sgc_error error = {0};
    struct sgc_heap_options options = {
        .needs = claim->needs,
        .strategy = kit->strategy,
        .memory_limit_bytes = claim->flags & KIT_LIMITED ? KIT_LIMIT_BYTES : 0,
        .finalizer_thread = (claim->flags & KIT_FINALIZER_THREAD) != 0,
    };
    kit->heap = sgc_heap_open("kit", &options, &error);
    if (!kit->heap)
        kit_fail(__FILE__, __LINE__, "the heap does not open: %s", error.message);
    kit->leaves = kit_cache(kit, &kit_leaf_type);
    if (claim->needs & SGC_NEED_REFERENCES)
        kit->nodes = kit_cache(kit, &kit_node_type);
}

static void child_close(struct kit *kit, const struct kit_claim *claim)
{
    struct sgc_error error = {0};
    kit_verify(kit->heap);
    sgc_heap_collect(kit->heap, SGC_COLLECT_FULL);
    kit_verify(kit->heap);
    int expected = claim->flags & KIT_LEAKS ? -EBUSY : 0, got = sgc_heap_close(kit->heap, &error);
    if (got != expected)
        kit_fail(__FILE__, __LINE__, "closing the heap: %d, expected %d: %s", got, expected, error.message);
}

static void child_expect_refusal(const struct kit_claim *claim, const struct kit *kit)
{
    struct sgc_error error = {0};
    struct sgc_heap_options options = {.needs = claim->needs, .strategy = kit->strategy};
    if (sgc_heap_open("kit", &options, &error))
        kit_fail(__FILE__, __LINE__, "the heap opened without the capabilities that the claim needs");
    if (error.code != -ENOTSUP)
        kit_fail(__FILE__, __LINE__, "refused with %d, expected -ENOTSUP: %s", error.code, error.message);
}

static void child_run(const struct kit_claim *claim, const struct kit *template_, bool refusal, int fd)
{
    struct kit kit = *template_;
    kit.transcript = fdopen(fd, "w");
    KIT_CHECK(kit.transcript != NULL);
    if (refusal) {
        child_expect_refusal(claim, &kit);
    } else {
        if (!(claim->flags & KIT_NO_HEAP))
            child_open(&kit, claim);
        claim->run(&kit);
        if (!(claim->flags & KIT_NO_HEAP))
            child_close(&kit, claim);
    }
    fclose(kit.transcript);
}

/* ---- the parent */

static char *read_transcript(int fd)
{
    size_t length = 0, capacity = 4096;
    char *text = malloc(capacity);
    for (;;) {
        if (text && length + 1 == capacity)
            text = realloc(text, capacity *= 2);
        if (!text)
            abort();
        ssize_t n = read(fd, text + length, capacity - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    text[length] = '\0';
    return text;
}

static void describe_status(int status, struct kit_outcome *outcome)
{
    outcome->held = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFSIGNALED(status))
        snprintf(outcome->reason, sizeof(outcome->reason), "%s",
                 WTERMSIG(status) == SIGALRM ? "timeout" : strsignal(WTERMSIG(status)));
    else
        snprintf(outcome->reason, sizeof(outcome->reason), "exit status %d", WEXITSTATUS(status));
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            abort();
    }
    return status;
}

void kit_run(const struct kit_claim *claim, const struct kit *template_, bool refusal, unsigned timeout_s,
             struct kit_outcome *outcome)
{
    int ends[2];
    memset(outcome, 0, sizeof(*outcome));
    if (pipe(ends) != 0)
        abort();
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        close(ends[0]);
        alarm(timeout_s);
        child_run(claim, template_, refusal, ends[1]);
        exit(0);
    }
    close(ends[1]);
    outcome->transcript = read_transcript(ends[0]);
    close(ends[0]);
    describe_status(wait_for(child), outcome);
}

/* What the probing child tells its parent. */
struct probe {
    bool opened;
    uint32_t capabilities;
    char message[SGC_ERROR_MESSAGE_BYTES];
};

static void probe_child(const char *strategy, int fd)
{
    struct probe probe = {0};
    struct sgc_error error = {0};
    struct sgc_heap_options options = {.strategy = strategy};
    struct sgc_heap *heap = sgc_heap_open("probe", &options, &error);
    if (heap) {
        probe.opened = true;
        probe.capabilities = sgc_heap_capabilities(heap);
        sgc_heap_close(heap, NULL);
    }
    memcpy(probe.message, error.message, sizeof(probe.message));
    if (write(fd, &probe, sizeof(probe)) != (ssize_t)sizeof(probe))
        exit(1);
    exit(0);
}

bool kit_probe(const char *strategy, uint32_t *capabilities, char *message, size_t message_bytes)
{
    int ends[2];
    struct probe probe = {0};
    if (pipe(ends) != 0)
        abort();
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        close(ends[0]);
        alarm(60);
        probe_child(strategy, ends[1]);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &probe, sizeof(probe));
    close(ends[0]);
    int status = wait_for(child);
    if (n != (ssize_t)sizeof(probe) || status != 0) {
        snprintf(message, message_bytes, "opening a heap on it ends the process (status 0x%x)", (unsigned)status);
        return false;
    }
    snprintf(message, message_bytes, "%s", probe.message);
    *capabilities = probe.capabilities;
    return probe.opened;
}
