"""Moves what a network hears in inverted audio to where it lies for real audio.

Audio inverted from spectrograms has phases of nobody's making, and CAM++ hears that. On recordings that can be had both ways each value's mean and
spread are measured, and the values of made audio take those of real audio.
"""
import torch


class Alignment:
    def __init__(self, scale, shift):
        self.scale, self.shift = scale, shift

    @classmethod
    def fit(cls, made, real, floor=1e-4):
        """From vectors [pairs, dim] of the same stretches."""
        scale = real.std(0).clamp(min=floor) / made.std(0).clamp(min=floor)
        return cls(scale, real.mean(0) - made.mean(0) * scale)

    def __call__(self, made):
        return made * self.scale + self.shift
