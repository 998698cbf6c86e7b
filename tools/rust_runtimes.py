"""Drives `tools/rust_peers`: rten, tract and candle on an ONNX file, each in a process of its own, told by lines when to run.

    RUSTFLAGS="-C target-cpu=native" cargo build --release --manifest-path tools/rust_peers/Cargo.toml --features candle
"""
import os
import subprocess

import numpy as np

RUNTIMES = ("rten", "tract", "candle")


class Refused(Exception):
    """What a runtime cannot do, in its words."""


class RustRuntime:
    """A network that one of them has loaded, and the one input that it is given: x `[n, ...]`, f32, in pieces of `batch` of n."""

    def __init__(self, program, runtime, model, threads, x, folder):
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "RUST_BACKTRACE": "0"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, runtime, str(model), str(threads)], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment)
        self.answer()
        self.input, self.output = folder / f"{runtime}.in.f32", folder / f"{runtime}.out.f32"
        np.ascontiguousarray(x, np.float32).tofile(self.input)
        self.shape = ",".join(map(str, x.shape))

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line or line.startswith("error: "):
            raise Refused(line.removeprefix("error: ") or f"the process ended ({self.process.wait()})")
        return line

    def seconds(self, batch):
        """What one run took."""
        self.process.stdin.write(f"{self.input} {self.output} {self.shape} {batch}\n")
        self.process.stdin.flush()
        return float(self.answer())

    def outputs(self):
        """The last run's values, one output after the other."""
        return np.fromfile(self.output, np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
