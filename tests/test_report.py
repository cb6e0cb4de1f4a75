"""``fastent report``: its numbers are those of the measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastent as fe

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

import pyarrow as pa

from fastent.report import _drift, _gather, _sources, _write, write_report
from fastent.report._gather import Reading, gather
from fastent.report._sources import open_source

EXAMPLES = Path(__file__).parent.parent / "examples"
PROBABILITIES = EXAMPLES / "digits_probabilities.npy"
LABELS = EXAMPLES / "digits_labels.npy"
LIMIT = 200_000  # bytes of a page


def tables(folder: Path) -> list[tuple[Path, str | None]]:
    """Write the digits as tables of every kind; return each with the columns of its rows."""
    csv, feather = pytest.importorskip("pyarrow.csv"), pytest.importorskip("pyarrow.feather")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows, labels = np.load(PROBABILITIES), np.load(LABELS)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    label = pa.array(labels)
    lists = pa.table({"p": fixed.cast(pa.list_(pa.float32())), "label": label})
    wide = {f"p_{i}": pa.array(rows[:, i]) for i in range(rows.shape[1])}
    parquet.write_table(lists, folder / "lists.parquet", row_group_size=500)
    feather.write_feather(pa.table({"p": fixed, "label": label}), folder / "fixed.arrow")
    csv.write_csv(pa.table(wide | {"label": label}), folder / "wide.csv")
    return [
        (folder / "lists.parquet", None),
        (folder / "fixed.arrow", None),
        (folder / "wide.csv", "p_*"),
    ]


# ---- numbers ----------------------------------------------------------------------------------


def findings(
    path: Path, labels: Path | str, columns: str | None = None, **reading: Any
) -> _gather.Findings:
    """Return what is told of a file with labels."""
    source = open_source(path, columns, str(labels), reading.get("logits", False))
    return gather(source, _write._labels(source, labels), Reading(**reading))


def check_digits(found: _gather.Findings, base: float | None = None) -> None:
    """Assert that these are the findings of the digits."""
    rows, labels = np.load(PROBABILITIES), np.load(LABELS)
    means = {each.name: each.statistics.mean for each in found.distributions}
    ordered = np.sort(rows, axis=1)
    loss = fe.log_loss(labels, rows, base=base)
    expected = {
        "entropy": fe.entropy(rows, base=base).mean(dtype=np.float64),
        "confidence": ordered[:, -1].mean(dtype=np.float64),
        "margin": (ordered[:, -1] - ordered[:, -2]).mean(dtype=np.float64),
        "log loss": loss.mean(dtype=np.float64),
    }
    assert means == pytest.approx(expected, rel=1e-6)
    assert (found.rows, found.classes, found.nan_rows, found.off_rows) == (1797, 10, 0, 0)
    known = found.reliability
    assert known is not None
    assert known.error == pytest.approx(fe.expected_calibration_error(labels, rows), rel=1e-6)
    assert known.brier_score == pytest.approx(
        fe.brier_score(labels, rows, reduction="mean"), rel=1e-6
    )
    assert known.right.value == pytest.approx((rows.argmax(axis=1) == labels).mean())
    worst = np.argsort(-loss, kind="stable")[: _gather.SURPRISING]
    assert [entry["row"] for entry in found.surprising] == worst.tolist()
    for entry in found.surprising:
        row = rows[entry["row"]]
        assert entry["label"] == labels[entry["row"]]
        assert entry["of label"] == pytest.approx(row[entry["label"]])
        assert entry["prediction"] == row.argmax()


@pytest.mark.parametrize("block", [None, 40, 1234])
def test_findings(monkeypatch: pytest.MonkeyPatch, block: int | None) -> None:
    """They are those of the measures of the whole array, whatever the blocks."""
    if block is not None:
        monkeypatch.setattr(_sources, "BLOCK_BYTES", block)
    check_digits(findings(PROBABILITIES, LABELS, base=2), base=2)


def test_findings_of_tables(tmp_path: Path) -> None:
    """A table of any kind says the same, with labels in a column or beside it."""
    for path, columns in tables(tmp_path):
        check_digits(findings(path, "label", columns))
        check_digits(findings(path, LABELS, columns or "p"))


def test_findings_of_columns_in_another_order(tmp_path: Path) -> None:
    """Classes go by the numbers in the names of their columns, with a pattern and without."""
    csv = pytest.importorskip("pyarrow.csv")
    rows = np.load(PROBABILITIES)
    wide = {f"p_{i + 5}": pa.array(rows[:, i]) for i in range(rows.shape[1])}
    wide = {name: wide[name] for name in sorted(wide)}
    csv.write_csv(pa.table(wide), tmp_path / "wide.csv")
    for columns in (None, "p_*"):
        check_digits(findings(tmp_path / "wide.csv", LABELS, columns))


def test_findings_of_logits(tmp_path: Path) -> None:
    """The logarithms of probabilities, moved and stretched, are logits of the same."""
    logits = 2 * (np.log(np.load(PROBABILITIES).astype(np.float64)) + 3)
    np.save(tmp_path / "logits.npy", logits)
    found = findings(tmp_path / "logits.npy", LABELS, logits=True, temperature=2.0)
    assert found.reliability is not None
    rows, labels = np.load(PROBABILITIES), np.load(LABELS)
    assert found.reliability.error == pytest.approx(
        fe.expected_calibration_error(labels, rows), rel=1e-5
    )
    means = {each.name: each.statistics.mean for each in found.distributions}
    assert means["log loss"] == pytest.approx(fe.log_loss(labels, rows, reduction="mean"), rel=1e-6)
    assert means["entropy"] == pytest.approx(fe.entropy(rows).mean(), rel=1e-6)


def test_findings_of_one_probability() -> None:
    """Of probabilities of class 1 the calibration is theirs, and entropy that of both classes."""
    path = EXAMPLES / "breast_cancer_probabilities.npy"
    prob, labels = np.load(path), np.load(EXAMPLES / "breast_cancer_labels.npy")
    found = findings(path, EXAMPLES / "breast_cancer_labels.npy")
    assert found.reliability is not None
    assert found.reliability.error == pytest.approx(
        fe.expected_calibration_error(labels, prob), rel=1e-6
    )
    brier = fe.brier_score(labels, prob, reduction="mean")
    assert found.reliability.brier_score == pytest.approx(brier, rel=1e-6)
    means = {each.name: each.statistics.mean for each in found.distributions}
    assert means["entropy"] == pytest.approx(fe.binary_entropy(prob).mean(), rel=1e-5)
    loss = fe.binary_cross_entropy(labels, prob).mean()
    assert means["log loss"] == pytest.approx(loss, rel=1e-5)


def test_rows_that_are_none(tmp_path: Path) -> None:
    """NaN, negative and null rows are counted and left out; sums that are off are told of."""
    rows = np.full((20, 4), 0.25)
    rows[3, 1], rows[5, 0], rows[7] = np.nan, -0.1, 0.3
    np.save(tmp_path / "p.npy", rows)
    np.save(tmp_path / "labels.npy", np.array([-1, *[1] * 19]))
    found = findings(tmp_path / "p.npy", tmp_path / "labels.npy", ignore_index=-1)
    assert (found.rows, found.nan_rows, found.off_rows, found.unlabelled) == (20, 2, 1, 1)
    assert found.reliability is not None
    assert found.reliability.sums[0].sum() == 17
    assert found.distributions[0].bars.counts.sum() == 18
    column = pa.array([None, *rows[1:3].tolist()], pa.list_(pa.float64(), 4))
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"p": column}), tmp_path / "p.parquet")
    missing = gather(open_source(tmp_path / "p.parquet"), None, Reading())
    assert (missing.rows, missing.nan_rows) == (3, 1)


def test_blank_lines_of_labels(tmp_path: Path) -> None:
    """A row without a label, not one less."""
    pytest.importorskip("pyarrow")
    np.save(tmp_path / "p.npy", np.eye(3))
    (tmp_path / "y.csv").write_text("y\n0\n\n2\n")
    found = findings(tmp_path / "p.npy", tmp_path / "y.csv")
    assert (found.rows, found.unlabelled) == (3, 1)
    assert found.reliability is not None
    assert found.reliability.right.value == 1


def test_labels_that_are_none(tmp_path: Path) -> None:
    """Null, or of the number that is named, whatever it is: the page counts the rest alone."""
    rows, labels = np.load(PROBABILITIES), np.load(LABELS).astype(np.int64)
    np.save(tmp_path / "p.npy", rows)
    kept = np.arange(len(labels)) % 3 > 0
    want = fe.log_loss(labels[kept], rows[kept], reduction="mean")
    accuracy = (rows[kept].argmax(axis=1) == labels[kept]).mean()
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"label": pa.array(labels, mask=~kept)}), tmp_path / "l.parquet")
    cases: list[tuple[str, int | None]] = [("l.parquet", None)]
    for mark in (-1, -100, 255):
        np.save(tmp_path / f"{mark}.npy", np.where(kept, labels, mark))
        cases.append((f"{mark}.npy", mark))
    for name, ignored in cases:
        found = findings(tmp_path / "p.npy", tmp_path / name, ignore_index=ignored)
        assert found.unlabelled == np.count_nonzero(~kept)
        assert found.reliability is not None
        assert found.reliability.right.value == pytest.approx(accuracy)
        means = {each.name: each.statistics.mean for each in found.distributions}
        assert means["log loss"] == pytest.approx(want, rel=1e-6)
    page = tmp_path / "r.html"
    write_report(tmp_path / "p.npy", page, labels=tmp_path / "-1.npy", ignore_index=-1)
    assert "599 rows have no label." in page.read_text("utf-8")


def test_drift(tmp_path: Path) -> None:
    """What moved comes first; index and divergence are those of the bins' counts."""
    rng = np.random.default_rng(5)
    before, after = rng.normal(300, 5, (4000, 3)), rng.normal(300, 5, (3000, 3))
    after[:, 1] += 4
    after[:500, 2] = np.nan
    for name, data in (("a.npy", before), ("b.npy", after)):
        np.save(tmp_path / name, data)
    found = _drift.find_drift(open_source(tmp_path / "a.npy"), open_source(tmp_path / "b.npy"))
    assert [column.name for column in found.columns] == ["column 2", "column 1", "column 0"]
    same = found.columns[-1]
    assert same.index < 3 * same.chance
    moved = found.columns[1]
    edges = [-np.inf, moved.edges[0], *np.nextafter(moved.edges[1:], np.inf), np.inf]
    counts = [np.histogram(x[:, 1], edges)[0] for x in (before, after)]
    np.testing.assert_allclose(moved.before[:11], counts[0] / 4000, atol=2 / 4000)
    assert moved.before[0] == moved.after[0] == 0
    assert moved.after[10] > 2 * moved.before[10]
    index = fe.population_stability_index(*counts)
    assert moved.index == pytest.approx(index, rel=0.01)
    divergence = fe.js_divergence(*counts, base=2, normalize=True)
    assert moved.divergence == pytest.approx(divergence, rel=0.01)
    assert found.columns[0].after[-1] == pytest.approx(500 / 3000)


