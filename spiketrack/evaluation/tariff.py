"""What an evaluation prices operations and whole frames at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Self

from spiketrack.documents.base import MOST_BYTES
from spiketrack.energy.joules import price_operations
from spiketrack.energy.prices import load_prices
from spiketrack.energy.whole import chip_prices
from spiketrack.errors import ConfigError
from spiketrack.evaluation.whole import WholeFrames
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.readable import read_start
from spiketrack.timing.document import placed_by
from spiketrack.timing.rates import DEFAULT, load_rates
from spiketrack.tracking.evaluation import Price, Whole


@dataclass(frozen=True)
class Tariff:
    """What operations cost, and whole frames on a placement, with the digests of both."""

    price: Price
    prices_sha256: str
    whole: Whole | None = None
    placement: str | None = None

    @property
    def digests(self) -> dict[str, str | None]:
        """As the document of an evaluation holds them."""
        return {"prices_sha256": self.prices_sha256, "placement": self.placement}

    @classmethod
    def read(cls, prices: str, placement: Path | None, network: ExportedNetwork | None) -> Self:
        """A price table, by name or file, and perhaps what ``spiketrack map --json`` wrote."""
        table = load_prices(prices)
        price = price_operations(table)
        digest = hashlib.sha256(table.model_dump_json().encode()).hexdigest()
        if placement is None:
            return cls(price, digest)
        if network is None:
            raise ConfigError("--map: places an integer network; choose a backend that runs one")
        where = placed_by(network, "this evaluation", placement)
        whole = WholeFrames(where, chip_prices(table), load_rates(DEFAULT))
        return cls(
            price, digest, whole, hashlib.sha256(read_start(placement, MOST_BYTES)).hexdigest()
        )
