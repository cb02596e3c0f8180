#!/bin/bash
# The Debian package: made the same twice, unpacks, installs, runs and goes without a trace; lintian. Arguments:
# package, deb.sh and its inputs.
set -uo pipefail
. tests/install/claims.sh
for file in "$@"; do
    case "$file" in
    *.deb) deb=$(realpath "$file") ;;
    */deb.sh) make=$(realpath "$file") ;;
    */slabgc.tar) tar=$(realpath "$file") ;;
    */control.in) control=$(realpath "$file") ;;
    */changelog) changelog=$(realpath "$file") ;;
    */lintian-overrides) overrides=$(realpath "$file") ;;
    LICENSE) license=$(realpath "$file") ;;
    esac
done
version=$(sed -n 's/^#define SGC_VERSION "\(.*\)"/\1/p' include/slabgc/version.h)
cd "$scratch" || exit 1
cp "$deb" "slabgc_${version}_amd64.deb"
deb=$scratch/slabgc_${version}_amd64.deb

claim "the package and its changelog have the version of version.h" eval \
    '[ "$(dpkg-deb -f "$deb" Version)" = "$version" ] && prints "^slabgc \($version\)" cat "$changelog"'
claim "the same files make the same package" eval \
    'bash "$make" again.deb "$tar" "$version" "$(date -d "$(sed -n "s/^ -- .*>  //p" "$changelog" |
        head -n 1)" +%s)" "$control" "$changelog" "$license" "$overrides" && cmp again.deb "$deb"'

# ---- unpacked

root=$scratch/unpacked
dpkg-deb -x "$deb" "$root"
# Each library that a file of the package wants comes from a package in Depends, or from this one.
depends() {
    local library packages wanted
    wanted=$(dpkg-deb -f "$deb" Depends)
    for library in $(readelf -d "$1"/usr/bin/* "$1"/usr/lib/*.so.*.* "$1"/usr/lib/libslabgc-malloc.so \
        "$1"/usr/lib/slabgc/slabgc-* "$1"/usr/lib/slabgc/plugins/*.so |
        sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | sort -u); do
        case "$library" in libslabgc.so.0 | ld-linux*) continue ;; esac
        packages=$(dpkg -S "*/$library" 2>/dev/null | sed 's/:.*//' | sort -u | paste -sd'|')
        grep -qE "(^|, )($packages)( |,|$)" <<<"$wanted" ||
            { echo "$library of '$packages' is needed"; return 1; }
    done
}
claim "Depends names the package of every library that is needed" depends "$root"
claim "nothing in it is writable by others, or root's alone" \
    [ -z "$(find "$root" ! -type l \( -perm /022 -o ! -perm -044 \))" ]
runs() { # runs ROOT: its programs work with its own plug-ins
    prints "^gcctl $version$" "$1/usr/bin/gcctl" --version &&
        prints "^generational .*$1/usr/lib/slabgc/plugins" "$1/usr/bin/gcctl" plugin list || return 1
    for strategy in generational refcount rcu; do
        SLABGC_PLUGIN_PATH=$1/usr/lib/slabgc/plugins SLABGC=strategy=$strategy \
            prints "$strategy" "$1/usr/lib/slabgc/slabgc-wordgraph" --stats "$1/usr/share/doc/slabgc/copyright" ||
            return 1
    done
}
claim "unpacked it runs: gcctl, and wordgraph on each collector" runs "$root"
cat >prog.c <<'END'
#include <slabgc/slabgc.h>
#include <stdio.h>
int main(void)
{
    struct sgc_heap *heap = sgc_heap_open("one", &(struct sgc_heap_options){.needs = SGC_NEED_CYCLES}, NULL);
    return heap ? puts(sgc_heap_strategy(heap)) < 0 : 1;
}
END
claim "a program builds with it, and its library finds its collectors" eval \
    'export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root/usr/lib/pkgconfig
     gcc -o prog prog.c $(pkg-config --cflags --libs slabgc) &&
        LD_LIBRARY_PATH=$root/usr/lib prints "^generational$" ./prog'

# ---- installed and removed, in a root of its own: the system's own packages are not touched

if [ "$(id -u)" -eq 0 ]; then
    root=$scratch/root
    mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers} "$root"/{usr/lib,etc}
    touch "$root"/{usr/lib,etc}/theirs
    : >"$root/var/lib/dpkg/status"
    (cd "$root" && find . -path ./var -prune -o -print | sort) >before
    as_dpkg() {
        PATH=$PATH:/usr/sbin:/sbin dpkg --root="$root" --log=/dev/null --force-depends --force-script-chrootless "$@"
    }
    claim "dpkg installs it" eval 'as_dpkg -i "$deb" &&
        prints "^Status: install ok (installed|triggers)" as_dpkg -s slabgc'
    claim "installed it runs" runs "$root"
    claim "dpkg finds every file as it was packed" eval '[ -z "$(as_dpkg -V slabgc)" ]'
    claim "dpkg removes it, and no file is left" eval \
        'as_dpkg -P slabgc && (cd "$root" && find . -path ./var -prune -o -print | sort) >after && diff before after'
else
    echo "skip: installing by dpkg gives files to root, which needs root"
fi

claim "lintian has no error and no warning" lintian --allow-root --no-cfg --fail-on error,warning "$deb"
claims_end
