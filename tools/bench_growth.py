"""How time and memory grow: with the length of a recording, and with the number of recordings.

    python tools/bench_growth.py target/release/persona-engine [--model xvector-cnn] [--precision int8] [--seconds 1 10 60 600 3600 36000]
                                 [--threads 1 2] [--files 1 10 100 1000 10000] [--json OUT]

Recordings repeat the speech of tests/audio/speech.wav (16 kHz, 16 bits); 10 hours are 1.15 GB in the system's folder for such, deleted at the end. Each row is a
process of its own: wall-clock time, CPU time, and the largest resident size that the system saw of it (`wait4`). "Above the model" is that size less the smallest of
all rows, a short recording by the same system. Needs Python alone.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import wave
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def speech():
    with wave.open(str(ROOT / "tests/audio/speech.wav")) as file:
        return file.getparams(), file.readframes(file.getnframes())


def recording(path, seconds):
    """The speech again and again, written piece by piece."""
    params, frames = speech()
    left = seconds * params.framerate * params.sampwidth * params.nchannels
    with wave.open(str(path), "wb") as file:
        file.setparams(params)
        while left > 0:
            piece = frames[:left]
            file.writeframesraw(piece)
            left -= len(piece)


def run(command):
    """Seconds on the wall, seconds of CPU, MiB resident at most."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command}: {errors.decode()}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def by_length(args, folder):
    rows = []
    for seconds in args.seconds:
        path = folder / "recording.wav"
        recording(path, seconds)
        for threads in args.threads:
            command = [args.program, "infer", "--json", "--model", args.model, "--precision", args.precision, "--threads", str(threads), str(path)]
            wall, cpu, resident = run(command)
            rows.append({"seconds": seconds, "threads": threads, "wall_s": wall, "cpu_s": cpu, "resident_mib": resident})
            print(f"{seconds} s, {threads} threads: {wall:.2f} s, {resident:.0f} MiB", file=sys.stderr)
        path.unlink()
    return rows


def by_files(args, folder):
    """`batch` over so many links to one clip of 3 s."""
    rows = []
    clip = folder / "clip.wav"
    recording(clip, 3)
    for files in args.files:
        links = folder / f"{files}"
        links.mkdir()
        for index in range(files):
            os.link(clip, links / f"{index:05}.wav")
        for threads in args.threads:
            out = folder / f"{files}-{threads}.jsonl"
            command = [args.program, "batch", "--model", args.model, "--precision", args.precision, "--jobs", str(threads), "-o", str(out), str(links)]
            wall, cpu, resident = run(command)
            answered = sum(1 for _ in out.open())
            assert answered >= files, f"{answered} lines of {files}"
            rows.append({"files": files, "threads": threads, "wall_s": wall, "cpu_s": cpu, "resident_mib": resident})
            print(f"{files} files, {threads} threads: {wall:.2f} s, {resident:.0f} MiB", file=sys.stderr)
    return rows


def words(seconds):
    units = [(3600, "h"), (60, "min"), (1, "s")]
    size, unit = next((size, unit) for size, unit in units if seconds >= size)
    return f"{seconds // size} {unit}"


def table(rows, key, name, base):
    yield f"| {name} | threads | wall, s | CPU, s | peak resident, MiB | above the model, MiB |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        value = words(row[key]) if key == "seconds" else f"{row[key]:,}"
        above = row["resident_mib"] - base
        yield f"| {value} | {row['threads']} | {row['wall_s']:.2f} | {row['cpu_s']:.2f} | {row['resident_mib']:.0f} | {above:.0f} |"


def cpu_name():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--model", default="xvector-cnn")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--seconds", type=int, nargs="*", default=[1, 10, 60, 600, 3600, 36000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--files", type=int, nargs="*", default=[1, 10, 100, 1000, 10000])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        lengths, files = by_length(args, Path(folder)), by_files(args, Path(folder))
    head = {"date": date.today().isoformat(), "cpu": cpu_name(), "cores": os.cpu_count(), "load": load, "model": args.model, "precision": args.precision}
    if args.json:
        args.json.write_text(json.dumps({**head, "by_length": lengths, "by_files": files}, indent=1))
    print(f"{args.model} in {args.precision}, {head['cpu']}, {head['cores']} cores, load {load:.1f}, {head['date']}")
    base = min((row["resident_mib"] for row in lengths + files), default=0)
    if lengths:
        print("\n" + "\n".join(table(lengths, "seconds", "recording", base)))
    if files:
        print("\n" + "\n".join(table(files, "files", "files of 3 s", base)))


if __name__ == "__main__":
    main()
