"""A neuron sends one message to all its readers: whoever needs other sendings gets a relay.

Readers that take whole maps, those to which a layer of one network step sends several times, and
the ports of each product are served apart; all but the first of them through a relay that repeats
what the layer says. In SpikeTrack no layer needs one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from spiketrack.deploy.chip.layers import RELAY, Layer
from spiketrack.deploy.chip.loads import readers_of
from spiketrack.deploy.chip.reach import identity
from spiketrack.deploy.chip.requirements import TABLE, WEIGHS, WHOLE, Synapses
from spiketrack.limits import WEIGHT_BITS

Style = tuple[str, int, str]  # what is sent, how often a frame, for which product


def separate(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Layers of which each sends in one way to all its readers."""
    readers = readers_of(layers)
    separated: list[Layer] = []
    renamed: dict[tuple[str, Style], str] = {}
    for layer in layers:
        links = (_rewired(link, renamed) for link in layer.synapses)
        styles = dict.fromkeys(style(link) for _, link in readers.get(layer.name, []))
        plain = (WHOLE, layer.steps, "")
        if len(styles) > 1:
            styles[plain] = None  # what the relays read
        ordered = sorted(styles, key=lambda s: s != plain)
        own = dataclasses.replace(layer, synapses=tuple(links))
        separated.append(_weighing(own, ordered[0] if ordered else None))
        for number, other in enumerate(ordered[1:], 1):
            copy = relay(layer, f"{layer.name}+copy{number}", layer.steps)
            renamed[layer.name, other] = copy.name
            separated.append(_weighing(copy, other))
    return tuple(separated)


def style(link: Synapses) -> Style:
    """How a reader wants to be sent to."""
    return link.part, link.steps, "" if link.part == WHOLE else link.node


def relay(source: Layer, name: str, steps: int) -> Layer:
    """Neurons that repeat what a layer says."""
    link = Synapses(source.name, identity(source.shape), 0, WEIGHT_BITS, steps, WEIGHT_BITS)
    return Layer(name, RELAY, source.shape, steps, (link,), signal=source.signal)


def _rewired(link: Synapses, renamed: dict[tuple[str, Style], str]) -> Synapses:
    key = (link.source, style(link))
    return dataclasses.replace(link, source=renamed.get(key, link.source))


def _weighing(layer: Layer, wanted: Style | None) -> Layer:
    if wanted is None or wanted[0] != TABLE:
        return layer
    return dataclasses.replace(layer, rule=WEIGHS, table=wanted[2])
