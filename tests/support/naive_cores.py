"""Cores and links, naively: every message of a naive chip walks from core to core, by plain loops.

Which neurons a neuron needs comes from ``brute_synapses``, what is sent and multiplied from
``NaiveChip``; of a placement the blocks and their cores are read, and of
the board the tile of a core.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from spiketrack.deploy.chip.layers import Layer, is_layer
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.requirements import Synapses
from spiketrack.deploy.chip.sites import Sites
from spiketrack.integer.graph import (
    COUNT,
    IMAGE,
    Conv,
    Gate,
    Graph,
    Input,
    Node,
    Pool,
    PositionsAsChannels,
    Read,
    Sum,
    Upsample,
)
from support.brute_synapses import Index, feeds
from support.naive_chip import Array, Mail, NaiveChip

HOST = -1
Table = dict[tuple[Any, ...], Counter[str]]


class NaiveCores(NaiveChip):
    """``cores[step, core]`` and ``links[step, from chip, from tile, to chip, to tile]``."""

    def __init__(
        self, graph: Graph, program: ChipProgram, sites: Sites, memory: Mapping[str, Array]
    ) -> None:
        super().__init__(graph, program, memory)
        self.cores: Table = defaultdict(Counter)
        self.links: Table = defaultdict(Counter)
        self.sites = sites
        self.home = {layer.name: self.placed(layer) for layer in program.layers}
        self.readers: dict[str, dict[Index, set[int]]] = defaultdict(lambda: defaultdict(set))
        self.targets: dict[tuple[str, int], dict[Index, list[Index]]] = {}
        for layer in program.layers:
            self.connect(layer)
        self.acted: set[tuple[int, str]] = set()

    def placed(self, layer: Layer) -> dict[Index, int]:
        """Core of each neuron."""
        tiling, cores = self.sites.tilings[layer.name], self.sites.cores[layer.name]
        sizes = [-(-n // b) for n, b in zip(layer.shape, tiling.block, strict=True)]
        home = {}
        for index in every(layer.shape):
            c, y, x = (i // b for i, b in zip(index, tiling.block, strict=True))
            home[index] = int(cores[(c * sizes[1] + y) * sizes[2] + x])
        return home

    def connect(self, layer: Layer) -> None:
        for number, link in enumerate(layer.synapses):
            targets: dict[Index, list[Index]] = defaultdict(list)
            for index, core in self.home[layer.name].items():
                for source in self.needed(layer, link, index):
                    self.readers[link.source][source].add(core)
                    targets[source].append(index)
            self.targets[layer.name, number] = targets
        if layer.host:
            for index in self.home[layer.name]:
                self.readers[layer.name][index].add(HOST)

    def needed(self, layer: Layer, link: Synapses, index: Index) -> Iterator[Index]:
        if not layer.nodes:
            yield index
            return
        if link.part == "whole" and layer.ports == 2 and layer.rule != "votes":
            yield index  # of a copy of itself
            return
        origin = self.origin(link.source)
        for source, element, through in self.walk(layer.nodes[0], index, ""):
            right = through == link.node or (not link.node and source == origin)
            if source != origin or not right:
                continue
            if link.part == "positions":
                width = self.graph[origin].shape[3]
                if (element[1] * width + element[2]) // layer.busy != link.tile:
                    continue
            if link.part == "keys":
                source_layer = self.layers[link.source]
                d = source_layer.shape[0] // 8
                if element[0] % d // source_layer.sends.parts != link.tile:
                    continue
            yield element

    def origin(self, name: str) -> str:
        """The node whose values a layer says, or repeats."""
        if name not in self.layers:
            return name
        layer = self.layers[name]
        return layer.nodes[0] if layer.nodes else self.origin(layer.synapses[0].source)

    def walk(self, name: str, index: Index, through: str) -> Iterator[tuple[str, Index, str]]:
        """Sources of a neuron, and the node through whose synapses they come."""
        node = self.graph[name]
        if not isinstance(node, PositionsAsChannels):
            through = name
        for source, c, y, x in feeds(self.graph, node, index):
            found = self.graph[source]
            if isinstance(found, Input) or is_layer(self.graph, found):
                yield source, (c, y, x), through
            else:
                yield from self.walk(source, (c, y, x), through)

    # what happens

    def integrate(self, layer: Layer, link: Synapses, values: Array, now: int, frames: int) -> None:
        self.acted.add((now, layer.name))
        number = layer.synapses.index(link)
        node = self.graph[link.node] if link.node else None
        if link.part == "whole" and link.port == 0 and isinstance(node, (Conv, Read)):
            image = link.source in self.graph and self.graph.signal(link.source) == IMAGE
            each = 1
            if isinstance(node, Read):
                high = self.graph[node.inputs[1]].high  # type: ignore[attr-defined]
                each = max(1, -(-high.bit_length() // 7))
            for element in zip(*np.nonzero(values[0]), strict=True):
                for target in self.targets[layer.name, number].get(
                    (int(element[0]), int(element[1]), int(element[2])), []
                ):
                    self.count(now, layer, target, "operations", 0 if image else each)
        elif link.part == "whole" and layer.ports == 2 and layer.rule != "votes":
            for index in self.home[layer.name]:
                self.count(now, layer, index, "operations", 1)
        elif link.part != "whole" and (layer.name, f"port{link.port}") in self.state:
            for index in first_takers(layer, link):
                self.count(now, layer, index, "operations", 1)
        super().integrate(layer, link, values, now, frames)

    def multiply(self, layer: Layer, now: int) -> None:
        a, b = (self.state.get((layer.name, f"port{port}")) for port in (0, 1))
        if a is not None and b is not None:
            each = 1
            if isinstance(node := self.graph[layer.synapses[0].node], Read):
                high = self.graph[node.inputs[1]].largest_entry()
                each = max(1, -(-high.bit_length() // 7))
            for c, y, x in self.home[layer.name]:
                head, row = divmod(c, layer.shape[0] // 8)
                if layer.synapses[0].part == "positions":
                    both = a[head, row] != 0 and b[head, x] != 0
                else:
                    both = a[head, y * layer.shape[2] + x] != 0
                self.count(now, layer, (c, y, x), "operations", each if both else 0)
        super().multiply(layer, now)

    def fire(self, layer: Layer, t: int) -> None:
        self.firing.append(layer)
        super().fire(layer, t)

    def send(self, layer: Layer, since: int, now: int, mail: Mail) -> None:
        while self.firing:
            self.sum_up(self.firing.pop(), now)
        super().send(layer, since, now, mail)

    firing: list[Layer]

    def run(self, images: Any) -> None:
        self.firing = []
        super().run(images)
        for now, name in self.acted:
            for core in self.home[name].values():
                self.cores[now, core]["updates"] += 1

    def sum_up(self, layer: Layer, now: int) -> None:
        """What a firing costs beside messages."""
        self.acted.add((now, layer.name))
        for name in layer.nodes:
            for index in self.home[layer.name]:
                added, multiplied = fixed(self.graph, self.graph[name], index)
                self.count(now, layer, index, "operations", added)
                self.count(now, layer, index, "multiplications", multiplied)

    def count(self, now: int, layer: Layer, index: Index, column: str, number: int) -> None:
        self.cores[now, self.home[layer.name][index]][column] += number

    def deliver(self, mail: Mail, now: int, name: str, values: Array) -> None:
        super().deliver(mail, now, name, values)
        layer = self.layers.get(name)
        if layer is not None:
            self.acted.add((now, name))
        for index in self.sending(layer, now, values):
            core = HOST if layer is None else self.home[name][index]
            bits = self.bits(layer)
            self.tell(now, core, self.readers[name][index], bits)

    def bits(self, layer: Layer | None) -> int:
        if layer is None:
            return 8
        if layer.sends.binary:
            return 1
        return 3 if layer.signal == COUNT else 24

    def sending(self, layer: Layer | None, now: int, values: Array) -> list[Index]:
        """Neurons that speak, from what they say."""
        if layer is None:
            _, channels, height, width = values.shape
            return list(every((channels, height, width)))
        said = values != 0 if layer.signal == COUNT else np.ones_like(values, bool)
        part = next(p for p in range(layer.sends.parts) if self.due(layer, now, p))
        _, height, width = layer.shape
        if layer.sends.part == "positions":
            found = [
                (c, *divmod(tile * layer.sends.parts + part, width))
                for tile, c in zip(*np.nonzero(said), strict=True)
            ]
        elif layer.sends.part == "keys":
            d = layer.shape[0] // 8
            found = [
                (h * d + tile * layer.sends.parts + part, y, x)
                for h, tile, y, x in zip(*np.nonzero(said), strict=True)
            ]
        elif layer.sends.part == "table":
            found = [(0, c, 0) for c in range(height)]
        else:
            found = list(zip(*np.nonzero(said[0]), strict=True))
        return [(int(c), int(y), int(x)) for c, y, x in found]

    def due(self, layer: Layer, now: int, part: int) -> bool:
        starts = range(0, now + 1, self.program.period)
        return any(
            now == start + layer.sends.first + layer.stride * t + part
            for start in starts
            for t in range(layer.sends.times)
        )

    def tell(self, now: int, core: int, readers: set[int], bits: int) -> None:
        if core != HOST:
            self.cores[now, core].update(messages=1, bits=bits)
        for reader in readers:
            if reader == core:
                continue
            if core != HOST:
                self.cores[now, core]["copies"] += 1
            if reader != HOST:
                self.cores[now, reader]["arrivals"] += 1
            for step in self.route(core, reader):
                key = (now, *step)
                self.links[key].update(messages=1, bits=bits)

    def route(self, core: int, reader: int) -> Iterator[tuple[int, int, int, int]]:
        """X first, then Y, within a chip; one step between chips and to the host."""
        board = self.sites.board
        per_chip = board.cores_per_chip.value
        chips = [HOST if n == HOST else n // per_chip for n in (core, reader)]
        if chips[0] != chips[1]:
            yield chips[0], -1, chips[1], -1
            return
        (x, y), (to_x, to_y) = (board.tile(n % per_chip) for n in (core, reader))
        across = board.tiles_across.value
        while (x, y) != (to_x, to_y):
            if x != to_x:
                after = (x + (1 if to_x > x else -1), y)
            else:
                after = (x, y + (1 if to_y > y else -1))
            yield chips[0], y * across + x, chips[0], after[1] * across + after[0]
            x, y = after


def every(shape: Index) -> Iterator[Index]:
    """All indices of a map."""
    yield from product(range(shape[0]), range(shape[1]), range(shape[2]))


def first_takers(layer: Layer, link: Synapses) -> Iterator[Index]:
    """Neurons at which partial sums that meet at a port are counted."""
    channels, height, width = layer.shape
    for c, y, x in product(range(channels), range(height), range(width)):
        if (link.port == 1 and (y, x) == (0, 0)) or (link.port == 0 and c % (channels // 8) == 0):
            yield c, y, x


def fixed(graph: Graph, node: Node, index: Index) -> tuple[int, int]:
    """(operations, multiplications) of one neuron's firing that no message causes."""
    _, y, x = index
    if isinstance(node, Sum):
        return len(node.inputs) + (node.constant is not None) - 1, 0
    if isinstance(node, Pool):
        return node.kernel**2 - 1, 0
    if isinstance(node, Upsample):
        sides = graph[node.inputs[0]].shape[2:]
        rows, columns = (taps(i, node.factor, n) for i, n in zip((y, x), sides, strict=True))
        ones = sum((a * b).bit_count() for a in rows for b in columns)
        return ones - (node.shift == 0), 0
    if isinstance(node, Gate):
        steps = graph[node.inputs[0]].shape[0]
        table = (steps - 1 + 2 * steps + (steps if node.shift else 0)) * ((y, x) == (0, 0))
        return steps + table, steps
    if isinstance(node, Conv) and graph.signal(node.inputs[0]) == IMAGE:
        return 0, len(list(feeds(graph, node, index)))
    return 0, 0


def taps(index: int, factor: int, side: int) -> list[int]:
    """Weights of the cells that an up-sampled index mixes, in units of 1 / (2 factor)."""
    found: Counter[int] = Counter()
    centre = (2 * index + 1 - factor) / (2 * factor)
    for cell in range(-1, side + 1):
        weight = round((1 - abs(cell - centre)) * 2 * factor)
        if weight > 0:
            found[min(max(cell, 0), side - 1)] += weight
    return list(found.values())
