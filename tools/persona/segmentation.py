"""The segmentation network in PyTorch: which of three speakers are active in each frame of a chunk.

PyanNet with powerset classes under the tensor names of pyannote's checkpoint (segmentation-3.0):
sinc filters, convolutions with max pooling and instance norm, bidirectional LSTM layers, dense
layers, log probabilities of the classes.
"""

import math

import torch
from torch import nn
from torch.nn import functional

PUBLISHED = {
    "sample_rate_hz": 16000,
    "chunk_s": 10.0,
    "sinc": {"filters": 80, "taps": 251, "stride": 10, "min_low_hz": 50.0, "min_band_hz": 50.0},
    "conv": [{"channels": 60, "kernel": 5}, {"channels": 60, "kernel": 5}],
    "pool": 3,
    "lstm": {"layers": 4, "hidden": 128},
    "dense": [128, 128],
    "speakers": 3,
    "simultaneous": 2,
}


class SincFilters(nn.Module):
    """Even and odd band-pass filters from their cutoff frequencies."""

    def __init__(self, sinc, rate):
        super().__init__()
        self.sinc, self.rate = sinc, rate
        bands = sinc["filters"] // 2
        self.low_hz_ = nn.Parameter(torch.zeros(bands, 1))
        self.band_hz_ = nn.Parameter(torch.zeros(bands, 1))

    def filters(self):
        """Filters [filters, 1, taps] in f64."""
        taps = self.sinc["taps"]
        low = self.sinc["min_low_hz"] + self.low_hz_.double().abs()
        high = low + self.sinc["min_band_hz"] + self.band_hz_.double().abs()
        high = high.clamp(self.sinc["min_low_hz"], self.rate / 2)
        n = torch.arange(taps, dtype=torch.float64) - taps // 2
        window = torch.hamming_window(taps, periodic=False, dtype=torch.float64)
        omega = 2 * math.pi * n / self.rate
        even = (torch.sin(high * omega) - torch.sin(low * omega)) / (omega / 2)
        odd = (torch.cos(low * omega) - torch.cos(high * omega)) / (omega / 2)
        even[:, taps // 2], odd[:, taps // 2] = 2 * (high - low)[:, 0], 0.0
        return (torch.cat([even, odd]) * window / (2 * (high - low)).repeat(2, 1))[:, None]


class Segmentation(nn.Module):
    """Samples [samples] → log probabilities [frames, classes]."""

    def __init__(self, recipe):
        super().__init__()
        self.recipe = recipe
        inputs = recipe["sinc"]["filters"]
        first = nn.Module()
        first.filterbank = SincFilters(recipe["sinc"], recipe["sample_rate_hz"])
        convs, norms = [first], [nn.InstanceNorm1d(inputs, affine=True)]
        for conv in recipe["conv"]:
            convs.append(nn.Conv1d(inputs, conv["channels"], conv["kernel"]))
            norms.append(nn.InstanceNorm1d(conv["channels"], affine=True))
            inputs = conv["channels"]
        self.sincnet = nn.Module()
        self.sincnet.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.sincnet.conv1d, self.sincnet.norm1d = nn.ModuleList(convs), nn.ModuleList(norms)
        hidden, layers = recipe["lstm"]["hidden"], recipe["lstm"]["layers"]
        self.lstm = nn.LSTM(inputs, hidden, layers, bidirectional=True, batch_first=True)
        widths = [2 * hidden, *recipe["dense"]]
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.classifier = nn.Linear(widths[-1], classes(recipe))

    def intermediates(self, samples):
        """Every intermediate result of one chunk by the name of its module, as [frames, channels];
        `classifier` are the log probabilities."""
        recipe, seen = self.recipe, {}
        x = self.sincnet.wav_norm1d(samples[None, None])
        seen["sincnet.wav_norm1d"] = x[0, 0]
        for n, (conv, norm) in enumerate(zip(self.sincnet.conv1d, self.sincnet.norm1d)):
            if n == 0:
                filters = conv.filterbank.filters().to(x.dtype)
                x = functional.conv1d(x, filters, stride=recipe["sinc"]["stride"]).abs()
            else:
                x = conv(x)
            x = functional.leaky_relu(norm(functional.max_pool1d(x, recipe["pool"])))
            seen[f"sincnet.norm1d.{n}"] = x[0].T
        x = x.transpose(1, 2)
        for n in range(recipe["lstm"]["layers"]):
            x = self.layer(n, x.shape[2])(x)[0]
            seen[f"lstm.{n}"] = x[0]
        for n, linear in enumerate(self.linear):
            x = functional.leaky_relu(linear(x))
            seen[f"linear.{n}"] = x[0]
        seen["classifier"] = functional.log_softmax(self.classifier(x), dim=-1)[0]
        return seen

    def layer(self, n, inputs):
        """LSTM layer n on its own."""
        layer = nn.LSTM(inputs, self.recipe["lstm"]["hidden"], bidirectional=True, batch_first=True)
        layer = layer.to(self.classifier.weight.dtype)
        for name, value in self.lstm.named_parameters():
            part, _, rest = name.partition(f"_l{n}")
            if name in (f"{part}_l{n}", f"{part}_l{n}_reverse"):
                getattr(layer, f"{part}_l0{rest}").data.copy_(value)
        return layer


def classes(recipe):
    """Number of powerset classes."""
    return sum(math.comb(recipe["speakers"], k) for k in range(recipe["simultaneous"] + 1))