def test_index_by_chance(tmp_path: Path) -> None:
    """It is what halves at random have on average."""
    rng = np.random.default_rng(6)
    np.save(tmp_path / "a.npy", rng.random((2000, 300)))
    np.save(tmp_path / "b.npy", rng.random((1000, 300)))
    found = _drift.find_drift(open_source(tmp_path / "a.npy"), open_source(tmp_path / "b.npy"))
    mean = np.mean([column.index for column in found.columns])
    assert mean == pytest.approx(found.columns[0].chance, rel=0.1)


def test_sample_is_spread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Edges come from all of a file, also where its rows are in order and come in small blocks."""
    monkeypatch.setattr(_sources, "BLOCK_BYTES", 800)
    monkeypatch.setattr(_drift, "SAMPLE", 1)
    np.save(tmp_path / "a.npy", np.arange(50_000.0)[:, None])
    kept = _drift._sample(open_source(tmp_path / "a.npy"), ["column 0"])[0][:, 0]
    assert _drift.LEAST_SAMPLE / 2 < len(kept) <= _drift.LEAST_SAMPLE
    assert len(set(np.diff(kept))) == 1
    assert kept[-1] > 49_000


def test_drift_of_tables(tmp_path: Path) -> None:
    """Columns go by name, entries of lists too; what one file lacks is named."""
    parquet = pytest.importorskip("pyarrow.parquet")
    one = pa.table({"x": [1, 2, 3, None], "only": [1.0] * 4, "p": [[0.5, 0.5]] * 4})
    other = pa.table({"p": [[0.1, 0.9]] * 4, "word": ["a"] * 4, "x": [1, 2, 3, None]})
    parquet.write_table(one, tmp_path / "a.parquet")
    parquet.write_table(other, tmp_path / "b.parquet")
    sources = (open_source(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    found = _drift.find_drift(*sources)
    assert {column.name for column in found.columns} == {"x", "p[0]", "p[1]"}
    assert found.columns[-1].name == "x"
    moved = {column.name: column for column in found.columns}
    # what was constant has bins of its own below and above
    assert moved["p[0]"].before[:3].tolist() == moved["p[1]"].before[:3].tolist() == [0, 1, 0]
    assert moved["p[0]"].after[:3].tolist() == [1, 0, 0]
    assert moved["p[1]"].after[:3].tolist() == [0, 0, 1]
    assert found.columns[-1].index == 0
    assert found.columns[-1].before[-1] == 0.25
    assert found.left_out == ["only"]
