"""CAM++ with int8 weights as the engine computes it, with activations in f32 (their quantisation
has a fifth of the weights' effect).

Each output's weights are rounded to multiples of their largest / 127. The mean error that the
rounding causes is corrected in the bias: the weights' errors times the means of their inputs, which
follow from the batch norms before the layer (bias correction, Nagel et al. 2019). The engine does
the same in src/nn.
"""

import copy
import math

import torch
from torch import nn


class Moments:
    """Mean and variance of each channel."""

    def __init__(self, mean, variance):
        self.mean, self.variance = mean, variance

    @staticmethod
    def after(norm):
        """Of the output of a batch norm."""
        ones = torch.ones(norm.num_features)
        if not norm.affine:
            return Moments(0 * ones, ones)
        return Moments(norm.bias, norm.weight.square())

    def relu(self):
        """Of the ReLU of normally distributed values with these moments."""
        deviation = self.variance.sqrt().clamp(min=1e-12)
        z = self.mean / deviation
        below, density = torch.special.ndtr(z), torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        mean = self.mean * below + deviation * density
        second = (self.mean.square() + self.variance) * below + self.mean * deviation * density
        return Moments(mean, (second - mean.square()).clamp(min=0.0))

    def plus(self, other):
        return Moments(self.mean + other.mean, self.variance + other.variance)


@torch.no_grad()
def quantise(conv, inputs):
    """Quantises a convolution's weights and corrects its bias, for inputs with these moments."""
    weight = conv.weight
    rows = (slice(None),) + (None,) * (weight.dim() - 1)
    step = (weight.flatten(1).abs().amax(1) / 127.0)[rows]
    error = weight - torch.where(step > 0, (weight / step).round() * step, weight)
    mean = inputs.mean.reshape(1, -1, *[1] * (weight.dim() - 2))
    conv.bias = nn.Parameter((error * mean).flatten(1).sum(1))
    conv.weight = nn.Parameter(weight - error)


def quantised_campplus(network):
    """A copy of a `CamPlusPlus` with the layers quantised that the engine quantises."""
    network = copy.deepcopy(network)
    head, xvector = network.head, network.xvector
    x = Moments.after(head.bn1).relu()
    for block in (*head.layer1, *head.layer2):
        quantise(block.conv1, x)
        quantise(block.conv2, Moments.after(block.bn1).relu())
        shortcut = x
        if len(block.shortcut):
            quantise(block.shortcut[0], x)
            shortcut = Moments.after(block.shortcut[1])
        x = Moments.after(block.bn2).plus(shortcut).relu()
    quantise(head.conv2, x)
    x = Moments.after(head.bn2).relu()
    bands = xvector.tdnn.linear.in_channels // len(x.mean)
    repeated = Moments(x.mean.repeat_interleave(bands), x.variance.repeat_interleave(bands))
    quantise(xvector.tdnn.linear, repeated)
    for b in range(1, network.blocks + 1):
        for layer in getattr(xvector, f"block{b}"):
            quantise(layer.linear1, Moments.after(layer.nonlinear1.batchnorm).relu())
            local = layer.cam_layer.linear_local
            quantise(local, Moments.after(layer.nonlinear2.batchnorm).relu())
        transit = getattr(xvector, f"transit{b}")
        quantise(transit.linear, Moments.after(transit.nonlinear.batchnorm).relu())
    return network
