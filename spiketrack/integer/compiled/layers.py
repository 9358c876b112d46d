"""Layers packed for the compiled convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.integer.compiled import convolution as loops
from spiketrack.integer.compiled.calls import (
    CONVOLVE,
    DEPTHWISE,
    Call,
    Compiled,
    Place,
    described,
)
from spiketrack.integer.compiled.dots import LANES, PAIR, QUAD, ROWS

SLACK = PAIR  # bytes that a block may read behind the last count


def packed(
    weight: Tensor,
    scale: Tensor,
    bias: Tensor,
    size: tuple[int, ...],
    place: tuple[int, int, int],
    thresholds: tuple[int, ...] = (),
) -> Compiled[Callable[[Tensor], Tensor]]:
    """y = scale · (w ∗ x) + bias, or how many ``thresholds`` y reaches, for x (N, I, H, W) uint8.

    ``weight`` (O, I / groups, k, k) int8, ``size`` the shape of x, which lies channels last;
    ``place``: stride, padding, groups. y is float32, counts are uint8, both channels last.
    """
    stride, padding, groups = place
    images, inputs, height, width = size
    outputs, inside, kernel, _ = weight.shape
    high, wide = ((edge + 2 * padding - kernel) // stride + 1 for edge in (height, width))
    item = 1 if thresholds else 4
    form = np.array(
        [images, height, width, inputs, high, wide, outputs, kernel, stride, padding, groups, item],
        np.int64,
    )
    alone = inside == 1 and outputs == groups
    sets = 1 if alone else groups
    block = LANES if outputs // sets <= LANES and not alone else PAIR
    exact_reads = not padding and inside * kernel % QUAD == 0 and not (alone and inputs % PAIR)
    room = (height + 2 * padding) * (width + 2 * padding) * inputs + SLACK
    arrays = (
        form,
        _taps(weight) if alone else _quads(weight, groups, block),
        _numbers(scale, bias, sets, block),
        np.array(thresholds, np.float32),
        np.zeros(0 if exact_reads else room, np.uint8),
        np.empty(ROWS * 4 * PAIR, np.uint8),
    )
    run: Any = loops.convolve_depthwise if alone else loops.convolve
    shape = (images, outputs, high, wide)
    kind = torch.uint8 if thresholds else torch.float32
    whole = torch.Size(size)

    def convolve(x: Tensor) -> Tensor:
        if x.shape != whole:
            return other(x)
        out = torch.empty(shape, dtype=kind, memory_format=torch.channels_last)
        run(*arrays, x.data_ptr(), out.data_ptr())
        return out

    def other(x: Tensor) -> Tensor:
        """As many images as there are; addresses allow no other size."""
        if x.shape[1:] != whole[1:]:
            raise ValueError(f"a layer packed for {size} was given {tuple(x.shape)}")
        again = (len(x), *size[1:])
        made: Tensor = packed(weight, scale, bias, again, place, thresholds)(x)
        return made

    written = images * outputs * high * wide * item
    call = Call(DEPTHWISE if alone else CONVOLVE, *described(*arrays), (Place(0),), written)
    return Compiled(convolve, (call,), bool(thresholds))


def _numbers(scale: Tensor, bias: Tensor, groups: int, block: int) -> NDArray[np.float32]:
    """(sets, 2, channels of a set)."""
    both = torch.stack([scale, bias]).numpy().reshape(2, groups, -1)
    sets = -(-both.shape[2] // block)
    wide = np.zeros((2, groups, sets * block), np.float32)
    wide[:, :, : both.shape[2]] = both
    return np.ascontiguousarray(wide.reshape(2, groups * sets, block).transpose(1, 0, 2))


def _taps(weight: Tensor) -> NDArray[np.int16]:
    """(sets, taps, PAIR)."""
    rows = weight.flatten(1).T.numpy()
    sets = -(-rows.shape[1] // PAIR)
    wide = np.zeros((len(rows), sets * PAIR), np.int16)
    wide[:, : rows.shape[1]] = rows
    return np.ascontiguousarray(wide.reshape(len(rows), sets, PAIR).transpose(1, 0, 2))


def _quads(weight: Tensor, groups: int, block: int) -> NDArray[np.int8]:
    """(sets, kernel, quads, channels of a set · 4): a row of the kernel by fours."""
    outputs, inside, kernel, _ = weight.shape
    each = outputs // groups
    rows = weight.permute(0, 2, 3, 1).reshape(groups, each, kernel, kernel * inside).numpy()
    sets, quads = -(-each // block), -(-kernel * inside // QUAD)
    wide = np.zeros((groups, sets * block, kernel, quads * QUAD), np.int8)
    wide[:, :each, :, : kernel * inside] = rows
    parts = wide.reshape(groups, sets, block, kernel, quads, QUAD).transpose(0, 1, 3, 4, 2, 5)
    return np.ascontiguousarray(parts.reshape(groups * sets, kernel, quads, -1))
