"""The one reader of YAML: price tables, boards, training configurations.

Plain YAML 1.2 (JSON is part of it): tables, lists, text, numbers, true, false, null. Aliases,
anchors, merge keys and tags are refused, dates are text, a key stands once; size, depth and digits
are bounded, so that a small file cannot take long or much memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from spiketrack.errors import ConfigError, printable
from spiketrack.readable import read_start

MOST_BYTES = 64 * 1024
DEEPEST = 16  # tables and lists within each other
DIGITS = 40  # of a number
_TREE = "tag:yaml.org,2002:"
_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)"
     r"|\.(nan|NaN|NAN)", list("-+.0123456789")),
)  # fmt: skip


def read_yaml(path: Path) -> Any:
    """The value of a file; ``ConfigError`` in one line for anything that is not plain YAML."""
    try:
        content = read_start(path, MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    return parse_yaml(content, str(path))


def parse_yaml(content: bytes, where: str) -> Any:
    """The value of ``content``; errors begin with ``where``."""
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{where}: larger than {MOST_BYTES // 1024} KiB; this is no file of ours")
    try:
        text = content.decode("utf-8-sig")
        _require_plain(text, where)
        return yaml.load(text, Loader=_Plain)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: neither YAML nor JSON ({_reason(error)})") from None


def _require_plain(text: str, where: str) -> None:
    """Refuse by name, before anything is built, what could grow or run."""
    depth = 0
    for event in yaml.parse(text, Loader=_Plain):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(f"{_line(where, event)}: nested deeper than {DEEPEST}; flatten it")
        if getattr(event, "anchor", None) is not None:
            raise ConfigError(f"{_line(where, event)}: anchors and aliases (& and *) are refused")
        if getattr(event, "tag", None) is not None:
            raise ConfigError(f"{_line(where, event)}: tags (!) are refused; give the plain value")


def _line(where: str, event: Any) -> str:
    return f"{where}: line {event.start_mark.line + 1}"


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return printable(f"line {error.problem_mark.line + 1}: {error.problem}", 200)
    return printable(" ".join(str(error).split()), 200)


def _refusal(what: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)


class _Plain(yaml.SafeLoader):
    """YAML 1.2's core schema; a key that stands twice is an error."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, times in keys.most_common(1):
            if times > 1:
                raise _refusal(f"the key {printable(key)} stands twice", node)
        return super().construct_mapping(node, deep)

    def _integer(self, node: Any) -> int:
        return int(
            self._number(node).removeprefix("+"), 0 if node.value[:2] in ("0x", "0o") else 10
        )

    def _real(self, node: Any) -> float:
        return float(re.sub(r"\.(?=inf|nan)", "", self._number(node).lower()))

    def _number(self, node: Any) -> str:
        text = str(self.construct_scalar(node))
        if len(text) > DIGITS:
            raise _refusal(f"a number of {len(text):,} digits", node)
        return text

    def _truth(self, node: Any) -> bool:
        return str(self.construct_scalar(node)).lower() == "true"


for _name, _pattern, _first in _CORE:
    _Plain.add_implicit_resolver(f"{_TREE}{_name}", re.compile(rf"^(?:{_pattern})$"), _first)
_Plain.add_constructor(f"{_TREE}int", _Plain._integer)
_Plain.add_constructor(f"{_TREE}float", _Plain._real)
_Plain.add_constructor(f"{_TREE}bool", _Plain._truth)
