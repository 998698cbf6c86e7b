#!/usr/bin/env python3
"""Trains a trunk and heads on an imported network and writes one model file.

    persona-engine model import wavlm model.safetensors config.json -o wavlm.safetensors
    python tools/train/train_heads.py wavlm.safetensors clips.csv -o wavlm-fcn.safetensors
    persona-engine infer call.wav --model wavlm-fcn.safetensors

clips.csv, or a folder that contains one table, has the columns that `persona-engine eval` reads:
`file` (paths relative to the table's folder), `emotion`, `gender` or `sex`, `age`, and `speaker` or
`actor`. The program embeds every recording once, in chunks of 3 s. --vectors caches the embeddings,
so that the next trunk needs no second pass.

Evaluated are folds of random clips (speaker-dependent) and folds of unseen speakers
(speaker-independent). The columns fold_clip, fold_actor and any other fold_… contain the clip's
fold; a table without such columns gets five folds of each. The scores, the hyper-parameters, and
the temperatures and age interval fitted to the predictions for unseen speakers go into the file's
header. The heads of the file itself are trained on all clips. Needs tools/requirements.lock.
"""

import argparse
import csv
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
from safetensors.torch import load_file

from persona import cross_validation, model_file, networks
from persona.campplus import CamPlusPlus
from persona.model_recipes import CNN_TRUNK, ModelRecipe, Recipe
from persona.training_inputs import Vectors
from persona.trunk_training import Run

EMOTIONS = model_file.heads(0, 1)["emotion"]["labels"]
SEXES = model_file.heads(0, 1)["gender"]["labels"]
TRUNKS = {
    "fcn": (networks.FCN, Recipe(epochs=45, dropout=0.1, voices=0.0)),
    "cnn": (networks.CNN, replace(CNN_TRUNK, voices=0.0)),
}
PROTOCOLS = {
    "fold_clip": "random clips",
    "fold_actor": "unseen speakers",
    "fold_sentence": "unseen sentences",
}
FILES_PER_PROCESS = 200
MIN_CLIPS = 40
MAX_AGE = 130


def arguments():
    built = Path(__file__).resolve().parents[2] / "target" / "release" / "persona-engine"
    program = shutil.which("persona-engine") or built
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("network", type=Path, help="output of `persona-engine model import`")
    ap.add_argument("table", type=Path, help="labelled recordings: a table, or a folder with one")
    ap.add_argument("-o", "--output", type=Path, required=True, help="the model file")
    ap.add_argument("--trunk", choices=TRUNKS, default="fcn")
    ap.add_argument(
        "--taps",
        nargs="+",
        help="CAM++'s layers to use, such as block1 block2 block3 final (default: its embedding)",
    )
    ap.add_argument(
        "--window-s", type=float, default=3.0, help="the longest chunk in seconds (default: 3)"
    )
    ap.add_argument("--vectors", type=Path, help="cache of the embeddings (.npy)")
    ap.add_argument(
        "--folds", type=int, default=5, help="where the table has no fold columns (default: 5)"
    )
    ap.add_argument("--epochs", type=int, help="overrides the trunk's number of epochs")
    ap.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes (default: all cores)"
    )
    ap.add_argument(
        "--program",
        type=Path,
        default=program,
        help="persona-engine (default: from $PATH, or target/release)",
    )
    return ap.parse_args()


def table_in(path):
    """The table itself, or the only one in a folder."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.csv"))
    if len(found) != 1:
        raise SystemExit(f"{path}: expected one table (*.csv) in this folder, found {len(found)}")
    return found[0]


def read_table(path):
    """The table's rows and labels, in the form that training expects."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if len(rows) < MIN_CLIPS:
        raise SystemExit(f"{path}: {len(rows)} clips; at least {MIN_CLIPS} are needed")

    def column(*names, read, needed=True):
        name = next((name for name in names if name in rows[0]), None)
        if name is None and needed:
            columns = ", ".join(rows[0])
            raise SystemExit(f"{path}: no column {' or '.join(names)}; it has {columns}")
        values = []
        for line, row in enumerate(rows if name else [], start=2):
            try:
                values.append(read(row[name].strip()))
            except (ValueError, AttributeError) as error:
                value = row[name]
                raise SystemExit(f"{path}, line {line}: {name} is {value!r}: {error}") from None
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
        raise ValueError("a value is required")
    return value


