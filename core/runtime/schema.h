/* schema.h - which sections and keys there are, and what their values mean. No state, no lock, any thread. */
#ifndef SLABGC_CORE_RUNTIME_SCHEMA_H
#define SLABGC_CORE_RUNTIME_SCHEMA_H

#include "core/runtime/config.h"
#include "core/runtime/value.h"

/* Reads a section's title of `length` bytes: *kind, and *name_offset where its name begins (length: it has none). 0; or
 * -EINVAL with *fault filled. */
int sgc_schema_title(const char *title, size_t length, enum sgc_config_kind *kind, size_t *name_offset,
                     struct sgc_value_fault *fault);

/* Checks that sections of this kind have the key. [strategy.NAME]: checks its letters alone. */
int sgc_schema_key(const struct sgc_config_section *section, const char *key, struct sgc_value_fault *fault);
/* Checks the value of a key that sgc_schema_key accepted. [strategy.NAME]: nothing to check. */
int sgc_schema_value(enum sgc_config_kind kind, const char *key, const char *value, struct sgc_value_fault *fault);
/* True for keys whose values are lists with commas. */
bool sgc_schema_is_list(enum sgc_config_kind kind, const char *key);

/* Keys of core in a kind of section, for showing them: the i-th, NULL behind the last. */
const char *sgc_schema_key_at(enum sgc_config_kind kind, size_t i);
/* What is declared of a key of core; false: there is no such key. */
struct sgc_schema_key_info {
    const char *type; /* for people and tools: "bytes", "duration", "text", ... */
    bool live;        /* a live change of it takes effect in open heaps */
    const char *help; /* one sentence, without a full stop */
};
bool sgc_schema_key_info(enum sgc_config_kind kind, const char *key, struct sgc_schema_key_info *out);

/* memory_limit and hard_limit. */
struct sgc_limit {
    enum { SGC_LIMIT_NONE, SGC_LIMIT_BYTES, SGC_LIMIT_PERCENT } form;
    uint64_t value;
};
int sgc_schema_limit(const char *text, bool percent_allowed, struct sgc_limit *out, struct sgc_value_fault *fault);
/* debug: enum sgc_debug bits. */
int sgc_schema_debug(const char *text, uint32_t *out, struct sgc_value_fault *fault);

/* Takes the next item of a list, white space around it removed: false at the end. *at begins as the list and moves;
 * items may be empty. */
bool sgc_schema_next_item(const char **at, char separator, const char **item, size_t *length);
/* [a-z0-9_-]+, at most 63 bytes. */
bool sgc_schema_is_strategy_name(const char *name, size_t length);

#endif
