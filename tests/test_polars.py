"""Expressions and series of Polars: the bits of the measure of the array, types, nulls."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from arrow_cases import CASES, CLASSES, LABELS, ROWS, WEIGHT, P, Q, X
from polars_cases import ENGINES, WIDE, assert_same, doors, ids, pl, query, rows_of

import fastent as fe
from fastent.arrow._measures import measures


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
