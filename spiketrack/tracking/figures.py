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
from numpy.typing import NDArray

from spiketrack.documents.tracking import (
    EvaluationDocument,
    FiguresPart,
    OutcomePart,
    PairedPart,
    PooledPart,
    ScoresPart,
    SequencePart,
    SpreadPart,
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
from spiketrack.tracking.rules import rule_of
from spiketrack.tracking.starts import parse_starts, protocol_of

LEAST, MOST = 1e-9, 1e9  # seconds that a frame can take, if any
RESAMPLES = 2000  # of the sequences, for the interval of a mean
ENERGIES = ("energy_mj", "template_mj", "whole_low_mj", "whole_high_mj")
POOLED = ("ao", "sr50", "sr75")
SCORES = tuple(one.name for one in dataclasses.fields(Scores))
THRESHOLDS = Thresholds(
    success=tuple(IOU_THRESHOLDS.round(2).tolist()),
    precision=tuple(PIXEL_THRESHOLDS.tolist()),
    normalised=tuple(NORMALISED_THRESHOLDS.round(2).tolist()),
)

Outcomes = dict[str, SequencePart]


def outcome(result: SequenceResult) -> OutcomePart:
    """A sequence's part of the document, time left aside."""
    scores, spent, sequence = result.scores, result.energy, result.sequence
    figures = dict.fromkeys(SCORES) if scores is None else dataclasses.asdict(scores)
    visible = sequence.visible & sequence.labelled
    rule = rule_of(sequence.layout)
    whole = (None, None) if spent is None or spent.whole is None else spent.whole
    return OutcomePart(
        **figures,
        layout=sequence.layout,
        rule=rule.name,
        of=sequence.base,
        begins=sequence.begins,
        frames=result.frames,
        scored=int(visible.sum()),
        scored_later=int(visible[1:].sum()),
        counted=len(visible) * sequence.labelled if rule.counted else int(visible.sum()),
        attributes=sequence.attributes,
        energy_mj=None if spent is None else spent.search,
        template_mj=None if spent is None else spent.template,
        whole_low_mj=whole[0],
        whole_high_mj=whole[1],
        notes=result.notes,
    )


def seconds_of(fields: Iterable[str]) -> float:
    """Sum of the seconds of frames as text; ``ValueError`` for one that no frame can take."""
    times = [float(field) for field in fields]
    if odd := [one for one in times if one != 0 and not LEAST <= one <= MOST]:
        raise ValueError(f"{odd[0]} seconds")
    return sum(times)


def fits(part: OutcomePart) -> bool:
    """Whether every curve has a value at each of today's thresholds."""
    curves = (
        (part.success_curve, THRESHOLDS.success),
        (part.precision_curve, THRESHOLDS.precision),
        (part.normalised_curve, THRESHOLDS.normalised),
    )
    return all(curve is None or len(curve) == len(at) for curve, at in curves)


def figures(outcomes: Outcomes, failed: Mapping[str, str], starts: str = "ope") -> FiguresPart:
    """What one method reached on all its sequences, begun as ``starts`` says."""
    return FiguresPart(
        mean=mean(outcomes),
        pooled=_pooled(outcomes),
        spread=spread(outcomes),
        spread_by_starts=spread_by_starts(outcomes, starts),
        sequences=outcomes,
        failed=dict(failed),
    )


def mean(outcomes: Outcomes) -> ScoresPart | None:
    """Mean over the sequences; runs of one are put together first, by their frames."""
    parts = list(outcomes.values())
    if not parts:
        return None
    means: dict[str, Any] = dict.fromkeys(SCORES)
    if runs := by_sequence(outcomes):
        means = dataclasses.asdict(mean_scores([_joined(parts) for parts in runs.values()]))
    seconds = sum(p.seconds for p in parts)
    fps = sum(p.frames for p in parts) / seconds if seconds else 0.0
    spent: dict[str, Any] = {
        name: _mean_energy([getattr(p, name) for p in parts]) for name in ENERGIES
    }
    return ScoresPart(**means, fps=fps, **spent)


def by_sequence(outcomes: Outcomes) -> dict[str, list[SequencePart]]:
    """The scored runs of each sequence."""
    runs: dict[str, list[SequencePart]] = {}
    for part in outcomes.values():
        if part.success_auc is not None:
            runs.setdefault(part.of, []).append(part)
    return runs


def _joined(parts: list[SequencePart]) -> Scores:
    whole = [Scores(**{name: getattr(p, name) for name in SCORES}) for p in parts]
    return mean_scores(whole, [p.counted for p in parts]) if len(whole) > 1 else whole[0]


def _mean_energy(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def spread(outcomes: Outcomes) -> SpreadPart | None:
    """Mean and interval of success AUC over sequences and starts; None for a single sequence."""
    runs = by_sequence(outcomes)
    if len(runs) < 2 and all(len(parts) < 2 for parts in runs.values()):
        return None
    starts = [np.array([part.success_auc for part in parts]) for parts in runs.values()]
    means = np.array([_joined(parts).success_auc for parts in runs.values()])
    low, high = interval(means)
    return SpreadPart(
        sequences=len(means),
        runs=sum(map(len, starts)),
        mean=float(means.mean()),
        low=low,
        high=high,
        worst=float(np.mean([one.min() for one in starts])),
        deviation=float(np.mean([one.std(ddof=1) if len(one) > 1 else 0.0 for one in starts])),
    )


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` (N,), from seeded resamples of them (bootstrap)."""
    rng = np.random.default_rng(0)
    resampled = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return float(low), float(high)


def spread_by_starts(outcomes: Outcomes, starts: str) -> dict[str, SpreadPart]:
    """The spread of each protocol's runs, where there are several protocols."""
    protocols = parse_starts(starts)
    if len(protocols) < 2:
        return {}
    runs: dict[str, Outcomes] = {name: {} for name in protocols}
    for name, part in outcomes.items():
        runs[protocol_of(part.begins, starts)][name] = part
    spreads = {name: spread(some) for name, some in runs.items()}
    return {name: one for name, one in spreads.items() if one is not None}


def paired(own: FiguresPart, other: EvaluationDocument) -> PairedPart | None:
    """Success AUC less the other network's, in pairs; None where no run is in both.

    A run is paired with the run of its name; those of a sequence are averaged first.
    """
    pairs: dict[str, list[float]] = {}
    for name, part in own.sequences.items():
        rival = other.sequences.get(name)
        if rival and rival.success_auc is not None and part.success_auc is not None:
            pairs.setdefault(part.of, []).append(part.success_auc - rival.success_auc)
    if not pairs:
        return None
    differences = np.array([np.mean(one) for one in pairs.values()])
    low, high = interval(differences)
    return PairedPart(
        other=other.method,
        other_digest=other.network_digest or other.checkpoint_sha256,
        starts=other.starts,
        sequences=len(pairs),
        runs=sum(map(len, pairs.values())),
        difference=float(differences.mean()),
        low=low,
        high=high,
        better=int((differences > 0).sum()),
    )


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
    rival: EvaluationDocument | None = None,
) -> EvaluationDocument:
    """The whole of it; ``methods`` holds ``method`` itself and the baselines.

    ``rival``: another evaluation of the same sequences, to be compared with in pairs.
    """
    own = methods[method]
    return EvaluationDocument(
        method=method,
        **(settings or {}),
        planned=tuple(planned),
        notes=tuple(notes),
        mean=own.mean,
        pooled=own.pooled,
        spread=own.spread,
        spread_by_starts=own.spread_by_starts,
        against=None if rival is None else paired(own, rival),
        sequences=own.sequences,
        failed=own.failed,
        thresholds=THRESHOLDS,
        baselines={name: part for name, part in methods.items() if name != method},
        opencv=cv2.__version__,
    )
