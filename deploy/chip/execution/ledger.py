"""What each core and each link does, time step by time step.

Two tables, int64, with a row for each core or link that does anything in a time step. Messages
stand in the step in which they are sent; they are integrated in the next.

============== ===================================================================================
step           time step, counted from the first image of the run
core           number of the core on the board
updates        neurons there whose program runs
operations     synaptic operations that end in them
multiplications of pixels and weights, and of the gate, there
messages       values that its neurons send, one a neuron whatever the number of its readers
bits           their payload
copies         messages that leave it: one for each other core, or host, that needs a value
arrivals       messages that reach it from other cores and the host
============== ===================================================================================

A link's row has ``step``, ``link``, ``messages`` and ``bits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spiketrack.deploy.chip.execution.activity import Table, Work
from spiketrack.deploy.chip.execution.footprints import footprints
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.links import HOST, Links
from spiketrack.deploy.chip.reach import Block
from spiketrack.deploy.chip.sites import Sites
from spiketrack.errors import GraphError

CORE_COLUMNS = (
    "step", "core", "updates", "operations", "multiplications",
    "messages", "bits", "copies", "arrivals",
)  # fmt: skip
LINK_COLUMNS = ("step", "link", "messages", "bits")


@dataclass(frozen=True, eq=False)
class Placed:
    """``cores`` (rows, ``CORE_COLUMNS``) and ``links`` (rows, ``LINK_COLUMNS``) of a run."""

    cores: Table
    links: Table


class Ground:
    """The cores and links of one program: a footprint for each layer, the image's last."""

    def __init__(self, layers: Sequence[Layer], image: tuple[str, Block], sites: Sites) -> None:
        self.links = Links(sites.board)
        self.footprints = footprints(layers, image, sites, self.links)
        used = [footprint.cores.max() for footprint in self.footprints]
        self.cores = int(max(used, default=HOST)) + 1

    @property
    def ends(self) -> Table:
        """(links, 4): from chip, from tile, to chip, to tile of each; see ``links.py``."""
        return self.links.table


class Ledger:
    """Adds up what layers did in a time step; ``close`` ends the step, ``take`` gives all."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.cores = np.zeros((ground.cores + 1, len(CORE_COLUMNS) - 2), np.int64)  # the host last
        self.links = np.zeros((len(ground.links.numbers), len(LINK_COLUMNS) - 2), np.int64)
        self.written: tuple[list[Table], list[Table]] = ([], [])

    def acted(self, number: int, name: str, work: Work, landed: tuple[Table, Table]) -> None:
        """A layer did this in the present step, ``landed`` in each of its blocks."""
        footprint = self.ground.footprints[number]
        operations, multiplications = landed
        if (operations.sum(), multiplications.sum()) != (work.operations, work.multiplications):
            raise GraphError(
                f"{name}: {work.operations} operations and {work.multiplications} multiplications, "
                f"of which {operations.sum()} and {multiplications.sum()} were found on cores"
            )
        rows = np.stack([footprint.neurons, operations, multiplications], 1)
        np.add.at(self.cores[:, :3], footprint.cores, rows)

    def sent(self, number: int, messages: Table, copies: Table, bits: int) -> None:
        """A layer sent so many messages from each of its blocks and of each of its boxes."""
        footprint = self.ground.footprints[number]
        np.add.at(self.cores[:, 3:5], footprint.cores, np.stack([messages, messages * bits], 1))
        away = footprint.senders != footprint.receivers
        np.add.at(self.cores[:, 5], footprint.senders[away], copies[away])
        np.add.at(self.cores[:, 6], footprint.receivers[away], copies[away])
        box, link = footprint.paths.T
        taken = copies[box]
        np.add.at(self.links, link, np.stack([taken, taken * bits], 1))

    def close(self, step: int) -> None:
        """Keep the rows of this step; the host is no core."""
        for table, written in zip((self.cores[:-1], self.links), self.written, strict=True):
            (used,) = np.nonzero(table.any(1))
            written.append(np.column_stack([np.full_like(used, step), used, table[used]]))
        self.cores[:] = 0
        self.links[:] = 0

    def take(self) -> Placed:
        """All rows so far."""
        widths = len(CORE_COLUMNS), len(LINK_COLUMNS)
        tables = [
            np.concatenate([np.zeros((0, width), np.int64), *rows])
            for width, rows in zip(widths, self.written, strict=True)
        ]
        self.written = ([], [])
        return Placed(*tables)
