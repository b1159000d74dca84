# SPDX-License-Identifier: MIT
"""Real programs, with work to do that is always the same."""

import contextlib
import hashlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import allocators, measure

SCRIPTS = Path(__file__).resolve().parent.parent / "programs"


def verify_bindings(context, allocator, settings, command, user):
    """Makes sure that the program `user`, among the processes of the command, takes
    malloc from the allocator, and that nothing in that process takes it from elsewhere.
    (One that takes malloc's address is a provider too: of a jump to the real one.)"""
    expected = Path(allocator.library or allocators.libc()).resolve()
    found = measure.bindings(context.build, command, settings, context.timeout)
    processes = {pid for pid, who, _ in found if Path(who).name == user}
    providers = {
        provider
        for pid, who, provider in found
        if pid in processes and Path(provider).name != user
    }
    strangers = {p for p in providers if Path(p).resolve() != expected}
    if strangers or not providers:
        takes = ", ".join(sorted(strangers)) or "nowhere that can be seen"
        raise measure.Failure(f"{user} takes malloc from {takes}, not {expected.name}")


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
        verify_bindings(
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


@dataclass
class Redis:
    """redis-server under redis-benchmark, on a Unix socket. Measured are the time that
    the client takes and the memory of the server; the client keeps libc's malloc."""

    name: str = "redis"
    work: int = 60000

    CLIENT = (
        "redis-benchmark",
        "-q",
        "-P",
        "16",
        "-c",
        "20",
        "-r",
        "30000",
        "-d",
        "200",
    )
    TESTS = "set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset"

    def missing(self, _context):
        """Why it cannot be run here, or None."""
        absent = [p for p in ("redis-server", "redis-benchmark") if not shutil.which(p)]
        return f"{absent[0]} is not installed" if absent else None

    def environment(self, allocator):
        """Debian links the server with jemalloc: to measure libc's malloc, libc has to
        come first."""
        return allocator.environment(preload=allocator.library or allocators.libc())

    def verify(self, context, allocator):
        """Whether the server really runs on the allocator."""
        verify_bindings(
            context,
            allocator,
            self.environment(allocator),
            ("redis-server", "--version"),
            "redis-server",
        )

    def run(self, context, allocator):
        """One sample."""
        socket = context.scratch / "redis.sock"
        command = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            socket,
            "--save",
            "",
            "--appendonly",
            "no",
            "--daemonize",
            "no",
        ]
        server = measure.Process(
            context.build, command, self.environment(allocator), context.scratch
        )
        try:
            wait_for(socket, server)
            client = [
                *self.CLIENT,
                "-s",
                socket,
                "-t",
                self.TESTS,
                "-n",
                str(max(100, round(self.work * context.scale))),
            ]
            start = time.monotonic()
            run_client(client, context.timeout)
            seconds = time.monotonic() - start
            run_client(["redis-cli", "-s", socket, "flushall"], context.timeout)
            resident = resident_of(socket, context.timeout)
            # The server answers by closing the connection, which the client reports.
            subprocess.run(
                ["redis-cli", "-s", socket, "shutdown", "nosave"],
                check=False,
                env=allocators.clean_environment(),
                timeout=context.timeout,
                capture_output=True,
            )
            sample, _, _ = server.finish(context.timeout)
        except BaseException:
            server.kill()
            raise
        finally:
            socket.unlink(missing_ok=True)
        sample.seconds, sample.resident = seconds, resident
        return sample


def run_client(command, timeout):
    """Runs one of Redis' own programs, on libc's malloc; returns what it printed."""
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            env=allocators.clean_environment(),
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise measure.Failure(f"{command[0]}: more than {timeout:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise measure.Failure(f"{command[0]}: {error.stderr.strip()[-100:]}") from None
    return done.stdout


def wait_for(socket, server, seconds=10):
    """Waits until the server listens."""
    for _ in range(seconds * 100):
        if socket.exists():
            return
        if server.popen.poll() is not None:
            server.finish(seconds)
        time.sleep(0.01)
    raise measure.Failure("the server does not come up")


def resident_of(socket, timeout):
    """Bytes of the server that are resident."""
    info = run_client(["redis-cli", "-s", socket, "info", "server"], timeout)
    pid = info.split("process_id:")[1].split()[0]
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        return int(rollup.split("Rss:")[1].split()[0]) * 1024
    return None


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
