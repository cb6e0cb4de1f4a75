"""SQL of DuckDB: the bits of the direct call, whatever holds the rows; NULLs, options, errors."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from arrow_cases import CASES, LABELS, ROWS, P, Q, X, fixed, lists, nullify, pa, struct

import fastent as fe
from fastent._measures import measures
from fastent.arrow import Scorer, score

duckdb: Any = pytest.importorskip("duckdb")
door: Any = importlib.import_module("fastent.duckdb")

HOLDS: dict[str, Any] = {"ARRAY": fixed, "LIST": lists, "STRUCT": struct, "columns": None}
RESERVED = ("check", "order")
"""Words of SQL: as names they need quotes."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    """Connect to a database with the measures."""
    with duckdb.connect() as connection:
        door.register(connection)
        yield connection


@pytest.fixture
def con() -> Iterator[Any]:
    """Connect to a database of the test's own, with the measures."""
    with duckdb.connect() as connection:
        door.register(connection)
        yield connection


def column(con: Any, query: str) -> Any:
    """Return the only column of a query as one Arrow array."""
    table = pa.RecordBatchReader.from_stream(con.sql(query)).read_all()
    return table.column(0).combine_chunks()


def numbers(con: Any, query: str) -> Any:
    """Return the only column of a query as an ndarray."""
    return column(con, query).to_numpy(zero_copy_only=False)


def literal(value: Any) -> str:
    """Return a value as SQL writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return f"'{value}'" if isinstance(value, str) else repr(value)


# ---- values -----------------------------------------------------------------------------------


def in_sql(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that SQL has, none of them a column."""
    no_column = options if np.ndim(options.get("pos_weight", 1)) == 0 else {}
    return {name: no_column[name] for name in no_column if name not in ("weight", "value_and_grad")}


SAID = [(name, operands, in_sql(options)) for name, operands, options in CASES]
SAID = [
    (name, tuple(x[:, 0] for x in operands), options)
    if measures()[name].elementwise and operands[0].ndim > 1
    else (name, operands, options)
    for name, operands, options in SAID
]


def statement(
    name: str, operands: tuple[Any, ...], options: dict[str, Any], hold: Any
) -> tuple[str, Any]:
    """Return the expression of a case, and the table that it is of."""
    columns: dict[str, Any] = {}
    said = []
    given = dict(zip(measures()[name].operands, operands, strict=False))
    if isinstance(options.get("indices_or_k"), np.ndarray):
        given["indices_or_k"] = options["indices_or_k"]
    for role, rows in given.items():
        if rows is None:
            said.append("NULL")
            continue
        said.append(f"column_{role}")
        if rows.ndim == 1:
            columns[said[-1]] = pa.array(rows)
        elif rows.ndim == 3 or (hold is not None and role != "indices_or_k"):
            columns[said[-1]] = (fixed if rows.ndim == 3 else hold)(rows)
        else:
            parts = [f"{said[-1]}_{i}" for i in range(rows.shape[1])]
            columns |= {part: pa.array(rows[:, i].copy()) for i, part in enumerate(parts)}
            said[-1] = f"[{', '.join(parts)}]"
    for option, value in options.items():
        if option not in given:
            quoted = f'"{option}"' if option in RESERVED else option
            said.append(f"{quoted} := {literal(value)}")
    return f"fastent_{name}({', '.join(said)})", pa.table(columns)


def assert_same(got: Any, want: Any) -> None:
    """Assert that a column holds these numbers, bit for bit once float32 is float64."""
    if isinstance(want, tuple):
        names = want._fields if hasattr(want, "_fields") else ("gradient", "hessian")
        assert [field.name for field in got.type] == list(names)
        for name, part in zip(names, want, strict=True):
            if part is None:
                assert got.field(name).null_count == len(got)
            else:
                assert_same(got.field(name), part)
        return
    assert got.null_count == 0
    while not isinstance(got, (pa.NumericArray, pa.BooleanArray)):
        got = got.flatten()
    found = got.to_numpy(zero_copy_only=False)
    wide = np.asarray(want, np.float64) if np.asarray(want).dtype.kind == "f" else np.asarray(want)
    assert found.dtype == wide.dtype
    assert found.tobytes() == wide.tobytes()


def test_every_measure_is_said() -> None:
    """All are in SQL, and in the cases."""
    assert {name for name, _, _ in SAID} == set(measures())


