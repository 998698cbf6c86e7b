"""CAM++ as the engine computes it in 8-bit integers, but for the activations' codes, which matter a fifth as much as the weights'.

Each output's weights are rounded to codes whose largest is ±127, and what this takes from the output in the mean is added to it as a bias: the weights' errors times the
means of their inputs, which follow from the batch norms before the layer. The engine's src/nn/rounding.rs and src/nn/moments.rs do the same.
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
    def behind(norm):
        ones = torch.ones(norm.num_features)
        return Moments(norm.bias if norm.affine else 0 * ones, norm.weight.square() if norm.affine else ones)

    def relu(self):
        """Of normally distributed values."""
        deviation = self.variance.sqrt().clamp(min=1e-12)
        z = self.mean / deviation
        below, density = torch.special.ndtr(z), torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        mean = self.mean * below + deviation * density
        second = (self.mean.square() + self.variance) * below + self.mean * deviation * density
        return Moments(mean, (second - mean.square()).clamp(min=0.0))

    def plus(self, other):
        return Moments(self.mean + other.mean, self.variance + other.variance)


@torch.no_grad()
def in_codes(conv, inputs):
    """Rounds a convolution's weights, for inputs of these moments."""
    weight = conv.weight
    rows = (slice(None),) + (None,) * (weight.dim() - 1)
    step = (weight.flatten(1).abs().amax(1) / 127.0)[rows]
    error = weight - torch.where(step > 0, (weight / step).round() * step, weight)
    conv.bias = nn.Parameter((error * inputs.mean.reshape(1, -1, *[1] * (weight.dim() - 2))).flatten(1).sum(1))
    conv.weight = nn.Parameter(weight - error)


def campplus_in_codes(network):
    """A copy of a `CamPlusPlus` whose layers compute with codes, where the engine's do."""
    network = copy.deepcopy(network)
    head, xvector = network.head, network.xvector
    x = Moments.behind(head.bn1).relu()
    for block in (*head.layer1, *head.layer2):
        in_codes(block.conv1, x)
        in_codes(block.conv2, Moments.behind(block.bn1).relu())
        around = x
        if len(block.shortcut):
            in_codes(block.shortcut[0], x)
            around = Moments.behind(block.shortcut[1])
        x = Moments.behind(block.bn2).plus(around).relu()
    in_codes(head.conv2, x)
    x = Moments.behind(head.bn2).relu()
    bands = xvector.tdnn.linear.in_channels // len(x.mean)
    in_codes(xvector.tdnn.linear, Moments(x.mean.repeat_interleave(bands), x.variance.repeat_interleave(bands)))
    for b in range(1, network.blocks + 1):
        for layer in getattr(xvector, f"block{b}"):
            in_codes(layer.linear1, Moments.behind(layer.nonlinear1.batchnorm).relu())
            in_codes(layer.cam_layer.linear_local, Moments.behind(layer.nonlinear2.batchnorm).relu())
        transit = getattr(xvector, f"transit{b}")
        in_codes(transit.linear, Moments.behind(transit.nonlinear.batchnorm).relu())
    return network
