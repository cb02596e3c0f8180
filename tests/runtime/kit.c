/* kit.c - see kit.h. */
#include "tests/runtime/kit.h"

#include "core/os/meta.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY_BYTES 512 /* messages that name it must fit into struct sgc_error */
#define PARENT_BYTES 200

static char directory[DIRECTORY_BYTES];
static pid_t owner;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_directory(void)
{
    if (getpid() == owner)
        nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *kit_directory(void)
{
    if (!directory[0]) {
        const char *parent = getenv("TEST_TMPDIR");
        if (!parent || strlen(parent) > PARENT_BYTES)
            parent = "/tmp";
        int length = snprintf(directory, sizeof(directory), "%s/slabgc-XXXXXX", parent);
        ck_assert_int_lt(length, DIRECTORY_BYTES);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        owner = getpid();
        atexit(remove_directory);
    }
    return directory;
}

const char *kit_path(const char *name)
{
    static char paths[16][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 16];
    ck_assert_int_lt(snprintf(path, PATH_MAX, "%s/%s", kit_directory(), name), PATH_MAX);
    return path;
}

const char *kit_write(const char *name, const void *bytes, size_t n_bytes)
{
    const char *path = kit_path(name);
    char parent[PATH_MAX];
    for (const char *slash = strchr(path + strlen(directory) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        ck_assert(mkdir(parent, 0755) == 0 || errno == EEXIST);
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n_bytes, file), n_bytes);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
    return path;
}

const char *kit_write_text(const char *name, const char *text)
{
    return kit_write(name, text, strlen(text));
}

const char *kit_built_plugin(const char *name)
{
    static char path[PATH_MAX];
    const char *folder = getenv("SLABGC_TEST_PLUGINS");
    snprintf(path, sizeof(path), "%s/%s.so", folder ? folder : "tests/runtime/broken", name);
    return path;
}

char *kit_read(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*n_bytes + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *n_bytes, file), *n_bytes);
    fclose(file);
    return bytes;
}

const char *kit_copy_plugin(const char *name, const char *to)
{
    size_t n_bytes;
    char *bytes = kit_read(kit_built_plugin(name), &n_bytes);
    const char *path = kit_write(to, bytes, n_bytes);
    ck_assert_int_eq(chmod(path, 0755), 0);
    free(bytes);
    return path;
}

void kit_isolate(void)
{
    static char usr_lib[PATH_MAX], etc[PATH_MAX];
    snprintf(usr_lib, sizeof(usr_lib), "%s", kit_path("usr"));
    snprintf(etc, sizeof(etc), "%s", kit_path("etc"));
    sgc_config_set_roots(usr_lib, etc);
    unsetenv("SLABGC");
    unsetenv("SLABGC_CONFIG");
    unsetenv("SLABGC_PLUGIN_PATH");
}

struct sgc_config *kit_config(void)
{
    struct sgc_config *config = sgc_meta_alloc(sizeof(*config));
    ck_assert_ptr_nonnull(config);
    return config;
}

static enum sgc_source_kind kind_of(const char *name)
{
    return name[0] == '$' ? SGC_SOURCE_ENVIRONMENT : SGC_SOURCE_FILE;
}

struct sgc_config *kit_parse(const char *name, const char *text)
{
    struct sgc_config *config = kit_config();
    struct sgc_error error = {0};
    int code = sgc_config_add_text(config, kind_of(name), name, text, strlen(text), &error);
    ck_assert_msg(code == 0, "%s", error.message);
    return config;
}

void kit_expect_refused(const char *name, const char *text, int code, const char *message)
{
    struct sgc_config *config = kit_config();
    struct sgc_error error = {0};
    int found = sgc_config_add_text(config, kind_of(name), name, text, strlen(text), &error);
    ck_assert_msg(found == code, "%s: %d instead of %d: %s", text, found, code, error.message);
    ck_assert_int_eq(error.code, code);
    kit_assert_message(&error, message);
    sgc_config_free(config);
}

void kit_assert_message(const struct sgc_error *error, const char *message)
{
    char expected[2 * SGC_ERROR_MESSAGE_BYTES];
    size_t length = 0;
    for (const char *at = message; *at; at++) {
        ck_assert_uint_lt(length, sizeof(expected) - DIRECTORY_BYTES);
        if (*at == '@')
            length += (size_t)sprintf(expected + length, "%s", kit_directory());
        else
            expected[length++] = *at;
    }
    expected[length] = '\0';
    ck_assert_msg(strcmp(error->message, expected) == 0, "found:\n%s\nexpected:\n%s", error->message, expected);
}

void kit_take_memory(void)
{
    static volatile char bytes[16 << 20];
    for (size_t i = 0; i < sizeof(bytes); i += 4096)
        bytes[i] = 1;
}
