#!/usr/bin/env python3
"""Trains models on CREMA-D fold by fold, then on all clips, and writes the model files.

    python tools/train/train.py --data CREMA_D --speech SPEECH
    python tools/train/train.py --data CREMA_D --speech SPEECH --systems campplus-fcn --no-ship

The first command trains every model on every fold and writes weights/results.json and
weights/*.safetensors; the second one evaluates one model.

CREMA_D contains clips.csv and logmel_u8.safetensors, SPEECH other corpora
(tools/persona/other_corpora.py describes its layout). Where --runs lacks them, embed_corpus.py and
pretrain_xvector.py first compute CAM++'s representations and the x-vector distilled from it;
neither uses a label of CREMA-D. Nothing that --runs contains already is computed again. Takes about
3 hours from nothing on two CPU cores, and as long again for the models on x-vectors. Needs
tools/requirements.lock.

The temperature and the interval with which fold k is evaluated are fitted on the predictions for
the other folds' test clips.
"""

import argparse
import json
import pathlib
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import torch

from persona import (
    calibration,
    crema_d,
    cross_validation,
    domain,
    fine_tuning,
    metrics,
    model_file,
    networks,
    other_studios,
    robust_inputs,
    robust_model_file,
    robust_training,
    training_inputs,
    trunk_training,
)
from persona.channel_conditions import CONDITIONS
from persona.model_recipes import MODELS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOCOLS = {"fold_clip": 5, "fold_actor": 5, "fold_sentence": 6}
DEFAULT = "campplus-fcn"


def arguments():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--speech", type=pathlib.Path, required=True)
    ap.add_argument("--systems", nargs="+", default=list(MODELS), choices=list(MODELS))
    ap.add_argument("--protocols", nargs="+", default=list(PROTOCOLS), choices=list(PROTOCOLS))
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs", help="cache")
    ap.add_argument(
        "--weights",
        type=pathlib.Path,
        default=ROOT / "weights",
        help="folder for results.json and the model files",
    )
    ap.add_argument(
        "--ship",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="train on all clips and write the model file",
    )
    ap.add_argument(
        "--fold-systems",
        action="store_true",
        help="also write a model file of each fold into --runs",
    )
    ap.add_argument("--wheel", type=pathlib.Path, help="the package that contains CAM++")
    ap.add_argument(
        "--whisper", type=pathlib.Path, nargs="+", help="Whisper base: model.bin, or its two wheels"
    )
    ap.add_argument("--world", type=pathlib.Path, help="recordings of other studios: evaluation only")
    return ap.parse_args()


def prepare(args):
    """Runs the scripts that come before, where their results are missing."""
    common = ["--data", args.data, "--speech", args.speech, "--runs", args.runs]
    wheel = ["--wheel", args.wheel] if args.wheel else []
    steps = []
    if any(not MODELS[name].robust for name in args.systems):
        steps.append((training_inputs.INT8_FILE, ["embed_corpus.py", *common, *wheel]))
    if any(MODELS[name].robust for name in args.systems):
        whisper = ["--whisper", *args.whisper] if args.whisper else []
        world = ["--world", args.world] if args.world else []
        jobs = list(robust_inputs.JOBS) + [f"world:{n}" for n in robust_inputs.NETWORKS if world]
        options = [*common, *wheel, *whisper, *world, "--jobs", *jobs]
        steps.append((robust_inputs.LAST_FILE, ["embed_conditions.py", *options]))
    if any(MODELS[name].representation["kind"] == "xvector" for name in args.systems):
        steps.append(("xvector.pt", ["pretrain_xvector.py", *common]))
    for result, (script, *options) in steps:
        if not (args.runs / result).exists():
            path = pathlib.Path(__file__).parent / script
            subprocess.run([sys.executable, path, *map(str, options)], check=True)


def fold_predictions(name, inputs, clips, protocol, fold, args):
    """Predictions for the test clips of one fold by a model trained on all the others: arrays,
    cached in the runs folder."""
    path = args.runs / name / f"{protocol}-{fold}.npz"
    whole = path.with_suffix(".safetensors")
    if not path.exists() or (args.fold_systems and not whole.exists()):
        train, test = crema_d.split(clips, protocol, fold)
        run = trained(name, inputs, clips, train, path.stem, args)
        if args.fold_systems:
            write(whole, name, run, clips, train, args)
        robust = MODELS[name].robust
        predictions = run.predict(inputs.clean(test)) if robust else run.predict(test)
        arrays = {key: value.numpy() for key, value in predictions.items()}
        if robust:
            arrays |= other_studios.fold_arrays(run, inputs, clips, train, test)
        elif inputs.conditions is not None:
            copies = [run.predict(test, copy) for copy in range(1, len(inputs.copies))]
            for key in predictions:
                stacked = torch.stack([one[key] for one in copies], dim=1)
                arrays[f"{key}_conditions"] = stacked.numpy()
            arrays["conditions"] = inputs.conditions[torch.as_tensor(test)].numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, index=test, **arrays)
        figures = metrics.measure(**cross_validation.labelled(predictions, clips, test))
        words = "  ".join(f"{key} {value:.2f}" for key, value in figures.items())
        print(f"{name} {path.stem}: {words}", flush=True)
    return dict(np.load(path))


