"""Frames and series of pandas: the bits of the measure of the array, with the index."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from arrow_cases import CASES, CLASSES, LABELS, ROWS, WEIGHT, P, Q, X, fixed, pa

import fastent as fe
from fastent.arrow._measures import measures

pd: Any = pytest.importorskip("pandas")
door: Any = pytest.importorskip("fastent.pandas")

INDEX = pd.Index([f"row {i}" for i in range(ROWS)], name="which")
COLUMN_OPTIONS = ("weight", "pos_weight", "indices_or_k")


def numpy_backed(rows: Any) -> Any:
    """Return rows as pandas holds arrays."""
    return one_of(rows)


def arrow_backed(rows: Any) -> Any:
    """Return them in columns of Arrow's types."""
    held = one_of(rows)
    return held if rows.ndim == 3 else held.astype(pd.ArrowDtype(pa.from_numpy_dtype(rows.dtype)))


def nullable(rows: Any) -> Any:
    """Return them in columns of pandas' own types with NA."""
    held = one_of(rows)
    return held if rows.ndim == 3 else held.astype(NULLABLE[rows.dtype.name])


NULLABLE = {"float64": "Float64", "int64": "Int64", "bool": "boolean"}


def one_of(rows: Any) -> Any:
    """Return a frame of rows, a series of numbers."""
    if rows.ndim == 1:
        return pd.Series(rows, INDEX)
    if rows.ndim == 3:
        return pd.Series(pd.arrays.ArrowExtensionArray(fixed(rows)), INDEX)
    return pd.DataFrame(rows, INDEX, [f"class {i}" for i in range(rows.shape[1])])


def lists(rows: Any) -> Any:
    """Return a series of Python's lists."""
    return pd.Series(list(rows), INDEX) if rows.ndim == 2 else one_of(rows)


def arrow_lists(rows: Any) -> Any:
    """Return a series of Arrow's lists."""
    if rows.ndim == 1:
        return arrow_backed(rows)
    return pd.Series(pd.arrays.ArrowExtensionArray(fixed(rows)), INDEX)


HOLDS = [numpy_backed, arrow_backed, nullable, lists, arrow_lists]


def numbers(got: Any) -> Any:
    """Return the numbers of a frame or series."""
    if isinstance(got, pd.DataFrame):
        return np.stack([numbers(column) for _, column in got.items()], axis=1)
    if isinstance(got.dtype, pd.ArrowDtype):
        array = pa.chunked_array(got.array.__arrow_array__()).combine_chunks()
        while isinstance(array, (pa.FixedSizeListArray, pa.ListArray)):
            array = array.flatten()
        return array.to_numpy(zero_copy_only=False)
    dtype = getattr(got.dtype, "numpy_dtype", got.dtype)
    return got.to_numpy(dtype=dtype)


def assert_same(got: Any, want: Any, index: Any = INDEX) -> None:
    """Assert that this is a result of pandas with these numbers, bit for bit."""
    if isinstance(want, tuple):
        kept = [part for part in want if part is not None]
        if isinstance(got, pd.DataFrame):
            if hasattr(want, "_fields"):
                pairs = zip(want._fields, want, strict=True)
                assert [name for name, part in pairs if part is not None] == list(got.columns)
            got = [column for _, column in got.items()]
        for one, part in zip(got, kept, strict=True):
            assert_same(one, part, index)
        return
    assert isinstance(got, (pd.Series, pd.DataFrame))
    assert got.index.equals(index)
    assert got.index.names == index.names
    entries = numbers(got).reshape(np.shape(want))
    assert entries.dtype == want.dtype
    assert entries.tobytes() == want.tobytes()


def ids(index: int) -> str:
    """Return the name of a case."""
    name, operands, options = CASES[index]
    return " ".join([name, *("none" if x is None else f"{x.ndim}-D" for x in operands), *options])


def call(index: int, hold: Any) -> tuple[Any, Any]:
    """Return what pandas and arrays make of a case."""
    name, operands, options = CASES[index]
    held = [None if rows is None else hold(rows) for rows in operands]
    more = {
        key: hold(value) if key in COLUMN_OPTIONS and isinstance(value, np.ndarray) else value
        for key, value in options.items()
    }
    return getattr(door, name)(*held, **more), getattr(fe, name)(*operands, **options)


