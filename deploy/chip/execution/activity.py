"""What a step costs: updates, operations, messages and bits of every layer, step by step.

A table has one row for each layer that does anything in a time step, int64, in the order of
``COLUMNS``. Layers that receive nothing and whose phase counter calls for nothing have no row.

=============== ==================================================================================
step            time step, counted from the first image of the run
layer           index into the names that stand with the table
updates         neurons whose program runs
operations      accumulations, one a message (or binary spike) and synapse that it reaches: what
                ``energy`` calls AC; sums of membranes are counted where they are taken
multiplications of pixels and weights, and of the temporal gate: what ``energy`` calls MAC
messages        values sent: non-zero counts, every value of relays and products, every pixel
bits            their payload
=============== ==================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("step", "layer", "updates", "operations", "multiplications", "messages", "bits")

Table = NDArray[np.int64]


@dataclass
class Work:
    """What one layer did in one time step."""

    updates: int = 0
    operations: int = 0
    multiplications: int = 0
    messages: int = 0
    bits: int = 0


@dataclass(frozen=True, eq=False)
class Activity:
    """``names`` of layers (the image last) and ``table`` (rows, ``COLUMNS``) of one run."""

    names: tuple[str, ...]
    table: Table

    def by_layer(self, column: str) -> dict[str, int]:
        """Sum over all time steps for each layer."""
        values = self.table[:, COLUMNS.index(column)].astype(np.float64)
        sums = np.bincount(self.table[:, 1], values, len(self.names))
        return dict(zip(self.names, sums.astype(np.int64).tolist(), strict=True))


def table(rows: Sequence[tuple[int, int, Work]]) -> Table:
    """Rows of (step, layer, work) as one array."""
    entries = [(s, n, *w.__dict__.values()) for s, n, w in rows]
    return np.array(entries, np.int64).reshape(-1, len(COLUMNS))
