#!/usr/bin/env python3
"""Computes CAM++'s representations of all recordings once, for the trainings that follow.

    python tools/train/embed_corpus.py --data CREMA_D --speech SPEECH [--runs runs] [--workers 2]
            [--wheel FILE] [--sounds FOLDER]

Writes, unless they exist, runs/campplus-clips.safetensors for CREMA-D's clips, whose audio is
reconstructed from spectrograms, since only those are available:

    clips              [clips, dim]      every tap's vector, concatenated in the order of `ALL_TAPS`
    clips_conditions   [clips, 2, dim]   the same under two channel conditions
                                         (persona/channel_conditions.py)
    clip_conditions    [clips, 2]        their numbers

and runs/campplus-other.safetensors for segments of other corpora: as recorded, with the noise of a
room of CREMA-D, and that reconstructed from its spectrogram:

    recorded, noisy, reconstructed               [pairs, dim]
    noisy_conditions, reconstructed_conditions   [pairs, 2, dim]   both under the same two channel
                                                                   conditions with the same noise
    pair_recording                               [pairs]           the number of the recording

and for the x-vector's pretraining, the other corpora at three speeds, and degraded once:

    frames, degraded    uint8 [total, 128]   log-mel in CREMA-D's format, concatenated
    start, length       [segments]
    statistics          [segments, 1024]     CAM++ on the clean segment
    embedding           [segments, 192]
    recording, speed    [segments]

and runs/campplus-int8.safetensors, the errors of CAM++ with int8 weights (persona/quantisation.py)
on other corpora:

    errors              [segments, dim]

With --sounds the reconstructed clips are kept too, as FOLDER/CLIP.wav. No labels are used. Takes
about 45 minutes on two cores. Needs tools/requirements.lock.
"""

import argparse
import json
import multiprocessing
import pathlib
import time

import numpy as np
import soundfile
import soxr
import torch
from safetensors.numpy import load_file, save_file

from persona import (
    audio_features,
    campplus_checkpoint,
    channel_conditions,
    crema_d,
    other_corpora,
    training_inputs,
)
from persona.campplus import ALL_TAPS, CAMPPLUS, CamPlusPlus, tap_columns
from persona.quantisation import quantised_campplus

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCH = 16


class Embedder:
    """CAM++ with all taps, on one thread."""

    def __init__(self, checkpoint):
        torch.set_num_threads(1)
        self.network = CamPlusPlus(80, {**CAMPPLUS, "taps": ALL_TAPS})
        self.network.load_published(torch.load(checkpoint, weights_only=True))
        self.network.eval()
        self.network.head.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def embed(self, audio):
        """[batch, samples] → [batch, dim] f16."""
        return self.network(audio_features.fbank(torch.as_tensor(audio))).half().numpy()

    def embed_conditions(self, audio, numbers, seed):
        """[batch, samples] under the channel conditions `numbers` [batch, times] → [batch, times,
        dim]. The seed determines the noise."""
        rng = np.random.default_rng(seed)
        changed = [channel_conditions.apply(audio, column, rng) for column in numbers.T]
        return np.stack([self.embed(x.astype(np.float32)) for x in changed], axis=1)


def by_length(numbers, lengths):
    """Yields batches of clips of one length."""
    order = sorted(numbers, key=lambda i: lengths[i])
    cuts = [k for k in range(1, len(order)) if lengths[order[k]] != lengths[order[k - 1]]]
    for part in np.split(np.array(order), cuts):
        yield from np.split(part, range(BATCH, len(part), BATCH))


def embed_clips(work):
    """{clip: (vector, vectors under conditions, conditions)} of one worker's share of CREMA-D."""
    checkpoint, args, share, shares = work
    embedder, generator = Embedder(checkpoint), torch.Generator().manual_seed(100 + share)
    stored = load_file(args.data / "logmel_u8.safetensors")
    names = sorted(stored)
    batches = list(by_length(range(len(names)), [len(stored[n]) for n in names]))[share::shares]
    found, rng = {}, np.random.default_rng(500 + share)
    for batch in batches:
        frames = torch.tensor(np.stack([stored[names[i]] for i in batch]))
        audio = audio_features.invert(audio_features.from_bytes(frames), generator)
        numbers = channel_conditions.draw(len(batch), rng)
        if args.sounds:
            for i, samples in zip(batch, audio.numpy(), strict=True):
                soundfile.write(args.sounds / f"{names[i]}.wav", samples, audio_features.RATE)
        changed = embedder.embed_conditions(audio.numpy(), numbers, rng.integers(2**32))
        vectors = embedder.embed(audio)
        for i, *parts in zip(batch, vectors, changed, numbers, strict=True):
            found[names[i]] = parts
    return found


