"""``spiketrack evaluate``: score a network on benchmark sequences, beside OpenCV's trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from spiketrack.baselines import parse_baselines
from spiketrack.boxes import Box, write_otb
from spiketrack.commands.backend import Opened, open_backend
from spiketrack.commands.progress import console, frame_bar
from spiketrack.errors import MissingDependency
from spiketrack.evaluation import (
    Method,
    NetworkMethod,
    Price,
    SequenceResult,
    evaluate_sequence,
    report,
)
from spiketrack.evaluation_plots import write_html, write_png
from spiketrack.files import atomic_folder, write_json
from spiketrack.outputs import check_target
from spiketrack.sequences import Sequence as Footage
from spiketrack.sequences import find_sequences

COLUMNS = {
    "success_auc": "AUC",
    "precision_20": "P 20px",
    "normalised_precision": "P norm",
    "ao": "AO",
    "sr50": "SR0.5",
    "sr75": "SR0.75",
}
CAPTION = "success AUC, precision at 20 px, normalised precision, AO, SR; fps and mJ a frame"


def evaluate(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint, export folder, or bundled weights: nano, nano-t3.")
    ],
    sequences: Annotated[
        Path, typer.Argument(help="A sequence, or a folder of them (OTB, GOT-10k, LaSOT layout).")
    ],
    backend: Annotated[str, typer.Option(help="float, integer or lava.")] = "float",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda, for float.")] = "cpu",
    frames: Annotated[
        int | None, typer.Option(min=1, help="At most so many frames after each first.")
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="OpenCV's trackers on the same frames: csrt,kcf,mil.")
    ] = "",
    json: Annotated[Path | None, typer.Option(help="Write all figures and curves.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for plots (HTML, PNG), boxes and figures.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing folder.")] = False,
) -> None:
    """Score a network: success, precision, normalised precision, AO, SR, energy a frame."""
    check_target("--json", json)
    footage = [sequence.cut(frames) for sequence in find_sequences(sequences)]
    others = parse_baselines(baseline)
    opened = open_backend(checkpoint, backend, device)
    with opened.simulator:
        method = NetworkMethod(opened.simulator, opened.settings)
        results = run(method, footage, opened.price)
    against = {other.name: run(other, footage) for other in others}
    document = report(opened.name, results, settings(opened, frames), against)
    show(document)
    if json is not None:
        write_json(json, document)
    if out is not None:
        with atomic_folder(out, force) as folder:
            write_folder(folder, document, {opened.name: results, **against})
        console.print(f"plots, boxes and figures: {out}", markup=False, highlight=False)


def run(
    method: Method, footage: Sequence[Footage], price: Price | None = None
) -> list[SequenceResult]:
    """Evaluate all sequences under one progress bar."""
    total = sum(len(sequence.images) for sequence in footage)
    with frame_bar(method.name, total) as step:
        return [evaluate_sequence(method, sequence, price, step) for sequence in footage]


def settings(opened: Opened, frames: int | None) -> dict[str, Any]:
    """What the figures depend on, for the report."""
    return {
        "backend": opened.simulator.name,
        "network": opened.simulator.config.as_dict(),
        "tracker": opened.settings.as_dict(),
        "frames_limit": frames,
    }


def show(document: Mapping[str, Any]) -> None:
    """Print a row for each sequence, the mean, and a mean row for each baseline."""
    table = Table(title=f"{document['method']}, {document['backend']} backend", caption=CAPTION)
    table.add_column("sequence", no_wrap=True)
    for heading in ("frames", *COLUMNS.values(), "fps"):
        table.add_column(heading, justify="right")
    priced = document["mean"]["energy_mj"] is not None
    if priced:
        table.add_column("mJ", justify="right")
    for name, figures in document["sequences"].items():
        table.add_row(name, str(figures["frames"]), *_cells(figures, priced))
    table.add_section()
    table.add_row("mean", "", *_cells(document["mean"], priced), style="bold")
    for name, found in document["baselines"].items():
        table.add_row(f"{name} (mean)", "", *_cells(found["mean"], priced))
    Console().print(table)


def _cells(figures: Mapping[str, Any], priced: bool) -> list[str]:
    cells = [f"{figures[key]:.3f}" for key in COLUMNS] + [f"{figures['fps']:.1f}"]
    energy = figures["energy_mj"]
    return [*cells, "" if energy is None else f"{energy:.4f}"] if priced else cells


def write_folder(
    folder: Path, document: Mapping[str, Any], results: Mapping[str, Sequence[SequenceResult]]
) -> None:
    """``evaluation.json``, ``plots.html``, ``plots.png`` if possible, ``boxes/METHOD/NAME.txt``."""
    write_json(folder / "evaluation.json", document)
    write_html(document, folder / "plots.html")
    try:
        write_png(document, folder / "plots.png")
    except MissingDependency as reason:
        console.print(str(reason), markup=False, highlight=False)
    for method, found in results.items():
        home = folder / "boxes" / method
        home.mkdir(parents=True)
        for result in found:
            boxes = [Box(*row) for row in result.boxes.tolist()]
            write_otb(home / f"{result.sequence.name}.txt", boxes)
