"""How far a network amplifies the least push; a part of ``verify --json``."""

from __future__ import annotations

from pydantic import model_validator
from typing_extensions import Self

from spiketrack.documents.base import Count, Part, Share


class AmplificationPart(Part):
    """Counts of ``searches`` that differ from those of the undisturbed search, of ``counts``.

    ``flipped``: after one count of the first population was changed by one; ``shifted``: after the
    crop was shifted by one pixel, what merely moved included; rates are shares of ``counts``.
    """

    searches: Count
    counts: Count
    flipped: Count
    flipped_rate: Share
    shifted: Count
    shifted_rate: Share

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.counts or max(self.flipped, self.shifted) > self.counts:
            raise ValueError("flipped or shifted exceed the counts")
        pairs = ((self.flipped, self.flipped_rate), (self.shifted, self.shifted_rate))
        if any(abs(rate - some / self.counts) > 1e-9 for some, rate in pairs):
            raise ValueError("a rate is not its share of counts")
        return self
