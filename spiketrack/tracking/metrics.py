"""Accuracy of a tracker on one sequence, by the definitions of OTB, LaSOT, TrackingNet and GOT-10k.

Boxes are float arrays (N, 4) of x, y, w, h. Sources: Wu et al., "Object Tracking Benchmark"
(success, precision); Müller et al., "TrackingNet", and Fan et al., "LaSOT" (normalised
precision); Huang et al., "GOT-10k" (AO, SR) with its toolkit's conventions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ClipError
from spiketrack.tracking.rules import VISIBLE, Rule

Floats = NDArray[np.float64]

IOU_THRESHOLDS: Floats = np.linspace(0, 1, 21)  # OTB: 0, 0.05 … 1
PIXEL_THRESHOLDS: Floats = np.arange(51.0)  # OTB: 0 … 50 pixels
NORMALISED_THRESHOLDS: Floats = np.linspace(0, 0.5, 51)  # LaSOT, TrackingNet: 0, 0.01 … 0.5
PRECISION_PIXELS = 20
NORMALISED_AT = 20  # the index of 0.20, where OSTrack's and SpikeTrack's tools read the curve


@dataclass(frozen=True)
class Scores:
    """Figures of one sequence, or their mean; all 0..1, higher is better.

    ``success_auc``: mean of ``success_curve``, share of frames with IoU > threshold;
    ``precision_20``: share of frames whose centre is at most 20 pixels off;
    ``normalised_precision_20``: share of frames whose centre error, divided by the target's width
    and height, is at most 0.20, which is what tables on LaSOT and TrackingNet give;
    ``normalised_precision_auc``: mean of that share over the thresholds 0..0.5; ``ao``, ``sr50``,
    ``sr75``: mean IoU, share of IoU > 0.5 and > 0.75, without the first frame.
    """

    success_auc: float
    precision_20: float
    normalised_precision_20: float
    normalised_precision_auc: float
    ao: float
    sr50: float
    sr75: float
    success_curve: tuple[float, ...]
    precision_curve: tuple[float, ...]
    normalised_curve: tuple[float, ...]


def overlaps(boxes: Floats, truth: Floats) -> Floats:
    """Intersection over union of each pair of boxes, (N,)."""
    first = np.maximum(boxes[:, :2], truth[:, :2])
    last = np.minimum(boxes[:, :2] + boxes[:, 2:], truth[:, :2] + truth[:, 2:])
    shared = np.maximum(last - first, 0).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + truth[:, 2:].prod(axis=1) - shared
    ratio: Floats = np.clip(shared / np.maximum(union, np.finfo(float).tiny), 0, 1)
    return ratio


def centre_errors(boxes: Floats, truth: Floats) -> Floats:
    """Distance of the centres in pixels, (N,)."""
    return np.asarray(np.linalg.norm(_offsets(boxes, truth), axis=1))


def normalised_errors(boxes: Floats, truth: Floats) -> Floats:
    """Distance of the centres with x in target widths and y in target heights, (N,)."""
    return np.asarray(np.linalg.norm(_offsets(boxes, truth) / truth[:, 2:], axis=1))


def _offsets(boxes: Floats, truth: Floats) -> Floats:
    return (boxes[:, :2] + boxes[:, 2:] / 2) - (truth[:, :2] + truth[:, 2:] / 2)


def bounded(boxes: Floats, width: int, height: int) -> Floats:
    """Boxes cut to the frame as GOT-10k's toolkit does it: counted from 1, to 0..W and 0..H."""
    limit = np.array((width, height), float)
    corner = np.clip(boxes[:, :2] + 1, 0, limit)
    return np.hstack([corner, np.clip(boxes[:, 2:], 0, limit - corner)])


def success_curve(ious: Floats) -> Floats:
    """Share of frames with IoU > threshold, for each of ``IOU_THRESHOLDS``."""
    return np.asarray((ious[:, None] > IOU_THRESHOLDS).mean(axis=0))


def error_curve(errors: Floats, thresholds: Floats) -> Floats:
    """Share of frames with error <= threshold."""
    return np.asarray((errors[:, None] <= thresholds).mean(axis=0))


def score(
    boxes: Floats,
    truth: Floats,
    visible: NDArray[np.bool_],
    size: tuple[int, int],
    rule: Rule = VISIBLE,
) -> Scores:
    """Figures of one sequence; ``rule`` says what frames without a visible target count for.

    ``boxes``, ``truth`` (N, 4) pixels from 0, the first frame included; ``visible`` (N,);
    ``size`` (width, height) of the frames. AO and SR leave such frames out under every rule.
    ``ClipError`` if no later frame has a target.
    """
    if not visible[1:].any():
        raise ClipError("no frame after the first has a visible target; there is nothing to score")
    later = visible.copy()
    later[0] = False
    ious = overlaps(bounded(boxes[later], *size), bounded(truth[later], *size))
    hidden = int((~visible).sum()) if rule.counted else 0
    boxes, truth = boxes[visible], truth[visible]
    success = success_curve(_with(overlaps(boxes, truth), hidden, -1.0))
    miss, hit = np.inf, -1.0
    centre = _with(centre_errors(boxes, truth), hidden, hit if rule.precision_hit else miss)
    precision = error_curve(centre, PIXEL_THRESHOLDS)
    relative = _with(normalised_errors(boxes, truth), hidden, hit if rule.normalised_hit else miss)
    normalised = error_curve(relative, NORMALISED_THRESHOLDS)
    return Scores(
        success_auc=float(success.mean()),
        precision_20=float(precision[PRECISION_PIXELS]),
        normalised_precision_20=float(normalised[NORMALISED_AT]),
        normalised_precision_auc=float(normalised.mean()),
        ao=float(ious.mean()),
        sr50=float((ious > 0.5).mean()),
        sr75=float((ious > 0.75).mean()),
        success_curve=tuple(success.tolist()),
        precision_curve=tuple(precision.tolist()),
        normalised_curve=tuple(normalised.tolist()),
    )


def _with(values: Floats, hidden: int, value: float) -> Floats:
    """The frames that have a target, and so many more of one value."""
    return np.concatenate([values, np.full(hidden, value)])


def settled(boxes: Floats, truth: Floats) -> Floats:
    """What toolkits score: the first box is the label, one without a size is the one before."""
    kept = boxes.copy()
    kept[0] = truth[0]
    for index in range(1, len(kept)):
        if not (np.isfinite(kept[index]).all() and (kept[index, 2:] > 0).all()):
            kept[index] = kept[index - 1]
    return kept


def mean_scores(scores: Sequence[Scores], weights: Sequence[float] | None = None) -> Scores:
    """Mean over sequences, each counting the same whatever its length, curves point by point.

    ``weights``: of runs of different length, where OTB's toolkit puts their frames together.
    """
    names = (field.name for field in fields(Scores))
    return Scores(*(_mean([getattr(s, name) for s in scores], weights) for name in names))


def _mean(values: list[Any], weights: Sequence[float] | None) -> Any:
    mean = np.average(values, axis=0, weights=weights)
    return tuple(mean.tolist()) if mean.ndim else float(mean)
