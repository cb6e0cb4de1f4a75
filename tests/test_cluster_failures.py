"""``fastent score`` on a cluster that fails: nothing is lost, doubled or half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from cli_cases import Run, check_failure
from cluster_cases import LOCAL, Client, LocalCluster, Proxy, numbers, take_outputs
from file_cases import files_below, lists, table

from fastent.cli import parts
from fastent.cli.cluster import client

pytestmark = pytest.mark.slow

WORDS = ["entropy", "in", "--columns", "p", "-o", "out", "--json", "--batch-rows", 1]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Write some seconds of work, in many parts: five files of some row groups."""
    (tmp_path / "in").mkdir()
    for place in range(5):
        path = tmp_path / f"in/{place}.parquet"
        pq.write_table(table(rows=600, start=50 * place), path, row_group_size=150)
    monkeypatch.setattr(parts, "PART_BYTES", 1)


@contextmanager
def meanwhile(what: Callable[[], None], after: str) -> Iterator[None]:
    """Do something in a thread as soon as there is a file."""
    failures: list[BaseException] = []
    over = threading.Event()

    def watch() -> None:
        try:
            while not Path(after).exists():
                assert not over.wait(0.005), f"{after} never came"
            what()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failures, failures


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_is_killed(score: Run, workers: int) -> None:
    """What it was at is done again."""
    here, want = numbers(score(*WORDS)), take_outputs()
    with LocalCluster(n_workers=workers, **LOCAL) as cluster:

        def kill() -> None:
            os.kill(cluster.workers[0].pid, signal.SIGKILL)

        with meanwhile(kill, "out/1.parquet"):
            there = numbers(score(*WORDS, "--scheduler", cluster.scheduler_address))
    assert there == here
    assert take_outputs() == want


