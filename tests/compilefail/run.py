#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles one file and checks that it fails for the reason it names.

run.py FILE INCLUDES COMPILER: INCLUDES are folders joined by semicolons. A line "// expect: REGEX" at the top of the file
is what the compiler must say in an error; a file without one must compile. A line "// flags: ..." adds compiler flags.
"""

import re
import subprocess
import sys
from pathlib import Path

FLAGS = ["-std=c++20", "-fsyntax-only", "-fPIC", "-Wall", "-Werror=unused-result",
         "-Werror=deprecated-declarations", "-DQT_NO_KEYWORDS"]


def main():
    source, includes, compiler = sys.argv[1:]
    # The compiler's own folder named again would come before the C++ library, which does not bear that.
    names = [name for name in dict.fromkeys(includes.split(";")) if name and name != "/usr/include"]
    # Warnings are wanted from our own headers only.
    folders = [part for name in names for part in ("-I" if (Path(name) / "qmicroio").is_dir() else "-isystem", name)]
    text = Path(source).read_text(encoding="utf-8")
    expected = re.search(r"^// expect: (.+)$", text, re.MULTILINE)
    more = [flag for line in re.findall(r"^// flags: (.+)$", text, re.MULTILINE) for flag in line.split()]
    run = subprocess.run([compiler, *FLAGS, *more, *folders, source], capture_output=True, text=True)
    if not expected:
        print(run.stderr)
        return run.returncode
    if run.returncode == 0:
        print(f"{source} compiles, but must not")
        return 1
    errors = [line for line in run.stderr.splitlines() if "error:" in line]
    if any(re.search(expected[1], line) for line in errors):
        return 0
    print(f"{source} fails, but no error says '{expected[1]}':\n{run.stderr}")
    return 1


sys.exit(main())
