"""``spiketrack train``: train a network of any size from folders of videos and images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import Key
from spiketrack.terminal.console import note
from spiketrack.terminal.progress import share_bar, stages

if TYPE_CHECKING:
    from spiketrack.training.loop import Progress
    from spiketrack.training.schema import TrainingConfig


def train(
    config: Annotated[
        str,
        typer.Argument(
            help="A YAML file, or a packaged one: nano, nano-quantised, nano-t3, micro, "
            "micro-quantised."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for state, weights, log and curves.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Root of the training data; default $SPIKETRACK_SHARED/train."),
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="Checkpoint whose matching tensors come first.")
    ] = None,
    key: Key = None,
    quantised: Annotated[
        bool,
        typer.Option(
            "--quantised",
            help="Train with the integer network's rounding in the loop (straight-through) and "
            "leave weights on its grid: float and integer counts are then equal.",
        ),
    ] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the state in --out.")] = False,
    max_minutes: Annotated[
        float | None, typer.Option(help="End the cosine after this time at the latest.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the configuration's.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Begin anew where --out holds a training.")
    ] = False,
) -> None:
    """Train a network and write weights.safetensors and weights.pth.tar."""
    from spiketrack.training.folders import data_root, load_collection
    from spiketrack.training.loop import train as run_training
    from spiketrack.training.place import check_place
    from spiketrack.training.schema import load_config

    chosen = _with_options(load_config(config), init, key, max_minutes, seed, quantised)
    folder = out or Path("runs") / chosen.name
    check_place(folder, resume, force, chosen.init)
    with stages("Reading the pictures"):
        collection = load_collection(data_root(data), chosen.data)
    for line in collection.notes:
        note(f"note: {line}")
    note(
        f"{chosen.name}: {len(collection.clips)} videos, {len(collection.stills)} images, "
        f"{len(collection.validation)} videos kept out"
    )
    steps = run_training(chosen, collection, folder, resume, note, force)
    last = _follow(steps, chosen)
    if last is not None:
        note(f"{last.step} steps, {_validation(last)}; weights in {folder}")


def _with_options(
    config: TrainingConfig,
    init: str | None,
    key: str | None,
    max_minutes: float | None,
    seed: int | None,
    quantised: bool,
) -> TrainingConfig:
    from spiketrack.training.schema import parse_config

    values = config.model_dump()
    if init is not None:
        values["init"] = init
    if key is not None:
        values["init_key"] = key
    if quantised:
        values["quantised"] = True
    if seed is not None:
        values["seed"] = seed
    if max_minutes is not None:
        values["optimiser"]["max_minutes"] = max_minutes
    return parse_config(values, "with the options given")


def _follow(steps: Iterator[Progress], config: TrainingConfig) -> Progress | None:
    """Show the run as it goes; returns its last step."""
    last: Progress | None = None
    shown: dict[str, float] = {}
    with share_bar(config.name) as tell:
        for last in steps:
            new = last.validation is not shown
            shown = last.validation
            tell(last.share, _line(last), _line(last) if new else "")
    return last


def _line(progress: Progress) -> str:
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return (
        f"step {progress.step}  loss {progress.figures['loss']:.3f}  {_validation(progress)}  "
        f"{progress.pairs_per_second:.1f} pairs/s  {minutes}:{seconds:02d} left"
    )


def _validation(progress: Progress) -> str:
    if "iou" not in progress.validation:
        return "no validation yet"
    validation = progress.validation
    line = f"validation IoU {validation['iou']:.3f} hit {validation['hit']:.2f}"
    if "auc" in validation:
        low, high = validation["auc_low"], validation["auc_high"]
        line += f" AUC {validation['auc']:.3f} ({low:.3f} to {high:.3f})"
    return line
