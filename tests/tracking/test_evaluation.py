"""Benchmark layouts, metrics on worked examples, baselines, and the evaluation around them."""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.browser import SETTLED, until, violations
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_images, write_otb

from spiketrack.commands.views.evaluation import show, spreads, together
from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.documents.tracking import EvaluationDocument
from spiketrack.errors import ClipError, ConfigError, MissingDependency, SpikeTrackError
from spiketrack.evaluation.looks import strip
from spiketrack.files import atomic_folder
from spiketrack.inference import Crop, Inference, Maps, SimulatorBase, Trace
from spiketrack.ownership import EVALUATION
from spiketrack.pages import Drawing
from spiketrack.tracking import metrics, otb
from spiketrack.tracking import page as evaluation_page
from spiketrack.tracking import plots as evaluation_plots
from spiketrack.tracking.baselines import Baseline, parse_baselines
from spiketrack.tracking.evaluation import (
    Method,
    NetworkMethod,
    Price,
    SequenceResult,
    Step,
    judge,
    track_sequence,
)
from spiketrack.tracking.ledger import Ledger, unfinished
from spiketrack.tracking.sequences import Sequence
from spiketrack.tracking.starts import expand
from spiketrack.video.boxes import Box, read_rectangles
from spiketrack.video.footage import Frame

FRAMES, BOXES = moving_patch(8)

# Success AUC of a tracker that never moves its first box, measured by another implementation.
FIRST_BOX_KEPT = {
    "Crossing": 0.040,
    "David": 0.314,
    "Man": 0.254,
    "tld_panda": 0.082,
    "vot15_bag": 0.039,
}


def evaluate_sequence(
    method: Method, sequence: Sequence, price: Price | None = None, step: Step = lambda: None
) -> SequenceResult:
    """Followed and scored, as a worker and then the ledger do it."""
    return judge(sequence, track_sequence(method, sequence, step), price)


class Recited:
    """Gives prepared boxes."""

    name = "recited"

    def __init__(self, boxes: list[Box]) -> None:
        self.boxes = boxes

    def follow(self, frames: Iterable[Frame], box: Box) -> Iterator[Box]:
        for index, _ in enumerate(frames):
            yield self.boxes[index]


def test_first_box_kept_on_real_sequences(shared_data: Path) -> None:
    for sequence in find_sequences(shared_data / "sequences"):
        height, width = next(sequence.frames()).shape[:2]
        kept = np.repeat(sequence.boxes[:1], len(sequence.boxes), axis=0)
        scores = metrics.score(kept, sequence.boxes, sequence.visible, (width, height))
        assert scores.success_auc == pytest.approx(FIRST_BOX_KEPT[sequence.name], abs=6e-4)


# --- layouts ------------------------------------------------------------------------------------


def write_rows(path: Path, boxes: list[Box], separator: str = ",") -> None:
    rows = (separator.join(f"{v:g}" for v in b.moved(1, 1).as_tuple()) for b in boxes)
    path.write_text("".join(f"{row}\n" for row in rows))


def test_otb_layout(tmp_path: Path) -> None:
    (only,) = find_sequences(write_otb(tmp_path / "Patch", FRAMES, BOXES))
    assert (only.name, only.layout, len(only.images)) == ("Patch", "OTB", 8)
    assert only.start == BOXES[0]
    assert only.boxes.tolist() == [list(map(float, b.as_tuple())) for b in BOXES]
    assert only.visible.all()
    assert len(only.cut(3).images) == len(only.cut(3).boxes) == 4
    assert len(only.cut(99).images) == 8


def test_otb_with_two_targets_and_tabs(tmp_path: Path) -> None:
    folder = write_otb(tmp_path / "Jogging", FRAMES, BOXES)
    (folder / "groundtruth_rect.txt").unlink()
    write_rows(folder / "groundtruth_rect.1.txt", BOXES, "\t")
    write_rows(folder / "groundtruth_rect.2.txt", [b.moved(3, 0) for b in BOXES], " ")
    first, second = find_sequences(folder)
    assert (first.name, second.name) == ("Jogging.1", "Jogging.2")
    assert second.start == BOXES[0].moved(3, 0)


