"""Expressions and series of Polars: the bits of the measure of the array, eager, lazy, streamed."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrow_cases import CASES, CLASSES, LABELS, ROWS, WEIGHT, P, Q, X

import fastent as fe
from fastent.arrow._measures import measures

pl: Any = pytest.importorskip("polars")
doors: Any = pytest.importorskip("fastent.polars")

ENGINES = ("in-memory", "streaming")
COLUMN_OPTIONS = ("weight", "pos_weight", "indices_or_k")


def rows_of(name: str, rows: Any, hold: str) -> tuple[dict[str, Any], Any]:
    """Return columns that hold rows, and the expression of the rows in them."""
    if rows.ndim == 1:
        return {name: pl.Series(rows)}, pl.col(name)
    if hold == "columns" and rows.ndim == 2:
        columns = {f"{name}_{i}": pl.Series(column) for i, column in enumerate(rows.T.copy())}
        return columns, pl.struct(*columns)
    inner = pl.Series(rows.reshape(-1)).dtype
    for size in reversed(rows.shape[1:]):
        inner = pl.Array(inner, size)
    series = pl.Series(rows.reshape(-1)).reshape(rows.shape).cast(inner)
    return {name: series.arr.to_list() if hold == "lists" else series}, pl.col(name)


def query(index: int, hold: str) -> tuple[Any, Any]:
    """Return a frame, and the expression of a case in it."""
    name, operands, options = CASES[index]
    columns: dict[str, Any] = {}
    expressions = []
    for i, rows in enumerate(operands):
        if rows is not None:
            more, expression = rows_of(f"operand_{i}", rows, hold)
            columns |= more
            expressions.append(expression)
    options = dict(options)
    for option in COLUMN_OPTIONS:
        if isinstance(options.get(option), np.ndarray):
            more, options[option] = rows_of(option, options[option], "arrays")
            columns |= more
    first, *others = expressions
    return pl.DataFrame(columns), getattr(first.fastent, name)(*others, **options)


def assert_same(got: Any, want: Any) -> None:
    """Assert that a series holds these arrays, bit for bit, in fields of the same names."""
    if isinstance(want, tuple):
        kept = [part for part in want if part is not None]
        if hasattr(want, "_fields"):
            pairs = zip(want._fields, want, strict=True)
            assert [n for n, part in pairs if part is not None] == got.struct.fields
        assert len(got.struct.fields) == len(kept)
        for field, part in zip(got.struct.fields, kept, strict=True):
            assert_same(got.struct.field(field), part)
        return
    assert got.null_count() == 0
    while got.dtype in (pl.List, pl.Array):
        got = got.explode()
    entries = got.to_numpy().reshape(np.shape(want))
    assert entries.dtype == want.dtype
    assert entries.tobytes() == want.tobytes()


def ids(index: int) -> str:
    """Return the name of a case."""
    name, operands, options = CASES[index]
    return " ".join([name, *("none" if x is None else f"{x.ndim}-D" for x in operands), *options])


@pytest.mark.parametrize("hold", ["arrays", "lists", "columns"])
@pytest.mark.parametrize("index", range(len(CASES)), ids=ids)
def test_every_measure(index: int, hold: str) -> None:
    """Of a frame, of a lazy one by each engine, and in chunks, with the type that was foretold."""
    if hold != "arrays" and any(x is not None and x.ndim == 3 for x in CASES[index][1]):
        hold = "arrays"
    frame, expression = query(index, hold)
    name, operands, options = CASES[index]
    want = getattr(fe, name)(*operands, **options)
    foretold = frame.lazy().select(expression).collect_schema()
    assert foretold.names() == [expression.meta.output_name()]
    found = frame.select(expression)
    assert found.schema == foretold
    assert_same(found.to_series(), want)
    for engine in ENGINES:
        found = frame.lazy().select(expression).collect(engine=engine)
        assert found.schema == foretold
        assert_same(found.to_series(), want)
    cut = pl.concat([frame[:10], frame[10:11], frame[11:]], rechunk=False)
    assert_same(cut.select(expression).to_series(), want)
    empty = frame[:0].select(expression)
    assert empty.schema == foretold
    assert len(empty) == 0
    part = frame[5:20].select(expression).to_series()
    assert part.equals(frame.select(expression).to_series()[5:20], null_equal=True)


def test_every_measure_is_in_both_namespaces() -> None:
    """With a signature and a docstring of its own, for help and for completion."""
    for owner, held in ((doors.ExprMeasures, pl.col("p")), (doors.SeriesMeasures, pl.Series("p"))):
        assert set(measures()) <= set(dir(held.fastent))
        for name in measures():
            method = getattr(owner, name)
            parameters = inspect.signature(method).parameters
            assert next(iter(parameters)) == "self"
            assert "nulls" in parameters
            assert not {"axis", "out", "keepdims", "reduction"} & set(parameters)
            assert method.__doc__.splitlines()[0] == getattr(fe, name).__doc__.splitlines()[0]
            assert method.__qualname__ == f"{owner.__name__}.{name}"
    found = inspect.signature(pl.col("p").fastent.kl_divergence).parameters
    assert list(found)[:3] == ["q", "base", "normalize"]
    assert found["log_floor"].default == -100
    assert str(inspect.signature(pl.col("p").fastent.score_logits)).startswith("(logits=None, *")


# ---- operands ---------------------------------------------------------------------------------

WIDE = pl.DataFrame(
    {f"p_{i}": P[:, i] for i in range(CLASSES)}
    | {f"q_{i}": Q[:, i] for i in range(CLASSES)}
    | {"p": pl.Series(P, dtype=pl.Array(pl.Float64, CLASSES)), "y": LABELS, "w": WEIGHT}
    | {"q": pl.Series(Q, dtype=pl.Array(pl.Float64, CLASSES)), "group": np.arange(ROWS) % 3}
)


@pytest.mark.parametrize("engine", ENGINES)
def test_ways_to_name_operands(engine: str) -> None:
    """A column by its name, an expression, columns of one row by list, selector or struct."""
    cs = pl.selectors
    names = [f"q_{i}" for i in range(CLASSES)]
    want = fe.kl_divergence(P, Q, base=2)
    for q in ("q", pl.col("q"), names, [pl.col(n) for n in names], cs.starts_with("q_")):
        for p in (pl.col("p"), pl.struct(cs.matches(r"^p_\d$")), pl.struct(pl.col(r"^p_\d$"))):
            got = WIDE.lazy().select(x=p.fastent.kl_divergence(q, base=2)).collect(engine=engine)
            assert_same(got["x"], want)
    got = WIDE.lazy().select(pl.col("y").fastent.log_loss(prob="p", weight="w"))
    assert_same(got.collect(engine=engine)["y"], fe.log_loss(LABELS, P, weight=WEIGHT))
    got = WIDE.lazy().select(pl.col("y").fastent.log_loss("p", weight=pl.col("w") * 2))
    assert_same(got.collect(engine=engine)["y"], fe.log_loss(LABELS, P, weight=WEIGHT * 2))
    got = WIDE.lazy().select(pl.col("p", "q").fastent.entropy()).collect(engine=engine)
    assert_same(got["p"], fe.entropy(P))
    assert_same(got["q"], fe.entropy(Q))


@pytest.mark.parametrize("engine", ENGINES)
def test_one_distribution_beside_every_row(engine: str) -> None:
    """A list, an array, an expression of one row, as first operand too; and numbers."""
    mean = P.mean(axis=0)
    frame = WIDE.lazy()
    one = pl.lit(mean.tolist())
    for q in (mean, mean.tolist(), one, pl.lit(pl.Series([mean.tolist()]))):
        got = frame.select(pl.col("p").fastent.kl_divergence(q)).collect(engine=engine)
        assert_same(got["p"], fe.kl_divergence(P, mean))
    got = frame.select(one.fastent.kl_divergence("p")).collect(engine=engine)
    assert_same(got.to_series(), fe.kl_divergence(mean, P))
    got = frame.select(pl.col("p").fastent.kl_divergence(pl.col("p").first()))
    assert_same(got.collect(engine=engine)["p"], fe.kl_divergence(P, P[0]))
    got = frame.select(pl.col("p_0").fastent.binary_cross_entropy(0.25)).collect(engine=engine)
    assert_same(got["p_0"], fe.binary_cross_entropy(P[:, 0], 0.25))
    half = mean.astype("f4")
    small = frame.select(pl.col("p").cast(pl.Array(pl.Float32, CLASSES)).fastent.js_distance(half))
    assert small.collect_schema()["p"] == pl.Float32
    assert_same(small.collect(engine=engine)["p"], fe.js_distance(P.astype("f4"), half))


@pytest.mark.parametrize("engine", ENGINES)
def test_series_and_arrays_go_by_position(engine: str) -> None:
    """They stand beside the rows of the frame, as in Polars' own expressions."""
    want = fe.kl_divergence(P, Q)
    for q in (Q, pl.Series(Q.tolist()), WIDE["q"], pl.lit(WIDE["q"])):
        got = WIDE.lazy().select(pl.col("p").fastent.kl_divergence(q)).collect(engine=engine)
        assert_same(got["p"], want)
    with pytest.raises(Exception, match=r"length|rows"):
        WIDE.lazy().select(pl.col("p").fastent.kl_divergence(Q[:9])).collect(engine=engine)


