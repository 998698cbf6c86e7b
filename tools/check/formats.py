#!/usr/bin/env python3
"""Compares recordings in other audio formats: predictions, or decoded samples.

    python3 tools/check/formats.py predictions PERSONA_ENGINE FILE.wav…
    python3 tools/check/formats.py samples DECODE FILE.wav
    python3 tools/check/formats.py samples DECODE FILE.wav --only MP3

predictions: each file (16 kHz, mono) is converted by ffmpeg, processed by the program, and compared
with the original's predictions: the largest difference of any probability of emotion or gender, the
share of equal labels, and the difference in age.

samples: the file is encoded in some 280 ways, by ffmpeg, lame, oggenc, flac and opusenc where they
are at hand, and decoded by DECODE (`cargo build --release --example decode`) and by ffmpeg. Prints a
row per family: number of files, those refused, the largest difference of a sample (of full scale, or
of the peak where that is larger),
files with equal numbers of samples, the largest difference of these. `--verbose` names each file that
differs by more than 1e-4 or in its number of samples, or is refused. Exits with 1 where a family that
is not refused as a whole exceeds its tolerance.

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
TOLERANCES = {"MP3": 1e-4, "MP3 mixed blocks": 1e-4, "Vorbis": 1e-4, "AAC": 1e-4, "Opus": 1e-3}


def jobs():
    """(family, suffix, encoder's command with {i} and {o}) of every file. {i} is a WAV file of the
    stated rate and channels."""
    made = []

    def add(family, suffix, rate, channels, command):
        made.append((family, suffix, rate, channels, command))

    ffmpeg = "ffmpeg -v error -y -i {i} "
    wav_codecs = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le")
    for codec in (*wav_codecs, "pcm_alaw", "pcm_mulaw"):
        for rate, channels in ((8000, 1), (16000, 2), (44100, 2), (48000, 6)):
            add("WAV", "wav", rate, channels, f"{ffmpeg} -c:a {codec} {{o}}")
    for rate in RATES:
        for channels in (1, 2):
            for flags in ("-b 64", "-V 4", "-b 32 -t"):
                add("MP3", "mp3", rate, channels, f"lame --quiet {flags} --resample {rate / 1000} {{i}} {{o}}")
        for flags in ("-m s -b 96", "-m j -b 96", "-m f -b 96", "-m j --allshort -b 128", "-m d -V 6"):
            add("MP3", "mp3", rate, 2, f"lame --quiet {flags} --resample {rate / 1000} {{i}} {{o}}")
        for flags in ("-m j -b 128", "-m m -b 64", "-m j -V 2"):
            add("MP3 mixed blocks", "mp3", rate, 2, f"lame --quiet -t --allshort {flags} --resample {rate / 1000} {{i}} {{o}}")
    for rate, channels in ((8000, 1), (16000, 1), (22050, 2), (44100, 2), (48000, 2), (96000, 2)):
        for flags in ("-compression_level 0", "-compression_level 12", "-sample_fmt s32 -bits_per_raw_sample 24"):
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
            ("mp4", "-b:a 64k -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 500000"),
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


def mixed(data):
    """Sets the mixed block flag of every granule of short blocks of an MP3 without CRC. The bits after
    it mean something else then; that is the same for every decoder."""
    data, at = bytearray(data), 0
    kbits = (
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    )

    def bit(position):
        return data[position // 8] >> (7 - position % 8) & 1

    while at + 4 < len(data) and data[at] == 0xFF:
        version = data[at + 1] >> 3 & 3
        mpeg1, mono = version == 3, data[at + 3] >> 6 == 3
        rate = (44100, 48000, 32000)[data[at + 2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
        size = (144 if mpeg1 else 72) * kbits[not mpeg1][data[at + 2] >> 4] * 1000 // rate
        size += data[at + 2] >> 1 & 1
        channels = 1 if mono else 2
        side = 8 * (at + 4) + ((9 + (5 if mono else 3) + 4 * channels) if mpeg1 else (8 + channels))
        for granule in range((2 if mpeg1 else 1) * channels):
            begin = side + granule * (59 if mpeg1 else 63)
            switch = begin + 12 + 9 + 8 + (4 if mpeg1 else 9)
            if bit(switch) and (bit(switch + 1), bit(switch + 2)) == (1, 0):
                data[(switch + 3) // 8] |= 1 << (7 - (switch + 3) % 8)
        at += size
    return bytes(data)


def encoded(wav, folder, only):
    """Encodes in all ways, or in those of a family; yields family, file and command."""
    for index, (family, suffix, rate, channels, command) in enumerate(jobs()):
        if not shutil.which(command.split()[0]) or (only and only != family):
            continue
        source, out = folder / f"{rate}-{channels}.wav", folder / f"{index}.{suffix}"
        if not source.exists():
            pan = "" if channels == 1 else f"-af pan={channels}c|" + "|".join(
                f"c{c}={1 - 0.3 * c / channels:.2f}*c0" for c in range(channels)
            )
            convert = ["ffmpeg", "-v", "error", "-i", wav, *pan.split(), "-ar", str(rate), "-c:a", "pcm_s16le"]
            subprocess.run([*convert, source], check=True)
        words = [word.format(i=source, o=out) for word in command.split()]
        if subprocess.run(words, capture_output=True, check=False).returncode != 0:
            continue  # this encoder lacks the rate or the channels
        if family == "MP3 mixed blocks":
            out.write_bytes(mixed(out.read_bytes()))
        yield family, out, command


def by_ffmpeg(path):
    import numpy

    command = ["ffmpeg", "-v", "quiet", "-i", path, "-f", "f32le", "-"]
    samples = numpy.frombuffer(subprocess.run(command, capture_output=True, check=False).stdout, "<f4")
    if path.suffix in (".ogg", ".opus") :  # the granule position states the end, which ffmpeg passes
        probe = ["ffprobe", "-v", "quiet", "-show_entries", "stream=duration_ts,channels", "-of", "json", path]
        stream = json.loads(subprocess.run(probe, capture_output=True, check=True).stdout)["streams"][0]
        samples = samples[: stream["duration_ts"] * stream["channels"]]
    return samples


def samples(decode, wav, only, verbose):
    import numpy

    families, failed = {}, False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for family, path, command in encoded(wav, folder, only):
            out = folder / "decoded.f32"
            done = subprocess.run([decode, path, out], capture_output=True, text=True, check=True)
            row = families.setdefault(family, {"files": 0, "refused": 0, "equal": 0, "largest": 0.0, "count": 0})
            row["files"] += 1
            if done.stdout.startswith("refused"):
                row["refused"] += 1
                if verbose:
                    print(f"  {command}: {done.stdout.strip()}")
                continue
            ours, theirs = numpy.fromfile(out, "<f4"), by_ffmpeg(path)
            n = min(len(ours), len(theirs))
            peak = max(1.0, float(numpy.abs(theirs).max())) if n else 1.0
            difference = float(numpy.abs(ours[:n] - theirs[:n]).max()) / peak if n else 0.0
            row["largest"] = max(row["largest"], difference)
            row["equal"] += len(ours) == len(theirs)
            row["count"] = max(row["count"], abs(len(ours) - len(theirs)))
            if verbose and (difference > 1e-4 or len(ours) != len(theirs)):
                print(f"  {path.name} {command}: {difference:.2e}, {len(ours)} and {len(theirs)} {done.stdout.strip()}")
    print(f"{'family':<20}{'files':>6}{'refused':>9}{'largest':>11}{'equal counts':>14}{'by at most':>12}")
    for family, row in families.items():
        decoded = row["files"] - row["refused"]
        failed |= decoded > 0 and row["largest"] > TOLERANCES.get(family, 2e-7)
        equal = f"{row['equal']} of {decoded}"
        print(f"{family:<20}{row['files']:>6}{row['refused']:>9}{row['largest']:>11.1e}{equal:>14}{row['count']:>12}")
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
