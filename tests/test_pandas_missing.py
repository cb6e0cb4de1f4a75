"""What is missing in frames and series of pandas, and what is wrong with them."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from arrow_cases import LABELS, ROWS, P, Q, X
from pandas_cases import (
    FRAME,
    HOLDS,
    INDEX,
    Y,
    arrow_backed,
    assert_same,
    door,
    lists,
    nullable,
    pd,
)

import fastent as fe

# ---- what is missing --------------------------------------------------------------------------

GONE = np.arange(ROWS) % 4 == 1


@pytest.mark.parametrize("hold", [arrow_backed, nullable])
def test_rows_that_are_missing(hold: Any) -> None:
    """NA stays NA, in the dtype of the results; the others keep their bits."""
    frame, y = hold(P), hold(LABELS)
    frame.loc[GONE] = pd.NA
    for got in (door.entropy(frame), door.log_loss(y, frame), door.log_loss(y.mask(GONE), FRAME)):
        assert (got.isna().to_numpy() == GONE).all()
        assert got.dtype == hold(P[:, 0]).dtype
    assert_same(door.entropy(frame)[~GONE], fe.entropy(P[~GONE]), INDEX[~GONE])
    got = door.score_logits(y, frame)
    assert (got.isna().to_numpy() == GONE[:, None]).all()
    assert_same(got[~GONE], fe.score_logits(LABELS[~GONE], P[~GONE]), INDEX[~GONE])
    got = door.softmax(frame)
    assert (got.isna().to_numpy() == GONE[:, None]).all()
    assert_same(got[~GONE], fe.softmax(P[~GONE]), INDEX[~GONE])


def test_lists_that_are_missing() -> None:
    """None, NaN and NA stand for a row that is not there; NumPy's results have NaN for it."""
    for nothing in (None, np.nan, pd.NA):
        rows = pd.Series(
            [nothing if gone else row for row, gone in zip(P, GONE, strict=True)], INDEX
        )
        got = door.entropy(rows)
        assert got.dtype == np.float64
        assert (got.isna().to_numpy() == GONE).all()
        assert_same(got[~GONE], fe.entropy(P[~GONE]), INDEX[~GONE])


def test_nan_is_nan() -> None:
    """In columns of NumPy, as NumPy's users know it: no error, and that row is NaN."""
    frame = FRAME.copy()
    frame.iloc[3, 2] = np.nan
    rows = P.copy()
    rows[3, 2] = np.nan
    assert_same(door.entropy(frame), fe.entropy(rows))
    assert fe.entropy(frame).tobytes() == fe.entropy(rows).tobytes()
    assert_same(door.entropy(lists(rows)), fe.entropy(rows))


def test_entries_that_are_missing() -> None:
    """An error that names the column and the row, or probability 0."""
    for hold in (arrow_backed, nullable):
        frame = hold(P)
        frame.iloc[3, 2] = pd.NA
        with pytest.raises(
            ValueError, match=r"^column 'class 2', row 3, index 'row 3' \(p, double\)"
        ):
            door.entropy(frame)
        rows = P.copy()
        rows[3, 2] = 0
        assert_same(door.entropy(frame, nulls="zero"), fe.entropy(rows))
        rows[3, 2] = np.nan
        assert fe.entropy(frame).tobytes() == fe.entropy(rows).tobytes()  # as NumPy sees them
    holes = pd.Series([[0.5, 0.5], [0.5, None]])
    with pytest.raises(
        ValueError, match=r"^entry 1 of column 'p', row 1 \(p, .*\), is null: fill it"
    ):
        door.entropy(holes)
    assert door.entropy(holes, base=2, nulls="zero").tolist() == [1, 0.5]
    with pytest.raises(ValueError, match="nulls must be 'null' or 'zero', not 'drop'"):
        door.entropy(FRAME, nulls="drop")


# ---- nothing, and errors ----------------------------------------------------------------------


