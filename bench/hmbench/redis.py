# SPDX-License-Identifier: MIT
"""redis-server under redis-benchmark, on a Unix socket."""

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

from . import allocators, measure

SERVER = (
    "redis-server --port 0 --save --appendonly no --daemonize no --unixsocket".split()
)
# Small and middling values, a few thousand keys, requests in packs of sixteen so that the
# server works more than the kernel. No long replies (lrange): nearly all of their time the
# kernel copies them to the socket, and takes up to three times as long for it depending on
# where in a page the reply's buffer happens to lie, whoever allocated it.
LOAD = "-q -P 16 -c 20 -r 30000 -d 200".split()
TESTS = "set,get,incr,lpush,rpop,sadd,hset,zadd,mset"

SECONDS_TO_START = 10


class Redis:
    """Measured are the time that the client takes, on libc's malloc, and the memory of the
    server. What is resident at the end is what the server keeps when all keys are deleted.
    """

    name = "redis"
    work = 60000
    check = ("redis-server", "--version")

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
        settings = self.environment(allocator)
        measure.verify_bindings(context, allocator, settings, self.check, "redis-server")

    def run(self, context, allocator):
        """One sample."""
        socket = context.scratch / "redis.sock"
        settings = self.environment(allocator)
        server = measure.Process(
            context.build, [*SERVER, socket], settings, context.scratch
        )
        try:
            wait_until_listening(socket, server)
            requests = max(100, round(self.work * context.scale))
            start = time.monotonic()
            client(context, socket, "redis-benchmark", *LOAD, "-t", TESTS, "-n", requests)
            seconds = time.monotonic() - start
            client(context, socket, "redis-cli", "flushall")
            resident = resident_bytes(
                client(context, socket, "redis-cli", "info", "server")
            )
            # The server answers by closing the connection, an error to the client.
            with contextlib.suppress(measure.Failure):
                client(context, socket, "redis-cli", "shutdown", "nosave")
            sample, _, _ = server.finish(context.timeout)
        except BaseException as error:
            raise self.cause(error, server) from None
        finally:
            server.kill()
            socket.unlink(missing_ok=True)
        sample.seconds, sample.resident = seconds, resident
        return sample

    @staticmethod
    def cause(error, server):
        """If the server died, that is why the client failed."""
        if isinstance(error, measure.Failure) and not server.report.closed:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.popen.wait(1)
                try:
                    server.finish(1)
                except measure.Failure as failure:
                    return measure.Failure(f"redis-server: {failure}")
        return error


def client(context, socket, program, *arguments):
    """Runs one of Redis' own clients; returns what it printed."""
    command = [program, "-s", str(socket), *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            env=allocators.clean_environment(),
            timeout=context.timeout,
        )
    except subprocess.TimeoutExpired:
        raise measure.Failure(f"{program}: more than {context.timeout:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise measure.Failure(f"{program}: {error.stderr.strip()[-100:]}") from None
    return done.stdout


def wait_until_listening(socket, server):
    """Returns when the server has made its socket, or fails."""
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and server.popen.poll() is None:
        if socket.exists():
            return
        time.sleep(0.01)
    raise measure.Failure("the server does not come up")


def resident_bytes(info):
    """What is resident of the server that said this about itself."""
    pid = info.split("process_id:")[1].split()[0]
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(rollup.split("Rss:")[1].split()[0]) * 1024
