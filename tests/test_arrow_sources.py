"""Where Arrow data come from: PyArrow, other libraries by protocol, streams; what is copied."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from arrow_cases import IN_ONE_COLUMN, LABELS, P, Q, fixed, pa

import fastent as fe
from fastent.arrow import Scorer, score
from fastent.arrow._layouts import layout_of

WANT = fe.entropy(P)


def same(got: Any, want: Any = WANT) -> bool:
    """Whether results have these bits."""
    column = got.combine_chunks() if isinstance(got, pa.ChunkedArray) else got
    return bool(column.to_numpy().tobytes() == want.tobytes())


# ---- PyArrow ----------------------------------------------------------------------------------


def test_arrays_are_operands() -> None:
    """In the order of the measure, with or without what it may lack, in any chunks."""
    p, q, y = fixed(P), fixed(Q), pa.array(LABELS)
    assert same(score(p, "entropy"))
    assert same(score(pa.chunked_array([p[:3], p[3:]]), fe.entropy))
    assert same(score([y, p], "log_loss"), fe.log_loss(LABELS, P))
    assert score(p, "score_logits").equals(score([p], "score_logits"))
    assert score([y, p], "score_logits").schema.names[0] == "cross_entropy"
    assert score([p, q], "compare_logits").num_columns == 4
    assert score((p, q, y), "compare_logits").num_columns == 5
    ragged = pa.chunked_array([q[:11], q[11:12], q[12:]])
    got = score([pa.chunked_array([p[:5], p[5:]]), ragged], "kl_divergence")
    assert same(got, fe.kl_divergence(P, Q))
    assert [len(chunk) for chunk in got.chunks] == [5, 6, 1, 25]
    with pytest.raises(TypeError, match=r"kl_divergence takes p, q, an array each: 1 came"):
        score(p, "kl_divergence")
    with pytest.raises(TypeError, match=r"columns are chosen by name from a table"):
        score(p, "entropy", "p")
    with pytest.raises(ValueError, match=r"p has 37 rows and q has 36: each needs a row"):
        score([p, q[1:]], "kl_divergence")


def test_a_stream_stays_a_stream() -> None:
    """A batch is read when its results are asked for, and types are known before the first."""
    read = []

    def batches() -> Iterator[Any]:
        for i in range(3):
            read.append(i)
            yield pa.record_batch({"p": fixed(P), "i": np.full(len(P), i)})

    schema = pa.schema([("p", fixed(P).type), ("i", pa.int64())])
    found = score(pa.RecordBatchReader.from_batches(schema, batches()), "entropy", base=2)
    assert isinstance(found, pa.RecordBatchReader)
    assert found.schema == pa.schema([("entropy", pa.float64())])
    assert read == []
    assert same(found.read_next_batch()[0], fe.entropy(P, base=2))
    assert read == [0]
    assert found.read_all().num_rows == 2 * len(P)


def test_errors_of_a_stream() -> None:
    """Those of the source, and those of a row of a later batch."""

    def batches() -> Iterator[Any]:
        yield pa.record_batch({"p": [0.5, 0.25]})
        yield pa.record_batch({"p": [0.5, 1.25]})
        raise RuntimeError("the line went dead")

    schema = pa.schema([("p", pa.float64())])
    with pytest.raises(ValueError, match="column 'p', row 3 "):
        score(
            pa.RecordBatchReader.from_batches(schema, batches()), "surprisal", check=True
        ).read_all()
    with pytest.raises(RuntimeError, match="the line went dead"):
        score(pa.RecordBatchReader.from_batches(schema, batches()), "surprisal").read_all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (P, "ndarray, which holds no Arrow data: pass arrays of NumPy to fastent.entropy"),
        ([P], "list, which holds no Arrow data: pass a table, a record batch, a reader"),
        ([], "list, which holds no Arrow data"),
        ("file.parquet", "str, which holds no Arrow data"),
        (None, "NoneType, which holds no Arrow data"),
    ],
    ids=["array", "list", "nothing", "str", "None"],
)
def test_data_that_are_none(data: Any, message: str) -> None:
    """A TypeError says what to pass."""
    with pytest.raises(TypeError, match=f"data is of type {message}"):
        score(data, "entropy")


def test_datasets_say_how_they_are_read() -> None:
    """By a reader."""
    dataset = pytest.importorskip("pyarrow.dataset").dataset(pa.table({"p": fixed(P)}))
    with pytest.raises(TypeError, match=r"pass .scanner\(\).to_reader\(\)"):
        score(dataset, "entropy")
    with pytest.raises(TypeError, match=r"pass what its to_reader\(\) returns"):
        score(dataset.scanner(), "entropy")
    assert same(score(dataset.scanner().to_reader(), "entropy").read_all()[0])


# ---- other libraries --------------------------------------------------------------------------


class OneArray:
    """Has the protocol of arrays and nothing else."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        """Return the capsules."""
        return self.held.__arrow_c_array__(requested_schema)


class OneStream:
    """Has the protocol of streams, and can be read once."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the capsule."""
        held, self.held = self.held, None
        if held is None:
            raise RuntimeError("it has been read")
        return held.__arrow_c_stream__(requested_schema)