def test_names() -> None:
    """A result is called as the first operand, as everywhere in Polars."""
    frame = WIDE.select(pl.col("p").fastent.kl_divergence("q"), pl.col("y").fastent.log_loss("p"))
    assert frame.columns == ["p", "y"]
    assert WIDE.select(kl=pl.col("p").fastent.kl_divergence("q")).columns == ["kl"]
    assert WIDE["p"].fastent.entropy().name == "p"


def test_series() -> None:
    """The namespace of series: the same, at once."""
    assert_same(WIDE["p"].fastent.entropy(base=2), fe.entropy(P, base=2))
    assert_same(WIDE["p"].fastent.kl_divergence(WIDE["q"]), fe.kl_divergence(P, Q))
    assert_same(WIDE["p"].fastent.kl_divergence(Q[0]), fe.kl_divergence(P, Q[0]))
    assert_same(
        WIDE["y"].fastent.log_loss(WIDE["p"], weight=WIDE["w"]),
        fe.log_loss(LABELS, P, weight=WEIGHT),
    )
    assert_same(pl.Series(X).fastent.score_logits(), fe.score_logits(None, X))
    assert_same(WIDE["y"].fastent.score_logits(pl.Series(X)), fe.score_logits(LABELS, X))
    with pytest.raises(ValueError, match="'p' has 37 rows, 'q' has 5 rows: they need as many"):
        WIDE["p"].fastent.kl_divergence(WIDE["q"][:5])
    with pytest.raises(ValueError, match=r"^column 'y', row 1 \(labels, int64\) is 9, but"):
        pl.Series("y", [0, 9]).fastent.log_loss(WIDE["p"][:2])
    with pytest.raises(TypeError, match="q is of type str: pass a column, an expression, or num"):
        WIDE["p"].fastent.kl_divergence("q")


