/* arguments.c - argp from a command's declaration; "did you mean"; values checked by their kinds.
 * Called by main. Invariant: a command runs only with arguments that its declaration allows.
 * argp parses; what it would say of a wrong word is said here instead, with what was probably meant. Locks: none, one
 * thread. */
#include "tools/gcctl/arguments.h"

#include "tools/gcctl/print.h"

#include <argp.h>
#include <errno.h>
#include <slabgc/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define MAX_OPTIONS 32
#define KEY_FIRST 0x100 /* keys of options without a letter */

struct gcctl_value {
    const struct gcctl_option *option;
    const char **texts;
    size_t n;
    int64_t number;
};

struct gcctl_values {
    size_t n;
    struct gcctl_value values[2 * MAX_OPTIONS];
};

/* ---- options that flags and gcctl itself add */

static const struct gcctl_option option_pid = {
    .name = "pid",
    .letter = 'p',
    .kind = GCCTL_PROCESS,
    .value = "PROCESS",
    .help = "The process to ask: a pid, a program's name, or a socket's path; needed where more than one has a socket"};
static const struct gcctl_option option_timeout = {
    .name = "timeout",
    .kind = GCCTL_DURATION,
    .value = "DURATION",
    .help = "Give up when the process has not answered for so long; 60s unless given"};
static const struct gcctl_option option_json = {
    .name = "json", .kind = GCCTL_FLAG, .help = "Print JSON with plain numbers: bytes, counts, nanoseconds"};
static const struct gcctl_option option_dry_run = {
    .name = "dry-run", .kind = GCCTL_FLAG, .help = "Say what would change, and change nothing"};
static const struct gcctl_option option_color = {
    .name = "color",
    .kind = GCCTL_CHOICE,
    .value = "WHEN",
    .choices = "auto|always|never",
    .help = "Use colours: by itself on a terminal alone, and never where NO_COLOR is set"};
static const struct gcctl_option option_help = {.name = "help", .kind = GCCTL_FLAG, .help = "Print this help"};

const struct gcctl_option *gcctl_option_at(const struct gcctl_command *command, size_t i)
{
    const struct gcctl_option *added[6];
    size_t n = 0;
    for (const struct gcctl_option *option = command->options; option && option->name; option++)
        if (i-- == 0)
            return option;
    if (command->flags & GCCTL_LIVE) {
        added[n++] = &option_pid;
        added[n++] = &option_timeout;
    }
    if (command->flags & GCCTL_READS)
        added[n++] = &option_json;
    if (command->flags & GCCTL_CHANGES)
        added[n++] = &option_dry_run;
    added[n++] = &option_color;
    added[n++] = &option_help;
    return i < n ? added[i] : NULL;
}

/* ---- values */

static struct gcctl_value *values_find(const struct gcctl_call *call, const char *name)
{
    for (size_t i = 0; i < call->values->n; i++)
        if (strcmp(call->values->values[i].option->name, name) == 0)
            return &call->values->values[i];
    fprintf(stderr, "gcctl: %s has no option or argument \"%s\"\n", call->command->name, name);
    exit(EX_SOFTWARE);
}

const char *gcctl_text_at(const struct gcctl_call *call, const char *name, size_t i)
{
    const struct gcctl_value *value = values_find(call, name);
    return i < value->n ? value->texts[i] : NULL;
}

const char *gcctl_text(const struct gcctl_call *call, const char *name)
{
    const struct gcctl_value *value = values_find(call, name);
    return value->n ? value->texts[value->n - 1] : NULL;
}

int64_t gcctl_number(const struct gcctl_call *call, const char *name, int64_t def)
{
    const struct gcctl_value *value = values_find(call, name);
    return value->n ? value->number : def;
}

bool gcctl_flag(const struct gcctl_call *call, const char *name)
{
    return values_find(call, name)->n > 0;
}

