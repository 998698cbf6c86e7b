"""Tests of the way from spectrograms to audio: python3 -m unittest discover --start-directory tools"""
import math
import unittest

try:
    import numpy as np
    import torch

    from persona import outside, sound
except ImportError as missing:
    raise unittest.SkipTest(f"needs tools/requirements.txt: {missing}") from None


def hum_in_a_room(seconds=2.0):
    """Harmonics of a voice's gliding pitch that come and go, over faint white noise [1, samples]."""
    torch.manual_seed(0)
    time = torch.arange(int(seconds * sound.RATE)) / sound.RATE
    turns = torch.cumsum(120.0 + 30.0 * torch.sin(2 * math.pi * time), 0) / sound.RATE
    hum = sum(torch.cos(2 * math.pi * k * turns) / k for k in range(1, 25)) * (torch.sin(2 * math.pi * 2 * time) > 0)
    return (0.1 * hum + 1e-3 * torch.randn(len(time)))[None]


class Sound(unittest.TestCase):
    def test_inverted_audio_has_the_spectrogram_that_it_was_made_from(self):
        db = sound.from_bytes(sound.to_bytes(sound.logmel(hum_in_a_room())))
        audio = sound.invert(db, torch.Generator().manual_seed(1))
        self.assertEqual(audio.shape[1], (db.shape[1] - 1) * sound.HOP)
        apart = (sound.logmel(audio) - db).abs()
        self.assertLess(float(apart.mean()), 0.5)  # dB; 1.2 where magnitudes told from the bands are imposed

    def test_a_rooms_noise_is_as_loud_as_the_quiet_frames_it_comes_from(self):
        frames = np.full((60, 128), 200, np.uint8)
        frames[:20] = 60  # −61 dB
        silence = np.zeros(sound.RATE, np.float32)
        silence[8000] = 1.0
        peak = float((sound.BANK @ sound.spectrum(torch.tensor(silence)[None]).abs().square()).max())
        noise = torch.tensor(outside.Rooms([frames], 3)(silence) - silence)[None]
        power = (sound.BANK @ sound.spectrum(noise).abs().square())[0, :, 4:-4].mean(1)
        level = 10 * torch.log10(power / peak)
        self.assertLess(abs(float(level.mean()) - float(sound.from_bytes(torch.tensor(60)))), 1.0)
        self.assertLess(float(level.std()), 1.5)


if __name__ == "__main__":
    unittest.main()
