//! The recipe of SpeechBrain's front-end, knob by knob.

use serde::Deserialize;

use crate::dsp::SpeechBrainFbankOptions;
use crate::error::Result;
use crate::models::recipe::within;

/// `speechbrain-fbank`: mel band powers in dB, see [`SpeechBrainFbankOptions`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechBrainFbankRecipe {
    /// Hz; audio of another rate is resampled to it.
    pub sample_rate_hz: u32,
    /// Length of the Fourier transform, in samples.
    pub n_fft: usize,
    /// Length of the window, ms.
    pub win_length_ms: f64,
    /// Distance of frames, ms.
    pub hop_length_ms: f64,
    /// Number of bands.
    pub n_mels: usize,
    /// Lower end of the lowest band, Hz.
    pub f_min_hz: f64,
    /// Upper end of the highest band, Hz.
    pub f_max_hz: f64,
    /// Band powers below this count as this.
    pub amin: f64,
    /// Range kept below the loudest band, dB.
    pub top_db: f64,
    /// The longest segment that the network takes at once, in seconds.
    pub window_s: f64,
    /// Whether each band's mean over the frames is taken off.
    pub mean_over_time: bool,
}

impl SpeechBrainFbankRecipe {
    /// Refuses sizes beyond any front-end in use; what else makes no sense, the signal processing refuses by name.
    pub(super) fn check(&self) -> Result<()> {
        within("frontend.sample_rate_hz", &self.sample_rate_hz, 4_000..=384_000)?;
        within("frontend.n_fft", &self.n_fft, 2..=65_536)?;
        within("frontend.win_length_ms", &self.win_length_ms, 0.1..=1_000.0)?;
        within("frontend.hop_length_ms", &self.hop_length_ms, 1.0..=1_000.0)?;
        within("frontend.n_mels", &self.n_mels, 1..=1_024)?;
        within("frontend.f_max_hz", &self.f_max_hz, 1.0..=f64::from(self.sample_rate_hz) / 2.0)?;
        within("frontend.f_min_hz", &self.f_min_hz, 0.0..=self.f_max_hz)?;
        within("frontend.amin", &self.amin, 1e-30..=1.0)?;
        within("frontend.top_db", &self.top_db, 1.0..=1_000.0)?;
        within("frontend.window_s", &self.window_s, 0.1..=60.0)
    }

    pub(super) fn options(&self) -> SpeechBrainFbankOptions {
        SpeechBrainFbankOptions {
            sample_rate_hz: self.sample_rate_hz,
            n_fft: self.n_fft,
            win_length_ms: self.win_length_ms,
            hop_length_ms: self.hop_length_ms,
            n_mels: self.n_mels,
            f_min_hz: self.f_min_hz,
            f_max_hz: self.f_max_hz,
            amin: self.amin,
            top_db: self.top_db,
        }
    }

    /// Distance of frames, samples.
    pub(super) fn hop_length(&self) -> usize {
        self.options().samples(self.hop_length_ms).max(1)
    }
}