def test_protocols() -> None:
    """Arrays and batches, streams of batches and of arrays."""
    batch = pa.record_batch({"p": fixed(P), "y": LABELS})
    assert same(score(OneArray(fixed(P)), "entropy"))
    assert same(score(OneArray(batch), "log_loss", "y"), fe.log_loss(LABELS, P))
    assert isinstance(score(OneArray(batch), "entropy", "p"), pa.Array)
    table = pa.Table.from_batches([batch[:5], batch[5:]])
    assert same(score(OneStream(table), "entropy", "p"))
    assert isinstance(score(OneStream(table), "score_logits", "y", "p"), pa.Table)
    with pytest.raises(TypeError, match=r"OneStream cannot be read .* pass pyarrow.chunked_array"):
        score(OneStream(table["p"]), "entropy")
    assert same(score(pa.chunked_array(OneStream(table["p"])), "entropy"))
    assert same(score([OneArray(pa.array(LABELS)), table["p"]], "log_loss"), fe.log_loss(LABELS, P))


def test_polars() -> None:
    """Frames and series, with arrays, lists or columns of their own; nulls are theirs."""
    pl = pytest.importorskip("polars")
    rows = pl.Series("p", P, dtype=pl.Array(pl.Float64, P.shape[1]))
    frame = pl.DataFrame({"p": rows, "y": LABELS, "s": ["a"] * len(P)})
    assert same(score(frame, "entropy", "p"))
    assert same(score(frame["p"], "entropy"))
    assert same(score(frame["p"].arr.to_list(), "entropy"))
    assert same(score([frame["y"], frame["p"]], "log_loss"), fe.log_loss(LABELS, P))
    assert same(score(pl.concat([frame[:5], frame[5:]], rechunk=False), "entropy", "p"))
    wide = pl.DataFrame({f"p_{i}": column for i, column in enumerate(P.T)})
    assert same(score(wide, "entropy"))
    assert same(score(wide.to_struct("s"), "entropy"))
    with pytest.raises(TypeError, match=r"LazyFrame, which .* pass what its collect\(\) returns"):
        score(frame.lazy(), "entropy")
    half = pl.Series([None, *P.tolist()], dtype=pl.Array(pl.Float32, P.shape[1]))
    got = score(half, "entropy")
    assert got.null_count == 1
    assert same(got[1:], fe.entropy(P.astype(np.float32)))
    assert same(pl.Series(got)[1:].to_arrow(), fe.entropy(P.astype(np.float32)))


