"""A trained network → the same with all weights on the grid of ``grid.py``.

The integer rounding of ``rounding.py`` is carried into the weights, each convolution's gain with
it: its batch normalisation then has γ = √(σ² + ε), so it scales by 1 and only adds. What the export
computes from such a checkpoint are exactly these weights, and every count of the float network is
that of the integer network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from spiketrack.export.folding import SEARCH, TEMPLATE, fold
from spiketrack.export.quantise import quantise
from spiketrack.model import SpikeTrack
from spiketrack.neuron import Neuron
from spiketrack.preprocessing import MEAN, STD
from spiketrack.simulators.float_reference import FloatSimulator
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.training import grid
from spiketrack.training.rounding import CONVOLUTIONS, Joint, gain, norm_of, round_layer

MEAN_STEP = -10  # running means, so that taking one away and adding it again is exact


@torch.no_grad()
def on_grid(model: SpikeTrack) -> SpikeTrack:
    """A copy in eval mode; computed in float64, held in float32."""
    exact = copy.deepcopy(model).double().eval()
    joint = Joint(exact)
    several = model.config.templates > 1
    for name, module in exact.named_modules():
        if isinstance(module, CONVOLUTIONS):
            _snap(joint, name, module)
        elif isinstance(module, Neuron) and several:
            module.decay.fill_(grid.leak(name))
    for name, parameter in exact.named_parameters():
        if "_pos_embed" in name:
            parameter.copy_(grid.round_to(parameter, grid.embedding_steps(name)))
    return exact.float()


def differences(model: SpikeTrack, crops: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Counts of both branches that differ between float and integer network, and all compared.

    ``crops``: templates (T, 3, S, S) and a search crop (3, S, S), normalised.
    """
    graphs = {branch: quantise(fold(model, branch)) for branch in (TEMPLATE, SEARCH)}
    real = FloatSimulator(model, record=True)
    whole = IntegerSimulator(graphs, model.config, counts=True)
    found: dict[str, float] = {"differ": 0, "compared": 0}
    for z, x in crops:
        for call, crop in (("encode_template", z.numpy()), ("search", x.numpy())):
            one, other = (getattr(s, call)(crop).trace.counts for s in (real, whole))
            for name, counts in one.items():
                found["differ"] += int((counts.ravel() != other[name].ravel()).sum())
                found["compared"] += counts.size
    return found


def _snap(joint: Joint, name: str, conv: nn.Conv1d | nn.Conv2d) -> None:
    steps = grid.convolution_steps(name)
    bias = torch.zeros_like(conv.weight[:, 0].flatten(1)[:, 0]) if conv.bias is None else conv.bias
    norm_name = norm_of(joint.model, name)
    if norm_name is None:
        conv.weight.copy_(round_layer(joint, name, conv.weight))
        bias.copy_(
            torch.zeros_like(bias) if name.endswith(grid.GATE) else grid.round_to(bias, steps)
        )
        return
    norm = joint.model.get_submodule(norm_name)
    scale = gain(joint, name)
    assert scale is not None
    weight = round_layer(joint, name, conv.weight) * scale.view(-1, *[1] * (conv.weight.dim() - 1))
    mean = torch.round((norm.running_mean - bias) * scale * 2.0**-MEAN_STEP) * 2.0**MEAN_STEP
    whole = norm.bias - (norm.running_mean - bias) * scale
    if isinstance(conv, nn.Conv2d) and name == grid.IMAGE_LAYER:
        snapped = _image_bias(whole, weight, conv, joint.model.config.resolution)
    else:
        snapped = grid.round_to(whole, steps)
    bias.zero_()
    conv.weight.copy_(weight)
    norm.running_mean.copy_(mean)
    norm.running_var.mul_(scale**2)
    norm.weight.copy_((norm.running_var + norm.eps).sqrt())
    norm.bias.copy_(snapped + mean)


def _image_bias(bias: Tensor, weight: Tensor, conv: nn.Conv2d, size: int) -> Tensor:
    """A bias near to ``bias`` that keeps the image layer's sums off the thresholds.

    In pixels, a sum is a multiple of the weights' step plus a constant: the bias less Σ w m / s
    over the part of the kernel inside the image. That constant should nowhere be within an eighth
    of such a step of a multiple; of the biases in question the one with the fewest such places
    is taken.
    """
    mean = torch.tensor(MEAN, dtype=weight.dtype) / torch.tensor(STD, dtype=weight.dtype)
    flat = mean[None, :, None, None].expand(1, -1, size, size)
    inside = functional.conv2d(flat, weight, stride=conv.stride, padding=conv.padding)[0].flatten(1)
    middle = inside.median(1).values
    steps = grid.convolution_steps(grid.IMAGE_LAYER)
    step, cell = 2.0**steps.bias, 2.0**steps.weights
    first = torch.round((bias - middle) / step)
    best, fewest = bias.clone(), torch.full_like(bias, torch.inf)
    for shift in (0, 1, -1, 2):
        tried = (first + shift) * step + middle
        part = (tried[:, None] - inside) / cell
        ties = ((part - part.round()).abs() < 1 / 8).sum(1)
        better = ties < fewest
        best, fewest = torch.where(better, tried, best), torch.where(better, ties, fewest)
    return best
