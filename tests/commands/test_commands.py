"""The program from its command line to its files: info, export, simulate, verify, energy."""

from __future__ import annotations

import csv
import dataclasses
import errno
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch
from support.program import Program
from support.python import python
from support.random_graphs import tiny_model
from support.synthetic_clips import moving_patch, write_images, write_video

from spiketrack import cli
from spiketrack.commands import own_commands
from spiketrack.commands.export import stem
from spiketrack.commands.views import LINES
from spiketrack.config import TrackerConfig
from spiketrack.documents.manifest import InfoDocument
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.folder import read_export
from spiketrack.reference.checkpoint import read_checkpoint, save_checkpoint
from spiketrack.runs.folder import open_counts, read_run_json
from spiketrack.simulators.integer import IntegerSimulator
from spiketrack.version import VERSION
from spiketrack.video.clip import BUNDLED_BOX

# networkx, which Lava's compiler imports, looks for pandas
pytestmark = pytest.mark.filterwarnings("ignore::ImportWarning")
BOX = "10,20,20,16"
CHANGED = "not the file that manifest.json names (its SHA-256 is another); export"
Make = Callable[[Path, Path], dict[str, object]]
FRAMES, _ = moving_patch(6)
FILES = ["manifest.json", "search.nir", "template.nir"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its export, clips as file and folder; to be read alone."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("home")
    save_checkpoint(folder / "tiny.safetensors", tiny_model(1), TrackerConfig())
    save_checkpoint(folder / "tiny3.pth.tar", tiny_model(3), TrackerConfig())
    write_video(folder / "clip.avi", FRAMES)
    write_images(folder / "frames", FRAMES)
    for source, out in (("tiny.safetensors", "export"), ("tiny3.pth.tar", "export3")):
        options = ["--calibrate", str(folder / "clip.avi"), "--box", BOX]
        run_export([str(folder / source), "--out", str(folder / out), *options])
    return folder


def run_export(arguments: list[str]) -> None:
    from spiketrack.pipeline import export_checkpoint

    source, _, out, _, clip, _, box = arguments
    export_checkpoint(source, Path(out), Path(clip), box)


# the program itself


def test_version(program: Program) -> None:
    assert program("--version") == f"spiketrack {VERSION}\n"


@pytest.mark.parametrize("command", [(), *((name,) for name in own_commands())])
def test_help(command: tuple[str, ...], program: Program) -> None:
    out = program(*command, "--help")
    assert "Usage: spiketrack" in out
    assert " ".join(command) in out


@pytest.mark.parametrize(
    "arguments",
    [("simulate",), ("nonsense",), ("export", "x", "--nonsense"), ("verify", "d", "--frames", "x")],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], program: Program) -> None:
    assert program.refuses(*arguments)


@pytest.mark.slow
def test_both_programs_are_installed() -> None:
    home = Path(sys.executable).parent
    for name, first in (("spiketrack-export", "export"), ("spiketrack", "")):
        options = ["--help"] if first else ["export", "--help"]
        found = subprocess.run([home / name, *options], capture_output=True, text=True, check=True)
        assert "Usage: spiketrack export [OPTIONS]" in found.stdout


@pytest.mark.slow
def test_spiketrack_export_is_spiketrack_export(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Program
) -> None:
    options = ["--calibrate", str(home / "clip.avi"), "--box", BOX, "--out", str(tmp_path / "a")]
    monkeypatch.setattr("sys.argv", ["spiketrack-export", str(home / "tiny.safetensors"), *options])
    with pytest.raises(SystemExit) as ended:
        cli.export_main()
    assert not ended.value.code
    assert_same_files(tmp_path / "a", home / "export")


def assert_same_files(a: Path, b: Path) -> None:
    assert sorted(p.name for p in a.iterdir()) == sorted(p.name for p in b.iterdir()) == FILES
    for name in FILES:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


# export


