"""One branch's times: frames of work → estimates, what binds, a timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spiketrack.deploy.chip.work.rows import (
    BETWEEN_CHIPS,
    EAST_WEST,
    NORTH_SOUTH,
    WITH_HOST,
    FrameWork,
)
from spiketrack.documents.rates import LEVELS, RateTable
from spiketrack.documents.timing import (
    Binding,
    BranchTime,
    CountedWork,
    Estimate,
    EventKind,
    ModeName,
    ModeTime,
    StepActivity,
    TermTime,
)
from spiketrack.errors import ConfigError
from spiketrack.timing.model import LINKS, NANO, NOWHERE, TERMS, StepTimes, core_seconds, step_times

MOST_BINDINGS = 12
HOST_BINDS = "host input and output"


@dataclass
class Sums:
    """Of the frames of one mode, central estimate but for ``compute``."""

    compute: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(LEVELS)))
    skipped: float = 0.0
    serviced: float = 0.0
    steps: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    terms: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    bound: dict[tuple[int, int, int], list[float]] = field(
        default_factory=lambda: defaultdict(lambda: [0.0, 0.0])
    )


class BranchTimes:
    """Adds frames of one branch; ``document`` gives their mean."""

    def __init__(self, name: str, table: RateTable, events: EventKind, relays: frozenset[str]):
        self.name, self.table, self.events, self.relays = name, table, events, relays
        self.number = 0
        self.work: dict[str, float] = defaultdict(float)
        self.modes: dict[ModeName, Sums] = {}
        self.cores = np.zeros(0)
        self.steps: dict[str, NDArray[np.float64]] = {}
        self.last: FrameWork | None = None

    def add(self, work: FrameWork) -> None:
        """One frame."""
        self.number += 1
        self.last = work
        for key, value in counted(work, self.relays).items():
            self.work[key] += value
        self._mode("fall-through", work.folded(work.steps))
        if work.interval is not None:
            self._mode("pipelined", work.folded(work.interval))
        for name, values in work.by_step().items():
            self.steps[name] = self.steps.get(name, np.zeros(1)) + values
        busy = core_seconds(work, self.table.at("central"))
        self.cores = busy if not len(self.cores) else self.cores + busy

    def _mode(self, name: ModeName, work: FrameWork) -> None:
        sums = self.modes.setdefault(name, Sums())
        times = [step_times(work, self.table.at(level)) for level in LEVELS]
        sums.compute += [time.total for time in times]
        central = times[LEVELS.index("central")]
        sums.serviced += central.total
        sums.skipped += step_times(work, self.table.at("central"), idle=False).total
        if not len(sums.steps):
            sums.steps = np.zeros(work.steps)
            sums.terms = np.zeros((work.steps, len(TERMS)))
        sums.steps += central.seconds
        sums.terms[np.arange(work.steps), central.binding] += 1
        _bind(sums, central)

    def document(self) -> BranchTime:
        """Means over the frames."""
        host = [self._host("host_in", "host_in"), self._host("host_out", "host_out")]
        return BranchTime(
            name=self.name,
            inferences=self.number,
            events=self.events,
            work=CountedWork(**{key: _plain(n / self.number) for key, n in self.work.items()}),
            activity=StepActivity(
                **{name: tuple((n / self.number).tolist()) for name, n in self.steps.items()}
            ),
            host_in=host[0],
            host_out=host[1],
            terms=TERMS,
            modes=tuple(self._of(name, sums, host) for name, sums in self.modes.items()),
            core_seconds=tuple((self.cores / self.number).tolist()),
        )

    def _host(self, rate: str, values: str) -> Estimate:
        each = [self.table.at(level)[rate] * NANO for level in LEVELS]  # type: ignore[index]
        return _estimate([self.work[values] / self.number * seconds for seconds in each])

    def _of(self, name: ModeName, sums: Sums, host: Sequence[Estimate]) -> ModeTime:
        assert self.last is not None
        steps = len(sums.steps)
        compute = _estimate(sums.compute / self.number)
        through = [sum(getattr(part, level) for part in host) for level in LEVELS]
        at = [getattr(compute, level) for level in LEVELS]
        if name == "fall-through":
            latency = compute
            frame = _estimate([a + b for a, b in zip(at, through, strict=True)])
        else:
            latency = _estimate([a * self.last.steps / steps for a in at])
            frame = _estimate([max(pair) for pair in zip(at, through, strict=True)])
        if not frame.low:
            raise ConfigError(f"rates {self.table.name}: a frame takes no time; give a low barrier")
        terms = sums.terms.sum(0) / self.number
        seconds = _seconds_of_terms(sums)
        longest = int(np.argmax(seconds))
        return ModeTime(
            mode=name,
            steps=steps,
            compute=compute,
            latency=latency,
            frame=frame,
            frames_a_second=Estimate(
                low=1 / frame.high, central=1 / frame.central, high=1 / frame.low
            ),
            skipped=sums.skipped / self.number,
            serviced=sums.serviced / self.number,
            bound_by=HOST_BINDS if through[1] > at[1] else TERMS[longest],
            terms=tuple(
                TermTime(term=term, steps=_plain(n), seconds=float(s) / self.number)
                for term, n, s in zip(TERMS, terms, seconds, strict=True)
            ),
            bindings=self._bindings(sums, self.last),
            step_seconds=tuple((sums.steps / self.number).tolist()),
            step_terms=tuple(sums.terms.argmax(1).tolist()),
        )

    def _bindings(self, sums: Sums, work: FrameWork) -> tuple[Binding, ...]:
        heaviest = sorted(sums.bound.items(), key=lambda pair: -pair[1][1])[:MOST_BINDINGS]
        return tuple(
            Binding(
                term=TERMS[term],
                layer="" if layer == NOWHERE else work.layers[layer],
                place=place_name(work, term, place),
                steps=_plain(steps / self.number),
                seconds=seconds / self.number,
            )
            for (term, layer, place), (steps, seconds) in heaviest
        )


def _bind(sums: Sums, times: StepTimes) -> None:
    """Add each step to the term, layer and place that it waits for."""
    step = np.arange(len(times.binding))
    layer, place = (part[step, times.binding] for part in (times.layer, times.place))
    rows = zip(times.binding.tolist(), layer.tolist(), place.tolist(), strict=True)
    for key, seconds in zip(rows, times.seconds.tolist(), strict=True):
        entry = sums.bound[key]
        entry[0] += 1
        entry[1] += seconds


def _seconds_of_terms(sums: Sums) -> NDArray[np.float64]:
    totals = np.zeros(len(TERMS))
    for (term, _, _), (_, seconds) in sums.bound.items():
        totals[term] += seconds
    return totals


def place_name(work: FrameWork, term: int, place: int) -> str:
    """``core 12``, ``chip 0, tile 3 → 4`` or ``chip 0 → 1``; empty where nothing acts."""
    if place == NOWHERE:
        return ""
    if term != LINKS:
        return f"core {place}"
    chip, tile, other, there = work.ends[place].tolist()
    if work.kinds[place] in (EAST_WEST, NORTH_SOUTH):
        return f"chip {chip}, tile {tile} → {there}"
    return f"chip {chip} → {other}"


def counted(work: FrameWork, relays: frozenset[str]) -> dict[str, float]:
    """Sums over one frame, the keys of ``CountedWork``."""
    kinds = work.kinds[work.link("link")]
    crossing, bits = work.link("messages"), work.link("bits")
    relay = np.array([name in relays for name in work.layers])
    updates = work.core("updates")
    return {
        "updates": float(updates.sum()),
        "relay_updates": float(updates[relay[work.core("layer")]].sum()),
        "resident_updates": float(work.resident.sum() * work.steps),
        "operations": float(work.core("operations").sum()),
        "multiplications": float(work.core("multiplications").sum()),
        "words": float(work.core("words").sum()),
        "messages": float(work.core("messages").sum()),
        "copies": float(work.core("copies").sum()),
        "hops_east_west": float(crossing[kinds == EAST_WEST].sum()),
        "hops_north_south": float(crossing[kinds == NORTH_SOUTH].sum()),
        "between_chips": float(crossing[kinds == BETWEEN_CHIPS].sum()),
        "bits": float(bits[kinds != WITH_HOST].sum()),
        "host_in": float(work.host_in),
        "host_out": float(work.host_out),
    }


def _estimate(values: Sequence[float] | NDArray[np.float64]) -> Estimate:
    low, central, high = (float(value) for value in values)
    return Estimate(low=low, central=central, high=high)


def _plain(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)