@pytest.mark.parametrize("hold", HOLDS[:3], ids=lambda hold: hold.__name__)
def test_no_rows(hold: Any) -> None:
    """An empty result of the same kind."""
    for got, whole in (
        (door.entropy(hold(P)[:0]), door.entropy(hold(P))),
        (door.log_loss(hold(LABELS)[:0], hold(P)[:0]), door.log_loss(hold(LABELS), hold(P))),
        (door.kl_divergence(hold(P)[:0], Q[0]), door.kl_divergence(hold(P), Q[0])),
    ):
        assert len(got) == 0
        assert got.dtype == whole.dtype
    for name in ("score_logits", "softmax"):
        arguments = (None, hold(X)) if name == "score_logits" else (hold(X),)
        got = getattr(door, name)(*(None if a is None else a[:0] for a in arguments))
        assert len(got) == 0
        assert got.dtypes.equals(getattr(door, name)(*arguments).dtypes)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: door.entropy(P),
            TypeError,
            "none of p is of pandas: pass arrays to fastent.entropy",
        ),
        (
            lambda: door.entropy(FRAME["class 0"]),
            TypeError,
            "which is one distribution: pass it to f",
        ),
        (lambda: door.entropy(FRAME, axis=0), TypeError, "axis= has no place here"),
        (lambda: door.entropy(FRAME, bsae=2), TypeError, "no option bsae: did you mean 'base'"),
        (lambda: door.kl_divergence(FRAME), TypeError, "kl_divergence needs q"),
        (
            lambda: door.kl_divergence(FRAME, "q"),
            TypeError,
            "q is of type str: pass a Series or num",
        ),
        (lambda: door.entropy(FRAME.astype(str)), TypeError, r"column 'class 0' \(p\) is .*string"),
        (lambda: door.entropy(pd.Series([[1], {}])), TypeError, r"column 'p' \(p\) is object, and"),
        (lambda: door.entropy(FRAME[[]]), ValueError, "the list of columns of p is empty"),
        (lambda: door.log_loss(Y * 1.0, FRAME), TypeError, r'integers, such as .astype\("Int64"\)'),
        (
            lambda: door.log_loss(Y + 1, FRAME),
            ValueError,
            r"'label', row \d+, index 'row \d+' \(lab",
        ),
        (
            lambda: door.entropy(FRAME * 2, check=True),
            ValueError,
            "row 0, index 'row 0' .* sums to 2",
        ),
        (
            lambda: door.mutual_information(FRAME),
            TypeError,
            "a table takes fixed-size lists of fix",
        ),
        (lambda: door.log_loss(FRAME["class 0"], Q), TypeError, "integers, such as"),
        (
            lambda: fe.entropy(FRAME.astype(object)),
            TypeError,
            "dtype object: .* to fastent.pandas, wh",
        ),
        (
            lambda: fe.entropy(lists(P)),
            TypeError,
            "dtype object: .* to fastent.pandas, which reads",
        ),
    ],
)
def test_errors(make: Any, error: type[Exception], message: str) -> None:
    """They say what, where, and what to do."""
    with pytest.raises(error, match=message):
        make()


def test_rows_are_named_in_errors() -> None:
    """By their label, of whatever kind, beside their place."""
    bad = (FRAME * 2).reset_index(drop=True)
    for index, words in (
        (bad.index, "row 0 (p,"),
        (pd.Index([pd.NA, *range(1, ROWS)]), "row 0, index <NA> (p,"),
        (
            pd.date_range("2026-01-01", periods=ROWS),
            "row 0, index Timestamp('2026-01-01 00:00:00')",
        ),
        (pd.MultiIndex.from_product([["a"], range(ROWS)]), "row 0, index ('a', 0) (p,"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            door.entropy(bad.set_axis(index), check=True)


def test_warnings() -> None:
    """NumPy's, under the caller's errstate."""
    bad = FRAME - 0.5
    with pytest.warns(RuntimeWarning, match="invalid value encountered in entropy"):
        door.entropy(bad)
    with np.errstate(invalid="ignore"):
        assert door.entropy(bad).isna().any()


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_without_packages(missing: str) -> None:
    """The module says which extra it needs."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    import fastent.pandas\nexcept ImportError as error:\n    print(error)"
    )
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert 'pip install "fastent-numpy[pandas]"' in done.stdout
