#!/bin/bash
# bazel run //bazel:install -- [--prefix=DIR] [--uninstall] [--dry-run] [--force]
# Puts the files of slabgc.tar (beside this script) below DESTDIR/PREFIX, or takes away what it put there.
# Everything is checked first; then each file is written under a temporary name; then all are renamed. What was
# installed stands in
# PREFIX/lib/slabgc/manifest: "d DIRECTORY" for those that the installation made, "f FILE".
set -euo pipefail
export LC_ALL=C
umask 022

usage() {
    cat <<'END'
usage: bazel run //bazel:install -- [--prefix=DIR] [--dry-run] [--force]
       bazel run //bazel:install -- [--prefix=DIR] [--dry-run] --uninstall
Installs slabgc below DIR (/usr/local; a relative one counts from where you are), or removes what an earlier run
installed there.
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

check_directory() { # check_directory DIRECTORY: it can be written, or made
    local at=$1
    while [ ! -e "$at" ] && [ ! -L "$at" ]; do
        at=${at%/*}
        at=${at:-/}
    done
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
        [ -z "$file" ] || printf '%s\0' "$root/$file"
    done <<<"$2" | xargs -0r rm -f --
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
        [ ! -e "$root/$file" ] || [ -w "$root/${file%/*}" ] ||
            die "$root/${file%/*} cannot be written by $(id -un); nothing was changed"
    done <<<"$files"
    if [ -n "$dry_run" ]; then
        sed "s|^|would remove $root/|" <<<"$files"
        exit 0
    fi
    # With what an installation left that was killed between its renames.
    remove_files "$directories" "$files
$(sed '/./s/$/.slabgc-new/' <<<"$files")
lib/slabgc/manifest
lib/slabgc/manifest.slabgc-new"
    say "removed $(wc -l <<<"$files") files below $root"
}

# ---- putting there

tree= # the unpacked tar
staged=() # temporary names
made=() # directories that this run makes
clean() {
    local i
    if [ ${#staged[@]} -gt 0 ]; then
        rm -f -- "${staged[@]}" 2>/dev/null || true
        for ((i = ${#made[@]} - 1; i >= 0; i--)); do rmdir -- "${made[i]}" 2>/dev/null || true; done
        say "it failed; nothing of it stays" >&2
    fi
    [ -z "$tree" ] || rm -rf -- "$tree"
}

# Writes PREFIX/lib into a file behind the mark of core/runtime/installed.c.
place() {
    local file=$1 mark=slabgc-installed-lib= room=1024 text at
    text=$mark$prefix/lib
    [ ${#text} -lt $room ] || die "prefix '$prefix' is too long; nothing was changed"
    while IFS=: read -r at _; do
        { printf '%s' "$text"; head -c $((room - ${#text})) /dev/zero; } |
            dd of="$file" bs=4096 seek="$at" oflag=seek_bytes conv=notrunc status=none
    done < <(grep -abof /dev/stdin -F -- "$file" <<<"$mark/usr/lib")
}

note_directories() { # note_directories PATH: those above it that are not there yet
    local at=$1 new=()
    while [ ! -d "$at" ]; do
        new=("$at" ${new[@]+"${new[@]}"})
        at=${at%/*}
    done
    for at in ${new[@]+"${new[@]}"}; do
        case " ${made[*]-} " in *" $at "*) ;; *) made+=("$at") ;; esac
    done
}

check_files() { # check_files FILES OLD
    local file
    while IFS= read -r file; do
        check_directory "$root/${file%/*}"
        [ ! -d "$root/$file" ] || [ -L "$root/$file" ] ||
        die "$root/$file is in the way: a directory; nothing was changed"
        if { [ -e "$root/$file" ] || [ -L "$root/$file" ]; } && [ -z "$force" ] &&
            [[ $'\n'$2$'\n' != *$'\n'"$file"$'\n'* ]]; then
            die "$root/$file is there, and no earlier run of this installed it; nothing was changed" \
                "(--force replaces it)"
        fi
        note_directories "$root/${file%/*}"
    done <<<"$1"
}

# write_manifest FILES: with the directories of this run and of earlier ones
write_manifest() {
    local directory
    printf 'slabgc %s\n' "$(cat "$tree/share/slabgc/version")"
    {
        listed d
        for directory in ${made[@]+"${made[@]}"}; do echo "${directory#"$destdir"}"; done
    } | sed '/^$/d; s/^/d /' | sort -u
    sed '/^$/d; s/^/f /' <<<"$1"
}

link_cache() {
    local ldconfig
    [ -z "$destdir" ] || return 0
    ldconfig=$(PATH=$PATH:/sbin:/usr/sbin command -v ldconfig) || return 0
    if [[ $'\n'$("$ldconfig" -N -v 2>/dev/null) == *$'\n'"$prefix/lib:"* ]]; then
        [ "$(id -u)" -ne 0 ] || { "$ldconfig"; return; }
        say "let root run ldconfig, so that programs find libslabgc.so.0"
    elif [ "$mode" = install ]; then
        say "the dynamic linker does not look into $prefix/lib:" \
            "link with -Wl,-rpath,$prefix/lib, or set LD_LIBRARY_PATH"
    fi
}

install() {
    local tar files old file
    tar=$(dirname -- "${BASH_SOURCE[0]}")/slabgc.tar
    [ -f "$tar" ] || tar=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")/slabgc.tar
    [ -f "$tar" ] || die "slabgc.tar is not beside this script: start it by bazel run //bazel:install"
    trap clean EXIT
    trap 'exit 130' INT TERM HUP
    tree=$(mktemp -d)
    tar -xf "$tar" -C "$tree"
    files=$(cd "$tree" && find . ! -type d | sed 's|^\./||' | sort)
    old=$(listed f)
    check_files "$files" "$old"
    if [ -n "$dry_run" ]; then
        sed "s|^|would install $root/|" <<<"$files"
        exit 0
    fi
    while IFS= read -r file; do
        place "$file"
    done < <(grep -rlaF -- slabgc-installed-lib=/usr/lib "$tree")
    sed -i "s|@PREFIX@|$prefix|g" "$tree"/lib/pkgconfig/*.pc

    mkdir -p -- "$root/lib/slabgc"
    while IFS= read -r file; do
        [ -d "$root/${file%/*}" ] || mkdir -p -- "$root/${file%/*}"
        staged+=("$root/$file.slabgc-new")
        cp -PT --preserve=mode -- "$tree/$file" "$root/$file.slabgc-new"
    done <<<"$files"
    staged+=("$manifest.slabgc-new")
    write_manifest "$(printf '%s\n' "$files" "$old" | sort -u)" >"$manifest.slabgc-new"
    # From here on only renames, which Ctrl-C does not part, under a manifest that has what was there and what will be:
    # killed now, this runs again, or uninstalls.
    trap '' INT TERM HUP
    staged=()
    mv -fT -- "$manifest.slabgc-new" "$manifest"
    while IFS= read -r file; do
        mv -fT -- "$root/$file.slabgc-new" "$root/$file"
    done <<<"$files"
    remove_files "" "$(comm -13 <(printf '%s\n' "$files") <(sort <<<"$old"))"
    write_manifest "$files" >"$manifest.slabgc-new"
    mv -fT -- "$manifest.slabgc-new" "$manifest"
    trap 'exit 130' INT TERM HUP
    say "installed $(wc -l <<<"$files") files below $root"
    say "remove them by: ${destdir:+DESTDIR=$destdir }bazel run //bazel:install -- --prefix=${prefix:-/} --uninstall"
}

"$mode"
[ -n "$dry_run" ] || link_cache
