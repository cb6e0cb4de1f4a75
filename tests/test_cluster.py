"""``fastent score`` on a cluster: the bytes and the numbers of a run without one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("pyarrow")
pytest.importorskip("distributed")

import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import Outcome, Run, check_failure
from cluster_cases import LOCAL, Client, LocalCluster, numbers, take_outputs
from file_cases import LABELS, P, Q, files_below, table, wide, write

import fastent
from fastent.cli import parts, summary
from fastent.cli.cluster import client as cluster_client


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start two processes, whose folder is not that of the tests."""
    with LocalCluster(n_workers=2, **LOCAL) as started:
        yield started


def write_folder(suffix: str = ".parquet") -> None:
    """Write three files, one of them in a folder of its own."""
    for place, name in enumerate(("a", "b", "deep/c")):
        make = wide if suffix == ".csv" else table
        write(f"in/{name}{suffix}", make(rows=310, start=330 * place))


MAP = pa.map_(pa.string(), pa.string())


def write_odd_tables() -> None:
    """Write what is hard to pass on: lists of any length, nulls, words that repeat, no rows."""
    for place in range(2):
        lists = [None if i % 7 == 3 else [1.0] * (i % 5) for i in range(500)]
        data = pa.table(
            {
                "p": pa.array(lists, pa.list_(pa.float64())),
                "word": pa.array([f"w{i // 100}" for i in range(500)]).dictionary_encode(),
                "maybe": pa.array([None if i % 3 else i for i in range(500)]),
                "map": pa.array([[("k", "v")] * (i % 3) for i in range(500)], MAP),
                "half": pa.array([i % 3 == 0 for i in range(500)]),
            }
        )
        Path("in").mkdir(exist_ok=True)
        pq.write_table(data, f"in/{place}.parquet", row_group_size=90)
    pq.write_table(data.slice(0, 0), "in/none.parquet")


def write_arrays() -> None:
    """Write arrays of two and three axes, and labels."""
    Path("in").mkdir()
    np.save("in/p.npy", P)
    np.save("in/q.npy", np.asfortranarray(Q))
    np.save("q.npy", Q)
    np.save("y.npy", LABELS)
    np.save("cube.npy", P.reshape(20, 10, 5, 5))


SAME: dict[str, tuple[Callable[[], None], str]] = {
    "parquet": (write_folder, "entropy in --columns p --base 2"),
    "append": (write_folder, "kl-divergence in --columns p,q --append"),
    "arrow": (
        lambda: write_folder(".arrow"),
        "--measure entropy,log_loss,perplexity in --columns p --labels y",
    ),
    "npz": (lambda: write_folder(".npz"), "entropy in --columns q --format parquet"),
    "csv": (lambda: write_folder(".csv"), "entropy in --columns p_* --append"),
    "logits": (write_folder, "score-logits in --columns p --labels y --format npz"),
    "lists": (write_odd_tables, "surprisal in --columns p --append"),
    "lists to arrow": (write_odd_tables, "entropy in --columns p --format arrow"),
    "file beside": (write_folder, "log-loss in/a.parquet --columns p --labels y.npy -o out.csv"),
    "arrays": (write_arrays, "entropy in"),
    "arrays to tables": (write_arrays, "entropy in --format parquet"),
    "two arrays": (write_arrays, "kl-divergence in/p.npy --with q.npy -o out.npy"),
    "three arrays": (write_arrays, "compare-logits in/p.npy --with in/q.npy --labels y.npy"),
    "fields": (write_arrays, "score-logits in/p.npy --labels y.npy -o out.npy"),
    "along the rows": (write_arrays, "softmax in/p.npy --axis 0 -o out.npy"),
    "four axes": (write_arrays, "entropy cube.npy --axis 2 -o out.npy"),
    "elements": (write_arrays, "surprisal cube.npy -o out.npy"),
    "no output": (write_folder, "entropy in/*.parquet --columns p"),
}


