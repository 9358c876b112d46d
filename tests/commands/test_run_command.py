"""``spiketrack run``: one folder with everything, gone on with, never mixed, of use to others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from support.program import Program
from support.random_graphs import tiny_model
from support.synthetic_clips import moving_patch, write_images

from spiketrack.commands.views import LINES
from spiketrack.config import TrackerConfig
from spiketrack.documents.settings import RunSettings
from spiketrack.documents.summary import SummaryDocument
from spiketrack.errors import ConfigError
from spiketrack.machine.locks import alone
from spiketrack.reference.checkpoint import save_checkpoint
from spiketrack.runs.folder import RunFolder
from spiketrack.video.identity import clip_digest

pytestmark = pytest.mark.slow

BOX = "10,20,20,16"
FRAMES, _ = moving_patch(4)
FILES = {
    "settings.yaml",
    "summary.json",
    "verify.json",
    "map.json",
    "time.json",
    "energy.json",
    "energy.csv",
    "report.html",
    "export",
    "run",
}
PARTS = ("export", "run/run.json", "verify.json", "map.json", "time.json", "energy.json")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints and a clip; to be read alone."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("home")
    save_checkpoint(folder / "tiny.safetensors", tiny_model(1), TrackerConfig())
    save_checkpoint(folder / "tiny3.safetensors", tiny_model(3), TrackerConfig())
    write_images(folder / "clip", FRAMES)
    return folder


def line(home: Path, out: Path, *more: object) -> tuple[object, ...]:
    options = ("--box", BOX, "--frames", 3, "--backend", "integer", "--verify-frames", 2)
    clip = ("--video", home / "clip")
    return ("run", home / "tiny.safetensors", *clip, *options, "--out", out, *more)


@pytest.fixture(scope="module")
def done(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one call leaves; to be read alone."""
    from spiketrack.steps.run import run

    torch.set_num_threads(1)
    asked = RunSettings(
        checkpoint=str(home / "tiny.safetensors"),
        video=str(home / "clip"),
        box=(10, 20, 20, 16),
        frames=3,
        backend="integer",
    )
    asked = asked.model_copy(update={"verify": asked.verify.model_copy(update={"frames": 2})})
    out = tmp_path_factory.mktemp("done") / "out"
    run(asked, out)
    return out


def test_it_leaves_everything(done: Path, home: Path) -> None:
    assert {path.name for path in done.iterdir()} == FILES
    answers = SummaryDocument.read(done / "summary.json")
    about = RunFolder.read(done / "run").about
    assert (about.frames, about.backend, about.counts) == (3, "integer", "totals")
    assert answers.agreement.exact is True
    assert (answers.agreement.backends, answers.agreement.frames) == (("inline",), 2)
    assert answers.calibrated_on == "3 frames of the same clip"
    boxes = (done / "run" / "boxes.csv").read_text().splitlines()
    assert tuple(map(float, boxes[-1].split(",")[1:5])) == answers.last.box
    energy = json.loads((done / "energy.json").read_text())
    assert answers.energy.chosen.energy_pj == energy["total"]["energy_pj"]
    spent = [row["energy_pj"] for row in energy["tables"] if row["energy_pj"]]
    assert (answers.energy.least.energy_pj, answers.energy.most.energy_pj) == (
        min(spent),
        max(spent),
    )
    placed = json.loads((done / "map.json").read_text())
    fitting = [b for b in placed["boards"] if b["fits"] and b["chips"]]
    assert answers.placement.smallest_chips == min(b["chips"] for b in fitting)
    written = yaml.safe_load((done / "settings.yaml").read_text())
    assert written["clip_digest"] == clip_digest(home / "clip")
    assert "report.html" in answers.files


