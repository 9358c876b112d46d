"""Initial weights: small residual branches, and what another checkpoint can give."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from spiketrack.reference.blocks import ConvBlock, Mlp, PositionalEmbeddings, SepConv
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron
from spiketrack.reference.retrieval import TemporalGate

BRANCH_SCALE = 0.2  # with 1.0 training stays at chance: the gradient grows through 30 branches
EMBEDDING = 0.02
GATE_PEAK, LARGE_GATE = 0.2, 100.0
FIRST_DECAY, LOW_DECAY = -1.0, -20.0
SCORE_BIAS, SIZE_BIAS, OFFSET_BIAS = -2.5, -1.1, 0.5  # a rare positive, a quarter, mid-cell
RESPONDER = re.compile(r"(.*\.seg_responder_[dp]w)\.\d+\.(.*)")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def initialise(model: SpikeTrack) -> None:
    """In place; draws from torch's generator."""
    for module in model.modules():
        if isinstance(module, PositionalEmbeddings):
            for embedding in (module.s_pos_embed, *module.t_pos_embeds):
                nn.init.normal_(embedding, std=EMBEDDING)
    for norm in branch_ends(model):
        nn.init.constant_(norm.weight, BRANCH_SCALE)
    for branch, bias in (("ctr", SCORE_BIAS), ("size", SIZE_BIAS), ("offset", OFFSET_BIAS)):
        last = model.decoder.get_submodule(f"conv5_{branch}")
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, bias)


def branch_ends(model: SpikeTrack) -> Iterator[nn.BatchNorm1d | nn.BatchNorm2d]:
    """The last batch norm of every residual branch."""
    for module in model.modules():
        ends: list[object] = []
        if isinstance(module, SepConv):
            ends = [module.pwconv2[1]]
        elif isinstance(module, ConvBlock):
            ends = [module.bn2]
        elif isinstance(module, Mlp):
            ends = [module.fc2_bn]
        elif isinstance(module, PositionalEmbeddings):
            projection = module.get_submodule("proj_conv")
            assert isinstance(projection, nn.Sequential)
            ends = [projection[1]]
        for end in ends:
            assert isinstance(end, BATCH_NORMS)
            yield end


def adopt(model: SpikeTrack, state: dict[str, Tensor]) -> int:
    """Copy every tensor of equal key and shape; returns how many were taken.

    Responders of time steps that ``state`` does not have come from its step 0.
    """
    own = model.state_dict()
    taken = 0
    with torch.no_grad():
        for key, tensor in own.items():
            match = RESPONDER.fullmatch(key)
            first = f"{match.group(1)}.0.{match.group(2)}" if match else key
            source = state.get(key, state.get(first))
            if source is not None and source.shape == tensor.shape:
                tensor.copy_(source)
                taken += 1
    return taken


@torch.no_grad()
def leave_grid(model: SpikeTrack) -> None:
    """Make what a network on the integer network's grid (``grid.py``) holds able to learn.

    There a gate's last weights are so large that the largest logit takes all, and some decays so
    low that they have no gradient. Other networks have neither.
    """
    for module in model.modules():
        if isinstance(module, TemporalGate):
            weight = module.mlp[2].weight
            if (peak := weight.abs().max()) > LARGE_GATE:
                weight.mul_(GATE_PEAK / peak)
        elif isinstance(module, Neuron):
            module.decay[module.decay < LOW_DECAY] = FIRST_DECAY


def freeze_statistics(model: SpikeTrack) -> None:
    """Backbone batch norms keep statistics and affine weights; memories and head stay trainable."""
    for name, module in model.encoder.named_modules():
        if isinstance(module, BATCH_NORMS) and not name.startswith("mrm."):
            module.eval()
            module.weight.requires_grad_(False)
            module.bias.requires_grad_(False)
