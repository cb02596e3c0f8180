#!/bin/bash
# tune_test.sh - gcctl compare and gcctl tune, end to end on wordgraph. $GCCTL and $WORDGRAPH: the programs, else those of the runfiles.
set -uo pipefail

gcctl=$(realpath "${GCCTL:-tools/gcctl/gcctl}")
wordgraph=$(realpath "${WORDGRAPH:-tools/wordgraph/wordgraph}")
plugins=${SLABGC_PLUGIN_PATH:-} # for the program alone: gcctl finds them by itself
for plugin in plugins/*/*.so; do
    if [ -f "$plugin" ]; then plugins=$plugins${plugins:+:}$(dirname "$(realpath "$plugin")"); fi
done
export NO_COLOR=1 LC_ALL=C.UTF-8
unset SLABGC SLABGC_CONFIG
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
passed=0 failed=0

claim() { # claim TEXT STATUS: 0 is well
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok: $1"
    else
        failed=$((failed + 1))
        echo "FAIL: $1"
        head -c 3000 out err 2>/dev/null
    fi
}

run() { # run COMMAND...: out, err, status
    status=0
    timeout 300 "$@" >out 2>err || status=$?
}

exits() { # exits WANTED
    [ "$status" -eq "$1" ] || { echo "status $status"; return 1; }
}

says() { # says FILE TEXT: fixed
    grep -qF -- "$2" "$1"
}

holds() { # holds JQ-EXPRESSION of out
    jq -e "$1" out >/dev/null
}

# A text whose graph is quickly read.
for i in $(seq 3000); do echo "w$((i * 7919 % 1500)) w$((i * 104729 % 1300)) and the w$((i % 400))."; done >text
program=("$wordgraph" --max-words=500 --repeat=3 "$scratch/text")
short=("$wordgraph" --max-words=500 "$scratch/text")

# ---- compare
run "$gcctl" compare --repeat=2 -- "${program[@]}"
claim "compare runs all strategies that the needs allow and ends well" "$(exits 0 && says out generational && says out refcount && says out rcu; echo $?)"
claim "compare says what a strategy lacks that is left out" "$(says out 'none is left out: it lacks references, cycles.'; echo $?)"
run "$gcctl" compare --json --repeat=2 --strategies=rcu,refcount -- "${program[@]}"
claim "compare --json has the figures of the strategies named, and no others" "$(exits 0 && holds '
    ([.strategies[].strategy] | sort) == ["rcu", "refcount"] and .outputs_differ == false and .heaps[0].name == "wordgraph"
    and all(.strategies[]; .runs == 2 and .time_ns.median > 0 and .peak_rss_bytes.least > 0 and .output == "same")'; echo $?)"
run "$gcctl" compare --repeat=1 -- sh -c 'case $SLABGC in *rcu*) echo other;; *) echo same;; esac; exec "$@"' sh "${program[@]}"
claim "compare exits with 1 when outputs differ" "$(exits 1 && says out differs && says err 'not the same'; echo $?)"
run "$gcctl" compare --repeat=2 -- sh -c 'echo $$; exec "$@"' sh "${program[@]}"
claim "compare does not blame the strategies for an output that always varies" "$(exits 0 && says out varies; echo $?)"
run "$gcctl" compare --repeat=1 --limit=6s -- sh -c 'case $SLABGC in *=refcount*) sleep 100;; esac; exec "$@"' sh "${program[@]}"
claim "compare ends a run at its limit and goes on" "$(exits 0 && says out 'over the limit'; echo $?)"
run "$gcctl" compare -- true
claim "compare says that a program has no slabgc heap" "$(exits 69 && says err 'opened no slabgc heap'; echo $?)"
run "$gcctl" compare -- "$scratch/nowhere"
claim "compare says that a program is not there" "$(exits 66 && says err 'cannot run'; echo $?)"
run "$gcctl" compare --strategies=refcuont -- "${program[@]}"
claim "compare has a hint for a misspelt strategy" "$(exits 64 && says err 'did you mean "refcount"?'; echo $?)"

# ---- tune: what is asked for
run "$gcctl" tune --constraint='peak_memroy<=1GiB' -- "${program[@]}"
claim "tune names the place in a constraint that is none" "$(exits 64 && says err 'column 1: there is no metric "peak_memroy"; did you mean "peak_memory"?'; echo $?)"
run "$gcctl" tune --objective=time,speed -- "${program[@]}"
claim "tune names the objective that is none" "$(exits 64 && says err 'column 6: there is no metric "speed"'; echo $?)"
run "$gcctl" tune --budget=1ms -- "${program[@]}"
claim "tune refuses a budget that allows no answer and names one" "$(exits 64 && says err '--budget='; echo $?)"
run "$gcctl" tune recording -- "${program[@]}"
claim "tune takes a recording or a program, not both" "$(exits 64 && says err 'one too many'; echo $?)"
run "$gcctl" tune "$scratch/nowhere"
claim "tune says that a recording is not there" "$(exits 66; echo $?)"
run "$gcctl" tune -- sh -c 'echo broken >&2; exit 3'
claim "tune says why the program does not run" "$(exits 69 && says err 'ended with status 3' && says err broken; echo $?)"

# ---- tune: a search. What counts is memory, which no load of the machine changes: tail holds a line without an end.
cat >hungry <<'END'
#!/bin/sh
case $SLABGC in
*strategy=rcu* | *strategy=refcount*) bytes=12000000 ;;
*young_size=*GiB*) bytes=1 ;;
*) bytes=24000000 ;;
esac
head -c $bytes /dev/zero | tail >/dev/null
exec "$@"
END
chmod +x hungry
# The search settles within seconds; the budget is for machines that are busy with other things, now or in a moment.
run "$gcctl" tune --seed=7 --objective=peak_memory --budget=100s --write=best.conf --result=result.json -- ./hungry "${short[@]}"
claim "tune ends well, with its seed" "$(exits 0 && says err 'seed 7' && says out 'seed 7'; echo $?)"
claim "tune finds what is much better, beyond the noise" "$(says out 'Chosen: point' && [ -s best.conf ]; echo $?)"
claim "the config has date, ratio and what was" "$(says best.conf 'Chosen by gcctl tune' && says best.conf better && says best.conf '# was '; echo $?)"
run "$gcctl" config check best.conf
claim "gcctl config check takes the config" "$(exits 0; echo $?)"
SLABGC_PLUGIN_PATH=$plugins SLABGC_CONFIG=$scratch/best.conf run "${program[@]}"
claim "the program takes the config" "$(exits 0; echo $?)"
cp result.json out
claim "the result has points, finalists and a choice" "$(holds '
    .tune == 1 and .seed == 7 and .objectives == ["peak_memory"] and (.points | length) > 5 and .points[0].origin == "defaults"
    and .baseline.runs >= 5 and .baseline.spread.time.median > 0 and .choice.keep_defaults == false
    and ([.points[].runs | length] | add) == .runs and all(.finalists[]; .pairs >= 3)
    and (.config.diff | length) > 0 and (.parameters | length) > 10'; echo $?)"

# ---- tune: nothing to find. What the heap holds is the same to the byte in each run; of the resident set, which is not, the
# search takes noise for a gain at times, as it says: in two of a hundred searches at most.
run "$gcctl" tune --json --objective=peak_heap --strategies=refcount --constraint='time<=1000%' --budget=100s --write=none.conf -- \
    sh -c 'SLABGC=strategy=refcount,${SLABGC##*,} exec "$@"' sh "${short[@]}"
claim "tune keeps the defaults where settings change nothing, and writes nothing" "$(exits 0 && holds '.choice.keep_defaults == true and .baseline.spread.peak_heap.noise == 0' && [ ! -e none.conf ]; echo $?)"

# ---- tune: interrupted
run "$gcctl" tune --budget=1s -- sleep 1000
claim "a program that does not end within the budget is given up" "$(exits 64 && says err 'longer --budget'; echo $?)"
run "$gcctl" tune --write=absent/best.conf -- "${program[@]}"
claim "a file that cannot be made is said before anything runs" "$(exits 73 && says err absent/best.conf && ! says err seed; echo $?)"
# Says in a file that a run begins; from the fifteenth on, runs last until the search has been interrupted, or ends them.
cat >counted <<'END'
#!/bin/sh
echo run >>"$COUNT"
until [ "$(wc -l <"$COUNT")" -lt 15 ] || [ -e "$COUNT.interrupted" ]; do sleep 0.05; done
exec "$@"
END
chmod +x counted
export COUNT=$scratch/count
rm -f out err
"$gcctl" tune --seed=1 --objective=time --budget=300s --result=interrupted.json -- ./counted "${program[@]}" >out 2>err &
pid=$!
until [ "$(wc -l 2>/dev/null <"$COUNT")" -ge 15 ] || ! kill -0 $pid 2>/dev/null; do read -rt 0.05 <> <(:) || true; done 2>/dev/null
kill -INT $pid
began=$(wc -l <"$COUNT") # none but those of the last measurement begin now
touch "$COUNT.interrupted"
wait $pid
status=$?
claim "interrupted once, tune measures again what it has, and says so" "$(exits 130 && says out 'ended: interrupted'; echo $?)"
claim "interrupted once, tune writes its result" "$(jq -e '.ended == "interrupted" and .runs >= 10 and .runs <= '$began' + 6' interrupted.json >/dev/null; echo $?)"
claim "tune leaves no files behind" "$(rmdir "$TMPDIR" 2>/dev/null; echo $?)"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
