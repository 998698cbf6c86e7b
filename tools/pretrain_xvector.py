#!/usr/bin/env python3
"""Teaches a TDNN x-vector to hear voices as CAM++ does, before it learns any task.

    pretrain_xvector.py --data CREMA_D --speech SPEECH [--runs runs]      runs/xvector.pt, after listen.py

The x-vector hears exact log-mel spectrograms: CREMA-D's clips and outside recordings (three speeds, half of them degraded by rooms, noise and
telephone lines; every spectrogram is equalised, noised, band-limited and masked besides). It has two lessons:

1. Voices. Its embedding, and its pooled statistics, are to tell CAM++'s pooled statistics and embedding of the clean audio (for CREMA-D: of inverted
   audio, moved to where real audio lies); and the embedding is to tell LibriSpeech's speakers apart, but for 50 who are kept for measuring.
2. How they speak. A speaker network's last layer has forgotten much of that: now both are to tell the statistics of CAM++'s three blocks as well, on
   CREMA-D's clips, with some outside stretches beside them so that the first lesson is not lost.

No label of CREMA-D is used: one pretrained body serves all folds. At the end of each lesson: equal error rates on the held-back speakers, beside CAM++'s.
Stopped and started again it goes on from its checkpoint. About two hours on one CPU core.
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
from persona.vectors import BLOCKS

ROOT = pathlib.Path(__file__).resolve().parent.parent
FINAL = 1024  # values of CAM++'s last layer, which are the last of its blocks'


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
        blocks = torch.cat([aligned[:, columns[tap]] for tap in BLOCKS], dim=1)
        middle, spread = blocks.mean(0), blocks.std(0).clamp(min=1e-3)
        self.blocks = ((blocks - middle) / spread).clamp(-5, 5)
        self.final = ((clean["statistics"].float() - middle[-FINAL:]) / spread[-FINAL:]).clamp(-5, 5)
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


class Voices(nn.Module):
    """First lesson: the x-vector, and the affines that tell what CAM++ says; these go when it has learned."""

    learning_rate = 2e-3

    def __init__(self, xvector, material):
        super().__init__()
        self.xvector, self.material = xvector, material
        pooled, dim = xvector.embedding.in_features, xvector.dim
        self.from_pooled, self.from_embedding = nn.Linear(pooled, FINAL), nn.Linear(dim, FINAL)
        self.pooled_norm = nn.BatchNorm1d(pooled, affine=False)
        self.voice, self.speaker = nn.Linear(dim, 192), nn.Linear(dim, len(material.speaker_names))

    def epoch(self, generator):
        """Every clip, and every outside stretch either clean or degraded."""
        degraded = (torch.rand(len(self.material.outside), generator=generator) < 0.5).long()
        return torch.cat([torch.arange(self.material.clips), self.material.outside + degraded * self.material.stretches])

    def loss(self, index, augment, generator):
        material, frames = self.material, int(self.material.length[index].min())
        pooled, embedding = heard(self.xvector, augment(data.crops(material, index, frames, generator)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            statistics, again = self.from_pooled(self.pooled_norm(pooled)).float(), self.from_embedding(embedding).float()
            voice, speaker = self.voice(embedding).float(), self.speaker(embedding).float()
        aim, known = material.statistics[index], material.speaker[index] >= 0
        total = F.mse_loss(statistics, aim) + F.mse_loss(again, aim)
        total = total + (1 - F.cosine_similarity(voice, material.voices[index])).mean()
        if known.any():
            total = total + 0.1 * F.cross_entropy(speaker[known], material.speaker[index][known]) * known.float().mean()
        return total


class Manner(nn.Module):
    """Second lesson: the same x-vector, and affines that tell the statistics of CAM++'s blocks."""

    learning_rate = 1.5e-3

    def __init__(self, xvector, material, beside=16):
        super().__init__()
        self.xvector, self.material, self.beside = xvector, material, beside  # outside stretches in each batch
        pooled, dim, aims = xvector.embedding.in_features, xvector.dim, material.blocks.shape[1]
        self.from_pooled, self.from_embedding, self.voice = nn.Linear(pooled, aims), nn.Linear(dim, aims), nn.Linear(dim, 192)
        self.pooled_norm = nn.BatchNorm1d(pooled, affine=False)

    def epoch(self, _):
        return torch.arange(self.material.clips)

    def loss(self, index, augment, generator):
        material, frames, clips = self.material, int(self.material.length[index].min()), len(index)
        some = material.outside[torch.randint(len(material.outside), (4 * self.beside,), generator=generator)]
        some = some + material.stretches * torch.randint(2, some.shape, generator=generator)
        index = torch.cat([index, some[material.length[some] >= frames][: self.beside]])
        pooled, embedding = heard(self.xvector, augment(data.crops(material, index, frames, generator)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            told, again = self.from_pooled(self.pooled_norm(pooled)).float(), self.from_embedding(embedding).float()
            voice = self.voice(embedding).float()
        aim, final = material.blocks[index[:clips]], material.final[(index[clips:] - material.clips) % material.stretches]
        total = F.mse_loss(told[:clips], aim) + F.mse_loss(again[:clips], aim) + 0.2 * F.mse_loss(told[clips:, -FINAL:], final)
        return total + (1 - F.cosine_similarity(voice, material.voices[index])).mean()


def heard(xvector, spectrograms):
    """(pooled statistics, embedding) of dB below the peak."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = xvector.pool(normalised(spectrograms, LOGMEL))
        return pooled, xvector.embed(pooled)


@torch.no_grad()
def equal_error_rates(network, material):
    """Percent, by cosine over all pairs of stretches (at most 3 s, clean, at their own speed) of the held-back speakers: the x-vector's, and
    CAM++'s own on the audio."""
    network.eval()
    stretches = material.held[material.speed[material.held - material.clips] == 1.0]
    hear = lambda i: network(normalised(data.crops(material, i[None], int(material.length[i])), LOGMEL))
    ours, who = torch.cat([hear(i) for i in stretches]), material.recording[stretches - material.clips]
    return {"xvector": scores.equal_error_rate(ours, who), "campplus": scores.equal_error_rate(material.voices[stretches], who)}


def learn(lesson, epochs, args):
    """Trains to the end of the schedule; kept after every epoch."""
    generator = torch.Generator().manual_seed(args.seed)
    material, augment = lesson.material, Augment(0.5, generator)
    optimiser = torch.optim.AdamW(lesson.parameters(), lesson.learning_rate, weight_decay=0.01, fused=True)
    steps = math.ceil(len(lesson.epoch(torch.Generator())) / args.batch) * epochs
    rate = lambda k: min(1.0, (k + 1) / (0.05 * steps)) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, k / steps)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    name = type(lesson).__name__.lower()
    checkpoint, first = args.runs / f"xvector-{name}.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        for part, key in ((lesson, "lesson"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(state[key])
        generator.set_state(state["generator"])
        first = state["epoch"]
    for epoch in range(first, epochs):
        began, total, count = time.time(), 0.0, 0
        lesson.train()
        for index in data.shuffled_batches(material, lesson.epoch(generator), args.batch, generator):
            value = lesson.loss(index, augment, generator)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(lesson.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            total, count = total + float(value.detach()) * len(index), count + len(index)
        print(f"{name}, epoch {epoch + 1}: loss {total / count:.4f} ({time.time() - began:.0f} s)", flush=True)
        parts = {"lesson": lesson.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
        torch.save({**parts, "generator": generator.get_state(), "epoch": epoch + 1}, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)
    rates = equal_error_rates(lesson.xvector, material)
    print(f"{name}: equal error rates on the speakers that were held back: {rates}", flush=True)
    return rates


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--speech", type=pathlib.Path, required=True)
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs")
    ap.add_argument("--epochs", type=int, nargs=2, default=(16, 8), help="of the two lessons")
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)
    material = Material(args.data, args.speech, args.runs)
    xvector = networks.XVector(LOGMEL["n_mels"], networks.XVECTOR)
    rates = [learn(lesson(xvector, material), epochs, args) for lesson, epochs in zip((Voices, Manner), args.epochs)]
    torch.save(xvector.state_dict(), args.runs / "xvector.pt")
    kept = {"equal_error_rate": rates[-1], "after_voices": rates[0], "epochs": args.epochs, "speakers": len(set(material.recording[material.held - material.clips].tolist()))}
    (args.runs / "xvector.json").write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
