#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Builds and drops the objects that Python programs are made of; objects.py ROUNDS.

With PYTHONMALLOC=malloc each of them is a malloc of its own. Prints a digest of what it
computed, so that a run can be compared with another.
"""

import gc
import json
import random
import re
import sys
import zlib


class Node:
    """An object with a dictionary, in a cycle with its parent: the collector's work."""

    def __init__(self, parent, depth, rng):
        self.parent = parent
        self.name = f"node-{rng.getrandbits(40):x}"
        self.children = [Node(self, depth - 1, rng) for _ in range(4)] if depth else []

    def weight(self):
        return len(self.name) + sum(child.weight() for child in self.children)


def records(rng):
    rows = [
        {
            "id": i,
            "name": f"user {rng.randrange(10**6)}",
            "tags": [str(rng.randrange(100)) for _ in range(rng.randrange(6))],
            "score": rng.random(),
        }
        for i in range(12000)
    ]
    text = json.dumps(rows)
    back = json.loads(text)
    back.sort(key=lambda row: row["name"])
    return zlib.crc32(json.dumps(back[::7]).encode())


def words(rng):
    text = " ".join(
        "".join(rng.choices("aeioulnrst", k=rng.randrange(3, 9))) for _ in range(40000)
    )
    counts = {}
    for word in re.findall(r"\w+", text):
        counts[word] = counts.get(word, 0) + 1
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:500]
    return zlib.crc32(repr(common).encode())


def numbers(rng):
    big = 3
    for _ in range(300):
        big = big * rng.getrandbits(64) + 1
    table = [[float(i * j % 97) for j in range(120)] for i in range(120)]
    turned = [list(column) for column in zip(*table)]
    total = sum(map(sum, turned))
    return zlib.crc32(f"{big % 10**9} {total}".encode())


def buffers(rng):
    pieces = []
    for _ in range(3000):
        piece = bytearray()
        for _ in range(rng.randrange(1, 12)):
            piece += bytes(rng.randrange(20, 400))
        pieces.append(piece)
        if len(pieces) > 200:
            pieces.pop(rng.randrange(200))
    return sum(map(len, pieces))


def main():
    rng = random.Random(2)
    digest = 0
    for _ in range(int(sys.argv[1])):
        digest ^= records(rng) ^ words(rng) ^ numbers(rng) ^ buffers(rng)
        digest ^= Node(None, 6, rng).weight()
        gc.collect()
    print(f"{digest:08x}")


if __name__ == "__main__":
    main()
