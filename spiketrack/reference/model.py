"""The float reference network: one encoder for both branches, six memories, the head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spiketrack.config import NetworkConfig
from spiketrack.errors import SpikeTrackError
from spiketrack.inference import SCORE_CLAMP
from spiketrack.reference.blocks import ConvBlock, Downsample, TransformerBlock
from spiketrack.reference.neuron import Neuron, Steps
from spiketrack.reference.retrieval import MemoryRetrieval

HEAD_BRANCHES = ("ctr", "offset", "size")


class Encoder(nn.Module):
    """Backbone with the six memory retrieval modules; one set of weights for both branches."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        e0, e1, e2, e3 = config.embed_dims
        grid = config.grid
        n1, n2, n3, n4 = config.conv_blocks
        self.downsample1_1 = Downsample(3, e0 // 2, 7, 2, first=True)
        self.ConvBlock1_1 = nn.ModuleList(ConvBlock(e0 // 2) for _ in range(n1))
        self.downsample1_2 = Downsample(e0 // 2, e0, 3, 2, first=False)
        self.ConvBlock1_2 = nn.ModuleList(ConvBlock(e0) for _ in range(n2))
        self.downsample2 = Downsample(e0, e1, 3, 2, first=False)
        self.ConvBlock2_1 = nn.ModuleList(ConvBlock(e1) for _ in range(n3))
        self.ConvBlock2_2 = nn.ModuleList(ConvBlock(e1) for _ in range(n4))
        self.downsample3 = Downsample(e1, e2, 3, 2, first=False)
        self.block3 = nn.ModuleList(TransformerBlock(e2, grid) for _ in range(config.blocks3))
        self.downsample4 = Downsample(e2, e3, 3, 1, first=False)
        self.block4 = nn.ModuleList(TransformerBlock(e3, grid) for _ in range(config.blocks4))
        self.mrm = nn.ModuleList(
            MemoryRetrieval(dim, grid, config.templates) for dim in config.memory_dims
        )

    def forward(
        self, templates: Tensor | None, search: Tensor | None, memory: Sequence[Tensor] = ()
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run either branch, or both in one joint batch (training).

        templates (T, B, 3, S, S), search (B, 3, S, S); without templates ``memory`` is read.
        Returns the last feature map of all items and the six memories.
        """
        return _Pass(self, templates, search, memory).run()


class _Pass:
    """One walk through the encoder: the feature map so far and the memories so far."""

    def __init__(
        self,
        encoder: Encoder,
        templates: Tensor | None,
        search: Tensor | None,
        memory: Sequence[Tensor],
    ) -> None:
        parts = [] if templates is None else [templates.flatten(0, 1)]
        parts += [] if search is None else [search]
        self.encoder = encoder
        self.x = torch.cat(parts) if len(parts) > 1 else parts[0]
        self.single = 0 if search is None else search.shape[0]
        self.count = 1 if templates is None else templates.shape[0]
        self.writes = templates is not None
        self.steps = Steps(self.count, self.single)
        self.memory = list(memory)

    def run(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        enc = self.encoder
        self.x = enc.downsample1_1(self.x, self.steps)
        self.blocks(enc.ConvBlock1_1)
        self.down(enc.downsample1_2, 0)
        self.blocks(enc.ConvBlock1_2)
        self.down(enc.downsample2, 1)
        self.blocks(enc.ConvBlock2_1)
        self.blocks(enc.ConvBlock2_2)
        self.down(enc.downsample3, 2)
        self.transform(enc.block3[:3])
        self.retrieve(3)
        self.transform(enc.block3[3:])
        self.down(enc.downsample4, 4)
        self.transform(enc.block4)
        self.retrieve(5)
        return self.x, tuple(self.memory)

    def blocks(self, blocks: nn.ModuleList) -> None:
        for block in blocks:
            self.x = block(self.x, self.steps)

    def transform(self, blocks: nn.ModuleList) -> None:
        for block in blocks:
            self.x = block(self.x, self.steps, search=not self.writes)

    def down(self, layer: nn.Module, index: int) -> None:
        self.x = layer(self.x, self.steps)
        self.retrieve(index)

    def retrieve(self, index: int) -> None:
        """Templates write memory ``index`` and pass on unchanged; the search branch reads it."""
        module = self.encoder.mrm[index]
        cut = self.x.shape[0] - self.single
        if self.writes:
            self.memory.append(module.retriever.write(self.x[:cut], self.count))
        if self.single:
            retrieved = module(self.memory[index], self.x[cut:])
            self.x = torch.cat([self.x[:cut], retrieved]) if cut else retrieved


class Head(nn.Module):
    """Three branches of four 3×3 conv-bn-spike layers and a 1×1 convolution."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.spike = Neuron()
        for branch in HEAD_BRANCHES:
            width = inputs
            for index in range(1, 5):
                out = channels // 2 ** (index - 1)
                conv = nn.Conv2d(width, out, 3, padding=1)
                self.add_module(f"conv{index}_{branch}", nn.Sequential(conv, nn.BatchNorm2d(out)))
                self.add_module(f"{branch}{index}_spike", Neuron())
                width = out
            self.add_module(f"conv5_{branch}", nn.Conv2d(width, 1 if branch == "ctr" else 2, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x (B, E3, P, P) → score (B, 1, P, P), size (B, 2, P, P), offset (B, 2, P, P)."""
        x = self.spike(x)
        score, offset, size = (self._branch(name, x) for name in HEAD_BRANCHES)
        return {
            "score_map": score.sigmoid().clamp(SCORE_CLAMP, 1 - SCORE_CLAMP),
            "size_map": size.sigmoid().clamp(SCORE_CLAMP, 1 - SCORE_CLAMP),
            "offset_map": offset,
        }

    def _branch(self, name: str, x: Tensor) -> Tensor:
        for index in range(1, 5):
            x = self.get_submodule(f"conv{index}_{name}")(x)
            x = self.get_submodule(f"{name}{index}_spike")(x)
        out: Tensor = self.get_submodule(f"conv5_{name}")(x)
        return out


class SpikeTrack(nn.Module):
    """SpikeTrack (arXiv 2602.23963) in float32; ``config`` holds its sizes.

    ``encode_template(z)``: z (T, 3, S, S) normalised crops → six memories (T, 1, 8, d, 4d).
    ``model(x, memory)``: x (1, 3, S, S) → ``score_map``, ``size_map``, ``offset_map``.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Head(config.embed_dims[3], config.head_channels)

    def encode_template(self, z: Tensor) -> tuple[Tensor, ...]:
        """Templates (T, 3, S, S) or (T, B, 3, S, S) → six memories (T, B, 8, d, 4d)."""
        if z.dim() == 4:
            z = z[:, None]
        self._check("templates", z, (self.config.templates, *z.shape[1:2], 3, *self._plane()))
        _, memory = self.encoder(z.contiguous(), None)
        return tuple(memory)

    def forward(self, x: Tensor, memory: Sequence[Tensor]) -> dict[str, Tensor]:
        """Search crop (B, 3, S, S) and six memories → the three maps."""
        self._check("search crop", x, (*x.shape[:1], 3, *self._plane()))
        shapes = self.config.memory_shapes
        if len(memory) != len(shapes):
            raise SpikeTrackError(f"memory: {len(memory)} tensors given, {len(shapes)} needed")
        for index, (kv, (steps, *rest)) in enumerate(zip(memory, shapes, strict=True)):
            self._check(f"memory {index}", kv, (steps, *kv.shape[1:2], *rest))
        features, _ = self.encoder(None, x.contiguous(), memory)
        maps: dict[str, Tensor] = self.decoder(features)
        return maps

    def _plane(self) -> tuple[int, int]:
        return self.config.resolution, self.config.resolution

    @staticmethod
    def _check(name: str, x: Tensor, shape: tuple[int, ...]) -> None:
        if tuple(x.shape) != shape or not x.is_floating_point():
            raise SpikeTrackError(
                f"{name}: {x.dtype} of shape {tuple(x.shape)} given, float of {shape} needed"
            )

    def joint(self, z: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Templates (T, B, 3, S, S) and search crops (B, 3, S, S) in one batch, for training."""
        features, _ = self.encoder(z, x)
        maps: dict[str, Tensor] = self.decoder(features[-x.shape[0] :])
        return maps
