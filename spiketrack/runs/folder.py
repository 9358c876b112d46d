"""The folder of a run: boxes, counts and what made them.

``boxes.csv``   frame, x, y, w, h, score
``counts.h5``   ``counts/<branch>/<population>`` int8 (inferences, steps, C, H, W), and
                ``operations/<branch>`` (see ``run_counts.py``)
``run.json``    command, clip, box, backend, frames, updates, times, versions, placement
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from spiketrack.documents.digests import file_digest, folder_digests, require_digest
from spiketrack.documents.run import MadePart, RunDocument
from spiketrack.errors import SpikeTrackError
from spiketrack.files import HDF5_VERSIONS, PatientFile, atomic_folder
from spiketrack.hdf5 import remember
from spiketrack.inference import SEARCH, TEMPLATE, Trace
from spiketrack.integer.count_range import in_range
from spiketrack.integer.counting import layers
from spiketrack.integer.graph import Graph
from spiketrack.machine.interrupts import interrupts_wait
from spiketrack.machine.named import machine, now
from spiketrack.ownership import RUN
from spiketrack.runs.activity import ActivityFile, Axes
from spiketrack.runs.operations import COUNTS_FILE, BranchCounts, read_run, write_operations
from spiketrack.targets import Source
from spiketrack.tracking.tracker import TrackResult
from spiketrack.version import VERSION, versions_of
from spiketrack.video.boxes import BoxRow, read_csv, write_csv

RUN_FILE, BOXES_FILE = "run.json", "boxes.csv"
PACKAGES = ("lava-nc", "nir", "numpy", "torch")


class RunWriter:
    """Collects results frame by frame into a folder that appears complete or not at all.

    Ctrl-C waits for the end of each call: HDF5 crashes when one strikes inside its file.
    """

    def __init__(
        self,
        out: Path,
        graphs: Mapping[str, Graph],
        force: bool = False,
        inputs: Iterable[Source] = (),
    ) -> None:
        self.out, self.force, self.inputs = out, force, tuple(inputs)
        self.graphs = graphs
        self.rows: list[BoxRow] = []
        self.updates: list[int] = []
        self.operations: dict[str, list[NDArray[np.int64]]] = {TEMPLATE: [], SEARCH: []}
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            with interrupts_wait():
                self._open()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _open(self) -> None:
        self.folder = self.stack.enter_context(
            atomic_folder(self.out, RUN, self.force, self.inputs)
        )
        self.disk = self.stack.enter_context(PatientFile(self.folder / COUNTS_FILE))
        self.file = self.stack.enter_context(h5py.File(self.disk, "w", libver=HDF5_VERSIONS))
        self.activity = ActivityFile(self.file)

    @interrupts_wait()
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stack.__exit__(kind, value, trace)

    @interrupts_wait()
    def add(self, result: TrackResult) -> None:
        """One frame's box, counts and operations."""
        self.rows.append(result.row)
        if result.updated:
            self.updates.append(result.frame)
        if result.inference is not None:
            self._trace(SEARCH, result.inference.trace)
        if result.encoding is not None:
            self._trace(TEMPLATE, result.encoding.trace)

    def _trace(self, branch: str, trace: Trace) -> None:
        if trace.operations:
            self.operations[branch].append(np.stack(list(trace.operations.values())))
        for name, counts in trace.counts.items():
            _append(self.file, f"counts/{branch}/{name}", counts)
        if trace.activity is not None:
            self.activity.add(branch, trace)
        self.disk.check()

    @interrupts_wait()
    def name_activity(self, branch: str, axes: Axes) -> None:
        """Say what the axes of a branch's activity are, if there was any."""
        self.activity.name(branch, axes)

    @interrupts_wait()
    def finish(self, about: RunDocument) -> RunDocument:
        """Write boxes, operations and ``run.json``; call it last. ``OSError`` on a full disk.

        ``updates``, ``versions``, ``made`` and ``files`` of ``about`` are filled in here; returned
        is what was written.
        """
        for branch, graph in self.graphs.items():
            if rows := self.operations[branch]:
                write_operations(self.file, branch, layers(graph), np.stack(rows))
        self.file.close()
        self.disk.check()
        write_csv(self.folder / BOXES_FILE, self.rows)
        versions = versions_of(PACKAGES)
        filled = {
            "updates": tuple(self.updates),
            "versions": {"spiketrack": VERSION} | versions,
            "made": MadePart(date=now(), machine=machine()),
            "files": folder_digests(self.folder, RUN_FILE),
        }
        whole = about.model_copy(update=filled)
        remember(whole.files[COUNTS_FILE])
        whole.write(self.folder / RUN_FILE)
        return whole


