/* play.c - does the events of a plan on real heaps. See play.h and plan.h.
 * Called by main.c. Invariant: each call of slabgc names an object that lives: the plan's events name what lives by the
 * contract, and what a weak reference did not answer here (gone) is left out together with what it alone kept.
 * play->... without atomics is the thread's whose turn it is. */
#include "tools/replay/play.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void play_fail(struct play *play, int status, const char *format, ...)
{
    va_list arguments;
    uint32_t none = 0;
    if (!__atomic_compare_exchange_n(&play->failed, &none, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    va_start(arguments, format);
    vsnprintf(play->result->message, sizeof(play->result->message), format, arguments);
    va_end(arguments);
    play->result->status = status;
}

static void play_diverged(struct play *play, enum play_divergence kind, uint32_t at)
{
    if (!play->result->divergences[kind]++)
        play->result->first[kind] = at;
}

/* ---- what is gone */

/* True when the object can be named. */
static bool play_lives(struct play *play, uint32_t object)
{
    if (!play->gone)
        return true;
    if (play->stale && !play->holds[object]) /* other paths may lead to it than when recorded */
        play_search(play);
    return !play->gone[object] && play->addresses[object];
}

static bool play_has(struct play *play, uint32_t value)
{
    return !plan_is_object(value) || play_lives(play, value - (uint32_t)TRACE_OBJECT);
}

static inline void *play_value(const struct play *play, uint32_t value)
{
    return plan_is_object(value) ? play->addresses[value - TRACE_OBJECT] : (void *)(uintptr_t)value;
}

/* Holds that are the replayer's own begin and end. */
static void play_unkeep(struct play *play, uint32_t object, uint8_t flags)
{
    flags &= play->kept[object];
    play->kept[object] &= (uint8_t)~flags;
    for (; flags; flags &= (uint8_t)(flags - 1)) {
        if (play->holds)
            play->holds[object]--;
        sgc_drop(play->addresses[object]);
    }
}

/* ---- making objects */

static void *play_make_once(struct play *play, const struct plan_event *event)
{
    const uint32_t argument = plan_argument(event);
    switch (plan_op(event)) {
    case SGC_RECORD_NEW:
        return sgc_new(play->caches[argument]);
    case SGC_RECORD_NEW_N:
        return sgc_new_n(play->caches[argument], event->b);
    default:
        return sgc_ephemeron_new(play->heaps[argument], play_value(play, event->b), play_value(play, event[1].a));
    }
}

/* In a section, which leaves a collection for the section's end; true: one fell due. */
static bool play_make_inside(struct play *play, const struct plan_event *event, void **object)
{
    const uint8_t before = sgc_context_.rest_pending;
    *object = play_make_once(play, event);
    return (sgc_context_.rest_pending & ~before) != 0;
}

static void play_make(struct play *play, struct play_thread *thread, const struct plan_event *event, uint32_t at)
{
    const uint32_t number = event->a;
    void *object;
    if (plan_op(event) == SGC_RECORD_EPHEMERON ? !play->heaps[plan_argument(event)]
                                               : !play->caches[plan_argument(event)]) {
        play_fail(play, EX_DATAERR, "event %u makes an object in a heap that is not open yet", at);
        return;
    }
    if (plan_op(event) == SGC_RECORD_BARE_NEW) {
        object = sgc_cache_alloc(play->caches[plan_argument(event)]);
    } else if (thread->inside) {
        thread->due |= play_make_inside(play, event, &object);
    } else if (!play->n_inside) {
        object = play_make_once(play, event);
    } else {
        sgc_enter();
        const bool due = play_make_inside(play, event, &object);
        if (due)
            play_quiet_begin(play);
        sgc_leave();
        play_quiet_end(play);
    }
    if (!object && !thread->inside) {
        play_quiet_begin(play);
        object = plan_op(event) == SGC_RECORD_BARE_NEW ? NULL : play_make_once(play, event);
        play_quiet_end(play);
    }
    play->addresses[number] = object;
    play->n_made = number + 1;
    if (!object) {
        play_fail(play, EX_OSERR, "no memory at event %u, an object of %s", at,
                  plan_op(event) == SGC_RECORD_EPHEMERON ? "ephemerons"
                                                         : play->plan->info->caches[plan_argument(event)].name);
        return;
    }
    if (play->holds)
        play->holds[number] = 1;
    for (uint8_t flags = play->kept ? play->kept[number] : 0; flags; flags &= (uint8_t)(flags - 1)) {
        sgc_hold(object);
        if (play->holds)
            play->holds[number]++;
    }
}

/* ---- the rest */

static void play_store(struct play *play, const struct plan_event *event, uint32_t at)
{
    if (!play_lives(play, event->a)) {
        play_diverged(play, PLAY_GONE, at);
        return;
    }
    void *owner = play->addresses[event->a], **field = (void **)owner + plan_argument(event), *value = NULL;
    if (play_has(play, event->b))
        value = play_value(play, event->b);
    else
        play_diverged(play, PLAY_GONE, at);
    if (plan_op(event) == SGC_RECORD_STORE) {
        sgc_store_(owner, field, value);
        return;
    }
    void *old = sgc_store_exchange_(owner, field, value);
    if (old == play_value(play, event[1].a)) {
        if (play->holds && plan_is_object(event[1].a))
            play->holds[event[1].a - TRACE_OBJECT]++;
        return;
    }
    play_diverged(play, PLAY_ORDER, at);
    sgc_drop(old);
    if (!plan_is_object(event[1].a))
        return;
    const uint32_t number = event[1].a - (uint32_t)TRACE_OBJECT;
    if (!play->gone) {
        play_fail(play, EX_DATAERR, "the field of event %u holds another value than the recording says", at);
    } else if (play_lives(play, number)) {
        sgc_hold(play->addresses[number]);
        play->holds[number]++;
    } else {
        play->owed[number]++;
    }
}

static void play_weak_get(struct play *play, const struct plan_event *event, uint32_t at)
{
    struct sgc_weak *handle = play->handles[event->a];
    void *object = handle ? sgc_weak_get(handle) : NULL;
    if (!plan_is_object(event->b)) {
        play->result->n_weak_later += object != NULL;
        sgc_drop(object);
        return;
    }
    const uint32_t number = event->b - (uint32_t)TRACE_OBJECT;
    if (object && object == play->addresses[number]) {
        play->gone[number] = 0;
        play->holds[number]++;
        return;
    }
    sgc_drop(object);
    play_diverged(play, PLAY_WEAK, at);
    play->gone[number] = 1;
    play->owed[number]++;
    play->stale = true;
}

static void play_weak(struct play *play, const struct plan_event *event, uint32_t at)
{
    if (plan_op(event) == SGC_RECORD_WEAK_GET) {
        play_weak_get(play, event, at);
    } else if (plan_op(event) == SGC_RECORD_WEAK_FREE) {
        if (play->handles[event->a])
            sgc_weak_destroy(play->handles[event->a]);
        play->handles[event->a] = NULL;
    } else if (!play_lives(play, event->b)) {
        play_diverged(play, PLAY_GONE, at);
    } else if (!(play->handles[event->a] = sgc_weak_create(play->addresses[event->b]))) {
        play_diverged(play, PLAY_REFUSED, at);
    }
}

static void play_note(struct play *play, uint32_t index)
{
    struct play_heap_result *result = &play->heap_results[index];
    sgc_heap_stats(play->heaps[index], &result->stats);
    snprintf(result->strategy, sizeof(result->strategy), "%s", sgc_heap_strategy(play->heaps[index]));
}

static void play_discard(struct play *play, uint32_t index)
{
    struct sgc_error error;
    play_quiet_begin(play);
    (void)sgc_heap_close(play->heaps[index], &error); /* objects that the program still held are its affair */
    play_quiet_end(play);
    play->heaps[index] = NULL;
}

static void play_close(struct play *play, uint32_t index)
{
    const struct plan *plan = play->plan;
    if (!play->heaps[index])
        return;
    for (uint32_t i = 0; play->kept && i < play->n_made; i++) {
        const struct plan_object *object = &plan->objects[i];
        const uint32_t heap = object->cache == PLAN_EPHEMERON ? object->tail : plan->info->caches[object->cache].heap;
        if (heap == index && play->addresses[i])
            play_unkeep(play, i, PLAN_KEPT | PLAN_WISHED);
    }
    play_note(play, index);
    play_discard(play, index);
    for (uint32_t i = 0; i < plan->info->n_caches; i++)
        play->caches[i] = plan->info->caches[i].heap == index ? NULL : play->caches[i];
    for (uint32_t i = index + 1; i < plan->info->n_heaps; i++) {
        if (!plan->info->heaps[i].defined || strcmp(plan->info->heaps[i].name, plan->info->heaps[index].name))
            continue;
        play_quiet_begin(play);
        play_open_heap(play, i);
        play_quiet_end(play);
        break;
    }
    for (uint32_t i = 0; i < play->n_made; i++) {
        const struct plan_object *object = &plan->objects[i];
        const uint32_t heap = object->cache == PLAN_EPHEMERON ? object->tail : plan->info->caches[object->cache].heap;
        if (heap == index)
            play->addresses[i] = NULL;
    }
}

/* HOLD, DROP, HOLDS, FREE: of one object. */
static void play_claim(struct play *play, const struct plan_event *event, uint32_t at)
{
    const uint32_t number = event->a;
    void *object = play->addresses[number];
    if (play->gone && plan_op(event) == SGC_RECORD_DROP && play->owed[number]) {
        play->owed[number]--; /* a hold that was never made */
        play_diverged(play, PLAY_GONE, at);
        return;
    }
    if (play->gone && !play_lives(play, number)) {
        play->owed[number] += plan_op(event) == SGC_RECORD_HOLD ? 1 : plan_op(event) == SGC_RECORD_HOLDS ? event->b : 0;
        play_diverged(play, PLAY_GONE, at);
        return;
    }
    switch (plan_op(event)) {
    case SGC_RECORD_HOLD:
        if (play->holds)
            play->holds[number]++;
        sgc_hold(object);
        break;
    case SGC_RECORD_DROP:
        if (play->holds)
            play->holds[number]--;
        sgc_drop(object);
        break;
    case SGC_RECORD_HOLDS:
        if (play->holds)
            play->holds[number] += event->b;
        for (uint32_t i = 0; i < event->b; i++)
            sgc_hold(object);
        break;
    default:
        if (play->holds)
            play->holds[number] = 0;
        sgc_cache_free(play->caches[play->plan->objects[number].cache], object);
        play->addresses[number] = NULL;
    }
}

static void play_section(struct play *play, struct play_thread *thread, bool enter)
{
    thread->inside = enter;
    if (enter) {
        sgc_enter();
        return;
    }
    if (thread->due)
        play_quiet_begin(play);
    thread->due = false;
    sgc_leave();
    play_quiet_end(play);
}

static void play_point(struct play *play)
{
    const uint64_t begun = play_now();
    play_quiet_begin(play);
    for (uint32_t i = 0; i < play->plan->info->n_heaps; i++)
        if (play->heaps[i])
            sgc_heap_collect(play->heaps[i], SGC_COLLECT_FULL);
    play->result->points[play->next_point] = play_live(play, 0, NULL);
    play_quiet_end(play);
    play->result->n_points = ++play->next_point;
    play->paused_ns += play_now() - begun;
}

static inline void play_event(struct play *play, struct play_thread *thread, const struct plan_event *event,
                              uint32_t at)
{
    switch (plan_op(event)) {
    case SGC_RECORD_NEW:
    case SGC_RECORD_NEW_N:
    case SGC_RECORD_BARE_NEW:
        play_make(play, thread, event, at);
        break;
    case SGC_RECORD_EPHEMERON:
        if (play_has(play, event->b) && play_has(play, event[1].a))
            play_make(play, thread, event, at);
        else
            play_diverged(play, PLAY_GONE, at);
        play->n_made = event->a + 1;
        if (play->gone && !play->addresses[event->a])
            play->gone[event->a] = 1, play->owed[event->a] = 1;
        break;
    case SGC_RECORD_HOLD:
    case SGC_RECORD_DROP:
    case SGC_RECORD_HOLDS:
    case SGC_RECORD_FREE:
        play_claim(play, event, at);
        break;
    case SGC_RECORD_STORE:
    case SGC_RECORD_EXCHANGE:
        play_store(play, event, at);
        break;
    case SGC_RECORD_ENTER:
    case SGC_RECORD_LEAVE:
        play_section(play, thread, plan_op(event) == SGC_RECORD_ENTER);
        break;
    case SGC_RECORD_WEAK_NEW:
    case SGC_RECORD_WEAK_GET:
    case SGC_RECORD_WEAK_FREE:
        play_weak(play, event, at);
        break;
    case SGC_RECORD_DEATH:
        if (play->kept && play->kept[event->a] && play->addresses[event->a])
            play_unkeep(play, event->a, PLAN_KEPT | PLAN_WISHED);
        break;
    case SGC_RECORD_FINALIZED:
        if (play->kept && play->kept[event->a] && play->addresses[event->a])
            play_unkeep(play, event->a, PLAN_WISHED);
        break;
    case SGC_RECORD_COLLECT:
        play_quiet_begin(play);
        if (play->heaps[plan_argument(event)])
            sgc_heap_collect(play->heaps[plan_argument(event)], (enum sgc_collect_kind)event->a);
        play_quiet_end(play);
        break;
    case SGC_RECORD_ACCOUNT:
        if (play->heaps[plan_argument(event)])
            sgc_account(play->heaps[plan_argument(event)], (int64_t)((uint64_t)event->b << 32 | event->a));
        break;
    case SGC_RECORD_CLOSE:
        play_close(play, plan_argument(event));
        break;
    }
}

void play_events(struct play *play, struct play_thread *thread, uint32_t from, uint32_t n)
{
    const struct plan *plan = play->plan;
    for (const uint32_t end = from + n; from < end;) {
        const uint32_t point = play->next_point < plan->n_points ? plan->points[play->next_point].at + 1 : UINT32_MAX;
        const uint32_t stop = point < end ? point : end;
        for (; from < stop; from++)
            play_event(play, thread, &plan->events[from], from);
        if (__atomic_load_n(&play->failed, __ATOMIC_RELAXED))
            return;
        if (from == point)
            play_point(play);
    }
}

/* ---- a whole replay */

static bool play_init(struct play *play)
{
    const struct plan *plan = play->plan;
    const struct trace_info *info = plan->info;
    play->heaps = calloc(info->n_heaps + 1u, sizeof(struct sgc_heap *));
    play->caches = calloc(info->n_caches + 1u, sizeof(struct sgc_cache *));
    play->addresses = calloc(plan->n_objects + 1u, sizeof(void *));
    play->types = calloc(info->n_caches + 1u, sizeof(*play->types));
    play->handles = calloc(plan->n_handles + 1u, sizeof(struct sgc_weak *));
    play->threads = calloc(plan->n_threads + 1u, sizeof(*play->threads));
    play->event_of_run = malloc((plan->n_runs + 1u) * sizeof(*play->event_of_run));
    play->n_threads = plan->n_threads;
    if (!play->heaps || !play->caches || !play->types || !play->addresses || !play->handles || !play->threads ||
        !play->event_of_run)
        return false;
    bool kept = false;
    for (uint32_t i = 0; i < plan->n_objects; i++)
        kept |= plan->objects[i].flags != 0;
    if (kept && !(play->kept = malloc(plan->n_objects)))
        return false;
    for (uint32_t i = 0; kept && i < plan->n_objects; i++)
        play->kept[i] = plan->objects[i].flags;
    if (plan->weak && (!(play->gone = calloc(plan->n_objects + 1u, 1)) ||
                       !(play->holds = calloc(plan->n_objects + 1u, sizeof(*play->holds))) ||
                       !(play->owed = calloc(plan->n_objects + 1u, sizeof(*play->owed)))))
        return false;
    uint32_t at = 0;
    for (uint32_t run = 0; run < plan->n_runs; at += plan->runs[run++].n)
        play->event_of_run[run] = at;
    for (uint32_t i = 0; i < plan->n_threads; i++) {
        play->threads[i].play = play;
        play->threads[i].index = i;
        play->threads[i].first = plan->first_run[i];
    }
    /* pages that the clock shall not see */
    memset(play->addresses, 0, (plan->n_objects + 1u) * sizeof(void *));
    return true;
}

static void play_fini(struct play *play)
{
    for (uint32_t i = 0; i < play->plan->n_handles; i++)
        if (play->handles && play->handles[i])
            sgc_weak_destroy(play->handles[i]);
    for (uint32_t i = 0; play->heaps && i < play->plan->info->n_heaps; i++)
        if (play->heaps[i])
            play_discard(play, i);
    for (uint32_t i = 0; play->types && i < play->plan->info->n_caches; i++)
        free((char *)(uintptr_t)play->types[i].name);
    free(play->types);
    free(play->heaps);
    free(play->caches);
    free(play->addresses);
    free(play->handles);
    free(play->threads);
    free(play->event_of_run);
    free(play->kept);
    free(play->gone);
    free(play->holds);
    free(play->owed);
}

/* All threads' events, from the run that is due on. */
static void play_all(struct play *play)
{
    const struct plan *plan = play->plan;
    uint32_t n = 0, last = 0, started = 0;
    for (uint32_t i = 0; i < plan->n_threads; i++)
        if (play->threads[i].first < plan->n_runs)
            n++, last = i;
    play->n_spins = n <= (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) ? 2000 : 0;
    if (n < 2) {
        const uint64_t begun = play_now();
        if (n)
            play_thread_main(&play->threads[last]);
        play->result->elapsed_ns = play_now() - begun - play->paused_ns;
        return;
    }
    const uint32_t due = play->turn;
    play->turn = UINT32_MAX; /* nobody's */
    for (uint32_t i = 0; i < plan->n_threads && !play->failed; i++) {
        if (play->threads[i].first >= plan->n_runs)
            continue;
        const int code = pthread_create(&play->threads[i].thread, NULL, play_thread_main, &play->threads[i]);
        if (code)
            play_fail(play, EX_OSERR, "cannot start a thread: %s", strerror(code));
        play->threads[i].started = !code;
        started += !code;
    }
    while (__atomic_load_n(&play->ready, __ATOMIC_SEQ_CST) < started)
        sched_yield();
    const uint64_t begun = play_now();
    __atomic_store_n(&play->turn, due, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < plan->n_threads; i++)
        play_wake(&play->threads[i]);
    for (uint32_t i = 0; i < plan->n_threads; i++)
        if (play->threads[i].started)
            pthread_join(play->threads[i].thread, NULL);
    play->result->elapsed_ns = play_now() - begun - play->paused_ns;
}

/* What lives at the end: without the replayer's own holds, after a full collection. */
static void play_finish(struct play *play, struct play_heap_result *heaps, bool check)
{
    const struct plan *plan = play->plan;
    struct play_result *result = play->result;
    for (uint32_t i = 0; i < plan->info->n_heaps; i++) {
        heaps[i].open = play->heaps[i] != NULL;
        if (heaps[i].open)
            play_note(play, i);
    }
    for (uint32_t i = 0; play->kept && i < play->n_made; i++)
        if (play->addresses[i])
            play_unkeep(play, i, PLAN_KEPT | PLAN_WISHED);
    for (uint32_t i = 0; i < plan->info->n_heaps; i++) {
        if (!play->heaps[i])
            continue;
        sgc_heap_collect(play->heaps[i], SGC_COLLECT_FULL);
        const struct plan_live live = play_live(play, i, &heaps[i]);
        result->end.n += live.n;
        result->end.digest += live.digest;
    }
    for (uint32_t i = 0; check && i < result->n_points; i++)
        if (result->points[i].n != plan->points[i].live.n || result->points[i].digest != plan->points[i].live.digest)
            play_diverged(play, PLAY_LIVE, plan->points[i].at);
    if (check && (result->end.n != plan->end.n || result->end.digest != plan->end.digest))
        play_diverged(play, PLAY_LIVE, plan->n_events);
}

int play_run(const struct plan *plan, struct play_result *result, struct play_heap_result *heaps, bool check)
{
    struct play play = {.plan = plan, .result = result, .heap_results = heaps};
    *result = (struct play_result){.n_events = plan->n_events};
    result->divergences[PLAY_LATE] = plan->n_late;
    result->first[PLAY_LATE] = plan->first_late;
    result->divergences[PLAY_UNKNOWN] = plan->n_unknown;
    if (!play_init(&play)) {
        play_fail(&play, EX_OSERR, "no memory for the replay");
    } else if (!play_open(&play)) {
        if (plan->n_found) { /* the state that was found, outside the clock */
            play_events(&play, &play.threads[0], 0, plan->n_found);
            play.turn = 1;
            play.threads[0].first = plan->runs[0].next;
        }
        if (!play.failed)
            play_all(&play);
        if (!play.failed)
            play_finish(&play, heaps, check);
    }
    play_fini(&play);
    return result->status;
}
