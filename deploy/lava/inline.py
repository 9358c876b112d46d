"""The same process models without Lava's processes: one after the other in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.deploy.lava.grouping import Grouping, Part, group, message_dtype
from spiketrack.deploy.lava.processes.blocks import COLUMNS, BlockModel, Recording
from spiketrack.deploy.lava.processes.host import KEPT, REWRITTEN
from spiketrack.deploy.lava.results import Assembly, StepResult
from spiketrack.errors import GraphError
from spiketrack.integer.graph import IMAGE, MEMORY, Graph

Messages = dict[str, NDArray[Any]]


class InlineBlock(BlockModel):
    """A block's model whose messages lie in two dictionaries, by port."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.received: Messages = {}
        self.sent: dict[str, Tensor] = {}

    def receive(self, name: str) -> NDArray[Any]:
        """The message that was put there."""
        return self.received[name]

    def send(self, name: str, message: Tensor | NDArray[Any]) -> None:
        """Leave a message for who asks."""
        self.sent[name] = torch.as_tensor(message)

    def send_bytes(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Leave tensors of bytes as one message, channels last."""
        flat = [x.permute(0, 2, 3, 1).flatten() for x in tensors]
        self.sent[name] = torch.cat(flat).view(torch.int8)


class InlineNetwork:
    """``LavaNetwork`` in one process: the models of its processes in topological order.

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
        self.parts = self.grouping.parts
        self.assembly = Assembly(graph, self.parts)
        self.recording = recording
        self.image = next(n.name for n in graph.inputs if n.signal == IMAGE)
        self.memories = [n.name for n in graph.inputs if n.signal == MEMORY]
        progress = np.zeros((len(self.parts), COLUMNS))
        self.models = [
            InlineBlock(
                {
                    "part": part,
                    "graph": graph,
                    "recording": recording,
                    "progress": progress,
                    "index": index,
                    "parent": os.getpid(),
                }
            )
            for index, part in enumerate(self.parts)
        ]
        self.steps = 0

    @torch.no_grad()
    def run(
        self, image: NDArray[Any], memory: Mapping[str, NDArray[Any]] | None = None
    ) -> StepResult:
        """One time step on one crop."""
        if self.memories and memory is None and self.steps == 0:
            raise GraphError(f"{self.graph.name}: the first step needs a memory")
        self.steps += 1
        messages: Messages = {self.image: image.astype(np.int16)}
        messages |= {n: np.asarray(v, np.int32) for n, v in (memory or {}).items()}
        command = np.array([KEPT if memory is None else REWRITTEN], np.int8)
        for part, model in zip(self.parts, self.models, strict=True):
            self._step(part, model, messages, command)
        return self._result(messages)

    def _step(
        self, part: Part, model: InlineBlock, messages: Messages, command: NDArray[np.int8]
    ) -> None:
        ports = {f"in_{i}": name for i, name in enumerate(part.receives)}
        model.received = {port: messages[name] for port, name in ports.items() if name in messages}
        model.received["rewritten"] = command
        model.sent = {}
        model.step()
        for index, name in enumerate(part.sends):
            kind = getattr(torch, message_dtype(self.graph, name))
            messages[name] = model.sent[f"out_{index}"].to(kind).contiguous().numpy()

    def _result(self, messages: Messages) -> StepResult:
        ends = [messages[node.inputs[0]].ravel() for node in self.graph.outputs]
        operations, counts = {}, {}
        if self.recording.operations:
            operations = self.assembly.operations(np.concatenate(self._recorded("operations")))
        if self.recording.counts:
            counts = self.assembly.counts(self._recorded("counts"))
        return StepResult(self.assembly.outputs(np.concatenate(ends)), operations, counts)

    def _recorded(self, port: str) -> list[NDArray[Any]]:
        return [model.sent[port].numpy().ravel() for model in self.models if port in model.sent]

    def close(self) -> None:
        """Nothing to end."""
