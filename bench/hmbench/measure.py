# SPDX-License-Identifier: MIT
"""Running one command on one allocator, and what it took."""

import os
import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import allocators


class Failure(Exception):
    """A command did not end as it should; the reason fits into a table's cell."""


@dataclass
class Sample:
    """What one run took: bytes, seconds, counts; None where there is nothing to know."""

    seconds: float | None = None
    cpu: float | None = None
    peak: int | None = None
    resident: int | None = None
    faults: int | None = None
    instructions: int | None = None
    digest: str = ""
    figures: dict = field(default_factory=dict)

    def plus(self, other):
        """With another run: the sum of what they took, the higher of the peaks."""
        return replace(
            self,
            seconds=self.seconds + other.seconds,
            cpu=self.cpu + other.cpu,
            faults=self.faults + other.faults,
            peak=max(self.peak, other.peak),
        )


class Process:
    """A command started through bench/launch, in a session of its own so that all of it
    can be killed."""

    def __init__(self, build, command, settings, cwd):
        self.command = command
        read_end, write_end = os.pipe()
        launch = [build / "bench" / "launch", str(write_end)]
        launch += [f"{name}={value}" for name, value in settings.items()]
        self.popen = subprocess.Popen(
            launch + list(command),
            pass_fds=[write_end],
            cwd=cwd,
            start_new_session=True,
            env=allocators.clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.close(write_end)
        self.report = os.fdopen(read_end, encoding="ascii")

    def kill(self):
        """Ends all of it at once, if it has not ended."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.communicate()
        self.report.close()

    def finish(self, timeout):
        """Waits for the end. Returns the sample, standard output and standard error."""
        try:
            out, err = self.popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"more than {timeout:.0f} s") from None
        except BaseException:
            self.kill()
            raise
        line = self.report.read()
        self.report.close()
        took = dict(pair.split("=") for pair in line.split())
        if not took:
            raise Failure("cannot be run")
        if took["status"] != "0":
            raise Failure(reason(int(took["status"]), err.decode(errors="replace")))
        sample = Sample(
            seconds=float(took["wall"]),
            cpu=float(took["user"]) + float(took["system"]),
            peak=int(took["peak"]),
            faults=int(took["minor"]) + int(took["major"]),
        )
        return sample, out, err.decode(errors="replace")


def reason(status, stderr):
    """In short, why a command failed."""
    what = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    lines = stderr.strip().splitlines()
    return f"{what}: {lines[0][:100]}" if lines else what


def run(build, command, settings, timeout, cwd=None):
    """Runs a command to its end: a sample, standard output and standard error."""
    return Process(build, command, settings, cwd).finish(timeout)


def count_instructions(build, command, settings, timeout):
    """How many instructions the command executes, by valgrind's callgrind."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    _, _, said = run(build, callgrind + list(command), settings, timeout)
    found = re.search(r"Collected\s*:\s*(\d+)", said)
    if not found:
        raise Failure("callgrind counted nothing")
    return int(found.group(1))


def bindings(build, command, settings, timeout):
    """Which object each object of the command's processes takes malloc from, as the
    dynamic linker tells: a set of (process, user, provider)."""
    line = re.compile(r"\s*(\d+):\s+binding file (\S+) \[.*\] to (\S+) \[.*`malloc'")
    found = set()
    with tempfile.TemporaryDirectory(prefix="hakmem-bench-") as directory:
        debug = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": f"{directory}/ld"}
        run(build, command, settings | debug, timeout)
        for file in Path(directory).iterdir():
            for text in file.read_text(errors="replace").splitlines():
                if match := line.match(text):
                    found.add(match.groups())
    return found


def verify_bindings(context, allocator, settings, command, user):
    """Makes sure that the program `user`, among the processes of the command, takes
    malloc from the allocator, and that nothing in that process takes it from elsewhere.
    (One that takes malloc's address is a provider too: of a jump to the real one.)"""
    expected = Path(allocator.library or allocators.libc()).resolve()
    found = bindings(context.build, command, settings, context.timeout)
    processes = {pid for pid, who, _ in found if Path(who).name == user}
    providers = {
        provider
        for pid, who, provider in found
        if pid in processes and Path(provider).name != user
    }
    strangers = {p for p in providers if Path(p).resolve() != expected}
    if strangers or not providers:
        takes = ", ".join(sorted(strangers)) or "nowhere that can be seen"
        raise Failure(f"{user} takes malloc from {takes}, not {expected.name}")
