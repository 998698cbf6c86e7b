#!/usr/bin/env python3
"""f32 and int8 side by side, by networks that did not train on what they answer: folds of both kinds.

    python3 tools/train.py … --fold-systems                                                 the folds' systems, in RUNS/SYSTEM/PROTOCOL-FOLD.safetensors
    python3 tools/check_precision.py PROGRAM --data CREMA_D --runs RUNS [--sounds FOLDER]   weights/precision.json

`PROGRAM eval` answers every fold's test clips in both precisions. Systems on log-mel spectrograms hear those of CREMA_D; the others need the clips as
sound, FOLDER/CLIP.wav, such as listen.py leaves with --sounds. Needs Python alone.
"""
import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parent.parent
PROTOCOLS = {"fold_clip": 5, "fold_actor": 5}
MEASURES = {"emotion_accuracy": ("emotion", "accuracy", 100), "gender_accuracy": ("gender", "accuracy", 100), "age_rmse": ("age", "rmse", 1)}


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--runs", type=Path, default=ROOT / "runs")
    ap.add_argument("--sounds", type=Path)
    ap.add_argument("--systems", nargs="+", default=["campplus-fcn", "xvector-cnn"])
    ap.add_argument("--threads", default="2")
    ap.add_argument("--json", type=Path, default=ROOT / "weights" / "precision.json")
    return ap.parse_args()


def table_of_sounds(args, folder):
    """The clips' table with a column `file`."""
    rows = list(csv.DictReader(open(args.data / "clips.csv", newline="")))
    path = Path(folder) / "clips.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ["file", *rows[0]])
        writer.writeheader()
        writer.writerows({"file": (args.sounds / f"{row['clip']}.wav").resolve(), **row} for row in rows)
    return [path, "--no-activity"]


def measured(args, system, where, precision, clips):
    """The measures of one fold's system on its test clips."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        options = ["--model", system, "--where", where, "--precision", precision, "--threads", args.threads, "--bootstrap", "0", "--quiet", "--json", out.name]
        subprocess.run([args.program, "eval", *map(str, clips), *map(str, options)], check=True, stdout=subprocess.DEVNULL)
        overall = json.load(open(out.name))["overall"]
    return {name: scale * overall[head][key]["value"] for name, (head, key, scale) in MEASURES.items()} | {"clips": overall["clips"]}


def compared(args, name, protocol, clips):
    """Means over the folds in both precisions, and what int8 changes in the mean and at most."""
    folds = {precision: [] for precision in ("f32", "int8")}
    for fold in range(PROTOCOLS[protocol]):
        for precision, found in folds.items():
            system = args.runs / name / f"{protocol}-{fold}.safetensors"
            found.append(measured(args, system, f"{protocol}={fold}", precision, clips))
    row = {"system": name, "protocol": protocol, "clips": sum(fold["clips"] for fold in folds["f32"])}
    for measure in MEASURES:
        changes = [b[measure] - a[measure] for a, b in zip(folds["f32"], folds["int8"])]
        row[measure] = {precision: round(mean(fold[measure] for fold in found), 4) for precision, found in folds.items()}
        row[measure] |= {"change": round(mean(changes), 4), "most_in_a_fold": round(max(changes, key=abs), 4)}
    return row


def main():
    args = arguments()
    kept = json.loads(args.json.read_text())["rows"] if args.json.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.systems:
            spectrograms = not name.startswith("campplus")
            if not spectrograms and not args.sounds:
                raise SystemExit(f"{name} hears sound: give the clips' with --sounds")
            features = [args.data / "clips.csv", "--features", args.data / "logmel_u8.safetensors"]
            clips = features if spectrograms else table_of_sounds(args, folder)
            for protocol in PROTOCOLS:
                row = compared(args, name, protocol, clips)
                kept = [k for k in kept if (k["system"], k["protocol"]) != (name, protocol)] + [row]
                print(json.dumps(row), flush=True)
    args.json.write_text(json.dumps({"rows": sorted(kept, key=lambda k: (k["system"], k["protocol"]))}, indent=1) + "\n")


if __name__ == "__main__":
    main()
