"""YAML as price tables, boards and training configurations use it: plain, bounded, in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from spiketrack.deploy.chip.board import load_board
from spiketrack.documents.yaml_files import DEEPEST, MOST_BYTES, parse_yaml, read_yaml
from spiketrack.energy.prices import load_prices
from spiketrack.errors import ConfigError
from spiketrack.training.schema import load_config

ROOT = Path(__file__).parents[2]
READERS: tuple[Callable[[str], Any], ...] = (load_prices, load_board, load_config)
LAUGHS = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 40)
)
MERGES = b"m0: &m0 {x: 1}\n" + b"".join(
    b"m%d: &m%d {<<: [*m%d, *m%d]}\n" % (i, i, i - 1, i - 1) for i in range(1, 40)
)

HOSTILE = {
    "anchors that double": (LAUGHS, r"line 1: anchors and aliases \(& and \*\) are refused"),
    "merge keys that double": (MERGES, "line 1: anchors and aliases"),
    "alias": (b"a: *b", "line 1: anchors and aliases"),
    "lists": (b"a: " + b"[" * 20_000, f"line 1: nested deeper than {DEEPEST}"),
    "tables": (b"{a: " * 10_000, f"line 1: nested deeper than {DEEPEST}"),
    "keys": (b"? " * 20_000, f"line 1: nested deeper than {DEEPEST}"),
    "digits": (b"a: " + b"9" * 5000, "line 1: a number of 5,000 digits"),
    "decimals": (b"a: 0." + b"9" * 5000, "line 1: a number of 5,002 digits"),
    "code": (b"a: !!python/object/apply:os.system [x]", r"line 1: tags \(!\) are refused"),
    "date tag": (b"a: !!timestamp 2001-99-99", r"line 1: tags \(!\) are refused"),
    "twice": (b"b: 1\na: 1\na: 2", "the key a stands twice"),
    "list as key": (b"? [1, 2]\n: 3", "unhashable key"),
    "two documents": (b"a: 1\n--- b", "another document"),
    "bytes": (b"\xff\xfe\x00", "neither YAML nor JSON"),
    "control characters": (b"a: \x07", "neither YAML nor JSON"),
    "size": (b"# x\n" * 40_000, f"larger than {MOST_BYTES // 1024} KiB"),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("reader", READERS)
def test_hostile_files_are_one_line(
    tmp_path: Path, case: str, reader: Callable[[str], Any]
) -> None:
    content, message = HOSTILE[case]
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        reader(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize("reader", READERS)
def test_a_wrong_date_and_a_merge_key_are_plain_text(
    tmp_path: Path, reader: Callable[[str], Any]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: 2001-99-99\n<<: {version: 1}\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml: \w+(\.\w+)?: ") as caught:
        reader(str(path))
    assert "\n" not in str(caught.value)


def test_scalars_of_yaml_1_2() -> None:
    text = (
        b"[1e-3, 010, 0x1f, 0o17, 1:30, 2001-01-01, yes, .inf, -.5, 1_000, ~, null, true, +3, '1']"
    )
    expected = [
        1e-3,
        10,
        31,
        15,
        "1:30",
        "2001-01-01",
        "yes",
        float("inf"),
        -0.5,
        "1_000",
        None,
        None,
        True,
        3,
        "1",
    ]
    assert parse_yaml(text, "text") == expected
    assert str(parse_yaml(b"[.nan]", "text")) == "[nan]"


def test_json_is_part_of_it() -> None:
    value = {"a": [1, 2.5, None, True, "ä\n"], "b": {"c": 1e-9, "d": -3}}
    assert parse_yaml(json.dumps(value).encode(), "text") == value


@pytest.mark.parametrize(
    "folder", ["spiketrack/energy/price_tables", "spiketrack/configs", "deploy/chip/boards"]
)
def test_packaged_files_mean_the_same_to_another_reader(folder: str) -> None:
    files = [*(ROOT / folder).glob("*.yaml")]
    assert files
    for file in files:
        assert read_yaml(file) == yaml.safe_load(file.read_text("utf-8"))
