"""A command that says where SciPy's functions of ``fastent.special`` err, and where ours do.

``python tests/accuracy_special.py`` draws a million arguments of each function and dtype, in equal
parts of each family. Where the two libraries differ by more than 2 units in the last place (or one
is infinite, NaN or 0 alone), both are held against 50-digit arithmetic: all such arguments if they
are few, else a sample. The table has the share of arguments at which only one of the two is off by
more than 2 units, the worst of each, and the arguments of SciPy's worst.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from reference import ulp_error
from special_cases import DRAWS, UFUNCS, draw, exact

import fastent

LIMIT = 2.0
JUDGED = 300  # of each family, at most


class Verdict(NamedTuple):
    """What came of one family of arguments."""

    drawn: int
    differ: int
    judged: int
    theirs_alone: int
    ours_alone: int
    worst: tuple[float, float]  # theirs, ours
    at: str


def apart(got: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether two results differ by more than the limit."""
    with np.errstate(all="ignore"):
        unit = np.spacing(np.minimum(abs(got), abs(other)))
        near = abs(got - other) <= LIMIT * unit
    both: np.ndarray = near | (got == other) | (np.isnan(got) & np.isnan(other))
    return ~both


def judge(name: str, family: str, dtype: Any, count: int, rng: np.random.Generator) -> Verdict:
    """Draw arguments, and hold those on which the two differ against exact numbers."""
    arrays = draw(name, family, rng, count, dtype)
    ours, theirs = UFUNCS[name](*arrays), getattr(scipy.special, name)(*arrays)
    differ = np.flatnonzero(apart(ours, theirs))
    taken = rng.permutation(differ)[:JUDGED]
    if not taken.size:
        return Verdict(len(ours), 0, 0, 0, 0, (0.0, 0.0), "")
    some = tuple(a[taken] for a in arrays)
    true = exact(name, *some)
    error = ulp_error(theirs[taken], true, dtype), ulp_error(ours[taken], true, dtype)
    wrong, mine = (e > LIMIT for e in error)
    worst = int(np.argmax(error[0]))
    at = ", ".join(repr(a[worst].item()) for a in some)
    return Verdict(
        len(ours),
        differ.size,
        taken.size,
        int((wrong & ~mine).sum()),
        int((mine & ~wrong).sum()),
        (float(error[0].max()), float(error[1].max())),
        f"{name}({at}) = {float(true[worst]):.17g}, SciPy {theirs[taken][worst]:.9g}",
    )


def lines(count: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield the table line by line."""
    yield (
        f"{'function':10}{'dtype':9}{'arguments':28}{'drawn':>9}{'differ':>9}{'judged':>7}"
        f"{'SciPy off':>10}{'ours off':>9}{'worst':>10}{'ours':>7}  worst at"
    )
    for name, families in DRAWS.items():
        for dtype in (np.float32, np.float64):
            for family in families:
                v = judge(name, family, dtype, count // len(families), rng)
                yield (
                    f"{name:10}{np.dtype(dtype).name:9}{family:28}{v.drawn:9}{v.differ:9}"
                    f"{v.judged:7}{v.theirs_alone:10}{v.ours_alone:9}{v.worst[0]:10.3g}"
                    f"{v.worst[1]:7.2g}  {v.at}"
                )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=float, default=1e6, help="arguments of each function")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    asked = parser.parse_args()
    print(f"fastent {fastent.__version__}, SciPy {scipy.__version__}, units of the last place,")
    print(f"seed {asked.seed}; 'off': by more than {LIMIT:g} units, the other not, of those judged")
    for line in lines(int(asked.count), np.random.default_rng(asked.seed)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
