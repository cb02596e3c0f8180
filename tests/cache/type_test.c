/* type_test.c - every type that cannot be cached is refused with the reason. */
#include "core/cache/type.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <string.h>

static void trace_nothing(void *object, sgc_visit_fn *visit, void *visitor)
{
    (void)object, (void)visit, (void)visitor;
}

static void expect(const struct sgc_type *type, const char *message)
{
    struct sgc_error error = {0};
    ck_assert_int_eq(sgc_type_check(type, 64, &error), -EINVAL);
    ck_assert_int_eq(error.code, -EINVAL);
    ck_assert_str_eq(error.message, message);
}
#define REFUSED(message_, ...) expect(&(const struct sgc_type){__VA_ARGS__}, message_)
#define ACCEPTED(...) ck_assert_int_eq(sgc_type_check(&(const struct sgc_type){__VA_ARGS__}, 64, NULL), 0)

struct node {
    struct node *left, *right;
    long value;
};

START_TEST(types_as_programs_write_them_are_accepted)
{
    static const struct sgc_type node_type = SGC_TYPE(struct node, SGC_REFS(struct node, left, right));
    ck_assert_int_eq(sgc_type_check(&node_type, 64, NULL), 0);
    ck_assert_str_eq(sgc_type_cache_name(&node_type), "node");
    ACCEPTED(.name = "a-b.C_9", .size_bytes = 1);
    ACCEPTED(.name = "vec", .size_bytes = 8, SGC_TAIL_REFS);
    ACCEPTED(.name = "text", .tail_element_bytes = 1);
    ACCEPTED(.name = "page", .size_bytes = 4096, .align_bytes = 4096);
    ACCEPTED(.name = "leaf", .size_bytes = 8, .flags = SGC_TYPE_LEAF);
    ACCEPTED(.name = "byte", .size_bytes = 1, .align_bytes = 1);
}
END_TEST

START_TEST(bad_names_are_refused)
{
    char longest[65];
    memset(longest, 'x', 64);
    longest[64] = '\0';
    REFUSED("a type without a name", .size_bytes = 8);
    REFUSED("type 'unsigned int': a name consists of letters, digits, '_', '.' and '-'", .name = "unsigned int",
            .size_bytes = 8);
    REFUSED("type 'struct ': a name consists of letters, digits, '_', '.' and '-'", .name = "struct ", .size_bytes = 8);
    REFUSED("type 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx': the name has more than 63 bytes",
            .name = longest, .size_bytes = 8);
    longest[63] = '\0';
    ACCEPTED(.name = longest, .size_bytes = 8);
}
END_TEST

START_TEST(bad_sizes_and_alignments_are_refused)
{
    REFUSED("type empty: objects of 0 bytes", .name = "empty");
    REFUSED("type odd: alignment 24 is not a power of two up to 4096", .name = "odd", .size_bytes = 24,
            .align_bytes = 24);
    REFUSED("type wide: alignment 8192 is not a power of two up to 4096", .name = "wide", .size_bytes = 8,
            .align_bytes = 8192);
}
END_TEST

START_TEST(bad_reference_descriptions_are_refused)
{
    REFUSED("type many: 13 runs of reference fields; at most 12 are possible, describe more by a trace callback",
            .name = "many", .size_bytes = 800, .n_ref_runs = 13);
    REFUSED("type out: reference fields at offset 8 (2 of them) are unaligned or not inside the object of 16 bytes",
            .name = "out", .size_bytes = 16, .n_ref_runs = 1, .ref_runs = {{8, 2}});
    REFUSED("type far: reference fields at offset 4294967288 (4294967295 of them) are unaligned or not inside the "
            "object of 16 bytes",
            .name = "far", .size_bytes = 16, .n_ref_runs = 1, .ref_runs = {{UINT32_MAX - 7, UINT32_MAX}});
    REFUSED("type askew: reference fields at offset 4 (1 of them) are unaligned or not inside the object of 16 bytes",
            .name = "askew", .size_bytes = 16, .n_ref_runs = 1, .ref_runs = {{4, 1}});
    REFUSED("type tail: a tail of references has elements of 8 bytes, and starts at a multiple of that", .name = "tail",
            .size_bytes = 12, SGC_TAIL_REFS);
    REFUSED("type tail: a tail of references has elements of 8 bytes, and starts at a multiple of that", .name = "tail",
            .size_bytes = 16, .tail_element_bytes = 4, .tail_refs = 1);
    REFUSED("type leaf: flagged SGC_TYPE_LEAF, but has reference fields", .name = "leaf", .size_bytes = 8,
            .flags = SGC_TYPE_LEAF, .trace = trace_nothing);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("type");
    TCase *tcase = tcase_create("type");
    tcase_add_test(tcase, types_as_programs_write_them_are_accepted);
    tcase_add_test(tcase, bad_names_are_refused);
    tcase_add_test(tcase, bad_sizes_and_alignments_are_refused);
    tcase_add_test(tcase, bad_reference_descriptions_are_refused);
    suite_add_tcase(suite, tcase);
    return support_main(suite);
}
