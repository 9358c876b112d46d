"""Each stage returns a new frozen value: every dataclass is frozen, but for those that add up."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

import spiketrack.energy
import spiketrack.integer
import spiketrack.tracking
import spiketrack.verification
import spiketrack.video

ROOMS = (
    spiketrack.integer,
    spiketrack.tracking,
    spiketrack.energy,
    spiketrack.video,
    spiketrack.verification,
)
GROWING = {  # collect while frames come
    "spiketrack.tracking.ledger.Progress",
    "spiketrack.tracking.evaluation.Tally",
    "spiketrack.tracking.sequences.Survey",
    "spiketrack.video.streams.Tally",
    "spiketrack.video.video_file.VideoFile",
    "spiketrack.verification.comparison.Agreement",
    "spiketrack.verification.comparison.Tally",
    "spiketrack.verification.teacher.Loss",
    "spiketrack.verification.verify.Verification",
    "spiketrack.verification.precision.Against",
}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_dataclasses_are_frozen(room: ModuleType) -> None:
    found = {}
    for entry in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        module = importlib.import_module(entry.name)
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == entry.name:
                parameters = getattr(value, "__dataclass_params__", None)
                if parameters is not None:
                    found[f"{entry.name}.{value.__name__}"] = parameters.frozen
    assert any(found.values())
    loose = {name for name, frozen in found.items() if not frozen}
    assert loose == {name for name in GROWING if name.startswith(f"{room.__name__}.")}