@pytest.mark.slow
def test_export_says_what_it_wrote(home: Path, tmp_path: Path, program: Program) -> None:
    """The same input gives the same bytes, also in the copy of the manifest."""
    out, copy = tmp_path / "again", tmp_path / "manifest.json"
    options = ["--calibrate", home / "clip.avi", "--box", BOX, "--json", copy]
    said = program("export", home / "tiny.safetensors", "--out", out, *options)
    assert "template.nir" in said
    assert "head-room" in said
    assert_same_files(out, home / "export")
    assert json.loads(copy.read_text()) == json.loads((out / "manifest.json").read_text())


@pytest.mark.slow
def test_manifest_describes_the_export(home: Path) -> None:
    manifest = json.loads((home / "export3" / "manifest.json").read_text())
    assert (manifest["format"], manifest["version"]) == ("spiketrack-export", 1)
    assert manifest["network"]["templates"] == 3
    assert manifest["tracker"] == TrackerConfig().as_dict()
    content = (home / "tiny3.pth.tar").read_bytes()
    assert manifest["checkpoint"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["calibration"]["box"] == [10, 20, 20, 16]
    assert {"spiketrack", "torch", "lava-nc", "nir"} <= set(manifest["versions"])
    assert "temporal_gate" in manifest["not_standard_nir"]["operations"]
    network = read_export(home / "export3")
    for branch, rows in manifest["layers"].items():
        assert [row["name"] for row in rows] == [node.name for node in network.graphs[branch]]
        assert min(row["headroom_bits"] for row in rows) >= 0


@pytest.mark.parametrize(
    ("path", "name"), [("a/model.pth.tar", "model"), ("nano", "nano"), (".pth", "export")]
)
def test_default_folder_is_the_stem(path: str, name: str) -> None:
    assert stem(path) == name


@pytest.mark.slow
def test_an_existing_folder_needs_force(home: Path, tmp_path: Path, program: Program) -> None:
    out = tmp_path / "out"
    shutil.copytree(home / "export3", out)
    (out / "mine").touch()
    options = ["--calibrate", home / "clip.avi", "--box", BOX, "--out", out]
    said = program.refuses("export", home / "tiny.safetensors", *options)
    assert said == f"{out}: exists already; choose another --out"
    said = program.refuses("export", home / "tiny.safetensors", *options, "--force")
    assert said.startswith(f"{out}: holds mine, which this command did not write; --force")
    (out / "mine").unlink()
    said = program.refuses("export", home / "tiny.safetensors", *options)
    assert said == f"{out}: exists already; choose another --out or give --force"
    assert_same_files(out, home / "export3")
    program("export", home / "tiny.safetensors", *options, "--force")
    assert_same_files(out, home / "export")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "the disk is full; free some space"),
        (OSError(errno.EIO, "Input/output error"), 2, "Input/output error"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
@pytest.mark.slow
def test_a_failed_export_leaves_the_old_one(
    error: BaseException,
    code: int,
    line: str,
    home: Path,
    tmp_path: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: Any) -> None:
        raise error

    shutil.copytree(home / "export", tmp_path / "out")
    monkeypatch.setattr("spiketrack.export.nir.folder.write_manifest", fail)
    options = ["--calibrate", home / "clip.avi", "--box", BOX, "--out", tmp_path / "out"]
    assert program("export", home / "tiny3.pth.tar", *options, "--force", code=code) == ""
    assert line in program.err
    assert program.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert_same_files(tmp_path / "out", home / "export")


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from spiketrack.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("limit", [4096, 200_000])
@pytest.mark.slow
def test_a_disk_that_takes_no_more(limit: int, home: Path, tmp_path: Path) -> None:
    """Files cannot grow beyond the limit, inside HDF5 as well."""
    out = tmp_path / "out"
    command = ["export", home / "tiny.safetensors", "--out", out]
    command += ["--calibrate", home / "clip.avi", "--box", BOX]
    found = python(FULL_DISK.format(limit=limit), *command, ends_with=2)
    assert found.stderr.count("\n") == 1, found.stderr[:2000]
    assert found.stderr.startswith("spiketrack: error: ")
    assert "File too large" in found.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [2048, 40_000])
