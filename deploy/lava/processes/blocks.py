"""The network's Lava processes: one class a kind of block, one model that executes any of them.

Every process receives counts (int8, graded payload 0..4), membranes or memories (int32) through
its InPorts, executes its layers of the integer graph in one time step, and sends what other
processes read through its OutPorts. Its ports are those of the process graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spiketrack.deploy.lava.processes.planned import PlannedProcess
from spiketrack.deploy.lava.processes.ports import DirectModel
from spiketrack.deploy.process_graph.execution import Execution
from spiketrack.deploy.process_graph.grouping import SEVERAL, Part
from spiketrack.errors import LavaError


class Block(PlannedProcess):
    """Layers of one block of the network, from the counts that open it to those of the next.

    Parameters besides ``plan``: ``part`` names nodes and messages; ``graph`` holds them;
    ``recording`` says what is recorded; ``progress`` is a shared table (parts, COLUMNS) of step
    counters and seconds; ``index`` this part's row in it; ``threads`` torch threads in it.
    """


class DownsamplingBlock(Block):
    """Strided convolution, then the populations that read its membranes.

    On Loihi 2: convolution synapses (stock Conv) into microcode neurons that count 0..4 and send
    graded spikes. The first one takes pixels: graded messages of 8 bits, which the host injects.
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
    products of two signals are microcode with two ports, one position or key index a time step.
    """


class MlpBlock(Block):
    """Two 1×1 convolutions with their populations and the residual sum.

    On Loihi 2: synapses (stock Conv or Dense) and microcode counting neurons.
    """


class RetrieverBlock(Block):
    """Reads (search) or writes (template) one memory.

    On Loihi 2: q·kv are synapses whose weights are the memory, two 8-bit synapses an entry,
    rewritten by the host when templates change; pooling and up-sampling are fixed synapses;
    leaky counting neurons are microcode; so is the temporal gate (softmax over T), with a table
    that no published opcode reads.
    """


class HeadBlock(Block):
    """One branch of the prediction head: four 3×3 convolutions and a 1×1 read-out.

    On Loihi 2: convolution synapses (stock Conv) and microcode counting neurons; the last
    membranes are read by the host, which applies the sigmoid and decodes the box.
    """


class BlocksProcess(Block):
    """Several blocks in a row, where fewer processes were asked for (``--processes``).

    On Loihi 2: what each of its blocks is.
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
    SEVERAL: BlocksProcess,
}


class BlockModel(DirectModel):
    """Executes a part's nodes in torch, exactly, in one time step."""

    implements_process = Block

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params=proc_params)
        self.part: Part = proc_params["part"]
        try:
            self.execution = self.build(proc_params)
        except Exception as error:
            raise LavaError(f"Lava process {self.part.name}: {error}") from error

    def build(self, proc_params: Any) -> Execution:
        """What is needed for every step."""
        row = proc_params["progress"][proc_params["index"]]
        return Execution(self.part, proc_params["graph"], proc_params["recording"], row, self)

    def run_spk(self) -> None:
        """One frame: receive, execute, send, record. An error names the process."""
        try:
            self.execution.step()
        except Exception as error:
            raise LavaError(f"Lava process {self.part.name}: {error}") from error
