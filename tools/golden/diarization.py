#!/usr/bin/env python3
"""Golden values of the diarization measures: writes tests/golden/diarization.json.

    python tools/golden/diarization.py        (bit-identical with the same versions)

Diarization error rate (without collar and with one of 0.25 s on either side) and Jaccard error rate
of 60 random conversations of up to six speakers, computed by pyannote.metrics: hypotheses with
moved boundaries, exchanged, split, merged and invented speakers, missing turns, with and without
scored regions.

Needs numpy 2.4.6 and pyannote.metrics 4.2.0, in an environment of its own.
"""

import importlib.metadata
import json
import pathlib

import numpy as np
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

SEED, RECORDINGS = 20261130, 60
# pyannote.metrics states the whole width of a collar, NIST one side of it
COLLAR_WIDTH_S = 0.5


def conversation(rng, speakers):
    """Turns [(speaker, start, end)], some of them overlapping; a speaker's own never do."""
    turns, at, busy = [], 0.0, {}
    for _ in range(rng.integers(1, 25)):
        speaker = int(rng.integers(speakers))
        start = round(max(at + rng.uniform(-1.0, 1.5), busy.get(speaker, 0.0) + 0.1, 0.0), 3)
        end = round(start + rng.uniform(0.2, 5.0), 3)
        turns.append((f"speaker {speaker}", start, end))
        busy[speaker], at = end, end
    return turns


def disturbed(rng, turns, kind):
    """A hypothesis for these turns."""
    names = sorted({speaker for speaker, _, _ in turns})
    found = []
    for number, (speaker, start, end) in enumerate(turns):
        name = f"S{names.index(speaker)}"
        if kind == "exchanged" and rng.random() < 0.3:
            name = f"S{rng.integers(len(names))}"
        elif kind == "split":
            name = f"{name}-{number % 2}"
        elif kind == "merged":
            name = f"S{names.index(speaker) // 2}"
        elif kind == "missing" and rng.random() < 0.4:
            continue
        start = round(max(0.0, start + rng.normal(0, 0.2)), 3)
        end = round(max(start + 0.05, end + rng.normal(0, 0.2)), 3)
        found.append((name, start, end))
    if kind == "invented":
        for number in range(3):
            start = round(rng.uniform(0, 20), 3)
            found.append((f"X{number}", start, round(start + rng.uniform(0.5, 3), 3)))
    return found


def annotation(turns):
    made = Annotation()
    for track, (speaker, start, end) in enumerate(turns):
        made[Segment(start, end), track] = speaker
    # turns of one speaker that touch or overlap are one
    return made.support()


def measured(reference, hypothesis, scored):
    reference, hypothesis = annotation(reference), annotation(hypothesis)
    extent = (reference.get_timeline() | hypothesis.get_timeline()).extent()
    uem = Timeline([Segment(*s) for s in scored] if scored else [extent])
    keys = ("total", "missed detection", "false alarm", "confusion")
    row = {}
    for name, collar in (("errors", 0.0), ("errors_with_collar", COLLAR_WIDTH_S)):
        metric = DiarizationErrorRate(collar=collar)
        details = metric(reference, hypothesis, uem=uem, detailed=True)
        row[name] = [float(details[key]) for key in keys]
    details = JaccardErrorRate()(reference, hypothesis, uem=uem, detailed=True)
    row["jaccard_errors"] = float(details["speaker error"])
    row["jaccard_speakers"] = int(details["speaker count"])
    row["speakers"] = len(reference.crop(uem).labels())
    row["speakers_found"] = len(hypothesis.crop(uem).labels())
    return row


def main():
    rng = np.random.default_rng(SEED)
    kinds = ["moved", "exchanged", "split", "merged", "missing", "invented"]
    recordings = []
    for number in range(RECORDINGS):
        kind = kinds[number % len(kinds)]
        reference = conversation(rng, int(rng.integers(1, 7)))
        hypothesis = disturbed(rng, reference, kind)
        scored = None
        if number % 3 == 0:
            cuts = np.round(np.sort(rng.uniform(0, 40, 4)), 3).tolist()
            scored = [cuts[:2], cuts[2:]]
        recordings.append(
            {
                "name": f"{number} {kind}",
                "reference": reference,
                "hypothesis": hypothesis,
                "scored": scored,
                **measured(reference, hypothesis, scored),
            }
        )
    golden = {
        "made_by": "tools/golden/diarization.py, pyannote.metrics "
        + importlib.metadata.version("pyannote.metrics"),
        "seed": SEED,
        "recordings": recordings,
    }
    path = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/diarization.json"
    text = json.dumps(golden, separators=(",", ":")).replace('},{"name"', '},\n{"name"')
    path.write_text(text + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
