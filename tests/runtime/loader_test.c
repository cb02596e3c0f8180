/* loader_test.c - plug-ins as files: what is loaded, and each refusal with its own message. */
#include "core/runtime/loader.h"

#include "core/heap/heap.h"
#include "core/stats/events.h"
#include "tests/runtime/kit.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct sgc_config *config;

static void make(void)
{
    kit_isolate();
    config = kit_parse("a.conf", "");
    setenv("SLABGC_PLUGIN_PATH", kit_path("p"), 1);
}

static const struct sgc_strategy_plugin *load(const char *name)
{
    const struct sgc_strategy_plugin *plugin = NULL;
    struct sgc_error error = {0};
    int code = sgc_loader_get(config, name, &plugin, &error);
    ck_assert_msg(code == 0, "%s", error.message);
    ck_assert_ptr_nonnull(plugin);
    return plugin;
}

static void expect_refused(const char *name, int code, const char *message)
{
    const struct sgc_strategy_plugin *plugin = NULL;
    struct sgc_error error = {0};
    int found = sgc_loader_get(config, name, &plugin, &error);
    kit_assert_message(&error, message);
    ck_assert_int_eq(found, code);
    ck_assert_int_eq(error.code, code);
    ck_assert_ptr_null(plugin);
}

START_TEST(a_plug_in_loads_by_name_and_by_path)
{
    const char *path = kit_copy_plugin("good", "p/good.so");
    const struct sgc_strategy_plugin *plugin = load("good");
    ck_assert_str_eq(plugin->name, "good");
    ck_assert_uint_eq(plugin->n_params, 4);
    ck_assert_ptr_eq(load("good"), plugin);
    ck_assert_ptr_eq(load(path), plugin);
}
END_TEST

START_TEST(the_built_in_strategy_needs_no_file)
{
    ck_assert_ptr_eq(load("none"), &sgc_strategy_none);
}
END_TEST

START_TEST(a_load_is_an_event)
{
    kit_copy_plugin("good", "p/good.so");
    const struct sgc_strategy_plugin *plugin = load("good");
    load("good");
    struct sgc_event events[4];
    uint64_t next = 0;
    ck_assert_uint_eq(sgc_events_read(&next, events, 4, NULL), 1);
    ck_assert_uint_eq(events[0].kind, SGC_EVENT_STRATEGY_LOADED);
    ck_assert_str_eq(events[0].name, "good");
    ck_assert_uint_eq(events[0].n[0], SGC_ABI_MAJOR);
    ck_assert_uint_eq(events[0].n[2], plugin->capabilities);
}
END_TEST

START_TEST(two_files_of_one_name_are_two_plug_ins)
{
    kit_copy_plugin("good", "p/good.so");
    const char *other = kit_copy_plugin("good", "q/good.so");
    const struct sgc_strategy_plugin *first = load("good"), *second = load(other);
    ck_assert_ptr_ne(first, second);
    ck_assert_ptr_ne(first->ops, second->ops);
    ck_assert_ptr_eq(load("good"), first);
}
END_TEST

START_TEST(one_file_under_two_names_is_one_plug_in_and_the_wrong_name_is_refused)
{
    const char *path = kit_copy_plugin("good", "p/good.so"), *link_path = kit_path("p/alias.so");
    ck_assert_int_eq(symlink(path, link_path), 0);
    load("good");
    expect_refused("alias", -ENOEXEC,
                   "@/p/alias.so: plug-in refused: name is \"good\", wanted \"alias\", as the file is called");
}
END_TEST

START_TEST(a_file_replaced_by_another_is_loaded_anew)
{
    kit_copy_plugin("good", "p/good.so");
    const struct sgc_strategy_plugin *first = load("good");
    const char *path = kit_path("p/good.so"), *newer = kit_copy_plugin("good", "newer.so");
    ck_assert_int_eq(rename(newer, path), 0);
    const struct sgc_strategy_plugin *second = load("good");
    ck_assert_ptr_ne(first, second);
    ck_assert_str_eq(first->name, "good"); /* still mapped: nothing is unloaded */
}
END_TEST

