"""Every command looks at the files that it will write before anything else, new commands too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from support.program import Program

from spiketrack.commands import load, own_commands

FILES = {"json", "csv", "into", "timeline", "graph", "out"}
NEEDED = {"schema": ("run",), "score": ("nowhere",) * 2, "compare-chip": ("nowhere",) * 2}
MAKES_ITS_FOLDERS = {("train", "out"), ("run", "out")}


def options() -> Iterator[tuple[str, str, int]]:
    """Command, option that names a file to write, number of arguments that must be given."""
    for name in own_commands():
        app = typer.Typer()
        app.command()(load(name))
        kinds = [(p.param_type_name, p) for p in typer.main.get_command(app).params]
        needed = sum(kind == "argument" and p.required for kind, p in kinds)
        for kind, parameter in kinds:
            made = (name, parameter.name) in MAKES_ITS_FOLDERS
            if kind == "option" and parameter.name in FILES and not made:
                yield name, str(parameter.name), needed


OPTIONS = sorted(options())


def test_there_are_such_options() -> None:
    assert len(OPTIONS) > 20
    assert {"bench", "doctor", "energy", "map", "schema", "verify"} <= {
        name for name, *_ in OPTIONS
    }


@pytest.mark.parametrize(("name", "option", "needed"), OPTIONS)
def test_a_folder_that_is_missing_is_told_before_the_inputs(
    name: str, option: str, needed: int, program: Program, tmp_path: Path
) -> None:
    """The inputs do not exist either: a command that reads or works first would say so."""
    arguments = NEEDED.get(name, ("nowhere",) * needed)
    target = tmp_path / "missing" / "file.json"
    said = program.refuses(name, *arguments, f"--{option}", target)
    assert str(tmp_path / "missing") in said
    assert "nowhere" not in said
    assert list(tmp_path.iterdir()) == []
