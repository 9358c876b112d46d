"""How each data set's own toolkit counts frames: a table, since papers' figures hang on it.

The toolkits agree on overlaps, centres and thresholds and differ in the frames whose target is
absent, hidden or has no box. Sources: the evaluation toolkits of OTB, LaSOT and GOT-10k; for
UAV123, NfS, TNL2K and TrackingNet ``calc_seq_err_robust`` of pytracking, which the tools of
OSTrack, SpikeTrack and most papers of today follow. It marks such frames with the error -1, which
is below every threshold: a hit. That is a quirk, kept because published figures hold it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What becomes of frames without a visible target.

    ``counted``: they stay in the denominator, else they are left out; if counted, they are misses
    of the overlap, and of the centre unless ``precision_hit`` or ``normalised_hit``. ``headline``:
    the figures of the data set's tables; ``said``: the rule in words.
    """

    name: str
    counted: bool
    headline: tuple[str, ...]
    said: str
    precision_hit: bool = False
    normalised_hit: bool = False


SUCCESS = ("success_auc", "precision_20")
FULL = ("success_auc", "precision_20", "normalised_precision_20")
AVERAGE = ("ao", "sr50", "sr75")
LEFT_OUT = "frames without a visible target are left out"

VISIBLE = Rule("visible", False, FULL, LEFT_OUT)
RULES = {
    "OTB": Rule("OTB", False, SUCCESS, f"OTB's toolkit, 21 thresholds; {LEFT_OUT} (OTB has none)"),
    "TC128": Rule("TC128", False, SUCCESS, f"OTB's toolkit; {LEFT_OUT}"),
    "LaSOT": Rule(
        "LaSOT", True, FULL,
        "LaSOT's toolkit: of all frames; those out of view or wholly occluded are misses",
    ),
    "GOT-10k": Rule(
        "GOT-10k", False, AVERAGE,
        "GOT-10k's toolkit: boxes cut to the frame, without the first frame and those of cover 0",
    ),
    "TrackingNet": Rule(
        "TrackingNet", True, ("success_auc", "precision_20", "normalised_precision_auc"),
        "of all frames; TrackingNet's normalised precision is the mean over 0..0.5",
    ),
    "TNL2K": Rule(
        "TNL2K", True, FULL,
        "pytracking: of all frames; those without a box are misses, in normalised precision hits",
        normalised_hit=True,
    ),
    "NfS": Rule("NfS", True, SUCCESS, "pytracking: of all frames", normalised_hit=True),
    "UAV123": Rule(
        "UAV123", True, SUCCESS,
        "UAV123's toolkit: of all frames; those without a box are misses in success, hits in "
        "precision",
        precision_hit=True, normalised_hit=True,
    ),
    "VOT": Rule(
        "VOT", False, ("ao", "success_auc"),
        f"one pass over upright boxes, of polygons the smallest, not VOT's EAO; {LEFT_OUT}",
    ),
}  # fmt: skip


def rule_of(layout: str) -> Rule:
    """The rule of a layout; frames without a visible target are left out where none is known."""
    return RULES.get(layout, VISIBLE)


def rules_said(layouts: Iterable[str]) -> list[str]:
    """What each layout is scored by, in words."""
    return [f"{layout}: {rule_of(layout).said}" for layout in dict.fromkeys(layouts)]
