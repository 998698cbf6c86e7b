"""CAM++ (Wang et al. 2023, "CAM++: a fast and efficient network for speaker verification using context-aware masking", arXiv 2303.00332)
as a PyTorch module. Parameter names are those of 3D-Speaker's published checkpoint.

    features [batch, frames, bands] ─▶ front-end convolutions ─▶ fcm     [batch, 320, frames]
                                      ─▶ strided TDNN          ─▶ tdnn    [batch, 128, ceil(frames / 2)]
                                      ─▶ dense blocks 1, 2, 3   ─▶ block1 [256], block2 [512], block3 [512], each behind its transition
                                      ─▶ norm and ReLU         ─▶ final   [512]
                                      ─▶ mean and deviation    ─▶ statistics [batch, 1024] ─ dense, norm ─▶ embedding [batch, 192]

The features are Kaldi fbank with the mean over time of each band taken off. A recipe's `taps` are the names on the right; the frame-level ones stand for
their mean and standard deviation over time, one after the other, and `final` gives the statistics that the paper pools. The representation is
the taps' vectors in the recipe's order. Nothing is built behind the last of them.
"""
import torch
from torch import nn
from torch.nn import functional as F

# The sizes of 3D-Speaker's speech_campplus_sv_zh_en_16k-common_advanced.
CAMPPLUS = {
    "kind": "campplus",
    "head_channels": 32,
    "head_blocks": [2, 2],
    "tdnn": {"channels": 128, "kernel": 5, "stride": 2},
    "blocks": [
        {"layers": 12, "kernel": 3, "dilation": 1},
        {"layers": 24, "kernel": 3, "dilation": 2},
        {"layers": 16, "kernel": 3, "dilation": 2},
    ],
    "growth": 32,
    "bottleneck": 128,
    "mask_reduction": 2,
    "segment_frames": 100,
    "embedding": 192,
    "norm_eps": 1e-5,
    "taps": ["final"],
    "normalise": False,
}
# What it hears: samples in [-1, 1], Kaldi's defaults but for the 80 bands, and without the mean over time.
FBANK80 = {
    "kind": "kaldi-fbank",
    "frame_opts": {
        "samp_freq": 16000,
        "frame_shift_ms": 10.0,
        "frame_length_ms": 25.0,
        "dither": 0.0,
        "preemph_coeff": 0.97,
        "remove_dc_offset": True,
        "window_type": "povey",
        "blackman_coeff": 0.42,
        "round_to_power_of_two": True,
        "snip_edges": True,
        "sample_scale": "unit",
    },
    "mel_opts": {"num_bins": 80, "low_freq": 20.0, "high_freq": 0.0},
    "use_energy": False,
    "energy_floor": 0.0,
    "raw_energy": True,
    "htk_compat": False,
    "use_log_fbank": True,
    "use_power": True,
    "window_s": 3.0,
    "mean_over_time": True,
}


class Residual(nn.Module):
    """Two 3 × 3 convolutions on [batch, channels, bands, frames], the first strided over the bands, and the way around them."""

    def __init__(self, channels, stride, eps):
        super().__init__()
        conv = lambda kernel, step: nn.Conv2d(channels, channels, kernel, (step, 1), kernel // 2, bias=False)
        self.conv1, self.bn1 = conv(3, stride), nn.BatchNorm2d(channels, eps=eps)
        self.conv2, self.bn2 = conv(3, 1), nn.BatchNorm2d(channels, eps=eps)
        strided = stride > 1
        self.shortcut = nn.Sequential(*[conv(1, stride), nn.BatchNorm2d(channels, eps=eps)] if strided else [])

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class FrontConvolutions(nn.Module):
    """The paper's FCM: [batch, bands, frames] as a picture of one channel → [batch, channels · ceil(bands / 8), frames],
    channel by channel."""

    def __init__(self, channels, blocks, eps):
        super().__init__()
        layer = lambda n: nn.Sequential(*[Residual(channels, 1 if i else 2, eps) for i in range(n)])
        self.conv1, self.bn1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels, eps=eps)
        self.layer1, self.layer2 = layer(blocks[0]), layer(blocks[1])
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, eps=eps)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x[:, None])))
        return F.relu(self.bn2(self.conv2(self.layer2(self.layer1(x))))).flatten(1, 2)


class NormRelu(nn.Module):
    def __init__(self, channels, eps):
        super().__init__()
        self.batchnorm = nn.BatchNorm1d(channels, eps=eps)

    def forward(self, x):
        return F.relu(self.batchnorm(x))


class Unit(nn.Module):
    """A convolution called `linear` with norm and ReLU (`nonlinear`) behind it or, for `first="norm"`, before it."""

    def __init__(self, inputs, outputs, eps, kernel=1, stride=1, first="conv"):
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.nonlinear = NormRelu(inputs if first == "norm" else outputs, eps)
        self.first = first

    def forward(self, x):
        return self.linear(self.nonlinear(x)) if self.first == "norm" else self.nonlinear(self.linear(x))


def segment_means(x, length):
    """[batch, channels, frames] → the same, each frame with the mean of its segment of `length` frames; the last may be shorter."""
    parts = x.split(length, dim=2)
    return torch.cat([part.mean(2, keepdim=True).expand_as(part) for part in parts], dim=2)


