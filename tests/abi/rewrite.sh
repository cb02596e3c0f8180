#!/bin/bash
# bazel run //tests/abi:rewrite: records the ABI of this tree as the baseline.
set -euo pipefail
baseline=${BUILD_WORKSPACE_DIRECTORY:?start me by bazel run //tests/abi:rewrite}/tests/abi/libslabgc.abi
abidiff "$baseline" tests/abi/current.abi || true
cp tests/abi/current.abi "$baseline.new"
chmod 644 "$baseline.new"
mv "$baseline.new" "$baseline"
echo "wrote $baseline"
