"""The shipped networks as PyTorch modules and ONNX files, for the tools that hold other runtimes beside ours."""
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from persona import campplus  # noqa: E402
from persona.networks import Persona  # noqa: E402


def segment_means(x, length):
    """That of `persona.campplus` in slices: the exporter's `split` leaves no shorter last segment."""
    parts = [x[:, :, start : start + length] for start in range(0, x.shape[2], length)]
    return torch.cat([part.mean(2, keepdim=True).expand_as(part) for part in parts], dim=2)


campplus.segment_means = segment_means


def load(name):
    """A system file as PyTorch module, and its manifest."""
    with safe_open(ROOT / f"weights/{name}.safetensors", "pt") as file:
        manifest = json.loads(file.metadata()["persona"])
        state = {key: file.get_tensor(key).float() for key in file.keys()}
    module = Persona(bands(manifest["frontend"]), manifest["representation"], manifest["trunk"])
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing), (missing, unexpected)
    return module.eval(), manifest


def bands(front):
    return front["n_mels"] if front["kind"] == "logmel" else front["mel_opts"]["num_bins"]


class Answers(torch.nn.Module):
    """The three answers as a tuple, which an ONNX graph can return."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        answers = self.module(x)
        return answers["emotion"].softmax(1), answers["gender"].softmax(1), answers["age"]


def export(module, example, path):
    """The answers' graph for any number of windows [windows, frames, bands] such as `example`'s two."""
    shapes = {"x": {0: "windows"}}
    torch.onnx.export(Answers(module).eval(), (example,), str(path), input_names=["x"], dynamic_axes=shapes, opset_version=17, dynamo=False)
