"""The network's Lava processes: one class a kind of block, one model that executes any of them.

Every process receives counts (int8, graded payload 0..4), membranes or memories (int32) through
its InPorts, executes its layers of the integer graph in one time step, and sends what other
processes read through its OutPorts. Ports are named ``in_0 …`` and ``out_0 …`` in the order of
its ``Part``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.deploy.lava.grouping import CHANNELS_LAST, Part, message_dtype, message_shape
from spiketrack.deploy.lava.names import (
    AbstractProcess,
    InPort,
    LavaPyType,
    OutPort,
    PyInPort,
    PyOutPort,
)
from spiketrack.deploy.lava.processes.host import HOST_SLOTS, REWRITTEN
from spiketrack.deploy.lava.processes.ports import DirectModel
from spiketrack.errors import LavaError
from spiketrack.integer.costs.sums import in_memory
from spiketrack.integer.counting import FIELDS, OperationCounter, counted
from spiketrack.integer.graph import COUNT, Graph
from spiketrack.integer.kernels import Program

STARTED, FINISHED, BUSY, SENDING = range(4)  # columns of the progress table
COLUMNS = 4


@dataclass(frozen=True)
class Recording:
    """What processes report besides their messages."""

    operations: bool = False
    counts: bool = False


class Block(AbstractProcess):
    """Layers of one block of the network, from the counts that open it to those of the next.

    Parameters: ``part`` names nodes and messages; ``graph`` holds them; ``recording`` adds ports
    ``operations`` and ``counts``, the latter straight to the host; ``progress`` is a shared table
    (parts, COLUMNS) of step counters and seconds; ``index`` this part's row in it; ``threads``
    torch threads in this process.
    """

    def __init__(self, *, part: Part, graph: Graph, recording: Recording, **params: Any) -> None:
        super().__init__(part=part, graph=graph, recording=recording, **params)
        for index, name in enumerate(part.receives):
            setattr(self, f"in_{index}", InPort(shape=message_shape(graph, name)))
        for index, name in enumerate(part.sends):
            setattr(self, f"out_{index}", OutPort(shape=message_shape(graph, name)))
        if memories(part, graph):
            self.rewritten = InPort(shape=(1,))
        if recording.operations:
            self.operations = OutPort(shape=(len(counted_nodes(part, graph)), len(FIELDS)))
        if recording.counts and (size := recorded_size(part, graph)):
            self.counts = OutPort(shape=(size,))
            self.counts.flag_external_pipe(buffer_size=HOST_SLOTS)


class DownsamplingBlock(Block):
    """Strided convolution, then the populations that read its membranes.

    On Loihi 2: convolution synapses (stock Conv) into microcode neurons that count 0..4 and send
    graded spikes. The first one multiplies pixels: on the host or an embedded processor.
    """


class ConvBlockProcess(Block):
    """SepConv 7×7 and a pair of 3×3 convolutions with their residual sums.

    On Loihi 2: convolution synapses (stock Conv; depthwise as one group a channel) and microcode
    counting neurons; a residual sum is dendritic accumulation of graded messages.
    """


class SepConvBlock(Block):
    """1×1, depthwise 3×3 and 1×1 convolution with their populations and the residual sum.

    On Loihi 2: convolution synapses (stock Conv) and microcode counting neurons.
    """


class AttentionBlock(Block):
    """q, k, v, the products kᵀv and q·kv, projection and residual sum, then the block's MLP.

    On Loihi 2: convolutions are stock synapses, populations microcode counting neurons. The
    products of two signals need microcode that writes kᵀv into synaptic weights each step.
    """


class MlpBlock(Block):
    """Two 1×1 convolutions with their populations and the residual sum.

    On Loihi 2: synapses (stock Conv or Dense) and microcode counting neurons.
    """


class RetrieverBlock(Block):
    """Reads (search) or writes (template) one memory.

    On Loihi 2: q·kv are synapses whose weights are the memory, two 8-bit synapses an entry,
    rewritten by the host when templates change; pooling and up-sampling are fixed synapses;
    leaky counting neurons are microcode; the temporal gate (softmax over T) is left to an
    embedded processor or the host.
    """


class HeadBlock(Block):
    """One branch of the prediction head: four 3×3 convolutions and a 1×1 read-out.

    On Loihi 2: convolution synapses (stock Conv) and microcode counting neurons; the last
    membranes are read by the host, which applies the sigmoid and decodes the box.
    """


class LayersBlock(Block):
    """Layers outside the blocks of the published network (test graphs)."""


PROCESSES: Mapping[str, type[Block]] = {
    "downsampling": DownsamplingBlock,
    "conv_block": ConvBlockProcess,
    "sep_conv": SepConvBlock,
    "attention": AttentionBlock,
    "mlp": MlpBlock,
    "retriever": RetrieverBlock,
    "head": HeadBlock,
    "layers": LayersBlock,
}


def memories(part: Part, graph: Graph) -> tuple[str, ...]:
    """Memory inputs of the graph that this part reads: its rewritable synaptic weights."""
    given = {node.name for node in graph.memories}
    return tuple(name for name in part.receives if name in given)


def counted_nodes(part: Part, graph: Graph) -> tuple[str, ...]:
    """Nodes of a part that operations are counted for, in the order of the rows."""
    inside = set(part.nodes)
    return tuple(node.name for node in counted(graph) if node.name in inside)


def recorded_populations(part: Part, graph: Graph) -> tuple[str, ...]:
    """Populations of a part in the order in which their counts are recorded."""
    inside = set(part.nodes)
    return tuple(node.name for node in graph.populations if node.name in inside)


def recorded_size(part: Part, graph: Graph) -> int:
    """Number of counts that a part records in each step."""
    return sum(int(np.prod(graph[name].shape)) for name in recorded_populations(part, graph))


class BlockModel(DirectModel):
    """Executes a part's nodes in torch, exactly, in one time step."""

    implements_process = Block

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        self.part: Part = proc_params["part"]
        try:
            self.build(proc_params)
        except Exception as error:
            raise LavaError(f"Lava process {self.part.name}: {error}") from error

    def build(self, proc_params: Any) -> None:
        """What is needed for every step."""
        self.graph: Graph = proc_params["graph"]
        self.recording: Recording = proc_params["recording"]
        self.progress: NDArray[np.float64] = proc_params["progress"][proc_params["index"]]
        self.program = Program(self.graph, set(self.part.nodes), True, self.part.sends)
        self.memory_names = memories(self.part, self.graph)
        self.kept: dict[str, Tensor] = {}
        self.populations: tuple[str, ...] = ()
        self.counter = None
        if self.recording.operations:
            self.counter = OperationCounter(self.graph, set(self.part.nodes))
        if self.recording.counts:
            self.populations = recorded_populations(self.part, self.graph)
        looked_at = self.counter.names if self.counter else ()
        self.needed = {*self.part.sends, *self.populations, *looked_at}

    def run_spk(self) -> None:
        """One frame: receive, execute, send, record. An error names the process."""
        try:
            self.step()
        except Exception as error:
            raise LavaError(f"Lava process {self.part.name}: {error}") from error

    def step(self) -> None:
        """Receive all messages, run the program, send what others read, then record.

        What is recorded is counted behind the messages, while the next process computes.
        """
        self.progress[STARTED] += 1
        values = self.messages()
        received = time.perf_counter()
        found = self.program.run(values, self.needed)
        done = time.perf_counter()
        for index, name in enumerate(self.part.sends):
            self.send(f"out_{index}", outgoing(self.graph, name, found[name]))
        self.record(found)
        self.give_back()
        self.progress[SENDING] += time.perf_counter() - done
        self.progress[BUSY] += done - received
        self.progress[FINISHED] += 1

    def messages(self) -> dict[str, Tensor]:
        """Messages by node name; memories stay until they are rewritten."""
        rewritten = bool(self.memory_names) and self.receive("rewritten")[0] == REWRITTEN
        values: dict[str, Tensor] = {}
        for index, name in enumerate(self.part.receives):
            if name not in self.memory_names:
                values[name] = incoming(self.graph, name, self.receive(f"in_{index}"))
            elif rewritten:
                self.kept[name] = torch.from_numpy(self.receive(f"in_{index}")).float()
        return values | self.kept

    def record(self, found: Mapping[str, Tensor]) -> None:
        """Send operation counts and the counts of all populations, as asked for."""
        if self.counter is not None:
            self.send("operations", self.counter.take(found))
        if self.populations:
            self.send_bytes("counts", [in_memory(found[name]) for name in self.populations])


