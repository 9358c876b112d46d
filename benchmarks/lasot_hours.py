"""Hours that LaSOT takes on 1, 8 and 64 workers, reckoned from measured rates.

    python benchmarks/lasot_hours.py [docs/benchmarks.md]

Takes the medians of a search frame from the table that ``spiketrack bench --into`` wrote, measures
how long reading a picture of LaSOT's size and cropping it takes here, and fills the lines between
``<!-- lasot: begin -->`` and ``<!-- lasot: end -->``. A worker has one core; the table's medians
are those of one or two threads, whichever was faster, so two-thread rates are optimistic.

    hours = max(frames · pace / workers, longest · pace) / 3600 + sequences · overhead / workers
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from spiketrack.commands.views.markdown import Slot, table
from spiketrack.video.boxes import Box
from spiketrack.video.crop import take_crop
from spiketrack.video.footage import read_image

SEQUENCES, FRAMES = 280, 685_360  # LaSOT's test set (Fan et al., CVPR 2019, table 1 and text)
LONGEST = 11_397  # frames of the longest sequence of all 1,400, so no less than the test set's
OVERHEAD = 0.05  # seconds a sequence, at most
SIZE = (1280, 720)  # pixels of most of its pictures
WORKERS = (1, 8, 64)
BACKENDS = ("integer", "inline", "lava", "float")
ROW = re.compile(r"\| (\S+) \| search \| (\w+) \| ([\d.,]+) \| ms \|")
SIDES = {"nano": 128, "s256": 256, "b256": 256, "b384": 384}


def paces(text: str) -> dict[str, dict[str, float]]:
    """Variant → backend → seconds of a search frame, from the bench's table."""
    found: dict[str, dict[str, float]] = {}
    for variant, backend, value in ROW.findall(text):
        if backend in BACKENDS:
            first = found.setdefault(variant, {})  # later tables: other settings
            first.setdefault(backend, float(value.replace(",", "")) / 1e3)
    return found


def reading(folder: Path, side: int) -> float:
    """Seconds to read a picture of LaSOT's size and crop it, median of 20.

    The processor's time of one thread, so that other programs do not count.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (90, 160, 3), np.uint8)
    path = folder / "frame.jpg"
    cv2.imwrite(str(path), cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC))
    times = []
    for _ in range(21):
        begin = time.thread_time()
        take_crop(read_image(path), Box(600, 300, 120, 90), 4.0, side)
        times.append(time.thread_time() - begin)
    return statistics.median(times[1:])


def hours(pace: float, workers: int) -> float:
    """Wall time of the whole test set."""
    seconds = max(FRAMES * pace / workers, LONGEST * pace) + SEQUENCES * OVERHEAD / workers
    return seconds / 3600


def main() -> None:
    """Fill the table."""
    import tempfile

    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/benchmarks.md")
    measured = paces(path.read_text(encoding="utf-8"))
    rows, read = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for variant, by_backend in measured.items():
            side = next((s for name, s in SIDES.items() if name in variant), 256)
            read.setdefault(side, reading(Path(folder), side))
            for backend, pace in by_backend.items():
                whole = pace + read[side]
                spent = (f"{hours(whole, count):.3g}" for count in WORKERS)
                rows.append((variant, backend, f"{1e3 * whole:.1f}", *spent))
    head = (
        "variant",
        "backend",
        "ms a frame",
        *(f"hours, {n} worker{'s' * (n > 1)}" for n in WORKERS),
    )
    shown = ", ".join(f"{1e3 * s:.1f} ms for a crop of {side}" for side, s in read.items())
    measured_here = f"Reading and cropping: {shown}, processor time, median of 20 in this run."
    text = f"{measured_here}\n\n{table(head, rows)}"
    Slot(path, "lasot").fill(text)
    print(text)


if __name__ == "__main__":
    main()
