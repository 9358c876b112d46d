"""How many processes bring something: a frame's time, measured here, against what they cost."""

from __future__ import annotations

import time
from dataclasses import dataclass

from spiketrack.evaluation.work import Job, noise
from spiketrack.machine.limits import cores, memory

START = 4.0  # seconds until a process has imported torch, numba and OpenCV; bench prints it
SPARE = 0.8  # of the memory that is left
FRAMES = 3  # that are timed


@dataclass(frozen=True)
class Pace:
    """Seconds a frame, seconds to open a worker, bytes that it takes."""

    frame: float
    start: float
    memory: int


def measure(job: Job) -> Pace:
    """Open the network once and search a few crops of noise."""
    import psutil

    begin = time.perf_counter()
    with job.simulator() as simulator:
        crop = noise(simulator.config.resolution)
        opened = time.perf_counter()
        for _ in range(FRAMES):
            simulator.search(crop)
        frame = (time.perf_counter() - opened) / FRAMES
    return Pace(frame, START + opened - begin, psutil.Process().memory_info().rss)


def workers(pace: Pace, frames: int, sequences: int, there: float, room: int) -> int:
    """The fewest processes that end soonest: frames · pace / n, and a start for more than one.

    At most one a core of ``there``, one a sequence, and as many as ``room`` bytes hold.
    """
    most = max(1, min(int(there), sequences, int(SPARE * room / max(1, pace.memory))))
    wall = {n: frames * pace.frame / n + (pace.start if n > 1 else 0.0) for n in range(1, most + 1)}
    return min(wall, key=lambda n: (wall[n], n))


def advise(job: Job, frames: int, sequences: int) -> tuple[int, str]:
    """How many, and why in a line."""
    there = cores()[0]
    if sequences < 2 or there < 2:
        return 1, ""
    pace = measure(job)
    count = workers(pace, frames, sequences, there, memory()[0])
    rate = f"{frames:,} frames at {pace.frame * 1e3:.1f} ms, {pace.memory / 1e9:.1f} GB a process"
    return count, f"--workers {count} ({rate})"
