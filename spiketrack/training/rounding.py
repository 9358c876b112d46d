"""The integer network's rounding inside training, with a straight-through gradient.

A convolution's weight folded with its batch normalisation, w · γ / √(σ² + ε), becomes

    ŵ = clip(round(w γ / √(σ² + ε) · 2^-e), -127, 127) · 2^e · √(σ² + ε) / γ

with one exponent e an output channel (``int8.py``), at least that of ``grid.py``; the image layer's
weights are rounded in units of a pixel. σ² is the running variance, as at export. Leaks are those
of ``grid.py``. The gradient of ŵ is handed to w as is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call  # type: ignore[attr-defined]

from spiketrack.integer import int8
from spiketrack.limits import WEIGHT_MAX
from spiketrack.preprocessing import PIXEL_STEP
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron
from spiketrack.training import grid
from spiketrack.training.initial import BATCH_NORMS

SMALLEST = 1e-9  # stands for the largest of a gate's weights that are all 0
GATE_SCALE = 2.0**14  # how much larger a gate's logits are on the grid: 127 steps of 2^7
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
    """The maps of the network with rounded weights and leaks; gradients reach the real weights."""
    values = {f"model.{name}": value for name, value in rounded_parameters(joint)}
    maps: dict[str, Tensor] = functional_call(joint, values, (z, x))
    return maps


def rounded_parameters(joint: Joint) -> Iterator[tuple[str, Tensor]]:
    """Name and straight-through rounded value of every convolution's weight and of all decays."""
    several = joint.model.config.templates > 1
    for name, module in joint.model.named_modules():
        if isinstance(module, CONVOLUTIONS):
            real = module.weight * GATE_SCALE if name.endswith(grid.GATE) else module.weight
            rounded = round_layer(joint, name, module.weight.detach())
            yield f"{name}.weight", real + (rounded - real).detach()
        elif isinstance(module, Neuron) and several:
            yield f"{name}.decay", torch.full_like(module.decay, grid.leak(name))


def round_layer(joint: Joint, name: str, weight: Tensor) -> Tensor:
    """The weight (C_out, ...) of the convolution ``name`` on its grid.

    The gate's last weights are only known up to a factor, which makes the largest one 127 steps.
    """
    least = grid.layer_grid(name).weights
    if name.endswith(grid.GATE):
        peak = weight.abs().max().clamp(min=SMALLEST)
        return torch.round(weight / peak * WEIGHT_MAX) * 2.0**least
    units = torch.ones(weight.shape[1], dtype=weight.dtype)
    if name == grid.IMAGE_LAYER:
        units = torch.from_numpy(PIXEL_STEP).to(weight.dtype)
    units = units.view(1, -1, *[1] * (weight.dim() - 2))
    return round_weight(weight / units, gain(joint, name), least) * units


def gain(joint: Joint, name: str) -> Tensor | None:
    """γ / √(σ² + ε) of the batch normalisation behind a convolution, if there is one."""
    norm_name = norm_of(joint.model, name)
    if norm_name is None:
        return None
    norm = joint.model.get_submodule(norm_name)
    variance = joint.variances[f"{norm_name}.running_var"]
    scale: Tensor = norm.weight.detach() * torch.rsqrt(variance + norm.eps)
    return scale


def norm_of(model: SpikeTrack, name: str) -> str | None:
    """Name of the batch normalisation behind the convolution ``name``."""
    parent, _, leaf = name.rpartition(".")
    norm_leaf = "1" if leaf == "0" else leaf.replace("conv", "bn")
    norm = getattr(model.get_submodule(parent), norm_leaf, None)
    return f"{parent}.{norm_leaf}" if isinstance(norm, BATCH_NORMS) else None


def round_weight(weight: Tensor, scales: Tensor | None = None, least: int = -64) -> Tensor:
    """weight (C_out, ...) as int8 mantissa · power of two of each folded channel, unfolded again.

    Exponents are at least ``least``. A channel whose scale is 0 is left as it is.
    """
    flat = weight.flatten(1)
    scale = torch.ones_like(flat[:, :1]) if scales is None else scales[:, None]
    folded = flat * scale
    rounded = int8.nearest(folded, int8.exponents(folded).clamp(min=least))
    return torch.where(scale == 0, flat, rounded / scale).view_as(weight)
