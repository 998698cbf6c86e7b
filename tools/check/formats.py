#!/usr/bin/env python3
"""Compares recordings in other audio formats: predictions, or decoded samples.

    python3 tools/check/formats.py predictions PERSONA_ENGINE FILE.wav…
    python3 tools/check/formats.py samples DECODE FILE.wav
    python3 tools/check/formats.py samples DECODE FILE.wav --only MP3

predictions: each file (16 kHz, mono) is converted by ffmpeg, processed by the program, and compared
with the original's predictions: the largest difference of any probability of emotion or gender, the
share of equal labels, and the difference in age.

samples: the file is encoded in some 300 ways by ffmpeg, lame, oggenc, flac, opusenc and sox, where
they are at hand, and decoded by DECODE (`cargo build --release --example decode`) and by ffmpeg
(MP3 with mixed blocks, and at 24 kHz, by mpg123). Prints a row per family: number of files, those
refused, the largest difference of a sample (of full scale, or of the peak where that is larger),
files with equal numbers of samples, the largest difference of these. `--verbose` names each file
that differs by more than 1e-4 or in its number of samples, or is refused. Exits with 1 where a
family that is not refused as a whole exceeds its tolerance.

Needs ffmpeg and numpy.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import mp3_vectors

PREDICTED = {
    "WAV 48 kHz stereo": ("wav", "-ar 48000 -ac 2"),
    "WAV 44.1 kHz": ("wav", "-ar 44100"),
    "WAV 8 kHz": ("wav", "-ar 8000"),
    "A-law 8 kHz": ("wav", "-ar 8000 -c:a pcm_alaw"),
    "µ-law 8 kHz": ("wav", "-ar 8000 -c:a pcm_mulaw"),
    "MP3 16 kHz 64 kbit/s": ("mp3", "-c:a libmp3lame -b:a 64k"),
    "MP3 16 kHz 32 kbit/s": ("mp3", "-c:a libmp3lame -b:a 32k"),
    "MP3 44.1 kHz stereo 128 kbit/s": ("mp3", "-ar 44100 -ac 2 -c:a libmp3lame -b:a 128k"),
    "Vorbis 44.1 kHz stereo": ("ogg", "-ar 44100 -ac 2 -c:a libvorbis -q:a 4"),
    "AAC 44.1 kHz stereo 96 kbit/s": ("m4a", "-ar 44100 -ac 2 -c:a aac -b:a 96k"),
    "Opus 24 kbit/s": ("ogg", "-c:a libopus -b:a 24k"),
}
HEADS = ("emotion", "gender")


def reports(program, files):
    command = [program, "infer", "--json", "--quiet", *files]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def difference(a, b):
    heads = [(a[head]["probabilities"], b[head]["probabilities"]) for head in HEADS]
    return max(abs(x[label] - y[label]) for x, y in heads for label in x)


def converted(files, folder, suffix, flags):
    copies = [str(pathlib.Path(folder) / f"{k}.{suffix}") for k in range(len(files))]
    for source, copy in zip(files, copies, strict=True):
        command = ["ffmpeg", "-v", "error", "-i", source, *flags.split(), copy]
        subprocess.run(command, check=True)
    return copies


def predictions(program, files):
    original = reports(program, files)
    columns = f"{'largest':>9}{'median':>9}{'emotion equal':>15}{'gender equal':>14}"
    print(f"{'format':<32}{columns}{'age, years':>12}")
    for name, (suffix, flags) in PREDICTED.items():
        with tempfile.TemporaryDirectory() as folder:
            copies = reports(program, converted(files, folder, suffix, flags))
        pairs = list(zip(original, copies, strict=True))
        changes = [difference(a, b) for a, b in pairs]
        equal = [sum(a[head]["label"] == b[head]["label"] for a, b in pairs) for head in HEADS]
        years = max(abs(a["age"]["years"] - b["age"]["years"]) for a, b in pairs)
        labels = "".join(f"{count} of {len(pairs)}".rjust(15 - k) for k, count in enumerate(equal))
        numbers = f"{max(changes):>9.3f}{statistics.median(changes):>9.3f}"
        print(f"{name:<32}{numbers}{labels}{years:>12.1f}")


RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# family: largest accepted difference. Decoders of lossy codecs round differently; Opus' encoders
# leave the last packet's padding to the decoder.
TOLERANCES = {
    "MP3": 1e-4,
    "MP3 joint": 1e-4,
    "MP3 mixed blocks": 1e-4,
    "Vorbis": 1e-4,
    "AAC": 1e-4,
    "Opus": 1e-3,
}


def jobs():
    """(family, suffix, encoder's command with {i} and {o}) of every file. {i} is a WAV file of the
    stated rate and channels."""
    made = []

    def add(family, suffix, rate, channels, command):
        made.append((family, suffix, rate, channels, command))

    ffmpeg = "ffmpeg -v error -y -i {i} "
    fragments = "-movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 500000"
    wav_codecs = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le")
    for codec in (*wav_codecs, "pcm_alaw", "pcm_mulaw"):
        for rate, channels in ((8000, 1), (16000, 2), (44100, 2), (48000, 6)):
            add("WAV", "wav", rate, channels, f"{ffmpeg} -c:a {codec} {{o}}")
    for rate in RATES:
        lame = f"lame --quiet --resample {rate / 1000}"
        for channels in (1, 2):
            for flags in ("-b 64", "-V 4", "-b 32 -t"):
                add("MP3", "mp3", rate, channels, f"{lame} {flags} {{i}} {{o}}")
        for flags in ("-m s -b 96", "-m j -b 96", "-m f -b 96", "-m d -V 6"):
            add("MP3", "mp3", rate, 2, f"{lame} {flags} {{i}} {{o}}")
        # MPEG-1 without middle and side: no two of ffmpeg, mpg123 and lame agree on mixed blocks of
        # MPEG-2, which no encoder writes, and mpg123 adds middle and side of different blocks in
        # another order than the standard's reference and ffmpeg.
        mixed = ("-m m -b 64", "-m m -V 0", "-m s -b 96", "-m s -V 2", "-m s -b 320")
        for flags in mixed * (rate >= 32000):
            add("MP3 mixed blocks", "mp3", rate, 2, f"{lame} -t {flags} {{i}} {{o}}")
        for flags in ("-m d -b 96", "-m d -V 2") * (rate != 24000):
            add("MP3 joint", "mp3", rate, 2, f"{lame} -t {flags} {{i}} {{o}}")
    for rate, channels in ((8000, 1), (16000, 1), (22050, 2), (44100, 2), (48000, 2), (96000, 2)):
        for flags in (
            "-compression_level 0",
            "-compression_level 12",
            "-sample_fmt s32 -bits_per_raw_sample 24",
        ):
            add("FLAC", "flac", rate, channels, f"{ffmpeg} -c:a flac {flags} {{o}}")
    add("FLAC", "flac", 44100, 2, "flac -s -8 -f {i} -o {o}")
    add("FLAC", "ogg", 44100, 2, "flac -s --ogg -f {i} -o {o}")
    for rate, channels in ((8000, 1), (16000, 1), (22050, 2), (44100, 2), (48000, 2)):
        for quality in (0, 3, 6, 9):
            add("Vorbis", "ogg", rate, channels, f"{ffmpeg} -c:a libvorbis -q:a {quality} {{o}}")
        add("Vorbis", "ogg", rate, channels, "oggenc -Q -q 2 {i} -o {o}")
    for rate, channels in ((8000, 1), (16000, 1), (22050, 2), (44100, 2), (48000, 2)):
        for suffix, flags in (
            ("m4a", "-b:a 48k"),
            ("m4a", "-b:a 96k -movflags +faststart"),
            ("mov", "-b:a 64k"),
            ("mp4", f"-b:a 64k {fragments}"),
        ):
            add("AAC", suffix, rate, channels, f"{ffmpeg} -c:a aac {flags} {{o}}")
        add("ALAC", "m4a", rate, channels, f"{ffmpeg} -c:a alac {{o}}")
        add("ALAC", "mov", rate, channels, f"{ffmpeg} -c:a alac -sample_fmt s32p {{o}}")
        for codec in ("pcm_s16le", "pcm_s16be", "pcm_s24be", "pcm_s24le", "pcm_f32le", "pcm_mulaw"):
            add("PCM in MOV", "mov", rate, channels, f"{ffmpeg} -c:a {codec} {{o}}")
        for suffix in ("ogg", "webm", "mp4"):
            add("Opus", suffix, rate, channels, f"{ffmpeg} -c:a libopus -b:a 32k {{o}}")
        add("Opus", "opus", rate, channels, "opusenc --quiet --bitrate 24 {i} {o}")
        add("AAC in ADTS", "aac", rate, channels, f"{ffmpeg} -c:a aac -b:a 64k {{o}}")
        add("IMA ADPCM", "wav", rate, channels, f"{ffmpeg} -c:a adpcm_ima_wav {{o}}")
        add("MS ADPCM", "wav", rate, channels, f"{ffmpeg} -c:a adpcm_ms {{o}}")
        add("MP3 in WAV", "wav", rate, channels, f"{ffmpeg} -c:a libmp3lame -b:a 64k {{o}}")
        add("RF64, W64", "wav", rate, channels, f"{ffmpeg} -rf64 always {{o}}")
        add("RF64, W64", "w64", rate, channels, f"{ffmpeg} {{o}}")
        for codec in ("pcm_s16be", "pcm_s24be", "pcm_mulaw"):
            add("AIFF, AU, CAF", "aiff", rate, channels, f"{ffmpeg} -c:a {codec} {{o}}")
            add("AIFF, AU, CAF", "au", rate, channels, f"{ffmpeg} -c:a {codec} {{o}}")
            add("AIFF, AU, CAF", "caf", rate, channels, f"{ffmpeg} -c:a {codec} {{o}}")
    add("GSM 6.10", "wav", 8000, 1, f"{ffmpeg} -c:a libgsm_ms {{o}}")
    add("GSM 6.10", "wav", 8000, 1, "sox {i} -e gsm-full-rate {o}")
    return made


def encoded(wav, folder, only):
    """Encodes in all ways, or in those of a family; yields family, file, rate and command."""
    for index, (family, suffix, rate, channels, command) in enumerate(jobs()):
        if not shutil.which(command.split()[0]) or (only and only != family):
            continue
        source, out = folder / f"{rate}-{channels}.wav", folder / f"{index}.{suffix}"
        if not source.exists():
            pan = (
                ""
                if channels == 1
                else f"-af pan={channels}c|"
                + "|".join(f"c{c}={1 - 0.3 * c / channels:.2f}*c0" for c in range(channels))
                + ",adelay=0|7"
            )  # so that the block types of the channels differ
            flags = [*pan.split(), "-ar", str(rate), "-c:a", "pcm_s16le"]
            subprocess.run(["ffmpeg", "-v", "error", "-i", wav, *flags, source], check=True)
        words = [word.format(i=source, o=out) for word in command.split()]
        if subprocess.run(words, capture_output=True, check=False).returncode != 0:
            continue  # this encoder lacks the rate or the channels
        if family == "MP3 mixed blocks":
            data, count = mp3_vectors.mixed(out.read_bytes())
            out.write_bytes(data)
            if count == 0:
                continue
        if family == "MP3 joint":
            out.write_bytes(mp3_vectors.joint(out.read_bytes()))
        yield family, out, rate, command


def reference(family, path, rate):
    """Samples by ffmpeg, or by mpg123 where ffmpeg 5.1 is known to differ from mpg123, lame and the
    standard: mixed blocks, and the band at 332 of MPEG-2 at 24 kHz. None without mpg123."""
    import numpy

    if family == "MP3 mixed blocks" or (family == "MP3" and rate == 24000):
        if not shutil.which("mpg123"):
            return None
        gapless = ["--no-gapless"] if family == "MP3 mixed blocks" else []
        command = ["mpg123", "-q", *gapless, "-e", "f32", "-s", path]
    else:
        command = ["ffmpeg", "-v", "quiet", "-i", path, "-f", "f32le", "-"]
    decoded = subprocess.run(command, capture_output=True, check=False).stdout
    samples = numpy.frombuffer(decoded[: len(decoded) // 4 * 4], "<f4")
    if family == "Vorbis":  # the last page's granule position states the end, which ffmpeg passes
        entries = "stream=duration_ts,channels"
        probe = ["ffprobe", "-v", "quiet", "-show_entries", entries, "-of", "json", path]
        done = subprocess.run(probe, capture_output=True, check=True)
        stream = json.loads(done.stdout)["streams"][0]
        samples = samples[: stream["duration_ts"] * stream["channels"]]
    return samples


def samples(decode, wav, only, verbose):
    import numpy

    families, failed = {}, False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for family, path, rate, command in encoded(wav, folder, only):
            out = folder / "decoded.f32"
            done = subprocess.run([decode, path, out], capture_output=True, text=True, check=True)
            empty = {"files": 0, "refused": 0, "equal": 0, "largest": 0.0, "count": 0}
            row = families.setdefault(family, empty)
            row["files"] += 1
            if done.stdout.startswith("refused"):
                row["refused"] += 1
                if verbose:
                    print(f"  {command}: {done.stdout.strip()}")
                continue
            ours, theirs = numpy.fromfile(out, "<f4"), reference(family, path, rate)
            if theirs is None:
                continue
            n = min(len(ours), len(theirs))
            peak = max(1.0, float(numpy.abs(theirs).max())) if n else 1.0
            difference = float(numpy.abs(ours[:n] - theirs[:n]).max()) / peak if n else 0.0
            row["largest"] = max(row["largest"], difference)
            row["equal"] += len(ours) == len(theirs)
            row["count"] = max(row["count"], abs(len(ours) - len(theirs)))
            if verbose and (difference > 1e-4 or len(ours) != len(theirs)):
                counts = f"{len(ours)} and {len(theirs)}"
                print(f"  {path.name} {command}: {difference:.2e}, {counts} {done.stdout.strip()}")
    columns = f"{'largest':>11}{'equal counts':>14}{'by at most':>12}"
    print(f"{'family':<20}{'files':>6}{'refused':>9}{columns}")
    for family, row in families.items():
        decoded = row["files"] - row["refused"]
        failed |= decoded > 0 and row["largest"] > TOLERANCES.get(family, 2e-7)
        equal = f"{row['equal']} of {decoded}"
        numbers = f"{row['largest']:>11.1e}{equal:>14}{row['count']:>12}"
        print(f"{family:<20}{row['files']:>6}{row['refused']:>9}{numbers}")
    print(f"{sum(row['files'] for row in families.values())} files")
    return failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=("predictions", "samples"))
    parser.add_argument("program")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--only")
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args()
    if asked.what == "predictions":
        predictions(asked.program, asked.files)
        return 0
    return int(samples(asked.program, asked.files[0], asked.only, asked.verbose))


if __name__ == "__main__":
    sys.exit(main())
