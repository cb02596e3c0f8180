/* sanitize.h - what ThreadSanitizer, AddressSanitizer and valgrind must be told; nothing in other builds.
 * SGC_TSAN_RELEASE/ACQUIRE(addr): the happens-before edge that membarrier and liburcu make but TSan cannot see.
 * SGC_ASAN_POISON/UNPOISON(p, n): slots that are free (8-byte granules).
 * SGC_LSAN_ROOT/UNROOT(p, n): pages of core in which LeakSanitizer must look for pointers to malloc'ed memory. */
#ifndef SLABGC_CORE_BASE_SANITIZE_H
#define SLABGC_CORE_BASE_SANITIZE_H

#if defined(__SANITIZE_THREAD__)
#define SGC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SGC_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SGC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SGC_ASAN 1
#endif
#endif

#ifdef SGC_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define SGC_TSAN_ACQUIRE(addr) __tsan_acquire((void *)(addr))
#define SGC_TSAN_RELEASE(addr) __tsan_release((void *)(addr))
#else
#define SGC_TSAN_ACQUIRE(addr) ((void)(addr))
#define SGC_TSAN_RELEASE(addr) ((void)(addr))
#endif

#ifdef SGC_ASAN
void __asan_poison_memory_region(void const volatile *addr, unsigned long size);
void __asan_unpoison_memory_region(void const volatile *addr, unsigned long size);
#define SGC_ASAN_POISON(addr, n) __asan_poison_memory_region((addr), (n))
#define SGC_ASAN_UNPOISON(addr, n) __asan_unpoison_memory_region((addr), (n))
void __lsan_register_root_region(const void *addr, unsigned long size);
void __lsan_unregister_root_region(const void *addr, unsigned long size);
#define SGC_LSAN_ROOT(addr, n) __lsan_register_root_region((addr), (n))
#define SGC_LSAN_UNROOT(addr, n) __lsan_unregister_root_region((addr), (n))
#else
#define SGC_ASAN_POISON(addr, n) ((void)(addr), (void)(n))
#define SGC_ASAN_UNPOISON(addr, n) ((void)(addr), (void)(n))
#define SGC_LSAN_ROOT(addr, n) ((void)(addr), (void)(n))
#define SGC_LSAN_UNROOT(addr, n) ((void)(addr), (void)(n))
#endif

#endif
