/* elf.h - is a file a shared object of this machine, in one piece? No state, no lock, any thread. */
#ifndef SLABGC_CORE_RUNTIME_ELF_H
#define SLABGC_CORE_RUNTIME_ELF_H

#include <slabgc/error.h>
#include <stddef.h>

/* Checks the n_bytes bytes of a file: its ELF header, and that program and section headers and all that the program
 * headers ask to map lie within it. 0, or -ENOEXEC with the first thing that is wrong, path in front. */
int sgc_elf_check(const char *path, const void *bytes, size_t n_bytes, struct sgc_error *error);

#endif
