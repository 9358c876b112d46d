"""The normalised integer leaky integrate-and-fire neuron (NI-LIF).

    u[0] = x[0]
    u[t] = (u[t-1] - s[t-1]) * sigmoid(decay[t-1]) + x[t]        t >= 1
    s[t] = round(clip(u[t], 0, 4)) / 4                            round half to even

x, u and s are real membrane input, membrane potential and normalised spike (count / 4).
Source: SpikeTrack, arXiv 2602.23963.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spiketrack.limits import MAX_COUNT, MAX_STEPS


class Steps(NamedTuple):
    """How the leading axis of a tensor is to be read.

    All but the last ``single`` items are ``steps`` time steps of equal batch, step by step;
    the ``single`` items at the end are a batch of one time step (a search crop beside templates).
    """

    steps: int = 1
    single: int = 0


ONE_STEP = Steps()


class _Spike(torch.autograd.Function):
    """round(clip(x, 0, 4)) / 4 with a straight-through gradient inside [0, 4]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, MAX_COUNT).round_().mul_(1 / MAX_COUNT)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        # hardtanh's gradient is one vectorised pass; a boolean mask is several times slower
        scaled = grads[0] * (1 / MAX_COUNT)
        gradient: Tensor = torch.ops.aten.hardtanh_backward(  # type: ignore[attr-defined]
            scaled, x, 0.0, MAX_COUNT
        )
        return gradient


def spike(x: Tensor) -> Tensor:
    """Return round(clip(x, 0, 4)) / 4 of any shape; differentiable straight through."""
    if torch.is_grad_enabled() and x.requires_grad:
        spikes: Tensor = _Spike.apply(x)  # type: ignore[no-untyped-call]
        return spikes
    return x.clamp(0, MAX_COUNT).round_().mul_(1 / MAX_COUNT)


class Neuron(nn.Module):
    """A population of NI-LIF neurons that share three learned decays.

    ``forward(x, steps)``: x (N, ...) real, N as ``steps`` says; returns normalised spikes (N, ...).
    The state starts afresh at each call. A call is one *population*: forward hooks on these
    modules are how traces are recorded and teacher forcing replaces outputs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.full((MAX_STEPS,), -1.0))

    def forward(self, x: Tensor, steps: Steps = ONE_STEP) -> Tensor:
        """x (N, ...) real → normalised spikes (N, ...)."""
        if steps.steps == 1:
            return spike(x)
        cut = x.shape[0] - steps.single
        inputs = x[:cut].reshape(steps.steps, -1, *x.shape[1:])
        leak = torch.sigmoid(self.decay)
        u = inputs[0]
        spikes = [spike(u)]
        for t in range(1, steps.steps):
            u = (u - spikes[-1]) * leak[t - 1] + inputs[t]
            spikes.append(spike(u))
        if steps.single:
            spikes.append(spike(x[cut:]))
        return torch.cat(spikes)