@pytest.mark.slow
def test_a_run_on_a_disk_that_takes_no_more(limit: int, home: Path, tmp_path: Path) -> None:
    command = simulate(home, out=tmp_path / "run")
    found = python(FULL_DISK.format(limit=limit), *command, ends_with=2)
    assert found.stderr.count("\n") == 1, found.stderr[:2000]
    assert "counts.h5: File too large" in found.stderr
    assert list(tmp_path.iterdir()) == []


# info


@pytest.mark.slow
def test_info(home: Path, tmp_path: Path, program: Program) -> None:
    documents = []
    for source in ("tiny.safetensors", "export"):
        out = program("info", home / source, "--json", tmp_path / "info.json")
        assert "variant custom: T = 1, grid 4" in out
        assert len(out.splitlines()) <= LINES
        assert "stage 3" in out
        whole = program("info", home / source, "--layers")
        assert "encoder.block3.0.attn.q_conv" in whole
        assert "decoder.conv5_ctr" in whole
        documents.append(InfoDocument.read(tmp_path / "info.json"))
    parameters = sum(
        value.numel() for value in read_checkpoint(home / "tiny.safetensors").state.values()
    )
    assert [document.parameters for document in documents] == [parameters, None]
    for document in documents:
        plain = [row for rows in document.to_json()["layers"].values() for row in rows]
        assert {"name", "type", "shape", "dense_mac", "fraction", "headroom_bits"} <= {*plain[0]}
        assert all("process" in row for row in plain)
        assert any(row.get("weight_shape") for row in plain)
        processes = {row.process for row in document.layers["search"]} - {None}
        assert {"encoder.block3.0.conv", "encoder.block3.0", "decoder.ctr"} <= processes
        assert "Lava processes" in out


