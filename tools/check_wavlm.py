"""WavLM at full size as transformers computes it: Base and Large, seeded random weights, real speech of 1, 3 and 10 s, every layer's output.

    python tools/check_wavlm.py FOLDER SPEECH.wav… [--sizes base large] [--seconds 1 3 10] [--tails]
    PERSONA_GOLDEN_FULL=FOLDER cargo test --release --test golden_networks full_width -- --nocapture

SPEECH: 16 kHz recordings, of which the first long enough one is taken for each length. The test prints the largest difference of every result, and how
near int8 comes. FOLDER fills with 2.1 GB. No published weights are needed: what is compared is the network. Trained transformers have a few channels that
are far larger than the others, which is what 8 bits have to stand; seeded weights have none, and with --tails get some.
"""
import argparse
import sys
from pathlib import Path

import soundfile
import torch
import transformers

import golden_networks
from persona import networks, system_file, wavlm

SIZES = {"base": {}, "large": wavlm.LARGE}


def seeded(size):
    """A WavLMModel as transformers starts it, but for what it starts at values that would hide a mistake."""
    torch.manual_seed(1)
    model = transformers.WavLMModel(transformers.WavLMConfig(**SIZES[size])).eval()
    generator = torch.Generator().manual_seed(1)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith(("rel_attn_embed.weight", "gru_rel_pos_const", "original0")):
            value.copy_(1 + noise)
        elif name.endswith("norm.weight"):
            value.copy_(1 + 0.2 * noise)
        elif value.dim() == 1:
            value.copy_(0.1 * noise)
        elif "attention" in name or "feed_forward" in name:
            value.copy_(noise / value[0].numel() ** 0.5)
    return model


def with_tails(model):
    """The same with channels of very different sizes: each norm's weights spread by a factor of 2, eight channels of it ten times as large again, what
    reads it smaller in proportion; and keys with a bias of ten times their own size."""
    generator = torch.Generator().manual_seed(2)

    def spread(norm, *readers):
        factors = torch.exp(0.7 * torch.randn(norm.weight.shape, generator=generator))
        factors[torch.randperm(len(factors), generator=generator)[:8]] *= 10
        norm.weight.mul_(factors)
        for reader in readers:
            reader.weight.div_(factors)

    attends = lambda layer: [getattr(layer.attention, f"{part}_proj") for part in "qkv"]
    layers = model.encoder.layers
    if model.config.do_stable_layer_norm:
        for layer in layers:
            spread(layer.layer_norm, *attends(layer))
            spread(layer.final_layer_norm, layer.feed_forward.intermediate_dense)
    else:
        for norm, layer in zip([model.encoder.layer_norm, *(layer.final_layer_norm for layer in layers)], layers):
            spread(norm, *attends(layer))
            spread(layer.layer_norm, layer.feed_forward.intermediate_dense)
    for layer in layers:
        layer.attention.k_proj.bias.copy_(10 * torch.randn(layer.attention.k_proj.bias.shape, generator=generator))
    return model


def write_system(folder, size, model, window_s=60.0):
    """A system file with a trunk and heads that mean nothing."""
    recipe = wavlm.representation(model.config)
    frontend = {**wavlm.RAW, "do_normalize": size == "large", "window_s": window_s}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"wavlm-{size}.safetensors"
    manifest = golden_networks.invented_manifest(path.stem, frontend, recipe, networks.FCN)
    system_file.write(path, wavlm.System(model, recipe, networks.FCN), manifest, dtype=torch.float32)
    return path, frontend


def speech(paths, seconds):
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        if rate == 16000 and samples.ndim == 1 and len(samples) >= seconds * rate:
            return path, torch.from_numpy(samples[: int(seconds * rate)])
    sys.exit(f"no 16 kHz recording of {seconds} s among {len(paths)} files")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("speech", type=Path, nargs="+")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--seconds", nargs="+", type=float, default=[1, 3, 10])
    parser.add_argument("--tails", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for size in arguments.sizes:
        model = with_tails(seeded(size)) if arguments.tails else seeded(size)
        system, frontend = write_system(arguments.folder, size, model)
        for seconds in arguments.seconds:
            path, samples = speech(arguments.speech, seconds)
            heard = wavlm.features(samples, frontend)
            seen = {"features": heard[:, None], **wavlm.steps(model, heard)}
            signature = {"sha256": system_file.manifest_of(system)["sha256"], "heard": path.name}
            golden_networks.save(arguments.folder / f"{system.stem}@{seconds:g}s-outputs.safetensors", seen, signature)


if __name__ == "__main__":
    with torch.no_grad():
        main()
