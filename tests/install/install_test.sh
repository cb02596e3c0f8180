#!/bin/bash
# From an installed prefix: what a user builds, runs, writes and takes away again. Needs a compiler, make, cmake and
# pkg-config.
# Arguments: the installer, README.md, the file that names config's keys.
set -uo pipefail
. tests/install/claims.sh
installer=$(realpath -s "$1") readme=$(realpath "$2") schema=$(realpath "$3")
cd "$scratch" || exit 1

# ---- putting it there

mkdir caller
export BUILD_WORKING_DIRECTORY=$scratch/caller # as `bazel run` sets it
run() { "$installer" "$@"; }
tree() { (cd "$1" && find . -printf '%p %y %l\n' | sort); }

claim "--dry-run says what it would do and does nothing" eval \
    'prints "^would install $scratch/caller/p/bin/gcctl$" run --prefix=p --dry-run && [ -z "$(ls caller)" ]'
mkdir -p caller/busy/lib && echo mine >caller/busy/lib/libslabgc.a
claim "a file of somebody else's is not replaced, and nothing is installed beside it" eval \
    'ends 1 "libslabgc.a is there.*nothing was changed" run --prefix=busy && [ "$(find caller/busy -type f |
        wc -l)" = 1 ]'
mkdir -p caller/dangling/lib && ln -s nowhere caller/dangling/lib/libslabgc.so
claim "nor is a link of somebody else's, though it leads nowhere" eval \
    'ends 1 "libslabgc.so is there.*nothing was changed" run --prefix=dangling && [ -L caller/dangling/lib/libslabgc.so ]'
mkdir -p caller/blocked && echo mine >caller/blocked/include
claim "nothing is installed where a file stands in a directory's place" eval \
    'ends 1 "in the way.*nothing was changed" run --prefix=blocked && [ "$(ls caller/blocked)" = include ]'
claim "a prefix that pkg-config would not understand is refused" ends 1 "blanks" run --prefix="a b"
claim "DESTDIR goes before the prefix, and not into the files" eval \
    'DESTDIR=$scratch/dest run --prefix=/usr && grep -qx prefix=/usr dest/usr/lib/pkgconfig/slabgc.pc &&
        [ -f dest/usr/include/slabgc/slabgc.h ]'
claim "and is named in the command that removes it" prints "by: DESTDIR=$scratch/dest bazel run .* --prefix=/usr --uninstall" \
    env DESTDIR="$scratch/dest" "$installer" --prefix=/usr
claim "what was installed with DESTDIR goes again" eval \
    'DESTDIR=$scratch/dest run --prefix=/usr --uninstall && [ -z "$(find dest -mindepth 1)" ]'
mkdir -p caller/half/share/slabgc/version.slabgc-new # what the last file is written under
claim "when the last file cannot be written, nothing of the others stays" eval \
    'ends 1 "nothing of it stays" run --prefix=half && [ -z "$(find caller/half -type f)" ] && [ ! -e caller/half/lib ]'
claim "a relative prefix counts from the caller" eval 'run --prefix=p && [ -x caller/p/bin/gcctl ]'
prefix=$scratch/caller/p
tree "$prefix" >installed
claim "installing once more changes nothing" eval 'run --prefix "$prefix" && tree "$prefix" | diff installed -'
claim "no temporary name stays" [ -z "$(find "$prefix" -name '*.slabgc-new')" ]

# ---- programs

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
pc() { pkg-config --cflags --libs "$@"; }
sed -n '/^```c$/,/^```$/{/^```/!p}' "$readme" >prog.c
sed -n '/^```ini$/,/^```$/{/^```/!p}' "$readme" >readme.conf
first='^generational: value 0$'

claim "the README's program builds by gcc and pkg-config alone" \
    eval 'gcc -Wall -Wextra -Werror -o shared prog.c $(pc slabgc)'
claim "and runs, with a collector from the installed directory" \
    eval 'LD_LIBRARY_PATH=$prefix/lib prints "$first" ./shared'
claim "on the collector that the README's config chooses" eval \
    'LD_LIBRARY_PATH=$prefix/lib SLABGC_CONFIG=$PWD/readme.conf prints "$first" ./shared'
claim "it links libslabgc.so.0" prints 'NEEDED.*libslabgc\.so\.0' readelf -d shared
claim "it builds with the static library by module slabgc-static" eval 'gcc -o static prog.c $(pc slabgc-static)'
claim "and runs without the shared one" prints "$first" ./static
mkdir only && cp "$prefix/lib/libslabgc.a" only/
claim "pkg-config --static slabgc names what libslabgc.a needs" eval \
    'gcc -o private prog.c $(pkg-config --static --define-variable=libdir=$PWD/only --cflags --libs slabgc) &&
        prints "$first" ./private'
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.13)
project(user C)
find_package(slabgc 0.4 REQUIRED)
add_executable(cmade prog.c)
target_link_libraries(cmade slabgc::slabgc)
add_executable(cmade_static prog.c)
target_link_libraries(cmade_static slabgc::slabgc_static)
END
claim "it builds with CMake, shared and static" eval \
    'cmake -S . -B built -DCMAKE_PREFIX_PATH="$prefix" && cmake --build built && prints "$first" built/cmade &&
        prints "$first" built/cmade_static'
