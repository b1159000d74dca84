# SPDX-License-Identifier: MIT
"""What was measured, as tables for people and as CSV and JSON for programs."""

import csv
import json
import math
import platform
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import measure

MIB = 1 << 20


@dataclass(frozen=True)
class Metric:
    """Something that a sample has: its field, title, and the unit of absolute values."""

    name: str
    title: str
    unit: str
    divisor: float
    digits: int


METRICS = {
    metric.name: metric
    for metric in (
        Metric("seconds", "Time", "s", 1, 2),
        Metric("cpu", "CPU time, user and system", "s", 1, 2),
        Metric("peak", "Peak resident memory", "MiB", MIB, 1),
        Metric("resident", "Resident memory at the end, all freed", "MiB", MIB, 1),
        Metric("faults", "Page faults", "thousand", 1e3, 1),
        Metric("instructions", "Instructions", "million", 1e6, 1),
    )
}


@dataclass
class Results:
    """All samples: runs[bench][allocator] is a list of Sample or Failure."""

    allocators: list
    benches: list
    runs: dict = field(default_factory=dict)

    def add(self, bench, allocator, outcome):
        """Records one run."""
        self.runs.setdefault(bench, {}).setdefault(allocator, []).append(outcome)

    def outcomes(self, bench, allocator):
        """All runs of a cell."""
        return self.runs.get(bench, {}).get(allocator, [])

    def failures(self):
        """(bench, allocator, reason) of every cell with a run that failed."""
        for bench in self.benches:
            for allocator in self.allocators:
                for outcome in self.outcomes(bench, allocator):
                    if isinstance(outcome, measure.Failure):
                        yield bench, allocator, str(outcome)
                        break

    def values(self, bench, allocator, metric):
        """The metric's values in a cell; none if a run failed."""
        outcomes = self.outcomes(bench, allocator)
        if any(isinstance(outcome, measure.Failure) for outcome in outcomes):
            return []
        values = [getattr(sample, metric) for sample in outcomes]
        return [value for value in values if value is not None]

    def median(self, bench, allocator, metric):
        """The median of a cell, or None."""
        values = self.values(bench, allocator, metric)
        return statistics.median(values) if values else None

    def ratio(self, bench, allocator, metric):
        """A cell's median relative to the first allocator's, or None."""
        value = self.median(bench, allocator, metric)
        base = self.median(bench, self.allocators[0], metric)
        return value / base if value is not None and base else None

    def having(self, metric):
        """The allocators for which the metric is known anywhere."""
        return [
            allocator
            for allocator in self.allocators
            if any(self.ratio(bench, allocator, metric) for bench in self.benches)
        ]

    def geomean(self, allocator, metric):
        """The geometric mean of the ratios over the benches where every allocator has
        one (the same benches for all, or they could not be compared); and how many."""
        having = self.having(metric)
        rows = [
            bench
            for bench in self.benches
            if having and all(self.ratio(bench, a, metric) for a in having)
        ]
        if not rows or allocator not in having:
            return None, len(rows)
        logs = [math.log(self.ratio(bench, allocator, metric)) for bench in rows]
        return math.exp(sum(logs) / len(logs)), len(rows)

    def spread(self, metric):
        """How far a cell's values lie apart, relative to their median: the median over
        all cells, and the worst cell."""
        spreads = []
        for bench in self.benches:
            for allocator in self.allocators:
                values = self.values(bench, allocator, metric)
                middle = statistics.median(values) if len(values) > 1 else 0
                if middle > 0:
                    spreads.append((max(values) - min(values)) / middle)
        return (statistics.median(spreads), max(spreads)) if spreads else None


def text_or(value, digits, missing="-"):
    """A number with so many digits, or a dash."""
    return missing if value is None else f"{value:.{digits}f}"


