"""Frames of work from dense arrays, for the time model: steps × cores, steps × links."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spiketrack.deploy.chip.work.rows import (
    CORE_COLUMNS,
    EAST_WEST,
    LINK_COLUMNS,
    FrameWork,
)
from spiketrack.documents.rates import RATE_NAMES


def frame_work(
    steps: int,
    resident: ArrayLike = (0,),
    bits: ArrayLike | None = None,
    kinds: ArrayLike = (EAST_WEST,),
    chips: int = 1,
    interval: int | None = None,
    **amounts: ArrayLike,
) -> FrameWork:
    """``amounts``: column of cores → (steps, cores); ``bits`` (steps, links), a message each."""
    cores = np.asarray(resident, np.int64)
    rows = np.zeros((steps, len(cores), len(CORE_COLUMNS)), np.int64)
    rows[..., 0], rows[..., 1] = np.arange(steps)[:, None], np.arange(len(cores))
    for name, values in amounts.items():
        rows[..., CORE_COLUMNS.index(name)] = values
    taken = np.zeros((steps, len(np.asarray(kinds)), len(LINK_COLUMNS)), np.int64)
    taken[..., 0], taken[..., 1] = np.arange(steps)[:, None], np.arange(taken.shape[1])
    if bits is not None:
        taken[..., LINK_COLUMNS.index("bits")] = bits
        taken[..., LINK_COLUMNS.index("messages")] = np.asarray(bits) > 0
    return FrameWork(
        layers=("layer",),
        steps=steps,
        interval=interval,
        cores=rows.reshape(-1, len(CORE_COLUMNS)),
        links=taken.reshape(-1, len(LINK_COLUMNS)),
        resident=cores,
        ends=np.zeros((taken.shape[1], 4), np.int64),
        kinds=np.asarray(kinds, np.int64),
        chips=chips,
        host_in=0,
        host_out=0,
    )


def rates(**values: float) -> dict[Any, float]:
    """Rates that are 0 unless given."""
    return {**dict.fromkeys(RATE_NAMES, 0.0), **values}
