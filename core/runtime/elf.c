/* elf.c - looks at a plug-in's file before the dynamic linker does.
 * The linker believes what the headers say: it maps pages that a truncated file does not have, and their first touch
 * ends the process by SIGBUS.
 * Called by loader.c.
 * Invariant: no byte beyond n_bytes is read, whatever the headers say.
 * Locks: none.
 * Source: System V ABI, chapters 4 and 5. */
#include "core/runtime/elf.h"

#include "core/base/panic.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#define MACHINE_NAME "x86-64"
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#define MACHINE_NAME "aarch64"
#else
#error "name this machine's EM_ constant"
#endif

#define REFUSED "%s: plug-in refused: "

static int elf_check_kind(const char *path, const Elf64_Ehdr *header, struct sgc_error *error)
{
    const unsigned char *ident = header->e_ident;
    if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
        return sgc_error_set(error, -ENOEXEC, REFUSED "ELF class %d, data %d; a 64-bit little-endian file is wanted",
                             path, ident[EI_CLASS], ident[EI_DATA]);
    if (header->e_machine != MACHINE)
        return sgc_error_set(error, -ENOEXEC, REFUSED "built for ELF machine %d, wanted %d (" MACHINE_NAME ")", path,
                             header->e_machine, MACHINE);
    if (header->e_type != ET_DYN)
        return sgc_error_set(error, -ENOEXEC, REFUSED "ELF type %d, wanted %d (a shared object)", path, header->e_type,
                             ET_DYN);
    if (header->e_phnum == 0 || header->e_phentsize != sizeof(Elf64_Phdr))
        return sgc_error_set(error, -ENOEXEC, REFUSED "%d program headers of %d bytes", path, header->e_phnum,
                             header->e_phentsize);
    return 0;
}

/* Does [offset, offset + bytes) lie within the file? */
static int elf_check_range(const char *path, const char *what, unsigned index, uint64_t offset, uint64_t bytes,
                           size_t n_bytes, struct sgc_error *error)
{
    uint64_t end;
    bool overflow = __builtin_add_overflow(offset, bytes, &end);
    if (!overflow && end <= n_bytes)
        return 0;
    return sgc_error_set(error, -ENOEXEC, REFUSED "truncated: %s %u ends at byte %" PRIu64 ", the file at %zu", path,
                         what, index, overflow ? UINT64_MAX : end, n_bytes);
}

static int elf_check_segments(const char *path, const char *bytes, size_t n_bytes, const Elf64_Ehdr *header,
                              struct sgc_error *error)
{
    bool has_load = false, has_dynamic = false;
    int code = 0;
    for (unsigned i = 0; i < header->e_phnum && code == 0; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + header->e_phoff + i * sizeof(segment), sizeof(segment));
        has_load |= segment.p_type == PT_LOAD;
        has_dynamic |= segment.p_type == PT_DYNAMIC;
        if (segment.p_type != PT_NULL)
            code = elf_check_range(path, "segment", i, segment.p_offset, segment.p_filesz, n_bytes, error);
        if (code == 0 && segment.p_type == PT_LOAD && segment.p_filesz > segment.p_memsz)
            code =
                sgc_error_set(error, -ENOEXEC, REFUSED "segment %u has more bytes in the file than in memory", path, i);
    }
    if (code == 0 && !(has_load && has_dynamic))
        code = sgc_error_set(error, -ENOEXEC, REFUSED "an ELF file without %s segment", path,
                             has_load ? "a dynamic" : "a loadable");
    return code;
}

int sgc_elf_check(const char *path, const void *bytes, size_t n_bytes, struct sgc_error *error)
{
    Elf64_Ehdr header;
    size_t n_magic = n_bytes < SELFMAG ? n_bytes : SELFMAG;
    if (n_bytes == 0)
        return sgc_error_set(error, -ENOEXEC, REFUSED "an empty file", path);
    if (memcmp(bytes, ELFMAG, n_magic) != 0)
        return sgc_error_set(error, -ENOEXEC, REFUSED "not an ELF file", path);
    if (n_bytes < sizeof(header))
        return sgc_error_set(error, -ENOEXEC, REFUSED "truncated: the file has %zu bytes, its header %zu", path,
                             n_bytes, sizeof(header));
    memcpy(&header, bytes, sizeof(header));
    int code = elf_check_kind(path, &header, error);
    if (code == 0)
        code = elf_check_range(path, "program header", header.e_phnum - 1u, header.e_phoff,
                               (uint64_t)header.e_phnum * sizeof(Elf64_Phdr), n_bytes, error);
    if (code == 0)
        code = elf_check_segments(path, bytes, n_bytes, &header, error);
    if (code == 0 && header.e_shoff != 0)
        code = elf_check_range(path, "section header", header.e_shnum ? header.e_shnum - 1u : 0, header.e_shoff,
                               (uint64_t)header.e_shnum * header.e_shentsize, n_bytes, error);
    return code;
}
