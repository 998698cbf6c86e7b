#!/usr/bin/env python3
"""Benchmarks a process that is started for one recording, from its start to its end.

    python tools/bench/start.py target/release/persona-engine
            [--systems campplus-fcn xvector-cnn] [--precisions f32 int8] [--seconds 3 58]
            [--rounds 9] [--peer] [--json OUT]

Each round starts every contestant on every recording, twice in a row, and measures the second
start, because the first one finds the system's memory as another program left it. Prints the median
and the minimum of the rounds. The processes are cold: their memory is new and they load the model;
the files are in the system's cache. Recordings repeat tests/audio/speech.wav (16 kHz). `--peer`
adds a Python process with librosa or kaldi-native-fbank and ONNX Runtime in f32 (python_peer.py),
which does not detect speech. `--peer` needs tools/requirements.lock, the rest the package `persona`
alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from persona import benchmark

PEER = Path(__file__).resolve().parent / "python_peer.py"


def ours(program, system, precision):
    options = ["--json", "--quiet", "--model", system, "--precision", precision]
    return lambda clip: [program, "infer", *options, str(clip)]


def peer(system, folder):
    """The Python process on this model's network, exported to ONNX here."""
    import torch

    from persona import model_file, onnx_export

    module, manifest = onnx_export.load(system)
    front = manifest["frontend"]
    network, frontend = folder / f"{system}.onnx", folder / f"{system}.json"
    frames = 1 + 48_000 // front["hop_length"] if front["kind"] == "logmel" else 298
    onnx_export.export(module, torch.randn(2, frames, model_file.bands(front)), network)
    frontend.write_text(json.dumps(front))
    return lambda clip: [sys.executable, str(PEER), str(network), str(frontend), str(clip)]


def contestants(args, folder):
    """{(system, name): clip → command}."""
    found = {}
    for system in args.systems:
        for precision in args.precisions:
            found[system, f"this engine, {precision}"] = ours(args.program, system, precision)
        if args.peer:
            found[system, "Python, ONNX Runtime f32"] = peer(system, folder)
    return found


def seconds(command):
    began = time.perf_counter()
    pipe = subprocess.PIPE
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=pipe, text=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    return taken


def measure(args, folder):
    """{(system, name, length in s): seconds of each round}."""
    clips = {length: folder / f"{length}.wav" for length in args.seconds}
    for length, clip in clips.items():
        benchmark.repeated_speech(clip, length)
    commands = contestants(args, folder)
    benchmark.limit_threads(1)
    times = {}
    for turn in range(args.rounds):
        for (system, name), command in commands.items():
            for length, clip in clips.items():
                seconds(command(clip))
                times.setdefault((system, name, length), []).append(seconds(command(clip)))
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
    return times


def table(times, lengths):
    columns = " | ".join(f"{length} s: median, ms | least" for length in lengths)
    yield f"| system | process | {columns} |"
    yield "|---|---|" + "---|---|" * len(lengths)
    for system, name in dict.fromkeys((system, name) for system, name, _ in times):
        cells = []
        for length in lengths:
            taken = times[system, name, length]
            cells.append(f"{1e3 * statistics.median(taken):.1f} | {1e3 * min(taken):.1f}")
        yield f"| {system} | {name} | {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--systems", nargs="+", default=["campplus-fcn", "xvector-cnn"])
    parser.add_argument("--precisions", nargs="+", default=["f32", "int8"])
    parser.add_argument("--seconds", type=int, nargs="+", default=[3, 58])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(args, Path(folder))
    head = {**benchmark.machine(), "rounds": args.rounds}
    if args.json:
        rows = []
        for (system, name, length), taken in times.items():
            rows.append({"system": system, "process": name, "seconds": length, "times_s": taken})
        args.json.write_text(json.dumps({**head, "rows": rows}, indent=1))
    machine = f"{head['cpu']}, {head['cores']} cores, load {head['load']:.1f}, {head['date']}"
    print(f"cold processes, {machine}, {args.rounds} rounds in turn\n")
    print("\n".join(table(times, args.seconds)))


if __name__ == "__main__":
    main()
