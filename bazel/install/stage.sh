#!/bin/bash
# Makes the tar of what is installed: stage.sh OUT VERSION EPOCH PLACE=FILE...
# A place that ends in / takes the file under its own name, or what is in a tar. The tar that is made is the same for
# the same files.
set -euo pipefail
export LC_ALL=C
umask 022
out=$1 version=$2 epoch=$3
shift 3
tree=$(mktemp -d)
chmod 755 "$tree"
trap 'rm -rf "$tree"' EXIT
for pair in "$@"; do
    place=${pair%%=*} file=${pair#*=}
    case "$place=$file" in
    */=*.tar)
        mkdir -p "$tree/$place"
        tar -xf "$file" -C "$tree/$place" --no-same-permissions
        continue
        ;;
    */=*) place=$place$(basename "$file") ;;
    esac
    mode=644
    case "$place" in bin/* | lib/slabgc/slabgc-* | *.so) mode=755 ;; esac
    install -D -m "$mode" "$file" "$tree/$place"
done
chmod -R u=rwX,go=rX "$tree"
cd "$tree"
mv lib/libslabgc.so "lib/libslabgc.so.$version"
chmod 644 "lib/libslabgc.so.$version" lib/libslabgc-malloc.so lib/slabgc/plugins/*.so
ln -s "libslabgc.so.$version" lib/libslabgc.so.0
ln -s libslabgc.so.0 lib/libslabgc.so
sed -i "s|@VERSION@|$version|g" lib/pkgconfig/*.pc lib/cmake/slabgc/*.cmake
echo "$version" >share/slabgc/version
cd - >/dev/null
tar --create --file "$out" --directory "$tree" --sort=name --format=gnu \
    --mtime="@$epoch" --owner=0 --group=0 --numeric-owner .