# ---- types ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", ["arrays", "lists", "columns"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint64", "bool"])
def test_types(dtype: str, hold: str) -> None:
    """Known before anything is computed, whatever the check that the numbers would fail."""
    rows = (P * 100).astype(dtype)
    rows[rows.sum(1) == 0] = 1
    columns, expression = rows_of("p", rows, hold)
    more, other = rows_of("q", Q.astype("f4"), hold)
    lazy = pl.LazyFrame(columns | more)
    want = fe.kl_divergence(rows, Q.astype("f4"), normalize=True)
    got = lazy.select(x=expression.fastent.kl_divergence(other, normalize=True))
    assert got.collect_schema()["x"] == pl.Series(want).dtype
    assert_same(got.collect()["x"], want)
    assert lazy.select(x=expression.fastent.entropy(check=True)).collect_schema()["x"] == (
        pl.Float32 if dtype == "float32" else pl.Float64
    )
    spread = lazy.select(x=other.fastent.softmax(), y=other.fastent.top_log_probs(2))
    inner = pl.List(pl.Float32) if hold == "lists" else pl.Array(pl.Float32, CLASSES)
    assert spread.collect_schema()["x"] == inner
    assert spread.collect_schema() == spread.collect().schema


def test_what_comes_after_knows_the_type() -> None:
    """An expression of results is planned with their true type."""
    lazy = WIDE.lazy().select(pl.col("p").cast(pl.Array(pl.Float32, CLASSES)))
    entropy = pl.col("p").fastent.entropy()
    assert lazy.select(entropy.mean()).collect_schema()["p"] == pl.Float32
    fields = lazy.select(pl.col("p").fastent.score_logits()).unnest("p")
    assert fields.collect_schema()["prediction"] == pl.Int64
    assert fields.filter(pl.col("confidence") > 2).collect().schema == fields.collect_schema()


