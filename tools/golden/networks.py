#!/usr/bin/env python3
"""Golden values of the networks: PyTorch's outputs for seeded weights and inputs, CPU, f32.

    python tools/golden/networks.py layers             tests/golden/layers.safetensors
    python tools/golden/networks.py tiny               tests/golden/tiny-*.safetensors and
                                                       …-outputs.safetensors
    python tools/golden/networks.py of weights/NAME.safetensors
                                                       tests/golden/NAME-outputs.safetensors, to be
                                                       made again for each new NAME
    python tools/golden/networks.py full FOLDER        full-{cnn,campplus}.safetensors and their
                                                       outputs: full widths, not committed
    python tools/golden/networks.py published FOLDER   published-campplus{,-f16}.safetensors: the
                                                       published weights, not committed

`tests/golden_networks.rs` reads them. Every file's header states the version of torch. Needs
tools/requirements.lock.
"""

import argparse
import copy
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from persona import campplus, campplus_checkpoint, golden, mfcc, model_file, networks

MADE_BY = "tools/golden/networks.py"


# -- single layers ---------------------------------------------------------------------------------


def layers():
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    cases, tensors = [], {}

    def case(layer, options, inputs, module, run=None):
        name = f"{layer}.{sum(c['layer'] == layer for c in cases)}"
        cases.append({"name": name, "layer": layer, **options})
        tensors[f"{name}.input"] = inputs
        if isinstance(module, nn.Module):
            golden.randomise(module, generator)
            for key, value in module.state_dict().items():
                if not key.endswith("num_batches_tracked"):
                    tensors[f"{name}.{key}"] = value
        tensors[f"{name}.output"] = (run or module)(inputs)

    for rows, inputs, outputs in [(1, 1, 1), (3, 7, 5), (2, 33, 17), (1, 130, 6)]:
        case("linear", {}, draw(rows, inputs), nn.Linear(inputs, outputs))
    for inputs, outputs, taps, length, stride, dilation, padding, groups in [
        (1, 4, 5, 40, 1, 1, 2, 1),
        (3, 5, 3, 17, 2, 1, 0, 1),
        (4, 6, 3, 19, 1, 3, 3, 2),
        (6, 6, 4, 23, 3, 2, 5, 6),
        (2, 3, 1, 9, 2, 1, 0, 1),
        (4, 8, 10, 64, 5, 1, 0, 4),
    ]:
        options = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
        case("conv1d", options, draw(inputs, length), nn.Conv1d(inputs, outputs, taps, **options))
    for channels, length, kernel, stride in [
        (3, 17, 4, 4),
        (2, 16, 4, 4),
        (5, 11, 3, 2),
        (1, 7, 2, 5),
    ]:

        def run(x):
            return F.max_pool1d(x, kernel, stride)

        case("max_pool1d", {"kernel": kernel, "stride": stride}, draw(channels, length), None, run)
    for frames, channels in [(1, 3), (9, 17)]:
        case(
            "batch_norm", {"eps": 1e-5}, draw(frames, channels), nn.BatchNorm1d(channels, eps=1e-5)
        )
    for frames, bands, channels, context in [
        (12, 13, 9, [-2, -1, 0, 1, 2]),
        (9, 8, 11, [-2, 0, 2]),
        (7, 5, 7, [-3, 0, 3]),
        (6, 9, 33, [0]),
    ]:
        layer = networks.TdnnLayer(bands, channels, context, 1e-5)

        def run(x):
            return layer(x[None])[0]  # [frames, bands] → [frames, channels]

        case("tdnn", {"context": context, "eps": 1e-5}, draw(frames, bands), layer, run)
    for frames, channels, constant in [(30, 5, False), (2, 3, False), (11, 70, True)]:
        x = 5 + 3 * draw(frames, channels)
        if constant:
            x[:, 1] = 2.5

        def pool(x):
            return networks.statistics_pooling(x[None], 1e-5)[0]

        case("statistics", {"variance": "biased", "floor": 1e-5}, x, None, pool)

        def pool(x):
            return torch.cat([x.mean(0), x.var(0, unbiased=True).clamp(min=1e-5).sqrt()])

        case("statistics", {"variance": "unbiased", "floor": 1e-5}, x, None, pool)
    for size, temperature in [(1, 1.0), (30, 1.0), (3, 1.7)]:
        x = size * draw(6)
        case(
            "softmax",
            {"temperature": temperature},
            x,
            None,
            lambda x: F.softmax(x / temperature, dim=0),
        )
    golden.save(golden.FOLDER / "layers.safetensors", tensors, MADE_BY, cases=cases)


# -- whole models ----------------------------------------------------------------------------------


def xvector_steps(model, x, seen):
    for i, layer in enumerate(model.xvector.tdnn):
        x = layer(x)
        seen[f"xvector.tdnn.{i}"] = x[0]
    x = networks.statistics_pooling(x, model.xvector.floor)
    seen["xvector.pooling"] = x[0]
    x = model.xvector.embedding_norm(model.xvector.embedding(x))
    seen["xvector.embedding"] = x[0]
    return x


