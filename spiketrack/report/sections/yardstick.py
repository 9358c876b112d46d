"""What float itself is worth, in words: integer against float32 beside float64 against float32."""

from __future__ import annotations

from spiketrack.documents.yardstick import EXPLANATION, Compared, Yardstick
from spiketrack.terminal.amounts import counted


def yardstick_text(yardstick: Yardstick) -> tuple[str, ...]:
    """The figures and the judgement, then what they mean."""
    judged = f"{yardstick.judgement}, {yardstick.meaning}"
    return (
        f"On the same crops of {counted(yardstick.frames, 'frame')}, each network with its own "
        f"counts, float32 differs from float64 in {_share(yardstick.float64)} and from integer in "
        f"{_share(yardstick.integer)}. Judged by float itself: {judged}.",
        *EXPLANATION,
    )


def _share(part: Compared) -> str:
    overlap = "" if part.median_iou is None else f" (median box IoU {part.median_iou:.3f})"
    return f"{part.mismatch_rate:.3%} of all counts{overlap}"
