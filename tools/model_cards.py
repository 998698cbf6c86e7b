"""Writes the model cards: weights/<system>.md of each weights/<system>.safetensors, and weights/README.md, their index.

A card says what the file's header, weights/results.json and the evaluations in weights/eval/*.json say. What no file knows stands by hand in
tools/cards/<system>.md and, for all systems, in tools/cards/all.md, and goes behind what was generated of the same section.

    python3 tools/model_cards.py              writes them
    python3 tools/model_cards.py --check      fails where one is not as it would be written

An evaluation is what `persona-engine eval --json` prints; further ones can be named with --eval. Needs Python alone.
"""
import argparse
import json
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "tools" / "cards"
MAX_HEADER_BYTES = 4 << 20
SECTIONS = ("About", "Data", "Licence", "Scores", "Calibration", "Limits", "Law and use")
PROTOCOLS = {
    "fold_clip": "clips at random (every voice is in the training too)",
    "fold_actor": "voices not heard before",
    "fold_sentence": "sentences not heard before",
}
MEASURES = {
    "emotion_accuracy": "emotion %",
    "gender_accuracy": "gender %",
    "age_rmse": "age RMSE",
    "age_mae": "age MAE",
}
NOTICE = "<!-- made by tools/model_cards.py: change tools/cards, results.json or the system, and run it again -->"


class Unreadable(Exception):
    """A file that a card is made from is not what it should be."""


# What the files say


