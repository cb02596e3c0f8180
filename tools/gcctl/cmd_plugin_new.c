/* cmd_plugin_new.c - gcctl plugin new: a plug-in to begin with, from the files of plugin-template. */
#include "tools/gcctl/layout.h"
#include "tools/gcctl/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define NAME_BYTES 64 /* of a strategy, with the NUL */
#define N_FILES (sizeof(files) / sizeof(files[0]))

static const struct {
    const char *template_, *name; /* NULL: NAME.c */
} files[] = {
    {"plugin-template/plugin.c.in", NULL},
    {"plugin-template/Makefile.in", "Makefile"},
    {"plugin-template/BUILD.bazel.in", "BUILD.bazel"},
    {"plugin-template/WORKSPACE.fragment.in", "WORKSPACE.fragment"},
    {"plugin-template/README.md.in", "README.md"},
};

struct new_plugin {
    const char *name;
    char directory[PATH_MAX];
    char prefix[PATH_MAX]; /* of the installed headers, for Bazel */
    char *texts[N_FILES];
    size_t lengths[N_FILES];
};

static bool new_is_name(const char *name)
{
    const size_t length = strlen(name);
    return length > 0 && length < NAME_BYTES && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length &&
           name[0] != '-';
}

/* `make install` would replace it. */
static bool new_is_taken(const char *name)
{
    static const char *const own[] = {"none", "refcount", "generational", "rcu"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    return false;
}

/* PREFIX of PREFIX/share/slabgc/..., else the usual one. */
static void new_prefix(const char *template_, char out[PATH_MAX])
{
    const char *share = strstr(template_, "/share/slabgc/plugin-template/");
    if (share)
        snprintf(out, PATH_MAX, "%.*s", (int)(share - template_), template_);
    else
        snprintf(out, PATH_MAX, "/usr/local");
}

/* Copies a template, @NAME@ and @PREFIX@ replaced. 0, or an exit status, said. */
static int new_fill(struct new_plugin *plugin, const char *path, size_t i)
{
    static const struct {
        const char *mark;
        size_t length;
    } marks[] = {{"@NAME@", 6}, {"@PREFIX@", 8}};
    const char *const values[] = {plugin->name, plugin->prefix};
    FILE *from = fopen(path, "r"), *to = open_memstream(&plugin->texts[i], &plugin->lengths[i]);
    char *line = NULL;
    size_t capacity = 0;
    const bool opened = from && to;
    while (opened && getline(&line, &capacity, from) > 0)
        for (const char *at = line; *at;) {
            size_t m = 0;
            while (m < 2 && strncmp(at, marks[m].mark, marks[m].length) != 0)
                m++;
            if (m < 2)
                fputs(values[m], to);
            else
                fputc(*at, to);
            at += m < 2 ? marks[m].length : 1;
        }
    free(line);
    if (from)
        fclose(from);
    if (to)
        fclose(to);
    return opened ? 0 : gcctl_error(EX_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

static void new_path(const struct new_plugin *plugin, size_t i, char out[PATH_MAX + NAME_BYTES + 32])
{
    if (files[i].name)
        snprintf(out, PATH_MAX + NAME_BYTES + 32, "%s/%s", plugin->directory, files[i].name);
    else
        snprintf(out, PATH_MAX + NAME_BYTES + 32, "%s/%s.c", plugin->directory, plugin->name);
}

/* Nothing is overwritten: O_EXCL says so again for what comes between. */
static int new_check(const struct new_plugin *plugin)
{
    char path[PATH_MAX + NAME_BYTES + 32];
    struct stat found;
    for (size_t i = 0; i < N_FILES; i++) {
        new_path(plugin, i, path);
        if (lstat(path, &found) == 0)
            return gcctl_error(EX_CANTCREAT, "%s is there already; nothing was written", path);
        if (errno != ENOENT)
            return gcctl_error(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    }
    return 0;
}

static int new_write(const struct new_plugin *plugin, size_t i)
{
    char path[PATH_MAX + NAME_BYTES + 32];
    new_path(plugin, i, path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
    if (!to)
        return gcctl_error(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    const bool written = fwrite(plugin->texts[i], 1, plugin->lengths[i], to) == plugin->lengths[i];
    if (fclose(to) || !written) {
        const int code = gcctl_error(EX_IOERR, "%s: %s", path, strerror(errno));
        unlink(path);
        return code;
    }
    return 0;
}

/* All or none: what was written goes again when a later file cannot be. */
static int new_write_all(const struct new_plugin *plugin)
{
    char path[PATH_MAX + NAME_BYTES + 32];
    const bool made = mkdir(plugin->directory, 0755) == 0;
    if (!made && errno != EEXIST)
        return gcctl_error(EX_CANTCREAT, "%s: %s", plugin->directory, strerror(errno));
    int status = 0;
    size_t n = 0;
    while (n < N_FILES && status == 0)
        status = new_write(plugin, n++);
    if (status == 0)
        return 0;
    for (size_t i = 0; i + 1 < n; i++) {
        new_path(plugin, i, path);
        unlink(path);
    }
    if (made)
        rmdir(plugin->directory);
    return status;
}

static void new_say(const struct gcctl_call *call, const struct new_plugin *plugin)
{
    char path[PATH_MAX + NAME_BYTES + 32];
    for (size_t i = 0; i < N_FILES; i++) {
        new_path(plugin, i, path);
        printf("%s%s\n", call->dry_run ? "would write " : "", path);
    }
    if (!call->dry_run)
        gcctl_note("next: make -C %s && gcctl plugin check %s/%s.so", plugin->directory, plugin->directory,
                   plugin->name);
}

static int new_run(struct gcctl_call *call)
{
    struct new_plugin plugin = {.name = gcctl_text(call, "name")};
    const char *directory = gcctl_text(call, "directory");
    char path[PATH_MAX];
    int status = 0;
    if (!new_is_name(plugin.name))
        return gcctl_error(EX_USAGE, "\"%s\" is no name for a plug-in: 1 to 63 of a-z 0-9 _ -, no - in front",
                           plugin.name);
    if (new_is_taken(plugin.name))
        return gcctl_error(EX_USAGE, "\"%s\" is the name of a strategy of slabgc's own: give yours another",
                           plugin.name);
    if (snprintf(plugin.directory, PATH_MAX, "%s", directory ? directory : plugin.name) >= PATH_MAX)
        return gcctl_error(EX_USAGE, "the directory's path is too long");
    for (size_t i = 0; i < N_FILES && status == 0; i++) {
        if (!gcctl_layout_data(files[i].template_, path))
            status = EX_UNAVAILABLE;
        else {
            new_prefix(path, plugin.prefix);
            status = new_fill(&plugin, path, i);
        }
    }
    if (status == 0)
        status = new_check(&plugin);
    if (status == 0 && !call->dry_run)
        status = new_write_all(&plugin);
    if (status == 0)
        new_say(call, &plugin);
    for (size_t i = 0; i < N_FILES; i++)
        free(plugin.texts[i]);
    return status;
}

static const struct gcctl_option new_arguments[] = {
    {.name = "name", .kind = GCCTL_TEXT, .value = "NAME", .help = "The strategy's name: a-z 0-9 _ -", .required = true},
    {0},
};
static const struct gcctl_option new_options[] = {
    {.name = "directory",
     .letter = 'd',
     .kind = GCCTL_FILE,
     .value = "DIR",
     .help = "Where to write; NAME unless given"},
    {0},
};

const struct gcctl_command gcctl_command_plugin_new = {
    .name = "plugin new",
    .group = "Plug-ins",
    .summary = "Write a plug-in to begin with",
    .description =
        "Writes NAME.c, a small and complete mark-sweep collector whose comments teach, a Makefile that builds it "
        "against "
        "the installed headers by pkg-config alone, BUILD.bazel and a fragment of a WORKSPACE for Bazel, and a README. "
        "The "
        "result keeps the contract as it is: gcctl plugin check says so.\n\n"
        "Prints the files it wrote. Nothing is overwritten: when one of them is there already, nothing is written, and "
        "the exit status is 73.",
    .examples = "gcctl plugin new mine\ngcctl plugin new mine --directory src/mine\n",
    .arguments = new_arguments,
    .options = new_options,
    .flags = GCCTL_CHANGES,
    .run = new_run,
};
