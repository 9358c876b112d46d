"""Mutated ``.nir`` files: our own error, or a graph that keeps every rule; never anything else.

Bytes are changed as in ``media.py``; arrays, texts and links inside HDF5 by their kind. A file that
is taken must be a checked graph, and the same one where the change touched nothing that is read.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from support.random_graphs import PARTS, random_graph

from fuzz.media import REFUSED, TAKEN, mutated, refused
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.reader import from_nir, load_nir
from spiketrack.export.nir.writer import write_nir
from spiketrack.hdf5 import probe
from spiketrack.integer.rules.checks import check
from spiketrack.limits import POTENTIAL_MAX

NUMBERS = (0, -1, 1, 2, 4, 2**31 - 1, -(2**31), 2**62, 10**11)
TEXTS = ("", "1", "null", "[", "[" * 5000, '["a"]', "x" * 5000, "\x1b[31m", "sélection", "image")


@functools.cache
def whole_file() -> bytes:
    """The file of a graph with every kind of part."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.nir"
        write_nir(random_graph(0, tuple(PARTS), 3), path)
        return path.read_bytes()


def _outcome(path: Path) -> str:
    try:
        graph = from_nir(load_nir(path))
        proven = check(graph, "reading")
    except SpikeTrackError as error:
        return refused(error)
    assert all(reach.peak <= POTENTIAL_MAX for reach in proven.values())
    return TAKEN


def structure(seed: int, folder: Path) -> str:
    """One to three changes of data sets, groups and links."""
    rng = np.random.default_rng(seed)
    path = folder / "changed.nir"
    path.write_bytes(whole_file())
    with h5py.File(path, "r+") as file:
        for _ in range(rng.integers(1, 4)):
            names: list[str] = []
            file.visit(names.append)
            change = CHANGES[int(rng.integers(len(CHANGES)))]
            change(file, names[int(rng.integers(len(names)))], rng)
    return _outcome(path)


def content(seed: int, folder: Path) -> str:
    """Changed values of one data set, whose shape and type stay."""
    rng = np.random.default_rng(seed)
    path = folder / "changed.nir"
    path.write_bytes(whole_file())
    with h5py.File(path, "r+") as file:
        names = _arrays(file)
        for _ in range(rng.integers(1, 4)):
            data = file[names[int(rng.integers(len(names)))]]
            if data.size and data.dtype.kind in "iuf":
                values = np.array(data[()])
                place = int(rng.integers(values.size))
                values.reshape(-1)[place] = rng.choice([0, -1, 1, 127, -128, 2**20])
                data[()] = values
    return _outcome(path)


def _arrays(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(
        lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None
    )
    return found


def _delete(file: h5py.File, name: str, rng: np.random.Generator) -> None:
    del file[name]


def _replace(file: h5py.File, name: str, rng: np.random.Generator) -> None:
    del file[name]
    choice = int(rng.integers(4))
    if choice == 0:
        file[name] = int(rng.choice(NUMBERS))
    elif choice == 1:
        file[name] = TEXTS[int(rng.integers(len(TEXTS)))]
    elif choice == 2:
        file[name] = rng.integers(-9, 9, rng.integers(0, 4, int(rng.integers(0, 5))))
    else:
        file.create_group(name)


def _copy(file: h5py.File, name: str, rng: np.random.Generator) -> None:
    file.copy(file[name], file, f"{name}_again")


def _link(file: h5py.File, name: str, rng: np.random.Generator) -> None:
    links = (file["node"], h5py.SoftLink("/node"), h5py.ExternalLink("other.nir", "/node"))
    file[f"{name}_link"] = links[int(rng.integers(3))]


def _sparse(file: h5py.File, name: str, rng: np.random.Generator) -> None:
    file.create_dataset(f"{name}_sparse", (2 ** int(rng.integers(10, 40)),), "i1", chunks=(2**10,))


Change = Callable[[h5py.File, str, np.random.Generator], None]
CHANGES: tuple[Change, ...] = (_delete, _replace, _replace, _replace, _copy, _link, _sparse)


def damaged(seed: int, folder: Path) -> str:
    """Changed bytes, read as a user's file is: in another process first."""
    rng = np.random.default_rng(seed)
    path = folder / "changed.nir"
    path.write_bytes(mutated(whole_file(), rng))
    try:
        probe(path)
    except SpikeTrackError:
        return REFUSED
    return _outcome(path)


KINDS: dict[str, Callable[[int, Path], str]] = {
    "nir structure": structure,
    "nir values": content,
    "nir bytes": damaged,
}
