"""Tables of rates: packaged ones whole and with sources, a user's own, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spiketrack.commands.time import DEFAULT_RATES, RATES_HELP
from spiketrack.documents.rates import RATE_NAMES, RateTable
from spiketrack.errors import ConfigError
from spiketrack.timing.rates import DEFAULT, load_rates, rate_names


def own(**changes: Any) -> dict[str, Any]:
    """A measured table of a user's own."""
    one = {"low": 1.0, "central": 2.0, "high": 3.0, "kind": "measured", "source": "our board"}
    units = {"message_header": "bit", "static_power": "W", "host_energy": "pJ"}
    rates = {name: {**one, "unit": units.get(name, "ns")} for name in RATE_NAMES}
    keys = {"schema": "spiketrack.rates", "version": 1, "name": "ours", "chip": "Loihi 2"}
    return {**keys, "rates": {**rates, **changes}}


def write(path: Path, values: Any) -> str:
    path.write_text(json.dumps(values))
    return str(path)


@pytest.mark.parametrize("name", rate_names())
def test_packaged_tables_are_whole_and_say_where_they_come_from(name: str) -> None:
    found = load_rates(name)
    assert found.name == name
    assert set(found.rates) == set(RATE_NAMES)
    assert all(rate.source for rate in found.rates.values())
    assert "measured" not in {rate.kind for rate in found.rates.values()}
    assert RateTable.parse(found.text().encode(), "text") == found


def test_the_scaled_table_is_loihi_1_by_the_factors_of_the_brief() -> None:
    old, new = load_rates("loihi1").rates, load_rates("loihi2-scaled").rates
    assert new["neuron_update"].low == pytest.approx(old["neuron_update"].low / 2)
    assert new["neuron_idle"].central == pytest.approx(old["neuron_idle"].central / 2)
    assert new["message_out"].low == pytest.approx(old["message_out"].low / 10)
    assert new["synaptic_operation"].low == pytest.approx(old["synaptic_operation"].low / 5)
    assert new["synaptic_operation"].high == pytest.approx(old["synaptic_operation"].high / 5)
    assert new["host_in"].low == pytest.approx(1e9 / 408.9 / 39600, rel=2e-3)
    assert new["host_in"].high == pytest.approx((1e9 / 16.87 - 1.21e6) / 39600, rel=5e-2)


def test_a_table_of_the_users_own(tmp_path: Path) -> None:
    found = load_rates(write(tmp_path / "ours.json", own()))
    assert (found.name, found.rates["barrier"].kind) == ("ours", "measured")
    assert found.at("high")["barrier"] == 3.0
    assert DEFAULT == DEFAULT_RATES
    assert RATES_HELP.startswith(", ".join(rate_names()))


ONE = {"low": 1, "central": 1, "high": 1, "unit": "ns", "kind": "seen", "source": "s"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"barrier": {**ONE, "low": 2}}, "rates.barrier: low, central and high are not in order"),
        ({"barrier": {**ONE, "unit": "W"}}, "barrier is in ns, not W"),
        ({"barrier": {**ONE, "kind": "guessed"}}, "rates.barrier.kind: Input should be 'measured'"),
        ({"barrier": {**ONE, "source": ""}}, "rates.barrier.source: String should have at least"),
        ({"other": ONE}, "rates.other"),
        ({"neuron_idle": {**ONE, "high": 9, "central": 4}}, "neuron_update is less than neuron_id"),
    ],
)
def test_wrong_rates_are_named(tmp_path: Path, changes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_rates(write(tmp_path / "t.json", own(**changes)))


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    short = own()
    del short["rates"]["barrier"]
    with pytest.raises(ConfigError, match="rates without barrier; a term that costs nothing is 0"):
        load_rates(write(tmp_path / "short.json", short))
    with pytest.raises(ConfigError, match=r"no table of rates; needs schema: spiketrack\.rates"):
        load_rates(write(tmp_path / "list.json", []))
    with pytest.raises(ConfigError, match=r"this program reads version 1 of spiketrack\.rates"):
        load_rates(write(tmp_path / "new.json", {**own(), "version": 2}))
    with pytest.raises(ConfigError, match="none: no such table of rates or file; there are loihi2"):
        load_rates("none")
