/* plugin_check_test.c - each field of the constant that a plug-in exports. The same through files: loader_test.c. */
#include "core/runtime/plugin_check.h"

#include "core/heap/heap.h"
#include "tests/support/expect.h"
#include <errno.h>
#include <string.h>

static struct sgc_strategy_plugin plugin;
static struct sgc_strategy_ops ops;
static struct sgc_param params[SGC_MAX_PARAMS + 1];

/* A sound plug-in made from the built-in strategy's ops, for tests to spoil. */
static void make(void)
{
    ops = *sgc_strategy_none.ops;
    for (unsigned i = 0; i <= SGC_MAX_PARAMS; i++)
        params[i] = (struct sgc_param){"key", SGC_PARAM_COUNT, 1, 10, 5, 0, "help"};
    params[1].key = "other";
    plugin = (struct sgc_strategy_plugin){
        .magic = SGC_PLUGIN_MAGIC,
        .struct_bytes = sizeof(plugin),
        .abi_major = SGC_ABI_MAJOR,
        .abi_minor = SGC_ABI_MINOR,
        .name = "fine",
        .version = "1",
        .license = "MIT",
        .description = "a test",
        .params = params,
        .n_params = 2,
        .ops = &ops,
    };
}

static void expect_refused(const char *message)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_plugin_check("/p/fine.so", "fine", &plugin, &error), -ENOEXEC);
    ck_assert_mem_eq(error.message, "/p/fine.so: plug-in refused: ", 29);
    ck_assert_str_eq(error.message + 29, message);
}

START_TEST(a_sound_plug_in_passes)
{
    struct sgc_error error = {0};
    ck_assert_msg(sgc_plugin_check("/p/fine.so", "fine", &plugin, &error) == 0, "%s", error.message);
    ck_assert_int_eq(sgc_plugin_check("none", "none", &sgc_strategy_none, &error), 0);
    plugin.n_params = 0;
    plugin.params = NULL;
    ck_assert_int_eq(sgc_plugin_check("/p/fine.so", "fine", &plugin, &error), 0);
}
END_TEST

START_TEST(versions_are_told_before_sizes)
{
    plugin.struct_bytes = 8;
    expect_refused("struct_bytes is 8, wanted 80");
    plugin.abi_minor = SGC_ABI_MINOR + 1;
    expect_refused("abi_minor is 1, wanted at most 0; it needs a newer slabgc");
    plugin.abi_major = 7;
    expect_refused("abi_major is 7, wanted 1; build it with this slabgc's headers");
    plugin.magic = 1;
    expect_refused("magic is 0x0000000000000001, wanted 0x4e4c504347424c53; is sgc_strategy_plugin of this type?");
}
END_TEST

START_TEST(texts_must_be_there_and_the_name_the_files)
{
    plugin.description = NULL;
    expect_refused("description is NULL, wanted a text");
    plugin.license = NULL;
    expect_refused("license is NULL, wanted a text");
    plugin.version = NULL;
    expect_refused("version is NULL, wanted a text");
    plugin.name = "coarse";
    expect_refused("name is \"coarse\", wanted \"fine\", as the file is called");
    plugin.name = "Fine";
    expect_refused("name is \"Fine\", wanted 1 to 63 of a-z 0-9 _ -");
    plugin.name = "";
    expect_refused("name is \"\", wanted 1 to 63 of a-z 0-9 _ -");
    plugin.name = NULL;
    expect_refused("name is NULL, wanted 1 to 63 of a-z 0-9 _ -");
}
END_TEST

START_TEST(unknown_bits_are_refused)
{
    plugin.reserved = 1;
    expect_refused("reserved is 1, wanted 0");
    plugin.capabilities = SGC_CAP_MARKS;
    expect_refused("capabilities has SGC_CAP_MARKS, but metadata lacks SGC_METADATA_MARK");
    plugin.metadata = 1u << 9 | SGC_METADATA_MARK;
    expect_refused("metadata is 0x201, wanted known bits alone; 0x200 is unknown");
    plugin.capabilities = 1u << 10;
    expect_refused("capabilities is 0x400, wanted known bits alone; 0x400 is unknown");
}
END_TEST

