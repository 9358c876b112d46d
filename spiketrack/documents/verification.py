"""``verify --json`` and ``outlets --json``: crops through every backend, networks in every tool."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from spiketrack.documents.base import Count, Digest, Document, FourNumbers, Number, Part, Share
from spiketrack.documents.network import NetworkPart
from spiketrack.documents.yardstick import AmplificationPart, Yardstick


class BackendAgreement(Part):
    """One backend against integer; ``maps_differ``: frames whose maps do.

    ``required``: it must be exact; of another backend the differences are only measured.
    """

    exact: bool
    counts_compared: Count
    mismatches: Count
    maps_differ: Count
    required: bool

    @property
    def proven(self) -> bool:
        """Something was compared and nothing differed."""
        return self.counts_compared > 0 and not self.mismatches and not self.maps_differ


class FirstDivergence(Part):
    """The first count that differs: ``index`` is (C, H, W); ``time_step``: of the chip, if any."""

    backend: str
    branch: str
    population: str
    frame: int
    step: int
    index: tuple[int, ...]
    expected: int
    found: int
    time_step: int | None = None

    def __str__(self) -> str:
        place = ",".join(str(n) for n in self.index)
        time = "" if self.time_step is None else f", time step {self.time_step:,} of the chip"
        return (
            f"{self.backend} differs from integer first in {self.population} ({self.branch} "
            f"branch): frame {self.frame}, step {self.step}{time}, index ({place}): "
            f"{self.found} instead of {self.expected}"
        )


class PopulationRow(Part):
    """Counts of one population compared over all backends; ``backends``: mismatches of each."""

    branch: str
    population: str
    compared: Count
    mismatches: Count
    backends: dict[str, Count]


class LossRow(Part):
    """What one population loses to rounding, fed the float network's counts."""

    branch: str
    population: str
    counts: Count
    mismatches: Count
    mismatch_rate: Share
    mean_count_float: float
    mean_difference: float | None
    sqnr_db: float | None
    ties: Count


class Place(Part):
    """A population of a branch."""

    branch: str
    population: str


class LossSummary(Part):
    """Mean and worst mismatch over the populations, gates apart."""

    populations: Count
    mean_mismatch_rate: Share
    worst_mismatch_rate: Share
    worst_population: Place
    gates: Count
    worst_gate_mismatch_rate: Share | None


class FreeRunning(Part):
    """Float and integer each on its own road, frame by frame."""

    iou: tuple[Share, ...]
    score_difference: tuple[float, ...]
    median_iou: Share | None
    mean_score_difference: float | None


class SameCrops(Part):
    """Boxes of float and integer from the same crop, frame by frame."""

    iou: tuple[Share, ...]
    median_iou: Share | None


class FloatPart(Part):
    """The float network against the integer one, and what float itself is worth.

    ``amplification``: with ``--amplification N``, how far the least push reaches.
    """

    teacher_forced: tuple[LossRow, ...]
    summary: LossSummary
    free_running: FreeRunning
    same_crops: SameCrops
    yardstick: Yardstick
    amplification: AmplificationPart | None = None


class FrameRow(Part):
    """Boxes and scores of one frame by backend."""

    frame: Count
    updated: bool
    boxes: dict[str, FourNumbers]
    scores: dict[str, Number]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.boxes.keys() != self.scores.keys():
            raise ValueError("boxes and scores name different backends")
        return self


class VerifyDocument(Document):
    """A verification; its verdict must be that of its rows.

    ``exact``: every required backend agrees in every count and map; null where none was compared.
    ``counts_compared``, ``mismatches``, ``populations``, ``frames``: over all backends together.
    """

    REMEDY: ClassVar[str] = "write it with spiketrack verify --json"

    schema_id: Literal["spiketrack.verify"] = Field(default="spiketrack.verify", alias="schema")
    version: Literal[2] = 2
    spiketrack: str
    exact: bool | None
    counts_compared: Count
    mismatches: Count
    populations: Count
    frames: Count
    updates: tuple[Count, ...]
    backends: dict[str, BackendAgreement]
    first_divergence: FirstDivergence | None
    by_population: tuple[PopulationRow, ...]
    float_: FloatPart | None = Field(alias="float")
    boxes: tuple[FrameRow, ...]
    network: NetworkPart
    clip: str
    clip_digest: Digest | None = None
    box: FourNumbers
    network_digest: Digest

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """What says ``exact`` must be exact."""
        backends = self.backends.values()
        if any(backend.exact != backend.proven for backend in backends):
            raise ValueError("backends: exact contradicts the counts beside it")
        verdicts = [backend.exact for backend in backends if backend.required]
        if self.exact != (all(verdicts) if verdicts else None):
            raise ValueError("exact contradicts the backends")
        for total, rows, each in (
            (self.counts_compared, "counts_compared", "compared"),
            (self.mismatches, "mismatches", "mismatches"),
        ):
            sums = (
                sum(getattr(b, rows) for b in backends),
                sum(getattr(row, each) for row in self.by_population),
            )
            if sums != (total, total):
                raise ValueError(f"{rows} is not the sum of its rows")
        return self


class OutletRow(Part):
    """One outlet. ``covers``: branch → populations, of how many, share of the dense MACs.

    ``different`` of ``compared`` counts, at most ``worst`` of a population; ``seconds`` a frame;
    ``least_iou`` of boxes, of the float outlet alone.
    """

    outlet: str
    tool: str
    versions: dict[str, str]
    covers: dict[str, tuple[Count, Count, Share]]
    compared: Count
    different: Count
    worst: Share
    seconds: Annotated[float, Field(ge=0)]
    least_iou: float | None


class ReaderRow(Part):
    """A reader of standard NIR: how many parts it takes; ``reasons``: its words → parts."""

    reader: str
    version: str
    taken: Count
    parts: Count
    reasons: dict[str, Count]


class OutletsDocument(Document):
    """All findings on ``frames`` crops of the bundled clip."""

    REMEDY: ClassVar[str] = "write it with spiketrack outlets CHECKPOINT --json"

    schema_id: Literal["spiketrack.outlets"] = Field(default="spiketrack.outlets", alias="schema")
    version: Literal[1] = 1
    checkpoint: str
    frames: Count
    outlets: tuple[OutletRow, ...]
    readers: tuple[ReaderRow, ...]
    network_digest: Digest
