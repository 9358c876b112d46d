"""The help and the shell's completion: examples that can be pasted, values for every known set."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer
from support.program import Program

from spiketrack.commands import build, own_commands

COMMANDS = own_commands()
# options whose value is not one of a known set: names, numbers, boxes, files and folders
FREE = {
    "amortise", "amplification", "against", "box", "calibrate", "chip", "compare_with", "csv",
    "data", "export",
    "folder", "frames", "graph", "into", "json", "key", "kit", "latex", "map", "max_minutes",
    "measured", "networks", "out", "placement", "plots", "attributes", "scatter", "results", "run",
    "scheduler", "seconds", "seed", "sequences", "soak", "threads", "time", "timeline", "timeout",
    "update_every", "update_threshold", "verify", "verify_frames", "video", "workers", "yardstick",
}  # fmt: skip
COMPLETED = {
    ("run", "source"): ("nano", "nano-t3"),
    ("run", "backend"): ("integer", "lava", "inline", "chip", "lava-chip"),
    ("run", "board"): ("hala-point", "kapoho-point", "loihi2"),
    ("simulate", "backend"): ("float", "integer", "lava", "onnx", "norse"),
    ("simulate", "processes"): ("block", "branch"),
    ("energy", "prices"): ("operations-45nm-fp32", "operations-loihi1"),
    ("map", "rules"): ("hardware", "intel-compiler"),
    ("map", "tiles"): ("auto",),
    ("time", "rates"): ("loihi2-scaled", "loihi1"),
    ("evaluate", "starts"): ("ope", "sre", "tre", "pixel"),
    ("evaluate", "submit"): ("got10k", "trackingnet"),
    ("train", "config"): ("nano", "nano-quantised", "nano-t3"),
    ("bench", "against"): ("stock",),
    ("microcode", "networks"): ("nano", "nano-t3"),
    ("compare-chip", "branch"): ("template", "search"),
}


@pytest.fixture(scope="module")
def group() -> Any:
    return typer.main.get_command(build())


def context(group: Any) -> Any:
    return group.make_context("spiketrack", ["doctor"])


def examples(text: str) -> list[str]:
    """Command lines of a help text, as a shell would take them from a terminal."""
    lines = [line.strip("│").rstrip() for line in text.splitlines()]
    marks = [n for n, line in enumerate(lines) if re.fullmatch(r" *Examples?:", line)]
    assert len(marks) == 1, text
    shown = lines[marks[0] + 1 :]
    shown = shown[: next(n for n, line in enumerate(shown) if not line.strip())]
    return [line for line in "\n".join(shown).replace("\\\n", "").splitlines() if line.strip()]


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_can_be_pasted(
    command: str, group: Any, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal of 80 columns; each is a command line that the program takes."""
    monkeypatch.setenv("COLUMNS", "80")
    found = examples(program(command, "--help"))
    assert found
    for line in found:
        words = shlex.split(line)
        assert words[:2] == ["spiketrack", command], line
        group.get_command(context(group), command).make_context(command, words[2:])


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_line_stands_outside_the_examples(command: str, program: Program) -> None:
    text = program(command, "--help")
    lines = re.findall(rf"^ *spiketrack {command}\b.*$", text, re.MULTILINE)
    assert len(lines) == len(examples(text)), text


def values(group: Any, command: str, name: str, begun: str = "") -> list[str]:
    parameters = group.get_command(context(group), command).params
    parameter = next(p for p in parameters if p.name == name)
    return [item.value for item in parameter.shell_complete(None, begun)]


@pytest.mark.parametrize("wanted", COMPLETED)
def test_values_of_a_known_set_are_completed(wanted: tuple[str, str], group: Any) -> None:
    found = values(group, *wanted)
    assert set(COMPLETED[wanted]) <= set(found)
    begun = COMPLETED[wanted][-1]
    assert begun in values(group, *wanted, begun[:2])


def test_a_run_completes_no_backend_without_operations(group: Any) -> None:
    assert not {"float", "onnx", "norse"} & set(values(group, "run", "backend"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_completed_or_free(command: str, group: Any) -> None:
    from spiketrack.commands.help.completion import VALUES

    for parameter in group.get_command(context(group), command).params:
        if getattr(parameter, "is_flag", False) or parameter.name in FREE:
            continue
        assert {parameter.name, f"{command} {parameter.name}"} & set(VALUES), parameter.name
