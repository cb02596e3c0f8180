#!/bin/bash
# Builds the library whose ABI is looked at, with what debuggers want to know and without optimization: library.sh OUT
# MAP CHANGE FILE...
# CHANGE: an editing command for sed on the public headers, may be empty. FILEs: core and the public headers, below the
# working directory.
# Core's own headers get other names: abidw tells public types from private ones by the names of their files.
set -euo pipefail
export LC_ALL=C
out=$(realpath -m "$1") map=$(realpath "$2") change=$3
shift 3
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
for file in "$@"; do
    case "$file" in
    include/*) to=$file edit=$change ;;
    *)
        to=$(sed 's|\([a-z_0-9]*\)\.h$|private-\1.h|' <<<"$file")
        edit='s|#include "core/\([a-z]*\)/\([a-z_0-9]*\)\.h"|#include "core/\1/private-\2.h"|'
        ;;
    esac
    mkdir -p "$tree/$(dirname "$to")"
    sed "$edit" "$file" >"$tree/$to"
done
cd "$tree"
find core -name '*.c' -print0 | sort -z | xargs -0 -n 8 -P 2 sh -c 'for file in "$@"; do
    gcc -std=c11 -D_GNU_SOURCE -g -O0 -fPIC -fvisibility=hidden -pthread -Iinclude -I. -c \
        -o "${file%.c}.o" "$file" || exit 255
done' sh
find core -name '*.o' | sort | xargs gcc -shared -Wl,-soname,libslabgc.so.0 "-Wl,--version-script=$map" -o "$out"
