"""HDF5 files that HDF5 1.10 and every later one read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.hdf5_layouts import layouts, superblock
from support.random_graphs import random_graph, tiny_graph
from support.runs import run_document

from spiketrack.export.nir.writer import write_nir
from spiketrack.export.outlets.netx_layers import find_chains
from spiketrack.export.outlets.netx_writer import write_netx
from spiketrack.inference import Trace
from spiketrack.runs.folder import RunWriter

pytestmark = pytest.mark.platform


def nir_file(folder: Path) -> Path:
    write_nir(random_graph(0, ("retrieval", "pooled", "attention", "gated"), 3), folder / "a.nir")
    return folder / "a.nir"


def plain(folder: Path, libver: object) -> Path:
    """Data sets of every layout: compact, contiguous, chunked, compressed, growing."""
    path = folder / f"{libver}.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file["text"] = "word"
        file["array"] = np.arange(1000)
        file.create_dataset("packed", data=np.arange(1000), compression="gzip")
        file.create_dataset("growing", (0, 9), np.int8, maxshape=(None, 9), chunks=(1, 9))
    return path


def test_the_layouts_are_told_apart(tmp_path: Path) -> None:
    assert superblock(plain(tmp_path, ("earliest", "v108"))) == 0
    assert layouts(plain(tmp_path, ("v108", "v108"))) == {3}
    assert 4 in layouts(plain(tmp_path, ("v110", "v110")))
    if h5py.version.hdf5_version_tuple >= (2, 0, 0):
        assert 5 in layouts(plain(tmp_path, "latest"))


def run_file(folder: Path) -> Path:
    counts = {"layer.spike": np.zeros((1, 2, 3, 3), np.int8)}
    with RunWriter(folder / "run", {}) as writer:
        for _ in range(3):
            writer._trace("search", Trace(counts))
        writer.finish(run_document())
    return folder / "run" / "counts.h5"


def netx_file(folder: Path) -> Path:
    graph = tiny_graph(1, "search")
    write_netx(graph, find_chains(graph).chains[0], folder / "a.net")
    return folder / "a.net"


@pytest.mark.parametrize("write", [nir_file, run_file, netx_file])
def test_files_are_of_hdf5_1_10(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    assert superblock(path) == 3
    assert layouts(path) <= {3, 4}
    assert layouts(path)
