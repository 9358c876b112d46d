"""SpikeTrack's front end: the float reference written down as a real graph.

One walk through the modules of a branch; batch normalisation goes into the weights. What a node is
and whether it fits is the builder's matter (``integer/builder.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spiketrack.inference import SEARCH
from spiketrack.integer.builder import Builder, Norm, Weights
from spiketrack.integer.graph import Graph
from spiketrack.integer.real import Reals
from spiketrack.reference.blocks import ConvBlock, Mlp, SelfAttention, SepConv, TransformerBlock
from spiketrack.reference.model import HEAD_BRANCHES, SpikeTrack
from spiketrack.reference.retrieval import MemoryRetrieval, Retriever


def fold(model: SpikeTrack, branch: str) -> Graph:
    """The real graph of one branch (``template`` or ``search``) of the float reference."""
    return _FrontEnd(model, branch).run()


class _FrontEnd:
    """Walks the modules of one branch; nodes are named after them."""

    def __init__(self, model: SpikeTrack, branch: str) -> None:
        self.model = model
        self.search = branch == SEARCH
        self.config = model.config
        self.build = Builder(branch)
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
            self.build.output(f"memory.{index}", name)
        return self.build.build()

    def image(self) -> str:
        steps = 1 if self.search else self.config.templates
        image = self.build.image("image", self.config.resolution, steps)
        if self.search:
            for index, shape in enumerate(self.config.memory_shapes):
                self.build.memory(f"memory.{index}", shape, 16 * self.config.grid**2)
        return image

    # layers

    def neuron(self, module: nn.Module, x: str, steps: int = 0, suffix: str = "") -> str:
        steps = steps or self.build.shape(x)[0]
        leak = torch.sigmoid(module.decay.detach().double())[: steps - 1]
        return self.build.neuron(self.names[module] + suffix, x, leak.tolist())

    def conv(self, name: str, x: str, layers: list[tuple[nn.Module, nn.Module | None]]) -> str:
        """One weight set for each (convolution, normalisation) pair; several are steps."""
        conv = layers[0][0]
        plane = isinstance(conv, nn.Conv2d)
        stride, padding = (conv.stride[0], conv.padding[0]) if plane else (1, 0)
        sets = [_weights(conv, norm) for conv, norm in layers]
        return self.build.conv(name, x, *sets, stride=stride, padding=padding, groups=conv.groups)

    def conv_norm(self, module: nn.Module, x: str) -> str:
        conv, norm = module.children()
        return self.conv(self.names[module], x, [(conv, norm)])

    def each_step(self, modules: nn.ModuleList, x: str) -> str:
        return self.conv(self.names[modules], x, [(m[0], m[1]) for m in modules])

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
        x = self.build.sum(f"{name}.Conv.add", [x, self.sep_conv(module.Conv, x)])
        y = self.conv(f"{name}.conv1", self.neuron(module.spike1, x), [(module.conv1, module.bn1)])
        y = self.conv(f"{name}.conv2", self.neuron(module.spike2, y), [(module.conv2, module.bn2)])
        return self.build.sum(f"{name}.add", [x, y])

    def mlp(self, module: Mlp, x: str) -> str:
        name = self.names[module]
        y = self.neuron(module.fc1_spike, x)
        y = self.conv(f"{name}.fc1_conv", y, [(module.fc1_conv, module.fc1_bn)])
        y = self.neuron(module.fc2_spike, y)
        y = self.conv(f"{name}.fc2_conv", y, [(module.fc2_conv, module.fc2_bn)])
        return self.build.sum(f"{name}.add", [x, y])

    def embed(self, module: SelfAttention | Retriever, x: str) -> str:
        """Positional embedding of this branch, then ``head_spike``."""
        shape = self.build.shape(x)
        if self.search:
            tables = [module.s_pos_embed]
        else:
            last = len(module.t_pos_embeds) - 1
            tables = [module.t_pos_embeds[min(t, last)] for t in range(shape[0])]
        constant = _numpy(torch.cat([t.view(1, *shape[1:]) for t in tables]))
        name = f"{self.names[module]}.embed"
        return self.neuron(module.head_spike, self.build.sum(name, [x], constant))

    def key_value(self, module: SelfAttention | Retriever, x: str) -> str:
        k = self.neuron(module.k_spike, self.conv_norm(module.k_conv, x))
        v = self.neuron(module.v_spike, self.conv_norm(module.v_conv, x))
        return self.build.key_value(f"{self.names[module]}.kv", k, v)

    def read(self, module: nn.Module, q: str, kv: str, suffix: str = "") -> str:
        return self.build.read(f"{self.names[module]}.read{suffix}", q, kv)

    def attention(self, module: SelfAttention, x: str) -> str:
        y = self.embed(module, x)
        q = self.neuron(module.q_spike, self.conv_norm(module.q_conv, y))
        kv = self.key_value(module, y)
        y = self.neuron(module.attn_spike, self.read(module, q, kv))
        y = self.conv_norm(module.proj_conv, y)
        return self.build.sum(f"{self.names[module]}.add", [x, y])

    def transformers(self, modules: nn.ModuleList, x: str) -> str:
        for module in modules:
            x = self.transformer(module, x)
        return x

    def transformer(self, module: TransformerBlock, x: str) -> str:
        x = self.build.sum(f"{self.names[module.conv]}.add", [x, self.sep_conv(module.conv, x)])
        return self.mlp(module.mlp, self.attention(module.attn, x))

    # memory

    def retrieve(self, index: int, x: str) -> str:
        module: MemoryRetrieval = self.model.encoder.mrm[index]
        if not self.search:
            y = self.embed(module.retriever, self.pool(module.retriever, x))
            self.written.append(self.key_value(module.retriever, y))
            return x
        y = self.retriever(module.retriever, x, f"memory.{index}")
        return self.mlp(module.mlp, self.build.sum(f"{self.names[module.retriever]}.add", [x, y]))

    def pool(self, module: Retriever, x: str) -> str:
        kernel = self.build.shape(x)[2] // module.grid
        return x if kernel == 1 else self.build.pool(f"{self.names[module]}.pool", x, kernel)

    def retriever(self, module: Retriever, search: str, memory: str) -> str:
        steps = self.config.templates
        name = self.names[module]
        x = self.embed(module, self.pool(module, search))
        q0 = self.conv_norm(module.q_conv, x)
        x = self.read(module, self.neuron(module.q_spike, q0, steps), memory)
        x = self.each_step(module.seg_responder_dw, self.neuron(module.q_spike, x, suffix=":2"))
        x = self.each_step(module.seg_responder_pw, self.neuron(module.seg_dw_spike, x))
        x = self.build.sum(f"{name}.shortcut", [x, q0])
        x = self.conv_norm(module.fuser, self.neuron(module.seg_pw_spike, x))
        x = self.read(module, self.neuron(module.fuser_spike, x), memory, ":2")
        x = self.neuron(module.attn_spike, x)
        if steps > 1:
            x = self.gate(module, x)
        x = self.conv_norm(module.proj_conv, x)
        factor = self.build.shape(search)[2] // self.build.shape(x)[2]
        return x if factor == 1 else self.build.upsample(f"{name}.upsample", x, factor)

    def gate(self, module: Retriever, counts: str) -> str:
        name = self.names[module.gate]
        y = self.build.positions(f"{name}.positions", counts)
        first, spike, second = module.gate.mlp
        y = self.neuron(spike, self.conv(f"{name}.mlp.0", y, [(first, None)]))
        logits = self.conv(f"{name}.mlp.2", y, [(second, None)])
        return self.build.gate(self.names[module.gate_spike], counts, logits)

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
            self.build.output(output, y)


def _numpy(tensor: Tensor) -> Reals:
    array: Reals = tensor.detach().double().cpu().numpy()
    return array


def _weights(conv: nn.Module, norm: nn.Module | None) -> Weights:
    """A convolution of one or two axes and the normalisation behind it."""
    weight = _numpy(conv.weight)
    weight = weight if weight.ndim == 4 else weight[..., None]
    bias = None if conv.bias is None else _numpy(conv.bias)
    if norm is None:
        return Weights(weight, bias)
    gain, shift = _numpy(norm.weight), _numpy(norm.bias)
    mean, variance = _numpy(norm.running_mean), _numpy(norm.running_var)
    return Weights(weight, bias, Norm(gain, shift, mean, variance, norm.eps))
