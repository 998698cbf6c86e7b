"""The shipped networks as PyTorch modules and as ONNX files, for benchmarks of other runtimes."""

from pathlib import Path

import torch

from . import model_file
from .networks import Persona

ROOT = Path(__file__).resolve().parents[2]


def load(name):
    """A shipped model as a PyTorch module, and its manifest."""
    path = ROOT / f"weights/{name}.safetensors"
    manifest = model_file.manifest_of(path)
    bands = model_file.bands(manifest["frontend"])
    network = Persona(bands, manifest["representation"], manifest["trunk"])
    return model_file.load_into(network, path), manifest


class Outputs(torch.nn.Module):
    """The three outputs as a tuple, which an ONNX graph can return."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        out = self.module(x)
        return out["emotion"].softmax(1), out["gender"].softmax(1), out["age"]


def export(module, example, path):
    """Exports the outputs' graph for any number of chunks [chunks, frames, bands], such as the two
    of `example`."""
    torch.onnx.export(
        Outputs(module).eval(),
        (example,),
        str(path),
        input_names=["x"],
        dynamic_axes={"x": {0: "chunks"}},
        opset_version=17,
        dynamo=False,
    )