START_TEST(a_parameter_table_must_make_sense)
{
    params[1].help = NULL;
    expect_refused("parameter \"other\": help is NULL, wanted a sentence");
    params[1].default_value = 11;
    expect_refused("parameter \"other\": default_value is 11, wanted 1 to 10");
    params[1].default_value = 0;
    expect_refused("parameter \"other\": default_value is 0, wanted 1 to 10");
    params[1].minimum = 20;
    expect_refused("parameter \"other\": minimum is 20, maximum 10");
    params[1].minimum = 0;
    params[1].type = SGC_PARAM_BOOL;
    expect_refused("parameter \"other\": minimum is 0, maximum 10, wanted 0 and 1");
    params[1].type = (enum sgc_param_type)9;
    expect_refused("parameter \"other\": type is 9, wanted one of enum sgc_param_type");
    params[1].key = "key";
    expect_refused("params[1].key is \"key\", as that of params[0]");
    params[1].key = "no-dash";
    expect_refused("params[1].key is no-dash, wanted 1 to 63 of a-z 0-9 _");
    params[0].key = NULL;
    expect_refused("params[0].key is NULL, wanted 1 to 63 of a-z 0-9 _");
    plugin.params = NULL;
    expect_refused("params is NULL, wanted 2 entries");
    plugin.n_params = SGC_MAX_PARAMS + 1;
    expect_refused("n_params is 33, wanted at most 32");
}
END_TEST

START_TEST(every_op_must_be_there)
{
    ops.verify = NULL;
    expect_refused("ops->verify is NULL, wanted a function or one of the sgc_op_ stubs");
    ops.compare_exchange = NULL;
    expect_refused("ops->compare_exchange is NULL, wanted a function or one of the sgc_op_ stubs");
    ops.open = NULL;
    expect_refused("ops->open is NULL, wanted a function or one of the sgc_op_ stubs");
    ops.struct_bytes = 4;
    expect_refused("ops->struct_bytes is 4, wanted 120");
    plugin.ops = NULL;
    expect_refused("ops is NULL");
}
END_TEST

START_TEST(state_bits_of_core_are_not_a_strategys)
{
    ops.quiet_mask = SGC_STATE_WATCHED;
    expect_refused("ops->quiet_mask is 0x40, wanted without SGC_STATE_WATCHED and SGC_STATE_FINALIZED");
    ops.end_state = SGC_STATE_COUNTED;
    expect_refused("ops->end_state is 0x20, wanted 0 or with SGC_STATE_COUNTED and SGC_STATE_DEFER");
    ops.new_state = SGC_STATE_WATCHED;
    expect_refused("ops->new_state is 0x40, wanted without SGC_STATE_WATCHED and SGC_STATE_FINALIZED");
    ops.store_mask = SGC_STATE_DEFER;
    expect_refused("ops->store_mask is 0x10, wanted SGC_STATE_STORE and SGC_STATE_STORE_2 alone");
}
END_TEST

START_TEST(needs_have_names)
{
    char list[128];
    ck_assert_str_eq(sgc_needs_list(0, list, sizeof(list)), "nothing");
    ck_assert_str_eq(sgc_needs_list(SGC_NEED_CONCURRENT_READERS, list, sizeof(list)), "concurrent-readers");
    ck_assert_str_eq(sgc_needs_list(SGC_NEEDS_ALL, list, sizeof(list)),
                     "references, cycles, concurrent-readers, prompt, weak, finalizers");
    char tight[12];
    ck_assert_uint_lt(strlen(sgc_needs_list(SGC_NEEDS_ALL, tight, sizeof(tight))), sizeof(tight));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plugin_check");
    TCase *tc = tcase_create("plugin_check");
    tcase_add_checked_fixture(tc, make, NULL);
    tcase_add_test(tc, a_sound_plug_in_passes);
    tcase_add_test(tc, versions_are_told_before_sizes);
    tcase_add_test(tc, texts_must_be_there_and_the_name_the_files);
    tcase_add_test(tc, unknown_bits_are_refused);
    tcase_add_test(tc, a_parameter_table_must_make_sense);
    tcase_add_test(tc, every_op_must_be_there);
    tcase_add_test(tc, state_bits_of_core_are_not_a_strategys);
    tcase_add_test(tc, needs_have_names);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
