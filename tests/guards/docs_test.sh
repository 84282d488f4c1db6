#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests that tools/docs leads names of Qt to Qt's pages where Qt's tag files are there, and tells when they were of no use.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

complain() {
    echo "$1"
    cat "$work/log"
    exit 1
}

"$root/tools/docs" --qt-docs "$here/samples/qtdocs/good" "$work/out" >"$work/log" 2>&1 || complain "tools/docs failed"
grep -rqF --include='*.html' 'href="https://doc.qt.io/qt-6/qobject.html"' "$work/out/html" || complain "QObject leads nowhere"
for file in qmicroio.qch qmicroio.tags; do
    [ -s "$work/out/$file" ] || complain "no $file"
done
if "$root/tools/docs" --qt-docs "$here/samples/qtdocs/bad" "$work/out" >"$work/log" 2>&1; then
    complain "tools/docs passed with a tag file that no name of ours is in"
fi
grep -q "no name leads to Qt's pages" "$work/log" || complain "tools/docs failed for another reason"
if "$root/tools/docs" --qt-docs "$work" "$work/out" >"$work/log" 2>&1; then
    complain "tools/docs took a folder without tag files"
fi
