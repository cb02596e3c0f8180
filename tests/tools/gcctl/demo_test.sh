#!/bin/bash
# demo_test - gcctl demo --fast: goes through its steps, leaves its report and nothing else; interrupted, it leaves nothing at all.
set -uo pipefail
root=${TEST_SRCDIR:-.}/slabgc
gcctl=${GCCTL:-$root/tools/gcctl/gcctl}
folder=$(mktemp -d /tmp/slabgc-test-XXXXXX)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/tmp"
export TMPDIR=$folder/tmp
passed=0 failed=0
check() { # CLAIM COMMAND...
    local claim=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok: $claim"
    else
        failed=$((failed + 1))
        echo "FAIL: $claim"
    fi
}
left_behind() { # processes that have this test's folder in their environment, but for this shell's own
    local environment
    for environment in /proc/[0-9]*/environ; do
        local pid=${environment#/proc/}
        pid=${pid%/environ}
        [[ $pid -ne $$ && $pid -ne $BASHPID ]] || continue
        if grep -zqsx "PATH=$TMPDIR/.*" "$environment"; then
            echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
        fi
    done
}
nothing_left() {
    local processes
    processes=$(left_behind)
    [[ -z $processes && -z $(ls -A "$TMPDIR") ]] || {
        echo "$processes"
        ls -A "$TMPDIR"
        return 1
    }
}

timeout 600 "$gcctl" demo --fast -o "$folder/report.html" >"$folder/out" 2>"$folder/err"
status=$?
check "demo ends with status 0" test $status -eq 0
[[ $status -eq 0 ]] || tail -n 20 "$folder/out" "$folder/err"
for step in 'gcctl compare' 'gcctl top' 'gcctl set strategy.generational.young_size=1MiB' 'gcctl log' 'gcctl tune' 'gcctl report'; do
    check "demo shows: $step" grep -q "^\$ $step" "$folder/out"
done
check "outputs are the same under every strategy" grep -q '^rcu .* same' "$folder/out"
check "the change shows in the log" grep -q '^[0-9:.]* *set  *strategy.generational.young_size  old 8388608  new 1048576' "$folder/out"
check "and collections after it" grep -q 'collection end  *wordgraph' "$folder/out"
check "a value out of bounds is refused with the bounds" grep -q '"1KiB" is out of bounds' "$folder/err"
check "the report's path is the last but one thing said" grep -q "The report: $folder/report.html" "$folder/out"
check "the report is a page with charts" grep -q '<svg class="chart' "$folder/report.html"
check "demo leaves no process and no file" nothing_left

rm -f "$folder/report.html" "$folder/out"
"$gcctl" demo --fast -o "$folder/report.html" >"$folder/out" 2>"$folder/err" &
pid=$!
until grep -qs '^\$ gcctl top' "$folder/out" || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -STOP $pid # it goes no further while this test looks
check "while it runs, this test sees its processes" test -n "$(left_behind)"
kill -HUP $pid
kill -CONT $pid
wait $pid
check "interrupted in the middle, demo ends with status 130" test $? -eq 130
check "and leaves no process and no file" nothing_left
check "and no report" test ! -e "$folder/report.html"

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
