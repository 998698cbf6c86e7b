//! Thresholds of the speech activity detector.

use crate::dsp::invalid_option::{InvalidOption, require, within};

/// Thresholds of [`Activity`](super::Activity). The defaults are this engine's own.
///
/// They separate the measurements on speech and on other sounds (`tools/check/activity.py`). Each
/// description states the value that 99 of 100 clips of recorded speech exceed, and the closest
/// value of another sound.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityOptions {
    /// Minimum normalised autocorrelation of a voiced frame, 0 to 1. Default 0.5.
    pub min_strength: f32,
    /// Minimum level of a voiced frame, dBFS. Default −80.
    pub min_level_dbfs: f32,
    /// Maximum distance of a voiced frame's level from the chunk's top, dB. Default 30.
    pub max_below_top_db: f32,
    /// Maximum share of a voiced frame's power in its largest bin, to exclude whistles. Default
    /// 0.6.
    pub max_peak_share: f32,
    /// Minimum pitch change from frame to frame, semitones. Default 0.05: 3 semitones per second, a
    /// slow glide in speech. Electronic tones stay below 0.01.
    pub min_glide: f32,
    /// Maximum pitch change from frame to frame, semitones; above it the pitch jumps. Default 1.5.
    pub max_glide: f32,
    /// Minimum spectral flux from frame to frame, mean over the bands, dB. Default 1: noise in a
    /// voiced frame at 10 dB SNR is close to it; sweeps are at 0.5, vibrato at 0.7, the middle of
    /// syllables at 2.
    pub min_flux_db: f32,
    /// Minimum number of frames in which pitch and spectrum change. Default 4 (64 ms): the shortest
    /// words have 7.
    pub min_nuclei: usize,
    /// Minimum share of these among the frames that continue the previous pitch. Default 0.15:
    /// notes have below 0.05 (their attacks), speech with mains hum 0.3 and more.
    pub min_nuclei_share: f32,
    /// Minimum standard deviation of the chunk's level, dB. Default 2.5: speech at 10 dB SNR has
    /// 4.5; vibrato 1.0, brown noise 1.7.
    pub min_swing_db: f32,
    /// Minimum standard deviation of the chunk's spectrum, dB. Default 2.2: speech has 3.0 and
    /// more; gusts of wind 1.7.
    pub min_timbre_db: f32,
}

impl Default for ActivityOptions {
    fn default() -> Self {
        Self {
            min_strength: 0.5,
            min_level_dbfs: -80.0,
            max_below_top_db: 30.0,
            max_peak_share: 0.6,
            min_glide: 0.05,
            max_glide: 1.5,
            min_flux_db: 1.0,
            min_nuclei: 4,
            min_nuclei_share: 0.15,
            min_swing_db: 2.5,
            min_timbre_db: 2.2,
        }
    }
}

impl ActivityOptions {
    /// Checks every option.
    pub(super) fn check(&self) -> Result<(), InvalidOption> {
        let finite = self.min_level_dbfs.is_finite();
        let jump = self.max_glide >= self.min_glide;
        within("min_strength", self.min_strength, 0.0..=1.0)?;
        require("min_level_dbfs", self.min_level_dbfs, finite, "a finite number")?;
        within("max_below_top_db", self.max_below_top_db, 0.0..=f32::MAX)?;
        within("max_peak_share", self.max_peak_share, 0.0..=1.0)?;
        within("min_glide", self.min_glide, 0.0..=f32::MAX)?;
        require("max_glide", self.max_glide, jump, "min_glide or more")?;
        within("min_flux_db", self.min_flux_db, 0.0..=f32::MAX)?;
        within("min_nuclei_share", self.min_nuclei_share, 0.0..=1.0)?;
        within("min_swing_db", self.min_swing_db, 0.0..=f32::MAX)?;
        within("min_timbre_db", self.min_timbre_db, 0.0..=f32::MAX)
    }
}