def _append(file: Any, name: str, counts: NDArray[np.int8]) -> None:
    """Add one inference to a growing data set, a chunk an inference."""
    if name not in file:
        shape = (0, *counts.shape)
        file.create_dataset(
            name,
            shape,
            np.int8,
            maxshape=(None, *counts.shape),
            chunks=(1, *counts.shape),
            compression="lzf",
        )
    stored = file[name]
    stored.resize(len(stored) + 1, 0)
    stored[-1] = counts


class Counts(Mapping[str, NDArray[np.int8]]):
    """Counts of one branch of a run: population → int8 (inferences, steps, C, H, W).

    with open_counts("RUN", "search") as counts:
        counts["encoder.block3.0.conv.spike1"].mean()
    """

    def __init__(self, run: Path, branch: str) -> None:
        path = run / COUNTS_FILE
        if not path.is_file():
            raise SpikeTrackError(f"{run}: no {COUNTS_FILE} in it; is this a folder of a run?")
        self.file = h5py.File(path, "r")
        if f"counts/{branch}" not in self.file:
            self.file.close()
            raise SpikeTrackError(
                f"{path}: no counts of the {branch} branch; simulate with --counts full"
            )
        self.group = self.file[f"counts/{branch}"]

    def __getitem__(self, population: str) -> NDArray[np.int8]:
        if population not in self.group:
            raise KeyError(population)
        counts: NDArray[np.int8] = self.group[population][()]
        return in_range(f"{self.file.filename}: {population}", counts)

    def inference(self, population: str, number: int) -> NDArray[np.int8]:
        """Of one inference alone, (steps, C, H, W)."""
        counts: NDArray[np.int8] = self.group[population][number]
        return in_range(f"{self.file.filename}: {population}", counts)

    def __iter__(self) -> Any:
        return iter(self.group)

    def __len__(self) -> int:
        return len(self.group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


def open_counts(run: str | Path, branch: str = SEARCH) -> Counts:
    """Recorded counts of a run folder, read population by population when asked for."""
    return Counts(Path(run), branch)


@dataclass(frozen=True)
class RunReference:
    """What a document says of the run that it speaks of: folder, digests of network and run."""

    path: str
    network_digest: str
    run_digest: str


@dataclass(frozen=True)
class RunFolder:
    """A run folder that is read: ``run.json``, and its SHA-256, which is the run's digest."""

    path: Path
    about: RunDocument
    digest: str

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        """``SpikeTrackError`` where there is none or one of another version."""
        about = read_run_json(path)
        return cls(path, about, file_digest(path / RUN_FILE))

    @property
    def reference(self) -> RunReference:
        """What a document says of this run."""
        return RunReference(str(self.path), self.about.network_digest, self.digest)

    def boxes(self) -> tuple[BoxRow, ...]:
        """The first box and one a tracked frame."""
        self._require(BOXES_FILE)
        rows = tuple(read_csv(self.path / BOXES_FILE))
        if len(rows) != self.about.frames + 1:
            raise SpikeTrackError(
                f"{self.path / BOXES_FILE}: {len(rows)} boxes, {RUN_FILE} says "
                f"{self.about.frames} frames after the first; {RunDocument.REMEDY}"
            )
        return rows

    def counts(self) -> dict[str, BranchCounts]:
        """Operation counts by branch."""
        self._require(COUNTS_FILE)
        return read_run(self.path, self.about.files.get(COUNTS_FILE))

    def _require(self, name: str) -> None:
        require_digest(self.path / name, self.about.files, RUN_FILE, RunDocument.REMEDY)


def read_run_json(run: Path) -> RunDocument:
    """``run.json`` of a run folder; errors say what is missing or of another version."""
    if not run.is_dir():
        raise SpikeTrackError(f"{run}: no such run folder; make one with spiketrack simulate")
    if not (run / RUN_FILE).is_file():
        raise SpikeTrackError(f"{run}: no {RUN_FILE} in it; make a run with spiketrack simulate")
    return RunDocument.read(run / RUN_FILE)


__all__ = ["Counts", "RunFolder", "RunWriter", "open_counts", "read_run_json"]
