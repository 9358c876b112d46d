"""Skip paths: a message that comes too early waits in accumulators, in a synapse or in a relay.

A layer's accumulators are its own between two firings, so a message may wait there for ``gap`` - 1
steps and costs nothing. What would come earlier than that falls into the sum of the frame before;
it gets a synaptic delay (62 steps at most; the reader's accumulators become a ring of so many) or
passes relays that hold it, each for up to ``gap`` steps: whichever takes less of a core.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from spiketrack.deploy.chip.layers import COUNT_BITS, Layer, Sends
from spiketrack.deploy.chip.requirements import VOTES, WHOLE, Synapses
from spiketrack.deploy.chip.routes import relay
from spiketrack.deploy.chip.schedule import arrivals, gap
from spiketrack.errors import GraphError
from spiketrack.integer.graph import COUNT
from spiketrack.limits import MAX_DELAY, POTENTIAL_BITS

PLACE_BITS = 128  # of a core's memory for each of its neurons: 128 KiB for 8,192


def balance(layers: Sequence[Layer], period: int) -> tuple[Layer, ...]:
    """Timed layers → the same with delays on their synapses and relays between them."""
    timed = {layer.name: layer for layer in layers}
    balanced: list[Layer] = []
    for layer in layers:
        links = []
        opens = []
        for link in layer.synapses:
            source = timed.get(link.source)
            relays, last = _balanced(source, link, layer, period)
            balanced += relays
            links.append(last)
            sender = relays[-1] if relays else source
            opens.append(arrivals(sender, last, layer.stride)[0] + last.delay)
        changed = dataclasses.replace(layer, synapses=tuple(links))
        if layer.rule == VOTES:
            changed = dataclasses.replace(changed, opens=opens[0])
        balanced.append(_charged(changed))
    return tuple(balanced)


def uses(link: Synapses, reader: Layer) -> tuple[int, ...]:
    """Steps of a frame in which the reader takes what a connection brought."""
    if reader.rule == VOTES:
        return tuple(reader.first - reader.busy + 1 + t for t in range(link.steps))
    return tuple(reader.first + reader.stride * t for t in range(link.steps))


def early(source: Layer | None, link: Synapses, reader: Layer, period: int) -> int:
    """Steps by which a message comes before the reader has fired for what was before."""
    if link.part != WHOLE:
        return 0  # both ports take their parts in the steps in which they come
    free = period if reader.rule == VOTES else gap(reader, period)
    pairs = zip(uses(link, reader), arrivals(source, link, reader.stride), strict=True)
    return max(0, *(use - free + 1 - arrival for use, arrival in pairs))


def late(source: Layer | None, link: Synapses, reader: Layer) -> int:
    """Steps by which a delay would bring the last message after it is needed."""
    if link.part != WHOLE:
        return 0
    parts = 1 if source is None else source.sends.parts
    pairs = zip(uses(link, reader), arrivals(source, link, reader.stride), strict=True)
    return max(arrival + link.delay + parts - 1 - use for use, arrival in pairs)


def _balanced(
    source: Layer | None, link: Synapses, reader: Layer, period: int
) -> tuple[list[Layer], Synapses]:
    relays: list[Layer] = []
    while need := early(source, link, reader, period):
        if source is None or _delays(need, source, reader, period):
            link = dataclasses.replace(link, delay=need)
            break
        source = _hold(source, link, reader, len(relays), period)
        relays.append(source)
        link = dataclasses.replace(link, source=source.name)
    if late(source, link, reader) > 0 or link.delay > MAX_DELAY:
        raise GraphError(
            f"{reader.name}: messages of {link.source} cannot be held for {need} time steps with "
            f"{period} between frames; lengthen the interval"
        )
    return relays, link


def _delays(need: int, source: Layer, reader: Layer, period: int) -> bool:
    """Whether a delay takes less of a core than relays do."""
    relays = -(-need // _room(source, period))
    ring = need * POTENTIAL_BITS * reader.neurons
    return need <= MAX_DELAY and ring <= relays * source.neurons * (PLACE_BITS + POTENTIAL_BITS)


def _room(source: Layer, period: int) -> int:
    """Steps that a relay of what a layer sends can hold it."""
    times = source.sends.times
    return period if times == 1 else min(source.stride, period - source.stride * (times - 1))


def _hold(source: Layer, link: Synapses, reader: Layer, number: int, period: int) -> Layer:
    """A relay that fires as late as its own accumulators allow."""
    name = f"{reader.name}+hold{number}:{source.name.partition('+hold')[0]}"
    held = relay(source, name, source.sends.times)
    spikes = source.sends.binary
    most = min(uses(link, reader)) - source.sends.parts
    first = min(source.sends.first + _room(source, period), most)
    sends = Sends(first, held.steps, source.sends.parts, WHOLE, spikes)
    return _charged(dataclasses.replace(held, first=first, stride=source.stride, sends=sends))


def _charged(layer: Layer) -> Layer:
    """State bits with the ring of its delays and the register of what it sends later on."""
    ring = POTENTIAL_BITS * max((link.delay for link in layer.synapses), default=0)
    sends = layer.sends
    later = sends.parts > 1 or sends.times > layer.steps or sends.first > layer.first
    kept = (COUNT_BITS if layer.signal == COUNT else POTENTIAL_BITS) if later else 0
    return dataclasses.replace(layer, state_bits=layer.state_bits + ring + kept)
