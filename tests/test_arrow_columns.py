"""Which columns are chosen, and what is said of those that do not fit."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from arrow_cases import LABELS, P, Q, X, fixed, lists, pa, struct

import fastent as fe
from fastent.arrow import Scorer, score

WIDE = pa.record_batch(
    {"id": np.arange(len(P)), "y": LABELS}
    | {f"p_{i}": P[:, i].copy() for i in range(P.shape[1])}
    | {f"q_{i}": Q[:, i].copy() for i in range(P.shape[1])}
    | {"name": ["a"] * len(P)}
)
LONG = pa.record_batch(
    {"id": np.arange(len(P)), "p": fixed(P), "y": LABELS, "name": ["a"] * len(P)}
)


def columns(*arguments: Any, **options: Any) -> list[str]:
    """Return the columns that are read."""
    return Scorer(*arguments, **options).columns


# ---- which ------------------------------------------------------------------------------------


def test_by_name_list_and_pattern() -> None:
    """A name is one column, a list or a pattern the entries of a row."""
    names = [f"p_{i}" for i in range(6)]
    assert columns(WIDE.schema, "entropy", "p_*") == names
    assert columns(WIDE.schema, "entropy", "p_?") == names
    assert columns(WIDE.schema, "entropy", "p_[0-2]") == names[:3]
    assert columns(WIDE.schema, "entropy", ("p_2", "p_0")) == ["p_2", "p_0"]
    assert columns(WIDE.schema, "log_loss", "y", "q_*", weight="p_0")[-2:] == ["q_5", "p_0"]
    assert columns(LONG.schema, "entropy", ["p"]) == columns(LONG.schema, "entropy", "p*") == ["p"]
    odd = pa.schema([("p_*", pa.list_(pa.float64())), ("p_1", pa.float64())])
    assert columns(odd, "entropy", "p_*") == ["p_*"]
    one = pa.record_batch({"p_0": [1.0, 0.5]})
    assert score(one, "entropy", "p_*").to_pylist() == fe.entropy([[1.0], [0.5]]).tolist()


def test_numbers_of_a_pattern_are_in_their_order() -> None:
    """Class 2 comes before class 10, wherever their columns are; what has no numbers stays."""
    names = sorted(f"p_{i}" for i in range(12))
    schema = pa.schema([(name, pa.float64()) for name in names])
    assert names[2] == "p_10"
    assert columns(schema, "entropy", "p_*") == [f"p_{i}" for i in range(12)]
    batch = pa.record_batch([pa.array([float(n == "p_10")]) for n in names], names)
    batch = batch.append_column("y", pa.array([10]))
    assert score(batch, "log_loss", "y", "p_*").to_pylist() == [0]
    schema = pa.schema([(name, pa.float64()) for name in ("p_b", "p_a", "p_1")])
    assert columns(schema, "entropy", "p_*") == ["p_b", "p_a", "p_1"]


def test_numbers_of_all_columns_are_in_their_order() -> None:
    """Where no pattern is named too, if one would fit them all."""
    names = sorted(f"p_{i}" for i in range(12))
    batch = pa.record_batch([pa.array([float(n == "p_10")]) for n in names], names)
    assert columns(batch.schema, "entropy") == [f"p_{i}" for i in range(12)]
    batch = batch.append_column("y", pa.array([10]))
    assert score(batch, "log_loss", "y").to_pylist() == [0]
    for names in (["10", "9"], ["p_10", "p_9", "q_1"], ["p_10", "p_9", "p_"]):
        schema = pa.schema([(name, pa.float64()) for name in names])
        assert columns(schema, "entropy") == (["9", "10"] if names == ["10", "9"] else names)


def test_patterns_go_together() -> None:
    """Those of p and q have the same stars in the same order."""
    schema = pa.schema([(n, pa.float64()) for n in ("p_a", "p_b", "q_b", "q_a")])
    with pytest.raises(ValueError, match=r"'p_\*' matches a, b and 'q_\*' b, a: pass lists"):
        Scorer(schema, "kl_divergence", "p_*", "q_*")
    assert len(columns(schema, "kl_divergence", ["p_a", "p_b"], ["q_a", "q_b"])) == 4
    options = {"indices_or_k": "i_*"}
    schema = pa.schema([(n, pa.int8()) for n in ("x_0", "x_1", "x_2", "i_0", "i_1")])
    assert len(columns(schema, "top_log_probs", "x_*", **options)) == 5
    want = fe.kl_divergence(P, Q).tobytes()
    assert score(WIDE, "kl_divergence", "p_*", "q_*").to_numpy().tobytes() == want


def test_default() -> None:
    """The only column of lists; else all of numbers that no other operand has."""
    assert columns(LONG.schema, "entropy") == ["p"]
    assert columns(LONG.schema, "log_loss", "y") == ["y", "p"]
    assert columns(LONG.schema, "score_logits") == ["p"]
    assert columns(LONG.schema, "score_logits", "y") == ["y", "p"]
    part = WIDE.select([*(f"p_{i}" for i in range(6)), "y", "name"])
    assert columns(part.schema, "log_loss", "y")[1:] == [f"p_{i}" for i in range(6)]
    assert columns(part.select(["p_0", "name"]).schema, "surprisal") == ["p_0"]
    two = pa.schema([("p", pa.list_(pa.float64())), ("q", pa.list_(pa.float64()))])
    assert columns(two, "kl_divergence", None, "q") == ["p", "q"]


@pytest.mark.parametrize(
    ("schema", "arguments", "message"),
    [
        (
            WIDE,
            ["entropy"],
            r"name the columns of p: it may be any of id \(int64\), y \(int64\), p_0",
        ),
        (
            WIDE.select(["p_0", "p_1"]),
            ["surprisal"],
            r"name the columns of p: it may be any of p_0",
        ),
        (WIDE, ["kl_divergence"], r"name the columns of p, q: there are id \(int64\)"),
        (WIDE, ["log_loss", None, "p_*"], "name the columns of labels: there are"),
        (
            WIDE.select(["name"]),
            ["entropy"],
            r"no columns are left for p: there are name \(string\)",
        ),
        (pa.record_batch({}), ["entropy"], "no columns are left for p: there are none"),
        (LONG.append_column("r", fixed(Q)), ["entropy"], "name the column of p: p, r hold rows"),
        (WIDE, ["entropy", "p_6"], "there is no column 'p_6': did you mean 'p_"),
        (LONG, ["entropy", "zzz"], "there is no column 'zzz': choose from id, p, y, name"),
        (WIDE, ["entropy", ["p_1", "p_9"]], "there is no column 'p_9': did you mean 'p_"),
        (WIDE, ["entropy", "r_*"], r"no column matches 'r_\*' \(p\): there are id, y, p_0"),
        (WIDE, ["entropy", []], "the list of columns of p is empty"),
        (LONG, ["entorpy"], "there is no measure 'entorpy': did you mean 'entropy'"),
        (LONG, ["zz"], "there is no measure 'zz': choose from binary_cross_entropy, "),
        (
            LONG,
            ["fit_temperature"],
            "fit_temperature has no result for each row: call fastent.fit_",
        ),
        (LONG, [fe.pairwise_kl_divergence], "pairwise_kl_divergence has no result for each row"),
    ],
)
def test_names_that_are_none(schema: Any, arguments: list[Any], message: str) -> None:
    """A ValueError lists what there is, or names the nearest."""
    with pytest.raises(ValueError, match=message):
        Scorer(schema.schema, *arguments)


def test_names_of_measures() -> None:
    """With hyphens as on the command line, or the function itself."""
    for measure in ("kl-divergence", "kl_divergence", fe.kl_divergence):
        assert columns(WIDE.schema, measure, "p_*", "q_*")[0] == "p_0"


def test_twice_the_same_name() -> None:
    """Which of them is meant, nobody knows; others may be twice there."""
    schema = pa.schema([("a", pa.float64()), ("a", pa.float64()), ("p", pa.list_(pa.float64()))])
    for wanted in ("a", ["a"], "a*"):
        with pytest.raises(ValueError, match="there are 2 columns 'a': give them different names"):
            Scorer(schema, "entropy", wanted)
    table = pa.Table.from_arrays(
        [pa.array([1.0]), pa.array([2.0]), pa.array([[1.0]])], schema=schema
    )
    assert score(table, "entropy", "p").to_pylist() == [0]


# ---- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (["entropy", "p", "p"], {}, r"entropy has 1 operand\(s\), p: 2 were named"),
        (["entropy", 3], {}, "columns are chosen by name, a list of names or a pattern, not 3"),
        (["entropy", "p"], {"bse": 2}, "entropy has no option bse: did you mean 'base'"),
        (["entropy"], {"p": "p"}, "p is an operand of entropy: name its columns in order"),
        (["entropy", "p"], {"axis": 0}, "axis= has no place here: the entries of a row"),
        (["entropy", "p"], {"reduction": "mean"}, "reduction= has no place here: .*compute.mean"),
        (["surprisal", "p"], {"where": True}, "where= has no place here: null rows"),
        (["renyi_entropy", "p"], {}, "renyi_entropy needs alpha="),
        (["top_log_probs", "p"], {}, "top_log_probs needs indices_or_k="),
        (
            ["entropy", "p"],
            {"weight": [1, 2]},
            r"weight is the name of a column here, not \[1, 2\]",
        ),
        (["entropy", "p"], {"weight": "p"}, "it needs one number a row, beside one result a row"),
        (
            ["surprisal", "p"],
            {"weight": "id"},
            "it needs one number a row, beside one result a row",
        ),
        (
            ["binary_cross_entropy", "p", "p"],
            {"pos_weight": "id"},
            "a weight beside each of column",
        ),
        (["binary_cross_entropy", "y", "y"], {"pos_weight": [1, 2]}, "pos_weight is a number, the"),
        (["top_log_probs", "p"], {"indices_or_k": [[1]]}, "indices_or_k is a number, a list of"),
        (["top_log_probs", "p"], {"indices_or_k": "y"}, "it needs a list of class indices a row"),
        (["log_loss", "name", "p"], {}, r"column 'name' \(labels\) is string: pass numbers; class"),
        (
            ["entropy", "id"],
            {},
            r"column 'id' \(p\) is int64: rows lie in a column of lists, or in",
        ),
        (["mutual_information", "p"], {}, r"column 'p' \(joint\) is fixed.*: a table takes fixed"),
        ([min, "p"], {}, "there is no measure 'min'"),
        ([lambda p: p, "p"], {}, "there is no measure '<lambda>'"),
        ([7, "p"], {}, "measure must be a name or a function of fastent, not 7"),
    ],
)
def test_arguments_that_make_no_sense(
    arguments: list[Any], options: dict[str, Any], message: str
) -> None:
    """They are told of before any data is read."""
    with pytest.raises((TypeError, ValueError), match=message):
        Scorer(LONG.schema, *arguments, **options)


def test_a_function_of_the_same_name() -> None:
    """It may be another library's."""

    def entropy(p: Any) -> Any:
        return p

    with pytest.raises(TypeError, match=r"is not fastent.entropy: pass that, or its name"):
        Scorer(LONG.schema, entropy)


