//! Normalisation of features before the first layer of a network.
//!
//! ```text
//! y[t, b] = (x[t, b] − mean[t, b] + offset_db) / scale_db
//! mean    0, the mean over all frames, or the mean over a window of frames centred on t
//! ```

use serde::Deserialize;

use crate::dsp::{SlidingCmvn, SlidingCmvnOptions};
use crate::models::recipe::KeyError;

/// Options of the normalisation. `Default` changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Whether each band's mean over all frames is subtracted.
    pub mean_over_time: bool,
    /// Instead of it: length in frames of the centred window whose mean is subtracted (Kaldi's
    /// `apply-cmvn-sliding --center=true`). With it, offset and scale are ignored.
    #[serde(skip)]
    pub cmn_window: Option<usize>,
    /// Added to each value, dB.
    pub offset_db: f64,
    /// Divisor, dB.
    pub scale_db: f64,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self { mean_over_time: false, cmn_window: None, offset_db: 0.0, scale_db: 1.0 }
    }
}

impl Normalisation {
    /// Checks `offset_db` and `scale_db`, which a manifest states for log-mel features.
    pub(super) fn check_scale(self) -> Result<(), KeyError> {
        KeyError::within("offset_db", self.offset_db, -1_000.0..=1_000.0)?;
        KeyError::within("scale_db", self.scale_db, 1e-3..=1_000.0)
    }

    /// Normalises `features` `[frames, bands]` in place.
    ///
    /// # Panics
    ///
    /// If the length is no multiple of `bands`.
    pub fn apply(self, features: &mut [f32], bands: usize) {
        assert!(features.len().is_multiple_of(bands.max(1)));
        if let Some(cmn_window) = self.cmn_window {
            return subtract_sliding_mean(features, bands, cmn_window);
        }
        for band in 0..bands {
            let column = || (band..features.len()).step_by(bands);
            let mean = if self.mean_over_time {
                column().map(|at| f64::from(features[at])).sum::<f64>() / column().len() as f64
            } else {
                0.0
            };
            let (offset, scale) = ((self.offset_db - mean) as f32, self.scale_db as f32);
            for at in column() {
                features[at] = (features[at] + offset) / scale;
            }
        }
    }
}

/// Subtracts the mean of a centred window from each frame. The window is at least 1 frame, as the
/// manifest was checked.
fn subtract_sliding_mean(features: &mut [f32], bands: usize, cmn_window: usize) {
    let options = SlidingCmvnOptions { cmn_window, min_window: 1, normalize_variance: false, center: true };
    if let Ok(mut plan) = SlidingCmvn::new(bands, options) {
        let mut out = Vec::with_capacity(features.len());
        plan.run(features, &mut out);
        features.copy_from_slice(&out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_equal_the_formula() {
        let scaled = Normalisation { offset_db: 40.0, scale_db: 20.0, ..Normalisation::default() };
        let mut features = [-80.0, -40.0, 0.0, -20.0];
        scaled.apply(&mut features, 2);
        assert_eq!(features, [-2.0, 0.0, 2.0, 1.0]);
        let centred = Normalisation { mean_over_time: true, scale_db: 10.0, ..Normalisation::default() };
        let mut features = [-80.0, -40.0, 0.0, -20.0];
        centred.apply(&mut features, 2);
        assert_eq!(features, [-4.0, -1.0, 4.0, 1.0]);
        centred.apply(&mut [], 2);
    }

    #[test]
    fn the_sliding_mean_is_that_of_the_centred_window() {
        let mut features = [1.0, 5.0, 3.0, 8.0, 0.0];
        Normalisation { cmn_window: Some(3), ..Normalisation::default() }.apply(&mut features, 1);
        assert_eq!(features, [-2.0, 2.0, -7.0 / 3.0, 13.0 / 3.0, -11.0 / 3.0]);
    }
}
