#!/usr/bin/env python3
"""Golden values of the segmentation network: PyTorch's output of each layer, on the CPU in f32.

    python tools/golden/segmentation.py                 writes tests/golden/tiny-segmentation.safetensors
                                                        and …-outputs.safetensors: random weights; and
                                                        tests/golden/import/segmentation.pt: the same
                                                        weights as pyannote's checkpoints store them
    python tools/golden/segmentation.py --shipped       writes tests/golden/segmentation-outputs.safetensors:
                                                        weights/segmentation.safetensors on tests/audio/speech.wav
    python tools/golden/segmentation.py --recording WAV -o OUT.safetensors
                                                        the same for 10 s of a recording of 16 kHz, which
                                                        `PERSONA_SEGMENTATION_GOLDEN=OUT.safetensors` makes
                                                        tests/segmentation.rs compare

The shipped file's outputs are every 25th frame, those of the classifier all. Needs
tools/requirements.lock.
"""

import argparse
import json
import struct
import sys
import types
import wave
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file

from persona import golden, model_file, segmentation

MADE_BY = "tools/golden/segmentation.py"
TINY = {
    "sample_rate_hz": 16000,
    "chunk_s": 0.5,
    "sinc": {"filters": 10, "taps": 31, "stride": 5, "min_low_hz": 50.0, "min_band_hz": 50.0},
    "conv": [{"channels": 7, "kernel": 3}, {"channels": 6, "kernel": 5}],
    "pool": 2,
    "lstm": {"layers": 2, "hidden": 9},
    "dense": [8, 5],
    "speakers": 3,
    "simultaneous": 2,
}
EMBEDDING = {"channels": 6, "embedding": 4, "norm_eps": 1e-5}
SHIPPED = Path(__file__).resolve().parents[2] / "weights" / "segmentation.safetensors"
SPEECH = Path(__file__).resolve().parents[2] / "tests" / "audio" / "speech.wav"
STEP = 25


def tiny():
    """Writes a small network with random weights, an embedding layer beside it, and the outputs of
    both."""
    generator = torch.Generator().manual_seed(17)
    network = segmentation.Segmentation(TINY)
    for name, value in network.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("low_hz_"):
            value.copy_(torch.linspace(0, 4000, len(value))[:, None])
        elif name.endswith("band_hz_"):
            value.copy_(200 * noise)
        elif "norm1d" in name:
            value.copy_(0.3 * noise + name.endswith("weight"))
        else:
            value.copy_(noise / (value[0].numel() if value.dim() > 1 else 9) ** 0.5)
    width = EMBEDDING["channels"]
    layer = {
        "out_nonlinear.batchnorm.weight": 1 + 0.2 * torch.randn(width, generator=generator),
        "out_nonlinear.batchnorm.bias": torch.randn(width, generator=generator),
        "out_nonlinear.batchnorm.running_mean": torch.randn(width, generator=generator),
        "out_nonlinear.batchnorm.running_var": 0.2 + torch.rand(width, generator=generator),
        "dense.linear.weight": torch.randn(4, 2 * width, 1, generator=generator),
        "dense.nonlinear.batchnorm.running_mean": torch.randn(4, generator=generator),
        "dense.nonlinear.batchnorm.running_var": 0.2 + torch.rand(4, generator=generator),
    }
    tensors = {**network.state_dict(), **{f"campplus.xvector.{k}": v for k, v in layer.items()}}
    manifest = {
        "format": model_file.FORMAT,
        "name": "tiny-segmentation",
        "created_by": MADE_BY,
        "licence": "CC0-1.0",
        "data": {"corpus": "none: random weights"},
        "segmentation": TINY,
        "speaker_embedding": EMBEDDING,
    }
    path = golden.FOLDER / "tiny-segmentation.safetensors"
    model_file.write_tensors(path, {k: v.contiguous() for k, v in tensors.items()}, manifest)
    time = torch.arange(8000) / 16000
    samples = torch.sin(2 * torch.pi * 300 * time * (1 + time)) * torch.rand(8000, generator=generator)
    seen = network.intermediates(samples + 0.05)
    statistics = torch.rand(2 * width, generator=generator)
    dense = layer["dense.linear.weight"][:, :, 0] @ statistics
    mean, variance = (layer[f"dense.nonlinear.batchnorm.running_{k}"] for k in ("mean", "var"))
    embedding = (dense - mean) / (variance + EMBEDDING["norm_eps"]).sqrt()
    seen = {
        **seen,
        "samples": samples + 0.05,
        "statistics": statistics,
        "embedding": embedding / embedding.norm(),
    }
    outputs = golden.FOLDER / "tiny-segmentation-outputs.safetensors"
    golden.save(outputs, seen, MADE_BY, sha256=model_file.manifest_of(path)["sha256"])
    checkpoint(network)


