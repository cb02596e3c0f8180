/* malloc_test.c - the general-purpose front: malloc and free, misuse, threads, faults. */
#include "core/cache/internal.h"
#include "core/cache/malloc.h"
#include "core/os/fault.h"
#include "tests/cache/attach.h"
#include "tests/support/expect.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void verify_all(void)
{
    for (unsigned i = 1; i <= SGC_MALLOC_LARGE; i++) {
        struct sgc_class *class_ = sgc_malloc_class_made(i);
        if (class_)
            attach_verify(class_->cache);
    }
}

static int add_live(void *n_live, struct sgc_cache *cache)
{
    *(uint64_t *)n_live += sgc_cache_n_live(cache);
    return 0;
}

static uint64_t n_live(void)
{
    uint64_t n = 0;
    (void)sgc_malloc_for_each(add_live, &n);
    return n;
}

/* True: every byte is the stamp's. */
static bool is_filled(const unsigned char *at, size_t bytes, unsigned char stamp)
{
    return bytes == 0 || (at[0] == stamp && memcmp(at, at + 1, bytes - 1) == 0);
}

START_TEST(objects_of_every_size_are_distinct_aligned_and_the_programs_own)
{
    static unsigned char *objects[2200];
    static size_t sizes[2200];
    size_t n = 0;
    for (size_t bytes = 0; bytes < 40000; bytes += bytes < 600 ? 1 : 26) {
        sizes[n] = bytes;
        objects[n] = sgc_malloc(bytes);
        ck_assert_ptr_nonnull(objects[n]);
        ck_assert_uint_eq((uintptr_t)objects[n] % 16, 0);
        ck_assert_uint_ge(sgc_malloc_usable_size(objects[n]), bytes);
        memset(objects[n], (int)n, sgc_malloc_usable_size(objects[n]));
        n++;
    }
    ck_assert_uint_eq(n_live(), n);
    for (size_t i = 0; i < n; i++) {
        ck_assert(is_filled(objects[i], sizes[i], (unsigned char)i));
        sgc_free(objects[i]);
    }
    ck_assert_uint_eq(n_live(), 0);
    verify_all();
    ck_assert_uint_gt(sgc_malloc_shrink(), 0);
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 0);
}
END_TEST

START_TEST(zero_bytes_give_a_pointer_of_their_own)
{
    void *a = sgc_malloc(0), *b = sgc_malloc(0), *c = sgc_calloc(0, 8), *d = sgc_realloc(NULL, 0);
    ck_assert(a && b && c && d);
    ck_assert(a != b && b != c && c != d && a != c && a != d && b != d);
    sgc_free(a);
    sgc_free(b);
    sgc_free(c);
    sgc_free(d);
    sgc_free(NULL);
    ck_assert_uint_eq(n_live(), 0);
}
END_TEST

START_TEST(what_no_address_space_holds_is_refused)
{
    static const size_t sizes[] = {(size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX,     SIZE_MAX,
                                   SIZE_MAX - 4096,         (size_t)1 << 60, (size_t)PTRDIFF_MAX - 100};
    for (size_t i = 0; i < SGC_ARRAY_LEN(sizes); i++) {
        errno = 0;
        ck_assert_ptr_null(sgc_malloc(sizes[i]));
        ck_assert_int_eq(errno, ENOMEM);
    }
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 0);
}
END_TEST

START_TEST(free_leaves_errno_alone)
{
    void *objects[300];
    for (int i = 0; i < 300; i++)
        objects[i] = sgc_malloc(i % 3 ? 20000 : 5000000);
    for (int i = 0; i < 300; i++) {
        errno = 4711;
        sgc_os_fault_arm(1, true); /* memory cannot even be returned */
        sgc_free(objects[i]);
        sgc_os_fault_disarm();
        ck_assert_int_eq(errno, 4711);
    }
    verify_all();
}
END_TEST

/* ---- a model ---- */

#define MODEL_OBJECTS 3000
struct model_object {
    unsigned char *at;
    size_t bytes;
    unsigned char stamp;
};

static size_t model_size(uint64_t random)
{
    switch (random % 16) {
    case 0:
        return random / 16 % 300000;
    case 1:
    case 2:
        return random / 16 % 33000;
    case 3:
    case 4:
    case 5:
        return random / 16 % 3000;
    default:
        return random / 16 % 300;
    }
}

static void model_check(const struct model_object *object)
{
    ck_assert(is_filled(object->at, object->bytes, object->stamp));
}

static void model_set(struct model_object *object, unsigned char *at, size_t bytes, uint64_t random)
{
    ck_assert_ptr_nonnull(at);
    *object = (struct model_object){at, bytes, (unsigned char)random};
    memset(at, object->stamp, bytes);
}

