"""Noise on membranes, and agreement between a crop and the same shifted by one pixel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron
from spiketrack.training.losses import cell_boxes
from spiketrack.verification.amplification import shifted

Maps = dict[str, Tensor]


class MembraneNoise:
    """Adds N(0, deviation²) to the membrane input of every population in training mode.

    ``seed`` makes it a function of the run, the step and the worker alone.
    """

    def __init__(self, model: SpikeTrack, deviation: float) -> None:
        self.deviation = deviation
        self.generator = torch.Generator()
        for module in model.modules():
            if isinstance(module, Neuron):
                module.register_forward_pre_hook(self._push)

    def seed(self, run: int, step: int, rank: int) -> None:
        """Begin the noise of one worker's share of a step."""
        self.generator.manual_seed(hash((run, step, rank)) % 2**63)

    def _push(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not module.training:
            return None
        x, *rest = inputs
        noise = torch.empty(x.shape).normal_(0, self.deviation, generator=self.generator)
        return (x + noise.to(x.dtype), *rest)


def agreement(maps: Maps, run: Callable[[Tensor], Maps], x: Tensor) -> Tensor:
    """Between the maps of search crops x (B, 3, S, S) and of x one pixel to the right.

        Σ (score - score')² / B + Σ c |box - box'| / Σ c

    Boxes, in crops, are those of each cell, those of the shifted crop moved back; c is the score
    of both together, without a gradient, so that cells without an object have no say.
    """
    other = run(shifted(x))
    scores, others = maps["score_map"], other["score_map"]
    said = ((scores - others) ** 2).sum() / len(x)
    back = torch.tensor([1 / x.shape[-1], 0.0, 0.0, 0.0])[:, None, None]
    apart = (cell_boxes(maps) - (cell_boxes(other) - back)).abs().mean(1, keepdim=True)
    weight = (scores * others).detach()
    total: Tensor = said + (apart * weight).sum() / weight.sum()
    return total
