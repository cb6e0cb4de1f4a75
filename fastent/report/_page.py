"""The page: facts, pictures with their words, tables; one file that asks nothing of a network."""

import html
import math
from collections.abc import Iterable, Sequence

import fastent
from fastent.report._drift import Column, Drift
from fastent.report._gather import Distribution, Findings
from fastent.report._pictures import (
    Draw,
    as_svg,
    bins,
    drift_bars,
    drift_height,
    histogram,
    reliability,
    shares,
    short,
)

SHOWN_BARS = 12  # columns in the picture of drift
SHOWN_COLUMNS = 15  # in its table
OTHER_COLUMNS = 100  # in that of the others, which opens when it is asked for
LONGEST_NAME = 80

LIGHT = {
    "paper": "#ffffff",
    "card": "#f6f8fa",
    "ink": "#1f2328",
    "faint": "#57606a",
    "grid": "#d5dae0",
    "first": "#0b62a8",
    "second": "#b3480a",
}
DARK = {
    "paper": "#0f1419",
    "card": "#1a2129",
    "ink": "#e6edf3",
    "faint": "#9aa7b4",
    "grid": "#3a444f",
    "first": "#58a6ff",
    "second": "#ffa657",
}

STYLE = """
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 }
h2 { font-size: 1.2rem; margin: 2rem 0 .75rem }
.row { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start }
figure { flex: 1 1 20rem; min-width: 0; max-width: 25rem; margin: 0; padding: .75rem;
  background: var(--card); border-radius: .5rem }
figcaption, .note { color: var(--faint); font-size: .875rem }
svg { display: block; width: 100%; max-width: 100%; height: auto }
.facts { display: grid; gap: .5rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 10rem), 1fr)) }
.facts div { background: var(--card); border-radius: .5rem; padding: .5rem .75rem }
.facts dt { color: var(--faint); font-size: .875rem }
.facts dd { margin: 0; font-size: 1.125rem; font-variant-numeric: tabular-nums }
.wide { flex: 1 1 20rem; min-width: 0; max-width: 100%; margin: .5rem 0 }
.wide p { margin: 0 0 .25rem }
.table { overflow-x: auto }
.table:focus-visible { outline: 2px solid var(--first) }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .625rem; text-align: right; border-bottom: 1px solid var(--grid);
  white-space: nowrap }
th:first-child, td:first-child { padding-left: 0; text-align: left }
summary { cursor: pointer; color: var(--faint); font-size: .875rem; margin: .5rem 0 }
.first { color: var(--first) } .second { color: var(--second) }
"""


