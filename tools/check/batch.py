#!/usr/bin/env python3
"""Checks `persona-engine batch` on thousands of clips: order, identical bytes for any number of
jobs, and resumption after SIGKILL at random times.

    python3 tools/check/batch.py target/release/persona-engine RECORDING.wav… [--clips 5000]
            [--bad 50] [--kills 5]

Clips of 1 to 2 s (--seconds) are cut from the recordings (16-bit WAV) into a folder that is removed
at the end; the bad ones among them are empty, truncated, text, or missing. Fails at the first
difference. Needs Python alone.
"""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import wave


def cut_clips(recordings, folder, count, bad, seconds, chance):
    """Writes the clips and a list of them; returns the numbers of the bad ones."""
    sounds = []
    for path in recordings:
        with wave.open(str(path)) as recording:
            assert recording.getsampwidth() == 2, f"{path}: 16-bit WAV expected"
            sounds.append((recording.getparams(), recording.readframes(recording.getnframes())))
    broken = set(chance.sample(range(count), bad))
    rows = ["number,file"]
    for number in range(count):
        path = folder / f"{number % 50:02}" / f"clip-{number:05}.wav"
        path.parent.mkdir(exist_ok=True)
        rows.append(f"{number},{path.relative_to(folder)}")
        params, frames = chance.choice(sounds)
        size = params.nchannels * 2
        length = min(int(chance.uniform(*seconds) * params.framerate), len(frames) // size)
        start = chance.randrange(len(frames) // size - length + 1)
        with wave.open(str(path), "wb") as clip:
            clip.setparams(params)
            clip.writeframes(frames[start * size : (start + length) * size])
        if number in broken:
            damage(path, number % 4)
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return broken


def damage(path, way):
    sound = path.read_bytes()
    if way == 3:
        path.unlink()
    else:
        path.write_bytes([b"", sound[: len(sound) // 2], b"no sound, but text\n" * 20][way])


def run(command, seconds=None):
    """Runs the program, for at most `seconds` if given; returns whether it ended by itself, and its
    messages."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        messages = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()  # SIGKILL
        process.communicate()
        return False, ""
    assert process.returncode == 1, f"exit code {process.returncode}: {messages}"
    return True, messages


def check_lines(text, folder, count, broken):
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == count, f"{len(lines)} lines for {count} clips"
    for number, line in enumerate(lines):
        assert line["manifest"]["number"] == str(number), (
            f"line {number + 1} belongs to clip {line['manifest']['number']}"
        )
        assert line["file"] == str(folder / line["manifest"]["file"])
        assert ("error" in line) == (number in broken), f"clip {number}: {line}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("recordings", type=pathlib.Path, nargs="+")
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--bad", type=int, default=50)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, nargs=2, default=(1, 2), help="shortest and longest clip"
    )
    parser.add_argument("--model", default="xvector-cnn")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="check-batch-"))
    try:
        broken = cut_clips(args.recordings, folder, args.clips, args.bad, args.seconds, chance)

        def command(name, jobs):
            return [
                args.program,
                "batch",
                folder / "clips.csv",
                "--model",
                args.model,
                "--jobs",
                str(jobs),
                "-o",
                folder / name,
            ]

        took = {}
        for jobs in (1, 2):
            began = time.monotonic()
            _, messages = run(command(f"{jobs}.jsonl", jobs))
            took[jobs] = time.monotonic() - began
            print(f"--jobs {jobs}: {took[jobs]:.1f} s\n{messages}")
        one = (folder / "1.jsonl").read_bytes()
        check_lines(one.decode(), folder, args.clips, broken)
        assert one == (folder / "2.jsonl").read_bytes(), "--jobs 1 and --jobs 2 differ"
        print(f"{args.clips} lines in the order of the inputs, {len(broken)} errors")
        print("--jobs 1 and --jobs 2: identical bytes")

        kills = 0
        for _ in range(args.kills):
            ended, _ = run(
                command("killed.jsonl", 2) + ["--resume"],
                chance.uniform(0.3, 1.2) * took[2] / (args.kills + 1),
            )
            kills += not ended
            part = folder / "killed.jsonl.part"
            lines = part.read_bytes().count(b"\n") if part.exists() else 0
            print(f"killed after {lines} lines")
        run(command("killed.jsonl", 2) + ["--resume"])
        assert kills == args.kills, (
            f"only {kills} of {args.kills} runs could be killed; use more --clips"
        )
        assert one == (folder / "killed.jsonl").read_bytes(), "killed and resumed, the bytes differ"
        print(f"killed {kills} times and resumed: the same bytes")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
