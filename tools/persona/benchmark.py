"""Benchmarks: long recordings, time and memory of processes, the machine. Needs Python alone."""

import os
import platform
import subprocess
import sys
import time
import wave
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def repeated_speech(path, seconds):
    """Writes a recording that repeats tests/audio/speech.wav, piece by piece."""
    with wave.open(str(ROOT / "tests/audio/speech.wav")) as file:
        params, frames = file.getparams(), file.readframes(file.getnframes())
    left = seconds * params.framerate * params.sampwidth * params.nchannels
    with wave.open(str(path), "wb") as file:
        file.setparams(params)
        while left > 0:
            piece = frames[:left]
            file.writeframesraw(piece)
            left -= len(piece)


def run(command):
    """Runs a process: wall-clock seconds, CPU seconds, peak resident memory in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command}: {errors.decode()}")
    wall = time.perf_counter() - began
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def timed(call):
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def limit_threads(count):
    """Limits the thread pools of numerical libraries; call it before they are imported."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(count)


def cpu_name():
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def machine():
    """Date, CPU, cores and load, for the head of a result."""
    return {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
