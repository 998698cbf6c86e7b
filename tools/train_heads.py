#!/usr/bin/env python3
"""Makes a system of an imported network: trains trunk and heads on what it gives for labelled recordings, and writes one file that answers.

    persona-engine model import wavlm model.safetensors config.json -o wavlm.safetensors
    python tools/train_heads.py wavlm.safetensors clips.csv -o wavlm-fcn.safetensors
    persona-engine infer call.wav --model wavlm-fcn.safetensors

clips.csv, or a folder with one table in it, is what `persona-engine eval` takes: `file` (paths from the table's folder), `emotion`, `gender` or `sex`,
`age`, and `speaker` or `actor`. The network hears every recording once, through the program itself, in windows of 3 s. What it gives is kept with
--vectors, so that the next trunk need not hear them again.

Measured are folds of clips at random and folds of speakers, none of whom was heard in training: those of the columns fold_clip, fold_actor (and any other
fold_…: its value is the clip's fold), where the table has them, or else five of each. The scores, the recipe, and the temperatures and interval of age
that the answers to unheard speakers gave go into the file's header; the heads of the file itself are trained on all clips. Needs tools/requirements.txt.
"""
import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import load_file, save

import train
from persona import networks, system_file
from persona.campplus import CamPlusPlus
from persona.systems import CONVOLVED, Recipe, System
from persona.training import Run
from persona.vectors import Vectors

EMOTIONS = system_file.heads(0, 1)["emotion"]["labels"]
SEXES = system_file.heads(0, 1)["gender"]["labels"]
TRUNKS = {
    "fcn": (networks.FCN, Recipe(epochs=45, dropout=0.1, voices=0.0)),
    "cnn": (networks.CNN, replace(CONVOLVED, voices=0.0)),
}
PROTOCOLS = {"fold_clip": "clips at random", "fold_actor": "voices not heard before", "fold_sentence": "sentences not heard before"}
FILES_AT_ONCE = 200
FEWEST_CLIPS = 40


def arguments():
    built = Path(__file__).resolve().parent.parent / "target" / "release" / "persona-engine"
    program = shutil.which("persona-engine") or built
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("network", type=Path, help="what `persona-engine model import` wrote")
    ap.add_argument("table", type=Path, help="labelled recordings: a table, or a folder with one")
    ap.add_argument("-o", "--output", type=Path, required=True, help="the system file")
    ap.add_argument("--trunk", choices=TRUNKS, default="fcn")
    ap.add_argument("--taps", nargs="+", help="of CAM++: where it is listened to, such as block1 block2 block3 final; its embedding unless told")
    ap.add_argument("--window-s", type=float, default=3.0, help="the longest stretch that the network hears at once, seconds (3)")
    ap.add_argument("--vectors", type=Path, help="what the network gives: taken from this .npy, or written there")
    ap.add_argument("--folds", type=int, default=5, help="where the table has no columns of them (5)")
    ap.add_argument("--epochs", type=int, help="instead of the trunk's own number")
    ap.add_argument("--jobs", type=int, default=os.cpu_count(), help="recordings that are heard at a time (all cores)")
    ap.add_argument("--program", type=Path, default=program, help="persona-engine (the one in $PATH, or target/release)")
    return ap.parse_args()


def table_of(path):
    """The table itself, or the only one in a folder."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.csv"))
    if len(found) != 1:
        raise SystemExit(f"{path}: {len(found)} tables (*.csv) in this folder, one expected")
    return found[0]


def labelled(path):
    """The table's rows as the training takes clips."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if len(rows) < FEWEST_CLIPS:
        raise SystemExit(f"{path}: {len(rows)} clips; at least {FEWEST_CLIPS} are needed to measure anything")

    def column(*names, read, needed=True):
        name = next((name for name in names if name in rows[0]), None)
        if name is None and needed:
            raise SystemExit(f"{path}: no column {' or '.join(names)}; it has {', '.join(rows[0])}")
        values = []
        for line, row in enumerate(rows if name else [], start=2):
            try:
                values.append(read(row[name].strip()))
            except (ValueError, AttributeError) as error:
                raise SystemExit(f"{path}, line {line}: {name} is {row[name]!r}: {error}") from None
        return values

    return SimpleNamespace(
        rows=rows,
        files=[path.parent / file for file in column("file", read=some)],
        emotion=torch.tensor(column("emotion", read=one_of(EMOTIONS))),
        sex=torch.tensor(column("gender", "sex", read=one_of(SEXES))),
        age=torch.tensor(column("age", read=years)),
        speaker=np.array(column("speaker", "actor", read=some, needed=False)),
    )