@pytest.mark.parametrize("name", SAME)
def test_same_bytes(score: Run, cluster: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Many parts of each input, and the numbers of each and of all together."""
    make, text = SAME[name]
    make()
    np.save("y.npy", LABELS[:310] if name == "file beside" else LABELS)
    words = [*text.split(), "--json", "--batch-rows", "20"]
    if "-o" not in words and name not in ("no output", "three arrays"):
        words += ["-o", "out"]
    here = numbers(score(*words))
    want = take_outputs()
    monkeypatch.setattr(parts, "PART_BYTES", 1500)
    assert numbers(score(*words, "--scheduler", cluster.scheduler_address)) == here
    assert take_outputs() == want
    assert bool(want) == ("-o" in words)


def test_parts_are_made(score: Run, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would pass as well if every input were one task."""
    write_folder()
    write_arrays_again = Path("arrays")
    write_arrays_again.mkdir()
    np.save("arrays/p.npy", P)
    write("one.arrow", table())
    monkeypatch.setattr(parts, "PART_BYTES", 1500)
    made: list[int] = []
    make = parts.make_parts

    def count(*arguments: Any) -> Any:
        found = make(*arguments)
        made.append(len(found))
        return found

    from fastent.cli import arrays, tables

    monkeypatch.setattr(tables, "make_parts", count)
    monkeypatch.setattr(arrays, "make_parts", count)
    words = ["--columns", "p", "--batch-rows", 20, "--quiet"]
    for source in ("in/a.parquet", "one.arrow"):
        place = ["--scheduler", cluster.scheduler_address]
        assert score("entropy", source, *words, "-o", "out.npy", *place).code == 0
    assert score("entropy", "arrays/p.npy", *words[2:], *place).code == 0
    assert made == [2, 8, 13]


@pytest.mark.parametrize("suffix", ["parquet", "npy"])
def test_bad_data(score: Run, cluster: Any, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """The line that a run without a cluster says of the first of several bad rows."""
    bad = P.copy()
    bad[[300, 850, 999], 1] = -0.5
    Path("in").mkdir()
    np.save("in/b.npy", bad)
    np.save("in/c.npy", bad[500:])
    np.save("in/a.npy", P)
    words = ["entropy", "in", "--check", "-o", "out", "--quiet", "--batch-rows", 20]
    words += ["--format", suffix]
    here = score(*words)
    check_failure(here, 1, "in/b.npy: ", "300")
    kept = take_outputs()
    assert f"out/a.{suffix}" in kept
    monkeypatch.setattr(parts, "PART_BYTES", 1500)
    assert score(*words, "--scheduler", cluster.scheduler_address) == here
    left = take_outputs()
    assert left[f"out/a.{suffix}"] == kept[f"out/a.{suffix}"]
    assert set(left) <= {f"out/a.{suffix}", f"out/c.{suffix}", ".out.fastent.json"}


@pytest.mark.skipif(not os.path.exists("/proc/self/cwd"), reason="needs a path of a process's own")
def test_what_workers_do_not_share(score: Run, cluster: Any) -> None:
    """Inputs and outputs that only this process sees are told before any work."""
    write_folder()
    write("hidden.parquet", table())
    os.symlink("/proc/self/cwd/hidden.parquet", "in/d.parquet")
    place = ["--scheduler", cluster.scheduler_address, "--columns", "p", "--quiet"]
    told = "cannot see", "in/d.parquet", "same files under the same paths"
    check_failure(score("entropy", "in", "-o", "out", *place), 1, "worker tcp://", *told)
    Path("in/d.parquet").unlink()
    Path("mine").mkdir()
    outcome = score("entropy", "in", "-o", "/proc/self/cwd/mine", *place)
    check_failure(outcome, 1, "does not share /proc/self/cwd/mine")
    assert [name for name in files_below(".") if "out" in name or "mine/" in name] == [
        ".out.fastent.json"
    ]


def test_resume(score: Run, cluster: Any) -> None:
    """What is complete is left as it is."""
    write_folder()
    words = ["entropy", "in", "--columns", "p", "-o", "out", "--json"]
    assert score(*words).code == 0
    want = files_below("out")
    Path("out/b.parquet").unlink()
    document = numbers(score(*words, "--resume", "--scheduler", cluster.scheduler_address))
    assert document["skipped"] == 2
    assert [entry["input"] for entry in document["inputs"]] == ["in/b.parquet"]
    assert files_below("out") == want
    # There is nothing left to do, so no scheduler is asked.
    assert numbers(score(*words, "--resume", "--scheduler", "127.0.0.1:1"))["skipped"] == 3


def fail_once(folder: str) -> None:
    """Make the first task of each input fail once, and its last, on all workers together."""
    from fastent.cli import score, summary
    from fastent.cli.cluster import tasks

    def failing(request: Any, path: Any, output: Any) -> Any:
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{folder}/failed-{path.stem}")
            raise OSError(5, "Input/output error", str(path))
        return score.make_job(request, path, output)

    def failing_late(job: Any, *arguments: Any) -> Any:
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{folder}/failed-late-{job.path.stem}")
            raise RuntimeError("out of luck")
        return score.settle(job, *arguments)

    vars(tasks).update(make_job=failing, settle=failing_late)
    summary.KEPT_VALUES = 20


def restore() -> None:
    """Let tasks be as they are."""
    from fastent.cli import score, summary
    from fastent.cli.cluster import tasks

    vars(tasks).update(make_job=score.make_job, settle=score.settle)
    summary.KEPT_VALUES = 1 << 21


def test_a_task_that_fails_once(score: Run, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done again: nothing is lost or doubled, not in histograms either."""
    monkeypatch.setattr(summary, "KEPT_VALUES", 20)
    write_folder()
    words = ["entropy", "in", "--columns", "p", "-o", "out", "--json", "--batch-rows", 20]
    here, want = numbers(score(*words)), take_outputs()
    monkeypatch.setattr(parts, "PART_BYTES", 1500)
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with Client(cluster, set_as_default=False) as client:
        client.run(fail_once, os.getcwd())
        try:
            there = numbers(score(*words, "--scheduler", cluster.scheduler_address))
        finally:
            client.run(restore)
    assert there == here
    for name in ("a", "b", "c"):
        os.rmdir(f"failed-{name}")
        os.rmdir(f"failed-late-{name}")
    assert take_outputs() == want


def test_wrong_use(score: Run, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each."""
    write_folder()
    words = ["entropy", "in", "--columns", "p", "-o", "out"]
    check_failure(score(*words, "--workers", 2, "--scheduler", "tcp://x:1"), 2, "say one of them")
    check_failure(score(*words, "--workers", 0), 2, "--workers")
    check_failure(score("entropy", "in/a.parquet", "-o", "-", "--workers", 2), 2, "name the column")
    outcome = score("entropy", "in/a.parquet", "--columns", "p", "-o", "-", "--workers", 2)
    check_failure(outcome, 2, "standard input or output")
    monkeypatch.setattr(cluster_client, "PATIENCE", 0.5)
    outcome = score(*words, "--scheduler", "tcp://127.0.0.1:1")
    check_failure(outcome, 1, "no scheduler answers at tcp://127.0.0.1:1")
    check_failure(score(*words, "--scheduler", "what://is"), 1, "no scheduler answers", "what")
    monkeypatch.setitem(sys.modules, "fastent.cli.cluster.client", None)
    outcome = score(*words, "--scheduler", cluster.scheduler_address)
    check_failure(outcome, 2, 'pip install "fastent-numpy[cluster]"')


@pytest.mark.parametrize("address", ["foo", "tls://127.0.0.1:1"])
def test_address_that_is_none(tmp_path: Path, address: str) -> None:
    """One line, and the process ends without a wait for a client that never was."""
    np.save(tmp_path / "p.npy", np.full((2, 2), 0.5))
    words = ["score", "entropy", "p.npy", "-o", "e.npy", "--scheduler", address]
    command = [sys.executable, "-m", "fastent.cli", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"fastent: no scheduler answers at {address}")


def test_other_version(score: Run, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers with another fastent are told of."""
    write_folder()
    monkeypatch.setattr(fastent, "__version__", "99.0")
    words = ["entropy", "in", "--columns", "p", "--scheduler", cluster.scheduler_address]
    check_failure(score(*words), 1, "not 99.0: install the same version")


def test_no_workers(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler alone."""
    write_folder()
    monkeypatch.setattr(cluster_client, "PATIENCE", 2)
    with LocalCluster(n_workers=0, **LOCAL) as empty:
        words = ["entropy", "in", "--columns", "p", "--scheduler", empty.scheduler_address]
        check_failure(score(*words), 1, "has no workers: start some (dask worker tcp://")


def test_leftovers_of_other_runs(score: Run, cluster: Any) -> None:
    """Parts of a run that was killed are removed by the next one, on a cluster or not."""
    write_folder()
    words = ["entropy", "in", "--columns", "p", "-o", "out", "--quiet"]
    names = [
        ".a.parquet.fastent-r0123abcd.3.tmp",
        "..a.parquet.fastent-r0123abcd.3.tmp.fastent-r0123abcd.89abcdef.tmp",
        "deep/.c.parquet.fastent-r0123abcd.0.tmp",
    ]
    for place in ([], ["--scheduler", cluster.scheduler_address]):
        assert score(*words).code == 0
        want = files_below("out")
        for name in names:
            Path("out", name).touch()
        Path("out/.other.parquet.fastent-r0123abcd.3.tmp").touch()
        assert score(*words, *place).code == 0
        Path("out/.other.parquet.fastent-r0123abcd.3.tmp").unlink()
        assert files_below("out") == want
        shutil.rmtree("out")


def test_workers_of_several_threads(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that share a process share nothing else, and leave its number of threads alone."""
    write_folder()
    np.save("in/p.npy", P)
    words = ["entropy", "in", "--columns", "p", "-o", "out", "--json", "--batch-rows", 20]
    here, want = numbers(score(*words)), take_outputs()
    monkeypatch.setattr(parts, "PART_BYTES", 1500)
    options = {**LOCAL, "processes": False, "protocol": "tcp://", "threads_per_worker": 4}
    with fastent.num_threads(3), LocalCluster(n_workers=1, **options) as cluster:
        there = numbers(score(*words, "--scheduler", cluster.scheduler_address))
        assert fastent.get_num_threads() == 3
    assert there == here
    assert take_outputs() == want


def test_urls(score: Run, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs of a store are read by the workers, in parts too; one that they cannot see is told."""
    pytest.importorskip("upath")
    fsspec = pytest.importorskip("fsspec")
    write_folder()
    np.save("in/p.npy", P)
    for name, data in files_below("in").items():
        with fsspec.open(f"memory://bucket/in/{name}", "wb") as target:
            target.write(data)
    monkeypatch.setattr(parts, "PART_BYTES", 1500)
    # Of one thread: all that read a file of a store in memory share its position.
    options = {**LOCAL, "processes": False, "protocol": "tcp://"}
    try:
        with LocalCluster(n_workers=1, **options) as inside:
            for source in ("in/*.parquet", "in/p.npy"):
                words = ["-o", "out" if "*" in source else "out.npy", "--json", "--batch-rows", 20]
                words += ["--columns", "p"]
                here = numbers(score("entropy", f"memory://bucket/{source}", *words))
                want = take_outputs()
                words += ["--scheduler", inside.scheduler_address]
                assert numbers(score("entropy", f"memory://bucket/{source}", *words)) == here
                assert take_outputs() == want
        words[-1] = cluster.scheduler_address
        outcome = score("entropy", "memory://bucket/in/p.npy", *words)
        check_failure(outcome, 1, "cannot see memory://bucket/in/p.npy")
    finally:
        fsspec.filesystem("memory").store.clear()


def test_workers_of_its_own(score: Run, tmp_path: Path) -> None:
    """``--workers N`` as a command: started, and gone afterwards, with nothing on the terminal."""
    write_folder()
    words = ["entropy", "in", "--columns", "p", "-o", "out", "--json"]
    here, want = numbers(score(*words)), take_outputs()
    command = [sys.executable, "-m", "fastent.cli", "score", *words, "--workers", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert numbers(Outcome(done.returncode, done.stdout, done.stderr)) == here
    assert take_outputs() == want


def test_dask_is_imported_when_it_is_wanted() -> None:
    """Neither the package nor the command's help nor a run without a cluster imports it."""
    code = (
        "import sys, fastent, fastent.cli.command, fastent.cli.scoring, fastent.cli.tables\n"
        "assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
