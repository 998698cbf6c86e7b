#!/usr/bin/env python3
"""Pretrains the TDNN x-vector by distillation from CAM++.

    python tools/train/pretrain_xvector.py --data CREMA_D --speech SPEECH [--runs runs]

Writes runs/xvector.pt. Run embed_corpus.py first.

The x-vector reads exact log-mel spectrograms: CREMA-D's clips and segments of other corpora (three
speeds, half of them degraded by rooms, noise and telephones). Every spectrogram is augmented with
equalisation, noise, band limits and masks. There are two stages:

1. Speakers. The embedding and the pooled statistics predict CAM++'s pooled statistics and embedding
   of the clean audio (for CREMA-D: of reconstructed audio, aligned to recorded audio). The
   embedding also classifies LibriSpeech's speakers, except for 50 who are held out for evaluation.
2. Manner of speaking. A speaker network's last layer discards much of it. Now both predict the
   statistics of CAM++'s three blocks as well, on CREMA-D's clips, with some segments of other
   corpora in each batch so that the first stage is not forgotten.

No label of CREMA-D is used: one pretrained network serves all folds. Each stage ends with the equal
error rates on the held-out speakers, next to CAM++'s. An interrupted run continues from its
checkpoint. Takes about two hours on one CPU core. Needs tools/requirements.lock.
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

from persona import crema_d, metrics, networks, other_corpora, training_inputs
from persona.augment import Augment
from persona.campplus import BLOCK_TAPS, tap_columns
from persona.model_file import LOGMEL, normalised

ROOT = pathlib.Path(__file__).resolve().parents[2]
FINAL = 1024  # values of CAM++'s last layer, the last of the blocks' statistics


class Material:
    """Concatenated spectrograms: CREMA-D's clips, then the segments of other corpora, then the same
    degraded. CAM++'s outputs for each, standardised, are the targets."""

    def __init__(self, folder, speech, runs):
        clips = crema_d.load(folder, "cpu")
        other = load_file(runs / training_inputs.OTHER_FILE)
        aligned, columns = training_inputs.aligned_clips(other, runs), tap_columns()
        self.set_targets(aligned, columns, other)
        self.frames = torch.cat([clips.frames, other["frames"], other["degraded"]])
        total, count = len(clips.frames), len(other["frames"])
        starts = [clips.start, other["start"] + total, other["start"] + total + count]
        self.start = torch.cat(starts)
        self.length = torch.cat([clips.length, *[other["length"]] * 2])
        self.set_speakers(speech, other["recording"].tolist(), len(clips.length))
        self.recording, self.speed = other["recording"], other["speed"]

    def set_targets(self, aligned, columns, other):
        statistics, embedding = other["statistics"].float(), other["embedding"].float()
        statistics = torch.cat([aligned[:, columns["final"]], *[statistics] * 2])
        embedding = torch.cat([aligned[:, columns["embedding"]], *[embedding] * 2])
        deviation = statistics.std(0).clamp(min=1e-3)
        self.statistics = (statistics - statistics.mean(0)) / deviation
        self.embedding = F.normalize(embedding - embedding.mean(0))
        blocks = torch.cat([aligned[:, columns[tap]] for tap in BLOCK_TAPS], dim=1)
        mean, deviation = blocks.mean(0), blocks.std(0).clamp(min=1e-3)
        self.blocks = ((blocks - mean) / deviation).clamp(-5, 5)
        final = other["statistics"].float()
        self.final = ((final - mean[-FINAL:]) / deviation[-FINAL:]).clamp(-5, 5)

    def set_speakers(self, speech, recordings, clips):
        found = other_corpora.recordings(speech)
        held_out = other_corpora.held_out(found)
        self.speaker_names = sorted({r.speaker for r in found if r.speaker} - held_out)
        number = {name: i for i, name in enumerate(self.speaker_names)}
        speakers = torch.tensor([number.get(found[r].speaker, -1) for r in recordings])
        self.speaker = torch.cat([torch.full((clips,), -1), speakers, speakers])
        held = torch.tensor([found[r].speaker in held_out for r in recordings])
        self.clips, self.segments = clips, len(recordings)
        self.other = torch.nonzero(~held)[:, 0] + clips  # clean segments for training
        self.held_out = torch.nonzero(held)[:, 0] + clips


