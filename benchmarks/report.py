#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the table of tools/bench from what the benchmark programs have measured.

A ratio is the median of the ratios of single rounds. Figure and baseline of one round were measured one right after the
other, so whatever slowed the machine down at that time slowed down both.
"""

import argparse
import json
import re
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import plot


@dataclass(frozen=True)
class Row:
    name: str
    work: str
    unit: str  # rate (from nanoseconds), time (nanoseconds), count or bytes
    figure: str  # GROUP/SIDE
    baseline: str | None
    baseline_name: str
    relation: str  # times: so many times as fast as the baseline; share: part of its time; value: the figure itself
    goal: float | None
    checked: bool

    def groups(self):
        return {side.split("/")[0] for side in (self.figure, self.baseline) if side}


def times(name, work, unit, figure, baseline, baseline_name, goal, checked=True):
    return Row(name, work, unit, figure, baseline, baseline_name, "times", goal, checked)


def share(name, work, unit, figure, baseline, baseline_name, goal, checked=True):
    return Row(name, work, unit, figure, baseline, baseline_name, "share", goal, checked)


def value(name, work, unit, figure, baseline, baseline_name, goal, checked=True):
    return Row(name, work, unit, figure, baseline, baseline_name, "value", goal, checked)


INVOKE, BLOCKING = "queued invokeMethod", "BlockingQueuedConnection"
ROWS = [
    times("channel/invokeMethod", "channel, thread to coroutine", "rate",
          "channel/qmicroio", "channel/invokeMethod", INVOKE, 60),
    times("channel/next", "channel, by next()", "rate",
          "channel/next", "channel/invokeMethod", INVOKE, 60, checked=False),
    times("channel/moodycamelBulk", "channel, thread to coroutine", "rate",
          "channel/qmicroio", "channel/moodycamelBulk", "moodycamel, bulk both ends", 0.3, checked=False),
    times("channel/moodycamel", "channel, thread to coroutine", "rate",
          "channel/qmicroio", "channel/moodycamel", "moodycamel, bulk receive", None, checked=False),
    *(row for kind, what in (("Int", "int"), ("String", "QString"), ("Block", "64 bytes")) for count in (1, 2, 4) for row in (
        times(f"channel{kind}{count}/invokeMethod", f"channel of {what}, {count} producer{'s' * (count > 1)}", "rate",
              f"channel{kind}{count}/qmicroio", f"channel{kind}{count}/invokeMethod", INVOKE, 60, checked=False),
        times(f"channel{kind}{count}/moodycamelBulk", f"channel of {what}, {count} producer{'s' * (count > 1)}", "rate",
              f"channel{kind}{count}/qmicroio", f"channel{kind}{count}/moodycamelBulk", "moodycamel, bulk both ends", 0.3,
              checked=False))),
    *(share(f"{group}/{side}", f"a receiver wakes, {quantile}{', busy poll' * (side == 'busyPoll')}", "time",
            f"{group}/{side}", f"{group}/signal", "queued signal", goal, checked=False)
      for group, quantile in (("wakeMedian", "median"), ("wakeP99", "99 of 100"))
      for side, goal in (("qmicroio", 1.0), ("busyPoll", 0.2))),
    share("pingPong/qmicroio", "there and back, bounded channels", "time",
          "pingPong/qmicroio", "pingPong/signal", "two queued signals", 1.0, checked=False),
    share("pingPong/busyPoll", "there and back, busy poll", "time",
          "pingPong/busyPoll", "pingPong/signal", "two queued signals", 0.15),
    times("workChannel/twoLoops", "work channel, two loops", "rate",
          "workChannel/twoLoops", "workChannel/oneLoop", "one loop", 1.6),
    times("workChannel/bounded", "the same, 64 places, sendBlocking()", "rate",
          "boundedWorkChannel/twoLoops", "boundedWorkChannel/oneLoop", "one loop", None, checked=False),
    value("fairness/timer", "timer of 10 ms under two floods, 99 of 100", "time",
          "fairness/qmicroio", "fairness/invokeMethod", INVOKE, 20e6, checked=False),
    times("callSoon/invokeMethod", "callSoon()", "rate",
          "callSoon/qmicroio", "callSoon/invokeMethod", INVOKE, 15),
    times("callSoon/asio", "callSoon()", "rate",
          "callSoon/qmicroio", "callSoon/asio", "asio::post", 2.5),
    share("callSync/default", "callSync(), two cores", "time",
          "callSync/qmicroio", "callSync/blocking", BLOCKING, 1.0),
    share("callSync/busyPoll", "callSync(), two cores, busy poll", "time",
          "callSync/busyPoll", "callSync/blocking", BLOCKING, 0.1),
    share("callSync/oneCore", "callSync(), one core", "time",
          "callSyncOneCore/qmicroio", "callSyncOneCore/blocking", BLOCKING, 1.0, checked=False),
    share("callSync/oneCoreBusyPoll", "callSync(), one core, busy poll", "time",
          "callSyncOneCore/busyPoll", "callSyncOneCore/blocking", BLOCKING, None, checked=False),
    times("submit/qtConcurrent", "submit() and result", "rate",
          "submit/qmicroio", "submit/qtConcurrent", "QtConcurrent::run, 1 thread", 1.5, checked=False),
    times("submit/qtConcurrentAllCores", "submit() and result", "rate",
          "submit/qmicroio", "submit/qtConcurrentAllCores", "QtConcurrent::run, all cores", 1.5),
    times("submit/bound", "a QFuture made, read and freed, no thread", "rate",
          "submit/futureAlone", "submit/qtConcurrentAllCores", "QtConcurrent::run, all cores", None, checked=False),
    times("actor/coroutine", "actor, a coroutine a message", "rate",
          "actor/coroutine", "actor/queuedSlot", "queued signal and slot", 5),
    times("actor/function", "actor, a function a message", "rate",
          "actor/function", "actor/queuedSlot", "queued signal and slot", 5),
    share("request/default", "request and reply, two cores", "time",
          "request/qmicroio", "request/blocking", BLOCKING, 1.0),
    share("request/busyPoll", "request and reply, two cores, busy poll", "time",
          "request/busyPoll", "request/blocking", BLOCKING, 0.15),
    value("pending/million", "a million requests registered and failed", "time",
          "pending/qmicroio", None, "", 1e9),
    value("bytes/request", "memory of a pending request", "bytes",
          "requestBytes/qmicroio", None, "", 512),
    share("life/qthread", "start, ready, stop, join", "time",
          "life/qmicroio", "life/qthread", "QThread start, quit, wait", 1.5),
    share("life/qthreadLoop", "start, ready, stop, join", "time",
          "life/qmicroio", "life/qthreadLoop", "the same, until its loop turns", None, checked=False),
    value("waitGraph/edge", "a blocking call in the wait-for graph", "time",
          "waitGraph/qmicroio", "waitGraph/twoLocks", "two locks of a mutex", 200),
    value("waitGraph/chainOf8", "the same, above a chain of 8 threads", "time",
          "waitGraph/chainOf8", "waitGraph/twoLocks", "two locks of a mutex", 200),
    share("watchdog/channel", "channel with every loop watched", "rate",
          "watchdog/on", "watchdog/off", "without LoopWatchdog", 1.01, checked=False),
    share("watchdog/tasks", "spawn and join with every loop watched", "time",
          "watchdogTasks/on", "watchdogTasks/off", "without LoopWatchdog", 1.01, checked=False),
    *(value(f"models/{name}", f"{what}, 10^6 changes/s", unit, f"{group}/models", f"{group}/queued", "queued signal per change",
            goal, checked)
      for name, group, what, unit, goal, checked in (
          ("p99", "crowdP99", "beat of 5 ms in the GUI, 99 of 100", "time", 16e6, True),
          ("worst", "crowdWorst", "beat of 5 ms in the GUI, the longest", "time", 50e6, False),
          ("cpu", "crowdCpu", "share of a core for the GUI thread", "count", 0.3, True),
          ("change", "crowdChange", "time for each change", "time", None, False))),
    value("models/growth", "memory gained meanwhile", "bytes",
          "crowdGrowth/models", None, "", 64e6, checked=False),
    value("models/updates", "updates of a model a second", "count",
          "crowdUpdates/models", None, "", 60),
    share("models/spawn", "spawn and join while models look", "time",
          "spawnWatched/on", "spawnWatched/off", "without models", 1.03, checked=False),
    share("models/channel", "channel while models look", "rate",
          "channelWatched/on", "channelWatched/off", "without models", 1.03, checked=False),
    value("allocations/channel", "allocations per channel item", "count",
          "channelAllocations/qmicroio", "channelAllocations/invokeMethod", INVOKE, 0.01),
    value("allocations/bounded", "allocations per item, bounded channel", "count",
          "boundedAllocations/qmicroio", "boundedAllocations/invokeMethod", INVOKE, 0.05),
    value("allocations/callSoon", "allocations per callSoon()", "count",
          "callSoonAllocations/qmicroio", "callSoonAllocations/invokeMethod", INVOKE, 0.01),
    value("allocations/actor", "allocations per message to an actor", "count",
          "actorAllocations/qmicroio", "actorAllocations/queuedSlot", "queued signal and slot", 0.01),
    share("await/qcoro", "co_await of a ready child", "time",
          "await/qmicroio", "await/qcoro", "QCoro::Task", 0.7),
    value("spawn/thousand", "spawn and join, 1000 at once", "time",
          "spawn/thousand", None, "", 150),
    value("spawn/single", "spawn and join, one at a time", "time",
          "spawn/single", None, "", None, checked=False),
    value("sleeps/qcoro", "100,000 sleeps over 0 to 1 s", "time",
          "sleeps/qmicroio", "sleeps/qcoro", "QCoro::sleepFor", 1.1e9),
    value("sleeps/million", "1,000,000 sleeps over 0 to 1 s", "time",
          "sleepsOfMany/qmicroio", None, "", 1.6e9),
    value("cancel/sleepers", "cancel a group of 100,000 sleepers", "time",
          "cancel/qmicroio", None, "", 300e6),
    value("bytes/sleeper", "memory of a sleeping task", "bytes",
          "sleepBytes/qmicroio", "sleepBytes/qcoro", "QCoro::sleepFor", 400),
]


def digits(number):
    """Three significant digits, without an exponent."""
    if number == 0:
        return "0"
    places = max(0, 2 - len(str(int(abs(number)))) + 1)
    if abs(number) < 1:
        places = 3
    return f"{number:.{places}f}"


def text_of(unit, number):
    if unit == "rate":
        return f"{digits(1e3 / number)} M/s"
    if unit == "time":
        for limit, factor, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms"), (float("inf"), 1e9, "s")):
            if number < limit:
                return f"{digits(number / factor)} {name}"
    return f"{digits(number)} B" if unit == "bytes" else digits(number)


def quartiles(numbers):
    if len(numbers) < 2:
        return numbers[0], numbers[0], numbers[0]
    first, middle, third = statistics.quantiles(numbers, n=4, method="inclusive")
    return first, middle, third


@dataclass
class Result:
    row: Row
    problem: str = ""
    figure: float = 0
    baseline: float | None = None
    ratio: tuple | None = None  # first quartile, median, third quartile
    judged: tuple | None = None  # the same of what the goal speaks of
    met: bool | None = None

    def verdict(self):
        if self.problem:
            return self.problem
        if self.met is None:
            return ""
        if self.row.checked:
            return "met" if self.met else "MISSED"
        return "met (not checked)" if self.met else "missed (not checked)"

    def goal_text(self):
        if self.row.goal is None:
            return ""
        if self.row.relation == "value":
            return f"≤ {text_of(self.row.unit, self.row.goal)}"
        return f"{'≥' if self.row.relation == 'times' else '≤'} {self.row.goal:g}×"


def evaluate(row, samples):
    result = Result(row)
    figure = samples.get(row.figure)
    baseline = samples.get(row.baseline) if row.baseline else None
    if not figure or (row.baseline and not baseline):
        result.problem = "NOT MEASURED"
        return result
    result.figure = statistics.median(figure)
    if baseline:
        result.baseline = statistics.median(baseline)
        pairs = list(zip(figure, baseline))
        turned = row.relation == "times"
        if all((ours if turned else theirs) > 0 for ours, theirs in pairs):
            result.ratio = quartiles([theirs / ours if turned else ours / theirs for ours, theirs in pairs])
    result.judged = quartiles(figure) if row.relation == "value" else result.ratio
    if result.judged is None:
        result.problem = "NOT MEASURED"
    elif row.goal is not None:
        middle = result.judged[1]
        result.met = middle >= row.goal if row.relation == "times" else middle <= row.goal
    return result


def read_programs(paths):
    """The samples of each GROUP/SIDE in the order of the rounds, and what the programs say of the machine."""
    samples, context = {}, {}
    for path in paths:
        content = json.loads(path.read_text(encoding="utf-8"))
        context = {key: content.get("context", {}).get(key) for key in ("date", "num_cpus", "load_avg")}
        for run in content["benchmarks"]:
            side, number = re.fullmatch(r"(\w+/\w+)/(\d+)(?:/.*)?", run["name"]).groups()
            rounds = samples.setdefault(side, {})
            if run.get("error_occurred"):
                print(f"{run['name']}: {run.get('error_message', 'failed')}", file=sys.stderr)
                rounds[int(number)] = None
            else:
                rounds[int(number)] = float(run["value"])
    # A side that failed once is not measured at all, so that rounds stay paired.
    return {
        side: [rounds[number] for number in sorted(rounds)]
        for side, rounds in samples.items() if None not in rounds.values()
    }, context


def table(results, markdown):
    head = ["work", "figure", "baseline", "", "ratio", "quartiles", "goal", ""]
    lines = []
    for result in results:
        row = result.row
        if result.problem:
            lines.append([row.work, "", "", row.baseline_name, "", "", result.goal_text(), result.verdict()])
            continue
        low, middle, high = result.ratio or (None, None, None)
        lines.append([
            row.work,
            text_of(row.unit, result.figure),
            "" if result.baseline is None else text_of(row.unit, result.baseline),
            row.baseline_name,
            "" if middle is None else f"{digits(middle)}×",
            "" if middle is None or low == high else f"{digits(low)}–{digits(high)}",
            result.goal_text(),
            result.verdict(),
        ])
    if markdown:
        return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    numbers = {1, 2, 4}
    return "\n".join(
        "  ".join(
            text.rjust(width) if column in numbers else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths))).rstrip()
        for line in [head, ["-" * width for width in widths], *lines])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", default="", metavar="REGEX", help="only the rows whose name matches")
    parser.add_argument("--list", action="store_true", help="name the rows and what they compare")
    parser.add_argument("--groups", action="store_true", help="print what --benchmark_filter must be for these rows")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a goal is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="read figures that --json has written")
    parser.add_argument("measured", nargs="*", type=Path, help="what the benchmark programs have written")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw cost against size into SVG files")
    arguments = parser.parse_args()

    try:
        rows = [row for row in ROWS if re.search(arguments.filter, row.name)]
    except re.error as error:
        parser.error(f"--filter: {error}")
    plots = [drawn for drawn in plot.PLOTS if arguments.plots and re.search(arguments.filter, drawn.name)]
    if not rows and not plots:
        parser.error(f"--filter: no row matches {arguments.filter}")
    if arguments.list:
        for row in rows:
            print(f"{row.name:30} {row.work}{' against ' + row.baseline_name if row.baseline_name else ''}")
        return 0
    if arguments.groups:
        print("^(" + "|".join(sorted(set().union(*(wanted.groups() for wanted in [*rows, *plots])))) + ")/")
        return 0

    try:
        if arguments.source:
            content = json.loads(arguments.source.read_text(encoding="utf-8"))
            samples, context = content["samples"], content.get("context", {})
        else:
            samples, context = read_programs(arguments.measured)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        parser.error(f"cannot read the figures: {error}")

    results = [evaluate(row, samples) for row in rows]
    if results:
        print(table(results, arguments.markdown))
    if arguments.json:
        written = {
            "context": context,
            "rows": [asdict(result) | {"verdict": result.verdict()} for result in results],
            "samples": samples,
        }
        arguments.json.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    unmeasured = [result.row.name for result in results if result.problem]
    if arguments.plots:
        unmeasured += plot.write(arguments.plots, samples, {drawn.name for drawn in plots})
    missed = [result.row.name for result in results if result.met is False and result.row.checked]
    if unmeasured:
        print(f"Not measured: {', '.join(unmeasured)}", file=sys.stderr)
    if missed:
        print(f"Goals missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if unmeasured or (missed and arguments.check) else 0


if __name__ == "__main__":
    sys.exit(main())
