# SPDX-License-Identifier: MIT
"""The benchmarks by name, and the suites they form."""

import fnmatch
from dataclasses import dataclass, field

from . import measure
from .programs import PROGRAMS

# The rest of a result line are the program's own figures.
RESULT_FIELDS = ("ops", "seconds", "resident", "checksum")


class UnknownBench(Exception):
    """A benchmark that was asked for does not exist."""


@dataclass
class Bench:
    """One of our own programs with parameters."""

    name: str
    program: str
    params: dict = field(default_factory=dict)

    def missing(self, context):
        """Why it cannot be run here, or None."""
        program = context.build / "bench" / self.program
        return None if program.exists() else f"{program} is not built"

    def verify(self, context, allocator):
        """Nothing to do: what whichmalloc found holds for our other programs too."""

    def command(self, context):
        """The program with its parameters."""
        params = [f"{name}={value}" for name, value in self.params.items()]
        program = context.build / "bench" / self.program
        return [program, f"scale={context.scale:g}", *params]

    def run(self, context, allocator):
        """One sample."""
        settings = allocator.environment()
        command = self.command(context)
        sample, out, _ = measure.run(context.build, command, settings, context.timeout)
        result = out.decode().split(": ", 1)[1].split()
        fields = dict(pair.split("=") for pair in result)
        sample.seconds = float(fields["seconds"])
        sample.resident = int(fields["resident"])
        sample.digest = fields["checksum"]
        sample.figures = {
            k: float(v) for k, v in fields.items() if k not in RESULT_FIELDS
        }
        return sample

    def count(self, context, allocator):
        """How many instructions it executes."""
        return measure.count_instructions(
            context.build,
            self.command(context),
            allocator.environment(),
            context.timeout,
        )


def bench(name, program=None, **params):
    """A benchmark named like its program, or otherwise."""
    return Bench(name, program or name, params)


SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
THREADS = (2, 4, 8, 16)


def by_size():
    """Blocks of one size each, in a single thread."""
    return [
        bench(f"random_mixed-{size}", "random_mixed", min=size, max=size, steps=100000000)
        for size in SIZES
    ]


def by_threads(n):
    """For n threads, which share the work."""
    half = n // 2
    return [
        bench(f"larson-{n}", "larson", threads=n, lives=2000 // n),
        bench(
            f"handoff-{n}", "handoff", producers=half, consumers=half, batches=300000 // n
        ),
        bench(f"rings-{n}", "rings", threads=n, hops=96000 // n),
        bench(f"random_mixed-{n}threads", "random_mixed", threads=n, steps=32000000 // n),
        bench(
            f"random_small-{n}threads",
            "random_mixed",
            threads=n,
            max=256,
            steps=64000000 // n,
        ),
    ]


# The work is set so that each takes about a second or two on libc's malloc.
OURS = [
    *by_size(),
    bench("random_mixed"),
    *(one for n in THREADS for one in by_threads(n)),
    bench("fan-in", "handoff", producers=3, consumers=1, batches=50000),
    bench("fan-out", "handoff", producers=1, consumers=3, batches=40000),
    bench("larson-medium", "larson", max=1000, blocks=5000, steps=500000, lives=30),
    bench("larson-large", "larson", min=64, max=4096, lives=40),
    bench("structures"),
    bench("structures-2threads", "structures", threads=2, rounds=4),
    bench("vectors"),
    bench("medium", "bigwindow", min="32K", max="1M", window=64, even=0, blocks=100000),
    bench("big", "bigwindow", min="32K", max="64M", even=0, blocks=300),
    bench(
        "big-2threads", "bigwindow", threads=2, min="32K", max="64M", even=0, blocks=150
    ),
    bench("malloc-large", "bigwindow"),
    bench("calloc-large", "bigwindow", zeroed=1),
    bench("falseshare-active", "falseshare"),
    bench("falseshare-passive", "falseshare", passive=1),
    bench("churn"),
    bench("startup"),
    bench("idle"),
    bench("fragment"),
    bench("spike"),
    bench("threads10k"),
]

ALL = {one.name: one for one in OURS + PROGRAMS}

# Names, patterns and other suites. "standard" is what `make bench` runs.
SUITES = {
    "standard": """
        random_mixed-16 random_mixed-64 random_mixed-256 random_mixed-1024
        random_mixed-8192 random_mixed random_mixed-2threads larson-2 larson-medium
        larson-large handoff-2 fan-in fan-out rings-2 structures vectors medium big
        malloc-large falseshare-* churn startup fragment spike threads10k programs
        """.split(),
    "programs": [program.name for program in PROGRAMS],
    "sizes": [one.name for one in by_size()] + ["random_mixed"],
    "threads": [one.name for n in THREADS for one in by_threads(n)],
    "large": "medium big big-2threads malloc-large calloc-large vectors".split(),
    "memory": "fragment idle spike threads10k startup programs".split(),
    "demo": "python gcc redis sqlite perl".split(),
    "all": ["*"],
}


def resolve(words):
    """The benchmarks that the words mean: names, patterns, suites, or NAME:PARAM=VALUE,…
    for one with other parameters. In the order given, each once."""
    found = {}
    for word in words:
        if word in SUITES:
            found.update((one.name, one) for one in resolve(SUITES[word]))
        elif ":" in word:
            found[word] = with_params(word)
        else:
            names = fnmatch.filter(ALL, word)
            if not names:
                raise UnknownBench(f"{word}: no such benchmark; --list shows them")
            found.update((name, ALL[name]) for name in names)
    return list(found.values())


def with_params(word):
    """NAME:PARAM=VALUE,…"""
    name, _, text = word.partition(":")
    known = ALL.get(name, bench(name))
    if not isinstance(known, Bench):
        raise UnknownBench(f"{name}: has no parameters")
    try:
        params = dict(pair.split("=") for pair in text.split(","))
    except ValueError:
        raise UnknownBench(f"{word}: parameters are NAME=VALUE,NAME=VALUE") from None
    return Bench(word, known.program, known.params | params)
