#!/bin/bash
# record_test.sh - gcctl record, replay and trace, end to end on wordgraph. $GCCTL and $WORDGRAPH: the programs, else those of the runfiles.
# Prints "ok: CLAIM" or "FAIL: CLAIM", and at the end "N passed, N failed".
set -uo pipefail

gcctl=$(realpath "${GCCTL:-tools/gcctl/gcctl}")
wordgraph=$(realpath "${WORDGRAPH:-tools/wordgraph/wordgraph}")
export NO_COLOR=1 LC_ALL=C.UTF-8
unset SLABGC SLABGC_CONFIG
scratch=$(mktemp -d /tmp/slabgc-test-XXXXXX) # short: gcctl puts sockets below it
passed=0 failed=0
finish() {
    local left
    left=$(jobs -p)
    [ -z "$left" ] || kill -9 $left 2>/dev/null
    wait 2>/dev/null
    cd / && rm -rf "$scratch"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit $?
}
trap finish EXIT
export XDG_RUNTIME_DIR=$scratch/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

claim() { # claim TEXT STATUS: 0 is well
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok: $1"
    else
        failed=$((failed + 1))
        echo "FAIL: $1 (status $status)"
        head -c 2000 out err 2>/dev/null
    fi
}
run() { # run COMMAND...: out, err, status
    status=0
    timeout 300 "$@" >out 2>err || status=$?
}
# ended PID: waits for it; status
ended() {
    status=0
    wait "$1" || status=$?
}
until_true() { # until_true COMMAND...: at most 60 s
    local i
    for ((i = 0; i < 1200; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    return 1
}
has_events() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt 100000 ]; }
exits() {
    [ "$status" -eq "$1" ]
}
says() { # says FILE TEXT: fixed
    grep -qF -- "$2" "$1"
}
holds() { # holds JQ-EXPRESSION of out
    jq -e "$1" out >/dev/null
}

# Runfiles are links; gcctl finds them from where bazel put it, so it starts here.
if [ -z "${SLABGC_PLUGIN_PATH-}" ]; then
    for plugin in generational rcu refcount; do
        SLABGC_PLUGIN_PATH=${SLABGC_PLUGIN_PATH:+$SLABGC_PLUGIN_PATH:}$(dirname "$(realpath plugins/$plugin/$plugin.so)")
    done
    export SLABGC_PLUGIN_PATH
fi
cd "$scratch" || exit 1

for i in $(seq 3000); do echo "$((i * 7919 % 1500)) w$((i * 104729 % 1300)) and the w$((i % 400))."; done | tr 0-9 a-j >text
program=("$wordgraph" --max-words=500 --repeat=2 "$scratch/text")
"${program[@]}" >plain

# ---- a program
run env SLABGC=strategy=generational "$gcctl" record -o words.trace -- "${program[@]}"
claim "a recorded program gives its own answers" "$(exits 0 && cmp -s out plain; echo $?)"
claim "record says events, bytes and what the program waited" "$(says err 'events, ' && says err 'bytes an event' && says err 'the program waited'; echo $?)"
claim "nothing but the recording stays behind" "$([ -z "$(ls "$XDG_RUNTIME_DIR")" ] && [ ! -e words.trace.part ]; echo $?)"
run "$gcctl" record -o words.trace -- "${program[@]}"
claim "a file that is there is not replaced" "$(exits 73 && says err '--force'; echo $?)"
run "$gcctl" record --json --force -o words.trace -- "${program[@]}"
claim "--force replaces it, --json gives the figures" "$(exits 0 && tail -n 1 out >figures && jq -e '
    .events > 100000 and .cut_off == false and .file_bytes_per_event < .bytes_per_event and .bytes_per_event <= 8' figures >/dev/null; echo $?)"