def test_pandas() -> None:
    """Frames keep their index to themselves; what they call NaN is null."""
    pd = pytest.importorskip("pandas", minversion="3")
    wide = pd.DataFrame({f"p_{i}": column for i, column in enumerate(P.T)})
    wide.index = wide.index * 1.5
    assert same(score(wide, "entropy"))
    assert same(score(wide, "entropy", "*"))
    named = wide.rename_axis("p_index")
    assert same(score(named, "entropy", "p_*"))
    holes = wide.copy()
    holes.loc[1.5] = np.nan
    got = score(holes, "entropy")
    assert got.is_null().to_pylist() == [i == 1 for i in range(len(P))]
    holes.loc[3.0, "p_2"] = np.nan
    with pytest.raises(ValueError, match=r"^column 'p_2', row 2 \(p, double\), is null"):
        score(holes, "entropy")
    column = pd.Series(fixed(P), dtype=pd.ArrowDtype(fixed(P).type))
    assert same(score(column, "entropy"))
    assert same(score(pd.Series(P.tolist()), "entropy"))
    assert same(score(pd.Series(P[:, 0]), "surprisal"), fe.surprisal(P[:, 0]))
    # and the measures of arrays return arrays: an object of pandas would be reduced the wrong way
    plain = fe.entropy(wide)
    assert type(plain) is np.ndarray
    assert plain.tobytes() == WANT.tobytes()
    assert same(score(wide.astype("float64[pyarrow]"), "entropy"))


def test_duckdb() -> None:
    """Relations, with arrays, lists and columns."""
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    rows = pa.table({"p": fixed(P), "y": LABELS} | {f"p_{i}": x.copy() for i, x in enumerate(P.T)})
    connection.register("rows", rows)
    assert same(score(connection.sql("select p from rows"), "entropy"))
    assert same(score(connection.sql("select p::DOUBLE[] as p from rows"), "entropy"))
    assert same(score(connection.sql("select columns('p_.*') from rows"), "entropy"))
    got = score(connection.sql("select y, p from rows"), "log_loss", "y", "p")
    assert same(got, fe.log_loss(LABELS, P))
    reader = connection.sql("select p from rows").to_arrow_reader(10)
    assert same(score(reader, "entropy").read_all()[0])
    with pytest.raises(TypeError, match=r"column 'p' \(p\) is decimal128.*, in SQL ::DOUBLE"):
        score(connection.sql("select 0.5 as p"), "surprisal")


def test_nanoarrow() -> None:
    """Arrays of one chunk and of several, and streams."""
    na = pytest.importorskip("nanoarrow")
    assert same(score(na.Array(fixed(P)), "entropy"))
    assert same(score(na.c_array(fixed(P)), "entropy"))
    chunks = pa.chunked_array([fixed(P[:5]), fixed(P[5:])])
    assert same(score(na.Array(chunks), "entropy"))
    assert same(score(na.ArrayStream(pa.table({"p": chunks})), "entropy"))


def test_pytorch_does_not_lose_a_sign() -> None:
    """A tensor whose negation is still to be done says so, in the measures of arrays."""
    torch = pytest.importorskip("torch")
    tensor = torch.complex(torch.zeros(2), torch.tensor([-0.5, -0.25])).conj().imag
    assert tensor.is_neg()
    assert tensor.tolist() == [0.5, 0.25]
    with pytest.raises(TypeError, match=r"p cannot be read as an array: .*resolve_neg"):
        fe.surprisal(tensor)
    assert fe.surprisal(tensor.resolve_neg(), base=2).tolist() == [1, 2]


# ---- what is copied ---------------------------------------------------------------------------


WHERE_THEY_LIE = [name for name in IN_ONE_COLUMN if not name.endswith(("structs", "views"))]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
@pytest.mark.parametrize("layout", WHERE_THEY_LIE)
def test_rows_in_one_column_are_read_where_they_lie(layout: str, dtype: str) -> None:
    """The array that the measure sees begins where the rows of the column, or its slice, do."""
    column = IN_ONE_COLUMN[layout](P.astype(dtype))[2:]
    layout_ = layout_of("p", [pa.field("p", column.type)])
    arrays = layout_.fetch(pa.record_batch({"p": column}))
    rows: Any = layout_.reader(arrays, "null", 10).rows(1, len(column), None)
    rows = getattr(rows, "values", rows)
    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    size, first = P.shape[1], storage.offset + 1
    entries = storage.values.buffers()[1]
    item = np.dtype(dtype).itemsize
    assert rows.__array_interface__["data"][0] == entries.address + first * size * item