def read_header(path):
    """Manifest, tensors (name -> dtype and shape) and size in bytes of a model file. Values of tensors are not read."""
    with path.open("rb") as file:
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else MAX_HEADER_BYTES + 1
        if length > MAX_HEADER_BYTES:
            raise Unreadable(f"{path}: no safetensors file")
        try:
            header = json.loads(file.read(length))
            manifest = json.loads(header.pop("__metadata__")["persona"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(f"{path}: its header is none of a system: {error!r}") from error
    return manifest, header, path.stat().st_size


def read_json(path):
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise Unreadable(f"{path}: no JSON: {error}") from error


def by_hand(path):
    """The hand-written sections of a file, title -> text; nothing where there is no such file."""
    written = {}
    for part in ("\n" + path.read_text()).split("\n## ")[1:] if path.exists() else []:
        title, _, text = part.partition("\n")
        if title not in SECTIONS:
            raise Unreadable(f"{path}: section `{title}` is none of: {', '.join(SECTIONS)}")
        written[title] = text.strip()
    return written


# Words and tables


def shown(measure):
    """`63.8 ± 1.5`, `63.8` without a spread, or a dash."""
    if not measure:
        return "–"
    spread = measure.get("std")
    return f"{measure['mean']:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")


def table(head, rows):
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def number(value):
    """At most three digits behind the point, and none that say nothing."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def frontend(recipe):
    kinds = {"logmel": "log-mel", "kaldi-fbank": "Kaldi fbank", "kaldi-mfcc": "Kaldi MFCC"}
    bands = recipe.get("n_mels", recipe.get("mel_opts", {}).get("num_bins"))
    rate = recipe.get("sample_rate_hz", recipe.get("frame_opts", {}).get("samp_freq"))
    facts = [f"{bands} bands" if bands else None, f"{rate:g} Hz" if rate else None]
    return f"{kinds.get(recipe['kind'], recipe['kind'])} ({', '.join(fact for fact in facts if fact)})"


def network(manifest):
    part, trunk = manifest["representation"], manifest["trunk"]
    kind = {"xvector": "TDNN x-vector", "campplus": "CAM++", "mfcc-stats": "MFCC statistics"}.get(part["kind"], part["kind"])
    if part["kind"] == "xvector":
        kind += " " + "-".join(str(layer["channels"]) for layer in part["layers"]) + f", embedding {part['embedding']}"
    dense = "-".join(map(str, trunk.get("dense", [])))
    convolutions = f"{len(trunk['conv'])} × (conv1d, max-pool), then " if "conv" in trunk else ""
    return f"{kind} → {trunk['kind'].upper()} trunk ({convolutions}{dense})"


def count_values(tensors):
    count = 0
    for tensor in tensors.values():
        size = 1
        for length in tensor["shape"]:
            size *= length
        count += size
    return count


# The sections of a card, each a list of lines


def about(name, manifest, tensors, size):
    types = "/".join(sorted({tensor["dtype"].lower() for tensor in tensors.values()}))
    heads = manifest["heads"]
    answers = f"emotion ({', '.join(heads['emotion']['labels'])}), gender ({', '.join(heads['gender']['labels'])}), age (years)"
    return [
        f"`{name}.safetensors` ({size / 1e6:.1f} MB, {types}, {count_values(tensors) / 1e6:.1f} million values): {frontend(manifest['frontend'])} → "
        f"{network(manifest)} → {answers}. Its header holds the whole recipe; `persona-engine model show {name}` prints it.",
        "",
        f"Tensors' SHA-256 `{manifest['sha256']}`. Made by `{manifest['created_by'].split(', recipe ')[0]}`.",
    ]


def data(manifest):
    count = lambda value: f"{len(value)}" if isinstance(value, list) else str(value)
    return [f"- {key}: {count(value)}" for key, value in manifest["data"].items()]


def scores(rows):
    """A table of each protocol with its groups, and the largest gaps between groups."""
    if not rows:
        return ["Not measured."]
    lines, gaps = [], []
    for row in rows:
        words = PROTOCOLS.get(row["protocol"], row["protocol"])
        lines.append([f"**{words}**, {folds(row)}", *(shown(row.get(key)) for key in MEASURES)])
        for group, measures in row.get("groups", {}).items():
            lines.append([group, *(shown(measures.get(key)) for key in MEASURES)])
        gaps += largest_gaps(row)
    heading = "Percent and years, mean over folds ± standard deviation ([results.json](results.json), which also has each fold)."
    return [heading, "", *table(["measured on", *MEASURES.values()], lines), *([""] if gaps else []), *gaps]


def folds(row):
    count = len(row["folds"]) if isinstance(row["folds"], list) else row["folds"]
    return "1 fold" if count == 1 else f"{count} folds"


def largest_gaps(row):
    """One line for each kind of group: the two groups that differ most, measure by measure."""
    groups = row.get("groups", {})
    kinds = {"sexes": [g for g in groups if not g.startswith("age ")], "age bands": [g for g in groups if g.startswith("age ")]}
    lines = []
    for kind, names in kinds.items():
        parts = []
        for key, measure in MEASURES.items():
            ranked = sorted((groups[name][key]["mean"], name) for name in names if groups[name].get(key))
            if len(ranked) > 1:
                (low, lowest), (high, highest) = ranked[0], ranked[-1]
                name, unit = (measure[:-2], "points") if measure.endswith(" %") else (measure, "years")
                parts.append(f"{name} {high - low:.1f} {unit} ({highest} {high:.1f}, {lowest} {low:.1f})")
        if parts:
            words = PROTOCOLS.get(row["protocol"], row["protocol"]).split(" (")[0]
            lines.append(f"- Largest gap between {kind}, {words}: {'; '.join(parts)}.")
    return lines


def folds_calibration(row):
    """What the folds say of confidences and intervals: all folds' test clips together, each fold's by what was fitted on the others."""
    pooled, groups = row.get("pooled"), row.get("groups", {})
    if not pooled:
        return []
    bands = [f"{name[4:]}: {group['age_coverage']['mean']:.0f} %" for name, group in groups.items() if group.get("age_coverage")]
    words = PROTOCOLS.get(row["protocol"], row["protocol"]).split(" (")[0]
    ece = f"calibration error (ECE, 15 bins) of emotion {pooled['emotion_ece']:.3f}, of gender {pooled['gender_ece']:.3f}"
    return [f"- Folds, {words}: {ece}; the interval holds {pooled['age_coverage']:.1f} % of the ages ({', '.join(bands)})."]


def calibration(manifest, evaluations):
    heads = manifest["heads"]
    lines = [f"- Temperatures: emotion {number(heads['emotion']['temperature'])}, gender {number(heads['gender']['temperature'])}."]
    interval = heads["age"].get("interval")
    if interval:
        at = [0, len(interval["knots_years"]) // 2, -1]
        ends = [tuple(interval[key][i] for key in ("knots_years", "low_years", "high_years")) for i in dict.fromkeys(at)]
        spans = "; ".join(f"{low:.0f} to {high:.0f} for a predicted age of {knot:.0f}" for knot, low, high in dict.fromkeys(ends))
        lines.append(f"- Age: an interval for {100 * interval['coverage']:g} % of the speakers: {spans}.")
    else:
        lines.append("- Age: no interval.")
    measured = [line for row in manifest.get("scores", []) for line in folds_calibration(row)]
    measured += [line for evaluation in evaluations for line in evaluated(evaluation, manifest["sha256"])]
    return lines + (measured or ["- Calibration error and coverage: not measured yet."])


def evaluated(evaluation, sha256):
    """What an evaluation says of calibration, and whether its voices were known to the system; keys that it lacks are left out."""
    overall, parts = evaluation.get("overall", {}), []
    for head in ("emotion", "gender"):
        ece = value(overall, head, "ece")
        if ece is not None:
            parts.append(f"expected calibration error {head} {number(ece)}")
    coverage = value(overall, "age", "interval_coverage")
    if coverage is not None:
        width = value(overall, "age", "interval_width")
        wide = "" if width is None else f", {width:.0f} years wide in the mean"
        parts.append(f"the age interval covers {100 * coverage:.0f} %{wide}{coverage_by_band(evaluation)}")
    return [f"- {subject(evaluation, sha256)}: {'; '.join(parts)}."] if parts else []


def subject(evaluation, sha256):
    """On what an evaluation was made, and of which weights."""
    given, overlap = evaluation.get("input", {}), evaluation.get("training_overlap", {})
    where = " ".join(given.get("where", []))
    facts = [f"{given.get('clips')} clips, {given.get('speakers')} speakers", where]
    if evaluation["system"]["sha256"] != sha256:
        facts.append(f"other weights of this recipe, {evaluation['system']['sha256'][:16]}")
    if overlap.get("speakers"):
        facts.append(f"**{len(overlap['speakers'])} of the speakers are in the training**")
    elif not overlap.get("checked"):
        facts.append("whether the speakers are in the training is not known")
    return f"Measured on {Path(given.get('table', '')).name} ({'; '.join(fact for fact in facts if fact)})"


def coverage_by_band(evaluation):
    """The interval's coverage by age band, in brackets."""
    groups = [group for group in evaluation.get("groups", []) if group.get("column") == "age_band"]
    shares = [(group["value"], value(group, "age", "interval_coverage")) for group in groups]
    parts = [f"{band}: {100 * share:.0f} %" for band, share in shares if share is not None]
    return f" ({', '.join(parts)})" if parts else ""


def value(measures, head, key):
    """`measures[head][key]["value"]`, or nothing where any of them is missing or null."""
    return ((measures.get(head) or {}).get(key) or {}).get("value")


# The pages


def card(name, manifest, tensors, size, results, evaluations):
    rows = [row for row in results["rows"] if row["system"] == name]
    generated = {
        "About": about(name, manifest, tensors, size),
        "Data": data(manifest),
        "Licence": [f"Of the weights, as the file states it: {manifest['licence']}."],
        "Scores": scores(rows),
        "Calibration": calibration(manifest, evaluations),
    }
    own, common = by_hand(CARDS / f"{name}.md"), by_hand(CARDS / "all.md")
    lines = [NOTICE, f"# Model card: {name}", ""]
    for title in SECTIONS:
        written = [text for text in (own.get(title), common.get(title)) if text]
        # Lists that follow each other are one list.
        joint = "\n" if written and all(text.startswith("- ") for text in written) else "\n\n"
        parts = ["\n".join(generated[title])] if title in generated else []
        parts += [joint.join(written)] if written else []
        lines += ([] if title == "About" else [f"## {title}", ""]) + ["\n\n".join(parts), ""]
    return "\n".join(lines)


def index(systems, results):
    rows = []
    for name, (manifest, _, size) in systems.items():
        rows_of = {row["protocol"]: row for row in results["rows"] if row["system"] == name}
        cells = [rows_of.get(protocol, {}).get(key) for protocol in ("fold_actor", "fold_clip") for key in list(MEASURES)[:3]]
        label = f"[{name}]({name}.md)" + (" (the default)" if name == results["default"] else "")
        rows.append([label, f"{size / 1e6:.1f} MB", f"`{manifest['sha256'][:16]}`", *map(shown, cells)])
    head = ["system", "size", "sha256 of the tensors", *(f"{m}, {p}" for p in ("new voices", "clips at random") for m in list(MEASURES.values())[:3])]
    return "\n".join([NOTICE, "# Systems", "", *table(head, rows), "", INDEX])


INDEX = """\
New voices: actors apart (`fold_actor`), what a caller whom the system never heard may expect at best; clips at random (`fold_clip`): every voice is in the
training too, which is how the paper measures. CREMA-D, mean over folds ± standard deviation, percent and years. Each system's page has its data, licence, scores by sex and
age with the largest gap, calibration and limits. Do not decide on anybody by these answers; emotion recognition at work and in education is prohibited in the EU.

`persona-engine model list` prints what is inside a program and what is installed; `--model NAME` takes one.

`results.json`: `{"default": name, "rows": [{"system", "protocol", "folds", "emotion_accuracy": {"mean", "std"}, …, "per_fold": […], "groups": {…}}]}`, percent and years; made by
`tools/train.py`. These pages: `python3 tools/model_cards.py`.
"""


def evaluations_by_system(paths):
    by_name = {}
    for path in paths:
        evaluation = read_json(path)
        system = evaluation.get("system") if isinstance(evaluation, dict) else None
        if not isinstance(system, dict) or not {"name", "sha256"} <= system.keys():
            raise Unreadable(f"{path}: no evaluation: it names no `system`")
        by_name.setdefault(system["name"], []).append(evaluation)
    return by_name


def pages(weights, evaluations):
    """Path -> text of every page."""
    results = read_json(weights / "results.json")
    systems = {path.stem: read_header(path) for path in sorted(weights.glob("*.safetensors"))}
    by_name = evaluations_by_system(sorted((weights / "eval").glob("*.json")) + evaluations)
    written = {}
    for name, (manifest, tensors, size) in systems.items():
        if manifest["name"] != name:
            raise Unreadable(f"{weights / name}.safetensors: says that it is `{manifest['name']}`")
        written[weights / f"{name}.md"] = card(name, manifest, tensors, size, results, by_name.get(name, []))
    written[weights / "README.md"] = index(systems, results)
    return written


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="the folder of the systems")
    parser.add_argument("--eval", type=Path, nargs="*", default=[], help="further evaluations")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page would change")
    args = parser.parse_args()
    try:
        wanted = pages(args.weights, args.eval)
    except (Unreadable, OSError) as error:
        sys.exit(f"model_cards.py: {error}")
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if args.check and stale:
        sys.exit(f"not up to date: {', '.join(map(str, stale))}. Run python3 tools/model_cards.py")
    for path in stale:
        path.write_text(wanted[path])
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
