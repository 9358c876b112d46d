"""Losses, first weights, the loop, and going on with a run."""

from __future__ import annotations

import errno
import json
import math
import multiprocessing
import os
import re
from itertools import islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from pydantic import ValidationError
from support.training_data import tiny_collection, tiny_config, write_config, write_root
from torch import Tensor
from typer.testing import CliRunner

from spiketrack.commands.train import train as train_command
from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.errors import ConfigError, SpikeTrackError, TrainingError
from spiketrack.leftovers import beside
from spiketrack.machine import room
from spiketrack.reference.checkpoint import read_checkpoint, save_checkpoint
from spiketrack.training import losses
from spiketrack.training.initial import BRANCH_SCALE, adopt, branch_ends, initialise
from spiketrack.training.journal import Journal
from spiketrack.training.loop import build, learning_rate, train
from spiketrack.training.place import check_place
from spiketrack.training.replica import SHARED, Crew, share
from spiketrack.training.schema import (
    NetworkSection,
    OptimiserSection,
    TrackerSection,
    TrainingConfig,
)
from spiketrack.training.state import begin

BOXES = torch.tensor([[0.31, 0.62, 0.2, 0.3], [1.0, 0.99, 0.1, 0.1], [0.0, 0.5, 0.05, 0.4]])
WEIGHTS = OptimiserSection(steps=1)


def perfect_maps(boxes: Tensor, grid: int) -> dict[str, Tensor]:
    """Maps that say exactly the boxes in every cell, with the score at the right one."""
    axis = torch.arange(grid, dtype=boxes.dtype)
    x = (boxes[:, 0, None, None] * grid - axis[None, None, :]).expand(-1, grid, grid)
    y = (boxes[:, 1, None, None] * grid - axis[None, :, None]).expand(-1, grid, grid)
    score = (losses.squared_distance(boxes, grid) == 0).float().clamp(1e-4, 1 - 1e-4)
    size = boxes[:, 2:, None, None].expand(-1, -1, grid, grid)
    return {"score_map": score[:, None], "offset_map": torch.stack([x, y], 1), "size_map": size}


def test_what_a_configuration_leaves_out_is_as_published() -> None:
    assert TrackerSection().build() == TrackerConfig()
    sizes: dict[str, Any] = {"embed_dims": (8, 16, 24, 32), "grid": 4, "head_channels": 8}
    assert NetworkSection(**sizes).build() == NetworkConfig(**sizes, templates=1)


def test_perfect_maps_decode_and_cost_nothing() -> None:
    maps = perfect_maps(BOXES, 8)
    torch.testing.assert_close(losses.decode(maps), BOXES)
    assert float(losses.total_loss(maps, BOXES, WEIGHTS).total) < 1e-3


def test_target_on_the_border_has_a_positive_cell() -> None:
    cell = losses.cells(BOXES, 8)
    assert cell[1].tolist() == [7, 7]
    assert ((losses.squared_distance(BOXES, 8) == 0).flatten(1).sum(1) == 1).all()


def test_overlap_on_worked_examples() -> None:
    a = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.25, 0.5, 0.1, 0.1]])
    b = torch.tensor([[0.6, 0.5, 0.2, 0.2], [0.75, 0.5, 0.1, 0.1]])
    iou, giou = losses.overlap(a, b)
    torch.testing.assert_close(iou, torch.tensor([1 / 3, 0.0]))
    torch.testing.assert_close(giou, torch.tensor([1 / 3, -(0.06 - 0.02) / 0.06]))


def test_wrong_size_costs_more_than_a_right_one() -> None:
    maps = perfect_maps(BOXES, 8)
    exact = losses.total_loss(maps, BOXES, WEIGHTS)
    maps["size_map"] = maps["size_map"] * 1.5
    assert losses.total_loss(maps, BOXES, WEIGHTS).giou > exact.giou + 0.3


def test_residual_branches_start_small() -> None:
    config = tiny_config()
    model = build(config)
    ends = list(branch_ends(model))
    # ConvBlocks 2, TransformerBlocks 3 and memories 2 branches each
    assert len(ends) == 4 * 2 + 5 * 3 + 6 * 2
    assert all((end.weight == BRANCH_SCALE).all() for end in ends)


