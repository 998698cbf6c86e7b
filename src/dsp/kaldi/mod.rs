//! Kaldi's front-ends: fbank and MFCC, knob by knob under Kaldi's names and with Kaldi's defaults (but for `dither`, which is 0).
//!
//! | file | in | out |
//! |---|---|---|
//! | [`frames`] | `[n]`, frame number | one frame `[n_fft]`: DC taken off, pre-emphasised, windowed, zeros after it; its log energy |
//! | [`bands`] | `[n]`, frame number | mel band energies `[num_bins]` |
//! | [`fbank`] | `[n]` | `[frames, num_bins]`, natural logarithm; with `use_energy` one column more |
//! | [`mfcc`] | `[n]` | `[frames, num_ceps]` |
//!
//! Normalisation over time is [`super::cmvn`], the energy-based choice of speech frames [`super::vad_energy`].
//!
//! Source: Kaldi's `feat/feature-window`, `feature-fbank`, `feature-mfcc` and `mel-computations`; held against kaldi-native-fbank 1.23.0
//! (`tools/golden/kaldi.py`). Not built, because no recipe at hand uses them: noise (`dither` above 0), warped filters (VTLN), `htk_mode`.
//!
//! # Edges
//!
//! - Fewer samples than a frame with `snip_edges`, or fewer than half a shift without: no frames.
//! - Digital silence: energies count as 2⁻²³ at least (Kaldi's floor), so that logarithms are −15.94.
//! - A frame that sees NaN, infinite samples, or samples whose energy overflows, is NaN throughout; the others are sound.

pub mod bands;
pub mod fbank;
pub mod frames;
pub mod mfcc;

#[cfg(test)]
mod reference;

pub use bands::MelOptions;
pub use fbank::{Fbank, FbankOptions};
pub use frames::{FrameOptions, SampleScale};
pub use mfcc::{KaldiMfcc, KaldiMfccOptions};

use super::options::Knob;
use crate::kernels::logarithm::LogScale;

/// Natural logarithm of an energy, which counts as 2⁻²³ (`FLT_EPSILON`) at least. NaN stays NaN.
const LN_FLOORED: LogScale = LogScale { floor: f32::EPSILON, factor: 1.0, less: 0.0, least: f32::NEG_INFINITY };

/// Kaldi's `energy_floor`: log energies under ln(floor) are raised to it; a floor of 0 changes nothing.
fn at_least(log_energy: f32, energy_floor: f32) -> f32 {
    if energy_floor > 0.0 && log_energy < energy_floor.ln() { energy_floor.ln() } else { log_energy }
}

/// What values of `energy_floor` make sense.
fn energy_floor_knob(value: f32) -> Knob {
    ("energy_floor", f64::from(value), "0 or more", value.is_finite() && value >= 0.0)
}

/// A frame with one value that is no number has none that can be trusted.
fn void_unless_finite(row: &mut [f32]) {
    if row.iter().any(|value| !value.is_finite()) {
        row.fill(f32::NAN);
    }
}
