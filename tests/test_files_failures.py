"""``fastent score`` of what cannot be scored: one line, an exit code, and nothing half-written."""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
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
from file_cases import LABELS, P, check_failure, files_below, start, table, wide, write

from fastent.cli import main
from fastent.cli.files import base
from fastent.cli.output import Output

Run = Callable[..., Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``fastent score`` in this process, in an empty folder."""
    from file_cases import Outcome

    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main(["score", *map(str, words)])
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Outcome(caught.value.code, captured.out, captured.err)

    return call


# ---- bad input ----------------------------------------------------------------------------------


def cut(name: str, share: float = 0.6) -> None:
    """Leave only the beginning of a file."""
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[: int(len(whole) * share)])


def npy_header(shape: str, dtype: str = "<f8") -> bytes:
    """Return the beginning of a .npy file that says what it likes."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def zip_of(name: str, entry: bytes) -> None:
    """Write a .npz with one array."""
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("p.npy", entry)


def flip(name: str, place: int) -> None:
    """Change a byte."""
    whole = bytearray(Path(name).read_bytes())
    whole[place] ^= 0xFF
    Path(name).write_bytes(bytes(whole))


def make_bad_inputs() -> None:
    """Write every input that there is a line about below."""
    write("good.parquet", table())
    write("good.csv", wide())
    for suffix in ("parquet", "arrow", "arrows", "feather", "npz"):
        write(f"cut.{suffix}", table())
        cut(f"cut.{suffix}")
        Path(f"empty.{suffix}").touch()
        Path(f"text.{suffix}").write_text("This is no table, but a line of words.\n" * 9)
    Path("empty.csv").touch()
    Path("empty.npy").touch()
    np.save("damaged.npy", P)
    flip("damaged.npy", 12)
    np.save("pickled.npy", np.array([[0.5, None]]), allow_pickle=True)
    np.savez("pickled.npz", p=np.array([[0.5, None]], object))
    Path("huge.npy").write_bytes(npy_header("(1000000000000000, 1000)"))
    zip_of("huge.npz", npy_header("(1000000000000000, 1000)"))
    zip_of("bomb.npz", npy_header("(1, 8388608)") + bytes(64 << 20))
    np.savez_compressed("crc.npz", p=P)
    flip("crc.npz", Path("crc.npz").stat().st_size // 2)
    np.savez("lengths.npz", p=P, y=LABELS[:10])
    np.save("short.npy", LABELS[:10])
    write("short.parquet", table(rows=900).select(["q"]))
    Path("words.csv").write_text("p_0,p_1\n0.5,0.5\n0.5,none of it\n")
    lines = ["p_0,p_1", *["0.5,0.5"] * 300_000, "0.5,none of it"]
    Path("late.csv").write_text("\n".join(lines) + "\n")
    Path("ragged.csv").write_text("p_0,p_1\n0.5,0.5\n0.5\n")
    Path("line.csv").write_text("p_0,p_1\n0.5,0.5\n" + "0" * 3_000_000 + ",1\n")
    pq.write_table(pa.table({"p": ["a", "b"]}), "strings.parquet")
    pq.write_table(pa.table({"p": pa.array([[0.5, 0.5], [0.5, None]])}), "nulls.parquet")
    pq.write_table(pa.table({"p": pa.array([[3, 4]])}), "counts.parquet")
    pq.write_table(pa.table({"p": pa.array([[0.5, 0.5]] * 9 + [[0.5, 0.6]])}), "sums.parquet")
    twice = pa.Table.from_arrays([pa.array([0.5]), pa.array([0.5])], names=["a", "a"])
    with pa.ipc.new_file("twice.arrow", twice.schema) as writer:
        writer.write_table(twice)
    Path("folder").mkdir()


BAD = [
    ("cut.parquet --columns p", 1, "cut.parquet: not a readable Parquet file"),
    ("cut.arrow --columns p", 1, "cut.arrow: not a readable Arrow file"),
    ("cut.arrows --columns p", 1, "cut.arrows: "),
    ("cut.feather --columns p", 1, "cut.feather: not a readable Arrow file"),
    ("cut.npz --columns p", 1, "cut.npz: not a readable .npz file"),
    ("empty.parquet", 1, "empty.parquet: is empty"),
    ("empty.arrow", 1, "empty.arrow: is empty"),
    ("empty.arrows", 1, "empty.arrows: is empty"),
    ("empty.feather", 1, "empty.feather: is empty"),
    ("empty.npz", 1, "empty.npz: is empty"),
    ("empty.csv", 1, "empty.csv: is empty"),
    ("empty.npy", 1, "empty.npy: "),
    ("text.parquet", 1, "text.parquet: not a readable Parquet file"),
    ("text.arrow", 1, "text.arrow: not a readable Arrow file"),
    ("text.arrows", 1, "text.arrows: not a readable Arrow stream file"),
    ("text.npz", 1, "text.npz: not a readable .npz file"),
    ("damaged.npy", 1, "damaged.npy: not a readable .npy file"),
    ("damaged.npy --format csv", 1, "damaged.npy: not a readable .npy file"),
    ("pickled.npy", 1, "pickled.npy: holds Python objects"),
    ("pickled.npy --format parquet", 1, "pickled.npy: holds Python objects"),
    ("pickled.npz", 1, "pickled.npz: p: holds Python objects"),
    ("huge.npy", 1, "huge.npy: damaged: its header asks for"),
    ("huge.npy --format csv", 1, "huge.npy: damaged: its header asks for"),
    ("huge.npz", 1, "huge.npz: p: damaged: its header asks for"),
    ("bomb.npz", 2, "bomb.npz: a row takes 64 MiB"),
    ("crc.npz", 1, "crc.npz: cannot be read (Bad CRC-32"),
    ("lengths.npz --columns p --labels y", 1, "lengths.npz: arrays do not match", "log_loss"),
    ("good.parquet --columns p --labels short.npy", 1, "do not go together", "log_loss"),
    ("good.parquet --columns p --with short.parquet", 1, "row by row", "kl_divergence"),
    ("words.csv", 1, "words.csv: "),
    ("late.csv", 1, "late.csv: "),
    ("ragged.csv", 1, "ragged.csv: not a readable CSV file"),
    ("line.csv", 1, "line.csv: has a line of more than 524,288 bytes"),
    ("strings.parquet --columns p", 1, "strings.parquet: column 'p' (p) is string: pass numbers"),
    ("nulls.parquet", 1, "nulls.parquet: entry 1 of column 'p', row 1"),
    ("counts.parquet", 1, "counts.parquet: column 'p', row 0"),
    ("sums.parquet --check", 1, "sums.parquet: column 'p', row 9"),
    ("twice.arrow --columns a", 2, "twice.arrow: there are 2 columns 'a'"),
    ("good.parquet --columns pp", 2, "there is no column 'pp': did you mean 'p'?"),
    ("good.parquet --columns z_*", 2, "no column matches 'z_*'"),
    ("good.parquet", 2, "name the column of p: p, q hold rows"),
    ("good.parquet --columns p --labels yy", 2, "'yy': did you mean 'y'", "log_loss"),
    ("good.parquet --columns p,q,y", 2, "there are 2 operands", "kl_divergence"),
    ("good.parquet --columns p --axis 0", 2, "--axis is of .npy files"),
    ("good.parquet --columns p", 2, "unknown measure 'entropi'; did you mean", "entropi"),
    ("good.parquet --columns p", 2, "one is named twice", "entropy,entropy"),
    ("missing.parquet", 2, "missing.parquet: no such file"),
    ("missing*.parquet", 2, "no file matches"),
    ("folder", 2, "folder: not a file, and a folder without files"),
    ("good.txt", 2, "good.txt: its name ends in none of .npy"),
    ("good.csv --columns p_* --format feathr", 2, "unknown --format 'feathr'"),
    ("good.csv --columns p_* --memory lots", 2, "'lots' is no size"),
    ("good.csv --columns p_* --memory 1KiB", 2, "no size of 1 MiB or more"),
    ("good.csv good.parquet -", 2, "standard input"),
]


@pytest.mark.parametrize(("words", "code", "told", "measure"), [(*b, "entropy")[:4] for b in BAD])
def test_bad_input(run: Run, words: str, code: int, told: str, measure: str) -> None:
    """One line that names the file and says what to do; nothing is written."""
    make_bad_inputs()
    before = files_below(".")
    suffix = "parquet"
    if "--format" in words:
        suffix = words.split()[-1]
    elif words.split()[0].endswith(".npy"):
        suffix = "npy"
    check_failure(run(measure, *words.split(), "-o", f"out.{suffix}"), code, told)
    assert files_below(".") == before


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "npz", "csv"])
def test_cut_anywhere(run: Run, suffix: str) -> None:
    """A file that ends too soon is an error, or it cannot be seen: then whole rows are missing."""
    whole = write(f"t.{suffix}", (wide if suffix == "csv" else table)(rows=40)).read_bytes()
    columns = "p_*" if suffix == "csv" else "p"
    for length in [*range(0, len(whole), len(whole) // 37), len(whole) - 1]:
        Path(f"t.{suffix}").write_bytes(whole[:length])
        outcome = run("entropy", f"t.{suffix}", "--columns", columns, "-o", "out.npy", "--quiet")
        if outcome.code:
            check_failure(outcome, outcome.code, f"t.{suffix}")
            assert not Path("out.npy").exists()
        else:
            assert suffix in ("csv", "arrows")
            Path("out.npy").unlink()


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "npz"])
def test_any_byte_changed(run: Run, suffix: str) -> None:
    """Never a traceback, whichever byte is wrong."""
    whole = write(f"t.{suffix}", table(rows=40).select(["p"])).read_bytes()
    rng = np.random.default_rng(3)
    for place in rng.choice(len(whole), 60, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        Path(f"t.{suffix}").write_bytes(bytes(damaged))
        outcome = run("entropy", f"t.{suffix}", "--columns", "p", "-o", "out.parquet", "--quiet")
        if outcome.code:
            check_failure(outcome, outcome.code)
            assert not Path("out.parquet").exists()
        Path("out.parquet").unlink(missing_ok=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the modes of files")
def test_no_permission(tmp_path: Path) -> None:
    """To read, or to write."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("the superuser may read everything")
    as_nobody = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    with contextlib.chdir(tmp_path):
        write("closed/t.parquet", table())
        write("open/t.parquet", table())
        os.chmod("closed/t.parquet", 0)
        os.chmod("open", 0o555)
        for folder in [tmp_path, *tmp_path.parents]:
            if folder.owner() != "root" or folder == tmp_path or "pytest" in folder.name:
                os.chmod(folder, folder.stat().st_mode | 0o005)
    for word, target in (("closed/t.parquet", "out.csv"), ("open/t.parquet", "open/out.csv")):
        command = [*as_nobody, sys.executable, "-m", "fastent.cli", "score", "entropy", word]
        command += ["--columns", "p", "-o", target]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "Permission denied" in done.stderr
        assert done.stderr.count("\n") == 1
    os.chmod(tmp_path / "open", 0o755)


def test_input_changed_while_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows appended by somebody else meanwhile: no result is kept."""
    lines = "\n".join(["p_0,p_1", *["0.5,0.5"] * 1000]) + "\n"
    Path("t.csv").write_text(lines)
    check = base.File.check_unchanged

    def change(self: base.File) -> None:
        with open("t.csv", "a") as file:
            file.write("0.5,0.5\n")
        check(self)

    monkeypatch.setattr(base.File, "check_unchanged", change)
    check_failure(run("entropy", "t.csv", "-o", "out.npy"), 1, "t.csv: was changed while")
    assert os.listdir() == ["t.csv"]


def test_array_changed_while_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that is cut short: an error, not a signal."""
    from fastent.cli import npy

    np.save("p.npy", P)
    monkeypatch.setattr(npy.NpyFile, "release", lambda self, view: cut("p.npy"))
    words = ["entropy", "p.npy", "-o", "out.npy", "--batch-rows", 10]
    check_failure(run(*words), 1, "p.npy: was changed while it was read")
    assert os.listdir() == ["p.npy"]


# ---- memory -------------------------------------------------------------------------------------


def test_what_cannot_fit_is_told_before_any_work(run: Run) -> None:
    """Rows, record batches, pages of Parquet and lines of CSV."""
    long_rows = pa.table({"p": [[0.0] * 200_000] * 2, "q": [[0.0] * 200_000] * 2})
    pq.write_table(long_rows, "rows.parquet")
    entries = np.random.default_rng(0).random(1_000_000)
    flat = pa.table({"p": pa.array(entries)})
    large: dict[str, Any] = {"data_page_size": 1 << 30, "write_batch_size": 1 << 20}
    if "max_rows_per_page" in inspect.signature(pq.ParquetWriter).parameters:
        large["max_rows_per_page"] = 1 << 20
    pq.write_table(flat, "page.parquet", use_dictionary=False, **large)
    with pa.ipc.new_file("batch.arrow", flat.schema) as writer:
        writer.write_table(flat)
    with pa.ipc.new_stream("batch.arrows", flat.schema) as writer:
        writer.write_table(flat)
    Path("line.csv").write_text("p,x\n0.5,1\n0.5," + "x" * 500_000 + "\n")
    for name, told in (
        ("rows.parquet --columns p", "a row takes"),
        ("page.parquet", "row group 0 needs"),
        ("batch.arrow", "a record batch needs"),
        ("batch.arrows", "a record batch needs"),
        ("line.csv --columns p", "has a line of more than"),
    ):
        outcome = run("surprisal", *name.split(), "--memory", "8MiB", "-o", "out.csv")
        check_failure(outcome, outcome.code, name.split()[0], told, "--memory")
        assert outcome.code in (1, 2)
        assert run("surprisal", *name.split(), "--quiet").code == 0
    assert not Path("out.csv").exists()


PEAK = """
import sys, numpy, rich.table, rich.progress, pyarrow.parquet, pyarrow.csv, fastent.arrow
from fastent.cli import main
import fastent.cli.scoring, fastent.cli.tables, fastent.cli.report

def resident(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

before = resident("VmRSS")
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
print(resident("VmHWM") - before)
"""


def peak_of(folder: Path, *words: object) -> float:
    """Return the MiB that a run took, beside what its imports take."""
    command = [sys.executable, "-c", PEAK, "score", *map(str, words), "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "suffix", ["parquet", "wide.parquet", "arrow", "arrows", "csv", "npz", "npy"]
)
def test_memory_is_held(tmp_path: Path, suffix: str) -> None:
    """A file of 160 MB, in one row group where there are any, in the memory that was asked for."""
    rows, width = 400_000, 100
    name = f"t.{suffix}"
    block = np.random.default_rng(0).random((rows // 20, width), np.float32)
    with contextlib.chdir(tmp_path):
        if suffix == "npz":
            np.savez(name, p=np.tile(block, (20, 1)))
        elif suffix == "npy":
            np.save(name, np.tile(block, (20, 1)))
        elif suffix == "csv":
            with open(name, "w") as file:
                file.write(",".join(f"p_{i}" for i in range(width)) + "\n")
                lines = "\n".join(",".join(f"{x:.3g}" for x in row) for row in block[:2000]) + "\n"
                for _ in range(60):
                    file.write(lines)
        else:
            flat = pa.array(np.tile(block, (20, 1)).reshape(-1))
            whole = pa.table({"p": pa.FixedSizeListArray.from_arrays(flat, width)})
            if suffix == "wide.parquet":
                narrow = np.tile(block, (20, 1))
                whole = pa.table({f"p_{i}": narrow[:, i] for i in range(width)})
            if suffix.endswith("parquet"):
                pq.write_table(whole, name, row_group_size=rows)
            else:
                kind = pa.ipc.new_file if suffix == "arrow" else pa.ipc.new_stream
                with kind(name, whole.schema) as writer:
                    writer.write_table(whole, max_chunksize=20_000)
    # A hundred columns of Parquet have a hundred buffers, pages and dictionaries.
    memory = 128 if suffix == "wide.parquet" else 64
    words = ["--normalize", "--memory", f"{memory}MiB", "-o", "out.parquet"]
    peak = peak_of(tmp_path, "entropy", name, *words)
    print(f"{suffix}: {peak:.0f} MiB")
    assert peak < memory


# ---- outputs are whole --------------------------------------------------------------------------


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
def test_full_disk(run: Run, tmp_path: Path, suffix: str) -> None:
    """One line, exit code 1, the old output, and nothing beside it."""
    np.save("p.npy", np.random.default_rng(0).random((300_000, 2)))
    with small_disk(tmp_path) as disk:
        target = disk / f"out.{suffix}"
        target.write_bytes(b"old")
        outcome = run("entropy", "p.npy", "--normalize", "-o", target)
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


def test_leftovers_of_the_dead_are_removed(run: Run) -> None:
    """Those of a process that runs stay."""
    write("t.parquet", table())
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = Path(f".out.csv.fastent-{dead.pid}.tmp")
    alive = Path(f".out.csv.fastent-{os.getppid()}.tmp")
    other = Path(f".another.csv.fastent-{dead.pid}.tmp")
    for path in (gone, alive, other):
        path.touch()
    assert run("entropy", "t.parquet", "--columns", "p", "-o", "out.csv", "--quiet").code == 0
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
