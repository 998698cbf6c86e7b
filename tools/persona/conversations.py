"""Synthetic conversations with exact truth: who speaks when, made from recordings of one speaker
each.

A speaker's recordings are cut at pauses into utterances, utterances are joined to turns, and turns
of several speakers are placed one after the other, with pauses or overlaps between them. Rooms,
noise and a telephone line are applied afterwards and leave the truth as it is.
"""

import csv
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve

from .channel_conditions import mu_law
from .synthetic_audio import RATE_HZ, coloured_noise, write_wav

CONDITIONS = ("clean", "room", "telephone", "room and noise")
FRAME, HOP = 400, 160  # samples: level is measured in 25 ms each 10 ms
RANGE_DB = 28.0  # speech is at most this far below the loudest frames
ABOVE_FLOOR_DB = 9.0  # and at least this far above the background
# A recording with a louder background is left out: its level does not separate speech from it.
LOUDEST_FLOOR_DB = -30.0
# pauses shorter than this are no break in speech (NIST Rich Transcription, 0.3 s)
LONGEST_PAUSE_S = 0.3
SHORTEST_CUT_S = 0.12  # pauses at which a recording may be cut
SHORTEST_SPEECH_S = 0.1
MARGIN_S = 0.1  # kept before the first and after the last speech of a recording
EDGE_S = 0.02  # fade at the cuts


@dataclass
class Utterance:
    """Samples [n] at 16 kHz and the speech in them: [(start, end)] in seconds."""

    samples: np.ndarray
    speech: list
    emotion: str = ""


@dataclass
class Speaker:
    name: str
    sex: str
    age: str = ""
    recordings: list = field(default_factory=list)  # [(path, emotion)]


@dataclass
class Turn:
    speaker: int
    start_s: float
    samples: np.ndarray
    speech: list  # [(start, end)], seconds in the conversation
    emotion: str

    @property
    def end_s(self):
        return self.start_s + len(self.samples) / RATE_HZ


@dataclass
class Conversation:
    samples: np.ndarray
    speakers: list
    turns: list
    condition: str
    overlap: float  # time with two voices over time with any

    @property
    def seconds(self):
        return len(self.samples) / RATE_HZ