def checkpoint(network):
    """Writes a network as PyTorch Lightning and pyannote.audio store it: with objects of classes
    that nobody needs to load."""
    task = types.ModuleType("pyannote.audio.core.task")
    for parent in ("pyannote", "pyannote.audio", "pyannote.audio.core"):
        sys.modules[parent] = types.ModuleType(parent)
    sys.modules[task.__name__] = task
    described = {}
    for name in ("Specifications", "Problem", "Resolution"):
        described[name] = type(name, (), {"__module__": task.__name__})
        setattr(task, name, described[name])
    specifications = described["Specifications"]()
    specifications.problem, specifications.resolution = described["Problem"](), described["Resolution"]()
    taps = TINY["sinc"]["taps"] // 2
    derived = {"window_": torch.rand(taps), "n_": torch.rand(1, taps)}
    state = network.state_dict()
    state |= {f"sincnet.conv1d.0.filterbank.{name}": value for name, value in derived.items()}
    saved = {
        "pytorch-lightning_version": "2.0.2",
        "state_dict": state,
        "hyper_parameters": {"sincnet": {"stride": TINY["sinc"]["stride"]}},
        "pyannote.audio": {"versions": {"torch": torch.__version__}, "specifications": specifications},
    }
    path = golden.FOLDER / "import" / "segmentation.pt"
    torch.save(saved, path)
    print(f"{path}: {path.stat().st_size} bytes")


def samples_of(path):
    """Ten seconds of a WAV of 16 kHz and 16 bits, repeated if it is shorter."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == 16000 and file.getsampwidth() == 2, "16 kHz, 16 bits"
        frames = numpy.frombuffer(file.readframes(file.getnframes()), "<i2")
        frames = frames.reshape(-1, file.getnchannels())[:, 0]
    return torch.from_numpy(numpy.resize(frames, 160_000).astype(numpy.float32) / 32768)


def shipped(recording, output, step, keep_samples):
    """Writes the outputs of the shipped network for ten seconds of a recording."""
    with open(SHIPPED, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    manifest = json.loads(header["__metadata__"]["persona"])
    network = segmentation.Segmentation(manifest["segmentation"]).eval()
    state = {k: v.float() for k, v in load_file(SHIPPED).items() if not k.startswith("campplus.")}
    network.load_state_dict(state)
    samples = samples_of(recording)
    seen = network.intermediates(samples)
    kept = {k: v if k == "classifier" else v[::step] for k, v in seen.items()}
    kept["sincnet.wav_norm1d"] = seen["sincnet.wav_norm1d"][:: step * step]
    if keep_samples:
        kept["samples"] = samples
    golden.save(output, kept, MADE_BY, sha256=manifest["sha256"], step=step)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--recording", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.recording:
        shipped(arguments.recording, arguments.output, 1, True)
    elif arguments.shipped:
        shipped(SPEECH, golden.FOLDER / "segmentation-outputs.safetensors", STEP, False)
    else:
        tiny()


if __name__ == "__main__":
    main()