static void model_step(struct model_object *object, uint64_t random)
{
    const size_t bytes = model_size(random >> 8);
    if (!object->at && random % 4 == 0) {
        const size_t alignment = (size_t)16 << (random / 4 % 14);
        unsigned char *at = sgc_aligned_alloc(alignment, bytes);
        ck_assert_uint_eq((uintptr_t)at % alignment, 0);
        model_set(object, at, bytes, random);
    } else if (!object->at && random % 4 == 1) {
        unsigned char *at = sgc_calloc(1, bytes);
        ck_assert_ptr_nonnull(at);
        model_check(&(struct model_object){at, bytes, 0});
        model_set(object, at, bytes, random);
    } else if (!object->at) {
        model_set(object, sgc_malloc(bytes), bytes, random);
    } else {
        model_check(object);
        if (random % 4 == 0 && bytes > 0) {
            unsigned char *at = sgc_realloc(object->at, bytes);
            ck_assert_ptr_nonnull(at);
            model_check(&(struct model_object){at, bytes < object->bytes ? bytes : object->bytes, object->stamp});
            model_set(object, at, bytes, random);
        } else {
            sgc_free(object->at);
            object->at = NULL;
        }
    }
}

START_TEST(random_calls_keep_every_object_whole)
{
    static struct model_object objects[MODEL_OBJECTS];
    uint64_t state = support_seed("malloc_test", 1), n = 0;
    for (int step = 0; step < 20000; step++) {
        const uint64_t random = support_random(&state);
        model_step(&objects[random % MODEL_OBJECTS], support_random(&state));
        if (step % 2000 == 0) {
            verify_all();
            (void)sgc_malloc_shrink();
        }
    }
    for (int i = 0; i < MODEL_OBJECTS; i++)
        n += objects[i].at != NULL;
    ck_assert_uint_eq(n_live(), n);
    for (int i = 0; i < MODEL_OBJECTS; i++)
        sgc_free(objects[i].at);
    ck_assert_uint_eq(n_live(), 0);
    verify_all();
    (void)sgc_malloc_shrink();
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 0);
}
END_TEST

/* ---- misuse ---- */

static void free_it(void *object)
{
    sgc_free(object);
}

static void expect(const char *format, const void *object)
{
    char text[128];
    snprintf(text, sizeof(text), format, object);
    support_expect_panic(free_it, (void *)(uintptr_t)object, text);
}

START_TEST(a_pointer_from_elsewhere_panics)
{
    static long local;
    expect("sgc_free: foreign pointer %p", &local);
    expect("sgc_free: foreign pointer %p", (void *)0x10);
    sgc_free(sgc_malloc(100));
    expect("sgc_free: foreign pointer %p", &local);
    expect("sgc_free: foreign pointer %p", (char *)sgc_arena.base + sgc_arena.bytes - 16);
}
END_TEST

START_TEST(a_pointer_into_an_object_panics)
{
    char *small = sgc_malloc(100), *medium = sgc_malloc(5000), *large = sgc_malloc(200000);
    sgc_free(sgc_malloc(100)); /* the thread has windows */
    sgc_free(sgc_malloc(5000));
    expect("sgc_free: interior pointer %p into cache malloc-112", small + 8);
    expect("sgc_free: interior pointer %p into cache malloc-112", small + 16);
    expect("sgc_free: interior pointer %p into cache malloc-112", small + 1);
    expect("sgc_free: interior pointer %p into cache malloc-5456", medium + 4096);
    expect("sgc_free: interior pointer %p into cache malloc-large", large + 16);
    expect("sgc_free: interior pointer %p into cache malloc-large", large + 65536);
}
END_TEST

START_TEST(an_object_of_a_typed_cache_panics)
{
    static const struct sgc_type type = {.name = "item", .size_bytes = 64};
    struct sgc_cache *cache = attach_cache(&type, 0, NULL);
    void *object = sgc_cache_alloc(cache);
    sgc_free(sgc_malloc(64));
    expect("sgc_free: object %p belongs to cache item, not to malloc", object);
}
END_TEST

static void free_and_flush(void *object)
{
    sgc_free(object);
    (void)sgc_malloc_shrink(); /* the window hands its slots to their slabs */
}

static void free_twice(void *object)
{
    sgc_free(object);
    free_and_flush(object);
}

START_TEST(a_double_free_panics_when_its_slot_leaves_the_window)
{
    char text[128];
    void *object = sgc_malloc(100), *other = sgc_malloc(100);
    snprintf(text, sizeof(text), "double free of object %p in cache malloc-112", object);
    support_expect_panic(free_twice, object, text);
    free_and_flush(object);
    support_expect_panic(free_and_flush, object, text);
    sgc_free(other);
}
END_TEST

