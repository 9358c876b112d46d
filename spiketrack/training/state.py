"""What a run must remember to go on to the same result, and the weights it leaves.

Samples depend on the seed and their number alone and nothing else is random after the first
weights, so the step counter stands for every generator; torch's own is kept all the same.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spiketrack.errors import ConfigError, SpikeTrackError, TrainingError, printable
from spiketrack.files import atomic_path
from spiketrack.reference.checkpoint import save_checkpoint
from spiketrack.reference.foreign import HEAD, foreign_content
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.torch_files import read_torch_file
from spiketrack.training.place import BEST, STATE, WEIGHTS
from spiketrack.training.schema import TrainingConfig, parse_config

KEYS = ("config", "net", "average", "optimiser", "random", "step", "minutes", "best")
# may change between a run and its continuation without making it another run
FREE = {"steps", "max_minutes", "validate_every", "save_every", "log_every"}


@dataclass
class Run:
    """A run in progress: weights, their average, the optimiser and the clock."""

    config: TrainingConfig
    model: SpikeTrack
    average: SpikeTrack
    optimiser: torch.optim.AdamW
    step: int = 0
    minutes: float = 0.0
    best: float = 0.0
    measure: str = "iou"  # what the best is the best of

    def progress(self) -> float:
        """Share of the run that is done, by steps or by the clock, whichever is further."""
        section = self.config.optimiser
        clock = self.minutes / section.max_minutes if section.max_minutes else 0.0
        return min(1.0, max(self.step / section.steps, clock))


def begin(config: TrainingConfig, model: SpikeTrack) -> Run:
    """A run at its first step; weight decay is for convolution weights alone."""
    trained = [p for p in model.parameters() if p.requires_grad]
    section = config.optimiser
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.dim() > 1 and p.shape[0] > 1]},
        {"params": [p for p in trained if not (p.dim() > 1 and p.shape[0] > 1)], "weight_decay": 0},
    ]
    optimiser = torch.optim.AdamW(
        groups, section.learning_rate, weight_decay=section.weight_decay, foreach=True
    )
    average = copy.deepcopy(model).eval().requires_grad_(False)
    return Run(config, model, average, optimiser)


def save(run: Run, folder: Path) -> None:
    """Write the state, atomically; ``TrainingError`` instead of weights that are not finite."""
    path = folder / STATE
    if any(not torch.isfinite(p).all() for p in (*run.model.parameters(), *run.model.buffers())):
        raise diverged(run, folder, run.step, "weights are not finite")
    state = {
        "config": run.config.model_dump(mode="json"),
        "net": run.model.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "step": run.step,
        "minutes": run.minutes,
        "best": run.best,
        "measure": run.measure,
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)  # to a path it would say RuntimeError where the disk is full


def diverged(run: Run, folder: Path, step: int, what: str) -> TrainingError:
    """The error of a run that must not go on, and what is left of it."""
    path = folder / STATE
    kept = f"{path} holds the last good state" if path.is_file() else "no state was saved yet"
    rate = run.optimiser.param_groups[0]["lr"]
    return TrainingError(
        f"step {step}: {what} at a learning rate of {rate:.3g}; {kept}; "
        "lower optimiser.learning_rate or lengthen optimiser.warmup"
    )


def restore(run: Run, folder: Path) -> None:
    """Go on from a saved state; in place. ``ConfigError`` for a file that is none of this run."""
    path = folder / STATE
    if not path.is_file():
        raise ConfigError(f"{path}: no state to resume from; leave --resume out")
    state = _read(path)
    before = parse_config(state["config"], str(path))  # keys added since have their defaults
    _compare(before.model_dump(mode="json"), run.config.model_dump(mode="json"), "")
    try:
        _take(run, state)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        raise _unusable(path, f"{type(e).__name__} {e}") from e


def _take(run: Run, state: Mapping[str, Any]) -> None:
    run.model.load_state_dict(state["net"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"])
    run.step, run.minutes = int(state["step"]), float(state["minutes"])
    run.best, run.measure = float(state["best"]), str(state.get("measure", "iou"))


def _read(path: Path) -> Mapping[str, Any]:
    head = b""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        state = read_torch_file(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except SpikeTrackError as error:
        raise _unusable(path, str(error)) from error
    except Exception as error:  # any parser may fail in any way on a foreign file
        what = foreign_content(head) if head else "an empty file"
        raise _unusable(path, what or f"{type(error).__name__} {error}".strip()) from error
    if not isinstance(state, Mapping):
        raise _unusable(path, "another kind of file")
    if missing := [key for key in KEYS if key not in state]:
        raise _unusable(path, f"{', '.join(missing)} missing")
    return state


def _unusable(path: Path, reason: str) -> ConfigError:
    """What is wrong with the state, and the way on: the best weights, if there are any."""
    weights = [file for name in (BEST, WEIGHTS) if (file := path.with_name(name)).is_file()]
    init = f"--init {weights[0]} goes on from its weights, " if weights else "start again "
    way = f"{init}with another --out"
    return ConfigError(
        f"{path}: no state of a training run ({printable(reason)}); leave --resume out: {way}"
    )


def _compare(old: dict[str, Any], new: dict[str, Any], prefix: str) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _compare(old[key], value, f"{prefix}{key}.")
        elif key not in FREE and old.get(key) != value:
            raise ConfigError(
                f"{prefix}{key}: {value} here but {old.get(key)} in the run to resume; "
                "use its configuration, or another --out"
            )


def export_weights(run: Run, model: SpikeTrack, path: Path, validation: dict[str, float]) -> None:
    """Write ``model``, what a run has reached, as a checkpoint; ``.safetensors`` in fp16.

    Weights of a quantised run are on the integer network's grid, and fp16 rounds nothing there.
    """
    notes = {
        "name": run.config.name,
        "configuration": run.config.model_dump_json(),
        "step": str(run.step),
        "pairs": str(run.step * run.config.optimiser.batch),
        "minutes": f"{run.minutes:.1f}",
    } | {f"validation_{key}": f"{value:.4f}" for key, value in validation.items()}
    tracker = run.config.tracker.build()
    half = path.suffix == ".safetensors"
    save_checkpoint(path, model, tracker, notes, half, exact=run.config.quantised)
