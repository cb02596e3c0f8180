/* type.c - is this a type that a cache can be made of? Called by make.c. Locks: none; nothing is kept. */
#include "core/cache/type.h"

#include "core/base/bits.h"

#include <errno.h>
#include <string.h>

#define ALIGN_BYTES_MAX 4096

static bool name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const size_t length = strspn(name, allowed);
    return length > 0 && name[length] == '\0';
}

const char *sgc_type_cache_name(const struct sgc_type *type)
{
    static const char prefix[] = "struct ";
    return strncmp(type->name, prefix, sizeof(prefix) - 1) == 0 ? type->name + sizeof(prefix) - 1 : type->name;
}

static int type_check_name(const struct sgc_type *type, size_t name_bytes, struct sgc_error *error)
{
    if (!type->name)
        return sgc_error_set(error, -EINVAL, "a type without a name");
    const char *name = sgc_type_cache_name(type);
    if (!name_is_valid(name))
        return sgc_error_set(error, -EINVAL, "type '%s': a name consists of letters, digits, '_', '.' and '-'",
                             type->name);
    if (strlen(name) >= name_bytes)
        return sgc_error_set(error, -EINVAL, "type '%s': the name has more than %zu bytes", type->name, name_bytes - 1);
    return 0;
}

static int type_check_references(const struct sgc_type *type, struct sgc_error *error)
{
    if (type->n_ref_runs > SGC_TYPE_MAX_REF_RUNS)
        return sgc_error_set(
            error, -EINVAL,
            "type %s: %u runs of reference fields; at most %u are possible, describe more by a trace callback",
            type->name, type->n_ref_runs, SGC_TYPE_MAX_REF_RUNS);
    for (uint32_t i = 0; i < type->n_ref_runs; i++) {
        const struct sgc_ref_run *run = &type->ref_runs[i];
        if (run->offset_bytes % sizeof(void *) ||
            (uint64_t)run->offset_bytes + (uint64_t)run->n * sizeof(void *) > type->size_bytes)
            return sgc_error_set(error, -EINVAL,
                                 "type %s: reference fields at offset %u (%u of them) are unaligned or not inside the "
                                 "object of %u bytes",
                                 type->name, run->offset_bytes, run->n, type->size_bytes);
    }
    if (type->tail_refs && (type->tail_element_bytes != sizeof(void *) || type->size_bytes % sizeof(void *)))
        return sgc_error_set(
            error, -EINVAL, "type %s: a tail of references has elements of %zu bytes, and starts at a multiple of that",
            type->name, sizeof(void *));
    if (type->flags & SGC_TYPE_LEAF && (type->n_ref_runs || type->trace || type->tail_refs))
        return sgc_error_set(error, -EINVAL, "type %s: flagged SGC_TYPE_LEAF, but has reference fields", type->name);
    return 0;
}

int sgc_type_check(const struct sgc_type *type, size_t name_bytes, struct sgc_error *error)
{
    const int rc = type_check_name(type, name_bytes, error);
    if (rc < 0)
        return rc;
    if (type->size_bytes == 0 && type->tail_element_bytes == 0)
        return sgc_error_set(error, -EINVAL, "type %s: objects of 0 bytes", type->name);
    if (type->align_bytes && (!sgc_is_pow2(type->align_bytes) || type->align_bytes > ALIGN_BYTES_MAX))
        return sgc_error_set(error, -EINVAL, "type %s: alignment %u is not a power of two up to %u", type->name,
                             type->align_bytes, ALIGN_BYTES_MAX);
    return type_check_references(type, error);
}
