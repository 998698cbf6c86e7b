#!/usr/bin/env python3
"""Prints the predictions of the usual Python pipeline with one of our networks: soundfile, librosa
or kaldi-native-fbank, ONNX Runtime.

    python tools/bench/python_peer.py NETWORK.onnx FRONTEND.json RECORDING.wav [--threads 1]

Prints emotion, gender and age of each chunk of 3 s. FRONTEND.json is the manifest's `frontend`.
start.py runs this as a process. Needs tools/requirements.lock.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from persona import python_pipeline


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("frontend", type=Path)
    parser.add_argument("recording")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    front = json.loads(args.frontend.read_text())
    features = python_pipeline.features(front, args.recording)
    session = python_pipeline.session(args.network, args.threads)
    for chunk in zip(*session.run(None, {"x": features}), strict=True):
        print(*(np.round(output, 4).tolist() for output in chunk))


if __name__ == "__main__":
    main()
