"""CAM++ as a PyTorch module (Wang et al. 2023, "CAM++: a fast and efficient network for speaker
verification using context-aware masking", arXiv 2303.00332). Parameter names are those of
3D-Speaker's published checkpoint.

    features [batch, frames, bands]
      ─▶ front-end convolutions ─▶ fcm        [batch, 320, frames]
      ─▶ strided TDNN           ─▶ tdnn       [batch, 128, ceil(frames / 2)]
      ─▶ dense blocks 1, 2, 3   ─▶ block1 [256], block2 [512], block3 [512], after its transition
      ─▶ norm and ReLU          ─▶ final      [512]
      ─▶ mean and deviation     ─▶ statistics [batch, 1024]
      ─▶ dense, norm            ─▶ embedding  [batch, 192]

The features are Kaldi fbank minus each band's mean over time. A configuration's `taps` are the
names on the right. A frame-level tap gives its mean and then its standard deviation over time;
`final` gives the statistics that the paper pools. The representation is the taps' vectors in the
configuration's order. Layers after the last tap are not built.
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
ALL_TAPS = ["fcm", "tdnn", "block1", "block2", "block3", "final", "embedding"]
BLOCK_TAPS = ["block1", "block2", "block3", "final"]
# Its input: samples in [-1, 1], Kaldi's defaults except for the 80 bands, minus the mean over time.
# `window_s` is the manifest's key for the longest chunk.
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
    """Residual block: two 3 × 3 convolutions on [batch, channels, bands, frames], the first strided
    over the bands, and a shortcut."""

    def __init__(self, channels, stride, eps):
        super().__init__()

        def conv(kernel, step):
            padding = kernel // 2
            return nn.Conv2d(channels, channels, kernel, (step, 1), padding, bias=False)

        self.conv1, self.bn1 = conv(3, stride), nn.BatchNorm2d(channels, eps=eps)
        self.conv2, self.bn2 = conv(3, 1), nn.BatchNorm2d(channels, eps=eps)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(conv(1, stride))
            self.shortcut.append(nn.BatchNorm2d(channels, eps=eps))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class FrontConvolutions(nn.Module):
    """The paper's FCM: [batch, bands, frames] as a feature map of one channel → [batch, channels ·
    ceil(bands / 8), frames], channel by channel."""

    def __init__(self, channels, blocks, eps):
        super().__init__()

        def layer(count):
            return nn.Sequential(*[Residual(channels, 1 if i else 2, eps) for i in range(count)])

        self.conv1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, eps=eps)
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
    """A convolution `linear`, followed by norm and ReLU (`nonlinear`) or, for `first="norm"`,
    preceded by them."""

    def __init__(self, inputs, outputs, eps, kernel=1, stride=1, first="conv"):
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.nonlinear = NormRelu(inputs if first == "norm" else outputs, eps)
        self.first = first

    def forward(self, x):
        if self.first == "norm":
            return self.linear(self.nonlinear(x))
        return self.nonlinear(self.linear(x))


def segment_means(x, length):
    """[batch, channels, frames] → same shape: each frame replaced by the mean of its segment of
    `length` frames. The last segment may be shorter."""
    # slices and not `split`, for which the ONNX exporter allows no shorter last part
    parts = [x[:, :, start : start + length] for start in range(0, x.shape[2], length)]
    return torch.cat([part.mean(2, keepdim=True).expand_as(part) for part in parts], dim=2)


class Masked(nn.Module):
    """Context-aware masking: a local convolution whose channels are weighted by the means over the
    whole clip and over the segment."""

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
        self.nonlinear1, self.linear1 = (
            NormRelu(inputs, eps),
            nn.Conv1d(inputs, width, 1, bias=False),
        )
        self.nonlinear2 = NormRelu(width, eps)
        sizes = (config["growth"], block["kernel"], block["dilation"])
        self.cam_layer = Masked(width, *sizes, config["mask_reduction"], config["segment_frames"])

    def forward(self, x):
        return torch.cat(
            [x, self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))], dim=1
        )


class Embedding(nn.Module):
    """Dense without bias, then a batch norm without weight and bias; no ReLU."""

    def __init__(self, inputs, outputs, eps):
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, 1, bias=False)
        self.nonlinear = nn.Module()
        self.nonlinear.batchnorm = nn.BatchNorm1d(outputs, eps=eps, affine=False)

    def forward(self, x):
        return self.nonlinear.batchnorm(self.linear(x[:, :, None])[:, :, 0])


def statistics(x):
    """[batch, channels, frames] → [batch, 2 · channels]: mean, then standard deviation (unbiased
    variance)."""
    return torch.cat([x.mean(2), x.std(2, unbiased=True)], dim=1)


class CamPlusPlus(nn.Module):
    """Features [batch, frames, bands], minus their means over time → representation [batch,
    dim]."""

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
            outputs, kernel, stride = (tdnn[key] for key in ("channels", "kernel", "stride"))
            self.xvector.tdnn = Unit(channels, outputs, eps, kernel, stride)
            channels = outputs
            self.widths["tdnn"] = 2 * channels
        for b, block in enumerate(config["blocks"], 1):
            if last < self._depth(f"block{b}", config):
                break
            layers = nn.Sequential()
            for i in range(1, block["layers"] + 1):
                layers.add_module(f"tdnnd{i}", DenseLayer(channels, config, block))
                channels += config["growth"]
            self.xvector.add_module(f"block{b}", layers)
            transit = Unit(channels, channels // 2, eps, first="norm")
            self.xvector.add_module(f"transit{b}", transit)
            channels //= 2
            self.widths[f"block{b}"], self.blocks = 2 * channels, b
        if last >= self._depth("final", config):
            self.xvector.out_nonlinear = NormRelu(channels, eps)
            self.widths["final"] = 2 * channels
        if "embedding" in self.taps:
            self.xvector.dense = Embedding(2 * channels, config["embedding"], eps)

    @staticmethod
    def _depth(tap, config):
        blocks = [f"block{b}" for b in range(1, len(config["blocks"]) + 1)]
        return ["fcm", "tdnn", *blocks, "final", "embedding"].index(tap)

    @property
    def dim(self):
        return sum(self.widths[tap] for tap in self.taps)

    def load_published(self, state):
        """Loads this network's layers from the published checkpoint's state dict
        (`campplus_checkpoint.published()`)."""
        wanted = [name for name in self.state_dict() if not name.endswith("num_batches_tracked")]
        self.load_state_dict({name: state[name] for name in wanted}, strict=False)

    def frames(self, x):
        """Yields (tap, [batch, channels, frames]) in network order."""
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
        """{tap: vector [batch, …]} for the configuration's taps."""
        wanted = {*self.taps, "final"}
        vectors = {tap: statistics(y) for tap, y in self.frames(x) if tap in wanted}
        if "embedding" in self.taps:
            vectors["embedding"] = self.xvector.dense(vectors["final"])
        return {tap: vectors[tap] for tap in self.taps}

    def forward(self, x):
        return torch.cat(list(self.vectors(x).values()), dim=1)


def tap_columns(taps=ALL_TAPS):
    """{tap: its columns in the concatenated vectors of `ALL_TAPS`} for some taps."""
    network, columns, at = CamPlusPlus(80, {**CAMPPLUS, "taps": ALL_TAPS}), {}, 0
    for tap in ALL_TAPS:
        columns[tap] = slice(at, at + network.widths[tap])
        at += network.widths[tap]
    return {tap: columns[tap] for tap in taps}