@pytest.mark.parametrize("hold", HOLDS, ids=lambda hold: hold.__name__)
@pytest.mark.parametrize("index", range(len(CASES)), ids=ids)
def test_every_measure(index: int, hold: Any) -> None:
    """Of frames and series of every kind, with the index and the kind of results."""
    got, want = call(index, hold)
    assert_same(got, want)
    parts = got if isinstance(got, tuple) else [got]
    for part in parts:
        columns = [part] if isinstance(part, pd.Series) else [x for _, x in part.items()]
        for column in columns:
            if isinstance(column.dtype, pd.ArrowDtype):
                nested = pa.types.is_nested(column.dtype.pyarrow_dtype)
                assert nested or hold in (arrow_backed, arrow_lists) or CASES[index][1][0].ndim == 3
            else:
                assert hold not in (arrow_backed, arrow_lists)
                assert isinstance(column.dtype, np.dtype) == (hold is not nullable)
    if isinstance(got, pd.Series):
        assert got.name in (CASES[index][0], "gradient")


@pytest.mark.parametrize("hold", HOLDS[:3], ids=lambda hold: hold.__name__)
@pytest.mark.parametrize("index", range(len(CASES)), ids=ids)
def test_measures_of_arrays_take_frames(index: int, hold: Any) -> None:
    """The measure of arrays reads them itself, and returns arrays: never a frame that is broken."""
    name, operands, options = CASES[index]
    if any(rows is not None and rows.ndim == 3 for rows in operands):
        return
    got = getattr(fe, name)(*(None if x is None else hold(x) for x in operands), **options)
    want = getattr(fe, name)(*operands, **options)
    parts = got if isinstance(got, tuple) else (got,)
    for part, other in zip(parts, want if isinstance(want, tuple) else (want,), strict=True):
        assert type(part) is type(other)
        if part is not None:
            assert part.dtype == other.dtype
            assert part.tobytes() == other.tobytes()


def test_every_measure_is_here() -> None:
    """With the signature of fastent's but for what has no place, and a docstring."""
    assert door.__all__ == sorted(measures())
    for name in door.__all__:
        found = inspect.signature(getattr(door, name)).parameters
        known = inspect.signature(getattr(fe, name)).parameters
        left = {"axis", "out", "keepdims", "reduction", "offsets", "where", "return_weight"}
        assert list(found) == [n for n in known if n not in left] + ["nulls"]
        assert (
            getattr(door, name).__doc__.splitlines()[0] == getattr(fe, name).__doc__.splitlines()[0]
        )
        assert getattr(door, name).__module__ == "fastent.pandas"


# ---- operands ---------------------------------------------------------------------------------

FRAME, OTHER, Y = one_of(P), one_of(Q), pd.Series(LABELS, INDEX, name="label")


def test_arrays_beside_frames() -> None:
    """They go by position: rows, labels, weights; one distribution stands beside each row."""
    assert_same(door.kl_divergence(FRAME, Q), fe.kl_divergence(P, Q))
    assert_same(door.kl_divergence(P, OTHER), fe.kl_divergence(P, Q))
    assert_same(door.kl_divergence(FRAME, Q[0]), fe.kl_divergence(P, Q[0]))
    assert_same(door.kl_divergence(Q[0].tolist(), FRAME), fe.kl_divergence(Q[0], P))
    assert_same(
        door.kl_divergence(FRAME, FRAME.mean()), fe.kl_divergence(P, FRAME.mean().to_numpy())
    )
    assert_same(door.log_loss(LABELS, FRAME), fe.log_loss(LABELS, P))
    assert_same(door.log_loss(LABELS.tolist(), FRAME), fe.log_loss(LABELS, P))
    assert_same(
        door.log_loss(Y, FRAME, weight=WEIGHT.tolist()), fe.log_loss(LABELS, P, weight=WEIGHT)
    )
    assert_same(door.binary_cross_entropy(1, FRAME["class 0"]), fe.binary_cross_entropy(1, P[:, 0]))
    many = pd.DataFrame(np.tile(P, (5000, 1)))
    want = np.tile(fe.kl_divergence(P, Q[0]), 5000)
    assert_same(door.kl_divergence(many, Q[0]), want, many.index)


def test_an_index_that_differs() -> None:
    """Rows are never put beside others silently."""
    with pytest.raises(
        ValueError, match=r"index of q is not that of p: row 0 is 'row 36', not 'row"
    ):
        door.kl_divergence(FRAME, OTHER[::-1])
    with pytest.raises(ValueError, match=r"p has 37 rows and q has 36: align them"):
        door.kl_divergence(FRAME, OTHER[1:])
    with pytest.raises(
        ValueError, match=r"index of labels is not that of prob|prob is not that of"
    ):
        door.log_loss(Y.reset_index(drop=True), FRAME)
    with pytest.raises(ValueError, match="weight is not that of p"):
        door.entropy(FRAME, weight=pd.Series(WEIGHT))
    with pytest.raises(ValueError, match="p has 37 rows and q has 5"):
        door.kl_divergence(FRAME, Q[:5])
    got = door.kl_divergence(FRAME, OTHER[::-1].reindex(INDEX))
    assert_same(got, fe.kl_divergence(P, Q))


