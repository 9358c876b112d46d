"""One frame on a placement, counted from what its populations sent: no execution, no weights.

What each layer sends and when is settled by the program; which of its neurons do, by the counts
that a run recorded; where messages go and what they meet there, by the placement. So the rows are
those that an execution on the same placement records (``execution/ledger.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from spiketrack.deploy.chip.execution.footprints import Footprint, footprints
from spiketrack.deploy.chip.execution.landings import fixed_landings
from spiketrack.deploy.chip.execution.messages import PIXEL_PAYLOAD, payload_bits
from spiketrack.deploy.chip.execution.synapses import Operator, operator
from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.links import HOST, NONE, Links
from spiketrack.deploy.chip.program import PIPELINED, ChipProgram
from spiketrack.deploy.chip.reach import Index
from spiketrack.deploy.chip.requirements import POSITIONS, WHOLE, Synapses
from spiketrack.deploy.chip.sites import Sites
from spiketrack.deploy.chip.work.needs import Boxes
from spiketrack.deploy.chip.work.products import coincidences, partial_sums, selections
from spiketrack.deploy.chip.work.rows import (
    BETWEEN_CHIPS,
    CORE_COLUMNS,
    EAST_WEST,
    LINK_COLUMNS,
    NORTH_SOUTH,
    WITH_HOST,
    FrameWork,
    Rows,
    joined,
)
from spiketrack.deploy.chip.work.sending import Counts, Sending, sending
from spiketrack.deploy.chip.work.traffic import origin
from spiketrack.deploy.chip.work.words import words
from spiketrack.integer.costs.formulas import synapses_per_entry
from spiketrack.integer.graph import COUNT, IMAGE, Graph, Read

Parts = NDArray[np.int64]  # (places, time steps)


class FrameCounter:
    """Counts frames of one placed branch; ``resident``: neurons of each core, of all branches."""

    def __init__(self, graph: Graph, program: ChipProgram, sites: Sites, resident: Index) -> None:
        self.graph, self.program, self.resident = graph, program, resident
        self.layers = program.layers
        self.image = next(node for node in graph.inputs if node.signal == IMAGE)
        self.names = (*(layer.name for layer in self.layers), self.image.name)
        self.numbers = {name: number for number, name in enumerate(self.names)}
        _, *shape = self.image.shape
        self.links = Links(sites.board)
        image = self.image.name, (shape[0], shape[1], shape[2])
        self.footprints = footprints(self.layers, image, sites, self.links)
        self.chips = -(-len(resident) // sites.board.cores_per_chip.value)
        self.stride = max((layer.stride for layer in self.layers), default=1)

    def frame(self, counts: Counts | None) -> FrameWork:
        """Of one inference's counts; None: every neuron sends whenever it may."""
        cores, links = list(self._settled[0]), list(self._settled[1])
        for number, layer in enumerate(self.layers):
            if layer.signal == COUNT:
                self._sent(number, counts, cores, links)
        for number, layer in enumerate(self.layers):
            cores += self._received(number, layer, counts)
        return FrameWork(
            layers=self.names,
            steps=self.program.latency,
            interval=self.program.interval if self._pipelined else None,
            cores=joined(cores, CORE_COLUMNS),
            links=joined(links, LINK_COLUMNS),
            resident=self.resident,
            ends=self.links.table,
            kinds=link_kinds(self.links),
            chips=self.chips,
            payloads=(*(payload_bits(layer) for layer in self.layers), PIXEL_PAYLOAD),
            host_in=int(np.prod(self.image.shape)),
            host_out=sum(layer.neurons * layer.steps for layer in self.layers if layer.host),
        )

    @property
    def _pipelined(self) -> bool:
        return self.program.choices.mode == PIPELINED

    # what no count changes

    @cached_property
    def _settled(self) -> tuple[list[Rows], list[Rows]]:
        """Updates, sums at each firing, and what is always sent: membranes and pixels."""
        cores: list[Rows] = []
        links: list[Rows] = []
        for number, layer in enumerate(self.layers):
            cores += self._fired(number, layer)
            if layer.signal != COUNT:
                self._sent(number, None, cores, links)
        for time in range(self.image.shape[0]):
            at = np.array([time * self.stride])
            self._travel(len(self.layers), _every, at, PIXEL_PAYLOAD, cores, links)
        return cores, links

    def _fired(self, number: int, layer: Layer) -> Iterator[Rows]:
        footprint = self.footprints[number]
        acting = np.array(sorted(self._acting(layer)))
        updates = np.broadcast_to(footprint.neurons[:, None], (len(footprint.cores), len(acting)))
        yield core_rows(footprint.cores, acting, number, updates=updates)
        landed = footprint.landed(fixed_landings(self.graph, layer))
        if any(part.any() for part in landed):
            steps = layer.first + layer.stride * np.arange(layer.steps)
            each = [np.repeat(part[:, None], len(steps), 1) for part in landed]
            yield core_rows(
                footprint.cores, steps, number, operations=each[0], multiplications=each[1]
            )

    def _acting(self, layer: Layer) -> set[int]:
        """Steps in which a layer fires, sends or receives."""
        steps = {layer.first + layer.stride * t for t in range(layer.steps)}
        for time in range(layer.sends.times):
            steps.update(sending_steps(layer, time).tolist())
        for link in layer.synapses:
            steps.update(self._arriving(link))
        return steps

    def _arriving(self, link: Synapses) -> Iterator[int]:
        source = self.program.by_name.get(link.source)
        if source is None:
            for time in range(self.image.shape[0] if link.source == self.image.name else 0):
                yield time * self.stride + 1 + link.delay
            return
        for time in range(source.sends.times):
            yield from (sending_steps(source, time) + 1 + link.delay).tolist()

    # what is sent

    def sending(self, layer: Layer, counts: Counts | None, time: int) -> Sending:
        """Which neurons of a layer send at one of its times."""
        return sending(layer, origin(layer, self.program.by_name), counts, time)

    def _sent(
        self, number: int, counts: Counts | None, cores: list[Rows], links: list[Rows]
    ) -> None:
        layer = self.layers[number]
        for time in range(layer.sends.times):
            over = self.sending(layer, counts, time).over
            steps = sending_steps(layer, time)
            self._travel(number, over, steps, payload_bits(layer), cores, links)

    def _travel(
        self,
        number: int,
        over: Callable[[Boxes], Parts],
        steps: Index,
        bits: int,
        cores: list[Rows],
        links: list[Rows],
    ) -> None:
        """Messages in each box at each of the steps, from core to core."""
        footprint = self.footprints[number]
        own = footprint.cores != HOST
        messages = over(footprint.tiling.bounds().reshape(-1, 6))
        cores.append(core_rows(footprint.cores[own], steps, number, messages=messages[own]))
        copies = over(footprint.boxes)
        away = footprint.senders != footprint.receivers
        out, into = away & (footprint.senders != HOST), away & (footprint.receivers != HOST)
        cores.append(core_rows(footprint.senders[out], steps, number, copies=copies[out]))
        cores.append(core_rows(footprint.receivers[into], steps + 1, number, arrivals=copies[into]))
        box, link = footprint.paths.T
        taken = copies[box]
        links.append(rows_of(LINK_COLUMNS, link, steps, number, messages=taken, bits=taken * bits))

    # what is received

    def _received(self, number: int, layer: Layer, counts: Counts | None) -> Iterator[Rows]:
        footprint = self.footprints[number]
        if layer.product:
            yield from self._multiplied(number, layer, footprint, counts)
            return
        for index, link in enumerate(layer.synapses):
            source = self.program.by_name.get(link.source)
            synapses = self._operators[layer.name][index]
            if source is None or synapses is None or source.signal != COUNT:
                continue
            for time in range(source.sends.times):
                sent = self.sending(source, counts, time)
                steps = sending_steps(source, time) + 1 + link.delay
                for part, step in zip(sent.maps, steps.tolist(), strict=True):
                    reached = synapses.reached(torch.from_numpy(part[None]))
                    if reached is None:
                        break
                    yield self._met(number, footprint, link, reached.numpy(), step, synapses)

    def _met(
        self,
        number: int,
        footprint: Footprint,
        link: Synapses,
        reached: NDArray[np.int64],
        step: int,
        synapses: Operator,
    ) -> Rows:
        each = getattr(synapses, "per_entry", 1)
        read = words(link, reached, footprint.tiling, each)
        operations = footprint.in_blocks(reached)
        at = np.array([step])
        return core_rows(
            footprint.cores, at, number, operations=operations[:, None], words=read[:, None]
        )

    @cached_property
    def _operators(self) -> Mapping[str, list[Operator | None]]:
        """Of each connection of whole maps; None of others."""
        return {
            layer.name: [
                operator(self.graph, link) if link.part == WHOLE and link.port == 0 else None
                for link in layer.synapses
            ]
            for layer in self.layers
        }

    def _multiplied(
        self, number: int, layer: Layer, footprint: Footprint, counts: Counts | None
    ) -> Iterator[Rows]:
        ports: tuple[list[Synapses], list[Synapses]] = ([], [])
        for link in layer.synapses:
            if link in layer.sums:
                yield self._summed(number, footprint, link)
            else:
                ports[link.port].append(link)
        first = self.program.by_name[ports[0][0].source]
        second = [self.program.by_name[link.source] for link in ports[1]]
        for time in range(first.sends.times):
            sent = self.sending(first, counts, time).maps[0]
            tile = slice(ports[0][0].tile * layer.parts, (ports[0][0].tile + 1) * layer.parts)
            if ports[0][0].part == POSITIONS:
                other = self.sending(second[0], counts, time).maps[0]
                k, v = (part.reshape(len(part), -1)[:, tile] for part in (sent, other))
                operations = coincidences(layer, footprint.tiling, k, v)
            else:
                every = selections(layer, footprint.tiling, sent, self._each(layer))
                operations = every[:, tile] + partial_sums(footprint.tiling, len(second))[:, None]
            steps = sending_steps(first, time) + 1
            yield core_rows(footprint.cores, steps, number, operations=operations)

    def _summed(self, number: int, footprint: Footprint, link: Synapses) -> Rows:
        """Partial sums of a copy, one for each neuron."""
        steps = np.array(list(self._arriving(link)))
        each = np.broadcast_to(footprint.neurons[:, None], (len(footprint.cores), len(steps)))
        return core_rows(footprint.cores, steps, number, operations=each)

    def _each(self, layer: Layer) -> int:
        node = self.graph[layer.synapses[0].node]
        return synapses_per_entry(node, self.graph) if isinstance(node, Read) else 1


