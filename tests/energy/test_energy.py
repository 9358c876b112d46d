"""Joules are counts times prices; the report adds up, files round-trip, errors are one line."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from support.prices import price_table
from support.random_graphs import random_inputs, tiny_graph
from support.runs import NETWORK, sign_run, write_run_folder
from torch import from_numpy
from typer.testing import CliRunner

from spiketrack import hdf5
from spiketrack.commands.energy import energy
from spiketrack.commands.inputs import PRICES_HELP
from spiketrack.deploy.chip.board import load_board
from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.placement import (
    BranchPlacement,
    CoreMap,
    LayerPlacement,
    Limits,
    MapDocument,
    TrafficPart,
)
from spiketrack.documents.prices import PriceTable
from spiketrack.energy import document as documents
from spiketrack.energy.document import compare
from spiketrack.energy.joules import Energy, Spread, price_operations, published
from spiketrack.energy.network import read_network_cost
from spiketrack.energy.prices import load_prices, packaged_tables, price_names
from spiketrack.energy.tables import CSV_COLUMNS
from spiketrack.errors import ConfigError, SpikeTrackError
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.counting import FIELDS, Layers, OperationCounter, layers
from spiketrack.integer.kernels import Program
from spiketrack.runs.folder import RunFolder, RunReference
from spiketrack.runs.operations import BranchCounts, read_operations, read_run, write_operations
from spiketrack.terminal.amounts import amount, joules

LAYERS = Layers(
    names=("first", "spike", "conv", "add", "gate"),
    kinds=("image_conv", "neuron", "conv", "sum", "gate"),
    dense_mac=(1000, 0, 400, 0, 0),
    inputs=(30, 0, 20, 0, 10),
)


def row(**values: int) -> list[int]:
    return [values.get(name, 0) for name in FIELDS]


def frame(events: int = 6, spikes: int = 9) -> list[list[int]]:
    return [
        row(events_in=30, mac=900),
        row(events=events, spikes=spikes, neuron_updates=20),
        row(events_in=events, spikes_in=spikes, ac_graded=20 * events, ac_spike=20 * spikes),
        row(ac_graded=20, ac_spike=20),
        row(events=2, spikes=2, mac=8, ac_graded=7, ac_spike=7, neuron_updates=4),
    ]


def branch(*frames: list[list[int]]) -> BranchCounts:
    return BranchCounts(LAYERS, np.array(frames, np.int64))


def table(execution: str = "spike", **prices: float) -> PriceTable:
    return price_table(execution, prices)


ALL = {"ac": 1.0, "mac": 100.0, "neuron_update_active": 1e4, "neuron_update_inactive": 1e6}


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        ("spike", [90000, 9e4 + 71e6, 180, 20, 807 + 2e4 + 14e6]),  # four sub-steps each
        ("graded", [90000, 6e4 + 14e6, 120, 20, 807 + 2e4 + 2e6]),
        ("dense", [100000, 6e4 + 14e6, 40000, 20, 807 + 2e4 + 2e6]),
    ],
)
def test_each_execution_prices_its_operations(execution: str, expected: list[float]) -> None:
    found = Energy.of(branch(frame()), table(execution, **ALL))
    assert found.by_layer[0].tolist() == expected
    assert found.mean == sum(expected)
    assert Energy.of(branch(frame()), table("spike", **ALL), execution).mean == sum(expected)


def test_operations_without_a_price_are_listed_not_free() -> None:
    found = Energy.of(branch(frame()), load_prices("operations-loihi1"))
    assert found.unpriced == {"mac": 908}
    assert set(found.shares) == {"ac", "neuron_update_active", "neuron_update_inactive"}
    assert found.update_share == pytest.approx((11 * 81 + 85 * 52) / found.mean)
    assert Energy.of(branch(frame()), load_prices("operations-45nm-fp32")).update_share is None


def test_published_formula_beside_the_exact_count() -> None:
    found = published(branch(frame()), load_prices("operations-45nm-fp32"))
    assert found.first_pj == 1000 * 4.6
    assert found.rest_pj == pytest.approx(400 * (9 / 20) * 0.9)
    assert found.exact_pj == pytest.approx(900 * 4.6 + 180 * 0.9)


def test_published_formula_is_exact_without_borders() -> None:
    """On layers of 1×1 kernels every input has the same fan-out: dense × mean count = AC."""
    graph = tiny_graph(1, "search")
    inputs = {k: from_numpy(v.astype(np.float32)) for k, v in random_inputs(graph, 0).items()}
    counter = OperationCounter(graph)
    found = Program(graph).run(inputs, counter.names)
    everything, rows = layers(graph), counter.take(found)
    ends = ("pwconv1", "pwconv2", "q_conv", "k_conv", "v_conv", "proj_conv", "fc1_conv", "fuser")
    pointwise = [i for i, name in enumerate(everything.names) if name.endswith(ends)]
    assert len(pointwise) > 50
    for index in pointwise:
        spikes, exact = rows[index][[FIELDS.index("spikes_in"), FIELDS.index("ac_spike")]]
        dense = everything.dense_mac[index]
        assert dense * spikes == exact * everything.inputs[index], everything.names[index]


def test_price_of_one_inference() -> None:
    rows = dict(zip(LAYERS.names, np.array(frame(), np.int64), strict=True))
    prices = load_prices("operations-45nm-fp32")
    assert price_operations(prices)(rows) == pytest.approx(Energy.of(branch(frame()), prices).mean)
    assert price_operations(prices)({}) == 0
    with pytest.raises(ConfigError, match="operations-gpu: dense execution"):
        price_operations(load_prices("operations-gpu"))


# confidence


def test_spread_of_independent_frames_is_the_textbook_one() -> None:
    series = np.random.default_rng(1).normal(10, 2, 4000)
    found = Spread.of(series)
    assert found.deviation == pytest.approx(series.std(ddof=1))
    assert found.standard_error == pytest.approx(2 / 4000**0.5, rel=0.1)


def test_standard_error_of_correlated_frames_covers_the_truth() -> None:
    """Means of many autoregressive videos spread as one video's standard error says."""
    rng = np.random.default_rng(2)
    videos = np.zeros((300, 200))
    for t in range(1, 200):
        videos[:, t] = 0.8 * videos[:, t - 1] + rng.normal(size=300)
    errors = [Spread.of(video[50:]).standard_error or 0 for video in videos]
    truth = videos[:, 50:].mean(1).std()
    naive = np.mean([video[50:].std(ddof=1) / 150**0.5 for video in videos])
    assert np.median(errors) == pytest.approx(truth, rel=0.25)
    assert naive < 0.5 * truth


