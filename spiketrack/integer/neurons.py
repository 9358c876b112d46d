"""Populations on a CPU, exactly: membranes in float32, counts in uint8, channels last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.integer.compiled.calls import (
    COUNT,
    COUNT_STEPS,
    Call,
    Compiled,
    Place,
    described,
)
from spiketrack.integer.graph import Gate, Neuron
from spiketrack.integer.loops import count_once, count_steps, vote
from spiketrack.limits import MAX_COUNT

Kernel = Callable[[Sequence[Tensor]], Tensor]


def power_of_two_unit(node: Neuron) -> int | None:
    """The unit when it is a power of two and ties go to even: rounding then counts as exactly."""
    unit = 4 * node.reset
    power = unit > 0 and unit & (unit - 1) == 0
    ties = (unit // 2 + 1, 3 * unit // 2, 5 * unit // 2 + 1, 7 * unit // 2)
    return unit if power and node.thresholds == ties else None


def rows(x: Tensor) -> Tensor:
    """(steps, C, H, W) → (steps, H·W·C) as it lies in memory where channels are last."""
    return x.permute(0, 2, 3, 1).flatten(1).contiguous()


def maps(flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The inverse of ``rows``."""
    steps, channels, height, width = shape
    return flat.view(steps, height, width, channels).permute(0, 3, 1, 2)


def population(node: Neuron) -> Compiled[Kernel]:
    """The kernel of a population of one time step, or of several with leak and soft reset."""
    thresholds = np.array(node.thresholds, np.int32)
    limits = thresholds.astype(np.float32)
    decay = np.array(node.decay, np.int32)

    def one_step(inputs: Sequence[Tensor]) -> Tensor:
        return count(inputs[0], limits)

    def with_state(inputs: Sequence[Tensor]) -> Tensor:
        x = inputs[0]
        x = rows(x[:1] if x.stride(0) == 0 else x)  # a step that feeds every step
        counts = torch.empty(node.shape[0], x.shape[1], dtype=torch.uint8)
        count_steps(x.numpy(), thresholds, node.reset, decay, counts.numpy())
        return maps(counts, node.shape)

    steps, size = node.shape[0], math.prod(node.shape)
    if steps == 1:
        numbers = described(size, limits)
        return Compiled(one_step, (Call(COUNT, *numbers, (Place(0),), size),), True)
    numbers = described(steps, size // steps, node.reset, thresholds, decay)
    return Compiled(with_state, (Call(COUNT_STEPS, *numbers, (Place(0),), size),), True)


def count(membrane: Tensor, thresholds: NDArray[Any]) -> Tensor:
    """How many of four thresholds each membrane (steps, C, H, W) reaches."""
    x = membrane.to(torch.float32, memory_format=torch.channels_last)
    counts = torch.empty(x.shape, dtype=torch.uint8, memory_format=torch.channels_last)
    limits = np.asarray(thresholds, np.float32)
    count_once(x.data_ptr(), x.numel(), limits, counts.data_ptr())
    return counts


def gate(node: Gate) -> Kernel:
    """The kernel of the temporal gate and its population."""
    table = torch.from_numpy(node.table.astype(np.int32))
    half = float(2**node.shift // 2)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        counts, logits = inputs
        behind = logits[:, 0, :, 0]
        behind = behind.amax(0) - behind
        index = ((behind + half) * 2.0**-node.shift).floor_().clamp_(max=len(table) - 1)
        weights = table[index.long()].contiguous().numpy()
        seen = counts.to(torch.uint8).permute(0, 2, 3, 1).flatten(1, 2).contiguous()
        voted = torch.empty(seen.shape[1:], dtype=torch.uint8)
        vote(seen.numpy(), weights, voted.numpy())
        return maps(voted.flatten()[None], node.shape)

    return run


def thresholds(squared: int) -> tuple[int, int, int, int]:
    """Smallest integers u with round_half_even(u / unit) >= j, unit = sqrt(squared), j = 1..4."""
    levels = []
    for j in range(1, MAX_COUNT + 1):
        numerator = (2 * j - 1) ** 2 * squared  # (j - 1/2)^2 = (2j - 1)^2 / 4
        level = math.isqrt(numerator // 4)
        if 4 * level * level < numerator:
            level += 1  # rounding up: not a tie
        elif j % 2:
            level += 1  # a tie below an odd count goes to the even one below
        levels.append(level)
    return (levels[0], levels[1], levels[2], levels[3])
