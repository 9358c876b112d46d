"""What the project writes and reads as JSON and YAML: one typed class a schema."""

from __future__ import annotations

from spiketrack.documents.base import Document
from spiketrack.documents.bench import BenchDocument
from spiketrack.documents.chip.comparison import ChipComparisonDocument
from spiketrack.documents.chip.kit import KitDocument, MeasuredDocument
from spiketrack.documents.chip.partitions import PartitionsDocument
from spiketrack.documents.chip.sanafe import SanafeDocument
from spiketrack.documents.doctor import DoctorDocument
from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.manifest import InfoDocument, Manifest
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.process_graph import ProcessGraphDocument
from spiketrack.documents.rates import RateTable
from spiketrack.documents.run import RunDocument
from spiketrack.documents.settings import RunSettings
from spiketrack.documents.summary import SummaryDocument
from spiketrack.documents.timing import TimeDocument
from spiketrack.documents.tracking import EvaluationDocument, SequenceDocument, TrackDocument
from spiketrack.documents.verification import OutletsDocument, VerifyDocument

# by the command that writes it; a folder's own file by what the folder is
SCHEMAS: dict[str, type[Document]] = {
    "manifest": Manifest,
    "run": RunDocument,
    "settings": RunSettings,
    "summary": SummaryDocument,
    "verify": VerifyDocument,
    "energy": EnergyDocument,
    "map": MapDocument,
    "time": TimeDocument,
    "rates": RateTable,
    "track": TrackDocument,
    "evaluation": EvaluationDocument,
    "sequence": SequenceDocument,
    "bench": BenchDocument,
    "doctor": DoctorDocument,
    "process-graph": ProcessGraphDocument,
    "chip-kit": KitDocument,
    "measured": MeasuredDocument,
    "chip-comparison": ChipComparisonDocument,
    "partitions": PartitionsDocument,
    "sanafe": SanafeDocument,
    "outlets": OutletsDocument,
    "info": InfoDocument,
}
