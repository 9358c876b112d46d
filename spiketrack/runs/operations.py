"""Operation counts of a run: what a backend counted for every layer and inference, and its file.

``RUN/counts.h5`` holds one data set for each branch, ``operations/<branch>``, int64 (inferences,
layers, fields): one inference a frame in the search branch, one an encoding in the template
branch. Its attributes ``fields``, ``names``, ``kinds``, ``dense_mac`` and ``inputs`` name the axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spiketrack import hdf5
from spiketrack.errors import Hdf5Error, SpikeTrackError
from spiketrack.inference import BRANCHES, SEARCH
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.integer.counting import Layers

MOST = 2**53  # beyond, floats would not hold a count
COUNTS_FILE = "counts.h5"
GROUP = "operations"

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BranchCounts:
    """``operations``: int64 (inferences, layers, fields) in the order of ``FIELDS``."""

    layers: Layers
    operations: Integers

    def field(self, name: str) -> Integers:
        """One field, (inferences, layers)."""
        field: Integers = self.operations[:, :, FIELDS.index(name)]
        return field


RunCounts = Mapping[str, BranchCounts]


def write_operations(file: Any, branch: str, layers: Layers, operations: Integers) -> None:
    """Store one branch in an open ``h5py.File``; operations (inferences, layers, fields)."""
    if operations.ndim != 3 or operations.shape[1:] != (len(layers), len(FIELDS)):
        raise SpikeTrackError(
            f"{branch}: operation counts of shape {operations.shape}; "
            f"expected (inferences, {len(layers)}, {len(FIELDS)})"
        )
    stored = file.create_dataset(
        f"{GROUP}/{branch}", data=operations.astype(np.int64), compression="gzip", track_times=False
    )
    text = h5py.string_dtype()
    stored.attrs.create("fields", FIELDS, dtype=text)
    stored.attrs.create("names", layers.names, dtype=text)
    stored.attrs.create("kinds", layers.kinds, dtype=text)
    stored.attrs.create("dense_mac", layers.dense_mac, dtype=np.int64)
    stored.attrs.create("inputs", layers.inputs, dtype=np.int64)


def read_operations(file: Any) -> dict[str, BranchCounts]:
    """All branches of an open ``h5py.File``; errors name what is missing."""
    if GROUP not in file:
        raise SpikeTrackError(f"{file.filename}: no operation counts; simulate on integer or lava")
    branches = [branch for branch in file[GROUP] if branch in BRANCHES]
    return {branch: _read_branch(file, branch) for branch in branches}


def _read_branch(file: Any, branch: str) -> BranchCounts:
    stored = file[GROUP][branch]
    where = f"{file.filename}: {GROUP}/{branch}"
    try:
        fields, names, kinds = (_texts(stored.attrs[key]) for key in ("fields", "names", "kinds"))
        dense, inputs = (_integers(stored.attrs[key]) for key in ("dense_mac", "inputs"))
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise SpikeTrackError(f"{where}: {error.args[0]}; written by another version?") from None
    if {len(names)} != {len(kinds), len(dense), len(inputs)}:
        raise SpikeTrackError(f"{where}: attributes of different lengths; the file was changed")
    if fields != FIELDS:
        raise SpikeTrackError(f"{where}: fields {', '.join(fields)}; this version reads {FIELDS}")
    layers = Layers(names, kinds, dense, inputs)
    if stored.dtype != np.int64 or stored.shape[1:] != (len(layers), len(FIELDS)):
        raise SpikeTrackError(f"{where}: {stored.dtype} {stored.shape} for {len(layers)} layers")
    operations = stored[()]
    if operations.size and not 0 <= operations.min() <= operations.max() <= MOST:
        raise SpikeTrackError(f"{where}: a count outside 0..2^53; the file was changed")
    return BranchCounts(layers, operations)


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(v.decode() if isinstance(v, bytes) else str(v) for v in values)


def _integers(values: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in values)


def read_run(path: Path, digest: str | None = None) -> dict[str, BranchCounts]:
    """Operation counts of a run folder, by branch; the search branch has at least one frame.

    ``digest``: the SHA-256 of its counts, where it is known; they are then probed once for all.
    """
    file = path / COUNTS_FILE
    if not path.is_dir():
        raise SpikeTrackError(f"{path}: no such run folder; make one with spiketrack simulate")
    if not file.is_file():
        raise SpikeTrackError(f"{path}: no {COUNTS_FILE} in it; is this a folder of a run?")
    try:
        hdf5.probe_once(file, digest) if digest else hdf5.probe(file)
        with hdf5.opened(file) as door:
            door.walk(door.file)
            branches = read_operations(door.file)
    except Hdf5Error as error:
        raise SpikeTrackError(f"{file}: {error}") from None
    if SEARCH not in branches or not len(branches[SEARCH].operations):
        raise SpikeTrackError(f"{file}: holds no tracked frame")
    return branches
