/* resolve_test.c - config and a program's options for one heap. */
#include "core/runtime/resolve.h"

#include "tests/runtime/kit.h"
#include <errno.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct sgc_resolved resolved;
static struct sgc_error error;

static int resolve(const char *text, const struct sgc_heap_options *options)
{
    struct sgc_config *config = kit_config();
    memset(&error, 0, sizeof(error));
    ck_assert_int_eq(sgc_config_add_text(config, SGC_SOURCE_BUILT_IN, "built-in", sgc_config_defaults,
                                         strlen(sgc_config_defaults), &error),
                     0);
    int code = sgc_config_add_text(config, SGC_SOURCE_FILE, "a.conf", text, strlen(text), &error);
    ck_assert_msg(code == 0, "%s", error.message);
    code = sgc_resolve(config, "words", options, &sgc_strategy_none, &resolved, &error);
    sgc_config_free(config);
    return code;
}

static void expect_limits(const char *text, uint64_t program_bytes, uint64_t soft_bytes, uint64_t hard_bytes)
{
    ck_assert_int_eq(resolve(text, &(struct sgc_heap_options){.memory_limit_bytes = program_bytes}), 0);
    ck_assert_uint_eq(resolved.setup.soft_limit_bytes, soft_bytes);
    ck_assert_uint_eq(resolved.setup.hard_limit_bytes, hard_bytes);
}

START_TEST(without_config_there_is_no_limit_but_the_programs)
{
    expect_limits("", 0, 0, 0);
    expect_limits("", 100 * MIB, 100 * MIB, 125 * MIB);
    ck_assert_uint_eq(resolved.setup.stall_report_ns, 100000000);
}
END_TEST

START_TEST(config_overrides_the_programs_limit)
{
    expect_limits("[heap]\nmemory_limit = 64MiB\n", 100 * MIB, 64 * MIB, 80 * MIB);
    expect_limits("[heap]\nmemory_limit = none\n", 100 * MIB, 0, 0);
    expect_limits("[heap]\nmemory_limit = 64MiB\n[heap.words]\nmemory_limit = 32MiB\n", 0, 32 * MIB, 40 * MIB);
}
END_TEST

START_TEST(the_hard_limit_is_bytes_per_cent_or_none)
{
    expect_limits("[heap]\nmemory_limit = 64MiB\nhard_limit = 200%\n", 0, 64 * MIB, 128 * MIB);
    expect_limits("[heap]\nmemory_limit = 64MiB\nhard_limit = 100MiB\n", 0, 64 * MIB, 100 * MIB);
    expect_limits("[heap]\nmemory_limit = 64MiB\nhard_limit = none\n", 0, 64 * MIB, 0);
    expect_limits("[heap]\nhard_limit = 100MiB\n", 0, 0, 100 * MIB);
    expect_limits("[heap]\nmemory_limit = 16_000_000TiB\nhard_limit = 100%\n", 0, UINT64_C(16000000) << 40,
                  UINT64_C(16000000) << 40);
}
END_TEST

START_TEST(a_hard_limit_below_the_memory_limit_is_refused)
{
    ck_assert_int_eq(
        resolve("[heap]\nhard_limit = 64MiB\n", &(struct sgc_heap_options){.memory_limit_bytes = 65 * MIB}), -EINVAL);
    ck_assert_str_eq(error.message,
                     "a.conf:2:14: hard_limit \"64MiB\" is below the memory_limit of heap \"words\", 65MiB\n"
                     "    2 | hard_limit = 64MiB\n"
                     "      |              ^");
}
END_TEST

START_TEST(the_rest_comes_through)
{
    const struct sgc_heap_options options = {.needs = SGC_NEED_WEAK, .finalizer_thread = 2};
    ck_assert_int_eq(resolve("[heap]\nstall_report = 3ms\n", &options), 0);
    ck_assert_str_eq(resolved.setup.name, "words");
    ck_assert_ptr_eq(resolved.setup.plugin, &sgc_strategy_none);
    ck_assert_ptr_eq(resolved.setup.params, resolved.params.values);
    ck_assert_uint_eq(resolved.setup.needs, SGC_NEED_WEAK);
    ck_assert(resolved.setup.finalizer_thread);
    ck_assert_uint_eq(resolved.setup.stall_report_ns, 3000000);
}
END_TEST

START_TEST(a_bad_parameter_is_refused)
{
    ck_assert_int_eq(resolve("[strategy.none]\nx = 1\n", &(struct sgc_heap_options){0}), -EINVAL);
    ck_assert_str_eq(error.message, "a.conf:2:1: unknown key \"x\": strategy \"none\" has no parameters\n"
                                    "    2 | x = 1\n"
                                    "      | ^");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolve");
    TCase *tc = tcase_create("resolve");
    tcase_add_test(tc, without_config_there_is_no_limit_but_the_programs);
    tcase_add_test(tc, config_overrides_the_programs_limit);
    tcase_add_test(tc, the_hard_limit_is_bytes_per_cent_or_none);
    tcase_add_test(tc, a_hard_limit_below_the_memory_limit_is_refused);
    tcase_add_test(tc, the_rest_comes_through);
    tcase_add_test(tc, a_bad_parameter_is_refused);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
