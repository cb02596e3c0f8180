#!/bin/bash
# Makes the Debian package of the tar that stage.sh made: deb.sh OUT TAR VERSION EPOCH CONTROL CHANGELOG LICENSE
# OVERRIDES
# The package is the same for the same files: SOURCE_DATE_EPOCH is the changelog's date.
set -euo pipefail
export LC_ALL=C
umask 022
out=$1 tar=$2 version=$3 control=$5 changelog=$6 license=$7 overrides=$8
export SOURCE_DATE_EPOCH=$4
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir "$root/usr" "$root/DEBIAN"
tar -xf "$tar" -C "$root/usr"

usr=$root/usr
sed -i 's|@PREFIX@|/usr|g' "$usr"/lib/pkgconfig/*.pc
for file in "$usr"/bin/* "$usr"/lib/slabgc/slabgc-* "$usr"/lib/slabgc/plugins/*.so \
    "$usr"/lib/*.so.*.*.* "$usr"/lib/libslabgc-malloc.so; do
    strip --strip-unneeded --remove-section=.comment --remove-section=.note "$file"
done
strip --strip-debug --enable-deterministic-archives "$usr"/lib/libslabgc.a
gzip -9n "$usr"/share/man/man*/*

docs=$usr/share/doc/slabgc
mkdir -p "$docs" "$usr/share/lintian/overrides"
gzip -9nc "$changelog" >"$docs/changelog.gz"
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: slabgc\n\n'
    printf 'Files: *\nCopyright: 2026 The slabgc authors\nLicense: Expat\n'
    sed -n '/^Permission/,$p' "$license" | sed 's/^$/./; s/^/ /'
} >"$docs/copyright"
chmod 644 "$docs"/*
install -m 644 "$overrides" "$usr/share/lintian/overrides/slabgc"

size=$(($(find "$usr" -type f -printf '%s\n' |
    awk '{ n += int(($1 + 1023) / 1024) } END { print n }') + $(find "$usr" ! -type f | wc -l)))
sed "s/@VERSION@/$version/; s/@SIZE@/$size/" "$control" >"$root/DEBIAN/control"
echo 'libslabgc 0 slabgc (>= 0.4.0)' >"$root/DEBIAN/shlibs"
echo 'activate-noawait ldconfig' >"$root/DEBIAN/triggers"
(cd "$root" && find usr -type f -printf '%P\n' | sed 's|^|usr/|' | sort | xargs -d '\n' md5sum) >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
dpkg-deb --root-owner-group --uniform-compression -Zxz --build "$root" "$out" >/dev/null
