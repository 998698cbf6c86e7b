//! Options of an engine.

use crate::audio::{Limits, RawFormat};
use crate::error::{Error, Result};
use crate::models::{ActiveHeads, SpeakerBaseline};

use super::speakers::Speakers;
use super::timeline::Timeline;

/// Options of an [`Engine`](crate::Engine). The defaults are those of the program.
///
/// Fields may be added in later versions: construct it with `..Options::default()`.
#[derive(Debug, Clone)]
pub struct Options {
    /// The heads to compute. Default all three.
    pub heads: ActiveHeads,
    /// Threads that run the front-end and the network. Default 1. The predictions are the same
    /// bytes for any number.
    pub threads: usize,
    /// Process each channel as a voice of its own. Default false: the mean of the channels is one
    /// voice.
    pub per_channel: bool,
    /// Limits of the input; see [`Limits`].
    pub limits: Limits,
    /// Format of inputs without a header. If set, no input is probed for a header. Default `None`.
    /// A recording's own format ([`Recording::raw`](crate::Recording::raw)) takes precedence.
    pub raw: Option<RawFormat>,
    /// Minimum duration in seconds; a shorter recording is
    /// [`NoAnswer::TooShort`](crate::NoAnswer::TooShort). Default 0.3 s: less than a syllable, and
    /// about the 15 frames of context that the network needs.
    pub min_duration_s: f64,
    /// Level of silence in dB below full scale. A chunk is silent where nine tenths of its 20 ms
    /// blocks have a lower root mean square around their mean. Default −80: three steps of a 16-bit
    /// recording, where the spectrogram would show the recorder's noise and no voice.
    pub silence_dbfs: f64,
    /// Reject chunks without speech, clipped, or below `min_snr_db`. Default true; if false, every
    /// chunk that is not silent is predicted.
    pub activity: bool,
    /// Share of clipped samples (0.98 of full scale or more) from which on a chunk is
    /// [`NoAnswer::Clipped`](crate::NoAnswer::Clipped). Default 0.1: the recording level is about
    /// 15 dB too high.
    pub max_clipped_share: f64,
    /// Minimum estimated signal-to-noise ratio of a chunk's speech in dB; a lower one is
    /// [`NoAnswer::TooNoisy`](crate::NoAnswer::TooNoisy). Default 0: the noise is as loud as the
    /// voice.
    pub min_snr_db: f64,
    /// Minimum confidence, 0 to 1. Emotion and gender are withheld, each on its own, where the
    /// calibrated probability of the best label is lower. Default 0, which withholds nothing. One
    /// of two genders always has a probability of a half, so gender is withheld only above 0.5. If
    /// both are withheld, or the one of them whose head is on, the voice is
    /// [`NoAnswer::LowConfidence`](crate::NoAnswer::LowConfidence), age included. Age alone has no
    /// probability to compare, so a minimum is refused where only that head is on.
    pub min_confidence: f64,
    /// Minimum familiarity, 0 to 1 ([`Familiarity`](crate::engine::Familiarity)). A voice or segment
    /// that is less familiar is [`NoAnswer::Unfamiliar`](crate::NoAnswer::Unfamiliar). Default 0,
    /// which withholds nothing; a minimum needs a model that states its domain.
    pub min_familiarity: f64,
    /// Baseline of the speaker, from other recordings of the same voice
    /// ([`Engine::speaker_baseline`](crate::Engine::speaker_baseline)). Default `None`. It is that of
    /// one speaker, so it excludes `per_channel`.
    pub baseline: Option<SpeakerBaseline>,
    /// Whether a voice of the report contains the sums over the vectors of its chunks
    /// ([`Voice::vectors`](crate::Voice::vectors)), from which a baseline is made. Default false.
    pub vectors: bool,
    /// Compute a timeline. Default `None`. The predictions for the whole recording are the same
    /// with and without one.
    pub timeline: Option<Timeline>,
    /// Tell the speakers of each signal apart: a voice for each of them, with its turns. Default
    /// `None`: a signal is one voice. Needs a model that contains CAM++, and the segmentation
    /// network. There is no timeline besides.
    pub speakers: Option<Speakers>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heads: ActiveHeads::ALL,
            threads: 1,
            per_channel: false,
            limits: Limits::default(),
            raw: None,
            min_duration_s: 0.3,
            silence_dbfs: -80.0,
            activity: true,
            max_clipped_share: 0.1,
            min_snr_db: 0.0,
            min_confidence: 0.0,
            min_familiarity: 0.0,
            baseline: None,
            vectors: false,
            timeline: None,
            speakers: None,
        }
    }
}