# simulate, energy, verify


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the bundled weights."""
    from spiketrack.pipeline import export_checkpoint

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("nano") / "nano"
    export_checkpoint("nano", folder)
    return folder


@pytest.mark.slow
def test_the_road_on_the_bundled_clip(nano: Path, tmp_path: Path, program: Program) -> None:
    """simulate, energy and verify, integer and Lava, with the bundled weights, clip and box."""
    run, report, rows = tmp_path / "run", tmp_path / "energy.json", tmp_path / "energy.csv"
    options = ["--frames", 2, "--counts", "full", "--out", run]
    assert "2 frames on integer" in program("simulate", nano, "--backend", "integer", *options)
    assert sorted(p.name for p in run.iterdir()) == ["boxes.csv", "counts.h5", "run.json"]
    check_boxes(run / "boxes.csv")
    summary = program("energy", run, "--json", report, "--csv", rows)
    assert_summary(summary, "a whole frame: ")
    for part in (", by stage", "the 10 largest of ", " smaller parts", "static power"):
        assert part in summary, part
    layers = program("energy", run, "--layers")
    for part in ("encoder.block3.0.attn.q_conv", "host input and output", "pJ a value"):
        assert part in layers, part
    assert_summary(program("map", nano, "--run", run), "fits hala-point")
    check_energy(json.loads(report.read_text()), rows)
    seconds = tmp_path / "time.json"
    assert_summary(program("time", run, "--json", seconds), "a frame, pipelined: ")
    check_whole(json.loads(report.read_text()), json.loads(seconds.read_text()))
    about = read_run_json(run)
    assert (about.backend, about.frames, about.updates) == ("integer", 2, ())
    program("simulate", nano, *options, "--force")
    lava = read_run_json(run)
    assert lava.backend == "lava"
    assert lava.placement
    assert set(lava.placement) == {"search", "template"}
    manifest = read_export(nano).manifest
    assert (lava.network_digest, lava.checkpoint) == (manifest.network_digest, manifest.checkpoint)
    assert list(lava.files) == ["boxes.csv", "counts.h5"]
    verdict = tmp_path / "verify.json"
    options = ["--checkpoint", "nano", "--frames", 2, "--json", verdict]
    out = program("verify", nano, *options)
    assert "yes" in out
    assert_summary(out, "exact: integer and lava agree in all ")
    check_verdict(json.loads(verdict.read_text()))


def assert_summary(out: str, answer: str) -> None:
    """At most thirty lines, the answer last."""
    lines = out.splitlines()
    assert len(lines) <= LINES, out
    assert lines[-1].startswith(answer)


def check_boxes(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "frame,x,y,w,h,score"
    assert [int(row[0]) for row in csv.reader(lines[1:])] == [0, 1, 2]
    assert tuple(float(v) for v in lines[1].split(",")[1:5]) == BUNDLED_BOX.as_tuple()
    for row in csv.DictReader(lines):
        assert 0 <= float(row["score"]) <= 1
        assert float(row["w"]) > 0


def check_whole(energy: dict[str, Any], time: dict[str, Any]) -> None:
    """Both branches, each row counted where the seconds are."""
    assert [whole["branch"] for whole in energy["whole"]] == ["search", "template"]
    for whole, branch in zip(energy["whole"], time["branches"], strict=True):
        rows = {row["part"]: row for row in whole["rows"]}
        assert rows["synaptic operations"]["number"] == branch["work"]["operations"]
        assert rows["messages by hop"]["number"] == branch["work"]["copies"]
        assert whole["low_pj"] < whole["high_pj"]
        assert {mode["mode"] for mode in branch["modes"]} == {"fall-through", "pipelined"}
        assert branch["events"] == "recorded"


def check_energy(document: dict[str, Any], table: Path) -> None:
    keys = {
        "name",
        "kind",
        "events",
        "spikes",
        "ac_graded",
        "ac_spike",
        "mac",
        "dense_mac",
        "neuron_updates",
        "energy_pj",
    }
    assert document["total"]["energy_pj"] > 0
    assert all(keys <= row.keys() for row in document["layers"])
    assert sum(row["ac_graded"] for row in document["layers"]) > 0
    with table.open() as file:
        assert len(list(csv.DictReader(file))) > len(document["layers"])


def check_verdict(document: dict[str, Any]) -> None:
    assert document["exact"] is True
    assert document["mismatches"] == 0
    assert document["frames"] == 2
    assert document["counts_compared"] > 1e6
    assert document["populations"] == len(document["by_population"]) > 100
    assert document["first_divergence"] is None
    assert len(document["float"]["teacher_forced"]) == document["populations"]
    assert len(document["float"]["free_running"]["iou"]) == 2
    assert len(document["float"]["same_crops"]["iou"]) == 2


@pytest.mark.slow
def test_counts_are_arrays_in_python(home: Path, tmp_path: Path, program: Program) -> None:
    run, network = tmp_path / "run", read_export(home / "export3")
    options = ["--video", home / "clip.avi", "--box", BOX, "--backend", "integer", "--out", run]
    options += ["--counts", "full", "--update-every", 2, "--update-threshold", 0]
    program("simulate", home / "export3", *options)
    each = sum(np.prod(n.shape) for n in network.graphs["search"].populations)
    assert f"--counts full: {each / 1e6:.3g} MB of counts a frame, " in program.err
    assert read_run_json(run).updates == (2, 4)
    for branch, inferences in (("search", 5), ("template", 3)):
        with open_counts(run, branch) as counts:
            assert set(counts) == {node.name for node in network.graphs[branch].populations}
            for node in network.graphs[branch].populations:
                found = counts[node.name]
                assert found.shape == (inferences, *node.shape)
                assert found.dtype == np.int8
                assert 0 <= found.min() <= found.max() <= 4
            with pytest.raises(KeyError):
                counts["no such population"]


@pytest.mark.slow
def test_frames_of_a_folder_give_the_same_run(home: Path, tmp_path: Path, program: Program) -> None:
    """The folder holds the frames of the clip without its compression."""
    boxes: list[bytes] = []
    for source in ("frames", "frames"):
        out = tmp_path / f"run{len(boxes)}"
        options = ["--box", BOX, "--frames", 3, "--backend", "integer"]
        program("simulate", home / "export", "--video", home / source, *options, "--out", out)
        boxes.append((out / "boxes.csv").read_bytes())
    assert boxes[0] == boxes[1]
    with pytest.raises(SpikeTrackError, match="no counts of the search branch; simulate with"):
        open_counts(out)


@pytest.mark.slow
def test_float_runs_beside_its_checkpoint(home: Path, tmp_path: Path, program: Program) -> None:
    options = ["--video", home / "frames", "--box", BOX, "--frames", 2, "--out", tmp_path / "run"]
    program(
        "simulate",
        home / "export",
        *options,
        "--backend",
        "float",
        "--device",
        "cpu",
        "--checkpoint",
        home / "tiny.safetensors",
    )
    assert read_run_json(tmp_path / "run").backend == "float"


@pytest.mark.slow
def test_verify_names_what_differs(
    home: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend with another threshold; exit code 1 and the population, step and index."""
    network = read_export(home / "export")
    name = "encoder.block3.1.attn.head_spike"
    node: Any = network.graphs["search"][name]
    levels = (node.thresholds[0] // 8, *node.thresholds[1:])
    nodes = tuple(
        dataclasses.replace(n, thresholds=levels) if n is node else n
        for n in network.graphs["search"]
    )
    search = dataclasses.replace(network.graphs["search"], nodes=nodes)
    graphs = dict(network.graphs) | {"search": search}
    monkeypatch.setattr(
        "spiketrack.simulators.lava.LavaSimulator.open",
        lambda network, options: IntegerSimulator(graphs, network.config, counts=options.counts),
    )
    options = ["--video", home / "frames", "--box", BOX, "--frames", 2, "--json", tmp_path / "v"]
    out = program("verify", home / "export", *options, "--backends", "lava", code=1)
    assert f"lava differs from integer first in {name} (search branch): frame 1, step 0" in out
    document = json.loads((tmp_path / "v").read_text())
    assert document["exact"] is False
    assert document["first_divergence"]["population"] == name
    assert document["mismatches"] == sum(row["mismatches"] for row in document["by_population"])


# bad input


def cut(path: Path, target: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target


def simulate(home: Path, **changed: object) -> list[object]:
    """Arguments of ``simulate`` on the integer backend with some of them changed."""
    values: dict[str, object] = {
        "folder": home / "export",
        "video": home / "frames",
        "box": BOX,
        "frames": 2,
        "backend": "integer",
    } | changed
    folder = values.pop("folder")
    return ["simulate", folder, *(w for k, v in values.items() for w in (f"--{k}", v))]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"video": "none.mp4"}, "none.mp4: no such file or folder"),
        ({"box": "200,20,20,16"}, "lies outside the frame of 96x72 pixels"),
        ({"box": "10,20,0,16"}, "width and height must be greater than 0"),
        ({"box": "10,20,16"}, "expected x,y,w,h, four numbers in pixels"),
        ({"box": "nan,20,16,3"}, "every number must be finite"),
        ({"frames": 9}, "--frames 9 asks for 9 frames after the first, it holds 5"),
        ({"frames": 0}, "--frames 0: must be at least 1"),
        ({"backend": "tpu"}, "--backend tpu: choose among float, integer"),
        ({"backend": "float"}, "--backend float: needs --checkpoint"),
        ({"counts": "some"}, "--counts some: choose full or totals"),
        ({"update-every": 0}, "--update-every 0: must be at least 1 frame"),
        ({"update-threshold": 2}, "--update-threshold 2: must lie between 0 and 1"),
        ({"folder": "none"}, "none: no such folder; spiketrack export CHECKPOINT --out"),
        ({"out": "no/such/run"}, "does not exist"),
    ],
)
@pytest.mark.slow
def test_bad_options(
    changed: dict[str, object],
    message: str,
    home: Path,
    tmp_path: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in program.refuses(*simulate(home, **changed))
    assert list(tmp_path.iterdir()) == []


def empty_file(home: Path, here: Path) -> dict[str, object]:
    (here / "bad.mp4").touch()
    return {"video": here / "bad.mp4"}


def text_file(home: Path, here: Path) -> dict[str, object]:
    (here / "bad.mp4").write_text("no video")
    return {"video": here / "bad.mp4"}


def empty_folder(home: Path, here: Path) -> dict[str, object]:
    (here / "bad").mkdir()
    return {"video": here / "bad"}


def truncated_nir(home: Path, here: Path) -> dict[str, object]:
    shutil.copytree(home / "export", here / "bad")
    cut(home / "export" / "search.nir", here / "bad" / "search.nir")
    return {"folder": here / "bad"}


def foreign_nir(home: Path, here: Path) -> dict[str, object]:
    shutil.copytree(home / "export", here / "bad")
    with h5py.File(here / "bad" / "search.nir", "w") as file:
        file["something"] = 1
    return {"folder": here / "bad"}


def missing_nir(home: Path, here: Path) -> dict[str, object]:
    shutil.copytree(home / "export", here / "bad")
    (here / "bad" / "template.nir").unlink()
    return {"folder": here / "bad"}


def swapped_nir(home: Path, here: Path) -> dict[str, object]:
    shutil.copytree(home / "export", here / "bad")
    shutil.copy(here / "bad" / "template.nir", here / "bad" / "search.nir")
    return {"folder": here / "bad"}


def mixed_nir(home: Path, here: Path) -> dict[str, object]:
    shutil.copytree(home / "export", here / "bad")
    shutil.copy(home / "export3" / "search.nir", here / "bad" / "search.nir")
    return {"folder": here / "bad"}


def signed(make: Make) -> Make:
    """The same bad export with the digests of its bad files in the manifest."""

    def remake(home: Path, here: Path) -> dict[str, object]:
        changed = make(home, here)
        path = here / "bad" / "manifest.json"
        files = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in (here / "bad").glob("*.nir")
        }
        path.write_text(json.dumps(json.loads(path.read_text()) | {"files": files}))
        return changed

    return remake


