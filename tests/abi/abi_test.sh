#!/bin/bash
# Programs that were compiled against the headers of the last release run with this library: abidiff finds no
# difference to the
# baseline but new calls. And that it would find one: a tree with another struct sgc_stats differs.
set -u
cd tests/abi || exit 1
passed=0 failed=0
ok() {
    passed=$((passed + 1))
    echo "ok: $1"
}
fail() {
    failed=$((failed + 1))
    printf 'FAIL: %s\n%s\n' "$1" "$2"
}

if difference=$(abidiff --no-added-syms libslabgc.abi current.abi 2>&1); then
    ok "the library serves programs that were built with the baseline"
else
    fail "the library serves programs that were built with the baseline" "$difference

What a program relies on has changed since tests/abi/libslabgc.abi was recorded: programs and plug-ins built with those
headers would go wrong. Undo the change; or, when it is meant: raise the soname (core/BUILD.bazel, core/exports.map,
bazel/install) and the minor version (include/slabgc/version.h) if the baseline was released, and record a new baseline:
bazel run //tests/abi:rewrite"
fi

difference=$(abidiff --no-added-syms libslabgc.abi changed.abi 2>&1)
if [ $? -ne 0 ] && grep -q "struct sgc_stats" <<<"$difference" && grep -q "type size changed" <<<"$difference"; then
    ok "a public struct with a shorter field is noticed"
else
    fail "a public struct with a shorter field is noticed" "$difference"
fi

added=$(abidiff libslabgc.abi current.abi 2>&1 | grep "^  \[A\]")
[ -z "$added" ] ||
    printf 'New since the baseline (compatible; bazel run //tests/abi:rewrite records them):\n%s\n' "$added"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