def test_spread_of_few_or_equal_frames() -> None:
    assert Spread.of(np.array([5.0])) == Spread(None, None)
    assert Spread.of(np.array([5.0, 5.0, 5.0])) == Spread(0, 0)
    assert Spread.of(np.full(30, 21568185.6 / 7)) == Spread(0, 0)  # the mean is rounded


# the document

REFERENCE = RunReference("RUN", NETWORK, "b" * 64)
document = functools.partial(documents.document, of=REFERENCE)


def counts(frames: int = 3) -> dict[str, BranchCounts]:
    search = branch(*(frame(6 + n, 9 + 2 * n) for n in range(frames)))
    return {SEARCH: search, TEMPLATE: branch(frame(1, 1))}


ROWS = st.lists(
    st.lists(st.lists(st.integers(0, 10**9), min_size=8, max_size=8), min_size=5, max_size=5),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=30)
@given(ROWS, st.sampled_from([t.name for t in packaged_tables()]))
def test_columns_add_up_to_the_total(frames: list[list[list[int]]], name: str) -> None:
    found = document({SEARCH: branch(*frames)}, load_prices(name))
    for key in (*FIELDS, "dense_mac", "energy_pj"):
        assert sum(getattr(layer, key) for layer in found.layers) == pytest.approx(
            getattr(found.total, key)
        )
    shares = sum(layer.energy_share for layer in found.layers)
    assert shares == pytest.approx(1) or found.total.energy_pj == 0
    assert sum(found.total.by_operation.values()) == pytest.approx(found.total.energy_pj)


