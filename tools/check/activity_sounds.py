#!/usr/bin/env python3
"""Synthesises sounds other than speech, for tests of speech detection: 16 kHz, mono, seeded.

    python tools/check/activity_sounds.py FOLDER [--seed N] [--seconds 30]

Writes FOLDER/easy/KIND-VARIANT.wav and FOLDER/hard/KIND-VARIANT.wav, 16 bits. The detector must
reject the easy ones. Each of the hard ones shares a property with speech (a gliding pitch, a level
modulated at the rate of syllables) and shows the limits. check/activity.py measures both. Needs
numpy.
"""

import argparse
import pathlib

import numpy as np

from persona.synthetic_audio import RATE_HZ, coloured_noise, write_wav

DTMF = {
    key: (row, column)
    for row, keys in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=False)
    for column, key in zip((1209, 1336, 1477, 1633), keys, strict=False)
}


def at_level(samples, dbfs):
    """Scales to this root mean square and clips at full scale."""
    rms = np.sqrt(np.mean(samples**2))
    return np.clip(samples * 10 ** (dbfs / 20) / max(rms, 1e-12), -1, 1)


def tone(f, t):
    return np.sin(2 * np.pi * f * t)


def harmonics(f0, t, amplitudes, rng):
    """A sum of harmonics of a constant or moving fundamental (Hz), each with a random phase, below
    7.6 kHz."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(f0, t.shape)) / RATE_HZ
    top = np.max(f0)
    parts = [
        a * np.sin(k * phase + rng.uniform(0, 6.28))
        for k, a in enumerate(amplitudes, 1)
        if k * top < 7600
    ]
    return np.sum(parts, axis=0) if parts else np.zeros_like(t)


def notes(rng, n, lengths_s, chord, attack_s, decay_s, partials):
    """A sequence of notes or chords, each with an attack and a decay."""
    out, at = np.zeros(n), 0
    while at < n:
        length = int(rng.choice(lengths_s) * RATE_HZ)
        t = np.arange(min(length, n - at)) / RATE_HZ
        root = 110 * 2 ** (rng.integers(0, 30) / 12)
        envelope = np.minimum(t / attack_s, 1) * np.exp(-t / decay_s)
        fade = np.minimum((len(t) - np.arange(len(t))) / (0.01 * RATE_HZ), 1)
        sound = sum(harmonics(root * 2 ** (step / 12), t, partials, rng) for step in chord(rng))
        out[at : at + len(t)] = sound * envelope * fade
        at += length
    return out


def keyed(n, rng, keys, on_s, off_s):
    out, at = np.zeros(n), 0
    while at < n:
        t = np.arange(min(int(on_s * RATE_HZ), n - at)) / RATE_HZ
        out[at : at + len(t)] = sum(tone(f, t) for f in keys(rng))
        at += int((on_s + off_s) * RATE_HZ)
    return out


def cadence(t, on_s, off_s):
    return (t % (on_s + off_s) < on_s).astype(float)


def clicks(rng, n, rate_hz, jitter):
    out, at = np.zeros(n), 0.0
    ring = np.exp(-np.arange(80) / 12.0) * rng.standard_normal(80)
    while at < n - 80:
        out[int(at) : int(at) + 80] += ring
        at += RATE_HZ / rate_hz * (1 + jitter * rng.uniform(-1, 1))
    return out


def crackle(rng, n):
    out = np.zeros(n)
    for at in rng.integers(0, n - 40, n // 1600):
        out[at : at + 40] += rng.exponential() * np.exp(-np.arange(40) / 6) * rng.choice((-1, 1))
    return out


MAJOR, SEVENTH, FIFTH = (0, 4, 7), (0, 4, 7, 10), (0, 7, 12)
PIANO = [1, 0.5, 0.35, 0.2, 0.12, 0.08, 0.05, 0.03]
ORGAN = [1, 0.8, 0.1, 0.6, 0.05, 0.05, 0.05, 0.4]
SAW = [1 / k for k in range(1, 60)]
SQUARE = [1 / k if k % 2 else 0 for k in range(1, 60)]


def easy(rng, n):
    """Yields (KIND-VARIANT, samples)."""
    t = np.arange(n) / RATE_HZ
    white = rng.standard_normal
    yield "digital-silence", np.zeros(n)
    yield "silence-dither", rng.integers(-1, 2, n) / 32768
    yield "silence-hiss", at_level(white(n), -75)
    for level in (-60, -40, -20):
        yield f"white-{-level}db", at_level(white(n), level)
        yield f"pink-{-level}db", at_level(coloured_noise(rng, n, 1), level)
        yield f"brown-{-level}db", at_level(coloured_noise(rng, n, 2), level)
    for f in (50, 60):
        for name, amplitudes in (
            ("plain", [1]),
            ("harmonics", PIANO),
            ("odd", SQUARE),
            ("buzz", SAW),
        ):
            yield (
                f"hum-{f}hz-{name}",
                at_level(harmonics(f, t, amplitudes, rng) + 0.003 * white(n), -30),
            )
        yield f"hum-{f}hz-in-hiss", at_level(harmonics(f, t, PIANO, rng) + white(n), -35)
    key = lambda r: DTMF[r.choice(list(DTMF))]  # noqa: E731
    for on_s, off_s in ((0.07, 0.07), (0.1, 0.1), (0.25, 0.2), (0.5, 0.05)):
        yield f"dtmf-{int(1000 * on_s)}ms", at_level(keyed(n, rng, key, on_s, off_s), -18)
    yield "dtmf-in-noise", at_level(keyed(n, rng, key, 0.1, 0.1) + 0.05 * white(n), -18)
    for name, parts, on_s, off_s in (
        ("us", (440, 480), 2, 4),
        ("eu", (425,), 1, 4),
        ("uk", (400, 450), 0.4, 0.2),
        ("busy", (480, 620), 0.5, 0.5),
        ("fast-busy", (480, 620), 0.25, 0.25),
        ("dial", (350, 440), 30, 0),
    ):
        sound = sum(tone(f, t) for f in parts) * cadence(t, on_s, off_s)
        yield f"ringback-{name}", at_level(sound + 0.001 * white(n), -20)
    for f in (100, 220, 440, 1000, 3000, 6000):
        yield f"tone-{f}hz", at_level(tone(f, t), -20)
    yield "tone-220hz-in-noise", at_level(tone(220, t) + 0.1 * white(n), -20)
    yield "tone-beeps-3hz", at_level(tone(400, t) * cadence(t, 0.15, 0.18), -20)
    for name, seconds, low, high in (
        ("slow", 30, 50, 7000),
        ("fast", 3, 100, 4000),
        ("up-1s", 1, 80, 800),
    ):
        u = (t % seconds) / seconds
        yield (
            f"sweep-{name}",
            at_level(np.sin(2 * np.pi * np.cumsum(low * (high / low) ** u) / RATE_HZ), -20),
        )
    for rate, jitter in ((1, 0), (4, 0.3), (12, 0.5), (60, 0), (110, 0)):
        yield f"clicks-{rate}hz", at_level(clicks(rng, n, rate, jitter), -35)
    yield "clicks-crackle", at_level(crackle(rng, n), -35)
    for name, chord in (("major", MAJOR), ("seventh", SEVENTH), ("fifth", FIFTH)):
        yield (
            f"chord-{name}",
            at_level(sum(harmonics(220 * 2 ** (s / 12), t, ORGAN, rng) for s in chord), -20),
        )
    pick = lambda r: (MAJOR, SEVENTH, FIFTH, (0,))[r.integers(4)]  # noqa: E731
    yield "chords-piano", at_level(notes(rng, n, (0.25, 0.5, 1), pick, 0.005, 0.4, PIANO), -22)
    yield "chords-organ", at_level(notes(rng, n, (0.3, 0.6, 1.2), pick, 0.03, 9, ORGAN), -22)
    yield "chords-pad", at_level(notes(rng, n, (1.5, 3), pick, 0.4, 3, SAW), -22)
    yield "chords-fast", at_level(notes(rng, n, (0.12, 0.2), pick, 0.01, 0.15, SAW), -22)
    yield (
        "chords-in-noise",
        at_level(notes(rng, n, (0.25, 0.5), pick, 0.01, 0.3, PIANO) + 0.05 * white(n), -22),
    )
    yield (
        "notes-plucked",
        at_level(notes(rng, n, (0.15, 0.3, 0.45), lambda _: (0,), 0.004, 0.2, SAW), -22),
    )
    yield "notes-held", at_level(notes(rng, n, (0.3, 0.6), lambda _: (0,), 0.02, 5, SQUARE), -22)
    for f in (70, 110, 180, 300):
        yield f"drone-saw-{f}hz", at_level(harmonics(f, t, SAW, rng), -22)
    yield (
        "drone-two-saws",
        at_level(harmonics(110, t, SAW, rng) + harmonics(110.7, t, SAW, rng), -22),
    )
    yield "drone-square", at_level(harmonics(150, t, SQUARE, rng), -22)
    yield "drone-in-noise", at_level(harmonics(140, t, SAW, rng) + 0.15 * white(n), -22)


def hard(rng, n):
    """Yields sounds that share a property with speech."""
    t = np.arange(n) / RATE_HZ
    white = rng.standard_normal
    triangle = 2 * np.abs((t / 4) % 1 - 0.5)
    yield "siren-wail", at_level(harmonics(500 + 900 * triangle, t, [1, 0.3, 0.2], rng), -20)
    yield "siren-yelp", at_level(harmonics(600 + 700 * ((3.3 * t) % 1), t, [1, 0.3, 0.2], rng), -20)
    yield (
        "siren-hi-lo",
        at_level(harmonics(np.where(t % 1 < 0.5, 440, 585), t, [1, 0.4, 0.3, 0.2], rng), -20),
    )
    wobble = 2 ** (0.5 / 12 * tone(5.5, t))
    melody = 220 * 2 ** (
        rng.choice((0, 2, 4, 5, 7, 9, 11, 12), int(n / RATE_HZ / 0.5) + 1)[(t / 0.5).astype(int)]
        / 12
    )
    yield (
        "melody-vibrato",
        at_level(
            harmonics(melody * wobble, t, PIANO, rng) * (1 - 0.6 * np.exp(-(t % 0.5) / 0.05)), -20
        ),
    )
    glide = np.convolve(
        np.pad(melody, 2000, mode="edge"), np.hanning(2400) / np.hanning(2400).sum(), "same"
    )[2000:-2000]
    yield "melody-violin", at_level(harmonics(glide * wobble, t, SAW, rng) + 0.01 * white(n), -20)
    yield "am-white-4hz", at_level(white(n) * (1 + tone(4, t)) / 2, -25)
    yield "am-pink-4hz", at_level(coloured_noise(rng, n, 1) * (1 + tone(4, t)) / 2, -25)
    yield "am-saw-4hz", at_level(harmonics(120, t, SAW, rng) * (1 + tone(4, t)) / 2, -25)
    idle = 28 * (1 + 0.02 * np.convolve(white(n), np.ones(4000) / 63, "same"))
    yield (
        "engine-idle",
        at_level(
            harmonics(idle, t, SAW, rng) * (1 + 0.3 * tone(14, t))
            + 0.4 * coloured_noise(rng, n, 1.5) / 0.02,
            -25,
        ),
    )
    revs = 40 + 60 * (1 - np.cos(2 * np.pi * t / 5)) / 2
    yield "engine-revving", at_level(harmonics(revs, t, SAW, rng) + 0.1 * white(n), -25)
    chirps = (
        harmonics(2500 + 1200 * ((7 * t) % 1), t, [1, 0.1], rng)
        * cadence(t, 0.6, 0.4)
        * np.abs(tone(3.5, t))
    )
    yield "birdsong", at_level(chirps + 0.005 * white(n), -25)
    gusts = np.abs(np.convolve(white(n), np.hanning(8000) / 55, "same"))
    yield "wind", at_level(coloured_noise(rng, n, 2) * gusts, -25)
    yield "rain", at_level(white(n) + 3 * crackle(rng, n), -30)
    beat = cadence(t, 0.05, 0.45) * white(n) + cadence(t + 0.25, 0.08, 0.92) * tone(60, t) * 4
    yield "drums", at_level(beat, -22)
    yield (
        "bar-of-music",
        at_level(beat + 1.5 * notes(rng, n, (0.5,), lambda _: MAJOR, 0.01, 0.4, PIANO), -20),
    )
    alarm = harmonics(2000 + 800 * cadence(t, 0.25, 0.25), t, [1, 0, 0.3], rng) * cadence(t, 1, 0.5)
    yield "alarm", at_level(alarm, -20)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30)
    args = parser.parse_args()
    for group, sounds in (("easy", easy), ("hard", hard)):
        (args.folder / group).mkdir(parents=True, exist_ok=True)
        for name, samples in sounds(np.random.default_rng(args.seed), int(args.seconds * RATE_HZ)):
            write_wav(args.folder / group / f"{name}.wav", samples)


if __name__ == "__main__":
    main()
