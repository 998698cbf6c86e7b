//! Kaldi's front-ends, fbank and MFCC, with Kaldi's names and defaults (except `dither`, which is
//! 0).
//!
//! | file | in | out |
//! |---|---|---|
//! | [`frames`] | `[n]`, frame number | one frame `[n_fft]`: DC removed, pre-emphasised, windowed, zero-padded; its log energy |
//! | [`bands`] | `[n]`, frame number | mel band energies `[num_bins]` |
//! | [`fbank`] | `[n]` | `[frames, num_bins]`, natural logarithm; with `use_energy` one column more |
//! | [`mfcc`] | `[n]` | `[frames, num_ceps]` |
//!
//! Normalisation over time is in [`super::cmvn`], energy-based voice activity detection in
//! [`super::vad_energy`].
//!
//! Source: Kaldi's `feat/feature-window`, `feature-fbank`, `feature-mfcc` and `mel-computations`;
//! verified against kaldi-native-fbank 1.23.0 (`tools/golden/kaldi.py`). Not supported, because no
//! known model uses them: noise (`dither` above 0), warped filters (VTLN), `htk_mode`.
//!
//! # Edges
//!
//! - Fewer samples than a frame with `snip_edges`, or fewer than half a shift without: no frames.
//! - Digital silence: energies are at least 2⁻²³ (Kaldi's floor), so their logarithms at least
//!   −15.94.
//! - A frame that contains NaN, infinite samples, or samples whose energy overflows, is NaN
//!   throughout; the others are unaffected.

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

use super::invalid_option::{InvalidOption, within};
use crate::kernels::logarithm::LogScale;

/// Natural logarithm of an energy of at least `floor`. NaN stays NaN.
const fn ln_floored(floor: f32) -> LogScale {
    LogScale { floor, factor: 1.0, less: 0.0, least: f32::NEG_INFINITY }
}

/// Natural logarithm of an energy of at least 2⁻²³ (`FLT_EPSILON`).
const LN_FLOORED: LogScale = ln_floored(f32::EPSILON);

/// Applies Kaldi's `energy_floor`: raises log energies below ln(floor) to it; a floor of 0 changes
/// nothing.
fn at_least(log_energy: f32, energy_floor: f32) -> f32 {
    if energy_floor > 0.0 && log_energy < energy_floor.ln() { energy_floor.ln() } else { log_energy }
}

/// Checks Kaldi's `energy_floor`.
fn check_energy_floor(value: f32) -> Result<(), InvalidOption> {
    within("energy_floor", value, 0.0..=f32::MAX)
}

/// Sets a frame to NaN if one of its values is not finite.
fn nan_unless_finite(row: &mut [f32]) {
    if row.iter().any(|value| !value.is_finite()) {
        row.fill(f32::NAN);
    }
}
