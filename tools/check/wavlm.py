#!/usr/bin/env python3
"""Checks WavLM at full size against transformers: Base and Large with seeded random weights, real
speech of 1, 3 and 10 s, every layer's output.

    python tools/check/wavlm.py FOLDER SPEECH.wav… [--sizes base large] [--seconds 1 3 10] [--tails]
    PERSONA_GOLDEN_FULL=FOLDER cargo test --release --test golden_networks full_width -- --nocapture

Writes the models and transformers' outputs into FOLDER (2.1 GB); the test then prints the largest
difference of every output, also for int8. SPEECH are 16 kHz recordings, of which the first one that
is long enough is used for each length. No published weights are needed, because the network is what
is compared. Trained transformers have a few channels that are far larger than the others, which is
difficult for 8 bits; seeded weights have none unless --tails adds some. Needs
tools/requirements.lock.
"""

import argparse
import sys
from pathlib import Path

import soundfile
import torch

from persona import golden, model_file, wavlm, wavlm_model

MADE_BY = "tools/check/wavlm.py"


def add_tails(model):
    """Gives a model channels of very different sizes: each norm's weights vary by a factor of 2,
    eight channels of it are ten times as large again, and the layers that read it are scaled down
    in proportion; keys get a bias of ten times their own size."""
    generator = torch.Generator().manual_seed(2)

    def spread(norm, *readers):
        factors = torch.exp(0.7 * torch.randn(norm.weight.shape, generator=generator))
        factors[torch.randperm(len(factors), generator=generator)[:8]] *= 10
        norm.weight.mul_(factors)
        for reader in readers:
            reader.weight.div_(factors)

    def projections(layer):
        return [getattr(layer.attention, f"{part}_proj") for part in "qkv"]

    layers = model.encoder.layers
    if model.config.do_stable_layer_norm:
        for layer in layers:
            spread(layer.layer_norm, *projections(layer))
            spread(layer.final_layer_norm, layer.feed_forward.intermediate_dense)
    else:
        norms = [model.encoder.layer_norm, *(layer.final_layer_norm for layer in layers)]
        for norm, layer in zip(norms, layers, strict=False):
            spread(norm, *projections(layer))
            spread(layer.layer_norm, layer.feed_forward.intermediate_dense)
    for layer in layers:
        bias = layer.attention.k_proj.bias
        bias.copy_(10 * torch.randn(bias.shape, generator=generator))
    return model


def speech(paths, seconds):
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        if rate == 16000 and samples.ndim == 1 and len(samples) >= seconds * rate:
            return path, torch.from_numpy(samples[: int(seconds * rate)])
    sys.exit(f"no 16 kHz recording of {seconds} s among {len(paths)} files")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("speech", type=Path, nargs="+")
    parser.add_argument("--sizes", nargs="+", choices=wavlm.SIZES, default=list(wavlm.SIZES))
    parser.add_argument("--seconds", nargs="+", type=float, default=[1, 3, 10])
    parser.add_argument("--tails", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for size in arguments.sizes:
        model = wavlm.seeded(size)
        if arguments.tails:
            add_tails(model)
        path, frontend = wavlm_model.write(arguments.folder, size, model, MADE_BY)
        signature = {"sha256": model_file.manifest_of(path)["sha256"]}
        for seconds in arguments.seconds:
            recording, samples = speech(arguments.speech, seconds)
            features = wavlm.features(samples, frontend)
            seen = {"features": features[:, None], **wavlm.intermediates(model, features)}
            output = arguments.folder / f"{path.stem}@{seconds:g}s-outputs.safetensors"
            golden.save(output, seen, MADE_BY, **signature, recording=recording.name)


if __name__ == "__main__":
    with torch.no_grad():
        main()
