"""Loops over every neuron, compiled: counting populations and sums of what they send.

numba compiles them when this module is first imported, before any process is forked, and keeps
the result on disk. Membranes are float32 that holds integers below 2^24, so int32 takes them
exactly; the leak's product has up to 36 bits and is taken in int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from spiketrack.limits import DECAY_BITS, MAX_COUNT

Reals = NDArray[np.float32]
Bytes = NDArray[np.uint8]
TILE = 1024  # neurons that go through all steps together; their state stays in the first cache

HALF = MAX_COUNT // 2

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str) -> Callable[[Function], Function]:
    """Compile a loop for one signature, with numba's result kept on disk."""
    decorate: Callable[[Function], Function] = numba.njit(signature, cache=True)
    return decorate


@compiled("void(f4[::1], f4[::1], u1[::1])")
def count_once(u: Reals, thresholds: Reals, out: Bytes) -> None:
    """k = number of the four thresholds that u reaches, for every neuron."""
    a, b, c, d = thresholds[0], thresholds[1], thresholds[2], thresholds[3]
    for i in range(u.size):
        x = u[i]
        out[i] = np.uint8(x >= a) + np.uint8(x >= b) + np.uint8(x >= c) + np.uint8(x >= d)


@compiled("void(f4[:, ::1], i4[::1], i4, i4[::1], u1[:, ::1])")
def count_steps(
    x: Reals, thresholds: NDArray[np.int32], reset: int, decay: NDArray[np.int32], out: Bytes
) -> None:
    """u[t] = (((u[t-1] - k[t-1] · reset) · decay[t-1]) >> 12) + x[t], and k[t] as above.

    x (steps or 1, n), out (steps, n); one step of x feeds every step.
    """
    a, b, c, d = thresholds[0], thresholds[1], thresholds[2], thresholds[3]
    steps, size = out.shape
    membrane = np.empty(TILE, np.int32)
    for start in range(0, size, TILE):
        count = min(TILE, size - start)
        for t in range(steps):
            row = x[min(t, x.shape[0] - 1), start : start + count]
            now = out[t, start : start + count]
            if t == 0:
                for i in range(count):
                    membrane[i] = np.int32(row[i])
            else:
                before = out[t - 1, start : start + count]
                factor = np.int64(decay[t - 1])
                for i in range(count):
                    left = membrane[i] - np.int32(before[i]) * reset
                    leaked = (np.int64(left) * factor) >> DECAY_BITS
                    membrane[i] = np.int32(leaked) + np.int32(row[i])
            for i in range(count):
                u = membrane[i]
                now[i] = np.uint8(u >= a) + np.uint8(u >= b) + np.uint8(u >= c) + np.uint8(u >= d)


@compiled("UniTuple(i8, 4)(u1[:, ::1], i4[::1])")
def tally(rows: Bytes, fan_out: NDArray[np.int32]) -> tuple[int, int, int, int]:
    """Σ [k > 0], Σ k, Σ fan-out · [k > 0] and Σ fan-out · k over rows (positions, channels).

    ``fan_out`` has an entry a position, repeated for every step; none asks for the first two.
    """
    events = spikes = graded = spiking = np.int64(0)
    for p in range(rows.shape[0]):
        row = rows[p]
        some = total = np.int32(0)
        for c in range(row.size):
            total += np.int32(row[c])
            some += np.int32(row[c] > 0)
        events += some
        spikes += total
        if fan_out.size:
            weight = np.int64(fan_out[p % fan_out.size])
            graded += weight * some
            spiking += weight * total
    return int(events), int(spikes), int(graded), int(spiking)


@compiled("UniTuple(i8, 2)(u1[:, ::1], u1[:, ::1])")
def coincidences(k: Bytes, v: Bytes) -> tuple[int, int]:
    """Σ nnz(k) · nnz(v) and Σ (Σ k) · (Σ v) over rows of one head at one position."""
    graded = spiking = np.int64(0)
    for p in range(k.shape[0]):
        k_some = k_total = v_some = v_total = np.int32(0)
        for c in range(k.shape[1]):
            k_total += np.int32(k[p, c])
            k_some += np.int32(k[p, c] > 0)
        for c in range(v.shape[1]):
            v_total += np.int32(v[p, c])
            v_some += np.int32(v[p, c] > 0)
        graded += np.int64(k_some) * v_some
        spiking += np.int64(k_total) * v_total
    return int(graded), int(spiking)


@compiled("void(u1[:, :, ::1], i4[:, ::1], u1[:, ::1])")
def vote(counts: Bytes, weights: NDArray[np.int32], out: Bytes) -> None:
    """Σ weights[t, c] · (counts[t, p, c] - 2) > 0, for every position p and channel c."""
    steps, positions, channels = counts.shape
    total = np.empty(channels, np.int32)
    for p in range(positions):
        total[:] = 0
        for t in range(steps):
            for c in range(channels):
                total[c] += weights[t, c] * (np.int32(counts[t, p, c]) - HALF)
        for c in range(channels):
            out[p, c] = total[c] > 0
