"""Convolutions of counts with int8 weights, and the counts of their populations, in one call.

y = scale · (w ∗ x) + bias in float32, exact below 2^24 as ``ranges.py`` proves, or the number of
thresholds that y reaches. Channels are last in memory. Where a kernel reaches over the edge, the
image is copied into one with a border of zeros first.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.compiled.addresses import pointer
from spiketrack.integer.compiled.compiling import compiled
from spiketrack.integer.compiled.dots import FEW, PAIR, QUAD, ROWS, dense, depthwise, supported

Longs = NDArray[np.int64]
Reals = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Weights = NDArray[np.int8]
Taps = NDArray[np.int16]

# entries of a layer's form, int64; SIZE: bytes of a result
IMAGES, HEIGHT, WIDTH, CHANNELS, OUT_HEIGHT, OUT_WIDTH, OUTPUTS = range(7)
KERNEL, STRIDE, PADDING, GROUPS, SIZE = range(7, 12)

_counts, _one_count = dense(ROWS, 2, True), dense(1, 2, True)
_membranes, _one_membrane = dense(ROWS, 2, False), dense(1, 2, False)
_few_counts, _one_few_count = dense(ROWS, 1, True), dense(1, 1, True)
_few_membranes, _one_few_membrane = dense(ROWS, 1, False), dense(1, 1, False)
_each_count, _one_each_count = depthwise(FEW, True), depthwise(1, True)
_each_membrane, _one_each_membrane = depthwise(FEW, False), depthwise(1, False)


@numba.njit  # type: ignore[untyped-decorator]
def _bordered(form: Longs, x: int, image: int, border: Bytes) -> Any:
    """The address of an image with its border of zeros, which ``border`` has already."""
    high, wide, channels, padding = form[HEIGHT], form[WIDTH], form[CHANNELS], form[PADDING]
    row = wide * channels
    source = x + image * high * row
    if border.size == 0:
        return source
    for y in range(high):
        given = numba.carray(pointer(source + y * row), (row,))
        start = ((y + padding) * (wide + 2 * padding) + padding) * channels
        border[start : start + row] = given
    return border.ctypes.data


@numba.njit  # type: ignore[untyped-decorator]
def _dense(
    form: Longs,
    rows: int,
    source: int,
    weights: Weights,
    numbers: Reals,
    limits: Reals,
    to: int,
    apart: int,
) -> None:
    """``rows`` positions in a row of the map, the channels of one set of weights."""
    step = form[STRIDE] * form[CHANNELS]
    turn = (form[WIDTH] + 2 * form[PADDING]) * form[CHANNELS]
    turns, quads, each = weights.shape
    used, level = weights.ctypes.data, limits.ctypes.data
    scale, bias = numbers[0].ctypes.data, numbers[1].ctypes.data
    counted, pair = form[SIZE] == 1, each == PAIR * QUAD
    if rows == ROWS:
        if counted and pair:
            _counts(source, step, turn, turns, quads, used, scale, bias, level, to, apart)
        elif counted:
            _few_counts(source, step, turn, turns, quads, used, scale, bias, level, to, apart)
        elif pair:
            _membranes(source, step, turn, turns, quads, used, scale, bias, level, to, apart)
        else:
            _few_membranes(source, step, turn, turns, quads, used, scale, bias, level, to, apart)
        return
    for r in range(rows):
        at, there = source + r * step, to + r * apart
        if counted and pair:
            _one_count(at, step, turn, turns, quads, used, scale, bias, level, there, apart)
        elif counted:
            _one_few_count(at, step, turn, turns, quads, used, scale, bias, level, there, apart)
        elif pair:
            _one_membrane(at, step, turn, turns, quads, used, scale, bias, level, there, apart)
        else:
            _one_few_membrane(at, step, turn, turns, quads, used, scale, bias, level, there, apart)


@numba.njit  # type: ignore[untyped-decorator]
def _depthwise(
    form: Longs,
    rows: int,
    source: int,
    weights: Taps,
    numbers: Reals,
    limits: Reals,
    to: int,
    apart: int,
) -> None:
    """``rows`` positions in a row of the map, PAIR channels."""
    channels, kernel = form[CHANNELS], form[KERNEL]
    step = form[STRIDE] * channels
    turn = (form[WIDTH] + 2 * form[PADDING]) * channels
    used, level = weights.ctypes.data, limits.ctypes.data
    scale, bias = numbers[0].ctypes.data, numbers[1].ctypes.data
    if rows == FEW and form[SIZE] == 1:
        _each_count(
            source, step, turn, kernel, channels, kernel, used, scale, bias, level, to, apart
        )
    elif rows == FEW:
        _each_membrane(
            source, step, turn, kernel, channels, kernel, used, scale, bias, level, to, apart
        )
    else:
        for r in range(rows):
            at, there = source + r * step, to + r * apart
            if form[SIZE] == 1:
                _one_each_count(
                    at, step, turn, kernel, channels, kernel, used, scale, bias, level, there, 0
                )
            else:
                _one_each_membrane(
                    at, step, turn, kernel, channels, kernel, used, scale, bias, level, there, 0
                )


@numba.njit  # type: ignore[untyped-decorator]
def _keep(spare: Bytes, rows: int, row: int, wanted: int, out: int, apart: int) -> None:
    """Of ``rows`` rows of results, ``row`` bytes each, what is wanted of them."""
    for r in range(rows):
        kept = numba.carray(pointer(out + r * apart), (wanted,))
        kept[:] = spare[r * row : r * row + wanted]


@compiled(
    "void(i8[::1], i1[:, :, :, ::1], f4[:, :, ::1], f4[::1], u1[::1], u1[::1], i8, i8)", supported()
)
def convolve(
    form: Longs,
    weights: Weights,
    numbers: Reals,
    limits: Reals,
    border: Bytes,
    spare: Bytes,
    x: int,
    out: int,
) -> None:
    """A dense convolution, or one of 1×1 in groups.

    ``weights`` (sets, kernel, quads, channels · 4): a set is LANES or PAIR channels of a group;
    ``numbers`` (sets, scale and bias, channels), zero where there is no channel; ``limits``: four
    thresholds or none; ``border``: the image with its border, empty where none is needed;
    ``spare``: results of a block that has channels too many; ``x``, ``out``: addresses of counts
    and results.
    """
    groups, outputs, size = form[GROUPS], form[OUTPUTS], form[SIZE]
    each, inside = outputs // groups, form[CHANNELS] // groups
    sets, block = weights.shape[0], weights.shape[3] // QUAD
    row = form[STRIDE] * (form[WIDTH] + 2 * form[PADDING]) * form[CHANNELS]
    places = form[IMAGES] * form[OUT_HEIGHT] * form[OUT_WIDTH]
    apart = size * outputs
    for image in range(form[IMAGES]):
        given = _bordered(form, x, image, border)
        for y in range(form[OUT_HEIGHT]):
            for z in range(0, form[OUT_WIDTH], ROWS):
                rows = min(ROWS, form[OUT_WIDTH] - z)
                place = (image * form[OUT_HEIGHT] + y) * form[OUT_WIDTH] + z
                position = given + y * row + z * form[STRIDE] * form[CHANNELS]
                for g in range(sets):
                    group, first = g // (sets // groups), g % (sets // groups) * block
                    source = position + group * inside
                    target = out + size * (place * outputs + group * each + first)
                    valid = min(block, each - first)
                    # one set: what is too much lies where the next position's results will
                    room = sets == 1 and (place + rows) * outputs + block <= places * outputs
                    if valid == block or room:
                        _dense(form, rows, source, weights[g], numbers[g], limits, target, apart)
                    else:
                        to, wide = spare.ctypes.data, size * block
                        _dense(form, rows, source, weights[g], numbers[g], limits, to, wide)
                        _keep(spare, rows, wide, size * valid, target, apart)


@compiled(
    "void(i8[::1], i2[:, :, ::1], f4[:, :, ::1], f4[::1], u1[::1], u1[::1], i8, i8)", supported()
)
def convolve_depthwise(
    form: Longs,
    weights: Taps,
    numbers: Reals,
    limits: Reals,
    border: Bytes,
    spare: Bytes,
    x: int,
    out: int,
) -> None:
    """One kernel a channel: ``weights`` (sets, taps, PAIR); the rest as in ``convolve``."""
    channels, size = form[CHANNELS], form[SIZE]
    row = form[STRIDE] * (form[WIDTH] + 2 * form[PADDING]) * channels
    places = form[IMAGES] * form[OUT_HEIGHT] * form[OUT_WIDTH]
    apart, sets = size * channels, weights.shape[0]
    for image in range(form[IMAGES]):
        given = _bordered(form, x, image, border)
        for y in range(form[OUT_HEIGHT]):
            for z in range(0, form[OUT_WIDTH], FEW):
                rows = min(FEW, form[OUT_WIDTH] - z)
                place = (image * form[OUT_HEIGHT] + y) * form[OUT_WIDTH] + z
                position = given + y * row + z * form[STRIDE] * channels
                for g in range(sets):
                    first = g * PAIR
                    source, target = position + first, out + size * (place * channels + first)
                    valid = min(PAIR, channels - first)
                    room = sets == 1 and (place + rows) * channels + PAIR <= places * channels
                    if valid == PAIR or room:
                        _depthwise(
                            form, rows, source, weights[g], numbers[g], limits, target, apart
                        )
                    else:
                        to, wide = spare.ctypes.data, size * PAIR
                        _depthwise(form, rows, source, weights[g], numbers[g], limits, to, wide)
                        _keep(spare, rows, wide, size * valid, target, apart)
