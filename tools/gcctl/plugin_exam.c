/* plugin_exam.c - looking at a plug-in's file without running its code in this process.
 * Called by plugin list and plugin check.
 * Invariant: core's own loader judges (a heap is opened on the file, as a program would); the child then reads the
 * table of what was loaded. Whatever the file does, this process lives, and says which file it was. Locks: none. */
#include "tools/gcctl/plugin_exam.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <slabgc/plugin.h>
#include <slabgc/slabgc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXAM_SECONDS 30 /* a file that does not load in this time hangs */
#define HEAP_NAME "gcctl-plugin"
#define PLACE "$SLABGC:" /* of the config that exam_open makes: nobody wrote it, nobody is told of it */

static const struct {
    uint32_t bit;
    const char *name;
} capabilities[] = {
    {SGC_NEED_REFERENCES, "references"},
    {SGC_NEED_CYCLES, "cycles"},
    {SGC_NEED_CONCURRENT_READERS, "concurrent-readers"},
    {SGC_NEED_PROMPT, "prompt"},
    {SGC_NEED_WEAK, "weak"},
    {SGC_NEED_FINALIZERS, "finalizers"},
    {SGC_CAP_COUNTS_REFERENCES, "counts-references"},
    {SGC_CAP_MARKS, "marks"},
};

void gcctl_plugin_name(const char *path, char *out, size_t out_bytes)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t length = strlen(name);
    const bool ends = length > 3 && strcmp(name + length - 3, ".so") == 0;
    snprintf(out, out_bytes, "%.*s", (int)(ends ? length - 3 : length), name);
}

/* ---- the child: JSON of what it found */

static json_t *exam_capabilities(uint32_t bits)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
        if (bits & capabilities[i].bit)
            json_array_append_new(list, json_string(capabilities[i].name));
    return list;
}

static json_t *exam_number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *exam_parameters(const struct sgc_strategy_plugin *plugin)
{
    static const char *const types[] = {"count", "bytes", "duration", "percent", "switch"};
    json_t *list = json_array();
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const struct sgc_param *param = &plugin->params[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:s}", "key", param->key, "type",
                                              types[param->type], "minimum", exam_number(param->minimum), "maximum",
                                              exam_number(param->maximum), "default", exam_number(param->default_value),
                                              "live", param->live != 0, "help", param->help));
    }
    return list;
}

static void exam_table(json_t *found, const struct sgc_strategy_plugin *plugin)
{
    char abi[16];
    snprintf(abi, sizeof(abi), "%u.%u", plugin->abi_major, plugin->abi_minor);
    json_object_set_new(found, "name", json_string(plugin->name));
    json_object_set_new(found, "version", json_string(plugin->version));
    json_object_set_new(found, "abi", json_string(abi));
    json_object_set_new(found, "license", json_string(plugin->license));
    json_object_set_new(found, "description", json_string(plugin->description));
    json_object_set_new(found, "capabilities", exam_capabilities(plugin->capabilities));
    json_object_set_new(found, "parameters", exam_parameters(plugin));
}

/* What a program would do: open a heap on it. The environment says so louder than any config file. */
static struct sgc_heap *exam_open(const char *strategy, struct sgc_error *error)
{
    char *inline_config = NULL;
    const bool fits = !strpbrk(strategy, ",= \t\n"); /* $SLABGC would read these as its own */
    if (asprintf(&inline_config, "control.socket=off%s%s", fits ? ",heap." HEAP_NAME ".strategy=" : "",
                 fits ? strategy : "") < 0)
        return NULL;
    unsetenv("SLABGC_CONFIG");
    setenv("SLABGC", inline_config, 1);
    free(inline_config);
    return sgc_heap_open(HEAP_NAME, &(struct sgc_heap_options){.strategy = strategy}, error);
}

static const char *exam_after(const char *text, const char *prefix)
{
    const size_t n = strlen(prefix);
    return strncmp(text, prefix, n) ? text : text + n;
}

/* The message without what it says of the config's place and line, and without the path, which the reader knows. */
static const char *exam_reason(char *message, const char *path)
{
    const char *reason = message;
    if (strncmp(message, PLACE, strlen(PLACE)) == 0) {
        const char *at = strstr(message, ": ");
        reason = at ? at + 2 : message;
        message[strcspn(message, "\n")] = '\0';
    }
    const char *after = exam_after(reason, path);
    return after == reason ? reason : exam_after(exam_after(after, ": "), "plug-in refused: ");
}

