/* steady.c - functions of the C library whose instructions depend on more than their arguments, replaced for the
 * counted program and for what it loads: the linker and the loader prefer these. Time stands still: core gives memory
 * back by its age, and asks for the time when it frees a slab. memcpy and its siblings take what the size asks for: the
 * library's are chosen by the processor's features and go other ways by alignment and by the distance of the two
 * places. */
#include <slabgc/context.h>

#include <time.h>

typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));

/* Else the compiler sees what a loop does, and calls the function that the loop is in. */
#define OPAQUE(pointer) __asm__ volatile("" : "+r"(pointer))

SGC_API int clock_gettime(clockid_t clock, struct timespec *now);
SGC_API void *memcpy(void *to, const void *from, size_t n);
SGC_API void *memmove(void *to, const void *from, size_t n);
SGC_API void *memset(void *to, int byte, size_t n);

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = 1000};
    return 0;
}

static inline void copy_forward(char *to, const char *from, size_t n)
{
    for (; n >= sizeof(block); to += sizeof(block), from += sizeof(block), n -= sizeof(block)) {
        *(block *)to = *(const block *)from;
        OPAQUE(to);
    }
    for (; n > 0; n--) {
        *to++ = *from++;
        OPAQUE(to);
    }
}

void *memcpy(void *to, const void *from, size_t n)
{
    copy_forward(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n) {
        copy_forward(to, from, n);
        return to;
    }
    char *out = (char *)to + n;
    const char *in = (const char *)from + n;
    while (out != to) {
        *--out = *--in;
        OPAQUE(out);
    }
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    const uint64_t eight = (uint8_t)byte * UINT64_C(0x0101010101010101);
    char *at = to;
    for (; n >= sizeof(block); at += sizeof(block), n -= sizeof(block)) {
        *(block *)at = (block){eight, eight};
        OPAQUE(at);
    }
    for (; n > 0; n--) {
        *at++ = (char)byte;
        OPAQUE(at);
    }
    return to;
}
