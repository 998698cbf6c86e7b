//! Signal quality of an input: clipping, bandwidth, offset and noise, which limit the accuracy of
//! its predictions.

use serde::Serialize;

use crate::dsp::Bandwidth;

use super::level::sum;
use super::round::rounded;

/// Samples of this magnitude or more count as clipped. The largest code of µ-law is 0.980, of A-law
/// 0.984, of 8 bits 0.992; a recording that is merely loud has few so close to full scale.
pub(super) const CLIPPED_LEVEL: f32 = 0.98;

/// Measurements on the samples of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SignalQuality {
    /// Estimated signal-to-noise ratio over the chunks that contain speech, dB: mean power of the
    /// speech frames minus the noise floor, divided by that floor. The floor is the level below
    /// which a tenth of a chunk's frames lie; in speech without a pause it is speech itself, and
    /// the estimate is low. `None` without speech, or without the detector.
    pub snr_db: Option<f64>,
    /// Share of the decoded samples, of all channels, at 0.98 of full scale or more.
    pub clipped_share: f64,
    /// Highest frequency with sound before resampling, Hz, see [`Bandwidth`]. `None` for silence.
    pub bandwidth_hz: Option<f64>,
    /// Mean of the samples, full scale 1.
    pub dc: f64,
}

/// Measures decoded samples as they come.
#[derive(Debug, Clone)]
pub(super) struct SignalMeter {
    bandwidth: Bandwidth,
    clipped: u64,
    samples: u64,
    sum: f64,
    mono: u64,
}

impl SignalMeter {
    pub(super) fn new(sample_rate_hz: u32) -> Self {
        Self { bandwidth: Bandwidth::new(sample_rate_hz), clipped: 0, samples: 0, sum: 0.0, mono: 0 }
    }

    /// Adds a block: all channels, and their mean.
    pub(super) fn push(&mut self, interleaved: &[f32], mono: &[f32]) {
        self.clipped += interleaved.iter().filter(|x| is_clipped(**x)).count() as u64;
        self.samples += interleaved.len() as u64;
        self.sum += sum(mono, |x| x);
        self.mono += mono.len() as u64;
        self.bandwidth.push(mono);
    }

    /// All but the signal-to-noise ratio.
    pub(super) fn quality(&self) -> SignalQuality {
        SignalQuality {
            snr_db: None,
            clipped_share: self.clipped as f64 / self.samples.max(1) as f64,
            bandwidth_hz: self.bandwidth.hz(),
            dc: self.sum / self.mono.max(1) as f64,
        }
    }
}

/// Whether a sample is clipped.
pub(super) fn is_clipped(sample: f32) -> bool {
    sample.abs() >= CLIPPED_LEVEL
}

/// Share of clipped samples above which there is a warning: a loud but undistorted recording has a
/// hundredth of it.
const CLIPPED_WARNING: f64 = 0.001;
/// Offset above which there is a warning: −34 dBFS, a fault of the sound card.
const DC_WARNING: f64 = 0.02;
/// Signal-to-noise ratio below which there is a warning, dB.
const SNR_WARNING_DB: f64 = 10.0;
/// Sound that ends below this share of the network's highest frequency is narrowband.
const NARROWBAND: f64 = 0.8;

impl SignalQuality {
    /// As reported: dB to a tenth, shares to a millionth.
    pub(super) fn rounded(self) -> Self {
        Self {
            snr_db: self.snr_db.map(|db| rounded(db, 1)),
            clipped_share: rounded(self.clipped_share, 6),
            bandwidth_hz: self.bandwidth_hz,
            dc: rounded(self.dc, 6),
        }
    }

    /// Warnings about the input. `network_hz`: sample rate of the training data; `rate_hz`: that of
    /// the recording.
    pub(super) fn warnings(&self, rate_hz: u32, network_hz: u32) -> Vec<String> {
        let trained_hz = f64::from(network_hz) / 2.0;
        // In silence only the rate says how far a voice could reach.
        let end_hz = self.bandwidth_hz.unwrap_or(f64::INFINITY).min(f64::from(rate_hz) / 2.0);
        let narrow = (end_hz < NARROWBAND * trained_hz).then(|| {
            format!(
                "the audio ends at {end_hz:.0} Hz and the model was trained up to {trained_hz:.0} Hz: \
                 expect less accurate predictions, above all of age"
            )
        });
        let clipped = (self.clipped_share > CLIPPED_WARNING)
            .then(|| format!("{:.1} % of the samples are clipped: record with less gain", 100.0 * self.clipped_share));
        let noisy = self.snr_db.filter(|&snr| snr < SNR_WARNING_DB).map(|snr| {
            format!("the speech is only about {snr:.0} dB above the noise: expect less accurate predictions")
        });
        let offset = (self.dc.abs() > DC_WARNING).then(|| {
            format!("the samples have an offset of {:.1} % of full scale: a fault of the recorder", 100.0 * self.dc)
        });
        [narrow, clipped, noisy, offset].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_and_offset_are_counted() {
        let mut meter = SignalMeter::new(16_000);
        meter.push(&[1.0, 0.0, -0.99, 0.5], &[0.5, -0.245]);
        meter.push(&[0.0, 0.0], &[0.0]);
        let quality = meter.quality();
        assert_eq!((quality.clipped_share, quality.bandwidth_hz), (2.0 / 6.0, None));
        approx::assert_abs_diff_eq!(quality.dc, 0.255 / 3.0, epsilon = 1e-7);
    }

    #[test]
    fn only_problems_give_warnings() {
        let good = SignalQuality { snr_db: Some(30.0), clipped_share: 0.0, bandwidth_hz: Some(7750.0), dc: 0.0 };
        assert_eq!(good.warnings(44_100, 16_000), [""; 0]);
        let bad = SignalQuality { snr_db: Some(6.0), clipped_share: 0.05, bandwidth_hz: Some(3500.0), dc: -0.1 };
        let warnings = bad.warnings(48_000, 16_000);
        assert_eq!(warnings.len(), 4);
        for (line, word) in warnings.iter().zip(["ends at 3500 Hz", "5.0 %", "6 dB", "-10.0 %"]) {
            assert!(line.contains(word), "{line}");
        }
        let silent = SignalQuality { bandwidth_hz: None, ..good };
        assert!(silent.warnings(8_000, 16_000)[0].contains("ends at 4000 Hz"));
    }
}
