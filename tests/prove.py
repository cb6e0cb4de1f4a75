"""Prove the pointwise kernels, on every instruction set of this machine.

All 2^32 float32 inputs of each function of one operand; float64, and float32 of two operands, at
hard cases and 1e9 samples. ``python tests/prove.py --help`` says how to take fewer.
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from building import NATIVE, build

import fastent


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--step", type=int, default=1, help="every STEP-th float32 input; 0: none of them")
    add("--samples", type=float, default=1e9, help="of each function and dtype, such as 1e7")
    add("--threads", type=int, default=fastent.get_num_threads())
    add("--seed", type=int, help="of the samples, to repeat a run")
    add("--functions", nargs="+", default=[], metavar="NAME", help="these only, by name or measure")
    return parser.parse_args()


def main() -> int:
    """Build the programs, run them one after the other, and return 1 unless all is proved."""
    asked = arguments()
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    samples, threads = str(int(asked.samples)), str(asked.threads)
    commands = {"prove_samples": [samples, threads, str(seed), *asked.functions]}
    if asked.step:
        commands = {"prove_float32": [str(asked.step), threads, *asked.functions], **commands}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for program, words in commands.items():
            built = build(Path(folder), program, ["cc"], NATIVE, [])
            failed |= subprocess.run([str(built), *words], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
