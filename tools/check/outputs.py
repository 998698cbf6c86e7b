"""Records every output of the program on the fixtures, and compares two such records.

    python3 tools/check/outputs.py record target/release/persona-engine /tmp/before
    python3 tools/check/outputs.py record target/release/persona-engine /tmp/after
    python3 tools/check/outputs.py compare /tmp/before /tmp/after

`record` runs infer, batch, eval, embed, similarity, features, model and serve in their output forms on tests/audio (and on
recordings that it makes from it) and writes, for each case, standard output, standard error, the exit code and the files that
were written. Times, speeds, ports and dates are replaced by a constant.

`compare` prints each output that differs: `values` where a number, key, label or binary file differs, `text` where only words
for people differ (help, messages, warnings, pages). It exits with 1 if any values differ.
"""

import argparse
import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT / "tests/audio"
IMPORTS = ROOT / "tests/golden/import"
GOLDEN = ROOT / "tests/golden"

# JSON values that are texts for people; everything else in JSON is an interface.
TEXT_KEYS = {"warnings", "error", "detail", "message", "description", "summary", "help", "note", "title"}
# Columns of CSV files that contain texts for people.
TEXT_COLUMNS = {"warnings", "error"}

MASKS = [
    (re.compile(rb'("timings_ms":\s*)\{[^}]*\}'), rb"\1{}"),
    (re.compile(rb'("(?:time|started|finished|elapsed_s|seconds|took_ms)":\s*)("[^"]*"|[0-9.]+)'), rb"\1null"),
    (re.compile(rb"\b[0-9.]+ (?:ms|s)\b"), b"N s"),
    (re.compile(rb"\b\d+:\d\d(?::\d\d)?\b"), b"N:NN"),
    (re.compile(rb"[0-9.,]+ ?(?:\xc3\x97|x) real time"), b"N x real time"),
    (re.compile(rb"[0-9.,]+ (?:files|recordings|inputs) (?:a|per) second"), b"N files a second"),
    (re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+Z"), b"DATE"),
    (re.compile(rb"127\.0\.0\.1:\d+"), b"127.0.0.1:PORT"),
]


def recordings(folder):
    """Recordings that the fixtures lack: long, stereo with a different voice on each channel, silent, broken, not audio."""
    folder.mkdir(parents=True)
    with wave.open(str(AUDIO / "speech.wav")) as source:
        rate, speech = source.getframerate(), source.readframes(source.getnframes())
    frames = len(speech) // 2

    def write(name, channels, data):
        with wave.open(str(folder / name), "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(data)

    pairs = zip(range(0, 2 * frames, 2), reversed(range(0, 2 * frames, 2)))
    write("stereo.wav", 2, b"".join(speech[a : a + 2] + speech[b : b + 2] for a, b in pairs))
    write("long.wav", 1, speech * 6)
    write("silence.wav", 1, bytes(2 * rate))
    write("short.wav", 1, speech[: rate // 5])
    whole = (AUDIO / "speech.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("this is not audio\n")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "raw.pcm").write_bytes(speech)
    return folder


def tables(folder, made):
    """Tables, lists and manifests that name recordings."""
    names = [("speech.wav", "ANG", "M", 40), ("clip-16k.flac", "SAD", "F", 25), ("clip-8k-32.mp3", "HAP", "F", 61)]
    rows = [f"{AUDIO / name},{emotion},{sex},{age},s{i},x{i}" for i, (name, emotion, sex, age) in enumerate(names)]
    rows.append(f"{made / 'silence.wav'},NEU,M,33,s0,x0")
    (folder / "clips.csv").write_text("file,emotion,sex,age,speaker,note\n" + "\n".join(rows) + "\n")
    (folder / "wav.scp").write_text("".join(f"id{i} {AUDIO / name}\n" for i, (name, *_) in enumerate(names)))
    listed = [AUDIO / "speech.wav", made / "text.wav", made / "missing.wav", made / "stereo.wav"]
    (folder / "list.txt").write_text("".join(f"{path}\n" for path in listed))


def cases(made, tables_at):
    """(name, arguments, standard input); `OUT` in an argument stands for the case's own folder."""
    speech, stereo, long = AUDIO / "speech.wav", made / "stereo.wav", made / "long.wav"
    fixtures = sorted(str(path) for path in AUDIO.iterdir())
    broken = [str(made / name) for name in ("silence.wav", "short.wav", "cut.wav", "text.wav", "empty.wav", "missing.wav")]
    models = [[], ["--precision", "int8"], ["--model", "xvector-cnn"], ["--model", "mfcc-fcn"]]
    yield from ((f"help-{c or 'all'}", [*c.split(), "--help"], None) for c in HELPS)
    for i, model in enumerate(models):
        yield f"infer-json-{i}", ["infer", *fixtures, "--json", *model], None
        yield f"infer-table-{i}", ["infer", str(speech), str(stereo), *model], None
        yield f"embed-{i}", ["embed", str(speech), str(long), *model], None
        yield f"features-{i}", ["features", str(speech), "-o", "OUT/f.npy", *[a for a in model if "int8" not in a and a != "--precision"]], None
    for name, options in {
        "broken": broken,
        "truncated": [*broken, "--accept-truncated", "--json"],
        "broken-json": [*broken, "--json"],
        "timeline": [str(speech), str(long), "--timeline"],
        "timeline-json": [str(speech), str(long), str(stereo), "--timeline", "--json"],
        "timeline-hop": [str(long), "--timeline", "--hop", "0.5", "--smoothing", "none", "--json"],
        "channels": [str(stereo), str(speech), "--per-channel"],
        "channels-json": [str(stereo), "--per-channel", "--json", "--timeline"],
        "jsonl": [str(speech), str(stereo), "--timeline", "--per-channel", "--jsonl"],
        "csv": [str(speech), str(stereo), "--csv"],
        "csv-timeline": [str(speech), str(stereo), "--csv", "--timeline", "--per-channel"],
        "textgrid": [str(long), "--timeline", "--textgrid", "OUT/long.TextGrid"],
        "textgrid-channels": [str(stereo), "--timeline", "--per-channel", "--textgrid", "OUT/stereo.TextGrid"],
        "html": [str(long), "--timeline", "--html", "OUT/long.html"],
        "html-channels": [str(stereo), "--timeline", "--per-channel", "--html", "OUT/stereo.html", "--embed-audio"],
        "confidence": [str(speech), "--min-confidence", "0.99", "--json"],
        "no-emotion": [str(speech), "--no-emotion", "--json"],
        "age-alone": [str(speech), "--no-emotion", "--no-gender", "--json"],
        "no-activity": [*broken[:1], str(speech), "--no-activity", "--json"],
        "raw": ["--raw", "s16le:16000:1", str(made / "raw.pcm"), "--json"],
        "audit": [str(speech), broken[3], "--audit", "OUT/log.jsonl", "--json"],
        "notice": ["--notice"],
        "threads": [str(long), "--threads", "2", "--json"],
        "wrong-hop": [str(speech), "--timeline", "--hop", "9"],
        "wrong-model": [str(speech), "--model", "xvector-cn"],
        "no-heads": [str(speech), "--no-emotion", "--no-gender", "--no-age"],
        "two-stdin": ["-", "-"],
    }.items():
        yield f"infer-{name}", ["infer", *options], None
    yield "infer-stdin", ["infer", "-", "--json"], speech.read_bytes()
    yield "batch-folder", ["batch", str(AUDIO), "-o", "OUT/results.jsonl"], None
    yield "batch-flat", ["batch", str(AUDIO), str(made), "-o", "OUT/results.csv", "--flat"], None
    yield "batch-stream", ["batch", str(made)], None
    yield "batch-table", ["batch", str(tables_at / "clips.csv")], None
    yield "batch-table-flat", ["batch", str(tables_at / "clips.csv"), "--flat", "--jobs", "2"], None
    yield "batch-scp", ["batch", str(tables_at / "wav.scp")], None
    yield "batch-list", ["batch", "-"], (tables_at / "list.txt").read_bytes()
    yield "batch-no-column", ["batch", str(tables_at / "clips.csv"), "--file-column", "path"], None
    for model in ("campplus-fcn", "xvector-cnn"):
        outputs = ["--json", "OUT/m.json", "--html", "OUT/m.html", "--predictions", "OUT/p.csv"]
        yield f"eval-{model}", ["eval", str(tables_at / "clips.csv"), "--model", model, "--bootstrap", "50", *outputs], None
    yield "eval-where", ["eval", str(tables_at / "clips.csv"), "--where", "sex=F", "--group-by", "note"], None
    yield "eval-wrong", ["eval", str(tables_at / "clips.csv"), "--where", "colour=blue"], None
    for ending in ("npy", "safetensors"):
        yield f"embed-{ending}", ["embed", str(speech), str(long), "-o", f"OUT/vectors.{ending}"], None
    yield "embed-layer", ["embed", str(speech), "--model", "xvector-cnn", "--layer", "xvector.pooling"], None
    yield "embed-no-layer", ["embed", str(speech), "--layer", "nothing"], None
    yield "embed-broken", ["embed", *broken], None
    yield "similarity", ["similarity", str(speech), str(long)], None
    for kind in ("logmel", "kaldi-fbank", "kaldi-mfcc", "speechbrain-fbank"):
        yield f"features-{kind}", ["features", str(speech), "--frontend", kind, "-o", "OUT/f.safetensors"], None
    yield "features-options", ["features", str(speech), "--frontend", "kaldi-mfcc", "--set", "num_ceps=30", "--set", "mel_opts.num_bins=30", "-o", "OUT/f.npy"], None
    yield "features-wrong", ["features", str(speech), "--frontend", "kaldi-mfcc", "--set", "num_cep=30", "-o", "OUT/f.npy"], None
    yield "features-range", ["features", str(speech), "--frontend", "kaldi-fbank", "--set", "frame_opts.samp_freq=1", "-o", "OUT/f.npy"], None
    yield "model-list", ["model", "list"], None
    yield "model-list-json", ["model", "list", "--json"], None
    for model in ("campplus-fcn", "xvector-cnn", "mfcc-fcn"):
        yield f"model-show-{model}", ["model", "show", model], None
    for kind, files in {
        "campplus": ["campplus.pt"],
        "speechbrain-xvector": ["speechbrain.ckpt"],
        "kaldi-xvector": ["final.raw", "mfcc.conf", "vad.conf"],
        "wavlm": ["wavlm/base/model.safetensors", "wavlm/base/config.json"],
    }.items():
        paths = [str(IMPORTS / file) for file in files]
        yield f"import-{kind}", ["model", "import", kind, *paths, "-o", "OUT/model.safetensors"], None
    yield "import-wrong", ["model", "import", "campplus", str(IMPORTS / "final.raw"), "-o", "OUT/model.safetensors"], None
    for model in ("xvector-cnn", "campplus-fcn"):
        yield f"quantize-{model}", ["model", "quantize", str(ROOT / f"weights/{model}.safetensors"), "-o", "OUT/q.safetensors"], None
    yield "completions", ["completions", "bash"], None
    yield "man", ["man"], None
    yield "nothing", [], None


HELPS = ["", "infer", "batch", "eval", "embed", "similarity", "features", "serve", "model", "model list", "model show", "model import", "model quantize", "model check", "completions", "man"]


def requests(made):
    """(name, method, path, headers, body) for the server."""
    speech, stereo = (AUDIO / "speech.wav").read_bytes(), (made / "stereo.wav").read_bytes()
    wav = {"Content-Type": "audio/wav"}
    form = {"Content-Type": "multipart/form-data; boundary=xYz"}

    def part(name, value, filename=None):
        file = f'; filename="{filename}"' if filename else ""
        return f'--xYz\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"

    yield "predict", "POST", "/v1/predict", wav, speech
    yield "timeline", "POST", "/v1/predict?timeline=true", wav, speech
    yield "channels", "POST", "/v1/predict?per_channel=true", wav, stereo
    yield "model", "POST", "/v1/predict?model=xvector-cnn", wav, speech
    yield "form", "POST", "/v1/predict", form, part("model", b"xvector-cnn") + part("file", speech, "a.wav") + b"--xYz--\r\n"
    yield "no-file", "POST", "/v1/predict", form, part("model", b"xvector-cnn") + b"--xYz--\r\n"
    yield "embed", "POST", "/v1/embed", wav, speech
    yield "embed-short", "POST", "/v1/embed", wav, (made / "short.wav").read_bytes()
    yield "m4a", "POST", "/v1/predict", {"Content-Type": "audio/mp4"}, (AUDIO / "clip-16k-aac.m4a").read_bytes()
    yield "text", "POST", "/v1/predict", wav, b"this is not audio"
    yield "cut", "POST", "/v1/predict", wav, (made / "cut.wav").read_bytes()
    yield "silence", "POST", "/v1/predict", wav, (made / "silence.wav").read_bytes()
    yield "unknown-model", "POST", "/v1/predict?model=nobody", wav, speech
    yield "bad-option", "POST", "/v1/predict?timeline=9", wav, speech
    yield "unknown-option", "POST", "/v1/predict?colour=blue", wav, speech
    yield "wrong-type", "POST", "/v1/predict", {"Content-Type": "text/html"}, speech
    yield "origin", "POST", "/v1/predict", {**wav, "Origin": "http://example.org"}, speech
    for path in ("/v1/models", "/healthz", "/readyz", "/openapi.json", "/", "/nothing", "/v1/predict", "/metrics"):
        yield "get" + path.replace("/", "-"), "GET", path, {}, None


def masked(data):
    data = data.replace(str(ROOT).encode(), b"ROOT")
    for pattern, constant in MASKS:
        data = pattern.sub(constant, data)
    return data


def environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PERSONA_")}
    return {**kept, "PERSONA_MODELS": str(ROOT / "weights"), "XDG_DATA_HOME": "/nonexistent", "COLUMNS": "100", "NO_COLOR": "1"}


def record(program, folder):
    if folder.exists():
        shutil.rmtree(folder)
    shared = Path("/tmp/persona-outputs")  # the same paths in both records, since outputs name them
    shutil.rmtree(shared, ignore_errors=True)
    made = recordings(shared / "made")
    tables(shared, made)
    for name, arguments, stdin in cases(made, shared):
        out = shared / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        arguments = [a.replace("OUT/", f"{out}/") for a in arguments]
        done = subprocess.run([program, *arguments], input=stdin or b"", capture_output=True, env=environment(), cwd=ROOT)
        case = folder / name
        case.mkdir(parents=True)
        (case / "exit").write_text(f"{done.returncode}\n")
        (case / "stdout").write_bytes(masked(done.stdout))
        (case / "stderr").write_bytes(masked(done.stderr))
        for path in sorted(out.iterdir()):
            binary = path.suffix in (".npy", ".safetensors")
            (case / path.name).write_bytes(path.read_bytes() if binary else masked(path.read_bytes()))
    record_server(program, folder, made)


def record_server(program, folder, made):
    arguments = [program, "serve", "--bind", "127.0.0.1:0", "--log", "off", "--workers", "1"]
    server = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT)
    address = None
    while address is None:
        line = server.stderr.readline() or server.stdout.readline()
        found = re.search(rb"127\.0\.0\.1:\d+", line)
        address = found and found.group().decode()
    time.sleep(0.5)
    for name, method, path, headers, body in requests(made):
        request = urllib.request.Request(f"http://{address}{path}", data=body, headers=headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        case = folder / f"serve-{name}"
        case.mkdir()
        kept = {k.lower(): v for k, v in answer.headers.items() if k.lower() not in ("date", "x-request-id", "content-length", "etag")}
        (case / "exit").write_text(f"{answer.status}\n")
        (case / "headers").write_text(json.dumps(kept, indent=0, sort_keys=True))
        data = answer.read()
        if name == "get-metrics":  # names and labels, not counts of seconds
            data = b"\n".join(sorted(re.sub(rb" [0-9.e+-]+$", b"", line) for line in data.splitlines()))
        (case / "stdout").write_bytes(masked(data))
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=60)


def differences(before, after, path=""):
    """(path, whether it is a text for people) of each place where two JSON values differ."""
    if type(before) is not type(after):
        yield path, False
    elif isinstance(before, dict):
        if list(before) != list(after):
            yield f"{path}: keys {list(before)} → {list(after)}", False
        for key in before.keys() & after.keys():
            yield from differences(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, list):
        if len(before) != len(after):
            yield f"{path}: {len(before)} → {len(after)} items", path.rsplit(".", 1)[-1] in TEXT_KEYS
        for i, (a, b) in enumerate(zip(before, after)):
            yield from differences(a, b, f"{path}[{i}]")
    elif before != after:
        key = re.sub(r"\[\d+\]", "", path).rsplit(".", 1)[-1]
        yield f"{path}: {before!r} → {after!r}", isinstance(before, str) and key in TEXT_KEYS


def different_cells(before, after):
    """Lines about the columns and cells in which two CSV files differ."""
    if before.fieldnames != after.fieldnames:
        yield "values", f"columns {before.fieldnames} → {after.fieldnames}"
    for number, (a, b) in enumerate(itertools.zip_longest(before, after, fillvalue={}), start=2):
        for column in a.keys() | b.keys():
            if a.get(column) != b.get(column):
                words = all(" " in str(side.get(column)) for side in (a, b))  # a reason in words
                kind = "text" if words or column in TEXT_COLUMNS else "values"
                yield kind, f"line {number}, {column}: {a.get(column)!r} → {b.get(column)!r}"


def compared(name, before, after):
    """Lines about one output: (kind, what)."""
    if before == after:
        return
    if name.endswith(".csv"):
        yield from different_cells(*(csv.DictReader(data.decode().splitlines()) for data in (before, after)))
        return
    if name == "exit" or name.endswith((".npy", ".safetensors", ".TextGrid")):
        yield "values", f"{before[:60]!r} → {after[:60]!r}"
        return
    lines = [data.decode(errors="replace").splitlines() for data in (before, after)]
    try:
        parsed = [[json.loads(line) for line in side] for side in lines]
    except json.JSONDecodeError:
        try:
            parsed = [[json.loads(data)] for data in (before, after)]
        except json.JSONDecodeError:
            yield "text", f"{sum(a != b for a, b in zip(*lines))} of {len(lines[0])} lines, {len(lines[1])} now"
            return
    for what, text in differences(*parsed):
        yield "text" if text else "values", what


def compare(before, after, show_texts):
    worst, cases_differing = 0, 0
    for case in sorted({p.name for p in before.iterdir()} | {p.name for p in after.iterdir()}):
        names = {p.name for folder in (before, after) for p in (folder / case).glob("*")}
        rows = []
        for name in sorted(names):
            sides = [folder / case / name for folder in (before, after)]
            if not all(side.exists() for side in sides):
                rows.append(("values", f"{name} exists on one side only"))
                continue
            rows += [(kind, f"{name} {what}") for kind, what in compared(name, *(side.read_bytes() for side in sides))]
        cases_differing += bool(rows)
        for kind, what in rows:
            worst = max(worst, kind == "values")
            if kind == "values" or show_texts:
                print(f"{kind}  {case}  {what[:300]}")
        texts = sum(kind == "text" for kind, _ in rows)
        if texts and not show_texts:
            print(f"text    {case}  {texts} places")
    print(f"{cases_differing} cases differ")
    return int(worst)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record", help="run all cases")
    recording.add_argument("program", type=Path)
    recording.add_argument("folder", type=Path)
    comparing = verbs.add_parser("compare", help="compare two records")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--texts", action="store_true", help="print each reworded text too")
    arguments = parser.parse_args()
    if arguments.verb == "record":
        record(arguments.program.resolve(), arguments.folder.resolve())
        return 0
    return compare(arguments.before, arguments.after, arguments.texts)


if __name__ == "__main__":
    sys.exit(main())
