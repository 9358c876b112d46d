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


def _exact(agreed: Agreement) -> str:
    names = " and ".join(["integer", *agreed.backends])
    if agreed.exact is None:
        return "no exact backend was compared with integer"
    verdict = "yes" if agreed.exact else "NO"
    return (
        f"{verdict}: {agreed.mismatches:,} of {agreed.counts_compared:,} counts differ between "
        f"{names}, {agreed.frames} frames"
    )


def _loss(loss: FloatLoss) -> str:
    overlap = "" if loss.median_iou is None else f"; box IoU {loss.median_iou:.3f}"
    if loss.float64_iou is not None:
        overlap += f", float64's {loss.float64_iou:.3f}"
    return f"{loss.mean_mismatch_rate:.2%} of counts differ, teacher-forced{overlap}"


def _energy(energy: EnergyAnswer) -> list[str]:
    at = f"{energy.chosen.prices}, {energy.chosen.execution}"
    error = f" ± {joules(energy.error_pj)}" if energy.error_pj else ""
    spent = joules(energy.chosen.energy_pj) or "none"
    lines = [f"energy   {spent}{error}: the operations of a frame, at {at}"]
    if energy.dense_pj and energy.dense_ratio:
        lines.append(
            f"         {joules(energy.dense_pj)} as a dense ANN at the same prices, "
            f"{energy.dense_ratio:.3g} times as much"
        )
    ends = energy.least, energy.most
    span = " to ".join(f"{joules(end.energy_pj)} ({end.prices})" for end in ends)
    lines.append(f"         {span}: over {energy.tables} price tables")
    if energy.whole_low_pj is not None and energy.whole_high_pj is not None:
        whole = f"{joules(energy.whole_low_pj)} to {joules(energy.whole_high_pj)}"
        lines.append(f"         {whole}: all that is spent on a frame, chips: {energy.chips}")
    return lines


def _placement(place: PlacementAnswer) -> str:
    whole = f"{place.cores:,} cores on {place.chips:,} chip{'' if place.chips == 1 else 's'}"
    if place.smallest is None:
        return f"{whole}; fits no board"
    return f"{whole}; the smallest board that fits: {place.smallest} ({place.smallest_chips:,})"
