"""``fastent score`` of what cannot be scored: one line, an exit code, and nothing half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import zipfile
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
from file_cases import LABELS, P, files_below, table, wide, write

from fastent.cli.files import base


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


@pytest.fixture(scope="module")
def bad_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every input that there is a line about below."""
    folder = tmp_path_factory.mktemp("bad")
    with contextlib.chdir(folder):
        make_bad_inputs()
    return folder


def make_bad_inputs() -> None:
    """Write them to the current folder."""
    Path("latin.csv").write_bytes(b"\xe9,b\n0.5,0.5\n")
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
    np.save("two.npy", P)
    write("short.parquet", table(rows=900).select(["q"]))
    Path("words.csv").write_text("p_0,p_1\n0.5,0.5\n0.5,none of it\n")
    Path("names.csv").write_text("p_0,p_1\n0.5,0.5\n")
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
    ("latin.csv", 1, "latin.csv: its names are not UTF-8"),
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
    ("good.parquet --columns p --labels short.parquet", 1, "wants class indices, one", "log_loss"),
    ("sums.parquet", 2, "needs a second file: INPUT holds p, --with FILE holds q", "kl_divergence"),
    ("sums.parquet --columns p", 2, "or INPUT prob and --labels FILE their class", "log_loss"),
    ("names.csv", 2, "names.csv: kl_divergence needs a second file: INPUT holds", "kl_divergence"),
    ("two.npy --format csv", 2, "needs a second file: INPUT holds p", "js_divergence"),
    ("two.npy --format csv", 2, "and --labels FILE their class indices", "brier_score"),
    ("good.parquet --columns p --with short.parquet", 1, "row by row", "kl_divergence"),
    ("words.csv", 2, "words.csv: column 'p_1' holds other things than numbers: --columns says"),
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
def test_bad_input(
    score: Run,
    bad_inputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    code: int,
    told: str,
    measure: str,
) -> None:
    """One line that names the file and says what to do; nothing is written."""
    monkeypatch.chdir(bad_inputs)
    before = files_below(".")
    suffix = "parquet"
    if "--format" in words:
        suffix = words.split()[-1]
    elif words.split()[0].endswith(".npy"):
        suffix = "npy"
    check_failure(score(measure, *words.split(), "-o", f"out.{suffix}"), code, told)
    assert files_below(".") == before


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "npz", "csv"])
def test_cut_anywhere(score: Run, suffix: str) -> None:
    """A file that ends too soon is an error, or it cannot be seen: then whole rows are missing."""
    whole = write(f"t.{suffix}", (wide if suffix == "csv" else table)(rows=40)).read_bytes()
    columns = "p_*" if suffix == "csv" else "p"
    for length in [*range(0, len(whole), len(whole) // 37), len(whole) - 1]:
        Path(f"t.{suffix}").write_bytes(whole[:length])
        outcome = score("entropy", f"t.{suffix}", "--columns", columns, "-o", "out.npy", "--quiet")
        if outcome.code:
            check_failure(outcome, outcome.code, f"t.{suffix}")
            assert not Path("out.npy").exists()
        else:
            assert suffix in ("csv", "arrows")
            Path("out.npy").unlink()


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "npz"])
def test_any_byte_changed(score: Run, suffix: str) -> None:
    """Never a traceback, whichever byte is wrong."""
    whole = write(f"t.{suffix}", table(rows=40).select(["p"])).read_bytes()
    rng = np.random.default_rng(3)
    for place in rng.choice(len(whole), 60, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        Path(f"t.{suffix}").write_bytes(bytes(damaged))
        outcome = score("entropy", f"t.{suffix}", "--columns", "p", "-o", "out.parquet", "--quiet")
        if outcome.code:
            check_failure(outcome, outcome.code)
            assert not Path("out.parquet").exists()
        Path("out.parquet").unlink(missing_ok=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the modes of files")
def test_no_permission(tmp_path: Path) -> None:
    """To read, or to write."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("the superuser may read everything")
    modes_count = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    with contextlib.chdir(tmp_path):
        write("closed/t.parquet", table())
        write("open/t.parquet", table())
        os.chmod("closed/t.parquet", 0)
        os.chmod("open", 0o555)
    for word, target in (("closed/t.parquet", "out.csv"), ("open/t.parquet", "open/out.csv")):
        prefix = modes_count if os.geteuid() == 0 else []
        command = [*prefix, sys.executable, "-m", "fastent.cli", "score", "entropy", word]
        command += ["--columns", "p", "-o", target]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "Permission denied" in done.stderr
        assert done.stderr.count("\n") == 1
    os.chmod(tmp_path / "open", 0o755)


def test_input_changed_while_read(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows appended by somebody else meanwhile: no result is kept."""
    lines = "\n".join(["p_0,p_1", *["0.5,0.5"] * 1000]) + "\n"
    Path("t.csv").write_text(lines)
    check = base.File.check_unchanged

    def change(self: base.File) -> None:
        with open("t.csv", "a") as file:
            file.write("0.5,0.5\n")
        check(self)

    monkeypatch.setattr(base.File, "check_unchanged", change)
    check_failure(score("entropy", "t.csv", "-o", "out.npy"), 1, "t.csv: was changed while")
    assert os.listdir() == ["t.csv"]


def test_array_changed_while_read(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that is cut short: an error, not a signal."""
    from fastent.cli import npy

    np.save("p.npy", P)
    read = npy.NpyFile.read

    def change(self: npy.NpyFile, view: Any) -> Any:
        values = read(self, view)
        cut("p.npy")
        return values

    monkeypatch.setattr(npy.NpyFile, "read", change)
    words = ["entropy", "p.npy", "-o", "out.npy", "--batch-rows", 10]
    check_failure(score(*words), 1, "p.npy: was changed while it was read")
    assert os.listdir() == ["p.npy"]


def test_without_pyarrow(score: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables say what they need; arrays need nothing."""
    write("t.parquet", table())
    np.save("p.npy", P)
    monkeypatch.setitem(sys.modules, "fastent.cli.tables", None)
    told = 'pip install "fastent-numpy[arrow]"'
    check_failure(score("entropy", "t.parquet", "--columns", "p"), 2, "t.parquet", told)
    assert score("entropy", "p.npy", "-o", "out.npy", "--quiet").code == 0
