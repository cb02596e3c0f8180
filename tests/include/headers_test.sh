#!/bin/bash
# Each public header compiles alone, twice included, as C11 and as C++17, without a warning; with gcc and, where it is
# installed, clang. Arguments: the headers.
set -uo pipefail

n_passed=0
n_failed=0

# compile NAME COMMAND...: compiles the program on stdin and counts.
compile() {
    local name=$1 output
    shift
    if output=$("$@" -Iinclude -fsyntax-only -Wall -Wextra -Werror - 2>&1); then
        n_passed=$((n_passed + 1))
    else
        n_failed=$((n_failed + 1))
        printf 'FAILED: %s\n%s\n' "$name" "$output"
    fi
}

[ $# -gt 0 ] || { echo "no headers given"; exit 1; }
for header in "$@"; do
    include=${header#include/}
    source="#include <$include>"$'\n'"#include <$include>"
    for cc in gcc clang; do
        command -v "$cc" >/dev/null || continue
        compile "$include: $cc, C11" "$cc" -std=c11 -Wmissing-prototypes -x c <<<"$source"
        compile "$include: $cc, C++17" "$cc" -std=c++17 -x c++ <<<"$source"
    done
done
echo "$n_passed passed, $n_failed failed"
[ "$n_failed" -eq 0 ]
