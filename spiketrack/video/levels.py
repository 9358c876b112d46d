"""How pixels deeper than 8 bits become 8 bits: one rule for a whole clip.

p = round(255 (v - low) / (high - low)), cut to 0..255

unsigned whole numbers   low = 0, high = 2^b - 1 with the fewest bits b >= 8 that hold the
                         largest value of the clip
floats within 0..1       low = 0, high = 1
other floats, signed     low and high = smallest and largest finite value of the clip
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Raw = NDArray[Any]


@dataclass(frozen=True)
class Levels:
    """The value that becomes 0, the one that becomes 255, and the stored type's name."""

    low: float
    high: float
    kind: str

    def to_bytes(self, raw: Raw) -> NDArray[np.uint8]:
        """Pixels as 8 bits; what is no number becomes 0."""
        span = (self.high - self.low) or 1.0
        scaled = (raw.astype(np.float64) - self.low) * (255 / span)
        whole: NDArray[np.float64] = np.rint(np.clip(np.nan_to_num(scaled, nan=0.0), 0, 255))
        return whole.astype(np.uint8)

    def note(self, name: str) -> str:
        """What a user is told."""
        return f"{name}: {self.kind} pixels: {self.low:g}..{self.high:g} is read as 0..255"


@dataclass(frozen=True)
class Extent:
    """Smallest and largest finite value, and the widest type, of the images seen so far."""

    low: float
    high: float
    kind: np.dtype[Any]

    def joined(self, other: Extent) -> Extent:
        """Of both."""
        kind = np.promote_types(self.kind, other.kind)
        return Extent(min(self.low, other.low), max(self.high, other.high), kind)

    def levels(self) -> Levels:
        """By this module's rule."""
        if self.kind.kind == "u":
            bits = max(8, int(self.high).bit_length())
            return Levels(0, 2**bits - 1, str(self.kind))
        if self.kind.kind == "f" and self.low >= 0 and self.high <= 1:
            return Levels(0, 1, str(self.kind))
        return Levels(self.low, self.high, str(self.kind))


def extent(raw: Raw) -> Extent:
    """Of one image; 0..0 where nothing in it is finite."""
    finite = raw[np.isfinite(raw)] if raw.dtype.kind == "f" else raw
    if not finite.size:
        return Extent(0, 0, raw.dtype)
    return Extent(float(finite.min()), float(finite.max()), raw.dtype)
