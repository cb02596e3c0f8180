#!/bin/bash
# gcctl against live processes: every reading and changing command on a wordgraph; then processes that answer wrongly, that die, that are not there.
# Prints "ok: CLAIM" or "FAIL: CLAIM", and at the end "N passed, N failed".
set -u
gcctl=$(realpath "${GCCTL:-tools/gcctl/gcctl}")
wordgraph=$(realpath "${WORDGRAPH:-tools/wordgraph/wordgraph}")
wrong_server=$(realpath "${WRONG_SERVER:-tests/tools/gcctl/wrong_server.py}")
# A path that is longer than a socket's address may be.
top=$(mktemp -d "${TEST_TMPDIR:-/tmp}/live.XXXXXX")
dir=$top/$(printf 'long-%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22)
mkdir -m 700 "$dir"
export XDG_RUNTIME_DIR=$dir LC_ALL=C
unset SLABGC SLABGC_CONFIG NO_COLOR
# Runfiles are links; core checks the directories of the files themselves.
if [ -z "${SLABGC_PLUGIN_PATH-}" ]; then
    for plugin in generational rcu refcount; do
        SLABGC_PLUGIN_PATH=${SLABGC_PLUGIN_PATH:+$SLABGC_PLUGIN_PATH:}$(dirname "$(realpath plugins/$plugin/$plugin.so)")
    done
fi
export SLABGC_PLUGIN_PATH
cd "$dir" || exit 1

n_passed=0 n_failed=0 started=() status=0
finish() {
    [ ${#started[@]} -eq 0 ] || kill -9 "${started[@]}" 2>/dev/null
    wait 2>/dev/null
    cd / && rm -rf "$top"
    echo "$n_passed passed, $n_failed failed"
    [ "$n_failed" -eq 0 ] && [ "$n_passed" -gt 0 ]
    exit $?
}
trap finish EXIT

ok() {
    n_passed=$((n_passed + 1))
    echo "ok: $1"
}
fail() {
    n_failed=$((n_failed + 1))
    echo "FAIL: $1"
    printf '    status %s\n' "$status"
    sed 's/^/    out: /' "$dir/out" | head -20
    sed 's/^/    err: /' "$dir/err" | head -20
}
# run ARGUMENT...: gcctl with them; status, $dir/out, $dir/err
run() {
    status=0
    timeout 60 "$gcctl" "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
}
# gives CLAIM STATUS: the last run ended with it
gives() {
    if [ "$status" -eq "$2" ]; then ok "$1"; else fail "$1 (status $2 is wanted)"; fi
}
# says CLAIM STATUS FILE REGEXP
says() {
    if [ "$status" -eq "$2" ] && grep -Eq -- "$4" "$dir/$3"; then ok "$1"; else fail "$1 (status $2 and '$4' in $3 are wanted)"; fi
}
# json CLAIM EXPRESSION: true of the last run's stdout as d; of all its lines as lines
json() {
    if [ "$status" -le 1 ] && python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
d = lines[-1]
sys.exit(not eval(sys.argv[2]))' "$dir/out" "$2" 2>"$dir/python"; then ok "$1"; else
        cat "$dir/python" >>"$dir/err"
        fail "$1 ($2)"
    fi
}
# until_true COMMAND...: waits for it, at most 60 s
until_true() {
    local i
    for ((i = 0; i < 600; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    return 1
}
# works PID: it answers, has read more words than it keeps, and has stopped for collections if its strategy stops at all
works() {
    "$gcctl" stat --pid="$1" --json | python3 -c '
import json, sys
heap = json.load(sys.stdin)["heaps"][0]
sys.exit(not (heap["live_objects"] > 400 and heap["reclaimed"] > 400 and (heap["strategy"] != "generational" or heap["pauses"]["n"] > 3)))'
}
# start SETTINGS: a wordgraph that works for ever, with a socket; its pid in $pid
start() {
    SLABGC=control.socket=auto,$1 "$wordgraph" --max-words=400 --repeat=1000000 "$dir/words" >"$dir/words.out" 2>&1 &
    pid=$!
    started+=("$pid")
    until_true works "$pid" || { cat "$dir/words.out"; status=1; fail "wordgraph with $1 works"; exit 1; }
}
# start_idle SETTINGS: one that has read the text and waits for more: nothing happens there by itself. The blanks behind the
# words are more than a pipe and the program's buffer hold: when they are written, all words have been read and done with.
start_idle() {
    rm -f "$dir/more"
    mkfifo "$dir/more"
    SLABGC=control.socket=auto,$1 "$wordgraph" --max-words=400 - <"$dir/more" >"$dir/words.out" 2>&1 &
    pid=$!
    started+=("$pid")
    exec 9>"$dir/more"
    { cat "$dir/words" && printf '%2000000s' ''; } | timeout 300 cat >&9
    until_true "$gcctl" stat --pid="$pid" || { cat "$dir/words.out"; status=1; fail "wordgraph with $1 answers"; exit 1; }
}
# stop_all: kill -9
stop_all() {
    [ ${#started[@]} -eq 0 ] || { kill -9 "${started[@]}" && wait "${started[@]}"; } 2>/dev/null
    started=()
}
value() { "$gcctl" get "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["values"][0]["value"])'; }

python3 -c '
import random
random.seed(1)
words = ["".join(random.choice("aeioubcd") for _ in range(5)) for _ in range(3000)]
print(" ".join(random.choice(words) for _ in range(30000)))' >words

# ---- nobody there
run ps
says "without a process, ps says so and ends well" 0 err "no process"
run stat
says "without a process, stat is status 69 and says how to start one" 69 err "SLABGC=control.socket=auto"
run stat --pid=999999999
says "a pid that is none is status 69" 69 err "no process 999999999"
run stat --pid=$$
says "a process without a socket is named" 69 err "process $$ \(.*\) has no control socket"
run stat --pid="$dir/none.sock"
says "a path without a socket is status 69" 69 err "No such file"
run stat --pid=nobody
says "a program's name that is not there is status 69" 69 err "no process"

# ---- what is read
start "strategy=generational,strategy.generational.young_size=256KiB"
run ps
says "ps shows pid, program, heap, strategy and socket" 0 out "$pid wordgraph .* wordgraph generational .*$dir/slabgc/$pid-[0-9]+\.sock"
run ps --json
json "ps --json is one object with the process" "d['processes'][0]['pid'] == $pid and d['processes'][0]['stat']['heaps'][0]['live_bytes'] > 0"
for name in "$pid" wordgraph "$(echo "$dir"/slabgc/"$pid"-*.sock)"; do
    run stat --pid="$name"
    says "a process is found as ${name//$dir/DIR}" 0 out "^wordgraph generational"
done
run stat --pid=wordgrahp
says "a program's name that is nearly right gets a suggestion" 69 err 'did you mean "wordgraph"'
run stat wordgraph
says "stat of a heap tells its needs" 0 out "the program needs +references, cycles"
says "... and draws its pauses" 0 out "^pauses of heap wordgraph: [0-9]+, mean .* p99\.9 "
says "... with bars" 0 out "^ +[0-9]+[un]s +[0-9]+  #+"
run stat wrdgraph
says "a heap's name that is nearly right gets a suggestion" 64 err 'did you mean "wordgraph"'
run stat --json --interval=20ms --count=3
json "stat --interval --count asks so often" "len(lines) == 3 and lines[0]['time_ns'] < lines[1]['time_ns'] < lines[2]['time_ns']"
run stat --interval=20ms --count=2
says "... and shows rates from the second answer on" 0 out "ALLOCATED/S"
run caches --sort=name
says "caches shows each cache" 0 out "^word +wordgraph +[0-9.]+[KM]?i?B\+? "
run caches --json --sort=slots --cache='w*'
json "caches filters and sorts" "[c['name'] for c in d['caches']] == ['word']"
run log --kind=collection --json
json "log shows the kind that is asked for" "len(lines) > 2 and all(e['kind'].startswith('collection') for e in lines[:-1]) and d['lost'] >= 0"
run log --kind=stop
says "log is for people" 0 out "^[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}  stop +wordgraph .*stop [0-9.]+[mun]s"
run get
says "get shows values and where they came from" 0 out '^strategy.generational.young_size +256KiB +yes +\$SLABGC'
run get strategy.generational.young_size
says "get of a key shows its bounds" 0 out "least +64KiB"
run get strategy.generational.yung_size
says "a key that is nearly right gets a suggestion" 64 err 'did you mean .*young_size'

# ---- objects, by snapshots
run walk --limit=5
says "walk lists objects" 0 out "^0x[0-9a-f]+ +[0-9.]+[KM]?i?B +[0-9]+ (word|table)"
says "... and counts all of them" 0 err "[0-9]+ objects"
run walk --json --cache=table --limit=1
json "walk --json has objects and totals" "len(d['objects']) == 1 and d['objects'][0]['cache'] == 'table' and d['total_objects'] >= 1"
table=$(python3 -c 'import json; print(json.load(open("out"))["objects"][0]["id"])')
run walk --cache=wrd
says "walk suggests a cache" 64 err 'did you mean "word"'
run why "$table"
says "why shows the path from a hold" 0 out "^0x[0-9a-f]+  [a-z]+, .* holds?"
run why "$table" --json
json "why --json has the path" "d['found'] and d['path'][-1]['id'] == '$table'"
run why 0x10
says "why refuses what is no object" 64 err "."
run verify
says "verify finds a healthy heap good" 0 out "^wordgraph: good"
run verify --json
json "verify --json says so" "all(h['ok'] for h in d['heaps'])"
run leaks
if [ "$status" -le 1 ]; then says "leaks counts by type" "$status" out "^wordgraph +word "; else fail "leaks counts by type"; fi
run leaks --json
json "leaks --json has types" "{t['cache'] for t in d['types']} >= {'word', 'table'}"

# ---- what is changed
run set strategy.generational.young_size=4MiB --dry-run
says "set --dry-run says what it would do" 0 out "young_size: 256KiB -> 4MiB in heap wordgraph \(not done"
if [ "$(value strategy.generational.young_size)" = 256KiB ]; then ok "... and does not do it"; else fail "... and does not do it"; fi
next=$("$gcctl" log --json 2>/dev/null | tail -1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["next"])')
run set strategy.generational.young_size 4MiB
says "set says what it did" 0 out "young_size: 256KiB -> 4MiB in heap wordgraph$"
if [ "$(value strategy.generational.young_size)" = 4MiB ]; then ok "... and did it"; else fail "... and did it"; fi
# Two collections that begin after the change see 4 MiB of new objects, where those before saw 256 KiB.
grown() {
    "$gcctl" log --json --kind=collection --from="$next" 2>/dev/null | python3 -c '
import json, sys
begun = [e["values"]["live_bytes"] for e in map(json.loads, sys.stdin) if e.get("kind") == "collection begin"]
sys.exit(not (len(begun) >= 3 and begun[-1] > (3 << 20) and begun[-2] > (3 << 20)))'
}
if until_true grown; then ok "a threshold that was set shows in log at the next collections"; else
    run log --from="$next"
    fail "a threshold that was set shows in log at the next collections"
fi
run set strategy.generational.young_size 4TiB
says "a value out of bounds is refused with its bounds" 64 err "64KiB to 1TiB"
run set strategy.generational.young_size 4MB
says "a wrong unit is refused with the right one" 64 err 'did you mean "MiB"'
run set heap.wordgraph.strategy rcu
says "what cannot change is refused with the way to do it" 75 err "switch"
run set strategy.generational.young_size
says "set without a value is a usage error" 64 err "has no value"
run set heap.wordgraph.memory_limit=1GiB --json
json "set --json is the process's answer" "d['key'] == 'heap.wordgraph.memory_limit' and d['new'] == '1GiB' and d['applied']"
run reap
says "reap says what is held" 0 out "^memory held: [0-9.]+[KMG]?i?B -> [0-9.]+[KMG]?i?B$"
run reap --dry-run --json
json "reap --dry-run --json is the process's answer" "d['after_bytes'] <= d['before_bytes']"
run switch wordgraph rcu --dry-run
says "switch --dry-run says what it would do" 0 out "generational -> rcu \(not done"
run switch wordgraph rcu
says "switch says what it did" 0 out "generational -> rcu, stopped for "
run stat
says "... and did it" 0 out "^wordgraph rcu "
run switch wordgraph none
if [ "$status" -ne 0 ] && grep -q "lacks references, cycles" err; then ok "a strategy without what the program needs is refused with what it lacks"; else
    fail "a strategy without what the program needs is refused with what it lacks"
fi
run switch wordgraph rcuu
says "switch suggests a strategy" 64 err 'did you mean "rcu"'
run config show --pid=wordgraph
says "config show --pid shows what is in effect there" 0 out "^\[heap.wordgraph\] +strategy +rcu"
printf '[heap]\nmemory_limit = 2GiB\n' >two.conf
run config diff two.conf wordgraph
says "config diff compares a file with a process" 1 out "heap.wordgraph.memory_limit +2GiB .*two.conf:2\) +1GiB"
run config diff two.conf --pid=wordgraph --json
json "... also as JSON" "any(r['key'] == 'strategy' for r in d['differences'])"
run config diff wordgraph wordgraph
gives "a process does not differ from itself" 0

# ---- completion asks the process
for kind in process heap cache key strategy; do
    run document candidates $kind
    says "completion finds each $kind" 0 out "wordgraph|word|heap.wordgraph.memory_limit|rcu"
done

# ---- several processes, reload
first=$pid
printf '[control]\nsocket = auto\n[heap]\nstrategy = generational\n[strategy.generational]\nyoung_size = 1MiB\n' >live.conf
SLABGC_CONFIG=$dir/live.conf "$wordgraph" --max-words=400 --repeat=1000000 words >words.out 2>&1 &
pid=$!
started+=("$pid")
until_true "$gcctl" stat --pid="$pid"
run stat
says "several processes are listed, and none is guessed" 64 err "which process is meant.*($first|$pid) \(wordgraph\), ($first|$pid) \(wordgraph\)"
sed -i 's/1MiB/2MiB/' live.conf
run reload --pid="$pid" --dry-run
says "reload --dry-run says what would change" 0 out "would be changed"
run reload --pid="$pid"
says "reload says what changed" 0 out "changed"
run get strategy.generational.young_size --pid="$pid"
says "... and changed it" 0 out "= 2MiB"
sed -i 's/young_size = 2MiB/young_sise = 3MiB/' live.conf
run reload --pid="$pid"
says "config that is wrong changes nothing, and is status 78" 78 err 'live.conf:6.*did you mean "young_size"'
run get strategy.generational.young_size --pid="$pid"
says "... the old value stays" 0 out "= 2MiB"
run config diff "$first" "$pid"
says "config diff compares processes" 1 out "strategy.generational.young_size|heap.wordgraph.strategy"

# ---- collections that are asked for, where nothing happens by itself
stop_all
start_idle strategy=generational,strategy.generational.young_size=1GiB
fulls() { "$gcctl" stat --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["heaps"][0]["full"])'; }
run leaks
says "leaks finds what waits for a collection" 1 out "^wordgraph +word +[0-9.]+k? "
run leaks --json
dead=$(python3 -c 'import json; print(sum(t["unreachable"] for t in json.load(open("out"))["types"]))')
run collect --dry-run
says "collect --dry-run says what it would do" 0 out "heap wordgraph would be collected"
if [ "$(fulls)" -eq 0 ]; then ok "... and does not do it"; else fail "... and does not do it"; fi
run collect wordgraph --json
json "a full collection reclaims what leaks found, in one stop" "d['heaps'][0]['before_objects'] - d['heaps'][0]['after_objects'] == $dead and d['heaps'][0]['stop_ns'] > 0"
if [ "$(fulls)" -eq 1 ]; then ok "... once"; else fail "... once"; fi
run leaks
says "... and nothing is unreachable then" 0 out "^wordgraph +word +0 "
run collect
says "collect says what was left" 0 out "^wordgraph +[0-9.]+k? +[0-9]"
run collect --kind=minor --json
json "collect --json is the process's answer" "d['heaps'][0]['heap'] == 'wordgraph' and d['heaps'][0]['stop_ns'] >= 0"
run collect --kind=mnior
says "collect suggests a kind" 64 err 'did you mean "minor"'
exec 9>&-
stop_all

# ---- death
start strategy=generational
first=$pid
start strategy=generational
"$gcctl" log --follow --pid="$pid" >follow.out 2>follow.err &
follower=$!
until_true test -s follow.out
kill -9 "$pid"
wait "$pid" 2>/dev/null
status=0
wait "$follower" || status=$?
cp follow.out out && cp follow.err err
says "log --follow ends when the process dies, and says so" 69 err "ended|closed the connection"
if [ "$(find slabgc -name "$pid-*" | wc -l)" -eq 1 ]; then ok "kill -9 leaves a socket's file"; else fail "kill -9 leaves a socket's file"; fi
run ps --json
json "... which ps does not show" "[p['pid'] for p in d['processes']] == [$first]"
if [ "$(find slabgc -name "$pid-*" | wc -l)" -eq 0 ]; then ok "... and removes"; else fail "... and removes"; fi
kill -9 "$first"
wait "$first" 2>/dev/null
started=()
start "strategy=refcount"
run stat
says "the next start works" 0 out "^wordgraph refcount"
if [ "$(find slabgc -name "$first-*" | wc -l)" -eq 0 ]; then ok "... and removed what the killed process left"; else fail "... and removed what the killed process left"; fi
kill -STOP "$pid"
until_true grep -q '^State:.*T' "/proc/$pid/status"
run stat --timeout=200ms
says "a process that does not answer is given up" 69 err "does not answer|did not answer for 200ms"
run ps
if ! grep -q "runs; start one" err; then ok "... and nobody is told to start one"; else fail "... and nobody is told to start one"; fi
kill -CONT "$pid"
run ps --json
json "--json and a full disk: first it works" "len(d['processes']) == 1"
status=0
"$gcctl" ps --json >/dev/full 2>err || status=$?
says "output that cannot be written is status 74" 74 err "cannot write"
status=0
timeout 60 "$gcctl" walk >&- 2>err || status=$?
says "... so is a closed stdout, whose number no socket gets" 74 err "cannot write"
status=0
(ulimit -f 1 && timeout 60 "$gcctl" map --svg too-large.svg) >out 2>err || status=$?
says "... so is a file over the limit of its size" 74 err "too-large.svg: cannot write: File too large"
if [ ! -e too-large.svg ]; then ok "... and no part of it stays"; else fail "... and no part of it stays"; fi
mkdir -p gcctl.runfiles/slabgc && printf '[heap]\nstrategy = rcu\n' >caller.conf
status=0
(cd gcctl.runfiles/slabgc && BUILD_WORKING_DIRECTORY=$dir timeout 60 "$gcctl" config check caller.conf) >out 2>err || status=$?
says "under bazel run a file's name means the caller's directory" 0 out "caller.conf: good"
run report -o page.html nowhere.trace
says "a word that names neither process nor file is said to be neither" 69 err "nor is there a file nowhere.trace"
echo text >"$dir/file.sock"
run stat --pid="$dir/file.sock"
says "a file in a socket's place is named as what it is" 69 err "file.sock: is no socket"
stop_all

# ---- processes that answer wrongly
for kind in garbage array wrong half end long silent types escapes many version full; do
    python3 "$wrong_server" "$dir" $kind >ready 2>/dev/null &
    started+=($!)
    until_true grep -q ready ready
    bad=""
    for command in "stat one" caches log get "walk one" "why 0x10" leaks verify "set a.b c" collect reap reload "switch a b" "config show --pid=fake" "stat --histogram"; do
        # shellcheck disable=SC2086
        run $command --timeout=150ms
        [ "$status" -le 78 ] && [ "$status" -ne 70 ] || bad+=" [$command: status $status]"
        case $kind in
        types | many) ;; # what is there is shown, if it is nothing
        escapes) ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' out err || bad+=" [$command: control characters]" ;;
        *) [ "$status" -ge 64 ] && [ -s err ] || bad+=" [$command: status $status without a message]" ;;
        esac
    done
    status=0
    if [ -z "$bad" ]; then ok "a process that answers wrongly ($kind) is named, and nothing crashes"; else
        fail "a process that answers wrongly ($kind):$bad"
    fi
    stop_all
    rm -f ready
done