class OtherCorpora:
    """Pairs and pretraining segments of one worker's share of the other corpora, as lists."""

    def __init__(self, checkpoint, args, share):
        corpus = load_file(args.data / "logmel_u8.safetensors")
        self.embedder = Embedder(checkpoint)
        self.generator = torch.Generator().manual_seed(200 + share)
        spectrograms = [corpus[name] for name in sorted(corpus)]
        self.room_noise = other_corpora.RoomNoise(spectrograms, 700 + share)
        self.degrade = other_corpora.Degrade(300 + share)
        self.rng = np.random.default_rng(400 + share)
        self.condition_rng = np.random.default_rng(600 + share)
        self.columns, self.lists = tap_columns(), {}

    def add(self, **values):
        for name, value in values.items():
            self.lists.setdefault(name, []).append(value)

    def add_recording(self, number, audio):
        """All segments of one recording, at every speed."""
        rate = audio_features.RATE
        for speed in other_corpora.SPEEDS:
            other = audio if speed == 1.0 else soxr.resample(audio, rate, rate / speed)
            offset = 0 if speed == 1.0 else self.rng.integers(rate)
            parts = [part for _, part in other_corpora.segments(other[offset:])]
            for part in parts if speed == 1.0 else parts[::2]:
                vector = self.embedder.embed(part[None])[0]
                if speed == 1.0:
                    self.add_pair(number, part, vector)
                self.add_segment(number, part, vector, speed)

    def add_pair(self, number, part, vector):
        noisy = self.room_noise(part)
        numbers = channel_conditions.draw(1, self.condition_rng)
        seed = self.condition_rng.integers(2**32)
        spectrogram = audio_features.to_bytes(audio_features.logmel(torch.tensor(noisy)[None]))
        db = audio_features.from_bytes(spectrogram)
        reconstructed = audio_features.invert(db, self.generator)
        level = at_level_of(reconstructed, noisy)
        embed = self.embedder.embed_conditions
        self.add(
            recorded=vector,
            noisy=self.embedder.embed(noisy[None])[0],
            reconstructed=self.embedder.embed(reconstructed)[0],
            noisy_conditions=embed(level, numbers, seed)[0],
            reconstructed_conditions=embed(reconstructed.numpy(), numbers, seed)[0],
            pair_recording=number,
        )

    def add_segment(self, number, part, vector, speed):
        clean = audio_features.logmel(torch.tensor(part)[None])
        degraded = audio_features.logmel(torch.tensor(self.degrade(part))[None])
        self.add(
            frames=audio_features.to_bytes(clean)[0].numpy(),
            degraded=audio_features.to_bytes(degraded)[0].numpy(),
            length=clean.shape[1],
            recording=number,
            speed=speed,
            statistics=vector[self.columns["final"]],
            embedding=vector[self.columns["embedding"]],
        )


def embed_other(work):
    checkpoint, args, share, shares = work
    corpora, found = OtherCorpora(checkpoint, args, share), other_corpora.recordings(args.speech)
    for number in range(share, len(found), shares):
        corpora.add_recording(number, other_corpora.read(found[number].path))
    return corpora.lists


def int8_errors(work):
    """int8 − f32 on one worker's share of the other corpora."""
    checkpoint, args, share, shares = work
    network = Embedder(checkpoint).network
    quantised, errors = quantised_campplus(network), []
    for recording in other_corpora.recordings(args.speech)[share::shares]:
        for _, part in other_corpora.segments(other_corpora.read(recording.path)):
            with torch.no_grad():
                features = audio_features.fbank(torch.tensor(part)[None])
                error = quantised(features) - network(features)
            errors.append(error[0].half().numpy())
    return {"errors": errors}


def at_level_of(reconstructed, part):
    """A recorded segment with the length and level of its reconstruction, [1, samples], so that
    noise and µ-law have the same effect on both."""
    samples = reconstructed.shape[1]
    part = np.pad(part, (0, max(0, samples - len(part))))[None, :samples]
    return part / (np.abs(part).max() + 1e-9) * audio_features.SPEECH_PEAK


def merged_clips(shares, args):
    found = {name: parts for share in shares for name, parts in share.items()}
    columns = zip(*(found[row["clip"]] for row in crema_d.rows(args.data)), strict=True)
    names = ("clips", "clips_conditions", "clip_conditions")
    return dict(zip(names, map(np.stack, columns), strict=True))


def merged_other(shares, _):
    tensors = {}
    for name in shares[0]:
        values = [value for share in shares for value in share.get(name, ())]
        join = np.concatenate if name in ("frames", "degraded") else np.array
        # safetensors writes memory in its order, whatever the strides
        tensors[name] = np.ascontiguousarray(join(values))
    tensors["start"] = np.cumsum(tensors["length"]) - tensors["length"]
    return tensors


def merged_errors(shares, _):
    return {"errors": np.stack([one for share in shares for one in share["errors"]])}


STEPS = (
    (training_inputs.OTHER_FILE, embed_other, merged_other),
    (training_inputs.CLIPS_FILE, embed_clips, merged_clips),
    (training_inputs.INT8_FILE, int8_errors, merged_errors),
)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    path = pathlib.Path
    parser.add_argument("--data", type=path, required=True)
    parser.add_argument("--speech", type=path, required=True)
    parser.add_argument("--runs", type=path, default=ROOT / "runs")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--wheel", type=path, help="the package's wheel, or the checkpoint itself")
    parser.add_argument("--sounds", type=path, help="folder for the reconstructed clips")
    return parser.parse_args()


def main():
    args = arguments()
    args.runs.mkdir(parents=True, exist_ok=True)
    if args.sounds:
        args.sounds.mkdir(parents=True, exist_ok=True)
    checkpoint = args.runs / "campplus.pt"
    torch.save(campplus_checkpoint.published(args.wheel), checkpoint)
    for name, embed, merge in STEPS:
        path, began = args.runs / name, time.time()
        if path.exists():
            continue
        work = [(checkpoint, args, share, args.workers) for share in range(args.workers)]
        with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
            shares = pool.map(embed, work)
        save_file(merge(shares, args), path, metadata={"taps": json.dumps(ALL_TAPS)})
        print(f"wrote {path} ({time.time() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
