/* document_bash.c - a completion script for bash, from the table of commands.
 * Called by `gcctl completion` and tests.
 * Invariant: the script asks gcctl for what is alive and knows the rest itself; it never prints a message. Locks: none,
 * one thread. */
#include "tools/gcctl/arguments.h"
#include "tools/gcctl/document.h"

#include <string.h>

static const char *const kinds[] = {
    [GCCTL_FLAG] = "flag",  [GCCTL_TEXT] = "text",   [GCCTL_INTEGER] = "text", [GCCTL_DURATION] = "text",
    [GCCTL_BYTES] = "text", [GCCTL_CHOICE] = "",     [GCCTL_FILE] = "file",    [GCCTL_PROCESS] = "process",
    [GCCTL_HEAP] = "heap",  [GCCTL_CACHE] = "cache", [GCCTL_KEY] = "key",      [GCCTL_STRATEGY] = "strategy",
};

static const char head[] =
    "# bash completion of gcctl; made from its table of commands\n"
    "\n"
    "# _gcctl_words KIND: what a word of that kind may be; heaps, caches and keys are asked of the process that\n"
    "# --pid on the line names.\n"
    "_gcctl_words()\n"
    "{\n"
    "    local kind=$1 word ask=()\n"
    "    case $kind in\n"
    "    text | flag | program | '') ;;\n"
    "    file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
    "    choice:*) COMPREPLY=($(compgen -W \"${kind#choice:}\" -- \"$cur\")) ;;\n"
    "    *)\n"
    "        [ -z \"$process\" ] || ask=(--pid \"$process\")\n"
    "        while IFS= read -r word; do\n"
    "            [[ $word != \"$cur\"* ]] || COMPREPLY+=(\"$word\")\n"
    "        done < <(command gcctl document candidates \"$kind\" --timeout=500ms \"${ask[@]}\" 2>/dev/null)\n"
    "        ;;\n"
    "    esac\n"
    "}\n"
    "\n";

static const char tail[] = "# _gcctl: words are put together again where bash parted them at '='.\n"
                           "_gcctl()\n"
                           "{\n"
                           "    local cur command='' process='' option kind word i n_arguments=0 words=() kinds=()\n"
                           "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
                           "        word=${COMP_WORDS[i]}\n"
                           "        if [[ $word == '=' && ${#words[@]} -gt 0 ]]; then\n"
                           "            words[${#words[@]}-1]+='='\n"
                           "        elif [[ ${#words[@]} -gt 0 && ${words[${#words[@]}-1]} == --*= ]]; then\n"
                           "            words[${#words[@]}-1]+=$word\n"
                           "        else\n"
                           "            words+=(\"$word\")\n"
                           "        fi\n"
                           "    done\n"
                           "    cur=${words[${#words[@]}-1]}\n"
                           "    COMPREPLY=()\n"
                           "    for ((i = 0; i + 1 < ${#words[@]}; i++)); do\n"
                           "        word=${words[i]}\n"
                           "        case $word in\n"
                           "        --) COMPREPLY=($(compgen -c -- \"$cur\")); return ;;\n"
                           "        --pid=*) process=${word#--pid=} ;;\n"
                           "        -p | --pid) process=${words[i+1]} ;;\n"
                           "        esac\n"
                           "        case $word in\n"
                           "        --*=*) ;;\n"
                           "        -*)\n"
                           "            kind=$(_gcctl_option_kind \"$command\" \"$word\")\n"
                           "            if [[ -n $kind && $kind != flag ]]; then\n"
                           "                if ((i + 2 == ${#words[@]})); then\n"
                           "                    _gcctl_words \"$kind\"\n"
                           "                    return\n"
                           "                fi\n"
                           "                i=$((i + 1))\n"
                           "            fi\n"
                           "            ;;\n"
                           "        *)\n"
                           "            if [[ -z $command ]]; then\n"
                           "                command=$word\n"
                           "            elif _gcctl_is_group \"$command\"; then\n"
                           "                command=\"$command $word\"\n"
                           "            else\n"
                           "                n_arguments=$((n_arguments + 1))\n"
                           "            fi\n"
                           "            ;;\n"
                           "        esac\n"
                           "    done\n"
                           "    if [[ $cur == --*=* ]]; then\n"
                           "        option=${cur%%=*}\n"
                           "        cur=${cur#*=}\n"
                           "        _gcctl_words \"$(_gcctl_option_kind \"$command\" \"$option\")\"\n"
                           "    elif [[ $cur == -* ]]; then\n"
                           "        compopt -o nospace 2>/dev/null\n"
                           "        COMPREPLY=($(compgen -W \"$(_gcctl_options \"$command\")\" -- \"$cur\"))\n"
                           "        for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do\n"
                           "            [[ ${COMPREPLY[i]} == *= ]] || COMPREPLY[i]+=' '\n"
                           "        done\n"
                           "    elif [[ -z $command ]]; then\n"
                           "        COMPREPLY=($(compgen -W \"$(_gcctl_commands '')\" -- \"$cur\"))\n"
                           "    elif _gcctl_is_group \"$command\"; then\n"
                           "        COMPREPLY=($(compgen -W \"$(_gcctl_commands \"$command\")\" -- \"$cur\"))\n"
                           "    else\n"
                           "        read -ra kinds <<<\"$(_gcctl_arguments \"$command\")\"\n"
                           "        kind=${kinds[n_arguments]-}\n"
                           "        if [[ -z $kind && ${#kinds[@]} -gt 0 && ${kinds[${#kinds[@]}-1]} == *+ ]]; then\n"
                           "            kind=${kinds[${#kinds[@]}-1]}\n"
                           "        fi\n"
                           "        kind=${kind%+}\n"
                           "        _gcctl_words \"${kind//,/ }\"\n"
                           "    fi\n"
                           "}\n"
                           "complete -F _gcctl gcctl\n";

