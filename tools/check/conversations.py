#!/usr/bin/env python3
"""Makes conversations with exact truth from recordings of one speaker each (seeded).

    python tools/check/conversations.py FOLDER (--librispeech SPEECH | --crema-d CLIPS.csv AUDIO)
            [--part evaluation] [--count 60] [--voices 2 3 4] [--speech-s 30] [--seed 1]
    persona-engine eval FOLDER/*.wav --rttm FOLDER/reference.rttm --uem FOLDER/reference.uem

SPEECH contains librispeech.csv (file, speaker, sex) and the recordings that it names. CLIPS.csv has
CREMA-D's clips (clip, actor, sex, age, emotion); AUDIO contains CLIP.wav or CLIP.npy (int16,
16 kHz). Every fifth speaker belongs to the evaluation part, all others to the development part; no
conversation mixes them. Recordings with a loud background are left out, because the truth comes
from the level. Numbers of voices and conditions (clean, room, telephone, room and noise)
take turns, the share of overlap is drawn from 0 to 20 %.

Writes NAME.wav, reference.rttm, reference.uem, and as CSV: conversations (voices, condition,
overlap), speakers (sex, age, seconds of speech) and turns (emotion). Needs numpy, scipy, soundfile,
soxr, torch and lameenc.
"""

import argparse
from pathlib import Path

import numpy as np

from persona import conversations
from persona.conversations import CONDITIONS


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--librispeech", type=Path, metavar="SPEECH")
    source.add_argument("--crema-d", type=Path, nargs=2, metavar=("CLIPS.csv", "AUDIO"))
    parser.add_argument("--part", choices=["development", "evaluation"], default="evaluation")
    parser.add_argument("--count", type=int, default=60, help="conversations (default 60)")
    parser.add_argument("--voices", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=CONDITIONS)
    parser.add_argument("--overlap", type=float, default=0.2, help="largest share (default 0.2)")
    parser.add_argument(
        "--speech-s",
        type=float,
        default=30.0,
        help="speech of each speaker, seconds, if there is as much (default 30)",
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def made(args, speakers):
    """Yields (name, conversation)."""
    rng = np.random.default_rng(args.seed)
    kinds = [(voices, condition) for condition in args.conditions for voices in args.voices]
    for number in range(args.count):
        voices, condition = kinds[number % len(kinds)]
        chosen = [speakers[i] for i in rng.choice(len(speakers), voices, replace=False)]
        overlap = rng.uniform(0, args.overlap)
        conversation = conversations.conversation(chosen, overlap, condition, args.speech_s, rng)
        name = f"{number:03d}-{voices}-voices-{condition.replace(' ', '-')}"
        print(f"{name}: {conversation.seconds:.1f} s, overlap {conversation.overlap:.3f}")
        yield name, conversation


def main():
    args = arguments()
    if args.librispeech:
        speakers = conversations.read_librispeech(args.librispeech)
    else:
        speakers = conversations.read_crema_d(*args.crema_d)
    speakers = conversations.split(speakers, args.part)
    speakers = conversations.with_quiet_background(speakers)
    if len(speakers) < max(args.voices):
        raise SystemExit(
            f"{len(speakers)} speakers found for {max(args.voices)} voices; "
            "check the folder of recordings"
        )
    conversations.write(args.folder, made(args, speakers))


if __name__ == "__main__":
    main()
