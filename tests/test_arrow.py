"""Measures of Arrow columns: the bits of the measure of the array, whatever holds the rows."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from arrow_cases import (
    CASES,
    IN_ONE_COLUMN,
    LABELS,
    ROWS,
    P,
    Q,
    X,
    fixed,
    nullify,
    pa,
    tensor,
    transposed,
)

import fastent as fe
from fastent._measures import OF_ARRAYS
from fastent.arrow import Scorer, score
from fastent.arrow._measures import NO_OPTIONS, measures

COLUMN_OPTIONS = ("weight", "pos_weight", "indices_or_k")


def table_of(
    operands: tuple[Any, ...], options: dict[str, Any], hold: Callable[[Any], Any] | None
) -> tuple[Any, list[Any], dict[str, Any]]:
    """Return a table, what names the operands in it, and options; None holds rows in columns."""
    columns: dict[str, Any] = {}
    named: list[Any] = []
    for i, rows in enumerate(operands):
        if rows is not None:
            _hold(columns, f"operand_{i}", rows, hold)
        if rows is not None and hold is None and rows.ndim == 2:
            named.append(f"operand_{i}_*")
        else:
            named.append(None if rows is None else f"operand_{i}")
    options = dict(options)
    for name in COLUMN_OPTIONS:
        if isinstance(options.get(name), np.ndarray):
            _hold(columns, name, options[name], hold or fixed)
            options[name] = name
    return pa.table(columns), named, options


def _hold(columns: dict[str, Any], name: str, rows: Any, hold: Any) -> None:
    """Put an operand into columns."""
    if rows.ndim == 1:
        columns[name] = pa.array(rows)
    elif rows.ndim == 3:
        columns[name] = fixed(rows)
    elif hold is None:
        columns |= {f"{name}_{j}": pa.array(column) for j, column in enumerate(rows.T.copy())}
    else:
        columns[name] = hold(rows)


def assert_same(got: Any, want: Any) -> None:
    """Assert that columns of results hold these arrays, bit for bit, and are called alike."""
    if isinstance(want, tuple):
        kept = [part for part in want if part is not None]
        if hasattr(want, "_fields"):
            names = [
                name for name, part in zip(want._fields, want, strict=True) if part is not None
            ]
            assert got.schema.names == names
        assert got.num_columns == len(kept)
    else:
        got, kept = pa.table({"only": got}), [want]
    for column, part in zip(got.columns, kept, strict=True):
        assert column.null_count == 0
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        while not isinstance(array, (pa.NumericArray, pa.BooleanArray)):
            array = array.flatten()
        entries = array.to_numpy(zero_copy_only=False).reshape(np.shape(part))
        assert entries.dtype == part.dtype
        assert entries.tobytes() == part.tobytes()


def ids(case: Any) -> str:
    """Return the name of a case."""
    name, operands, options = case
    shapes = ["none" if x is None else f"{x.ndim}-D" for x in operands]
    return " ".join([name, *shapes, *options])


def test_every_measure_is_here() -> None:
    """A measure that has a result for each row comes with a case, a keyword of arrays a reason."""
    assert {name for name, _, _ in CASES} == set(measures())
    assert set(NO_OPTIONS) == set(OF_ARRAYS)


@functools.cache
def expected(index: int) -> Any:
    """Return the measure of the arrays."""
    name, operands, options = CASES[index]
    return getattr(fe, name)(*operands, **options)


@pytest.mark.parametrize("layout", ["columns", *IN_ONE_COLUMN])
@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: ids(CASES[i]))
def test_every_measure_of_every_layout(index: int, layout: str) -> None:
    """As a table, in chunks, as a record batch, batch by batch from a reader."""
    name, operands, options = CASES[index]
    table, named, options = table_of(operands, options, IN_ONE_COLUMN.get(layout))
    want = expected(index)
    assert_same(score(table, name, *named, **options), want)
    assert_same(score(table, getattr(fe, name), *named, **options), want)
    batch = table.combine_chunks().to_batches()[0]
    found = score(batch, name, *named, **options)
    assert isinstance(found, pa.RecordBatch if isinstance(want, tuple) else pa.Array)
    assert_same(found, want)
    pieces = [batch[:10], batch[10:10], batch[10:11], batch[11:]]
    found = score(pa.Table.from_batches(pieces), name, *named, **options)
    first = found.column(0) if isinstance(want, tuple) else found
    assert [len(chunk) for chunk in first.chunks] == [10, 0, 1, ROWS - 11]
    assert_same(found, want)
    reader = pa.RecordBatchReader.from_batches(batch.schema, pieces)
    found = score(reader, name, *named, **options)
    assert isinstance(found, pa.RecordBatchReader)
    found = found.read_all()
    assert_same(found if isinstance(want, tuple) else found[0], want)


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: ids(CASES[i]))
@pytest.mark.parametrize("layout", ["columns", "fixed-size lists", "lists", "structs"])
def test_null_rows(index: int, layout: str) -> None:
    """A null in any operand makes the result null, and leaves the others their bits."""
    name, operands, options = CASES[index]
    table, named, options = table_of(operands, options, IN_ONE_COLUMN.get(layout))
    whole = score(table, name, *named, **options)
    whole = whole if isinstance(whole, pa.Table) else pa.table({name: whole})
    kept = np.random.default_rng(index).random(ROWS) < 0.8
    for column in table.column_names:
        group = column.rpartition("_")[0] if column.endswith(tuple("012345")) else column
        masked = table
        for place, other in enumerate(table.column_names):
            if other == column or (layout == "columns" and other.startswith(f"{group}_")):
                nulled = nullify(table[other].combine_chunks(), ~kept)
                masked = masked.set_column(place, other, nulled)
        got = score(masked, name, *named, **options)
        got = got if isinstance(got, pa.Table) else pa.table({name: got})
        for one, other in zip(got.columns, whole.columns, strict=True):
            assert (one.is_valid().to_numpy() == kept).all()
            assert one.drop_null().to_pylist() == other.filter(pa.array(kept)).to_pylist()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64", "bool"])
@pytest.mark.parametrize("layout", ["columns", *IN_ONE_COLUMN])
def test_dtypes(layout: str, dtype: str) -> None:
    """Read as they are: the dtype and the bits of the measure of the array."""
    rows = (P * 100).astype(dtype)
    rows[0, 0] = 1
    rows[rows.sum(1) == 0] = 1
    table, named, _ = table_of((rows, Q.astype("f4")), {}, IN_ONE_COLUMN.get(layout))
    got = score(table, "entropy", named[0], normalize=True)
    assert_same(got, fe.entropy(rows, normalize=True))
    got = score(table, "kl_divergence", *named, normalize=True)
    assert_same(got, fe.kl_divergence(rows, Q.astype("f4"), normalize=True))


@pytest.mark.parametrize("hold", [fixed, tensor, transposed])
def test_tables_in_rows(hold: Any) -> None:
    """Joint tables as nested lists and as tensors, whose axes may lie in any order."""
    joint = np.random.default_rng(3).dirichlet(np.ones(12), 9).reshape(9, 3, 4)
    table = pa.table({"joint": hold(joint)})
    assert_same(score(table, "conditional_entropy"), fe.conditional_entropy(joint))
    nulls = np.arange(9) % 4 == 1
    got = score(pa.table({"joint": hold(joint, nulls)}), "mutual_information")
    assert (got.is_null().to_numpy() == nulls).all()
    assert_same(got.drop_null(), fe.mutual_information(joint[~nulls]))
    assert_same(score(hold(joint)[2:], "entropy"), fe.entropy(joint[2:]))


def test_columns_of_several_types() -> None:
    """They meet in the type that holds all."""
    batch = pa.record_batch({"a": pa.array([0.5, 0.25], pa.float32()), "b": [0.5, 0.75]})
    want = fe.entropy(np.array([[0.5, 0.5], [0.25, 0.75]]))
    assert_same(score(batch, "entropy"), want)
    batch = pa.record_batch({"a": [1, 0], "b": [0.5, 0.75]})
    assert_same(score(batch, "entropy", ["a", "b"]), fe.entropy([[1, 0.5], [0, 0.75]]))


# ---- lists of different lengths ---------------------------------------------------------------

LENGTHS = [3, 0, 1, 5, 2, 2, 0, 4]
RAGGED = sorted(name for name, measure in measures().items() if measure.ragged)


def ragged(seed: int, kind: Any, nulls: Any = None) -> tuple[Any, list[Any]]:
    """Return lists of those lengths, and the same as arrays."""
    rng = np.random.default_rng(seed)
    rows = [rng.dirichlet(np.ones(n)) if n else np.empty(0) for n in LENGTHS]
    array = pa.array([row.tolist() for row in rows], kind(pa.float64()))
    return array if nulls is None else nullify(array, nulls), rows


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, pa.list_view], ids=["", "large", "view"])
@pytest.mark.parametrize("name", RAGGED)
def test_ragged(name: str, kind: Any) -> None:
    """Each list has the bits that it has by itself; what is in null lists is left out."""
    roles = measures()[name].operands
    options: dict[str, Any] = {}
    options |= {"alpha": 2.0} if "renyi" in name else {"order": 2.0} if "tsallis" in name else {}
    made = [ragged(seed, kind) for seed in range(len(roles))]
    rows = [each[1] for each in made]
    want = [getattr(fe, name)(*parts, **options) for parts in zip(*rows, strict=True)]
    table = pa.table(dict(zip(roles, (each[0] for each in made), strict=True)))
    assert_same(score(table, name, *roles, **options), np.array(want))
    assert_same(score(table[2:], name, *roles, **options), np.array(want[2:]))
    if kind is pa.list_view:
        return
    nulls = np.arange(len(LENGTHS)) % 3 == 0
    masked = table.set_column(0, roles[0], ragged(0, kind, nulls)[0])
    got = score(masked, name, *roles, **options)
    assert (got.is_null().to_numpy() == nulls).all()
    assert_same(got.drop_null(), np.array(want)[~nulls])


def test_results_in_lists() -> None:
    """Of a measure with a result for each entry they are as long as the row."""
    array, rows = ragged(0, pa.list_)
    got = score(array, "surprisal")
    assert got.type == pa.list_(pa.float64())
    assert got.to_pylist() == [fe.surprisal(row).tolist() for row in rows]
    nulls = np.arange(len(LENGTHS)) % 3 == 0
    got = score(pa.chunked_array([ragged(0, pa.list_, nulls)[0]]), "surprisal")
    want = [None if null else fe.surprisal(r).tolist() for r, null in zip(rows, nulls, strict=True)]
    assert got.to_pylist() == want
    places = pa.array([[1], [0], None], pa.list_(pa.int8()))
    batch = pa.record_batch({"x": pa.array([[1.0, 2.0]] * 3), "i": places})
    got = score(batch, "top_log_probs", "x", indices_or_k="i")
    assert got["indices"].to_pylist() == [[1], [0], None]
    assert got["entropy"].null_count == 1


def test_lists_of_one_length_a_batch() -> None:
    """The number of classes may differ from batch to batch, not within one."""
    short, long = pa.array([[0.5, 0.5]]), pa.array([[0.25] * 4, [0.25] * 4])
    table = pa.table({"p": pa.chunked_array([short, long]), "y": [0, 1, 2]})
    assert score(table, "log_loss", "y", "p", base=2).to_pylist() == [1, 2, 2]
    assert score(table.combine_chunks()[1:], "log_loss", "y", "p", base=2).to_pylist() == [2, 2]
    with pytest.raises(ValueError, match=r"row 1: there are 4 entries in prob, 2 .* one length"):
        score(table.combine_chunks(), "log_loss", "y", "p")


# ---- nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: ids(CASES[i]))
@pytest.mark.parametrize("layout", ["columns", "fixed-size lists", "lists", "list views"])
def test_no_rows(index: int, layout: str) -> None:
    """No rows, no chunks and null rows alone have results of the same types."""
    name, operands, options = CASES[index]
    table, named, options = table_of(operands, options, IN_ONE_COLUMN.get(layout))
    scorer = Scorer(table.schema, name, *named, **options)
    whole = scorer.score(table.combine_chunks().to_batches()[0])
    assert whole.schema == scorer.schema
    columns = [column.combine_chunks()[:0] for column in table.columns]
    empty = scorer.score(pa.RecordBatch.from_arrays(columns, table.column_names))
    assert (empty.num_rows, empty.schema) == (0, scorer.schema)
    none = score(table.schema.empty_table(), name, *named, **options)
    assert len(none) == 0
    nulls = [pa.nulls(5, field.type) for field in table.schema]
    found = scorer.score(pa.RecordBatch.from_arrays(nulls, schema=table.schema))
    assert found.schema == scorer.schema
    assert all(column.null_count == 5 for column in found.columns)
    found.validate(full=True)


def test_no_entries() -> None:
    """Empty lists, of any kind: what the measure of no entries is."""
    assert score(pa.array([[], []]), "entropy").to_pylist() == [0, 0]
    assert score(pa.array([[], None], pa.list_(pa.float32(), 0)), "perplexity").to_pylist() == [
        1,
        None,
    ]
    assert score(pa.array([[]], pa.large_list(pa.float32())), "softmax").to_pylist() == [[]]
    with pytest.raises(ValueError, match="there are no classes"):
        score(pa.array([[], []], pa.list_(pa.float32(), 0)), "score_logits")


# ---- plans ------------------------------------------------------------------------------------


def test_scorer() -> None:
    """A plan reads its columns by name, wherever they are, and refuses another type."""
    batch = pa.record_batch({"p": fixed(P), "other": LABELS, "y": LABELS})
    scorer = Scorer(batch.schema, "log_loss", "y")
    assert scorer.columns == ["y", "p"]
    assert scorer.schema == pa.schema([("log_loss", pa.float64())])
    want = fe.log_loss(LABELS, P)
    assert_same(scorer.score(batch)[0], want)
    assert_same(scorer.score(batch.select(["y", "p"]))[0], want)
    with pytest.raises(
        TypeError, match=r"column 'p' is .*float.* in a batch, .*double.* in the sch"
    ):
        scorer.score(pa.record_batch({"p": fixed(P.astype("f4")), "y": LABELS}))
    with pytest.raises(ValueError, match="no column 'y'"):
        scorer.score(batch.select(["p"]))


def test_a_scorer_travels() -> None:
    """To other processes."""
    table, named, _ = table_of((LABELS, X), {}, fixed)
    scorer = Scorer(table.schema, "score_logits", *named, base=2)
    batch = table.to_batches()[0]
    assert pickle.loads(pickle.dumps(scorer)).score(batch).equals(scorer.score(batch))


def test_warnings() -> None:
    """What is no probability is NaN, with NumPy's warning, under the caller's errstate."""
    data = pa.array([[0.5, 0.5], None, [1.5, -0.5]])
    with pytest.warns(RuntimeWarning, match="invalid value encountered in entropy"):
        got = score(data, "entropy", base=2)
    assert got[:2].to_pylist() == [1, None]
    assert np.isnan(got[2].as_py())
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        score(data, "entropy")


def test_many_threads_share_a_scorer() -> None:
    """Nothing of a batch is kept in it."""
    from concurrent.futures import ThreadPoolExecutor

    table, named, _ = table_of((X,), {}, None)
    scorer = Scorer(table.schema, "softmax_entropy", *named)
    batches = table.to_batches(max_chunksize=5) * 20
    want = [scorer.score(batch).to_pylist() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert [found.to_pylist() for found in pool.map(scorer.score, batches)] == want
