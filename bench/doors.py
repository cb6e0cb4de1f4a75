"""Time the doors of fastent beside the engines' own ways: ``python -m bench.doors``.

Entropy of a million rows of 10 float32 entries, held by Arrow, Polars, DuckDB, pandas, xarray and
PyTorch. Each round has the call on the array, the door and the engine's own expressions,
one after the other; lower quartile and median of the ratios in the rounds. One row says what a call
costs. Memory is the peak of a call in a process of its own, in sizes of the input, results and all:
what is copied shows there. Results are checked first, the door's bit for bit.
"""

import argparse
import importlib
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastent as fe
from bench.timing import no_collection, seconds

Array = Any
OWN_ROUNDS = 3  # an engine's own way takes up to a thousand times as long, and varies less
OWN_SECONDS = 1.0  # one that has taken so long sits out the other rounds
FEW = 1000  # one that calls Python for each row gets so many, and as many times less credit


class Door(NamedTuple):
    """One way in: what holds the rows, the call, what it hands back, and the engine's own ways."""

    name: str
    held_by: str
    hold: Callable[[Array], Any]
    call: Callable[[Any], Any]
    read: Callable[[Any], Array]
    own: dict[str, Callable[[Any], Any]]
    slow: tuple[str, ...] = ()
    """Those of its own ways that call Python for each row."""


# ---- the doors --------------------------------------------------------------------------------


def of_arrow(names: list[str]) -> Iterator[Door]:
    """Yield lists of a fixed size, and columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from fastent.arrow import score

    def fixed(p: Array) -> Any:
        return pa.FixedSizeListArray.from_arrays(pa.array(p.reshape(-1)), p.shape[1])

    def columns(p: Array) -> Any:
        return pa.table({name: column for name, column in zip(names, p.T.copy(), strict=True)})

    def own(table: Any) -> Any:
        total = None
        for column in table.columns:
            term = pc.multiply(column, pc.ln(column))
            total = term if total is None else pc.add(total, term)
        return pc.negate(total)

    yield Door("Arrow", "fixed-size lists", fixed, lambda a: score(a, "entropy"), np.asarray, {})
    yield Door(
        "Arrow",
        "columns",
        columns,
        lambda table: score(table, "entropy"),
        np.asarray,
        {"multiply, ln, add": own},
    )


def of_polars(names: list[str]) -> Iterator[Door]:
    """Yield a column of arrays, of lists, and columns."""
    import polars as pl

    importlib.import_module("fastent.polars")
    element = pl.element()
    term = -(element * element.log())

    def arrays(p: Array) -> Any:
        return pl.DataFrame({"p": pl.Series(p, dtype=pl.Array(pl.Float32, p.shape[1]))})

    def lists(p: Array) -> Any:
        return arrays(p).with_columns(pl.col("p").arr.to_list())

    def columns(p: Array) -> Any:
        return pl.DataFrame(dict(zip(names, p.T.copy(), strict=True)))

    def select(expression: Any) -> Callable[[Any], Any]:
        return lambda frame: frame.select(expression.alias("h"))

    def read(frame: Any) -> Array:
        return frame["h"].to_numpy()

    fields = [pl.col(name) for name in names]
    rows: Any = pl.col("p")
    together: Any = pl.struct(*fields)
    ours = select(rows.fastent.entropy())
    own = {"arr.eval": select(rows.arr.eval(term).arr.sum())}
    yield Door("Polars", "Array", arrays, ours, read, own)
    own = {
        "list.eval, sum": select(rows.list.eval(term).list.sum()),
        "list.eval(entropy)": select(
            rows.list.eval(element.entropy(base=math.e, normalize=False)).list.first()
        ),
    }
    yield Door("Polars", "List", lists, ours, read, own)
    own = {"sum_horizontal": select(-pl.sum_horizontal(*(c * c.log() for c in fields)))}
    yield Door("Polars", "columns", columns, select(together.fastent.entropy()), read, own)


def of_duckdb(names: list[str]) -> Iterator[Door]:
    """Yield SQL over arrays and columns, and relations handed to Arrow's door."""
    import duckdb
    import pyarrow as pa

    import fastent.duckdb
    from fastent.arrow import score

    def table(p: Array) -> Any:
        con = duckdb.connect()
        fastent.duckdb.register(con)
        held = {"p": pa.FixedSizeListArray.from_arrays(pa.array(p.reshape(-1)), p.shape[1])}
        held |= dict(zip(names, map(pa.array, p.T.copy()), strict=True))
        con.register("held", pa.table(held))
        con.execute("create table t as select * from held")
        con.unregister("held")
        return con

    def query(expression: str) -> Callable[[Any], Any]:
        return lambda con: con.execute(f"select {expression} as h from t").fetchnumpy()

    def read(found: Any) -> Array:
        return np.asarray(found["h"])

    listed = f"[{', '.join(names)}]"
    terms = " + ".join(f"{name} * ln({name})" for name in names)
    own = {
        "list_transform": query("list_sum(list_transform(p, lambda x: -x * ln(x)))"),
    }
    yield Door("DuckDB", "ARRAY", table, query("fastent_entropy(p)"), read, own)
    own = {"p_0 * ln(p_0) + ...": query(f"-({terms})")}
    yield Door("DuckDB", "columns", table, query(f"fastent_entropy({listed})"), read, own)

    def bulk(con: Any) -> Any:
        return score(con.sql("select p from t"), "entropy")

    yield Door("DuckDB", "relation, to Arrow", table, bulk, np.asarray, {})


