"""SciPy's and scikit-learn's own installed tests pass with our functions in place of theirs.

``peers_plugin.py`` selects the tests and replaces the functions; what fails is named here, and why.
``python tests/test_peers_own_tests.py`` prints what passed, what failed and why: a few minutes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from peers_plugin import PEERS, present

import fastent

TESTS = Path(__file__).resolve().parent
Outcomes = dict[str, list[str]]  # by test: what came of it, and the first line of why


class Suite(NamedTuple):
    """A module of ours, the peer's test modules that speak of its functions, and what fails."""

    ours: str
    modules: tuple[str, ...]
    failing: dict[str, str]  # by a pattern of tests: why each of them fails


SUITES = {
    "scipy.special": Suite(
        "fastent.special",
        (
            "scipy.special.tests.test_basic",
            "scipy.special.tests.test_logit",
            "scipy.special.tests.test_logsumexp",
            "scipy.special.tests.test_cython_special",
            "scipy.special.tests.test_support_alternative_backends",
        ),
        {
            r".*test_support_alternative_backends\.py::test_doc\[.*": (
                "SciPy's docstrings speak of other array libraries, which ours does not take"
            ),
        },
    ),
    "scipy.stats": Suite(
        "fastent.stats",
        ("scipy.stats.tests.test_entropy", "scipy.stats.tests.test_axis_nan_policy"),
        {
            r".*test_axis_nan_policy_fast\[mixed-1-omit-entropy-.*-True-.*": (
                "one of its divergences, 0.0015, is compared to 4e-15 with SciPy's undecorated "
                "function, which is off by 4e-14"
            ),
        },
    ),
    "sklearn.metrics": Suite(
        "fastent.metrics",
        (
            "sklearn.metrics.tests.test_classification",
            "sklearn.metrics.tests.test_common",
            "sklearn.metrics.cluster.tests.test_supervised",
            "sklearn.metrics.cluster.tests.test_common",
        ),
        {},
    ),
}
PRESENT = [name for name, suite in SUITES.items() if present(suite.ours)]
pytestmark = pytest.mark.slow


def run(name: str, ours: str = "fastent") -> Outcomes:
    """Run a suite in a process of its own, and return what came of each test."""
    package = pytest.importorskip(name)
    paths = [str(TESTS), str(Path(fastent.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    with tempfile.TemporaryDirectory() as folder:
        report, settings = Path(folder, "report.json"), Path(folder, "pytest.ini")
        settings.write_text("[pytest]\n")
        command = [sys.executable, "-P", "-m", "pytest", "-q", "-c", str(settings)]
        command += ["--rootdir", str(Path(package.__file__).parents[2])]
        command += ["-p", "no:cacheprovider", "-p", "peers_plugin", "--peers-ours", ours]
        command += ["--peers-report", str(report), "--pyargs", *SUITES[name].modules]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800
        )
        assert report.exists(), done.stdout + done.stderr
        found = json.loads(report.read_text())
    wanted = {f"{name}.{function}" for function in PEERS[SUITES[name].ours][1].split()}
    assert wanted <= set(found["places"]), f"not replaced: {wanted - set(found['places'])}"
    outcomes: Outcomes = found["outcomes"]
    return outcomes


def of(outcome: str, outcomes: Outcomes) -> list[str]:
    """Return the tests with this outcome."""
    return [test for test, (found, _) in outcomes.items() if found == outcome]


@pytest.mark.parametrize("name", PRESENT)
def test_own_tests_pass(name: str) -> None:
    """What fails is expected to, and what is expected to fail does."""
    outcomes, failing = run(name), SUITES[name].failing
    failed = of("failed", outcomes)
    unexpected = [
        f"{test}: {outcomes[test][1]}"
        for test in failed
        if not any(re.fullmatch(pattern, test) for pattern in failing)
    ]
    assert not unexpected, "\n".join(unexpected)
    for pattern in failing:
        named = {test for test in outcomes if re.fullmatch(pattern, test)}
        assert named, f"no test is called {pattern}"
        assert named <= set(failed), f"expected to fail, and passed: {named - set(failed)}"


@pytest.mark.parametrize("name", PRESENT)
def test_own_tests_meet_ours(name: str) -> None:
    """With functions in place that raise, most of these tests fail: they do call what is there."""
    outcomes = run(name, "broken")
    assert len(of("failed", outcomes)) > len(of("passed", outcomes))


def main() -> None:
    """Print the counts, and the reasons."""
    for name in PRESENT:
        outcomes, broken = run(name), run(name, "broken")
        passed, failed = of("passed", outcomes), of("failed", outcomes)
        calling = len(set(passed) & set(of("failed", broken)))
        print(
            f"{name}: {len(passed)} passed, {calling} of them of our functions (they fail where "
            f"these raise), {len(failed)} failed, {len(of('skipped', outcomes))} skipped"
        )
        for test in failed:
            why = [why for at, why in SUITES[name].failing.items() if re.fullmatch(at, test)]
            print(f"  {test}\n    {why[0] if why else 'UNEXPECTED: ' + outcomes[test][1]}")


if __name__ == "__main__":
    main()
