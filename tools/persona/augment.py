"""Augmentation of log-mel spectrograms that imitates rooms, microphones, telephones and codecs.

Input and output: dB below the clip's peak, [batch, frames, bands], floor −80. Each clip draws its
own values.
"""

import torch


class Augment:
    """Random equalisation, added noise, telephone band and masking; `strength` 0 disables all."""

    def __init__(self, strength=1.0, generator=None):
        self.strength, self.generator = strength, generator

    def uniform(self, *shape, low=0.0, high=1.0, device=None):
        return torch.rand(*shape, generator=self.generator, device=device) * (high - low) + low

    def __call__(self, x):
        if self.strength == 0:
            return x
        x = self.equalise(x)
        x = self.add_noise(x)
        x = self.telephone(x)
        # as the front-end computes it: relative to the new peak
        x = (x - x.amax(dim=(1, 2), keepdim=True)).clamp(min=-80.0)
        return self.mask(x)

    def smooth_curve(self, batch, bands, device, terms=4):
        """Sum of a few random cosines over the bands [batch, 1, bands], variance about 1."""
        k = torch.arange(terms, device=device)[None, :, None]
        phase = self.uniform(batch, terms, 1, high=2 * torch.pi, device=device)
        weight = self.uniform(batch, terms, 1, low=-1, high=1, device=device)
        band = torch.arange(bands, device=device) / bands
        cosines = torch.cos(torch.pi * k * band + phase)
        return (weight * cosines).sum(1, keepdim=True) * (6 / terms) ** 0.5

    def equalise(self, x):
        """Frequency response of a microphone or telephone: a few dB, smooth over the bands."""
        return x + 3.0 * self.strength * self.smooth_curve(x.shape[0], x.shape[2], x.device)

    def add_noise(self, x, share=0.5):
        """Stationary noise of random colour, 5 to 45 dB below the clip's mean power.

        Powers add. Noise power in a band fluctuates like the mean of a few exponentials (bins)."""
        batch, frames, bands = x.shape
        power = 10 ** (x / 10)
        level = 10 * torch.log10(power.mean(dim=(1, 2), keepdim=True))
        snr = self.uniform(batch, 1, 1, low=5.0, high=45.0, device=x.device)
        colour = 6.0 * self.smooth_curve(batch, bands, x.device)
        draws = self.uniform(2, batch, frames, bands, low=1e-6, device=x.device)
        noise = -torch.log(draws).mean(0) * 10 ** ((level - snr + colour) / 10)
        use = (self.uniform(batch, 1, 1, device=x.device) < share * self.strength).float()
        return 10 * torch.log10(power + use * noise)

    def telephone(self, x, share=0.15):
        """Band limit: attenuates everything above 3.3 to 4 kHz (bands 85 to 95 of 128), and in
        some clips everything below 200 Hz."""
        batch, _, bands = x.shape
        band = torch.arange(bands, device=x.device)
        top = self.uniform(batch, 1, 1, low=85 / 128, high=95 / 128, device=x.device) * bands
        low = self.uniform(batch, 1, 1, low=-10 / 128, high=10 / 128, device=x.device) * bands
        stopped = (band > top) | (band < low)
        use = self.uniform(batch, 1, 1, device=x.device) < share * self.strength
        depth = self.uniform(batch, 1, 1, low=30.0, high=80.0, device=x.device)
        return torch.where(stopped & use, x - depth, x)

    def mask(self, x, bands=16, frames=20, times=2):
        """SpecAugment (Park et al. 2019): stripes of bands and of frames set to the clip's mean."""
        mean = x.mean(dim=(1, 2), keepdim=True)
        for axis, widest in ((2, bands), (1, frames)) * times:
            size = x.shape[axis]
            width = self.uniform(x.shape[0], 1, high=widest * self.strength, device=x.device)
            start = self.uniform(x.shape[0], 1, device=x.device) * (size - width)
            at = torch.arange(size, device=x.device)[None]
            stripe = (at >= start) & (at < start + width)
            x = torch.where(stripe[:, None, :] if axis == 2 else stripe[:, :, None], mean, x)
        return x
