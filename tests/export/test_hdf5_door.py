"""Damaged and hostile HDF5 files: one line each, nothing crashes, hangs or fills the memory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from support.random_graphs import tiny_graph

from spiketrack import hdf5
from spiketrack.errors import GraphError, Hdf5Error, NirError
from spiketrack.export.nir import reader
from spiketrack.export.nir.reader import load_nir, read_nir
from spiketrack.export.nir.writer import write_nir
from spiketrack.integer.compare import difference
from spiketrack.integer.rules.checks import check

Change = Callable[[h5py.File], None]
SCORE = "node/nodes/score/metadata"
HUGE = (3 * 2**30,)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "search.nir"
    write_nir(tiny_graph(1, "search"), path)
    return path


@pytest.fixture
def change(whole: Path, tmp_path: Path) -> Callable[[Change], Path]:
    def apply(function: Change) -> Path:
        path = tmp_path / "search.nir"
        shutil.copy(whole, path)
        with h5py.File(path, "r+") as file:
            function(file)
        return path

    return apply


def onto_itself(file: h5py.File) -> None:
    del file[f"{SCORE}/order"]
    layout = h5py.VirtualLayout((4,), "i8")
    layout[:] = h5py.VirtualSource(".", f"{SCORE}/order", shape=(4,))
    file.create_virtual_dataset(f"{SCORE}/order", layout)


def many_sparse(file: h5py.File) -> None:
    for index in range(40):
        file.create_dataset(f"{SCORE}/x{index}", (2**28,), "i1", chunks=(2**20,))


def deflated(file: h5py.File) -> None:
    stored = file.create_dataset(
        f"{SCORE}/x", HUGE, "i1", chunks=(2**24,), compression="gzip", compression_opts=1
    )
    stored[: 2**24] = 0


def deep(file: h5py.File) -> None:
    file.create_group("node/nodes/" + "/".join("d" * 30))


def compound(file: h5py.File) -> None:
    file[f"{SCORE}/x"] = np.zeros(3, [("a", "i4"), ("b", "f8")])


def referring(file: h5py.File) -> None:
    file[f"{SCORE}/x"] = np.array([file["node"].ref], h5py.ref_dtype)


REFUSED: dict[str, tuple[Change, str]] = {
    "virtual": (onto_itself, "metadata/order: its values lie in another place"),
    "hard loop": (lambda f: f.__setitem__("node/nodes/loop", f["node"]), "reached in two ways"),
    "soft loop": (
        lambda f: f.__setitem__("node/nodes/loop", h5py.SoftLink("/node")),
        "node/nodes/loop: a link to another place",
    ),
    "external link": (
        lambda f: f.__setitem__(f"{SCORE}/z", h5py.ExternalLink("/etc/hostname", "/x")),
        "metadata/z: a link to another place",
    ),
    "external values": (
        lambda f: f.create_dataset(f"{SCORE}/z", (64,), "i1", external=[("/dev/zero", 0, 64)]),
        "metadata/z: its values lie in another place",
    ),
    "unallocated": (
        lambda f: f.create_dataset(f"{SCORE}/x", HUGE, "i1", chunks=(2**20,)),
        "metadata/x: 3,221,225,472 bytes of which 0 are stored",
    ),
    "many unallocated": (many_sparse, "268,435,456 bytes of which 0 are stored"),
    "deflated": (deflated, "3,221,225,472 bytes of which"),
    "deep": (deep, "groups deeper than 16"),
    "compound": (compound, "numbers and texts are read"),
    "references": (referring, "numbers and texts are read"),
    "empty": (
        lambda f: f.create_dataset(f"{SCORE}/x", data=h5py.Empty("f4")),
        "numbers and texts are read",
    ),
    "no node": (lambda f: f.__delitem__("node"), "no group named node"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.slow
def test_what_no_writer_of_ours_leaves_is_refused(
    case: str, change: Callable[[Change], Path]
) -> None:
    function, message = REFUSED[case]
    path = change(function)
    with pytest.raises((Hdf5Error, NirError), match=message):
        load_nir(path)


@pytest.mark.slow
def test_a_link_to_a_pipe_does_not_wait(change: Callable[[Change], Path], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = change(lambda f: f.__setitem__(f"{SCORE}/z", h5py.ExternalLink(str(pipe), "/x")))
    with pytest.raises(Hdf5Error, match="a link to another place"):
        load_nir(path)


@pytest.mark.slow
def test_a_file_is_read_in_another_process_first(
    change: Callable[[Change], Path], whole: Path
) -> None:
    read_nir(whole)
    path = change(onto_itself)
    with pytest.raises(NirError, match=rf"^{path}: /{SCORE}/order: its values lie in another"):
        read_nir(path)


@pytest.mark.slow
def test_a_file_that_passed_is_not_probed_again(
    whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    probed: list[Path] = []
    monkeypatch.setattr(hdf5, "probe", probed.append)
    for _ in range(2):
        monkeypatch.setattr(reader, "_kept", {})
        read_nir(whole)
    assert probed == [whole]
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    for _ in range(2):
        monkeypatch.setattr(reader, "_kept", {})
        read_nir(whole)
    assert probed == [whole] * 3


@pytest.mark.slow
def test_the_last_two_graphs_are_kept(
    whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that was read is not read again; one of other bytes is, whatever its name."""
    monkeypatch.setattr(reader, "_kept", {})
    opened: list[Path] = []

    def load(path: Path) -> nir.NIRGraph:
        opened.append(path)
        return load_nir(path)

    monkeypatch.setattr(reader, "load_nir", load)
    graph = read_nir(whole)
    copy = tmp_path / "copy.nir"
    copy.write_bytes(whole.read_bytes())
    assert read_nir(copy) is graph
    for number in (1, 2):
        other = tiny_graph(1, "template", seed=number)
        write_nir(other, copy)
        assert difference(read_nir(copy), other) is None
    assert opened == [whole, copy, copy]
    read_nir(whole)
    assert opened == [whole, copy, copy, whole]