static json_t *exam_look(const char *path)
{
    json_t *found = json_object();
    struct sgc_error error = {0};
    struct sgc_heap *heap = exam_open(*path ? path : "none", &error);
    if (!heap) {
        json_object_set_new(found, "refused", json_string(exam_reason(error.message, path)));
        return found;
    }
    if (*path) {
        void *handle = dlopen(path, RTLD_NOW); /* the same library: one file is one library */
        const struct sgc_strategy_plugin *plugin = handle ? dlsym(handle, SGC_PLUGIN_SYMBOL) : NULL;
        if (plugin)
            exam_table(found, plugin);
    } else {
        json_object_set_new(found, "name", json_string(sgc_heap_strategy(heap)));
        json_object_set_new(found, "capabilities", exam_capabilities(sgc_heap_capabilities(heap)));
    }
    if (sgc_heap_close(heap, &error))
        json_object_set_new(found, "refused", json_string(error.message));
    return found;
}

/* The first that is visited is built in. */
static int exam_built_in(void *found, const struct sgc_plugin_info *info)
{
    if (!*info->path && info->plugin)
        exam_table(found, info->plugin);
    return 1;
}

/* The built-in strategy's table is to be had only with those of all plug-ins: one of them may end this process, so what
 * is known without them is written first. */
static void exam_more(json_t *found, int result)
{
    if (json_dumpfd(found, result, JSON_COMPACT) || sgc_plugin_for_each(exam_built_in, found, NULL) != 1)
        return;
    lseek(result, 0, SEEK_SET);
    if (ftruncate(result, 0))
        _exit(1);
}

static _Noreturn void exam_child(const char *path, int result, int messages)
{
    struct rlimit no_core = {0, 0};
    sigset_t none;
    setrlimit(RLIMIT_CORE, &no_core);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(messages, STDOUT_FILENO);
    dup2(messages, STDERR_FILENO);
    alarm(EXAM_SECONDS);
    json_t *found = exam_look(path);
    if (!*path) {
        exam_more(found, result);
        lseek(result, 0, SEEK_SET);
    }
    _exit(json_dumpfd(found, result, JSON_COMPACT) ? 1 : 0);
}

/* ---- the parent */

/* The last line that the child printed, or "". */
static void exam_last_line(int fd, char *out, size_t out_bytes)
{
    char text[4096];
    const off_t end = lseek(fd, 0, SEEK_END);
    const ssize_t n = end > 0 ? pread(fd, text, sizeof(text) - 1, end > 4095 ? end - 4095 : 0) : 0;
    size_t length = n > 0 ? (size_t)n : 0;
    while (length && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    const char *line = strrchr(text, '\n');
    snprintf(out, out_bytes, "%.1000s", line ? line + 1 : text);
}

static json_t *exam_crash(int status, int messages)
{
    char text[1400], line[1024];
    exam_last_line(messages, line, sizeof(line));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(text, sizeof(text), "it was still loading after %d s", EXAM_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof(text), "loading it ended the process by SIG%s (%s)", sigabbrev_np(WTERMSIG(status)),
                 sigdescr_np(WTERMSIG(status)));
    else
        snprintf(text, sizeof(text), "loading it ended the process with status %d", WEXITSTATUS(status));
    const size_t length = strlen(text);
    snprintf(text + length, sizeof(text) - length, "%s%s", *line ? ": " : "", line);
    return json_string(text);
}

static json_t *exam_complete(json_t *found, const char *path)
{
    static const char *const members[] = {"version",      "abi",        "license", "description",
                                          "capabilities", "parameters", "refused", "crash"};
    char name[256];
    gcctl_plugin_name(path, name, sizeof(name));
    if (!json_object_get(found, "name"))
        json_object_set_new(found, "name", json_string(name));
    json_object_set_new(found, "path", json_string(path));
    json_object_set_new(found, "loaded", json_false());
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (!json_object_get(found, members[i]))
            json_object_set_new(found, members[i], json_null());
    return found;
}

static json_t *exam_failed(const char *path, const char *what)
{
    char text[256];
    snprintf(text, sizeof(text), "it could not be examined: %s: %s", what, strerror(errno));
    return exam_complete(json_pack("{s:s}", "refused", text), path);
}

json_t *gcctl_plugin_examine(const char *path)
{
    int status, result = memfd_create("result", MFD_CLOEXEC), messages = memfd_create("messages", MFD_CLOEXEC);
    json_t *found = NULL;
    fflush(NULL);
    const pid_t child = result >= 0 && messages >= 0 ? fork() : -1;
    if (child == 0)
        exam_child(path, result, messages);
    if (child < 0) {
        found = exam_failed(path, "fork");
    } else {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        lseek(result, 0, SEEK_SET);
        found = status == 0 || !*path ? json_loadfd(result, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
        if (!found)
            found = json_pack("{s:o}", "crash", exam_crash(status, messages));
        exam_complete(found, path);
    }
    if (result >= 0)
        close(result);
    if (messages >= 0)
        close(messages);
    return found;
}
