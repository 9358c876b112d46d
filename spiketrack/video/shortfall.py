"""What a clip holds against what its header claims and what was asked for."""

from __future__ import annotations

from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.video.streams import CONVERT, Header, Tally

GUESSED = 0.95  # of a count guessed from a duration: a variable frame rate makes it wrong


def fit(name: str, held: int, frames: int | None) -> tuple[int, tuple[str, ...]]:
    """(frames to read, notes) for ``held`` frames where so many tracked ones are asked for."""
    if held == 1:
        raise ClipError(f"{name}: holds a single frame; there is nothing to track")
    if frames is None:
        return held, ()
    if held < frames:
        raise ClipError(
            f"{name}: --frames {frames} asks for {frames} frames after the first, "
            f"it holds {held - 1}"
        )
    short = f"{name}: holds {held - 1} frames after the first, not {frames}"
    return min(held, frames + 1), (short,) if held == frames else ()


def shortfall(path: Path, tally: Tally, header: Header, frames: int | None) -> tuple[str, ...]:
    """Notes on frames that are missing; ``ClipError`` where half or more are.

    Frames that an edit list hides were there; a count guessed from a duration may be off; with
    ``frames`` the clip need not be whole.
    """
    if not tally.decoded:
        raise ClipError(
            f"{path}: no frame can be decoded (codec {header.codec}); empty, truncated, or to be "
            f"converted: {CONVERT}"
        )
    claim = f"{tally.decoded} frames decode, its header claims {header.frames}"
    there = tally.decoded + tally.hidden + tally.spoilt
    if 2 * there < header.frames and not (frames is not None and frames < tally.decoded):
        raise ClipError(
            f"{path}: truncated video: {claim}; --frames {max(1, tally.decoded - 1)} takes those"
        )
    if tally.decoded >= header.frames * (1 if header.exact else GUESSED) and not tally.spoilt:
        return turned(path, tally)
    why = [f"an edit list hides {tally.hidden}"] if tally.hidden else []
    why += [f"{tally.spoilt} cannot be decoded"] if tally.spoilt else []
    return (f"{path}: {claim}{': ' if why else ''}{', '.join(why)}", *turned(path, tally))


def turned(path: Path, tally: Tally) -> tuple[str, ...]:
    """A note where the picture is turned."""
    return (f"{path}: turned by {tally.turn}° as its header asks",) if tally.turn else ()