def years(value):
    if not 0 < float(value) < MAX_AGE:
        raise ValueError(f"an age in years between 0 and {MAX_AGE} is expected")
    return float(value)


def one_of(labels):
    """Reads a label by its first three letters, as corpora abbreviate them: ANG, angry and anger
    are equal."""

    def read(value):
        found = [
            i for i, label in enumerate(labels) if value and label.startswith(value.lower()[:3])
        ]
        if len(found) != 1:
            raise ValueError(f"expected one of {', '.join(labels)}")
        return found[0]

    return read


def protocols(clips, count):
    """{protocol: indices of each fold's clips}: from the table's columns or, without any,
    random."""
    columns = [name for name in clips.rows[0] if name.startswith("fold_")]
    if columns:
        found = {}
        for name in columns:
            fold_of = np.array([row[name] for row in clips.rows])
            found[name] = [np.flatnonzero(fold_of == fold) for fold in np.unique(fold_of)]
        return found
    keys = {"fold_clip": np.arange(len(clips.rows)).astype(str)}
    speakers = len(np.unique(clips.speaker))
    if speakers >= count:
        keys["fold_actor"] = clips.speaker
    else:
        print(f"{speakers} speakers: unseen speakers are not evaluated", file=sys.stderr)
    found = {}
    for name, key in keys.items():
        shuffled = np.random.default_rng(1).permutation(np.unique(key))
        parts = [np.isin(key, shuffled[k::count]) for k in range(count)]
        found[name] = [np.flatnonzero(part) for part in parts]
    return found


def embed(args, manifest, files):
    """Embeddings of recordings, in the chunks that the model will use: [files, dim]."""
    if args.vectors and args.vectors.exists():
        return torch.from_numpy(np.load(args.vectors)).float()
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.safetensors"
        write(network, manifest, tensors_of(args.network, manifest))

        def embed_some(first):
            out = Path(folder) / f"{first}.npy"
            some = files[first : first + FILES_PER_PROCESS]
            run_program(
                args.program, "embed", "--quiet", "--model", network, "-o", out, "--", *some
            )
            done = min(first + FILES_PER_PROCESS, len(files))
            print(f"embedded {done:,} of {len(files):,}", end="\r", file=sys.stderr)
            return np.load(out)

        with ThreadPoolExecutor(args.jobs) as pool:
            parts = list(pool.map(embed_some, range(0, len(files), FILES_PER_PROCESS)))
    vectors = np.concatenate(parts)
    if args.vectors:
        np.save(args.vectors, vectors)
    return torch.from_numpy(vectors).float()


def tensors_of(network, manifest):
    """The network's tensors, without those after CAM++'s last tap, which are not used."""
    tensors, representation = load_file(network), manifest["representation"]
    if representation["kind"] == "campplus":
        bands = model_file.bands(manifest["frontend"])
        needed = CamPlusPlus(bands, {**representation, "normalise": False}).state_dict()
        tensors = {
            name: value
            for name, value in tensors.items()
            if name.removeprefix("campplus.") in needed
        }
    return tensors


def fold_predictions(model, vectors, clips, test):
    """Predictions for some clips by a top that was trained on the others."""
    train = np.setdiff1d(np.arange(len(clips.rows)), test)
    predictions = Run(model, vectors, clips, train).run().predict(test)
    return {"index": test, **{key: value.numpy() for key, value in predictions.items()}}


def with_top(tensors, top, representation):
    """The network's tensors plus the top's.

    The standardisation of the vectors is folded into the first dense layer or, before convolutions,
    into the x-vector's last layer; for other networks it stays a separate step."""
    own = {}
    for part, module in {"trunk": top.trunk, "heads": top.heads}.items():
        for name, value in module.state_dict().items():
            own[f"{part}.{name}"] = value
    mean, scale = top.standardise.mean, top.standardise.scale
    if not top.trunk.conv:
        weight = own["trunk.dense.0.weight"] / scale
        own["trunk.dense.0.weight"] = weight
        own["trunk.dense.0.bias"] = own["trunk.dense.0.bias"] - weight @ mean
    elif representation["kind"] == "xvector" and not representation["embedding_norm"]:
        weight, bias = (tensors[f"xvector.embedding.{part}"] for part in ("weight", "bias"))
        own["xvector.embedding.weight"] = weight / scale[:, None]
        own["xvector.embedding.bias"] = (bias - mean) / scale
    elif "normalise" in representation:
        representation["normalise"] = True
        own |= {"representation.mean": mean, "representation.scale": scale}
    else:
        raise SystemExit(
            "the cnn trunk needs vectors that can be standardised, which this "
            f"{representation['kind']} network does not support; use --trunk fcn"
        )
    return tensors | own


