/* config.h - everything that config says, from all its sources, and how the parts of core/runtime read it.
 * A config is built by one thread, constant afterwards, replaced as a whole (runtime.h). No lock. */
#ifndef SLABGC_CORE_RUNTIME_CONFIG_H
#define SLABGC_CORE_RUNTIME_CONFIG_H

#include "core/runtime/pool.h"
#include "core/runtime/source.h"
#include <stdbool.h>

#define SGC_CONFIG_FILE_BYTES ((size_t)64 << 10) /* limits of one source: see DESIGN.md */
#define SGC_CONFIG_LINE_BYTES 4096
#define SGC_CONFIG_VALUES 4096
#define SGC_CONFIG_NAME_BYTES 64 /* of a heap, cache, strategy, key; with the NUL */

enum sgc_config_kind {
    SGC_CONFIG_HEAP,     /* [heap], [heap.NAME] */
    SGC_CONFIG_STRATEGY, /* [strategy.NAME] */
    SGC_CONFIG_CACHE,    /* [cache.GLOB] */
    SGC_CONFIG_PLUGINS,  /* [plugins] */
    SGC_CONFIG_CONTROL,  /* [control] */
    SGC_N_CONFIG_KINDS
};

/* One header of a section; the same section may have several. */
struct sgc_config_section {
    enum sgc_config_kind kind;
    const char *title;      /* "heap.words" */
    const char *name;       /* "words"; "" where there is none */
    struct sgc_place place; /* of the title */
    struct sgc_config_section *next;
};

struct sgc_config_entry {
    const struct sgc_config_section *section;
    const char *key, *value; /* value: checked against the schema, except in [strategy.NAME] */
    struct sgc_place key_place, value_place;
    struct sgc_config_entry *next; /* read later */
};

struct sgc_config {
    struct sgc_pool pool; /* all that the config points to */
    struct sgc_source *sources, *last_source;
    struct sgc_config_section *sections, *last_section;
    struct sgc_config_entry *entries, *last_entry; /* in the order of reading */
    size_t n_values;                               /* of the source being read */
};

/* ---- config.c */
/* Reads all sources in order. 0 and *out; or a negative errno, error filled, nothing kept. Reads files and environment.
 */
int sgc_config_read(struct sgc_config **out, struct sgc_error *error);
/* The same with the file at path in the place of $SLABGC_CONFIG. */
int sgc_config_read_instead(const char *path, struct sgc_config **out, struct sgc_error *error);
/* Adds the live changes of another config; each is a source of its own, "heap.words.memory_limit=64MiB". */
int sgc_config_add_live(struct sgc_config *config, const struct sgc_config *from, struct sgc_error *error);
/* A copy, nothing read anew, with one live change more, which takes the place of an earlier one of the same key. */
int sgc_config_copy_with(const struct sgc_config *from, const char *change, struct sgc_config **out,
                         struct sgc_error *error);
void sgc_config_free(struct sgc_config *config); /* NULL is a no-op */
/* For tests: where the files of the system lie instead of /usr/lib and /etc; not copied. NULL: nowhere. */
void sgc_config_set_roots(const char *root, const char *etc);
/* Value of an environment variable, NULL also when it is empty, or when the process runs with raised privileges. */
const char *sgc_config_environment(const char *name);

/* The directory where plug-ins are installed: false when there is none. out has PATH_MAX bytes. */
bool sgc_config_installed_plugins(char *out);

/* Adds a source and parses it: a file's text, or $SLABGC. The text is copied. */
int sgc_config_add_text(struct sgc_config *config, enum sgc_source_kind kind, const char *name, const char *text,
                        size_t n_bytes, struct sgc_error *error);

/* The last value for a key of [heap.NAME] (name != "" and it has one), else of [heap]; of [strategy.NAME]; of [plugins]
 * (name ""). NULL: none. */
const struct sgc_config_entry *sgc_config_find(const struct sgc_config *config, enum sgc_config_kind kind,
                                               const char *name, const char *key);
/* The same for a cache: the last exact name, else the last glob that matches. */
const struct sgc_config_entry *sgc_config_find_cache(const struct sgc_config *config, const char *cache,
                                                     const char *key);

/* ---- installed.c */
/* The same, by where this library lies or was installed to. */
bool sgc_installed_plugins(char *out);

/* ---- config_build.c: used by the parsers */
/* Adds a section's header; title has `length` bytes and stands at place. */
int sgc_config_add_section(struct sgc_config *config, const char *title, size_t length, const struct sgc_place *place,
                           const struct sgc_config_section **out, struct sgc_error *error);
/* Adds a value, checked; refuses a second one for the key in this section and source. */
int sgc_config_add_value(struct sgc_config *config, const struct sgc_config_section *section, const char *key,
                         const struct sgc_place *key_place, const char *value, const struct sgc_place *value_place,
                         struct sgc_error *error);
int sgc_config_no_memory(struct sgc_error *error); /* -ENOMEM */

/* ---- ini.c, inline.c: parse one source */
int sgc_ini_parse(struct sgc_config *config, const struct sgc_source *source, struct sgc_error *error);
int sgc_inline_parse(struct sgc_config *config, const struct sgc_source *source, struct sgc_error *error);

extern const char sgc_config_defaults[]; /* defaults.c: the built-in text */

#endif