def test_columns_that_differ() -> None:
    """One name at two places is an error; other names go by position."""
    with pytest.raises(ValueError, match=r"column 'class 5' is number 0 of q and number 5 of p"):
        door.kl_divergence(FRAME, OTHER[OTHER.columns[::-1]])
    assert_same(door.kl_divergence(FRAME, OTHER.add_prefix("q_")), fe.kl_divergence(P, Q))
    with pytest.raises(ValueError, match="the index of q is not the columns of p"):
        door.kl_divergence(FRAME, FRAME.mean()[::-1])
    with pytest.raises(ValueError, match="6 numbers a row and 5 numbers a row"):
        door.kl_divergence(FRAME, OTHER[OTHER.columns[:5]])


def test_names_of_all_kinds() -> None:
    """Levels of names, the same name twice, names that look like patterns, an index of levels."""
    levels = pd.MultiIndex.from_product([["a", "b"], range(CLASSES // 2)])
    index = pd.MultiIndex.from_arrays(
        [np.arange(ROWS) // 10, np.arange(ROWS) % 10], names=list("xy")
    )
    for columns in (levels, ["p"] * CLASSES, ["*", "p_*", "[", "q", "p", "'"], range(CLASSES)):
        frame = FRAME.set_axis(columns, axis=1).set_axis(index)
        assert_same(door.entropy(frame), fe.entropy(P), index)
        assert_same(door.kl_divergence(frame, frame), np.zeros(ROWS), index)
        soft = door.softmax(frame)
        assert soft.columns.equals(frame.columns)
        assert_same(soft, fe.softmax(P), index)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64", "bool"])
def test_types(dtype: str) -> None:
    """The dtype of the results is that of the measure; of several, of all columns together."""
    rows = (P * 100).astype(dtype)
    rows[rows.sum(1) == 0] = 1
    for hold in (numpy_backed, arrow_backed, lists, arrow_lists):
        assert_same(door.entropy(hold(rows), normalize=True), fe.entropy(rows, normalize=True))
    in_place = pd.DataFrame(rows, copy=False)
    assert_same(
        door.entropy(in_place, normalize=True), fe.entropy(rows, normalize=True), in_place.index
    )
    mixed = FRAME.assign(**{"class 1": rows[:, 1], "class 2": rows[:, 2].astype("f8")})
    want = mixed.astype("f8").to_numpy()
    assert_same(door.perplexity(mixed, normalize=True), fe.perplexity(want, normalize=True))
    assert fe.perplexity(mixed, normalize=True).tobytes() == (
        fe.perplexity(want, normalize=True).tobytes()
    )


def test_other_columns() -> None:
    """Categories stand for their values, sparse columns for all; objects may be numbers."""
    small = FRAME.round(1)
    want = fe.entropy(small.to_numpy(), normalize=True)
    for frame in (small.astype("category"), small.astype(object)):
        assert_same(door.entropy(frame, normalize=True), want)
    sparse = small.astype(pd.SparseDtype("float64", 0))
    assert_same(door.entropy(sparse, normalize=True), want)
    assert_same(door.log_loss(Y.astype("category"), FRAME), fe.log_loss(LABELS, P))
    swapped = FRAME.astype(">f8") if sys.byteorder == "little" else FRAME.astype("<f8")
    assert_same(door.entropy(swapped), fe.entropy(P))
    records = pd.Series([{"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 0.0}])
    assert door.entropy(records, base=2).tolist() == [1, 0]


def test_lists_of_different_lengths() -> None:
    """A series of lists, as of Arrow."""
    words = pd.Series([[0.5, 0.5], [1.0], None, [0.25] * 4], list("abcd"))
    got = door.entropy(words, base=2)
    assert got.fillna(-1).tolist() == [1, 0, -1, 2]
    assert list(got.index) == list("abcd")


def test_results_may_be_written_to() -> None:
    """They are the caller's own."""
    frame = FRAME.copy()
    for got in (door.entropy(frame), door.surprisal(frame["class 0"]), door.score_logits(Y, frame)):
        got.iloc[0] = 7
        assert (np.asarray(got)[0] == 7).all()
    soft = door.softmax(frame)
    soft.iloc[0, 0] = 7
    assert soft.iloc[0, 0] == 7
    assert frame.equals(FRAME)


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
