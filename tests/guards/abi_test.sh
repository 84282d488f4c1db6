#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/abi must find what breaks a program, and only that: tried on libraries of a few lines.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tools" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# library NAME HEADER
library() {
    mkdir -p "$work/$1"
    printf '%s\n' "$2" >"$work/$1/door.h"
    printf '#include "door.h"\n#define E __attribute__((visibility("default")))\n%s\n' "$3" >"$work/$1/door.cpp"
    g++ -g -shared -fPIC -fvisibility=hidden -Wl,-soname,libdoor.so -o "$work/$1/libdoor.so" "$work/$1/door.cpp"
}

struct='struct Door { int width; };'
functions='int open(Door *); int close(Door *);'
bodies='E int open(Door *d) { return d->width; } E int close(Door *d) { return -d->width; }'
library old "$struct $functions" "$bodies"
library same "$struct $functions" "$bodies"
library more "$struct $functions int knock(Door *);" "$bodies E int knock(Door *d) { return d->width; }"
library wider "struct Door { long weight; int width; }; $functions" "$bodies"
library fewer "$struct int open(Door *);" 'E int open(Door *d) { return d->width; }'

for case in same:0 more:0 wider:1 fewer:1; do
    name=${case%:*} wanted=${case#*:} code=0
    "$tools/abi" compare-files "$work/old/libdoor.so" "$work/old" "$work/$name/libdoor.so" "$work/$name" >"$work/log" 2>&1 || code=$?
    if [ "$code" -ne "$wanted" ]; then
        printf '%s: exit code %s instead of %s\n' "$name" "$code" "$wanted"
        cat "$work/log"
        failures=$((failures + 1))
    fi
done

[ "$failures" -eq 0 ]