class Voices(nn.Module):
    """First stage: the x-vector, and linear layers that predict CAM++'s outputs and are discarded
    afterwards."""

    learning_rate = 2e-3

    def __init__(self, xvector, material):
        super().__init__()
        self.xvector, self.material = xvector, material
        pooled, dim = xvector.embedding.in_features, xvector.dim
        self.from_pooled, self.from_embedding = nn.Linear(pooled, FINAL), nn.Linear(dim, FINAL)
        self.pooled_norm = nn.BatchNorm1d(pooled, affine=False)
        self.voice = nn.Linear(dim, 192)
        self.speaker = nn.Linear(dim, len(material.speaker_names))

    def epoch(self, generator):
        """Every clip, and every segment of other corpora either clean or degraded."""
        material = self.material
        degraded = (torch.rand(len(material.other), generator=generator) < 0.5).long()
        other = material.other + degraded * material.segments
        return torch.cat([torch.arange(material.clips), other])

    def loss(self, index, augment, generator):
        material, frames = self.material, int(self.material.length[index].min())
        x = augment(crema_d.crops(material, index, frames, generator))
        pooled, embedding = run_xvector(self.xvector, x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            by_pooled = self.from_pooled(self.pooled_norm(pooled)).float()
            by_embedding = self.from_embedding(embedding).float()
            voice, speaker = self.voice(embedding).float(), self.speaker(embedding).float()
        target, known = material.statistics[index], material.speaker[index] >= 0
        total = F.mse_loss(by_pooled, target) + F.mse_loss(by_embedding, target)
        total = total + (1 - F.cosine_similarity(voice, material.embedding[index])).mean()
        if known.any():
            classified = F.cross_entropy(speaker[known], material.speaker[index][known])
            total = total + 0.1 * classified * known.float().mean()
        return total


class Manner(nn.Module):
    """Second stage: the same x-vector, and linear layers that predict CAM++'s block statistics."""

    learning_rate = 1.5e-3

    def __init__(self, xvector, material, others=16):
        super().__init__()
        self.xvector, self.material = xvector, material
        self.others = others  # segments of other corpora in each batch
        pooled, dim, targets = (
            xvector.embedding.in_features,
            xvector.dim,
            material.blocks.shape[1],
        )
        self.from_pooled, self.from_embedding = nn.Linear(pooled, targets), nn.Linear(dim, targets)
        self.voice = nn.Linear(dim, 192)
        self.pooled_norm = nn.BatchNorm1d(pooled, affine=False)

    def epoch(self, _):
        return torch.arange(self.material.clips)

    def draw_others(self, frames, generator):
        """Random segments of other corpora that are long enough, clean or degraded."""
        material = self.material
        which = torch.randint(len(material.other), (4 * self.others,), generator=generator)
        some = material.other[which]
        some = some + material.segments * torch.randint(2, some.shape, generator=generator)
        return some[material.length[some] >= frames][: self.others]

    def loss(self, index, augment, generator):
        material, clips = self.material, len(index)
        frames = int(material.length[index].min())
        index = torch.cat([index, self.draw_others(frames, generator)])
        x = augment(crema_d.crops(material, index, frames, generator))
        pooled, embedding = run_xvector(self.xvector, x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            by_pooled = self.from_pooled(self.pooled_norm(pooled)).float()
            by_embedding = self.from_embedding(embedding).float()
            voice = self.voice(embedding).float()
        target = material.blocks[index[:clips]]
        final = material.final[(index[clips:] - material.clips) % material.segments]
        total = F.mse_loss(by_pooled[:clips], target) + F.mse_loss(by_embedding[:clips], target)
        total = total + 0.2 * F.mse_loss(by_pooled[clips:, -FINAL:], final)
        return total + (1 - F.cosine_similarity(voice, material.embedding[index])).mean()


def run_xvector(xvector, spectrograms):
    """(pooled statistics, embedding) of spectrograms in dB below the peak."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = xvector.pool(normalised(spectrograms, LOGMEL))
        return pooled, xvector.embed(pooled)


@torch.no_grad()
def equal_error_rates(network, material):
    """Equal error rates in percent, by cosine over all pairs of segments (at most 3 s, clean, at
    original speed) of the held-out speakers: the x-vector's, and CAM++'s own on the audio."""
    network.eval()
    segments = material.held_out[material.speed[material.held_out - material.clips] == 1.0]
    vectors = []
    for i in segments:
        db = crema_d.crops(material, i[None], int(material.length[i]))
        vectors.append(network(normalised(db, LOGMEL)))
    speaker = material.recording[segments - material.clips]
    return {
        "xvector": metrics.equal_error_rate(torch.cat(vectors), speaker),
        "campplus": metrics.equal_error_rate(material.embedding[segments], speaker),
    }


class Checkpoint:
    """State of a stage after an epoch: loaded if it exists, replaced after every epoch."""

    def __init__(self, path, generator, **parts):
        self.path, self.generator, self.parts = path, generator, parts
        self.epoch = 0
        if path.exists():
            state = torch.load(path, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            generator.set_state(state["generator"])
            self.epoch = state["epoch"]

    def save(self, epoch):
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"generator": self.generator.get_state(), "epoch": epoch}
        torch.save(state, self.path.with_suffix(".part"))
        self.path.with_suffix(".part").replace(self.path)


def train(stage, epochs, args):
    """Trains a stage to the end of its schedule; returns its equal error rates."""
    generator = torch.Generator().manual_seed(args.seed)
    material, augment = stage.material, Augment(0.5, generator)
    optimiser = torch.optim.AdamW(
        stage.parameters(), stage.learning_rate, weight_decay=0.01, fused=True
    )
    steps = math.ceil(len(stage.epoch(torch.Generator())) / args.batch) * epochs

    def rate(k):
        cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, k / steps))
        return min(1.0, (k + 1) / (0.05 * steps)) * cosine

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    name = type(stage).__name__.lower()
    checkpoint = Checkpoint(
        args.runs / f"xvector-{name}.pt",
        generator,
        lesson=stage,
        optimiser=optimiser,
        schedule=schedule,
    )
    for epoch in range(checkpoint.epoch, epochs):
        began, total, count = time.time(), 0.0, 0
        stage.train()
        clips = stage.epoch(generator)
        for index in crema_d.shuffled_batches(material, clips, args.batch, generator):
            value = stage.loss(index, augment, generator)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(stage.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            total, count = total + float(value.detach()) * len(index), count + len(index)
        seconds = time.time() - began
        print(f"{name}, epoch {epoch + 1}: loss {total / count:.4f} ({seconds:.0f} s)", flush=True)
        checkpoint.save(epoch + 1)
    rates = equal_error_rates(stage.xvector, material)
    print(f"{name}: equal error rates on the held-out speakers: {rates}", flush=True)
    return rates


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--speech", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs")
    parser.add_argument("--epochs", type=int, nargs=2, default=(16, 8), help="of the two stages")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)
    material = Material(args.data, args.speech, args.runs)
    xvector = networks.XVector(LOGMEL["n_mels"], networks.XVECTOR)
    rates = []
    for stage, epochs in zip((Voices, Manner), args.epochs, strict=True):
        rates.append(train(stage(xvector, material), epochs, args))
    torch.save(xvector.state_dict(), args.runs / "xvector.pt")
    held_out = material.recording[material.held_out - material.clips].tolist()
    result = {
        "equal_error_rate": rates[-1],
        "after_voices": rates[0],
        "epochs": args.epochs,
        "speakers": len(set(held_out)),
    }
    (args.runs / "xvector.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