static int value_integer(const struct gcctl_option *option, const char *text, int64_t *number)
{
    const int64_t minimum = option->minimum;
    const int64_t maximum = option->minimum || option->maximum ? option->maximum : INT64_MAX;
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    const bool digits = (*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0' && text[1] <= '9');
    if (digits && !*end && !errno && value >= minimum && value <= maximum) {
        *number = value;
        return 0;
    }
    if (maximum == INT64_MAX)
        return gcctl_error(EX_USAGE, "%s: \"%s\" is no whole number from %lld on", option->name, text,
                           (long long)minimum);
    return gcctl_error(EX_USAGE, "%s: \"%s\" is no whole number from %lld to %lld", option->name, text,
                       (long long)minimum, (long long)maximum);
}

static int value_choice(const struct gcctl_option *option, const char *text)
{
    char words[256], list[288] = "";
    const char *candidates[16];
    size_t n = 0;
    snprintf(words, sizeof(words), "%s", option->choices);
    for (char *at = NULL, *word = strtok_r(words, "|", &at); word && n < 15; word = strtok_r(NULL, "|", &at)) {
        if (strcmp(word, text) == 0)
            return 0;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", n ? ", " : "", word);
        candidates[n++] = word;
    }
    candidates[n] = NULL;
    const char *suggestion = gcctl_suggest(text, candidates);
    if (*suggestion)
        return gcctl_error(EX_USAGE, "%s: \"%s\" is none of its values%s", option->name, text, suggestion);
    return gcctl_error(EX_USAGE, "%s: \"%s\" is none of %s", option->name, text, list);
}

/* 0, or an exit status with a message. */
static int value_check(const struct gcctl_option *option, const char *text, int64_t *number)
{
    if (option->kind == GCCTL_INTEGER)
        return value_integer(option, text, number);
    if (option->kind == GCCTL_CHOICE)
        return value_choice(option, text);
    if (option->kind == GCCTL_DURATION && gcctl_parse_duration(text, number))
        return gcctl_error(EX_USAGE, "%s: \"%s\" is no duration like 500ms, 10s or 5min", option->name, text);
    if (option->kind == GCCTL_BYTES && gcctl_parse_bytes(text, number))
        return gcctl_error(EX_USAGE, "%s: \"%s\" is no number of bytes like 512KiB or 64MiB", option->name, text);
    if (option->kind != GCCTL_TEXT && option->kind != GCCTL_FLAG && !*text)
        return gcctl_error(EX_USAGE, "%s: the value is empty", option->name);
    return 0;
}

static int value_add(struct gcctl_value *value, const char *text)
{
    const struct gcctl_option *option = value->option;
    int status = option->kind == GCCTL_FLAG ? 0 : value_check(option, text, &value->number);
    if (status)
        return status;
    const char **texts = realloc(value->texts, (value->n + 1) * sizeof(*texts));
    if (!texts)
        return gcctl_error(EX_OSERR, "out of memory");
    value->texts = texts;
    texts[value->n++] = text ? text : "";
    return 0;
}

/* ---- argp */

struct parse {
    const struct gcctl_command *command;
    struct gcctl_call *call;
    size_t n_options; /* values: options first, then arguments */
    size_t n_arguments, argument;
    int status; /* GCCTL_GO_ON while all is well */
    struct argp_option table[MAX_OPTIONS + 1];
};

/* Says what is wrong with the option in `word`, which getopt refused. */
static void parse_refused(struct parse *parse, const char *word)
{
    const char *names[MAX_OPTIONS + 1];
    char name[64];
    size_t n = 0, n_prefix = 0;
    const struct gcctl_option *meant = NULL;
    parse->status = EX_USAGE;
    if (!word || word[0] != '-') {
        gcctl_error(EX_USAGE, "%s: an option lacks its value", parse->command->name);
        return;
    }
    const bool is_long = word[1] == '-';
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 1 + is_long, "="), word + 1 + is_long);
    for (; n < parse->n_options; n++) {
        const struct gcctl_option *option = parse->call->values->values[n].option;
        names[n] = option->name;
        if (is_long ? strncmp(option->name, name, strlen(name)) == 0 : option->letter && strchr(name, option->letter)) {
            n_prefix += meant ? 1 : 0;
            meant = option;
        }
        if (is_long && strcmp(option->name, name) == 0) {
            meant = option;
            n_prefix = 0;
            break;
        }
    }
    names[n] = NULL;
    if (is_long && n_prefix)
        gcctl_error(EX_USAGE, "%s: --%s could be several options; see gcctl help %s", parse->command->name, name,
                    parse->command->name);
    else if (is_long && meant && meant->kind == GCCTL_FLAG)
        gcctl_error(EX_USAGE, "%s: --%s takes no value", parse->command->name, meant->name);
    else if (meant && meant->kind != GCCTL_FLAG && (is_long || word[strlen(word) - 1] == meant->letter))
        gcctl_error(EX_USAGE, "%s: --%s lacks its value, %s", parse->command->name, meant->name, meant->value);
    else if (is_long)
        gcctl_error(EX_USAGE, "%s has no option --%s%s", parse->command->name, name, gcctl_suggest(name, names));
    else
        gcctl_error(EX_USAGE, "%s has no option like that in \"%s\"; see gcctl help %s", parse->command->name, word,
                    parse->command->name);
}

static int parse_argument(struct parse *parse, const char *text)
{
    if (parse->argument >= parse->n_arguments) {
        gcctl_error(EX_USAGE, "%s: \"%s\" is too much%s; see gcctl help %s", parse->command->name, text,
                    parse->command->flags & GCCTL_PROGRAM ? " (a program stands behind --)" : "", parse->command->name);
        return EX_USAGE;
    }
    struct gcctl_value *value = &parse->call->values->values[parse->n_options + parse->argument];
    if (!value->option->repeatable)
        parse->argument++;
    return value_add(value, text);
}

