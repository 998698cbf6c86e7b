#!/usr/bin/env python3
"""Compares a campplus model's predictions on recorded audio with those on reconstructed audio.

    python tools/check/reconstructed_and_recorded.py PERSONA_ENGINE WAV_FOLDER --data CREMA_D
            [--runs runs] [--system weights/campplus-fcn.safetensors]

The campplus models are trained on clips that were reconstructed from spectrograms, with embeddings
aligned to those of recorded audio. WAV_FOLDER contains recordings of CREMA-D, named by their clips;
--runs what train/embed_corpus.py left there. The recordings' clips are in the training set of a
shipped model. Also compares both versions of the segments of other corpora from which the alignment
was fitted, with a quarter of them held out. Prints a line for each result. Needs
tools/requirements.lock.
"""

import argparse
import json
import pathlib
import subprocess

import torch
from safetensors.torch import load_file

from persona import crema_d, model_file, networks, training_inputs
from persona.alignment import Alignment
from persona.campplus import tap_columns

ROOT = pathlib.Path(__file__).resolve().parents[2]


def vectors_of(taps, runs):
    """The taps' vectors of: reconstructed and recorded segments, CREMA-D's clips."""
    columns = tap_columns(taps)

    def pick(x):
        return torch.cat([x[:, columns[tap]] for tap in taps], dim=1).float()

    pairs = load_file(runs / training_inputs.OTHER_FILE)
    clips = load_file(runs / training_inputs.CLIPS_FILE)["clips"]
    return pick(pairs["reconstructed"]), pick(pairs["noisy"]), pick(clips)


def compare_pairs(reconstructed, recorded, probabilities):
    """Prints the difference in the pairs' fourth quarter, aligned by the other three."""
    held_out = torch.arange(len(reconstructed)) % 4 == 0
    spread = recorded[~held_out].std(0).clamp(min=1e-4)
    alignment = Alignment(reconstructed[~held_out], recorded[~held_out])
    expected = probabilities(recorded[held_out])
    vectors = {
        "reconstructed": reconstructed[held_out],
        "reconstructed and aligned": alignment(reconstructed[held_out]),
    }
    for name, x in vectors.items():
        distance = ((x - recorded[held_out]) / spread).square().mean().sqrt()
        found = probabilities(x)
        equal = 100 * (found.argmax(1) == expected.argmax(1)).float().mean()
        change = (found - expected).abs().amax(1).mean()
        print(
            f"{int(held_out.sum())} segments of other corpora, {name}: "
            f"{distance:.3f} standard deviations from the recording, "
            f"{equal:.0f} % of the labels equal, "
            f"largest change of a probability {change:.3f} on average"
        )


def compare_clips(wavs, reports, predictions, emotion):
    """Prints the difference between the program's reports and the predictions for the clips."""
    equal, differences = 0, []
    for wav, report, row in zip(wavs, reports, predictions, strict=True):
        recorded, found = report["emotion"]["probabilities"], report["emotion"]["label"]
        changes = [
            abs(recorded[name] - float(p)) for name, p in zip(emotion["labels"], row, strict=True)
        ]
        differences.append(max(changes))
        label = emotion["labels"][int(row.argmax())]
        equal += label == found
        within = f"probabilities within {differences[-1]:.3f}"
        print(f"{wav.stem}: recorded {found}, reconstructed {label}, {within}")
    middle = sorted(differences)[len(wavs) // 2]
    print(f"{equal} of {len(wavs)} labels equal")
    print(f"probabilities within {max(differences):.3f}, median {middle:.3f}")


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = ROOT / "weights" / "campplus-fcn.safetensors"
    ap.add_argument("program")
    ap.add_argument("wavs", type=pathlib.Path)
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs")
    ap.add_argument("--system", type=pathlib.Path, default=default)
    args = ap.parse_args()
    manifest = model_file.manifest_of(args.system)
    representation, emotion = manifest["representation"], manifest["heads"]["emotion"]
    bands = model_file.bands(manifest["frontend"])
    network = networks.Persona(bands, representation, manifest["trunk"])
    model_file.load_into(network, args.system)
    row_of = {row["clip"]: i for i, row in enumerate(crema_d.rows(args.data))}
    wavs = sorted(args.wavs.glob("*.wav"))

    @torch.no_grad()
    def probabilities(vectors):
        out = network.heads(network.trunk(network.representation(vectors)))
        return torch.softmax(out["emotion"] / emotion["temperature"], 1)

    reconstructed, recorded, clips = vectors_of(representation["taps"], args.runs)
    compare_pairs(reconstructed, recorded, probabilities)
    aligned = Alignment(reconstructed, recorded)(clips[[row_of[wav.stem] for wav in wavs]])
    command = [args.program, "infer", "--json", "--quiet", "--model", args.system, *wavs]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    compare_clips(wavs, reports, probabilities(aligned), emotion)


if __name__ == "__main__":
    main()
