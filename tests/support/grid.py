"""Networks on the integer network's grid, and networks on which float32 rounds visibly."""

from __future__ import annotations

import copy

from torch import nn

from spiketrack.reference.blocks import Downsample, Mlp
from spiketrack.reference.model import SpikeTrack
from spiketrack.training.initial import branch_ends
from spiketrack.training.snapping import on_grid
from support.random_graphs import tiny_model

FAR = 4096.0  # float32 has 11 binary digits behind the point there


def on_the_grid(templates: int) -> SpikeTrack:
    """``tiny_model`` on the grid, with streams as small as training leaves them."""
    model = copy.deepcopy(tiny_model(templates))
    downs = [m.encode_bn for m in model.modules() if isinstance(m, Downsample)]
    for norm, scale in [(n, 0.05) for n in branch_ends(model)] + [(n, 0.5) for n in downs]:
        norm.weight.mul_(scale)
        norm.bias.mul_(scale)
    return on_grid(model)


def rounding_visibly(templates: int) -> SpikeTrack:
    """``tiny_model`` with sums that go far away and come back: the same in real numbers."""
    model = copy.deepcopy(tiny_model(templates))
    for module in model.modules():
        if isinstance(module, Mlp):
            _move(module.fc1_conv, module.fc1_bn)
            _move(module.fc2_conv, module.fc2_bn)
        elif isinstance(module, Downsample):
            _move(module.encode_conv, module.encode_bn)
    return model


def _move(conv: nn.Conv1d | nn.Conv2d, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    assert conv.bias is not None
    assert norm.running_mean is not None
    conv.bias.add_(FAR)
    norm.running_mean.add_(FAR)
