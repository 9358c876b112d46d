"""Command lines that work as they stand, or with the user's own file names."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "run": (
        "spiketrack run nano",
        "spiketrack run model.pth.tar --video clip.mp4 --box 120,80,60,90 --out mine",
        "spiketrack run mine/settings.yaml --out again",
    ),
    "info": ("spiketrack info nano", "spiketrack info model.pth.tar --layers"),
    "convert": ("spiketrack convert model.pth.tar model.safetensors",),
    "export": (
        "spiketrack export nano",
        "spiketrack export model.pth.tar --out mine --calibrate clip.mp4 --box 120,80,60,90",
    ),
    "simulate": (
        "spiketrack simulate nano --frames 30",
        "spiketrack simulate mine --video clip.mp4 --box 120,80,60,90 --backend integer",
    ),
    "verify": (
        "spiketrack verify nano --checkpoint nano",
        "spiketrack verify nano-run --backends float,integer,chip --json verify.json",
        "spiketrack verify nano --checkpoint nano --backends float --amplification 10",
    ),
    "energy": (
        "spiketrack energy run",
        "spiketrack energy run --prices operations-loihi1 --layers --csv energy.csv",
    ),
    "map": (
        "spiketrack map nano",
        "spiketrack map nano --run run --board kapoho-point",
        "spiketrack map nano --run run --optimise --json map.json",
    ),
    "sanafe": ("spiketrack sanafe nano", "spiketrack sanafe nano --parts --json sanafe.json"),
    "compare-chip": (
        "spiketrack compare-chip run --kit kit",
        "spiketrack compare-chip run kit/measured.json",
    ),
    "time": ("spiketrack time run", "spiketrack time run --map map.json --rates loihi1"),
    "report": (
        "spiketrack report nano-run",
        "spiketrack report run --verify verify.json --map map.json --out report.html",
    ),
    "track": (
        "spiketrack track nano --video clip.mp4 --box 120,80,60,90 --out boxes.csv --out seen.mp4",
        "spiketrack track nano --video 0",
    ),
    "evaluate": (
        "spiketrack evaluate nano sequences/OTB100 --out evaluation",
        "spiketrack evaluate nano sequences/David --backend integer --baseline csrt,mil",
        "spiketrack evaluate nano LaSOT GOT-10k/val --workers 8 --out paper",
        "spiketrack evaluate nano LaSOT --scheduler tcp://head:8786 --out lasot",
        "spiketrack evaluate nano GOT-10k/test --submit got10k --out got",
        "spiketrack evaluate nano train/videos --only kept-out --starts sre,tre --out starts",
        "spiketrack evaluate nano-t3 train/videos --only kept-out --starts sre,tre "
        "--against starts",
    ),
    "score": (
        "spiketrack score OSTrack SpikeTrack=results/spiketrack_s256 otb/boxes/nano OTB100",
        "spiketrack score results/* LaSOT --latex lasot.tex --plots lasot.html",
    ),
    "train": (
        "spiketrack train nano --data pictures --out runs/mine --quantised",
        "spiketrack train micro --data pictures --out runs/micro",
    ),
    "outlets": ("spiketrack outlets nano --only onnx,standard-nir",),
    "bench": ("spiketrack bench --checkpoint nano --frames 20 --json bench.json",),
    "partitions": ("spiketrack partitions", "spiketrack partitions nano s256"),
    "microcode": ("spiketrack microcode nano",),
    "schema": ("spiketrack schema", "spiketrack schema settings"),
    "doctor": ("spiketrack doctor",),
}