@pytest.mark.parametrize("layout", HOLDS)
@pytest.mark.parametrize("index", range(len(SAID)))
def test_every_measure(shared: Any, index: int, layout: str) -> None:
    """Of every layout, in both dtypes."""
    name, operands, options = SAID[index]
    for dtype in (np.float64, np.float32):
        rows = tuple(
            part.astype(dtype) if part is not None and part.dtype.kind == "f" else part
            for part in operands
        )
        said, table = statement(name, rows, options, HOLDS[layout])
        shared.register("t", table)
        want = getattr(fe, name)(*rows, **options)
        assert_same(column(shared, f"select {said} from t"), want)


@pytest.mark.parametrize("index", range(len(SAID)))
def test_null_rows(shared: Any, index: int) -> None:
    """A NULL in any operand is a NULL, and nothing else changes."""
    name, operands, options = SAID[index]
    said, table = statement(name, operands, options, fixed)
    shared.register("t", table)
    whole = column(shared, f"select {said} from t").to_pylist()
    nulls = np.random.default_rng(index).random(ROWS) < 0.2
    for place, held in enumerate(table.column_names):
        if held.rpartition("_")[2].isdecimal():
            continue  # an entry of a list
        rows = nullify(table[held].combine_chunks(), nulls)
        shared.register("t", table.set_column(place, held, rows))
        got = column(shared, f"select {said} from t").to_pylist()
        assert got == [None if null else x for x, null in zip(whole, nulls, strict=True)]


def test_many_rows_on_many_threads(con: Any) -> None:
    """Blocks of 2048 rows come from several threads; lists of different lengths too."""
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(4), 300_000).astype(np.float32)
    con.register("t", pa.table({"p": fixed(p), "i": np.arange(len(p))}))
    con.execute("create table own as select i, p::FLOAT[] as p from t")
    want = fe.entropy(p).astype(np.float64)
    for source in ("t", "own"):
        got = numbers(con, f"select fastent_entropy(p) from {source} order by i")
        assert got.tobytes() == want.tobytes()
    some = numbers(con, "select fastent_entropy(p) from own where i % 7 = 3 order by i")
    assert some.tobytes() == want[3::7].tobytes()
    ragged = numbers(
        con, "select fastent_entropy(p[1:1 + i % 4], normalize := true) from own order by i"
    )
    for k in range(1, 5):
        each = fe.entropy(p[k - 1 :: 4, :k], normalize=True).astype(np.float64)
        assert ragged[k - 1 :: 4].tobytes() == each.tobytes()