@pytest.mark.usefixtures("folder")
def test_the_connection_is_cut_and_restored(score: Run) -> None:
    """The run goes on with what is left."""
    here, want = numbers(score(*WORDS)), take_outputs()
    with LocalCluster(n_workers=2, **LOCAL) as cluster:
        proxy = Proxy(cluster.scheduler_address)

        def cut() -> None:
            proxy.cut()
            time.sleep(1)
            proxy.restore()

        with meanwhile(cut, "out/1.parquet"):
            there = numbers(score(*WORDS, "--scheduler", proxy.address))
        proxy.close()
    assert there == here
    assert take_outputs() == want


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Dask's own
def test_the_connection_is_lost(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says how to go on; a run that goes on gives the bytes of an undisturbed one."""
    score(*WORDS)
    want = take_outputs()
    monkeypatch.setattr(client, "PATIENCE", 2)
    with LocalCluster(n_workers=2, **LOCAL) as cluster:
        proxy = Proxy(cluster.scheduler_address)
        with meanwhile(proxy.cut, "out/1.parquet"):
            outcome = score(*WORDS, "--scheduler", proxy.address)
        check_failure(outcome, 1, "lost the scheduler", "--resume goes on with what is left")
        proxy.close()
        done = files_below("out")
        assert {f"out/{name}" for name in done if not name.startswith(".")} < set(want)
        document = numbers(score(*WORDS, "--resume", "--scheduler", cluster.scheduler_address))
        assert document["skipped"] >= 1
    assert take_outputs() == want


@pytest.mark.usefixtures("folder")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Dask's own
def test_the_scheduler_is_killed(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, where there is no scheduler to come back to."""
    score(*WORDS)
    want = take_outputs()
    monkeypatch.setattr(client, "PATIENCE", 2)
    command = [sys.executable, "-c", SCHEDULER]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        with meanwhile(process.kill, "out/1.parquet"):
            outcome = score(*WORDS, "--scheduler", address)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    check_failure(outcome, 1, "lost the scheduler", "--resume goes on with what is left")
    assert numbers(score(*WORDS, "--resume", "--workers", 2))["skipped"] >= 1
    assert take_outputs() == want


SCHEDULER = f"""
import time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=2, **{LOCAL!r})
    print(cluster.scheduler_address, flush=True)
    time.sleep(600)
"""


@pytest.mark.usefixtures("folder")
def test_workers_that_always_die(score: Run) -> None:
    """A task that nothing survives ends the run, in one line."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class Deadly(WorkerPlugin):
        """Makes every worker die of its first task, those that take its place too."""

        def setup(self, worker: Any) -> None:
            """Put death in the place of work."""
            from fastent.cli.cluster import tasks

            def die(request: Any, path: Any, output: Any) -> Any:
                os.kill(os.getpid(), signal.SIGKILL)

            vars(tasks)["make_job"] = die

    with LocalCluster(n_workers=1, **LOCAL) as cluster, Client(cluster) as dask:
        dask.register_plugin(Deadly())
        outcome = score(*WORDS, "--scheduler", cluster.scheduler_address)
    check_failure(outcome, 1, "in/0.parquet: workers died over it", "--memory", "--resume goes on")
    assert list(files_below("out")) == []


@pytest.mark.usefixtures("folder")
def test_the_command_is_killed(score: Run, tmp_path: Path) -> None:
    """What it leaves is whole or temporary; the next run removes that, and stops old tasks."""
    score(*WORDS)
    want = take_outputs()
    command = [sys.executable, "-m", "fastent.cli", "score", *map(str, WORDS), "--workers", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    with meanwhile(process.kill, "out/1.parquet"):
        assert process.wait() == -signal.SIGKILL
    left = files_below("out")
    assert any(name.endswith(".run.tmp") for name in left)
    for name, found in left.items():
        assert ".fastent-r" in name or found == want[f"out/{name}"]
    assert numbers(score(*WORDS, "--resume", "--workers", 2))["skipped"] >= 1
    assert take_outputs() == want


@pytest.mark.usefixtures("folder")
def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C, which the workers of a terminal get too: one line, 130, nothing half-written."""
    command = [sys.executable, "-m", "fastent.cli", "score", *map(str, WORDS), "--workers", "2"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "out/1.parquet").exists():
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("fastent: interrupted: ")
    assert err.endswith(" of 5 files are done in out; --resume goes on\n")
    assert err.count("\n") == 1
    assert all(name in map("{}.parquet".format, range(5)) for name in os.listdir(tmp_path / "out"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_more_than_the_workers_memory(score: Run) -> None:
    """2.4 GB, three times what two workers have together; each stays within its own."""
    Path("in").mkdir()
    rows = np.random.default_rng(0).random((500_000, 100), np.float32)
    rows /= rows.sum(axis=1, keepdims=True)
    for place in range(6):
        np.save(f"in/n{place}.npy", rows)
        data = pa.table({"p": lists(rows)})
        pq.write_table(data, f"in/{place}.parquet", row_group_size=50_000, use_dictionary=False)
        rows = rows[:, ::-1].copy() if place % 2 else np.roll(rows, 1, axis=0)
    del rows
    words = ["--measure", "entropy,perplexity", "in", "-o", "out", "--json", "--memory", "64MiB"]
    words += ["--format", "parquet"]
    begin = time.perf_counter()
    here, want = numbers(score(*words)), take_outputs()
    told = [f"without a cluster: {time.perf_counter() - begin:.1f} s"]
    for workers in (1, 2):
        options = {**LOCAL, "n_workers": workers, "memory_limit": "400MiB"}
        with LocalCluster(**options) as cluster, Client(cluster) as dask:
            processes = dask.run(os.getpid)
            begin = time.perf_counter()
            there = numbers(score(*words, "--scheduler", cluster.scheduler_address))
            told.append(f"{workers} workers: {time.perf_counter() - begin:.1f} s")
            assert dask.run(os.getpid) == processes  # none was restarted
            peaks = dask.run(lambda: Path("/proc/self/status").read_text())
        found = [int(text.split("VmHWM:")[1].split()[0]) >> 10 for text in peaks.values()]
        told.append(f"{found} MiB")
        assert max(found) < 400
        assert there == here
        assert take_outputs() == want
    print("; ".join(told))