def test_nulls_is_one_of_two() -> None:
    """And nothing else."""
    with pytest.raises(ValueError, match="nulls must be 'null' or 'zero', not 'drop'"):
        score(LONG, "entropy", nulls="drop")


def test_options_are_checked_before_the_data() -> None:
    """By the measure itself."""
    with pytest.raises(ValueError, match="base must be a positive number"):
        Scorer(LONG.schema, "entropy", "p", base=1)
    with pytest.raises(ValueError, match="temperature must be a positive number"):
        Scorer(LONG.schema, "softmax_entropy", "p", temperature=0)
    with pytest.raises(ValueError, match="class_weight has shape"):
        Scorer(LONG.schema, "log_loss", "y", "p", class_weight=[1, 2])


@pytest.mark.parametrize(
    ("types", "arguments", "message"),
    [
        (
            {"p": pa.decimal128(3, 2)},
            ["entropy"],
            r"column 'p' \(p\) is decimal128\(3, 2\): cast it",
        ),
        ({"p": pa.string_view()}, ["surprisal", "p"], "is string_view: pass numbers"),
        ({"p": pa.date32()}, ["surprisal", "p"], "is date32.*: pass numbers"),
        ({"p": pa.list_(pa.string())}, ["entropy"], r"is list<.*string>: pass numbers"),
        ({"p": pa.list_(pa.list_(pa.float32()))}, ["entropy"], "is list<.*: pass rows of numbers"),
        ({"p": pa.list_(pa.list_(pa.float32()), 2)}, ["entropy"], "pass rows of numbers"),
        (
            {"p": pa.dictionary(pa.int8(), pa.string())},
            ["surprisal", "p"],
            "is dictionary<.*: pass n",
        ),
        (
            {"p": pa.list_(pa.dictionary(pa.int8(), pa.int8()))},
            ["entropy"],
            "decode it with pyarrow.",
        ),
        ({"p": pa.run_end_encoded(pa.int32(), pa.float32())}, ["surprisal", "p"], "run_end_decode"),
        ({"p": pa.struct([])}, ["entropy", "p"], "there is nothing in it"),
        ({"p": pa.struct([("a", pa.string())])}, ["entropy", "p"], r"column 'p.a' \(p\) is string"),
        ({"p": pa.map_(pa.string(), pa.float64())}, ["entropy", "p"], "is map<.*: pass numbers"),
        (
            {"p_0": pa.float32(), "p_1": pa.string()},
            ["entropy", "p_*"],
            r"column 'p_1' \(p\) is str",
        ),
        (
            {"y": pa.float64(), "p": pa.list_(pa.float32(), 2)},
            ["log_loss", "y"],
            "integers, such as",
        ),
        ({"y": pa.float64(), "p": pa.list_(pa.float32())}, ["score_logits", "y"], "integers, such"),
    ],
    ids=str,
)
def test_types_that_are_not_read(types: dict[str, Any], arguments: list[Any], message: str) -> None:
    """A TypeError says what to pass."""
    with pytest.raises(TypeError, match=message):
        Scorer(pa.schema(list(types.items())), *arguments)


