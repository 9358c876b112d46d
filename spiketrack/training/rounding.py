"""The integer network's rounding inside training, with a straight-through gradient.

A convolution's weight folded with its batch normalisation, w · γ / √(σ² + ε), becomes

    ŵ = clip(round(w γ / √(σ² + ε) · 2^-e), -127, 127) · 2^e · √(σ² + ε) / γ

with one exponent e an output channel (``int8.py``); the image is rounded to 2^-8. σ² is the running
variance, as at export. The gradient of ŵ is handed to w as is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call  # type: ignore[attr-defined]

from spiketrack import int8
from spiketrack.limits import IMAGE_FRACTION
from spiketrack.model import SpikeTrack
from spiketrack.training.initial import BATCH_NORMS

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


class Joint(nn.Module):
    """``SpikeTrack.joint`` as a forward pass, so that its weights can be replaced for one call.

    ``variances``: running variances to fold with, by the name of their buffer, where they are not
    the model's own (workers of a run share those of the first).
    """

    def __init__(self, model: SpikeTrack, variances: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.model = model
        self.variances = running_variances(model) if variances is None else variances

    def forward(self, z: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Templates (T, B, 3, S, S) and search crops (B·K, 3, S, S) → the three maps."""
        return self.model.joint(z, x)


def running_variances(model: SpikeTrack) -> dict[str, Tensor]:
    """The running variance of every batch normalisation, by the name of its buffer."""
    return {n: value for n, value in model.named_buffers() if n.endswith(".running_var")}


def rounded_pass(joint: Joint, z: Tensor, x: Tensor) -> dict[str, Tensor]:
    """The maps of the network with rounded weights and image; gradients reach the real weights."""
    weights = {f"model.{name}": weight for name, weight in rounded_weights(joint)}
    maps: dict[str, Tensor] = functional_call(joint, weights, (round_image(z), round_image(x)))
    return maps


def round_image(x: Tensor) -> Tensor:
    """A normalised crop on the integer network's grid."""
    steps = 2.0**IMAGE_FRACTION
    return (x * steps).round_().div_(steps)


def rounded_weights(joint: Joint) -> Iterator[tuple[str, Tensor]]:
    """Parameter name and straight-through rounded weight of every convolution."""
    for name, module in joint.model.named_modules():
        if isinstance(module, CONVOLUTIONS):
            rounded = round_weight(module.weight.detach(), _gain(joint, name))
            yield f"{name}.weight", module.weight + (rounded - module.weight).detach()


def _gain(joint: Joint, name: str) -> Tensor | None:
    """γ / √(σ² + ε) of the batch normalisation behind a convolution, if there is one."""
    parent, _, leaf = name.rpartition(".")
    norm_leaf = "1" if leaf == "0" else leaf.replace("conv", "bn")
    norm = getattr(joint.model.get_submodule(parent), norm_leaf, None)
    if not isinstance(norm, BATCH_NORMS):
        return None
    variance = joint.variances[f"{parent}.{norm_leaf}.running_var"]
    return norm.weight.detach() * torch.rsqrt(variance + norm.eps)


def round_weight(weight: Tensor, gain: Tensor | None = None) -> Tensor:
    """weight (C_out, ...) as int8 mantissa · power of two of each folded channel, unfolded again.

    A channel whose gain is 0 is left as it is.
    """
    flat = weight.flatten(1)
    scale = torch.ones_like(flat[:, :1]) if gain is None else gain[:, None]
    folded = flat * scale
    rounded = int8.nearest(folded, int8.exponents(folded))
    return torch.where(scale == 0, flat, rounded / scale).view_as(weight)