def test_a_second_call_keeps_all_of_it(
    done: Path, home: Path, tmp_path: Path, program: Program
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    before = {part: (out / part).stat().st_mtime_ns for part in PARTS}
    said = program(*line(home, out))
    assert program.err.count(": is there, kept") == 7
    assert {part: (out / part).stat().st_mtime_ns for part in PARTS} == before
    lines = said.splitlines()
    assert len(lines) <= 16
    assert lines[-1].startswith(f"report   {out}/report.html (")
    assert "exact    yes: 0 of " in said
    again = program("run", out)
    assert again == said


def test_what_a_killed_call_left_is_removed(
    done: Path, home: Path, tmp_path: Path, program: Program
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    left, others = out / ".export.spiketrack-0123abcd", out / ".export.mine"
    for folder in (left, others):
        folder.mkdir()
        (folder / "search.nir").touch()
    program(*line(home, out))
    assert not left.exists()
    assert (others / "search.nir").exists()


def test_what_is_missing_is_made(done: Path, tmp_path: Path, program: Program) -> None:
    """Whatever a kill left out; the parts that are there stay."""
    out = tmp_path / "out"
    shutil.copytree(done, out)
    for name in ("verify.json", "summary.json", "report.html"):
        (out / name).unlink()
    shutil.rmtree(out / "run")
    for name in ("energy.json", "map.json", "time.json"):
        (out / name).unlink()
    kept = (out / "export" / "manifest.json").stat().st_mtime_ns
    program("run", out / "settings.yaml", "--json", tmp_path / "copy.json")
    assert {path.name for path in out.iterdir()} == FILES
    assert (out / "export" / "manifest.json").stat().st_mtime_ns == kept
    assert SummaryDocument.read(tmp_path / "copy.json") == SummaryDocument.read(
        out / "summary.json"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--box", "10,20,20,17"), "was made with box 10,20,20,16, now it is 10,20,20,17"),
        (("--frames", 2), "was made with frames 3, now it is 2"),
        (("--backend", "inline"), "was made with backend integer, now it is inline"),
        (("--prices", "operations-loihi1"), "was made with prices operations-45nm-fp32, now it is"),
    ],
)
def test_other_settings_are_refused_by_name(
    more: tuple[object, ...], said: str, done: Path, home: Path, program: Program
) -> None:
    before = sorted(path.stat().st_mtime_ns for path in done.rglob("*"))
    found = program.refuses(*line(home, done, *more))
    assert found.startswith(f"{done}: {said}"), found
    assert found.endswith("; choose another --out, or --force to do everything anew")
    assert sorted(path.stat().st_mtime_ns for path in done.rglob("*")) == before


def test_another_checkpoint_and_another_clip_are_refused(
    done: Path, home: Path, tmp_path: Path, program: Program
) -> None:
    words = list(line(home, done))
    words[1] = home / "tiny3.safetensors"
    assert f"{done}: was made with checkpoint " in program.refuses(*words)
    shutil.copytree(home / "clip", tmp_path / "other")
    first = sorted((tmp_path / "other").iterdir())[0]
    shutil.copy(sorted((tmp_path / "other").iterdir())[1], first)
    found = program.refuses(*line(home, done, "--video", tmp_path / "other"))
    assert f"{done}: was made with video " in found


def test_the_same_clip_elsewhere_is_the_same(
    done: Path, home: Path, tmp_path: Path, program: Program
) -> None:
    """Bytes decide, not where they lie; the page is drawn again, as the settings have changed."""
    out = tmp_path / "out"
    shutil.copytree(done, out)
    shutil.copytree(home / "clip", tmp_path / "copy")
    program(*line(home, out, "--video", tmp_path / "copy"))
    assert program.err.count(": is there, kept") == 6


@pytest.mark.parametrize(
    ("part", "key", "said"),
    [
        ("verify.json", "network_digest", "its network is "),
        ("energy.json", "run_digest", "its run is "),
        ("map.json", "run_digest", "its run is "),
        ("time.json", "run_digest", "its run is "),
    ],
)
def test_a_part_of_another_run_is_refused(
    part: str, key: str, said: str, done: Path, tmp_path: Path, program: Program
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    (out / part).write_text(json.dumps(json.loads((out / part).read_text()) | {key: "b" * 64}))
    assert f"{out}/{part}: {said}" in program.refuses_after_notes("run", out)


def test_force_does_everything_anew(
    done: Path, home: Path, tmp_path: Path, program: Program
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    (out / "mine.txt").write_text("precious")
    program(*line(home, out, "--frames", 2, "--force"))
    assert "kept" not in program.err
    assert RunFolder.read(out / "run").about.frames == 2
    assert (out / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_in_which_another_program_works_is_refused(
    force: bool, done: Path, home: Path, tmp_path: Path, program: Program
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    with alone(out):
        said = program.refuses_after_notes(*line(home, out, *(["--force"] if force else [])))
        assert said.startswith(f"{out}: another program works here; wait for its end")
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_a_foreign_folder_is_refused(home: Path, tmp_path: Path, program: Program) -> None:
    (tmp_path / "thesis.txt").touch()
    said = program.refuses(*line(home, tmp_path))
    assert said == f"{tmp_path}: exists and was not made by spiketrack run; choose another --out"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_small_settings_file(home: Path, tmp_path: Path, program: Program) -> None:
    """Paths are relative to it; the command line has the last word."""
    for name in ("tiny.safetensors", "clip"):
        (tmp_path / name).symlink_to(home / name)
    (tmp_path / "mine.yaml").write_text(
        "checkpoint: tiny.safetensors\nvideo: clip\nbox: [10, 20, 20, 16]\nframes: 3\n"
        "backend: float\nverify: {frames: 1}\n"
    )
    out = tmp_path / "out"
    program("run", tmp_path / "mine.yaml", "--out", out, "--backend", "integer", "--frames", 1)
    about = RunFolder.read(out / "run").about
    assert (about.frames, about.backend, about.clip.name) == (1, "integer", "clip")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("checkpoint: nano\nboxes: 1\n", "boxes: unknown key; remove it or correct its spelling"),
        ("frames: 3\n", "checkpoint: Field required"),
        ("checkpoint: nano\nframes: 0\n", "frames: "),
        ("checkpoint: nano\ncheckpoint: two\n", "stands twice"),
        ("- nano\n", "no settings but list"),
        ("checkpoint: nano\nschema: spiketrack.map\n", "schema spiketrack.map, not"),
    ],
)
def test_wrong_settings_are_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError if "stands" in said or "but" in said else Exception) as caught:
        RunSettings.load(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--backend", "float"), "--backend float: counts no operations of the exported network"),
        (("--backend", "tpu"), "--backend tpu: choose among"),
        (("--prices", "gold"), "gold: no such price table"),
        (("--board", "wood"), "no board wood"),
        (("--frames", 99), "frames"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    more: tuple[object, ...], said: str, home: Path, tmp_path: Path, program: Program
) -> None:
    assert said in program.refuses(*line(home, tmp_path / "out", *more))
    assert list(tmp_path.iterdir()) == []


def test_commands_take_what_it_left(
    done: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without checkpoint, clip and box; a run folder knows its clip and box too."""
    monkeypatch.chdir(tmp_path)
    same = RunFolder.read(done / "run").about
    program("simulate", done, "--frames", 1, "--backend", "integer", "--out", "mine")
    about = RunFolder.read(tmp_path / "mine").about
    assert (about.clip, about.box) == (same.clip, same.box)
    for folder in (done, tmp_path / "mine"):
        backends = ("--backends", "integer,inline", "--frames", 1)
        said = program("verify", folder, *backends, "--json", "v.json")
        assert "exact: integer and inline agree" in said
        found = json.loads((tmp_path / "v.json").read_text())
        assert found["clip_digest"] == same.clip.digest
    assert len(program("energy", done).splitlines()) <= LINES
    assert "fits hala-point" in program("map", done, "--json", "m.json")
    placed = json.loads((tmp_path / "m.json").read_text())
    assert placed["run_digest"] == RunFolder.read(done / "run").digest
    assert "T = 1, grid 4" in program("info", done)
    shutil.copytree(done, tmp_path / "out")
    said = program("report", "out")
    assert said.startswith("out/report.html: ")
