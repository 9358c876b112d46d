"""What the parts of a results folder answer, as its summary."""

from __future__ import annotations

from collections.abc import Sequence

from spiketrack.documents.digests import file_digest
from spiketrack.documents.energy import AtTable, EnergyDocument
from spiketrack.documents.manifest import Manifest
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.settings import RunSettings
from spiketrack.documents.summary import (
    Agreement,
    EnergyAnswer,
    EnergyAt,
    FloatLoss,
    LastBox,
    PlacementAnswer,
    SummaryDocument,
)
from spiketrack.documents.verification import VerifyDocument
from spiketrack.inference import SEARCH
from spiketrack.runs.folder import RUN_FILE, RunFolder
from spiketrack.steps.footage import calibrated_on
from spiketrack.steps.results import Results


def summarise(
    settings: RunSettings,
    results: Results,
    manifest: Manifest,
    made: RunFolder,
    verified: VerifyDocument,
    priced: EnergyDocument,
    placed: MapDocument,
    problems: Sequence[str],
) -> SummaryDocument:
    """The answers of all parts."""
    last = made.boxes()[-1]
    return SummaryDocument(
        checkpoint=settings.checkpoint,
        network=manifest.network,
        clip=made.about.clip.name,
        frames=made.about.frames,
        calibrated_on=calibrated_on(manifest.calibration, made.about.clip.digest),
        backend=made.about.backend,
        seconds_a_frame=made.about.seconds.median,
        last=LastBox(frame=last.frame, box=last.box.as_tuple(), score=last.score),
        agreement=agreement(verified),
        loss=loss(verified),
        energy=energy(priced),
        placement=placement(placed),
        problems=tuple(problems),
        network_digest=manifest.network_digest,
        run_digest=made.digest,
        files=_files(results),
    )


def agreement(verified: VerifyDocument) -> Agreement:
    """What the exact backends showed."""
    return Agreement(
        backends=tuple(verified.backends),
        frames=verified.frames,
        exact=verified.exact,
        counts_compared=verified.counts_compared,
        mismatches=verified.mismatches,
        populations=verified.populations,
    )


def loss(verified: VerifyDocument) -> FloatLoss | None:
    """What quantising lost, in figures and a word; None where float was left out."""
    part = verified.float_
    if part is None:
        return None
    return FloatLoss(
        mean_mismatch_rate=part.summary.mean_mismatch_rate,
        worst_mismatch_rate=part.summary.worst_mismatch_rate,
        median_iou=part.yardstick.integer.median_iou,
        float64_iou=part.yardstick.float64.median_iou,
        judgement=part.yardstick.judgement,
        meaning=part.yardstick.meaning,
    )


def energy(priced: EnergyDocument) -> EnergyAnswer:
    """The chosen table, the range over all tables, the dense ANN at the chosen one's prices."""
    total = priced.total.energy_pj
    chosen = EnergyAt(prices=priced.prices.name, execution=priced.execution, energy_pj=total)
    tables = sorted((row for row in priced.tables if row.energy_pj), key=lambda r: r.energy_pj)
    ends = (_at(tables[0]), _at(tables[-1])) if tables else (chosen, chosen)
    whole = next((frame for frame in priced.whole if frame.branch == SEARCH), None)
    dense = next((r.dense_pj for r in priced.tables if r.name == priced.prices.name), None)
    return EnergyAnswer(
        chosen=chosen,
        error_pj=priced.total.energy_se_pj,
        least=ends[0],
        most=ends[1],
        tables=len(tables),
        dense_pj=dense,
        dense_ratio=dense / total if dense and total else None,
        whole_low_pj=None if whole is None else whole.low_pj,
        whole_high_pj=None if whole is None else whole.high_pj,
        chips=None if whole is None else whole.chips,
        dominates=None if whole is None else " and ".join(whole.largest),
    )


def _at(row: AtTable) -> EnergyAt:
    return EnergyAt(prices=row.name, execution=row.execution, energy_pj=row.energy_pj)


def placement(placed: MapDocument) -> PlacementAnswer:
    """Cores, chips, and the board of fewest chips that holds them."""
    fitting = [board for board in placed.boards if board.fits and board.chips is not None]
    smallest = min(fitting, key=lambda board: board.chips or 0, default=None)
    return PlacementAnswer(
        cores=placed.cores,
        chips=placed.chips,
        board=placed.board,
        fits=placed.fits,
        smallest=None if smallest is None else smallest.name,
        smallest_chips=None if smallest is None else smallest.chips,
    )


def _files(results: Results) -> dict[str, str]:
    """Digests of the findings and of the run's document, which names the run's other files."""
    paths = (results.settings, results.run / RUN_FILE, *results.findings[:-1])
    return {
        path.relative_to(results.folder).as_posix(): file_digest(path)
        for path in paths
        if path.is_file()
    }
