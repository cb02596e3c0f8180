/* config_test.c - the sources in order, and looking values up. */
#include "tests/runtime/kit.h"

#include "core/os/fault.h"
#include "core/os/meta.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sgc_config *read_config(void)
{
    struct sgc_config *config = NULL;
    struct sgc_error error = {0};
    int code = sgc_config_read(&config, &error);
    ck_assert_msg(code == 0, "%s", error.message);
    return config;
}

static void expect_unreadable(int code, const char *message)
{
    struct sgc_config *config = NULL;
    struct sgc_error error = {0};
    size_t before = sgc_meta_bytes();
    int found = sgc_config_read(&config, &error);
    ck_assert_ptr_null(config);
    kit_assert_message(&error, message);
    ck_assert_int_eq(found, code);
    ck_assert_uint_eq(sgc_meta_bytes(), before);
}

/* "VALUE from ORIGIN" of [heap] strategy. */
static const char *strategy_of(const struct sgc_config *config, const char *heap)
{
    static char text[SGC_ORIGIN_BYTES + 100];
    char origin[SGC_ORIGIN_BYTES];
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_HEAP, heap, "strategy");
    ck_assert_ptr_nonnull(entry);
    sgc_place_origin(&entry->value_place, origin);
    snprintf(text, sizeof(text), "%s from %s", entry->value, origin);
    return text;
}

static void expect_strategy(const char *expected)
{
    struct sgc_config *config = read_config();
    struct sgc_error error;
    snprintf(error.message, sizeof(error.message), "%s", strategy_of(config, "any"));
    kit_assert_message(&error, expected);
    sgc_config_free(config);
}

START_TEST(without_any_source_the_built_in_text_holds)
{
    kit_isolate();
    struct sgc_config *config = read_config();
    ck_assert_ptr_null(sgc_config_find(config, SGC_CONFIG_HEAP, "", "strategy"));
    const struct sgc_config_entry *entry = sgc_config_find(config, SGC_CONFIG_HEAP, "x", "hard_limit");
    ck_assert_str_eq(entry->value, "125%");
    ck_assert_int_eq(entry->value_place.source->kind, SGC_SOURCE_BUILT_IN);
    ck_assert_str_eq(sgc_config_find(config, SGC_CONFIG_HEAP, "", "memory_limit")->value, "none");
    ck_assert_str_eq(sgc_config_find(config, SGC_CONFIG_HEAP, "", "stall_report")->value, "100ms");
    ck_assert_str_eq(sgc_config_find(config, SGC_CONFIG_HEAP, "", "default_strategies")->value,
                     "generational, refcount, rcu, none");
    ck_assert_str_eq(sgc_config_find_cache(config, "node", "debug")->value, "none");
    sgc_config_free(config);
}
END_TEST

START_TEST(each_source_beats_those_before)
{
    kit_isolate();
    kit_write_text("usr/slabgc/slabgc.conf", "[heap]\nstrategy = a\n");
    expect_strategy("a from @/usr/slabgc/slabgc.conf:2");
    kit_write_text("etc/slabgc/slabgc.conf", "# etc\n[heap]\nstrategy = b\n");
    expect_strategy("b from @/etc/slabgc/slabgc.conf:3");
    kit_write_text("etc/slabgc/slabgc.conf.d/20.conf", "[heap]\nstrategy = c\n");
    expect_strategy("c from @/etc/slabgc/slabgc.conf.d/20.conf:2");
    kit_write_text("etc/slabgc/slabgc.conf.d/10.conf", "[heap]\nstrategy = d\n");
    expect_strategy("c from @/etc/slabgc/slabgc.conf.d/20.conf:2");
    kit_write_text("etc/slabgc/slabgc.conf.d/30.conf", "[heap]\nstrategy = e\n");
    expect_strategy("e from @/etc/slabgc/slabgc.conf.d/30.conf:2");
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", "[heap]\nstrategy = f\n"), 1);
    expect_strategy("f from @/own.conf:2");
    setenv("SLABGC", "strategy=g", 1);
    expect_strategy("g from $SLABGC");
}
END_TEST