sed 's/slabgc 0.4/slabgc 0.3/' CMakeLists.txt >wrong.txt && mkdir wrong && cp wrong.txt wrong/CMakeLists.txt &&
    cp prog.c wrong/
claim "CMake does not take it for another minor version" ends 1 'version "0\.3"' \
    cmake -S wrong -B wrong/built -DCMAKE_PREFIX_PATH="$prefix"
mv "$prefix" moved
claim "the shared library finds its collectors where it was moved to" \
    eval 'LD_LIBRARY_PATH=$PWD/moved/lib prints "$first" ./shared'
mv moved "$prefix"
claim "the malloc of a program is slabgc's by LD_PRELOAD" eval \
    'SLABGC_MALLOC_STATS=1 LD_PRELOAD=$prefix/lib/libslabgc-malloc.so prints malloc sort prog.c'

# ---- gcctl and documents

gcctl=$prefix/bin/gcctl
claim "gcctl says its version" prints "^gcctl $(pkg-config --modversion slabgc)$" "$gcctl" --version
claim "there is a man page for each command" eval '"$gcctl" document man-list >pages &&
    while read -r page; do [ -s "$prefix/share/man/man1/$page.1" ] || exit 1; done <pages'
# scdoc puts an empty paragraph between two, for which mandoc -Tlint ends with status 2; it means nothing else.
lint() {
    mandoc -Tlint -W warning "$prefix"/share/man/man*/* >lint || [ $? -eq 2 ] || return 1
    ! grep -v 'skipping paragraph macro: PP' lint
}
claim "mandoc finds nothing in the man pages" lint
claim "slabgc.conf(5) has the plug-ins' parameters" eval \
    'mandoc -T ascii "$prefix/share/man/man5/slabgc.conf.5" | sed "s/.\x08//g" | grep "young_size = 8MiB"'
claim "the completion is a script of bash" bash -n "$prefix/share/bash-completion/completions/gcctl"

example=$prefix/share/slabgc/slabgc.conf.example
sed -E 's/^#([a-z_]+ = )/\1/; s/^#(\[heap\.NAME\])/\1/' "$example" >all.conf
cat >check.c <<'END'
#include <slabgc/slabgc.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    struct sgc_error error = {0};
    const int code = argc == 2 ? sgc_config_check(argv[1], &error) : -1;
    return code ? printf("%d: %s\n", code, error.message), 1 : 0;
}
END
gcc -o check check.c $(pc slabgc-static)
claim "the example config is right as it is" ./check "$example"
claim "and with each key taken at its word" ./check "$PWD/all.conf"
grep -A1 '{SGC_CONFIG_' "$schema" | sed -nE 's/^ *(\{SGC_CONFIG_[A-Z]+, )?"([a-z_]+)",.*/\2/p' | sort -u >keys
missing() {
    [ "$(wc -l <keys)" -gt 5 ] || return 1
    while read -r key; do grep -q "^#$key = " "$example" || { echo "$key"; return 1; }; done <keys
}
claim "it names every key" missing
claim "gcctl config check says the same" "$gcctl" config check all.conf
claim "a wrong key in it is found" eval 'sed "s/^memory_limit/memory_limt/" all.conf >wrong.conf &&
    ends 1 "wrong.conf:[0-9]+:.*memory_limit" ./check "$PWD/wrong.conf"'

# ---- a plug-in

PATH=$prefix/bin:$PATH
claim "plugin new writes a plug-in" prints '^mine/mine\.c$' gcctl plugin new mine
claim "and does not write over one" ends 73 'there already' gcctl plugin new mine
claim "nor by --dry-run" eval 'prints "would write other/other.c" gcctl plugin new other --dry-run && [ ! -e other ]'
claim "a name that is none is refused" ends 64 'no name' gcctl plugin new ../mine
claim "nor is the name of one that is installed taken" ends 64 "slabgc.s own" gcctl plugin new rcu
claim "its Makefile builds it, without a warning" eval 'make -C mine CFLAGS="-O2 -Wall -Wextra -Werror"'
claim "it keeps the contract" prints 'all [0-9]{3} claims of the contract hold' gcctl plugin check mine/mine.so
claim "its Makefile installs it nowhere when pkg-config does not know where" \
    ends 2 "PLUGINS=DIR" env PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR="$scratch" make -C mine install DESTDIR="$scratch/nowhere"
claim "its Makefile installs it" eval 'make -C mine install && [ -f "$prefix/lib/slabgc/plugins/mine.so" ]'
claim "gcctl sees it there" \
    prints "^mine +0\.1 +1\.0 +$prefix/lib/slabgc/plugins/mine\.so +references" gcctl plugin list
claim "config chooses it" eval 'SLABGC=strategy=mine LD_LIBRARY_PATH=$prefix/lib prints "^mine: value 0$" ./shared'
claim "a program with the static library finds it too" eval 'SLABGC=strategy=mine prints "^mine: value 0$" ./static'
claim "its parameters are config's" \
    ends 1 'did you mean "growth"' env SLABGC=strategy=mine,strategy.mine.grwth=1% ./static

claim "what wordgraph does is recorded" eval \
    'prints "events" gcctl record -o words.trace -- "$prefix/lib/slabgc/slabgc-wordgraph" "$readme" && [ -s words.trace ]'
claim "and replayed on the plug-in and on ours, with the same live sets" eval \
    'gcctl replay words.trace --strategy mine --strategy rcu >replayed &&
        prints "^mine .* same +none" cat replayed && prints "^rcu .* same +none" cat replayed'

cat >broken.sed <<'END' # its own invariants never hold
s/"mine"/"broken"/; s/= sgc_op_verify_nothing/= broken_verify/
/^static const struct sgc_strategy_ops/i \
static int broken_verify(void *self, struct sgc_error *error)\
{\
    return ((struct strategy *)self)->host->fail(error, -EUCLEAN, "broken");\
}
END
sed -f broken.sed mine/mine.c >mine/broken.c
gcc -std=c11 -w -fPIC -shared $(pkg-config --cflags slabgc) -o mine/broken.so mine/broken.c
claim "a plug-in that breaks the contract is told which claims" \
    ends 1 'loads, its table is right, but [0-9]+ of [0-9]+ claims of the contract fail' \
    gcctl plugin check --quick mine/broken.so
echo '__attribute__((constructor)) static void crash(void) { __builtin_trap(); }' >crash.c
gcc -shared -fPIC -o mine/crash.so crash.c
claim "a plug-in that crashes is named, with its signal" \
    ends 1 'crash\.so: refused: loading it ended the process by SIG(ILL|TRAP)' gcctl plugin check mine/crash.so
echo text >mine/odd.so
claim "plugin list names all of a directory, and goes on behind a crash" eval \
    'export SLABGC_PLUGIN_PATH=$PWD/mine; prints "^crash .*refused: loading it ended" gcctl plugin list &&
        prints "^odd .*refused: not an ELF file" gcctl plugin list && prints "^rcu .*references" gcctl plugin list'
claim "and says which file hides another" \
    eval 'SLABGC_PLUGIN_PATH=$PWD/mine prints "^mine .*hidden by $PWD/mine/mine.so" gcctl plugin list'
cat >reasons.py <<'END'
import json
for plugin in json.load(open("list.json"))["plugins"]:
    print(plugin["name"], plugin["refused"])
END
mkdir twice && cp mine/mine.so twice/
claim "each file once" eval \
    '[ "$(SLABGC_PLUGIN_PATH=$PWD/mine:$PWD/twice gcctl plugin list | grep -c " $PWD/twice/mine.so *hidden by")" = 1 ]'
claim "a refusal says what is wrong with the file, and nothing of how gcctl asked" eval \
    'ends 1 "odd\.so: refused: not an ELF file$" gcctl plugin check mine/odd.so >odd.out && [ "$(wc -l <odd.out)" = 2 ]'
claim "plugin list --json is JSON with a reason for each refusal" eval \
    'SLABGC_PLUGIN_PATH=$PWD/mine gcctl plugin list --json >list.json &&
        prints "^odd not an ELF file$" python3 reasons.py'

# ---- taking it away

rm "$prefix/lib/slabgc/plugins/mine.so"
claim "uninstalling leaves nothing" eval 'run --uninstall --prefix=p && [ ! -e "$prefix" ]'
claim "once more there is nothing to remove" ends 1 'nothing is installed' run --uninstall --prefix=p
mkdir fake # the directory stands first, and more follows than a pipe holds
printf '#!/bin/sh\necho "%s/lib: (from a test)"\n[ "$1" != -N ] || seq 100000\n' "$prefix" >fake/ldconfig
chmod +x fake/ldconfig
claim "where the dynamic linker looks is seen" eval \
    '! PATH=$scratch/fake:$PATH prints "does not look into" run --prefix=p && [ -x "$prefix/bin/gcctl" ]'
claim "what an installation left that was killed between its renames goes, too" eval \
    'touch "$prefix/lib/libslabgc.a.slabgc-new" "$prefix/lib/slabgc/manifest.slabgc-new" &&
        run --uninstall --prefix=p && [ ! -e "$prefix" ]'
claim "what is not ours stays" eval 'run --prefix=p && touch "$prefix/lib/slabgc/plugins/theirs.so" &&
    prints "stays: it is not empty" run --uninstall --prefix=p &&
        [ "$(find "$prefix" -type f)" = "$prefix/lib/slabgc/plugins/theirs.so" ]'
claims_end
