"""Price tables: packaged ones are whole and sourced, the user's own are checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from spiketrack.energy.prices import DEFAULT, RENAMED, load_prices, packaged_tables, price_names
from spiketrack.errors import ConfigError

GOOD = {
    "name": "mine",
    "version": 3,
    "execution": "graded",
    "prices": {"ac": {"pj": 2, "source": "own meter"}},
}


def write(path: Path, value: object) -> str:
    path.write_text(yaml.safe_dump(value) if path.suffix == ".yaml" else json.dumps(value))
    return str(path)


def test_packaged_tables_have_the_published_numbers() -> None:
    expected = {
        "operations-45nm-fp32": {"ac": 0.9, "mac": 4.6},
        "operations-45nm-int": {"ac": 0.1, "mac": 0.3},
        "operations-loihi1": {
            "ac": 23.6,
            "neuron_update_active": 81,
            "neuron_update_inactive": 52,
            "spike_in_tile": 1.7,
            "hop_east_west": 3.0,
            "hop_north_south": 4.0,
        },
        "operations-spinnaker2": {
            "ac": 450,
            "neuron_update_active": 2190,
            "neuron_update_inactive": 2190,
        },
        "operations-gpu": dict.fromkeys(
            ("ac", "mac", "neuron_update_active", "neuron_update_inactive"), 300
        ),
        "operations-cpu": dict.fromkeys(
            ("ac", "mac", "neuron_update_active", "neuron_update_inactive"), 8600
        ),
    }
    found = {t.name: {op: price.pj for op, price in t.prices.items()} for t in packaged_tables()}
    assert found == expected
    assert set(price_names()) == set(expected)
    assert price_names()[0] == packaged_tables()[0].name == DEFAULT
    assert [table.execution for table in packaged_tables()] == ["spike"] * 4 + ["dense"] * 2


def test_no_packaged_table_prices_loihi_2() -> None:
    assert not any("loihi2" in name or "loihi 2" in name for name in price_names())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the packaged folder that stands in its place."""
    packaged = Path(__file__).parents[2] / "spiketrack" / "energy" / "price_tables"
    copy = shutil.copytree(packaged, tmp_path / "price_tables")
    monkeypatch.setattr("spiketrack.packaged.resources.files", lambda package: tmp_path)
    return copy


def test_a_file_in_the_folder_is_a_packaged_table(folder: Path) -> None:
    assert "mine" not in price_names()
    write(folder / "mine.yaml", GOOD)
    write(folder / "notes.json", {})
    assert price_names() == [
        "operations-45nm-fp32",
        "mine",
        "operations-45nm-int",
        "operations-cpu",
        "operations-gpu",
        "operations-loihi1",
        "operations-spinnaker2",
    ]
    assert load_prices("mine").pj("ac") == 2.0
    assert "mine" in [table.name for table in packaged_tables()]
    with pytest.raises(
        ConfigError, match=r"there are operations-45nm-fp32, mine, .*, operations-spinnaker2"
    ):
        load_prices("other")


def test_a_packaged_table_has_the_name_of_its_file(folder: Path) -> None:
    write(folder / "theirs.yaml", GOOD)
    with pytest.raises(ConfigError, match="theirs: its file names it mine; both must agree"):
        load_prices("theirs")


def test_packaged_prices_name_their_sources() -> None:
    for table in packaged_tables():
        for operation, price in table.prices.items():
            assert len(price.source) > 10, (table.name, operation)


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_file_of_the_users_own(tmp_path: Path, suffix: str) -> None:
    table = load_prices(write(tmp_path / f"mine{suffix}", GOOD))
    assert table.pj("ac") == 2.0
    assert table.pj("mac") is None
    assert table.execution == "graded"


BAD: dict[str, tuple[dict[str, object], str]] = {
    "unknown operation": ({"prices": {"acc": {"pj": 1, "source": "s"}}}, "prices.acc: Input"),
    "unknown key": ({"unit": "J"}, "unit: unknown key; remove it or correct its spelling"),
    "unknown key of a price": (
        {"prices": {"ac": {"pj": 1, "source": "s", "nj": 1}}},
        "prices.ac.nj: unknown key",
    ),
    "negative": ({"prices": {"ac": {"pj": -1, "source": "s"}}}, "greater than or equal to 0"),
    "infinite": ({"prices": {"ac": {"pj": float("inf"), "source": "s"}}}, "finite number"),
    "text": ({"prices": {"ac": {"pj": "1", "source": "s"}}}, "prices.ac.pj: Input should"),
    "no source": ({"prices": {"ac": {"pj": 1}}}, "prices.ac.source: Field required"),
    "empty source": ({"prices": {"ac": {"pj": 1, "source": ""}}}, "prices.ac.source: String"),
    "no price": ({"prices": {}}, "prices: Dictionary should have at least 1 item"),
    "execution": ({"execution": "fast"}, "execution: Input should be 'spike', 'graded' or 'dense'"),
    "version": ({"version": 0}, "version: Input should be greater"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_are_one_line_with_file_and_place(tmp_path: Path, case: str) -> None:
    change, message = BAD[case]
    name = write(tmp_path / "bad.yaml", GOOD | change)
    with pytest.raises(ConfigError) as caught:
        load_prices(name)
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "neither YAML nor JSON"),
        (b"- 1\n- 2\n", "no price table; needs name, version, execution and prices"),
        (b"", "no price table"),
        (b"\xff\xfe\x00", "neither YAML nor JSON ('utf-8' codec can't decode"),
        (b"name: x\n", "version: Field required (and 2 more)"),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_prices(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_tables() -> None:
    with pytest.raises(
        ConfigError, match="loihi2: no such price table or file; there are operations-45nm-fp32,"
    ):
        load_prices("loihi2")


@pytest.mark.parametrize(("former", "name"), RENAMED.items())
def test_former_names_are_read_as_the_new_ones(former: str, name: str) -> None:
    assert load_prices(former) == load_prices(name)
    assert load_prices(name).name == name
    assert former not in price_names()


def test_a_file_comes_before_a_former_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "gpu", GOOD)
    assert load_prices("gpu").name == "mine"
