"""What an evaluation prices operations and messages at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Self

from spiketrack.documents.base import MOST_BYTES
from spiketrack.energy.joules import price_operations
from spiketrack.energy.messages import price_messages
from spiketrack.energy.prices import load_prices
from spiketrack.readable import read_start
from spiketrack.tracking.evaluation import Messages, Price


@dataclass(frozen=True)
class Tariff:
    """What operations cost, and messages on a placement, whose file has this digest."""

    price: Price
    messages: Messages | None = None
    digest: str | None = None

    @classmethod
    def read(cls, prices: str, placement: Path | None, network_digest: str | None) -> Self:
        """A price table, by name or file, and perhaps what ``spiketrack map --json`` wrote."""
        table = load_prices(prices)
        price = price_operations(table)
        if placement is None:
            return cls(price)
        messages = price_messages(placement, network_digest, table, table.execution)
        return cls(price, messages, hashlib.sha256(read_start(placement, MOST_BYTES)).hexdigest())