def test_otb_annotates_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(otb.OTB_RANGES, "Patch", (3, 6))
    folder = write_otb(tmp_path / "Patch", FRAMES, BOXES[2:6])
    (only,) = find_sequences(folder)
    assert [p.name for p in only.images] == ["0003.png", "0004.png", "0005.png", "0006.png"]


def test_lasot_layout_in_class_folders(tmp_path: Path) -> None:
    for name in ("cat-1", "cat-10", "cat-2"):
        folder = tmp_path / "cat" / name
        write_images(folder / "img", FRAMES)
        write_rows(folder / "groundtruth.txt", BOXES)
        (folder / "full_occlusion.txt").write_text("0,0,1,0,0,0,0,0\n")
        (folder / "out_of_view.txt").write_text("0,0,0,0,0,0,0,1\n")
    found = find_sequences(tmp_path)
    assert [s.name for s in found] == ["cat-1", "cat-2", "cat-10"]
    assert found[0].layout == "LaSOT"
    assert np.flatnonzero(~found[0].visible).tolist() == [2, 7]


def test_got10k_layout(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "GOT-10k_Val_000001", FRAMES, "{:08d}.png")
    write_rows(folder / "groundtruth.txt", BOXES)
    (folder / "absence.label").write_text("0\n" * 7 + "1\n")
    (folder / "cover.label").write_text("8\n" * 4 + "0\n" + "8\n" * 3)
    (only,) = find_sequences(folder)
    assert only.layout == "GOT-10k"
    assert np.flatnonzero(~only.visible).tolist() == [4, 7]


def test_bad_sequences(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="no such folder of sequences"):
        find_sequences(tmp_path / "absent")
    with pytest.raises(ClipError, match=r"no sequence found; expected groundtruth_rect\.txt"):
        find_sequences(tmp_path)
    folder = write_otb(tmp_path / "Patch", FRAMES, BOXES[:5])
    with pytest.raises(ClipError, match=r"groundtruth_rect\.txt: 5 boxes for 8 frames"):
        find_sequences(tmp_path)
    write_rows(folder / "groundtruth_rect.txt", [Box(3, 3, 0, 0), *BOXES[1:]])
    with pytest.raises(ClipError, match="line 1: the first frame needs a box with a size"):
        find_sequences(tmp_path)


def test_bad_labels_and_twins(tmp_path: Path) -> None:
    write_otb(tmp_path / "a" / "Patch", FRAMES, BOXES)
    write_otb(tmp_path / "b" / "Patch", FRAMES, BOXES)
    with pytest.raises(ClipError, match="several sequences are named Patch"):
        find_sequences(tmp_path)
    folder = write_images(tmp_path / "got", FRAMES)
    write_rows(folder / "groundtruth.txt", BOXES)
    (folder / "absence.label").write_text("0\n1\n")
    with pytest.raises(ClipError, match=r"absence\.label: holds 2 entries, expected 8 whole"):
        find_sequences(folder)


# --- evaluation ---------------------------------------------------------------------------------


def test_perfect_boxes(tmp_path: Path) -> None:
    (only,) = find_sequences(write_otb(tmp_path / "Patch", FRAMES, BOXES))
    steps: list[None] = []
    result = evaluate_sequence(Recited(BOXES), only, step=lambda: steps.append(None))
    assert result.scores is not None
    assert result.scores.success_auc == pytest.approx(20 / 21)
    assert result.scores.ao == result.scores.sr75 == result.scores.normalised_precision_20 == 1
    assert (result.frames, result.size, len(steps)) == (7, (96, 72), 8)
    assert result.energy is None


def evaluated(
    found: list[Sequence], boxes: dict[str, list[Box]], settings: dict[str, Any] | None = None
) -> EvaluationDocument:
    """Prepared boxes of several methods, the first being the network's."""
    ledger = Ledger(boxes, [s.name for s in found], settings or {})
    for method, recited in boxes.items():
        for sequence in found:
            ledger.add(method, evaluate_sequence(Recited(recited), sequence))
    return ledger.document()


