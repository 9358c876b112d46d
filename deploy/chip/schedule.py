"""When each layer is done, in chip time steps: latency, interval between frames, longest chain.

A message sent in one time step is integrated in the next, so a layer is done ``busy`` steps after
its last source, and after its own previous network step:

    done[t] = max(done of the sources at their step, done[t - 1]) + busy

``busy`` is 1, except for products, which take one position (or key, or template) a time step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spiketrack.deploy.chip.layers import Layer


@dataclass(frozen=True)
class Schedule:
    """Time steps of one inference.

    ``done``: for each layer, the time step at which each network step is complete; ``chain``: the
    longest chain of layers; ``interval``: steps after which the slowest layer (``slowest``) can
    take the next frame.
    """

    done: dict[str, tuple[int, ...]]
    chain: tuple[str, ...]
    interval: int
    slowest: str

    @property
    def latency(self) -> int:
        """Time steps from the image to the last layer."""
        return max((steps[-1] for steps in self.done.values()), default=0)

    @property
    def frames_in_flight(self) -> int:
        """Independent frames that a full pipeline holds; one tracked object uses one."""
        return -(-self.latency // max(self.interval, 1))


def schedule(layers: Sequence[Layer]) -> Schedule:
    """As soon as possible, layer by layer in topological order."""
    done: dict[str, tuple[int, ...]] = {}
    before: dict[str, str] = {}
    for layer in layers:
        steps: list[int] = []
        for step in range(layer.steps):
            ready, source = _ready(layer, step, done)
            if not steps or ready >= steps[-1]:
                before[layer.name] = source
            steps.append(max([ready, *steps[-1:]]) + layer.busy)
        done[layer.name] = tuple(steps)
    slowest = max(layers, key=_occupied)
    return Schedule(done, _chain(done, before), _occupied(slowest), slowest.name)


def _occupied(layer: Layer) -> int:
    return layer.steps * layer.busy


def _ready(layer: Layer, step: int, done: dict[str, tuple[int, ...]]) -> tuple[int, str]:
    """When the last source has sent, and which; an Input sends its step t at time step t."""
    found = []
    for link in layer.synapses:
        if link.source not in done:
            found.append((step, ""))
            continue
        sent = done[link.source]
        last = layer.waits or step >= len(sent)
        found.append((sent[-1] if last else sent[step], link.source))
    return max(found)


def _chain(done: dict[str, tuple[int, ...]], before: dict[str, str]) -> tuple[str, ...]:
    name = max(done, key=lambda n: done[n][-1])
    chain = []
    while name:
        chain.append(name)
        name = before[name]
    return tuple(reversed(chain))
