"""WavLM at published sizes as a model file, with a random trunk and heads."""

import torch

from . import golden, model_file, networks, wavlm


def write(folder, size, model, made_by, chunk_s=60.0):
    """Writes `folder`/wavlm-SIZE.safetensors in f32; returns its path and the front-end."""
    representation = wavlm.representation(model.config)
    frontend = {**wavlm.RAW, "do_normalize": size == "large", "window_s": chunk_s}
    path = folder / f"wavlm-{size}.safetensors"
    manifest = golden.random_weights_manifest(
        path.stem, made_by, frontend, representation, networks.FCN
    )
    whole = wavlm.WavLmWithHeads(model, representation, networks.FCN)
    model_file.write(path, whole, manifest, dtype=torch.float32)
    return path, frontend