def test_our_threads_stand_back(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB's are at work already: each call is one thread's."""
    found = []
    whole: Callable[..., Any] = Scorer.score

    def watched(self: Scorer, batch: Any, first_row: int = 0, *, alone: bool = False) -> Any:
        found.append(alone)
        return whole(self, batch, first_row, alone=alone)

    monkeypatch.setattr(Scorer, "score", watched)
    p = np.random.default_rng(3).random((900, 1000))
    con.register("t", pa.table({"p": fixed(p)}))
    got = numbers(con, "select fastent_entropy(p, normalize := true) from t")
    assert got.tobytes() == fe.entropy(p, normalize=True).tobytes()
    assert found
    assert all(found)


def test_one_result_or_several(shared: Any) -> None:
    """A struct has its fields; those of a missing target are NULL."""
    query = "select s.rank, s.entropy from (select fastent_score_logits(1, [0.5, 2.5]) as s)"
    assert shared.execute(query).fetchone() == (0, fe.score_logits(1, [0.5, 2.5]).entropy)
    query = "select fastent_score_logits(x, [0.5, 2.5]) from (values (1), (NULL)) v(x)"
    one, none = shared.execute(query).fetchall()
    assert one[0]["rank"] == 0
    assert none == (None,)
    query = "select fastent_compare_logits([0.5, 2.5], [1.0, 2.0])"
    (found,) = shared.execute(query).fetchone()
    assert found["target_log_prob_change"] is None
    assert found["kl_divergence"] == fe.compare_logits([0.5, 2.5], [1.0, 2.0]).kl_divergence
    query = "select fastent_compare_logits(x, [1.0, 2.0], target := 0) from (values (NULL)) v(x)"
    assert shared.execute(query).fetchall() == [(None,)]


def test_several_columns(con: Any) -> None:
    """They are a list."""
    con.execute("create table t as select 0.5 p_a, 0.25 p_b, 0.25 p_c, 'x' as name")
    assert con.execute("select fastent_entropy([p_a, p_b, p_c], base := 2) from t").fetchone() == (
        1.5,
    )
    listed = "[*columns('p_.*')]"
    query = f"select fastent_entropy({listed}) from t"
    assert con.execute(query).fetchone() == (fe.entropy([0.5, 0.25, 0.25]),)
    query = f"select fastent_entropy(p, base := 2) from (select {listed} as p from t)"
    assert con.execute(query).fetchone() == (1.5,)
    query = f"select fastent_entropy({listed}, base := 2) from t"
    if duckdb.__version__.startswith("2.0"):  # loses the name, and is not to take 2 for another's
        with pytest.raises(duckdb.InvalidInputException, match="make that list in a subquery"):
            con.execute(query).fetchone()
    else:
        assert con.execute(query).fetchone() == (1.5,)


def test_wherever_expressions_stand(con: Any) -> None:
    """Filters, aggregates, lambdas, prepared statements, views, columns called as parameters."""
    con.execute("create table t as select [i / 8, 1 - i / 8] as q, i as base from range(5) r(i)")
    q = np.array([[i / 8, 1 - i / 8] for i in range(5)])
    want = fe.entropy(q, base=2)
    assert numbers(con, "select fastent_entropy(q, base := 2) from t").tolist() == want.tolist()
    query = "select base from t where fastent_entropy(q, base := 2) > 0.9 order by base"
    assert con.execute(query).fetchall() == [(3,), (4,)]
    query = "select max(fastent_entropy(q, base := 2)) from t group by base % 2 order by 1"
    assert con.execute(query).fetchall() == [(want[3],), (want[4],)]
    query = "select fastent_entropy(list(w), normalize := true) from (values (1), (3)) v(w)"
    assert con.execute(query).fetchone() == (fe.entropy([1, 3], normalize=True),)
    query = "select list_transform([0.5, 0.25], lambda x: fastent_surprisal(x, base := 2))"
    assert con.execute(query).fetchone() == ([1.0, 2.0],)
    query = "select fastent_entropy($1, base := $2)"
    assert con.execute(query, [[0.5, 0.5], 4]).fetchone() == (0.5,)
    con.execute("create temp view v as select fastent_entropy(q, base := 2) as h from t")
    assert numbers(con, "select h from v").tolist() == want.tolist()
    query = "select fastent_kl_divergence(q, p) from (select [0.5, 0.5] as p, [1, 0] as q)"
    assert con.execute(query).fetchone() == (fe.kl_divergence([1, 0], [0.5, 0.5]),)


def test_sums_of_integers_are_integers(con: Any) -> None:
    """SQL makes HUGEINT of them, which Arrow has as decimals: counts are refused, or divided."""
    counts = "(select list(n) as p from (select sum(i) as n from range(9) t(i) group by i % 2))"
    with pytest.raises(duckdb.InvalidInputException, match="normalize := true"):
        con.execute(f"select fastent_entropy(p) from {counts}").fetchone()
    (found,) = con.execute(f"select fastent_entropy(p, normalize := true) from {counts}").fetchone()
    assert found == fe.entropy([20, 16], normalize=True)
    (found,) = con.execute("select fastent_log_loss(1::hugeint, [0.25, 0.75])").fetchone()
    assert found == fe.log_loss([1], [[0.25, 0.75]])[0]


def test_decimals_are_the_nearest_doubles(con: Any) -> None:
    """SQL calls 0.1 a DECIMAL, which Arrow's own cast does not round to the nearest double."""
    rng = np.random.default_rng(4)
    whole = rng.integers(1, 10**17, (99, 3))
    digits = [[Decimal(int(x)).scaleb(-17) for x in row] for row in whole]
    want = fe.surprisal(np.array(digits, np.float64))
    kind = pa.list_(pa.decimal128(38, 17), 3)
    con.register("t", pa.table({"p": pa.array(digits, kind)}))
    said = "list_transform(p::DECIMAL(38, 17)[], lambda x: fastent_surprisal(x))"
    assert column(con, f"select {said} from t").flatten().to_numpy().tobytes() == want.tobytes()
    got = numbers(con, "select fastent_entropy(p) from t")
    assert got.tobytes() == fe.entropy(np.array(digits, np.float64)).tobytes()
    got = numbers(con, "select fastent_entropy({'a': p[1], 'b': p[2]}) from t")
    assert got.tobytes() == fe.entropy(np.array(digits, np.float64)[:, :2]).tobytes()
    query = "select fastent_entropy([sum(i), 3], normalize := true) from range(3) r(i)"
    assert con.execute(query).fetchone() == (fe.entropy([3, 3], normalize=True),)


# ---- options ----------------------------------------------------------------------------------


def test_defaults() -> None:
    """Of a connection; registering again changes them, and a cursor has its own."""
    with duckdb.connect() as con:
        query = "select fastent_entropy([0.5, 0.5]), fastent_perplexity([0.5, 0.5])"
        door.register(con, base=2, nulls="zero")
        assert con.execute(query).fetchone() == (1.0, 2.0)
        assert con.execute("select fastent_entropy([0.5, 0.5, NULL])").fetchone() == (1.0,)
        assert con.execute("select fastent_entropy([0.5, 0.5], base := 4)").fetchone() == (0.5,)
        with con.cursor() as cursor:
            with pytest.raises(duckdb.CatalogException, match="fastent_entropy"):
                cursor.execute(query)
            door.register(cursor)
            assert cursor.execute(query).fetchone() == (np.log(2), 2.0)
        assert con.execute(query).fetchone() == (1.0, 2.0)
        for _ in range(2):
            door.register(con)
        assert con.execute(query).fetchone() == (np.log(2), 2.0)
        door.register(con, class_weight=np.array([1, 0.1]), log_floor=None, base=np.float32(math.e))
        query = "select fastent_log_loss(1, [0.5, 0.5]), fastent_cross_entropy([1, 0], [0, 1])"
        assert con.execute(query).fetchone() == (pytest.approx(np.log(2) * 0.1), np.inf)
        with pytest.raises(TypeError, match=r"no measure has an option bse: .*base"):
            door.register(con, bse=2)


def test_nothing_is_lost_with_a_cursor() -> None:
    """The functions are the database's: they outlive the cursor that made them."""
    with duckdb.connect() as con:
        with con.cursor() as cursor:
            door.register(cursor)
        door.register(con)
        assert con.execute("select fastent_entropy([1.0])").fetchone() == (0.0,)


def test_cursors_register_at_once() -> None:
    """A cursor a thread is DuckDB's way."""
    with duckdb.connect() as con, ThreadPoolExecutor(4) as pool:

        def use(base: int) -> float:
            with con.cursor() as cursor:
                door.register(cursor, base=base)
                (found,) = cursor.execute("select fastent_entropy([0.5, 0.5])").fetchone()
            return float(found)

        assert list(pool.map(use, [2, 4, 16, 256])) == [1, 0.5, 0.25, 0.125]


def test_the_default_connection() -> None:
    """It is the one of duckdb.sql."""
    door.register()
    assert duckdb.sql("select fastent_entropy([0.5, 0.5], base := 2)").fetchall() == [(1.0,)]


def test_a_file_keeps_nothing(tmp_path: Any) -> None:
    """Read only, too."""
    path = str(tmp_path / "own.db")
    with duckdb.connect(path) as con:
        con.execute("create table t as select [0.5, 0.5] as p")
        door.register(con)
    with duckdb.connect(path, read_only=True) as con:
        query = "select fastent_entropy(p, base := 2) from t"
        with pytest.raises(duckdb.CatalogException):
            con.execute(query)
        door.register(con)
        assert con.execute(query).fetchone() == (1.0,)


def test_plain_names(con: Any) -> None:
    """Hide DuckDB's own where that is asked for, and nowhere else."""
    count = "select entropy(x) from (values (1), (2)) v(x)"
    assert con.execute(count).fetchone() == (1.0,)
    door.register(con, shadow=True, base=2)
    query = "select entropy(p), kl_divergence(p, p), fastent_entropy(p) from (select [1, 0] as p)"
    assert con.execute(query).fetchone() == (0.0, 0.0, 0.0)
    assert con.execute(count.replace("entropy", "system.main.entropy")).fetchone() == (1.0,)
    assert con.cursor().execute(count).fetchone() == (1.0,)
    con.execute("drop macro temp.main.entropy")
    assert con.execute(count).fetchone() == (1.0,)


def test_nulls_within(con: Any) -> None:
    """An error that shows the row, or probability 0."""
    con.execute("create table t as select * from (values ([0.5, 0.5]), ([1, NULL])) v(p)")
    query = "select fastent_entropy(p, nulls := 'zero', base := 2) from t"
    assert con.execute(query).fetchall() == [(1.0,), (0.0,)]
    with pytest.raises(duckdb.Error) as error:
        con.execute("select fastent_entropy(p) from t").fetchall()
    text = str(error.value)
    assert "fastent_entropy: entry 1 of argument p, row 1 of a block (list<item: double>)" in text
    assert "pass nulls := 'zero' (probability 0); in that row p = [1.0, NULL]" in text


# ---- errors -----------------------------------------------------------------------------------

ERRORS = {
    "entropy([1, 2])": "pass normalize := true to divide counts.*in that row p = .1, 2.",
    'entropy([0.5, 0.25], "check" := true)': "argument p, row 0 of a block .* sums to 0.75",
    "entropy(0.5, 0.5)": "options are named, .*; several columns are one p as .a, b, c.",
    "entropy([0.5], base := 1)": "base must be a positive number other than 1, or NULL",
    "entropy([0.5], base := {'base': 2})": "base is .*: options are named",
    "entropy([0.5], base := x)": "base has to be the same in all rows",
    "entropy([0.5], nulls := 'none')": "nulls must be 'null' or 'zero', not 'none'",
    "entropy(0.5)": r"argument p is double: rows are lists, \[a, b\]",
    "entropy('abc')": "argument p is string: pass numbers",
    "entropy(['abc'])": "argument p is list<.*string>: pass numbers",
    "entropy([[0.5]]::DOUBLE[1][1])": r"it is DOUBLE\[\], where SQL was promised DOUBLE: .*unnest",
    "surprisal([0.5])": r"it is DOUBLE\[\], where SQL was promised DOUBLE: .*list_transform",
    "mutual_information([[1]])": r"pass rows of numbers: .*DOUBLE\[2\]\[3\]",
    "log_loss(0.5, [0.5, 0.5])": "argument labels is double: class indices are integers, .*BIGINT",
    "log_loss(x, [0.5, 0.5])": "argument labels, row 1 of a block .* is 2, but there are 2 classes"
    ".*in that row labels = 2, prob = .0.5, 0.5.",
    "kl_divergence([1, 0], [1])": "there are 2 entries in p and 1 entries in q",
    "top_log_probs([1, 0], 3)": "indices_or_k is 3, but there are 2 classes",
}


@pytest.mark.parametrize("said", ERRORS)
def test_errors_arrive(shared: Any, said: str) -> None:
    """With their text, in the words of SQL."""
    with pytest.raises(duckdb.InvalidInputException, match=f"fastent_.*{ERRORS[said]}"):
        shared.execute(f"select fastent_{said} from (values (1), (2)) v(x)").fetchall()
    assert shared.execute("select fastent_entropy([1.0])").fetchone() == (0.0,)


@pytest.mark.parametrize("said", ["entropy()", "entropy([1], bse := 2)", "renyi_entropy([1])"])
def test_duckdb_knows_the_parameters(shared: Any, said: str) -> None:
    """Wrong names are DuckDB's error, which shows those that there are."""
    with pytest.raises(duckdb.BinderException, match=r"fastent_\w+\(p, .*base := NULL"):
        shared.execute(f"select fastent_{said}")


def test_warnings(shared: Any) -> None:
    """What is no probability is NaN, with NumPy's warning."""
    query = "select fastent_entropy([-0.5, 1.5])"
    with pytest.warns(RuntimeWarning, match="invalid value encountered in entropy"):
        assert np.isnan(shared.execute(query).fetchone()[0])


def test_without_duckdb() -> None:
    """The error says what to install."""
    code = (
        "import sys; sys.modules['duckdb'] = None\n"
        "import fastent; assert 'fastent.duckdb' not in sys.modules\n"
        "import fastent.duckdb\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert 'pip install "fastent-numpy[duckdb]"' in done.stderr


# ---- the bulk route ---------------------------------------------------------------------------


def test_relations_are_scored_in_bulk(con: Any) -> None:
    """By `fastent.arrow.score`, which takes a relation, or a reader of larger batches."""
    con.register("t", pa.table({"y": LABELS, "p": fixed(P), "q": fixed(Q), "x": fixed(X)}))
    query = "select y, p from t"
    relation = con.sql(query)
    assert_same(score(relation, "log_loss", "y", "p").combine_chunks(), fe.log_loss(LABELS, P))
    read = "to_arrow_reader" if hasattr(relation, "to_arrow_reader") else "fetch_record_batch"
    found = score(getattr(con.sql(query), read)(10), "log_loss", "y", "p")
    assert isinstance(found, pa.RecordBatchReader)
    assert_same(found.read_all().column(0).combine_chunks(), fe.log_loss(LABELS, P))
