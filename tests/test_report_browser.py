"""The report in a real browser: nothing overflows, nothing complains, nothing is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("playwright")

from playwright import sync_api as playwright

from fastent.report import write_report

EXAMPLES = Path(__file__).parent.parent / "examples"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.skipif(not BROWSER, reason="there is no Chromium")

# Of each text of a picture, how large it is on the screen, in CSS pixels.
TEXT_HEIGHTS = """[...document.querySelectorAll("svg text")].map(text => {
    const {a, b} = text.getScreenCTM();
    return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
})"""
CROSSING = """[...document.querySelectorAll("svg")].flatMap(svg => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text")].filter(text => {
        const one = text.getBoundingClientRect();
        return one.left < box.left - 1 || one.right > box.right + 1
            || one.top < box.top - 1 || one.bottom > box.bottom + 1;
    }).map(text => text.textContent);
})"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write a report with every section, and one of columns with long names."""
    folder = tmp_path_factory.mktemp("reports")
    rows = np.load(EXAMPLES / "digits_probabilities.npy")
    np.save(folder / "first.npy", rows[:898])
    np.save(folder / "second.npy", rows[898:])
    np.save(folder / "labels.npy", np.load(EXAMPLES / "digits_labels.npy")[:898])
    write_report(
        folder / "first.npy",
        folder / "whole.html",
        other=folder / "second.npy",
        labels=folder / "labels.npy",
        base=2,
    )
    long = "a_column_with_a_name_that_does_not_end_where_a_telephone_does_"
    lines = [",".join(f"{long}{i}" for i in range(30))]
    lines += [",".join(f"{(i * j) % 17}.5" for i in range(30)) for j in range(40)]
    (folder / f"{long * 2}.csv").write_text("\n".join(lines), "utf-8")
    pytest.importorskip("pyarrow")
    file = folder / f"{long * 2}.csv"
    write_report(file, folder / "long.html", other=file, drift_only=True)
    return [folder / "whole.html", folder / "long.html"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start the browser once."""
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        yield running
        running.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_in_a_browser(pages: list[Path], browser: Any, width: int, scheme: str) -> None:
    """At both widths and in both schemes."""
    for path in pages:
        complaints: list[str] = []
        requests: list[str] = []
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("pageerror", lambda error, to=complaints: to.append(str(error)))
        page.on("console", lambda message, to=complaints: to.append(message.text))
        page.on("request", lambda request, to=requests: to.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("innerWidth") == width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert complaints == []
        assert requests == [path.as_uri()]
        assert min(page.evaluate(TEXT_HEIGHTS)) > 10
        assert page.evaluate(CROSSING) == []
        # the pictures take the scheme's colours: words are light on dark
        ink = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        lightness = sum(int(part) for part in ink[4:-1].split(","))
        assert (lightness > 3 * 128) == (scheme == "dark")
        page.close()
