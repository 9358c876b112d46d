"""A verification as a JSON document (schema ``spiketrack.verify``, version 1) and as tables.

Top level: ``exact``, ``counts_compared``, ``mismatches``, ``populations``, ``frames`` (numbers of
the integer backends together); ``backends``; ``by_population`` (rows: branch, population, then
for each backend compared and mismatches); ``first_divergence``; ``float`` (teacher-forced rows and
their summary, boxes of free-running trackers and of the same crops); ``boxes`` (a row a frame).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spiketrack.simulators.backends import FLOAT
from spiketrack.verification.verify import REFERENCE, Verification
from spiketrack.version import FORMAT_VERSION, VERSION
from spiketrack.video.boxes import iou

SCHEMA = "spiketrack.verify"


def document(found: Verification, about: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON document; ``about`` says what was verified."""
    agreements = found.agreements
    return {
        "schema": SCHEMA,
        "version": FORMAT_VERSION,
        "spiketrack": VERSION,
        "exact": found.exact,
        "counts_compared": sum(a.compared for a in agreements.values()),
        "mismatches": sum(a.mismatches for a in agreements.values()),
        "populations": len({key for a in agreements.values() for key in a.tallies}),
        "frames": len(found.frames) - 1,
        "updates": [f.frame for f in found.frames if f.frame and f.updated],
        "backends": {
            name: {
                "exact": a.exact,
                "counts_compared": a.compared,
                "mismatches": a.mismatches,
                "maps_differ": a.maps_differ,
            }
            for name, a in agreements.items()
        },
        "first_divergence": next((a.first.as_dict() for a in agreements.values() if a.first), None),
        "by_population": _populations(found),
        "float": _float(found),
        "boxes": [
            {
                "frame": f.frame,
                "updated": f.updated,
                "boxes": {name: list(box.as_tuple()) for name, box in f.boxes.items()},
                "scores": dict(f.scores),
            }
            for f in found.frames
        ],
        **about,
    }


def _populations(found: Verification) -> list[dict[str, Any]]:
    keys = dict.fromkeys(key for a in found.agreements.values() for key in a.tallies)
    return [
        {
            "branch": branch,
            "population": name,
            "compared": sum(a.tallies[branch, name].compared for a in found.agreements.values()),
            "mismatches": sum(
                a.tallies[branch, name].mismatches for a in found.agreements.values()
            ),
            "backends": {
                backend: a.tallies[branch, name].mismatches
                for backend, a in found.agreements.items()
            },
        }
        for branch, name in keys
    ]


def _float(found: Verification) -> dict[str, Any] | None:
    if not found.losses:
        return None
    rows = [
        {"branch": branch, "population": name} | loss.as_dict()
        for (branch, name), loss in found.losses.items()
    ]
    return {
        "teacher_forced": rows,
        "summary": summary(found),
        "free_running": free_running(found),
        "same_crops": {
            "iou": found.same_crops,
            "median_iou": float(np.median(found.same_crops)) if found.same_crops else None,
        },
    }


def is_gate(name: str) -> bool:
    """Whether a population is a temporal gate, whose exact ties are reported apart."""
    return name.endswith("gate_spike")


def summary(found: Verification) -> dict[str, Any]:
    """Mean and worst mismatch over the populations, gates apart."""
    rates = {key: loss.mismatch_rate for key, loss in found.losses.items()}
    plain = {key: rate for key, rate in rates.items() if not is_gate(key[1])}
    gates = [rate for key, rate in rates.items() if is_gate(key[1])]
    worst = max(plain, key=lambda key: plain[key])
    return {
        "populations": len(plain),
        "mean_mismatch_rate": float(np.mean(list(plain.values()))),
        "worst_mismatch_rate": plain[worst],
        "worst_population": {"branch": worst[0], "population": worst[1]},
        "gates": len(gates),
        "worst_gate_mismatch_rate": max(gates, default=None),
    }


def free_running(found: Verification) -> dict[str, Any]:
    """Box IoU and score difference of float and integer, each on its own road."""
    tracked = [f for f in found.frames if f.frame and FLOAT in f.boxes]
    overlaps = [iou(f.boxes[FLOAT], f.boxes[REFERENCE]) for f in tracked]
    scores = [f.scores[REFERENCE] - f.scores[FLOAT] for f in tracked]
    return {
        "iou": overlaps,
        "score_difference": scores,
        "median_iou": float(np.median(overlaps)) if overlaps else None,
        "mean_score_difference": float(np.mean(scores)) if scores else None,
    }