# ---- nulls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("hold", ["arrays", "lists", "columns"])
def test_null_rows(hold: str, engine: str) -> None:
    """They stay null, and so do null labels; the others keep their bits."""
    gone = np.arange(ROWS) % 4 == 1
    columns, expression = rows_of("p", P, hold)
    frame = pl.DataFrame(columns | {"gone": gone, "y": LABELS, "late": np.roll(gone, 1)}).lazy()
    absent = pl.when(~pl.col("gone")).then
    p = absent(expression)
    got = frame.select(p.fastent.entropy().alias("p")).collect(engine=engine)["p"]
    assert (got.is_null().to_numpy() == gone).all()
    assert_same(got.drop_nulls(), fe.entropy(P[~gone]))
    got = frame.select(absent(pl.col("y")).fastent.log_loss(expression)).collect(engine=engine)
    assert (got["y"].is_null().to_numpy() == gone).all()
    assert_same(got["y"].drop_nulls(), fe.log_loss(LABELS[~gone], P[~gone]))
    got = frame.select(absent(pl.col("y")).fastent.score_logits(expression)).collect(engine=engine)
    assert (got["y"].is_null().to_numpy() == gone).all()
    assert_same(got["y"].drop_nulls(), fe.score_logits(LABELS[~gone], P[~gone]))
    got = frame.select(p.fastent.softmax().alias("p")).collect(engine=engine)["p"]
    assert (got.is_null().to_numpy() == gone).all()
    assert_same(got.drop_nulls(), fe.softmax(P[~gone]))


def test_null_entries() -> None:
    """An error that names the column and the row, or probability 0."""
    rows = [[0.5, 0.5], [0.5, None], None]
    for dtype in (pl.Array(pl.Float32, 2), pl.List(pl.Float32)):
        frame = pl.DataFrame({"p": pl.Series(rows, dtype=dtype)})
        with pytest.raises(
            ValueError, match=r"entry 1 of column 'p', row 1 of a batch of 3 .* null"
        ):
            frame.select(pl.col("p").fastent.entropy())
        got = frame.select(pl.col("p").fastent.entropy(base=2, nulls="zero"))["p"]
        assert got.to_list() == [1, 0.5, None]
    wide = pl.DataFrame({"a": [0.5, 0.5, None], "b": [0.5, None, None]})
    with pytest.raises(ValueError, match=r"column 'p.b', row 1 of a batch of 3 .* is null"):
        wide.select(pl.struct("a", "b").fastent.entropy())
    got = wide.select(pl.struct("a", "b").fastent.entropy(base=2, nulls="zero"))["a"]
    assert got.to_list() == [1, 0.5, None]
    with pytest.raises(ValueError, match="nulls must be 'null' or 'zero', not 'drop'"):
        pl.col("p").fastent.entropy(nulls="drop")


