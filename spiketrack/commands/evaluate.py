"""``spiketrack evaluate``: score a network on benchmark sequences, beside OpenCV's trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from spiketrack.commands import tables
from spiketrack.commands.backend import BACKEND_HELP, Opened, open_backend
from spiketrack.commands.progress import console, frame_bar
from spiketrack.commands.targets import will_fill, will_write
from spiketrack.energy.joules import price_operations
from spiketrack.energy.prices import DEFAULT as DEFAULT_PRICES
from spiketrack.energy.prices import load_prices
from spiketrack.errors import MissingDependency
from spiketrack.files import atomic_folder, write_json
from spiketrack.ownership import EVALUATION
from spiketrack.tracking.baselines import parse_baselines
from spiketrack.tracking.evaluation import (
    Method,
    NetworkMethod,
    Price,
    SequenceResult,
    evaluate_sequence,
    report,
)
from spiketrack.tracking.sequences import Sequence as Footage
from spiketrack.tracking.sequences import find_sequences
from spiketrack.video.boxes import Box, write_otb

Columns = Mapping[str, tuple[str, str]]  # figure → heading, format

COLUMNS: Columns = {
    "success_auc": ("AUC", ".3f"),
    "precision_20": ("P20", ".3f"),
    "normalised_precision": ("Pnorm", ".3f"),
    "ao": ("AO", ".3f"),
    "sr50": ("SR.5", ".3f"),
    "sr75": ("SR.75", ".3f"),
    "fps": ("fps", ".1f"),
}
ENERGY: Columns = {"energy_mj": ("mJ", ".4f"), "template_mj": ("+T mJ", ".4f")}
CAPTION = (
    "n: tracked frames. AUC: success. P20: precision at 20 px. Pnorm: normalised.\n"
    "mJ: search of a frame. +T: template encodings, spread over the frames."
)


def evaluate(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint, export folder, or bundled weights: nano, nano-t3.")
    ],
    sequences: Annotated[
        Path, typer.Argument(help="A sequence, or a folder of them (OTB, GOT-10k, LaSOT layout).")
    ],
    backend: Annotated[str | None, typer.Option(help=BACKEND_HELP)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda, for float.")] = "cpu",
    frames: Annotated[
        int | None, typer.Option(min=1, help="At most so many frames after each first.")
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="OpenCV's trackers on the same frames: csrt,kcf,mil.")
    ] = "",
    prices: Annotated[
        str, typer.Option(help="Price table (a name or file) of the operations counted.")
    ] = DEFAULT_PRICES,
    json: Annotated[Path | None, typer.Option(help="Write all figures and curves.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for plots (HTML, PNG), boxes and figures.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing folder.")] = False,
) -> None:
    """Score a network: success, precision, normalised precision, AO, SR, energy a frame."""
    inputs = (checkpoint, sequences, prices)
    will_write(inputs, json=json)
    will_fill(out, EVALUATION, force, inputs)
    footage = [sequence.cut(frames) for sequence in find_sequences(sequences)]
    others = parse_baselines(baseline)
    price = price_operations(load_prices(prices))
    with atomic_folder(out, EVALUATION, force, inputs) if out else nullcontext() as folder:
        opened = open_backend(checkpoint, backend, device, operations=True)
        with opened.simulator:
            results = run(NetworkMethod(opened.simulator, opened.settings), footage, price)
        against = {other.name: run(other, footage) for other in others}
        document = report(opened.name, results, settings(opened, frames, prices), against)
        if folder is not None:
            write_folder(folder, document, {opened.name: results, **against})
    show(document)
    if json is not None:
        write_json(json, document)
    if out is not None:
        console.print(f"plots, boxes and figures: {out}", markup=False, highlight=False)


def run(
    method: Method, footage: Sequence[Footage], price: Price | None = None
) -> list[SequenceResult]:
    """Evaluate all sequences under one progress bar."""
    total = sum(len(sequence.images) for sequence in footage)
    with frame_bar(method.name, total) as step:
        return [evaluate_sequence(method, sequence, price, step) for sequence in footage]


def settings(opened: Opened, frames: int | None, prices: str) -> dict[str, Any]:
    """What the figures depend on, for the report."""
    return {
        "backend": opened.simulator.name,
        "network": opened.simulator.config.as_dict(),
        "tracker": opened.settings.as_dict(),
        "frames_limit": frames,
        "prices": prices,
    }


def show(document: Mapping[str, Any]) -> None:
    """Print a row for each sequence, the mean, and a mean row for each baseline."""
    columns = {**COLUMNS, **(ENERGY if document["mean"]["energy_mj"] is not None else {})}
    title = f"{document['method']}, {document['backend']} backend"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("sequence", no_wrap=True)
    for heading in ("n", *(heading for heading, _ in columns.values())):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, figures in document["sequences"].items():
        table.add_row(name, str(figures["frames"]), *_cells(figures, columns))
    table.add_section()
    table.add_row("mean", "", *_cells(document["mean"], columns), style="bold")
    for name, found in document["baselines"].items():
        table.add_row(f"{name} (mean)", "", *_cells(found["mean"], columns))
    tables.console.print(table)
    console.print(CAPTION, markup=False, highlight=False)
    if document["mean"]["energy_mj"] is None:
        console.print(
            f"energy: backend {document['backend']} counts no operations; "
            "--backend integer adds energy a frame",
            markup=False,
            highlight=False,
        )


def _cells(figures: Mapping[str, Any], columns: Columns) -> list[str]:
    shown = ((figures[key], form) for key, (_, form) in columns.items())
    return ["" if value is None else format(value, form) for value, form in shown]


def write_folder(
    folder: Path, document: Mapping[str, Any], results: Mapping[str, Sequence[SequenceResult]]
) -> None:
    """``evaluation.json``, ``plots.html``, ``plots.png`` if possible, ``boxes/METHOD/NAME.txt``."""
    from spiketrack.tracking.plots import write_html, write_png  # plotly loads slowly

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
