/* schema.c - sections, keys, values: the one place that names them.
 * Called by config_build.c while a source is parsed, by resolve.c for what values mean, by show.c.
 * Invariant: what sgc_schema_value accepted, the readers below read without an error.
 * Locks: none. Adding a key: a line in `keys`, its default in defaults.c, its use in resolve.c. */
#include "core/runtime/schema.h"

#include "core/base/check.h"
#include "core/base/suggest.h"
#include "core/cache/cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum name_rule { NAME_NONE, NAME_OPTIONAL, NAME_NEEDED };
static const struct schema_section {
    const char *word;
    enum name_rule rule;
    const char *shown;   /* in messages */
    const char *letters; /* of its name, beside letters and digits */
    const char *letters_shown;
} sections[SGC_N_CONFIG_KINDS] = {
    [SGC_CONFIG_HEAP] = {"heap", NAME_OPTIONAL, "[heap], [heap.NAME]", "_-", "A-Z a-z 0-9 _ -"},
    [SGC_CONFIG_STRATEGY] = {"strategy", NAME_NEEDED, "[strategy.NAME]", "_-", "a-z 0-9 _ -"},
    [SGC_CONFIG_CACHE] = {"cache", NAME_NEEDED, "[cache.GLOB]", "_.-*?[]!^", "A-Z a-z 0-9 _ . - * ? [ ] ! ^"},
    [SGC_CONFIG_PLUGINS] = {"plugins", NAME_NONE, "[plugins]", "", ""},
    [SGC_CONFIG_CONTROL] = {"control", NAME_NONE, "[control]", "", ""},
};

/* ---- values */

bool sgc_schema_is_strategy_name(const char *name, size_t length)
{
    if (length == 0 || length >= SGC_CONFIG_NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') && name[i] != '_' &&
            name[i] != '-')
            return false;
    return true;
}

bool sgc_schema_next_item(const char **at, char separator, const char **item, size_t *length)
{
    if (!*at)
        return false;
    const char *end = strchr(*at, separator);
    const char *begin = *at + strspn(*at, " \t");
    size_t n = end ? (size_t)(end - *at) : strlen(*at);
    const char *behind = *at + n;
    if (begin > behind)
        begin = behind;
    *item = begin;
    while (behind > begin && (behind[-1] == ' ' || behind[-1] == '\t'))
        behind--;
    *length = (size_t)(behind - begin);
    *at = end ? end + 1 : NULL;
    return true;
}

static int value_strategy(const char *text, struct sgc_value_fault *fault)
{
    if (text[0] == '/' || sgc_schema_is_strategy_name(text, strlen(text)))
        return 0;
    return sgc_value_fault(fault, 0, "\"%s\" is no strategy's name (a-z 0-9 _ -) and no absolute path", text);
}

static int value_strategies(const char *text, struct sgc_value_fault *fault)
{
    const char *at = text, *item;
    size_t length;
    while (sgc_schema_next_item(&at, ',', &item, &length))
        if (!sgc_schema_is_strategy_name(item, length))
            return sgc_value_fault(fault, (size_t)(item - text), "\"%.*s\" is no strategy's name (a-z 0-9 _ -)",
                                   (int)length, item);
    return 0;
}

int sgc_schema_limit(const char *text, bool percent_allowed, struct sgc_limit *out, struct sgc_value_fault *fault)
{
    struct sgc_limit limit = {SGC_LIMIT_NONE, 0};
    if (strcmp(text, "none") == 0) {
        *out = limit;
        return 0;
    }
    bool percent = percent_allowed && text[0] && text[strlen(text) - 1] == '%';
    limit.form = percent ? SGC_LIMIT_PERCENT : SGC_LIMIT_BYTES;
    int code = sgc_value_parse(percent ? SGC_PARAM_PERCENT : SGC_PARAM_BYTES, text, &limit.value, fault);
    if (code)
        return code;
    if (percent && (limit.value < 100 || limit.value > 1000))
        return sgc_value_fault(fault, 0, "\"%s\" is outside 100%% to 1000%% of memory_limit", text);
    if (!percent && limit.value < SGC_SLAB_BYTES)
        return sgc_value_fault(fault, 0, "\"%s\" is less than a slab, 64KiB; write none for no limit", text);
    *out = limit;
    return 0;
}

