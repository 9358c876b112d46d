"""``spiketrack evaluate``: score a network on benchmark sequences, beside OpenCV's trackers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiketrack.commands.inputs import DEFAULT_PRICES, Key
from spiketrack.commands.options.backend import BACKEND_HELP, Opened, open_backend
from spiketrack.commands.targets import will_fill, will_write
from spiketrack.errors import ClipError, MissingDependency, SpikeTrackError
from spiketrack.files import atomic_folder
from spiketrack.ownership import EVALUATION
from spiketrack.targets import is_stream
from spiketrack.terminal.console import note as say
from spiketrack.terminal.progress import frame_bar

if TYPE_CHECKING:
    from spiketrack.tracking.evaluation import Method, Price
    from spiketrack.tracking.ledger import Ledger
    from spiketrack.tracking.sequences import Sequence as Footage
    from spiketrack.tracking.sequences import Survey


def evaluate(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint, export folder, or bundled weights: nano, nano-t3.")
    ],
    sequences: Annotated[
        Path, typer.Argument(help="A sequence, or a folder of them (OTB, GOT-10k, LaSOT, VOT …).")
    ],
    key: Key = None,
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
        Path | None,
        typer.Option(
            help="Folder for plots (HTML, PNG), boxes, times and figures, each written as it is "
            "won; one that did not reach every sequence is gone on with."
        ),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an existing folder.")] = False,
) -> None:
    """Score a network: success, precision, normalised precision, AO, SR, energy a frame.

    Exits with 1 where a sequence failed; the others are scored all the same.
    """
    from spiketrack.energy.joules import price_operations
    from spiketrack.energy.prices import load_prices
    from spiketrack.tracking.baselines import parse_baselines
    from spiketrack.tracking.evaluation import NetworkMethod
    from spiketrack.tracking.ledger import Ledger, unfinished
    from spiketrack.tracking.sequences import survey

    inputs = (checkpoint, sequences, prices)
    will_write(inputs, json=json)
    earlier = unfinished(out) if out is not None and not force else None
    if earlier is None:
        will_fill(out, EVALUATION, force, inputs)
    surveyed = survey(sequences)
    footage = [sequence.cut(frames) for sequence in surveyed.sequences]
    others = parse_baselines(baseline)
    price = price_operations(load_prices(prices))
    opened = open_backend(checkpoint, backend, device, operations=True, key=key)
    methods = (opened.name, *(other.name for other in others))
    about = {**settings(opened, frames, prices), "footage": str(sequences.absolute())}
    whole = json is not None and json != Path("-") and not is_stream(json)
    ledger = Ledger(methods, planned(surveyed), about, [json] if json and whole else [])
    if out is not None:
        go_on(ledger, out, earlier)
        anew = functools.partial(atomic_folder, kind=EVALUATION, force=force, inputs=inputs)
        ledger.into(out, anew if earlier is None else None)
    refuse(ledger, surveyed)
    with opened.simulator:
        run(ledger, NetworkMethod(opened.simulator, opened.settings), footage, opened.name, price)
    for other in others:
        run(ledger, other, footage, other.name)
    finish(ledger, out, json)


def planned(survey: Survey) -> list[str]:
    """Names of all sequences, those that are refused last."""
    return [s.name for s in survey.sequences] + [r.name for r in survey.refused]


def go_on(ledger: Ledger, out: Path, earlier: Any) -> None:
    """Take over what an earlier call left in ``out``."""
    if earlier is None:
        return
    try:
        ledger.go_on(earlier)
    except SpikeTrackError as error:
        raise SpikeTrackError(f"{out}: {error}") from error
    kept = {name for progress in ledger.methods.values() for name in progress.outcomes}
    say(f"{out}: going on; {len(kept)} of {len(ledger.planned)} sequences are there")


def refuse(ledger: Ledger, survey: Survey) -> None:
    """Keep why sequences cannot be read; say what was left out."""
    for name in ledger.methods:
        for refused in survey.refused:
            ledger.methods[name].outcomes.pop(refused.name, None)
            ledger.fail(name, refused.name, refused.reason)
    ledger.notes += survey.notes
    for note in survey.notes:
        say(f"note: {note}")


def run(
    ledger: Ledger,
    method: Method,
    footage: Sequence[Footage],
    name: str,
    price: Price | None = None,
) -> None:
    """Evaluate what is missing under one progress bar; a sequence that fails is said at once."""
    from spiketrack.tracking.evaluation import evaluate_sequence

    missing = ledger.missing(name)
    chosen = [sequence for sequence in footage if sequence.name in missing]
    with frame_bar(method.name, sum(len(sequence.images) for sequence in chosen)) as step:
        for sequence in chosen:
            try:
                result = evaluate_sequence(method, sequence, price, step)
            except ClipError as error:
                ledger.fail(name, sequence.name, str(error))
                say(f"failed: {error}")
                continue
            for note in result.notes:
                if note not in ledger.notes:
                    say(f"note: {note}")
            ledger.add(name, result)


def finish(ledger: Ledger, out: Path | None, json: Path | None) -> None:
    """Files first, then the table, then what failed and the exit code."""
    from spiketrack.commands.views.evaluation import show

    ledger.write()
    document = ledger.document()
    if out is not None:
        write_plots(out, document.to_json())
    if json is not None and not ledger.copies:
        document.write(json)
    show(document)
    if out is not None:
        say(f"plots, boxes, times and figures: {out}")
    for reason in ledger.failed.values():
        say(f"failed: {reason}")
    if ledger.failed:
        raise typer.Exit(1)


def settings(opened: Opened, frames: int | None, prices: str) -> dict[str, Any]:
    """What the figures depend on, for the report."""
    return {
        "backend": opened.simulator.name,
        "network": opened.simulator.config.as_dict(),
        "tracker": opened.settings.as_dict(),
        "frames_limit": frames,
        "prices": prices,
        "network_digest": opened.network_digest,
        "checkpoint_sha256": opened.checkpoint_sha256,
    }


def write_plots(folder: Path, document: dict[str, Any]) -> None:
    """``plots.html``, and ``plots.png`` if possible."""
    if document["mean"] is None or document["mean"]["success_auc"] is None:
        return
    from spiketrack.tracking.page import write_html  # plotly loads slowly
    from spiketrack.tracking.plots import write_png

    write_html(document, folder / "plots.html")
    try:
        write_png(document, folder / "plots.png")
    except MissingDependency as reason:
        say(str(reason))
