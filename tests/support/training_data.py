"""Tiny data folders and configurations for the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from spiketrack.training.folders import Collection, load_collection
from spiketrack.training.schema import TrainingConfig
from support.synthetic_clips import moving_patch, write_images, write_otb

TINY: dict[str, Any] = {
    "name": "tiny",
    "network": {
        "embed_dims": [8, 16, 16, 24],
        "grid": 2,
        "head_channels": 16,
        "blocks3": 4,
        "blocks4": 1,
    },
    "tracker": {"template_factor": 2.0},
    "data": {"validation": ["kept"], "validation_pairs": 4, "searches": 1},
    "optimiser": {
        "steps": 6,
        "batch": 4,
        "workers": 1,
        "warmup": 1,
        "validate_every": 3,
        "save_every": 3,
        "log_every": 1,
    },
}


def tiny_config(**sections: Any) -> TrainingConfig:
    """``TINY`` with some keys of some sections replaced."""
    values = {key: dict(v) if isinstance(v, dict) else v for key, v in TINY.items()}
    for key, value in sections.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return TrainingConfig.model_validate(values)


def write_root(root: Path) -> Path:
    """Two videos to train on, one kept out, three images of which one has a named object."""
    frames, boxes = moving_patch(6)
    for name in ("first", "second", "kept"):
        write_otb(root / "videos" / name, frames, boxes)
    write_images(root / "images", frames[:3], "still{}.png")
    (root / "images" / "boxes.json").write_text('{"still1.png": [[8, 18, 26, 26, 0.9]]}')
    return root


def tiny_collection(root: Path, config: TrainingConfig) -> Collection:
    """``write_root`` as the configuration reads it."""
    return load_collection(write_root(root), config.data)


def write_config(path: Path, **changes: Any) -> Path:
    """``TINY`` as a YAML file."""
    path.write_text(yaml.safe_dump({**TINY, **changes}), encoding="utf-8")
    return path
