"""What keeps each layer of a program from being one of Lava's stock neurons behind stock synapses.

``stock.py`` shows what stock processes compute; here the layers of a network say what they ask for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.program import ChipProgram
from spiketrack.deploy.chip.requirements import COUNTS, RELAYS, ROUNDS, VOTES, WEIGHS
from spiketrack.deploy.chip.schedule import arrivals
from spiketrack.integer.graph import Conv, Graph

OF_RULE = {
    COUNTS: "counts to 4 with a soft reset; LIF spikes once and resets to 0",
    ROUNDS: "rounds a sum; no stock neuron shifts",
    WEIGHS: "looks the gate's exponential up",
    VOTES: "keeps the counts of all steps and weighs them",
}
PRODUCTS = "adds products up over time steps; ProdNeuron adds nothing up"
OWN = "adds biases and scales channels; GradedVec does neither"
WAITS = "waits for messages of several time steps; GradedVec fires in each"
LATER = "sends later than it is complete, or in parts; GradedVec sends at once"
NOTHING = "nothing: GradedVec behind stock synapses"


def lacking(program: ChipProgram, graph: Graph) -> Counter[tuple[str, str]]:
    """(kind of layer, first of what it lacks) → number of layers."""
    return Counter((layer.kind, next(_lacks(layer, program, graph))) for layer in program.layers)


def _lacks(layer: Layer, program: ChipProgram, graph: Graph) -> Iterator[str]:
    if layer.product:
        yield PRODUCTS
    if layer.rule != RELAYS:
        yield OF_RULE[layer.rule]
    nodes = [graph[name] for name in layer.nodes]
    if any(isinstance(node, Conv) or node.added(0) is not None for node in nodes):
        yield OWN
    if len(_times(layer, program)) > layer.steps:
        yield WAITS
    fires = {layer.first + layer.stride * t for t in range(layer.steps)}
    if layer.sends.parts > 1 or layer.sends.first > layer.first or fires != _times(layer, program):
        yield LATER
    yield NOTHING


def _times(layer: Layer, program: ChipProgram) -> set[int]:
    """Time steps of a frame in which anything arrives."""
    return {
        step + link.delay + part
        for link in layer.synapses
        for source in [program.by_name.get(link.source)]
        for step in arrivals(source, link, layer.stride)
        for part in range(1 if source is None else source.sends.parts)
    }
