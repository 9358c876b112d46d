"""Boards: packaged tables, numbers of chips, files of the user, errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from spiketrack.deploy.chip.board import board_names, load_board
from spiketrack.errors import ConfigError


def test_packaged_boards_have_a_source_beside_each_number() -> None:
    assert board_names() == ["hala-point", "kapoho-point", "loihi2"]
    for name in board_names():
        for row in load_board(name).model_dump(exclude={"name"}).values():
            assert len(row["source"]) > 10
    assert load_board().cores == 140_544
    assert load_board("kapoho-point").cores == 960


def test_a_file_in_the_folder_is_a_packaged_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(__file__).parents[2] / "deploy/chip/boards", tmp_path / "boards")
    monkeypatch.setattr("spiketrack.packaged.resources.files", lambda package: tmp_path)
    (tmp_path / "boards" / "mine.yaml").write_text("extends: loihi2\nname: mine\nchips: 5\n")
    assert board_names() == ["hala-point", "kapoho-point", "loihi2", "mine"]
    assert load_board("mine").cores == 600
    with pytest.raises(ConfigError, match=r"no board yours: choose .*, loihi2, mine, 'N chips'"):
        load_board("yours")


@pytest.mark.parametrize(("spec", "cores"), [("1", 120), ("3 chips", 360), ("1 chip", 120)])
def test_a_number_is_a_board_of_so_many_chips(spec: str, cores: int) -> None:
    assert load_board(spec).cores == cores


def test_a_file_extends_a_board(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: kapoho-point\nname: mine\nmemory_kib_per_core: {value: 192, source: data sheet}\n"
        "chips: 2\n"
    )
    board = load_board(str(path))
    assert (board.name, board.cores, board.memory_bits) == ("mine", 240, 192 * 8192)
    assert board.memory_kib_per_core.source == "data sheet"
    assert board.chips.source == "given by the user, no source"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: loihi2\ncoers: 3", r"coers: unknown key"),
        ("extends: loihi2\nchips: 0", r"chips.value: .* greater than or equal to 1"),
        ("extends: loihi2\nweight_bits: many", r"weight_bits.value: .* valid integer"),
        ("name: half", r"chips: Field required \(and 1\d more\)"),
        ("- a list", "a board file is a table of keys"),
        ("a: [", "neither YAML nor JSON"),
        ("extends: loihi2\ncores_per_chip: 1000000000", r"cores_per_chip.value: .* 65536"),
    ],
)
def test_a_wrong_board_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"wrong.yaml: {message}"):
        load_board(str(path))


def test_boards_do_not_extend_themselves(tmp_path: Path) -> None:
    path = tmp_path / "circle.yaml"
    path.write_text(yaml.safe_dump({"extends": str(path)}))
    with pytest.raises(ConfigError, match="in a circle"):
        load_board(str(path))


def test_an_unknown_board_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="no board moon: choose hala-point, kapoho-point, loihi2"):
        load_board("moon")
    with pytest.raises(ConfigError, match=r"no board 9{160}… \(5,000 characters\): choose"):
        load_board("9" * 5000)


def test_consecutive_cores_lie_on_neighbouring_tiles() -> None:
    board = load_board()
    tiles = np.array([board.tile(core) for core in range(120)])
    assert (np.abs(np.diff(tiles, axis=0)).sum(1) <= 1).all()
    assert len({tuple(tile) for tile in tiles}) == 30
