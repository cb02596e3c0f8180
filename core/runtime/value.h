/* value.h - numbers with units, as config, environment and tools write them. No state, no lock, any thread. */
#ifndef SLABGC_CORE_RUNTIME_VALUE_H
#define SLABGC_CORE_RUNTIME_VALUE_H

#include <slabgc/plugin.h>

#define SGC_VALUE_BYTES 32 /* enough for every formatted value */

/* What is wrong with a value, and at which of its bytes. */
struct sgc_value_fault {
    size_t offset;
    char message[320];
};

/* Reads a value of the type (see core/runtime/DESIGN.md for units). 0; or -EINVAL with *fault filled and *out
 * untouched. */
int sgc_value_parse(enum sgc_param_type type, const char *text, uint64_t *out, struct sgc_value_fault *fault);

/* Writes a value in the largest unit that divides it, so that sgc_value_parse reads it back: "64MiB", "1500us", "150%".
 */
void sgc_value_format(enum sgc_param_type type, uint64_t value, char out[SGC_VALUE_BYTES]);

/* Fills *fault for byte `offset`; returns -EINVAL. */
int sgc_value_fault(struct sgc_value_fault *fault, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