def of_pandas(names: list[str]) -> Iterator[Door]:
    """Yield a frame of columns, and a series of Arrow's lists."""
    import pandas as pd
    import pyarrow as pa

    import fastent.pandas

    def frame(p: Array) -> Any:
        return pd.DataFrame(p, columns=names)

    def series(p: Array) -> Any:
        kind = pd.ArrowDtype(pa.list_(pa.float32(), p.shape[1]))
        held = pa.FixedSizeListArray.from_arrays(pa.array(p.reshape(-1)), p.shape[1])
        return pd.Series(held, dtype=kind)

    own = {
        "frame * np.log(frame)": lambda p: -(p * np.log(p)).sum(axis=1),
        "apply": lambda p: p.apply(lambda row: -(row * np.log(row)).sum(), axis=1),
    }
    ours = fastent.pandas.entropy
    yield Door("pandas", "frame", frame, ours, np.asarray, own, ("apply",))
    own = {"apply": lambda p: p.apply(lambda row: -(row * np.log(row)).sum())}
    yield Door("pandas", "series of lists", series, ours, np.asarray, own, ("apply",))


def of_xarray(names: list[str]) -> Iterator[Door]:
    """Yield DataArrays, rows along their last dimension and along their first."""
    import xarray as xr

    import fastent.xarray

    def call(p: Any) -> Any:
        return fastent.xarray.entropy(p, dim="class")

    own = {"-(p * np.log(p)).sum(dim)": lambda p: -(p * np.log(p)).sum("class")}
    for dims in (("row", "class"), ("class", "row")):

        def hold(p: Array, dims: tuple[str, ...] = dims) -> Any:
            return xr.DataArray(p if dims[0] == "row" else p.T.copy(), dims=dims)

        yield Door("xarray", ", ".join(dims), hold, call, np.asarray, own)


def of_torch(names: list[str]) -> Iterator[Door]:
    """Yield tensors of the processor."""
    import torch

    own = {"special.entr(p).sum(-1)": lambda p: torch.special.entr(p).sum(-1)}
    yield Door("PyTorch", "tensor", torch.from_numpy, fe.entropy, np.asarray, own)


DOORS: dict[str, Callable[[list[str]], Iterator[Door]]] = {
    "arrow": of_arrow,
    "polars": of_polars,
    "duckdb": of_duckdb,
    "pandas": of_pandas,
    "xarray": of_xarray,
    "torch": of_torch,
}

# ---- figures ----------------------------------------------------------------------------------


class Figures(NamedTuple):
    """What the table says of a door."""

    one_row: tuple[float, float]
    """Seconds of a call on one row: the door's, and the array's."""
    direct: float
    ratios: list[float]
    memory: float | None
    own: dict[str, list[float]]
    """Times of the engine's own ways over the door's, in the same rounds."""


def draw(rows: int, columns: int) -> Array:
    """Return rows of probabilities, none of them 0."""
    x = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    return fe.softmax(x)


def doors(name: str, columns: int) -> list[Door]:
    """Return the doors of a library."""
    return list(DOORS[name]([f"p_{i}" for i in range(columns)]))


