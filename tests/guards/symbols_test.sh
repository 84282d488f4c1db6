#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/check-symbols must find a name that got out: one outside the namespace, and one that no header names.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tools" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/include/qmicroio" "$work/src"
echo 'namespace QMicroIO { struct Door { void open(); }; }' >"$work/include/qmicroio/door.h"

# expect CODE TEXT CODE-OF-THE-LIBRARY
expect() {
    local code=0 said
    printf '#include "%s/include/qmicroio/door.h"\nvoid QMicroIO::Door::open() {}\n%s\n' "$work" "$3" >"$work/door.cpp"
    g++ -shared -fPIC -o "$work/libdoor.so" "$work/door.cpp"
    said=$("$tools/check-symbols" --root "$work" "$work/libdoor.so") || code=$?
    if [ "$code" -ne "$1" ] || [[ $said != *"$2"* ]]; then
        printf 'Wanted exit code %s and "%s", got %s and:\n%s\n' "$1" "$2" "$code" "$said"
        exit 1
    fi
}

expect 0 "1 names exported, 0 problems" ''
expect 1 "outside the namespace: helper()" 'void helper() {}'
expect 1 "no public header names (Lock, turn): QMicroIO::Lock::turn()" 'namespace QMicroIO { struct Lock { void turn(); }; void Lock::turn() {} }'
expect 1 "no public header names (detail, secret): QMicroIO::detail::secret(int)" 'namespace QMicroIO::detail { int secret(int i) { return i; } }'
