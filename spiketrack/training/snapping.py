"""A trained network → the same with all weights on the grid of ``grid.py``.

The integer rounding of ``rounding.py`` is carried into the weights, each convolution's gain with
it: its batch normalisation then has γ = √(σ² + ε), so it scales by 1 and only adds. What the export
computes from such a checkpoint are exactly these weights, and the counts of the float network are
those of the integer network.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from spiketrack.preprocessing import PIXEL_MEAN, PIXEL_STEP
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron
from spiketrack.training import grid
from spiketrack.training.rounding import CONVOLUTIONS, Joint, gain, norm_of, round_layer

Convolution = nn.Conv1d | nn.Conv2d
MEAN_STEP = 2.0**-10  # of running means, so that taking one away and adding it again is exact


@torch.no_grad()
def on_grid(model: SpikeTrack) -> SpikeTrack:
    """A copy in eval mode; computed in float64, held in float32.

    Gates and decays of a network with T = 1 take no part in it and stay as they are.
    """
    exact = copy.deepcopy(model).double().eval()
    joint = Joint(exact)
    several = model.config.templates > 1
    for name, module in exact.named_modules():
        if isinstance(module, CONVOLUTIONS) and (several or ".gate." not in name):
            norm_name = norm_of(exact, name)
            if norm_name is None:
                _snap_alone(joint, name, module)
            else:
                _snap(joint, name, module, exact.get_submodule(norm_name))
        elif isinstance(module, Neuron) and several:
            module.decay.fill_(grid.leak(name))
    for name, parameter in exact.named_parameters():
        if "_pos_embed" in name:
            parameter.copy_(grid.round_to(parameter, grid.embedding_grid(name)))
    return exact.float()


def _snap_alone(joint: Joint, name: str, conv: Convolution) -> None:
    """A convolution without normalisation; a gate's last bias is common to all steps."""
    conv.weight.copy_(round_layer(joint, name, conv.weight))
    assert conv.bias is not None
    if name.endswith(grid.GATE):
        conv.bias.zero_()
    else:
        conv.bias.copy_(grid.round_to(conv.bias, grid.layer_grid(name)))


def _snap(joint: Joint, name: str, conv: Convolution, norm: nn.Module) -> None:
    """A convolution and its normalisation: y = w x + b + mean - mean."""
    scale = gain(joint, name)
    assert scale is not None
    before = conv.weight.new_zeros(len(conv.weight)) if conv.bias is None else conv.bias.clone()
    weight = round_layer(joint, name, conv.weight) * scale.view(-1, *[1] * (conv.weight.dim() - 1))
    mean = (norm.running_mean - before) * scale
    bias = norm.bias - mean
    if isinstance(conv, nn.Conv2d) and name == grid.IMAGE_LAYER:
        bias = _image_bias(bias, weight, conv, joint.model.config.resolution)
    else:
        bias = grid.round_to(bias, grid.layer_grid(name))
    mean = torch.round(mean / MEAN_STEP) * MEAN_STEP
    conv.weight.copy_(weight)
    if conv.bias is not None:
        conv.bias.zero_()
    norm.running_mean.copy_(mean)
    norm.running_var.mul_(scale**2)
    norm.weight.copy_((norm.running_var + norm.eps).sqrt())
    norm.bias.copy_(bias + mean)


def _image_bias(bias: Tensor, weight: Tensor, conv: nn.Conv2d, size: int) -> Tensor:
    """The bias next to ``bias`` (C_out) that keeps the image layer's sums off the thresholds.

    In pixels a sum is a multiple of the weights' step plus a constant: the bias less Σ w m / s over
    the part of the kernel inside the image, which takes few values: one in the middle, some along
    the border. The bias puts all of them as far from multiples of the step as can be.
    """
    step = 2.0 ** grid.layer_grid(grid.IMAGE_LAYER).weights
    mean = torch.from_numpy(PIXEL_MEAN / PIXEL_STEP).to(weight.dtype)
    flat = mean[None, :, None, None].expand(1, -1, size, size)
    inside = functional.conv2d(flat, weight, stride=conv.stride, padding=conv.padding)[0].flatten(1)
    residues = (inside / step % 1).sort(1).values
    gaps = torch.cat([residues[:, 1:], residues[:, :1] + 1], 1) - residues
    widest = gaps.max(1)
    middle = residues.gather(1, widest.indices[:, None])[:, 0] + widest.values / 2
    return (torch.round(bias / step - middle) + middle) * step
