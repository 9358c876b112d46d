"""What a process does in one time step: receive, execute its nodes exactly, send, record."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.deploy.process_graph.grouping import CHANNELS_LAST, Part
from spiketrack.deploy.process_graph.processes import (
    REWRITTEN,
    Recording,
    memories,
    recorded_populations,
)
from spiketrack.integer.costs.sums import in_memory
from spiketrack.integer.counting import OperationCounter
from spiketrack.integer.graph import COUNT, Graph
from spiketrack.integer.kernels import Program

STARTED, FINISHED, BUSY, SENDING = range(4)  # columns of the progress table
COLUMNS = 4


class Messages(Protocol):
    """How messages come and go, by the names of ports."""

    def receive(self, name: str) -> NDArray[Any]:
        """The message of this step; it is valid until ``give_back``."""

    def send(self, name: str, message: Tensor | NDArray[Any]) -> None:
        """Send values, converted to the port's type; a port without a reader drops them."""

    def send_bytes(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Send tensors (steps, C, H, W) of bytes, channels last in memory, as one message."""

    def give_back(self) -> None:
        """The step's messages are no longer needed."""


class Execution:
    """One process: ``step`` is one frame. ``progress`` is its row of step counters and seconds."""

    def __init__(
        self,
        part: Part,
        graph: Graph,
        recording: Recording,
        progress: NDArray[np.float64],
        messages: Messages,
    ) -> None:
        self.part = part
        self.graph = graph
        self.progress = progress
        self.ends = messages
        self.program = Program(graph, set(part.nodes), True, part.sends)
        self.memory_names = memories(part, graph)
        self.kept: dict[str, Tensor] = {}
        self.counter = OperationCounter(graph, set(part.nodes)) if recording.operations else None
        self.populations = recorded_populations(part, graph) if recording.counts else ()
        looked_at = self.counter.names if self.counter else ()
        self.needed = {*part.sends, *self.populations, *looked_at}

    def step(self) -> None:
        """Receive all messages, run the program, send what others read, then record.

        What is recorded is counted behind the messages, while the next process computes.
        """
        self.progress[STARTED] += 1
        values = self.messages()
        received = time.perf_counter()
        outputs = self.program.run(values, self.needed)
        done = time.perf_counter()
        for index, name in enumerate(self.part.sends):
            self.ends.send(f"out_{index}", outgoing(self.graph, name, outputs[name]))
        self.record(outputs)
        self.ends.give_back()
        self.progress[SENDING] += time.perf_counter() - done
        self.progress[BUSY] += done - received
        self.progress[FINISHED] += 1

    def messages(self) -> dict[str, Tensor]:
        """Messages by node name; memories stay until they are rewritten."""
        rewritten = bool(self.memory_names) and self.ends.receive("rewritten")[0] == REWRITTEN
        values: dict[str, Tensor] = {}
        for index, name in enumerate(self.part.receives):
            if name not in self.memory_names:
                values[name] = incoming(self.graph, name, self.ends.receive(f"in_{index}"))
            elif rewritten:
                self.kept[name] = torch.from_numpy(self.ends.receive(f"in_{index}")).float()
        return values | self.kept

    def record(self, outputs: Mapping[str, Tensor]) -> None:
        """Send operation counts and the counts of all populations, as asked for."""
        if self.counter is not None:
            self.ends.send("operations", self.counter.take(outputs))
        if self.populations:
            self.ends.send_bytes("counts", [in_memory(outputs[name]) for name in self.populations])


def outgoing(graph: Graph, name: str, value: Tensor) -> Tensor:
    """Axes of a message: channels last for counts and membranes."""
    return value.permute(0, 2, 3, 1) if graph.signal(name) in CHANNELS_LAST else value


def incoming(graph: Graph, name: str, message: NDArray[Any]) -> Tensor:
    """A message as a tensor (steps, C, H, W), counts as uint8, without a copy."""
    value = torch.from_numpy(message)
    if graph.signal(name) == COUNT:
        value = value.view(torch.uint8)
    return value.permute(0, 3, 1, 2) if graph.signal(name) in CHANNELS_LAST else value
