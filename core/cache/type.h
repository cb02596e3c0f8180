/* type.h - checking type descriptions; called by make.c. */
#ifndef SLABGC_CORE_CACHE_TYPE_H
#define SLABGC_CORE_CACHE_TYPE_H

#include "core/base/panic.h"

#include <slabgc/type.h>

/* The type's name without a leading "struct ". */
const char *sgc_type_cache_name(const struct sgc_type *type);
/* 0 or -EINVAL with a message. name_bytes: room for the name and its NUL. */
int sgc_type_check(const struct sgc_type *type, size_t name_bytes, struct sgc_error *error);

#endif
