#!/bin/bash
# bazel run //bazel:install -- [--prefix=DIR] [--uninstall] [--dry-run] [--force]
# Puts the files of slabgc.tar (beside this script) below DESTDIR/PREFIX, or takes away what it put there.
# Everything is checked first; then each file is written under a temporary name; then all are renamed. What was installed stands in
# PREFIX/lib/slabgc/manifest: "d DIRECTORY" for those that the installation made, "f FILE".
set -euo pipefail
export LC_ALL=C
umask 022

usage() {
    cat <<'END'
usage: bazel run //bazel:install -- [--prefix=DIR] [--dry-run] [--force]
       bazel run //bazel:install -- [--prefix=DIR] [--dry-run] --uninstall
Installs slabgc below DIR (/usr/local; a relative one counts from where you are), or removes what an earlier run installed there.
$DESTDIR goes before DIR, for packages. --force replaces files that no earlier run installed.
END
}

say() {
    echo "install: $*"
}

die() {
    echo "install: $*" >&2
    exit 1
}

prefix=/usr/local
mode=install
dry_run=
force=
while [ $# -gt 0 ]; do
    case "$1" in
    --prefix=*) prefix=${1#--prefix=} ;;
    --prefix)
        [ $# -gt 1 ] || die "--prefix wants a directory"
        prefix=$2
        shift
        ;;
    --uninstall) mode=uninstall ;;
    --dry-run) dry_run=yes ;;
    --force) force=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        die "unknown argument '$1'"
        ;;
    esac
    shift
done

