#!/usr/bin/env python3
"""Compares f32 and int8 on unseen clips: every fold's test clips, by the model of that fold.

    python tools/train/train.py … --fold-systems
    python3 tools/check/precision.py PROGRAM --data CREMA_D --runs RUNS [--sounds FOLDER]

The first command writes the folds' models as RUNS/MODEL/PROTOCOL-FOLD.safetensors; the second one
runs `PROGRAM eval` on every fold's test clips in both precisions and writes
weights/precision.json. Models on log-mel spectrograms read those of CREMA_D; the others need the
clips as audio, FOLDER/CLIP.wav, which `train/embed_corpus.py --sounds` writes. Needs Python alone.
"""

import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = {"fold_clip": 5, "fold_actor": 5}
METRICS = {
    "emotion_accuracy": ("emotion", "accuracy", 100),
    "gender_accuracy": ("gender", "accuracy", 100),
    "age_rmse": ("age", "rmse", 1),
}


def arguments():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("program")
    ap.add_argument("--data", type=Path, required=True)
    ap.add_argument("--runs", type=Path, default=ROOT / "runs")
    ap.add_argument("--sounds", type=Path)
    ap.add_argument("--systems", nargs="+", default=["campplus-fcn", "xvector-cnn"])
    ap.add_argument("--threads", default="2")
    ap.add_argument("--json", type=Path, default=ROOT / "weights" / "precision.json")
    return ap.parse_args()


def table_of_sounds(args, folder):
    """Writes the clips' table with a column `file`; returns the arguments of `eval`."""
    with (args.data / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    path = Path(folder) / "clips.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", *rows[0]])
        writer.writeheader()
        for row in rows:
            sound = (args.sounds / f"{row['clip']}.wav").resolve()
            writer.writerow({"file": sound, **row})
    return [path, "--no-activity"]


def measured(args, model, where, precision, clips):
    """The metrics of one fold's model on its test clips."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        options = ["--model", model, "--where", where, "--precision", precision]
        options += ["--threads", args.threads, "--bootstrap", "0", "--quiet", "--json", out.name]
        command = [args.program, "eval", *map(str, clips), *map(str, options)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        overall = json.loads(Path(out.name).read_text())["overall"]
    found = {"clips": overall["clips"]}
    for name, (head, key, scale) in METRICS.items():
        found[name] = scale * overall[head][key]["value"]
    return found


def compared(args, name, protocol, clips):
    """Means over the folds in both precisions, and int8's mean and largest change."""
    folds = {precision: [] for precision in ("f32", "int8")}
    for fold in range(PROTOCOLS[protocol]):
        for precision, found in folds.items():
            model = args.runs / name / f"{protocol}-{fold}.safetensors"
            found.append(measured(args, model, f"{protocol}={fold}", precision, clips))
    clip_count = sum(fold["clips"] for fold in folds["f32"])
    row = {"system": name, "protocol": protocol, "clips": clip_count}
    for metric in METRICS:
        row[metric] = {
            precision: round(mean(fold[metric] for fold in found), 4)
            for precision, found in folds.items()
        }
        pairs = zip(folds["f32"], folds["int8"], strict=True)
        changes = [b[metric] - a[metric] for a, b in pairs]
        largest = round(max(changes, key=abs), 4)
        row[metric] |= {"change": round(mean(changes), 4), "most_in_a_fold": largest}
    return row


def main():
    args = arguments()
    rows = json.loads(args.json.read_text())["rows"] if args.json.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.systems:
            spectrograms = not name.startswith("campplus")
            if not spectrograms and not args.sounds:
                raise SystemExit(f"{name} needs audio: add --sounds FOLDER")
            stored = args.data / "logmel_u8.safetensors"
            features = [args.data / "clips.csv", "--features", stored]
            clips = features if spectrograms else table_of_sounds(args, folder)
            for protocol in PROTOCOLS:
                row = compared(args, name, protocol, clips)
                others = [r for r in rows if (r["system"], r["protocol"]) != (name, protocol)]
                rows = [*others, row]
                print(json.dumps(row), flush=True)
    rows.sort(key=lambda r: (r["system"], r["protocol"]))
    args.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
