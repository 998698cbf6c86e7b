//! What a caller may choose.

use crate::audio::{Limits, RawFormat};
use crate::error::{Error, Result};
use crate::models::ActiveHeads;

use super::timeline::Timeline;

/// Options of an [`Engine`](super::Engine). The default is the program's.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which answers are computed at all. Default all three.
    pub heads: ActiveHeads,
    /// Threads that run the front-end and the network. Default 1. Predictions are the same bytes for any number.
    pub threads: usize,
    /// What an input may be at most; see [`Limits`].
    pub limits: Limits,
    /// What inputs without a header hold: then no input is looked at for a header. Default nothing: headers tell.
    pub raw: Option<RawFormat>,
    /// Inputs with less audio than this, in seconds, get [`NoAnswer::TooShort`](super::NoAnswer::TooShort). Default 0.3 s: less than
    /// a syllable, and about what the network's 15 frames of context need.
    pub min_duration_s: f64,
    /// A window of which nine tenths stay under this level, in dB below full scale (root mean square of blocks of 20 ms around their mean),
    /// gets no answer. Default −80: three steps of a 16-bit recording, where the spectrogram would show the recorder and nobody's voice.
    pub silence_dbfs: f64,
    /// Whether windows without speech, with clipped or with drowned speech are told and left unanswered. Default true; without, every window
    /// that is not silent is answered, as researchers may want.
    pub activity: bool,
    /// A window of which this share or more lies at 0.98 of full scale or beyond gets [`NoAnswer::Clipped`](super::NoAnswer::Clipped).
    /// Default 0.1: the gain is about 15 dB too high, and what is heard is the amplifier.
    pub max_clipped_share: f64,
    /// A window whose speech has a lower estimated signal-to-noise ratio than this, in dB, gets
    /// [`NoAnswer::TooNoisy`](super::NoAnswer::TooNoisy). Default 0: the noise is as loud as the voice.
    pub min_snr_db: f64,
    /// Emotion and gender are withheld, each on its own, where the calibrated probability of their best label is below this. 0 to 1;
    /// default 0, which withholds nothing. Of two genders one always has a half, so gender is withheld from above 0.5 on. If both are withheld,
    /// or the one of them whose head is on, the report is [`NoAnswer::LowConfidence`](super::NoAnswer::LowConfidence), age included. For age
    /// alone there is no probability to go by, so asking for one is refused.
    pub min_confidence: f64,
    /// Whether to tell how a recording changes, and how finely. Default nothing. The recording's own answer is the same with it and without.
    pub timeline: Option<Timeline>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heads: ActiveHeads::ALL,
            threads: 1,
            limits: Limits::default(),
            raw: None,
            min_duration_s: 0.3,
            silence_dbfs: -80.0,
            activity: true,
            max_clipped_share: 0.1,
            min_snr_db: 0.0,
            min_confidence: 0.0,
            timeline: None,
        }
    }
}

impl Options {
    /// Checks every field once.
    ///
    /// # Errors
    /// [`Error::Config`] that names the field and its value.
    pub(super) fn check(&self) -> Result<()> {
        if self.threads == 0 || self.threads > 1024 {
            return Err(Error::Config(format!("threads: {} is not between 1 and 1024", self.threads)));
        }
        if !self.min_duration_s.is_finite() || self.min_duration_s < 0.0 {
            return Err(Error::Config(format!("min_duration_s: {} is no duration", self.min_duration_s)));
        }
        if self.silence_dbfs.is_nan() {
            return Err(Error::Config("silence_dbfs: not a number".into()));
        }
        if self.max_clipped_share.is_nan() {
            return Err(Error::Config("max_clipped_share: not a number".into()));
        }
        if self.min_snr_db.is_nan() {
            return Err(Error::Config("min_snr_db: not a number".into()));
        }
        if !(0.0..=1.0).contains(&self.min_confidence) {
            return Err(Error::Config(format!("min_confidence: {} is not between 0 and 1", self.min_confidence)));
        }
        let ActiveHeads { emotion, gender, age } = self.heads;
        if !(emotion || gender || age) {
            return Err(Error::Config(
                "heads: emotion, gender and age are all off, so nothing is left to answer".into(),
            ));
        }
        if !(emotion || gender) && self.min_confidence > 0.0 {
            let why = "with emotion and gender off there is only age, which has no probability to be compared";
            return Err(Error::Config(format!("min_confidence: {}, but {why}", self.min_confidence)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the message begins with, and the field spoilt.
    type Case = (&'static str, fn(&mut Options));

    #[test]
    fn each_wrong_option_is_named_with_its_value() {
        Options::default().check().unwrap();
        let cases: &[Case] = &[
            ("threads: 0", |o| o.threads = 0),
            ("threads: 1025", |o| o.threads = 1025),
            ("min_duration_s: -1", |o| o.min_duration_s = -1.0),
            ("min_duration_s: inf", |o| o.min_duration_s = f64::INFINITY),
            ("silence_dbfs: not", |o| o.silence_dbfs = f64::NAN),
            ("max_clipped_share: not", |o| o.max_clipped_share = f64::NAN),
            ("min_snr_db: not", |o| o.min_snr_db = f64::NAN),
            ("min_confidence: -0.1", |o| o.min_confidence = -0.1),
            ("min_confidence: 1.01", |o| o.min_confidence = 1.01),
            ("min_confidence: NaN", |o| o.min_confidence = f64::NAN),
            ("heads: emotion, gender and age", |o| {
                o.heads = ActiveHeads { emotion: false, gender: false, age: false };
            }),
            ("min_confidence: 0.6", |o| {
                (o.min_confidence, o.heads) = (0.6, ActiveHeads { emotion: false, gender: false, age: true });
            }),
        ];
        for (what, spoil) in cases {
            let mut options = Options::default();
            spoil(&mut options);
            let message = options.check().unwrap_err().to_string();
            assert!(message.starts_with(what), "{what}: {message}");
        }
        for sound in [0.0, 0.5, 1.0] {
            Options { min_confidence: sound, ..Options::default() }.check().unwrap();
        }
    }
}
