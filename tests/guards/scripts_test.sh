#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests how the scripts in tools/ behave when they are used wrongly and when packages are missing. The machine is
# played by small programs in front of PATH, so nothing is installed.
# shellcheck disable=SC2016
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tools" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect CODE TEXT COMMAND...: the exit code, and a text that the output must contain.
expect() {
    local code=0 wanted=$1 text=$2 output
    shift 2
    output=$(cd / && "$@" 2>&1 </dev/null) || code=$?
    if [ "$code" -ne "$wanted" ] || [[ $output != *"$text"* ]]; then
        printf 'Wanted exit code %s and "%s" from: %s\nGot exit code %s and:\n%s\n\n' "$wanted" "$text" "$*" "$code" "$output"
        failures=$((failures + 1))
    fi
}

for script in test demo check bench fuzz verify torture qt-tsan repeat package abi docs; do
    expect 0 "Usage: tools/$script" "$tools/$script" --help
    expect 2 "Usage: tools/$script" "$tools/$script" --no-such-option
done
expect 2 "no preset named nonsense" "$tools/test" --preset nonsense
expect 2 "--preset needs a name" "$tools/test" --preset
expect 2 "--runs takes a number" "$tools/repeat" --runs 0
expect 2 "from 0 to the number of runs" "$tools/repeat" --runs 2 --loaded 3
expect 2 "no preset named nonsense" "$tools/repeat" --preset nonsense
expect 2 "no check named nonsense" "$tools/check" --only nonsense
expect 2 "does not exist" "$tools/demo" "$work/nothing"
expect 2 "one folder at most" "$tools/qt-tsan" / /
expect 2 "neither a folder nor a revision" "$tools/abi" compare "$work/nothing"
expect 1 "" "$tools/qt-tsan" --where "$work/nothing"
expect 2 "from 1 upwards" "$tools/demo" --jobs none
expect 2 "more than one DIR" "$tools/demo" / /

play() { printf '#!/bin/sh\n%s\n' "$2" >"$work/$1" && chmod +x "$work/$1"; }

# Half of the packages are there, sudo wants a password, and there is no terminal to type it on.
play dpkg-query 'echo "g++=installed cmake=installed ninja-build=config-files git=installed "; exit 1'
play id 'echo 1000'
play sudo 'exit 1'
play apt-get 'echo "apt-get must not be called here"; exit 9'
expect 3 "sudo apt-get install -y --no-install-recommends ninja-build ccache qt6-base-dev qcoro-qt6-dev" \
    env PATH="$work:$PATH" "$tools/demo"
for script in test check; do
    expect 3 "clang-tidy-19" env PATH="$work:$PATH" "$tools/$script"
done
expect 3 "libbenchmark-dev libasio-dev libconcurrentqueue-dev" env PATH="$work:$PATH" "$tools/bench"

# sudo works: the package lists are fetched first and may fail, then all that is missing is installed at once.
play sudo '[ "$1" = -n ] || exec "$@"'
play apt-get 'echo "apt-get $*"; case $* in *update*) exit 100 ;; esac; exit 7'
expect 3 "apt-get -q install -y --no-install-recommends ninja-build ccache qt6-base-dev qcoro-qt6-dev" \
    env PATH="$work:$PATH" "$tools/demo"

# Root needs no sudo.
play id 'echo 0'
play sudo 'echo "sudo must not be called here"; exit 9'
expect 3 "could not install all" env PATH="$work:$PATH" "$tools/demo"

# All there: goes on to the next step, which fails here at once.
play dpkg-query 'for p in "$@"; do printf "%s=installed " "$p"; done'
play apt-get 'echo "apt-get must not be called here"; exit 9'
play cmake 'echo "cmake was reached"; exit 1'
expect 1 "cmake was reached" env PATH="$work:$PATH" "$tools/demo"

[ "$failures" -eq 0 ]
