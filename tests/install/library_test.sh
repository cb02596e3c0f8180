#!/bin/bash
# The libraries that are installed: what they export, and what they are called. Arguments: shared library, archive,
# public headers.
set -uo pipefail
. tests/install/claims.sh
shared=$1 archive=$2
shift 2
version=$(sed -n 's/^#define SGC_VERSION "\(.*\)"/\1/p' include/slabgc/version.h)

# First name with sgc_ that is followed by its parameters, or stands alone, in each declaration with SGC_API.
cat "$@" | sed -nE 's/^(extern )?SGC_API [^(;]*[ *](sgc_[a-z0-9_]+)([(; ].*|$)/\2/p' | sort -u >"$scratch/declared"
nm -D --defined-only "$shared" | awk '$2 ~ /^[A-Z]$/ && $2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort >"$scratch/exported"
nm "$archive" 2>/dev/null | awk '$2 ~ /^[A-Z]$/ && $2 != "U" { print $3 }' | sort -u >"$scratch/archived"
sed -n 's/^    \(sgc_[a-z0-9_]*\);$/\1/p' core/exports.map | sort >"$scratch/mapped"
grep -c SGC_API "$@" | awk -F: '{ n += $2 } END { print n - 1 }' >"$scratch/n" # one is its definition

same() {
    diff "$@" || { echo "(< $1, > $2: core/exports.map and the headers must name the same)"; return 1; }
}
claim "every declaration with SGC_API is read by this test" \
    [ "$(wc -l <"$scratch/declared")" -eq "$(cat "$scratch/n")" ]
claim "core/exports.map names what the public headers declare" same "$scratch/declared" "$scratch/mapped"
claim "libslabgc.so exports what the public headers declare, and nothing else" \
    same "$scratch/declared" "$scratch/exported"
claim "its soname is libslabgc.so.0" prints 'SONAME.*\[libslabgc\.so\.0\]' readelf -d "$shared"
claim "its thread-local context is reached without a call (initial-exec)" prints 'STATIC_TLS' readelf -d "$shared"
claim "it has no path of a build in it" ends 1 '' grep -aE '(/execroot/|/sandbox/|RUNPATH)' "$shared"
lacks() { comm -23 "$1" "$2" | { ! grep .; }; }
claim "libslabgc.a has all of them" lacks "$scratch/declared" "$scratch/archived"
claim "and no global name without sgc_" ends 1 '' grep -v '^sgc_' "$scratch/archived"
claim "version.h says one version in both ways" \
    [ "$version" = "$(sed -n 's/^#define SGC_VERSION_[A-Z]* //p' include/slabgc/version.h | paste -sd.)" ]
claims_end