def test_a_crash_of_the_reading_process_is_one_line(
    whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "h5py.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(hdf5, "places_first", lambda home: [str(tmp_path), home])
    with pytest.raises(Hdf5Error, match=r"damaged: HDF5 crashes reading it \(signal 11\)"):
        hdf5.probe(whole)


def test_a_reading_that_does_not_end_is_one_line(
    whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "h5py.py").write_text(
        "import sys, unittest.mock\n"
        "def spin(*given):\n"
        "    while True: pass\n"
        "sys.modules['h5py'] = unittest.mock.MagicMock(File=spin)\n"
    )
    monkeypatch.setattr(hdf5, "places_first", lambda home: [str(tmp_path), home])
    monkeypatch.setattr(hdf5, "PATIENCE", 1)
    with pytest.raises(Hdf5Error, match=r"did not end reading it in 1 processor seconds"):
        hdf5.probe(whole)


def test_a_reading_that_waits_is_no_damage(
    whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "h5py.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(hdf5, "places_first", lambda home: [str(tmp_path), home])
    monkeypatch.setattr(hdf5, "LONGEST", 0.5)
    with pytest.raises(Hdf5Error, match=r"^not read within 0.5 s; the machine is too busy"):
        hdf5.probe(whole)


INPUTS = {
    "number": "1",
    "null": "null",
    "nested": "[[1]]",
    "deep": "[" * 100_000,
    "long": json.dumps(["x" * 100_000]),
    "numbers": "[1, 2]",
}


@pytest.mark.parametrize("text", INPUTS.values(), ids=INPUTS)
def test_inputs_that_are_no_names_are_refused(text: str, change: Callable[[Change], Path]) -> None:
    def damage(file: h5py.File) -> None:
        del file[f"{SCORE}/inputs"]
        file[f"{SCORE}/inputs"] = text

    with pytest.raises(NirError, match="score: metadata inputs is unreadable") as caught:
        read_nir(change(damage), known=True)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("shift", [-5, 25, 2_000_000_000, 10**11, 2**62])
@pytest.mark.parametrize("op", ["bilinear_upsample", "memory_read"])
@pytest.mark.slow
def test_shifts_are_bounded_before_they_are_used(
    op: str, shift: int, change: Callable[[Change], Path]
) -> None:
    def damage(file: h5py.File) -> None:
        nodes = file["node/nodes"]
        for name in nodes:
            metadata = nodes[name].get("metadata", {})
            if "op" in metadata and metadata["op"][()] == op.encode():
                del metadata["shift"]
                metadata["shift"] = np.int64(shift)

    with pytest.raises(GraphError, match=r"shift .*; a membrane has 24 bits"):
        check(read_nir(change(damage), known=True), "reading")