def test_document_of_two_methods(tmp_path: Path) -> None:
    write_otb(tmp_path / "A", FRAMES, BOXES)
    write_otb(tmp_path / "B", FRAMES[:4], BOXES[:4])
    found = find_sequences(tmp_path)
    document = evaluated(found, {"net": [BOXES[0]] * 8, "mil": BOXES}, {"backend": "float"})
    document.write(tmp_path / "e.json")
    assert EvaluationDocument.read(tmp_path / "e.json") == document
    plain = json.loads((tmp_path / "e.json").read_text())
    assert (plain["schema"], plain["version"]) == ("spiketrack.evaluation", 4)
    a, b = (plain["sequences"][name] for name in "AB")
    assert plain["mean"]["success_auc"] == pytest.approx((a["success_auc"] + b["success_auc"]) / 2)
    assert plain["pooled"]["ao"] == pytest.approx((7 * a["ao"] + 3 * b["ao"]) / 10)
    assert plain["baselines"]["mil"]["mean"]["ao"] == 1
    assert plain["mean"]["energy_mj"] is None
    assert len(plain["thresholds"]["success"]) == len(a["success_curve"]) == 21
    assert (a["frames"], a["scored"], a["scored_later"], a["layout"]) == (7, 8, 7, "OTB")
    assert document.complete


def test_got10k_is_shown_over_all_frames(tmp_path: Path) -> None:
    """Frames of all sequences together, beside a mean that weighs sequences alike."""
    for name, count in (("A", 8), ("B", 4)):
        folder = write_images(tmp_path / name, FRAMES[:count])
        write_rows(folder / "groundtruth.txt", BOXES[:count])
    found = find_sequences(tmp_path)
    document = evaluated(found, {"net": [BOXES[0]] * 8})
    (line,) = together(document)
    assert line.startswith(f"net: AO {document.pooled.ao:.3f}, SR0.5 ")
    assert line.endswith("over all frames, as GOT-10k's toolkit reports them")
    assert together(evaluated(found[:1], {"net": BOXES})) == []


def test_one_sequence_has_no_interval(tmp_path: Path) -> None:
    """Runs from several starts of one sequence differ; sequences to resample there are none."""
    write_otb(tmp_path / "A", FRAMES, BOXES)
    runs = expand(find_sequences(tmp_path)[0], "pixel")
    (line,) = spreads(evaluated(runs, {"net": BOXES}))
    assert re.fullmatch(
        r"net: AUC 0\.952; over 5 runs: worst starts 0\.952, deviation over starts 0\.000", line
    )


def test_what_is_won_is_written_and_gone_on_with(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write_otb(tmp_path / "otb" / name, FRAMES, BOXES)
    first, second = find_sequences(tmp_path / "otb")
    out, about = tmp_path / "out", {"backend": "float", "frames_limit": 7}
    anew = functools.partial(atomic_folder, kind=EVALUATION)
    begun = Ledger(["net"], ["A", "B"], about)
    begun.into(out, anew)
    assert not out.exists()
    begun.add("net", evaluate_sequence(Recited(BOXES), first))
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*")) == [
        "boxes/net/A.txt",
        "evaluation.json",
        "sequences/net/A.json",
        "times/net/A.txt",
    ]
    assert read_rectangles(out / "boxes" / "net" / "A.txt") == BOXES
    assert len((out / "times" / "net" / "A.txt").read_text().split()) == 8
    assert EVALUATION.obstacle(out) == ""
    begun.fail("net", "B", "B: unreadable")
    begun.write()
    earlier = unfinished(out)
    assert earlier is not None
    assert earlier.failed == {"B": "B: unreadable"}
    later = Ledger(["net"], ["A", "B"], about)
    later.go_on(earlier, out, [first, second])
    later.into(out, None)
    assert later.missing("net") == {"B"}
    later.add("net", evaluate_sequence(Recited(BOXES), second))
    assert unfinished(out) is None
    written = EvaluationDocument.read(out / "evaluation.json")
    assert (list(written.sequences), written.failed) == (["A", "B"], {})
    assert written.sequences["A"] == earlier.sequences["A"]
    other = Ledger(["net"], ["A", "B"], {**about, "frames_limit": 3})
    with pytest.raises(SpikeTrackError, match=r"evaluation with another frames_limit \(7, now 3\)"):
        other.go_on(earlier, out, [first, second])