def read_librispeech(folder):
    """Speakers of `librispeech.csv` (columns file, speaker, sex), one or more recordings each."""
    speakers = {}
    with (folder / "librispeech.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            speaker = speakers.setdefault(row["speaker"], Speaker(row["speaker"], row["sex"]))
            speaker.recordings.append((folder / row["file"], ""))
    return [speakers[name] for name in sorted(speakers, key=int)]


def read_crema_d(table, folder):
    """Actors of CREMA-D's `clips.csv` whose clips lie in `folder` as CLIP.wav or CLIP.npy (int16 at
    16 kHz)."""
    speakers = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            paths = [folder / f"{row['clip']}.{kind}" for kind in ("wav", "npy")]
            path = next((path for path in paths if path.exists()), None)
            if path is not None:
                speaker = Speaker(row["actor"], row["sex"], row["age"])
                speaker = speakers.setdefault(row["actor"], speaker)
                speaker.recordings.append((path, row["emotion"]))
    return [speakers[name] for name in sorted(speakers, key=int)]


def split(speakers, part):
    """`evaluation` is every fifth speaker from the first, as in `other_corpora.held_out`;
    `development` are the others."""
    return [s for i, s in enumerate(speakers) if (i % 5 == 0) == (part == "evaluation")]


def read(path):
    """Mono at 16 kHz, [samples] in [−1, 1]."""
    if path.suffix == ".npy":
        return np.load(path).astype(np.float64) / 32768
    audio, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return soxr.resample(audio.mean(1), rate, RATE_HZ)


def runs(active):
    """[(first, one after the last)] of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def levels(samples):
    """Level of each frame [frames] in dB, and the levels of loud speech and of the background: the
    95th and the 5th percentile."""
    power = uniform_filter1d(samples**2, FRAME, mode="constant")[::HOP].clip(min=0)
    level = 10 * np.log10(uniform_filter1d(power, 3) + 1e-12)
    return level, np.percentile(level, 95), np.percentile(level, 5)


def speech(samples, longest_pause_s=LONGEST_PAUSE_S):
    """Speech in a clean recording of one speaker, [(start, end)] in seconds, by level."""
    level, loud, floor = levels(samples)
    segments = []
    for first, last in runs(level > max(loud - RANGE_DB, floor + ABOVE_FLOOR_DB)):
        start, end = first * HOP / RATE_HZ, min(last * HOP, len(samples)) / RATE_HZ
        if segments and start - segments[-1][1] < longest_pause_s:
            segments[-1] = (segments[-1][0], end)
        else:
            segments.append((start, end))
    return [(a, b) for a, b in segments if b - a >= SHORTEST_SPEECH_S]


def with_quiet_background(speakers):
    """The speakers with those of their recordings whose background is quieter than
    `LOUDEST_FLOOR_DB`; speakers without any are left out."""
    for speaker in speakers:
        measured = [(levels(read(path)), path, emotion) for path, emotion in speaker.recordings]
        speaker.recordings = [
            (path, emotion)
            for (_, loud, floor), path, emotion in measured
            if floor - loud <= LOUDEST_FLOOR_DB
        ]
    return [speaker for speaker in speakers if speaker.recordings]


def utterances(samples, emotion=""):
    """Cuts a recording in the middle of its pauses."""
    found = speech(samples, SHORTEST_CUT_S)
    if not found:
        return []
    cuts = [(a[1] + b[0]) / 2 for a, b in itertools.pairwise(found)]
    end = len(samples) / RATE_HZ
    edges = [max(found[0][0] - MARGIN_S, 0), *cuts, min(found[-1][1] + MARGIN_S, end)]
    parts = []
    for (start, end), (a, b) in zip(itertools.pairwise(edges), found, strict=True):
        part = samples[int(start * RATE_HZ) : int(end * RATE_HZ)].copy()
        fade = np.linspace(0, 1, int(EDGE_S * RATE_HZ))
        part[: len(fade)] *= fade
        part[-len(fade) :] *= fade[::-1]
        parts.append(Utterance(part, [(a - start, min(b, end) - start)], emotion))
    return parts


def turns_of(speaker, rng, speech_s):
    """A speaker's utterances, about `speech_s` seconds of them, joined to turns of up to 6 s or
    one utterance: [[Utterance]]. A turn has one emotion."""
    order = rng.permutation(len(speaker.recordings))
    turns, total = [], 0.0
    for path, emotion in [speaker.recordings[i] for i in order]:
        if total >= speech_s:
            break
        samples = read(path)
        # same loudness for every recording of a speaker
        samples = samples * (0.05 / np.sqrt(np.mean(samples**2)))
        longest, turn = rng.uniform(0.5, 6.0), []
        for utterance in utterances(samples, emotion):
            if turn and sum(len(u.samples) for u in turn) / RATE_HZ > longest:
                turns.append(turn)
                longest, turn = rng.uniform(0.5, 6.0), []
            turn.append(utterance)
            total += sum(b - a for a, b in utterance.speech)
        if turn:
            turns.append(turn)
    return turns


def joined(speaker, start_s, turn):
    """A turn at a place in the conversation."""
    spoken, at = [], 0
    for utterance in turn:
        offset = start_s + at / RATE_HZ
        spoken += [(offset + a, offset + b) for a, b in utterance.speech]
        at += len(utterance.samples)
    samples = np.concatenate([utterance.samples for utterance in turn])
    return Turn(speaker, start_s, samples, spoken, turn[0].emotion)


def placed(turns, overlap, rng):
    """Places the speakers' turns [[turn]] in time. The speaker who has most left is the likeliest
    to go on; turns overlap as long as less than `overlap` of the speech does, and never three at
    once."""
    left = [list(t) for t in turns]
    conversation, shared_s, speech_s = [], 0.0, 0.0
    before_last_s, end_s, last = 0.0, rng.uniform(0.2, 1.0), -1
    while any(left):
        remaining = np.array([sum(len(u.samples) for t in own for u in t) for own in left], float)
        if last >= 0 and np.count_nonzero(remaining) > 1:
            remaining[last] *= 0.1  # the same speaker again, after a pause
        speaker = int(rng.choice(len(left), p=remaining / remaining.sum()))
        turn = left[speaker].pop(0)
        length_s = sum(len(u.samples) for u in turn) / RATE_HZ
        room_s = min(0.7 * length_s, end_s - before_last_s, 3.0)
        if conversation and speaker != last and shared_s < overlap * speech_s and room_s > 0.2:
            shared = rng.uniform(0.2, room_s)
        else:
            shared = -min(0.05 + rng.exponential(0.5), 3.0)
        placed_turn = joined(speaker, end_s - shared, turn)
        conversation.append(placed_turn)
        shared_s += max(shared, 0.0)
        speech_s += length_s - max(shared, 0.0)
        before_last_s, end_s = max(end_s, before_last_s), max(end_s, placed_turn.end_s)
        last = speaker
    return conversation


def room_response(rng, rt60_s):
    """Impulse response: direct sound, then noise that decays by 60 dB in `rt60_s`; the direct
    sound is 0 to 12 dB above the reverberation."""
    n = int(rt60_s * RATE_HZ)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    tail[: int(0.002 * RATE_HZ)] = 0
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def rendered(turns, voices, condition, rng):
    """Sum of the turns [samples] with each speaker's level (within 6 dB) and the conditions."""
    n = int((max(turn.end_s for turn in turns) + rng.uniform(0.3, 1.0)) * RATE_HZ)
    mix, rt60_s = np.zeros(n), rng.uniform(0.2, 0.7)
    for speaker in range(voices):
        track = np.zeros(n)
        for turn in turns:
            if turn.speaker == speaker:
                first = int(turn.start_s * RATE_HZ)
                track[first : first + len(turn.samples)] += turn.samples
        if condition.startswith("room"):
            track = fftconvolve(track, room_response(rng, rt60_s))[:n]
        mix += track * 10 ** (rng.uniform(-3, 3) / 20)
    snr_db = rng.uniform(10, 20) if condition.endswith("noise") else rng.uniform(30, 50)
    noise = coloured_noise(rng, n, rng.uniform(0, 2))
    mix += noise / noise.std() * mix.std() * 10 ** (-snr_db / 20)
    mix *= rng.uniform(0.2, 0.9) / np.abs(mix).max()
    return mu_law(mix[None].astype(np.float32), rng)[0] if condition == "telephone" else mix


def speaking(turns, seconds, step_s=0.01):
    """Number of voices at each step [steps]."""
    tracks = np.zeros((1 + max(turn.speaker for turn in turns), int(seconds / step_s) + 1), bool)
    for turn in turns:
        for a, b in turn.speech:
            tracks[turn.speaker, round(a / step_s) : round(b / step_s)] = True
    return tracks.sum(0)


def conversation(speakers, overlap, condition, speech_s, rng):
    """A conversation of these speakers with up to `speech_s` seconds of each of them."""
    turns = placed([turns_of(speaker, rng, speech_s) for speaker in speakers], overlap, rng)
    samples = rendered(turns, len(speakers), condition, rng)
    count = speaking(turns, len(samples) / RATE_HZ)
    shared = float((count > 1).sum() / (count > 0).sum())
    return Conversation(samples, speakers, turns, condition, shared)


def merged(segments, longest_pause_s=LONGEST_PAUSE_S):
    """Sorted segments of one speaker, joined over pauses that are no break."""
    joined_segments = []
    for start, end in sorted(segments):
        if joined_segments and start - joined_segments[-1][1] < longest_pause_s:
            joined_segments[-1][1] = max(joined_segments[-1][1], end)
        else:
            joined_segments.append([start, end])
    return joined_segments


def rttm(name, made):
    """The lines of an RTTM file (NIST): onset and duration in seconds, speakers by name."""
    rows = []
    for number, speaker in enumerate(made.speakers):
        segments = [s for turn in made.turns if turn.speaker == number for s in turn.speech]
        rows += [(start, end, speaker.name) for start, end in merged(segments)]
    return [
        f"SPEAKER {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> {speaker} <NA> <NA>"
        for start, end, speaker in sorted(rows)
    ]


def write(folder, named):
    """Writes NAME.wav for each conversation of [(name, conversation)], and for all of them
    reference.rttm, reference.uem, conversations.csv, speakers.csv and turns.csv."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {n: (folder / n).open("w", newline="") for n in ("reference.rttm", "reference.uem")}
    tables = {
        "conversations.csv": ["file", "voices", "condition", "overlap", "seconds"],
        "speakers.csv": ["file", "speaker", "sex", "age", "speech_s"],
        "turns.csv": ["file", "start", "end", "speaker", "emotion"],
    }
    writers = {}
    for table, columns in tables.items():
        files[table] = (folder / table).open("w", newline="")
        writers[table] = csv.writer(files[table], lineterminator="\n")
        writers[table].writerow(columns)
    for name, made in named:
        write_wav(folder / f"{name}.wav", made.samples)
        lines = rttm(name, made)
        files["reference.rttm"].writelines(line + "\n" for line in lines)
        files["reference.uem"].write(f"{name} 1 0.000 {made.seconds:.3f}\n")
        row = [len(made.speakers), made.condition, f"{made.overlap:.3f}", f"{made.seconds:.3f}"]
        writers["conversations.csv"].writerow([name, *row])
        for speaker in made.speakers:
            spoken = sum(float(x.split()[4]) for x in lines if x.split()[7] == speaker.name)
            row = [speaker.name, speaker.sex, speaker.age, f"{spoken:.3f}"]
            writers["speakers.csv"].writerow([name, *row])
        for turn in made.turns:
            row = [f"{turn.speech[0][0]:.3f}", f"{turn.speech[-1][1]:.3f}"]
            row += [made.speakers[turn.speaker].name, turn.emotion]
            writers["turns.csv"].writerow([name, *row])
    for file in files.values():
        file.close()
