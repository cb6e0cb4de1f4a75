"""``fastent report``: the page is whole, small and the same, and fit to be read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import fastent as fe

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

import pyarrow as pa

from fastent.report import _page, _sources, write_report

EXAMPLES = Path(__file__).parent.parent / "examples"
PROBABILITIES = EXAMPLES / "digits_probabilities.npy"
LABELS = EXAMPLES / "digits_labels.npy"
LIMIT = 200_000  # bytes of a page


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        """Every tag is closed in its turn."""
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each tag of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def two_files(folder: Path) -> tuple[Path, Path]:
    """Write the halves of the digits' probabilities."""
    rows = np.load(PROBABILITIES)
    half = len(rows) // 2
    for name, part in (("first.npy", rows[:half]), ("second.npy", rows[half:])):
        np.save(folder / name, part)
    np.save(folder / "labels.npy", np.load(LABELS)[:half])
    return folder / "first.npy", folder / "second.npy"


def everything(folder: Path, output: str = "report.html", drawn: bool = False) -> Path:
    """Write a report with every section."""
    first, second = two_files(folder)
    labels, pictures = folder / "labels.npy", folder / "pictures"
    write_report(
        first,
        folder / output,
        other=second,
        labels=labels,
        base=2,
        pictures_folder=pictures if drawn else None,
    )
    return folder / output


def test_page(tmp_path: Path) -> None:
    """It is small, whole, described in words, and asks for nothing from elsewhere."""
    text = everything(tmp_path, drawn=True).read_text("utf-8")
    assert len(text.encode()) < LIMIT
    page = Page(text)
    assert page.open == []
    names = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert set(names.values()) == {1}
    for _, attributes in page.tags:
        for key in ("src", "href", "xlink:href", "srcset"):
            assert (attributes.get(key) or "#").startswith(("#", "data:,"))
            if (attributes.get(key) or "").startswith("#"):
                assert str(attributes[key])[1:] in names
    for link in re.findall(r"url\(#?([^)]*)\)", text):
        assert link in names
    assert not re.search(r"(?<!xmlns=\")(?<!xmlns:xlink=\")https?:", text)
    assert "<script" not in text
    assert len(page.all("svg")) == 7
    for picture in page.all("svg"):
        assert picture["role"] == "img"
        assert len(picture["aria-label"] or "") > 40
    assert len(page.all("figcaption")) == 7
    for head in page.all("th"):
        assert head["scope"] in ("col", "row")
    for table in page.all("table"):
        assert table["aria-labelledby"] in names
    assert page.all("html") == [{"lang": "en"}]
    assert "#010101" not in text
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert pictures == [
        "confidence.png",
        "drift-worst.png",
        "drift.png",
        "entropy.png",
        "log-loss.png",
        "margin.png",
        "reliability.png",
    ]
    assert (tmp_path / "pictures/drift.png").read_bytes().startswith(b"\x89PNG")


def test_page_says_the_numbers(tmp_path: Path) -> None:
    """The figures of the digits stand in it."""
    write_report(PROBABILITIES, tmp_path / "r.html", labels=LABELS)
    text = (tmp_path / "r.html").read_text("utf-8")
    rows, labels = np.load(PROBABILITIES), np.load(LABELS)
    error = fe.expected_calibration_error(labels, rows)
    brier = fe.brier_score(labels, rows, reduction="mean")
    loss = fe.log_loss(labels, rows, reduction="mean")
    for name, value in (("ECE", error), ("Brier score", brier)):
        assert f"<dt>{name}</dt><dd>{value:.3g}</dd>" in text
    assert f"<dt>mean log loss</dt><dd>{loss:.3g} nats</dd>" in text
    worst = int(np.argmax(fe.log_loss(labels, rows)))
    assert f'<tr><th scope="row">{worst}</th><td>{labels[worst]}</td>' in text


def test_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files give the same page, in another process and in small blocks too."""
    page = everything(tmp_path).read_bytes()
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "import test_report_page; test_report_page.everything(Path(sys.argv[1]), 'again.html')"
    )
    again = [sys.executable, "-P", "-c", code, str(tmp_path), str(Path(__file__).parent)]
    subprocess.run(again, check=True)
    assert (tmp_path / "again.html").read_bytes() == page
    monkeypatch.setattr(_sources, "BLOCK_BYTES", 9999)
    assert everything(tmp_path, "blocks.html").read_bytes() == page


def test_names_are_escaped(tmp_path: Path) -> None:
    """A file or a column with an angle in its name makes no tag."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / '<b>&".parquet'
    parquet.write_table(pa.table({"<i>$x$": [1.0, 2.0]}), path)
    write_report(path, tmp_path / "r.html", other=path, drift_only=True)
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"i"})


def test_many_columns_stay_small(tmp_path: Path) -> None:
    """Of a thousand columns with long names the page shows the worst."""
    parquet = pytest.importorskip("pyarrow.parquet")
    values = np.random.default_rng(0).random((50, 1000))
    table = pa.table({f"{'long ' * 20}{i}": values[:, i] for i in range(1000)})
    parquet.write_table(table, tmp_path / "a.parquet")
    path = tmp_path / "a.parquet"
    write_report(path, tmp_path / "r.html", other=path, drift_only=True)
    text = (tmp_path / "r.html").read_text("utf-8")
    assert len(text) < LIMIT
    assert "885 more columns" in text


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [_page.LIGHT, _page.DARK])
def test_contrast(colours: dict[str, str]) -> None:
    """Words stand out from both grounds by 4.5 at least, on light and on dark."""
    for words in ("ink", "faint", "first", "second"):
        for ground in ("paper", "card"):
            assert contrast(colours[words], colours[ground]) >= 4.5
