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

import math
from dataclasses import dataclass

from spiketrack.deploy.chip.reach import Block
from spiketrack.deploy.chip.requirements import (
    NEEDS,
    RELAYS,
    VOTES,
    WHOLE,
    WIRING,
    Need,
    Synapses,
)
from spiketrack.integer.graph import COUNT, MEMBRANE, Graph, Node
from spiketrack.limits import POTENTIAL_BITS

RELAY, READOUT = "relay", "readout"  # beside the kinds that needs name
COUNT_BITS = 3  # 0..4


@dataclass(frozen=True)
class Sends:
    """Time steps at which a layer sends: first + stride · t + i for t < times, i < parts.

    ``part``: what it sends in step i; see ``requirements.py``. With binary spikes of whole maps
    there are four parts, part i a spike of each neuron whose count exceeds i.
    """

    first: int = 0
    times: int = 1
    parts: int = 1
    part: str = WHOLE
    binary: bool = False


@dataclass(frozen=True)
class Layer:
    """Neurons that compute alike: shape (C, H, W), what they hold and what reaches them.

    ``ports``: accumulators of one neuron, 2 where it multiplies; ``busy``: chip steps that one
    network step takes; ``state_bits`` of a neuron; ``channel_bits`` (biases, exponents) of a
    channel; ``fixed_bits`` (thresholds, tables) once a core; ``waits`` for the last step of its
    sources; ``host``: the host reads it.

    ``nodes``: the node of the graph that the neurons stand for, then those folded into it; empty
    for relays that only keep time. ``rule``: their program; ``signal``: what they send, counts or
    24-bit membranes; ``table``: the gate whose weights they send. ``first`` and ``stride``: they
    fire in the time steps first + stride · t of a frame, t < ``steps``; ``resets``: the last of
    them clears their state; ``sends``: see ``Sends``; ``opens``: the step in which the first of
    the counts that a gate keeps arrives.
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
    nodes: tuple[str, ...] = ()
    rule: str = RELAYS
    signal: str = MEMBRANE
    table: str = ""
    first: int = 0
    stride: int = 1
    resets: bool = True
    sends: Sends = Sends()
    opens: int = 0

    @property
    def product(self) -> bool:
        """Whether its neurons add up products of what arrives at their two ports."""
        return self.ports == 2 and self.rule != VOTES

    @property
    def parts(self) -> int:
        """Time steps in which its sources send parts of products; one more takes partial sums."""
        return self.busy - bool(self.sums)

    @property
    def sums(self) -> tuple[Synapses, ...]:
        """What brings a product partial sums of its copies: whole values beside parts."""
        whole = tuple(link for link in self.synapses if link.part == WHOLE)
        return whole if self.product and len(whole) < len(self.synapses) else ()

    @property
    def last(self) -> int:
        """Time step, from the frame's first, in which the last of its network steps is done."""
        return self.first + self.stride * (self.steps - 1)

    @property
    def neurons(self) -> int:
        """Number of neurons, whatever their ports."""
        return math.prod(self.shape)


def build_layers(graph: Graph) -> tuple[Layer, ...]:
    """Layers of a graph in topological order."""
    return tuple(_layer(graph, node) for node in graph if is_layer(graph, node))


def is_layer(graph: Graph, node: Node) -> bool:
    """Whether a node takes neurons of its own; see the module's text."""
    return not node.traits.silent and not _folds(graph, node)


def _folds(graph: Graph, node: Node) -> bool:
    """Whether a membrane lands in the accumulators of its only reader."""
    readers = graph.consumers[node.name]
    if len(readers) != 1:
        return False
    reader = readers[0]
    if reader.inputs.count(node.name) > 1 or reader.shape[0] != node.shape[0]:
        return False  # read twice, or held for several steps
    return node.folds_into(reader, graph)


def _layer(graph: Graph, node: Node) -> Layer:
    need = _gather(graph, node)
    steps, *shape = node.shape
    host = any(reader.traits.read_out for reader in graph.consumers[node.name])
    kind = need.kind or (READOUT if host else RELAY)
    return Layer(
        name=node.name,
        kind=kind,
        shape=need.shape or (shape[0], shape[1], shape[2]),
        steps=steps,
        synapses=need.synapses,
        ports=need.ports,
        busy=need.busy,
        state_bits=need.state_bits + POTENTIAL_BITS * need.ports,
        channel_bits=need.channel_bits,
        fixed_bits=need.fixed_bits + _tables(graph, node),
        waits=need.waits,
        host=host,
        nodes=need.nodes,
        rule=need.rule,
        signal=COUNT if graph.signal(node.name) == COUNT else MEMBRANE,
    )


def _tables(graph: Graph, node: Node) -> int:
    """Bits once a core that readers of a node store where it is."""
    readers = [n for n in graph.consumers[node.name] if not n.traits.silent]
    asked = [NEEDS[reader](reader, graph).at_source for reader in readers]
    return sum(bits for name, bits in asked if name == node.name)


def _gather(graph: Graph, node: Node) -> Need:
    """Needs of a node and of all that folds into it."""
    own: Need = NEEDS[node](node, graph)
    synapses: list[Synapses] = []
    parts = [own]
    for link in own.synapses:
        source = graph[link.source]
        if source.traits.wiring:
            synapses.append(WIRING[source](source, graph, link))
        elif source.traits.given or is_layer(graph, source):
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
        shape=own.shape,
        rule=own.rule,
        nodes=(node.name, *(name for part in parts[1:] for name in part.nodes)),
    )
