/* odd_library.c - a library for odd.c to open and close: its constructor allocates and its destructor frees. */
#include <stdlib.h>
#include <string.h>

static __thread char *of_thread; /* its TLS is made by the loader, by malloc, on first use */
static char *kept[50];

__attribute__((constructor)) static void begin(void)
{
    for (size_t i = 0; i < 50; i++) {
        kept[i] = malloc(i * 100);
        if (!kept[i])
            abort();
        memset(kept[i], (int)i, i * 100);
    }
}

__attribute__((destructor)) static void end(void)
{
    for (size_t i = 0; i < 50; i++) {
        for (size_t at = 0; at < i * 100; at++)
            if (kept[i][at] != (char)i)
                abort();
        free(kept[i]);
    }
}

__attribute__((visibility("default"))) char *odd_remember(const char *text)
{
    free(of_thread);
    return of_thread = text ? strdup(text) : NULL;
}
