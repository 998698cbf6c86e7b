"""Tests of log-mel inversion and of added room noise."""

import math
import unittest

try:
    import numpy as np
    import torch

    from persona import audio_features, other_corpora
except ImportError as missing:
    raise unittest.SkipTest(f"needs tools/requirements.lock: {missing}") from None


def gliding_hum(seconds=2.0):
    """Harmonics of a gliding pitch, gated twice per second, in faint white noise [1, samples]."""
    torch.manual_seed(0)
    time = torch.arange(int(seconds * audio_features.RATE)) / audio_features.RATE
    pitch = 120.0 + 30.0 * torch.sin(2 * math.pi * time)
    turns = torch.cumsum(pitch, 0) / audio_features.RATE
    hum = sum(torch.cos(2 * math.pi * k * turns) / k for k in range(1, 25))
    gate = torch.sin(2 * math.pi * 2 * time) > 0
    return (0.1 * hum * gate + 1e-3 * torch.randn(len(time)))[None]


class AudioFeatures(unittest.TestCase):
    def test_reconstructed_audio_has_the_original_spectrogram(self):
        db = audio_features.to_bytes(audio_features.logmel(gliding_hum()))
        db = audio_features.from_bytes(db)
        audio = audio_features.invert(db, torch.Generator().manual_seed(1))
        self.assertEqual(audio.shape[1], (db.shape[1] - 1) * audio_features.HOP)
        difference = (audio_features.logmel(audio) - db).abs()
        # dB; 1.2 where magnitudes predicted from the bands are imposed
        self.assertLess(float(difference.mean()), 0.5)

    def test_room_noise_has_the_level_of_the_quiet_frames(self):
        frames = np.full((60, 128), 200, np.uint8)
        frames[:20] = 60  # −61 dB
        click = np.zeros(audio_features.RATE, np.float32)
        click[8000] = 1.0

        def power(audio):
            spectrum = audio_features.spectrum(torch.tensor(audio)[None])
            return audio_features.BANK @ spectrum.abs().square()

        noise = power(other_corpora.RoomNoise([frames], 3)(click) - click)
        level = 10 * torch.log10(noise[0, :, 4:-4].mean(1) / float(power(click).max()))
        expected = float(audio_features.from_bytes(torch.tensor(60)))
        self.assertLess(abs(float(level.mean()) - expected), 1.0)
        self.assertLess(float(level.std()), 1.5)


if __name__ == "__main__":
    unittest.main()
