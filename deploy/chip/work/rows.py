"""What one frame asks of cores and links, as rows of integers.

``cores`` has a row for each layer that does anything on a core in a time step, ``links`` one for
each layer whose messages take a link in a step; steps count from the one in which the host sends
the first image.

============== ===================================================================================
step           time step
core, link     which: core of the board, index into the links
layer          index into ``layers``
updates        neurons there whose program runs
operations     synaptic operations that end in them
multiplications of pixels and weights, and of the gate, there
messages       values that its neurons send, one a neuron whatever the number of its readers
copies         messages that leave it: one for each other core, or host, that needs a value
arrivals       messages that reach it from other cores and the host; they stand in the step after
               that in which they were sent
words          of 64 bits of synaptic memory that are read
bits           (links) payload of the ``messages`` that take it
============== ===================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORE_COLUMNS = (
    "step", "core", "layer",
    "updates", "operations", "multiplications", "messages", "copies", "arrivals", "words",
)  # fmt: skip
LINK_COLUMNS = ("step", "link", "layer", "messages", "bits")

Rows = NDArray[np.int64]

EAST_WEST, NORTH_SOUTH, BETWEEN_CHIPS, WITH_HOST = range(4)  # kinds of links


@dataclass(frozen=True, eq=False)
class FrameWork:
    """One frame alone, from the host's image to its maps.

    ``steps``: time steps that it takes; ``interval``: those after which a next frame could enter,
    None where the program takes one frame at a time; ``resident``: neurons of each core of the
    board, of all that is loaded; ``ends`` (links, 4): from chip and tile to chip and tile, as
    ``deploy/chip/links.py`` has them; ``kinds``: of each link, ``EAST_WEST`` to ``WITH_HOST``;
    ``chips``: in use; ``host_in``, ``host_out``: values; ``payloads``: bits of one message of each
    layer, empty where only cores are known.
    """

    layers: tuple[str, ...]
    steps: int
    interval: int | None
    cores: Rows
    links: Rows
    resident: Rows
    ends: Rows
    kinds: Rows
    chips: int
    host_in: int
    host_out: int
    payloads: tuple[int, ...] = ()

    def core(self, column: str) -> Rows:
        """One column of ``cores``."""
        values: Rows = self.cores[:, CORE_COLUMNS.index(column)]
        return values

    def link(self, column: str) -> Rows:
        """One column of ``links``."""
        values: Rows = self.links[:, LINK_COLUMNS.index(column)]
        return values

    def by_step(self) -> dict[str, NDArray[Any]]:
        """Updates, operations, messages and their bits in each time step, over all cores."""
        each = np.array(self.payloads or [0] * len(self.layers), np.int64)
        values: dict[str, Rows] = {
            name: self.core(name) for name in ("updates", "operations", "messages")
        }
        values["bits"] = self.core("messages") * each[self.core("layer")]
        step = self.core("step")
        return {
            name: np.bincount(step, amounts.astype(np.float64), self.steps + 1)
            for name, amounts in values.items()
        }

    def folded(self, period: int) -> FrameWork:
        """A frame every ``period`` steps, all alike: what one period holds, ``period`` steps.

        Neurons whose layer has to do with two frames in one step are updated once.
        """
        cores = _at(self.cores, self.core("step") % period)
        together, most = summed(cores, 3), summed(cores, 3, np.maximum)
        updates = CORE_COLUMNS.index("updates")
        together[:, updates] = most[:, updates]
        links = summed(_at(self.links, self.link("step") % period), 3)
        return replace(self, steps=period, cores=together, links=links)


def _at(rows: Rows, step: Rows) -> Rows:
    return np.column_stack([step, rows[:, 1:]])


def summed(rows: Rows, keys: int, how: np.ufunc = np.add) -> Rows:
    """Rows of the same first ``keys`` columns as one, in their order."""
    if not len(rows):
        return rows
    order = np.lexsort(rows[:, keys - 1 :: -1].T if keys > 1 else rows[:, :1].T)
    rows = rows[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (rows[1:, :keys] != rows[:-1, :keys]).any(1)
    starts = np.flatnonzero(new)
    return np.column_stack([rows[starts, :keys], how.reduceat(rows[:, keys:], starts)])


def joined(rows: Iterable[Rows], columns: Sequence[str]) -> Rows:
    """Tables of these columns as one, rows of one layer, place and step added up."""
    return summed(np.concatenate([np.zeros((0, len(columns)), np.int64), *rows]), 3)