static error_t parse_event(int key, char *text, struct argp_state *state)
{
    struct parse *parse = state->input;
    int status = 0;
    if (key == ARGP_KEY_ARG) {
        status = parse_argument(parse, text);
    } else if (key == ARGP_KEY_ERROR) {
        if (parse->status == GCCTL_GO_ON) {
            const char *word = state->next > 0 ? state->argv[state->next - 1] : NULL;
            const char *next = state->next < state->argc ? state->argv[state->next] : NULL;
            parse_refused(parse, next && (!word || word[0] != '-') ? next : word);
        }
    } else {
        for (size_t i = 0; i < parse->n_options; i++)
            if (parse->table[i].key == key) {
                status = value_add(&parse->call->values->values[i], text);
                if (status)
                    parse->status = status;
                return status ? EINVAL : 0;
            }
        return ARGP_ERR_UNKNOWN;
    }
    if (status)
        parse->status = status;
    return status ? EINVAL : 0;
}

static void parse_prepare(struct parse *parse)
{
    struct gcctl_values *values = parse->call->values;
    const struct gcctl_option *option;
    for (size_t i = 0; (option = gcctl_option_at(parse->command, i)) && i < MAX_OPTIONS; i++) {
        values->values[values->n++].option = option;
        parse->table[i].name = option->name;
        parse->table[i].key = option->letter ? option->letter : KEY_FIRST + (int)i;
        parse->table[i].arg = option->kind == GCCTL_FLAG ? NULL : option->value;
        parse->n_options++;
    }
    for (option = parse->command->arguments; option && option->name && parse->n_arguments < MAX_OPTIONS; option++) {
        values->values[values->n++].option = option;
        parse->n_arguments++;
    }
}

static bool call_color(const struct gcctl_call *call, enum gcctl_color color)
{
    const char *text = gcctl_text(call, "color");
    if (text)
        color = text[1] == 'l' ? GCCTL_COLOR_ALWAYS : text[0] == 'n' ? GCCTL_COLOR_NEVER : GCCTL_COLOR_AUTO;
    if (color == GCCTL_COLOR_NEVER || getenv("NO_COLOR"))
        return false;
    return color == GCCTL_COLOR_ALWAYS || isatty(STDOUT_FILENO);
}

static int parse_finish(struct parse *parse, enum gcctl_color color)
{
    struct gcctl_call *call = parse->call;
    for (size_t i = parse->n_options; i < call->values->n; i++) {
        const struct gcctl_value *value = &call->values->values[i];
        if (value->option->required && value->n == 0)
            return gcctl_error(EX_USAGE, "%s lacks its argument %s; see gcctl help %s", parse->command->name,
                               value->option->value, parse->command->name);
    }
    if (call->program && !*call->program)
        return gcctl_error(EX_USAGE, "%s: no program stands behind --", parse->command->name);
    call->json = parse->command->flags & GCCTL_READS && gcctl_flag(call, "json");
    call->dry_run = parse->command->flags & GCCTL_CHANGES && gcctl_flag(call, "dry-run");
    call->color = call_color(call, color);
    return GCCTL_GO_ON;
}

/* Whether --help stands among the words: help wins over everything that is wrong with the rest. */
static bool parse_wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

int gcctl_arguments_parse(const struct gcctl_command *command, int argc, char **argv, enum gcctl_color color,
                          struct gcctl_call *call)
{
    struct parse parse = {.command = command, .call = call, .status = GCCTL_GO_ON};
    const struct argp argp = {.options = parse.table, .parser = parse_event};
    if (parse_wants_help(argc, argv)) {
        gcctl_help_command(command);
        return 0;
    }
    *call = (struct gcctl_call){.command = command, .values = calloc(1, sizeof(struct gcctl_values))};
    if (!call->values)
        return gcctl_error(EX_OSERR, "out of memory");
    parse_prepare(&parse);
    for (int i = 1; command->flags & GCCTL_PROGRAM && i < argc; i++)
        if (strcmp(argv[i], "--") == 0) {
            call->program = argv + i + 1;
            argc = i;
        }
    error_t code = argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &parse);
    if (code && parse.status == GCCTL_GO_ON)
        parse.status = gcctl_error(EX_USAGE, "%s: %s", command->name, strerror(code));
    if (parse.status == GCCTL_GO_ON)
        parse.status = parse_finish(&parse, color);
    if (parse.status != GCCTL_GO_ON)
        gcctl_arguments_fini(call);
    return parse.status;
}

void gcctl_arguments_fini(struct gcctl_call *call)
{
    for (size_t i = 0; i < call->values->n; i++)
        free(call->values->values[i].texts);
    free(call->values);
    call->values = NULL;
}
