"""Attention's products in one call each, in float32 that holds integers below 2^24: exact."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.compiled.addresses import pointer
from spiketrack.integer.compiled.compiling import compiled
from spiketrack.integer.compiled.dots import LANES, PAIR, ROWS, reals, supported

Reals = NDArray[np.float32]

_rows, _row = reals(ROWS, 2), reals(1, 2)
_few_rows, _few_row = reals(ROWS, 1), reals(1, 1)


@compiled("void(i8, i8, f4[:, :, :, ::1], f4[::1], f4[:, ::1], i8)", supported())
def read_memory(q: int, positions: int, memory: Reals, gain: Reals, room: Reals, out: int) -> None:
    """out[t, p, h, j] = gain · Σ_i q[t, p, h, i] · memory[t, h, i, j].

    ``q``: address of counts (steps, positions, heads, d), ``memory`` (steps, heads, d, e) with e
    a multiple of LANES, ``room`` (ROWS, heads · d) for counts as float32, ``out``: address of
    float32 (steps, positions, heads, e).
    """
    steps, heads, inside, each = memory.shape
    channels, outputs = heads * inside, heads * each
    scale, apart = gain.ctypes.data, 4 * outputs
    for t in range(steps):
        for p in range(0, positions, ROWS):
            rows, place = min(ROWS, positions - p), t * positions + p
            counts = numba.carray(pointer(q + place * channels), (rows * channels,))
            flat = room.reshape(-1)
            for i in range(rows * channels):
                flat[i] = np.float32(counts[i])
            for h in range(heads):
                source = room.ctypes.data + 4 * h * inside
                j = 0
                while j < each:
                    used = memory[t, h].ctypes.data + 4 * j
                    to = out + 4 * (place * outputs + h * each + j)
                    pair = j + PAIR <= each
                    if rows == ROWS and pair:
                        _rows(source, 4 * channels, inside, used, 4 * each, scale, to, apart)
                    elif rows == ROWS:
                        _few_rows(source, 4 * channels, inside, used, 4 * each, scale, to, apart)
                    else:
                        for r in range(rows):
                            at, there = source + 4 * r * channels, to + r * apart
                            if pair:
                                _row(at, 0, inside, used, 4 * each, scale, there, 0)
                            else:
                                _few_row(at, 0, inside, used, 4 * each, scale, there, 0)
                    j += PAIR if pair else LANES


@compiled("void(i8, i8, i8, f4[:, ::1], f4[:, ::1], f4[::1], f4[:, :, :, ::1])", supported())
def write_memory(
    k: int, v: int, positions: int, columns: Reals, rows: Reals, one: Reals, out: Reals
) -> None:
    """out[t, h, i, j] = Σ_p k[t, p, h, i] · v[t, p, h, j].

    ``k``, ``v``: addresses of counts (steps, positions, heads, d) and (…, e) with e a multiple of
    LANES; ``columns`` (heads · d, positions) and ``rows`` (positions, heads · e) take them as
    float32; ``one`` holds 1; ``out`` (steps, heads, d, e).
    """
    steps, heads, inside, each = out.shape
    many, wide, scale = heads * inside, heads * each, one.ctypes.data
    for t in range(steps):
        keys = numba.carray(pointer(k + t * positions * many), (positions, many))
        values = numba.carray(pointer(v + t * positions * wide), (positions, wide))
        for p in range(positions):
            for c in range(many):
                columns[c, p] = np.float32(keys[p, c])
            for c in range(wide):
                rows[p, c] = np.float32(values[p, c])
        for h in range(heads):
            for i in range(0, inside, ROWS):
                source = columns[h * inside + i].ctypes.data
                for j in range(0, each, LANES):
                    used = rows.ctypes.data + 4 * (h * each + j)
                    to = out[t, h, i].ctypes.data + 4 * j
                    pitch, apart = 4 * wide, 4 * each
                    if inside - i >= ROWS:
                        _few_rows(source, 4 * positions, positions, used, pitch, scale, to, apart)
                    else:
                        for r in range(inside - i):
                            at, there = source + 4 * positions * r, to + r * apart
                            _few_row(at, 0, positions, used, pitch, scale, there, 0)
