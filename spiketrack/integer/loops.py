"""Loops over every neuron, compiled: counting populations and sums of what they send.

numba compiles them when this module is first imported, before any process is forked, and keeps
the result on disk where there is a place for it. Membranes are float32 that holds integers below
2^24, so int32 takes them exactly; the leak's product has up to 36 bits and is taken in int64.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.compiled.addresses import pointer, real_pointer
from spiketrack.integer.compiled.compiling import compiled
from spiketrack.limits import DECAY_BITS, MAX_COUNT

Reals = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
TILE = 1024  # neurons that go through all steps together; their state stays in the first cache

HALF = MAX_COUNT // 2


@compiled("void(i8, i8, f4[::1], i8)")
def count_once(u: int, size: int, thresholds: Reals, out: int) -> None:
    """k = number of the four thresholds that u reaches, for every neuron; u and out: addresses."""
    a, b, c, d = thresholds[0], thresholds[1], thresholds[2], thresholds[3]
    membranes = numba.carray(real_pointer(u), (size,))
    counts = numba.carray(pointer(out), (size,))
    for i in range(size):
        x = membranes[i]
        counts[i] = np.uint8(x >= a) + np.uint8(x >= b) + np.uint8(x >= c) + np.uint8(x >= d)


@compiled("i8(i8, i8)")
def largest(address: int, size: int) -> Any:
    """The largest of bytes without sign, 0 of none."""
    values = numba.carray(pointer(address), (size,))
    most = np.uint8(0)
    for i in range(size):
        most = max(most, values[i])
    return np.int64(most)


@compiled("void(f4[:, ::1], i4[::1], i4, i4[::1], u1[:, ::1])")
def count_steps(
    x: Reals,
    thresholds: NDArray[np.int32],
    reset: int | np.int32,
    decay: NDArray[np.int32],
    out: Bytes,
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


@compiled("void(i8[::1], i8[:, ::1], i4[::1], i8[::1])")
def tally_all(addresses: Longs, tallies: Longs, fans: NDArray[np.int32], values: Longs) -> None:
    """Σ [k > 0], Σ k, Σ fan-out · [k > 0] and Σ fan-out · k over counts (positions, channels).

    A row of ``tallies``: index of the address of the counts, positions, channels, first and last
    entry of its fan-outs (one a position, repeated for every step; none asks for the first two
    sums alone), and the place of the results among ``values``.
    """
    for i in range(tallies.shape[0]):
        slot, positions, channels, start, stop, place = tallies[i]
        counts = numba.carray(pointer(addresses[slot]), (positions, channels))
        fan_out = fans[start:stop]
        events = spikes = graded = spiking = np.int64(0)
        for p in range(positions):
            row = counts[p]
            some = total = np.int32(0)
            for c in range(channels):
                total += np.int32(row[c])
                some += np.int32(row[c] > 0)
            events += some
            spikes += total
            if fan_out.size:
                weight = np.int64(fan_out[p % fan_out.size])
                graded += weight * some
                spiking += weight * total
        values[place], values[place + 1] = events, spikes
        values[place + 2], values[place + 3] = graded, spiking


@compiled("void(i8[::1], i8[:, ::1], i8[::1])")
def coincide_all(addresses: Longs, pairs: Longs, values: Longs) -> None:
    """Σ nnz(k) · nnz(v) and Σ (Σ k) · (Σ v) over rows of one head at one position.

    A row of ``pairs``: indices of the addresses of k and v, rows, the lengths of a row of k and of
    v, and the place of the results among ``values``.
    """
    for i in range(pairs.shape[0]):
        k_slot, v_slot, rows, k_width, v_width, place = pairs[i]
        k = numba.carray(pointer(addresses[k_slot]), (rows, k_width))
        v = numba.carray(pointer(addresses[v_slot]), (rows, v_width))
        graded = spiking = np.int64(0)
        for p in range(rows):
            k_some = k_total = v_some = v_total = np.int32(0)
            for c in range(k_width):
                k_total += np.int32(k[p, c])
                k_some += np.int32(k[p, c] > 0)
            for c in range(v_width):
                v_total += np.int32(v[p, c])
                v_some += np.int32(v[p, c] > 0)
            graded += np.int64(k_some) * v_some
            spiking += np.int64(k_total) * v_total
        values[place], values[place + 1] = graded, spiking


@compiled("void(i8[:, ::1], i8[::1], i8[::1])")
def add_terms(terms: Longs, values: Longs, out: Longs) -> None:
    """out[target] += factor · values[source] for every row target, source, factor."""
    for i in range(terms.shape[0]):
        out[terms[i, 0]] += terms[i, 2] * values[terms[i, 1]]


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
