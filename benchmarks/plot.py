#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws cost against size as SVG, from the figures of tools/bench. Both axes are logarithmic."""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Plot:
    name: str  # of the file
    title: str
    size: str  # what is counted along the x axis
    series: dict  # what it is: {size: GROUP/SIDE}

    def groups(self):
        return {side.split("/")[0] for points in self.series.values() for side in points.values()}


def sleeps(side, sizes):
    groups = {100_000: "sleeps", 1_000_000: "sleepsOfMany"}
    return {size: f"{groups.get(size, f'sleeps{size}')}/{side}" for size in sizes}


def each(group, side, sizes):
    return {size: f"{group}{size}/{side}" for size in sizes}


BYTES = [8, 32, 64, 128, 256, 512, 1024]
BURSTS = [1, 3, 10, 30, 100, 1_000, 10_000]
SMALL = [1_000, 3_000, 10_000, 30_000]
PLOTS = [
    Plot("channel-size", "A channel from a thread to a coroutine: time for each item", "bytes of one item", {
        "QMicroIO channel": each("channelSize", "qmicroio", BYTES),
        "queued invokeMethod()": each("channelSize", "invokeMethod", BYTES),
        "moodycamel, bulk both ends": each("channelSize", "moodycamelBulk", BYTES),
    }),
    Plot("channel-burst", "Items sent to a sleeping receiver: time for each item", "items sent at once", {
        "QMicroIO channel": each("channelBurst", "qmicroio", BURSTS),
        "queued invokeMethod()": each("channelBurst", "invokeMethod", BURSTS),
    }),
    Plot("sleeps", "Sleeps over 0 to 1 s: time until the last one is over", "sleeps at once", {
        "QMicroIO sleep()": sleeps("qmicroio", [*SMALL, 100_000, 1_000_000]),
        "QCoro::sleepFor()": sleeps("qcoro", [*SMALL, 100_000]),
        "QTimer::singleShot()": sleeps("qtimer", SMALL),
    }),
]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 76, 24, 56, 56
# Colours that people with any kind of colour vision can tell apart; the marks differ too.
STYLES = [("#0b6fa4", "circle"), ("#c2570c", "square"), ("#5b2a86", "diamond"), ("#3d6b21", "circle")]


def seconds(value):
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")):
        if value * factor >= 1:
            return f"{value * factor:g} {unit}"
    return f"{value:g} s"


def mark(shape, x, y, colour):
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    if shape == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
    points = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 5:.1f} {x - 5:.1f},{y:.1f}"
    return f'<polygon points="{points}" fill="{colour}"/>'


def draw(plot, samples):
    """The picture, or None when a figure is missing. Times are nanoseconds; each point is the median of its rounds."""
    series = {}
    for label, points in plot.series.items():
        drawn = []
        for size, side in sorted(points.items()):
            rounds = sorted(samples.get(side) or [])
            if not rounds:
                return None
            drawn.append((size, rounds[len(rounds) // 2] / 1e9))
        series[label] = drawn
    sizes = [size for points in series.values() for size, _ in points]
    times = [time for points in series.values() for _, time in points]
    x_low, x_high = math.log10(min(sizes)), math.log10(max(sizes))
    y_low, y_high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)) + 0.05)

    def x_of(size):
        return LEFT + (math.log10(size) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def y_of(time):
        return HEIGHT - BOTTOM - (math.log10(time) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="13" fill="#222" role="img" aria-label="{escape(plot.title)}">',
        "<!-- SPDX-License-" "Identifier: Apache-2.0 -->",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">{escape(plot.title)}</text>',
    ]
    for power in range(math.ceil(x_low), math.floor(x_high) + 1):
        x = x_of(10**power)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{10**power:,}</text>')
    for power in range(y_low, y_high + 1):
        y = y_of(10**power)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{seconds(10.0**power)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(plot.size)}</text>')
    for index, ((label, points), (colour, shape)) in enumerate(zip(series.items(), STYLES)):
        path = " ".join(f"{x_of(size):.1f},{y_of(time):.1f}" for size, time in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [mark(shape, x_of(size), y_of(time), colour) for size, time in points]
        y = TOP + 16 + 20 * index
        out.append(mark(shape, LEFT + 20, y - 4, colour))
        out.append(f'<text x="{LEFT + 32}" y="{y}">{escape(label)}</text>')
    return "\n".join([*out, "</svg>", ""])


def write(folder, samples, names):
    """Writes NAME.svg for each plot whose figures are there; says which are not."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for plot in PLOTS:
        if plot.name not in names:
            continue
        picture = draw(plot, samples)
        if picture is None:
            missing.append(plot.name)
        else:
            (folder / f"{plot.name}.svg").write_text(picture, encoding="utf-8")
    return missing
