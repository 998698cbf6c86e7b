#!/usr/bin/env python3
"""Holds what a campplus system answers to real recordings against what it answers to the same clips as it was trained on them: inverted to audio
and aligned. Does so for the outside recordings too that the alignment comes from, a quarter of them kept out of it.

    check_made_and_real.py PERSONA_ENGINE WAV_FOLDER --data CREMA_D [--runs runs] [--system weights/campplus-fcn.safetensors]

WAV_FOLDER holds recordings of CREMA-D named by their clips; --runs what listen.py left there. The recordings' clips were in the training of a shipped system.
"""
import argparse
import json
import pathlib
import subprocess

import torch
from safetensors import safe_open
from safetensors.torch import load_file

import listen
from persona import data, networks, system_file
from persona.alignment import Alignment

ROOT = pathlib.Path(__file__).resolve().parent.parent


def heard(taps, runs):
    """Of the taps: made and real sides of the outside pairs, CREMA-D's clips."""
    columns = listen.slices(taps)
    pick = lambda x: torch.cat([x[:, columns[tap]] for tap in taps], dim=1).float()
    pairs = load_file(runs / "heard-outside.safetensors")
    return pick(pairs["made"]), pick(pairs["real"]), pick(load_file(runs / "heard-clips.safetensors")["clips"])


def outside_pairs(made, real, probabilities):
    """Prints how far made and real audio lie apart in the pairs' fourth quarter, aligned by the other three."""
    kept = torch.arange(len(made)) % 4 == 0
    spread = real[~kept].std(0).clamp(min=1e-4)
    aligned = Alignment(made[~kept], real[~kept])(made[kept])
    want = probabilities(real[kept])
    for name, vectors in (("inverted", made[kept]), ("inverted and aligned", aligned)):
        apart, said = ((vectors - real[kept]) / spread).square().mean().sqrt(), probabilities(vectors)
        agree, change = (said.argmax(1) == want.argmax(1)).float().mean(), (said - want).abs().amax(1).mean()
        print(
            f"{int(kept.sum())} outside stretches, {name}: {apart:.3f} of the spread away from the recording, {100 * agree:.0f} % of the labels equal, "
            f"largest change of a probability {change:.3f} in the mean"
        )


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    ap.add_argument("wavs", type=pathlib.Path)
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs")
    ap.add_argument("--system", type=pathlib.Path, default=ROOT / "weights" / "campplus-fcn.safetensors")
    args = ap.parse_args()
    with safe_open(args.system, "pt") as file:
        manifest = json.loads(file.metadata()["persona"])
    network = networks.Persona(system_file.bands(manifest["frontend"]), manifest["representation"], manifest["trunk"]).eval()
    network.load_state_dict({name: value.float() for name, value in load_file(args.system).items()}, strict=False)
    place = {row["clip"]: i for i, row in enumerate(data.rows(args.data))}
    wavs = sorted(args.wavs.glob("*.wav"))
    emotion = manifest["heads"]["emotion"]

    @torch.no_grad()
    def probabilities(vectors):
        return torch.softmax(network.heads(network.trunk(network.representation(vectors)))["emotion"] / emotion["temperature"], 1)

    made, real, clips = heard(manifest["representation"]["taps"], args.runs)
    outside_pairs(made, real, probabilities)
    answers = probabilities(Alignment(made, real)(clips[[place[wav.stem] for wav in wavs]]))
    command = [args.program, "infer", "--json", "--quiet", "--model", args.system, *wavs]
    reports = [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    equal, differences = 0, []
    for wav, report, row in zip(wavs, reports, answers):
        said = report["emotion"]["probabilities"]
        differences.append(max(abs(said[label] - float(p)) for label, p in zip(emotion["labels"], row)))
        label = emotion["labels"][int(row.argmax())]
        equal += label == report["emotion"]["label"]
        print(f"{wav.stem}: real {report['emotion']['label']}, made {label}, probabilities within {differences[-1]:.3f}")
    print(f"{equal} of {len(wavs)} labels equal, probabilities within {max(differences):.3f}, in the median {sorted(differences)[len(wavs) // 2]:.3f}")


if __name__ == "__main__":
    main()