# ---- contexts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_groups(engine: str) -> None:
    """Results of rows within groups and over them; and a column of each group as a distribution."""
    entropy = fe.entropy(P)
    lazy = (
        WIDE.lazy()
        .group_by("group")
        .agg(
            pl.col("p").fastent.entropy(),
            pl.col("p").fastent.kl_divergence("q").alias("kl").max(),
            pl.col("w").implode().fastent.entropy(normalize=True).alias("of_weights"),
            pl.col("p").fastent.kl_divergence(Q[0].tolist()).alias("drift").min(),
        )
    )
    assert lazy.collect_schema()["p"] == pl.List(pl.Float64)
    got = lazy.collect(engine=engine).sort("group")
    for group, values, most, whole, least in got.iter_rows():
        mine = np.arange(ROWS) % 3 == group
        assert values == entropy[mine].tolist()
        assert most == fe.kl_divergence(P, Q)[mine].max()
        assert whole == fe.entropy(WEIGHT[mine], normalize=True)
        assert least == fe.kl_divergence(P, Q[0])[mine].min()
    over = WIDE.lazy().select(pl.col("p").fastent.entropy().max().over("group"))
    want = [entropy[np.arange(ROWS) % 3 == i % 3].max() for i in range(ROWS)]
    assert over.collect(engine=engine)["p"].to_list() == want


@pytest.fixture(scope="module")
def big() -> Any:
    """Return a frame that engines take in many parts."""
    rng = np.random.default_rng(5)
    p, q = rng.dirichlet(np.ones(4), (2, 250_000)).astype("f4")
    columns = {
        name: pl.Series(x, dtype=pl.Array(pl.Float32, 4))
        for name, x in zip("pq", (p, q), strict=True)
    }
    return pl.DataFrame(columns | {"y": rng.integers(0, 4, len(p))})


def test_streams(big: Any, tmp_path: Path) -> None:
    """From a file to a file, in parts, filtered, sorted: the bits of the whole."""
    big.with_columns(pl.col("p", "q").arr.to_list()).write_parquet(tmp_path / "in.parquet")
    p, q, y = (big[name].to_numpy() for name in "pqy")
    expressions = {
        "entropy": pl.col("p").fastent.entropy(base=2),
        "kl": pl.col("p").fastent.kl_divergence("q"),
        "loss": pl.col("y").fastent.log_loss("p"),
    }
    want = {
        "entropy": fe.entropy(p, base=2),
        "kl": fe.kl_divergence(p, q),
        "loss": fe.log_loss(y, p),
    }
    lazy = pl.scan_parquet(tmp_path / "in.parquet")
    lazy.select(**expressions).sink_parquet(tmp_path / "out.parquet")
    found = pl.read_parquet(tmp_path / "out.parquet")
    for name in want:
        assert_same(found[name], want[name])
        for engine in ENGINES:
            got = lazy.select(expressions[name]).collect(engine=engine)
            assert_same(got.to_series(), want[name])
    kept = lazy.with_columns(**expressions).filter(pl.col("kl") > 1).collect(engine="streaming")
    for name in want:
        assert_same(kept[name], want[name][want["kl"] > 1])
    top = lazy.select(expressions["kl"]).sort("p").tail(5).collect(engine="streaming")["p"]
    assert_same(top, np.sort(want["kl"])[-5:])


