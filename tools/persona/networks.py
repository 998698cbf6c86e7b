"""The networks as PyTorch modules. Parameter names are the tensor names of the model file.

Shapes: features [batch, frames, bands] → representation, such as an x-vector [batch, 512] → trunk
[batch, 56] → heads.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from .campplus import CamPlusPlus
from .mfcc import MfccStatistics

# Snyder et al. 2018, table 1: frame-level layers, as (channels, context offsets in frames).
XVECTOR = {
    "kind": "xvector",
    "layers": [
        {"channels": 512, "context": [-2, -1, 0, 1, 2]},
        {"channels": 512, "context": [-2, 0, 2]},
        {"channels": 512, "context": [-3, 0, 3]},
        {"channels": 512, "context": [0]},
        {"channels": 1500, "context": [0]},
    ],
    "pooling": {"kind": "statistics", "variance": "biased", "floor": 1e-5},
    "embedding": 512,
    "norm_eps": 1e-5,
}
FCN = {"kind": "fcn", "dense": [200, 128, 56]}
CNN = {
    "kind": "cnn",
    "conv": [
        {"channels": 32, "kernel": 5, "padding": 2, "pool": 2},
        {"channels": 64, "kernel": 5, "padding": 2, "pool": 2},
    ],
    "dense": [200, 128, 56],
}


class TdnnLayer(nn.Module):
    """TDNN layer: affine over a context of frames, ReLU, batch norm (the order of Kaldi's
    relu-batchnorm layers), without padding.

    The affine is a dilated 1-D convolution and is stored as one. It is computed as a matrix product
    over shifted copies, which keeps the channels last and is about twice as fast.
    """

    def __init__(self, bands, channels, context, eps):
        super().__init__()
        steps = {b - a for a, b in itertools.pairwise(context)}
        assert len(steps) <= 1, f"contexts are evenly spaced, not {context}"
        dilation = steps.pop() if steps else 1
        self.conv = nn.Conv1d(bands, channels, len(context), dilation=dilation)
        self.norm = nn.BatchNorm1d(channels, eps=eps)

    def forward(self, x, every=1):
        """[batch, frames, bands] → [batch, frames − span, channels], or every n-th of these
        frames."""
        (taps,), (step,) = self.conv.kernel_size, self.conv.dilation
        frames = x.shape[1] - (taps - 1) * step
        shifted = torch.cat(
            [x[:, k * step : k * step + frames : every] for k in range(taps)], dim=2
        )
        weight = self.conv.weight.transpose(1, 2).flatten(1)
        x = F.relu(F.linear(shifted, weight, self.conv.bias))
        return self.norm(x.flatten(0, 1)).view_as(x)


def statistics_pooling(x, floor):
    """[batch, frames, channels] → [batch, 2 × channels]: mean, then standard deviation (biased
    variance, floored)."""
    mean = x.mean(dim=1)
    variance = ((x - mean[:, None, :]) ** 2).mean(dim=1)
    return torch.cat([mean, variance.clamp(min=floor).sqrt()], dim=1)


class XVector(nn.Module):
    """Features [batch, frames, bands] → embedding [batch, 512]: the affine after pooling, and its
    batch norm."""

    def __init__(self, bands, config):
        super().__init__()
        self.floor = config["pooling"]["floor"]
        widths = [bands] + [layer["channels"] for layer in config["layers"]]
        self.tdnn = nn.ModuleList(
            TdnnLayer(width, layer["channels"], layer["context"], config["norm_eps"])
            for width, layer in zip(widths, config["layers"], strict=False)
        )
        self.embedding = nn.Linear(2 * widths[-1], config["embedding"])
        self.embedding_norm = nn.BatchNorm1d(config["embedding"], eps=config["norm_eps"])

    @property
    def dim(self):
        return self.embedding.out_features

    def pool(self, x):
        """Features [batch, frames, bands] → pooled statistics [batch, 2 × channels]."""
        for layer in self.tdnn:
            x = layer(x)
        return statistics_pooling(x.float(), self.floor)

    def embed(self, pooled):
        return self.embedding_norm(self.embedding(pooled))

    def forward(self, x):
        return self.embed(self.pool(x))


class Trunk(nn.Module):
    """Trunk, [batch, dim] → [batch, 56].

    The `cnn` kind reads the embedding as one channel of `dim` steps, first through conv1d + ReLU +
    max-pool (stride = kernel), then flattens channel by channel into the dense layers."""

    def __init__(self, dim, config, dropout=0.0, input_dropout=0.0):
        super().__init__()
        channels = 1
        self.conv, self.pools = nn.ModuleList(), []
        for layer in config.get("conv", []):
            outputs, padding = layer["channels"], layer["padding"]
            self.conv.append(nn.Conv1d(channels, outputs, layer["kernel"], padding=padding))
            channels = outputs
            dim = (dim + 2 * padding - layer["kernel"] + 1) // layer["pool"]
            self.pools.append(layer["pool"])
        widths = [channels * dim] + config["dense"]
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.dropout, self.input_dropout = nn.Dropout(dropout), nn.Dropout(input_dropout)
        # no norms here: He's variance keeps the signal's size through the ReLUs
        for layer in (*self.conv, *self.dense):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = self.input_dropout(x)
        if self.conv:
            x = x[:, None, :]
            for conv, pool in zip(self.conv, self.pools, strict=True):
                x = F.max_pool1d(F.relu(conv(x)), pool)
            x = x.flatten(1)
        for i, dense in enumerate(self.dense):
            x = F.relu(dense(self.dropout(x) if i or self.conv else x))
        return x


class Heads(nn.Module):
    """Heads, [batch, 56] → emotion logits [batch, 6], gender logits [batch, 2], age [batch] in
    units of (years − mean) / scale."""

    def __init__(self, dim):
        super().__init__()
        self.emotion, self.gender = nn.Linear(dim, 6), nn.Linear(dim, 2)
        self.age = nn.Linear(dim, 1)

    def forward(self, x):
        return {"emotion": self.emotion(x), "gender": self.gender(x), "age": self.age(x)[:, 0]}


class Standardise(nn.Module):
    """(x − mean) / scale, with vectors [dim] fitted to the training set."""

    def __init__(self, dim):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    @torch.no_grad()
    def fit(self, vectors, floor=1e-6):
        """Fits the representations [clips, dim] of a training set."""
        self.mean.copy_(vectors.mean(0))
        self.scale.copy_(vectors.std(0).clamp(min=floor))

    def forward(self, x):
        return (x - self.mean) / self.scale


class Persona(nn.Module):
    """Representation, trunk and heads: normalised features [batch, frames, bands] → predictions.

    The representation's network has the name that its tensors begin with: `xvector`, `campplus`, or
    `mfcc_stats`, which has no tensors. Where the configuration says `normalise`, the vector is
    standardised by `representation`.
    """

    def __init__(self, bands, representation, trunk, dropout=0.0):
        super().__init__()
        self.kind = representation["kind"].replace("-", "_")
        kinds = {"xvector": XVector, "campplus": CamPlusPlus, "mfcc_stats": MfccStatistics}
        self.add_module(self.kind, kinds[self.kind](bands, representation))
        dim = getattr(self, self.kind).dim
        self.representation = Standardise(dim) if representation.get("normalise") else None
        self.trunk = Trunk(dim, trunk, dropout)
        self.heads = Heads(trunk["dense"][-1])

    def represent(self, x):
        """[batch, frames, bands] → the trunk's input [batch, dim]."""
        x = getattr(self, self.kind)(x)
        return x if self.representation is None else self.representation(x)

    def forward(self, x):
        return self.heads(self.trunk(self.represent(x)))


@torch.no_grad()
def tie_top_bands(layer, count, means):
    """Makes a first layer read its `count` highest bands as the next lower one, plus the difference
    of their `means` [bands] (in the units of the layer's input).

    Just below half the sample rate every resampler and codec rolls off in its own way. A network
    that uses those bands gives different predictions for one recording at 16 and at 48 kHz."""
    weight, bias = layer.conv.weight, layer.conv.bias
    kept = weight.shape[1] - count - 1
    tied = weight[:, kept + 1 :]
    bias += torch.einsum("obk,b->o", tied, means[kept + 1 :] - means[kept])
    weight[:, kept] += tied.sum(1)
    tied.zero_()
