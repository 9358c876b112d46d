"""``spiketrack schema``: what is published is what the documents hold."""

from __future__ import annotations

import ast
import functools
import importlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.program import Program

from spiketrack.benchmark.document import document
from spiketrack.benchmark.results import Detail, Findings, Result
from spiketrack.benchmark.stock import StockRow
from spiketrack.commands.help.completion import VALUES
from spiketrack.commands.schema import published
from spiketrack.documents.base import Document
from spiketrack.documents.bench import BenchDocument

SCHEMAS = published()
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("spiketrack", "export", "deploy", "simulators")


def kinds(parent: type[Document] = Document) -> Iterator[type[Document]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_document_is_published_and_on_the_page() -> None:
    """Every class of the four folders that has a schema, wherever it stands."""
    for path, nodes in sources().items():
        if any(identified(node) for node in nodes):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts if parts[0] == "spiketrack" else ("spiketrack", *parts))
            importlib.import_module(name.removesuffix(".__init__"))
    named = {kind for kind in kinds() if kind.__module__.startswith("spiketrack.")}
    assert {kind.__name__ for kind in named} == set(classes(Document.__name__))
    assert named == {*SCHEMAS.values(), *bases(SCHEMAS.values())} & {*kinds()}
    page = (ROOT / "docs" / "files.md").read_text("utf-8")
    missing = [k.identity()[1] for k in SCHEMAS.values() if f"`{k.identity()[1]}`" not in page]
    assert missing == []
    assert tuple(VALUES["name"]()) == tuple(SCHEMAS)


@functools.cache
def sources() -> Mapping[Path, tuple[ast.AST, ...]]:
    """Classes and imports of every file, by path."""
    return {
        path: tuple(
            node
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, (ast.ClassDef, ast.ImportFrom))
        )
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not any(parent.is_symlink() for parent in path.parents)
    }


def identified(node: ast.AST) -> bool:
    """A class with a ``schema_id``."""
    return isinstance(node, ast.ClassDef) and any(
        isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "schema_id"
        for line in node.body
    )


def classes(base: str) -> Iterator[str]:
    """Names of all classes below one, from the syntax trees alone."""
    for node in itertools.chain(*sources().values()):
        if isinstance(node, ast.ClassDef) and base in map(ast.unparse, node.bases):
            yield node.name
            yield from classes(node.name)


def test_no_command_writes_json_without_a_schema() -> None:
    """A command's JSON is a document's, save the schemas themselves."""
    untyped = {
        path.name
        for path, nodes in sources().items()
        if path.is_relative_to(ROOT / "spiketrack" / "commands")
        for node in nodes
        if isinstance(node, ast.ImportFrom) and "write_json" in {name.name for name in node.names}
    }
    assert untyped == {"schema.py"}


def bases(all_of: Iterable[type[Document]]) -> set[type]:
    return {base for kind in all_of for base in kind.__mro__[1:]}


def test_without_a_name_all_are_listed(program: Program) -> None:
    lines = program("schema").splitlines()
    assert [line.split()[0] for line in lines] == list(SCHEMAS)
    told = lines[list(SCHEMAS).index("verify")]
    version = SCHEMAS["verify"].identity()[2]
    assert f"schema spiketrack.verify {version}; write it with spiketrack verify --json" in told


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_of_each(program: Program, tmp_path: Path, name: str) -> None:
    printed = json.loads(program("schema", name))
    program("schema", name, "--json", tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == printed == SCHEMAS[name].json_schema()


def test_an_unknown_name_lists_them(program: Program) -> None:
    assert program.refuses("schema", "maps").startswith("schema maps: there are manifest, run,")


def test_a_document_has_the_keys_of_its_schema() -> None:
    detail = Detail("nano", 1.5, 41, {"waiting": 0.5}, [("a", 1.0)], [("b", 2.0)], "a" * 64)
    findings = Findings([Result("nano", "both", "start", value=2.0, unit="s")], [detail])
    stock = [[StockRow("nano", "a", "1x1", None, 0.5, None, "wrong")]]
    written = document({"cores": "2"}, 20, findings, stock)
    assert BenchDocument.parse(written.text().encode(), "text") == written
    plain, schema = written.to_json(), BenchDocument.json_schema()
    assert list(plain) == list(schema["properties"])
    for key, part in (("results", "ResultRow"), ("details", "DetailPart"), ("stock", "StockPart")):
        check_keys(plain[key][0], schema["$defs"][part])
    assert plain["results"] == [findings.results[0].as_dict()]


def check_keys(row: dict[str, Any], schema: dict[str, Any]) -> None:
    assert set(schema["required"]) <= set(row) <= set(schema["properties"])