/* "choice:auto,always,never" with `separator` between, or the kind's name. */
static void bash_kind(FILE *out, const struct gcctl_option *option, char separator)
{
    if (option->kind != GCCTL_CHOICE) {
        fputs(kinds[option->kind], out);
        return;
    }
    fputs("choice:", out);
    for (const char *at = option->choices; *at; at++)
        fputc(*at == '|' ? separator : *at, out);
}

static bool bash_shows(const struct gcctl_command *command)
{
    return !(command->flags & GCCTL_HIDDEN);
}

/* Whether an earlier command of the table has the same first word. */
static bool bash_seen(const struct gcctl_command *const *at)
{
    const size_t length = strcspn((*at)->name, " ");
    for (const struct gcctl_command *const *before = gcctl_commands; before < at; before++)
        if (bash_shows(*before) && strncmp((*before)->name, (*at)->name, length) == 0 &&
            strcspn((*before)->name, " ") == length)
            return true;
    return false;
}

/* First words, and the second words of each first one. */
static void bash_commands(FILE *out)
{
    fputs("# _gcctl_commands FIRST: words that may follow\n_gcctl_commands()\n{\n    case $1 in\n    '') echo '", out);
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++)
        if (bash_shows(*at) && !bash_seen(at))
            fprintf(out, "%.*s ", (int)strcspn((*at)->name, " "), (*at)->name);
    fputs("--color= --help --version' ;;\n", out);
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++) {
        const size_t length = strcspn((*at)->name, " ");
        if (!bash_shows(*at) || (*at)->name[length] == '\0' || bash_seen(at))
            continue;
        fprintf(out, "    %.*s) echo '", (int)length, (*at)->name);
        for (const struct gcctl_command *const *other = at; *other; other++)
            if (bash_shows(*other) && strncmp((*other)->name, (*at)->name, length + 1) == 0)
                fprintf(out, "%s ", (*other)->name + length + 1);
        fputs("' ;;\n", out);
    }
    fputs("    esac\n}\n\n_gcctl_is_group()\n{\n    [[ $1 != *' '* && -n $(_gcctl_commands \"$1\") ]]\n}\n\n", out);
}

static void bash_options(FILE *out)
{
    const struct gcctl_option *option;
    fputs(
        "# _gcctl_options COMMAND: its options, with '=' where a value follows\n_gcctl_options()\n{\n    case $1 in\n",
        out);
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++) {
        if (!bash_shows(*at))
            continue;
        fprintf(out, "    '%s') echo '", (*at)->name);
        for (size_t i = 0; (option = gcctl_option_at(*at, i)); i++)
            fprintf(out, "--%s%s ", option->name, option->kind == GCCTL_FLAG ? "" : "=");
        fputs("' ;;\n", out);
    }
    fputs("    *) echo '--color= --help --version' ;;\n    esac\n}\n\n", out);
    fputs("# _gcctl_option_kind COMMAND OPTION: what its value is\n_gcctl_option_kind()\n{\n    case \"$1 $2\" in\n",
          out);
    fputs("    ' --color') echo 'choice:auto always never' ;;\n", out);
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++)
        for (size_t i = 0; bash_shows(*at) && (option = gcctl_option_at(*at, i)); i++) {
            if (option->kind == GCCTL_FLAG)
                continue;
            fprintf(out, "    '%s --%s'", (*at)->name, option->name);
            if (option->letter)
                fprintf(out, " | '%s -%c'", (*at)->name, option->letter);
            fputs(") echo '", out);
            bash_kind(out, option, ' ');
            fputs("' ;;\n", out);
        }
    fputs("    esac\n}\n\n", out);
}

static void bash_arguments(FILE *out)
{
    fputs("# _gcctl_arguments COMMAND: kinds of its arguments, in order; + stands where more may come\n"
          "_gcctl_arguments()\n{\n    case $1 in\n",
          out);
    for (const struct gcctl_command *const *at = gcctl_commands; *at; at++) {
        if (!bash_shows(*at) || !(*at)->arguments || !(*at)->arguments->name)
            continue;
        fprintf(out, "    '%s') echo '", (*at)->name);
        for (const struct gcctl_option *argument = (*at)->arguments; argument->name; argument++) {
            if (strcmp((*at)->name, "help") == 0) { /* its words are commands */
                fputs("choice:", out);
                for (const struct gcctl_command *const *other = gcctl_commands; *other; other++)
                    if (bash_shows(*other) && !bash_seen(other))
                        fprintf(out, "%.*s,", (int)strcspn((*other)->name, " "), (*other)->name);
            } else {
                bash_kind(out, argument, ',');
            }
            fputs(argument->repeatable ? "+ " : " ", out);
        }
        fputs("' ;;\n", out);
    }
    fputs("    esac\n}\n\n", out);
}

void gcctl_document_bash(FILE *out)
{
    fputs(head, out);
    bash_commands(out);
    bash_options(out);
    bash_arguments(out);
    fputs(tail, out);
}
