"""Activity of a run in the chip's own time, in ``RUN/counts.h5``.

``activity/<branch>`` is int64 (rows, columns), one row for each layer that acted in a time step of
an inference, in the order of time. Its attributes ``columns`` and ``layers`` name the axes: column
``layer`` is an index into ``layers``. ``deploy/chip/execution/activity.py`` says what each column
counts; ``inference`` stands in front.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spiketrack import hdf5
from spiketrack.errors import Hdf5Error, SpikeTrackError
from spiketrack.runs.operations import COUNTS_FILE

GROUP = "activity"
ROWS = 4096  # of a chunk

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RunActivity:
    """``table`` (rows, columns): inference, time step, layer, …; ``layers`` by index."""

    columns: tuple[str, ...]
    layers: tuple[str, ...]
    table: Integers

    def column(self, name: str) -> Integers:
        """One column."""
        column: Integers = self.table[:, self.columns.index(name)]
        return column

    def means(self) -> dict[str, float]:
        """Sum of each column over one inference, in the mean; ``step``: the last time step."""
        number = self.column("inference")
        inferences = int(number.max()) + 1
        last = np.zeros(inferences, np.int64)
        np.maximum.at(last, number, self.column("step"))
        sums = self.table.sum(0) / inferences
        means = dict(zip(self.columns, map(float, sums), strict=True))
        return means | {"step": float(last.mean())}

    def inference(self, number: int) -> RunActivity:
        """The rows of one inference."""
        return RunActivity(self.columns, self.layers, self.table[self.table[:, 0] == number])


class ActivityFile:
    """Appends the activity of one inference after the other to an open ``h5py.File``."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.inferences: dict[str, int] = {}

    def add(self, branch: str, activity: Integers) -> None:
        """Rows (rows, columns) of the next inference of a branch."""
        number = self.inferences.get(branch, 0)
        self.inferences[branch] = number + 1
        rows = np.insert(activity, 0, number, axis=1)
        name = f"{GROUP}/{branch}"
        if name not in self.file:
            self.file.create_dataset(
                name, (0, rows.shape[1]), np.int64, maxshape=(None, rows.shape[1]),
                chunks=(ROWS, rows.shape[1]), compression="gzip", shuffle=True,
            )  # fmt: skip
        stored = self.file[name]
        stored.resize(len(stored) + len(rows), 0)
        stored[-len(rows) :] = rows

    def name(self, branch: str, columns: Sequence[str], layers: Sequence[str]) -> None:
        """Say what the axes of a branch are, if it has rows."""
        if branch not in self.inferences:
            return
        stored = self.file[f"{GROUP}/{branch}"]
        text = h5py.string_dtype()
        stored.attrs.create("columns", ("inference", *columns), dtype=text)
        stored.attrs.create("layers", layers, dtype=text)


def read_activity(run: Path, branch: str) -> RunActivity:
    """Activity of one branch of a run folder; ``SpikeTrackError`` where it holds none."""
    with _opened(run) as file:
        return _read(file, branch)


def activity_branches(run: Path) -> tuple[str, ...]:
    """The branches of whose inferences a run folder holds activity."""
    with _opened(run) as file:
        return tuple(file[GROUP]) if GROUP in file else ()


@contextmanager
def _opened(run: Path) -> Iterator[Any]:
    path = run / COUNTS_FILE
    if not path.is_file():
        raise SpikeTrackError(f"{run}: no {COUNTS_FILE} in it; is this a folder of a run?")
    try:
        hdf5.probe(path)
        with hdf5.opened(path) as door:
            door.walk(door.file)
            yield door.file
    except Hdf5Error as error:
        raise SpikeTrackError(f"{path}: {error}") from None


def _read(file: Any, branch: str) -> RunActivity:
    if f"{GROUP}/{branch}" not in file:
        raise SpikeTrackError(
            f"{file.filename}: no activity of the {branch} branch; simulate with --backend chip"
        )
    stored = file[f"{GROUP}/{branch}"]
    columns, layers = (
        tuple(v.decode() if isinstance(v, bytes) else str(v) for v in stored.attrs[key])
        for key in ("columns", "layers")
    )
    return RunActivity(columns, layers, np.asarray(stored[()], np.int64))