def test_init_takes_what_matches(tmp_path: Path) -> None:
    first = build(tiny_config())
    wider = tiny_config(seed=5, network={"head_channels": 32})
    path = tmp_path / "first.safetensors"
    save_checkpoint(path, first, TrackerConfig())
    told: list[str] = []
    second = build(wider.model_copy(update={"init": str(path)}), told.append)
    total = len(second.state_dict())
    assert re.fullmatch(
        rf".*first\.safetensors: \d+ of {total} tensors have a place in this network", told[0]
    )
    taken, fresh = second.state_dict(), build(wider).state_dict()
    key = "encoder.block3.0.conv.pwconv1.0.weight"
    torch.testing.assert_close(taken[key], first.state_dict()[key])
    torch.testing.assert_close(
        taken["decoder.conv1_ctr.0.weight"], fresh["decoder.conv1_ctr.0.weight"]
    )


def test_init_takes_one_of_several_state_dicts(tmp_path: Path) -> None:
    config = tiny_config()
    state = build(config).state_dict()
    averaged = {f"module.{k}": v * 0.5 if "weight" in k else v for k, v in state.items()}
    torch.save({"net": state, "net_ema": averaged}, tmp_path / "two.pth")
    told: list[str] = []
    chosen = config.model_copy(update={"init": str(tmp_path / "two.pth"), "init_key": "net_ema"})
    key = "encoder.downsample1_1.encode_conv.weight"
    assert torch.equal(build(chosen, told.append).state_dict()[key], state[key] * 0.5)
    assert f"note: {tmp_path / 'two.pth'}: stripped module. from its keys" in told
    with pytest.raises(ValidationError, match="init_key net_ema: needs init"):
        tiny_config(init_key="net_ema")


def test_later_steps_start_from_the_first_responder() -> None:
    state = build(tiny_config()).state_dict()
    three = build(tiny_config(seed=9, network={"templates": 3}))
    assert adopt(three, dict(state)) == len(three.state_dict())
    responders = three.encoder.mrm[0].retriever.seg_responder_pw
    torch.testing.assert_close(responders[2].state_dict(), responders[0].state_dict())


def test_rate_warms_up_and_falls_with_the_clock() -> None:
    config = tiny_config(optimiser={"steps": 100, "warmup": 9, "max_minutes": 10})
    run = begin(config, build(config))
    assert learning_rate(run) == pytest.approx(1e-4)
    run.step = 50
    assert learning_rate(run) == pytest.approx(1e-3 * 0.505)
    run.minutes = 10.0
    assert run.progress() == 1
    assert learning_rate(run) == pytest.approx(1e-5)


def full_run(config: TrainingConfig, root: Path, out: Path, resume: bool = False) -> Path:
    for _ in train(config, tiny_collection(root, config), out, resume):
        pass
    return out / "weights.pth.tar"


@pytest.mark.parametrize(("workers", "quantised"), [(1, False), (2, False), (2, True)])
@pytest.mark.slow
def test_resumed_run_ends_in_the_same_weights(
    tmp_path: Path, workers: int, quantised: bool
) -> None:
    optimiser = {"workers": workers, "validate_every": 2}
    config = tiny_config(optimiser=optimiser, quantised=quantised)
    whole = full_run(config, tmp_path / "data", tmp_path / "whole")
    steps = train(config, tiny_collection(tmp_path / "data", config), tmp_path / "parts")
    assert [p.step for p in islice(steps, 4)] == [1, 2, 3, 4]
    steps.close()  # type: ignore[attr-defined]
    parts = full_run(config, tmp_path / "data", tmp_path / "parts", resume=True)
    one, two = read_checkpoint(whole), read_checkpoint(parts)
    for key, tensor in one.state.items():
        assert torch.equal(tensor, two.state[key]), key


