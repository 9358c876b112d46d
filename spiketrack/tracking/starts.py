"""Runs from other starts: OTB's spatial and temporal robustness, and shifts of one pixel.

- ``ope``: one pass, the given box in the first frame;
- ``sre``: twelve boxes in the first frame: moved by a tenth of the target's size to four sides,
  one corner pulled out by a tenth (four), 0.8, 0.9, 1.1 and 1.2 times as large; whole pixels, cut
  to the frame;
- ``tre``: twenty starts spread over the frames, each to the end, none shorter than 20 frames;
- ``pixel``: the given box and the same one pixel left, right, up and down.

Several, ``sre,tre``, are run one after the other; ``sre`` and ``pixel`` name their starts alike.

Source: Wu et al., "Object Tracking Benchmark", and its toolkit's ``shiftInitBB`` and
``split_seq_TRE``. Its Python port moves the width where a box goes down; here it is y.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from spiketrack.errors import ClipError, ConfigError
from spiketrack.tracking.sequences import Sequence
from spiketrack.video.boxes import Box
from spiketrack.video.footage import read_image

PROTOCOLS = ("ope", "sre", "tre", "pixel")
TWINS = {"sre", "pixel"}  # both have a start named left
SEGMENTS, SHORTEST = 20, 20  # of TRE
SEGMENT = "segment-"
SIDES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
CORNERS = {
    "top-left": (-1, -1), "top-right": (1, -1), "bottom-left": (-1, 1), "bottom-right": (1, 1),
}  # fmt: skip
SCALES = {"scale-0.8": 0.8, "scale-0.9": 0.9, "scale-1.1": 1.1, "scale-1.2": 1.2}


def parse_starts(text: str) -> tuple[str, ...]:
    """``sre,tre`` → protocols, each once; ``ConfigError`` for what is none, or twins."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= set(PROTOCOLS):
        raise ConfigError(f"--starts {text}: choose one of {', '.join(PROTOCOLS)}")
    if set(names) >= TWINS:
        raise ConfigError(f"--starts {text}: sre and pixel name starts alike; evaluate them apart")
    return names


def expand(sequence: Sequence, starts: str) -> list[Sequence]:
    """The runs of a sequence under protocols, named ``NAME@START``; ``ope`` is the sequence.

    One too short for ``tre`` has the others' runs, which say so; ``ClipError`` where there are
    none. ``ConfigError`` for an unknown protocol.
    """
    runs: list[Sequence] = []
    short: list[str] = []
    for protocol in parse_starts(starts):
        try:
            runs += _runs(sequence, protocol)
        except ClipError as error:
            short.append(str(error))
    if not runs:
        raise ClipError(short[0])
    return [dataclasses.replace(run, notes=(*run.notes, *short)) for run in runs] if short else runs


def _runs(sequence: Sequence, protocol: str) -> list[Sequence]:
    if protocol == "ope":
        return [sequence]
    if protocol == "tre":
        return segments(sequence)
    if protocol == "pixel":
        boxes = {"given": sequence.start}
        boxes |= {name: sequence.start.moved(*step) for name, step in SIDES.items()}
    else:
        height, width = read_image(sequence.images[0]).shape[:2]
        boxes = shifted(sequence.start, width, height)
    return [_run(sequence, name, given=box) for name, box in boxes.items()]


def protocol_of(begins: str, starts: str) -> str:
    """Which of the protocols of ``starts`` a run of this start belongs to."""
    if not begins:
        return "ope"
    if begins.startswith(SEGMENT):
        return "tre"
    return "pixel" if "pixel" in parse_starts(starts) else "sre"


def _run(sequence: Sequence, begins: str, **changes: object) -> Sequence:
    named = {"name": f"{sequence.name}@{begins}", "of": sequence.name, "begins": begins}
    return dataclasses.replace(sequence, **named, **changes)  # type: ignore[arg-type]


def shifted(box: Box, width: int, height: int) -> dict[str, Box]:
    """The twelve boxes of SRE, by name."""
    one = box.moved(1, 1)  # the toolkit counts pixels from 1
    boxes = {name: _moved(one, *side) for name, side in SIDES.items()}
    boxes |= {name: _pulled(one, *corner) for name, corner in CORNERS.items()}
    boxes |= {name: _scaled(one, factor) for name, factor in SCALES.items()}
    return {name: _cut(start, width, height).moved(-1, -1) for name, start in boxes.items()}


def _whole(value: float) -> float:
    """Halves away from 0, as Matlab rounds."""
    return float(np.copysign(np.floor(abs(value) + 0.5), value))


def _moved(box: Box, dx: int, dy: int) -> Box:
    return box.moved(dx * _whole(0.1 * box.w + 0.5), dy * _whole(0.1 * box.h + 0.5))


def _pulled(box: Box, dx: int, dy: int) -> Box:
    x, w = _stretched(box.x, box.w, dx)
    y, h = _stretched(box.y, box.h, dy)
    return Box(x, y, w, h)


def _stretched(start: float, size: float, side: int) -> tuple[float, float]:
    """One end moved outwards by a tenth, to a whole pixel."""
    last = start + size - 1
    if side < 0:
        start = _whole(start - 0.1 * size)
    else:
        last = _whole(last + 0.1 * size)
    return start, last - start + 1


def _scaled(box: Box, factor: float) -> Box:
    (cx, cy), w, h = box.centre, factor * box.w, factor * box.h
    return Box(*map(_whole, (cx - w / 2, cy - h / 2, w, h)))


def _cut(box: Box, width: int, height: int) -> Box:
    x, y = max(box.x, 1.0), max(box.y, 1.0)
    return Box(x, y, min(box.w, width - x + 1), min(box.h, height - y + 1))


def segments(sequence: Sequence) -> list[Sequence]:
    """The runs of TRE: starts floor(1 + k E / 19), k = 0..18, and E, of the E usable frames.

    A frame is usable where its target is visible, lies at positive pixels, and 20 frames are left.
    """
    count = len(sequence.boxes)
    inside = (sequence.boxes[:, :2] + 1 > 0).all(axis=1)
    usable = np.flatnonzero(sequence.visible & inside)
    usable = usable[count - usable >= SHORTEST]
    if not len(usable):
        raise ClipError(f"{sequence.name}: has no start for TRE with {SHORTEST} frames after it")
    steps = 1 + np.arange(SEGMENTS - 1) * len(usable) / (SEGMENTS - 1)
    places = [int(step) for step in steps if step < len(usable)] + [len(usable)]
    starts = dict.fromkeys(int(usable[place - 1]) for place in places)
    return [_from(sequence, number, first) for number, first in enumerate(starts, 1)]


def _from(sequence: Sequence, number: int, first: int) -> Sequence:
    return _run(
        sequence,
        f"{SEGMENT}{number:02d}",
        images=sequence.images[first:],
        boxes=sequence.boxes[first:],
        visible=sequence.visible[first:],
    )
