"""What a benchmark found as the document that ``bench --json`` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from spiketrack.benchmark.results import Detail, Findings
from spiketrack.benchmark.stock import StockRow
from spiketrack.documents.bench import BenchDocument, DetailPart, ResultRow, StockPart


def document(
    machine: Mapping[str, str],
    frames: int,
    findings: Findings,
    stock: Sequence[Sequence[StockRow]] = (),
) -> BenchDocument:
    """All rows; ``stock``: of each variant, where it was asked for."""
    return BenchDocument(
        machine=dict(machine),
        frames=frames,
        results=tuple(ResultRow(**result.as_dict()) for result in findings.results),
        details=tuple(_detail(detail) for detail in findings.details),
        stock=tuple(StockPart(**asdict(row)) for rows in stock for row in rows),
    )


def _detail(detail: Detail) -> DetailPart:
    return DetailPart(
        variant=detail.variant,
        giga_macs=detail.giga_macs,
        processes=detail.processes,
        shares=dict(detail.shares),
        slowest_processes=tuple(detail.slowest_processes),
        slowest_layers=tuple(detail.slowest_layers),
        network_digest=detail.network_digest,
    )