@pytest.mark.parametrize("engine", ENGINES)
def test_our_threads_stand_back(big: Any, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure is called with less at a time than would be shared out; the bits are the same."""
    from fastent.arrow import Scorer

    sizes: list[int] = []
    call = Scorer._call

    def spy(self: Any, operands: Any) -> Any:
        sizes.append(max(getattr(part, "values", part).nbytes for part in operands.values()))
        return call(self, operands)

    monkeypatch.setattr(Scorer, "_call", spy)
    frame = pl.concat([big.select("p", pl.col("p").arr.to_list().alias("l"))] * 2)
    p = frame["p"].to_numpy()
    for expression, want, most in (
        (pl.col("p").fastent.entropy(), fe.entropy(p), 2 << 20),
        (pl.col("l").fastent.entropy(), fe.entropy(p), 2 << 20),
        (pl.col("p").fastent.softmax(), fe.softmax(p), 1 << 18),
        (pl.col("l").fastent.surprisal(), fe.surprisal(p), 1 << 18),
    ):
        sizes.clear()
        got = frame.lazy().select(expression).collect(engine=engine).to_series()
        assert_same(got, want)
        assert max(sizes) < most
        assert sum(sizes) == p.nbytes
    sizes.clear()
    assert_same(big["p"].fastent.entropy(), fe.entropy(p[: len(big)]))
    assert max(sizes) == p.nbytes / 2  # of a series, all at once: nobody else's threads are there


# ---- errors -----------------------------------------------------------------------------------

BAD = pl.DataFrame(
    {
        "y": [0, 7],
        "p": [[0.5, 0.5]] * 2,
        "s": ["a", "b"],
        "h": [0.5, 0.25],
        "l": [[1.0], [0.5, 0.5]],
    }
)


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        (
            pl.col("y").fastent.log_loss("p"),
            ValueError,
            r"column 'y', row 1 of a batch of 2 .* is 7",
        ),
        (
            pl.col("h").fastent.log_loss("p"),
            TypeError,
            r"column 'h' \(labels\) .*\.cast\(pl\.Int64\)",
        ),
        (pl.col("h").fastent.entropy(), TypeError, r"column 'h' .* they are pl\.struct\(\.\.\.\)"),
        (pl.col("s").fastent.entropy(), TypeError, r"column 's' \(p\) is .*string.*: pass numbers"),
        (pl.col("p").fastent.kl_divergence("l"), ValueError, r"row 0 .* 2 entries in p and 1 ent"),
        (pl.col("y").fastent.log_loss("l"), ValueError, r"row 1 of a batch of 2: there are 2 en"),
        (pl.col("y").fastent.binary_cross_entropy("h"), RuntimeWarning, "invalid value .* binary"),
        ((pl.col("h") * 9).fastent.surprisal(check=True), ValueError, r"row 0 of a batch of 2"),
        (
            pl.col("p").fastent.kl_divergence("nothing"),
            pl.exceptions.ColumnNotFoundError,
            "nothing",
        ),
        (pl.col("p").fastent.entropy(weight=2.0), TypeError, "weight is the name of a column here"),
    ],
)
def test_errors_of_rows(expression: Any, error: type[Exception], message: str) -> None:
    """They come when rows do, and say which column and row."""
    with pytest.raises(error, match=message):
        BAD.select(expression)
    with pytest.raises(error):
        BAD.lazy().select(expression).collect(engine="streaming")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.entropy(bsae=2), "entropy has no option bsae: did you mean 'base'?"),
        (
            lambda p: p.entropy(axis=0),
            "axis= has no place here: the entries of a row lie in its co",
        ),
        (lambda p: p.kl_divergence(), "kl_divergence needs q"),
        (lambda p: p.entropy("q"), "entropy takes p, and keywords: 2 values came"),
        (lambda p: p.kl_divergence("q", q="r"), "q of kl_divergence came twice"),
        (lambda p: p.renyi_entropy(), "renyi_entropy needs alpha="),
        (lambda p: p.kl_divergence({}), "q is of type dict: pass a column, an expression, or num"),
    ],
)
def test_errors_of_calls(make: Any, message: str) -> None:
    """They come at once."""
    with pytest.raises(TypeError, match=message.replace("?", r"\?")):
        make(pl.col("p").fastent)


def test_warnings_are_those_of_who_asks() -> None:
    """NumPy's errstate where the expression is made, whatever thread computes it."""
    frame = pl.LazyFrame({"h": [0.5, -0.5]})
    for engine in ENGINES:
        with pytest.warns(RuntimeWarning, match="invalid value encountered in surprisal"):
            frame.select(pl.col("h").fastent.surprisal()).collect(engine=engine)
        with np.errstate(invalid="ignore"):
            quiet = pl.col("h").fastent.surprisal(base=2)
        got = frame.select(quiet).collect(engine=engine)["h"]
        assert got[0] == 1
        assert np.isnan(got[1])
        with np.errstate(invalid="raise"):
            loud = pl.col("h").fastent.surprisal()
        with pytest.raises(FloatingPointError):
            frame.select(loud).collect(engine=engine)


@pytest.mark.parametrize("missing", ["polars", "pyarrow"])
def test_without_packages(missing: str) -> None:
    """The module says which extra it needs."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    import fastent.polars\nexcept ImportError as error:\n    print(error)"
    )
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert 'pip install "fastent-numpy[polars]"' in done.stdout
