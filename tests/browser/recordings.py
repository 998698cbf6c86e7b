"""Recordings for the tests: from the repository's speech, or synthetic."""

import wave
from pathlib import Path

AUDIO = Path(__file__).resolve().parents[1] / "audio"
SPEECH = AUDIO / "speech.wav"


def repeated(path: Path, seconds: float, channels: int = 1) -> Path:
    """Speech repeated to a length, the same in all channels."""
    with wave.open(str(SPEECH)) as source:
        rate, frames = source.getframerate(), source.readframes(source.getnframes())
    samples = int(seconds * rate)
    mono = (frames * (2 * samples // len(frames) + 1))[: 2 * samples]
    data = mono if channels == 1 else b"".join(mono[k : k + 2] * channels for k in range(0, len(mono), 2))
    return write(path, data, rate, channels)


def silence(path: Path, seconds: float = 4, rate: int = 16000) -> Path:
    """Digital silence."""
    return write(path, bytes(2 * int(seconds * rate)), rate)


def html(path: Path) -> Path:
    """A web page, whatever its name."""
    path.write_text("<!doctype html><html><body>no sound</body></html>", encoding="utf-8")
    return path


def write(path: Path, data: bytes, rate: int, channels: int = 1) -> Path:
    """16-bit PCM."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(data)
    return path
