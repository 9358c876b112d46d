"""Small random integer graphs of every node type, and tiny whole networks.

``random_graph(seed, parts, steps)`` chains the named ``PARTS`` on one membrane stream;
``graphs()`` is the hypothesis strategy over them (it shrinks towards fewer and simpler parts);
``random_inputs(graph, seed)`` gives integers for its Input nodes;
``tiny_model(templates, seed)`` and ``tiny_graph(templates, branch, seed)`` give a whole network
of 64 x 64 crops whose populations all spike, as a torch module and quantised.
Every graph is valid: names are unique, shapes fit, grids agree, head-room is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from hypothesis import reject
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from spiketrack.config import NetworkConfig
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.integer.graph import (
    IMAGE,
    MEMORY,
    Conv,
    Gate,
    Graph,
    Input,
    KeyValue,
    Neuron,
    Node,
    Output,
    Pool,
    PositionsAsChannels,
    Read,
    Shape,
    Sum,
    Upsample,
)
from spiketrack.integer.neurons import thresholds
from spiketrack.integer.rules.ranges import prove_headroom, ranges
from spiketrack.limits import POTENTIAL_MAX
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron as FloatNeuron
from spiketrack.reference.retrieval import TemporalGate

Array = NDArray[np.int64]
CHANNELS = 16  # 8 heads of 2
COUNTS, MEMORIES, PIXELS = 2, 4, 0  # fractions
TABLE = np.rint(2**15 * np.exp(-np.arange(64) / 4)).astype(np.int32)


class Builder:
    """Nodes so far, the membrane stream's head and the random generator behind all choices."""

    def __init__(self, seed: int, steps: int, grid: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.steps = steps
        self.grid = grid  # fraction of the stream
        self.nodes: dict[str, Node] = {}
        self.fractions: dict[str, int] = {}
        self.stream = ""

    def name(self, kind: str) -> str:
        return f"part{len(self.nodes)}.{kind}"

    def shape(self, name: str) -> Shape:
        return self.nodes[name].shape

    def add(self, node: Node, fraction: int) -> str:
        self.nodes[node.name] = node
        self.fractions[node.name] = fraction
        return node.name

    def choose(self, *values: int) -> int:
        return int(self.rng.choice(values))

    def image(self) -> str:
        side = self.choose(8, 12, 16)
        shape = (self.steps, 3, side, side)
        return self.add(Input("image", (), shape, IMAGE, 0, 255), PIXELS)

    def memory(self, steps: int, channels: int) -> str:
        d = channels // 8
        shape = (steps, 8, d, 4 * d)
        return self.add(Input(self.name("memory"), (), shape, MEMORY, 0, 256), MEMORIES)

    def conv(
        self,
        x: str,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        sets: int = 1,
        fraction: int | None = None,
    ) -> str:
        """Weights such that a typical input moves the membrane by about one real unit."""
        rng, source = self.rng, self.shape(x)
        fraction = self.grid if fraction is None else fraction
        width = source[1] // groups
        typical = np.sqrt(width) * kernel * (1 if self.fractions[x] == COUNTS else 200)
        largest = int(np.clip(2**fraction / typical, 2, 127))
        shift = int(np.clip(np.floor(fraction - np.log2(typical * largest)), 0, 12))
        weight = rng.integers(-largest, largest + 1, (sets, out, width, kernel, kernel))
        shifts = np.maximum(rng.integers(shift - 1, shift + 2, (sets, out)), 0).astype(np.int32)
        bias = rng.integers(-(2**fraction), 2**fraction + 1, (sets, out)).astype(np.int32)
        padding = kernel // 2
        size = tuple((n + 2 * padding - kernel) // stride + 1 for n in source[2:])
        shape = (source[0], out, size[0], size[1])
        name = self.name("conv")
        node = Conv(
            name, (x,), shape, weight.astype(np.int8), shifts, bias, stride, padding, groups
        )
        return self.add(node, fraction)

    def neuron(self, x: str, steps: int = 0) -> str:
        source, fraction = self.nodes[x], self.fractions[x]
        steps = steps or source.shape[0]
        squared = source.unit_squared(fraction)
        reset = round(squared**0.5 / 4)
        decay = tuple(int(value) for value in self.rng.integers(0, 4096, steps - 1))
        shape = (steps, *source.shape[1:])
        node = Neuron(self.name("spike"), (x,), shape, thresholds(squared), reset, decay)
        return self.add(node, COUNTS)

    def sum(self, terms: list[str], constant: bool = False) -> str:
        shapes = [self.shape(x) for x in terms]
        steps = max(shape[0] for shape in shapes)
        shape = (steps, *shapes[0][1:])
        values = None
        if constant:
            sets = self.choose(1, steps)
            limit = 2**self.grid
            values = self.rng.integers(-limit, limit + 1, (sets, *shape[1:])).astype(np.int32)
        node = Sum(self.name("add"), tuple(terms), shape, values)
        return self.add(node, self.fractions[terms[0]])

    def pool(self, x: str, kernel: int) -> str:
        steps, channels, height, width = self.shape(x)
        shape = (steps, channels, height // kernel, width // kernel)
        fraction = self.fractions[x] + 2 * (kernel.bit_length() - 1)
        return self.add(Pool(self.name("pool"), (x,), shape, kernel), fraction)

    def upsample(self, x: str, factor: int) -> str:
        steps, channels, height, width = self.shape(x)
        shape = (steps, channels, height * factor, width * factor)
        shift = self.fractions[x] + 2 * factor.bit_length() - self.grid
        node = Upsample(self.name("upsample"), (x,), shape, factor, shift)
        return self.add(node, self.grid)

    def key_value(self, k: str, v: str) -> str:
        steps, channels, height, width = self.shape(k)
        d = channels // 8
        node = KeyValue(self.name("kv"), (k, v), (steps, 8, d, 4 * d), height * width)
        return self.add(node, MEMORIES)

    def read(self, q: str, kv: str) -> str:
        steps, channels, height, width = self.shape(q)
        shift = self.choose(0, 2, 4)
        shape = (steps, 4 * channels, height, width)
        node = Read(self.name("read"), (q, kv), shape, shift)
        return self.add(node, COUNTS + MEMORIES + shift)

    def gate(self, counts: str) -> str:
        steps, channels, height, width = self.shape(counts)
        shape = (steps, height * width, channels, 1)
        x = self.add(PositionsAsChannels(self.name("positions"), (counts,), shape), COUNTS)
        x = self.neuron(self.conv(x, max(height * width // 2, 1)))
        logits = self.conv(x, 1)
        shape = (1, channels, height, width)
        shift = max(self.grid - 2, 0)  # the table's steps are quarters
        return self.add(Gate(self.name("gate"), (counts, logits), shape, TABLE, shift), COUNTS)

    def output(self, x: str) -> str:
        return self.add(Output(self.name("out"), (x,), self.shape(x)), self.fractions[x])

    def join(self, x: str) -> None:
        """Residual addition to the stream."""
        self.stream = self.sum([self.stream, x])


def _start(b: Builder) -> None:
    kernel = b.choose(1, 3, 7)
    b.stream = b.conv(b.image(), CHANNELS, kernel, b.choose(1, 2))


def plain(b: Builder) -> None:
    """spike → dense convolution, residual."""
    b.join(b.conv(b.neuron(b.stream), CHANNELS, b.choose(1, 3)))


def depthwise(b: Builder) -> None:
    """spike → 1×1 → spike → depthwise k×k → spike → 1×1, residual."""
    x = b.neuron(b.conv(b.neuron(b.stream), 2 * CHANNELS))
    x = b.neuron(b.conv(x, 2 * CHANNELS, b.choose(3, 5, 7), groups=2 * CHANNELS))
    b.join(b.conv(x, CHANNELS))


def grouped(b: Builder) -> None:
    """spike → grouped convolution, as many or twice as many channels → spike → grouped back."""
    groups = b.choose(2, 4, 8)
    x = b.conv(b.neuron(b.stream), b.choose(1, 2) * CHANNELS, b.choose(1, 3), groups=groups)
    b.join(b.conv(b.neuron(x), CHANNELS, groups=groups))


def each_step(b: Builder) -> None:
    """spike → depthwise, then dense 1×1, one set of weights for each step, residual."""
    sets = b.shape(b.stream)[0]
    x = b.conv(b.neuron(b.stream), CHANNELS, 3, groups=CHANNELS, sets=sets)
    b.join(b.conv(b.neuron(x), CHANNELS, sets=sets))


def down(b: Builder) -> None:
    """spike → 3×3 convolution with stride, the stream goes on from there."""
    b.stream = b.conv(b.neuron(b.stream), CHANNELS, 3, b.choose(1, 2) if _large(b) else 1)


def constant(b: Builder) -> None:
    """Stream plus a constant map of one or all steps."""
    b.stream = b.sum([b.stream], constant=True)


def pooled(b: Builder) -> None:
    """pool → spike → convolution → bilinear up-sampling, residual (even sides only)."""
    fitting = [n for n in (2, 4) if b.shape(b.stream)[2] % n == 0]
    if not fitting:
        return plain(b)
    factor = b.choose(*fitting)
    x = b.neuron(b.pool(b.stream, factor))
    x = b.conv(x, CHANNELS, fraction=b.grid - b.choose(0, 1, 2, 4))
    return b.join(b.upsample(x, factor))


def attention(b: Builder) -> None:
    """Self-attention with the memory of the same steps, which is also an output; residual."""
    x = b.neuron(b.sum([b.stream], constant=True))
    q, k = (b.neuron(b.conv(x, CHANNELS)) for _ in range(2))
    kv = b.key_value(k, b.neuron(b.conv(x, 4 * CHANNELS)))
    b.output(kv)
    b.join(b.conv(b.neuron(b.read(q, kv)), CHANNELS))


def retrieval(b: Builder) -> None:
    """One search step reads a memory of one or three steps twice; gate; residual."""
    if b.steps != 1:
        return attention(b)
    steps = b.choose(1, 3)
    memory = b.memory(steps, CHANNELS)
    shortcut = b.conv(b.neuron(b.stream), CHANNELS)
    x = b.neuron(b.read(b.neuron(shortcut, steps), memory))
    x = b.neuron(b.conv(x, 4 * CHANNELS, 3, groups=4 * CHANNELS, sets=steps))
    x = b.sum([b.conv(x, CHANNELS, sets=steps), shortcut])
    x = b.neuron(b.read(b.neuron(x), memory))
    if steps > 1:
        x = b.gate(x)
    return b.join(b.conv(x, CHANNELS))


def gated(b: Builder) -> None:
    """Three steps of the stream's counts through the gate to one step, residual."""
    x = b.gate(b.neuron(b.stream, 3 if b.shape(b.stream)[0] == 1 else 0))
    b.join(b.conv(x, CHANNELS))


def read_out(b: Builder) -> None:
    """spike → 1×1 convolution to two channels → output."""
    b.output(b.conv(b.neuron(b.stream), 2))


def _large(b: Builder) -> bool:
    return b.shape(b.stream)[2] >= 8


PARTS: dict[str, Callable[[Builder], None]] = {
    part.__name__: part
    for part in (
        plain,
        constant,
        down,
        depthwise,
        grouped,
        each_step,
        pooled,
        attention,
        retrieval,
        gated,
        read_out,
    )
}


def random_graph(seed: int, parts: tuple[str, ...], steps: int = 1) -> Graph:
    """A valid graph: image convolution, the named ``PARTS`` one after the other, one output.

    ``steps`` is that of the image, 1 or 3. The stream has the finest grid of at
    most 13 bits that leaves head-room.
    """
    for grid in range(13, 3, -1):
        graph = _build(Builder(seed, steps, grid), parts)
        if all(reach.peak <= POTENTIAL_MAX for reach in ranges(graph).values()):
            return graph
    raise AssertionError(f"no head-room in random_graph({seed}, {parts}, {steps})")


def _build(b: Builder, parts: tuple[str, ...]) -> Graph:
    _start(b)
    for part in parts:
        PARTS[part](b)
    b.output(b.stream)
    return Graph(f"random {parts} of {b.steps} steps", tuple(b.nodes.values()), b.fractions)


def graphs(largest: int = 4) -> st.SearchStrategy[Graph]:
    """Hypothesis strategy: any seed, up to ``largest`` parts in any order, one or three steps."""
    parts = st.lists(st.sampled_from(list(PARTS)), max_size=largest).map(tuple)
    return st.builds(_or_reject, st.integers(0, 2**32 - 1), parts, st.sampled_from([1, 3]))


def _or_reject(seed: int, parts: tuple[str, ...], steps: int) -> Graph:
    """Some draws leave no head-room on any grid (a pool behind large weights)."""
    try:
        return random_graph(seed, parts, steps)
    except AssertionError:
        reject()


def random_inputs(graph: Graph, seed: int, extreme: bool = False) -> dict[str, Array]:
    """Integers for each Input within its bounds; ``extreme`` takes the bounds alone.

    Memories are drawn small, as real ones are, unless ``extreme``.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for node in graph.inputs:
        if extreme:
            found[node.name] = rng.choice(np.array([node.low, node.high]), node.shape)
        elif node.signal == MEMORY:
            found[node.name] = rng.integers(0, max(node.high // 4, 2), node.shape)
        else:
            found[node.name] = rng.integers(node.low, node.high + 1, node.shape)
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, whenever and wherever they are made."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@lru_cache(maxsize=8)
def tiny_model(templates: int, seed: int = 0) -> SpikeTrack:
    """A whole network of 64 x 64 crops with random weights whose populations all spike.

    It has every kind of block, and fewer of them than published ones.

    Batch-norm statistics are those of one random batch, so that inputs of populations have
    realistic spread. In eval mode, without gradients. Do not change it: it is shared.
    """
    sizes = NetworkConfig((16, 16, 16, 24), 4, templates, 16, blocks3=2, blocks4=1)
    return built_model(sizes, seed)


def built_model(config: NetworkConfig, seed: int = 0) -> SpikeTrack:
    """A network of these sizes for 64 x 64 crops, as ``tiny_model`` is."""
    templates = config.templates
    with torch.random.fork_rng(devices=[]), torch.no_grad(), one_thread():
        torch.manual_seed(seed)
        model = SpikeTrack(config)
        for module in model.modules():
            _randomise(module)
        crops = torch.randn(templates + 1, 2, 3, 64, 64)
        model.train().joint(crops[:-1], crops[-1])
    return model.eval().requires_grad_(False)


def _randomise(module: nn.Module) -> None:
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        module.momentum = 1.0
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.normal_(module.bias, 0.6, 0.6)
    elif isinstance(module, FloatNeuron):
        nn.init.normal_(module.decay, -1.0, 0.5)
    elif isinstance(module, TemporalGate):
        for index in (0, 2):
            nn.init.normal_(module.mlp[index].weight, 0.0, 0.5)
            nn.init.normal_(module.mlp[index].bias, 0.5, 0.5)
    else:
        for name, parameter in module.named_parameters(recurse=False):
            if "pos_embed" in name:
                nn.init.normal_(parameter, 0.0, 0.1)


@lru_cache(maxsize=8)
def tiny_graph(templates: int, branch: str, seed: int = 0) -> Graph:
    """``tiny_model`` folded and quantised; ``branch`` is ``template`` or ``search``."""
    graph = quantise(fold(tiny_model(templates, seed), branch))
    prove_headroom(graph)
    return graph
