"""The dozen lines at the end of ``run``."""

from __future__ import annotations

import shlex
from pathlib import Path

from spiketrack.documents.summary import (
    Agreement,
    EnergyAnswer,
    FloatLoss,
    PlacementAnswer,
    SummaryDocument,
)
from spiketrack.energy.tables import joules
from spiketrack.steps.results import Results
from spiketrack.terminal.console import say

NOT_A_CHIP = "simulated on this machine; joules are modelled, no chip was used"


def show_summary(answers: SummaryDocument, folder: Path) -> None:
    """Box, proof, loss, energy, placement, and where the report is."""
    for problem in answers.problems:
        say(f"warning: {problem}", "yellow")
    last = answers.last
    place = ", ".join(f"{value:.1f}" for value in last.box)
    name, sizes = Path(answers.checkpoint).name, answers.network.variant
    name += "" if sizes in ("custom", name) else f" ({sizes})"
    say(
        f"{name} on {answers.clip}: {answers.frames} frames on {answers.backend}, "
        f"{answers.seconds_a_frame:.3g} s each here"
    )
    say(f"         calibrated on {answers.calibrated_on}")
    say(f"box      frame {last.frame}: {place} (x, y, w, h; score {last.score:.2f})")
    say(f"exact    {_exact(answers.agreement)}", _colour(answers.agreement.exact))
    if answers.loss is not None:
        say(f"loss     {_loss(answers.loss)}")
        say(f"         {answers.loss.judgement}: {answers.loss.meaning}")
    for line in _energy(answers.energy):
        say(line)
    say(f"chip     {_placement(answers.placement)}")
    say(f"         {NOT_A_CHIP}")
    results = Results(folder)
    say(f"again    spiketrack run {shlex.quote(str(results.settings))} --out OTHER")
    say(f"report   {results.report} ({results.report.stat().st_size / 1e6:.1f} MB)", "bold")


def _colour(exact: bool | None) -> str:
    return {True: "green", False: "bold red", None: ""}[exact]


def _exact(found: Agreement) -> str:
    names = " and ".join(["integer", *found.backends])
    if found.exact is None:
        return "no exact backend was compared with integer"
    verdict = "yes" if found.exact else "NO"
    return (
        f"{verdict}: {found.mismatches:,} of {found.counts_compared:,} counts differ between "
        f"{names}, {found.frames} frames"
    )


def _loss(found: FloatLoss) -> str:
    overlap = "" if found.median_iou is None else f"; box IoU {found.median_iou:.3f}"
    if found.float64_iou is not None:
        overlap += f", float64's {found.float64_iou:.3f}"
    return f"{found.mean_mismatch_rate:.2%} of counts differ, teacher-forced{overlap}"


def _energy(found: EnergyAnswer) -> list[str]:
    at = f"{found.chosen.prices}, {found.chosen.execution}"
    error = f" ± {joules(found.error_pj)}" if found.error_pj else ""
    spent = joules(found.chosen.energy_pj) or "none"
    lines = [f"energy   {spent}{error}: the operations of a frame, at {at}"]
    if found.dense_pj and found.dense_ratio:
        lines.append(
            f"         {joules(found.dense_pj)} as a dense ANN at the same prices, "
            f"{found.dense_ratio:.3g} times as much"
        )
    ends = found.least, found.most
    span = " to ".join(f"{joules(end.energy_pj)} ({end.prices})" for end in ends)
    lines.append(f"         {span}: over {found.tables} price tables")
    if found.whole_low_pj is not None and found.whole_high_pj is not None:
        whole = f"{joules(found.whole_low_pj)} to {joules(found.whole_high_pj)}"
        lines.append(f"         {whole}: all that is spent on a frame, chips: {found.chips}")
    return lines


def _placement(found: PlacementAnswer) -> str:
    whole = f"{found.cores:,} cores on {found.chips:,} chip{'' if found.chips == 1 else 's'}"
    if found.smallest is None:
        return f"{whole}; fits no board"
    return f"{whole}; the smallest board that fits: {found.smallest} ({found.smallest_chips:,})"