run "$gcctl" record -o none.trace -- true
claim "a program that has no heap is an error when it ends, and leaves no file" "$(exits 69 && says err 'No such process' && [ ! -e none.trace ] && [ ! -e none.trace.part ]; echo $?)"
"$gcctl" record -o none.trace -- sh -c 'trap "" INT TERM; echo >ready; exec sleep 1000' >out 2>err &
recorder=$!
until_true test -e ready
kill -INT $recorder
ended $recorder
claim "Ctrl-C before a program has a heap ends both, also a program that ignores it" "$(exits 130 && [ ! -e none.trace.part ] && [ -z "$(ls "$XDG_RUNTIME_DIR")" ]; echo $?)"
run "$gcctl" record -o none.trace -- ./absent
claim "so is one that is not there" "$(exits 66 && says err './absent: No such file' && [ "$(wc -l <err)" = 1 ] && [ ! -e none.trace.part ]; echo $?)"
run "$gcctl" record -o none.trace -- sh -c 'kill -PIPE $$; echo SIGPIPE is ignored'
claim "the program has the signals that any has" "$(exits 69 && ! grep -q ignored out; echo $?)"
run "$gcctl" record -- "${program[@]}"
claim "a file is wanted" "$(exits 64; echo $?)"

# ---- what is in it
run "$gcctl" trace --json words.trace
claim "trace knows heap, caches, threads and events" "$(exits 0 && holds '
    .replayable and (.cut_off | not) and .heaps[0].name == "wordgraph" and .ops.store > 10000
    and ([.caches[].cache] | sort) == ["table", "word"] and .caches[0].made > 1000 and (.live | length) > 10'; echo $?)"
run "$gcctl" trace words.trace
claim "trace shows it as text" "$(exits 0 && says out 'word ' && says out 'store'; echo $?)"

# ---- replayed
run "$gcctl" replay --json words.trace
claim "a recording lives the same on refcount, generational and rcu, as its events say" "$(exits 0 && holds '
    ([.strategies[].strategy] | sort) == ["generational", "rcu", "refcount"]
    and all(.strategies[]; .status == 0 and .live_sets == "same" and .first.checked and .first.points == 3
        and .first.divergences == {} and .elapsed_ns.median > 0)'; echo $?)"
run "$gcctl" replay --no-check -n 2 -s rcu -s refcount words.trace
claim "strategies can be chosen" "$(exits 0 && says out refcount && ! grep -q generational out; echo $?)"
run "$gcctl" replay -s refcout words.trace
claim "a strategy that is not there gets a suggestion" "$(exits 78 && says err 'did you mean "refcount"'; echo $?)"
run "$gcctl" replay -s none words.trace
claim "one that lacks a need is refused by name" "$([ "$status" -ne 0 ] && says err cycles; echo $?)"
for strategy in refcount rcu; do
    run env SLABGC=strategy=$strategy "$gcctl" record -o $strategy.trace -- "$wordgraph" --max-words=300 --readers=2 "$scratch/text"
    run "$gcctl" replay --json $strategy.trace
    claim "recorded on $strategy with readers, it lives the same on all" "$(exits 0 && holds 'all(.strategies[]; .live_sets == "same" and .first.divergences == {})'; echo $?)"
done

# ---- cut off and damaged
bytes=$(stat -c %s words.trace) last=0 good=0
for cut in 3 5 7 9; do
    head -c $((bytes * cut / 10 - 17)) words.trace >cut.trace
    run "$gcctl" trace --json cut.trace
    if exits 0 && holds '.cut_off' && [ "$(jq .events out)" -ge "$last" ]; then good=$((good + 1)); fi
    last=$(jq .events out)
done
status=0
claim "a recording that was cut off is read up to there" "$([ $good -eq 4 ] && [ "$last" -gt 0 ]; echo $?)"
run "$gcctl" replay --json -s rcu -s generational cut.trace
claim "and replayed up to there" "$(exits 0 && says err 'cut off after' && holds 'all(.strategies[]; .live_sets == "same")'; echo $?)"
head -c 3000 /dev/urandom >garbage
for command in trace replay; do
    run "$gcctl" $command garbage
    claim "$command says that a file is no recording" "$(exits 65 && says err 'no recording'; echo $?)"
    run "$gcctl" $command absent
    claim "$command says that a file is not there" "$(exits 66 && says err absent; echo $?)"
