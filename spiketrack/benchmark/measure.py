"""One variant after the other: export, Lava in closed loop, then the same crops elsewhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from spiketrack.benchmark.results import (
    Detail,
    Document,
    Findings,
    Result,
    line_fit,
    quartiles,
    timed,
)
from spiketrack.benchmark.tasks import NETWORK, ONNX, ONNX_FLOAT
from spiketrack.benchmark.worker import run
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.counting import dense_mac
from spiketrack.integer.graph import Conv
from spiketrack.pipeline import export_checkpoint
from spiketrack.reference.checkpoint import Checkpoint, read_checkpoint
from spiketrack.video.boxes import Box

BRANCHES = (SEARCH, TEMPLATE)
SMALL = 1.0  # GMAC a frame: networks below it are also run for many frames
THREADS = (1, 2)
FEW = 3  # templates and crops of a backend that takes many time steps for each


@dataclass(frozen=True)
class Setting:
    """What all variants share: clip, first box, frames, threads of Lava's processes, soak.

    ``key``: which state dict, where a checkpoint holds several; ``processes``: how many of Lava's
    share a branch.
    """

    clip: Path
    box: Box
    frames: int
    threads: int
    soak: int
    key: str | None = None
    processes: str = "block"


def measure(
    checkpoints: Sequence[str],
    read: Sequence[Checkpoint],
    folder: Path,
    setting: Setting,
    tell: Callable[[str], None],
) -> Iterator[Findings]:
    """Measure every checkpoint below ``folder``; ``tell`` hears what is under way.

    After each: what was found so far, one object that grows.
    """
    findings = Findings()
    names = variant_names(checkpoints, read)
    for index, (checkpoint, name) in enumerate(zip(checkpoints, names, strict=True)):
        place = folder / str(index)
        place.mkdir()
        _Variant(checkpoint, name, place, setting, tell, findings).run()
        last = index == len(names) - 1
        if last and len({detail.giga_macs for detail in findings.details}) >= 3:
            findings.results += list(_line(findings))
        yield findings


def variant_names(paths: Sequence[str], read: Sequence[Checkpoint]) -> list[str]:
    """Published names, else those of the files; a number tells equal ones apart."""
    names: list[str] = []
    for path, checkpoint in zip(paths, read, strict=True):
        published = checkpoint.network.variant
        name = published if published != "custom" else Path(path).name.split(".")[0]
        again = sum(known.split(" #")[0] == name for known in names)
        names.append(f"{name} #{again + 1}" if again else name)
    return names


def _line(findings: Findings) -> Iterator[Result]:
    """How straight time a frame is against dense MACs over the variants."""
    lava = {r.variant: r.value for r in findings.results if _is(r, SEARCH, "lava")}
    points = [(d.giga_macs, lava[d.variant] or 0.0) for d in findings.details]
    slope, r_squared = line_fit(points)
    yield Result("all", SEARCH, "time_against_macs", value=slope, unit="ms/GMAC")
    yield Result("all", SEARCH, "time_against_macs_r_squared", ratio=r_squared)


def _is(result: Result, branch: str, measure: str) -> bool:
    return result.branch == branch and result.measure == measure


class _Variant:
    """All measurements of one checkpoint."""

    def __init__(
        self,
        checkpoint: str,
        name: str,
        folder: Path,
        setting: Setting,
        tell: Callable[[str], None],
        findings: Findings,
    ) -> None:
        self.checkpoint, self.folder, self.setting = checkpoint, folder, setting
        self.findings, self.name = findings, name
        self.tell_all = tell

    def tell(self, what: str) -> None:
        """Say what is measured of this variant."""
        self.tell_all(f"{self.name}: {what}")

    def run(self) -> None:
        """Export, Lava, then everything that repeats Lava's crops."""
        network = self._export()
        macs = sum(dense_mac(n, network.graphs[SEARCH]) for n in network.graphs[SEARCH]) / 1e9
        self.tell("Lava, closed loop")
        soak = self.setting.soak if macs < SMALL else 0
        lava = self._lava(soak)
        floats = {t: self._repeat("float", t) for t in THREADS}
        integers = {t: self._repeat("integer", t, soak=soak if t == 1 else 0) for t in THREADS}
        inlines = {t: self._repeat("inline", t) for t in THREADS}
        crops = None if macs < SMALL else FEW
        chips = {t: self._repeat("chip", t, crops) for t in THREADS}
        times = {
            "float": _better(floats),
            "integer": _better(integers),
            "inline": _better(inlines),
            "chip": _better(chips),
            "lava": {b: lava[b] for b in BRANCHES},
        }
        if macs < SMALL:
            lava_chip = self._repeat("lava-chip", 1, FEW)
            times["lava_chip"] = {b: lava_chip[b] for b in BRANCHES}
            self._value("lava_chip_memory", lava_chip["memory"] / 1e9, "GB", "both")
        for name in self._onnx_names():
            times[name] = _better({t: self._repeat(name, t) for t in THREADS})
        for branch in BRANCHES:
            self._ratios(branch, {name: measured[branch] for name, measured in times.items()})
        best = min(THREADS, key=lambda t: statistics.median(floats[t][SEARCH]))
        self._one("float_over_convolutions", _ratio(floats[best], SEARCH, "convolutions"))
        self._rest(lava)
        self._growth(lava, "lava")
        self._growth(integers[1], "integer")
        self._value(
            "chip_memory", max(chip["memory"] for chip in chips.values()) / 1e9, "GB", "both"
        )
        self.findings.details.append(
            Detail(
                self.name,
                macs,
                lava["processes"],
                lava["shares"],
                [(name, 1e3 * s) for name, s in lava["slowest"]],
                [(name, 1e3 * s) for name, s in integers[1]["layers"]],
                network.manifest.network_digest,
            )
        )

    def _export(self) -> ExportedNetwork:
        self.tell("export")
        begin = time.perf_counter()
        network = export_checkpoint(
            read_checkpoint(self.checkpoint, self.setting.key), self.folder / NETWORK
        )
        self._value("export", time.perf_counter() - begin, "s", "both")
        size = sum((self.folder / NETWORK / f"{b}.nir").stat().st_size for b in BRANCHES)
        convolutions = [n for g in network.graphs.values() for n in g if isinstance(n, Conv)]
        weights = sum(node.weight.size for node in convolutions)
        self._value("stored_bytes_per_weight", size / weights, "byte", "both")
        return network

    def _onnx_names(self) -> tuple[str, ...]:
        """Both networks in onnxruntime, where it is installed; else says what is left out."""
        if find_spec("onnx") and find_spec("onnxruntime"):
            return ONNX, ONNX_FLOAT
        self.tell("onnxruntime is not installed: its rows are left out (the extra onnx brings it)")
        return ()

    def _lava(self, soak: int) -> Document:
        setting = self.setting
        options = {
            "clip": str(setting.clip),
            "box": setting.box.as_tuple(),
            "frames": setting.frames,
            "threads": setting.threads,
            "processes": setting.processes,
            "soak": soak,
        }
        return run("lava", self.folder, options)

    def _repeat(
        self, backend: str, threads: int, most: int | None = None, soak: int = 0
    ) -> Document:
        self.tell(f"{backend}, {threads} threads" if threads > 1 else f"{backend}, 1 thread")
        options = {"backend": backend, "threads": threads, "checkpoint": self.checkpoint}
        options["key"], options["most"] = self.setting.key, most
        options["soak"] = soak
        options["layers"] = backend == "integer" and threads == 1
        return run("repeat", self.folder, options, spin=True)

    def _ratios(self, branch: str, times: dict[str, list[float]]) -> None:
        middle = {name: statistics.median(values) for name, values in times.items()}
        for name in (name for name in times if name != "float"):
            low, _, high = quartiles([v / middle["float"] for v in times[name]])
            ratio = middle[name] / middle["float"]
            self.findings.results.append(
                Result(self.name, branch, f"{name}_over_float", ratio=ratio, low=low, high=high)
            )
        for name, other in (("lava", "inline"), ("integer", ONNX_FLOAT)):
            if other in times:
                low, ratio, high = quartiles([v / middle[other] for v in times[name]])
                measure = f"{name}_over_{other}"
                self.findings.results.append(
                    Result(self.name, branch, measure, ratio=ratio, low=low, high=high)
                )
        for name, values in times.items():
            self.findings.results.append(timed(self.name, branch, name, values))

    def _rest(self, lava: Document) -> None:
        self._round_by_round("recording_over_plain", lava["recorded"], lava["plain"])
        every = "recording_every_count_over_plain"
        self._round_by_round(every, lava["recorded_fully"], lava["plain"])
        self._value("start", lava["start"], "s", "both")
        self._value("peak_memory", lava["memory"] / 1e9, "GB", "both")
        self._value("frames_per_second", lava["frames_per_second"], "1/s", SEARCH)

    def _growth(self, measured: Document, backend: str) -> None:
        if "growth" in measured:
            measure = f"{backend}_memory_growth_over_{self.setting.soak}_frames"
            self._value(measure, 100 * measured["growth"], "%", SEARCH)

    def _round_by_round(self, measure: str, above: list[float], below: list[float]) -> None:
        low, ratio, high = quartiles([a / b for a, b in zip(above, below, strict=True)])
        self.findings.results.append(
            Result(self.name, SEARCH, measure, ratio=ratio, low=low, high=high)
        )

    def _one(self, measure: str, ratio: float) -> None:
        self.findings.results.append(Result(self.name, SEARCH, measure, ratio=ratio))

    def _value(self, measure: str, value: float, unit: str, branch: str) -> None:
        self.findings.results.append(Result(self.name, branch, measure, value=value, unit=unit))


def _better(by_threads: dict[int, Document]) -> Document:
    """Of the numbers of threads the one with the smaller median, for each branch."""
    return {
        branch: min((f[branch] for f in by_threads.values()), key=statistics.median)
        for branch in BRANCHES
    }


def _ratio(times: Document, above: str, below: str) -> float:
    return float(statistics.median(times[above]) / statistics.median(times[below]))
