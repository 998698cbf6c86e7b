"""Our engine beside other runtimes: the same weights, the same sound, the same number of threads, in turn in one run.

    RUSTFLAGS="-C target-cpu=native" cargo build --release --manifest-path tools/rust_peers/Cargo.toml --features candle
    python tools/bench_peers.py target/release/persona-engine [--rust-peers tools/rust_peers/target/release/rust_peers] [--seconds 60] [--rounds 7]
                                [--threads 1] [--json OUT]

Prints the table of docs/speed.md and writes a JSON with every time. For each system of `weights/` that a peer can run:

* network only: features of the whole recording in windows of 3 s → answers. Ours: `timings_ms.network` of `infer --json`; theirs: the PyTorch module of
  `tools/persona/networks.py` with the system file's weights, and its ONNX export in ONNX Runtime (f32, and dynamically quantised to int8), and with
  `--rust-peers` in rten, tract and candle (what one of them cannot run is said). Each peer is given the windows one by one and all at once, and the faster way counts.
* file to answer: a WAV on disk → answers, in a process that has everything loaded. Theirs: soundfile, then librosa (log-mel) or kaldi-native-fbank.
  The Rust runtimes bring no front-end, so they have no such time.

Before anything is timed every contestant's answers are held against PyTorch's, ours by `model check`: in f32 a difference over 1e-3 of the largest value ends the
run, and a quantised network whose answers are no answers is left out with a word.

Recordings are speech-like noise, made here, so that nothing but this script is needed; the detector of speech is off for it (`--no-activity`), and its time is
in no column. Times are wall-clock; what counts is the median over rounds, each of which runs every contestant once: on a busy machine the ratios hold, the
milliseconds do not.

Needs numpy, torch, safetensors, soundfile, librosa, kaldi-native-fbank, onnx, onnxruntime.
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

ROOT = Path(__file__).resolve().parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--systems", nargs="+", default=["campplus-fcn", "xvector-cnn"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rust-peers", help="the program that tools/rust_peers makes")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


ARGS = arguments()
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(ARGS.threads)

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

from bench_growth import cpu_name  # noqa: E402
from peer_networks import Answers, export, load  # noqa: E402
from python_peer import RATE_HZ, features, session, windows  # noqa: E402
from rust_runtimes import RUNTIMES, Refused, RustRuntime  # noqa: E402

torch.set_num_threads(ARGS.threads)


def recording(path):
    """Noise under a syllable-like envelope: no runtime's time depends on more."""
    random = np.random.default_rng(0)
    n = ARGS.seconds * RATE_HZ
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(n) / RATE_HZ)
    soundfile.write(path, (0.1 * envelope * random.standard_normal(n)).astype(np.float32), RATE_HZ, subtype="PCM_16")


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


class InPython:
    """A contestant that this process runs: `run` takes windows [n, frames, bands] and gives one array for each answer."""

    def __init__(self, run, windows, whole_features):
        self.run, self.windows, self.features = run, windows, whole_features
        self.way = faster_way(lambda way: timed(lambda: self.all(windows, way)))
        with torch.inference_mode():
            self.answers = np.concatenate([np.ravel(answer) for answer in run(windows)])

    def all(self, windows, way):
        with torch.inference_mode():
            for batch in [windows] if way == "at once" else windows[:, None]:
                self.run(batch)

    def network(self):
        return timed(lambda: self.all(self.windows, self.way))

    def whole(self):
        return timed(lambda: self.all(self.features(), self.way))


class InRust:
    """A contestant of `tools/rust_peers`."""

    def __init__(self, runtime, model, windows, folder):
        self.runtime = RustRuntime(ARGS.rust_peers, runtime, model, ARGS.threads, windows, folder)
        self.batches = {"at once": len(windows), "one by one": 1}
        try:
            self.way = faster_way(lambda way: self.runtime.seconds(self.batches[way]))
        except Refused:
            self.runtime.close()
            raise
        self.answers = self.runtime.outputs()

    def network(self):
        return self.runtime.seconds(self.batches[self.way])

    def whole(self):
        return None


def faster_way(seconds):
    """Windows all at once or one by one, whichever takes less time here."""
    ways = ("at once", "one by one")
    return min(ways, key=lambda way: min(seconds(way) for _ in range(3)))


def ours(name, precision, path):
    """(network, file to answer) of one file in a process that has answered one before, in seconds."""
    command = [ARGS.program, "infer", "--json", "--no-activity", "--quiet", "--model", name, "--precision", precision, "--threads", str(ARGS.threads), path, path]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    timings = json.loads(lines[-1])["timings_ms"]
    return timings["network"] / 1000, timings["total"] / 1000