START_TEST(a_descriptor_number_used_again_is_not_taken_for_the_library_it_once_was)
{
    static const char *const names[] = {"good", "wrong_major", "second", "no_symbol", "cyclic"};
    const struct sgc_strategy_plugin *loaded[LENGTH(names)] = {NULL};
    for (unsigned i = 0; i < LENGTH(names); i++) {
        char file[64];
        snprintf(file, sizeof(file), "p/%s.so", names[i]);
        kit_copy_plugin(names[i], file);
        struct sgc_error error;
        if (sgc_loader_get(config, names[i], &loaded[i], &error) == 0)
            ck_assert_str_eq(loaded[i]->name, names[i]);
    }
    ck_assert_ptr_nonnull(loaded[0]);
    ck_assert_ptr_null(loaded[1]);
    ck_assert_ptr_nonnull(loaded[2]);
    ck_assert_ptr_null(loaded[3]);
    ck_assert_ptr_nonnull(loaded[4]);
}
END_TEST

static const struct {
    const char *name, *reason;
} broken[] = {
    {"wrong_magic", "magic is 0x1122334455667788, wanted 0x4e4c504347424c53; is sgc_strategy_plugin of this type?"},
    {"wrong_major", "abi_major is 2, wanted 1; build it with this slabgc's headers"},
    {"newer_minor", "abi_minor is 1, wanted at most 0; it needs a newer slabgc"},
    {"wrong_size", "struct_bytes is 64, wanted 80"},
    {"wrong_ops_size", "ops->struct_bytes is 64, wanted 120"},
    {"no_symbol", "it exports no sgc_strategy_plugin"},
    {"no_license", "license is NULL, wanted a text"},
    {"other_name", "name is \"good\", wanted \"other_name\", as the file is called"},
    {"missing_op", "ops->collect is NULL, wanted a function or one of the sgc_op_ stubs"},
    {"unknown_capability", "capabilities is 0x40000010, wanted known bits alone; 0x40000000 is unknown"},
    {"unknown_metadata", "metadata is 0x8, wanted known bits alone; 0x8 is unknown"},
    {"marks_without_metadata", "capabilities has SGC_CAP_MARKS, but metadata lacks SGC_METADATA_MARK"},
    {"bad_store_mask", "ops->store_mask is 0x4, wanted SGC_STATE_STORE and SGC_STATE_STORE_2 alone"},
    {"bad_new_state", "ops->new_state is 0x80, wanted without SGC_STATE_WATCHED and SGC_STATE_FINALIZED"},
    {"bad_param_key", "params[4].key is Max, wanted 1 to 63 of a-z 0-9 _"},
    {"duplicate_param", "params[4].key is \"eager\", as that of params[3]"},
    {"bad_param_default", "parameter \"max\": default_value is 1, wanted 2 to 9"},
    {"bad_param_bounds", "parameter \"max\": minimum is 10, maximum 9"},
};

START_TEST(a_broken_plug_in_is_refused_with_its_own_message)
{
    char file[64], message[300];
    snprintf(file, sizeof(file), "p/%s.so", broken[_i].name);
    snprintf(message, sizeof(message), "@/%s: plug-in refused: %s", file, broken[_i].reason);
    kit_copy_plugin(broken[_i].name, file);
    expect_refused(broken[_i].name, -ENOEXEC, message);
    expect_refused(broken[_i].name, -ENOEXEC, message); /* the second time, too */
    kit_copy_plugin("good", "p/good.so");
    load("good");
}
END_TEST

START_TEST(a_truncated_file_is_refused_at_every_length)
{
    size_t n_bytes;
    char *bytes = kit_read(kit_built_plugin("good"), &n_bytes);
    for (size_t n = 0; n < n_bytes; n += 501) {
        const struct sgc_strategy_plugin *plugin;
        struct sgc_error error = {0};
        kit_write("p/good.so", bytes, n);
        ck_assert_int_eq(sgc_loader_get(config, "good", &plugin, &error), -ENOEXEC);
        ck_assert_msg(strstr(error.message, n ? "/p/good.so: plug-in refused: truncated: " : "an empty file") != NULL,
                      "%s", error.message);
    }
    free(bytes);
}
END_TEST

