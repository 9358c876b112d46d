"""Integer graph → layers of neurons and the synapses between them, as Loihi 2 would hold them.

What takes neurons on the chip, decided per node type:

- A counting population (Neuron, Gate) is a population of neurons. Its T steps run one after the
  other on the same neurons: the potential of the step before is what they hold.
- Membrane arithmetic (Conv, Sum, Pool, Upsample, Read) is *dendritic*: it happens in the synapses
  and accumulators of the one population that reads it, and takes no neuron.
- A membrane that is read in several places, pooled, up-sampled, shifted or read by the host has
  to be sent on: a *relay* population accumulates it and sends it as a 24-bit graded payload.
  The residual stream is such a chain, a relay after each addition.
- ``KeyValue``, a ``Read`` of a matrix computed in the same frame, and the gate multiply two
  messages: *product* neurons with two input ports, one position (key index, step) a time step.
- A ``Read`` of the templates' memory is a grouped 1×1 convolution whose weights are the memory,
  two 8-bit synapses an entry, rewritten by the host.
- The image is injected by the host; outputs are relays that the host reads.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from spiketrack.deploy.chip.reach import Block, whole
from spiketrack.deploy.chip.requirements import NEEDS, Need, Synapses
from spiketrack.errors import GraphError
from spiketrack.integer.graph import (
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
    Sum,
    Upsample,
)
from spiketrack.limits import POTENTIAL_BITS

RELAY, READOUT = "relay", "readout"  # beside the kinds that needs name
TABLE_BITS = 16  # an entry of the gate's exponential, at most 2^15


@dataclass(frozen=True)
class Layer:
    """Neurons that compute alike: shape (C, H, W), what they hold and what reaches them.

    ``ports``: accumulators of one neuron, 2 where it multiplies; ``busy``: chip steps that one
    network step takes; ``state_bits`` of a neuron; ``channel_bits`` (biases, exponents) of a
    channel; ``fixed_bits`` (thresholds, tables) once a core; ``waits`` for the last step of its
    sources; ``host``: the host reads it.
    """

    name: str
    kind: str
    shape: Block
    steps: int
    synapses: tuple[Synapses, ...]
    ports: int = 1
    busy: int = 1
    state_bits: int = POTENTIAL_BITS
    channel_bits: int = 0
    fixed_bits: int = 0
    waits: bool = False
    host: bool = False

    @property
    def neurons(self) -> int:
        """Number of neurons, whatever their ports."""
        return math.prod(self.shape)


def build_layers(graph: Graph) -> tuple[Layer, ...]:
    """Layers of a graph in topological order."""
    return tuple(_layer(graph, node) for node in graph if is_layer(graph, node))


def is_layer(graph: Graph, node: Node) -> bool:
    """Whether a node takes neurons of its own; see the module's text."""
    if isinstance(node, (Input, Output, PositionsAsChannels)):
        return False
    return not (isinstance(node, (Conv, Sum, Pool, Upsample, Read)) and _folds(graph, node))


def _folds(graph: Graph, node: Node) -> bool:
    """Whether a membrane lands in the accumulators of its only reader."""
    readers = graph.consumers[node.name]
    if len(readers) != 1 or not isinstance(readers[0], (Neuron, Sum)):
        return False
    reader = readers[0]
    if reader.inputs.count(node.name) > 1 or reader.shape[0] != node.shape[0]:
        return False  # read twice, or held for several steps
    if isinstance(node, Upsample) and node.shift:
        return False  # rounded before it is added
    product = isinstance(node, Read) and not isinstance(graph[node.inputs[1]], Input)
    return isinstance(reader, Neuron) or not product


def _layer(graph: Graph, node: Node) -> Layer:
    need = _gather(graph, node)
    steps, *shape = _shape(node)
    host = any(isinstance(reader, Output) for reader in graph.consumers[node.name])
    kind = need.kind or (READOUT if host else RELAY)
    return Layer(
        name=node.name,
        kind=kind,
        shape=(shape[0], shape[1], shape[2]),
        steps=steps,
        synapses=need.synapses,
        ports=need.ports,
        busy=need.busy,
        state_bits=need.state_bits + POTENTIAL_BITS * need.ports,
        channel_bits=need.channel_bits,
        fixed_bits=need.fixed_bits + _tables(graph, node),
        waits=need.waits,
        host=host,
    )


def _shape(node: Node) -> tuple[int, int, int, int]:
    """A matrix (T, heads, d, 4d) stands as d rows a head: (T, heads · d, 1, 4d)."""
    if isinstance(node, KeyValue):
        steps, heads, d, wide = node.shape
        return steps, heads * d, 1, wide
    return node.shape


def _tables(graph: Graph, node: Node) -> int:
    """The gate's exponential is looked up where its logits are."""
    gates = [n for n in graph.consumers[node.name] if isinstance(n, Gate)]
    return sum(n.table.size * TABLE_BITS for n in gates if n.inputs[1] == node.name)


def _gather(graph: Graph, node: Node) -> Need:
    """Needs of a node and of all that folds into it."""
    own: Need = NEEDS[node](node, graph)
    synapses: list[Synapses] = []
    parts = [own]
    for link in own.synapses:
        source = graph[link.source]
        if isinstance(source, PositionsAsChannels):
            synapses.append(_permuted(link, graph, source))
        elif isinstance(source, Input) or is_layer(graph, source):
            synapses.append(link)
        else:
            inner = _gather(graph, source)
            parts.append(inner)
            synapses.extend(inner.synapses)
    return Need(
        synapses=tuple(synapses),
        ports=max(p.ports for p in parts),
        busy=max(p.busy for p in parts),
        state_bits=sum(p.state_bits for p in parts),
        channel_bits=sum(p.channel_bits for p in parts),
        fixed_bits=sum(p.fixed_bits for p in parts),
        kind=own.kind,
        waits=own.waits,
    )


def _permuted(link: Synapses, graph: Graph, node: PositionsAsChannels) -> Synapses:
    """Through (C, H, W) → (H·W, C, 1): rows of the reader are channels, all positions are read."""
    source = graph[node.inputs[0]]
    if not (isinstance(source, Neuron) and link.axes[0].of is None):
        raise GraphError(f"{node.name}: only a dense layer reads a population's positions")
    _, _, height, width = source.shape
    axes = (link.axes[1], whole(height), whole(width))
    return dataclasses.replace(link, source=source.name, axes=axes)