def write(path, manifest, tensors):
    """Writes a model file."""
    tensors = {name: value.detach().contiguous() for name, value in tensors.items()}
    model_file.write_tensors(path, tensors, manifest)


def write_checked(program, path, manifest, tensors):
    """Writes a model file atomically, after the program has loaded it."""
    with tempfile.TemporaryDirectory(dir=path.resolve().parent, prefix=".") as folder:
        part = Path(folder) / path.name
        write(part, manifest, tensors)
        run_program(program, "model", "show", part)
        part.replace(path)


def run_program(program, *arguments):
    """The program's output. If it fails, its message ends this script."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


def summary(name, row):
    """A result row as one line of text."""

    def cell(key, unit):
        return f"{row[key]['mean']:5.1f} ± {row[key]['std']:.1f} {unit}"

    protocol = PROTOCOLS.get(row["protocol"], row["protocol"])
    emotion, gender = cell("emotion_accuracy", "%"), cell("gender_accuracy", "%")
    age = cell("age_rmse", "years")
    return f"{name}, {protocol:16}  emotion {emotion}   gender {gender}   age RMSE {age}"


def main():
    args = arguments()
    table = table_in(args.table)
    clips, manifest = read_table(table), model_file.manifest_of(args.network)
    if "heads" in manifest:
        raise SystemExit(
            f"{args.network}: has heads already; use the output of `persona-engine model import`"
        )
    manifest["frontend"]["window_s"] = args.window_s
    manifest["representation"] |= {"taps": args.taps} if args.taps else {}
    folds = protocols(clips, args.folds)
    vectors = embed(args, manifest, clips.files)
    if len(vectors) != len(clips.rows):
        raise SystemExit(
            f"{args.vectors}: {len(vectors)} vectors for {len(clips.rows)} clips; "
            "they belong to another table"
        )
    vectors = Vectors(vectors[None], vectors[:0], vectors[:0], vectors, clips.sex)
    trunk, recipe = TRUNKS[args.trunk]
    epochs, batch = args.epochs or recipe.epochs, min(recipe.batch, len(clips.rows))
    recipe = replace(recipe, batch=batch, epochs=epochs)
    model = ModelRecipe(manifest["frontend"], {"kind": "imported"}, trunk, recipe)
    rows, predictions, name = [], {}, args.output.stem
    for protocol, parts in folds.items():
        found = [fold_predictions(model, vectors, clips, test) for test in parts]
        predictions[protocol] = found
        rows.append(cross_validation.result_row(name, protocol, found, clips))
        print(summary(name, rows[-1]), flush=True)
    unseen = predictions.get("fold_actor", next(iter(predictions.values())))
    fitted = cross_validation.fit(unseen, clips)
    if not np.all(np.diff(fitted["interval"]["knots_years"]) > 0):
        print("all predicted ages are equal: the file has no age interval", file=sys.stderr)
        fitted["interval"] = None
    run = Run(model, vectors, clips, np.arange(len(clips.rows))).run()
    tensors = with_top(tensors_of(args.network, manifest), run.top, manifest["representation"])
    data = {f"network {key}": value for key, value in manifest["data"].items()}
    data |= {"table": table.name, "clips": len(clips.rows)}
    data |= {"actors": sorted(set(clips.speaker.tolist())), "recipe": asdict(recipe)}
    manifest |= {
        "name": name,
        "created_by": "tools/train/train_heads.py",
        "licence": f"network: {manifest['licence']}; heads: that of the recordings",
        "data": data,
        "trunk": trunk,
        "heads": model_file.heads(run.age_mean, run.age_scale, fitted, fitted["interval"]),
        "scores": [{k: v for k, v in row.items() if k != "per_fold"} for row in rows],
    }
    write_checked(args.program, args.output, manifest, tensors)
    size = args.output.stat().st_size / 1e6
    print(f"wrote {args.output} ({size:.1f} MB). Use it with:")
    print(f"  {args.program} infer call.wav --model {args.output}")


if __name__ == "__main__":
    main()
