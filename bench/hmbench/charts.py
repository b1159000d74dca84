# SPDX-License-Identifier: MIT
"""Charts as SVG, drawn by gnuplot: each metric's ratios as bars, and resident memory over
time after a peak as lines."""

import subprocess

from .measure import Sample
from .report import METRICS

# Distinguishable for the colour-blind, too (after Okabe and Ito).
COLOURS = ("#D55E00", "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00", "#999999")

# Of bars: how wide, and how high at most, as a ratio.
BAR_PIXELS = 7
GAP_PIXELS = 26
HIGHEST = 2.5

COMMON = """\
set terminal svg size {width},460 font "sans-serif,12" background "white" noenhanced
set output {path}
set title {title} noenhanced
set grid ytics linecolor "#dddddd"
set key outside bottom center horizontal noenhanced
"""

BARS = """\
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set yrange [0:{highest}]
set xtics rotate by 40 right noenhanced scale 0
set arrow from graph 0, first 1 to graph 1, first 1 nohead linecolor "black" front
"""

LINES = """\
set style data linespoints
set yrange [0:*]
set xlabel "seconds of idleness"
set ylabel "MiB resident"
"""


def quoted(text):
    """A string as gnuplot takes it."""
    return '"' + str(text).replace('"', "'") + '"'


def data(rows):
    """Rows as a named block of data; None is a missing value."""
    lines = ["$data << END"]
    for row in rows:
        lines.append(" ".join("NaN" if cell is None else str(cell) for cell in row))
    return "\n".join(lines + ["END\n"])


def plot(names, column):
    """The command that draws columns 2, 3 … under these names."""
    parts = [
        f"$data using {column.format(number + 2)} title {quoted(name)} "
        f"linecolor rgb {quoted(COLOURS[number % len(COLOURS)])}"
        for number, name in enumerate(names)
    ]
    return "plot " + ", ".join(parts) + "\n"


def bars(results, metric, path):
    """gnuplot's commands for one metric, or None if there is nothing to draw."""
    base = results.allocators[0]
    names = [name for name in results.having(metric.name) if name != base]
    rows = []
    for bench in results.benches:
        ratios = [results.ratio(bench, name, metric.name) for name in names]
        if any(ratios):
            rows.append([quoted(bench), *ratios])
    if not rows:
        return None
    means = [results.geomean(name, metric.name)[0] for name in names]
    rows.append([quoted("geometric mean"), *means])
    title = f"{metric.title}, as a ratio to {base} (lower is better; cut at {HIGHEST})"
    width = max(640, 200 + len(rows) * (GAP_PIXELS + BAR_PIXELS * len(names)))
    common = COMMON.format(width=width, path=quoted(path), title=quoted(title))
    return common + BARS.format(highest=HIGHEST) + data(rows) + plot(names, "{}:xtic(1)")


def lines_over_time(results, path):
    """gnuplot's commands for what idle reports, or None if it was not run."""
    series = {}
    for name in results.allocators:
        for outcome in results.outcomes("idle", name):
            if isinstance(outcome, Sample):
                series[name] = {
                    float(figure.removeprefix("after_").removesuffix("s")): mib
                    for figure, mib in outcome.figures.items()
                    if figure.startswith("after_")
                }
    if not series:
        return None
    times = sorted(set().union(*series.values()))
    rows = [[time, *(one.get(time) for one in series.values())] for time in times]
    title = quoted("Resident memory after a peak, with the process idle")
    common = COMMON.format(width=800, path=quoted(path), title=title)
    return common + LINES + data(rows) + plot(list(series), "1:{}")


def draw(results, directory):
    """Writes NAME.svg for every metric, and idle.svg, into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    charts = {
        metric.name: bars(results, metric, directory / f"{metric.name}.svg")
        for metric in METRICS.values()
    }
    charts["idle"] = lines_over_time(results, directory / "idle.svg")
    for commands in filter(None, charts.values()):
        subprocess.run(["gnuplot"], input=commands, text=True, check=True)