from=${BUILD_WORKING_DIRECTORY:-$PWD}
[ -n "$prefix" ] || die "--prefix is empty"
case "$prefix" in /*) ;; *) prefix=$from/$prefix ;; esac
prefix=$(realpath -ms -- "$prefix")
case "$prefix" in
*[!A-Za-z0-9/._+,:=@%~-]*) die "prefix '$prefix': pkg-config and make would not understand its blanks or signs" ;;
/) prefix= ;;
esac
destdir=${DESTDIR-}
case "$destdir" in "" | /*) ;; *) destdir=$from/$destdir ;; esac
destdir=${destdir%/}
root=$destdir$prefix
[ -n "$root" ] || root=/
manifest=$root/lib/slabgc/manifest

# The nearest directory above a path that exists.
existing() {
    local at=$1
    while [ ! -e "$at" ] && [ ! -L "$at" ]; do at=$(dirname -- "$at"); done
    printf '%s\n' "$at"
}

# A tool of root's would pass any check of permissions; -w knows that.
check_directory() { # check_directory DIRECTORY: it can be written, or made
    local at
    at=$(existing "$1")
    [ -d "$at" ] || die "$at is in the way: not a directory; nothing was changed"
    [ -w "$at" ] || die "$at cannot be written by $(id -un); nothing was changed"
}

listed() { # listed KIND: what the manifest says
    [ -f "$manifest" ] && sed -n "s/^$1 //p" "$manifest" || true
}

# ---- taking away

remove_files() { # remove_files DIRECTORIES FILES: what is there of both, directories only when empty
    local file directory
    while IFS= read -r file; do
        [ -n "$file" ] || continue
        rm -f -- "$root/$file"
    done <<<"$2"
    while IFS= read -r directory; do
        [ -n "$directory" ] || continue
        [ -d "$destdir$directory" ] || continue
        rmdir -- "$destdir$directory" 2>/dev/null || say "$destdir$directory stays: it is not empty"
    done < <(sort -r <<<"$1")
}

uninstall() {
    [ -f "$manifest" ] || die "nothing is installed below $root: there is no $manifest"
    local files directories file
    files=$(listed f)
    directories=$(listed d)
    while IFS= read -r file; do
        [ ! -e "$root/$file" ] || [ -w "$(dirname -- "$root/$file")" ] ||
            die "$(dirname -- "$root/$file") cannot be written by $(id -un); nothing was changed"
    done <<<"$files"
    if [ -n "$dry_run" ]; then
        sed "s|^|would remove $root/|" <<<"$files"
        exit 0
    fi
    remove_files "$directories" "$files
lib/slabgc/manifest"
    say "removed $(wc -l <<<"$files") files below $root"
}

# ---- putting there

tree= # the unpacked tar
staged=() # temporary names
clean() {
    [ ${#staged[@]} -eq 0 ] || rm -f -- "${staged[@]}"
    [ -z "$tree" ] || rm -rf -- "$tree"
}

# Writes PREFIX/lib into a file behind the mark of core/runtime/installed.c.
place() {
    local file=$1 mark=slabgc-installed-lib= room=1024 text at
    grep -qaF -- "$mark/usr/lib" "$file" || return 0
    text=$mark$prefix/lib
    [ ${#text} -lt $room ] || die "prefix '$prefix' is too long; nothing was changed"
    while IFS=: read -r at _; do
        { printf '%s' "$text"; head -c $((room - ${#text})) /dev/zero; } |
            dd of="$file" bs=4096 seek="$at" oflag=seek_bytes conv=notrunc status=none
    done < <(grep -abof /dev/stdin -F -- "$file" <<<"$mark/usr/lib")
}

made=() # directories that this run makes
note_directories() { # note_directories PATH: those above it that are not there yet
    local at=$1 new=()
    while [ ! -d "$at" ]; do
        new=("$at" ${new[@]+"${new[@]}"})
        at=$(dirname -- "$at")
    done
    for at in ${new[@]+"${new[@]}"}; do
        case " ${made[*]-} " in *" $at "*) ;; *) made+=("$at") ;; esac
    done
}

check_files() { # check_files FILES OLD
    local file
    while IFS= read -r file; do
        check_directory "$(dirname -- "$root/$file")"
        [ ! -d "$root/$file" ] || [ -L "$root/$file" ] || die "$root/$file is in the way: a directory; nothing was changed"
        if [ -e "$root/$file" ] && [ -z "$force" ] && ! grep -qxF -- "$file" <<<"$2"; then
            die "$root/$file is there, and no earlier run of this installed it; nothing was changed (--force replaces it)"
        fi
        note_directories "$(dirname -- "$root/$file")"
    done <<<"$1"
}

link_cache() {
    local ldconfig
    [ -z "$destdir" ] || return 0
    ldconfig=$(PATH=$PATH:/sbin:/usr/sbin command -v ldconfig) || return 0
    if "$ldconfig" -N -v 2>/dev/null | grep -q "^$prefix/lib:"; then
        if [ "$(id -u)" -eq 0 ]; then "$ldconfig"; else say "let root run ldconfig, so that programs find libslabgc.so.0"; fi
    elif [ "$mode" = install ]; then
        say "the dynamic linker does not look into $prefix/lib: link with -Wl,-rpath,$prefix/lib, or set LD_LIBRARY_PATH"
    fi
}

install() {
    local tar files old old_directories file directory
    tar=$(dirname -- "${BASH_SOURCE[0]}")/slabgc.tar
    [ -f "$tar" ] || tar=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")/slabgc.tar
    [ -f "$tar" ] || die "slabgc.tar is not beside this script: start it by bazel run //bazel:install"
    trap clean EXIT
    trap 'exit 130' INT TERM HUP
    tree=$(mktemp -d)
    tar -xf "$tar" -C "$tree"
    files=$(cd "$tree" && find . ! -type d | sed 's|^\./||' | sort)
    old=$(listed f)
    old_directories=$(listed d)
    check_files "$files" "$old"
    if [ -n "$dry_run" ]; then
        sed "s|^|would install $root/|" <<<"$files"
        exit 0
    fi
    while IFS= read -r file; do
        [ -L "$tree/$file" ] || place "$tree/$file"
    done <<<"$files"
    sed -i "s|@PREFIX@|$prefix|g" "$tree"/lib/pkgconfig/*.pc

    mkdir -p -- "$root/lib/slabgc"
    while IFS= read -r file; do
        mkdir -p -- "$(dirname -- "$root/$file")"
        staged+=("$root/$file.slabgc-new")
        cp -P --preserve=mode -- "$tree/$file" "$root/$file.slabgc-new"
    done <<<"$files"
    # From here on only renames.
    {
        printf 'slabgc %s\n' "$(cat "$tree/share/slabgc/version")"
        { sed 's/^/d /' <<<"$old_directories"; for directory in ${made[@]+"${made[@]}"}; do echo "d ${directory#"$destdir"}"; done; } |
            grep -v '^d $' | sort -u || true
        sed 's/^/f /' <<<"$files"
    } >"$manifest.slabgc-new"
    while IFS= read -r file; do
        mv -fT -- "$root/$file.slabgc-new" "$root/$file"
    done <<<"$files"
    mv -fT -- "$manifest.slabgc-new" "$manifest"
    staged=()
    remove_files "" "$(comm -13 <(printf '%s\n' "$files") <(sort <<<"$old"))"
    say "installed $(wc -l <<<"$files") files below $root"
    say "remove them by: bazel run //bazel:install -- --prefix=${prefix:-/} --uninstall"
}

"$mode"
[ -n "$dry_run" ] || link_cache
