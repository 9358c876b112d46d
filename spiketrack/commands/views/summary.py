"""The dozen lines at the end of ``run``."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path

from spiketrack.documents.summary import (
    Agreement,
    EnergyAnswer,
    FloatLoss,
    PlacementAnswer,
    SummaryDocument,
)
from spiketrack.energy.tables import joules
from spiketrack.errors import one_line
from spiketrack.steps.results import Results
from spiketrack.terminal.amounts import counted
from spiketrack.terminal.console import console, say
from spiketrack.terminal.table import shorten

INDENT = 9  # columns of a line's first word
LONGEST = 40  # columns of a clip's name


def show_summary(answers: SummaryDocument, folder: Path) -> None:
    """Box, proof, loss, energy, placement, and where the report is."""
    for problem in answers.problems:
        say(f"warning: {problem}", "yellow")
    last = answers.last
    place = ", ".join(f"{value:.1f}" for value in last.box)
    name, sizes = Path(answers.checkpoint).name, answers.network.variant
    name += "" if sizes in ("custom", name) else f" ({sizes})"
    frames = counted(answers.frames, "frame")
    clip = shorten(one_line(answers.clip), LONGEST)
    say(
        f"{name} on {clip}: {frames} simulated on {answers.backend}, "
        f"{answers.seconds_a_frame:.3g} s each here"
    )
    _line("", f"calibrated on {answers.calibrated_on}")
    _line("box", f"frame {last.frame}: {place} (x, y, w, h; score {last.score:.2f})")
    _line("exact", _exact(answers.agreement), _colour(answers.agreement.exact))
    if answers.loss is not None:
        _line("loss", f"{answers.loss.judgement}: {answers.loss.meaning}")
        _line("", _loss(answers.loss))
    for word, text in zip(("energy", "", "", ""), _energy(answers.energy), strict=False):
        _line(word, text)
    _line("chip", _placement(answers.placement))
    results = Results(folder)
    _line("again", f"spiketrack run {shlex.quote(str(results.settings))} --out OTHER")
    _line("report", f"{results.report} ({size(results.report)})", "bold")


def _line(word: str, text: str, style: str = "") -> None:
    """A word and what follows it, below each other where it takes several lines."""
    indent = " " * INDENT
    lines = textwrap.fill(
        text, console.width, initial_indent=f"{word:{INDENT}}", subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    say(lines, style)


def size(path: Path) -> str:
    """``2.0 MB``, of a file."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


def _colour(exact: bool | None) -> str:
    return {True: "green", False: "bold red", None: ""}[exact]


def _exact(agreed: Agreement) -> str:
    names = " and ".join(["integer", *agreed.backends])
    if agreed.exact is None:
        return "no exact backend was compared with integer"
    verdict = "yes" if agreed.exact else "NO"
    return (
        f"{verdict}: {agreed.mismatches:,} of {agreed.counts_compared:,} counts differ between "
        f"{names}, {counted(agreed.frames, 'frame')}"
    )


def _loss(loss: FloatLoss) -> str:
    overlap = "" if loss.median_iou is None else f"; box IoU {loss.median_iou:.3f}"
    if loss.float64_iou is not None:
        overlap += f", float64's {loss.float64_iou:.3f}"
    return f"{loss.mean_mismatch_rate:.2%} of counts differ, teacher-forced{overlap}"


def _energy(energy: EnergyAnswer) -> list[str]:
    """All that a frame costs, low to high; then its operations alone and what they stand by."""
    lines = []
    if energy.whole_low_pj is not None and energy.whole_high_pj is not None:
        span = f"{joules(energy.whole_low_pj)} to {joules(energy.whole_high_pj)} a frame, modelled"
        lines.append(f"{span}; largest: {energy.dominates}" if energy.dominates else span)
    at = f"at {energy.chosen.prices}, {energy.chosen.execution}"
    error = f" ± {joules(energy.error_pj)}" if energy.error_pj else ""
    spent = joules(energy.chosen.energy_pj) or "none"
    lines.append(f"its operations alone {spent}{error}, {at}")
    if energy.dense_pj and energy.dense_ratio:
        dense = f"as a dense ANN {joules(energy.dense_pj)} at the same prices"
        lines.append(f"{dense}, {energy.dense_ratio:.3g} times as much")
    ends = f"{joules(energy.least.energy_pj)} to {joules(energy.most.energy_pj)}"
    lines.append(f"operations at {energy.tables} price tables: {ends}")
    return lines


def _placement(place: PlacementAnswer) -> str:
    whole = f"{counted(place.cores, 'core')} on {counted(place.chips, 'chip')}"
    if place.smallest is None:
        return f"{whole}, none was used; fits no board"
    return f"{whole}, none was used; smallest board: {place.smallest} ({place.smallest_chips:,})"