def make_page(one: Findings | None, other: Findings | None, drift: Drift | None, title: str) -> str:
    """Return the page."""
    parts = [f"<h1>{_text(title)}</h1>"]
    if one is not None:
        parts.append(_facts(one, None if other is None else other.name))
    if drift is not None:
        parts.append(_drift_section(drift, title))
    if one is not None:
        parts += [_measures_section(one, other), _calibration_section(one), _rows_section(one)]
    body = "\n".join(part for part in parts if part)
    colours = "\n".join(
        (
            f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}",
            f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}",
            f"@media print {{ :root {{ {_variables(LIGHT)} }} }}",
        )
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{_text(title)} - fastent report</title>
<style>
{colours}{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<footer><p class="note">Made by fastent {_text(fastent.__version__)}.</p></footer>
</body>
</html>
"""


def pictures(
    one: Findings | None, other: Findings | None, drift: Drift | None
) -> Iterable[tuple[str, Draw, float]]:
    """Yield every picture: its name, how to draw it, its height in inches."""
    if drift is not None:
        yield "drift", drift_bars(drift, SHOWN_BARS), drift_height(drift, SHOWN_BARS)
        yield "drift-worst", shares(drift.columns[0]), 2.7
    if one is None:
        return
    for mine, theirs in _pairs(one, other):
        yield mine.name.replace(" ", "-"), histogram(mine, theirs, one.unit), 2.5
    if one.reliability is not None:
        yield "reliability", reliability(one.reliability, one.single), 3.4


# ---- sections ---------------------------------------------------------------------------------


def _facts(one: Findings, other: str | None) -> str:
    """Return the numbers that come first."""
    means = {each.name: each.statistics.mean for each in one.distributions}
    facts = {"rows": f"{one.rows:,}", "classes": f"{one.classes:,}", "type": one.dtype}
    found = one.reliability
    if found is not None:
        facts["accuracy"] = _share(found.right.value)
    facts["mean confidence"] = _share(means["confidence"])
    facts["mean entropy"] = f"{_number(means['entropy'])} {one.unit}"
    if found is not None:
        facts["mean log loss"] = f"{_number(means['log loss'])} {one.unit}"
        facts["Brier score"] = _number(found.brier_score)
        facts["ECE"] = _number(found.error)
    items = "".join(f"<div><dt>{k}</dt><dd>{_text(v)}</dd></div>" for k, v in facts.items())
    notes = []
    if one.nan_rows:
        notes.append(f"{one.nan_rows:,} rows hold NaN or are no probabilities: left out.")
    if one.off_rows:
        notes.append(f"{one.off_rows:,} rows are off a sum of 1 by more than 0.001: used as is.")
    if one.unlabelled:
        notes.append(f"{one.unlabelled:,} rows have no label.")
    if other is not None:
        notes.append(f"The numbers above are of {one.name}.")
    said = "".join(f'<p class="note">{_text(note)}</p>' for note in notes)
    return f'<dl class="facts">{items}</dl>{said}'


def _measures_section(one: Findings, other: Findings | None) -> str:
    figures = []
    for mine, theirs in _pairs(one, other):
        words = _words(mine, one)
        alt = f"Histogram of the {mine.name} of the rows of {one.name}: {words}"
        if theirs is not None and other is not None:
            later = _words(theirs, other)
            alt += f" Of {other.name}: {later}"
            words = (
                f'<b class="first">{_text(one.name)}</b> (filled): {words} '
                f'<b class="second">{_text(other.name)}</b> (line): {later}'
            )
        else:
            words = words.capitalize()
        name = mine.name.replace(" ", "-")
        figures.append(_picture(name, histogram(mine, theirs, one.unit), 2.5, alt, words))
    rows = []
    for pair in _pairs(one, other):
        for of, each in zip((one, other), pair, strict=True):
            if of is None or each is None:
                continue
            points = each.statistics.quantiles((1, 10, 50, 90, 99), 100)
            title = each.name if other is None else f"{each.name}, {of.name}"
            rows.append([title, *map(_number, (each.statistics.mean, *points))])
    head = ["measure", "mean", "1 %", "10 %", "median", "90 %", "99 %"]
    caption = f"Means and quantiles; entropy and log loss in {one.unit}"
    return (
        f'<section><h2>Distributions</h2><div class="row">{"".join(figures)}'
        f"{_table('quantiles', caption, head, rows)}</div></section>"
    )


def _words(distribution: Distribution, of: Findings) -> str:
    """Return what a histogram shows, in a sentence."""
    low, median, high = distribution.statistics.quantiles((10, 50, 90), 100)
    unit = f" {of.unit}" if distribution.name in ("entropy", "log loss") else ""
    return (
        f"median {_number(median)}{unit}; eight rows of ten lie between {_number(low)} and "
        f"{_number(high)}."
    )


def _calibration_section(one: Findings) -> str:
    found = one.reliability
    if found is None:
        return ""
    confidence, accuracy, count = found.curve
    rows = [
        [
            f"{i / len(count):.2f} to {(i + 1) / len(count):.2f}",
            f"{int(count[i]):,}",
            _number(confidence[i]),
            _number(accuracy[i]),
        ]
        for i in range(len(count))
        if count[i]
    ]
    sure = confidence[count > 0] @ count[count > 0] / max(count.sum(), 1)
    right = accuracy[count > 0] @ count[count > 0] / max(count.sum(), 1)
    gap = sure - right
    whom = "The probability of class 1 is" if one.single else "The model's confidence is"
    verdict = "too high" if gap > 0 else "too low"
    what = "it is right" if not one.single else "class 1 is true"
    words = (
        f"{whom} {_share(sure)} on average, and {what} {_share(right)} of the time: "
        f"{100 * abs(gap):.1f} points {verdict}. Expected calibration error "
        f"{_number(found.error)}, Brier score {_number(found.brier_score)}. On the dashed line "
        "confidence is deserved; above it the model is better than it believes. Grey: where chance "
        "leaves 19 of 20 bins whose confidence is deserved."
    )
    alt = f"Reliability diagram, accuracy against confidence in {len(rows)} bins. {words}"
    picture = _picture("reliability", reliability(found, one.single), 3.4, alt, _text(words))
    head = ["confidence", "rows", "mean", "true" if one.single else "right"]
    table = _table(
        "bins",
        f"Bins of the reliability diagram: rows, mean confidence, share that is {head[-1]}",
        head,
        rows,
    )
    return f'<section><h2>Calibration</h2><div class="row">{picture}{table}</div></section>'


def _rows_section(one: Findings) -> str:
    labelled = one.reliability is not None
    score = "log loss" if labelled else "entropy"
    what = "the label cost most" if labelled else "the model was least sure"
    head = ["row", *(["label"] if labelled else []), "prediction"]
    head += [f"log loss, {one.unit}", "label's probability"] if labelled else []
    head += [f"entropy, {one.unit}", "confidence", "margin"]
    rows = []
    for entry in one.surprising:
        line = [str(entry["row"])]
        line += [str(entry["label"])] if labelled else []
        line += [str(entry["prediction"])]
        line += [_number(entry["score"]), _number(entry["of label"])] if labelled else []
        line += [_number(entry[name]) for name in ("entropy", "confidence", "margin")]
        rows.append(line)
    caption = f"The {len(rows)} rows of the largest {score}, where {what}; rows count from 0"
    table = _table("rows", caption, head, rows)
    return f"<section><h2>The most surprising rows</h2>{table}</section>"


def _drift_section(drift: Drift, title: str) -> str:
    worst = drift.columns[0]
    some = drift.columns[:SHOWN_BARS]
    beyond = sum(column.index > 2 * column.chance for column in drift.columns)
    words = (
        f"{drift.rows[0]:,} rows against {drift.rows[1]:,}. {beyond} of {len(drift.columns)} "
        "columns have more than twice the index that chance alone would give them (the mark). "
        "Common usage calls 0.1 a change to look at and 0.25 a large one."
    )
    alt = "Bars of the stability index, the worst column first: " + ", ".join(
        f"{short(column.name, LONGEST_NAME)} {_number(column.index)}" for column in some
    )
    figures = _picture(
        "drift",
        drift_bars(drift, SHOWN_BARS),
        drift_height(drift, SHOWN_BARS),
        alt,
        _text(words),
    ) + _worst_picture(worst)
    rows = [
        [
            short(column.name, LONGEST_NAME),
            *map(_number, (column.index, column.divergence, column.chance)),
        ]
        for column in drift.columns[: SHOWN_COLUMNS + OTHER_COLUMNS]
    ]
    head = ["column", "PSI", "JS, bits", "by chance"]
    caption = (
        "Drift of each column, the worst first: population stability index (PSI) and "
        "Jensen-Shannon divergence (JS) of its deciles, and the index that chance alone gives"
    )
    table = _table("drift-columns", caption, head, rows[:SHOWN_COLUMNS])
    others = rows[SHOWN_COLUMNS:]
    more = _table("more-columns", "The columns that drifted less", head, others)
    summary = f"<summary>{len(others)} columns that drifted less</summary>"
    table = f'<div class="row">{figures}{table}</div>'
    table += f"<details>{summary}{more}</details>" if others else ""
    notes = []
    hidden = len(drift.columns) - len(rows)
    if hidden:
        least = _number(drift.columns[len(rows)].index)
        notes.append(f"{hidden:,} more columns have an index of at most {least}.")
    if drift.left_out:
        names = ", ".join(drift.left_out[:20]) + (" ..." if len(drift.left_out) > 20 else "")
        notes.append(f"In one file only, and left out: {names}.")
    said = "".join(f'<p class="note">{_text(note)}</p>' for note in notes)
    return f"<section><h2>Drift</h2>{table}{said}</section>"


def _worst_picture(column: Column) -> str:
    """Return the picture of a column's bins, before and after."""
    names, kept = bins(column)
    name = short(column.name, LONGEST_NAME)
    change = column.after[kept] - column.before[kept]
    most = int(abs(change).argmax())
    words = (
        f'{_text(name)}, <b class="first">before</b> and <b class="second">after</b>: the '
        f"bin {_text(names[most])} went from {_share(column.before[kept][most])} to "
        f"{_share(column.after[kept][most])}."
    )
    alt = f"Bars of the shares of each bin of {name} in both files: " + "; ".join(
        f"{held}: {_share(a)}, {_share(b)}"
        for held, a, b in zip(names, column.before[kept], column.after[kept], strict=True)
    )
    return _picture("drift-worst", shares(column), 2.7, alt, words)


# ---- pieces -----------------------------------------------------------------------------------


def _pairs(
    one: Findings, other: Findings | None
) -> Iterable[tuple[Distribution, Distribution | None]]:
    """Yield the distributions of one file beside the other's, where it has it."""
    there = {} if other is None else {each.name: each for each in other.distributions}
    for mine in one.distributions:
        yield mine, there.get(mine.name)


def _picture(name: str, draw: Draw, height: float, alt: str, words: str) -> str:
    """Return a figure: the picture, which screen readers are told in words, and its caption."""
    svg = as_svg(draw, name, height)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{_text(alt)}"', 1)
    return f"<figure>{svg}<figcaption>{words}</figcaption></figure>"


def _table(name: str, caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table that scrolls by itself where it is too wide, also by the keyboard."""
    top = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{_text(row[0])}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><p class="note" id="about-{name}">{_text(caption)}</p>'
        f'<div class="table" role="region" tabindex="0" aria-labelledby="about-{name}">'
        f'<table aria-labelledby="about-{name}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div></div>"
    )


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{role}: {colour};" for role, colour in colours.items())


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def _number(value: float) -> str:
    """Return a number with three significant digits, more where it is large."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "-∞"}.get(value, "none")
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
    return f"{value:.2e}"


def _share(value: float) -> str:
    return "none" if math.isnan(value) else f"{100 * value:.1f} %"
