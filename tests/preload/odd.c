/* odd.c - a program that allocates where programs seldom do. odd_test.c runs it as it is and under
 * libslabgc-malloc.so. Argument: path of odd_library.so. Prints what it did; aborts when something is wrong.
 * A child that must have allocated says so by its status. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "odd: line %d: %s\n", __LINE__, #condition);                                               \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* ---- before main, after main ---- */

static char *from_constructor, *from_preinit;

static void preinit(void)
{
    from_preinit = strdup("before all constructors");
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit_entry)(void) = preinit;

__attribute__((constructor(101))) static void constructor(void)
{
    from_constructor = calloc(1000, 1000);
    from_constructor[500000] = 1;
}

__attribute__((destructor(101))) static void destructor(void)
{
    char *late = malloc(12345);
    memset(late, 1, 12345);
    free(late);
    free(from_constructor);
    free(from_preinit);
}

static void at_exit(void)
{
    free(strdup("at exit"));
}

/* ---- sizes and alignments ---- */

static void alignments(void)
{
    for (size_t alignment = sizeof(void *); alignment <= (size_t)1 << 24; alignment *= 2) {
        for (size_t bytes = 0; bytes <= 3000000; bytes = bytes * 3 + 1) {
            void *object = NULL;
            MUST(posix_memalign(&object, alignment, bytes) == 0);
            MUST((uintptr_t)object % alignment == 0 && malloc_usable_size(object) >= bytes);
            memset(object, 7, bytes);
            object = realloc(object, bytes + 5000);
            MUST(object && (bytes == 0 || ((char *)object)[bytes - 1] == 7));
            free(object);
            object = aligned_alloc(alignment, bytes);
            MUST(object && (uintptr_t)object % alignment == 0);
            free(object);
        }
    }
    void *page = valloc(10), *pages = pvalloc(5000);
    MUST(page && pages && (uintptr_t)page % 4096 == 0 && (uintptr_t)pages % 4096 == 0);
    MUST(malloc_usable_size(pages) >= 8192);
    free(page);
    free(pages);
    void *none = &none;
    MUST(posix_memalign(&none, 3, 10) == EINVAL && none == &none);
    volatile size_t huge = SIZE_MAX;
    errno = 0;
    MUST(!malloc(huge / 2 + 1) && errno == ENOMEM);
    MUST(!calloc(huge / 2, 3) && !reallocarray(NULL, huge / 2, 3) && !pvalloc(huge));
    MUST(mallopt(M_ARENA_MAX, 1) == 1);
    (void)malloc_trim(0);
    puts("alignments");
}

/* ---- libraries ---- */

static void *remember(void *remember_)
{
    char *(*odd_remember)(const char *) = (char *(*)(const char *))(uintptr_t)remember_;
    for (int i = 0; i < 100; i++)
        MUST(strcmp(odd_remember("on a thread"), "on a thread") == 0);
    (void)odd_remember(NULL);
    return NULL;
}

static void libraries(const char *path)
{
    for (int i = 0; i < 200; i++) {
        void *library = dlopen(path, i % 2 ? RTLD_NOW : RTLD_LAZY);
        if (!library) {
            fprintf(stderr, "odd: %s\n", dlerror());
            abort();
        }
        void *symbol = dlsym(library, "odd_remember");
        MUST(symbol && !dlsym(library, "no such symbol") && dlerror());
        pthread_t thread;
        if (i % 20 == 0) {
            MUST(pthread_create(&thread, NULL, remember, symbol) == 0);
            pthread_join(thread, NULL);
        }
        MUST(dlclose(library) == 0);
        MUST(!dlopen("/no/such/library.so", RTLD_NOW) && dlerror());
    }
    puts("libraries");
}

/* ---- threads ---- */

static pthread_key_t keys[40];

/* Again and again until the thread library gives up, so that the last rounds come after every other hook. */
static void hook(void *object)
{
    const size_t key = *(size_t *)object;
    free(object);
    size_t *next = malloc(sizeof(size_t) + key * 50);
    *next = key;
    free(calloc(key + 1, 30));
    (void)pthread_setspecific(keys[key], next);
}

static void *with_hooks(void *unused)
{
    for (size_t i = 0; i < 40; i++) {
        size_t *object = malloc(100);
        *object = i;
        MUST(pthread_setspecific(keys[i], object) == 0);
    }
    return unused;
}

static void *passed[1000];

static void *take(void *unused)
{
    for (int i = 0; i < 1000; i++)
        free(passed[i]);
    return unused;
}

static void *give(void *unused)
{
    for (int i = 0; i < 1000; i++)
        passed[i] = malloc((size_t)i * 40);
    return unused;
}

static void threads(void)
{
    pthread_t thread;
    for (int i = 0; i < 40; i++)
        MUST(pthread_key_create(&keys[i], hook) == 0);
    for (int i = 0; i < 100; i++) {
        void *(*const bodies[])(void *) = {with_hooks, give, take};
        for (int k = 0; k < 3; k++) {
            MUST(pthread_create(&thread, NULL, bodies[k], NULL) == 0);
            pthread_join(thread, NULL);
        }
    }
    puts("threads");
}

/* ---- processes ---- */

static volatile int stop;

static void *churn(void *unused)
{
    static __thread void *mine[100];
    for (unsigned i = 0; !stop; i++) {
        free(mine[i % 100]);
        mine[i % 100] = malloc(i % 7000);
    }
    for (int i = 0; i < 100; i++)
        free(mine[i]);
    return unused;
}

static int child_works(void)
{
    void *objects[2000];
    for (size_t i = 0; i < 2000; i++)
        objects[i] = memset(malloc(i * 10 + 1), 1, i * 10 + 1);
    for (size_t i = 0; i < 2000; i++)
        free(objects[i]);
    pthread_t thread;
    if (pthread_create(&thread, NULL, give, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    (void)take(NULL);
    return 42;
}

static int status_of(pid_t child)
{
    int status;
    MUST(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void processes(void)
{
    pthread_t busy[3];
    for (int i = 0; i < 3; i++)
        MUST(pthread_create(&busy[i], NULL, churn, NULL) == 0);
    for (int i = 0; i < 100; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(60);
            _exit(child_works());
        }
        const int status = status_of(child);
        if (status != 42)
            fprintf(stderr, "odd: child number %d: %d\n", i, status);
        MUST(status == 42);
    }
    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();
        if (child == 0)
            _exit(3);
        MUST(status_of(child) == 3);
        char *argv[] = {"/bin/sh", "-c", "exit 4", NULL};
        MUST(posix_spawn(&child, argv[0], NULL, NULL, argv, environ) == 0 && status_of(child) == 4);
        FILE *pipe = popen("echo 5", "r");
        MUST(pipe && fgetc(pipe) == '5' && pclose(pipe) == 0);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(busy[i], NULL);
    puts("processes");
}

int main(int argc, char **argv)
{
    MUST(argc == 2 && from_preinit && strcmp(from_preinit, "before all constructors") == 0);
    MUST(from_constructor[500000] == 1 && from_constructor[500001] == 0);
    MUST(atexit(at_exit) == 0);
    alignments();
    libraries(argv[1]);
    threads();
    processes();
    return 0;
}
