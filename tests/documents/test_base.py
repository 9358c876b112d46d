"""All schemas: identity, versions, types, bounds, one-line errors, JSON Schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field
from support.runs import run_document

from spiketrack.documents import SCHEMAS
from spiketrack.documents.base import Digest, Document, Number, Part, Sparse
from spiketrack.documents.run import ClipPart, RunDocument
from spiketrack.documents.verification import BackendAgreement
from spiketrack.errors import DocumentError
from spiketrack.files import write_json


class Row(Sparse):
    name: str
    size: int | None = None
    needed: int | None


class Sample(Document):
    REMEDY: ClassVar[str] = "write it again"

    schema_id: Literal["spiketrack.sample"] = Field(default="spiketrack.sample", alias="schema")
    version: Literal[3] = 3
    rows: tuple[Row, ...]
    number: Number
    real: float
    digest: Digest


ROWS = (Row(name="a", needed=None), Row(name="b", size=2, needed=1))
GOOD = Sample(rows=ROWS, number=3, real=0.5, digest="0a" * 32)
PLAIN = {
    "schema": "spiketrack.sample",
    "version": 3,
    "rows": [{"name": "a", "needed": None}, {"name": "b", "size": 2, "needed": 1}],
    "number": 3,
    "real": 0.5,
    "digest": "0a" * 32,
}


def test_written_and_read_by_the_same_class(tmp_path: Path) -> None:
    GOOD.write(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == PLAIN
    assert list(GOOD.to_json()) == list(PLAIN)
    assert Sample.read(tmp_path / "s.json") == GOOD
    assert Sample.parse(json.dumps(PLAIN | {"added": [1]}).encode(), "text") == GOOD


def test_integers_stay_integers() -> None:
    text = GOOD.model_copy(update={"number": 3.0}).text()
    assert '"number": 3.0' in text
    assert '"number": 3,' in GOOD.text()


WRONG: dict[str, tuple[bytes | dict[str, Any], str]] = {
    "no JSON": (b"{", "unreadable, no JSON (EOF while parsing"),
    "no UTF-8": (b'{"schema": "\xff"}', "unreadable, no JSON (invalid unicode"),
    "empty": (b"", "unreadable, no JSON"),
    "a list": (b"[]", "no schema, not spiketrack.sample"),
    "another schema": (
        {"schema": "spiketrack.map"},
        "schema spiketrack.map, not spiketrack.sample",
    ),
    "a hostile schema": (
        {"schema": "\x1b[31m\n" + "x" * 10_000},
        "schema \\x1b[31m\\nxxx",
    ),
    "older": (
        {"version": 2},
        "written as version 2, this program reads 3; write it again",
    ),
    "newer": (
        {"version": 4},
        "written as version 4, this program reads 3; update spiketrack",
    ),
    "no version": ({"version": None}, "spiketrack.sample without a version; write it again"),
    "version as text": ({"version": "3"}, "without a version"),
    "version as truth": ({"version": True}, "without a version"),
    "version as real": ({"version": 3.0}, "without a version"),
    "an endless version": (
        {"version": 10**4000},
        "version of too many digits, this",
    ),
    "text for a number": ({"real": "0.5"}, "real: Input should be a valid number, found 0.5"),
    "truth for a number": ({"number": True}, "number"),
    "not finite": (b"NaN", "real: Input should be a finite number"),
    "infinite": (b"1e400", "real: Input should be a finite number"),
    "digits": (b"9" * 5000, "no JSON (number out of range"),
    "depth": (b"[" * 100_000, "no JSON (recursion limit exceeded"),
    "a row": ({"rows": [{"name": "a", "size": "2"}]}, "rows.0.size: Input should be a valid int"),
    "no rows": ({"rows": {}}, "rows: Input should be a valid"),
    "digest": ({"digest": "0A" * 32}, "digest: String should match pattern"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_one_line_with_file_key_and_remedy(tmp_path: Path, case: str) -> None:
    change, message = WRONG[case]
    path = tmp_path / "s.json"
    path.write_bytes(content(case, change))
    with pytest.raises(DocumentError) as caught:
        Sample.read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert text.endswith(" write it again")
    assert text.isprintable()
    assert len(text) < 500


def content(case: str, change: bytes | dict[str, Any]) -> bytes:
    if isinstance(change, dict):
        return json.dumps(PLAIN | change).encode()
    if case in ("not finite", "infinite", "digits", "depth"):
        return json.dumps(PLAIN).encode().replace(b"0.5", change)
    return change


def test_a_missing_key_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"^text: real: Field required; write it again$"):
        Sample.parse(json.dumps({k: v for k, v in PLAIN.items() if k != "real"}).encode(), "text")
    with pytest.raises(DocumentError, match="none: no such file; write it again"):
        Sample.read(tmp_path / "none")
    with pytest.raises(DocumentError, match="no such file; write it again"):
        Sample.read(tmp_path)


def test_a_file_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spiketrack.documents.base.MOST_BYTES", 1024**2)
    (tmp_path / "s.json").write_bytes(b" " * 2 * 1024**2)
    with pytest.raises(DocumentError, match="larger than 1 MiB"):
        Sample.read(tmp_path / "s.json")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_has_identity_remedy_and_json_schema(name: str) -> None:
    kind = SCHEMAS[name]
    key, schema, version = kind.identity()
    assert key == ("format" if name in ("manifest", "run") else "schema")
    assert version == {"evaluation": 4, "sequence": 3, "verify": 2}.get(name, 1)
    assert schema.startswith("spiketrack")
    assert kind.REMEDY
    published = kind.json_schema()
    assert list(published["properties"])[:2] == [key, "version"]
    assert published["properties"][key]["const"] == schema
    assert published["description"]
    assert set(published["required"]) <= set(published["properties"])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_part_is_frozen_and_strict(name: str) -> None:
    for part in {SCHEMAS[name], *Part.__subclasses__()}:
        assert part.model_config["frozen"]
        assert part.model_config["strict"]


def test_exact_needs_something_compared() -> None:
    def proven(compared: int, mismatches: int, maps: int) -> bool:
        return BackendAgreement(
            exact=False,
            required=True,
            counts_compared=compared,
            mismatches=mismatches,
            maps_differ=maps,
        ).proven

    assert proven(5, 0, 0)
    assert not any(proven(*row) for row in ((0, 0, 0), (5, 1, 0), (5, 0, 1)))


def test_names_that_are_no_unicode_are_escaped(tmp_path: Path) -> None:
    """A clip's name may hold any byte; the document is one that every reader takes."""
    odd = os.fsdecode(b"/clips/\xff\xfe \xf0\x9f\x98\x80.mp4")
    about = run_document()
    written = about.model_copy(update={"clip": ClipPart(name=odd, path=odd, fps=None)})
    written.write(tmp_path / "run.json")
    found = RunDocument.read(tmp_path / "run.json")
    assert found.clip.name == "/clips/\\udcff\\udcfe 😀.mp4"
    plain = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert plain["clip"]["path"] == found.clip.path
    write_json(tmp_path / "plain.json", {odd: [odd]})
    (name,) = json.loads((tmp_path / "plain.json").read_text("utf-8")).items()
    assert name == (found.clip.name, [found.clip.name])
