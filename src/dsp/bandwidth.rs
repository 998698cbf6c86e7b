//! Effective bandwidth of a recording: the upper limit of its spectrum's content, at any sample
//! rate. For a telephone call in a 48 kHz file it is near 3.4 or 4 kHz.
//!
//! ```text
//! P[b]      mean power of band b (250 Hz wide) over frames of about 32 ms, one every 125 ms
//! bandwidth the upper edge of the highest three bands in a row with P[b] > max(loudest band − 65 dB, −105 dBFS)
//! ```
//!
//! The loudest sounds in a band dominate its mean: in the upper bands of speech these are
//! fricatives, 30 to 50 dB below the vowels. The residue of a resampler or a codec above its
//! cut-off is at least 70 dB below. −105 dBFS is three times the power of 16-bit quantisation noise
//! in such a band at 16 kHz. Three bands in a row, because a spectral line (of a monitor, a
//! switched power supply) does not count as content.

use super::spectrum::PowerSpectrum;
use super::window::hann_periodic;

const BAND_HZ: f64 = 250.0;
const BELOW_LOUDEST_DB: f64 = 65.0;
const LOWEST_DBFS: f64 = -105.0;
const IN_A_ROW: usize = 3;

/// Measures the bandwidth of a stream of mono samples. Allocates nothing after `new`.
#[derive(Debug, Clone)]
pub struct Bandwidth {
    window: Vec<f32>,
    spectrum: PowerSpectrum,
    /// Samples from frame to frame; a frame is the first `window.len()` of them.
    hop_length: usize,
    filled: usize,
    frame: Vec<f32>,
    scratch: Vec<f32>,
    power: Vec<f32>,
    bands: Vec<f64>,
    frames: u64,
    rate_hz: f64,
}

impl Bandwidth {
    /// Plans for a sample rate of 1 kHz or more.
    pub fn new(sample_rate_hz: u32) -> Self {
        let rate = (sample_rate_hz as usize).max(1000);
        let length = (rate / 32).next_power_of_two();
        let spectrum = PowerSpectrum::new(length);
        Self {
            window: hann_periodic(length),
            hop_length: (rate / 8).max(length),
            filled: 0,
            frame: vec![0.0; length],
            scratch: vec![0.0; length],
            power: vec![0.0; spectrum.bins()],
            bands: vec![0.0; (rate as f64 / 2.0 / BAND_HZ).ceil() as usize],
            spectrum,
            frames: 0,
            rate_hz: rate as f64,
        }
    }

    /// Processes the next samples, any number of them.
    pub fn push(&mut self, mut samples: &[f32]) {
        let length = self.frame.len();
        while !samples.is_empty() {
            let (now, later) = samples.split_at((self.hop_length - self.filled).min(samples.len()));
            if self.filled < length {
                let wanted = now.len().min(length - self.filled);
                self.frame[self.filled..self.filled + wanted].copy_from_slice(&now[..wanted]);
                if self.filled + wanted == length {
                    self.measure();
                }
            }
            self.filled = (self.filled + now.len()) % self.hop_length;
            samples = later;
        }
    }

    /// The bandwidth so far in Hz, at most half the sample rate; `None` for silence or less than a
    /// frame.
    pub fn hz(&self) -> Option<f64> {
        // A Hann window preserves 3/8 of the power; one side of the spectrum has half of n times
        // that (Parseval).
        let n = self.window.len() as f64;
        let dbfs = |sum: f64| 10.0 * (sum / self.frames.max(1) as f64 * 16.0 / (3.0 * n * n)).log10();
        let loudest = dbfs(self.bands.iter().copied().fold(0.0, f64::max));
        let threshold = (loudest - BELOW_LOUDEST_DB).max(LOWEST_DBFS);
        let run = self.bands.windows(IN_A_ROW).rposition(|run| run.iter().all(|&sum| dbfs(sum) > threshold))?;
        Some(((run + IN_A_ROW) as f64 * BAND_HZ).min(self.rate_hz / 2.0))
    }

    fn measure(&mut self) {
        self.scratch.iter_mut().zip(&self.frame).zip(&self.window).for_each(|((y, x), w)| *y = x * w);
        self.spectrum.run(&mut self.scratch, &mut self.power);
        let bin_hz = self.rate_hz / self.window.len() as f64;
        let last = self.bands.len() - 1;
        for (k, &p) in self.power.iter().enumerate() {
            self.bands[((k as f64 * bin_hz / BAND_HZ) as usize).min(last)] += f64::from(p);
        }
        self.frames += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::noise;
    use super::super::resample;
    use super::*;

    fn measured(samples: &[f32], rate_hz: u32, chunk: usize) -> Option<f64> {
        let mut meter = Bandwidth::new(rate_hz);
        samples.chunks(chunk).for_each(|samples| meter.push(samples));
        meter.hz()
    }

    #[test]
    fn resampled_noise_has_the_bandwidth_of_its_first_rate() {
        for (from_hz, to_hz) in [(8_000, 8_000), (8_000, 16_000), (8_000, 48_000), (16_000, 48_000), (11_025, 44_100)] {
            let samples = resample(&noise(2 * from_hz as usize, 3), from_hz, to_hz).unwrap();
            let hz = measured(&samples, to_hz, 1000).unwrap();
            let expected = f64::from(from_hz) / 2.0;
            assert!((hz - expected).abs() <= 500.0, "{from_hz} in {to_hz}: {hz}");
        }
    }

    #[test]
    fn a_spectral_line_does_not_count() {
        let low = resample(&noise(16_000, 3), 8_000, 48_000).unwrap();
        let with_line: Vec<f32> =
            low.iter().enumerate().map(|(i, x)| x + 0.1 * (i as f32 * std::f32::consts::TAU / 3.0).sin()).collect();
        assert!(measured(&with_line, 48_000, 4096).unwrap() < 4600.0);
    }

    #[test]
    fn silence_and_short_clips_have_no_bandwidth() {
        assert_eq!(measured(&vec![0.0; 48_000], 48_000, 999), None);
        assert_eq!(measured(&noise(100, 1), 16_000, 100), None);
        assert_eq!(measured(&vec![f32::NAN; 48_000], 48_000, 999), None);
    }

    #[test]
    fn the_chunk_length_does_not_matter() {
        let samples = resample(&noise(16_000, 3), 8_000, 44_100).unwrap();
        let whole = measured(&samples, 44_100, samples.len());
        for chunk in [1, 7, 1379, 5512, 5513] {
            assert_eq!(measured(&samples, 44_100, chunk), whole, "{chunk}");
        }
    }
}