def other_weight(home: Path, here: Path) -> dict[str, object]:
    """The signs of one convolution's weights."""
    shutil.copytree(home / "export", here / "bad")
    with h5py.File(here / "bad" / "search.nir", "a") as file:
        nodes = file["node/nodes"].values()
        weight = next(node["weight"] for node in nodes if "weight" in node)
        weight[...] = np.negative(weight)
    return {"folder": here / "bad"}


def believed_bounds(home: Path, here: Path) -> dict[str, object]:
    """Memories of the search branch that claim to hold 1 at most."""
    shutil.copytree(home / "export", here / "bad")
    with h5py.File(here / "bad" / "search.nir", "a") as file:
        for name, node in file["node/nodes"].items():
            if name.startswith("memory."):
                del node["metadata/high"]
                node["metadata/high"] = np.int64(1)
    return {"folder": here / "bad"}


def stock_rewrite(home: Path, here: Path) -> dict[str, object]:
    """The same network as another tool writes it."""
    shutil.copytree(home / "export", here / "bad")
    path = here / "bad" / "search.nir"
    nir.write(path, nir.read(path, type_check=False))
    return {"folder": here / "bad"}


def manifest_with(**values: object) -> Make:
    def make(home: Path, here: Path) -> dict[str, object]:
        shutil.copytree(home / "export", here / "bad")
        path = here / "bad" / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        return {"folder": here / "bad"}

    return make


