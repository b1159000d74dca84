# SPDX-License-Identifier: MIT
"""How many instructions a pair of malloc and free takes."""

from . import measure, report

PAIRS = 200_000
COLUMNS = (
    ("lifo", 64),
    ("lifo", 1024),
    ("lifo", 16384),
    ("aligned", 64),
    ("batch", 64),
    ("batch", 1024),
    ("mixed", 1024),
    ("mixed", 2048),
    ("mixed", 16384),
)


def per_pair(context, allocator, mode, size):
    """The difference between N and 2N pairs, so that the start does not count."""
    counts = [
        measure.count_instructions(
            context.build,
            [context.build / "bench" / "pairs", mode, str(n), str(size)],
            allocator.environment(),
            context.timeout,
        )
        for n in (PAIRS, 2 * PAIRS)
    ]
    return (counts[1] - counts[0]) / PAIRS


def table(context, allocators, progress):
    """One row an allocator, one column a mode and size."""
    rows = [["", *(f"{mode}-{size}" for mode, size in COLUMNS)]]
    for allocator in allocators:
        row = [allocator.name]
        for mode, size in COLUMNS:
            progress.step(f"pairs {mode}-{size}", allocator.name)
            try:
                row.append(f"{per_pair(context, allocator, mode, size):.0f}")
            except measure.Failure as failure:
                progress.note(f"{allocator.name}, {mode}-{size}: {failure}")
                row.append("-")
        rows.append(row)
    return report.layout(rows)
