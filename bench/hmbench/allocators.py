# SPDX-License-Identifier: MIT
"""Which allocators there are, and how a program is made to run on one of them."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# Debian's packages, under the directory of the machine's shared libraries.
PEERS = {
    "mimalloc": "libmimalloc.so.2.0",
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "tbbmalloc": "libtbbmalloc_proxy.so.2",
}

# Settings of the caller that would change what is measured.
FOREIGN_SETTINGS = (
    "LD_",
    "HAKMEM_",
    "MALLOC_",
    "GLIBC_TUNABLES",
    "MIMALLOC_",
    "TCMALLOC_",
    "PYTHONMALLOC",
)

HELP = """\
  glibc                       libc's own
  hakmem[:PROFILE][+OPTIONS]  ours as built, as in hakmem:low-memory or
                              hakmem:default+trim_interval=0,refill_start=8
  mimalloc jemalloc tcmalloc tbbmalloc
                              as Debian installs them; debian: all that are there
  NAME=PATH.so                any other
"""


class UnknownAllocator(Exception):
    """An allocator that was asked for is not there, or does not take malloc's place."""


@dataclass(frozen=True)
class Allocator:
    """An allocator: its name in reports, its library (None: libc's own), and the
    environment variables that steer it."""

    name: str
    library: Path | None = None
    settings: dict = field(default_factory=dict, hash=False)

    def environment(self, preload=None):
        """What is added to the environment of a program that shall run on it."""
        library = preload or self.library
        settings = dict(self.settings)
        if library is not None:
            settings["LD_PRELOAD"] = str(library)
        return settings


def clean_environment():
    """Ours, without what would steer an allocator, and in a locale that does not vary."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_SETTINGS)}
    return kept | {"LC_ALL": "C.UTF-8"}


def libc():
    """Where the dynamic linker finds libc.so.6."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return next(line.split()[-1] for line in lines if line.endswith("/libc.so.6"))


def debian_peers():
    """The peers that are installed, by name."""
    directory = Path(libc()).resolve().parent
    return {
        name: directory / file
        for name, file in PEERS.items()
        if (directory / file).exists()
    }


def resolve(spec, build):
    """The allocators that one -a argument means."""
    if spec == "glibc":
        return [Allocator("glibc")]
    if spec == "debian":
        return [Allocator(name, path) for name, path in debian_peers().items()]
    if spec == "hakmem" or spec.startswith(("hakmem:", "hakmem+")):
        return [ours(spec, build)]
    name, equals, path = spec.partition("=")
    if equals:
        if not Path(path).is_file():
            raise UnknownAllocator(f"{name}: there is no {path}")
        return [Allocator(name, Path(path).resolve())]
    if spec in PEERS and spec in debian_peers():
        return [Allocator(spec, debian_peers()[spec])]
    raise UnknownAllocator(f"{spec}: not installed, or not known by name")


def ours(spec, build):
    """hakmem, hakmem:PROFILE, hakmem+OPTIONS or hakmem:PROFILE+OPTIONS."""
    library = build / ".libs" / "libhakmem.so.0"
    if not library.exists():
        raise UnknownAllocator(f"{spec}: there is no {library}; build it with make")
    rest, _, options = spec.removeprefix("hakmem").partition("+")
    # The machine's own configuration has no say in what is measured.
    settings = {"HAKMEM_CONF": "/dev/null"}
    if rest:
        settings["HAKMEM_PROFILE"] = rest.removeprefix(":")
    if options:
        settings["HAKMEM_OPTIONS"] = options
    return Allocator(spec, library.resolve(), settings)


def verify(allocator, build):
    """Makes sure that the allocator's malloc is the one that a program gets, under the
    profile that was asked for. Returns what whichmalloc said, by name."""
    said = subprocess.run(
        [build / "bench" / "whichmalloc"],
        env=clean_environment() | allocator.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode != 0:
        raise UnknownAllocator(f"{allocator.name}: cannot be run with: {said.stderr}")
    lines = dict(line.split(" ", 1) for line in said.stdout.splitlines())
    expected = Path(allocator.library or libc()).resolve()
    for function in ("malloc", "free", "calloc", "realloc", "posix_memalign"):
        if Path(lines[function]).resolve() != expected:
            raise UnknownAllocator(
                f"{allocator.name}: {function} is that of {lines[function]}"
            )
    profile = allocator.settings.get("HAKMEM_PROFILE")
    if profile and lines.get("profile") != profile:
        raise UnknownAllocator(f"{allocator.name}: its profile is {lines.get('profile')}")
    if said.stderr:
        raise UnknownAllocator(f"{allocator.name}: {said.stderr.strip()}")
    return lines
