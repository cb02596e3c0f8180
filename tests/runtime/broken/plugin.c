/* plugin.c - one small strategy, compiled many times: once as it should be, and once for each thing that can be wrong.
 * It never collects: for tests of loading, choosing and configuring. -DPLUGIN_NAME=... and, per case, one of the macros
 * below. */
#include <slabgc/plugin.h>

#include <errno.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

#ifndef MAGIC
#define MAGIC SGC_PLUGIN_MAGIC
#endif
#ifndef STRUCT_BYTES
#define STRUCT_BYTES sizeof(struct sgc_strategy_plugin)
#endif
#ifndef OPS_BYTES
#define OPS_BYTES sizeof(struct sgc_strategy_ops)
#endif
#ifndef MAJOR
#define MAJOR SGC_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR SGC_ABI_MINOR
#endif
#ifndef CAPABILITIES
#define CAPABILITIES (SGC_NEED_REFERENCES | SGC_NEED_WEAK | SGC_NEED_FINALIZERS)
#endif
#ifndef METADATA
#define METADATA 0
#endif
#ifndef NEW_STATE
#define NEW_STATE 0
#endif
#ifndef STORE_MASK
#define STORE_MASK 0
#endif
#ifndef COLLECT
#define COLLECT plugin_collect
#endif
#ifndef PARAM_MINIMUM
#define PARAM_MINIMUM 2
#endif
#ifndef PARAM_MAXIMUM
#define PARAM_MAXIMUM 9
#endif
#ifndef PARAM_DEFAULT
#define PARAM_DEFAULT 5
#endif
#ifndef LICENSE
#define LICENSE "MIT"
#endif
#ifndef SYMBOL
#define SYMBOL sgc_strategy_plugin
#endif

struct plugin_self {
    const struct sgc_host *host;
};

static int plugin_open(const struct sgc_host *host, struct sgc_heap *heap, const uint64_t *params, void **self,
                       struct sgc_error *error)
{
    (void)heap, (void)params;
#ifdef FAILING_OPEN
    return host->fail(error, -EIO, "the moon is in the wrong phase");
#endif
    struct plugin_self *made = host->alloc(sizeof(*made));
    if (!made)
        return host->fail(error, -ENOMEM, "no memory for the strategy's record");
    made->host = host;
    *self = made;
    return 0;
}

static void plugin_close(void *self)
{
    struct plugin_self *made = self;
    made->host->free(made, sizeof(*made));
}

static void *plugin_exchange(void *self, void *owner, void **field, void *value)
{
    (void)self, (void)owner;
    return __atomic_exchange_n(field, value, __ATOMIC_ACQ_REL);
}

static bool plugin_compare_exchange(void *self, void *owner, void **field, void *expected, void *desired)
{
    (void)self, (void)owner;
    return __atomic_compare_exchange_n(field, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

__attribute__((unused)) static void plugin_collect(void *self, enum sgc_collect_kind kind)
{
    (void)self, (void)kind;
}

static const struct sgc_strategy_ops plugin_ops = {
    .struct_bytes = OPS_BYTES,
    .new_state = NEW_STATE,
    .store_mask = STORE_MASK,
    .open = plugin_open,
    .configure = sgc_op_configure_nothing,
    .close = plugin_close,
    .store = sgc_op_store_plain,
    .exchange = plugin_exchange,
    .compare_exchange = plugin_compare_exchange,
    .decrement = sgc_op_decrement_never,
    .before_alloc = sgc_op_before_alloc_nothing,
    .collect = COLLECT,
    .grace_elapsed = sgc_op_grace_elapsed_never,
    .thread_detach = sgc_op_thread_detach_nothing,
    .quiesce = sgc_op_quiesce_nothing,
    .adopt = sgc_op_adopt_nothing,
    .verify = sgc_op_verify_nothing,
};

static const struct sgc_param plugin_params[] = {
    {"pause_target", SGC_PARAM_DURATION_NS, 1000, 1000000000, 5000000, 1, "longest pause that is aimed at"},
    {"nursery", SGC_PARAM_BYTES, 65536, UINT64_C(1) << 30, UINT64_C(4) << 20, 0, "bytes between minor collections"},
    {"growth", SGC_PARAM_PERCENT, 110, 1000, 200, 1, "growth that calls for a full collection"},
    {"eager", SGC_PARAM_BOOL, 0, 1, 0, 1, "collects early"},
#ifdef PARAM_KEY
    {TEXT(PARAM_KEY), SGC_PARAM_COUNT, PARAM_MINIMUM, PARAM_MAXIMUM, PARAM_DEFAULT, 0, "the one that is wrong"},
#endif
};

extern const struct sgc_strategy_plugin SYMBOL;
const struct sgc_strategy_plugin SYMBOL SGC_PLUGIN_EXPORT = {
    .magic = MAGIC,
    .struct_bytes = STRUCT_BYTES,
    .abi_major = MAJOR,
    .abi_minor = MINOR,
    .name = TEXT(PLUGIN_NAME),
    .version = "1.0",
    .license = LICENSE,
    .description = "a strategy for tests of the loader",
    .capabilities = CAPABILITIES,
    .metadata = METADATA,
    .params = plugin_params,
    .n_params = sizeof(plugin_params) / sizeof(plugin_params[0]),
    .ops = &plugin_ops,
};
