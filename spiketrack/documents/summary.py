"""``summary.json`` of a results folder: the answers of a run, and the digests of its files."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Count, Digest, Document, FourNumbers, Part, Share
from spiketrack.documents.network import NetworkPart
from spiketrack.documents.prices import Execution, Picojoules

Ratio = Annotated[float, Field(ge=0)]


class LastBox(Part):
    """The object in the last frame that was tracked, pixels from 0; ``score``: 0..1."""

    frame: Count
    box: FourNumbers
    score: float


class Agreement(Part):
    """Integer against the exact backends; ``exact`` null: none was compared."""

    backends: tuple[str, ...]
    frames: Count
    exact: bool | None
    counts_compared: Count
    mismatches: Count
    populations: Count


class FloatLoss(Part):
    """Integer against float: teacher-forced share of counts, median box IoU, and in a word.

    ``float64_iou``: the same of float64 against float32, by which integer is judged.
    """

    mean_mismatch_rate: Share
    worst_mismatch_rate: Share
    median_iou: Share | None
    float64_iou: Share | None
    judgement: str
    meaning: str


class EnergyAt(Part):
    """Energy of a frame at one price table."""

    prices: str
    execution: Execution
    energy_pj: Picojoules


class EnergyAnswer(Part):
    """Modelled: counted operations times prices. ``dense_pj``: the same network as an ANN.

    ``whole_low_pj`` to ``whole_high_pj``: all that its ``chips`` spend on a frame, ``dominates``:
    most of the high estimate, and of the low one where that is another part; null where no whole
    frame could be modelled.
    """

    chosen: EnergyAt
    error_pj: Picojoules | None
    least: EnergyAt
    most: EnergyAt
    tables: Count
    dense_pj: Picojoules | None
    dense_ratio: Ratio | None
    whole_low_pj: Picojoules | None
    whole_high_pj: Picojoules | None
    chips: Count | None
    dominates: str | None = None


class PlacementAnswer(Part):
    """Cores and chips; ``smallest``: the board of fewest chips that holds them, null for none."""

    cores: Count
    chips: Count
    board: str
    fits: bool
    smallest: str | None
    smallest_chips: Count | None


class SummaryDocument(Document):
    """The answers of a run. ``files``: SHA-256 of what lies beside it, by path in the folder."""

    REMEDY: ClassVar[str] = "run spiketrack run again"

    schema_id: Literal["spiketrack.summary"] = Field(default="spiketrack.summary", alias="schema")
    version: Literal[1] = 1
    checkpoint: str
    network: NetworkPart
    clip: str
    frames: Count
    calibrated_on: str
    backend: str
    seconds_a_frame: Ratio
    last: LastBox
    agreement: Agreement
    loss: FloatLoss | None
    energy: EnergyAnswer
    placement: PlacementAnswer
    problems: tuple[str, ...]
    network_digest: Digest
    run_digest: Digest
    files: dict[str, Digest]