def layout(rows):
    """Rows of cells as a Markdown table whose columns line up."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("| " + " | ".join(cells) + " |")
        if number == 0:
            rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
            lines.append("| " + " | ".join(rule) + " |")
    return "\n".join(lines)


def metric_table(results, metric):
    """One metric: the first allocator in its unit, the others as a ratio to it."""
    base, *others = results.allocators
    rows = [["", f"{base}, {metric.unit}", *others]]
    failed = {(bench, allocator) for bench, allocator, _ in results.failures()}
    for bench in results.benches:
        if not any(results.values(bench, a, metric.name) for a in results.allocators):
            continue
        value = results.median(bench, base, metric.name)
        first = text_or(None if value is None else value / metric.divisor, metric.digits)
        row = [bench, "FAILED" if (bench, base) in failed else first]
        for other in others:
            ratio = text_or(results.ratio(bench, other, metric.name), 2)
            row.append("FAILED" if (bench, other) in failed else ratio)
        rows.append(row)
    if len(rows) == 1:
        return None
    if others and results.geomean(base, metric.name)[1]:
        means = [results.geomean(other, metric.name) for other in others]
        rows.append(
            [f"geometric mean of {means[0][1]}", "1"]
            + [text_or(mean, 3) for mean, _ in means]
        )
    return f"### {metric.title}\n\n{layout(rows)}"


def time_and_peak(results, bench, allocator):
    """A cell of the table below, as texts."""
    values = [results.median(bench, allocator, m) for m in ("seconds", "peak")]
    if None in values:
        return "FAILED", "-"
    if allocator == results.allocators[0]:
        return f"{values[0]:.2f} s", f"{values[1] / MIB:.1f} MiB"
    return tuple(
        text_or(results.ratio(bench, allocator, m), 2) for m in ("seconds", "peak")
    )


def side_by_side(results):
    """Time and peak memory of every allocator in one table for a terminal; absolute for
    the first, then relative to it."""
    names = [name.removeprefix("hakmem:") for name in results.allocators]
    rows = [[("", name) for name in names], [("time", "peak")] * len(names)]
    for bench in results.benches:
        rows.append([time_and_peak(results, bench, a) for a in results.allocators])
    rows.append(
        [
            tuple(text_or(results.geomean(a, m)[0], 2) for m in ("seconds", "peak"))
            for a in results.allocators
        ]
    )
    titles = ["", "", *results.benches, "geometric mean"]
    left = max(map(len, titles))
    lines = []
    for title, row in zip(titles, rows):
        cells = "".join(f"{time:>9}{peak:>11}" for time, peak in row)
        lines.append(f"{title:{left}}{cells}".rstrip())
    return "\n".join(lines)


def figures_tables(results):
    """What programs report besides the usual, absolute: one table a program."""
    tables = []
    for bench in results.benches:
        rows = []
        for allocator in results.allocators:
            samples = [
                outcome.figures
                for outcome in results.outcomes(bench, allocator)
                if isinstance(outcome, measure.Sample) and outcome.figures
            ]
            if not samples:
                continue
            if not rows:
                rows.append([bench, *samples[0]])
            rows.append(
                [allocator]
                + [
                    f"{statistics.median(sample[name] for sample in samples):.1f}"
                    for name in rows[0][1:]
                ]
            )
        if rows:
            tables.append(layout(rows))
    return tables


def machine():
    """What a reader has to know of the machine to judge the figures."""
    facts = {"system": f"{platform.system()} {platform.release()} {platform.machine()}"}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            facts["processor"] = line.partition(":")[2].strip()
            break
    facts["cpus"] = subprocess.run(
        ["nproc"], capture_output=True, text=True, check=True
    ).stdout.strip()
    facts["libc"] = " ".join(platform.libc_ver())
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if huge.exists():
        facts["huge pages"] = huge.read_text(encoding="ascii").split("[")[1].split("]")[0]
    facts["load average"] = Path("/proc/loadavg").read_text(encoding="ascii").split()[0]
    return facts


def write_csv(results, path):
    """Every sample, one a row."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["bench", "allocator", "run", *METRICS, "failure"])
        for bench in results.benches:
            for allocator in results.allocators:
                for run, outcome in enumerate(results.outcomes(bench, allocator), 1):
                    if isinstance(outcome, measure.Failure):
                        cells = [""] * len(METRICS) + [str(outcome)]
                    else:
                        cells = [getattr(outcome, name) for name in METRICS] + [""]
                    writer.writerow([bench, allocator, run, *cells])


def write_json(results, path, facts):
    """Everything."""
    runs = {
        bench: {
            allocator: [
                {"failure": str(outcome)}
                if isinstance(outcome, measure.Failure)
                else asdict(outcome)
                for outcome in results.outcomes(bench, allocator)
            ]
            for allocator in results.allocators
        }
        for bench in results.benches
    }
    means = {
        name: {a: results.geomean(a, name)[0] for a in results.allocators}
        for name in METRICS
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(
            {"facts": facts, "geometric means": means, "runs": runs}, file, indent=1
        )
        file.write("\n")