static int value_memory_limit(const char *text, struct sgc_value_fault *fault)
{
    struct sgc_limit limit;
    return sgc_schema_limit(text, false, &limit, fault);
}

static int value_hard_limit(const char *text, struct sgc_value_fault *fault)
{
    struct sgc_limit limit;
    return sgc_schema_limit(text, true, &limit, fault);
}

static int value_stall_report(const char *text, struct sgc_value_fault *fault)
{
    uint64_t duration_ns;
    int code = sgc_value_parse(SGC_PARAM_DURATION_NS, text, &duration_ns, fault);
    if (code == 0 && duration_ns == 0)
        code = sgc_value_fault(fault, 0, "\"%s\" would report every section; the least is 1ns", text);
    return code;
}

int sgc_schema_debug(const char *text, uint32_t *out, struct sgc_value_fault *fault)
{
    static const char *const words[] = {"redzone", "poison", "track", "check", "none"};
    static const uint32_t bits[] = {SGC_DEBUG_REDZONE, SGC_DEBUG_POISON, SGC_DEBUG_TRACK, SGC_DEBUG_CHECK, 0};
    uint32_t debug = 0;
    const char *at = text, *item;
    size_t length, n_items = 0, i;
    bool none = false;
    for (; sgc_schema_next_item(&at, ',', &item, &length); n_items++) {
        char word[SGC_CONFIG_NAME_BYTES];
        snprintf(word, sizeof(word), "%.*s", (int)length, item);
        for (i = 0; i < SGC_ARRAY_LEN(words) && strcmp(word, words[i]) != 0; i++)
            continue;
        if (i < SGC_ARRAY_LEN(words)) {
            debug |= bits[i];
            none |= bits[i] == 0;
            continue;
        }
        const char *nearest = sgc_suggest(word, words, SGC_ARRAY_LEN(words));
        if (nearest)
            return sgc_value_fault(fault, (size_t)(item - text), "unknown check \"%s\"; did you mean \"%s\"?", word,
                                   nearest);
        return sgc_value_fault(fault, (size_t)(item - text),
                               "unknown check \"%s\"; debug takes redzone, poison, track, check, or none", word);
    }
    if (none && n_items > 1)
        return sgc_value_fault(fault, 0, "\"%s\": none stands alone", text);
    *out = debug;
    return 0;
}

static int value_debug(const char *text, struct sgc_value_fault *fault)
{
    uint32_t debug;
    return sgc_schema_debug(text, &debug, fault);
}

static int value_directories(const char *text, struct sgc_value_fault *fault)
{
    const char *at = text, *item;
    size_t length;
    while (sgc_schema_next_item(&at, ':', &item, &length))
        if (length == 0 || item[0] != '/')
            return sgc_value_fault(fault, (size_t)(item - text), "\"%.*s\" is not an absolute path", (int)length, item);
    return 0;
}

/* off, an absolute path, or one more word. */
static int value_place(const char *text, const char *word, struct sgc_value_fault *fault)
{
    if (text[0] == '/' || strcmp(text, "off") == 0 || (word && strcmp(text, word) == 0))
        return 0;
    const char *words[] = {"off", word};
    const char *nearest = sgc_suggest(text, words, word ? 2 : 1);
    if (nearest)
        return sgc_value_fault(fault, 0, "\"%s\" is no absolute path; did you mean \"%s\"?", text, nearest);
    return sgc_value_fault(fault, 0, "\"%s\" is neither off%s%s nor an absolute path", text, word ? " nor " : "",
                           word ? word : "");
}

static int value_socket(const char *text, struct sgc_value_fault *fault)
{
    return value_place(text, "auto", fault);
}