def outgoing(graph: Graph, name: str, value: Tensor) -> Tensor:
    """Axes of a message: channels last for counts and membranes."""
    return value.permute(0, 2, 3, 1) if graph.signal(name) in CHANNELS_LAST else value


def incoming(graph: Graph, name: str, message: NDArray[Any]) -> Tensor:
    """A message as a tensor (steps, C, H, W), counts as uint8, without a copy."""
    value = torch.from_numpy(message)
    if graph.signal(name) == COUNT:
        value = value.view(torch.uint8)
    return value.permute(0, 3, 1, 2) if graph.signal(name) in CHANNELS_LAST else value


def model_for(process: Block) -> type[BlockModel]:
    """A model class with the port types of this process (Lava reads them from the class)."""
    part: Part = process.proc_params["part"]
    graph: Graph = process.proc_params["graph"]
    ports: dict[str, Any] = {"implements_process": type(process)}
    for index, name in enumerate(part.receives):
        kind = np.dtype(message_dtype(graph, name)).type
        ports[f"in_{index}"] = LavaPyType(PyInPort.VEC_DENSE, kind)
    for index, name in enumerate(part.sends):
        kind = np.dtype(message_dtype(graph, name)).type
        ports[f"out_{index}"] = LavaPyType(PyOutPort.VEC_DENSE, kind)
    if hasattr(process, "rewritten"):
        ports["rewritten"] = LavaPyType(PyInPort.VEC_DENSE, np.int8)
    if hasattr(process, "operations"):
        ports["operations"] = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    if hasattr(process, "counts"):
        ports["counts"] = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    return type(f"{type(process).__name__}Model", (BlockModel,), ports)
