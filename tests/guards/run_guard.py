#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests one check of tools/check against samples/NAME: it must fire on the bad tree and stay silent on the good one.

In the bad tree a line that ends in "expect: TEXT" must be reported, by file and line and with TEXT in the report;
"expect: A && B" asks for two reports. No other line may be reported, so that a check that fires everywhere fails too.
A broken bar is left out of the copy that is checked: it keeps words that may not occur in this repository from
occurring in the samples.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECK = HERE.parent.parent / "tools" / "check"
EXPECTATION = re.compile(r"\bexpect: (.+?)\s*\Z")
REPORT = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+):(?:\d+:)? (?P<text>.*)")


def planted(sample, folder):
    """A copy outside the repository, with the compile commands that clang-tidy needs."""
    root = Path(folder).resolve() / "tree"
    shutil.copytree(sample, root)
    for path in root.rglob("*"):
        if path.is_file():
            path.write_text(path.read_text(encoding="utf-8").replace("¦", ""), encoding="utf-8")
    build = root / "build" / "tidy"
    build.mkdir(parents=True)
    commands = [
        {"directory": str(root), "file": str(path), "command": f"clang++-19 -std=c++20 -c {path}"}
        for path in sorted(root.glob("src/*.cpp"))
    ]
    (build / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")
    return root


def run(name, sample):
    with tempfile.TemporaryDirectory() as folder:
        root = planted(sample, folder)
        result = subprocess.run(
            [CHECK, "--only", name, "--root", root], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=100)
        reports = []
        for line in result.stdout.splitlines():
            match = REPORT.match(line)
            if match and not match["text"].startswith(("note:", "warning: unknown")):
                file = match["file"]
                if Path(file).is_absolute() and Path(file).is_relative_to(root):
                    file = str(Path(file).relative_to(root))
                reports.append((file, int(match["line"]), match["text"]))
    return result.returncode, reports, result.stdout


def expectations(sample):
    expected = []
    for path in sorted(sample.rglob("*")):
        if path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                match = EXPECTATION.search(line)
                if match and "KIND" not in match[1]:
                    expected += [(str(path.relative_to(sample)), number, text) for text in match[1].split(" && ")]
    return expected


def main():
    name = sys.argv[1]
    samples = HERE / "samples" / name
    complaints = []

    code, reports, output = run(name, samples / "bad")
    expected = expectations(samples / "bad")
    if not expected:
        complaints.append("the bad sample expects nothing")
    if code != 1:
        complaints.append(f"exit code {code} instead of 1 on the bad sample")
    for file, line, text in expected:
        if not any((file, line) == report[:2] and text in report[2] for report in reports):
            complaints.append(f"not reported: {file}:{line}: {text}")
    for file, line, text in reports:
        if (file, line) not in [entry[:2] for entry in expected]:
            complaints.append(f"reported for no reason: {file}:{line}: {text}")
    if complaints:
        print(output)

    code, reports, output = run(name, samples / "good")
    if code != 0 or reports:
        complaints.append(f"exit code {code} on the good sample")
        print(output)

    with tempfile.TemporaryDirectory() as empty:
        code, _, _ = run(name, empty)
        if code != 1:
            complaints.append(f"exit code {code} on an empty tree: a check that read nothing has not passed")

    for complaint in complaints:
        print(f"{name}: {complaint}")
    print(f"{name}: {len(expected)} expected reports")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