START_TEST(a_file_that_is_no_library_is_refused)
{
    kit_write_text("p/text.so", "#!/bin/sh\nexit 0\n");
    expect_refused("text", -ENOEXEC, "@/p/text.so: plug-in refused: not an ELF file");
}
END_TEST

static void expect_untrusted(const char *what, const char *file, const char *by, unsigned mode)
{
    char message[300];
    snprintf(message, sizeof(message), "%s@/%s: writable by %s (mode 0%o, owner %u): chmod go-w '@/%s'", what, file, by,
             mode, (unsigned)geteuid(), file);
    ck_assert_int_eq(chmod(kit_path(file), mode), 0);
    expect_refused("good", -EPERM, message);
}

START_TEST(a_file_that_others_may_write_is_refused)
{
    kit_copy_plugin("good", "p/good.so");
    expect_untrusted("", "p/good.so", "others", 0757);
    expect_untrusted("", "p/good.so", "its group", 0775);
}
END_TEST

START_TEST(a_file_in_a_directory_that_others_may_write_is_refused)
{
    kit_copy_plugin("good", "p/good.so");
    expect_untrusted("directory ", "p", "others", 0777);
    ck_assert_int_eq(chmod(kit_path("p"), 0755), 0);
    load("good");
}
END_TEST

START_TEST(a_refused_file_hides_one_further_down_the_path)
{
    char list[2 * PATH_MAX];
    snprintf(list, sizeof(list), "%s:%s", kit_path("p"), kit_path("q"));
    setenv("SLABGC_PLUGIN_PATH", list, 1);
    kit_write_text("p/good.so", "no library");
    kit_copy_plugin("good", "q/good.so");
    expect_refused("good", -ENOEXEC, "@/p/good.so: plug-in refused: not an ELF file");
}
END_TEST

static int count(void *arg, const struct sgc_strategy_plugin *plugin)
{
    char *names = arg;
    sprintf(names + strlen(names), "%s ", plugin->name);
    return 0;
}

START_TEST(what_is_loaded_can_be_listed)
{
    kit_copy_plugin("good", "p/good.so");
    kit_copy_plugin("wrong_major", "p/wrong_major.so");
    load("good");
    const struct sgc_strategy_plugin *plugin;
    sgc_loader_get(config, "wrong_major", &plugin, NULL);
    char names[200] = "";
    ck_assert_int_eq(sgc_loader_for_each(count, names), 0);
    ck_assert_str_eq(names, "none good ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *tc = tcase_create("loader");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, a_plug_in_loads_by_name_and_by_path);
    tcase_add_test(tc, the_built_in_strategy_needs_no_file);
    tcase_add_test(tc, a_load_is_an_event);
    tcase_add_test(tc, two_files_of_one_name_are_two_plug_ins);
    tcase_add_test(tc, one_file_under_two_names_is_one_plug_in_and_the_wrong_name_is_refused);
    tcase_add_test(tc, a_file_replaced_by_another_is_loaded_anew);
    tcase_add_test(tc, a_descriptor_number_used_again_is_not_taken_for_the_library_it_once_was);
    tcase_add_loop_test(tc, a_broken_plug_in_is_refused_with_its_own_message, 0, LENGTH(broken));
    tcase_add_test(tc, a_truncated_file_is_refused_at_every_length);
    tcase_add_test(tc, a_file_that_is_no_library_is_refused);
    tcase_add_test(tc, a_file_that_others_may_write_is_refused);
    tcase_add_test(tc, a_file_in_a_directory_that_others_may_write_is_refused);
    tcase_add_test(tc, a_refused_file_hides_one_further_down_the_path);
    tcase_add_test(tc, what_is_loaded_can_be_listed);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
