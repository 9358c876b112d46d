"""Event-skipping execution of a program: time steps in order, only those in which something acts.

Within a step every unit first integrates what has arrived, then acts; what it sends in step s
arrives in s + 1 + delay. So the order of units within a step does not matter, and a step in which
no message arrives and no phase is due changes nothing and is skipped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from spiketrack.deploy.chip.execution.activity import Activity, Table, Work, table
from spiketrack.deploy.chip.execution.calendar import Calendar
from spiketrack.deploy.chip.execution.footprints import Senders
from spiketrack.deploy.chip.execution.ledger import Ground, Ledger, Placed
from spiketrack.deploy.chip.execution.messages import (
    PIXEL_PAYLOAD,
    Message,
    payload_bits,
    senders,
)
from spiketrack.deploy.chip.execution.products import build_unit
from spiketrack.deploy.chip.execution.units import Unit
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.sites import Sites
from spiketrack.errors import GraphError
from spiketrack.integer.graph import IMAGE, Graph

Rows = list[tuple[int, int, Work]]


@dataclass
class Frame:
    """What one frame of a run gave.

    ``outputs``: name of an Output → integers (T, …) that the host read; ``values``: watched layer
    → what it computed, (T, C, H, W), counts in uint8; ``steps``: layer → the time steps of the run
    in which it fired for the frame.
    """

    outputs: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Tensor] = field(default_factory=dict)
    steps: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Run:
    """Frames in the order in which they entered, and what it cost; on cores where it is placed."""

    frames: tuple[Frame, ...]
    activity: Activity
    placed: Placed | None = None


@dataclass(frozen=True, eq=False)
class Described:
    """``layers`` by index, the image last; ``links`` by number, None where no cores are known."""

    layers: tuple[str, ...]
    links: Table | None


class Chip:
    """One branch on the chip. The state of its neurons stays from run to run.

    ``run(images)`` takes integers (T, 3, S, S) for each frame; a frame enters every ``period``
    steps. ``write(memory)`` rewrites the weights that are a memory. ``watched``: layers whose
    values are kept. ``sites``: where its blocks lie, to count by core and link too.
    """

    def __init__(
        self,
        graph: Graph,
        program: ChipProgram,
        watched: Collection[str] = (),
        sites: Sites | None = None,
    ) -> None:
        self.graph, self.program = graph, program
        self.units = [build_unit(graph, layer) for layer in program.layers]
        self.image = next(node for node in graph.inputs if node.signal == IMAGE)
        self.names = (*(unit.layer.name for unit in self.units), self.image.name)
        self.routes = _routes(self.units)
        self.watched = tuple(name for name in self.names[:-1] if name in set(watched))
        self.hosts = {node.name: self._host(node.inputs[0]) for node in graph.outputs}
        self.ledger: Ledger | None = None
        if sites is not None:
            _, *shape = self.image.shape
            image = (self.image.name, (shape[0], shape[1], shape[2]))
            self.ledger = Ledger(Ground(program.layers, image, sites))
            for unit in self.units:
                unit.locate(graph)

    @property
    def described(self) -> Described:
        """What the tables of a run speak of."""
        return Described(self.names, None if self.ledger is None else self.ledger.ground.ends)

    def write(self, memory: Mapping[str, Tensor]) -> None:
        """Rewrite the weights of every connection that reads a memory."""
        for unit in self.units:
            unit.write(memory)

    def close(self) -> None:
        """Nothing to end."""

    @torch.no_grad()
    def run(self, images: Sequence[Tensor]) -> Run:
        """Frames enter one after the other; returns when nothing is left to do."""
        calendar = Calendar()
        pixels = self._injected(images, calendar)
        for number, unit in enumerate(self.units):
            unit.start(len(images), self.program.period)
            for step in (*unit.phases.fires, *unit.phases.sends):
                calendar.call(step, number)
        probes = Probes({*self.watched, *self.hosts.values()}, len(images))
        rows: Rows = []
        while (due := calendar.next()) is not None:
            now, acting, mail = due
            for number, connection, message in mail:
                self.units[number].receive(now, connection, message)
                acting.add(number)
            for number in sorted(acting):
                rows.append((now, number, self._act(now, number, pixels, probes, calendar)))
            if self.ledger is not None:
                self.ledger.close(now)
        frames = tuple(self._frame(probes, frame) for frame in range(len(images)))
        placed = None if self.ledger is None else self.ledger.take()
        return Run(frames, Activity(self.names, table(rows)), placed)

    def _act(
        self,
        now: int,
        number: int,
        pixels: Mapping[int, Tensor],
        probes: Probes,
        calendar: Calendar,
    ) -> Work:
        if number == len(self.units):
            image = pixels[now]
            self._send(now, self.image.name, Message(image), calendar)
            if self.ledger is not None:
                every = np.ones(tuple(image.shape[1:]), np.bool_)
                self._tell(self.ledger, number, every, PIXEL_PAYLOAD)
            return Work(messages=image.numel(), bits=image.numel() * PIXEL_PAYLOAD)
        unit = self.units[number]
        work, fired, message = unit.step(now)
        if fired is not None:
            probes.see(unit.layer.name, now, fired.frame, fired.value)
        if message is not None:
            self._send(now, unit.layer.name, message, calendar)
        if self.ledger is not None:
            self._locate(self.ledger, now, number, work, message)
        return work

    def _locate(
        self, ledger: Ledger, now: int, number: int, work: Work, message: Message | None
    ) -> None:
        unit = self.units[number]
        landed = ledger.ground.footprints[number].landed(unit.take_landed())
        ledger.acted(number, unit.layer.name, work, landed)
        if message is not None:
            sent = senders(message, unit.layer, unit.phases.sends[now][1])
            self._tell(ledger, number, sent, payload_bits(unit.layer))

    def _tell(self, ledger: Ledger, number: int, sent: Senders, bits: int) -> None:
        footprint = ledger.ground.footprints[number]
        ledger.sent(number, footprint.in_blocks(sent), footprint.in_boxes(sent), bits)

    def _send(self, now: int, name: str, message: Message, calendar: Calendar) -> None:
        for number, connection, delay in self.routes.get(name, ()):
            calendar.post(now + 1 + delay, number, connection, message)

    def _injected(self, images: Sequence[Tensor], calendar: Calendar) -> dict[int, Tensor]:
        """The host sends network step t of a frame in step stride · t."""
        inputs: dict[int, Tensor] = {}
        stride = max((unit.layer.stride for unit in self.units), default=1)
        for frame, image in enumerate(images):
            if tuple(image.shape) != self.image.shape:
                raise GraphError(
                    f"{self.image.name}: shape {tuple(image.shape)}, needed {self.image.shape}"
                )
            for t, pixels in enumerate(torch.split(image.float(), 1)):
                inputs[frame * self.program.period + t * stride] = pixels
        for step in inputs:
            calendar.call(step, len(self.units))
        return inputs

    def _host(self, name: str) -> str:
        if name not in self.names:
            raise GraphError(f"{name}: the host reads it, but it has no neurons")
        return name

    def _frame(self, probes: Probes, number: int) -> Frame:
        outputs = {
            output: torch.cat(probes.values[number][name]).reshape(self.graph[name].shape)
            for output, name in self.hosts.items()
        }
        values = {name: torch.cat(probes.values[number][name]) for name in self.watched}
        steps = {name: tuple(steps) for name, steps in probes.steps[number].items()}
        return Frame(outputs, values, steps)


class Probes:
    """What is looked at from outside: values of some layers, times of all, frame by frame."""

    def __init__(self, watched: set[str], frames: int) -> None:
        self.watched = watched
        self.values: list[dict[str, list[Tensor]]] = [{} for _ in range(frames)]
        self.steps: list[dict[str, list[int]]] = [{} for _ in range(frames)]

    def see(self, name: str, now: int, frame: int, value: Tensor) -> None:
        """A layer fired."""
        self.steps[frame].setdefault(name, []).append(now)
        if name in self.watched:
            self.values[frame].setdefault(name, []).append(value)


def _routes(units: Sequence[Unit]) -> dict[str, list[tuple[int, int, int]]]:
    """Source → (unit, its connection, delay) of all that read it."""
    routes: dict[str, list[tuple[int, int, int]]] = {}
    for number, unit in enumerate(units):
        for connection, link in enumerate(unit.layer.synapses):
            routes.setdefault(link.source, []).append((number, connection, link.delay))
    return routes
