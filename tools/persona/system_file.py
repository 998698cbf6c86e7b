"""Writing a system: one safetensors file whose header carries the whole recipe under the key `persona`."""
import hashlib
import json

import torch
from safetensors import safe_open
from safetensors.torch import save

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
    "window_s": 3.0,
    # what the network sees: (dB + offset_db) / scale_db, after the mean over time of each band is taken off if asked
    "normalisation": {"mean_over_time": False, "offset_db": 40.0, "scale_db": 20.0},
}


def bands(frontend):
    """Columns of a front-end's features."""
    kind = frontend["kind"]
    if kind == "logmel":
        return frontend["n_mels"]
    return frontend["num_ceps"] if kind == "kaldi-mfcc" else frontend["mel_opts"]["num_bins"] + frontend["use_energy"]


def normalised(features, frontend):
    """[frames, columns] as the front-end gives them → what the network sees."""
    logmel = frontend["kind"] == "logmel"
    recipe = frontend["normalisation"] if logmel else {"mean_over_time": frontend["mean_over_time"]}
    if recipe["mean_over_time"]:
        features = features - features.mean(dim=0, keepdim=True)
    return (features + recipe["offset_db"]) / recipe["scale_db"] if logmel else features


OPEN_DATABASE = "made from CREMA-D under the Open Database License 1.0; attribution: Cao et al. 2014"
OUTSIDE = "LibriSpeech train-clean-100 (251 speakers, CC BY 4.0), spoken commands (Picovoice benchmarks, Apache-2.0)"
PRETRAINING = {
    "campplus": {
        "pretraining": "CAM++ of 3D-Speaker (iic/speech_campplus_sv_zh_en_16k-common_advanced), about 200,000 speakers",
        "alignment": f"CREMA-D's clips inverted to audio from spectrograms; made and real audio aligned on {OUTSIDE}, no labels used",
    },
    "xvector": {
        "pretraining": f"told what CAM++ hears (3D-Speaker, Apache-2.0) in CREMA-D's clips and in {OUTSIDE}; no label of CREMA-D used",
    },
}


def licence(kind):
    return f"CAM++: Apache-2.0 (3D-Speaker); heads: {OPEN_DATABASE}" if kind == "campplus" else OPEN_DATABASE


def heads(age_mean, age_scale, temperature=None, interval=None):
    temperature = temperature or {"emotion": 1.0, "gender": 1.0}
    return {
        "emotion": {
            "labels": ["anger", "disgust", "fear", "happiness", "neutral", "sadness"],
            "temperature": temperature["emotion"],
        },
        "gender": {"labels": ["female", "male"], "temperature": temperature["gender"]},
        "age": {"mean_years": age_mean, "scale_years": age_scale, **({"interval": interval} if interval else {})},
    }


def manifest_of(path):
    """The manifest in a system file's header."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["persona"])


def tensors_sha256(tensors):
    """SHA-256 over the tensors in the order of their names: name, 0 byte, little-endian data."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0")
        digest.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def stored(name, value, dtype=torch.float16):
    """A tensor as it is written: `dtype`, but for some of CAM++'s, which stay in f32: its vectors (norms and biases), its first convolutions and its
    last layer are a thirtieth of its weights and most of what rounding does. The embedding of the reference clip, whose values reach 1.7, is 3e-3 off
    with all in f16 and 9e-4 off so; the statistics before it 1e-3 and 4e-4."""
    first_or_last = name.startswith(("campplus.head.", "campplus.xvector.dense."))
    exact = first_or_last or (name.startswith("campplus.") and value.dim() == 1)
    return value.detach().cpu().to(torch.float32 if exact else dtype).contiguous()


def write(path, model, manifest, dtype=torch.float16):
    """Writes `model`'s tensors, as `stored` has them, with `manifest` (all keys but format and sha256) in the header."""
    tensors = {
        name: stored(name, value, dtype)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    manifest = {"format": FORMAT, **manifest, "sha256": tensors_sha256(tensors)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(tensors, metadata={"persona": json.dumps(manifest)}))
