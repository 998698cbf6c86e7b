"""How long a program takes that is started for one recording: cold processes, from their start to their end.

    python tools/bench_start.py target/release/persona-engine [--systems campplus-fcn xvector-cnn] [--precisions f32 int8] [--seconds 3 58] [--rounds 9]
                                [--peer] [--json OUT]

Each round starts every contestant on every recording, twice in a row, and the second start counts: the first one finds the system's memory as another program
left it. Printed are the median and the least of the rounds. "Cold" is the process: its memory is new and the model is loaded; files are in the system's cache. Recordings repeat the speech of tests/audio/speech.wav (16 kHz). With
`--peer` also a Python process with librosa or kaldi-native-fbank and ONNX Runtime in f32 (tools/python_peer.py), which does not look for speech. It needs
numpy, torch, safetensors, soundfile, librosa, kaldi-native-fbank, onnx and onnxruntime; without it Python alone is enough.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from bench_growth import cpu_name, recording

TOOLS = Path(__file__).resolve().parent


def ours(program, system, precision):
    return lambda clip: [program, "infer", "--json", "--quiet", "--model", system, "--precision", precision, str(clip)]


def peer(system, folder):
    """The Python process on this system's network, exported here."""
    import torch
    from peer_networks import bands, export, load

    module, manifest = load(system)
    front = manifest["frontend"]
    network, recipe = folder / f"{system}.onnx", folder / f"{system}.json"
    frames = 1 + 48_000 // front["hop_length"] if front["kind"] == "logmel" else 298
    export(module, torch.randn(2, frames, bands(front)), network)
    recipe.write_text(json.dumps(front))
    return lambda clip: [sys.executable, str(TOOLS / "python_peer.py"), str(network), str(recipe), str(clip)]


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
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    return taken


def measure(args, folder):
    """{(system, name, length in s): seconds of each round}."""
    clips = {length: folder / f"{length}.wav" for length in args.seconds}
    for length, clip in clips.items():
        recording(clip, length)
    all_contestants = contestants(args, folder)
    one_thread = {variable: "1" for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(one_thread)
    times = {}
    for turn in range(args.rounds):
        for (system, name), command in all_contestants.items():
            for length, clip in clips.items():
                seconds(command(clip))
                times.setdefault((system, name, length), []).append(seconds(command(clip)))
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
    return times


def table(times, lengths):
    yield "| system | process | " + " | ".join(f"{length} s: median, ms | least" for length in lengths) + " |"
    yield "|---|---|" + "---|---|" * len(lengths)
    for system, name in dict.fromkeys((system, name) for system, name, _ in times):
        of = [times[system, name, length] for length in lengths]
        yield f"| {system} | {name} | " + " | ".join(f"{1e3 * statistics.median(t):.1f} | {1e3 * min(t):.1f}" for t in of) + " |"


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
    head = {"date": date.today().isoformat(), "cpu": cpu_name(), "cores": os.cpu_count(), "load": os.getloadavg()[0], "rounds": args.rounds}
    if args.json:
        rows = [{"system": system, "process": name, "seconds": length, "times_s": taken} for (system, name, length), taken in times.items()]
        args.json.write_text(json.dumps({**head, "rows": rows}, indent=1))
    print(f"cold processes, {head['cpu']}, {head['cores']} cores, load {head['load']:.1f}, {head['date']}, {args.rounds} rounds in turn\n")
    print("\n".join(table(times, args.seconds)))


if __name__ == "__main__":
    main()
