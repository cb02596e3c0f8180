#!/bin/bash
# The README's program runs on every strategy, and takes its collector from the README's config.
set -u
path=
for plugin in plugins/*/*.so; do
    path=${path:+$path:}$(dirname "$(realpath "$plugin")") # core looks at where a plug-in really lies
done
export SLABGC_PLUGIN_PATH=$path
unset SLABGC SLABGC_CONFIG
passed=0 failed=0

expect() { # expect WHAT WANTED FOUND
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s: wanted "%s", found "%s"\n' "$1" "$2" "$3"
    fi
}

for strategy in generational refcount rcu; do
    expect "on $strategy" "$strategy: value 0" "$(SLABGC=strategy=$strategy tests/readme/program 2>&1)"
done
expect "with the config" "generational: value 0" "$(SLABGC_CONFIG=$PWD/tests/readme/readme.conf tests/readme/program 2>&1)"
refusal=$(SLABGC=strategy=none tests/readme/program 2>&1)
expect "a strategy without cycles is refused by name" yes "$(case $refusal in *'strategy "none"'*cycles*) echo yes ;; *) echo "$refusal" ;; esac)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
