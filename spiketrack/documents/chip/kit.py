"""What whoever has a chip is given, and gives back: ``kit.json`` and ``measured.json``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from spiketrack.documents.base import Count, Digest, Document, Part
from spiketrack.inference import BRANCHES, SEARCH

Joules = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Watts = Annotated[float, Field(ge=0)]


class ExpectedLayer(Part):
    """A layer of the program, in the order of its time steps.

    ``fires``: time steps in which its neurons' program computes network step 0, 1, …; ``spikes``:
    sum of its counts in each network step, empty for layers that count nothing; the rest is what a
    profiler should find for one frame: updates of neurons, synaptic operations, multiplications,
    messages sent. ``vectors``: its group in the kit's HDF5 file.
    """

    name: str
    kind: str
    rule: str
    shape: tuple[Count, Count, Count]
    fires: tuple[Count, ...]
    spikes: tuple[Count, ...]
    updates: Count
    operations: Count
    multiplications: Count
    messages: Count
    vectors: str


class KitDocument(Document):
    """``kit.json``: expected values of one inference of a branch; arrays are in ``vectors.h5``."""

    REMEDY: ClassVar[str] = "write it with spiketrack compare-chip RUN --kit DIR"

    schema_id: Literal["spiketrack.chip-kit"] = Field(default="spiketrack.chip-kit", alias="schema")
    version: Literal[1] = 1
    branch: str
    mode: str
    time_steps: Count
    layers: tuple[ExpectedLayer, ...]
    files: dict[str, Digest]
    network_digest: Digest
    run_digest: Digest


class MeasuredLayer(Part):
    """What was measured of a layer in one frame; what was not is left out.

    ``spikes``: sum of its counts in each network step.
    """

    name: str
    spikes: tuple[Count, ...] | None = None
    updates: Count | None = None
    operations: Count | None = None
    messages: Count | None = None


class MeasuredDocument(Document):
    """``measured.json``: one frame on a chip, the mean of ``frames`` runs of it.

    ``counts``: name of a NumPy ``.npz`` file beside it, layer → counts (steps, C, H, W), to
    compare count by count; ``seconds``, ``joules`` of a frame, of which ``static_watts`` · seconds
    are static. ``device``: the chip and how it was measured, in words.
    """

    REMEDY: ClassVar[str] = "see spiketrack schema measured, and measured-schema.json of a kit"

    schema_id: Literal["spiketrack.measured"] = Field(default="spiketrack.measured", alias="schema")
    version: Literal[1] = 1
    device: str
    branch: Annotated[str, Field(pattern=f"^({'|'.join(BRANCHES)})$")] = SEARCH
    frames: Annotated[int, Field(ge=1)] = 1
    counts: str | None = None
    seconds: Seconds | None = None
    joules: Joules | None = None
    static_watts: Watts | None = None
    layers: tuple[MeasuredLayer, ...] = ()
    network_digest: Digest

    @model_validator(mode="after")
    def _plain(self) -> Self:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names):
            raise ValueError("layers names one twice")
        if self.counts is not None and ("/" in self.counts or "\\" in self.counts):
            raise ValueError("counts is no plain file name")
        if self.joules is not None and (self.static_watts or 0) * (self.seconds or 0) > self.joules:
            raise ValueError("static_watts · seconds is more than joules, of which it is a part")
        return self
