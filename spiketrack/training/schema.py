"""What a training configuration may say; a key that is not here is an error that names it."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.documents.problems import problem
from spiketrack.documents.yaml_files import read_yaml
from spiketrack.errors import ConfigError, SpikeTrackError
from spiketrack.tracking.lists import read_list

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Frozen, and closed: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSection(Section):
    """Sizes of the network (see ``NetworkConfig``)."""

    embed_dims: tuple[Count, Count, Count, Count]
    grid: Annotated[int, Field(ge=2)]
    templates: Annotated[int, Field(ge=1, le=3)] = 1
    head_channels: Annotated[int, Field(ge=8)]
    conv_blocks: tuple[Count, Count, Count, Count] = (1, 1, 1, 1)
    blocks3: Count = 6
    blocks4: Count = 2

    def build(self) -> NetworkConfig:
        """The same sizes as the network takes them."""
        return NetworkConfig(**self.model_dump())


class TrackerSection(Section):
    """Settings recorded beside the weights (see ``TrackerConfig``)."""

    search_factor: Positive = 4.0
    template_factor: Positive = 4.0
    update_every: Count = 25
    update_threshold: Share = 0.7
    margin: Count = 10
    window: bool = True

    def build(self) -> TrackerConfig:
        """The same settings as the tracker takes them."""
        return TrackerConfig(**self.model_dump())


class DataSection(Section):
    """Folders below the data root, kept-out videos, and the shares of the three kinds of pairs.

    ``validation`` may be the name of a list, ``kept-out`` or a file, in place of names.
    """

    videos: tuple[str, ...] = ("videos",)
    images: tuple[str, ...] = ("images",)
    validation: tuple[str, ...] = ()
    validation_pairs: Count = 192
    validation_starts: Annotated[int, Field(ge=0)] = 4  # of each kept-out video; 0: single crops
    validation_frames: Count = 16  # that each is followed for
    amplification_samples: Annotated[int, Field(ge=0)] = 4
    longest_side: Annotated[int, Field(ge=32)] = 480
    video_share: Share = 0.5
    pasted_share: Share = 0.25
    searches: Count = 2  # search crops for one set of templates

    @field_validator("validation", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        try:
            return read_list(value) if isinstance(value, str) else value
        except SpikeTrackError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _shares(self) -> DataSection:
        if self.video_share + self.pasted_share > 1:
            raise ValueError("video_share + pasted_share exceed 1; the rest is for stills")
        return self


class AugmentSection(Section):
    """How far a search crop is off, and what may happen to the pixels.

    ``scale``: standard deviation of the log of the crop's scale; ``shift`` and ``far_shift``:
    largest distance of the target from the centre in crops, the far one drawn with
    ``far_share``; ``spoiled``: share of later templates cut where the object is not;
    ``search_factor``: of the crops before they are off, where it is not the tracker's; the rest
    are probabilities and standard deviations.
    """

    search_factor: Positive | None = None
    scale: Annotated[float, Field(ge=0)] = 0.4
    shift: Share = 0.14
    far_shift: Share = 0.36
    far_share: Share = 0.5
    template_shift: Share = 0.02
    template_scale: Annotated[float, Field(ge=0)] = 0.05
    angle: Annotated[float, Field(ge=0)] = 4.0
    stretch: Annotated[float, Field(ge=0)] = 0.06
    flip: Share = 0.5
    gray: Share = 0.15
    colour: Annotated[float, Field(ge=0)] = 0.25
    blur: Share = 0.2
    noise: Share = 0.1
    occlusion: Share = 0.12
    distractors: Share = 0.6
    spoiled: Share = 0.0


class RobustSection(Section):
    """What makes a network robust to its start; all off by default.

    ``template_starts``: share of samples whose first template is cut as from OTB's shifted and
    scaled starts: a tenth of the size to a side, 0.8 to 1.2 times as large; ``agreement``: weight
    of a loss between the maps of a search crop and of the same shifted by one pixel;
    ``membrane_noise``: standard deviation of noise on membranes in training, in counts.
    """

    template_starts: Share = 0.0
    agreement: Annotated[float, Field(ge=0)] = 0.0
    membrane_noise: Annotated[float, Field(ge=0)] = 0.0


class OptimiserSection(Section):
    """AdamW with warm-up and cosine, clipping, and averaged weights."""

    steps: Count
    max_minutes: Positive | None = None
    batch: Count = 16
    workers: Annotated[int, Field(ge=1, le=16)] = 2
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup: Annotated[int, Field(ge=0)] = 150
    clip: Positive = 1.0
    average: Share = 0.998
    precision: Literal["float32", "bfloat16"] = "float32"  # of products; weights stay float32
    giou_weight: Positive = 2.0
    l1_weight: Positive = 5.0
    size_weight: Annotated[float, Field(ge=0)] = 2.0
    validate_every: Count = 400
    save_every: Count = 200
    log_every: Count = 20


class TrainingConfig(Section):
    """One training run."""

    name: str
    seed: int = 0
    init: str | None = None
    init_key: str | None = None  # which state dict, where that checkpoint holds several
    statistics: Literal["trainable", "frozen"] = "trainable"
    quantised: bool = False  # with the integer network's rounding, and left on its grid
    network: NetworkSection
    tracker: TrackerSection = TrackerSection()
    data: DataSection = DataSection()
    augment: AugmentSection = AugmentSection()
    robust: RobustSection = RobustSection()
    optimiser: OptimiserSection

    @model_validator(mode="after")
    def _has_a_file(self) -> TrainingConfig:
        if self.init_key is not None and self.init is None:
            raise ValueError(f"init_key {self.init_key}: needs init, the checkpoint that holds it")
        return self

    @model_validator(mode="after")
    def _divides(self) -> TrainingConfig:
        unit = self.data.searches * self.optimiser.workers
        if self.optimiser.batch % unit:
            raise ValueError(
                f"optimiser.batch {self.optimiser.batch} is no multiple of {unit} "
                "(data.searches × optimiser.workers); change one of them"
            )
        return self


def load_config(path: str | Path) -> TrainingConfig:
    """Read a YAML file, or a packaged one: ``nano``, ``nano-quantised``, ``nano-t3``, ``micro``,
    ``micro-quantised``.

    Raises ``ConfigError`` that names the file, the key, the value and what is allowed.
    """
    file = _resolve(path)
    return parse_config(read_yaml(file), str(file))


def parse_config(values: Any, source: str) -> TrainingConfig:
    """Plain values as a configuration; ``ConfigError`` names ``source``, the key and the value."""
    try:
        return TrainingConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{source}: {problem(error)}") from None


def _resolve(path: str | Path) -> Path:
    packaged = Path(str(importlib.resources.files("spiketrack") / "configs" / f"{path}.yaml"))
    if not Path(path).exists() and packaged.exists():
        return packaged
    return Path(path)
