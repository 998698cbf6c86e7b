#!/usr/bin/env python3
"""Makes the recordings in tests/audio, and ffmpeg's decoded samples of them in tests/golden/audio.

    python3 tools/golden/audio_fixtures.py

Needs espeak-ng, sox, lame, mpg123 and ffmpeg (Debian 12 has 1.51, 14.4.2, 3.100, 1.31.2 and 5.1.9);
Python's own library otherwise. All sound is synthesised, nothing is random: the same versions give
the same files.

    speech.wav       a sentence, 16 kHz, mono, 16 bits: the README's example and the CLI's tests
    clip-*           half a second of it (from CLIP_START_S on), in the supported codecs

Golden values are `tests/golden/audio/NAME.f32`: of ffmpeg's decoded, interleaved samples the first
500, 1000 from the middle (from index n // 2 on) and the last 500, as little-endian float32;
`decoded.json` has the counts. sox decodes G.711's 256 codes to `alaw.i16` and `mulaw.i16`.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import mp3_vectors

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT / "tests" / "audio"
GOLDEN = ROOT / "tests" / "golden" / "audio"
SENTENCE = "I am so glad that you called, I did not expect it today."
CLIP_START_S, CLIP_S = 0.5, 0.5

# name: the command that makes it. {m8} … are the clip as 16-bit WAV, mono or stereo, at that many
# kHz; {out} is the file
CLIPS = {
    "clip-alaw-8k.wav": "sox -D {m8} -e a-law {out}",
    "clip-mulaw-8k-stereo.wav": "ffmpeg -i {s8} -c:a pcm_mulaw {out}",
    "clip-u8-16k.wav": "sox -D {m16} -e unsigned -b 8 {out}",
    "clip-s24-extensible-16k-6ch.wav": "ffmpeg -i {m16} -t 0.1 -ac 6 -c:a pcm_s24le {out}",
    "clip-f32-48k-stereo.wav": "ffmpeg -i {s48} -t 0.05 -c:a pcm_f32le {out}",
    "clip-s16-16k-pipe.wav": "ffmpeg -i {m16} -t 0.25 -f wav - > {out}",
    "clip-8k-32.mp3": "lame -b 32 {m8} {out}",
    "clip-16k-32-no-tag.mp3": "lame -t -b 32 {m16} {out}",
    "clip-16k-v4.mp3": "lame -V 4 {m16} {out}",
    "clip-44k-stereo-j128.mp3": "lame -m j -b 128 {s44} {out}",
    "clip-16k.flac": "ffmpeg -i {m16} -t 0.25 -c:a flac {out}",
    "clip-48k-stereo-s24.flac": "ffmpeg -i {s48} -t 0.05 -af volume=0.377:precision=double"
    " -c:a flac -sample_fmt s32 -bits_per_raw_sample 24 {out}",
    "clip-16k.ogg": "ffmpeg -i {m16} -c:a libvorbis -q:a 4 {out}",
    "clip-44k-stereo.ogg": "ffmpeg -i {s44} -c:a libvorbis -q:a 2 {out}",
    "clip-16k-aac.m4a": "ffmpeg -i {m16} -c:a aac -b:a 32k {out}",
    "clip-48k-stereo-aac-faststart.m4a": "ffmpeg -i {s48} -c:a aac -b:a 96k"
    " -movflags +faststart {out}",
    "clip-16k-alac.m4a": "ffmpeg -i {m16} -c:a alac {out}",
    "clip-48k-stereo-v5-id3.mp3": "ffmpeg -i {s48} -c:a libmp3lame -q:a 5 -id3v2_version 3"
    " -write_id3v1 1 -metadata title=clip {out}",
    "clip-16k.opus": "ffmpeg -i {m16} -c:a libopus -b:a 24k {out}",
    "clip-48k-stereo-opus.m4a": "ffmpeg -i {s48} -c:a libopus -b:a 48k -f mp4 {out}",
    "clip-16k-60ms.opus": "ffmpeg -i {m16} -c:a libopus -b:a 12k -application voip"
    " -frame_duration 60 {out}",
    "clip-48k-stereo-opus.webm": "ffmpeg -i {s48} -c:a libopus -b:a 48k {out}",
    "clip-48k-stereo-opus-pipe.webm": "ffmpeg -i {s48} -t 0.2 -c:a libopus -f webm - > {out}",
    "clip-44k-stereo-vorbis.webm": "ffmpeg -i {s44} -t 0.2 -c:a libvorbis -q:a 2 {out}",
    "clip-16k-flac.mka": "ffmpeg -i {m16} -t 0.15 -c:a flac {out}",
    "clip-16k.aac": "ffmpeg -i {m16} -c:a aac -b:a 32k {out}",
    "clip-16k-rf64.wav": "ffmpeg -i {m16} -t 0.15 -rf64 always {out}",
    "clip-16k-rifx.wav": "sox -D -B {m16} {out} trim 0 0.15",
    "clip-16k.w64": "ffmpeg -i {m16} -t 0.15 {out}",
    "clip-48k-stereo-s24.aiff": "ffmpeg -i {s48} -t 0.05 -c:a pcm_s24be {out}",
    "clip-16k-sowt.aiff": "ffmpeg -i {m16} -t 0.15 -c:a pcm_s16le {out}",
    "clip-16k-ima4.aiff": "ffmpeg -i {m16} -c:a adpcm_ima_qt {out}",
    "clip-8k-mulaw.au": "ffmpeg -i {m8} -c:a pcm_mulaw {out}",
    "clip-16k-f32.caf": "ffmpeg -i {m16} -t 0.15 -c:a pcm_f32be {out}",
    "clip-16k-ima.wav": "ffmpeg -i {m16} -c:a adpcm_ima_wav {out}",
    "clip-48k-stereo-ms.wav": "ffmpeg -i {s48} -t 0.1 -c:a adpcm_ms {out}",
    "clip-8k-gsm.wav": "sox -D {m8} -e gsm-full-rate {out}",
    "clip-8k.gsm": "sox -D {m8} {out}",
    "clip-16k-mp3.wav": "ffmpeg -i {m16} -c:a libmp3lame -b:a 32k {out}",
}
# Files that no encoder writes: the change of one that lame wrote.
VECTORS = {
    "clip-44k-mixed-blocks.mp3": (
        lambda data: mp3_vectors.mixed(data)[0],
        "lame -t -m m -b 64 {m44} {out}",
    ),
    "clip-44k-joint-block-types.mp3": (
        mp3_vectors.joint,
        "sox -D {s44} -t wav - trim 0 0.45 | lame --quiet -t -m d -b 112 - {out}",
    ),
}
# Files that the engine rejects, for tests of its error messages.
REFUSED = {
    "refused-opus-6ch.opus": "ffmpeg -i {m16} -t 0.1 -ac 6 -c:a libopus -b:a 64k {out}",
    "refused-speex.ogg": "ffmpeg -i {m16} -t 0.1 -c:a libspeex {out}",
    "refused-ac3.mkv": "ffmpeg -i {s48} -t 0.1 -c:a ac3 -b:a 64k {out}",
    "refused-video.mp4": "ffmpeg -f lavfi -i testsrc=size=32x32:rate=5 -t 0.4 -c:v mpeg4 {out}",
}
RATES_HZ = {"8": 8000, "16": 16000, "44": 44100, "48": 48000}


def run(command: str) -> bytes:
    """Runs a shell command quietly and returns its output."""
    quiet = {"ffmpeg": "ffmpeg -v error -y -bitexact", "lame": "lame --quiet"}
    program, _, rest = command.partition(" ")
    return subprocess.run(
        f"{quiet.get(program, program)} {rest}", shell=True, check=True, stdout=subprocess.PIPE
    ).stdout


def sources(folder: Path) -> dict[str, Path]:
    """The clip as WAV: mono, and stereo whose right channel is the left one at half the amplitude,
    5 ms later."""
    speech, made = AUDIO / "speech.wav", {}
    for name, rate in RATES_HZ.items():
        mono, stereo = folder / f"m{name}.wav", folder / f"s{name}.wav"
        run(f"sox -D {speech} -r {rate} {mono} trim {CLIP_START_S} {CLIP_S}")
        run(
            f"sox -D {speech} {stereo} trim {CLIP_START_S} {CLIP_S} remix 1 1v0.5"
            f" delay 0 0.005 rate {rate} trim 0 {CLIP_S}"
        )
        made |= {f"m{name}": mono, f"s{name}": stereo}
    return made


def probe(path: Path) -> tuple[int, int]:
    """Sample rate and channels by ffprobe."""
    out = run(
        f"ffprobe -v error -show_entries stream=sample_rate,channels -of csv=p=0 {path}"
    ).decode()
    rate, channels = out.strip().split(",")[:2]
    return int(rate), int(channels)


def fact(path: Path) -> int | None:
    """Frames that the fact chunk of a WAV of ADPCM or GSM states."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or int.from_bytes(data[20:22], "little") not in (2, 0x11, 0x31):
        return None
    at = data.find(b"fact")
    return int.from_bytes(data[at + 8 : at + 12], "little") or None