def test_document_has_the_documented_keys() -> None:
    found = document(counts(), load_prices("operations-loihi1"), packaged_tables(), amortise=10)
    assert EnergyDocument.identity() == ("schema", "spiketrack.energy", 1)
    assert (found.frames, found.encodes) == (3, 1)
    plain = found.to_json()
    assert list(plain["layers"][0]) == [
        "name",
        "kind",
        "branch",
        *FIELDS,
        "dense_mac",
        "energy_pj",
        "energy_sd_pj",
        "energy_se_pj",
        "energy_share",
    ]
    assert "comparison" not in plain
    assert (plain["network_digest"], plain["run_digest"]) == (NETWORK, "b" * 64)
    amortised = found.amortised
    template = found.template.total.energy_pj
    assert amortised
    assert (amortised.interval, amortised.search_pj) == (10, found.total.energy_pj)
    assert amortised.template_pj == pytest.approx(template / 10)
    assert amortised.energy_pj == pytest.approx(found.total.energy_pj + template / 10)
    assert found.run_total.search.spikes == 9 + 11 + 13 + 3 * 2
    assert found.run_total.energy_pj == pytest.approx(3 * found.total.energy_pj + template)
    assert [t.name for t in found.tables] == [t.name for t in packaged_tables()]
    assert "Loihi 2" in found.statement.unpublished
    assert EnergyDocument.parse(found.text().encode(), "text") == found


def test_a_dense_machine_stays_dense_whatever_the_execution() -> None:
    found = document(
        counts(), load_prices("operations-loihi1"), packaged_tables(), execution="graded"
    )
    modes = {t.name: t.execution for t in found.tables}
    assert modes == {
        "operations-45nm-fp32": "graded",
        "operations-45nm-int": "graded",
        "operations-loihi1": "graded",
        "operations-spinnaker2": "graded",
        "operations-gpu": "dense",
        "operations-cpu": "dense",
    }


def test_two_runs_side_by_side() -> None:
    prices = load_prices("operations-45nm-fp32")
    first, second = (
        documents.document(counts(n), prices, of=RunReference(name, NETWORK, "b" * 64))
        for n, name in ((1, "A"), (3, "B"))
    )
    layers = second.layers
    second = second.model_copy(update={"layers": (*layers[:3], *layers[4:])})
    found = compare(first, second)
    assert found.runs == ("A", "B")
    assert found.layers[2].spikes_in == (9, 11)
    assert found.layers[2].ratio == pytest.approx(11 / 9)
    assert found.layers[3].energy_pj == (18.0, None)
    assert found.layers[3].ratio is None


# files


def write_run(folder: Path, branches: dict[str, BranchCounts]) -> Path:
    return write_run_folder(folder, branches, len(branches[SEARCH].operations))


def test_counts_round_trip(tmp_path: Path) -> None:
    found = read_run(write_run(tmp_path / "run", counts()))
    for name, original in counts().items():
        assert found[name].layers == original.layers
        assert np.array_equal(found[name].operations, original.operations)


def test_counts_are_probed_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    probed: list[Path] = []
    monkeypatch.setattr(hdf5, "probe", probed.append)
    run = write_run(tmp_path / "run", counts())
    for digest in ("0" * 64, "0" * 64, None, None):
        read_run(run, digest)
    assert probed == [run / "counts.h5"] * 3


def test_rows_must_match_the_layers(tmp_path: Path) -> None:
    with (
        h5py.File(tmp_path / "x.h5", "w") as file,
        pytest.raises(SpikeTrackError, match=r"search: operation counts of shape \(1, 4, 8\)"),
    ):
        write_operations(file, SEARCH, LAYERS, np.zeros((1, 4, 8), np.int64))


def test_a_run_without_operations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match="no such run folder"):
        read_run(tmp_path / "absent")
    with pytest.raises(SpikeTrackError, match=r"no counts\.h5 in it"):
        read_run(tmp_path)
    (tmp_path / "counts.h5").write_bytes(b"no hdf5")
    with pytest.raises(SpikeTrackError, match="corrupt, truncated or no HDF5 file"):
        read_run(tmp_path)
    empty = write_run(tmp_path / "empty", {SEARCH: BranchCounts(LAYERS, np.zeros((0, 5, 8), int))})
    with pytest.raises(SpikeTrackError, match="holds no tracked frame"):
        read_run(empty)
    h5py.File(tmp_path / "bare.h5", "w").close()
    with (
        h5py.File(tmp_path / "bare.h5") as file,
        pytest.raises(SpikeTrackError, match="no operation counts"),
    ):
        read_operations(file)


def test_fields_of_another_version_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", counts())
    with h5py.File(run / "counts.h5", "a") as file:
        file["operations/search"].attrs["fields"] = ["events"]
    with pytest.raises(SpikeTrackError, match="fields events; this version reads"):
        read_run(run)
    with h5py.File(run / "counts.h5", "a") as file:
        del file["operations/search"].attrs["fields"]
    with pytest.raises(SpikeTrackError, match="written by another version"):
        read_run(run)


