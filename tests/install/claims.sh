# shellcheck shell=bash
# claims.sh - how the scripts of this folder say what holds: `claim TEXT COMMAND...` counts by the command's status,
# and shows what it
# printed when it fails. Sourced; ends with `claims_end`.
n_passed=0 n_failed=0
umask 022
export LC_ALL=C
unset SLABGC SLABGC_CONFIG SLABGC_PLUGIN_PATH DESTDIR LD_LIBRARY_PATH PKG_CONFIG_PATH MAKEFLAGS
scratch=$(mktemp -d "${TEST_TMPDIR:-/tmp}/install.XXXXXX")
mkdir -m 700 "$scratch/runtime"
export XDG_RUNTIME_DIR=$scratch/runtime # no process of somebody else's
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

claim() {
    local text=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    if [ "$status" -eq 0 ]; then
        n_passed=$((n_passed + 1))
        echo "ok: $text"
    else
        n_failed=$((n_failed + 1))
        printf 'FAIL: %s (status %s)\n%s\n' "$text" "$status" "$output"
    fi
}

# What a command prints has a line that the expression matches: prints CONTAINS REGEXP COMMAND...
prints() {
    local expression=$1 output
    shift
    output=$("$@" 2>&1)
    printf '%s\n' "$output"
    grep -Eq -- "$expression" <<<"$output"
}

# A command ends with this status and says that.
ends() { # ends STATUS REGEXP COMMAND...
    local wanted=$1 expression=$2 output status=0
    shift 2
    output=$("$@" 2>&1) || status=$?
    printf 'status %s\n%s\n' "$status" "$output"
    [ "$status" -eq "$wanted" ] && grep -Eq -- "$expression" <<<"$output"
}

claims_end() {
    echo "$n_passed passed, $n_failed failed"
    [ "$n_failed" -eq 0 ] && [ "$n_passed" -gt 0 ]
}
