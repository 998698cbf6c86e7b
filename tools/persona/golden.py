"""Golden values of networks: random weights, manifests for them, and signed files."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from . import model_file

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden"


def save(path, tensors, made_by, **signature):
    """Writes tensors in f32 and signs them with the script that made them, torch's version and
    `signature`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().float().contiguous().clone() for name, value in tensors.items()}
    signature = {"made_by": made_by, "torch": torch.__version__, **signature}
    # one key: safetensors writes several in an order that changes from run to run
    save_file(tensors, path, metadata={"golden": json.dumps(signature)})
    print(f"{path}: {path.stat().st_size} bytes")


def randomise(model, generator):
    """Draws every parameter and running statistic anew, scaled so that activations neither vanish
    nor explode."""
    for name, value in model.state_dict().items():
        if name.endswith(("running_var", "representation.scale")):
            value.copy_(0.2 + 2 * torch.rand(value.shape, generator=generator))
        elif name.endswith("num_batches_tracked"):
            continue
        elif value.dim() > 1:
            scale = (2 / value[0].numel()) ** 0.5
            value.copy_(torch.randn(value.shape, generator=generator) * scale)
        else:
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(0.3 * noise + name.endswith("norm.weight"))
    return model.eval()


def random_weights_manifest(name, made_by, frontend, representation, trunk):
    """The manifest of a model with random weights."""
    return {
        "name": name,
        "created_by": made_by,
        "licence": "CC0-1.0",
        "data": {"corpus": "none: random weights"},
        "frontend": frontend,
        "representation": representation,
        "trunk": trunk,
        "heads": model_file.heads(41.5, 13.25, {"emotion": 1.5, "gender": 0.75}),
        "scores": [],
    }
