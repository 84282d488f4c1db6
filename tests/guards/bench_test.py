#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests that tools/bench tells a missed goal from a met one, by figures that were prepared instead of measured.

In samples/bench/figures.json every goal is met; figures of rows that it does not name are made up. Each checked goal is then missed
by a little, which --check must notice, and met by a little, which it must let pass.
"""

import copy
import importlib.util
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BENCH = ROOT / "tools" / "bench"
REPORT = ROOT / "benchmarks" / "report.py"
FIGURES = HERE / "samples" / "bench" / "figures.json"

complaints = []


def expect(condition, complaint):
    if not condition:
        complaints.append(complaint)


class Bench:
    def __init__(self, folder):
        self.folder = Path(folder)

    def run(self, *arguments, program=BENCH):
        result = subprocess.run(
            [program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=60, cwd=self.folder)
        return result.returncode, result.stdout

    def check(self, figures, *arguments):
        file = self.folder / "figures.json"
        file.write_text(json.dumps(figures), encoding="utf-8")
        return self.run("--from", file, "--check", *arguments)


def scaled(figures, side, factor):
    changed = copy.deepcopy(figures)
    changed["samples"][side] = [factor * sample for sample in changed["samples"][side]]
    return changed


def completed(figures):
    """The figures, and for each row that they do not cover some that meet its goal."""
    sys.path.insert(0, str(REPORT.parent))  # for the modules beside it
    spec = importlib.util.spec_from_file_location("report", REPORT)
    report = importlib.util.module_from_spec(spec)
    sys.modules["report"] = report
    spec.loader.exec_module(report)
    figures = copy.deepcopy(figures)
    samples = figures["samples"]
    for row in report.ROWS:
        goal = row.goal or 1
        better = {"times": goal * 1.25, "share": 1 / (goal * 0.8), "value": 2}[row.relation]
        if row.figure not in samples:
            if row.relation == "value":
                figure = goal * 0.8
            else:
                figure = samples[row.baseline][0] / better if row.baseline in samples else 20
            samples[row.figure] = [figure * spread for spread in (1, 1.02, 0.98, 1.01, 0.99, 1.03, 1)]
        if row.baseline and row.baseline not in samples:
            samples[row.baseline] = [better * figure for figure in samples[row.figure]]
    return figures


def test_goals(bench, figures):
    file = bench.folder / "rows.json"
    code, output = bench.check(figures, "--json", file)
    expect(code == 0, f"exit code {code} though every goal is met:\n{output}")
    results = json.loads(file.read_text(encoding="utf-8"))["rows"]
    checked = [result for result in results if result["row"]["checked"]]
    expect(len(checked) >= 9, f"only {len(checked)} goals are checked")

    for result in results:
        row = result["row"]
        if row["goal"] is None:
            continue
        # Slower by this factor, the figure would be exactly at its goal.
        reached = result["judged"][1]
        factor = reached / row["goal"] if row["relation"] == "times" else row["goal"] / reached
        only = f"--filter=^{row['name']}$"
        code, output = bench.check(scaled(figures, row["figure"], factor * 0.99), only)
        expect(code == 0, f"{row['name']}: exit code {code} though the goal is just met:\n{output}")
        code, output = bench.check(scaled(figures, row["figure"], factor * 1.01), only)
        if row["checked"]:
            expect(code == 1 and "MISSED" in output and f"Goals missed: {row['name']}\n" in output,
                   f"{row['name']}: exit code {code} though the goal is just missed:\n{output}")
            code, output = bench.check(scaled(figures, row["figure"], factor * 1.01))
            expect(code == 1 and row["name"] in output, f"{row['name']}: missed, and not seen among all rows:\n{output}")
            bench.folder.joinpath("missed.json").write_text(
                json.dumps(scaled(figures, row["figure"], factor * 1.01)), encoding="utf-8")
            code, output = bench.run("--from", bench.folder / "missed.json")
            expect(code == 0 and "MISSED" in output, f"{row['name']}: exit code {code} without --check:\n{output}")
        else:
            expect(code == 0 and "missed (not checked)" in output,
                   f"{row['name']}: exit code {code} for a goal that is shown only:\n{output}")


def test_what_is_missing(bench, figures, sides):
    for side in sides:
        for samples in ([], None):
            changed = copy.deepcopy(figures)
            if samples is None:
                del changed["samples"][side]
            else:
                changed["samples"][side] = samples
            code, output = bench.check(changed)
            expect(code == 1 and "NOT MEASURED" in output, f"exit code {code} without figures for {side}:\n{output}")


def test_plots(bench, figures):
    plot = sys.modules["plot"]
    changed = copy.deepcopy(figures)
    for drawn in plot.PLOTS:
        for points in drawn.series.values():
            for size, side in points.items():
                changed["samples"][side] = [1000.0 * size] * 3
    file, folder = bench.folder / "figures.json", bench.folder / "plots"
    file.write_text(json.dumps(changed), encoding="utf-8")
    code, output = bench.run("--from", file, "--plots", folder)
    expect(code == 0, f"exit code {code} with all figures of the plots:\n{output}")
    for drawn in plot.PLOTS:
        picture = folder / f"{drawn.name}.svg"
        expect(picture.is_file() and len(xml.etree.ElementTree.parse(picture).findall(".//{*}polyline")) == len(drawn.series),
               f"{drawn.name}.svg does not show each of its series")
        side = next(iter(next(iter(drawn.series.values())).values()))
        without = copy.deepcopy(changed)
        del without["samples"][side]
        file.write_text(json.dumps(without), encoding="utf-8")
        code, output = bench.run("--from", file, "--plots", folder, f"--filter=^{drawn.name}$")
        expect(code == 1 and f"Not measured: {drawn.name}" in output, f"exit code {code} without {side}:\n{output}")


def test_pairs(bench, figures):
    # A machine that becomes ten times slower half-way, and one disturbed round, change no ratio.
    changed = copy.deepcopy(figures)
    for side in ("channel/qmicroio", "channel/invokeMethod"):
        samples = changed["samples"][side]
        half = len(samples) // 2
        changed["samples"][side] = samples[:half] + [10 * sample for sample in samples[half:]]
    changed["samples"]["channel/qmicroio"][0] *= 1000
    only = "--filter=^channel/invokeMethod$"
    for each in (figures, changed):
        code, output = bench.check(each, only, "--json=" + str(bench.folder / "rows.json"))
        expect(code == 0, f"exit code {code} on a machine that became slower:\n{output}")
        ratio = json.loads((bench.folder / "rows.json").read_text(encoding="utf-8"))["rows"][0]["ratio"][1]
        expect(abs(ratio - 100) < 1, f"ratio {ratio} instead of 100")


def test_programs(bench):
    # What the benchmark programs write: rounds in any order, one that failed.
    def run_of(name, **fields):
        return {"name": name + "/iterations:1/manual_time", "real_time": 1.0, **fields}

    def report(runs, *arguments):
        file = bench.folder / "program.json"
        file.write_text(json.dumps({"context": {"num_cpus": 2}, "benchmarks": runs}), encoding="utf-8")
        return bench.run("--check", "--filter=^callSoon/asio$", *arguments, file, program=REPORT)

    runs = [run_of(f"callSoon/{side}/{number}", value=speed * (number + 1))
            for side, speed in (("qmicroio", 10), ("asio", 40)) for number in (2, 0, 1)]
    code, output = report(runs)
    expect(code == 0 and "4.00×" in output, f"exit code {code} for figures of a program:\n{output}")
    broken = [run_of("callSoon/qmicroio/3", error_occurred=True, error_message="items were lost")]
    code, output = report(runs + broken)
    expect(code == 1 and "items were lost" in output, f"exit code {code} though one round has failed:\n{output}")


def test_wrong_use(bench):
    usage = "Usage: tools/bench"
    for arguments, text in [
        (["--no-such-option"], usage),
        (["extra"], usage),
        (["--filter"], "--filter needs a value"),
        (["--json", bench.folder / "no" / "file"], "cannot write"),
        (["--json", bench.folder], "cannot write"),
        (["--from", bench.folder / "nothing"], "cannot read"),
        (["--list", "--filter", "("], "--filter"),
        (["--list", "--filter", "no such row"], "no row matches"),
        (["--from", Path(__file__)], "cannot read the figures"),
    ]:
        code, output = bench.run(*arguments)
        expect(code == 2 and text in output, f"exit code {code} for {arguments}:\n{output}")
    code, output = bench.run("--help")
    expect(code == 0 and usage in output, f"exit code {code} for --help")
    code, output = bench.run("--list", "--filter=channel/invoke")
    expect(code == 0 and output.count("\n") == 1, f"exit code {code} for --list:\n{output}")


def main():
    prepared = json.loads(FIGURES.read_text(encoding="utf-8"))
    figures = completed(prepared)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        test_goals(bench, figures)
        test_what_is_missing(bench, figures, prepared["samples"])
        test_pairs(bench, figures)
        test_plots(bench, figures)
        test_programs(bench)
        test_wrong_use(bench)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