done
{ head -c 2000 words.trace && head -c 2000 /dev/urandom && tail -c +4001 words.trace; } >damaged
run "$gcctl" replay damaged
claim "a damaged recording is an error with its offset" "$(exits 65 && says err 'offset'; echo $?)"
run "$gcctl" record --sample=10 -o sampled.trace -- "${program[@]}"
run "$gcctl" replay sampled.trace
claim "a sampled recording is not replayed" "$(exits 65 && says err 'sampled'; echo $?)"

# ---- live processes
SLABGC=control.socket=auto "$wordgraph" --max-words=300 --repeat=1000000 "$scratch/text" >live 2>&1 &
wordgraph_pid=$!
works() { "$gcctl" stat --pid=$wordgraph_pid --json | jq -e '.heaps[0].live_objects > 200'; }
until_true works
run "$gcctl" record $wordgraph_pid --for=300ms -o live.trace
claim "a live process is recorded for a while" "$(exits 0 && kill -0 $wordgraph_pid; echo $?)"
run "$gcctl" replay --json -s rcu -s refcount live.trace
claim "what was there when its recording began is there in the replay" "$(exits 0 && holds 'all(.strategies[]; .live_sets == "same" and .first.live_objects > 100)'; echo $?)"
"$gcctl" record $wordgraph_pid -o interrupted.trace >out 2>err &
recorder=$!
until_true has_events interrupted.trace.part
kill -INT $recorder
ended $recorder
claim "Ctrl-C ends the recording and not the process" "$(exits 0 && kill -0 $wordgraph_pid && says err 'events, ' && "$gcctl" trace --json interrupted.trace | jq -e '.cut_off | not' >/dev/null; echo $?)"
"$gcctl" record $wordgraph_pid -o killed.trace >out 2>err &
recorder=$!
until_true has_events killed.trace.part
kill -9 $wordgraph_pid
ended $recorder
claim "a recording whose process is killed is cut off and kept" "$(exits 0 && says err 'cut off' && "$gcctl" replay --json -s rcu killed.trace 2>/dev/null | jq -e '.cut_off and all(.strategies[]; .live_sets == "same")' >/dev/null; echo $?)"

# ---- signals: whatever ends gcctl, no folder and no program stays behind
folder_of() { compgen -G "$scratch/tmp/slabgc-*/control.sock"; }
still_runs() { cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' >processes; grep -qF -- "--repeat=1000000 $scratch/text" processes; }
ends_by() { ! kill "-$1" "$2"; } # sent again until there is nobody
endless=("$wordgraph" --max-words=300 --repeat=1000000 "$scratch/text")
"$gcctl" record -o hup.trace -- "${endless[@]}" >out 2>err &
recorder=$! status=0
until_true has_events hup.trace.part
until_true ends_by HUP $recorder
claim "SIGHUP ends a recording in order, a second one its program" "$(! compgen -G "$XDG_RUNTIME_DIR/slabgc-record-*" >/dev/null && [ ! -e hup.trace.part ] &&
    ! still_runs && "$gcctl" trace --json hup.trace | jq -e '.cut_off | not' >/dev/null; echo $?)"
mkdir "$scratch/tmp"
for signal in HUP TERM; do
    TMPDIR=$scratch/tmp "$gcctl" report --no-record -o page.html -- "${endless[@]}" >out 2>err &
    reporter=$!
    until_true folder_of
    until_true ends_by $signal $reporter
    claim "SIG$signal ends a report without leaving its folder" "$([ -z "$(ls "$scratch/tmp")" ] && ! still_runs; echo $?)"
done
