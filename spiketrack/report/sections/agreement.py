"""Section on agreement: counts compared, what quantisation changed, boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spiketrack.documents.verification import (
    FirstDivergence,
    LossRow,
    LossSummary,
    PopulationRow,
    VerifyDocument,
)
from spiketrack.pages.parts import Figure, Section, Table
from spiketrack.report.commands import verify_command
from spiketrack.report.figures.network import mismatch_figure
from spiketrack.report.figures.run import overlap_figure, scores_figure
from spiketrack.report.sections.yardstick import yardstick_text
from spiketrack.report.sources import Sources
from spiketrack.terminal.amounts import counted

SMALLEST = 1e-4  # difference of scores that is told
TEACHER_FORCED = "Integer against float by population, teacher-forced"
FED = (
    "Every population of the integer network is fed the float run's counts, so what is rounded "
    "before it does not add up; gates are apart in the summary."
)


def agreement_section(sources: Sources) -> Section:
    """Float, integer and Lava: counts compared, what quantisation changed, boxes."""
    title, overlays = "Agreement", sources.overlays
    figures: list[Figure] = [scores_figure(overlays)] if overlays else []
    if len(overlays) > 1:
        figures.insert(0, overlap_figure(overlays))
    if sources.verify is None:
        missing = (
            "Not given: a comparison of the backends count by count. Make one and give it to "
            "the report with --verify:",
        )
        command = (verify_command(sources.run),)
        return Section("agreement", title, missing, tuple(figures), commands=command)
    verify = sources.verify
    text = (_verdict(verify), *_quantisation(verify))
    tables = [
        _backends(verify),
        Table.of(
            "counts_compared",
            "Counts compared by population",
            [_flat(row) for row in verify.by_population],
        ),
    ]
    if verify.float_:
        rows = verify.float_.teacher_forced
        if any(row.mismatches for row in rows):
            figures.insert(0, mismatch_figure(rows))
        tables.append(Table.of("teacher_forced", TEACHER_FORCED, rows, note=FED))
    return Section("agreement", title, text, tuple(figures), tuple(tables))


def _verdict(verify: VerifyDocument) -> str:
    names = " and ".join(verify.backends)
    if verify.exact is None:
        return "No exact backend was compared with integer: what follows is float against integer."
    if verify.exact:
        return (
            f"Exact: integer and {names} agree in all {verify.counts_compared:,} counts of "
            f"{verify.populations} populations over {counted(verify.frames, 'frame')} of "
            f"{verify.clip}."
        )
    maps = sum(backend.maps_differ for backend in verify.backends.values())
    first = f"; first: {_first(verify.first_divergence)}" if verify.first_divergence else ""
    return (
        f"Not exact: {verify.mismatches:,} of {verify.counts_compared:,} counts and the maps of "
        f"{maps:,} frames differ between integer and {names}{first}."
    )


def _quantisation(verify: VerifyDocument) -> tuple[str, ...]:
    if not verify.float_:
        return ("The float network was not compared (verify needs --checkpoint for it).",)
    loss, free = verify.float_.summary, verify.float_.free_running
    lines = [_lost(verify.float_.teacher_forced, loss)]
    if free.median_iou is not None:
        lines.append(
            f"Each on its own road, float and integer boxes overlap with a median IoU of "
            f"{free.median_iou:.3f}; the score differs by {signed(free.mean_score_difference)} "
            "in the mean."
        )
    return (*lines, *yardstick_text(verify.float_.yardstick))


def signed(value: float | None) -> str:
    """Four digits and a sign; what rounds to nothing has none."""
    return f"{value:+.4f}" if value and abs(value) >= SMALLEST else "less than 0.0001"


def _lost(rows: Sequence[LossRow], loss: LossSummary) -> str:
    if not any(row.mismatches for row in rows):
        return (
            f"Integer against float: no count of {len(rows)} populations differs, each "
            "population of the integer network being fed the float run's counts (teacher-forced)."
        )
    return (
        f"Integer against float: {loss.mean_mismatch_rate:.3%} of the counts of a population "
        f"differ (mean of {loss.populations}), {loss.worst_mismatch_rate:.3%} in the worst "
        f"({loss.worst_population.branch} {loss.worst_population.population}), each population of "
        "the integer network being fed the float run's counts (teacher-forced)."
    )


def _backends(verify: VerifyDocument) -> Table:
    rows = [{"backend": name, **dict(entry)} for name, entry in verify.backends.items()]
    return Table.of("backends", "Backends against integer", rows, unfolded=True)


def _flat(row: PopulationRow) -> dict[str, Any]:
    """``backends`` spread over columns of their own."""
    plain = {key: value for key, value in row if key != "backends"}
    return plain | {f"mismatches {name}": number for name, number in row.backends.items()}


def _first(divergence: FirstDivergence) -> str:
    return ", ".join(f"{key} {value}" for key, value in divergence)
