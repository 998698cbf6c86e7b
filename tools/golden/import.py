#!/usr/bin/env python3
"""Golden values of the importers: checkpoints of other toolkits with random weights, and the
outputs that those toolkits compute with them.

    python tools/golden/import.py                writes tests/golden/import/*
    python tools/golden/import.py full FOLDER    writes the same at published sizes; the environment
                                                 variable CAMPPLUS names a published checkpoint

    torch-*.pt, torch.safetensors                checkpoints by torch.save, and their tensors
    campplus.pt, campplus.safetensors            CAM++ (names of 3D-Speaker's checkpoints),
                                                 features, embedding
    speechbrain.ckpt, speechbrain.safetensors    SpeechBrain's Xvector as its Checkpointer saves it:
                                                 samples, features, layers, embedding

Bit-identical with the same versions. SpeechBrain adds noise of 1e-5 to 9e-5 to the pooled means at
every call; it is disabled here, and its effect on the embedding is stated in the header
(`noise_moves`). Needs tools/requirements.lock.
"""

import copy
import importlib.machinery
import importlib.metadata
import json
import os
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from persona import campplus, golden
from persona.synthetic_audio import speech_like

GOLDEN = golden.FOLDER / "import"


def save_golden(path, tensors, **more):
    """Writes expected values, signed."""
    signature = {"made_by": "tools/golden/import.py", "torch": torch.__version__, **more}
    tensors = {key: value.detach().contiguous().clone() for key, value in tensors.items()}
    save_file(tensors, path, metadata={"golden": json.dumps(signature)})
    print(f"{path}: {path.stat().st_size} bytes")


def write_torch(folder):
    """Every type, views into shared storages, parameters; flat, nested, and from several devices;
    each pickle protocol."""
    draw = torch.Generator().manual_seed(1)
    values = torch.randn(4, 6, generator=draw)
    state = OrderedDict(
        f32=values[:2, :3].clone(),
        f16=torch.randn(5, generator=draw).half(),
        bf16=torch.randn(2, 2, generator=draw).bfloat16(),
        transposed=values.T,
        columns=values[:, 1:3],
        parameter=torch.nn.Parameter(values[1]),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
    )
    save_golden(folder / "torch.safetensors", state)
    counted = OrderedDict(state, **{"norm.num_batches_tracked": torch.tensor(7)})
    counted._metadata = OrderedDict(version=1)
    torch.save(counted, folder / "torch-flat.pt")
    config = {
        "layers": 12,
        "rate": 0.5,
        "name": "tiny",
        "norm": True,
        "sizes": [3, -4, 5],
        "none": None,
    }
    torch.save({"cfg": config, "model": counted}, folder / "torch-nested.pt", pickle_protocol=4)
    torch.save(
        {f"module.{name}": value for name, value in state.items()},
        folder / "torch-devices.pt",
        pickle_protocol=5,
    )
    torch.save({"a": state, "b": state}, folder / "torch-two.pt")
    torch.save({"optimizer": torch.optim.SGD, "model": state}, folder / "torch-optimizer.pt")


def features_like_speech(frames, bands, generator):
    """Natural logarithms of energies, smooth over bands."""
    x = torch.nn.functional.avg_pool1d(
        torch.randn(1, frames, bands + 8, generator=generator), 9, 1
    )[0]
    return -8 + 6 * x


def write_campplus(folder, sizes, frames, state=None):
    generator = torch.Generator().manual_seed(2)
    config = {**copy.deepcopy(campplus.CAMPPLUS), **sizes, "taps": ["embedding"]}
    model = golden.randomise(campplus.CamPlusPlus(80, config), generator)
    if state is not None:
        model.load_published(state)
    torch.save(model.state_dict(), folder / "campplus.pt")
    features = features_like_speech(frames, 80, generator)
    embedding = model((features - features.mean(0))[None])[0]
    save_golden(folder / "campplus.safetensors", {"features": features, "embedding": embedding})


def import_speechbrain():
    """Imports SpeechBrain without torchaudio, which its Xvector and Fbank do not use."""
    torchaudio = types.ModuleType("torchaudio")
    torchaudio.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    torchaudio.__version__ = "2.0.0"
    sys.modules.setdefault("torchaudio", torchaudio)
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.Xvector import Xvector
    from speechbrain.processing.features import InputNormalization

    return Fbank, Xvector, InputNormalization


def write_speechbrain(folder, channels, embedding, samples):
    Fbank, Xvector, InputNormalization = import_speechbrain()
    generator = torch.Generator().manual_seed(3)
    model = golden.randomise(
        Xvector(in_channels=24, tdnn_channels=channels, lin_neurons=embedding), generator
    )
    torch.save(model.state_dict(), folder / "speechbrain.ckpt")
    samples = torch.tensor(samples)
    features = Fbank(n_mels=24)(samples[None])
    x = InputNormalization(norm_type="sentence", std_norm=False)(features, torch.ones(1))
    noisy = model(x, torch.ones(1))[0, 0]
    pooling = model.blocks[-2]
    pooling._get_gauss_noise = lambda shape, device: torch.zeros(shape)
    seen = {"samples": samples, "features": features[0], "embedding": model(x, torch.ones(1))[0, 0]}
    for i in range(0, 15, 3):
        x = model.blocks[i + 2](model.blocks[i + 1](model.blocks[i](x)))
        seen[f"xvector.tdnn.{i // 3}"] = x[0]
    moves = (noisy - seen["embedding"]).abs().max().item()
    version = importlib.metadata.version("speechbrain")
    save_golden(
        folder / "speechbrain.safetensors", seen, speechbrain=version, noise_moves=f"{moves:.1e}"
    )


def small(folder):
    write_torch(folder)
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
        "embedding": 11,
    }
    write_campplus(folder, sizes, frames=230)
    write_speechbrain(folder, [11, 9, 13, 7, 17], 10, speech_like()[:8000].astype(np.float32))


def full(folder):
    published = os.environ.get("CAMPPLUS")
    state = torch.load(published, weights_only=True, map_location="cpu") if published else None
    write_campplus(folder, {}, frames=298, state=state)
    write_speechbrain(
        folder, [512, 512, 512, 512, 1500], 512, np.tile(speech_like(), 10).astype(np.float32)
    )


def main():
    torch.set_num_threads(1)
    with torch.no_grad():
        if sys.argv[1:2] == ["full"]:
            folder = Path(sys.argv[2])
            folder.mkdir(parents=True, exist_ok=True)
            full(folder)
        else:
            GOLDEN.mkdir(parents=True, exist_ok=True)
            small(GOLDEN)


if __name__ == "__main__":
    main()
