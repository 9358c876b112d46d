"""A verification as the document that ``verify --json`` writes; see ``VerifyDocument``."""

from __future__ import annotations

import numpy as np

from spiketrack.documents.manifest import Manifest
from spiketrack.documents.verification import (
    BackendAgreement,
    FloatPart,
    FrameRow,
    FreeRunning,
    LossRow,
    LossSummary,
    Place,
    PopulationRow,
    SameCrops,
    VerifyDocument,
)
from spiketrack.documents.yardstick import Compared, Yardstick, judge
from spiketrack.simulators.backends import FLOAT
from spiketrack.verification.comparison import Agreement
from spiketrack.verification.precision import Against, Precision
from spiketrack.verification.verify import REFERENCE, FrameBoxes, Verification
from spiketrack.version import VERSION
from spiketrack.video.boxes import Box, iou


def document(
    verification: Verification,
    manifest: Manifest,
    clip: str,
    box: Box,
    clip_digest: str | None = None,
) -> VerifyDocument:
    """The JSON document; ``manifest``, ``clip`` and ``box`` say what was verified."""
    agreements = verification.agreements
    return VerifyDocument(
        spiketrack=VERSION,
        exact=verification.exact,
        counts_compared=sum(a.compared for a in agreements.values()),
        mismatches=sum(a.mismatches for a in agreements.values()),
        populations=len({key for a in agreements.values() for key in a.tallies}),
        frames=len(verification.frames) - 1,
        updates=tuple(f.frame for f in verification.frames if f.frame and f.updated),
        backends={name: _agreement(a) for name, a in agreements.items()},
        first_divergence=next((a.first for a in agreements.values() if a.first), None),
        by_population=_populations(verification),
        float=_float(verification),
        boxes=tuple(_frame(row) for row in verification.frames),
        network=manifest.network,
        clip=clip,
        clip_digest=clip_digest,
        box=box.as_tuple(),
        network_digest=manifest.network_digest,
    )


def _agreement(agreement: Agreement) -> BackendAgreement:
    return BackendAgreement(
        exact=agreement.exact,
        counts_compared=agreement.compared,
        mismatches=agreement.mismatches,
        maps_differ=agreement.maps_differ,
        required=agreement.required,
    )


def _frame(row: FrameBoxes) -> FrameRow:
    return FrameRow(
        frame=row.frame,
        updated=row.updated,
        boxes={name: box.as_tuple() for name, box in row.boxes.items()},
        scores=dict(row.scores),
    )


def _populations(verification: Verification) -> tuple[PopulationRow, ...]:
    agreements = verification.agreements
    keys = dict.fromkeys(key for a in agreements.values() for key in a.tallies)
    return tuple(
        PopulationRow(
            branch=branch,
            population=name,
            compared=sum(a.tallies[branch, name].compared for a in agreements.values()),
            mismatches=sum(a.tallies[branch, name].mismatches for a in agreements.values()),
            backends={n: a.tallies[branch, name].mismatches for n, a in agreements.items()},
        )
        for branch, name in keys
    )


def _float(verification: Verification) -> FloatPart | None:
    if not verification.losses or verification.precision is None:
        return None
    same = tuple(verification.same_crops)
    return FloatPart(
        teacher_forced=tuple(
            LossRow(branch=branch, population=name, **loss.as_dict())
            for (branch, name), loss in verification.losses.items()
        ),
        summary=summary(verification),
        free_running=free_running(verification),
        same_crops=SameCrops(iou=same, median_iou=float(np.median(same)) if same else None),
        yardstick=yardstick(verification.precision),
        amplification=verification.amplification,
    )


def yardstick(precision: Precision) -> Yardstick:
    """Float32 against float64 and against integer, and the word for it."""
    double, integer = _compared(precision.float64), _compared(precision.integer)
    return Yardstick(
        frames=len(integer.iou),
        float64=double,
        integer=integer,
        judgement=judge(double, integer),
    )


def _compared(against: Against) -> Compared:
    agreement, overlaps = against.agreement, tuple(against.overlaps)
    return Compared(
        counts=agreement.compared,
        mismatches=agreement.mismatches,
        mismatch_rate=agreement.mismatches / agreement.compared,
        iou=overlaps,
        median_iou=float(np.median(overlaps)) if overlaps else None,
    )


def is_gate(name: str) -> bool:
    """Whether a population is a temporal gate, whose exact ties are reported apart."""
    return name.endswith("gate_spike")


def summary(verification: Verification) -> LossSummary:
    """Mean and worst mismatch over the populations, gates apart."""
    rates = {key: loss.mismatch_rate for key, loss in verification.losses.items()}
    plain = {key: rate for key, rate in rates.items() if not is_gate(key[1])}
    gates = [rate for key, rate in rates.items() if is_gate(key[1])]
    worst = max(plain, key=lambda key: plain[key])
    return LossSummary(
        populations=len(plain),
        mean_mismatch_rate=float(np.mean(list(plain.values()))),
        worst_mismatch_rate=plain[worst],
        worst_population=Place(branch=worst[0], population=worst[1]),
        gates=len(gates),
        worst_gate_mismatch_rate=max(gates, default=None),
    )


def free_running(verification: Verification) -> FreeRunning:
    """Box IoU and score difference of float and integer, each on its own road."""
    tracked = [f for f in verification.frames if f.frame and FLOAT in f.boxes]
    overlaps = [iou(f.boxes[FLOAT], f.boxes[REFERENCE]) for f in tracked]
    scores = [f.scores[REFERENCE] - f.scores[FLOAT] for f in tracked]
    return FreeRunning(
        iou=tuple(overlaps),
        score_difference=tuple(scores),
        median_iou=float(np.median(overlaps)) if overlaps else None,
        mean_score_difference=float(np.mean(scores)) if scores else None,
    )
