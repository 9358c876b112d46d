"""Sequential parts of the integer graph in the arithmetic of Lava's stock LIF.

A population of counts is four binary neurons without memory (a thermometer, channel 4 c + j):

    spike[4 c + j]  ⇔  Σ w · k + bias > vth,   bias = vth + 1 - ceil((threshold_j - b) / 2^shift)

w are the int8 mantissas: a channel's power of two moves into its levels, which keeps the integers
small and the result the same. Each mantissa stands four times, once for every binary input.

Limits of the stock models: the current is the sum shifted by 6 in 24 bits and wraps silently, so
the sum must stay within 17 bits and a sign; the bias is int16; ``groups`` is int8. Where a sum
could reach further, always-on neurons of the layer before shift it back into the 18-bit window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import UnsupportedError
from spiketrack.integer.graph import COUNT, Conv, Gate, Graph, Neuron
from spiketrack.integer.registry import Registry
from spiketrack.limits import MAX_COUNT, POTENTIAL_BITS, WEIGHT_MAX

CURRENT_MAX = 2 ** (POTENTIAL_BITS - 1 - 6) - 1  # Lava's LIF shifts what arrives by 6
BIAS_MAX = 2**15 - 1  # PyLifModelBitAcc keeps bias_mant in int16
GROUPS_MAX = 2**7 - 1  # Lava's Conv keeps groups in int8
SHORTEST = 2  # layers that make a chain worth a file

Wide = NDArray[np.int64]

LAYERS: Registry[Callable[..., Layer]] = Registry(
    "netx layer", applies=lambda traits: traits.population
)
STATE = "state over several time steps, or the gate: no such neuron"
LAYERS.unsupported(Gate, reason=STATE)


@dataclass(frozen=True, eq=False)
class Layer:
    """One block of netx: weight (4 C_out, 4 C_in / groups, k, k), bias (4 C_out), threshold.

    ``lifts`` (4 C_out, n): weights from n always-on inputs, which stand behind the others.
    """

    population: str
    conv: Conv
    weight: Wide
    bias: Wide
    lifts: Wide
    vth: int


@dataclass(frozen=True)
class Chains:
    """Runs of layers that a file can hold, and why the other populations are in none."""

    chains: tuple[tuple[Layer, ...], ...]
    left_out: dict[str, str]


def find_chains(graph: Graph) -> Chains:
    """All sequential parts of at least two layers."""
    layers: dict[str, Layer] = {}
    left_out: dict[str, str] = {}
    for node in graph.populations:
        try:
            layers[node.name] = layer(graph, node.name)
        except UnsupportedError as error:
            left_out[node.name] = str(error)
    chains = [chain for chain in _linked(graph, layers) if len(chain) >= SHORTEST]
    inside = {part.population for chain in chains for part in chain}
    single = "one layer alone between sums, products or branches"
    left_out |= {name: single for name in layers if name not in inside}
    return Chains(tuple(chains), left_out)


def _linked(graph: Graph, layers: dict[str, Layer]) -> list[tuple[Layer, ...]]:
    """Maximal runs in which each population is read by the next layer's convolution alone."""
    following = {}
    for name, part in layers.items():
        source = part.conv.inputs[0]
        if source in layers and len(graph.consumers[source]) == 1:
            following[source] = name
    starts = [name for name in layers if name not in following.values()]
    chains = []
    for name in starts:
        chain = [name]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        chains.append(tuple(layers[n] for n in chain))
    return chains


def layer(graph: Graph, population: str) -> Layer:
    """The layer that ends in ``population``; ``UnsupportedError`` says why netx has none."""
    node = graph[population]
    reason = LAYERS.reason(type(node), population)
    if reason is not None:
        raise UnsupportedError(reason)
    return LAYERS[node](node, graph)


@LAYERS.register(Neuron)
def _neuron(node: Neuron, graph: Graph) -> Layer:
    conv = graph[node.inputs[0]]
    if node.shape[0] != 1:
        raise UnsupportedError(STATE)
    if not isinstance(conv, Conv):
        raise UnsupportedError(
            f"fed by a {type(conv).__name__}: netx has dense and conv layers only"
        )
    if len(graph.consumers[conv.name]) != 1:
        raise UnsupportedError("its sums are read by others too: netx has no branches")
    if graph.signal(conv.inputs[0]) != COUNT:
        raise UnsupportedError("fed by the image: Lava's Conv takes binary spikes here")
    if conv.groups > GROUPS_MAX:
        raise UnsupportedError(f"{conv.groups} groups: Lava's Conv holds at most {GROUPS_MAX}")
    return _stock(node, conv)


def _stock(node: Neuron, conv: Conv) -> Layer:
    mantissa = conv.weight[0].astype(np.int64)
    flat = mantissa.reshape(len(mantissa), -1)
    low, high = (MAX_COUNT * f(flat, 0).sum(1) for f in (np.minimum, np.maximum))
    offset = np.maximum(-CURRENT_MAX - low, 0) - np.maximum(high - CURRENT_MAX, 0)
    wide = (low + offset < -CURRENT_MAX) | (high + offset > CURRENT_MAX)
    if wide.any() or (offset.any() and conv.groups > 1):
        raise UnsupportedError(
            f"sums reach {low.min():,}..{high.max():,}: Lava's LIF wraps beyond ±{CURRENT_MAX:,}"
        )
    levels = np.stack([_level(conv, threshold) for threshold in node.thresholds], 1)
    levels = np.clip(levels, low[:, None], high[:, None] + 1) + offset[:, None]
    vth = int(np.clip((levels.max() + levels.min()) // 2, 0, BIAS_MAX - 1))
    bias = vth + 1 - levels.reshape(-1)
    if np.abs(bias).max() > BIAS_MAX:
        raise UnsupportedError(f"a bias of {np.abs(bias).max():,} exceeds Lava's ±{BIAS_MAX:,}")
    weight = np.repeat(np.repeat(mantissa, MAX_COUNT, 0), MAX_COUNT, 1)
    lifts = np.repeat(_lifts(offset), MAX_COUNT, 0)
    return Layer(node.name, conv, weight, bias, lifts, vth)


def _level(conv: Conv, threshold: int) -> Wide:
    """ceil((threshold - bias) / 2^shift): what Σ w · k has to reach."""
    level: Wide = -((conv.bias[0].astype(np.int64) - threshold) >> conv.shift[0])
    return level


def _lifts(offset: Wide) -> Wide:
    """Weights of always-on inputs that add up to ``offset``, at most 127 each: (C, n)."""
    count = -(-int(np.abs(offset).max()) // WEIGHT_MAX)
    steps = np.arange(count) * WEIGHT_MAX
    size = np.clip(np.abs(offset)[:, None] - steps, 0, WEIGHT_MAX)
    lifts: Wide = np.sign(offset)[:, None] * size
    return lifts
