#!/usr/bin/env python3
"""Teaches a TDNN x-vector to hear voices as CAM++ does, before it learns any task.

    pretrain_xvector.py --data CREMA_D --speech SPEECH [--runs runs]      runs/xvector.pt, after listen.py

The x-vector hears exact log-mel spectrograms: CREMA-D's clips and outside recordings (three speeds, half of them degraded by rooms, noise and
telephone lines; every spectrogram is equalised, noised, band-limited and masked besides). Its embedding, and its pooled statistics, are to tell CAM++'s
pooled statistics and embedding of the clean audio (for CREMA-D: of inverted audio, moved to where real audio lies); and the embedding is to tell
LibriSpeech's speakers apart, but for 50 who are kept for measuring. No label of CREMA-D is used: one pretrained body serves all folds.

At the end: equal error rates on the held-back speakers, beside CAM++'s. Stopped and started again it goes on from its checkpoint.
"""
import argparse
import json
import math
import pathlib
import time

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

import listen
from persona import data, networks, outside, scores
from persona.alignment import Alignment
from persona.augment import Augment
from persona.system_file import LOGMEL, normalised

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Material:
    """Spectrograms end to end: CREMA-D's clips, then the outside stretches, then the same degraded. What CAM++ says of each, standardised."""

    def __init__(self, folder, speech, runs):
        clips = data.load(folder, "cpu")
        clean, heard = load_file(runs / "heard-outside.safetensors"), load_file(runs / "heard-clips.safetensors")["clips"].float()
        columns = listen.slices()
        aligned = Alignment(clean["made"].float(), clean["real"].float())(heard)
        statistics = torch.cat([aligned[:, columns["final"]], *[clean["statistics"].float()] * 2])
        voices = torch.cat([aligned[:, columns["embedding"]], *[clean["embedding"].float()] * 2])
        self.statistics = (statistics - statistics.mean(0)) / statistics.std(0).clamp(min=1e-3)
        self.voices = F.normalize(voices - voices.mean(0))
        self.frames = torch.cat([clips.frames, clean["frames"], clean["degraded"]])
        total = len(clips.frames)
        self.start = torch.cat([clips.start, clean["start"] + total, clean["start"] + total + len(clean["frames"])])
        self.length = torch.cat([clips.length, *[clean["length"]] * 2])
        found = outside.recordings(speech)
        kept = outside.held_back(found)
        self.speaker_names = sorted({r.speaker for r in found if r.speaker} - kept)
        number = {name: i for i, name in enumerate(self.speaker_names)}
        speakers = torch.tensor([number.get(found[r].speaker, -1) for r in clean["recording"].tolist()])
        self.speaker = torch.cat([torch.full((len(clips.length),), -1), speakers, speakers])
        held = torch.tensor([found[r].speaker in kept for r in clean["recording"].tolist()])
        self.clips, self.stretches = len(clips.length), len(clean["length"])
        self.outside = torch.nonzero(~held)[:, 0] + self.clips  # the clean ones that may be trained on
        self.held = torch.nonzero(held)[:, 0] + self.clips
        self.recording, self.speed = clean["recording"], clean["speed"]

    def epoch(self, generator):
        """Every clip, and every outside stretch either clean or degraded."""
        degraded = (torch.rand(len(self.outside), generator=generator) < 0.5).long()
        return torch.cat([torch.arange(self.clips), self.outside + degraded * self.stretches])


class Student(nn.Module):
    """The x-vector, and the affines that tell what CAM++ says; these go when it has learned."""

    def __init__(self, speakers):
        super().__init__()
        self.xvector = networks.XVector(LOGMEL["n_mels"], networks.XVECTOR)
        pooled, dim = self.xvector.embedding.in_features, self.xvector.dim
        self.from_pooled, self.from_embedding = nn.Linear(pooled, 1024), nn.Linear(dim, 1024)
        self.pooled_norm = nn.BatchNorm1d(pooled, affine=False)
        self.voice, self.speaker = nn.Linear(dim, 192), nn.Linear(dim, speakers)

    def forward(self, x):
        pooled = self.xvector.pool(x)
        embedding = self.xvector.embed(pooled)
        return self.from_pooled(self.pooled_norm(pooled)), self.from_embedding(embedding), self.voice(embedding), self.speaker(embedding)


def loss(student, material, index, augment, generator):
    frames = int(material.length[index].min())
    x = normalised(augment(data.crops(material, index, frames, generator)), LOGMEL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        statistics, again, voice, speaker = (y.float() for y in student(x))
    aim, known = material.statistics[index], material.speaker[index] >= 0
    total = F.mse_loss(statistics, aim) + F.mse_loss(again, aim)
    total = total + (1 - F.cosine_similarity(voice, material.voices[index])).mean()
    if known.any():
        total = total + 0.1 * F.cross_entropy(speaker[known], material.speaker[index][known]) * known.float().mean()
    return total


@torch.no_grad()
def equal_error_rates(network, material):
    """Percent, by cosine over all pairs of stretches (at most 3 s, clean, at their own speed) of the held-back speakers: the x-vector's, and
    CAM++'s own on the audio."""
    network.eval()
    stretches = material.held[material.speed[material.held - material.clips] == 1.0]
    hear = lambda i: network(normalised(data.crops(material, i[None], int(material.length[i])), LOGMEL))
    ours, who = torch.cat([hear(i) for i in stretches]), material.recording[stretches - material.clips]
    return {"xvector": scores.equal_error_rate(ours, who), "campplus": scores.equal_error_rate(material.voices[stretches], who)}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--speech", type=pathlib.Path, required=True)
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs")
    ap.add_argument("--epochs", type=int, default=12)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--learning-rate", type=float, default=2e-3)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    material = Material(args.data, args.speech, args.runs)
    student = Student(len(material.speaker_names))
    optimiser = torch.optim.AdamW(student.parameters(), args.learning_rate, weight_decay=0.01, fused=True)
    steps = math.ceil(len(material.epoch(torch.Generator())) / args.batch) * args.epochs
    rate = lambda k: min(1.0, (k + 1) / (0.05 * steps)) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, k / steps)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    augment = Augment(0.5, generator)
    checkpoint, first = args.runs / "xvector-checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        for part, name in ((student, "student"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(state[name])
        generator.set_state(state["generator"])
        first = state["epoch"]
    for epoch in range(first, args.epochs):
        began, total, count = time.time(), 0.0, 0
        student.train()
        for index in data.shuffled_batches(material, material.epoch(generator), args.batch, generator):
            value = loss(student, material, index, augment, generator)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            total, count = total + float(value.detach()) * len(index), count + len(index)
        rates = equal_error_rates(student.xvector, material) if (epoch + 1) % 5 == 0 or epoch + 1 == args.epochs else {}
        print(f"epoch {epoch + 1}: loss {total / count:.4f}  {rates}  ({time.time() - began:.0f} s)", flush=True)
        parts = {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
        torch.save({**parts, "generator": generator.get_state(), "epoch": epoch + 1}, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)
    rates = equal_error_rates(student.xvector, material)
    torch.save(student.xvector.state_dict(), args.runs / "xvector.pt")
    (args.runs / "xvector.json").write_text(json.dumps({"equal_error_rate": rates, "epochs": args.epochs, "speakers": len(set(material.recording[material.held - material.clips].tolist()))}))
    print(f"equal error rates on the speakers that were held back: {rates}")


if __name__ == "__main__":
    main()