def test_results_are_not_copied() -> None:
    """The memory of the column is the one that the measure filled; that of lists within too."""
    data = fixed(np.full((1 << 16, 8), 0.125))
    for measure, most in (("entropy", 1 << 19), ("softmax", 1 << 22)):
        score(data, measure)
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        got = score(data, measure)
        assert pa.total_allocated_bytes() == before
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most <= held <= peak <= most + 100_000
        assert len(got) == 1 << 16


@pytest.mark.parametrize("gone", [False, True], ids=["", "with nulls"])
@pytest.mark.parametrize("count", [10, 1000, 10_000])
def test_many_columns_take_little_room(count: int, gone: bool) -> None:
    """They are gathered block by block: 1 or 4 MiB, and what is known of each column."""
    rows = 10_000_000 // count
    column = np.full(rows, 1 / count, np.float32)
    mask = np.arange(rows) % 7 == 3 if gone else None
    batch = pa.RecordBatch.from_arrays(
        [pa.array(column, mask=mask)] * count, [f"p_{i}" for i in range(count)]
    )
    scorer = Scorer(batch.schema, "entropy", "p_*")
    scorer.score(batch[:10])
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    got = scorer.score(batch)
    assert pa.total_allocated_bytes() == before
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got[0].null_count == (0 if mask is None else mask.sum())
    beside = 4 * rows + 2 * gone * rows + 1500 * count
    room = (4 << 20) if count > 500 else 1 << 20
    assert peak <= room + (1 << 20) + beside


@pytest.mark.parametrize("layout", ["fixed-size lists", "lists"])
def test_null_rows_take_little_room(layout: str) -> None:
    """Blocks that have some are copied without them, one at a time."""
    rows = np.full((1 << 19, 8), 0.125, np.float32)
    data = IN_ONE_COLUMN[layout](rows, np.arange(len(rows)) % 1000 == 0)
    batch = pa.record_batch({"p": data})
    scorer = Scorer(batch.schema, "entropy")
    tracemalloc.start()
    got = scorer.score(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got[0].null_count == 525
    assert peak <= 4 * len(rows) + 2 * len(rows) + (4 << 20)  # results, masks, blocks


def test_chunks_are_not_joined() -> None:
    """Two operands in chunks of their own are cut where either is; nothing is put together."""
    one = pa.chunked_array([fixed(P)] * 50)
    other = pa.chunked_array([fixed(Q)[5:], *[fixed(Q)] * 49, fixed(Q)[:5]])
    table = pa.table({"p": one, "q": other})
    score(table[:50], "kl_divergence", "p", "q")
    before = pa.total_allocated_bytes()
    got = score(table, "kl_divergence", "p", "q")
    assert pa.total_allocated_bytes() == before
    rolled = np.concatenate([Q[5:], *[Q] * 49, Q[:5]])
    assert same(got, fe.kl_divergence(np.concatenate([P] * 50), rolled))


@pytest.mark.parametrize("layout", ["fixed-size lists", "lists", "structs"])
def test_alone(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other thread helps with so little at a time; the bits are the same."""
    rows = np.tile(P.astype(np.float32), (10_000, 1))
    batch = pa.record_batch({"p": IN_ONE_COLUMN[layout](rows)})
    sizes: list[int] = []
    call = Scorer._call

    def spy(self: Any, operands: Any) -> Any:
        sizes.extend(getattr(part, "values", part).nbytes for part in operands.values())
        return call(self, operands)

    monkeypatch.setattr(Scorer, "_call", spy)
    for measure, most in (("entropy", 2 << 20), ("softmax", 1 << 18)):
        scorer = Scorer(batch.schema, measure, "p")
        sizes.clear()
        found = scorer.score(batch, alone=True)
        assert max(sizes) < most
        assert sum(sizes) == rows.nbytes
        assert found.equals(scorer.score(batch))


# ---- imports ----------------------------------------------------------------------------------


def test_without_pyarrow() -> None:
    """The module says which extra it needs; fastent itself does without."""
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import fastent\n"
        "try:\n    import fastent.arrow\nexcept ImportError as error:\n    print(error)"
    )
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert 'pip install "fastent-numpy[arrow]"' in done.stdout
