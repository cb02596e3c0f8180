/* runtime.c - one operation at a time, the current config, the open heaps, fork.
 * Called by open.c, switch.c, reload.c, show.c, and by core/heap through its setup's callbacks.
 * Invariant: `busy` while a thread has its turn; config and heaps change only inside a turn and under the lock.
 * Lock: runtime.lock (rank RUNTIME, the outermost), held for computations only; never while files are read or threads
 *   are stopped. A thread waits for its turn at rest, so it delays no stop that the one with the turn waits for.
 * Fork: the handlers of core/heap are installed first, so this lock is taken before theirs. In the child the thread
 *   that had the turn does not exist, and what it had begun is not finished; config and the list of heaps are whole,
 *   because they change under the lock. */
#include "core/runtime/runtime.h"

#include "core/heap/thread.h"
#include "core/os/meta.h"
#include "core/runtime/control_server.h"
#include "core/runtime/loader.h"
#include "core/runtime/params.h"
#include "core/runtime/schema.h"
#include "core/runtime/search.h"

#include <errno.h>
#include <string.h>

static struct {
    struct sgc_lock lock;
    pthread_cond_t idle; /* busy became false */
    bool busy, has_fork_handlers;
    struct sgc_config *config; /* NULL before the first use */
    struct sgc_list heaps;     /* struct sgc_open_heap.link */
} runtime = {
    .lock = SGC_LOCK_INIT(SGC_RANK_RUNTIME, "runtime"),
    .idle = PTHREAD_COND_INITIALIZER,
    .heaps = {&runtime.heaps, &runtime.heaps},
};

static void runtime_before_fork(void)
{
    sgc_lock_before_fork(&runtime.lock);
    sgc_control_before_fork();
}

static void runtime_after_fork_parent(void)
{
    sgc_control_after_fork(0);
    sgc_lock_after_fork(&runtime.lock, 0);
}

static void runtime_after_fork_child(void)
{
    sgc_control_after_fork(1);
    sgc_lock_after_fork(&runtime.lock, 1);
    runtime.busy = false;
    pthread_cond_init(&runtime.idle, NULL); /* nobody waits on it any more */
}

struct runtime_check {
    const struct sgc_config *config;
    struct sgc_error *error;
};

/* Once, in a turn. */
static int runtime_init(struct sgc_error *error)
{
    if (runtime.has_fork_handlers)
        return 0;
    int code = sgc_process_init(error);
    if (code)
        return code;
    code = pthread_atfork(runtime_before_fork, runtime_after_fork_parent, runtime_after_fork_child);
    if (code)
        return sgc_error_set(error, -code, "fork handlers refused (pthread_atfork): %s", strerrordesc_np(code));
    runtime.has_fork_handlers = true;
    return 0;
}

void sgc_runtime_begin(const char *call)
{
    if (sgc_context_.depth != 0)
        sgc_panic("%s: called inside a section", call);
    sgc_lock_acquire(&runtime.lock);
    while (runtime.busy)
        pthread_cond_wait(&runtime.idle, &runtime.lock.mutex);
    runtime.busy = true;
    sgc_lock_release(&runtime.lock);
}

void sgc_runtime_end(void)
{
    SGC_GUARD(&runtime.lock);
    runtime.busy = false;
    pthread_cond_signal(&runtime.idle);
}

static int runtime_check_params(void *arg, const struct sgc_strategy_plugin *plugin)
{
    struct sgc_params params;
    struct runtime_check *check = arg;
    return sgc_params_resolve(check->config, plugin, &params, check->error);
}

int sgc_runtime_check_config(const struct sgc_config *config, const char *wanted, struct sgc_error *error)
{
    struct runtime_check check = {config, error};
    const int code = sgc_search_check_config(config, wanted, error);
    return code ? code : sgc_loader_for_each(runtime_check_params, &check);
}

int sgc_runtime_read_config(const char *wanted, struct sgc_config **out, struct sgc_error *error)
{
    struct sgc_config *config;
    int code = sgc_config_read(&config, error);
    if (code)
        return code;
    if (runtime.config)
        code = sgc_config_add_live(config, runtime.config, error);
    if (code == 0)
        code = sgc_runtime_check_config(config, wanted, error);
    if (code)
        sgc_config_free(config);
    else
        *out = config;
    return code;
}

int sgc_runtime_config(const char *wanted, const struct sgc_config **out, struct sgc_error *error)
{
    int code = runtime_init(error);
    struct sgc_config *config;
    if (code == 0 && !runtime.config && (code = sgc_runtime_read_config(wanted, &config, error)) == 0)
        sgc_runtime_replace_config(config);
    if (code == 0)
        *out = runtime.config;
    return code;
}

void sgc_runtime_replace_config(struct sgc_config *config)
{
    sgc_lock_acquire(&runtime.lock);
    struct sgc_config *old = runtime.config;
    runtime.config = config;
    sgc_lock_release(&runtime.lock);
    sgc_config_free(old);
}

void sgc_runtime_read_begin(void)
{
    sgc_lock_acquire(&runtime.lock);
}

void sgc_runtime_read_end(void)
{
    sgc_lock_release(&runtime.lock);
}

bool sgc_runtime_read_try(void)
{
    return sgc_lock_try(&runtime.lock);
}

struct sgc_list *sgc_runtime_heaps(void)
{
    return &runtime.heaps;
}

int sgc_open_heap_alloc(const struct sgc_heap_options *options, struct sgc_open_heap **out, struct sgc_error *error)
{
    size_t strategy_bytes = options->strategy ? strlen(options->strategy) + 1 : 0;
    struct sgc_open_heap *record = sgc_meta_alloc(sizeof(*record) + strategy_bytes);
    if (!record)
        return sgc_error_set(error, -ENOMEM, "no memory for the heap's options");
    sgc_list_init(&record->link);
    record->bytes = sizeof(*record) + strategy_bytes;
    record->options = *options;
    if (options->strategy)
        record->options.strategy = memcpy(record + 1, options->strategy, strategy_bytes);
    *out = record;
    return 0;
}

void sgc_open_heap_free(struct sgc_open_heap *record)
{
    sgc_meta_free(record, record->bytes);
}

void sgc_open_heap_list(struct sgc_open_heap *record)
{
    SGC_GUARD(&runtime.lock);
    sgc_list_push_back(&runtime.heaps, &record->link);
}

int sgc_runtime_cache_config(void *arg, const char *heap, const char *cache, struct sgc_cache_config *out,
                             struct sgc_error *error)
{
    (void)arg, (void)heap, (void)error;
    SGC_GUARD(&runtime.lock);
    const struct sgc_config_entry *entry = sgc_config_find_cache(runtime.config, cache, "debug");
    struct sgc_value_fault fault;
    out->debug = 0;
    if (entry)
        SGC_CHECK(sgc_schema_debug(entry->value, &out->debug, &fault) == 0); /* it was checked when it was read */
    return 0;
}

void sgc_runtime_closing(void *arg, struct sgc_heap *heap)
{
    struct sgc_open_heap *record = arg;
    if (sgc_control_report_path)
        sgc_control_report(heap, true);
    sgc_runtime_begin("sgc_heap_close");
    sgc_lock_acquire(&runtime.lock);
    sgc_list_remove(&record->link);
    sgc_lock_release(&runtime.lock);
    sgc_runtime_end();
    sgc_open_heap_free(record);
}
