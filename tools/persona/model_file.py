"""Model files: safetensors whose header contains the whole configuration as key `persona`."""

import hashlib
import json

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

FORMAT = 1

LOGMEL = {
    "kind": "logmel",
    "sample_rate_hz": 16000,
    "n_fft": 1024,
    "hop_length": 256,
    "window": "hann_periodic",
    "padding": "zeros_centred",
    "n_mels": 128,
    "mel_scale": "slaney",
    "mel_norm": "slaney",
    "f_min_hz": 0.0,
    "f_max_hz": 8000.0,
    "power": 2.0,
    "amin": 1e-10,
    "reference": "max",
    "top_db": 80.0,
    "window_s": 3.0,  # the longest chunk
    # the network's input: (dB + offset_db) / scale_db, optionally minus each band's mean over time
    "normalisation": {"mean_over_time": False, "offset_db": 40.0, "scale_db": 20.0},
}


def bands(frontend):
    """Number of columns of a front-end's features."""
    kind = frontend["kind"]
    if kind == "logmel":
        return frontend["n_mels"]
    if kind == "kaldi-mfcc":
        return frontend["num_ceps"]
    return frontend["mel_opts"]["num_bins"] + frontend["use_energy"]


def normalised(features, frontend):
    """The front-end's output [frames, columns] → the network's input."""
    logmel = frontend["kind"] == "logmel"
    recipe = frontend["normalisation"] if logmel else frontend
    if recipe["mean_over_time"]:
        features = features - features.mean(dim=0, keepdim=True)
    return (features + recipe["offset_db"]) / recipe["scale_db"] if logmel else features


OPEN_DATABASE = (
    "made from CREMA-D under the Open Database License 1.0; attribution: Cao et al. 2014"
)
OTHER_CORPORA = (
    "LibriSpeech train-clean-100 (251 speakers, CC BY 4.0), "
    "spoken commands (Picovoice benchmarks, Apache-2.0)"
)
PRETRAINING = {
    "campplus": {
        "pretraining": "CAM++ of 3D-Speaker (iic/speech_campplus_sv_zh_en_16k-common_advanced), "
        "about 200,000 speakers",
        "alignment": "CREMA-D's clips reconstructed from spectrograms; embeddings of reconstructed "
        f"audio aligned to those of recorded audio on {OTHER_CORPORA}, no labels used",
    },
    "whisper": {
        "second_pretraining": "encoder of Whisper base (OpenAI, MIT), layers 1 to 3",
    },
    "xvector": {
        "pretraining": "distilled from CAM++ (3D-Speaker, Apache-2.0) on CREMA-D's clips and "
        f"{OTHER_CORPORA}; no label of CREMA-D used",
    },
}


def licence(kind):
    if kind == "campplus":
        return f"CAM++: Apache-2.0 (3D-Speaker); heads: {OPEN_DATABASE}"
    if kind == "campplus-whisper":
        return f"CAM++: Apache-2.0 (3D-Speaker); Whisper: MIT (OpenAI); heads: {OPEN_DATABASE}"
    return OPEN_DATABASE


def heads(age_mean, age_scale, temperature=None, interval=None):
    """The manifest's `heads`."""
    temperature = temperature or {"emotion": 1.0, "gender": 1.0}
    age = {"mean_years": age_mean, "scale_years": age_scale}
    if interval:
        age["interval"] = interval
    return {
        "emotion": {
            "labels": ["anger", "disgust", "fear", "happiness", "neutral", "sadness"],
            "temperature": temperature["emotion"],
        },
        "gender": {"labels": ["female", "male"], "temperature": temperature["gender"]},
        "age": age,
    }


def manifest_of(path):
    """The manifest in a model file's header."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["persona"])


def load_into(network, path):
    """Loads a model file's tensors, converted to f32, into a `networks.Persona`. Fails where the
    names differ."""
    tensors = {name: value.float() for name, value in load_file(path).items()}
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    assert not unexpected and not missing, (missing, unexpected)
    return network.eval()


def tensors_sha256(tensors):
    """SHA-256 over the tensors in the order of their names: name, 0 byte, little-endian data."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0")
        digest.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def stored(name, value, dtype=torch.float16):
    """A tensor as it is written: `dtype`, but f32 for some of CAM++'s.

    Its vectors (norms and biases), first convolutions and last layer are a thirtieth of its weights
    and cause most of the rounding error. The embedding of the reference clip, whose values reach
    1.7, is off by 3e-3 with everything in f16 and by 9e-4 like this; the statistics before it by
    1e-3 and 4e-4."""
    first_or_last = name.startswith(("campplus.head.", "campplus.xvector.dense."))
    exact = first_or_last or (name.startswith("campplus.") and value.dim() == 1)
    return value.detach().cpu().to(torch.float32 if exact else dtype).contiguous()


def write(path, model, manifest, dtype=torch.float16):
    """Writes `model`'s tensors, converted by `stored`, with `manifest` (all keys except format and
    sha256) in the header."""
    tensors = {
        name: stored(name, value, dtype)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tensors, {"format": FORMAT, **manifest})


def write_tensors(path, tensors, manifest):
    """Writes tensors as they are, with `manifest` and their SHA-256 in the header."""
    manifest = {**manifest, "sha256": tensors_sha256(tensors)}
    path.write_bytes(save(tensors, metadata={"persona": json.dumps(manifest)}))