def some(value):
    if not value:
        raise ValueError("a value is needed")
    return value


def years(value):
    if not 0 < float(value) < 130:
        raise ValueError("no age in years")
    return float(value)


def one_of(labels):
    """Reads a label by its first three letters, as corpora abbreviate them: ANG, angry and anger are one."""

    def read(value):
        found = [i for i, label in enumerate(labels) if value and label.startswith(value.lower()[:3])]
        if len(found) != 1:
            raise ValueError(f"none of {', '.join(labels)}")
        return found[0]

    return read


def protocols(clips, count):
    """{protocol: indices of each fold's clips}: by the table's columns or, where it has none, at random."""
    told = [name for name in clips.rows[0] if name.startswith("fold_")]
    if told:
        keys = {name: np.array([row[name] for row in clips.rows]) for name in told}
        return {name: [np.flatnonzero(of == fold) for fold in np.unique(of)] for name, of in keys.items()}
    keys = {"fold_clip": np.arange(len(clips.rows)).astype(str)}
    if len(np.unique(clips.speaker)) >= count:
        keys["fold_actor"] = clips.speaker
    else:
        print(f"{len(np.unique(clips.speaker))} speakers: voices not heard before are not measured", file=sys.stderr)
    shuffled = {name: np.random.default_rng(1).permutation(np.unique(of)) for name, of in keys.items()}
    return {name: [np.flatnonzero(np.isin(keys[name], of[k::count])) for k in range(count)] for name, of in shuffled.items()}


def heard(args, manifest, files):
    """What the network gives for recordings, each in windows as the system will hear it: [files, dim]."""
    if args.vectors and args.vectors.exists():
        return torch.from_numpy(np.load(args.vectors)).float()
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.safetensors"
        write(network, manifest, tensors_of(args.network, manifest))

        def embed(first):
            out = Path(folder) / f"{first}.npy"
            some = files[first : first + FILES_AT_ONCE]
            told_by(args.program, "embed", "--quiet", "--model", network, "-o", out, "--", *some)
            print(f"heard {min(first + FILES_AT_ONCE, len(files)):,} of {len(files):,}", end="\r", file=sys.stderr)
            return np.load(out)

        with ThreadPoolExecutor(args.jobs) as pool:
            vectors = np.concatenate(list(pool.map(embed, range(0, len(files), FILES_AT_ONCE))))
    if args.vectors:
        np.save(args.vectors, vectors)
    return torch.from_numpy(vectors).float()


def tensors_of(network, manifest):
    """The network's tensors, without those behind CAM++'s last tap, which nobody listens to."""
    tensors, representation = load_file(network), manifest["representation"]
    if representation["kind"] == "campplus":
        needed = CamPlusPlus(system_file.bands(manifest["frontend"]), {**representation, "normalise": False}).state_dict()
        tensors = {name: value for name, value in tensors.items() if name.removeprefix("campplus.") in needed}
    return tensors


def answered(system, vectors, clips, test):
    """Answers to some clips by a top that was trained on the others."""
    run = Run(system, vectors, clips, np.setdiff1d(np.arange(len(clips.rows)), test)).run()
    return {"index": test, **{key: value.numpy() for key, value in run.answers(test).items()}}


def with_top(tensors, top, representation):
    """The network's tensors and the top's. The standardisation of the vectors goes into the first dense layer or, before convolutions, into the
    x-vector's last layer; of other networks it stays a step of its own."""
    parts = {"trunk": top.trunk, "heads": top.heads}
    own = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    mean, scale = top.standardise.mean, top.standardise.scale
    if not top.trunk.conv:
        weight = own["trunk.dense.0.weight"] / scale
        own["trunk.dense.0.weight"] = weight
        own["trunk.dense.0.bias"] = own["trunk.dense.0.bias"] - weight @ mean
    elif representation["kind"] == "xvector" and not representation["embedding_norm"]:
        own["xvector.embedding.weight"] = tensors["xvector.embedding.weight"] / scale[:, None]
        own["xvector.embedding.bias"] = (tensors["xvector.embedding.bias"] - mean) / scale
    elif "normalise" in representation:
        representation["normalise"] = True
        own |= {"representation.mean": mean, "representation.scale": scale}
    else:
        raise SystemExit(f"the cnn trunk needs vectors that can be standardised, and those of this {representation['kind']} cannot: use --trunk fcn")
    return tensors | own


