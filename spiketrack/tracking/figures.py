"""From results of sequences to the document of an evaluation.

Schema ``spiketrack.evaluation`` is ``documents.tracking.EvaluationDocument``: means over the
sequences (``mean``), over all frames together as GOT-10k's toolkit reports them (``pooled``),
figures and curves of each sequence, and what failed with its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np

from spiketrack.documents.tracking import (
    EvaluationDocument,
    FiguresPart,
    PooledPart,
    ScoresPart,
    SequencePart,
    Thresholds,
)
from spiketrack.tracking.evaluation import SequenceResult
from spiketrack.tracking.metrics import (
    IOU_THRESHOLDS,
    NORMALISED_THRESHOLDS,
    PIXEL_THRESHOLDS,
    Scores,
    mean_scores,
)

POOLED = ("ao", "sr50", "sr75")
SCORES = tuple(one.name for one in dataclasses.fields(Scores))
THRESHOLDS = Thresholds(
    success=tuple(IOU_THRESHOLDS.round(2).tolist()),
    precision=tuple(PIXEL_THRESHOLDS.tolist()),
    normalised=tuple(NORMALISED_THRESHOLDS.round(2).tolist()),
)

Outcomes = dict[str, SequencePart]


def outcome(result: SequenceResult) -> SequencePart:
    """A sequence's part of the document."""
    scores, spent = result.scores, result.energy
    figures = dict.fromkeys(SCORES) if scores is None else dataclasses.asdict(scores)
    visible = result.sequence.visible & result.sequence.labelled
    return SequencePart(
        **figures,
        layout=result.sequence.layout,
        frames=result.frames,
        scored=int(visible.sum()),
        scored_later=int(visible[1:].sum()),
        seconds=result.seconds,
        fps=result.fps,
        energy_mj=None if spent is None else spent.search,
        template_mj=None if spent is None else spent.template,
        notes=result.notes,
    )


def figures(outcomes: Outcomes, failed: Mapping[str, str]) -> FiguresPart:
    """What one method reached on all its sequences."""
    return FiguresPart(
        mean=_mean(outcomes), pooled=_pooled(outcomes), sequences=outcomes, failed=dict(failed)
    )


def _mean(outcomes: Outcomes) -> ScoresPart | None:
    parts = list(outcomes.values())
    if not parts:
        return None
    scored = [p for p in parts if p.success_auc is not None]
    means: dict[str, Any] = dict.fromkeys(SCORES)
    if scored:
        whole = [Scores(**{name: getattr(p, name) for name in SCORES}) for p in scored]
        means = dataclasses.asdict(mean_scores(whole))
    fps = sum(p.frames for p in parts) / sum(p.seconds for p in parts)
    search, template = (
        _mean_energy([getattr(p, name) for p in parts]) for name in ("energy_mj", "template_mj")
    )
    return ScoresPart(**means, fps=fps, energy_mj=search, template_mj=template)


def _mean_energy(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _pooled(outcomes: Outcomes) -> PooledPart:
    """AO and SR over the visible later frames of all sequences together, as GOT-10k reports."""
    parts = [part for part in outcomes.values() if part.success_auc is not None]
    weights = [part.scored_later for part in parts]
    if not parts:
        return PooledPart(**dict.fromkeys(POOLED))
    return PooledPart(
        **{n: float(np.average([getattr(p, n) for p in parts], weights=weights)) for n in POOLED}
    )


def document(
    method: str,
    methods: Mapping[str, FiguresPart],
    planned: Iterable[str],
    settings: Mapping[str, Any] | None = None,
    notes: Iterable[str] = (),
) -> EvaluationDocument:
    """The whole of it; ``methods`` holds ``method`` itself and the baselines."""
    own = methods[method]
    return EvaluationDocument(
        method=method,
        **(settings or {}),
        planned=tuple(planned),
        notes=tuple(notes),
        mean=own.mean,
        pooled=own.pooled,
        sequences=own.sequences,
        failed=own.failed,
        thresholds=THRESHOLDS,
        baselines={name: part for name, part in methods.items() if name != method},
        opencv=cv2.__version__,
    )
