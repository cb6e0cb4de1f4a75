"""A fuzzer of the boundary to files: `python tests/fuzz_files.py --seconds 600`.

Small good files of every format are changed (bits, bytes, lengths, numbers of the header, pieces of
other files) and scored in a child process. A finding is whatever is not one of: exit code 0 and a
whole output; exit code 1 or 2, one line on stderr and no output. A child that dies or hangs is one
too; the file that did it stays in the folder. Seed and findings are printed at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from file_cases import P, table, wide, write

SUFFIXES = ("npy", "npz", "parquet", "arrow", "arrows", "feather", "csv")
ROWS = 40
PATIENCE = 20  # seconds that one small file may take
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF)

Bytes = bytearray
Mutation = Callable[[np.random.Generator, Bytes, Bytes], Bytes]


def flip(rng: np.random.Generator, data: Bytes, other: Bytes) -> Bytes:
    """Change one bit."""
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return data


def replace(rng: np.random.Generator, data: Bytes, other: Bytes) -> Bytes:
    """Put a number that is often a limit over one to eight bytes."""
    size = int(rng.choice([1, 2, 4, 8]))
    at = int(rng.integers(max(1, len(data) - size)))
    number = int(rng.choice(np.array(NUMBERS, np.uint64))) & ((1 << 8 * size) - 1)
    data[at : at + size] = number.to_bytes(size, "little")
    return data


def cut(rng: np.random.Generator, data: Bytes, other: Bytes) -> Bytes:
    """End somewhere."""
    return data[: rng.integers(len(data))]


def drop(rng: np.random.Generator, data: Bytes, other: Bytes) -> Bytes:
    """Leave out a piece."""
    at = int(rng.integers(len(data)))
    del data[at : at + int(rng.integers(1, 33))]
    return data


def repeat(rng: np.random.Generator, data: Bytes, other: Bytes) -> Bytes:
    """Have a piece twice."""
    at = int(rng.integers(len(data)))
    data[at:at] = data[at : at + int(rng.integers(1, 33))]
    return data


def splice(rng: np.random.Generator, data: Bytes, other: Bytes) -> Bytes:
    """Put a piece of another file over this one."""
    size = int(rng.integers(1, 257))
    at, source = int(rng.integers(len(data))), int(rng.integers(len(other)))
    data[at : at + size] = other[source : source + size]
    return data


MUTATIONS: tuple[Mutation, ...] = (flip, flip, replace, replace, cut, drop, repeat, splice)


def corpus(folder: Path) -> dict[str, bytes]:
    """Return a good file of each format."""
    found = {}
    for suffix in SUFFIXES:
        path = folder / f"good.{suffix}"
        if suffix == "npy":
            np.save(path, P[:ROWS])
        else:
            write(path, wide(rows=ROWS) if suffix == "csv" else table(rows=ROWS).select(["p"]))
        found[suffix] = path.read_bytes()
    return found


def score(name: str) -> str:
    """Score a file; return what is wrong with how that ended, or nothing."""
    from fastent.cli import main

    target = Path("out.npy" if name.endswith("npy") else "out.parquet")
    target.unlink(missing_ok=True)
    words = ["score", "entropy", name, "-o", str(target), "--quiet", "--memory", "64MiB"]
    if not name.endswith(".npy"):
        words += ["--columns", "p_*" if name.endswith(".csv") else "p"]
    out, err, code = io.StringIO(), io.StringIO(), None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words)
    except SystemExit as end:
        code = end.code
    except BaseException as error:  # the finding itself
        return f"{type(error).__name__}: {error}"
    lines = err.getvalue().splitlines()
    if code == 0:
        # Values that are no probabilities are told in one line.
        fine = target.exists() and len(lines) <= 1
    else:
        fine = code in (1, 2) and len(lines) == 1 and not target.exists()
    left = [path.name for path in Path().glob(".out*")]
    return "" if fine and not left else f"exit {code}, {lines}, left {left}"


def child(connection: Connection, folder: str) -> None:
    """Score the files that are named, one after the other."""
    os.chdir(folder)
    while name := connection.recv():
        connection.send(score(name))


def fuzz(seconds: float, seed: int, folder: Path) -> tuple[int, Counter[str]]:
    """Return how many files were tried, and the findings."""
    rng = np.random.default_rng(seed)
    good = corpus(folder)
    findings: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    end, count = time.monotonic() + seconds, 0
    process = None
    while time.monotonic() < end:
        if process is None:
            ours, theirs = context.Pipe()
            process = context.Process(target=child, args=(theirs, str(folder)), daemon=True)
            process.start()
            theirs.close()  # or its end would not be seen
        suffix, other = rng.choice(SUFFIXES, 2)
        data = bytearray(good[suffix])
        for _ in range(int(rng.integers(1, 5))):
            data = MUTATIONS[rng.integers(len(MUTATIONS))](rng, data, bytearray(good[other]))
            if not data:
                break
        path = folder / f"t{count}.{suffix}"
        path.write_bytes(data)
        count += 1
        try:
            ours.send(path.name)
            told = ours.recv() if ours.poll(PATIENCE) else "hangs"
        except (EOFError, ConnectionError):
            process.join(PATIENCE)
            told = f"dies with {process.exitcode}"
        if told.startswith(("hangs", "dies")):
            process.kill()
            process = None
        if told:
            findings[f"{suffix}: {told}"] += 1
            print(f"{path}: {told}", flush=True)
        else:
            path.unlink()
    if process is not None:
        process.kill()
    return count, findings


def main() -> None:
    """Fuzz, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    count, findings = fuzz(options.seconds, options.seed, folder)
    print(f"seed {options.seed}: {count} files, {len(findings)} kinds of findings in {folder}")
    for told, times in findings.most_common():
        print(f"{times:6} {told}")


if __name__ == "__main__":
    main()
