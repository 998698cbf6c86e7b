//! Facts about an input that decide how far its answer can be believed.

use serde::Serialize;

use crate::dsp::Bandwidth;

use super::level::sum;
use super::verdict::rounded;

/// Samples of this magnitude or more count as clipped. The largest code of µ-law is 0.980, of A-law 0.984, of 8 bits 0.992; a recording that
/// is merely loud has few so close to full scale.
pub(super) const CLIPPED_LEVEL: f32 = 0.98;

/// What was measured on the samples of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct InputFacts {
    /// Estimated signal-to-noise ratio over the windows that hold speech, dB: mean power of the speech frames, less the noise floor, against
    /// that floor (which a tenth of a window's frames stay under; in speech without a pause it is speech itself, and the estimate low).
    /// Nothing without speech, or without the detector.
    pub snr_db: Option<f64>,
    /// Share of the decoded samples, of all channels, at 0.98 of full scale or more.
    pub clipped_share: f64,
    /// How far up the sound reaches before resampling, Hz, see [`Bandwidth`]. Nothing for silence.
    pub bandwidth_hz: Option<f64>,
    /// Mean of the samples, full scale 1.
    pub dc: f64,
}

/// Measures decoded samples as they come.
#[derive(Debug, Clone)]
pub(super) struct InputMeter {
    bandwidth: Bandwidth,
    clipped: u64,
    samples: u64,
    sum: f64,
    mono: u64,
}

impl InputMeter {
    pub(super) fn new(sample_rate_hz: u32) -> Self {
        Self { bandwidth: Bandwidth::new(sample_rate_hz), clipped: 0, samples: 0, sum: 0.0, mono: 0 }
    }

    /// Takes a block: all channels, and their mean.
    pub(super) fn push(&mut self, interleaved: &[f32], mono: &[f32]) {
        self.clipped += interleaved.iter().filter(|x| is_clipped(**x)).count() as u64;
        self.samples += interleaved.len() as u64;
        self.sum += sum(mono, |x| x);
        self.mono += mono.len() as u64;
        self.bandwidth.push(mono);
    }

    /// All but the noise.
    pub(super) fn facts(&self) -> InputFacts {
        InputFacts {
            snr_db: None,
            clipped_share: self.clipped as f64 / self.samples.max(1) as f64,
            bandwidth_hz: self.bandwidth.hz(),
            dc: self.sum / self.mono.max(1) as f64,
        }
    }
}

/// Whether a sample is at the rail.
pub(super) fn is_clipped(sample: f32) -> bool {
    sample.abs() >= CLIPPED_LEVEL
}

/// Clipped samples beyond this share are told: a loud but sound recording has a hundredth of it.
const CLIPPED_TOLD: f64 = 0.001;
/// An offset beyond this is told: −34 dBFS, a fault of the sound card.
const DC_TOLD: f64 = 0.02;
/// Below this ratio noise is told, dB.
const SNR_TOLD_DB: f64 = 10.0;
/// Sound that ends below this share of the network's highest frequency is told as narrowband.
const NARROW: f64 = 0.8;

impl InputFacts {
    /// As it is reported: dB to a tenth, shares to a millionth.
    pub(super) fn to_digits(self) -> Self {
        Self {
            snr_db: self.snr_db.map(|db| rounded(db, 1)),
            clipped_share: rounded(self.clipped_share, 6),
            bandwidth_hz: self.bandwidth_hz,
            dc: rounded(self.dc, 6),
        }
    }

    /// What the reader should know. `network_hz` is the sample rate that the system was trained at, `rate_hz` that of the recording.
    pub(super) fn warnings(&self, rate_hz: u32, network_hz: u32) -> Vec<String> {
        let trained_hz = f64::from(network_hz) / 2.0;
        // Where nothing is heard the rate alone says how far a voice could reach.
        let heard_hz = self.bandwidth_hz.unwrap_or(f64::INFINITY).min(f64::from(rate_hz) / 2.0);
        let narrow = (heard_hz < NARROW * trained_hz).then(|| {
            format!("it ends at {heard_hz:.0} Hz and the model was trained up to {trained_hz:.0} Hz: expect a less accurate answer, above all for age")
        });
        let clipped = (self.clipped_share > CLIPPED_TOLD)
            .then(|| format!("{:.1} % of the samples are clipped: record with less gain", 100.0 * self.clipped_share));
        let noisy = self
            .snr_db
            .filter(|&snr| snr < SNR_TOLD_DB)
            .map(|snr| format!("the speech is only about {snr:.0} dB above the noise: expect a less accurate answer"));
        let offset = (self.dc.abs() > DC_TOLD).then(|| {
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
        let mut meter = InputMeter::new(16_000);
        meter.push(&[1.0, 0.0, -0.99, 0.5], &[0.5, -0.245]);
        meter.push(&[0.0, 0.0], &[0.0]);
        let facts = meter.facts();
        assert_eq!((facts.clipped_share, facts.bandwidth_hz), (2.0 / 6.0, None));
        approx::assert_abs_diff_eq!(facts.dc, 0.255 / 3.0, epsilon = 1e-7);
    }

    #[test]
    fn only_what_matters_is_told() {
        let good = InputFacts { snr_db: Some(30.0), clipped_share: 0.0, bandwidth_hz: Some(7750.0), dc: 0.0 };
        assert_eq!(good.warnings(44_100, 16_000), [""; 0]);
        let bad = InputFacts { snr_db: Some(6.0), clipped_share: 0.05, bandwidth_hz: Some(3500.0), dc: -0.1 };
        let told = bad.warnings(48_000, 16_000);
        assert_eq!(told.len(), 4);
        for (line, word) in told.iter().zip(["ends at 3500 Hz", "5.0 %", "6 dB", "-10.0 %"]) {
            assert!(line.contains(word), "{line}");
        }
        let unheard = InputFacts { bandwidth_hz: None, ..good };
        assert!(unheard.warnings(8_000, 16_000)[0].contains("ends at 4000 Hz"));
    }
}