START_TEST(only_names_that_end_in_conf_are_drop_ins)
{
    kit_isolate();
    kit_write_text("etc/slabgc/slabgc.conf.d/10.conf", "[heap]\nstrategy = a\n");
    kit_write_text("etc/slabgc/slabgc.conf.d/20.conf~", "nonsense\n");
    kit_write_text("etc/slabgc/slabgc.conf.d/.30.conf", "nonsense\n");
    kit_write_text("etc/slabgc/slabgc.conf.d/README", "nonsense\n");
    expect_strategy("a from @/etc/slabgc/slabgc.conf.d/10.conf:2");
}
END_TEST

START_TEST(an_empty_variable_is_none)
{
    kit_isolate();
    setenv("SLABGC_CONFIG", "", 1);
    setenv("SLABGC", "", 1);
    sgc_config_free(read_config());
}
END_TEST

START_TEST(the_named_heap_beats_every_heap_whatever_the_source)
{
    kit_isolate();
    kit_write_text("usr/slabgc/slabgc.conf", "[heap.words]\nstrategy = a\n");
    setenv("SLABGC", "strategy=b", 1);
    struct sgc_config *config = read_config();
    ck_assert_ptr_nonnull(strstr(strategy_of(config, "words"), "a from "));
    ck_assert_str_eq(strategy_of(config, "other"), "b from $SLABGC");
    sgc_config_free(config);
}
END_TEST

START_TEST(a_caches_exact_name_beats_globs_and_the_later_glob_the_earlier)
{
    struct sgc_config *config = kit_parse("a.conf", "[cache.node]\ndebug = track\n"
                                                    "[cache.*]\ndebug = none\n"
                                                    "[cache.no*]\ndebug = poison\n"
                                                    "[cache.[xyz]?]\ndebug = redzone\n");
    ck_assert_str_eq(sgc_config_find_cache(config, "node", "debug")->value, "track");
    ck_assert_str_eq(sgc_config_find_cache(config, "nodes", "debug")->value, "poison");
    ck_assert_str_eq(sgc_config_find_cache(config, "leaf", "debug")->value, "none");
    ck_assert_str_eq(sgc_config_find_cache(config, "y1", "debug")->value, "redzone");
    sgc_config_free(config);
    config = kit_parse("a.conf", "[heap]\nstrategy = rcu\n");
    ck_assert_ptr_null(sgc_config_find_cache(config, "node", "debug"));
    sgc_config_free(config);
}
END_TEST

START_TEST(one_bad_source_refuses_all)
{
    kit_isolate();
    kit_write_text("usr/slabgc/slabgc.conf", "[heap]\nstrategy = rcu\n");
    kit_write_text("etc/slabgc/slabgc.conf.d/50.conf", "[heap]\nmemory = 1GiB\n");
    expect_unreadable(-EINVAL, "@/etc/slabgc/slabgc.conf.d/50.conf:2:1: unknown key \"memory\" in [heap]; it takes "
                               "strategy, default_strategies, memory_limit, hard_limit, stall_report\n"
                               "    2 | memory = 1GiB\n"
                               "      | ^");
}
END_TEST

START_TEST(the_file_of_the_variable_must_exist)
{
    kit_isolate();
    setenv("SLABGC_CONFIG", kit_path("absent.conf"), 1);
    expect_unreadable(-ENOENT, "$SLABGC_CONFIG: config @/absent.conf: cannot open: No such file or directory");
}
END_TEST

START_TEST(a_file_has_at_most_64_kib)
{
    kit_isolate();
    char *text = malloc(SGC_CONFIG_FILE_BYTES + 1);
    for (size_t i = 0; i <= SGC_CONFIG_FILE_BYTES; i++)
        text[i] = i % 64 ? '#' : '\n';
    kit_write("etc/slabgc/slabgc.conf", text, SGC_CONFIG_FILE_BYTES);
    sgc_config_free(read_config());
    kit_write("etc/slabgc/slabgc.conf", text, SGC_CONFIG_FILE_BYTES + 1);
    expect_unreadable(-EFBIG, "config @/etc/slabgc/slabgc.conf: has 65537 bytes, at most 65536 are read");
    free(text);
}
END_TEST

