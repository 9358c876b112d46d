"""A process graph executed in this process: one process after the other, without a run-time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.deploy.process_graph.execution import COLUMNS, Execution
from spiketrack.deploy.process_graph.grouping import Grouping, Part, group
from spiketrack.deploy.process_graph.processes import (
    COUNTS,
    IMAGES,
    KEPT,
    MEMORIES,
    OPERATIONS,
    OUTPUTS,
    REWRITTEN,
    End,
    Port,
    Process,
    ProcessGraph,
    Recording,
    process_graph,
)
from spiketrack.deploy.process_graph.results import Assembly, StepResult
from spiketrack.errors import GraphError
from spiketrack.integer.graph import Graph

Table = dict[End, NDArray[Any]]


class Mailbox:
    """The messages of one process: those of its inputs are found in ``table``, by their senders."""

    def __init__(self, plan: Process, graph: ProcessGraph, table: Table) -> None:
        self.plan = plan
        self.table = table
        self.senders = {port.name: _sender(graph, plan, port) for port in plan.inputs}

    def receive(self, name: str) -> NDArray[Any]:
        """The message that the sender left."""
        return self.table[self.senders[name]]

    def send(self, name: str, message: Tensor | NDArray[Any]) -> None:
        """Leave a message, in the port's type, for who asks."""
        port = self.plan.ports.get(name)
        if port is not None:
            values = torch.as_tensor(message).to(getattr(torch, port.dtype))
            self.table[End(self.plan.name, name)] = values.contiguous().numpy()

    def send_bytes(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Leave tensors of bytes as one message, channels last."""
        flat = [x.permute(0, 2, 3, 1).flatten() for x in tensors]
        self.send(name, torch.cat(flat).view(torch.int8))

    def give_back(self) -> None:
        """Messages stay until the next step writes over them."""


def _sender(graph: ProcessGraph, plan: Process, port: Port) -> End:
    end = End(plan.name, port.name)
    return end if port.host else graph.senders[end]


class InlineNetwork:
    """``LavaNetwork`` in one process: the same processes in topological order.

    ``run(image, memory)`` as there; nothing is forked, so nothing has to be ended.
    """

    def __init__(
        self,
        graph: Graph,
        grouping: Grouping | None = None,
        recording: Recording = Recording(),  # noqa: B008  (frozen)
    ) -> None:
        self.graph = graph
        self.grouping = grouping or group(graph)
        self.plan = process_graph(graph, self.grouping, recording)
        self.assembly = Assembly(graph, self.grouping.parts)
        self.table: Table = {}
        self.executions = [self._execution(part, recording) for part in self.grouping.parts]
        self.steps = 0

    def _execution(self, part: Part, recording: Recording) -> Execution:
        box = Mailbox(self.plan.by_name[part.name], self.plan, self.table)
        return Execution(part, self.graph, recording, np.zeros(COLUMNS), box)

    @torch.no_grad()
    def run(
        self, image: NDArray[Any], memory: Mapping[str, NDArray[Any]] | None = None
    ) -> StepResult:
        """One time step on one crop."""
        if self.graph.memories and memory is None and self.steps == 0:
            raise GraphError(f"{self.graph.name}: the first step needs a memory")
        self.steps += 1
        self.table[End(IMAGES, "out")] = image.astype(np.int16)
        if self.graph.memories:
            self._write(memory)
        for execution in self.executions:
            execution.step()
        return self._result()

    def _write(self, memory: Mapping[str, NDArray[Any]] | None) -> None:
        """What the memory writer sends: the command, and new memories behind it."""
        command, *ports = self.plan.by_name[MEMORIES].outputs
        word = KEPT if memory is None else REWRITTEN
        self.table[End(MEMORIES, command.name)] = np.array([word], np.int8)
        if memory is not None:
            sent = {End(MEMORIES, p.name): np.asarray(memory[p.carries], np.int32) for p in ports}
            self.table.update(sent)

    def _result(self) -> StepResult:
        operations, counts = {}, {}
        if OPERATIONS in self.plan.by_name:
            operations = self.assembly.operations(self._collected(OPERATIONS))
        recorded = [End(p.name, COUNTS) for p in self.plan.blocks if COUNTS in p.ports]
        if recorded:
            counts = self.assembly.counts([self.table[end] for end in recorded])
        return StepResult(self.assembly.outputs(self._collected(OUTPUTS)), operations, counts)

    def _collected(self, name: str) -> NDArray[Any]:
        """What a collector hands to the host."""
        box = Mailbox(self.plan.by_name[name], self.plan, self.table)
        return np.concatenate([box.receive(port.name).ravel() for port in box.plan.inputs])

    def close(self) -> None:
        """Nothing to end."""
