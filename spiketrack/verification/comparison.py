"""Comparing two traces population by population: where they first differ, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.documents.verification import FirstDivergence
from spiketrack.inference import Trace

NOTHING = -1  # the count of a population that was not recorded


def unlike(expected: NDArray[Any], actual: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Where counts differ: everywhere if none were recorded, or another number of them."""
    if actual is None or actual.size != expected.size:
        return np.ones(expected.shape, np.bool_)
    return np.not_equal(actual.reshape(expected.shape), expected)


@dataclass
class Tally:
    """Counts compared of one population and how many differed."""

    compared: int = 0
    mismatches: int = 0


@dataclass
class Agreement:
    """What one backend showed against the integer backend, over all frames and both branches.

    ``required``: it must be exact; of another backend the differences are only measured.
    """

    backend: str
    required: bool = True
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    first: FirstDivergence | None = None
    frames: int = 0
    maps_differ: int = 0

    def add(self, branch: str, frame: int, expected: Trace, actual: Trace) -> None:
        """Compare one inference; populations in the order of the graph.

        A population that the backend did not record counts as wholly different.
        """
        for name, counts in expected.counts.items():
            tally = self.tallies.setdefault((branch, name), Tally())
            other = actual.counts.get(name)
            wrong = unlike(counts, other)
            number = int(np.count_nonzero(wrong))
            tally.compared += counts.size
            tally.mismatches += number
            if number:
                place = tuple(int(i) for i in np.argwhere(wrong)[0])
                seen = NOTHING
                if other is not None and other.size == counts.size:
                    seen = int(other.reshape(counts.shape)[place])
                self._note(branch, name, frame, place, int(counts[place]), seen, actual)

    def _note(
        self,
        branch: str,
        name: str,
        frame: int,
        place: tuple[int, ...],
        expected: int,
        found: int,
        trace: Trace,
    ) -> None:
        if self.first is None:
            times = trace.times.get(name, ())
            time = times[place[0]] if place[0] < len(times) else None
            self.first = FirstDivergence(
                backend=self.backend,
                branch=branch,
                population=name,
                frame=frame,
                step=place[0],
                index=place[1:],
                expected=expected,
                found=found,
                time_step=time,
            )

    @property
    def compared(self) -> int:
        """Counts compared in all."""
        return sum(tally.compared for tally in self.tallies.values())

    @property
    def mismatches(self) -> int:
        """Counts that differed in all."""
        return sum(tally.mismatches for tally in self.tallies.values())

    @property
    def exact(self) -> bool:
        """Something was compared and nothing differed, neither counts nor maps."""
        return self.compared > 0 and self.mismatches == 0 and self.maps_differ == 0