impl Options {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Usage`] with the field and its value.
    pub(super) fn check(&self) -> Result<()> {
        if self.threads == 0 || self.threads > 1024 {
            return Err(Error::usage(format!("threads: {} is not between 1 and 1024", self.threads)));
        }
        if !self.min_duration_s.is_finite() || self.min_duration_s < 0.0 {
            return Err(Error::usage(format!("min_duration_s: {} is not a duration", self.min_duration_s)));
        }
        if self.silence_dbfs.is_nan() {
            return Err(Error::usage("silence_dbfs: not a number"));
        }
        if self.max_clipped_share.is_nan() {
            return Err(Error::usage("max_clipped_share: not a number"));
        }
        if self.min_snr_db.is_nan() {
            return Err(Error::usage("min_snr_db: not a number"));
        }
        if !(0.0..=1.0).contains(&self.min_confidence) {
            return Err(Error::usage(format!("min_confidence: {:?} is not between 0 and 1", self.min_confidence)));
        }
        if let Some(speakers) = self.speakers {
            speakers.check()?;
            if self.timeline.is_some() {
                return Err(Error::usage("speakers: turns take the place of a timeline; ask for one of the two"));
            }
        }
        if !(0.0..=1.0).contains(&self.min_familiarity) {
            return Err(Error::usage(format!("min_familiarity: {} is not between 0 and 1", self.min_familiarity)));
        }
        if self.baseline.is_some() && self.speakers.is_some() {
            return Err(Error::usage("baseline: it is that of one speaker; `speakers` tells several apart"));
        }
        if self.vectors && self.speakers.is_some() {
            return Err(Error::usage("vectors: they are sums of one voice; `speakers` tells several apart"));
        }
        if self.baseline.is_some() && self.per_channel {
            return Err(Error::usage(
                "baseline: it is that of one speaker, but per_channel makes a voice of each channel",
            ));
        }
        let ActiveHeads { emotion, gender, age } = self.heads;
        if !(emotion || gender || age) {
            return Err(Error::usage("heads: emotion, gender and age are all off, so nothing is left to predict"));
        }
        if !(emotion || gender) && self.min_confidence > 0.0 {
            let why = "with emotion and gender off only age is left, which has no probability to compare";
            return Err(Error::usage(format!("min_confidence: {:?}, but {why}", self.min_confidence)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start of the message, and the change that makes the options invalid.
    type Case = (&'static str, fn(&mut Options));

    #[test]
    fn each_invalid_option_is_reported_with_its_value() {
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
            ("min_familiarity: 2", |o| o.min_familiarity = 2.0),
            ("min_familiarity: NaN", |o| o.min_familiarity = f64::NAN),
            ("heads: emotion, gender and age", |o| {
                o.heads = ActiveHeads { emotion: false, gender: false, age: false };
            }),
            ("speakers: 3 to 2", |o| o.speakers = Some(Speakers { min: 3, max: 2 })),
            ("speakers: turns", |o| {
                (o.speakers, o.timeline) = (Some(Speakers::default()), Some(Timeline::default()));
            }),
            ("min_confidence: 0.6", |o| {
                (o.min_confidence, o.heads) = (0.6, ActiveHeads { emotion: false, gender: false, age: true });
            }),
        ];
        for (what, change) in cases {
            let mut options = Options::default();
            change(&mut options);
            let message = options.check().unwrap_err().to_string();
            assert!(message.starts_with(what), "{what}: {message}");
        }
        for sound in [0.0, 0.5, 1.0] {
            Options { min_confidence: sound, ..Options::default() }.check().unwrap();
        }
    }
}
