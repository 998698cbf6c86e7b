//! The detector's thresholds.

use crate::dsp::options;
use crate::error::Result;

/// Thresholds of an [`Activity`](super::Activity). The defaults are this engine's own.
///
/// They were set between what was measured on speech and on other sounds (`tools/check/activity.py`): for each, the figure that 99 of
/// 100 clips of real speech pass stands in its description, and what comes nearest to it without being speech.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityOptions {
    /// A frame is voiced if its normalised autocorrelation passes this, 0 to 1. Default 0.5.
    pub min_strength: f32,
    /// … its level in dBFS too. Default −80.
    pub min_level_dbfs: f32,
    /// … and lies at most so far under the window's top, dB. Default 30.
    pub max_below_top_db: f32,
    /// … and its largest bin holds no more than this share of its power (else it is a whistle). Default 0.6.
    pub max_peak_share: f32,
    /// The pitch moves if it changes by more than this from frame to frame, semitones. Default 0.05: 3 semitones a second, a slow
    /// glide in speech. Electronic tones stay under 0.01.
    pub min_glide: f32,
    /// … and by less than this: else it jumps. Default 1.5.
    pub max_glide: f32,
    /// The timbre moves if the bands change by more than this from frame to frame, in the mean, dB. Default 1: noise in a voiced frame
    /// at 10 dB SNR stays near it; sweeps lie at 0.5, vibrato at 0.7, the middle of syllables at 2.
    pub min_flux_db: f32,
    /// Frames in which pitch and timbre move that make a window speech. Default 4 (64 ms): the shortest words have 7.
    pub min_nuclei: usize,
    /// … and their share of all frames that go on with the pitch of the one before. Default 0.15: notes have under 0.05 (their
    /// attacks), speech over hum 0.3 and more.
    pub min_nuclei_share: f32,
    /// The window's level must swing, standard deviation in dB. Default 2.5: speech at 10 dB SNR has 4.5; vibrato 1.0, brown noise 1.7.
    pub min_swing_db: f32,
    /// The window's timbre must swing, standard deviation in dB. Default 2.2: speech has 3.0 and more; gusts of wind 1.7.
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
    pub(super) fn check(&self, sample_rate_hz: u32) -> Result<()> {
        let share = |x: f32| (0.0..=1.0).contains(&x);
        let amount = |x: f32| x.is_finite() && x >= 0.0;
        let knobs = [
            (
                "sample_rate_hz",
                f64::from(sample_rate_hz),
                "4000 to 384000",
                (4_000..=384_000).contains(&sample_rate_hz),
            ),
            ("min_strength", self.min_strength.into(), "0 to 1", share(self.min_strength)),
            ("min_level_dbfs", self.min_level_dbfs.into(), "a number", self.min_level_dbfs.is_finite()),
            ("max_below_top_db", self.max_below_top_db.into(), "0 or more", amount(self.max_below_top_db)),
            ("max_peak_share", self.max_peak_share.into(), "0 to 1", share(self.max_peak_share)),
            ("min_glide", self.min_glide.into(), "0 or more", amount(self.min_glide)),
            ("max_glide", self.max_glide.into(), "min_glide or more", self.max_glide >= self.min_glide),
            ("min_flux_db", self.min_flux_db.into(), "0 or more", amount(self.min_flux_db)),
            ("min_nuclei_share", self.min_nuclei_share.into(), "0 to 1", share(self.min_nuclei_share)),
            ("min_swing_db", self.min_swing_db.into(), "0 or more", amount(self.min_swing_db)),
            ("min_timbre_db", self.min_timbre_db.into(), "0 or more", amount(self.min_timbre_db)),
        ];
        options::check("activity", &knobs)
    }
}
