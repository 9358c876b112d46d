"""The one interface of all backends: encode templates, search a crop, close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from spiketrack.config import NetworkConfig

TEMPLATE, SEARCH = "template", "search"
BRANCHES = (TEMPLATE, SEARCH)
SCORE_CLAMP = 1e-4  # published: score and size stay inside [1e-4, 1 - 1e-4]

Counts = NDArray[np.int8]
Crop = NDArray[np.float32]


@dataclass(frozen=True, repr=False)
class Maps:
    """The head's answer: score (P, P), size (2, P, P) as width and height, offset (2, P, P).

    Score and size have passed the sigmoid and its clamp to [1e-4, 1 - 1e-4]; offset is raw.
    """

    score: NDArray[np.float32]
    size: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __repr__(self) -> str:
        rows, columns = self.score.shape
        return f"Maps({rows}×{columns} cells, highest score {float(self.score.max()):.3f})"


@dataclass(frozen=True, repr=False)
class Trace:
    """What one inference of one branch did.

    ``counts``: population → counts 0..4, int8 (steps, C, H, W), when full recording is on.
    ``operations``: layer → operation counts in the order of ``counting.FIELDS`` (int64 vector).
    In the chip's own time also ``times``: layer → the time step in which it computed each network
    step, and ``activity``: int64 (rows, columns) of ``deploy/chip/execution/activity.py``; where
    its cores are known also ``cores`` and ``links``, of ``deploy/chip/execution/ledger.py``.
    """

    counts: Mapping[str, Counts] = field(default_factory=dict)
    operations: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    times: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    activity: NDArray[np.int64] | None = None
    cores: NDArray[np.int64] | None = None
    links: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        return (
            f"Trace(counts of {len(self.counts)} populations, operations of "
            f"{len(self.operations)} layers)"
        )


@dataclass(frozen=True)
class Inference:
    """Maps of a search (None after encoding templates) and its trace."""

    maps: Maps | None
    trace: Trace


class Simulator(Protocol):
    """A backend. Crops are float32, normalised, channels first; those that compute in integers
    take the pixels back that a crop was made of (``integer/readout.py``).

    ``encode_template(crops (T, 3, S, S))`` computes the memory and keeps it;
    ``search(crop (3, S, S))`` reads that memory; ``close()`` frees processes and memory.
    """

    config: NetworkConfig
    name: str

    def encode_template(self, crops: Crop) -> Inference:
        """Compute and keep the memory of T templates."""

    def search(self, crop: Crop) -> Inference:
        """Run the search branch on one crop with the kept memory."""

    def close(self) -> None:
        """Free everything; may be called twice."""

    def __enter__(self) -> Self:
        """Return self."""

    def __exit__(self, *_: object) -> None:
        """Close."""


class SimulatorBase:
    """Context management that every backend shares."""

    def close(self) -> None:
        """Free everything; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
