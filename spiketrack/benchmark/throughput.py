"""Frames a second of one and of two workers, their memory, and what a sequence costs on Dask.

All in one run: processes of this machine follow the same synthetic sequences, one worker alone,
two together, one alone again, so that a machine that slows down shows. Starting is not counted:
each worker follows a sequence first. On Dask a local cluster follows many short sequences; what
its workers' time holds beside following frames is the overhead.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import psutil

from spiketrack.benchmark.results import Result
from spiketrack.evaluation.driver import Driver, Task
from spiketrack.evaluation.engines import Engine, Workers
from spiketrack.evaluation.work import Job
from spiketrack.tracking.evaluation import judge
from spiketrack.tracking.ledger import Ledger
from spiketrack.tracking.sequences import Sequence, survey

SEQUENCES, FRAMES, SIZE = 8, 40, (480, 360)  # of the workers' share
SHORT, SMALL = 3, (64, 48)  # frames and pixels of the many
TARGET = 24  # pixels of the moving patch's side
Tell = Callable[[str], None]


def write_sequences(folder: Path, count: int, frames: int, size: tuple[int, int]) -> list[Sequence]:
    """OTB sequences of a patch that moves over noise; equal ones share their pictures."""
    rng = np.random.default_rng(3)
    ground = rng.integers(60, 130, (size[1], size[0], 3), np.uint8)
    patch = rng.integers(150, 255, (TARGET, TARGET, 3), np.uint8)
    first = folder / "s0000"
    (first / "img").mkdir(parents=True)
    rows = []
    for index in range(frames):
        x, y = 8 + index % (size[0] - TARGET - 8), 8 + index % (size[1] - TARGET - 8)
        frame = ground.copy()
        frame[y : y + TARGET, x : x + TARGET] = patch
        cv2.imwrite(str(first / "img" / f"{index + 1:04d}.jpg"), frame)
        rows.append(f"{x + 1},{y + 1},{TARGET},{TARGET}\n")
    (first / "groundtruth_rect.txt").write_text("".join(rows), encoding="utf-8")
    for index in range(1, count):
        shutil.copytree(first, folder / f"s{index:04d}", copy_function=_linked)
    return survey(folder).sequences


def _linked(source: str, target: str) -> str:
    Path(target).hardlink_to(source)
    return target


@dataclass
class Watched:
    """The most memory of any child, looked at whenever a driver looks for signals."""

    most: int = 0
    seen: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Bytes in memory of each Python child."""
        for child in psutil.Process().children(recursive=True):
            try:
                self.most = max(self.most, child.memory_info().rss)
            except psutil.NoSuchProcess:
                continue


def throughput(job: Job, tell: Tell) -> list[Result]:
    """Rates of one and two workers, their ratio, and the memory of the larger."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        footage = write_sequences(Path(folder) / "otb", SEQUENCES, FRAMES, SIZE)
        watched = Watched()
        rates = []
        for number, count in enumerate((1, 2, 1)):
            tell(f"{count} workers" if count > 1 else f"one worker, {number // 2 + 1} of 2")
            rates.append(_rate(job, count, footage, watched))
    one = (rates[0] + rates[2]) / 2
    results.append(Result(job.method, "both", "one worker", value=one, unit="frames/s"))
    results.append(Result(job.method, "both", "two workers", value=rates[1], unit="frames/s"))
    ratio = rates[1] / one
    low, high = (rates[1] / rate for rate in (max(rates[0], rates[2]), min(rates[0], rates[2])))
    results.append(Result(job.method, "both", "two over one", ratio=ratio, low=low, high=high))
    memory = watched.most / 1e9
    results.append(Result(job.method, "both", "memory of a worker", value=memory, unit="GB"))
    return results


def _rate(job: Job, count: int, footage: list[Sequence], watched: Watched) -> float:
    """Tracked frames a second of so many workers, each warm."""
    with Workers(job, count) as engine:
        warm = [Task(job.method, footage[0].cut(3)) for _ in range(4 * count)]
        _follow(engine, warm, watched.look)
        begin = time.perf_counter()
        frames = _follow(engine, [Task(job.method, one) for one in footage], watched.look)
        return frames / (time.perf_counter() - begin)


def _follow(engine: Engine, tasks: Iterable[Task], look: Callable[[], None]) -> int:
    frames = 0
    for done in Driver(engine, look).run(tasks):
        if done.tracked is None:
            raise AssertionError(done.reason)
        frames += len(done.tracked.boxes) - 1
    return frames


def many(job: Job, count: int, tell: Tell, workers: int = 2) -> list[Result]:
    """Short sequences through a local Dask cluster: time beside the frames, the client's memory."""
    from distributed import LocalCluster

    from spiketrack.evaluation.cluster import Cluster

    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
    ):
        tell(f"{count} sequences on Dask: writing them")
        footage = write_sequences(Path(folder) / "otb", count, SHORT, SMALL)
        ledger = Ledger([job.method], [s.name for s in footage], {"backend": job.backend})
        ledger.into(Path(folder) / "out", None)
        (Path(folder) / "out").mkdir()
        client, frames = psutil.Process(), 0.0
        memory: list[int] = []
        with Cluster(job, cluster.scheduler_address) as engine:
            warm = [Task(job.method, footage[0]) for _ in range(4 * workers)]
            _follow(engine, warm, lambda: None)
            tell(f"{count} sequences on Dask")
            begin = time.perf_counter()
            for done in Driver(engine).run(Task(job.method, one) for one in footage):
                if done.tracked is None:
                    raise AssertionError(done.reason)
                frames += sum(done.tracked.times)
                ledger.add(job.method, judge(done.task.sequence, done.tracked))
                memory.append(client.memory_info().rss)
            wall = time.perf_counter() - begin
    there = len(ledger.document().sequences)
    settled = memory[len(memory) // 4]  # the window of tasks under way is full by then
    overhead = 1e3 * (wall * workers - frames) / count
    return [
        Result(job.method, "both", "sequences on Dask", value=float(there), unit=f"of {count}"),
        Result(job.method, "both", "seconds for all", value=wall, unit="s"),
        Result(job.method, "both", "overhead a sequence and worker", value=overhead, unit="ms"),
        Result(job.method, "both", "overhead a sequence", value=overhead / workers, unit="ms"),
        Result(
            job.method, "both", "growth of the client, last three quarters",
            value=100 * (memory[-1] / settled - 1), unit="%",
        ),
        Result(job.method, "both", "memory of the client", value=memory[-1] / 1e9, unit="GB"),
    ]  # fmt: skip
