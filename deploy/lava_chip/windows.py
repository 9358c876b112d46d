"""What is looked at from outside: a window of anonymous memory into each layer's process.

A process writes what Lava's monitors or a probe on the chip would report: in which steps it fired,
what it did in each step, the values that are watched or that the host reads, and where operations
landed. Processes never read each other's windows.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spiketrack.deploy.chip.execution.activity import Work
from spiketrack.deploy.chip.execution.footprints import Footprint, Senders
from spiketrack.deploy.chip.execution.landings import Landed
from spiketrack.integer.graph import COUNT

STARTED, FINISHED = 0, 1  # time steps that a process has begun and ended
ALIGNED = 64


@dataclass(frozen=True)
class View:
    """What one window holds: ``steps`` of a run, ``fires`` a frame, values of ``shape`` and
    ``dtype`` (None: not watched), ``blocks`` and ``boxes`` of its footprint."""

    steps: int
    frames: int
    fires: int
    shape: tuple[int, ...]
    dtype: str | None
    blocks: int = 0
    boxes: int = 0

    @property
    def arrays(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Name → shape and type."""
        shapes: dict[str, tuple[tuple[int, ...], str]] = {
            "progress": ((2,), "int64"),
            "rows": ((self.steps, 6), "int64"),
            "fired": ((self.frames, self.fires), "int64"),
        }
        if self.dtype is not None:
            shapes["values"] = ((self.frames, self.fires, *self.shape), self.dtype)
        if self.blocks:
            shapes["landed"] = ((self.steps, 3, self.blocks), "int64")
            shapes["copies"] = ((self.steps, self.boxes), "int64")
        return shapes


class Window:
    """Arrays of one layer in shared memory, under the names of its ``View``."""

    def __init__(self, view: View, arrays: dict[str, NDArray[Any]]) -> None:
        self.view = view
        self.progress, self.rows, self.fired = (arrays[n] for n in ("progress", "rows", "fired"))
        self.values = arrays.get("values")
        self.landed, self.copies = arrays.get("landed"), arrays.get("copies")

    def begin(self) -> None:
        """A run begins: nothing has happened yet."""
        self.rows[:] = 0
        self.fired[:] = -1

    def did(self, step: int, work: Work) -> None:
        """What was done in a step."""
        self.rows[step] = (1, *astuple(work))

    def fire(self, step: int, frame: int, t: int, value: torch.Tensor) -> None:
        """The layer fired."""
        self.fired[frame, t] = step
        if self.values is not None:
            self.values[frame, t] = value[0].numpy()

    def place(
        self, step: int, footprint: Footprint, landed: Landed | None, sent: Senders | None
    ) -> None:
        """Where it happened; ``landed`` None: nowhere that counts, ``sent`` None: nothing."""
        if self.landed is None or self.copies is None:
            return
        self.landed[step] = 0
        self.copies[step] = 0
        if landed is not None:
            self.landed[step, :2] = footprint.landed(landed)
        if sent is not None:
            self.landed[step, 2] = footprint.in_blocks(sent)
            self.copies[step] = footprint.in_boxes(sent)


def open_windows(views: Sequence[View]) -> tuple[mmap.mmap, list[Window]]:
    """One piece of memory that forked processes share, and the windows in it."""
    places: list[dict[str, int]] = []
    end = 0
    for view in views:
        places.append({})
        for name, (shape, dtype) in view.arrays.items():
            places[-1][name] = end
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            end += -(-size // ALIGNED) * ALIGNED
    memory = mmap.mmap(-1, max(end, 1))
    windows = []
    for view, offsets in zip(views, places, strict=True):
        arrays: dict[str, NDArray[Any]] = {
            name: np.ndarray(shape, dtype, memory, offsets[name])
            for name, (shape, dtype) in view.arrays.items()
        }
        windows.append(Window(view, arrays))
    return memory, windows


def value_dtype(signal: str) -> str:
    """Counts are bytes, membranes float32 that holds integers."""
    return "uint8" if signal == COUNT else "float32"
