"""UAV123 labels several segments of one video: where each begins (configSeqs of its toolkit).

At 10 frames a second; in the set of 30 frames a second frame n of these is 3 (n - 1) + 1.
"""

from __future__ import annotations

from pathlib import Path

from spiketrack.video.footage import frame_number

FIRST = {
    "bird1": (1, 259, 525),
    "car1": (1, 251, 543),
    "car6": (1, 163, 603, 985, 1309),
    "car8": (1, 453),
    "car16": (1, 139),
    "group1": (1, 445, 839, 1309),
    "group2": (1, 303, 591),
    "group3": (1, 523, 943, 1457),
    "person2": (1, 397),
    "person4": (1, 501),
    "person5": (1, 293),
    "person7": (1, 417),
    "person8": (1, 359),
    "person12": (1, 201),
    "person14": (1, 283, 605),
    "person17": (1, 501),
    "person19": (1, 415, 931),
    "truck4": (1, 193),
    "uav1": (1, 519, 825),
}


def segment(name: str, slow: bool) -> tuple[str, int] | None:
    """``bird1_2`` → its video and first frame, counted from 1; None for what is no segment."""
    video, _, number = name.rpartition("_")
    firsts = FIRST.get(video, ())
    if not (number.isdecimal() and 1 <= int(number) <= len(firsts)):
        return None
    first = firsts[int(number) - 1]
    return video, first if slow else 3 * (first - 1) + 1


def part(images: tuple[Path, ...], first: int, count: int) -> tuple[Path, ...]:
    """``count`` images from the one numbered ``first`` on; by place where names have no numbers."""
    numbered = tuple(p for p in images if first <= (frame_number(p) or 0) < first + count)
    return numbered if len(numbered) == count else images[first - 1 : first - 1 + count]
