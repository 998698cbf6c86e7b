#!/usr/bin/env python3
"""Makes a system of an imported network: trains trunk and heads on what it gives for labelled recordings, and writes one file that answers.

    persona-engine model import wavlm model.safetensors config.json -o wavlm.safetensors
    python tools/train_heads.py wavlm.safetensors clips.csv -o wavlm-fcn.safetensors --program target/release/persona-engine [--trunk cnn]
    persona-engine infer call.wav --model wavlm-fcn.safetensors

clips.csv is what `persona-engine eval` takes: `file` (paths from the table's folder), `emotion`, `gender` or `sex`, `age`, `speaker` or `actor`. The
network hears every recording once, through the program itself. Scores are measured over folds of clips and over folds of speakers, none of whom was
heard in training; they, the recipe and the temperatures and interval of age that the folds' answers gave go into the file's header.
"""
import argparse
import csv
import json
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import load_file, save

import train
from persona import networks, system_file
from persona.systems import Recipe, System
from persona.training import Run
from persona.vectors import Vectors

EMOTIONS = system_file.heads(0, 1)["emotion"]["labels"]
SEXES = system_file.heads(0, 1)["gender"]["labels"]
TRUNKS = {"fcn": networks.FCN, "cnn": networks.CNN}
FILES_AT_ONCE = 500


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("network", type=Path)
    ap.add_argument("table", type=Path)
    ap.add_argument("-o", "--output", type=Path, required=True)
    ap.add_argument("--program", type=Path, required=True)
    ap.add_argument("--trunk", choices=TRUNKS, default="fcn")
    ap.add_argument("--folds", type=int, default=5)
    ap.add_argument("--epochs", type=int, default=30)
    return ap.parse_args()


def labelled(path):
    """The table's rows as the training takes clips."""
    rows = list(csv.DictReader(path.open(newline="")))
    column = lambda *names: next([row[n] for row in rows] for n in names if n in rows[0])
    number = lambda labels, value: next(i for i, label in enumerate(labels) if label.startswith(value.strip().lower()[:3]))
    return SimpleNamespace(
        rows=rows,
        emotion=torch.tensor([number(EMOTIONS, value) for value in column("emotion")]),
        sex=torch.tensor([number(SEXES, value) for value in column("gender", "sex")]),
        age=torch.tensor([float(value) for value in column("age")]),
        speaker=np.array(column("speaker", "actor")),
    )


def heard(program, network, files):
    """What the network gives for recordings: [files, dim]."""
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for first in range(0, len(files), FILES_AT_ONCE):
            out = Path(folder) / f"{first}.npy"
            some = files[first : first + FILES_AT_ONCE]
            subprocess.run([program, "embed", "--quiet", "--model", network, "-o", out, *some], check=True)
            parts.append(np.load(out))
    return torch.from_numpy(np.concatenate(parts)).float()


def folds(keys, count):
    """Indices of each fold's clips: those of one key stay together."""
    names = np.random.default_rng(1).permutation(np.unique(keys))
    return [np.flatnonzero(np.isin(keys, names[k::count])) for k in range(count)]


def answered(system, vectors, clips, test):
    """Answers to some clips by a top that was trained on the others."""
    run = Run(system, vectors, clips, np.setdiff1d(np.arange(len(clips.rows)), test), None).run()
    return {"index": test, **{key: value.numpy() for key, value in run.answers(test).items()}}


def top_tensors(top, representation):
    """Trunk and heads by name. The standardisation becomes a part of the first dense layer; before convolutions it stays one of its own."""
    parts = {"trunk": top.trunk, "heads": top.heads}
    tensors = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    if not top.trunk.conv:
        weight = tensors["trunk.dense.0.weight"] / top.standardise.scale
        tensors["trunk.dense.0.weight"] = weight
        tensors["trunk.dense.0.bias"] = tensors["trunk.dense.0.bias"] - weight @ top.standardise.mean
        return tensors
    if "normalise" not in representation:
        raise SystemExit(f"the cnn trunk needs a representation that can be standardised; {representation['kind']} cannot: use --trunk fcn")
    representation["normalise"] = True
    return tensors | {"representation.mean": top.standardise.mean, "representation.scale": top.standardise.scale}


def write(path, network, manifest, top):
    """The network's tensors as they are, and the top's."""
    tensors = {**load_file(network), **top_tensors(top, manifest["representation"])}
    tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
    manifest = {**manifest, "sha256": system_file.tensors_sha256(tensors)}
    path.write_bytes(save(tensors, metadata={"persona": json.dumps(manifest)}))


def main():
    args = arguments()
    clips, manifest = labelled(args.table), system_file.manifest_of(args.network)
    vectors = heard(args.program, args.network, [args.table.parent / row["file"] for row in clips.rows])
    vectors = Vectors(vectors[None], vectors[:0], vectors, clips.sex)
    recipe = Recipe(epochs=args.epochs, batch=min(256, len(clips.rows)), voices=0.0)
    system = System(manifest["frontend"], {"kind": "imported"}, TRUNKS[args.trunk], recipe)
    rows, name = [], args.output.stem
    for protocol, keys in (("fold_clip", np.arange(len(clips.rows))), ("fold_actor", clips.speaker)):
        apart = [answered(system, vectors, clips, test) for test in folds(keys, args.folds)]
        rows.append(train.row(name, protocol, apart, clips))
        figures = ("emotion_accuracy", "gender_accuracy", "age_rmse")
        print(f"{name} {protocol}: " + "  ".join(f"{key} {rows[-1][key]['mean']:.2f}" for key in figures), flush=True)
    fitted = train.fit(apart, clips)
    run = Run(system, vectors, clips, np.arange(len(clips.rows)), None).run()
    temperature = {head: fitted[head] for head in ("emotion", "gender")}
    of = {"table": args.table.name, "clips": len(clips.rows), "actors": sorted(set(clips.speaker.tolist())), "recipe": asdict(recipe)}
    manifest |= {
        "name": name,
        "created_by": "tools/train_heads.py",
        "licence": f"network: {manifest['licence']}; heads: that of the recordings",
        "data": {**{f"network {key}": value for key, value in manifest["data"].items()}, **of},
        "trunk": TRUNKS[args.trunk],
        "heads": system_file.heads(run.age_mean, run.age_scale, temperature, fitted["interval"]),
        "scores": [{key: value for key, value in row.items() if key != "per_fold"} for row in rows],
    }
    write(args.output, args.network, manifest, run.top)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
