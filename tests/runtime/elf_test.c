/* elf_test.c - truncated and foreign files are told before the dynamic linker sees them. */
#include "core/runtime/elf.h"

#include "tests/runtime/kit.h"
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *plugin;
static size_t plugin_bytes;

static void read_plugin(void)
{
    plugin = kit_read(kit_built_plugin("good"), &plugin_bytes);
}

static void free_plugin(void)
{
    free(plugin);
}

static void expect_refused(const void *bytes, size_t n_bytes, const char *message)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_elf_check("/p/x.so", bytes, n_bytes, &error), -ENOEXEC);
    ck_assert_str_eq(error.message, message);
}

START_TEST(a_plug_in_is_accepted)
{
    struct sgc_error error = {0};
    ck_assert_msg(sgc_elf_check("x.so", plugin, plugin_bytes, &error) == 0, "%s", error.message);
}
END_TEST

/* Copies of exactly the length, so that a sanitizer sees a read behind them. */
START_TEST(every_truncation_is_refused)
{
    for (size_t n = 0; n < plugin_bytes; n += n < 1000 ? 1 : 97) {
        char *part = malloc(n ? n : 1);
        memcpy(part, plugin, n);
        struct sgc_error error = {0};
        ck_assert_msg(sgc_elf_check("/p/x.so", part, n, &error) == -ENOEXEC, "%zu bytes are accepted", n);
        ck_assert_ptr_nonnull(strstr(error.message, n == 0 ? "an empty file" : n < SELFMAG ? "" : "truncated"));
        free(part);
    }
}
END_TEST

START_TEST(the_message_says_what_is_wrong)
{
    char text[] = "#!/bin/sh\necho this is no library, and it is longer than an ELF header, which has 64 bytes\n";
    expect_refused("", 0, "/p/x.so: plug-in refused: an empty file");
    expect_refused(text, sizeof(text), "/p/x.so: plug-in refused: not an ELF file");
    expect_refused(plugin, 20, "/p/x.so: plug-in refused: truncated: the file has 20 bytes, its header 64");
    Elf64_Ehdr *header = (Elf64_Ehdr *)plugin;
    char message[200];
    sprintf(message, "/p/x.so: plug-in refused: truncated: section header %u ends at byte %lu, the file at %zu",
            header->e_shnum - 1u, header->e_shoff + (uint64_t)header->e_shnum * header->e_shentsize, plugin_bytes - 1);
    expect_refused(plugin, plugin_bytes - 1, message);
}
END_TEST

START_TEST(a_file_for_something_else_is_refused)
{
    Elf64_Ehdr *header = (Elf64_Ehdr *)plugin;
    header->e_type = ET_EXEC;
    expect_refused(plugin, plugin_bytes, "/p/x.so: plug-in refused: ELF type 2, wanted 3 (a shared object)");
    header->e_machine = EM_PPC64;
    struct sgc_error error;
    ck_assert_int_eq(sgc_elf_check("/p/x.so", plugin, plugin_bytes, &error), -ENOEXEC);
    ck_assert_ptr_nonnull(strstr(error.message, "built for ELF machine 21, wanted "));
    header->e_ident[EI_CLASS] = ELFCLASS32;
    expect_refused(plugin, plugin_bytes,
                   "/p/x.so: plug-in refused: ELF class 1, data 1; a 64-bit little-endian file is wanted");
}
END_TEST

START_TEST(no_header_leads_out_of_the_file)
{
    uint64_t seed = support_seed("headers", 23);
    char *copy = malloc(plugin_bytes);
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(copy, plugin, plugin_bytes);
        for (unsigned n = 0; n < 1 + support_random(&seed) % 8; n++) {
            size_t at = support_random(&seed) % 700; /* ELF header and program headers */
            copy[at] = support_random(&seed) % 2 ? (char)support_random(&seed) : (char)0xff;
        }
        struct sgc_error error = {0};
        if (sgc_elf_check("x.so", copy, plugin_bytes, &error))
            ck_assert_uint_gt(strlen(error.message), 20);
    }
    free(copy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("elf");
    TCase *tc = tcase_create("elf");
    tcase_add_checked_fixture(tc, read_plugin, free_plugin);
    tcase_add_test(tc, a_plug_in_is_accepted);
    tcase_add_test(tc, every_truncation_is_refused);
    tcase_add_test(tc, the_message_says_what_is_wrong);
    tcase_add_test(tc, a_file_for_something_else_is_refused);
    tcase_add_test(tc, no_header_leads_out_of_the_file);
    suite_add_tcase(suite, tc);
    return support_main(suite);
}
