#!/usr/bin/env python3
"""Trains a system on CREMA-D's log-mel spectrograms, fold by fold, then on all clips, and writes the system file.

    train.py --data DIR                      folds 0 of fold_clip and fold_actor, weights/results.json, weights/xvector-cnn.safetensors
    train.py --data DIR --folds 0 1 2 3 4    all five folds
    train.py --data DIR --no-ship            scores only

DIR holds clips.csv and logmel_u8.safetensors. Stopped and started again it goes on from the checkpoints in --runs.
Needs tools/requirements.txt. One epoch takes about 2 minutes on two CPU cores, under a second on a large GPU.
"""
import argparse
import json
import math
import pathlib
import statistics
from dataclasses import asdict, fields

import numpy as np
import torch

from persona import data, networks, scores, system_file
from persona.training import TRUNKS, Recipe, Run

ROOT = pathlib.Path(__file__).resolve().parent.parent


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--protocols", nargs="+", default=["fold_clip", "fold_actor"])
    ap.add_argument("--folds", nargs="+", type=int, default=[0])
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs", help="checkpoints and scores of each run")
    ap.add_argument("--weights", type=pathlib.Path, default=ROOT / "weights", help="where results.json and the system go")
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    ap.add_argument("--ship", action=argparse.BooleanOptionalAction, default=True, help="train on all clips and write the system")
    for field in fields(Recipe):
        name = "--" + field.name.replace("_", "-")
        ap.add_argument(name, type=field.type, default=field.default)
    args = ap.parse_args()
    return args, Recipe(**{field.name: getattr(args, field.name) for field in fields(Recipe)})


def score_fold(recipe, clips, protocol, fold, args):
    """Trains on one split and measures its test part once. The scores stay in the run's folder."""
    folder = args.runs / f"{recipe.system}-{protocol}-{fold}"
    done = folder / "scores.json"
    if done.exists():
        return json.loads(done.read_text())
    run = Run(recipe, clips, data.split(clips, protocol, fold), folder, args.device).run()
    predictions = run.predictions(*run.outputs(run.test))
    result = {
        "fold": fold,
        "best_epoch": run.best_epoch,
        "temperature": run.temperatures(),
        **scores.measure(**predictions),
        "groups": scores.by_group(predictions),
    }
    folder.mkdir(parents=True, exist_ok=True)
    done.write_text(json.dumps(result, indent=1))
    print(f"{folder.name}: " + json.dumps({k: v for k, v in rounded(result).items() if k != "groups"}))
    return result


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return round(float(value), 2) if isinstance(value, (float, np.floating)) else value


def result_row(recipe, protocol, folds):
    """A row of results.json: mean and spread over folds, then each fold, then the groups of all folds' mean."""
    names = folds[0]["groups"].keys()
    groups = {name: scores.over_folds([f["groups"][name] for f in folds if name in f["groups"]]) for name in names}
    each = [{k: v for k, v in rounded(f).items() if k != "groups"} for f in folds]
    return {
        "system": recipe.system,
        "protocol": protocol,
        "folds": [f["fold"] for f in folds],
        **scores.over_folds(folds),
        "per_fold": each,
        "groups": groups,
    }


def keep(rows, path, system):
    """Puts `rows` into results.json in place of older rows of the same system and protocol."""
    kept = json.loads(path.read_text()) if path.exists() else {"default": system, "rows": []}
    new = {(row["system"], row["protocol"]) for row in rows}
    kept["rows"] = [row for row in kept["rows"] if (row["system"], row["protocol"]) not in new] + rows
    kept["rows"].sort(key=lambda row: (row["system"], row["protocol"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")


def ship(recipe, clips, fold_scores, rows, args):
    """Trains on all clips for as many epochs as the folds' best took (median), and writes the system file."""
    epochs = math.ceil(statistics.median(f["best_epoch"] for f in fold_scores))
    run = Run(recipe, clips, data.split(clips, "all", 0), args.runs / f"{recipe.system}-all", args.device)
    run.run(epochs)
    apart = [f["temperature"] for row, f in zip_protocols(rows, fold_scores) if row["protocol"] == "fold_actor"]
    temperature = {
        head: round(float(np.exp(np.mean([np.log(t[head]) for t in apart]))), 4) if apart else 1.0
        for head in ("emotion", "gender")
    }
    manifest = {
        "name": recipe.system,
        "created_by": f"tools/train.py, {epochs} epochs, recipe {json.dumps(asdict(recipe))}",
        "licence": "made from CREMA-D under the Open Database License 1.0; attribution: Cao et al. 2014",
        "data": {
            "corpus": "CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova, Verma 2014), acted speech, 12 English sentences",
            "licence": "ODbL 1.0 (database), DbCL 1.0 (contents)",
            "clips": len(clips.rows),
            "actors": sorted(set(clips.column("actor").tolist())),
        },
        "frontend": system_file.LOGMEL,
        "representation": networks.XVECTOR,
        "trunk": TRUNKS[recipe.system],
        "heads": system_file.heads(run.age_mean, run.age_scale, temperature),
        "scores": [{k: v for k, v in row.items() if k != "per_fold"} for row in rows],
    }
    path = args.weights / f"{recipe.system}.safetensors"
    system_file.write(path, run.averaged.module, manifest)
    print(f"wrote {path} ({path.stat().st_size:,} bytes)")


def zip_protocols(rows, fold_scores):
    """Pairs each fold's scores with the row that they belong to (rows hold their folds in order)."""
    flat = [row for row in rows for _ in row["folds"]]
    return zip(flat, fold_scores)


def main():
    args, recipe = arguments()
    clips = data.load(args.data, args.device)
    rows, fold_scores = [], []
    for protocol in args.protocols:
        folds = [score_fold(recipe, clips, protocol, fold, args) for fold in args.folds]
        rows.append(result_row(recipe, protocol, folds))
        fold_scores += folds
    keep(rows, args.weights / "results.json", recipe.system)
    if args.ship:
        ship(recipe, clips, fold_scores, rows, args)


if __name__ == "__main__":
    main()
