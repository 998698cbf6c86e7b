#!/usr/bin/env python3
"""Benchmarks time and memory by the length of a recording and by the number of recordings.

    python3 tools/bench/growth.py target/release/persona-engine [--model xvector-cnn]
            [--precision int8] [--seconds 1 10 60 600 3600 36000] [--threads 1 2]
            [--files 1 10 100 1000 10000] [--json OUT]

Recordings repeat the speech of tests/audio/speech.wav (16 kHz, 16 bits); 10 hours take 1.15 GB in
the system's temporary folder and are deleted at the end. Each row is a process of its own:
wall-clock time, CPU time and peak resident memory (`wait4`). "Above the model" is that memory minus
the smallest of all rows, a short recording with the same model. Prints Markdown tables; writes OUT
as JSON. Needs the package `persona` alone.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from persona import benchmark


def by_length(args, folder):
    rows = []
    for seconds in args.seconds:
        path = folder / "recording.wav"
        benchmark.repeated_speech(path, seconds)
        for threads in args.threads:
            options = ["--model", args.model, "--precision", args.precision]
            options += ["--threads", str(threads)]
            row = measure([args.program, "infer", "--json", *options, str(path)], threads)
            rows.append({"seconds": seconds, **row})
            note(f"{seconds} s", row)
        path.unlink()
    return rows


def by_files(args, folder):
    """Runs `batch` on many links to one clip of 3 s."""
    rows = []
    clip = folder / "clip.wav"
    benchmark.repeated_speech(clip, 3)
    for files in args.files:
        links = folder / f"{files}"
        links.mkdir()
        for index in range(files):
            os.link(clip, links / f"{index:05}.wav")
        for threads in args.threads:
            out = folder / f"{files}-{threads}.jsonl"
            options = ["--model", args.model, "--precision", args.precision]
            options += ["--jobs", str(threads), "-o", str(out)]
            row = measure([args.program, "batch", *options, str(links)], threads)
            with out.open() as file:
                lines = sum(1 for _ in file)
            assert lines >= files, f"{lines} lines for {files} files"
            rows.append({"files": files, **row})
            note(f"{files} files", row)
    return rows


def measure(command, threads):
    wall, cpu, resident = benchmark.run(command)
    return {"threads": threads, "wall_s": wall, "cpu_s": cpu, "resident_mib": resident}


def note(what, row):
    numbers = f"{row['wall_s']:.2f} s, {row['resident_mib']:.0f} MiB"
    print(f"{what}, {row['threads']} threads: {numbers}", file=sys.stderr)


def duration(seconds):
    units = [(3600, "h"), (60, "min"), (1, "s")]
    size, unit = next((size, unit) for size, unit in units if seconds >= size)
    return f"{seconds // size} {unit}"


def table(rows, key, name, base):
    columns = "threads | wall, s | CPU, s | peak resident, MiB | above the model, MiB"
    yield f"| {name} | {columns} |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        value = duration(row[key]) if key == "seconds" else f"{row[key]:,}"
        times = f"{row['wall_s']:.2f} | {row['cpu_s']:.2f}"
        memory = f"{row['resident_mib']:.0f} | {row['resident_mib'] - base:.0f}"
        yield f"| {value} | {row['threads']} | {times} | {memory} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--model", default="xvector-cnn")
    parser.add_argument("--precision", default="int8")
    lengths = [1, 10, 60, 600, 3600, 36000]
    parser.add_argument("--seconds", type=int, nargs="*", default=lengths)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--files", type=int, nargs="*", default=[1, 10, 100, 1000, 10000])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    head = {**benchmark.machine(), "model": args.model, "precision": args.precision}
    with tempfile.TemporaryDirectory() as folder:
        lengths, files = by_length(args, Path(folder)), by_files(args, Path(folder))
    if args.json:
        result = {**head, "by_length": lengths, "by_files": files}
        args.json.write_text(json.dumps(result, indent=1))
    machine = f"{head['cpu']}, {head['cores']} cores, load {head['load']:.1f}, {head['date']}"
    print(f"{args.model} in {args.precision}, {machine}")
    base = min((row["resident_mib"] for row in lengths + files), default=0)
    if lengths:
        print("\n" + "\n".join(table(lengths, "seconds", "recording", base)))
    if files:
        print("\n" + "\n".join(table(files, "files", "files of 3 s", base)))


if __name__ == "__main__":
    main()