def measure(door: Door, p: Array, rounds: int) -> Figures:
    """Check the results, then time all in turns."""
    held, want = door.hold(p), fe.entropy(p)
    got = door.read(door.call(held))
    if got.astype(np.float64).tobytes() != want.astype(np.float64).tobytes():
        raise SystemExit(f"{door.name}, {door.held_by}: not the bits of the array's results")
    few = {name: door.hold(p[:FEW]) if name in door.slow else held for name in door.own}
    credit = {name: len(p) / FEW if name in door.slow else 1.0 for name in door.own}
    for name, own in door.own.items():
        found = np.asarray(door.read(own(few[name])), np.float64)
        np.testing.assert_allclose(found, want[: len(found)], rtol=1e-4, err_msg=name)
    one, single = door.hold(p[:1]), p[:1]
    spent = dict.fromkeys(door.own, 0.0)
    own_times: dict[str, list[float]] = {name: [] for name in door.own}
    direct, ratios, of_one, of_array = [], [], [], []
    with no_collection():
        for i in range(rounds + 1):
            base = seconds(lambda: fe.entropy(p))
            mine = seconds(lambda: door.call(held))
            of_one.append(seconds(lambda: door.call(one), 20) / 20)
            of_array.append(seconds(lambda: fe.entropy(single), 20) / 20)
            if i == 0:
                continue  # pages are new, plans are made
            direct.append(base)
            ratios.append(mine / base)
            for name, own in door.own.items():
                if i <= OWN_ROUNDS and spent[name] <= OWN_SECONDS:
                    taken = seconds(lambda own=own, name=name: own(few[name]))  # type: ignore[misc]
                    spent[name] += taken
                    own_times[name].append(taken * credit[name] / mine)
    return Figures((low(of_one[1:]), low(of_array[1:])), low(direct), ratios, None, own_times)


def low(values: Sequence[float]) -> float:
    """Return the lower quartile."""
    return float(np.quantile(values, 0.25))


# ---- memory -----------------------------------------------------------------------------------


def peak_memory(door: str, place: int, rows: int, columns: int) -> float | None:
    """Return what a call adds to the memory of a process of its own, in sizes of the input."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    words = [sys.executable, "-m", "bench.doors", "--peak", door, str(place)]
    words += ["--rows", str(rows), "--columns", str(columns)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def print_peak(door: Door, p: Array) -> None:
    """Print the peak of one call over what was there before, in sizes of the input."""
    door.call(door.hold(p[:1]))
    held, size = door.hold(p), p.nbytes
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    kept = door.call(held)
    print((status("VmHWM") - before) / size)
    del kept


def status(name: str) -> float:
    """Return a size that Linux tells of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    raise SystemExit(f"no {name} in /proc/self/status")


# ---- the table --------------------------------------------------------------------------------

HEADING = [
    "door",
    "held by",
    "one row, us",
    "array, ms",
    "door / array",
    "memory",
    "the engine's own way / door",
]
WIDTHS = (8, 19, 11, 9, 12, 6, 30)


def line(door: Door, found: Figures) -> list[str]:
    """Return the figures as words."""
    mine, plain = (1e6 * t for t in found.one_row)
    own = [f"{name} {low(r):.1f} {statistics.median(r):.1f}" for name, r in found.own.items()]
    return [
        door.name,
        door.held_by,
        f"{mine:.0f} ({plain:.1f})",
        f"{1e3 * found.direct:.2f}",
        f"{low(found.ratios):.2f} {statistics.median(found.ratios):.2f}",
        "-" if found.memory is None else f"{found.memory:.2f}",
        "; ".join(own) or "-",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.doors", description=__doc__)
    parser.add_argument("--doors", nargs="+", choices=DOORS, default=list(DOORS))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--markdown", action="store_true", help="as a table of the documentation")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peak:
        name, place = options.peak
        chosen = doors(name, options.columns)[int(place)]
        print_peak(chosen, draw(options.rows, options.columns))
        return
    p = draw(options.rows, options.columns)
    print(
        f"entropy of {options.rows} rows of {options.columns} float32; ratios: lower quartile and "
        "median; one row: the door (the array)\n"
    )
    if options.markdown:
        print("|", " | ".join(HEADING), "|")
        print("|", " | ".join(["---"] * len(HEADING)), "|")
    else:
        print(" ".join(title.ljust(w) for title, w in zip(HEADING, WIDTHS, strict=True)))
    for name in options.doors:
        for place, door in enumerate(doors(name, options.columns)):
            found = measure(door, p, options.rounds)
            memory = peak_memory(name, place, options.rows, options.columns)
            row = line(door, found._replace(memory=memory))
            if options.markdown:
                print("|", " | ".join(row), "|", flush=True)
            else:
                cells = zip(row, WIDTHS, strict=True)
                print(" ".join(cell.ljust(w) for cell, w in cells).rstrip(), flush=True)


if __name__ == "__main__":
    main()
