"""Many calls of compiled loops in one: a network of small layers costs no call of Python's each."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from spiketrack.integer.compiled.addresses import (
    byte_pointer,
    long_pointer,
    pointer,
    real_pointer,
    short_pointer,
    word_pointer,
)
from spiketrack.integer.compiled.calls import (
    ADD,
    CODE,
    CONVOLVE,
    COUNT,
    COUNT_STEPS,
    DEPTHWISE,
    FIRST,
    FIRST_AT,
    LOOKED_AT,
    NUMBERS,
    OUT,
    OUT_AT,
    READ,
    SECOND,
    SECOND_AT,
)
from spiketrack.integer.compiled.compiling import compiled
from spiketrack.integer.compiled.convolution import convolve, convolve_depthwise
from spiketrack.integer.compiled.dots import supported
from spiketrack.integer.compiled.reading import read_memory, write_memory
from spiketrack.integer.loops import count_once, count_steps, largest
from spiketrack.limits import MAX_COUNT

Longs = NDArray[np.int64]

MOST_NUMBERS = 17
RIGHT = -1


@compiled("i8(i8[:, ::1], i8[::1])", supported())
def run_calls(rows: Longs, places: Longs) -> Any:
    """Make the calls of ``rows``, in order; ``places``: addresses of what they read and write.

    ``RIGHT``, or where the calls end because a count is above 4: 256 · row + the largest count.
    """
    for r in range(rows.shape[0]):
        row = rows[r]
        out = places[row[OUT]] + row[OUT_AT]
        first = places[row[FIRST]] + row[FIRST_AT]
        second = places[row[SECOND]] + row[SECOND_AT]
        n = numba.carray(long_pointer(row[NUMBERS]), (MOST_NUMBERS,))
        if row[CODE] == CONVOLVE:
            convolve(
                numba.carray(long_pointer(n[0]), (n[1],)),
                numba.carray(byte_pointer(n[2]), (n[3], n[4], n[5], n[6])),
                numba.carray(real_pointer(n[7]), (n[8], n[9], n[10])),
                numba.carray(real_pointer(n[11]), (n[12],)),
                numba.carray(pointer(n[13]), (n[14],)),
                numba.carray(pointer(n[15]), (n[16],)),
                first,
                out,
            )
        elif row[CODE] == DEPTHWISE:
            convolve_depthwise(
                numba.carray(long_pointer(n[0]), (n[1],)),
                numba.carray(short_pointer(n[2]), (n[3], n[4], n[5])),
                numba.carray(real_pointer(n[6]), (n[7], n[8], n[9])),
                numba.carray(real_pointer(n[10]), (n[11],)),
                numba.carray(pointer(n[12]), (n[13],)),
                numba.carray(pointer(n[14]), (n[15],)),
                first,
                out,
            )
        elif row[CODE] == COUNT:
            count_once(first, n[0], numba.carray(real_pointer(n[1]), (n[2],)), out)
        elif row[CODE] == COUNT_STEPS:
            count_steps(
                numba.carray(real_pointer(first), (n[0], n[1])),
                numba.carray(word_pointer(n[3]), (n[4],)),
                np.int32(n[2]),
                numba.carray(word_pointer(n[5]), (n[6],)),
                numba.carray(pointer(out), (n[0], n[1])),
            )
        elif row[CODE] == ADD:
            total = numba.carray(real_pointer(out), (n[0],))
            one = numba.carray(real_pointer(first), (n[0],))
            other = numba.carray(real_pointer(n[1] if n[1] else second), (n[0],))
            for i in range(n[0]):
                total[i] = one[i] + other[i]
        elif row[CODE] == READ:
            read_memory(
                first,
                n[0],
                numba.carray(real_pointer(second), (n[1], n[2], n[3], n[4])),
                numba.carray(real_pointer(n[5]), (n[6],)),
                numba.carray(real_pointer(n[7]), (n[8], n[9])),
                out,
            )
        else:
            write_memory(
                first,
                second,
                n[0],
                numba.carray(real_pointer(n[5]), (n[6], n[7])),
                numba.carray(real_pointer(n[8]), (n[9], n[10])),
                numba.carray(real_pointer(n[11]), (n[12],)),
                numba.carray(real_pointer(out), (n[1], n[2], n[3], n[4])),
            )
        if row[LOOKED_AT]:
            most = largest(out, row[LOOKED_AT])
            if most > MAX_COUNT:
                return r * 256 + most
    return RIGHT