@pytest.mark.parametrize(
    ("one", "other", "measure"),
    [
        (pa.list_(pa.float64(), 3), pa.list_(pa.float64(), 4), "kl_divergence"),
        (pa.list_(pa.float64(), 3), pa.list_(pa.float64(), 1), "cross_entropy"),
        (pa.list_(pa.float64(), 3), pa.list_(pa.list_(pa.float64(), 3), 3), "kl_divergence"),
        (pa.list_(pa.float64()), pa.list_(pa.list_(pa.float64(), 3), 3), "kl_divergence"),
        (pa.float64(), pa.list_(pa.float64(), 3), "binary_cross_entropy"),
        (pa.list_(pa.float64(), 3), pa.float64(), "brier_score"),
        (pa.list_(pa.int64(), 3), pa.list_(pa.float64(), 3), "log_loss"),
        (pa.list_(pa.int64()), pa.list_(pa.float64()), "log_loss"),
        (pa.list_(pa.int64(), 2), pa.list_(pa.float64(), 3), "score_logits"),
    ],
    ids=str,
)
def test_rows_that_do_not_go_together(one: Any, other: Any, measure: str) -> None:
    """They are refused by their types: nothing broadcasts, whatever the number of rows."""
    schema = pa.schema([("a", one), ("b", other)])
    message = rf"^column 'a' \(.*\) is {re.escape(str(one))} and column 'b' .* do not go together: "
    if measure == "log_loss":
        message += "labels are class indices, one number a row, not (lists|3 numbers a row)$"
    with pytest.raises(ValueError, match=message):
        Scorer(schema, measure, "a", "b")


