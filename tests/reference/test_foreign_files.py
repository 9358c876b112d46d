"""Files and networks that are none of ours are named for what they are."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from support.checkpoints import message, small_state
from torch import Tensor

from spiketrack.errors import CheckpointError
from spiketrack.reference.checkpoint import read_checkpoint

LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
PAGE = b"<html><head><title>Sign in</title></head><body>x</body></html>"


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"), io.BytesIO())
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


FILES = {
    "LFS pointer": (LFS, "a Git-LFS pointer, not the file it stands for; fetch that with"),
    "page": (PAGE, "an HTML page, not the file behind its address"),
    "page with a type": (b"\n  <!DOCTYPE html>\n" + PAGE, "an HTML page"),
    "page with a mark": (b"\xef\xbb\xbf" + PAGE, "an HTML page"),
    "page in UTF-16": (PAGE.decode().encode("utf-16"), "an HTML page"),
    "page with a comment": (b"<!-- saved -->\n" + PAGE, "an HTML page"),
    "XML": (b'<?xml version="1.0"?><Error/>', "an HTML page"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "an HDF5 file, as .nir files are"),
    "text": (b"hello world, this is text\n", "a text, not a checkpoint"),
    "JSON": (b'{"message": "Not found"}', "a text, not a checkpoint"),
    "gzip": (b"\x1f\x8b\x08" + bytes(50), "a gzip archive; unpack it first"),
    "tar": (_tar(), "a tar archive; unpack it first"),
    "npy": (_npy(), "a numpy array (.npy)"),
    "npz": (_npz(), "a zip archive, numpy's .npz, not one of torch.save"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(200), "a PNG image"),
    "MP4": (b"\0\0\0\x20ftypisom" + bytes(200), "a video, not a checkpoint"),
    "Matroska": (b"\x1aE\xdf\xa3" + bytes(200), "a video, not a checkpoint"),
    "PDF": (b"%PDF-1.7\n" + bytes(200), "a PDF document"),
}


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.nir"])
@pytest.mark.parametrize("case", FILES)
def test_files_of_other_kinds_are_named(case: str, name: str, tmp_path: Path) -> None:
    content, complaint = FILES[case]
    (tmp_path / name).write_bytes(content)
    assert complaint in message(tmp_path / name)


def _keys(*keys: str) -> dict[str, Tensor]:
    return {key: torch.zeros(2) for key in keys}


BACKBONE = {key.removeprefix("encoder."): value for key, value in small_state().items()}
NETWORKS = {
    "a ResNet": _keys("conv1.weight", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight"),
    "a vision transformer (ViT)": _keys(
        "cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.bias"
    ),
    "OSTrack (ViT with a box head)": _keys(
        "backbone.blocks.0.attn.qkv.weight", "box_head.conv1_ctr.0.weight", "backbone.pos_embed_z"
    ),
    "STARK or another DETR-like tracker": _keys(
        "transformer.encoder.layers.0.linear1.weight", "transformer.decoder.layers.0.linear1.weight"
    ),
    "a Swin transformer": _keys(
        "layers.0.blocks.0.attn.relative_position_bias_table",
        "layers.0.blocks.1.attn.relative_position_index",
    ),
    "a ConvNeXt": _keys("stages.0.0.dwconv.weight", "stages.0.1.dwconv.weight"),
    "a YOLO": _keys("model.0.conv.weight", "model.2.cv1.conv.weight"),
    "a VGG, AlexNet or MobileNet": _keys("features.0.weight", "features.2.weight"),
    "a language model": _keys("layers.0.self_attn.q_proj.weight", "layers.0.mlp.up_proj.weight"),
    "SpikeTrack's backbone alone": {k: v for k, v in BACKBONE.items() if "decoder" not in k},
    "another network": _keys("a.weight", "b.weight", "c.weight"),
}


@pytest.mark.parametrize("container", [None, "net", "model"])
@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks_are_named(name: str, container: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({container: NETWORKS[name]} if container else NETWORKS[name], path)
    text = message(path)
    assert f"looks like {name}" in text
    assert f"none of its {len(NETWORKS[name]):,} keys is SpikeTrack's" in text


def test_a_vision_transformer_with_the_name_of_our_encoder(tmp_path: Path) -> None:
    torch.save(_keys("encoder.layers.0.ln.weight", "encoder.layers.1.ln.weight"), tmp_path / "a")
    assert "looks like a vision transformer" in message(tmp_path / "a")


@pytest.mark.parametrize("protocol", [2, 5])
def test_numpy_arrays_in_place_of_tensors(protocol: int, tmp_path: Path) -> None:
    arrays = {key: value.numpy() for key, value in small_state().items()}
    torch.save({"net": arrays}, tmp_path / "a.pth", pickle_protocol=protocol)
    text = message(tmp_path / "a.pth")
    assert f"holds {len(arrays):,} numpy arrays in place of tensors; turn them into" in text


def test_a_name_that_is_no_unicode_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.safetensors")
    path.write_bytes(safetensors.torch.save(small_state()))
    with pytest.raises(CheckpointError, match=r"no UTF-8, which safetensors asks for; rename it"):
        read_checkpoint(path)


@pytest.mark.parametrize("form", ["sparse", "meta"])
def test_tensors_in_another_form_are_named(form: str, tmp_path: Path) -> None:
    state = {
        key: value.to_sparse() if form == "sparse" else value.to("meta")
        for key, value in small_state().items()
        if value.dim() > 1
    }
    path = tmp_path / "odd.pth"
    torch.save({"net": small_state() | state}, path)
    found = message(path)
    assert f"{len(state):,} tensors are sparse, quantised or without numbers, such as" in found
    assert "save plain ones" in found