def trained(name, inputs, clips, train, part, args):
    """The training run of a model on some clips. Models on x-vectors share one network, which is
    cached under the name of `part`."""
    model = MODELS[name]
    if model.robust:
        return robust_run(model, inputs, clips, train, part, args)
    if model.representation["kind"] == "xvector":
        start, done = args.runs / "xvector.pt", args.runs / "xvector" / f"{part}.pt"
        return fine_tuning.Run(model, inputs, train, start, done).run()
    return trunk_training.Run(model, inputs, clips, train).run()


def robust_run(model, inputs, clips, train, part, args):
    """The runs of a robust model's networks, each cached under the name of `part`: models that have
    a network in common share its run."""
    runs = []
    for network, recipe in model.recipe.networks.items():
        run = robust_training.Run(recipe, inputs.of(network), clips, train)
        path = args.runs / network / f"{part}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            run.load(path)
        else:
            run.run().save(path)
        runs.append(run)
    return robust_training.Ears(runs, model.recipe.shares)


def save_results(rows, path):
    """Writes `rows` into results.json, in place of older rows of the same model and protocol."""
    kept = json.loads(path.read_text()) if path.exists() else {"rows": []}
    new = {(r["system"], r["protocol"]) for r in rows}
    kept["default"] = DEFAULT
    kept["rows"] = [r for r in kept["rows"] if (r["system"], r["protocol"]) not in new] + rows
    kept["rows"].sort(key=lambda r: (r["system"], r["protocol"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")


def ship(name, inputs, clips, rows, unseen_speakers, args):
    """Trains on all clips and writes the model file."""
    everything, path = np.arange(len(clips.rows)), args.weights / f"{name}.safetensors"
    run = trained(name, inputs, clips, everything, "all", args)
    if MODELS[name].robust:
        return robust_model_file.ship(
            path, name, MODELS[name], run, inputs, clips, unseen_speakers, rows, args
        )
    fitted = cross_validation.fit(unseen_speakers, clips)
    scores = [{key: value for key, value in row.items() if key != "per_fold"} for row in rows]
    write(path, name, run, clips, everything, args, fitted, scores)
    print(f"wrote {path} ({path.stat().st_size:,} bytes)", flush=True)


def write(path, name, run, clips, train, args, fitted=None, rows=()):
    """Writes a model that was trained on the clips `train`."""
    model = MODELS[name]
    kind, bands = model.representation["kind"], model_file.bands(model.frontend)
    whole = networks.Persona(bands, model.representation, model.shipped_trunk)
    run.fill(whole)
    if kind == "campplus":
        whole.campplus.load_published(torch.load(args.runs / "campplus.pt", weights_only=True))
    interval = fitted and fitted["interval"]
    manifest = {
        "name": name,
        "created_by": f"tools/train/train.py, recipe {json.dumps(asdict(model.recipe))}",
        "licence": model_file.licence(kind),
        "data": {
            "corpus": "CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova, Verma 2014), acted speech, "
            "12 English sentences",
            "licence": "ODbL 1.0 (database), DbCL 1.0 (contents)",
            "clips": len(train),
            "actors": sorted(set(clips.column("actor")[train].tolist())),
            **model_file.PRETRAINING.get(kind, {}),
        },
        "frontend": model.frontend,
        "representation": model.representation,
        "trunk": model.shipped_trunk,
        "precision": model.precision,
        "heads": model_file.heads(run.age_mean, run.age_scale, fitted, interval),
        "scores": list(rows),
    }
    model_file.write(path, whole, manifest)


def main():
    args = arguments()
    torch.set_num_threads(1)
    args.runs.mkdir(parents=True, exist_ok=True)
    prepare(args)
    clips = crema_d.load(args.data, "cpu")
    for name in args.systems:
        if MODELS[name].robust:
            inputs = robust_inputs.load(MODELS[name], len(clips.rows), args.speech, args.runs)
        else:
            inputs = training_inputs.load(MODELS[name], clips, args.speech, args.runs)
        rows, unseen_speakers = [], None
        for protocol in args.protocols:
            folds = [
                fold_predictions(name, inputs, clips, protocol, k, args)
                for k in range(PROTOCOLS[protocol])
            ]
            row = cross_validation.result_row(name, protocol, folds, clips, list(CONDITIONS))
            if MODELS[name].robust:
                row["baseline_10"] = {"emotion_accuracy": other_studios.baseline_row(folds, clips)}
            rows.append(row)
            if MODELS[name].robust and protocol == "fold_actor":
                rows += other_studios.result_rows(name, folds, clips, args.world)
            unseen_speakers = folds if protocol == "fold_actor" else unseen_speakers
        save_results(rows, args.weights / "results.json")
        if args.ship and unseen_speakers:
            ship(name, inputs, clips, rows, unseen_speakers, args)


if __name__ == "__main__":
    main()
