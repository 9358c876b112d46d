"""What a file or a state dict is that is none of ours, as far as its bytes or keys tell."""

from __future__ import annotations

import re
from collections.abc import Collection

from spiketrack.errors import printable

# first bytes → what such a file is and what to do
_STARTS = (
    (b"version https://git-lfs.github.com/spec", "a Git-LFS pointer, not the file it stands for; "
     "fetch that with `git lfs pull`, or download it from the page of the model"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as .nir files are, not a checkpoint; "
     "an export is given by its folder"),
    (b"\x93NUMPY", "a numpy array (.npy), not a checkpoint"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"%PDF", "a PDF document, not a checkpoint"),
    (b"\x89PNG", "a PNG image, not a checkpoint"),
    (b"\xff\xd8\xff", "a JPEG image, not a checkpoint"),
    (b"GGUF", "a GGUF file of a language model, not a checkpoint"),
)  # fmt: skip
_PAGE = re.compile(
    rb"\s*(<!--.*?-->\s*)*<(!doctype|html|head|\?xml|body)", re.IGNORECASE | re.DOTALL
)
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SHOWN = 2
HEAD = 1024  # bytes that tell what a file is

# networks that people mistake for this one → keys that tell them
_NETWORKS = (
    ("SpikeTrack's backbone alone, without memories and head (a pre-trained classifier)",
     r"(ConvBlock[12]_[12]\.\d|downsample1_1\.encode_conv|block3\.\d+\.(attn|conv|mlp)\.)"),
    ("OSTrack (ViT with a box head)",
     r"(.*\.)?(backbone\.blocks\.\d+\.attn\.qkv|box_head\.conv1_ctr)"),
    ("STARK or another DETR-like tracker", r"(.*\.)?transformer\.(encoder|decoder)\.layers\.\d"),
    ("a Siamese tracker (SiamRPN++ and kin)",
     r"(.*\.)?(rpn_head\.|neck\.downsample|features\.features)"),
    ("a ResNet", r"(.*\.)?layer[1-4]\.\d+\.(conv[123]|downsample\.0)\.weight"),
    ("a Swin transformer", r"(.*\.)?layers\.\d+\.blocks\.\d+\.attn\.relative_position"),
    ("a vision transformer (ViT)",
     r"(.*\.)?(blocks\.\d+\.attn\.qkv|encoder\.layers?\.(encoder_layer_)?\d+\.|patch_embed\.proj)"),
    ("a ConvNeXt", r"(.*\.)?stages\.\d+\.(blocks\.)?\d+\.(dwconv|conv_dw)"),
    ("a YOLO", r"(.*\.)?model\.\d+\.(conv|cv\d|m)\."),
    ("a VGG, AlexNet or MobileNet", r"(.*\.)?features\.\d+\.(\d+\.|conv\.|weight)"),
    ("a language model", r"(.*\.)?(layers\.\d+\.(self_attn|mlp)|h\.\d+\.attn|bert\.encoder)"),
)  # fmt: skip


def foreign_content(head: bytes) -> str | None:
    """What a file is by its first kilobyte, and the remedy; None for what may be a checkpoint."""
    for start, what in _STARTS:
        if head.startswith(start):
            return what
    if head[4:8] == b"ftyp" or head.startswith(b"\x1aE\xdf\xa3"):
        return "a video, not a checkpoint"
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it first (torch.save writes none, whatever a file is called)"
    bare = next((head[len(mark) :] for mark in _MARKS if head.startswith(mark)), head)
    bare = bare.replace(b"\0", b"") if bare is not head else bare
    if _PAGE.match(bare):
        return "an HTML page, not the file behind its address; download that"
    return None


def is_text(head: bytes) -> bool:
    """Whether all is printable ASCII, as the oldest pickles are too: ask only after reading."""
    return head.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in head)


def foreign_keys(keys: Collection[str]) -> str:
    """Which network a state dict without a single key of ours is of, if that can be told."""
    some = list(keys)
    shown = ", ".join(printable(key, 60) for key in some[:_SHOWN])
    of = (
        f"none of its {len(some):,} keys is SpikeTrack's"
        if len(some) > 1
        else "its one key is none of SpikeTrack's"
    )
    for name, pattern in _NETWORKS:
        if sum(bool(re.match(pattern, key)) for key in some[:5000]) > 1:
            return f"{of} ({shown}, …): looks like {name}"
    return f"{of} ({shown}{', …' if len(some) > _SHOWN else ''}): looks like another network"
