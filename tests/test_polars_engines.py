"""Engines of Polars: groups, streams, threads, what is copied; errors and warnings."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrow_cases import LABELS, ROWS, WEIGHT, P, Q, pa
from polars_cases import ENGINES, WIDE, assert_same, pl

import fastent as fe

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


@pytest.mark.parametrize("engine", ENGINES)
def test_operands_of_groups(engine: str) -> None:
    """One that is reduced within its group stands beside the rows of that group and no other."""
    p, q = pl.col("p"), pl.col("q")
    found: dict[str, Any] = {
        "first": (p.fastent.kl_divergence(q.first()), lambda m: fe.kl_divergence(P[m], Q[m][0])),
        "beside": (p.first().fastent.kl_divergence(q), lambda m: fe.kl_divergence(P[m][0], Q[m])),
        "turned": (
            p.fastent.kl_divergence(q.reverse()),
            lambda m: fe.kl_divergence(P[m], Q[m][::-1]),
        ),
        "some": (p.head(2).fastent.entropy(), lambda m: fe.entropy(P[m][:2])),
        "label": (
            pl.col("y").max().fastent.log_loss(p),
            lambda m: fe.log_loss(np.full(m.sum(), LABELS[m].max()), P[m]),
        ),
        "series": (
            p.fastent.kl_divergence(pl.lit(pl.Series([Q[0].tolist()]))),
            lambda m: fe.kl_divergence(P[m], Q[0]),
        ),
    }
    expressions = {name: expression for name, (expression, _) in found.items()}
    got = WIDE.lazy().group_by("group").agg(**expressions).collect(engine=engine)
    for row in got.iter_rows(named=True):
        mine = np.arange(ROWS) % 3 == row["group"]
        for name, (_, want) in found.items():
            assert row[name] == want(mine).tolist()


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
    """In those of an engine a measure is called with less at a time than would be shared out.

    The bits are the same.
    """
    from fastent.arrow import Scorer

    sizes: list[int] = []
    call = Scorer._call

    def spy(self: Any, operands: Any) -> Any:
        sizes.append(max(getattr(part, "values", part).nbytes for part in operands.values()))
        return call(self, operands)

    monkeypatch.setattr(Scorer, "_call", spy)
    frame = pl.concat([big.select("p", "q", l=pl.col("q").arr.to_list())] * 2)
    p, q = frame["p"].to_numpy(), frame["q"].to_numpy()
    for name, most in (("entropy", 2 << 20), ("softmax", 1 << 18), ("surprisal", 1 << 18)):
        for other in ("q", "l"):
            sizes.clear()
            both = [getattr(pl.col(column).fastent, name)() for column in ("p", other)]
            got = frame.lazy().select(both).collect(engine=engine)
            assert_same(got["p"], getattr(fe, name)(p))
            assert_same(got[other], getattr(fe, name)(q))
            assert max(sizes) < most
            assert sum(sizes) == p.nbytes + q.nbytes
    sizes.clear()
    big.select(pl.col("p").fastent.entropy())
    assert max(sizes) == p.nbytes / 2  # alone in a frame, it is computed where it is asked for
    sizes.clear()
    assert_same(big["p"].fastent.entropy(), fe.entropy(p[: len(big)]))
    assert max(sizes) == p.nbytes / 2  # of a series, all at once: nobody else's threads are there


@pytest.mark.parametrize("name", ["p", "l"])
def test_rows_are_read_where_they_lie(big: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a measure sees is the memory of the series, and results have that which it filled."""
    from fastent.arrow import Scorer

    seen: list[int] = []
    call = Scorer._call

    def spy(self: Any, operands: Any) -> Any:
        seen.extend(getattr(x, "values", x).ctypes.data for x in operands.values() if len(x))
        found = call(self, operands)
        seen.append(found.ctypes.data)
        return found

    monkeypatch.setattr(Scorer, "_call", spy)
    frame = big.select("p", pl.col("p").arr.to_list().alias("l"))
    got = frame[name].fastent.entropy()
    where, filled = seen[-2:]
    assert where == pa.chunked_array(frame[name]).chunk(0).values.buffers()[1].address
    assert filled == pa.chunked_array(got).chunk(0).buffers()[1].address
    seen.clear()
    frame[1:].select(pl.col(name).fastent.entropy())
    assert where + 4 * 4 in seen  # a slice begins a row of four float32 later


def test_expressions_travel() -> None:
    """To other processes."""
    expression = pl.col("y").fastent.log_loss("p", base=2, weight="w")
    copied = pickle.loads(pickle.dumps(expression))
    assert WIDE.select(copied).equals(WIDE.select(expression))


# ---- errors -----------------------------------------------------------------------------------

BAD = pl.DataFrame(
    {
        "y": [0, 7],
        "p": [[0.5, 0.5]] * 2,
        "s": ["a", "b"],
        "h": [0.5, 0.25],
        "l": [[1.0], [0.5, 0.5]],
        "i": pl.Series([0, 1], dtype=pl.Int128),
        "c": pl.Series(["a", "b"], dtype=pl.Categorical),
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
        (pl.col("i").fastent.surprisal(), TypeError, r"column 'i' is Int128: cast it to pl\.Float"),
        (pl.col("c").fastent.surprisal(), TypeError, r"column 'c' .* such as \.to_physical\(\) of"),
        (pl.col("p").fastent.joint_entropy(), TypeError, r"an array of arrays, such as pl\.Array"),
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


def test_old_releases() -> None:
    """One that would not ask for types is refused."""
    code = (
        "import polars; polars.__version__ = '1.32.3'\n"
        "try:\n    import fastent.polars\nexcept ImportError as error:\n    print(error)"
    )
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "needs Polars 1.33 or later: this is 1.32.3" in done.stdout