static int value_report(const char *text, struct sgc_value_fault *fault)
{
    return value_place(text, NULL, fault);
}

static int value_wait(const char *text, struct sgc_value_fault *fault)
{
    uint64_t duration_ns;
    return sgc_value_parse(SGC_PARAM_DURATION_NS, text, &duration_ns, fault);
}

/* ---- keys */

static const struct schema_key {
    enum sgc_config_kind kind;
    const char *key;
    bool is_list;
    int (*check)(const char *text, struct sgc_value_fault *fault);
    struct sgc_schema_key_info info;
} keys[] = {
    {SGC_CONFIG_HEAP,
     "strategy",
     false,
     value_strategy,
     {"text", false, "Strategy that owns the heap, by name or absolute path; a live heap is moved by switch"}},
    {SGC_CONFIG_HEAP,
     "default_strategies",
     true,
     value_strategies,
     {"list", false, "Strategies to try, in this order, where nobody names one"}},
    {SGC_CONFIG_HEAP,
     "memory_limit",
     false,
     value_memory_limit,
     {"bytes", true, "Memory beyond which allocations at rest collect, and fail when that is not enough, or none"}},
    {SGC_CONFIG_HEAP,
     "hard_limit",
     false,
     value_hard_limit,
     {"limit", true, "Memory beyond which sections' allocations fail, too: bytes, per cent of memory_limit, or none"}},
    {SGC_CONFIG_HEAP,
     "stall_report",
     false,
     value_stall_report,
     {"duration", true, "A section that delays a stop or grace period for longer is reported by name"}},
    {SGC_CONFIG_CACHE,
     "debug",
     true,
     value_debug,
     {"list", false, "Checks of the cache's objects: redzone, poison, track, check, or none"}},
    {SGC_CONFIG_PLUGINS,
     "directory",
     false,
     value_directories,
     {"text", false, "Directories to look for plug-ins in, separated by colons"}},
    {SGC_CONFIG_CONTROL,
     "socket",
     false,
     value_socket,
     {"text", false, "Where gcctl reaches the process: off, auto, or an absolute path"}},
    {SGC_CONFIG_CONTROL,
     "wait",
     false,
     value_wait,
     {"duration", false, "How long the first heap to open waits for a client's go"}},
    {SGC_CONFIG_CONTROL,
     "report",
     false,
     value_report,
     {"text", false, "File to which final figures of each heap are appended: off, or an absolute path"}},
};

static const struct schema_key *schema_find(enum sgc_config_kind kind, const char *key)
{
    for (size_t i = 0; i < SGC_ARRAY_LEN(keys); i++)
        if (keys[i].kind == kind && strcmp(keys[i].key, key) == 0)
            return &keys[i];
    return NULL;
}

const char *sgc_schema_key_at(enum sgc_config_kind kind, size_t i)
{
    for (size_t at = 0; at < SGC_ARRAY_LEN(keys); at++)
        if (keys[at].kind == kind && i-- == 0)
            return keys[at].key;
    return NULL;
}

bool sgc_schema_key_info(enum sgc_config_kind kind, const char *key, struct sgc_schema_key_info *out)
{
    const struct schema_key *found = schema_find(kind, key);
    if (found)
        *out = found->info;
    return found;
}

bool sgc_schema_is_list(enum sgc_config_kind kind, const char *key)
{
    const struct schema_key *found = schema_find(kind, key);
    return found && found->is_list;
}

static int schema_strategy_key(const char *key, struct sgc_value_fault *fault)
{
    size_t n_good = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (key[n_good])
        return sgc_value_fault(fault, n_good, "\"%s\" is no parameter's name (a-z 0-9 _)", key);
    return 0;
}

