"""Activity of a run in the chip's own time, in ``RUN/counts.h5``.

``activity/<branch>`` is int64 (rows, columns), one row for each layer that acted in a time step of
an inference, in the order of time. Its attributes ``columns`` and ``layers`` name the axes: column
``layer`` is an index into ``layers``. ``deploy/chip/execution/activity.py`` says what each column
counts; ``inference`` stands in front.

Where the cores are known, ``cores/<branch>`` and ``links/<branch>`` hold the same by core and by
link (``deploy/chip/execution/ledger.py``), and ``link_ends/<branch>`` int64 (links, 4) says which
link a number is: from chip, from tile, to chip, to tile; -1 is the host, and no tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spiketrack import hdf5
from spiketrack.errors import Hdf5Error, SpikeTrackError
from spiketrack.inference import Trace
from spiketrack.runs.operations import COUNTS_FILE

GROUP, CORES, LINKS, ENDS = "activity", "cores", "links", "link_ends"
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


@dataclass(frozen=True, eq=False)
class PlacedActivity:
    """What cores and links did: tables whose ``columns`` begin with inference and time step.

    ``ends`` (links, 4): from chip, from tile, to chip, to tile of each link; -1 is the host, and
    no tile. A tile is row · tiles across + column.
    """

    core_columns: tuple[str, ...]
    cores: Integers
    link_columns: tuple[str, ...]
    links: Integers
    ends: Integers

    def inference(self, number: int) -> PlacedActivity:
        """The rows of one inference."""
        cores = self.cores[self.cores[:, 0] == number]
        links = self.links[self.links[:, 0] == number]
        return replace(self, cores=cores, links=links)

    def of_cores(self, name: str) -> Integers:
        """One column of the cores' table."""
        column: Integers = self.cores[:, self.core_columns.index(name)]
        return column

    def of_links(self, name: str) -> Integers:
        """One column of the links' table."""
        column: Integers = self.links[:, self.link_columns.index(name)]
        return column

    def busiest_core(self, name: str) -> Integers:
        """The largest value of a column among the cores, in each time step of all inferences."""
        return _largest(self.of_cores("step"), self.of_cores(name))

    def busiest_link(self, name: str) -> Integers:
        """The same among the links."""
        return _largest(self.of_links("step"), self.of_links(name))


def _largest(steps: Integers, values: Integers) -> Integers:
    largest = np.zeros(int(steps.max(initial=-1)) + 1, np.int64)
    np.maximum.at(largest, steps, values)
    return largest


class ActivityFile:
    """Appends the activity of one inference after the other to an open ``h5py.File``."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.inferences: dict[str, int] = {}

    def add(self, branch: str, trace: Trace) -> None:
        """The tables of the next inference of a branch."""
        number = self.inferences.get(branch, 0)
        self.inferences[branch] = number + 1
        for group, rows in ((GROUP, trace.activity), (CORES, trace.cores), (LINKS, trace.links)):
            if rows is not None:
                self._append(f"{group}/{branch}", np.insert(rows, 0, number, axis=1))

    def _append(self, name: str, rows: Integers) -> None:
        if name not in self.file:
            self.file.create_dataset(
                name, (0, rows.shape[1]), np.int64, maxshape=(None, rows.shape[1]),
                chunks=(ROWS, rows.shape[1]), compression="gzip", shuffle=True,
            )  # fmt: skip
        stored = self.file[name]
        stored.resize(len(stored) + len(rows), 0)
        stored[-len(rows) :] = rows

    def name(self, branch: str, axes: Axes) -> None:
        """Say what the axes of a branch's tables are, of those that have rows."""
        if branch not in self.inferences:
            return
        text = h5py.string_dtype()
        for group, columns in axes.columns.items():
            if f"{group}/{branch}" in self.file:
                stored = self.file[f"{group}/{branch}"]
                stored.attrs.create("columns", ("inference", *columns), dtype=text)
        self.file[f"{GROUP}/{branch}"].attrs.create("layers", axes.layers, dtype=text)
        if axes.ends is not None:
            self.file.create_dataset(
                f"{ENDS}/{branch}", data=axes.ends, compression="gzip", shuffle=True
            )


@dataclass(frozen=True, eq=False)
class Axes:
    """What the axes of the tables of a branch are.

    ``columns``: group of the file → columns behind the inference; ``layers`` by index; ``ends``
    of the links by number, where they are known.
    """

    columns: Mapping[str, Sequence[str]]
    layers: Sequence[str]
    ends: Integers | None = None


def read_placed_activity(run: Path, branch: str) -> PlacedActivity:
    """Cores and links of one branch of a run; ``SpikeTrackError`` where none are recorded."""
    with _opened(run) as file:
        if f"{CORES}/{branch}" not in file:
            raise SpikeTrackError(
                f"{file.filename}: no activity of cores in the {branch} branch; simulate with "
                "--backend chip --map FILE, which spiketrack map --json FILE writes"
            )
        tables = [file[f"{group}/{branch}"] for group in (CORES, LINKS)]
        cores, links = ((_texts(t, "columns"), np.asarray(t[()], np.int64)) for t in tables)
        ends = np.asarray(file[f"{ENDS}/{branch}"][()], np.int64)
        return PlacedActivity(*cores, *links, ends)


def _texts(stored: Any, key: str) -> tuple[str, ...]:
    values = stored.attrs[key]
    return tuple(v.decode() if isinstance(v, bytes) else str(v) for v in values)


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
    columns, layers = _texts(stored, "columns"), _texts(stored, "layers")
    return RunActivity(columns, layers, np.asarray(stored[()], np.int64))
