#!/usr/bin/env python3
"""Benchmarks the engine against other runtimes: the same weights, sound and number of threads, in
turn in one run.

    RUSTFLAGS="-C target-cpu=native" cargo build --release --features candle \\
        --manifest-path tools/bench/rust_peers/Cargo.toml
    python tools/bench/peers.py target/release/persona-engine
            [--rust-peers tools/bench/rust_peers/target/release/rust_peers] [--seconds 60]
            [--rounds 7] [--threads 1] [--json OUT]

Prints the table of docs/speed.md and writes every time to OUT. For each model of `weights/` that a
peer can run:

* network only: features of the whole recording in chunks of 3 s → predictions. Ours:
  `timings_ms.network` of `infer --json`. Theirs: the PyTorch module with the model file's weights,
  its ONNX export in ONNX Runtime (f32, and dynamically quantised to int8), and with `--rust-peers`
  in rten, tract and candle. Each peer processes the chunks one by one and all at once; the faster
  way is reported.
* file to answer: a WAV file → predictions, in a process that has everything loaded. Theirs:
  soundfile, then librosa (log-mel) or kaldi-native-fbank. The Rust runtimes have no front-end, so
  they have no such time.

Before the measurement every contestant's predictions are compared with PyTorch's, ours by `model
check`: in f32 a difference over 1e-3 of the largest value ends the run. A runtime that cannot run a
network, or whose quantised predictions are wrong, is left out and reported.

Recordings are modulated noise made here, so that no data is needed; speech detection is off for it
(`--no-activity`) and not part of any column. Times are wall-clock, medians over rounds, each of
which runs every contestant once: on a busy machine the ratios are valid, the milliseconds are not.

Needs tools/requirements.lock.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from persona import benchmark

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--systems", nargs="+", default=["campplus-fcn", "xvector-cnn"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rust-peers", help="the program built from tools/bench/rust_peers")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


ARGS = arguments()
benchmark.limit_threads(ARGS.threads)

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

from persona.onnx_export import Outputs, export, load  # noqa: E402
from persona.python_pipeline import RATE_HZ, chunks, features, session  # noqa: E402
from persona.rust_runtimes import RUNTIMES, RustRuntime, UnsupportedError  # noqa: E402
from persona.synthetic_audio import modulated_noise  # noqa: E402

torch.set_num_threads(ARGS.threads)


class InPython:
    """A contestant that this process runs: `run` maps chunks [n, frames, bands] to one array for
    each output."""

    def __init__(self, run, inputs, compute_features):
        self.run, self.inputs, self.features = run, inputs, compute_features
        self.way = faster_way(lambda way: benchmark.timed(lambda: self.all(inputs, way)))
        with torch.inference_mode():
            self.outputs = np.concatenate([np.ravel(output) for output in run(inputs)])

    def all(self, inputs, way):
        with torch.inference_mode():
            for batch in [inputs] if way == "at once" else inputs[:, None]:
                self.run(batch)

    def network(self):
        return benchmark.timed(lambda: self.all(self.inputs, self.way))

    def whole(self):
        return benchmark.timed(lambda: self.all(self.features(), self.way))


class InRust:
    """A contestant of `rust_peers`."""

    def __init__(self, runtime, model, inputs, folder):
        program = ARGS.rust_peers
        self.runtime = RustRuntime(program, runtime, model, ARGS.threads, inputs, folder)
        self.batches = {"at once": len(inputs), "one by one": 1}
        try:
            self.way = faster_way(lambda way: self.runtime.seconds(self.batches[way]))
        except UnsupportedError:
            self.runtime.close()
            raise
        self.outputs = self.runtime.outputs()

    def network(self):
        return self.runtime.seconds(self.batches[self.way])

    def whole(self):
        return None


def faster_way(seconds):
    """Chunks all at once or one by one, whichever is faster here."""
    ways = ("at once", "one by one")
    return min(ways, key=lambda way: min(seconds(way) for _ in range(3)))


def ours(name, precision, path):
    """(network, file to answer) in seconds, of the second of two recordings in one process."""
    options = ["--json", "--no-activity", "--quiet", "--model", name, "--precision", precision]
    command = [ARGS.program, "infer", *options, "--threads", str(ARGS.threads), path, path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    timings = json.loads(done.stdout.splitlines()[-1])["timings_ms"]
    return timings["network"] / 1000, timings["total"] / 1000


def check_ours(name, module, path, chunk, folder):
    """Ends the run unless our predictions for the first chunk's samples equal PyTorch's for its
    features."""
    with torch.inference_mode():
        outputs = module(torch.from_numpy(chunk[None]))
    inputs, expected = folder / "inputs.safetensors", folder / "expected.safetensors"
    save_file({"samples": chunks(path)[0]}, inputs)
    heads = {f"heads.{head}": np.ravel(outputs[head].numpy()) for head in ("emotion", "gender")}
    save_file(heads, expected)
    files = ["--inputs", str(inputs), "--expect", str(expected), "--tolerance", "1e-3"]
    command = [ARGS.program, "model", "check", str(ROOT / f"weights/{name}.safetensors"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"{name}: this engine f32: {(done.stdout or done.stderr).strip()}", file=sys.stderr)
    if done.returncode:
        sys.exit("this engine's predictions are wrong")


def check(name, label, outputs, expected):
    """The same for a peer. Quantised outputs may differ by up to half of the largest value; beyond
    that they are wrong and the peer is left out."""
    if outputs.shape == expected.shape:
        difference = np.abs(outputs - expected).max() / np.abs(expected).max()
    else:
        difference = np.inf
    words = f"largest difference {difference:.1e} of the largest value"
    print(f"{name}: {label}: {words}", file=sys.stderr)
    if label.endswith("f32") and not difference < 1e-3:
        sys.exit(f"the predictions of {label} are wrong")
    if not difference < 0.5:
        times = f"{difference:.1f} times the largest value"
        raise UnsupportedError(f"its predictions are wrong by {times}")


def peers(name, path, folder):
    """({label: contestant}, {label: why it is left out})."""
    module, manifest = load(name)
    front = manifest["frontend"]
    inputs = features(front, path)
    check_ours(name, module, path, inputs[0], folder)
    model = Outputs(module).eval()
    exported, quantised = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
    export(module, torch.from_numpy(inputs[:2]), exported)
    quantize_dynamic(str(exported), str(quantised), weight_type=QuantType.QUInt8)

    def in_python(run):
        return InPython(run, inputs, lambda: features(front, path))

    found, left_out = {"PyTorch f32": in_python(lambda x: model(torch.from_numpy(x)))}, {}
    for precision, file in (("f32", exported), ("int8", quantised)):
        opened = session(file, ARGS.threads)
        found[f"ONNX Runtime {precision}"] = in_python(
            lambda x, opened=opened: opened.run(None, {"x": x})
        )
        for runtime in RUNTIMES if ARGS.rust_peers else ():
            label = f"{runtime} {precision}"
            try:
                found[label] = InRust(runtime, file, inputs, folder)
            except UnsupportedError as reason:
                left_out[label] = str(reason)
    for label, contestant in list(found.items()):
        try:
            check(name, label, contestant.outputs, found["PyTorch f32"].outputs)
        except UnsupportedError as reason:
            left_out[label] = str(reason)
            del found[label]
    return found, left_out


def measure(name, path, folder):
    found, left_out = peers(name, path, folder)
    times = {}
    for turn in range(ARGS.rounds):
        for precision in ("int8", "f32"):
            label = f"persona-engine {precision}"
            times.setdefault(label, []).append(ours(name, precision, path))
        for label, contestant in found.items():
            times.setdefault(label, []).append((contestant.network(), contestant.whole()))
        print(f"{name}: round {turn + 1} of {ARGS.rounds}", file=sys.stderr)
    result = {}
    for label, pairs in times.items():
        network, whole = zip(*pairs, strict=True)
        result[label] = {
            "network_s": list(network),
            "file_to_answer_s": list(whole) if whole[0] else None,
            "windows": found[label].way if label in found else "one by one",
        }
    return result, left_out


def table(results):
    yield "| system | runtime | network only, ms | × ORT f32 | file to answer, ms | × ORT f32 |"
    yield "|---|---|---|---|---|---|"
    for name, (of_model, _) in results.items():
        base = of_model["ONNX Runtime f32"]
        for label, times in of_model.items():
            cells = [cell(times[key], base[key]) for key in ("network_s", "file_to_answer_s")]
            yield f"| {name} | {label} | {' | '.join(cells)} |"


def cell(times, base):
    """Median in ms, and the speed relative to the base."""
    if times is None:
        return "– | –"
    middle = statistics.median(times)
    return f"{1e3 * middle:.0f} | {statistics.median(base) / middle:.2f}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "sound.wav")
        soundfile.write(path, modulated_noise(ARGS.seconds, RATE_HZ), RATE_HZ, subtype="PCM_16")
        results = {name: measure(name, path, Path(folder)) for name in ARGS.systems}
    head = {
        **benchmark.machine(),
        "threads": ARGS.threads,
        "seconds": ARGS.seconds,
        "rounds": ARGS.rounds,
        "versions": {
            "onnxruntime": ort.__version__,
            "torch": torch.__version__,
            "librosa": librosa.__version__,
        },
    }
    if ARGS.json:
        models = {}
        for name, (times, left_out) in results.items():
            models[name] = {"times": times, "refused": left_out}
        ARGS.json.write_text(json.dumps({**head, "systems": models}, indent=1))
    machine = f"{head['cpu']}, load {head['load']:.1f}, {head['date']}"
    rounds = f"median of {ARGS.rounds} rounds, each of all in turn"
    print(f"{ARGS.seconds} s of sound, {ARGS.threads} thread(s), {machine}, {rounds}\n")
    print("\n".join(table(results)))
    for name, (_, left_out) in results.items():
        for label, reason in left_out.items():
            print(f"\n{name}: {label} cannot run it: {reason}")


if __name__ == "__main__":
    main()
