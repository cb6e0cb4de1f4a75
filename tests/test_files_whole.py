"""Outputs of ``fastent score`` are whole: after kill -9, faults, a full disk, Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import Run, check_failure
from file_cases import files_below, start, table, write

from fastent.cli.output import Output


def many_files(folder: Path, *, files: int = 4) -> None:
    """Write a folder of Parquet files."""
    for place in range(files):
        write(folder / f"in/{place}.parquet", table(rows=200, start=200 * place))


WORDS = ["entropy", "in", "--columns", "p", "-o", "out", "--quiet", "--batch-rows", "20"]


def undisturbed(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a run that nothing disturbs."""
    done = start(*WORDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    whole = files_below(str(folder / "out"))
    shutil.rmtree(folder / "out")
    return whole


def is_temporary(name: str) -> bool:
    """Whether this is a file that a killed run may leave."""
    return ".fastent-" in name and name.endswith(".tmp")


def lay_old_outputs(folder: Path, whole: dict[str, bytes]) -> None:
    """Put outputs of some earlier day in the place of the new ones."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    for name in whole:
        (folder / "out" / name).write_bytes(b"old")
        os.utime(folder / "out" / name, (0, 0))


def check_old_or_new(folder: Path, whole: dict[str, bytes], old: bytes = b"old") -> None:
    """Assert that every output is the old one or the new one."""
    for name, found in files_below(str(folder / "out")).items():
        if not is_temporary(name):
            assert found in (whole[name], old), name


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Outputs are old or new; --resume gives the bytes of an undisturbed run."""
    many_files(tmp_path)
    whole = undisturbed(tmp_path)
    begin = time.perf_counter()
    undisturbed(tmp_path)
    seconds = time.perf_counter() - begin
    rng = np.random.default_rng(1)
    for moment in rng.uniform(0.3, 1.05, 20) * seconds:
        lay_old_outputs(tmp_path, whole)
        command = [sys.executable, "-m", "fastent.cli", "score", *WORDS]
        process = subprocess.Popen(command, cwd=tmp_path)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        check_old_or_new(tmp_path, whole)
        done = start(*WORDS, "--resume", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert files_below(str(tmp_path / "out")) == whole


FAULTS = ["write:error=EIO", "write:signal=KILL", "write:error=ENOSPC", "fsync:error=EIO",
          "fsync:signal=KILL", "rename:error=EIO", "rename:signal=KILL"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the faults")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_faults(tmp_path: Path, fault: str, suffix: str) -> None:
    """At each write, fsync and rename of each output: old or new, and --resume completes it."""
    many_files(tmp_path, files=2)
    words = [*WORDS, "--format", suffix]
    assert start(*words, cwd=tmp_path).returncode == 0
    whole = files_below(str(tmp_path / "out"))
    call, _, what = fault.partition(":")
    for when in range(1, 5):
        lay_old_outputs(tmp_path, whole)
        trace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
        trace += ["-e", f"inject={call}:{what}:when={when}"]
        if call == "write":
            # Calls on other files, such as those of the terminal, are left alone.
            for name in whole:
                trace += ["-P", str(tmp_path / "out" / name)]
        command = [*trace, sys.executable, "-m", "fastent.cli", "score", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        check_old_or_new(tmp_path, whole)
        if done.returncode == 1:
            assert done.stderr.count("\n") == 1, done.stderr
            assert not any(map(is_temporary, files_below(str(tmp_path / "out"))))
        else:
            assert done.returncode in (0, 137, -9), done
        again = start(*words, "--resume", cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert files_below(str(tmp_path / "out")) == whole


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of a mebibyte."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a disk needs rights that this process has not")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="mounts a small disk")
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv", "npy", "npz"])
def test_full_disk(score: Run, tmp_path: Path, suffix: str) -> None:
    """One line, exit code 1, the old output, and nothing beside it."""
    np.save("p.npy", np.random.default_rng(0).random((300_000, 2)))
    with small_disk(tmp_path) as disk:
        target = disk / f"out.{suffix}"
        target.write_bytes(b"old")
        outcome = score("entropy", "p.npy", "--normalize", "-o", target)
        check_failure(outcome, 1, "No space left on device")
        assert os.listdir(disk) == [target.name]
        assert target.read_bytes() == b"old"


def test_full_device(tmp_path: Path) -> None:
    """Standard output that takes no more."""
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    write(tmp_path / "t.parquet", table())
    command = [sys.executable, "-m", "fastent.cli", "score", "entropy", "t.parquet"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*command, "--columns", "p", "-o", "-"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") == 1


def test_leftovers_of_the_dead_are_removed(score: Run) -> None:
    """Those of a process that runs stay."""
    write("t.parquet", table())
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = Path(f".out.csv.fastent-{dead.pid}.tmp")
    alive = Path(f".out.csv.fastent-{os.getppid()}.tmp")
    other = Path(f".another.csv.fastent-{dead.pid}.tmp")
    for path in (gone, alive, other):
        path.touch()
    assert score("entropy", "t.parquet", "--columns", "p", "-o", "out.csv", "--quiet").code == 0
    assert (gone.exists(), alive.exists(), other.exists()) == (False, True, True)


def test_output_of_an_error_within(tmp_path: Path) -> None:
    """An exception in the block leaves the old file."""
    target = tmp_path / "out"
    target.write_text("old")

    def fail() -> None:
        with Output(target) as output:
            output.file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == ["out"]
    assert target.read_text() == "old"


# ---- Ctrl-C -------------------------------------------------------------------------------------


def interrupt(folder: Path, words: list[str], ready: Callable[[], bool], **streams: Any) -> Any:
    """Start the command, send it Ctrl-C when it is ready; return how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fastent.cli", "score", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **streams,
    )
    try:
        deadline = time.monotonic() + 60
        while not ready() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


def test_interrupt_says_what_is_done(tmp_path: Path) -> None:
    """Of a folder, how many files; none of them is half-written."""
    many_files(tmp_path, files=2)
    rows = pa.table({"p": pa.FixedSizeListArray.from_arrays(pa.array(np.full(4_000_000, 0.5)), 2)})
    pq.write_table(rows, tmp_path / "in/2.parquet")
    words = [*WORDS[:-1], "1"]
    code, out, err = interrupt(tmp_path, words, (tmp_path / "out/1.parquet").exists)
    assert (code, out) == (130, b"")
    assert err == b"fastent: interrupted: 2 of 3 files are done in out; --resume goes on\n"
    assert sorted(os.listdir(tmp_path / "out")) == ["0.parquet", "1.parquet"]


def test_interrupt_while_standard_input_is_silent(tmp_path: Path) -> None:
    """A thread that waits for input does not keep the command from ending."""
    stream = write(tmp_path / "t.arrows", table(rows=100)).read_bytes()
    (tmp_path / "t.arrows").unlink()
    read_end, write_end = os.pipe()
    os.write(write_end, stream[:-8])  # without its end, and few enough for a pipe
    words = ["entropy", "-", "--columns", "p", "-o", "out.csv"]
    temporary = lambda: any(map(is_temporary, os.listdir(tmp_path)))  # noqa: E731
    code, out, err = interrupt(tmp_path, words, temporary, stdin=read_end)
    os.close(read_end)
    os.close(write_end)
    assert (code, out, err) == (130, b"", b"fastent: interrupted\n")
    assert os.listdir(tmp_path) == []
