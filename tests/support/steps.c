/* steps.c - see steps.h.
 * Invariant: steps begin in their order; at most one step that is not marked '&' runs at a time.
 * Locks: steps->lock, a leaf: nothing is called with it held. */
#include "tests/support/steps.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 1000000   /* between two looks at a thread that may be blocked */
#define N_ASLEEP 5        /* looks in a row that must find it asleep */
#define SPINNING_TICKS 10 /* or so much processor time (1/100 s) used since the step began */
#define DEFAULT_TIMEOUT_S 60

enum entry_state { PENDING, RUNNING, ENDED };
static const char *const state_names[] = {"pending", "running", "ended"};

struct entry {
    const char *name;
    size_t name_bytes; /* without the mark */
    bool background;
    enum entry_state state;
    pid_t tid;
    unsigned n_asleep; /* looks in a row */
    unsigned long first_ticks;
};

struct steps {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n;
    struct entry entries[];
};

static _Thread_local struct steps *current_steps;
static _Thread_local size_t current_entry;

static void steps_print(struct steps *steps, const char *why, const char *name)
{
    fprintf(stderr, "steps: %s '%s'\n", why, name);
    for (size_t i = 0; steps && i < steps->n; i++)
        fprintf(stderr, "  %2zu %-8s %s\n", i + 1, state_names[steps->entries[i].state], steps->entries[i].name);
}

static _Noreturn void steps_abort(struct steps *steps, const char *why, const char *name)
{
    steps_print(steps, why, name);
    abort();
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t timeout_ns(void)
{
    const char *seconds = getenv("SLABGC_TEST_STEP_SECONDS");
    return (seconds ? strtoull(seconds, NULL, 10) : DEFAULT_TIMEOUT_S) * 1000000000u;
}

struct steps *steps_new(const char *const *order, size_t n)
{
    struct steps *steps = calloc(1, sizeof(*steps) + n * sizeof(steps->entries[0]));
    if (!steps)
        abort();
    pthread_mutex_init(&steps->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&steps->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    steps->n = n;
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(order[i]);
        bool background = length > 2 && strcmp(order[i] + length - 2, " &") == 0;
        steps->entries[i] =
            (struct entry){.name = order[i], .name_bytes = background ? length - 2 : length, .background = background};
    }
    return steps;
}

void steps_free(struct steps *steps)
{
    for (size_t i = 0; i < steps->n; i++) {
        if (steps->entries[i].state != ENDED)
            steps_abort(steps, "freed before the end of", steps->entries[i].name);
    }
    if (current_steps == steps)
        current_steps = NULL;
    pthread_cond_destroy(&steps->changed);
    pthread_mutex_destroy(&steps->lock);
    free(steps);
}

/* The calling thread's number in /proc, which may be that of another namespace of processes. */
static pid_t thread_self(void)
{
    char link[64];
    const ssize_t n = readlink("/proc/thread-self", link, sizeof(link) - 1);
    link[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(link, '/');
    return slash ? (pid_t)strtol(slash + 1, NULL, 10) : (pid_t)syscall(SYS_gettid);
}

/* State letter and processor time of a thread of this process; '?' when it is gone. */
static char thread_look(pid_t tid, unsigned long *ticks)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = '\0';
    char state = '?', *after_name = strrchr(text, ')');
    unsigned long user = 0, system = 0;
    if (!after_name ||
        sscanf(after_name + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user, &system) != 3)
        state = '?';
    *ticks = user + system;
    return state;
}

/* A background step is settled when its thread was asleep at several looks in a row, or only spins. */
static bool entry_is_settled(struct entry *entry)
{
    unsigned long ticks;
    char state = thread_look(entry->tid, &ticks);
    entry->n_asleep = state == 'S' ? entry->n_asleep + 1 : 0;
    return entry->n_asleep >= N_ASLEEP || state == '?' || ticks - entry->first_ticks >= SPINNING_TICKS;
}

/* May entry number `at` begin? *polling: only threads that may be blocked are in the way. */
static bool steps_is_turn(struct steps *steps, size_t at, bool *polling)
{
    *polling = false;
    for (size_t i = 0; i < at; i++) {
        struct entry *entry = &steps->entries[i];
        if (entry->state == PENDING || (entry->state == RUNNING && !entry->background))
            return false;
    }
    for (size_t i = 0; i < at; i++) {
        struct entry *entry = &steps->entries[i];
        if (entry->state == RUNNING && !entry_is_settled(entry)) {
            *polling = true;
            return false;
        }
    }
    return true;
}

static void steps_end_current_locked(struct steps *steps)
{
    if (current_steps != steps)
        return;
    steps->entries[current_entry].state = ENDED;
    current_steps = NULL;
    pthread_cond_broadcast(&steps->changed);
}

static size_t steps_find_locked(struct steps *steps, const char *name, bool pending_only)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < steps->n; i++) {
        const struct entry *entry = &steps->entries[i];
        if (entry->name_bytes == length && memcmp(entry->name, name, length) == 0 &&
            (!pending_only || entry->state == PENDING))
            return i;
    }
    steps_abort(steps, "no step is left that is called", name);
}

