"""``spiketrack run``: the whole road in one command, into one folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiketrack.commands.inputs import DEFAULT_PRICES, PRICES_HELP, TERMINAL, FirstBox, Key, Video
from spiketrack.commands.targets import then_show, will_write
from spiketrack.packaged import BOARDS
from spiketrack.simulators.backends import either
from spiketrack.terminal.console import begin

if TYPE_CHECKING:
    from spiketrack.documents.settings import RunSettings

BACKEND_HELP = f"{either(needs='export', operations=True)}; default: lava."
SUFFIXES = (".yaml", ".yml")


def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT|SETTINGS|DIR",
            help="Checkpoint file or bundled weights (nano, nano-t3); a settings file; or a folder "
            "that this command left, to go on with.",
        ),
    ],
    video: Video = None,
    box: FirstBox = None,
    out: Annotated[
        Path | None, typer.Option(help="Results folder; default: the checkpoint's stem with -run.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames after the first; default: all of the clip.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help=BACKEND_HELP)] = None,
    key: Key = None,
    verify_frames: Annotated[
        int | None, typer.Option(min=1, help="Frames that are compared; default: 10.")
    ] = None,
    prices: Annotated[
        str | None, typer.Option(help=f"Price table: {PRICES_HELP} Default: {DEFAULT_PRICES}.")
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(BOARDS.names())}, 'N chips', or a YAML file."),
    ] = None,
    counts: Annotated[
        str | None, typer.Option(help="totals (default), or full: every count of all populations.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do everything anew, with these settings.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the summary here as well.")] = None,
) -> None:
    """Export, simulate, verify, place, price and report, with one command.

    The quantiser is calibrated on the clip itself. DIR/settings.yaml says what was asked for;
    a second call goes on where an earlier one ended and keeps what is there. Exit code 1 where a
    backend differs from the integer network, or the clip failed midway.
    """
    given: dict[str, Any] = {
        "key": key,
        "video": None if video is None else str(video),
        "box": box,
        "frames": frames,
        "backend": backend,
        "verify_frames": verify_frames,
        "prices": prices,
        "board": board,
        "counts": counts,
    }
    folder = out or _folder(source)
    will_write((source, video), json=json)
    begin(f"{folder}: export, simulate, verify, map, time, energy, report")
    from spiketrack.commands.views.summary import show_summary
    from spiketrack.steps.run import run as go

    asked = _settings(source, {k: v for k, v in given.items() if v is not None})
    answers = go(asked, folder, force, shlex.join(["spiketrack", *sys.argv[1:]]), TERMINAL)
    with then_show(lambda: show_summary(answers, folder)):
        if json is not None:
            answers.write(json)
    if answers.agreement.exact is False or answers.problems:
        raise typer.Exit(1)


def _is_settings(source: str) -> bool:
    return source.endswith(SUFFIXES) and Path(source).is_file()


def _is_folder(source: str) -> bool:
    """Whether it is meant as a results folder: an export may lie there under a bundled name."""
    from spiketrack.reference.checkpoint import BUNDLED

    path = Path(source)
    return path.is_dir() and ((path / "settings.yaml").is_file() or source not in BUNDLED)


def _folder(source: str) -> Path:
    """Where results go by default: the folder itself, that of its settings, or a new one."""
    from spiketrack.commands.export import stem

    path = Path(source)
    if _is_settings(source) and path.name == "settings.yaml":
        return path.parent
    return path if _is_folder(source) else Path(f"{stem(source)}-run")


def _settings(source: str, given: dict[str, Any]) -> RunSettings:
    """Those of a file or folder with what the command line says besides."""
    import json

    from spiketrack.documents.settings import RunSettings
    from spiketrack.errors import ConfigError, SpikeTrackError
    from spiketrack.steps.results import SETTINGS, is_results
    from spiketrack.video.clip import parse_box

    path = Path(source)
    if _is_folder(source) and not is_results(path):
        raise ConfigError(
            f"{path}: no {SETTINGS} in it; give a checkpoint, a settings file or a results folder"
        )
    if _is_folder(source) or _is_settings(source):
        values = RunSettings.load(path / SETTINGS if path.is_dir() else path).to_json()
    else:
        values = {"checkpoint": source}
    if "video" in given and "box" not in given:
        raise SpikeTrackError(
            f"{given['video']}: give --box x,y,w,h, the object in its first frame"
        )
    if "box" in given:
        numbers = parse_box(given.pop("box")).as_tuple()
        given["box"] = [int(value) if value == int(value) else value for value in numbers]
    if "verify_frames" in given:
        given["verify"] = {**values.get("verify", {}), "frames": given.pop("verify_frames")}
    for key, digest in (("key", "checkpoint_sha256"), ("video", "clip_digest")):
        if key in given:
            values.pop(digest, None)
    key_, name, version = RunSettings.identity()
    whole = {**values, **given, key_: name, "version": version}
    return RunSettings.parse(json.dumps(whole).encode(), "spiketrack run").placed(Path.cwd())