def test_files_that_run_json_does_not_name_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", counts())
    found = RunFolder.read(run)
    assert (len(found.boxes()), len(found.counts()[SEARCH].operations)) == (4, 3)
    with (run / "counts.h5").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    (run / "boxes.csv").write_text("frame,x,y,w,h,score\n0,1,1,9,9,1\n")
    for name, read in (("counts.h5", found.counts), ("boxes.csv", found.boxes)):
        message = rf"{name}: not the file that run\.json names .*; make the run again"
        with pytest.raises(SpikeTrackError, match=message):
            read()
    short = write_run_folder(tmp_path / "short", counts(), 2)
    about = RunFolder.read(short)
    sign_run(short, about.about.model_copy(update={"frames": 5}))
    with pytest.raises(SpikeTrackError, match=r"boxes\.csv: 3 boxes, run\.json says 5 frames"):
        RunFolder.read(short).boxes()


# placement


def write_map(path: Path, run: str | None = None, **changes: Any) -> Path:
    """A placement of two layers on two cores; ``run``: the digest of the run that was counted."""
    board = load_board("loihi2")
    traffic = TrafficPart(
        within_core=1,
        between_cores=5,
        between_chips=7,
        hops_east_west=10,
        hops_north_south=20,
        with_host=3,
    )
    layers = tuple(
        LayerPlacement(
            name=name,
            kind="population",
            traffic=traffic,
            fullest="neurons",
            shape=(1, 1, 1),
            block=(1, 1, 1),
            core_of_block=(core,),
            done_steps=(),
            work_steps=(),
            **dict.fromkeys(LAYER_COUNTS, 1),
        )
        for core, name in enumerate(("spike", "add"))
    )
    ones: dict[str, Any] = dict.fromkeys(BRANCH_COUNTS, 1)
    branch = BranchPlacement(
        name="search",
        layers=layers,
        counted=run is not None,
        traffic=traffic,
        neurons_by_kind={},
        longest_chain=(),
        slowest_layer="spike",
        mode="pipelined",
        spikes="graded",
        tiles=1,
        **ones,
    )
    cores = CoreMap(
        resources=("neurons",),
        layer_names=("search/spike", "search/add"),
        layers=((0,), (1,)),
        **dict.fromkeys(CORE_LISTS, (0, 0)),
    )
    found = MapDocument(
        board="test",
        limits=Limits(**{name: getattr(board, name) for name in Limits.model_fields}),
        fits=True,
        obstacle=None,
        cores=2,
        chips=1,
        board_cores=None,
        lower_bound_cores=1,
        lower_bound_ratio=2.0,
        unrolled_lower_bound_cores=3,
        neurons=2,
        neurons_by_kind={},
        boards=(),
        branches=(branch,),
        chip_table=(),
        core_map=cores,
        network_digest=NETWORK,
        run_digest=run,
    )
    found.model_copy(update=changes).write(path)
    return path


LAYER_COUNTS = (
    "steps",
    "neurons",
    "ports",
    "blocks",
    "cores",
    "first_core",
    "last_core",
    "memory_bytes",
    "synapse_bytes",
    "unrolled_synapse_bytes",
    "state_bits_a_neuron",
    "fan_in",
    "fan_out_cores",
    "input_axons",
    "output_axons",
)
BRANCH_COUNTS = (
    "cores",
    "neurons",
    "latency_steps",
    "interval_steps",
    "period_steps",
    "frames_in_flight",
)
CORE_LISTS = (
    "chip",
    "tile_column",
    "tile_row",
    "neurons",
    "memory_bytes",
    "input_axons",
    "output_axons",
    "fullest",
    "use",
)


def test_network_cost_of_a_placement(tmp_path: Path) -> None:
    prices = load_prices("operations-loihi1")
    path = write_map(tmp_path / "map.json", run=REFERENCE.run_digest)
    graded = document({SEARCH: branch(frame())}, prices, execution="graded")
    found = read_network_cost(path, prices, graded)
    assert found.counted
    assert found.messages == 12
    assert (found.hops_east_west, found.hops_north_south, found.between_chips) == (20, 40, 14)
    assert found.energy_pj == pytest.approx(12 * 1.7 + 20 * 3 + 40 * 4)
    spiking = document({SEARCH: branch(frame())}, prices)
    more = read_network_cost(path, prices, spiking)
    assert more.messages == pytest.approx(6 + 6 * 9 / 6)  # counts are 1.5 spikes on average
    free = read_network_cost(path, load_prices("operations-45nm-fp32"), graded)
    assert free.energy_pj is None
    assert free.unpriced["spike_in_tile"] == 12