def write(path, manifest, tensors):
    """A model file."""
    tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
    manifest = {**manifest, "sha256": system_file.tensors_sha256(tensors)}
    path.write_bytes(save(tensors, metadata={"persona": json.dumps(manifest)}))


def write_taken(program, path, manifest, tensors):
    """A system file that the program takes: it appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.resolve().parent, prefix=".") as folder:
        part = Path(folder) / path.name
        write(part, manifest, tensors)
        told_by(program, "model", "show", part)
        part.replace(path)


def told_by(program, *arguments):
    """What the program prints; where it fails, its message ends this script."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


def told(name, row):
    """A row of scores in one line."""
    cell = lambda key, unit: f"{row[key]['mean']:5.1f} ± {row[key]['std']:.1f} {unit}"
    what = PROTOCOLS.get(row["protocol"], row["protocol"])
    return f"{name}, {what:26}  emotion {cell('emotion_accuracy', '%')}   gender {cell('gender_accuracy', '%')}   age RMSE {cell('age_rmse', 'years')}"


def main():
    args = arguments()
    table = table_of(args.table)
    clips, manifest = labelled(table), system_file.manifest_of(args.network)
    if "heads" in manifest:
        raise SystemExit(f"{args.network}: has heads already; give a network that `persona-engine model import` wrote")
    manifest["frontend"]["window_s"] = args.window_s
    manifest["representation"] |= {"taps": args.taps} if args.taps else {}
    folds = protocols(clips, args.folds)
    vectors = heard(args, manifest, clips.files)
    if len(vectors) != len(clips.rows):
        raise SystemExit(f"{args.vectors}: {len(vectors)} vectors for {len(clips.rows)} clips: those of another table")
    vectors = Vectors(vectors[None], vectors[:0], vectors[:0], vectors, clips.sex)
    trunk, recipe = TRUNKS[args.trunk]
    recipe = replace(recipe, batch=min(recipe.batch, len(clips.rows)), epochs=args.epochs or recipe.epochs)
    system = System(manifest["frontend"], {"kind": "imported"}, trunk, recipe)
    rows, answers, name = [], {}, args.output.stem
    for protocol, parts in folds.items():
        answers[protocol] = [answered(system, vectors, clips, test) for test in parts]
        rows.append(train.row(name, protocol, answers[protocol], clips))
        print(told(name, rows[-1]), flush=True)
    fitted = train.fit(answers.get("fold_actor", next(iter(answers.values()))), clips)
    if not np.all(np.diff(fitted["interval"]["knots_years"]) > 0):
        print("all ages are answered alike: the file has no interval of age", file=sys.stderr)
        fitted["interval"] = None
    run = Run(system, vectors, clips, np.arange(len(clips.rows))).run()
    tensors = with_top(tensors_of(args.network, manifest), run.top, manifest["representation"])
    of = {"table": table.name, "clips": len(clips.rows), "actors": sorted(set(clips.speaker.tolist())), "recipe": asdict(recipe)}
    manifest |= {
        "name": name,
        "created_by": "tools/train_heads.py",
        "licence": f"network: {manifest['licence']}; heads: that of the recordings",
        "data": {**{f"network {key}": value for key, value in manifest["data"].items()}, **of},
        "trunk": trunk,
        "heads": system_file.heads(run.age_mean, run.age_scale, fitted, fitted["interval"]),
        "scores": [{key: value for key, value in row.items() if key != "per_fold"} for row in rows],
    }
    write_taken(args.program, args.output, manifest, tensors)
    print(f"{args.output}: written, {args.output.stat().st_size / 1e6:.1f} MB; it answers: {args.program} infer call.wav --model {args.output}")


if __name__ == "__main__":
    main()
