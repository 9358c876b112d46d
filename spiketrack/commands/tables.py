"""Where tables were; see ``spiketrack.terminal``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from spiketrack.terminal.console import console, say
from spiketrack.terminal.table import Table, print_table

__all__ = ["console", "say", "table"]


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table and an empty line."""
    print_table(Table.of(title, columns, rows))
    say()
