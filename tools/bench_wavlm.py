"""Speed of WavLM on one thread, side by side: this engine, transformers on PyTorch, and ONNX Runtime, in turn in one run.

    python tools/bench_wavlm.py target/release/persona-engine SPEECH.wav [--size base] [--seconds 10 60] [--rounds 5] [--folder FOLDER]

SPEECH: a 16 kHz recording; it is repeated to the longest length. Each reads the whole length as one window, which is the same computation; the weights
are seeded random ones (speed does not depend on them). Printed are CPU seconds, which a busy machine changes little, as medians, and how many times this
engine's they are (median of the rounds' ratios). Behind it stands the same audio in windows of 3 s, as `infer` takes long recordings: that is another
computation, whose attention ends at the window's ends. Needs `pip install transformers onnx onnxruntime onnxscript`.
"""
import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy
import onnxruntime
import soundfile
import torch

import check_wavlm


def cpu_of(command):
    """CPU seconds of a program."""
    spent = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = spent()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return spent() - before


def ours(program, system, audio):
    """CPU seconds of one more recording, from its bytes to its answer: what three take beyond one, halved."""
    infer = [program, "infer", "--json", "--quiet", "--no-activity", "--model", system]
    return (cpu_of([*infer, audio, audio, audio]) - cpu_of([*infer, audio])) / 2


def timed(run):
    began = time.process_time()
    run()
    return time.process_time() - began


def session_of(model, samples, path):
    """The model as ONNX, for signals of this length."""
    torch.onnx.export(model, (samples[None],), path, input_names=["samples"], output_names=["hidden"], dynamo=True, external_data=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(["hidden"], {"samples": samples[None].numpy()})


def row(name, seconds, reference):
    ratio = statistics.median(theirs / own for theirs, own in zip(seconds, reference))
    print(f"  {name:44} {statistics.median(seconds):8.2f} s   {ratio:5.2f}   ({min(seconds):.2f} to {max(seconds):.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--size", choices=check_wavlm.SIZES, default="base")
    parser.add_argument("--seconds", nargs="+", type=int, default=[10, 60])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", nargs="+", choices=["pytorch", "onnx"], default=[])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    model = check_wavlm.seeded(arguments.size)
    whole, _ = check_wavlm.write_system(folder / "whole", arguments.size, model, window_s=60.0)
    windows, _ = check_wavlm.write_system(folder / "windows", arguments.size, model, window_s=3.0)
    speech, rate = soundfile.read(arguments.speech, dtype="float32")
    assert rate == 16000 and speech.ndim == 1, "a mono recording at 16 kHz"
    for seconds in arguments.seconds:
        samples = numpy.resize(speech, seconds * rate)
        audio = folder / f"{seconds}.wav"
        soundfile.write(audio, samples, rate, subtype="FLOAT")
        samples = torch.from_numpy(samples)
        competitors = {"this engine": lambda: ours(arguments.program, whole, audio)}
        if "pytorch" not in arguments.without:
            competitors[f"transformers on PyTorch {torch.__version__}"] = lambda: timed(lambda: model(samples[None]))
        if "onnx" not in arguments.without:
            session = session_of(model, samples, folder / f"{arguments.size}-{seconds}.onnx")
            competitors[f"ONNX Runtime {onnxruntime.__version__}"] = lambda: timed(session)
        competitors["this engine in windows of 3 s (not the same)"] = lambda: ours(arguments.program, windows, audio)
        taken = {name: [] for name in competitors}
        for turn in range(arguments.rounds + 1):  # the first warms up
            for name, run in competitors.items():
                spent = run()
                if turn:
                    taken[name].append(spent)
        print(f"\nWavLM {arguments.size}, {seconds} s, one thread, {arguments.rounds} rounds: median CPU time, times this engine's, range")
        for name, spent in taken.items():
            row(name, spent, taken["this engine"])


if __name__ == "__main__":
    with torch.no_grad():
        main()
