"""What ``--help`` and the shell add to a command: paragraphs, groups, examples, values.

They go by the names of commands and options, so that a command of another package gets them too.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from spiketrack.commands.help.completion import VALUES, complete
from spiketrack.commands.help.examples import EXAMPLES

GROUPS = {
    "Clip": ("video", "box", "frames", "calibrate"),
    "Templates": ("update_every", "update_threshold"),
    "Backend lava": ("threads", "timeout"),
    "On the chip": ("mode", "spikes", "tiles"),
    "Output": ("out", "json", "csv", "into", "png", "graph", "timeline", "layers", "force"),
}
ORDER = ("Options", *GROUPS)  # of the panels
COLUMNS = 76  # of an example in a terminal of 80: what the terminal breaks cannot be pasted


def text(name: str, function: Callable[..., Any]) -> str:
    """The docstring, a line a paragraph, and the command's examples."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    lines = [part.strip("\b\n") if _kept(part) else " ".join(part.split()) for part in paragraphs]
    if examples := EXAMPLES.get(name):
        word = "Example" if len(examples) == 1 else "Examples"
        lines.append("\n".join([f"{word}:", *(_pasteable(example) for example in examples)]))
    return "\n\n".join(lines)


def _pasteable(example: str) -> str:
    """An indented command line; a long one goes on behind a backslash, as the shell reads it."""
    first, *parts = re.findall(r"--\S+(?: (?!--)\S+)*|\S+", example)  # an option has its value
    lines = [f"  {first}"]
    for part in parts:
        if len(f"{lines[-1]} {part} \\") <= COLUMNS:
            lines[-1] += f" {part}"
        else:
            lines.append(f"      {part}")
    return " \\\n".join(lines)


def _kept(paragraph: str) -> bool:
    """Whether its line breaks mean something: an indented block, or one that Click keeps."""
    return any(line.startswith((" ", "\b")) for line in paragraph.split("\n"))


def furnish(command: Any) -> Any:
    """Give the options of a command their group and their values."""
    for parameter in command.params:
        group = next((g for g, names in GROUPS.items() if parameter.name in names), None)
        if group is not None and getattr(parameter, "rich_help_panel", "") is None:
            parameter.rich_help_panel = group
        names = (f"{command.name} {parameter.name}", parameter.name)
        if name := next((name for name in names if name in VALUES), None):
            parameter.shell_complete = functools.partial(complete, name)
    command.params.sort(key=_place)
    return command


def _place(parameter: Any) -> int:
    """Arguments first, then ungrouped options, then the groups in their order."""
    if parameter.param_type_name == "argument":
        return -1
    panel = getattr(parameter, "rich_help_panel", None) or ORDER[0]
    return ORDER.index(panel) if panel in ORDER else len(ORDER)
