/* place.c - names the file that an address is mapped from.
 * Called by core/runtime/control_inspect.c in the child of a snapshot, where the dynamic linker's lock may be held for
 * ever by a thread that is not there. Locks: none. */
#include "core/os/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 4608 /* a path of 4096 and what stands before it */

struct maps {
    int fd;
    size_t begin, end; /* of what is read and not looked at yet */
    char text[LINE_BYTES];
};

/* The next line, terminated; NULL at the end. */
static char *maps_next(struct maps *maps)
{
    for (;;) {
        char *line = maps->text + maps->begin, *newline = memchr(line, '\n', maps->end - maps->begin);
        if (newline) {
            *newline = '\0';
            maps->begin = (size_t)(newline - maps->text) + 1;
            return line;
        }
        memmove(maps->text, line, maps->end - maps->begin);
        maps->end -= maps->begin;
        maps->begin = 0;
        ssize_t n;
        do {
            n = read(maps->fd, maps->text + maps->end, sizeof(maps->text) - maps->end);
        } while (n < 0 && errno == EINTR);
        if (n <= 0)
            return NULL;
        maps->end += (size_t)n;
    }
}

static uintptr_t hex_number(const char **at)
{
    uintptr_t value = 0;
    for (;; ++*at) {
        const char c = **at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uintptr_t)(c - 'a' + 10);
        else
            return value;
    }
}

struct mapping {
    uintptr_t begin, end, offset;
    const char *path; /* "" where there is none */
};

/* "7f00-7f10 r-xp 00001000 08:01 12345    /usr/lib/x.so" */
static struct mapping mapping_parse(char *line_begin)
{
    static const char deleted[] = " (deleted)"; /* what the kernel adds when the file was replaced meanwhile */
    const char *line = line_begin;
    char *end = line_begin + strlen(line_begin);
    if ((size_t)(end - line) > sizeof(deleted) && strcmp(end - (sizeof(deleted) - 1), deleted) == 0)
        end[-(ptrdiff_t)(sizeof(deleted) - 1)] = '\0';
    struct mapping mapping = {0};
    mapping.begin = hex_number(&line);
    line += *line == '-';
    mapping.end = hex_number(&line);
    line += strspn(line, " ");
    line += strcspn(line, " "); /* the rights */
    line += strspn(line, " ");
    mapping.offset = hex_number(&line);
    mapping.path = strchr(line, '/');
    mapping.path = mapping.path ? mapping.path : "";
    return mapping;
}

void sgc_os_place_text(uintptr_t address, char *out, size_t out_bytes)
{
    struct maps maps = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    uintptr_t loaded = 0; /* where the file's beginning was mapped last */
    char *line;
    snprintf(out, out_bytes, "0x%zx", (size_t)address);
    while (maps.fd >= 0 && (line = maps_next(&maps))) {
        const struct mapping mapping = mapping_parse(line);
        if (mapping.offset == 0)
            loaded = mapping.begin;
        if (address < mapping.begin || address >= mapping.end)
            continue;
        if (mapping.path[0])
            snprintf(out, out_bytes, "%s+0x%zx", strrchr(mapping.path, '/') + 1, (size_t)(address - loaded));
        break;
    }
    if (maps.fd >= 0)
        close(maps.fd);
}
