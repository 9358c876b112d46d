"""A whole frame from counted work, by hand; what has no price, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.runs import NETWORK
from support.timing import time_document

from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.whole import WholeEnergy
from spiketrack.energy.prices import load_prices
from spiketrack.energy.whole import PARTS, chip_prices, require_this_run, whole_energy, whole_frames
from spiketrack.errors import ConfigError, DocumentError

LOIHI = load_prices("operations-loihi1")


def rows(found: WholeEnergy) -> dict[str, tuple[float, float]]:
    return {row.part: (row.low_pj, row.high_pj) for row in found.rows}


def test_every_part_by_hand() -> None:
    """1,000 updates, 300 of them relays', of which 100 send; 5,000 neurons × steps in all."""
    time = time_document(
        updates=1000,
        relay_updates=300,
        resident_updates=5000,
        operations=2000,
        multiplications=50,
        messages=100,
        copies=80,
        hops_east_west=40,
        hops_north_south=30,
        between_chips=20,
        host_in=10,
        host_out=6,
    )
    found = whole_energy(time, LOIHI, "search")
    each = 0.1 * 81 + 0.9 * 52
    frame = time.branches[0].modes[0].frame
    expected = {
        "synaptic operations": (2000 * 23.6,) * 2,
        "multiplications": (0, 50 * 23.6),
        "updates of populations": (700 * each,) * 2,
        "updates of relays, products and read-outs": (300 * each,) * 2,
        "neurons that rest": (0, 4000 * 52),
        "messages by hop": (60 * 1.7 + 40 * 3 + 30 * 4,) * 2,
        "host input and output": (0, 16 * 1900),
        "static power": (2 * 0.23 * frame.low * 1e12, 2 * 1.0 * frame.high * 1e12),
    }
    assert tuple(expected) == PARTS
    assert rows(found) == {part: pytest.approx(pair) for part, pair in expected.items()}
    assert found.low_pj == pytest.approx(sum(low for low, _ in expected.values()))
    assert found.high_pj == pytest.approx(sum(high for _, high in expected.values()))
    assert (found.dominates, found.chips) == ("static power", 2)
    assert found.unpriced == {"messages between chips": 20}


def test_chips_wait_for_the_next_frame_in_the_high_estimate_alone() -> None:
    time = time_document(updates=10, resident_updates=10)
    alone, waiting = (whole_energy(time, LOIHI, "search", p) for p in (None, 0.04))
    assert waiting.seconds.low == alone.seconds.low
    assert waiting.seconds.high == 0.04
    assert rows(waiting)["static power"][1] == pytest.approx(2 * 0.04 * 1e12)
    assert whole_frames(time, LOIHI, 25.0)[0] == waiting


def test_more_of_anything_never_costs_less() -> None:
    small = time_document(updates=10, resident_updates=100)
    for change in ("operations", "copies", "hops_east_west", "host_in", "resident_updates"):
        more = time_document(**{"updates": 10, "resident_updates": 100, change: 900})
        one, two = (whole_energy(t, LOIHI, "search") for t in (small, more))
        assert two.low_pj >= one.low_pj, change
        assert two.high_pj > one.high_pj, change


def test_a_table_without_updates_gives_way_to_loihi_1() -> None:
    assert chip_prices(load_prices("operations-45nm-fp32")) == LOIHI
    assert chip_prices(load_prices("operations-gpu")) == LOIHI
    spinnaker = load_prices("operations-spinnaker2")
    assert chip_prices(spinnaker) == spinnaker
    with pytest.raises(ConfigError, match=r"operations-45nm-fp32: a whole frame needs prices of"):
        whole_energy(time_document(), load_prices("operations-45nm-fp32"), "search")
    with pytest.raises(ConfigError, match="no times of the template branch; its run has no infer"):
        whole_energy(time_document(), LOIHI, "template")


def test_seconds_of_another_run_are_refused() -> None:
    priced: Any = EnergyDocument.model_construct(
        run="RUN", network_digest=NETWORK, run_digest="c" * 64
    )
    with pytest.raises(DocumentError, match=r"t\.json: seconds of another run than RUN; write the"):
        require_this_run(Path("t.json"), time_document(), priced)
