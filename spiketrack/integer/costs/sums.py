"""The sums over counts that the formulas of some nodes need, each taken once, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.integer.costs.formulas import OUTPUT, Coincidences, Pixels, Tally, Term
from spiketrack.integer.graph import Graph, Node
from spiketrack.integer.loops import coincide_all, tally_all
from spiketrack.limits import HEADS

Table = NDArray[np.int64]
Key = tuple[object, ...]
TALLY_COLUMNS, PAIR_COLUMNS = 6, 6


def rank(term: Term) -> int:
    """Order in which terms are added: what gives the sums of others as well comes first."""
    return 0 if isinstance(term, Tally) and term.reach is not None else 1


class Sums:
    """Tables of whole numbers that say which sums to take of which tensors.

    A *slot* is a tensor to look at, what a node sends to all its readers.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.slots: dict[str, int] = {}  # by name of the sender
        self.places: dict[Key, int] = {}  # sums → first of their values
        self.tallies: list[tuple[int, ...]] = []
        self.pairs: list[tuple[int, ...]] = []
        self.pixels: list[tuple[int, int]] = []
        self.fans = [np.zeros(0, np.int32)]
        self.size = 0

    def place(self, node: Node, term: Term) -> int:
        """Where the pair of sums that a term asks for will lie among the values."""
        key = self._key(node, term)
        if key not in self.places:
            self.places[key] = self.size
            self._add(node, term)
        weighted = isinstance(term, Tally) and term.reach is not None
        return self.places[key] + (2 if weighted else 0)

    def _key(self, node: Node, term: Term) -> Key:
        if isinstance(term, Coincidences):
            return ("coincidences", *node.inputs)
        if isinstance(term, Pixels):
            return ("pixels", *node.inputs)
        slot = self._slot(node, term.port)
        if term.reach is not None:
            return (slot, term.reach.key)
        return next((key for key in self.places if key[0] == slot), (slot, None))

    def _slot(self, node: Node, port: int) -> int:
        return self.slots.setdefault(_sender(node, port), len(self.slots))

    def _add(self, node: Node, term: Term) -> None:
        if isinstance(term, Tally):
            self._add_tally(node, term)
        elif isinstance(term, Coincidences):
            k, v = (self.graph[name].shape for name in node.inputs)
            rows = k[0] * k[2] * k[3] * HEADS
            slots = self._slot(node, 0), self._slot(node, 1)
            self.pairs.append((*slots, rows, k[1] // HEADS, v[1] // HEADS, self.size))
            self.size += 2
        else:
            self.pixels.append((self._slot(node, 0), self.size))
            self.size += 2

    def _add_tally(self, node: Node, term: Tally) -> None:
        slot = self._slot(node, term.port)
        steps, channels, height, width = self.graph[_sender(node, term.port)].shape
        start = stop = sum(map(len, self.fans))
        if term.reach is not None:
            self.fans.append(term.reach.fan_out)
            stop += len(term.reach.fan_out)
        row = (slot, steps * height * width, channels, start, stop, self.size)
        self.tallies.append(row)
        self.size += 4


class CompiledSums:
    """The tables, once every term has its place; ``take(tensors)`` gives all values."""

    def __init__(self, sums: Sums) -> None:
        rows = [row[:1] for row in sums.tallies if row[4] > row[3]] + [r[:2] for r in sums.pairs]
        in_order = {slot for row in rows for slot in row}  # of these the place matters
        self.ordered = tuple(slot in in_order for slot in range(len(sums.slots)))
        self.tallies = _table(sums.tallies, TALLY_COLUMNS)
        self.pairs = _table(sums.pairs, PAIR_COLUMNS)
        self.pixels = tuple(sums.pixels)
        images = {slot for slot, _ in sums.pixels}
        self.counts = tuple(slot not in images for slot in range(len(sums.slots)))
        self.fans = np.concatenate(sums.fans)
        self.values = np.zeros(sums.size, np.int64)

    def take(self, tensors: Sequence[Tensor]) -> Table:
        """Values by place, from one tensor a slot; valid until the next call."""
        held = [
            in_memory(x, ordered) if counts else x
            for x, ordered, counts in zip(tensors, self.ordered, self.counts, strict=True)
        ]
        addresses = np.array([x.data_ptr() for x in held], np.int64)
        tally_all(addresses, self.tallies, self.fans, self.values)
        coincide_all(addresses, self.pairs, self.values)
        for slot, place in self.pixels:
            self.values[place] = int(torch.count_nonzero(tensors[slot]))
        return self.values


def _sender(node: Node, port: int) -> str:
    return node.name if port == OUTPUT else node.inputs[port]


def _table(rows: list[tuple[int, ...]], columns: int) -> Table:
    return np.array(rows, np.int64).reshape(-1, columns)


def in_memory(counts: Tensor, ordered: bool = True) -> Tensor:
    """uint8, channels last if the order matters; itself where it is that already."""
    if counts.dtype != torch.uint8:
        counts = counts.to(torch.uint8)
    if not ordered and counts.is_contiguous():
        return counts
    return counts.contiguous(memory_format=torch.channels_last)
