"""``doctor --json``: what this machine has, what is missing and the remedy."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from spiketrack.documents.base import Document, Part


class CheckRow(Part):
    """One thing that was looked at."""

    what: str
    found: str
    ok: bool
    remedy: str


class DoctorDocument(Document):
    """All checks in order."""

    REMEDY: ClassVar[str] = "write it with spiketrack doctor --json"

    schema_id: Literal["spiketrack.doctor"] = Field(default="spiketrack.doctor", alias="schema")
    version: Literal[1] = 1
    checks: tuple[CheckRow, ...]
