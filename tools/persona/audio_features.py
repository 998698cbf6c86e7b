"""Features in PyTorch as training computes them: log-mel, Kaldi fbank, and log-mel inversion.

The engine computes the same features with its own code; tests/golden verifies both against other
implementations.
"""

import math

import torch

from .campplus import FBANK80
from .model_file import LOGMEL

RATE, N_FFT, HOP = LOGMEL["sample_rate_hz"], LOGMEL["n_fft"], LOGMEL["hop_length"]
CHUNK_SAMPLES = int(LOGMEL["window_s"] * RATE)
SPEECH_PEAK = 0.3  # of reconstructed clips, whose original level is unknown
MAX_GAIN = 100.0  # of power, in one iteration of the inversion


def slaney_bank():
    """Mel filter bank [bands, bins]: triangles of area 1 over Hz, corners evenly spaced on Slaney's
    mel scale."""
    break_mel, step = 15.0, math.log(6.4) / 27.0
    top = break_mel + math.log(LOGMEL["f_max_hz"] / 1000.0) / step
    mel = torch.linspace(0.0, top, LOGMEL["n_mels"] + 2, dtype=torch.float64)
    above = 1000.0 * torch.exp((mel - break_mel) * step)
    hz = torch.where(mel < break_mel, mel * 200.0 / 3.0, above)
    bins = torch.arange(N_FFT // 2 + 1, dtype=torch.float64) * RATE / N_FFT
    rise = (bins - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None]
    fall = (hz[2:, None] - bins) / (hz[2:] - hz[1:-1])[:, None]
    area = (2.0 / (hz[2:] - hz[:-2]))[:, None]
    return (torch.minimum(rise, fall).clamp(min=0.0) * area).float()


BANK, HANN = slaney_bank(), torch.hann_window(N_FFT)


def spectrum(audio):
    """STFT, [batch, samples] → complex [batch, bins, frames]; centred frames, zero padding."""
    return torch.stft(audio, N_FFT, HOP, window=HANN, pad_mode="constant", return_complex=True)


def logmel(audio):
    """[batch, samples] at 16 kHz → dB below each clip's peak [batch, frames, bands], floor −80."""
    power = (BANK @ spectrum(audio).abs().square()).clamp(min=LOGMEL["amin"])
    db = 10.0 * torch.log10(power).transpose(1, 2)
    return (db - db.amax(dim=(1, 2), keepdim=True)).clamp(min=-LOGMEL["top_db"])


def to_bytes(db):
    """Quantises dB as the corpus's features are stored: 255 steps of 0.314 dB from −80 to 0."""
    return ((db + 80.0) * (255.0 / 80.0)).round().to(torch.uint8)


def from_bytes(frames):
    """The dB of `to_bytes`."""
    return frames.float() * (80.0 / 255.0) - 80.0


def invert(db, generator, iterations=120, momentum=0.99):
    """Log-mel [batch, frames, bands] → audio [batch, (frames − 1) · hop] with peak 0.3.

    Griffin-Lim with momentum (Perraudin, Balazs, Søndergaard 2013), started from white noise. Each
    iteration imposes the power of the mel bands, which is all that is known: a bin keeps its phase
    and its share of its bands and is scaled by what they lack. Noise in a band so stays noise,
    whereas a magnitude predicted from the bands alone would be smooth."""
    power = 10.0 ** (db.transpose(1, 2) / 10.0)
    share = BANK.T / BANK.sum(0).clamp(min=1e-6)[:, None]
    samples = (db.shape[1] - 1) * HOP
    audio, last = 0.01 * torch.randn((len(db), samples), generator=generator), 0.0
    for _ in range(iterations):
        consistent = spectrum(audio)
        guess = consistent + momentum * (consistent - last)
        gain = (power / (BANK @ guess.abs().square() + 1e-12)).clamp(max=MAX_GAIN)
        scaled = guess * (share @ gain).sqrt()
        audio = torch.istft(scaled, N_FFT, HOP, window=HANN, length=samples)
        last = consistent
    return audio / (audio.abs().amax(dim=1, keepdim=True) + 1e-9) * SPEECH_PEAK


def kaldi_bank(bands, low, high, n_fft):
    """Mel filter bank [bands, bins]: triangles of height 1 whose sides are straight over Kaldi's
    mel scale, 1127 · ln(1 + Hz / 700)."""

    def mel(hz):
        return 1127.0 * torch.log1p(torch.as_tensor(hz, dtype=torch.float64) / 700.0)

    corners = torch.linspace(float(mel(low)), float(mel(high)), bands + 2, dtype=torch.float64)
    bins = mel(torch.arange(n_fft // 2 + 1, dtype=torch.float64) * RATE / n_fft)
    rise = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    fall = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    bank = torch.minimum(rise, fall).clamp(min=0.0)
    bank[:, -1] = 0.0  # Kaldi leaves out the bin at half the sample rate
    return bank.float()


LENGTH, SHIFT = 400, 160  # 25 and 10 ms
_PHASE = 2.0 * math.pi * torch.arange(LENGTH, dtype=torch.float64) / (LENGTH - 1)
POVEY = (0.5 - 0.5 * torch.cos(_PHASE)).pow(0.85).float()
_MEL = FBANK80["mel_opts"]
FBANK_BANK = kaldi_bank(_MEL["num_bins"], _MEL["low_freq"], RATE / 2, 512)


def fbank(audio, floor=torch.finfo(torch.float32).eps):
    """CAM++'s input, [batch, samples] in [−1, 1] → [batch, frames, 80]: Kaldi's log fbank, minus
    each band's mean over time. `floor`: least power of a band."""
    frames = audio.unfold(1, LENGTH, SHIFT)
    frames = frames - frames.mean(2, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], 2)
    emphasised = frames - FBANK80["frame_opts"]["preemph_coeff"] * before
    power = torch.fft.rfft(emphasised * POVEY, 512).abs().square()
    log = (power @ FBANK_BANK.T).clamp(min=floor).log()
    return log - log.mean(1, keepdim=True)