def manifest_sized(**values: object) -> Make:
    def make(home: Path, here: Path) -> dict[str, object]:
        sizes = json.loads((home / "export" / "manifest.json").read_text())["network"]
        return manifest_with(network=sizes | values)(home, here)

    return make


def manifest_tracking(**values: object) -> Make:
    def make(home: Path, here: Path) -> dict[str, object]:
        return manifest_with(tracker=TrackerConfig().as_dict() | values)(home, here)

    return make


def broken_manifest(home: Path, here: Path) -> dict[str, object]:
    shutil.copytree(home / "export", here / "bad")
    cut(home / "export" / "manifest.json", here / "bad" / "manifest.json")
    return {"folder": here / "bad"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty_file, "bad.mp4: empty file, not a video"),
        (text_file, "bad.mp4: not a video"),
        (empty_folder, "bad: no frames in this folder"),
        (truncated_nir, f"search.nir: {CHANGED}"),
        (foreign_nir, f"search.nir: {CHANGED}"),
        (swapped_nir, f"search.nir: {CHANGED}"),
        (mixed_nir, f"search.nir: {CHANGED}"),
        (other_weight, f"search.nir: {CHANGED}"),
        (stock_rewrite, f"search.nir: {CHANGED}"),
        (signed(truncated_nir), "search.nir: corrupt, truncated or no HDF5 file"),
        (signed(foreign_nir), "search.nir: corrupt or no .nir file (no group named node)"),
        (missing_nir, "template.nir: no such file"),
        (signed(swapped_nir), "search.nir: holds the template branch"),
        (signed(mixed_nir), "bad: search.nir reads memories"),
        (signed(believed_bounds), "memory.0: bounds 0..1, but template.nir writes 0..256; export"),
        (signed(other_weight), "manifest.json: network_digest is not that of the graphs"),
        (broken_manifest, "manifest.json: unreadable"),
        (manifest_with(version=99), "written as version 99, this program reads 1; update spik"),
        (manifest_with(version=0), "written as version 0, this program reads 1; export the"),
        (manifest_with(checkpoint=None), "manifest.json: checkpoint: Input should be a"),
        (manifest_with(files={}), f"template.nir: {CHANGED}"),
        (manifest_with(network_digest="0" * 64), "network_digest is not that of the graphs"),
        (manifest_with(format="other"), "manifest.json: format other, not spiketrack-export"),
        (manifest_sized(embed_dims=5), "manifest.json: network.embed_dims: Input should be"),
        (manifest_sized(embed_dims=[8, 8, 8, 8]), "network custom, embed_dims (8, 8, 8, 8) is not"),
        (manifest_sized(variant="spiketrack_b384_t3"), "network spiketrack_b384_t3, embed_dims"),
        (manifest_tracking(search_factor=10**400), "tracker.search_factor: Input should be less"),
        (manifest_tracking(search_factor=[4]), "tracker.search_factor"),
        (manifest_tracking(margin=10**400), "tracker.margin: Input should be less"),
        (manifest_with(network={}), "manifest.json: "),
        (manifest_with(network=None), "manifest.json: "),
        (manifest_with(tracker={"search_factor": "wide"}), "manifest.json: "),
        (manifest_with(tracker={"margin": -5}), "manifest.json: "),
    ],
)
@pytest.mark.slow
def test_bad_files(
    make: Callable[[Path, Path], dict[str, object]],
    message: str,
    home: Path,
    tmp_path: Path,
    program: Program,
) -> None:
    changed = make(home, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert message in program.refuses(*simulate(home, **changed, out=tmp_path / "run"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_the_manifest_names_every_file(home: Path) -> None:
    manifest = json.loads((home / "export" / "manifest.json").read_text())
    assert list(manifest["files"]) == ["search.nir", "template.nir"]
    for name, digest in manifest["files"].items():
        assert digest == hashlib.sha256((home / "export" / name).read_bytes()).hexdigest()


@pytest.mark.slow
def test_another_tool_may_write_the_same_network(home: Path, tmp_path: Path) -> None:
    signed(stock_rewrite)(home, tmp_path)
    assert read_export(tmp_path / "bad").manifest.network_digest


def checkpoint_with_nan(home: Path, here: Path) -> Path:
    state = dict(read_checkpoint(home / "tiny.safetensors").state)
    name = next(iter(state))
    state[name] = state[name] * float("nan")
    torch.save({"net": state}, here / "bad.pth")
    return here / "bad.pth"


def foreign_checkpoint(home: Path, here: Path) -> Path:
    torch.save({"net": {"conv.weight": torch.zeros(3, 3)}}, here / "bad.pth")
    return here / "bad.pth"


def text_checkpoint(home: Path, here: Path) -> Path:
    (here / "bad.pth").write_text("no checkpoint")
    return here / "bad.pth"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda home, here: here / "none.pth", "none.pth: no such file"),
        (lambda home, here: cut(home / "tiny3.pth.tar", here / "bad.pth"), "bad.pth: corrupt"),
        (lambda home, here: cut(home / "tiny.safetensors", here / "bad.pth"), "bad.pth: corrupt"),
        (text_checkpoint, "bad.pth: a text, not a checkpoint"),
        (foreign_checkpoint, "looks like another network"),
        (checkpoint_with_nan, "bad.pth: "),
    ],
)
@pytest.mark.slow
def test_bad_checkpoints(
    make: Callable[[Path, Path], Path], message: str, home: Path, tmp_path: Path, program: Program
) -> None:
    path = make(home, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert message in program.refuses("export", path, "--out", tmp_path / "out")
    assert message in program.refuses("info", path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backends", "lava,tpu"), "--backends tpu: choose among"),
        (("--backends", "integer"), "nothing to compare with integer; choose among float, lava"),
        (("--backends", "float,integer"), "--backends float: needs --checkpoint"),
        (("--backends", "float,lava"), "--backends float: needs --checkpoint"),
        (("--checkpoint", "tiny3.pth.tar"), "not the checkpoint that was exported"),
    ],
)
@pytest.mark.slow
def test_verify_refuses(
    arguments: tuple[str, ...],
    message: str,
    home: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(home)
    options = ["--video", "frames", "--box", BOX, "--frames", 1]
    assert message in program.refuses("verify", "export", *options, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("energy", "export"), "no run.json in it"),
        (("energy", "none"), "none: no such run folder"),
        (("simulate", "export", "--video", "frames"), "frames: give --box x,y,w,h"),
        (
            (
                "simulate",
                "export",
                "--video",
                "frames",
                "--box",
                BOX,
                "--backend",
                "float",
                "--checkpoint",
                "tiny3.pth.tar",
            ),
            "not the checkpoint that was exported",
        ),
        (("export", "tiny.safetensors", "--out", "new", "--box", BOX), "--calibrate and --box"),
        (("export", "tiny.safetensors", "--out", "tiny3.pth.tar", "--force"), "is a file"),
        (("simulate", "nano"), "nano: no such folder; spiketrack export nano writes it"),
        (("info", "frames"), "frames: no manifest.json; this is no export folder"),
    ],
)
@pytest.mark.slow
def test_other_bad_input(
    arguments: tuple[str, ...],
    message: str,
    home: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(home)
    before = sorted(home.iterdir())
    assert message in program.refuses(*arguments)
    assert sorted(home.iterdir()) == before


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "spiketrack: error: interrupted\n"),
        (signal.SIGTERM, 143, "spiketrack: error: terminated\n"),
    ],
)
@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing(
    number: signal.Signals,
    code: int,
    line: str,
    home: Path,
    tmp_path: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where a destructor swallows the signal: the next frame notices it."""

    class Fragile:
        def __del__(self) -> None:
            signal.raise_signal(number)

    search = IntegerSimulator.search

    def interrupted(simulator: IntegerSimulator, crop: Any) -> Any:
        Fragile()
        return search(simulator, crop)

    monkeypatch.setattr(IntegerSimulator, "search", interrupted)
    arguments = simulate(home, out=tmp_path / "run")
    assert program(*arguments, code=code) == ""
    assert program.err == line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_leaves_nothing(
    home: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "boxes.csv")

    monkeypatch.setattr("spiketrack.runs.folder.write_csv", full)
    said = program.refuses(*simulate(home, out=tmp_path / "run"))
    assert said == "boxes.csv: the disk is full; free some space and run the command again"
    assert list(tmp_path.iterdir()) == []