# ---- bad rows ---------------------------------------------------------------------------------


BAD = 29
"""Where the bad row is, beyond the first block and chunk."""


def bad_rows(value: float) -> Any:
    """Return distributions but for one entry."""
    rows = P.copy()
    rows[BAD, 3] = value
    return rows


@pytest.mark.parametrize("gone", [[], [0, 7, 28, 30]], ids=["", "with nulls"])
@pytest.mark.parametrize("layout", ["columns", "fixed", "lists", "struct"])
@pytest.mark.parametrize("step", [3, 1000])
def test_the_row_is_named(
    layout: str, gone: list[int], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one, counted from the beginning of all the data, in blocks, chunks and slices."""
    monkeypatch.setattr("fastent.arrow._scorer.BLOCK_ROWS", step)
    monkeypatch.setattr("fastent.arrow._scorer.BLOCK_BYTES", step * 48)
    mask = np.isin(np.arange(len(P)), gone)
    for value, rule in (
        (-0.5, "holds -0.5 at 3: probabilities must"),
        (0.9, "sums to .* not to 1"),
    ):
        rows = bad_rows(value)
        if layout == "columns":
            arrays = {f"p_{i}": pa.array(x.copy(), mask=mask) for i, x in enumerate(rows.T)}
            title, kind = "columns 'p_0' to 'p_5'", "double"
        else:
            data = {"fixed": fixed, "lists": lists, "struct": struct}[layout](rows, mask)
            arrays, title, kind = {"p_": data}, "column 'p_'", re.escape(str(data.type))
        batch = pa.record_batch(arrays)
        table = pa.Table.from_batches([batch[1:9], batch[9:9], batch[9:]])
        message = rf"^{title}, row {BAD - 1} \(p, {kind}\) {rule}"
        with pytest.raises(ValueError, match=message):
            score(table, "entropy", "p_*", check=True)
        with pytest.raises(ValueError, match=message):
            score(batch[1:], "entropy", "p_*", check=True)


def test_what_is_wrong_with_rows() -> None:
    """Of each operand, in its own column."""
    labels = LABELS.copy()
    labels[BAD] = 9
    table = pa.table({"p": fixed(P), "y": labels, "x": X[:, 0].copy(), "n": fixed(labels[:, None])})
    said = r"^column 'y', row 29 \({}, int64\) is 9, but there are 6 classes, 0 to 5"
    with pytest.raises(ValueError, match=said.format("labels")):
        score(table, "log_loss", "y", "p")
    with pytest.raises(ValueError, match=said.format("target")):
        score(table, "compare_logits", "p", "p", "y")
    with pytest.raises(
        ValueError, match=r"^column 'x', row \d+ \(target, double\) is .*must lie in \["
    ):
        score(table, "binary_cross_entropy", "x", "x", check=True)
    with pytest.raises(
        ValueError, match=r"^column 'n', row \d+ \(p, .*int64.*\) holds integers abo"
    ):
        score(table, "entropy", "n")
    with pytest.raises(ValueError, match=r"^column 'p', row 29, entry 3 \(p, .*\) is 2.0: it must"):
        score(fixed(bad_rows(2)), "surprisal", check=True)
    with pytest.raises(
        ValueError, match=r"^column 'n', row 29, entry 0 \(indices_or_k, .*\) is 9, bu"
    ):
        score(table, "top_log_probs", "p", indices_or_k="n")


def test_lists_of_other_lengths() -> None:
    """Two operands have as many entries in each row; a measure may need as many in all."""
    table = pa.table({"p": [[0.5, 0.5], [1.0], [1.0]], "q": [[0.5, 0.5], [1.0], [0.5, 0.5]]})
    message = r"^column 'p', column 'q', row 2: there are 1 entries in p and 2 entries in q"
    with pytest.raises(ValueError, match=message):
        score(table, "kl_divergence", "p", "q")
    with pytest.raises(ValueError, match="row 1: there are 1 entries in p and 2 entries in q"):
        score(table[1:], "kl_divergence", "p", "q")
    fixed_two = table.append_column("r", fixed(np.full((3, 2), 0.5)))
    with pytest.raises(ValueError, match="row 1: there are 1 entries in p and 2 entries in q"):
        score(fixed_two, "js_divergence", "p", "r")
    with pytest.raises(ValueError, match="row 0: there are 1 entries in p and 2 entries in q"):
        score(fixed_two[1:], "js_divergence", "p", "r")
    with pytest.raises(ValueError, match=r"correction .* cannot be given with lists of different"):
        score(pa.array([[1, 2], [3]]), "entropy", normalize=True, bias_correction="grassberger")
