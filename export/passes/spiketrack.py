"""Float reference → folded graph: batch normalisation in the weights, real numbers throughout.

The folded graph has the integer graph's structure, see ``integer/real.py``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from spiketrack.inference import SEARCH
from spiketrack.integer.graph import (
    IMAGE,
    MEMORY,
    Gate,
    Graph,
    Input,
    KeyValue,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Shape,
    Upsample,
)
from spiketrack.integer.real import RealConv, RealNeuron, Reals, RealSum
from spiketrack.limits import HEADS
from spiketrack.reference.blocks import ConvBlock, Mlp, SelfAttention, SepConv, TransformerBlock
from spiketrack.reference.model import HEAD_BRANCHES, SpikeTrack
from spiketrack.reference.retrieval import MemoryRetrieval, Retriever


def fold(model: SpikeTrack, branch: str) -> Graph:
    """Lower one branch (``template`` or ``search``) of the float reference."""
    return _Lowering(model, branch).run()


class _Lowering:
    """Walks the modules of one branch and appends nodes named after them."""

    def __init__(self, model: SpikeTrack, branch: str) -> None:
        self.model = model
        self.branch = branch
        self.search = branch == SEARCH
        self.config = model.config
        self.nodes: dict[str, Node] = {}
        self.names = {module: name for name, module in model.named_modules()}
        self.written: list[str] = []

    def run(self) -> Graph:
        enc = self.model.encoder
        x = self.image()
        x = self.down(enc.downsample1_1, x)
        x = self.conv_blocks(enc.ConvBlock1_1, x)
        x = self.retrieve(0, self.down(enc.downsample1_2, x))
        x = self.conv_blocks(enc.ConvBlock1_2, x)
        x = self.retrieve(1, self.down(enc.downsample2, x))
        x = self.conv_blocks(enc.ConvBlock2_2, self.conv_blocks(enc.ConvBlock2_1, x))
        x = self.retrieve(2, self.down(enc.downsample3, x))
        x = self.retrieve(3, self.transformers(enc.block3[:3], x))
        x = self.transformers(enc.block3[3:], x)
        x = self.retrieve(4, self.down(enc.downsample4, x))
        x = self.retrieve(5, self.transformers(enc.block4, x))
        if self.search:
            self.head(x)
        for index, name in enumerate(self.written):
            self.add(Output(f"memory.{index}", (name,), self.nodes[name].shape))
        return Graph(self.branch, tuple(self.nodes.values()))

    def add(self, node: Node) -> str:
        self.nodes[node.name] = node
        return node.name

    def shape(self, name: str) -> Shape:
        return self.nodes[name].shape

    def image(self) -> str:
        side = self.config.resolution
        steps = 1 if self.search else self.config.templates
        image = self.add(Input("image", (), (steps, 3, side, side), IMAGE))
        if self.search:
            for index, shape in enumerate(self.config.memory_shapes):
                high = 16 * self.config.grid**2
                self.add(Input(f"memory.{index}", (), shape, MEMORY, 0, high))
        return image

    # layers

    def neuron(self, module: nn.Module, x: str, steps: int = 0, suffix: str = "") -> str:
        shape = self.shape(x)
        steps = steps or shape[0]
        leak = torch.sigmoid(module.decay.detach().double())[: steps - 1]
        decay = tuple(float(value) for value in leak)
        name = self.names[module] + suffix
        return self.add(RealNeuron(name, (x,), (steps, *shape[1:]), decay))

    def conv(self, name: str, x: str, layers: list[tuple[nn.Module, nn.Module | None]]) -> str:
        """One weight set for each (convolution, normalisation) pair; several are steps."""
        folded = [_fold(conv, norm) for conv, norm in layers]
        weight = np.stack([w for w, _ in folded])
        bias = np.stack([b for _, b in folded])
        conv = layers[0][0]
        plane = isinstance(conv, nn.Conv2d)
        stride, padding = (conv.stride[0], conv.padding[0]) if plane else (1, 0)
        steps, _, height, width = self.shape(x)
        size = tuple((n + 2 * padding - weight.shape[-1]) // stride + 1 for n in (height, width))
        shape = (steps, weight.shape[1], size[0], size[1])
        return self.add(RealConv(name, (x,), shape, weight, bias, stride, padding, conv.groups))

    def conv_norm(self, module: nn.Module, x: str) -> str:
        conv, norm = module.children()
        return self.conv(self.names[module], x, [(conv, norm)])

    def each_step(self, modules: nn.ModuleList, x: str) -> str:
        return self.conv(self.names[modules], x, [(m[0], m[1]) for m in modules])

    def sum(self, name: str, inputs: list[str], constant: Reals | None = None) -> str:
        steps = max(self.shape(x)[0] for x in inputs)
        shape = (steps, *self.shape(inputs[0])[1:])
        return self.add(RealSum(name, tuple(inputs), shape, constant))

    # blocks

    def down(self, module: nn.Module, x: str) -> str:
        if module.encode_spike is not None:
            x = self.neuron(module.encode_spike, x)
        name = f"{self.names[module]}.encode_conv"
        return self.conv(name, x, [(module.encode_conv, module.encode_bn)])

    def sep_conv(self, module: SepConv, x: str) -> str:
        y = self.conv_norm(module.pwconv1, self.neuron(module.spike1, x))
        y = self.conv_norm(module.dwconv, self.neuron(module.spike2, y))
        return self.conv_norm(module.pwconv2, self.neuron(module.spike3, y))

    def conv_blocks(self, modules: nn.ModuleList, x: str) -> str:
        for module in modules:
            x = self.conv_block(module, x)
        return x

    def conv_block(self, module: ConvBlock, x: str) -> str:
        name = self.names[module]
        x = self.sum(f"{name}.Conv.add", [x, self.sep_conv(module.Conv, x)])
        y = self.conv(f"{name}.conv1", self.neuron(module.spike1, x), [(module.conv1, module.bn1)])
        y = self.conv(f"{name}.conv2", self.neuron(module.spike2, y), [(module.conv2, module.bn2)])
        return self.sum(f"{name}.add", [x, y])

    def mlp(self, module: Mlp, x: str) -> str:
        name = self.names[module]
        y = self.neuron(module.fc1_spike, x)
        y = self.conv(f"{name}.fc1_conv", y, [(module.fc1_conv, module.fc1_bn)])
        y = self.neuron(module.fc2_spike, y)
        y = self.conv(f"{name}.fc2_conv", y, [(module.fc2_conv, module.fc2_bn)])
        return self.sum(f"{name}.add", [x, y])

    def embed(self, module: SelfAttention | Retriever, x: str) -> str:
        """Positional embedding of this branch, then ``head_spike``."""
        shape = self.shape(x)
        if self.search:
            tables = [module.s_pos_embed]
        else:
            last = len(module.t_pos_embeds) - 1
            tables = [module.t_pos_embeds[min(t, last)] for t in range(shape[0])]
        constant = _numpy(torch.cat([t.view(1, *shape[1:]) for t in tables]))
        name = f"{self.names[module]}.embed"
        return self.neuron(module.head_spike, self.sum(name, [x], constant))

    def key_value(self, module: SelfAttention | Retriever, x: str) -> str:
        k = self.neuron(module.k_spike, self.conv_norm(module.k_conv, x))
        v = self.neuron(module.v_spike, self.conv_norm(module.v_conv, x))
        steps, channels, height, width = self.shape(k)
        d = channels // HEADS
        shape = (steps, HEADS, d, 4 * d)
        return self.add(KeyValue(f"{self.names[module]}.kv", (k, v), shape, height * width))

    def read(self, module: nn.Module, q: str, kv: str, suffix: str = "") -> str:
        steps, channels, height, width = self.shape(q)
        shape = (steps, 4 * channels, height, width)
        return self.add(Read(f"{self.names[module]}.read{suffix}", (q, kv), shape))

    def attention(self, module: SelfAttention, x: str) -> str:
        y = self.embed(module, x)
        q = self.neuron(module.q_spike, self.conv_norm(module.q_conv, y))
        kv = self.key_value(module, y)
        y = self.neuron(module.attn_spike, self.read(module, q, kv))
        y = self.conv_norm(module.proj_conv, y)
        return self.sum(f"{self.names[module]}.add", [x, y])

    def transformers(self, modules: nn.ModuleList, x: str) -> str:
        for module in modules:
            x = self.transformer(module, x)
        return x

    def transformer(self, module: TransformerBlock, x: str) -> str:
        x = self.sum(f"{self.names[module.conv]}.add", [x, self.sep_conv(module.conv, x)])
        return self.mlp(module.mlp, self.attention(module.attn, x))

    # memory

    def retrieve(self, index: int, x: str) -> str:
        module: MemoryRetrieval = self.model.encoder.mrm[index]
        if not self.search:
            y = self.embed(module.retriever, self.pool(module.retriever, x))
            self.written.append(self.key_value(module.retriever, y))
            return x
        y = self.retriever(module.retriever, x, f"memory.{index}")
        return self.mlp(module.mlp, self.sum(f"{self.names[module.retriever]}.add", [x, y]))

    def pool(self, module: Retriever, x: str) -> str:
        steps, channels, height, _ = self.shape(x)
        kernel = height // module.grid
        if kernel == 1:
            return x
        shape = (steps, channels, module.grid, module.grid)
        return self.add(Pool(f"{self.names[module]}.pool", (x,), shape, kernel))

    def retriever(self, module: Retriever, search: str, memory: str) -> str:
        steps = self.config.templates
        name = self.names[module]
        x = self.embed(module, self.pool(module, search))
        q0 = self.conv_norm(module.q_conv, x)
        x = self.read(module, self.neuron(module.q_spike, q0, steps), memory)
        x = self.each_step(module.seg_responder_dw, self.neuron(module.q_spike, x, suffix=":2"))
        x = self.each_step(module.seg_responder_pw, self.neuron(module.seg_dw_spike, x))
        x = self.sum(f"{name}.shortcut", [x, q0])
        x = self.conv_norm(module.fuser, self.neuron(module.seg_pw_spike, x))
        x = self.read(module, self.neuron(module.fuser_spike, x), memory, ":2")
        x = self.neuron(module.attn_spike, x)
        if steps > 1:
            x = self.gate(module, x)
        x = self.conv_norm(module.proj_conv, x)
        return self.upsample(name, x, self.shape(search)[2])

    def gate(self, module: Retriever, counts: str) -> str:
        steps, channels, height, width = self.shape(counts)
        name = self.names[module.gate]
        shape = (steps, height * width, channels, 1)
        y = self.add(PositionsAsChannels(f"{name}.positions", (counts,), shape))
        first, spike, second = module.gate.mlp
        y = self.neuron(spike, self.conv(f"{name}.mlp.0", y, [(first, None)]))
        logits = self.conv(f"{name}.mlp.2", y, [(second, None)])
        shape = (1, channels, height, width)
        table = np.zeros(1, np.int32)
        return self.add(Gate(self.names[module.gate_spike], (counts, logits), shape, table))

    def upsample(self, name: str, x: str, size: int) -> str:
        steps, channels, height, _ = self.shape(x)
        if size == height:
            return x
        shape = (steps, channels, size, size)
        return self.add(Upsample(f"{name}.upsample", (x,), shape, size // height))

    def head(self, x: str) -> None:
        decoder = self.model.decoder
        x = self.neuron(decoder.spike, x)
        for branch, output in zip(HEAD_BRANCHES, ("score", "offset", "size"), strict=True):
            y = x
            for index in range(1, 5):
                y = self.conv_norm(decoder.get_submodule(f"conv{index}_{branch}"), y)
                y = self.neuron(decoder.get_submodule(f"{branch}{index}_spike"), y)
            last = decoder.get_submodule(f"conv5_{branch}")
            y = self.conv(self.names[last], y, [(last, None)])
            self.add(Output(output, (y,), self.shape(y)))


def _numpy(tensor: Tensor) -> Reals:
    array: Reals = tensor.detach().double().cpu().numpy()
    return array


def _fold(conv: nn.Module, norm: nn.Module | None) -> tuple[Reals, Reals]:
    """Weight (C_out, C_in/g, k, k) and bias (C_out) of a convolution and its normalisation."""
    weight = _numpy(conv.weight)
    weight = weight.reshape(*weight.shape[:3], -1) if weight.ndim == 4 else weight[..., None]
    bias = np.zeros(len(weight)) if conv.bias is None else _numpy(conv.bias)
    if norm is None:
        return weight, bias
    gain = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var) + norm.eps)
    bias = (bias - _numpy(norm.running_mean)) * gain + _numpy(norm.bias)
    return weight * gain[:, None, None, None], bias
