/* place.h - what code an address belongs to, where dladdr may not be called: in the child of a snapshot. */
#ifndef SLABGC_CORE_OS_PLACE_H
#define SLABGC_CORE_OS_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* "program+0x1234": the file's name and the distance from where it is loaded, as debug=track has it in its messages;
 * the bare address where no file is known. Allocates nothing, takes no lock; reads /proc/self/maps each time. */
void sgc_os_place_text(uintptr_t address, char *out, size_t out_bytes);

#endif
