"""Links between the tiles of a chip, between chips, and with the host: the way of a message.

On a chip a message goes from tile to tile, along the columns first and then along the rows. Between
two chips it takes one link, from chip to chip: how a board joins its chips, and where on a chip a
message leaves it, is not published. Cores of one tile share its router and need no link.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spiketrack.deploy.chip.board import Board
from spiketrack.deploy.chip.reach import Index

HOST = -1  # in place of a core or chip
NONE = -1  # in place of a tile


class Link(NamedTuple):
    """One direction of a link: tiles of one chip, or chips; ``HOST`` is a chip of its own.

    A tile is row · tiles across + column, ``NONE`` between chips and with the host.
    """

    from_chip: int
    from_tile: int
    to_chip: int
    to_tile: int

    @property
    def kind(self) -> str:
        """``mesh``, ``chips`` or ``host``."""
        if HOST in (self.from_chip, self.to_chip):
            return "host"
        return "chips" if self.from_tile == NONE else "mesh"


class Links:
    """Numbers of links in the order in which messages first need them."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.per_chip = board.cores_per_chip.value
        self.numbers: dict[Link, int] = {}
        self._paths: dict[tuple[int, int], tuple[int, ...]] = {}

    def path(self, sender: int, receiver: int) -> tuple[int, ...]:
        """Links from core to core; ``HOST`` may stand for either."""
        ends = sender, receiver
        if ends not in self._paths:
            steps = self._steps(sender, receiver)
            numbers = (self.numbers.setdefault(link, len(self.numbers)) for link in steps)
            self._paths[ends] = tuple(numbers)
        return self._paths[ends]

    @property
    def table(self) -> Index:
        """(links, 4): the fields of each ``Link``."""
        return np.array(list(self.numbers), np.int64).reshape(-1, len(Link._fields))

    def _steps(self, sender: int, receiver: int) -> list[Link]:
        chips = [HOST if core == HOST else core // self.per_chip for core in (sender, receiver)]
        if chips[0] != chips[1]:
            return [Link(chips[0], NONE, chips[1], NONE)]
        if sender == receiver:
            return []
        at, end = (self.board.tile(core % self.per_chip) for core in (sender, receiver))
        steps = []
        for axis in (0, 1):
            while at[axis] != end[axis]:
                way = 1 if end[axis] > at[axis] else -1
                after = (at[0] + way, at[1]) if axis == 0 else (at[0], at[1] + way)
                steps.append(Link(chips[0], self._tile(at), chips[0], self._tile(after)))
                at = after
        return steps

    def _tile(self, place: tuple[int, int]) -> int:
        return place[1] * self.board.tiles_across.value + place[0]