int sgc_schema_key(const struct sgc_config_section *section, const char *key, struct sgc_value_fault *fault)
{
    if (section->kind == SGC_CONFIG_STRATEGY)
        return schema_strategy_key(key, fault);
    if (schema_find(section->kind, key))
        return 0;
    const char *known[SGC_ARRAY_LEN(keys)];
    char list[256] = "";
    size_t n = 0, length = 0;
    for (; (known[n] = sgc_schema_key_at(section->kind, n)); n++)
        length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s", n ? ", " : "", known[n]);
    const char *nearest = sgc_suggest(key, known, n);
    if (nearest)
        return sgc_value_fault(fault, 0, "unknown key \"%s\" in [%s]; did you mean \"%s\"?", key, section->title,
                               nearest);
    return sgc_value_fault(fault, 0, "unknown key \"%s\" in [%s]; it takes %s", key, section->title, list);
}

int sgc_schema_value(enum sgc_config_kind kind, const char *key, const char *value, struct sgc_value_fault *fault)
{
    const struct schema_key *found = schema_find(kind, key);
    return found ? found->check(value, fault) : 0;
}

/* ---- sections */

static int schema_unknown_section(const char *title, size_t length, size_t word_length, struct sgc_value_fault *fault)
{
    const char *words[SGC_N_CONFIG_KINDS];
    char word[SGC_CONFIG_NAME_BYTES], list[160] = "";
    size_t used = 0;
    for (unsigned i = 0; i < SGC_N_CONFIG_KINDS; i++) {
        words[i] = sections[i].word;
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", sections[i].shown);
    }
    snprintf(word, sizeof(word), "%.*s", (int)word_length, title);
    const char *nearest = sgc_suggest(word, words, SGC_N_CONFIG_KINDS);
    if (nearest)
        return sgc_value_fault(fault, 0, "unknown section [%.*s]; did you mean [%s%.*s]?", (int)length, title, nearest,
                               (int)(length - word_length), title + word_length);
    return sgc_value_fault(fault, 0, "unknown section [%.*s]; there are %s", (int)length, title, list);
}

static int schema_check_name(const struct schema_section *section, const char *title, size_t length, size_t offset,
                             struct sgc_value_fault *fault)
{
    const char *name = title + offset;
    size_t n = length - offset;
    if (n >= SGC_CONFIG_NAME_BYTES)
        return sgc_value_fault(fault, offset, "the name in [%s.%.20s...] is longer than %d bytes", section->word, name,
                               SGC_CONFIG_NAME_BYTES - 1);
    for (size_t i = 0; i < n; i++) {
        bool upper = name[i] >= 'A' && name[i] <= 'Z';
        bool good = (upper && section != &sections[SGC_CONFIG_STRATEGY]) || (name[i] >= 'a' && name[i] <= 'z') ||
                    (name[i] >= '0' && name[i] <= '9') || (name[i] && strchr(section->letters, name[i]));
        if (!good)
            return sgc_value_fault(fault, offset + i, "the name in [%.*s] may have %s", (int)length, title,
                                   section->letters_shown);
    }
    return 0;
}

int sgc_schema_title(const char *title, size_t length, enum sgc_config_kind *kind, size_t *name_offset,
                     struct sgc_value_fault *fault)
{
    const char *dot = memchr(title, '.', length);
    size_t word_length = dot ? (size_t)(dot - title) : length;
    unsigned found = 0;
    while (found < SGC_N_CONFIG_KINDS &&
           (strlen(sections[found].word) != word_length || memcmp(sections[found].word, title, word_length) != 0))
        found++;
    if (found == SGC_N_CONFIG_KINDS)
        return schema_unknown_section(title, length, word_length, fault);
    const struct schema_section *section = &sections[found];
    bool has_name = dot && word_length + 1 < length;
    if (section->rule == NAME_NONE && dot)
        return sgc_value_fault(fault, word_length, "[%s] takes no name", section->word);
    if (!has_name && (dot || section->rule == NAME_NEEDED))
        return sgc_value_fault(fault, word_length, "[%.*s] lacks its name: %s", (int)length, title, section->shown);
    *name_offset = has_name ? word_length + 1 : length;
    int code = schema_check_name(section, title, length, *name_offset, fault);
    *kind = (enum sgc_config_kind)found;
    return code;
}
