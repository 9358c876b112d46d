"""When each layer fires and sends, in chip time steps: latency, interval, longest chain.

A message sent in one time step is integrated in the next. Counted from the step in which the host
sends the first image of a frame, a layer fires its network step t in

    first + stride · t,    first = max over sources of (first sent + steps of sending) + busy - 1

``busy`` is 1, except for products, which take one position (or key, or template) a time step: both
of their sources send those one by one in the same steps. ``stride`` is one number for a branch,
the longest that a layer of several network steps is busy with one of them, so that the templates
follow each other through the layers as frames do.

A frame may enter every ``interval`` steps, when the busiest layer is free. A count that is sent as
four binary spikes takes four steps to send.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spiketrack.deploy.chip.layers import Layer, Sends
from spiketrack.deploy.chip.loads import Readers, readers_of
from spiketrack.deploy.chip.requirements import TABLE, WHOLE, Synapses
from spiketrack.integer.graph import COUNT
from spiketrack.limits import MAX_COUNT


@dataclass(frozen=True)
class Schedule:
    """Time steps of one inference.

    ``layers``: with their times; ``chain``: the longest chain of layers; ``interval``: steps
    after which the slowest layer (``slowest``) can take the next frame; ``period``: those after
    which the next frame enters, the interval, or the latency where frames do not overlap.
    """

    layers: tuple[Layer, ...]
    chain: tuple[str, ...]
    interval: int
    slowest: str
    period: int

    @property
    def done(self) -> dict[str, tuple[int, ...]]:
        """For each layer, the time step in which each network step is complete."""
        return {
            layer.name: tuple(layer.first + layer.stride * t for t in range(layer.steps))
            for layer in self.layers
        }

    @property
    def latency(self) -> int:
        """Time steps from the image to the last layer."""
        return max((layer.last for layer in self.layers), default=0)

    @property
    def frames_in_flight(self) -> int:
        """Independent frames that a full pipeline holds; one tracked object uses one."""
        return -(-self.latency // max(self.interval, 1))


def schedule(layers: Sequence[Layer], binary: bool = False, fall_through: bool = False) -> Schedule:
    """As soon as possible, layer by layer in topological order.

    ``fall_through``: the next frame waits until this one is done.
    """
    readers = readers_of(layers)
    shapes = {layer.name: _sends(layer, readers, binary) for layer in layers}
    stride = max([1, *(_spacing(layer, shapes[layer.name]) for layer in layers)])
    timed: dict[str, Layer] = {}
    before: dict[str, str] = {}
    for layer in layers:
        ready, before[layer.name] = _ready(layer, timed, stride)
        first = ready + layer.busy - (0 if layer.synapses and _takes_parts(layer) else 1)
        sends = dataclasses.replace(shapes[layer.name], first=first)
        timed[layer.name] = dataclasses.replace(layer, first=first, stride=stride, sends=sends)
        _join(timed, layer, ready)
    slowest = max(timed.values(), key=lambda layer: (occupied(layer), layer.busy))
    interval = occupied(slowest)
    latency = max(layer.last for layer in timed.values())
    period = latency if fall_through else interval
    late = _later(timed, period)
    return Schedule(tuple(late.values()), _chain(timed, before), interval, slowest.name, period)


def occupied(layer: Layer) -> int:
    """Time steps between the first that a frame claims of a layer's neurons and the next one's."""
    working = layer.stride * (layer.steps - 1) + layer.busy
    return max(working, layer.stride * (layer.sends.times - 1) + layer.sends.parts)


def gap(layer: Layer, period: int) -> int:
    """Fewest time steps between two firings of a layer, within a frame and from one to the next."""
    if layer.steps == 1:
        return period
    return min(layer.stride, period - layer.stride * (layer.steps - 1))


def _sends(layer: Layer, readers: Readers, binary: bool) -> Sends:
    """What a layer sends; all its readers need the same (``routes.py``)."""
    links = readers.get(layer.name, [])
    if not links:
        return Sends(times=layer.steps)
    reader, link = links[0]
    if link.part == TABLE:
        return Sends(times=1, parts=link.steps, part=TABLE)
    if link.part != WHOLE:
        return Sends(times=layer.steps, parts=reader.parts, part=link.part)
    spikes = binary and layer.signal == COUNT
    times = max(layer.steps, link.steps)
    return Sends(times=times, parts=MAX_COUNT if spikes else 1, binary=spikes)


def _spacing(layer: Layer, sends: Sends) -> int:
    """Steps that one network step of a layer of several takes."""
    busy = layer.busy if layer.steps > 1 else 1
    return max(busy, sends.parts if sends.times > 1 else 1)


def _takes_parts(layer: Layer) -> bool:
    """Whether its sources send in parts, or all have to be done before it starts."""
    return layer.waits or any(link.part != WHOLE for link in layer.synapses)


def _ready(layer: Layer, timed: Mapping[str, Layer], stride: int) -> tuple[int, str]:
    """Step in which all sources have sent (parts: start to send), and the last of them.

    An Input sends in step 0. What waits takes the last network step of its sources.
    """
    ready = [(1, "")]
    for link in layer.synapses:
        source = timed.get(link.source)
        if source is None:
            ready.append((1, ""))
        elif layer.waits:
            ready.append((_complete(source) - 1, source.name))
        elif link.part == WHOLE:
            if not layer.sums:  # partial sums of its copies come when it fires
                ready.append((source.sends.first + source.sends.parts, source.name))
        else:
            ready.append((source.first, source.name))
    return max(ready)


def _complete(source: Layer) -> int:
    """Step in which the last message of a frame arrives, were it sent as soon as known."""
    if source.sends.part != WHOLE:
        return source.last + 1
    return source.first + source.stride * (source.steps - 1) + source.sends.parts


def _join(timed: dict[str, Layer], layer: Layer, start: int) -> None:
    """Both sources of a product send their parts from the same step on."""
    for link in layer.synapses:
        if link.part != WHOLE and link.source in timed:
            source = timed[link.source]
            sends = dataclasses.replace(source.sends, first=start)
            timed[link.source] = dataclasses.replace(source, sends=sends)


def _later(timed: dict[str, Layer], period: int) -> dict[str, Layer]:
    """Fire later where what is to be sent would be overwritten by the next firing's."""
    later = dict(timed)
    for name in reversed(timed):
        layer = later[name]
        held = layer.stride * (layer.steps - 1) if layer.sends.part == TABLE else 0
        wait = period if layer.sends.part == TABLE else gap(layer, period)
        need = layer.sends.first + layer.sends.parts - wait - held - layer.first
        if need <= 0:
            continue
        later[name] = dataclasses.replace(layer, first=layer.first + need)
        _join(later, layer, layer.first + need - layer.busy)
        _wait_alike(later, layer, need)
    return later


def _wait_alike(timed: dict[str, Layer], layer: Layer, need: int) -> None:
    """Copies whose partial sums a product takes work in its steps."""
    for link in layer.sums:
        copy = timed[link.source]
        sends = dataclasses.replace(copy.sends, first=copy.sends.first + need)
        timed[copy.name] = dataclasses.replace(copy, first=copy.first + need, sends=sends)


def _chain(timed: Mapping[str, Layer], before: Mapping[str, str]) -> tuple[str, ...]:
    name = max(timed, key=lambda n: timed[n].last)
    chain = []
    while name:
        chain.append(name)
        name = before[name]
    return tuple(reversed(chain))


def arrivals(source: Layer | None, link: Synapses, stride: int) -> tuple[int, ...]:
    """Steps in which the first message of each sending arrives, without a delay.

    An Input (no layer) sends its step t in time step stride · t.
    """
    first = 0 if source is None else source.sends.first
    return tuple(first + 1 + stride * t for t in range(link.steps))