def campplus_steps(model, x, seen):
    """Records each module's output by hooks: feature maps as [frames, bands, channels], frames as
    [frames, channels]."""
    network, hooks = model.campplus, []

    def see(name, module, feature_map=False, own=None, after=lambda y: y):
        def hook(_, inputs, output):
            y = after(output)[0]
            y = y if own is None else y[-own:]
            seen[f"campplus.{name}"] = y.permute(2, 1, 0) if feature_map else y.T

        hooks.append(module.register_forward_hook(hook))

    for n in (1, 2):
        see(f"head.conv{n}", getattr(network.head, f"bn{n}"), feature_map=True, after=F.relu)
        for b, block in enumerate(getattr(network.head, f"layer{n}")):
            see(f"head.layer{n}.{b}", block, feature_map=True)
    for name, module in network.xvector.named_children():
        if name.startswith("block"):
            for layer, dense in module.named_children():
                see(f"xvector.{name}.{layer}", dense, own=dense.cam_layer.linear_local.out_channels)
        elif name != "dense":
            see(f"xvector.{name}", module)
    vectors = network.vectors(x)
    for hook in hooks:
        hook.remove()
    seen.update({f"campplus.taps.{tap}": vector[0] for tap, vector in vectors.items()})
    return torch.cat(list(vectors.values()), dim=1)


def mfcc_steps(model, x, seen):
    seen["mfcc.frames"] = model.mfcc_stats.frames(x)[0]
    x = model.mfcc_stats(x)
    seen["mfcc.pooling"] = x[0]
    return x


@torch.no_grad()
def intermediates(model, manifest, features):
    """Every named activation from [frames, bands] to the predictions, and the predictions."""
    seen = {"features": features}
    x = model_file.normalised(features, manifest["frontend"])[None]
    represent = {"xvector": xvector_steps, "campplus": campplus_steps, "mfcc_stats": mfcc_steps}[
        model.kind
    ]
    x = represent(model, x, seen)
    if model.representation is not None:
        x = model.representation(x)
        seen["representation"] = x[0]
    if model.trunk.conv:
        x = x[:, None, :]
        for i, (conv, pool) in enumerate(zip(model.trunk.conv, model.trunk.pools, strict=False)):
            seen[f"trunk.conv.{i}"] = F.relu(conv(x))[0]
            x = F.max_pool1d(F.relu(conv(x)), pool)
            seen[f"trunk.pool.{i}"] = x[0]
        x = x.flatten(1)
    for i, dense in enumerate(model.trunk.dense):
        x = F.relu(dense(x))
        seen[f"trunk.dense.{i}"] = x[0]
    # the modules themselves must agree, so that the steps above are not a second implementation
    outputs = model(model_file.normalised(features, manifest["frontend"])[None])
    assert all(torch.equal(value, model.heads(x)[key]) for key, value in outputs.items())
    seen["heads.emotion"], seen["heads.gender"] = outputs["emotion"][0], outputs["gender"][0]
    seen["heads.age"] = outputs["age"]
    heads = manifest["heads"]
    for head in ("emotion", "gender"):
        seen[f"{head}.probabilities"] = F.softmax(
            outputs[head][0] / heads[head]["temperature"], dim=0
        )
    seen["age.years"] = heads["age"]["mean_years"] + heads["age"]["scale_years"] * outputs["age"]
    return seen


def features_like_speech(frames, bands, generator):
    """dB between −80 and 0, smooth over bands."""
    x = F.avg_pool1d(torch.randn(1, frames, bands + 8, generator=generator), 9, 1)[0]
    return (-40 + 50 * x).clamp(-80, 0)


def untrained(name, frontend, representation, trunk):
    """The manifest of a model with random weights."""
    return golden.random_weights_manifest(name, MADE_BY, frontend, representation, trunk)


def write_model(folder, manifest, frames, seed):
    """Writes a model with random weights in f32, and its outputs."""
    generator = torch.Generator().manual_seed(seed)
    bands = model_file.bands(manifest["frontend"])
    model = networks.Persona(bands, manifest["representation"], manifest["trunk"])
    golden.randomise(model, generator)
    path = folder / f"{manifest['name']}.safetensors"
    model_file.write(path, model, manifest, dtype=torch.float32)
    print(f"{path}: {path.stat().st_size} bytes")
    write_outputs(path, folder, features_like_speech(frames, bands, generator), everything=True)


def read_model(path):
    manifest = model_file.manifest_of(path)
    model = networks.Persona(
        model_file.bands(manifest["frontend"]), manifest["representation"], manifest["trunk"]
    )
    return model_file.load_into(model, path), manifest


def write_outputs(path, folder, features, everything):
    model, manifest = read_model(path)
    seen = intermediates(model, manifest, features)
    if not everything:
        last = f"trunk.dense.{len(manifest['trunk']['dense']) - 1}"
        kept = (
            "features",
            "xvector.embedding",
            "campplus.taps.",
            "representation",
            "mfcc.pooling",
            last,
            "heads.",
            "emotion.",
            "gender.",
            "age.",
        )
        seen = {name: value for name, value in seen.items() if name.startswith(kept)}
    path = folder / f"{path.stem}-outputs.safetensors"
    golden.save(path, seen, MADE_BY, sha256=manifest["sha256"])