@pytest.mark.slow
def test_run_leaves_weights_log_and_curves(tmp_path: Path) -> None:
    config = tiny_config(network={"templates": 3}, data={"searches": 2})
    full_run(config, tmp_path / "data", tmp_path / "out")
    checkpoint = read_checkpoint(tmp_path / "out" / "weights.safetensors")
    assert checkpoint.network == config.network.build()
    assert checkpoint.tracker.template_factor == 2.0
    assert checkpoint.metadata["pairs"] == "24"
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["event"] == "validation"] == [3, 6, 6]
    assert {"loss", "pairs_per_second", "rate"} <= rows[0].keys()
    page = (tmp_path / "out" / "curves.html").read_text("utf-8")
    assert "Pairs a second" in page
    assert "Content-Security-Policy" in page
    assert "<script src" not in page


@pytest.mark.platform
@pytest.mark.slow
def test_training_lowers_the_loss(tmp_path: Path) -> None:
    config = tiny_config(
        data={"video_share": 1.0, "pasted_share": 0.0},
        augment={"scale": 0.0, "colour": 0.0, "blur": 0.0, "noise": 0.0, "occlusion": 0.0},
        optimiser={"steps": 40, "learning_rate": 0.01, "validate_every": 100, "save_every": 100},
    )
    collection = tiny_collection(tmp_path, config)
    loss = [p.figures["loss"] for p in train(config, collection, tmp_path / "out")]
    assert sum(loss[-10:]) < 0.95 * sum(loss[:10])


def test_shared_tensors_are_equal_and_shared() -> None:
    whole = torch.arange(120.0).view(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    for tensor in (whole, whole[:, 1:], torch.zeros(1, dtype=torch.int64)):
        copy = share(tensor)
        assert torch.equal(copy, tensor)
        assert copy.stride() == tensor.stride()
        child = multiprocessing.get_context("fork").Process(target=copy.fill_, args=(7,))
        child.start()
        child.join()
        assert (copy == 7).all()


@pytest.mark.slow
def test_workers_need_next_to_no_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(optimiser={"workers": 2, "steps": 1})
    monkeypatch.setattr(room, "shared_memory", lambda: SHARED)
    full_run(config, tmp_path / "data", tmp_path / "one")
    monkeypatch.setattr(room, "shared_memory", lambda: SHARED - 1)
    with pytest.raises(TrainingError, match=r"need 65,536 B of /dev/shm and 65,535 .* --shm-size"):
        full_run(config, tmp_path / "data", tmp_path / "two")
    monkeypatch.setattr(room, "closed", lambda: "/dev/shm is shut: mount it")
    with pytest.raises(TrainingError, match=r"/dev/shm is shut: mount it, or workers: 1"):
        full_run(config, tmp_path / "data", tmp_path / "three")


@pytest.mark.slow
def test_frozen_statistics_stay(tmp_path: Path) -> None:
    config = tiny_config(statistics="frozen")
    before = build(config).state_dict()
    after = read_checkpoint(full_run(config, tmp_path / "data", tmp_path / "out")).state
    changed = {key for key, tensor in after.items() if not torch.equal(tensor, before[key])}
    assert "encoder.mrm.1.retriever.q_conv.1.running_var" in changed
    assert "encoder.downsample2.encode_conv.weight" in changed
    backbone = [key for key in changed if key.startswith("encoder.") and ".mrm." not in key]
    assert not [key for key in backbone if "bn" in key.split(".")[-2] or "running" in key]


@pytest.mark.slow
def test_resuming_another_run_is_refused(tmp_path: Path) -> None:
    config = tiny_config()
    full_run(config, tmp_path / "data", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"augment\.scale: 0\.5 here but 0\.4 in the run"):
        full_run(
            tiny_config(augment={"scale": 0.5}), tmp_path / "data", tmp_path / "out", resume=True
        )
    state = torch.load(tmp_path / "out" / "state.pt", weights_only=True)
    state["config"]["optimiser"]["agreement_weight"] = 2.0  # as an older version wrote
    torch.save(state, tmp_path / "out" / "state.pt")
    with pytest.raises(ConfigError, match=r"state\.pt: optimiser\.agreement_weight: unknown key"):
        full_run(config, tmp_path / "data", tmp_path / "out", resume=True)
    with pytest.raises(ConfigError, match=r"state\.pt: no state to resume from"):
        full_run(config, tmp_path / "data", tmp_path / "empty", resume=True)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("force", [False, True])
def test_the_current_folder_is_no_place_for_a_training(
    force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for out in (Path(), tmp_path.parent):
        with pytest.raises(ConfigError, match="the current folder; choose another --out"):
            check_place(out, False, force)


def test_force_overwrites_a_training_alone(tmp_path: Path) -> None:
    mine = tmp_path / "weights.safetensors"
    mine.write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"holds weights\.safetensors, but no training"):
        check_place(tmp_path, False, force=True)
    assert mine.read_bytes() == b"mine"


@pytest.mark.slow
def test_a_training_is_overwritten_with_force_alone(tmp_path: Path) -> None:
    config, data, out = tiny_config(), tmp_path / "data", tmp_path / "out"
    collection = tiny_collection(data, config)
    full_run(config, data, out)
    (out / "notes.txt").write_text("precious")
    before = files(out)
    other = tiny_config(seed=9)
    with pytest.raises(ConfigError, match=r"holds a training .*--resume .*, --force begins anew"):
        next(train(other, collection, out))
    with pytest.raises(ConfigError, match="give one of them"):
        next(train(other, collection, out, True, force=True))
    assert files(out) == before
    (out / "best-weights.safetensors").write_text("of the former training")
    steps = train(other, collection, out, force=True)
    assert [p.step for p in islice(steps, 2)] == [1, 2]
    with pytest.raises(ConfigError, match="another program trains here"):
        next(train(other, collection, out, force=True))
    steps.close()  # type: ignore[attr-defined]
    assert sorted(files(out)) == ["log.jsonl", "notes.txt"]
    assert [row["step"] for row in read_log(out)] == [1, 2]


@pytest.mark.slow
def test_weights_to_begin_with_are_not_overwritten(tmp_path: Path) -> None:
    config, data, out = tiny_config(), tmp_path / "data", tmp_path / "out"
    full_run(config, data, out)
    init = str(out / "weights.safetensors")
    changed = config.model_copy(update={"init": init})
    with pytest.raises(SpikeTrackError, match="holds an input of this command"):
        next(train(changed, tiny_collection(data, config), out, force=True))
    assert (out / "state.pt").is_file()


def strict(text: str) -> Any:
    raise AssertionError(f"{text} is no JSON")


def read_log(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=strict) for line in lines]


