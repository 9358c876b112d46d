"""A checkpoint into an export folder, and what quantising it lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiketrack.calibration import CalibrationData
from spiketrack.documents.verification import LossSummary
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.ownership import EXPORT
from spiketrack.pipeline import calibration, export_checkpoint
from spiketrack.reference.checkpoint import Checkpoint
from spiketrack.steps.watch import SILENT, Watch
from spiketrack.targets import check_folder
from spiketrack.verification.document import summary
from spiketrack.verification.teacher import TeacherForcing
from spiketrack.verification.verify import Verification


@dataclass(frozen=True, eq=False)
class Exported:
    """An export that was written: the network, what calibrated it, what was lost on that."""

    folder: Path
    network: ExportedNetwork
    data: CalibrationData
    loss: LossSummary


def export(
    checkpoint: Checkpoint,
    folder: Path,
    video: Path | None = None,
    box: str | None = None,
    force: bool = False,
    also: tuple[str, ...] = (),
    watch: Watch = SILENT,
) -> Exported:
    """Quantise, calibrated on ``video``, and write; then measure the loss on the same crops.

    The loss is teacher-forced, of one template encoding and one search of the calibration.
    """
    check_folder("", folder, EXPORT, force, (checkpoint.path, video))
    with watch.stages("calibrating") as tell:
        data = calibration(checkpoint, video, box)
        network = export_checkpoint(
            checkpoint, folder, video, box, force, tell, also, calibrated=data
        )
        tell("measuring what quantisation lost")
        loss = measured(checkpoint, network, data)
    return Exported(folder, network, data, loss)


def measured(
    checkpoint: Checkpoint, network: ExportedNetwork, data: CalibrationData
) -> LossSummary:
    """Mismatch of float and integer counts on crops of the calibration, teacher-forced."""
    forcing = TeacherForcing(checkpoint.build(), network.graphs)
    steps = network.config.templates
    forcing.encode_template(data.statistics[TEMPLATE].crops[:steps])
    forcing.search(data.statistics[SEARCH].crops[0])
    return summary(Verification(("float",), losses=forcing.losses))