def check_ours(name, module, path, window, folder):
    """Ends the run unless we make of the first window's samples what PyTorch makes of its features."""
    with torch.inference_mode():
        answers = module(torch.from_numpy(window[None]))
    inputs, expected = folder / "inputs.safetensors", folder / "expected.safetensors"
    save_file({"samples": windows(path)[0]}, inputs)
    save_file({f"heads.{head}": np.ravel(answers[head].numpy()) for head in ("emotion", "gender")}, expected)
    command = [ARGS.program, "model", "check", str(ROOT / f"weights/{name}.safetensors"), "--inputs", str(inputs), "--expect", str(expected), "--tolerance", "1e-3"]
    checked = subprocess.run(command, capture_output=True, text=True)
    print(f"{name}: this engine f32: {(checked.stdout or checked.stderr).strip()}", file=sys.stderr)
    if checked.returncode:
        sys.exit("this engine's answers are wrong")


def check(name, label, answers, expected):
    """The same of a peer. What is quantised may be as far off as half of the largest value; beyond that it is no answer, and `Refused`."""
    difference = np.abs(answers - expected).max() / np.abs(expected).max() if answers.shape == expected.shape else np.inf
    print(f"{name}: {label}: largest difference {difference:.1e} of the largest value", file=sys.stderr)
    if label.endswith("f32") and not difference < 1e-3:
        sys.exit(f"the answers of {label} are wrong")
    if not difference < 0.5:
        raise Refused(f"its answers are wrong, by {difference:.1f} times the largest value")


def peers(name, path, folder):
    """{contestant: how it is run}, and {contestant: why it is not}."""
    module, manifest = load(name)
    front = manifest["frontend"]
    inputs = features(front, path)
    check_ours(name, module, path, inputs[0], folder)
    model = Answers(module).eval()
    exported, quantised = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
    export(module, torch.from_numpy(inputs[:2]), exported)
    quantize_dynamic(str(exported), str(quantised), weight_type=QuantType.QUInt8)
    make = lambda run: InPython(run, inputs, lambda: features(front, path))
    contestants, refused = {"PyTorch f32": make(lambda x: model(torch.from_numpy(x)))}, {}
    for precision, file in (("f32", exported), ("int8", quantised)):
        opened = session(file, ARGS.threads)
        contestants[f"ONNX Runtime {precision}"] = make(lambda x, opened=opened: opened.run(None, {"x": x}))
        for runtime in RUNTIMES if ARGS.rust_peers else ():
            label = f"{runtime} {precision}"
            try:
                contestants[label] = InRust(runtime, file, inputs, folder)
            except Refused as reason:
                refused[label] = str(reason)
    for label, contestant in list(contestants.items()):
        try:
            check(name, label, contestant.answers, contestants["PyTorch f32"].answers)
        except Refused as reason:
            refused[label] = str(reason)
            del contestants[label]
    return contestants, refused


def measure(name, path, folder):
    contestants, refused = peers(name, path, folder)
    times = {}
    for turn in range(ARGS.rounds):
        for precision in ("int8", "f32"):
            times.setdefault(f"persona-engine {precision}", []).append(ours(name, precision, path))
        for label, contestant in contestants.items():
            times.setdefault(label, []).append((contestant.network(), contestant.whole()))
        print(f"{name}: round {turn + 1} of {ARGS.rounds}", file=sys.stderr)
    result = {}
    for label, pairs in times.items():
        network, whole = zip(*pairs)
        way = contestants[label].way if label in contestants else "one by one"
        result[label] = {"network_s": list(network), "file_to_answer_s": list(whole) if whole[0] else None, "windows": way}
    return result, refused


def table(results):
    yield "| system | runtime | network only, ms | × ORT f32 | file to answer, ms | × ORT f32 |"
    yield "|---|---|---|---|---|---|"
    for name, (of_system, _) in results.items():
        base = of_system["ONNX Runtime f32"]
        for label, times in of_system.items():
            cells = [cell(times[key], base[key]) for key in ("network_s", "file_to_answer_s")]
            yield f"| {name} | {label} | {' | '.join(cells)} |"


def cell(times, base):
    """Median in ms, and how many times as fast as the base."""
    if times is None:
        return "– | –"
    middle = statistics.median(times)
    return f"{1e3 * middle:.0f} | {statistics.median(base) / middle:.2f}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = str(folder / "sound.wav")
        recording(path)
        results = {name: measure(name, path, folder) for name in ARGS.systems}
    head = {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": ARGS.threads,
        "seconds": ARGS.seconds,
        "rounds": ARGS.rounds,
        "versions": {"onnxruntime": ort.__version__, "torch": torch.__version__, "librosa": librosa.__version__},
    }
    if ARGS.json:
        systems = {name: {"times": times, "refused": refused} for name, (times, refused) in results.items()}
        ARGS.json.write_text(json.dumps({**head, "systems": systems}, indent=1))
    print(f"{ARGS.seconds} s of sound, {ARGS.threads} thread(s), {head['cpu']}, load {head['load']:.1f}, {head['date']}, median of {ARGS.rounds} rounds, each of all in turn\n")
    print("\n".join(table(results)))
    for name, (_, refused) in results.items():
        for label, reason in refused.items():
            print(f"\n{name}: {label} does not run it: {reason}")


if __name__ == "__main__":
    main()
