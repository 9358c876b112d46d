"""``settings.yaml`` of ``spiketrack run``: what was asked for, so that it can be asked for again.

Plain YAML (``yaml_files.py``). A hand-written one needs ``checkpoint`` alone; paths are relative
to the file. Of a results folder ``checkpoint_sha256`` and ``clip_digest`` say what they were.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import ConfigDict, Field
from typing_extensions import Self

from spiketrack.documents.base import Digest, Document, FourNumbers, Part
from spiketrack.documents.yaml_files import read_yaml
from spiketrack.errors import ConfigError
from spiketrack.files import atomic_path

Positive = Annotated[int, Field(ge=1, lt=2**31)]


class Strict(Part):
    """A key that is not known is a misspelled one."""

    model_config = ConfigDict(extra="forbid")


class CalibrationSettings(Strict):
    """The clip whose first frames calibrate the quantiser, and the object in it."""

    video: str
    box: FourNumbers


class VerifySettings(Strict):
    """Tracked frames that are compared, at most those of the clip, and the backends.

    ``backends`` null: float, integer and the one that runs.
    """

    frames: Positive = 10
    backends: tuple[str, ...] | None = None


class RunSettings(Document):
    """Everything that ``spiketrack run`` depends on; null leaves a choice to the program.

    ``video`` and ``box`` null: the bundled clip; ``frames`` null: all of the clip; ``calibration``
    null: the same clip. The others are the options of ``simulate``, ``energy`` and ``map``.
    """

    model_config = ConfigDict(extra="forbid")
    REMEDY: ClassVar[str] = "spiketrack schema settings prints what such a file may hold"

    schema_id: Literal["spiketrack.settings"] = Field(default="spiketrack.settings", alias="schema")
    version: Literal[1] = 1
    checkpoint: str
    key: str | None = None
    video: str | None = None
    box: FourNumbers | None = None
    frames: Positive | None = None
    calibration: CalibrationSettings | None = None
    backend: str = "lava"
    counts: Literal["totals", "full"] = "totals"
    device: str = "cpu"
    update_every: Positive | None = None
    update_threshold: Annotated[int | float, Field(ge=0, le=1)] | None = None
    threads: Positive = 1
    processes: str = "block"
    timeout: Annotated[int | float, Field(gt=0, le=86400)] = 120
    mode: Literal["fall-through", "pipelined"] = "fall-through"
    spikes: Literal["graded", "binary"] = "graded"
    tiles: str = "1"
    verify: VerifySettings = VerifySettings()
    prices: str = "operations-45nm-fp32"
    board: str = "hala-point"
    checkpoint_sha256: Digest | None = None
    clip_digest: Digest | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Settings of a file, paths in it made absolute; ``SpikeTrackError`` in one line."""
        values = read_yaml(path)
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: no settings but {type(values).__name__}; {cls.REMEDY}")
        key, name, version = cls.identity()
        whole: dict[str, Any] = {key: name, "version": version, **values}
        settings = cls.parse(json.dumps(whole).encode(), str(path))
        return settings.placed(path.absolute().parent)

    def placed(self, home: Path) -> Self:
        """Paths that are relative and exist below ``home`` as absolute ones; names stay names."""

        def absolute(text: str, folders: bool = True) -> str:
            there = home / text
            return str(there) if there.is_file() or (folders and there.is_dir()) else text

        changes: dict[str, Any] = {
            key: absolute(value, key == "video")  # a folder may have a bundled name
            for key in ("checkpoint", "video", "prices", "board")
            if (value := getattr(self, key)) is not None
        }
        if self.calibration is not None:
            clip = absolute(self.calibration.video)
            changes["calibration"] = self.calibration.model_copy(update={"video": clip})
        return self.model_copy(update=changes)

    def text(self) -> str:
        """The file's content: YAML, in the order of the fields."""
        return yaml.safe_dump(self.to_json(), sort_keys=False, allow_unicode=True)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.text(), encoding="utf-8")

    def difference(self, other: RunSettings) -> tuple[str, Any, Any] | None:
        """The first key in which they differ, with both values; None where they agree.

        The bytes of checkpoint and clip decide, where both are known; not where they lie.
        """
        mine, theirs = self.to_json(), other.to_json()
        for key, digest in (("checkpoint", "checkpoint_sha256"), ("video", "clip_digest")):
            if mine[digest] is not None and mine[digest] == theirs[digest]:
                mine.pop(key), theirs.pop(key)
        for key, value in mine.items():
            if value != theirs[key]:
                return key, value, theirs[key]
        return None