class Masked(nn.Module):
    """Context-aware masking: a local convolution, each channel weighed by what the whole clip and the segment sound like."""

    def __init__(self, inputs, outputs, kernel, dilation, reduction, segment):
        super().__init__()
        padding = (kernel - 1) // 2 * dilation
        self.linear_local = nn.Conv1d(inputs, outputs, kernel, 1, padding, dilation, bias=False)
        self.linear1 = nn.Conv1d(inputs, inputs // reduction, 1)
        self.linear2 = nn.Conv1d(inputs // reduction, outputs, 1)
        self.segment = segment

    def forward(self, x):
        context = x.mean(2, keepdim=True) + segment_means(x, self.segment)
        return self.linear_local(x) * torch.sigmoid(self.linear2(F.relu(self.linear1(context))))


class DenseLayer(nn.Module):
    def __init__(self, inputs, config, block):
        super().__init__()
        width, eps = config["bottleneck"], config["norm_eps"]
        self.nonlinear1, self.linear1 = NormRelu(inputs, eps), nn.Conv1d(inputs, width, 1, bias=False)
        self.nonlinear2 = NormRelu(width, eps)
        sizes = (config["growth"], block["kernel"], block["dilation"])
        self.cam_layer = Masked(width, *sizes, config["mask_reduction"], config["segment_frames"])

    def forward(self, x):
        return torch.cat([x, self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))], dim=1)


class Embedding(nn.Module):
    """Dense without bias, then a norm without weight and bias; no ReLU."""

    def __init__(self, inputs, outputs, eps):
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, 1, bias=False)
        self.nonlinear = nn.Module()
        self.nonlinear.batchnorm = nn.BatchNorm1d(outputs, eps=eps, affine=False)

    def forward(self, x):
        return self.nonlinear.batchnorm(self.linear(x[:, :, None])[:, :, 0])


def statistics(x):
    """[batch, channels, frames] → [batch, 2 · channels]: mean, and standard deviation with the unbiased variance."""
    return torch.cat([x.mean(2), x.std(2, unbiased=True)], dim=1)


class CamPlusPlus(nn.Module):
    """Features [batch, frames, bands], means taken off → the representation [batch, dim]."""

    def __init__(self, bands, config):
        super().__init__()
        eps, self.taps = config["norm_eps"], config["taps"]
        last = max(self._depth(tap, config) for tap in self.taps)
        self.head = FrontConvolutions(config["head_channels"], config["head_blocks"], eps)
        for _ in range(3):
            bands = (bands + 1) // 2
        channels = config["head_channels"] * bands
        self.widths = {"fcm": 2 * channels, "embedding": config["embedding"]}
        self.xvector, self.blocks = nn.Module(), 0
        if last >= self._depth("tdnn", config):
            tdnn = config["tdnn"]
            self.xvector.tdnn = Unit(channels, tdnn["channels"], eps, tdnn["kernel"], tdnn["stride"])
            channels = tdnn["channels"]
            self.widths["tdnn"] = 2 * channels
        for b, block in enumerate(config["blocks"], 1):
            if last < self._depth(f"block{b}", config):
                break
            layers = nn.Sequential()
            for i in range(1, block["layers"] + 1):
                layers.add_module(f"tdnnd{i}", DenseLayer(channels, config, block))
                channels += config["growth"]
            self.xvector.add_module(f"block{b}", layers)
            self.xvector.add_module(f"transit{b}", Unit(channels, channels // 2, eps, first="norm"))
            channels //= 2
            self.widths[f"block{b}"], self.blocks = 2 * channels, b
        if last >= self._depth("final", config):
            self.xvector.out_nonlinear = NormRelu(channels, eps)
            self.widths["final"] = 2 * channels
        if "embedding" in self.taps:
            self.xvector.dense = Embedding(2 * channels, config["embedding"], eps)

    @staticmethod
    def _depth(tap, config):
        order = ["fcm", "tdnn", *(f"block{b}" for b in range(1, len(config["blocks"]) + 1)), "final", "embedding"]
        return order.index(tap)

    @property
    def dim(self):
        return sum(self.widths[tap] for tap in self.taps)

    def load_published(self, state):
        """Takes what this network has of the published checkpoint's state dict (`convert_campplus.published()`)."""
        wanted = [name for name in self.state_dict() if not name.endswith("num_batches_tracked")]
        self.load_state_dict({name: state[name] for name in wanted}, strict=False)

    def frames(self, x):
        """Yields (tap, [batch, channels, frames]) in the order of the network."""
        x = self.head(x.transpose(1, 2))
        yield "fcm", x
        if hasattr(self.xvector, "tdnn"):
            x = self.xvector.tdnn(x)
            yield "tdnn", x
        for b in range(1, self.blocks + 1):
            x = getattr(self.xvector, f"transit{b}")(getattr(self.xvector, f"block{b}")(x))
            yield f"block{b}", x
        if hasattr(self.xvector, "out_nonlinear"):
            yield "final", self.xvector.out_nonlinear(x)

    def vectors(self, x):
        """{tap: its vector [batch, …]} for the recipe's taps."""
        vectors = {tap: statistics(y) for tap, y in self.frames(x) if tap in (*self.taps, "final")}
        if "embedding" in self.taps:
            vectors["embedding"] = self.xvector.dense(vectors["final"])
        return {tap: vectors[tap] for tap in self.taps}

    def forward(self, x):
        return torch.cat(list(self.vectors(x).values()), dim=1)
