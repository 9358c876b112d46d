"""What several documents say of the network, its tracker and its layers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spiketrack.documents.base import Amount, Digest, Part, Sparse

Positive = Annotated[int, Field(ge=1, lt=2**31)]
Factor = Annotated[int | float, Field(gt=0, le=1000)]


class CheckpointPart(Sparse):
    """The file that was exported, and which of several state dicts in it."""

    sha256: Digest
    key: str | None = None


class SizesPart(Part):
    """Sizes of the network, see ``spiketrack.config.NetworkConfig``."""

    embed_dims: tuple[Positive, Positive, Positive, Positive]
    grid: Positive
    templates: Positive
    head_channels: Positive
    conv_blocks: tuple[Positive, Positive, Positive, Positive]
    blocks3: Positive
    blocks4: Positive


class NetworkPart(SizesPart):
    """Sizes and their name (``NetworkConfig.variant``)."""

    variant: str


class TrackerPart(Part):
    """Settings of the tracker, see ``spiketrack.config.TrackerConfig``."""

    search_factor: Factor
    template_factor: Factor
    update_every: Positive
    update_threshold: Annotated[int | float, Field(ge=0, le=1)]
    margin: Annotated[int, Field(ge=0, lt=2**31)]
    window: bool


class Operations(Part):
    """Operation counts, means or sums; each is explained in ``spiketrack.integer.counting``."""

    events: Amount
    spikes: Amount
    events_in: Amount
    spikes_in: Amount
    ac_graded: Amount
    ac_spike: Amount
    mac: Amount
    neuron_updates: Amount
