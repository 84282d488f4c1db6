#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests that tools/docs leads names of Qt to Qt's pages where Qt's tag files are there, and tells when they were of no use; that links
# between the guides lead to pages and headings in what it writes, and that tools/check-html finds one that does not.
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
grep -qF 'md_docs_compilers.html#page_compilers_known-bugs-of-coroutines' "$work/out/html/md_docs_first_service.html" ||
    complain "a guide does not lead to a heading of another one"
if "$root/tools/check-html" "$here/samples/html/bad" >"$work/log" 2>&1; then
    complain "tools/check-html passed links to nothing"
fi
for link in missing.html '#nowhere' 'other.html#nowhere'; do
    grep -qF ": $link" "$work/log" || complain "tools/check-html did not name $link"
done
grep -q "3 lead nowhere" "$work/log" || complain "tools/check-html found something else"
"$root/tools/check-html" "$here/samples/html/good" >"$work/log" 2>&1 || complain "tools/check-html refused good links"
mkdir "$work/empty"
! "$root/tools/check-html" "$work/empty" >"$work/log" 2>&1 || complain "tools/check-html passed an empty folder"
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
