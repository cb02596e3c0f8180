/* parameters.c - the parameter tables of plug-ins as text: for the example config and for slabgc.conf(5).
 *     parameters conf|man PLUGIN.so...
 * Called by genrules of bazel/install. Reads the exported constant of each file; links nothing of slabgc. */
#include <dlfcn.h>
#include <inttypes.h>
#include <slabgc/plugin.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
    uint64_t factor;
    const char *name;
} bytes_units[] = {{UINT64_C(1) << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "B"}},
  duration_units[] = {{UINT64_C(60000000000), "min"}, {1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};

/* The largest unit in which the value is whole, as config reads it. */
static const char *value_text(char out[32], enum sgc_param_type type, uint64_t value)
{
    const struct unit *units = type == SGC_PARAM_BYTES ? bytes_units : duration_units;
    if (type == SGC_PARAM_BOOL)
        snprintf(out, 32, "%s", value ? "on" : "off");
    else if (type == SGC_PARAM_COUNT || value == 0)
        snprintf(out, 32, "%" PRIu64, value);
    else if (type == SGC_PARAM_PERCENT)
        snprintf(out, 32, "%" PRIu64 "%%", value);
    else
        for (size_t i = 0; i < 5; i++)
            if (value % units[i].factor == 0) {
                snprintf(out, 32, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
                break;
            }
    return out;
}

static void print_conf(const struct sgc_strategy_plugin *plugin)
{
    char value[32], least[32], most[32];
    printf("\n# %s\n[strategy.%s]\n", plugin->description, plugin->name);
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const struct sgc_param *param = &plugin->params[i];
        printf("# %s %s to %s%s.\n#%s = %s\n", param->help, value_text(least, param->type, param->minimum),
               value_text(most, param->type, param->maximum), param->live ? ", live" : "", param->key,
               value_text(value, param->type, param->default_value));
    }
}

/* scdoc: underscores and stars are signs there. */
static void print_escaped(const char *text)
{
    for (; *text; text++)
        printf(strchr("_*`\\<>#[]", *text) ? "\\%c" : "%c", *text);
}

static void print_man(const struct sgc_strategy_plugin *plugin)
{
    char value[32], least[32], most[32];
    printf("\n## ");
    print_escaped(plugin->name);
    printf("\n\n");
    print_escaped(plugin->description);
    printf("\n");
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const struct sgc_param *param = &plugin->params[i];
        printf("\n*");
        print_escaped(param->key);
        printf("* = %s\n\t", value_text(value, param->type, param->default_value));
        print_escaped(param->help);
        printf(" %s to %s%s.\n", value_text(least, param->type, param->minimum),
               value_text(most, param->type, param->maximum), param->live ? "; live" : "");
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "conf") != 0 && strcmp(argv[1], "man") != 0)) {
        fputs("usage: parameters conf|man PLUGIN.so...\n", stderr);
        return 64;
    }
    for (int i = 2; i < argc; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s%s", strchr(argv[i], '/') ? "" : "./", argv[i]);
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        const struct sgc_strategy_plugin *plugin = handle ? dlsym(handle, SGC_PLUGIN_SYMBOL) : NULL;
        if (!plugin) {
            fprintf(stderr, "parameters: %s\n", dlerror());
            return 1;
        }
        (argv[1][0] == 'c' ? print_conf : print_man)(plugin);
    }
    return 0;
}