START_TEST(a_directory_in_place_of_a_file_is_refused)
{
    kit_isolate();
    kit_write_text("etc/slabgc/slabgc.conf/x", "");
    expect_unreadable(-EISDIR, "config @/etc/slabgc/slabgc.conf: is a directory, a regular file is wanted");
}
END_TEST

START_TEST(every_failing_call_is_a_clean_error)
{
    kit_isolate();
    kit_write_text("usr/slabgc/slabgc.conf", "[heap]\nstrategy = a\n");
    kit_write_text("etc/slabgc/slabgc.conf", "[heap]\nstrategy = b\n");
    kit_write_text("etc/slabgc/slabgc.conf.d/50.conf", "[heap]\nstrategy = c\n");
    setenv("SLABGC_CONFIG", kit_write_text("own.conf", "[heap]\nstrategy = d\n"), 1);
    uint64_t k = 0;
    bool fired = true;
    while (fired) {
        struct sgc_config *config = NULL;
        struct sgc_error error = {0};
        size_t before = sgc_meta_bytes();
        sgc_os_fault_arm(++k, false);
        int code = sgc_config_read(&config, &error);
        fired = sgc_os_fault_fired();
        sgc_os_fault_disarm();
        ck_assert_msg(!fired == !code, "call %lu: %d", k, code);
        if (fired) {
            ck_assert_ptr_null(config);
            ck_assert_uint_gt(strlen(error.message), 10);
        }
        sgc_config_free(config);
        ck_assert_uint_eq(sgc_meta_bytes(), before);
    }
    printf("reading config: %lu calls, each failed once\n", k - 1);
    ck_assert_uint_gt(k, 10);
}
END_TEST

/* The program starts itself as a set-user-ID copy of itself: then the kernel says that the environment is not to be
 * trusted. argv[1] of that copy: */
#define RAISED "as-if-raised"

static int main_raised(void)
{
    if (!getauxval(AT_SECURE))
        return 2; /* a file system without set-user-ID */
    return sgc_config_environment("SLABGC") || sgc_config_environment("SLABGC_CONFIG") ? 1 : 0;
}

START_TEST(the_environment_is_ignored_where_privileges_were_raised)
{
    size_t n_bytes;
    char *bytes = kit_read("/proc/self/exe", &n_bytes);
    const char *path = kit_write("raised", bytes, n_bytes);
    free(bytes);
    if (geteuid() != 0 || chown(path, 65534, 65534)) {
        printf("skipped: only root makes a set-user-ID file of another user\n");
        return;
    }
    ck_assert_int_eq(chmod(kit_directory(), 0755), 0);
    ck_assert_int_eq(chmod(path, 04755), 0);
    setenv("SLABGC", "strategy=rcu", 1);
    setenv("SLABGC_CONFIG", "/x", 1);
    ck_assert_str_eq(sgc_config_environment("SLABGC"), "strategy=rcu");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execl(path, path, RAISED, NULL);
        _exit(3);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) >= 2)
        printf("skipped: set-user-ID has no effect here\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], RAISED) == 0)
        _exit(main_raised()); /* without the checks at exit of a sanitizer, which raised privileges forbid */
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("config");
    tcase_add_test(tc, without_any_source_the_built_in_text_holds);
    tcase_add_test(tc, each_source_beats_those_before);
    tcase_add_test(tc, only_names_that_end_in_conf_are_drop_ins);
    tcase_add_test(tc, an_empty_variable_is_none);
    tcase_add_test(tc, the_named_heap_beats_every_heap_whatever_the_source);
    tcase_add_test(tc, a_caches_exact_name_beats_globs_and_the_later_glob_the_earlier);
    tcase_add_test(tc, one_bad_source_refuses_all);
    tcase_add_test(tc, the_file_of_the_variable_must_exist);
    tcase_add_test(tc, a_file_has_at_most_64_kib);
    tcase_add_test(tc, a_directory_in_place_of_a_file_is_refused);
    tcase_add_test(tc, the_environment_is_ignored_where_privileges_were_raised);
    tcase_add_test(tc, every_failing_call_is_a_clean_error);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