@pytest.mark.parametrize("what", ["loss", "gradient", "weights"])
@pytest.mark.slow
def test_a_run_that_diverges_stops_and_keeps_its_last_good_state(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the fourth step; the state was saved after the third."""
    gradients = Crew.gradients

    def bad(crew: Crew, step: int) -> dict[str, float]:
        figures = gradients(crew, step)
        if step == 3 and what == "loss":
            figures["loss"] = math.nan
        if step == 3 and what == "gradient":
            crew.parameters[0].grad.fill_(math.inf)  # type: ignore[union-attr]
        if step == 3 and what == "weights":
            crew.parameters[0].data.fill_(math.nan)
        return figures

    monkeypatch.setattr(Crew, "gradients", bad)
    config = tiny_config(optimiser={"save_every": 1, "validate_every": 100})
    message = {
        "loss": r"^step 4: the loss is nan at a learning rate of 0\.000505; .*holds",
        "gradient": r"^step 4: the gradient's norm is (nan|inf) at a learning rate of 0\.000505; ",
        "weights": r"^step 4: weights are not finite at a learning rate of 0\.000505; .*holds",
    }
    out = tmp_path / "out"
    with pytest.raises(TrainingError, match=message[what]):
        full_run(config, tmp_path / "data", out)
    state = torch.load(out / "state.pt", weights_only=True)
    assert state["step"] == 3
    assert all(torch.isfinite(value).all() for value in state["net"].values())
    read_log(out)
    monkeypatch.undo()
    full_run(config, tmp_path / "data", out, resume=True)
    assert [row["step"] for row in read_log(out) if row["event"] == "step"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_a_worker_that_cannot_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it ends, and the next try needs no --resume and no --force."""
    started: list[BaseProcess] = []
    start = BaseProcess.start

    def second_fails(process: BaseProcess) -> None:
        if started:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        start(process)
        started.append(process)

    monkeypatch.setattr(BaseProcess, "start", second_fails)
    config, out = tiny_config(optimiser={"workers": 3, "batch": 3}), tmp_path / "out"
    with pytest.raises(
        TrainingError, match=r"^no process for a worker \(Resource .*\): set fewer "
    ):
        full_run(config, tmp_path / "data", out)
    assert not started[0].is_alive()
    assert list(out.iterdir()) == []
    monkeypatch.undo()
    full_run(config, tmp_path / "data", out)


@pytest.mark.slow
def test_a_learning_rate_that_is_too_high(tmp_path: Path) -> None:
    optimiser = {"learning_rate": 1e8, "steps": 40, "save_every": 1, "validate_every": 50}
    out = tmp_path / "out"
    with pytest.raises(TrainingError, match=r"^step \d+: .* rate of [\d.]+e\+0[78]; "):
        full_run(tiny_config(optimiser=optimiser), tmp_path / "data", out)
    state = torch.load(out / "state.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in state["net"].values())
    assert read_log(out)


def test_a_log_goes_on_after_a_kill(tmp_path: Path) -> None:
    """Without the line that was cut, what came after the state, and figures that are no JSON."""
    rows = [{"event": "step", "step": n, "loss": 1.0} for n in (1, 2, 3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    text += '{"event": "validation", "step": 2, "iou": NaN}\n[1]\n{"event": "st'
    (tmp_path / "log.jsonl").write_text(text)
    config = tiny_config()
    run = begin(config, build(config))
    with Journal(tmp_path, 2) as journal:
        journal.write("step", run, {"loss": math.inf, "l1": 0.5})
    found = read_log(tmp_path)
    assert [row["step"] for row in found] == [1, 2, 2, 0]
    assert (found[2]["iou"], found[3]["loss"], found[3]["l1"]) == (None, None, 0.5)


@pytest.mark.parametrize("name", ["state.pt", "log.jsonl", "weights.pth.tar"])
@pytest.mark.slow
def test_a_full_disk_names_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary file becomes a device that is always full."""
    (tmp_path / "out").mkdir()
    hidden = f".{Path(name).stem}.spiketrack-0123abcd{Path(name).suffix}"
    monkeypatch.setattr(
        "spiketrack.files.beside",
        lambda target: target.with_name(hidden) if target.name == name else beside(target),
    )
    steps = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        device = path.name == hidden and mode in ("wb", "w")
        device = device or (path.name == name == "log.jsonl" and mode == "a")
        return steps(Path("/dev/full") if device else path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left on device") as found:
        full_run(tiny_config(), tmp_path / "data", tmp_path / "out")
    assert found.value.filename == str(tmp_path / "out" / name)


@pytest.mark.slow
def test_command_trains_from_a_file(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(train_command)
    config = write_config(tmp_path / "tiny.yaml")
    root = str(write_root(tmp_path / "data"))
    out = str(tmp_path / "run")
    result = CliRunner().invoke(app, [str(config), "--out", out, "--data", root, "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert read_checkpoint(tmp_path / "run" / "weights.safetensors").metadata["step"] == "6"


def test_initial_weights_follow_the_seed() -> None:
    one, two, other = build(tiny_config()), build(tiny_config()), build(tiny_config(seed=1))
    key = "encoder.downsample2.encode_conv.weight"
    assert torch.equal(one.state_dict()[key], two.state_dict()[key])
    assert not torch.equal(one.state_dict()[key], other.state_dict()[key])
    initialise(one)
    assert float(one.decoder.get_parameter("conv5_size.bias").detach()[0]) == pytest.approx(-1.1)