def link_kinds(links: Links) -> Index:
    """Of links by their ends; those within a row of tiles run east-west."""
    ends = links.table
    rows = ends[:, [1, 3]] // links.board.tiles_across.value
    mesh = np.where(rows[:, 0] == rows[:, 1], EAST_WEST, NORTH_SOUTH)
    chips = np.where((ends[:, [0, 2]] == HOST).any(1), WITH_HOST, BETWEEN_CHIPS)
    return np.where(ends[:, 1] == NONE, chips, mesh)


def sending_steps(layer: Layer, time: int) -> Index:
    """Time steps of the parts of one sending."""
    first = layer.sends.first + layer.stride * time
    return np.arange(first, first + layer.sends.parts, dtype=np.int64)


def _every(boxes: Boxes) -> Parts:
    """All neurons in each box, in one step."""
    number: Parts = (boxes[:, 1::2] - boxes[:, ::2]).prod(1)[:, None]
    return number


def core_rows(cores: Index, steps: Index, layer: int, **amounts: Parts) -> Rows:
    """Rows of ``CORE_COLUMNS`` from amounts (cores, steps); a core may stand several times."""
    return rows_of(CORE_COLUMNS, cores, steps, layer, **amounts)


def rows_of(
    columns: tuple[str, ...], places: Index, steps: Index, layer: int, **amounts: Parts
) -> Rows:
    """Rows of one layer where any amount is not 0."""
    used, where = np.unique(places, return_inverse=True)
    rows = np.zeros((len(used), len(steps), len(columns)), np.int64)
    rows[:, :, 0], rows[:, :, 1], rows[:, :, 2] = steps[None], used[:, None], layer
    for name, values in amounts.items():
        np.add.at(rows[:, :, columns.index(name)], where.reshape(-1), values)
    flat = rows.reshape(-1, len(columns))
    kept: Rows = flat[flat[:, 3:].any(1)]
    return kept