def test_placements_that_are_none(tmp_path: Path) -> None:
    prices = load_prices("operations-loihi1")
    found = document({SEARCH: branch(frame())}, prices)
    bare = tmp_path / "bare.json"
    bare.write_text("{}")
    text = tmp_path / "text.json"
    text.write_text("no")
    cases = {
        bare: "no schema, not spiketrack.map; write it with spiketrack map --json",
        write_map(tmp_path / "empty.json", branches=()): "places no search branch",
        text: "no JSON",
        tmp_path / "absent": "no such file",
        write_map(tmp_path / "other.json", network_digest="c" * 64): (
            r"other\.json: places network cccccccccccc, RUN ran aaaaaaaaaaaa; place that"
        ),
        write_map(tmp_path / "count.json", run="c" * 64): (
            r"its messages were counted in another run than RUN; .* --run RUN --json"
        ),
    }
    for path, message in cases.items():
        with pytest.raises(SpikeTrackError, match=message):
            read_network_cost(path, prices, found)


# the command


def invoke(arguments: Sequence[str]) -> str:
    app = typer.Typer()
    app.command()(energy)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_command_writes_json_and_csv_and_prints_every_layer(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run", counts()))
    other = str(write_run(tmp_path / "other", counts(1)))
    chart = str(write_map(tmp_path / "map.json"))
    files = [tmp_path / "e.json", tmp_path / "e.csv"]
    text = invoke(
        [
            run,
            "--layers",
            "--prices",
            "operations-loihi1",
            "--amortise",
            "25",
            "--compare",
            other,
            "--map",
            chart,
            "--json",
            str(files[0]),
            "--csv",
            str(files[1]),
        ]
    )
    for word in (
        *LAYERS.names,
        "operations-loihi1",
        "measured:",
        "modelled:",
        "no price list for Loihi 2",
    ):
        assert word in text
    found = json.loads(files[0].read_text())
    assert found["comparison"]["runs"] == [run, other]
    assert found["network_on_chip"]["board"] == "test"
    gone = f"{run}: its export export is gone; export the network there again"
    assert (found["whole"], found["whole_missing"]) == ([], gone)
    assert text.startswith("operations alone ")
    assert gone in text
    rows = list(csv.DictReader(files[1].read_text().splitlines()))
    assert tuple(rows[0]) == CSV_COLUMNS
    both = [*found["layers"], *found["template"]["layers"]]
    assert [r["name"] for r in rows] == [layer["name"] for layer in both]
    assert [float(r["energy_pj"]) for r in rows] == [layer["energy_pj"] for layer in both]


def test_command_takes_a_table_of_the_users_own(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run", {SEARCH: counts()[SEARCH]}))
    own = tmp_path / "own.yaml"
    own.write_text(table(ac=7).model_dump_json())
    target = tmp_path / "e.json"
    assert "t 1" in invoke([run, "--prices", str(own), "--json", str(target)])
    found = json.loads(target.read_text())
    assert found["tables"][0]["name"] == "t"
    assert found["total"]["unpriced"]["mac"] == 908
    assert found["encodes"] == 0


def test_help_names_every_packaged_table() -> None:
    assert PRICES_HELP.startswith(", ".join(price_names()))


def test_command_refuses_before_it_works(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run", counts()))
    with pytest.raises(SpikeTrackError, match=r"--json .*: its folder does not exist"):
        invoke([run, "--json", str(tmp_path / "no" / "e.json")])
    with pytest.raises(ConfigError, match="--execution fast: choose one of spike, graded, dense"):
        invoke([run, "--execution", "fast"])


def test_numbers_are_short() -> None:
    assert [amount(n) for n in (0, 999, 1234, 2.5e6, 3.2e10, None)] == [
        "0",
        "999",
        "1.23 k",
        "2.5 M",
        "32 G",
        "",
    ]
    assert [joules(n) for n in (0, 0.9, 1234, 2.5e6, 3.2e9, 1e12, None)] == [
        "",
        "0.9 pJ",
        "1.23 nJ",
        "2.5 µJ",
        "3.2 mJ",
        "1 J",
        "",
    ]
