#!/bin/bash
# compare - runs wordgraph on every strategy at hand and shows the runs side by side.
#
#     bazel run //tools/wordgraph:compare [-- WORDGRAPH-OPTION... [FILE|DIRECTORY]...]
#
# Strategies: the built-in one, and every plug-in in the runfiles and in $SLABGC_PLUGIN_PATH. $SLABGC and $SLABGC_CONFIG
# apply to all runs. Files are named from the directory in which bazel was called. Exit status: 0 when all digests are equal.
set -euo pipefail

runfiles=${RUNFILES_DIR:-$0.runfiles}/slabgc
[[ -d $runfiles ]] || runfiles=$(dirname "$0")/../..
wordgraph=$(realpath "${WORDGRAPH:-$runfiles/tools/wordgraph/wordgraph}")

# Core looks at where a plug-in really lies, so the path names these directories.
path=${SLABGC_PLUGIN_PATH:-}
for plugin in "$runfiles"/plugins/*/*.so; do
    if [[ -f $plugin ]]; then path=${path:+$path:}$(dirname "$(realpath "$plugin")"); fi
done
export SLABGC_PLUGIN_PATH=$path

strategies=$(
    echo none
    IFS=:
    for directory in $path; do
        for plugin in "$directory"/*.so "$directory"/*/*.so; do
            if [[ -f $plugin ]]; then basename "$plugin" .so; fi
        done
    done | sort -u
)

cd "${BUILD_WORKING_DIRECTORY:-.}"
arguments=("$@")
[[ $# -gt 0 ]] || arguments=(--max-words=1000 --repeat=100 --readers=1)
echo "wordgraph ${arguments[*]}"
printf '%-14s %-17s %9s %7s %10s %6s %5s %12s %12s %10s\n' \
    strategy digest time live reclaimed minor full 'pause p99' 'pause max' peak

output=$(mktemp)
messages=$(mktemp)
trap 'rm -f "$output" "$messages"' EXIT
value() { # the value of a line of wordgraph's output
    sed -n "s/^$1 \{2,\}//p" "$output"
}

expected= status=0 notes=
for strategy in $strategies; do
    code=0
    SLABGC="${SLABGC:+$SLABGC,}strategy=$strategy" "$wordgraph" --stats "${arguments[@]}" \
        >"$output" 2>"$messages" || code=$?
    if [[ $code -eq 78 ]]; then # EX_CONFIG: refused
        notes+="$strategy is left out: $(head -n 1 "$messages")"$'\n'
        continue
    fi
    digest=$(value digest)
    if [[ $code -gt 1 || -z $digest ]]; then
        notes+="$strategy failed with status $code: $(cat "$messages")"$'\n'
        status=1
        continue
    fi
    [[ -n $expected ]] || expected=$digest
    if [[ $digest != "$expected" ]]; then
        notes+="$strategy: the digest differs from that of the first strategy"$'\n'
        status=1
    fi
    printf '%-14s %-17s %9s %7s %10s %6s %5s %12s %12s %10s\n' "$strategy" "$digest" "$(value time)" "$(value live)" \
        "$(value reclaimed)" "$(value minor)" "$(value full)" "$(value 'pause p99')" "$(value 'pause max')" \
        "$(value 'peak memory')"
done
printf '%s' "${notes:+$'\n'$notes}"
exit $status
