"""The road from Python: the steps that the commands take, on names and paths as text.

Each does what the command of its name does and returns what was made. Errors are
``SpikeTrackError``; what a command would print as a warning is a Python warning.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path

from spiketrack.deploy.chip.board import DEFAULT_BOARD
from spiketrack.deploy.chip.program import choices_of
from spiketrack.deploy.chip.rules.strategy import HARDWARE, rules_of
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.verification import VerifyDocument
from spiketrack.energy.prices import DEFAULT as DEFAULT_PRICES
from spiketrack.export.nir.folder import read_manifest
from spiketrack.ownership import RUN
from spiketrack.reference.checkpoint import Checkpoint
from spiketrack.simulators.backends import FLOAT, INTEGER, find
from spiketrack.steps.exported import exported_checkpoint, of_export
from spiketrack.steps.left import Left, left, run_of
from spiketrack.steps.place import place as place_step
from spiketrack.steps.report import report as report_step
from spiketrack.steps.simulate import DEFAULT, Execution, Recording
from spiketrack.steps.simulate import simulate as simulate_step
from spiketrack.steps.verify import chosen_backends
from spiketrack.steps.verify import verify as verify_step
from spiketrack.steps.watch import Watch
from spiketrack.surface.run import Run, open_run
from spiketrack.targets import Source, check_folder, check_target
from spiketrack.verification import YARDSTICK_FRAMES
from spiketrack.video.clip import Where, box_of

Place = str | Path
Weights = str | Path | Checkpoint


def simulate(
    export: Place,
    out: Place = "run",
    *,
    video: Place | None = None,
    box: Where | None = None,
    frames: int | None = None,
    backend: str | None = None,
    counts: Recording | None = None,
    checkpoint: Weights | None = None,
    force: bool = False,
    how: Execution = DEFAULT,
) -> Run:
    """Track an object with an exported network and record what every layer did; the opened run.

    ``video``, ``box``: the clip and the object in its first frame (default: what the folder was
    made with, else the bundled ones); ``frames`` after the first; ``backend``, ``counts``
    (``totals``, or ``full`` for every count) and the rest of ``how``; ``checkpoint``: what the
    float backend needs. A clip that fails midway is a warning, the run holds the frames before.
    """
    there = left(Path(export))
    how = dataclasses.replace(how, backend=backend or how.backend, counts=counts or how.counts)
    find(how.backend)
    inputs = (export, video, _file(checkpoint))
    check_folder("", Path(out), RUN, force, inputs)
    made = simulate_step(
        there.export,
        Path(out),
        *_clip(there, video, box),
        frames,
        how,
        _exported(checkpoint, there.export),
        force,
        inputs,
        _watch(),
    )
    _warn(made.warnings, made.problems)
    return open_run(out)


def verify(
    export: Place,
    *,
    checkpoint: Weights | None = None,
    video: Place | None = None,
    box: Where | None = None,
    frames: int | None = 10,
    backends: str | Sequence[str] | None = None,
    yardstick: int = YARDSTICK_FRAMES,
    how: Execution = DEFAULT,
    out: Place | None = None,
) -> VerifyDocument:
    """The same crops through every backend, compared with integer count by count.

    ``backends``: names, or one text with commas; default integer and Lava, and float where its
    ``checkpoint`` is given; ``yardstick``: frames on which float runs in float64 too; ``out``: a
    file for the document. A difference is a finding (``exact``, ``first_divergence``), not an
    error.
    """
    there = left(Path(export))
    names = backends or ((FLOAT,) if checkpoint is not None else ()) + (INTEGER, "lava")
    if out is not None:
        check_target("out", Path(out), [export, _file(checkpoint), video])
    made = verify_step(
        there.export,
        chosen_backends(names if isinstance(names, str) else ",".join(names)),
        *_clip(there, video, box),
        frames,
        how,
        _exported(checkpoint, there.export),
        _watch(),
        yardstick,
    )
    _warn(made.warnings, made.problems)
    if out is not None:
        made.document.write(Path(out))
    return made.document


def place(
    export: Place,
    *,
    run: Place | Run | None = None,
    board: Place = DEFAULT_BOARD,
    mode: str = "pipelined",
    spikes: str = "graded",
    tiles: str = "1",
    rules: str = HARDWARE.name,
    out: Place | None = None,
) -> MapDocument:
    """Both branches on the neuro-cores of a board, with the counted traffic of a ``run`` if given.

    ``board``: a packaged name, ``N chips`` or a YAML file; ``mode``, ``spikes``,
    ``tiles``, ``rules``: as the options of ``spiketrack map``; ``out``: a file for the document. A
    network that does not fit is a finding (``fits``, ``obstacle``).
    """
    counted = None if run is None else _run(run)
    if out is not None:
        check_target("out", Path(out), [export, counted, board])
    choices = choices_of(mode, spikes, tiles)
    placement = place_step(
        left(Path(export)).export, str(board), choices, counted, rules_of(str(rules))
    )
    if out is not None:
        placement.write(Path(out))
    return placement


def write_report(
    run: Place | Run,
    out: Place = "report.html",
    *,
    against: Sequence[Place | Run] = (),
    verify: Place | None = None,
    placement: Place | None = None,
    prices: Place = DEFAULT_PRICES,
) -> Path:
    """One HTML file about a run that opens without a network; its path.

    ``against``: runs to show beside; ``verify``, ``placement``: files that ``verify`` and
    ``place`` wrote.
    """
    others = tuple(_run(other) for other in against)
    check_target("out", Path(out), [_run(run), *others, _path(verify), _path(placement)])
    command = f"spiketrack.write_report({str(_run(run))!r}, {str(out)!r})"
    page = report_step(
        _run(run), Path(out), others, _path(verify), _path(placement), str(prices), command
    )
    return page.page


def _watch() -> Watch:
    """What is odd about an input is a warning; nothing moves."""
    return Watch(note=_note)


def _warn(late: Sequence[str], problems: Sequence[str]) -> None:
    """What reading the clip brought to light, as warnings where the step was called."""
    for line in (*late, *problems):
        warnings.warn(line, stacklevel=3)


def _note(line: str) -> None:
    if line.startswith("warning: "):
        warnings.warn(line.removeprefix("warning: "), stacklevel=4)


def _clip(there: Left, video: Place | None, box: Where | None) -> tuple[Path | None, str | None]:
    """The clip and box that are given, else those of the folder."""
    if video is None and box is None:
        return there.video, there.box
    return _path(video), _text(box)


def _file(checkpoint: Weights | None) -> Source:
    return checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint


def _path(place: Place | None) -> Path | None:
    return None if place is None else Path(place)


def _run(run: Place | Run) -> Path:
    return run.path if isinstance(run, Run) else run_of(Path(run))


def _text(box: Where | None) -> str | None:
    """x,y,w,h as the steps take it."""
    return None if box is None else ",".join(f"{value!r}" for value in box_of(box).as_tuple())


def _exported(checkpoint: Weights | None, export: Path) -> Checkpoint | None:
    """The checkpoint that an export was made of; ``CheckpointError`` for another."""
    if checkpoint is None:
        return None
    manifest = read_manifest(export)
    if isinstance(checkpoint, Checkpoint):
        return of_export(checkpoint, manifest)
    return exported_checkpoint(checkpoint, None, manifest)
