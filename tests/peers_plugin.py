"""A pytest plugin: SciPy's and scikit-learn's own installed tests, of our functions in their place.

    pytest -p peers_plugin --pyargs scipy.stats.tests.test_entropy --peers-report report.json

Tests are collected as they are; of these the ones are kept that speak of a name which fastent has
too. Then each such function is replaced by ours wherever it can be met: in public modules, in the
test modules, in the dictionaries and lists that these keep, in parameters. Private modules keep
their own, so that what we hand over to them cannot come back. ``--peers-ours broken`` puts
functions in place that only raise: a test that passes then says nothing about ours.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import fastent

# Where our functions are, where the peer's are, and what both have.
PEERS = {
    "fastent.special": (
        "scipy.special",
        "entr rel_entr kl_div xlogy xlog1py expit log_expit softmax log_softmax logsumexp",
    ),
    "fastent.stats": ("scipy.stats", "entropy"),
    "fastent.metrics": (
        "sklearn.metrics",
        "log_loss brier_score_loss mutual_info_score normalized_mutual_info_score "
        "adjusted_mutual_info_score",
    ),
}
DEPTH = 4  # of containers in containers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where the report goes, and what is put in place."""
    parser.addoption("--peers-report", type=Path, help="a JSON file of each test's outcome")
    parser.addoption("--peers-ours", choices=("fastent", "broken", "none"), default="fastent")


def pytest_configure(config: pytest.Config) -> None:
    """Take part in this run."""
    config.pluginmanager.register(Replacement(config), "fastent-peers")


class Replacement:
    """What is put in whose place, and what came of it."""

    def __init__(self, config: pytest.Config) -> None:
        self.report: Path | None = config.getoption("--peers-report")
        self.what: str = config.getoption("--peers-ours")
        self.pairs: list[tuple[Any, Any]] = []  # theirs, ours
        self.names: set[str] = set()
        self.places: list[str] = []
        self.outcomes: dict[str, list[str]] = {}  # outcome, and why

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the tests that concern us, and put our functions in place."""
        self.pairs = list(self._pairs())
        kept = [item for item in items if isinstance(item, pytest.Function) and self._speaks(item)]
        chosen = set(kept)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = kept
        if self.what == "none":
            return
        modules = {item.module for item in kept} | set(filter(_is_public, sys.modules.values()))
        for module in sorted(modules, key=lambda module: module.__name__):
            for name, value in list(vars(module).items()):
                new = swapped(value, self.pairs)
                if new is not value:
                    setattr(module, name, new)
                    self.places.append(f"{module.__name__}.{name}")
        for item in kept:
            if hasattr(item, "callspec"):
                for name, value in item.callspec.params.items():
                    item.callspec.params[name] = swapped(value, self.pairs)

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield the peers' functions beside ours, of the modules that there are."""
        for ours, (theirs, names) in PEERS.items():
            if not present(ours) or importlib.util.find_spec(theirs.split(".")[0]) is None:
                continue
            module, peer = importlib.import_module(ours), importlib.import_module(theirs)
            for name in names.split():
                self.names.add(name)
                original = getattr(peer, name)
                yield original, self._replacement(getattr(module, name), original)

    def _replacement(self, ours: Any, theirs: Any) -> Any:
        """Return what is put in place of a function."""
        if self.what == "broken":
            return _broken
        return WithReference(ours, theirs) if hasattr(theirs, "__wrapped__") else ours

    def _speaks(self, item: pytest.Function) -> bool:
        """Whether a test, or another of its class, names one of the functions, or is given one."""
        given = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
        marked = [(theirs, _broken) for theirs, _ in self.pairs]
        if any(swapped(value, marked) is not value for value in given):
            return True
        if any(isinstance(value, str) and value.endswith(tuple(self.names)) for value in given):
            return True
        return not self.names.isdisjoint(_names(item.cls or inspect.unwrap(item.function)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what came of a test."""
        if report.when == "call" or report.outcome != "passed":
            why = ""
            if report.outcome == "failed":
                crash = getattr(report.longrepr, "reprcrash", None)
                why = crash.message if crash is not None else str(report.longrepr)
            self.outcomes[report.nodeid] = [report.outcome, why.split("\n")[0]]

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        if self.report is not None:
            found = {"places": self.places, "outcomes": self.outcomes}
            self.report.write_text(json.dumps(found, indent=1))


def _broken(*_: Any, **__: Any) -> Any:
    raise AssertionError("this function is broken")


class WithReference:
    """Our function; SciPy's tests of its decorator compare with the undecorated one."""

    def __init__(self, ours: Any, theirs: Any) -> None:
        functools.update_wrapper(self, ours)
        self.ours, self.theirs = ours, theirs

    def __call__(self, *args: Any, _no_deco: bool = False, **keywords: Any) -> Any:
        """Call one or the other."""
        if _no_deco:
            return self.theirs(*args, _no_deco=True, **keywords)
        return self.ours(*args, **keywords)


def present(module: str) -> bool:
    """Whether the fastent that is imported has this module: not another that is installed too."""
    return PathFinder.find_spec(module, list(fastent.__path__)) is not None


def swapped(value: Any, pairs: list[tuple[Any, Any]], depth: int = DEPTH) -> Any:
    """Return the value with the second of each pair for the first; itself if nothing changes."""
    for first, second in pairs:
        if value is first:
            return second
    if depth == 0:
        return value

    def swap(inner: Any) -> Any:
        return swapped(inner, pairs, depth - 1)

    if type(value) is functools.partial:
        function = swap(value.func)
        if function is not value.func:
            return functools.partial(function, *value.args, **value.keywords)
    elif type(value) is dict:
        items = {swap(key): swap(inner) for key, inner in value.items()}
        if not _same(value, items) or not _same(value.values(), items.values()):
            return items
    elif type(value) in (list, tuple, set, frozenset):
        inside = [swap(inner) for inner in value]
        if not _same(value, inside):
            return type(value)(inside)
    return value


def _same(values: Iterable[Any], others: Iterable[Any]) -> bool:
    """Whether these are the same objects, in this order."""
    return all(one is other for one, other in zip(values, others, strict=False))


@functools.cache
def _names(thing: Any) -> frozenset[str]:
    """Return the names that a function, or those of a class, look up or hold."""
    if isinstance(thing, type):
        return frozenset().union(*map(_names, filter(inspect.isfunction, vars(thing).values())))
    names: set[str] = set()
    codes = [thing.__code__]
    for code in codes:
        names.update(code.co_names, (x for x in code.co_consts if isinstance(x, str)))
        codes += [x for x in code.co_consts if isinstance(x, CodeType)]
    return frozenset(names)


def _is_public(module: Any) -> bool:
    """Whether this is a module of a peer, and no private one."""
    name = getattr(module, "__name__", "")
    return name.split(".")[0] in ("scipy", "sklearn") and "._" not in name
