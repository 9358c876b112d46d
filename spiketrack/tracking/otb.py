"""Where the sequences of OTB-100 start and end (configSeqs of its toolkit, pytracking's list)."""

from __future__ import annotations

from pathlib import Path

from spiketrack.video.footage import frame_number

OTB_RANGES = {
    "BlurCar1": (247, 988),
    "BlurCar3": (3, 359),
    "BlurCar4": (18, 397),
    "David": (300, 770),
    "Diving": (1, 215),
    "Football1": (1, 74),
    "Freeman3": (1, 460),
    "Freeman4": (1, 283),
}
OTB_OMITTED = {"Tiger1": (354, 5)}  # boxes of the whole sequence; of these, first ones left out


def ranged(name: str, images: tuple[Path, ...], boxes: int) -> tuple[Path, ...]:
    """The images that a sequence's boxes belong to, where they label a part of it.

    The range counts the numbers in the images' names; where these do not tell, the images.
    """
    first, last = OTB_RANGES.get(name.partition(".")[0], (1, 0))
    if not boxes == last - first + 1 < len(images):
        return images
    part = tuple(p for p in images if first <= (frame_number(p) or 0) <= last)
    return part if len(part) == boxes else images[first - 1 : last]


def omitted(name: str, boxes: int) -> int:
    """How many of the first frames do not take part."""
    whole, first = OTB_OMITTED.get(name, (0, 0))
    return first if boxes == whole else 0
