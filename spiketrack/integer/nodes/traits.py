"""What kind of node a type is: the answers that interpreters ask for, never its name.

@node_type
@dataclass(frozen=True, eq=False)
class Maximum(Node):
    traits = Traits(kind="maximum", signal=MEMBRANE, grid=Tied())
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag

IMAGE, COUNT, MEMBRANE, MEMORY = "image", "count", "membrane", "memory"

COUNT_FRACTION = 2  # normalised spike = count / 4
MEMORY_FRACTION = 4  # product of two normalised spikes
PIXEL_FRACTION = 0
FINEST = 20  # of membranes; more would only lengthen shifts
READ_FRACTION = 10


class Stage(Flag):
    """Graphs that a node type stands in: real (folded), integer (quantised), or both alike."""

    REAL = 1
    INTEGER = 2
    BOTH = 3


@dataclass(frozen=True)
class Fixed:
    """Grid rule: always 2^-fraction, as of counts, memories and pixels."""

    fraction: int


@dataclass(frozen=True)
class Tied:
    """Grid rule: that of every input, finer by ``offset`` bits."""

    offset: int = 0


@dataclass(frozen=True)
class Free:
    """Grid rule: its own, chosen with those it is added to; ``finest`` fraction it can use."""

    finest: int = 0


Grid = Fixed | Tied | Free


@dataclass(frozen=True)
class Traits:
    """Constants of a node type; what depends on one node's numbers is a method of ``Node``.

    ``kind``: name of its row in operation counts. ``signal`` of its output, None for that of its
    first input. ``grid``: rule of its fraction. ``population``: counting neurons. ``state``: holds
    a potential from step to step. ``given``: comes from outside. ``read_out``: the host reads it.
    ``wiring``: moves numbers without an operation. ``dendritic``: happens in the accumulators of
    the one node that reads it, where that one ``accumulates``. ``beside_source``: belongs to what
    makes its only input rather than to its readers.
    """

    kind: str
    signal: str | None
    grid: Grid
    stages: Stage = Stage.BOTH
    population: bool = False
    state: bool = False
    given: bool = False
    read_out: bool = False
    wiring: bool = False
    dendritic: bool = False
    accumulates: bool = False
    beside_source: bool = False

    @property
    def silent(self) -> bool:
        """No operation and no neuron: host side or wiring."""
        return self.given or self.read_out or self.wiring