void step(struct steps *steps, const char *name)
{
    uint64_t deadline = now_ns() + timeout_ns();
    pthread_mutex_lock(&steps->lock);
    steps_end_current_locked(steps);
    size_t at = steps_find_locked(steps, name, true);
    bool polling;
    while (!steps_is_turn(steps, at, &polling)) {
        uint64_t now = now_ns(), until = polling ? now + POLL_NS : deadline;
        if (now >= deadline)
            steps_abort(steps, "waited too long for", name);
        struct timespec wake = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
        pthread_cond_timedwait(&steps->changed, &steps->lock, &wake);
    }
    struct entry *entry = &steps->entries[at];
    entry->tid = thread_self();
    thread_look(entry->tid, &entry->first_ticks);
    entry->state = RUNNING;
    current_steps = steps;
    current_entry = at;
    pthread_cond_broadcast(&steps->changed);
    pthread_mutex_unlock(&steps->lock);
}

void steps_end(struct steps *steps)
{
    pthread_mutex_lock(&steps->lock);
    steps_end_current_locked(steps);
    pthread_mutex_unlock(&steps->lock);
}

static bool steps_has_reached(struct steps *steps, const char *name, enum entry_state state)
{
    pthread_mutex_lock(&steps->lock);
    bool reached = steps->entries[steps_find_locked(steps, name, false)].state >= state;
    pthread_mutex_unlock(&steps->lock);
    return reached;
}

bool steps_begun(struct steps *steps, const char *name)
{
    return steps_has_reached(steps, name, RUNNING);
}

bool steps_ended(struct steps *steps, const char *name)
{
    return steps_has_reached(steps, name, ENDED);
}

void steps_await(bool (*condition)(void *arg), void *arg, const char *what)
{
    uint64_t deadline = now_ns() + timeout_ns();
    while (!condition(arg)) {
        if (now_ns() >= deadline)
            steps_abort(NULL, "waited too long until", what);
        struct timespec pause = {0, POLL_NS / 10};
        nanosleep(&pause, NULL);
    }
}

static bool others_are_asleep(void)
{
    bool asleep = true;
    const pid_t self = thread_self();
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        abort();
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;) {
        unsigned long ticks;
        const pid_t tid = (pid_t)strtol(task->d_name, NULL, 10);
        asleep &= tid == 0 || tid == self || thread_look(tid, &ticks) == 'S';
    }
    closedir(tasks);
    return asleep;
}

void steps_await_others_asleep(void)
{
    const uint64_t deadline = now_ns() + timeout_ns();
    for (unsigned n_asleep = 0; n_asleep < N_ASLEEP;) {
        n_asleep = others_are_asleep() ? n_asleep + 1 : 0;
        if (now_ns() >= deadline)
            steps_abort(NULL, "waited too long until", "all other threads sleep");
        nanosleep(&(struct timespec){0, POLL_NS}, NULL);
    }
}
