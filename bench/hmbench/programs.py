# SPDX-License-Identifier: MIT
"""Real programs, with work to do that is always the same."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import measure
from .redis import Redis

SCRIPTS = Path(__file__).resolve().parent.parent / "programs"


@dataclass
class Program:
    """A program that is run from start to end, with `work` (multiplied by the scale) as
    one of its arguments. `check` is a short run of the same binaries; `binary` is the
    one, among the processes, that does the work; `runs` of them are a sample."""

    name: str
    arguments: tuple
    work: int
    check: tuple
    binary: str
    settings: tuple = ()
    runs: int = 1

    def missing(self, _context):
        """Why it cannot be run here, or None."""
        program = self.arguments[0]
        return None if shutil.which(program) else f"{program} is not installed"

    def environment(self, allocator):
        """What is added to its environment."""
        return allocator.environment() | dict(self.settings)

    def verify(self, context, allocator):
        """Whether the program really runs on the allocator."""
        measure.verify_bindings(
            context, allocator, self.environment(allocator), self.check, self.binary
        )

    def run(self, context, allocator):
        """One sample."""
        work = max(1, round(self.work * context.scale))
        prepared = self.prepare(context, work)
        command = [part.format(work=work, file=prepared) for part in self.arguments]
        total = None
        for _ in range(self.runs):
            sample, out, _ = measure.run(
                context.build, command, self.environment(allocator), context.timeout
            )
            sample.digest = hashlib.sha1(out).hexdigest()
            total = total.plus(sample) if total else sample
        return total

    def prepare(self, _context, _work):
        """A file that the program shall work on, made outside of what is measured."""
        return None


class Compiler(Program):
    """gcc on a translation unit of `work` units, 107 lines each."""

    def prepare(self, context, work):
        source = context.scratch / f"big-{work}.c"
        if not source.exists():
            with source.open("wb") as out:
                generate = [sys.executable, SCRIPTS / "bigsource.py", str(work)]
                subprocess.run(generate, stdout=out, check=True)
        return source


PROGRAMS = [
    Program(
        "python",
        ("/usr/bin/python3", f"{SCRIPTS}/objects.py", "{work}"),
        10,
        ("/usr/bin/python3", "-c", "pass"),
        "python3",
        (("PYTHONMALLOC", "malloc"),),
    ),
    Compiler(
        "gcc",
        ("gcc", "-O1", "-S", "{file}", "-o", "/dev/null"),
        200,
        ("gcc", "-S", "-x", "c", "/dev/null", "-o", "/dev/null"),
        "cc1",
    ),
    Redis(),
    Program(
        "sqlite",
        (
            "sqlite3",
            "-cmd",
            "PRAGMA temp_store = MEMORY",
            "-cmd",
            ".parameter set @rows {work}",
            ":memory:",
            f".read {SCRIPTS}/tables.sql",
        ),
        120000,
        ("sqlite3", ":memory:", "SELECT 1"),
        "sqlite3",
    ),
    Program(
        "perl",
        ("perl", f"{SCRIPTS}/objects.pl", "{work}"),
        10,
        ("perl", "-e", "1"),
        "perl",
    ),
    Program(
        "ruby",
        ("ruby", f"{SCRIPTS}/objects.rb", "{work}"),
        10,
        ("ruby", "-e", "1"),
        "ruby",
    ),
    # What a shell script is made of; startup, of our own programs, is the better clock.
    Program("cat", ("cat", "/dev/null"), 1, ("cat", "/dev/null"), "cat", runs=50),
    Program("z3", ("z3", f"{SCRIPTS}/puzzle.smt2"), 1, ("z3", "--version"), "z3"),
]
