"""Whisper's log-mel spectrogram and encoder in PyTorch, as the engine computes them: a chunk as it
is, without padding to 30 s.

Parameter names are the tensor names of the model file: those of transformers' `WhisperEncoder`,
prefixed with `whisper.` (src/models/whisper).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from . import networks

N_FFT, HOP, AMIN, RANGE = 400, 160, 1e-10, 8.0
LOGMEL = {"kind": "whisper-logmel", "sample_rate_hz": 16000, "n_mels": 80, "window_s": 3.0}
BASE = {
    "kind": "whisper",
    "mels": 80,
    "width": 512,
    "heads": 8,
    "feed_forward": 2048,
    "layers": 6,
    "states": [6],
    "final_norm": True,
    "pool": "concat",
    "normalise": False,
}


def slaney_bank(n_mels):
    """Mel filter bank [bands, bins]: triangles of area 1 over Hz, evenly spaced on Slaney's scale
    from 0 to 8000 Hz."""
    break_mel, step = 15.0, math.log(6.4) / 27.0
    mel = torch.linspace(0, break_mel + math.log(8.0) / step, n_mels + 2, dtype=torch.float64)
    above = 1000.0 * torch.exp((mel - break_mel) * step)
    hz = torch.where(mel < break_mel, mel * 200.0 / 3.0, above)
    bins = torch.arange(N_FFT // 2 + 1, dtype=torch.float64) * 16000 / N_FFT
    rise = (bins - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None]
    fall = (hz[2:, None] - bins) / (hz[2:] - hz[1:-1])[:, None]
    return (torch.minimum(rise, fall).clamp(min=0.0) * (2.0 / (hz[2:] - hz[:-2]))[:, None]).float()


def logmel(samples, n_mels=80):
    """[n] at 16 kHz → [n // 160, bands]: frames reflected at the ends, the last one dropped, log10
    down to 8 below the maximum, then (x + 4) / 4."""
    spectrum = torch.stft(
        samples, N_FFT, HOP, window=torch.hann_window(N_FFT), pad_mode="reflect", return_complex=True
    )
    power = slaney_bank(n_mels) @ spectrum[:, :-1].abs().square()
    log = power.clamp(min=AMIN).log10()
    return ((log.clamp(min=float(log.max()) - RANGE) + 4.0) / 4.0).T.contiguous()


def positions(frames, width):
    """Sinusoids [frames, width]: sines, then cosines."""
    half = width // 2
    step = math.log(10000.0) / (half - 1)
    rates = torch.exp(-step * torch.arange(half, dtype=torch.float64))
    angles = torch.arange(frames, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1).float()


class SelfAttention(nn.Module):
    """Multi-head self-attention; keys have no bias."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.v_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x):
        split = [p(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for p in self.projections()]
        return self.out_proj(F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2))

    def projections(self):
        return self.q_proj, self.k_proj, self.v_proj


class Layer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, width, heads, feed_forward):
        super().__init__()
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = SelfAttention(width, heads)
        self.fc1, self.fc2 = nn.Linear(width, feed_forward), nn.Linear(feed_forward, width)

    def forward(self, x):
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class Whisper(nn.Module):
    """Log-mel [batch, frames, mels] → the pooled states [batch, dim]. `config` is the manifest's
    `representation`."""

    def __init__(self, bands, config):
        super().__init__()
        width = config["width"]
        assert bands == config["mels"]
        self.config = config
        self.conv1 = nn.Conv1d(bands, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        sizes = (width, config["heads"], config["feed_forward"])
        self.layers = nn.ModuleList(Layer(*sizes) for _ in range(config["layers"]))
        if config["final_norm"]:
            self.layer_norm = nn.LayerNorm(width)

    @property
    def dim(self):
        states = self.config["states"] if self.config["pool"] == "concat" else [0]
        return len(states) * self.config["width"]

    def states(self, x):
        """The states 0 … [batch, frames / 2, width] up to the last pooled one, after the output of
        each convolution."""
        conv1 = F.gelu(self.conv1(x.transpose(1, 2)))
        conv2 = F.gelu(self.conv2(conv1)).transpose(1, 2)
        x = conv2 + positions(conv2.shape[1], conv2.shape[2])
        states = [x]
        for layer in self.layers[: self.config["states"][-1]]:
            states.append(layer(states[-1]))
        if self.config["final_norm"]:
            states[-1] = self.layer_norm(states[-1])
        return conv1.transpose(1, 2), conv2, states

    def means(self, x):
        """The mean over time of each pooled state, [batch, states, width]."""
        _, _, states = self.states(x)
        return torch.stack([states[k].mean(1) for k in self.config["states"]], 1)

    def forward(self, x):
        means = self.means(x)
        return means.flatten(1) if self.config["pool"] == "concat" else means.mean(1)


class WhisperWithHeads(nn.Module):
    """The encoder with a trunk and heads, for `model_file.write`."""

    def __init__(self, whisper, trunk):
        super().__init__()
        self.whisper = whisper
        self.trunk = networks.Trunk(whisper.dim, trunk)
        self.heads = networks.Heads(trunk["dense"][-1])


def load_transformers(whisper, state):
    """Loads a state dict of transformers' `WhisperEncoder`; layers above those of the recipe and
    the positions, which are computed, are left out."""
    wanted = whisper.state_dict()
    whisper.load_state_dict({name: state[name].float() for name in wanted})
    return whisper.eval()