@pytest.mark.parametrize(
    "retyped",
    [
        {"success_auc": 0.25},
        {"of": "another"},
        {"layout": "LaSOT", "rule": "LaSOT"},
        {"energy_mj": 7.0},
        {"scored": 0, "counted": 0},
    ],
)
def test_a_retyped_figure_is_won_again(tmp_path: Path, retyped: dict[str, Any]) -> None:
    write_otb(tmp_path / "otb", FRAMES, BOXES)
    (sequence,) = find_sequences(tmp_path / "otb")
    begun = Ledger(["net", "mil"], ["otb"], {})
    begun.into(tmp_path / "out", functools.partial(atomic_folder, kind=EVALUATION))
    begun.add("net", evaluate_sequence(Recited(BOXES), sequence))
    path = tmp_path / "out" / "sequences" / "net" / "otb.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "outcome": document["outcome"] | retyped}))
    later = Ledger(["net", "mil"], ["otb"], {})
    later.go_on(begun.document(), tmp_path / "out", [sequence])
    assert later.missing("net") == {"otb"}


def test_files_of_another_sequence_or_method_are_not_taken(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write_otb(tmp_path / "otb" / name, FRAMES, BOXES)
    first, second = find_sequences(tmp_path / "otb")
    out = tmp_path / "out"
    begun = Ledger(["net", "mil"], ["A", "B"], {})
    begun.into(out, functools.partial(atomic_folder, kind=EVALUATION))
    begun.add("net", evaluate_sequence(Recited(BOXES), first))
    for kind, suffix in (("boxes", "txt"), ("times", "txt"), ("sequences", "json")):
        (out / kind / "mil").mkdir()
        one = out / kind / "net" / f"A.{suffix}"
        shutil.copy(one, out / kind / "net" / f"B.{suffix}")
        shutil.copy(one, out / kind / "mil" / f"A.{suffix}")
    later = Ledger(["net", "mil"], ["A", "B"], {})
    later.go_on(begun.document(), out, [first, second])
    assert (later.missing("net"), later.missing("mil")) == ({"B"}, {"A", "B"})


def test_frames_may_have_any_name(tmp_path: Path) -> None:
    write_otb(tmp_path / "otb", FRAMES, BOXES)
    for path in (tmp_path / "otb" / "img").iterdir():
        path.rename(path.with_name(f"\udcff{path.name}"))
    (sequence,) = find_sequences(tmp_path / "otb")
    assert len(sequence.digest) == 64


@pytest.mark.parametrize("time", ["nan", "-5", "inf", "1e-320", "x"])
def test_times_that_no_frame_can_take_are_won_again(tmp_path: Path, time: str) -> None:
    write_otb(tmp_path / "otb", FRAMES, BOXES)
    (sequence,) = find_sequences(tmp_path / "otb")
    begun = Ledger(["net", "mil"], ["otb"], {})
    begun.into(tmp_path / "out", functools.partial(atomic_folder, kind=EVALUATION))
    begun.add("net", evaluate_sequence(Recited(BOXES), sequence))
    (tmp_path / "out" / "times" / "net" / "otb.txt").write_text(f"{time}\n" * 8)
    later = Ledger(["net", "mil"], ["otb"], {})
    later.go_on(begun.document(), tmp_path / "out", [sequence])
    assert later.missing("net") == {"otb"}


def test_first_box_alone_is_tracked_and_handed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """GOT-10k's server takes NAME/NAME_001.txt and NAME_time.txt; no figure, no rule is shown."""
    folder = write_images(tmp_path / "got" / "GOT-10k_Test_000001", FRAMES)
    write_rows(folder / "groundtruth.txt", BOXES[:1])
    (only,) = find_sequences(tmp_path / "got")
    ledger = Ledger(["net"], [only.name], {"footage": str(tmp_path / "got")})
    ledger.into(tmp_path / "out", functools.partial(atomic_folder, kind=EVALUATION))
    ledger.add("net", evaluate_sequence(Recited(BOXES), only))
    home = tmp_path / "out" / "got10k" / "net" / only.name
    assert len((home / f"{only.name}_time.txt").read_text().splitlines()) == 8
    rows = (home / f"{only.name}_001.txt").read_text().splitlines()
    assert (len(rows), rows[0]) == (8, "11.0000,21.0000,20.0000,16.0000")
    part = ledger.document().sequences[only.name]
    assert (part.frames, part.scored, part.success_auc, part.ao) == (7, 0, None, None)
    assert ledger.document().mean is not None
    show(ledger.document())
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("net on got, ")
    assert shown[1].split() == ["sequence", "n", "fps"]
    assert not [line for line in shown if "AUC" in line or "scored by" in line]
    assert EVALUATION.obstacle(tmp_path / "out") == ""


def test_errors_name_the_sequence(tmp_path: Path) -> None:
    folder = write_otb(tmp_path / "Patch", FRAMES, BOXES)
    (only,) = find_sequences(folder)
    (folder / "img" / "0004.png").write_bytes(b"")
    with pytest.raises(ClipError, match=r"Patch: .*0004\.png: unreadable frame"):
        evaluate_sequence(Recited(BOXES), only)


class Counting(SimulatorBase):
    """Counts three operations a search and five an encoding."""

    name = "counting"
    config = NetworkConfig((8, 8, 8, 8), 4, 3, 8)

    def encode_template(self, crops: Crop) -> Inference:
        return Inference(None, Trace(operations={"layer": np.array([5, 0], np.int64)}))

    def search(self, crop: Crop) -> Inference:
        maps = Maps(*(np.full((*c, 4, 4), 0.3, np.float32) for c in ((), (2,), (2,))))
        return Inference(maps, Trace(operations={"layer": np.array([1, 2], np.int64)}))


def test_energy_a_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven searches of 3 operations, two encodings (the first, frame 5) of 5, at 1e9 pJ each."""
    (only,) = find_sequences(write_otb(tmp_path / "Patch", FRAMES, BOXES))
    method = NetworkMethod(Counting(), TrackerConfig(update_every=5, update_threshold=0.0))
    result = evaluate_sequence(
        method, only, lambda counts: 1e9 * sum(int(c.sum()) for c in counts.values())
    )
    assert method.tally.search["layer"].tolist() == [7, 14]
    assert method.tally.template["layer"].tolist() == [10, 0]
    assert result.energy is not None
    assert (result.energy.search, result.energy.template) == pytest.approx((3, 10 / 7))
    ledger = Ledger(["net"], ["Patch"], {"backend": "integer"})
    ledger.add("net", result)
    figures = ledger.document()
    show(figures)
    assert re.search(r"\+T mJ.*Patch .* 3\.0000\s+1\.4286", capsys.readouterr().out, re.DOTALL)
    assert figures.mean is not None
    assert figures.mean.energy_mj == figures.sequences["Patch"].energy_mj
    assert figures.mean.template_mj == pytest.approx(10 / 7)
    assert evaluate_sequence(method, only).energy is None


# --- baselines and plots ------------------------------------------------------------------------


def test_mil_follows_a_patch(tmp_path: Path) -> None:
    (only,) = find_sequences(write_otb(tmp_path / "Patch", FRAMES, BOXES))
    result = evaluate_sequence(Baseline("mil"), only)
    assert result.scores is not None
    assert result.scores.precision_20 == 1
    assert result.boxes[0].tolist() == [10, 20, 20, 16]


def test_contrib_trackers_need_the_contrib_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "TrackerCSRT_create", raising=False)
    with pytest.raises(MissingDependency, match="has no CSRT; it is in the contrib build: install"):
        parse_baselines("mil,csrt")


def test_a_lost_target_keeps_its_last_box(monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing:
        def init(self, image: Frame, box: tuple[int, ...]) -> None:
            assert box == (10, 20, 20, 16)

        def update(self, image: Frame) -> tuple[bool, tuple[int, ...]]:
            return False, (0, 0, 0, 0)

    monkeypatch.setattr(cv2, "TrackerKCF_create", Losing, raising=False)
    assert list(Baseline("kcf").follow(FRAMES[:3], BOXES[0])) == [BOXES[0]] * 3


def test_baseline_names() -> None:
    assert [b.name for b in parse_baselines(" MIL, mil,")] == ["mil"]
    assert parse_baselines("") == []
    with pytest.raises(ConfigError, match="--baseline siam: unknown; choose from csrt, kcf, mil"):
        parse_baselines("siam")


def document(tmp_path: Path) -> dict[str, Any]:
    found = find_sequences(write_otb(tmp_path / "Patch", FRAMES, BOXES))
    return evaluated(found, {"net": [BOXES[0]] * 8, "mil": BOXES}).to_json()


def test_plots(tmp_path: Path) -> None:
    figure = evaluation_plots.figure(document(tmp_path))
    names = [trace.name.split(" ")[0] for trace in figure.data]
    assert names == ["mil", "net"] * 3  # the best first
    assert list(figure.data[0].y) == pytest.approx([1.0] * 20 + [0.0])
    assert [trace.legend for trace in figure.data[::2]] == ["legend", "legend2", "legend3"]


def test_a_plot_has_room_for_every_name(tmp_path: Path) -> None:
    found = find_sequences(write_otb(tmp_path / "Patch", FRAMES, BOXES))
    heights = []
    for count in (1, 21):
        names = {f"tracker {number}": BOXES for number in range(count)}
        heights.append(evaluation_plots.figure(evaluated(found, names).to_json()).layout.height)
    assert heights[1] - heights[0] == 20 * evaluation_plots.ENTRY


def test_a_page_of_an_evaluation(tmp_path: Path) -> None:
    """It names the data set, the baselines and the rule, as the table does."""
    for name in "AB":
        write_otb(tmp_path / "OTB" / name, FRAMES, BOXES)
    runs = find_sequences(tmp_path / "OTB")
    found = evaluated(runs, {"net": BOXES, "mil": BOXES}, {"footage": str(tmp_path / "OTB")})
    evaluation_page.write_html(found.to_json(), tmp_path / "plots.html")
    page = (tmp_path / "plots.html").read_text(encoding="utf-8")
    assert "Normalised precision" in page
    assert "OTB: mean of 2 sequences; baselines on the same frames: mil" in page
    assert "Scored by OTB: OTB&#x27;s toolkit, 21 thresholds" in page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_in_a_browser(page: Any, tmp_path: Path, scheme: str) -> None:
    found = document(tmp_path)
    (sequence,) = find_sequences(tmp_path / "Patch")
    look = Drawing("look-0", "Patch", strip(sequence, BOXES))
    evaluation_page.write_html(found, tmp_path / "plots.html", (look,))
    page.emulate_media(color_scheme=scheme)
    page.goto((tmp_path / "plots.html").as_uri())
    until(page, SETTLED)
    assert page.locator("figure .main-svg").count() >= 3
    assert page.locator("#looks svg image").count() == 4
    assert violations(page) == []


def test_png_without_chrome_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Chromeless:
        def to_image(self, **options: Any) -> bytes:
            raise RuntimeError("\nKaleido requires Google Chrome to be installed.\n\nEither …")

    monkeypatch.setattr(evaluation_plots, "figure", lambda found: Chromeless())
    with pytest.raises(MissingDependency, match=r"skipped; .* Kaleido requires Google Chrome"):
        evaluation_plots.write_png({}, tmp_path / "plots.png")
    assert not (tmp_path / "plots.png").exists()
