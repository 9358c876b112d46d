"""In which time steps of a frame each layer works: integrates products, fires, or sends on."""

from __future__ import annotations

from spiketrack.deploy.chip.layers import Layer

Span = tuple[int, int]  # first and last step


def work_spans(layer: Layer) -> tuple[Span, ...]:
    """Steps first..last in which a layer works on one frame, apart where it rests in between.

    From the first part of a product to the firing, and from the first to the last sending.
    """
    steps: set[int] = set()
    for t in range(layer.steps):
        fired = layer.first + layer.stride * t
        steps.update(range(fired - layer.busy + 1, fired + 1))
    for t in range(layer.sends.times):
        first = layer.sends.first + layer.stride * t
        steps.update(range(first, first + layer.sends.parts))
    spans: list[Span] = []
    for step in sorted(steps):
        if spans and step == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], step)
        else:
            spans.append((step, step))
    return tuple(spans)