START_TEST(a_double_free_of_what_left_the_cache_panics)
{
    char text[128];
    void *object = sgc_malloc(100), *large = sgc_malloc(100000);
    snprintf(text, sizeof(text), "sgc_free: foreign pointer %p", large);
    support_expect_panic(free_twice, large, text);
    sgc_free(large);
    free_and_flush(object);
    snprintf(text, sizeof(text), "%s: foreign pointer %p", CACHE_ASAN ? "sgc_free" : "sgc_free, some calls ago",
             object); /* it has no windows to free into */
    support_expect_panic(free_and_flush, object, text);
}
END_TEST

/* ---- faults ---- */

#define N_FAULTS 200 /* objects, of up to 180,000 bytes */

/* Every kind of call; each may fail. Returns how many did. */
static unsigned scenario(void)
{
    static void *objects[N_FAULTS];
    unsigned n_failed = 0;
    for (int i = 0; i < N_FAULTS; i++) {
        const size_t bytes = (size_t)i * (i % 7 ? 60 : 900);
        errno = 0;
        objects[i] = i % 3 == 0   ? sgc_malloc(bytes)
                     : i % 3 == 1 ? sgc_calloc(1, bytes)
                                  : sgc_aligned_alloc((size_t)16 << i % 16, bytes);
        ck_assert(objects[i] || errno == ENOMEM);
        n_failed += !objects[i];
    }
    for (int i = 0; i < N_FAULTS; i += 2) {
        const size_t bytes = (size_t)(N_FAULTS - i) * 900 + 1;
        const size_t have = sgc_malloc_usable_size(objects[i]);
        if (objects[i])
            memset(objects[i], i, have);
        errno = 0;
        unsigned char *moved = sgc_realloc(objects[i], bytes);
        ck_assert(moved || (errno == ENOMEM && bytes > have));
        n_failed += !moved;
        if (moved)
            objects[i] = moved;
        ck_assert(!objects[i] || is_filled(objects[i], have < bytes ? have : bytes, (unsigned char)i));
    }
    for (int i = 0; i < N_FAULTS; i++)
        sgc_free(objects[i]);
    verify_all();
    ck_assert_uint_eq(n_live(), 0);
    (void)sgc_malloc_shrink();
    ck_assert_uint_eq(sgc_malloc_budget.used_bytes, 0);
    return n_failed;
}

static void fault_one(void *arg)
{
    sgc_os_fault_arm(*(const uint64_t *)arg, false);
    (void)scenario();
    const bool fired = sgc_os_fault_fired();
    sgc_os_fault_disarm();
    ck_assert_uint_eq(scenario(), 0);
    _Exit(fired ? 0 : 42);
}

START_TEST(any_call_to_the_os_may_fail)
{
    char output[4096];
    uint64_t k = 1;
    for (;; k++) {
        const int status = support_run_child(fault_one, &k, output, sizeof(output));
        ck_assert_msg(status == 0 || status == 42 << 8, "gate %llu: status 0x%x %s", (unsigned long long)k,
                      (unsigned)status, output);
        if (status)
            break;
    }
    printf("malloc_test: %llu gates\n", (unsigned long long)k - 1);
    ck_assert_uint_gt(k, 20);
}
END_TEST

START_TEST(when_the_os_refuses_everything_nothing_breaks)
{
    sgc_os_fault_arm(1, true);
    ck_assert_uint_eq(scenario(), N_FAULTS + N_FAULTS / 2);
    sgc_os_fault_disarm();
    ck_assert_uint_eq(scenario(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("malloc");
    TCase *tcase = tcase_create("malloc");
    tcase_add_test(tcase, objects_of_every_size_are_distinct_aligned_and_the_programs_own);
    tcase_add_test(tcase, zero_bytes_give_a_pointer_of_their_own);
    tcase_add_test(tcase, what_no_address_space_holds_is_refused);
    tcase_add_test(tcase, free_leaves_errno_alone);
    tcase_add_test(tcase, random_calls_keep_every_object_whole);
    suite_add_tcase(suite, tcase);
    TCase *misuse = tcase_create("misuse");
    tcase_add_test(misuse, a_pointer_from_elsewhere_panics);
    tcase_add_test(misuse, a_pointer_into_an_object_panics);
    tcase_add_test(misuse, an_object_of_a_typed_cache_panics);
    tcase_add_test(misuse, a_double_free_panics_when_its_slot_leaves_the_window);
    tcase_add_test(misuse, a_double_free_of_what_left_the_cache_panics);
    suite_add_tcase(suite, misuse);
    TCase *faults = tcase_create("faults");
    tcase_set_timeout(faults, 600); /* a child for each call to the OS, under a sanitizer on a loaded machine */
    tcase_add_test(faults, any_call_to_the_os_may_fail);
    tcase_add_test(faults, when_the_os_refuses_everything_nothing_breaks);
    suite_add_tcase(suite, faults);
    return support_main(suite);
}