def with_byte_rate(wav: bytes) -> bytes:
    """A WAV of ADPCM with the bytes per second that its blocks have: ffmpeg states 16,000 always."""
    rate, align = int.from_bytes(wav[24:28], "little"), int.from_bytes(wav[32:34], "little")
    frames = int.from_bytes(wav[38:40], "little")  # per block
    return wav[:28] + (rate * align // frames).to_bytes(4, "little") + wav[32:]


def golden(path: Path) -> dict[str, int]:
    """Decodes with ffmpeg, writes three slices and returns the counts."""
    if "mixed-blocks" in path.name:  # on which ffmpeg 5.1 differs from mpg123 and lame
        decoded = run(f"mpg123 -q -e f32 --no-gapless -s {path}")
    elif "rifx" in path.name:  # whose samples ffmpeg 5.1 takes for little-endian
        decoded = run(f"sox -D {path} -t f32 -")
    else:
        # Opus by the reference decoder, in float
        options = "-c:a libopus -request_sample_fmt flt" if "opus" in path.name else ""
        decoded = run(f"ffmpeg {options} -i {path} -f f32le -")
    samples = [decoded[i : i + 4] for i in range(0, len(decoded), 4)]
    if (
        path.suffix == ".ogg"
    ):  # ffmpeg decodes the whole last block; the page's granule position states the end
        frames = run(
            f"ffprobe -v error -show_entries stream=duration_ts -of csv=p=0 {path}"
        ).decode()
        samples = samples[: int(frames.strip().strip(",")) * probe(path)[1]]
    if path.name.endswith("opus.m4a"):  # and the whole last packet, beyond the edit list's end
        samples = samples[: int(CLIP_S * probe(path)[0]) * probe(path)[1]]
    if stated := fact(path):  # likewise the whole last block of ADPCM and GSM
        samples = samples[: stated * probe(path)[1]]
    n = len(samples)
    kept = samples[:500] + samples[n // 2 : n // 2 + 1000] + samples[-500:]
    (GOLDEN / f"{path.name}.f32").write_bytes(b"".join(kept))
    rate, channels = probe(path)
    return {"sample_rate_hz": rate, "channels": channels, "samples": n}


def g711() -> None:
    """Decodes all 256 codes with sox."""
    for coding in ("a-law", "mu-law"):
        with tempfile.NamedTemporaryFile(suffix=".raw") as codes:
            codes.write(bytes(range(256)))
            codes.flush()
            decoded = run(
                f"sox -D -t raw -r 8000 -c 1 -e {coding} -b 8 {codes.name} -t raw -e signed -b 16 -"
            )
        (GOLDEN / f"{coding.replace('-', '')}.i16").write_bytes(decoded)


def main() -> None:
    AUDIO.mkdir(parents=True, exist_ok=True)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run(f'espeak-ng -v en-us -s 150 -w {folder}/voice.wav "{SENTENCE}"')
        run(f"sox -D {folder}/voice.wav -r 16000 -c 1 -b 16 {AUDIO}/speech.wav gain -n -3")
        wavs = sources(folder)
        for name, command in (CLIPS | REFUSED).items():
            run(command.format(out=AUDIO / name, **wavs))
        for name in ("clip-16k-ima.wav", "clip-48k-stereo-ms.wav"):
            (AUDIO / name).write_bytes(with_byte_rate((AUDIO / name).read_bytes()))
        for name, (change, command) in VECTORS.items():
            run(command.format(out=AUDIO / name, **wavs))
            (AUDIO / name).write_bytes(change((AUDIO / name).read_bytes()))
    made_by = {
        "made_by": "tools/golden/audio_fixtures.py",
        "decoder": "ffmpeg " + run("ffmpeg -version").decode().split()[2],
    }
    decoded = {name: golden(AUDIO / name) for name in ["speech.wav", *CLIPS, *VECTORS]}
    (GOLDEN / "decoded.json").write_text(json.dumps(made_by | {"files": decoded}, indent=1) + "\n")
    g711()


if __name__ == "__main__":
    main()
