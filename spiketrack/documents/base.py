"""What every JSON document shares: a schema, a version, the digests of what it speaks of.

The same class writes and reads, so that producer and reader cannot drift. Values are frozen and
strictly typed; a key that this version does not know is ignored, a key that it needs is required.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pydantic_core
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from typing_extensions import Self

from spiketrack.documents.problems import problem
from spiketrack.errors import DocumentError, printable
from spiketrack.files import atomic_path, json_text
from spiketrack.notebook.markup import table_html
from spiketrack.readable import read_start, readable

LINE = 60  # characters of a value that stands in the one line of a document
MOST_BYTES = 256 * 1024 * 1024
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Number = int | float  # integers stay integers in the file
Count = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[int | float, Field(ge=0, lt=2**80)]  # integers stay integers in the file
Share = Annotated[float, Field(ge=0, le=1 + 1e-9)]  # sums of floats may pass 1 by rounding
FourNumbers = tuple[Number, Number, Number, Number]  # x, y, w, h in pixels from 0


class Part(BaseModel):
    """A value inside a document."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
        ser_json_inf_nan="constants",
    )


class Sparse(Part):
    """A part in which a field that may be left out is an absent key where it is None."""

    @model_serializer(mode="wrap")
    def _present(self, values: SerializerFunctionWrapHandler) -> dict[str, Any]:
        needed = {
            key
            for name, field in type(self).model_fields.items()
            if field.is_required()
            for key in (name, field.alias)
        }
        entries: dict[str, Any] = values(self)
        return {key: value for key, value in entries.items() if value is not None or key in needed}


class Document(Part):
    """A file of its own. ``REMEDY``: how to get a right one; ``INDENT``: of its text.

    A subclass declares ``schema_id`` (the key ``schema`` or ``format``) and ``version`` first.
    """

    REMEDY: ClassVar[str]
    INDENT: ClassVar[int | None] = 2

    @classmethod
    def identity(cls) -> tuple[str, str, int]:
        """(key, name, version) as the file holds them."""
        named, version = cls.model_fields["schema_id"], cls.model_fields["version"]
        return str(named.alias), str(named.default), int(version.default)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a file; ``DocumentError`` names it, the key and the remedy in one line."""
        if not readable(path):
            raise DocumentError(f"{path}: no such file; {cls.REMEDY}")
        try:
            content = read_start(path, MOST_BYTES + 1)
        except OSError as error:
            raise DocumentError(f"{path}: {error.strerror or error}") from None
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """The same for bytes; errors begin with ``where``."""
        if len(content) > MOST_BYTES:
            raise DocumentError(f"{where}: larger than {MOST_BYTES // 1024**2} MiB; {cls.REMEDY}")
        cls._require_identity(content, where)
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise DocumentError(f"{where}: {problem(error)}; {cls.REMEDY}") from None

    @classmethod
    def _require_identity(cls, content: bytes, where: str) -> None:
        key, name, version = cls.identity()
        try:
            document = pydantic_core.from_json(content)
        except ValueError as error:
            reason = printable(str(error), 200)
            raise DocumentError(f"{where}: unreadable, no JSON ({reason}); {cls.REMEDY}") from None
        if not isinstance(document, dict) or document.get(key) != name:
            given = document.get(key) if isinstance(document, dict) else None
            told = f"{key} {printable(given)}" if isinstance(given, str) else f"no {key}"
            raise DocumentError(f"{where}: {told}, not {name}; {cls.REMEDY}")
        _require_version(f"{where}: {name}", document.get("version"), version, cls.REMEDY)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in the order of the file."""
        return self.model_dump(mode="json", by_alias=True)

    def text(self) -> str:
        """The file's content; a file name that is no UTF-8 has its odd bytes as escapes."""
        return json_text(self.to_json(), self.INDENT)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.text(), encoding="utf-8")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """One line: what is a single value."""
        return ((name, value) for name, value in self._single() if len(str(value)) <= LINE)

    def _single(self) -> Iterator[tuple[str, Any]]:
        hidden = ("schema_id", "version")
        return (
            (name, value)
            for name in type(self).model_fields
            if name not in hidden
            and isinstance(value := getattr(self, name), (bool, int, float, str))
        )

    def _repr_html_(self) -> str:
        """For notebooks: single values, then how much the other keys hold."""
        _, schema, version = self.identity()
        rows: list[tuple[str, Any]] = [*self._single()]
        rows += [
            (name, f"{len(value):,} entries")
            for name in type(self).model_fields
            if isinstance(value := getattr(self, name), (tuple, dict))
        ]
        return table_html(f"{schema} {version}", ("key", "value"), rows)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of the file."""
        return {"$schema": DIALECT, **cls.model_json_schema(by_alias=True)}


def _require_version(what: str, version: object, known: int, remedy: str) -> None:
    if type(version) is not int:
        raise DocumentError(f"{what} without a version; {remedy}")
    if version != known:
        shown = str(version) if abs(version) < 10**9 else "of too many digits"
        way = f"update spiketrack or {remedy}" if version > known else remedy
        raise DocumentError(f"{what} written as version {shown}, this program reads {known}; {way}")