def narrow(config, channels, embedding):
    config = copy.deepcopy(config)
    for layer, width in zip(config["layers"], channels, strict=False):
        layer["channels"] = width
    config["embedding"] = embedding
    return config


def tiny():
    """The same topology with few, odd numbers of channels, and an embedding that no pool divides
    evenly."""
    xvector = narrow(networks.XVECTOR, [11, 9, 13, 7, 17], 42)
    cnn = copy.deepcopy(networks.CNN)
    for layer, width in zip(cnn["conv"], [3, 5], strict=False):
        layer["channels"] = width
    cnn["dense"] = [19, 13, 7]
    frontend = {**model_file.LOGMEL, "n_mels": 15}
    write_model(golden.FOLDER, untrained("tiny-cnn", frontend, xvector, cnn), frames=23, seed=2)
    centred = {
        **frontend,
        "normalisation": {"mean_over_time": True, "offset_db": 0.0, "scale_db": 20.0},
    }
    fcn = {**networks.FCN, "dense": [19, 13, 7]}
    write_model(golden.FOLDER, untrained("tiny-fcn", centred, xvector, fcn), frames=15, seed=3)
    tiny_campplus()
    tiny_mfcc()


def tiny_campplus():
    """Every tap, in another order; odd sizes; segments that the frames do not fill. The second
    model ends early, at a block."""
    sizes = {
        "head_channels": 3,
        "head_blocks": [2, 1],
        "tdnn": {"channels": 7, "kernel": 5, "stride": 2},
        "blocks": [
            {"layers": 3, "kernel": 3, "dilation": 1},
            {"layers": 2, "kernel": 5, "dilation": 2},
        ],
        "growth": 5,
        "bottleneck": 9,
        "segment_frames": 8,
        "embedding": 11,
    }
    frontend = copy.deepcopy(campplus.FBANK80)
    frontend["mel_opts"]["num_bins"] = 13
    taps = ["final", "block1", "fcm", "embedding", "tdnn", "block2"]
    everything = {**campplus.CAMPPLUS, **sizes, "taps": taps, "normalise": True}
    small = {**networks.FCN, "dense": [9, 7]}
    write_model(
        golden.FOLDER, untrained("tiny-campplus", frontend, everything, small), frames=41, seed=6
    )
    early = {**everything, "taps": ["block1"], "normalise": False}
    write_model(
        golden.FOLDER, untrained("tiny-campplus-block1", frontend, early, small), frames=3, seed=7
    )


def tiny_mfcc():
    frontend = {**model_file.LOGMEL, "n_mels": 15}
    stats = {**mfcc.MFCC_STATS, "coefficients": 6}
    small = {**networks.FCN, "dense": [9, 7]}
    write_model(golden.FOLDER, untrained("tiny-mfcc", frontend, stats, small), frames=23, seed=8)


def of(path):
    frontend = model_file.manifest_of(path)["frontend"]
    features = features_like_speech(
        40, model_file.bands(frontend), torch.Generator().manual_seed(4)
    )
    write_outputs(path, golden.FOLDER, features, everything=False)


def full(folder):
    representation = {
        **campplus.CAMPPLUS,
        "taps": ["block1", "block2", "block3", "final", "embedding"],
    }
    manifest = untrained("full-campplus", campplus.FBANK80, representation, networks.FCN)
    write_model(folder, manifest, frames=298, seed=9)
    manifest = untrained("full-cnn", model_file.LOGMEL, networks.XVECTOR, networks.CNN)
    write_model(folder, manifest, frames=188, seed=5)


def published(folder, wheel):
    """CAM++ with its published weights and a random trunk, for tests/campplus_reference.rs."""
    representation = {**campplus.CAMPPLUS, "taps": ["final", "embedding"]}
    manifest = {
        **untrained("published-campplus", campplus.FBANK80, representation, networks.FCN),
        "licence": "Apache-2.0",
    }
    model = networks.Persona(80, representation, networks.FCN)
    golden.randomise(model, torch.Generator().manual_seed(10))
    model.campplus.load_published(campplus_checkpoint.published(wheel))
    for name, dtype in [
        ("published-campplus", torch.float32),
        ("published-campplus-f16", torch.float16),
    ]:
        model_file.write(folder / f"{name}.safetensors", model, {**manifest, "name": name}, dtype)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("layers")
    commands.add_parser("tiny")
    commands.add_parser("of").add_argument("path", type=Path)
    commands.add_parser("full").add_argument("folder", type=Path)
    command = commands.add_parser("published")
    command.add_argument("folder", type=Path)
    command.add_argument("--wheel", type=Path)
    arguments = vars(parser.parse_args())
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with torch.no_grad():
        {"layers": layers, "tiny": tiny, "of": of, "full": full, "published": published}[
            arguments.pop("command")
        ](**arguments)


if __name__ == "__main__":
    main()
