//! The recipe of the features that a network was trained with, as plain numbers and names.

use serde::Deserialize;
use serde_json::Value;

use crate::dsp::{SlidingCmvn, SlidingCmvnOptions};
use crate::error::Result;
use crate::models::energy_vad::EnergyVadRecipe;
use crate::models::kaldi_frontend::{KaldiFbankRecipe, KaldiMfccRecipe};
use crate::models::raw_frontend::RawRecipe;
use crate::models::recipe::{kind_and_rest, parse, unknown_kind, within, wrong};
use crate::models::speechbrain_frontend::SpeechBrainFbankRecipe;

/// What the network hears: one variant per kind of front-end.
#[derive(Clone, Debug, PartialEq)]
pub enum Frontend {
    /// `logmel`: librosa's log-mel spectrogram in dB.
    LogMel(LogMelRecipe),
    /// `kaldi-fbank`: Kaldi's log mel energies.
    KaldiFbank(KaldiFbankRecipe),
    /// `kaldi-mfcc`: Kaldi's cepstral coefficients.
    KaldiMfcc(KaldiMfccRecipe),
    /// `speechbrain-fbank`: SpeechBrain's mel band powers in dB.
    SpeechBrainFbank(SpeechBrainFbankRecipe),
    /// `raw`: the samples themselves.
    Raw(RawRecipe),
}

/// librosa's `melspectrogram` and `power_to_db`, knob by knob, under librosa's names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMelRecipe {
    /// Hz; audio of another rate is resampled to it.
    pub sample_rate_hz: u32,
    /// Length of a frame and of its Fourier transform, in samples.
    pub n_fft: usize,
    /// Distance between frames, in samples.
    pub hop_length: usize,
    /// What a frame is multiplied with.
    pub window: WindowKind,
    /// What stands before the first sample and after the last.
    pub padding: PaddingKind,
    /// Number of bands.
    pub n_mels: usize,
    /// How Hz become mel.
    pub mel_scale: MelScaleKind,
    /// What a triangle's height is divided by.
    pub mel_norm: MelNormKind,
    /// Lower edge of the lowest band, Hz.
    pub f_min_hz: f64,
    /// Upper edge of the highest band, Hz; at most half the sample rate.
    pub f_max_hz: f64,
    /// Exponent of the magnitudes. Only 2 (power) is known.
    pub power: f64,
    /// The least power that a logarithm is taken of.
    pub amin: f64,
    /// The power that is 0 dB.
    pub reference: ReferenceKind,
    /// Values lower than this many dB under the largest are raised to it.
    pub top_db: f64,
    /// The longest segment that the network takes at once, in seconds.
    pub window_s: f64,
    /// From dB to what the network's first layer sees.
    pub normalisation: Normalisation,
}

/// The window of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// `0.5 − 0.5 · cos(2π n / N)`: the symmetric window of N + 1 points without its last.
    HannPeriodic,
}

/// The padding of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingKind {
    /// `n_fft / 2` zeros on both sides, so that frame `t` is centred at sample `t · hop_length`.
    ZerosCentred,
}

/// The mel scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelScaleKind {
    /// Linear to 1 kHz, logarithmic above (Slaney's Auditory Toolbox).
    Slaney,
}

/// The normalisation of the mel filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MelNormKind {
    /// Each triangle has the area 1 over Hz.
    Slaney,
}

/// The reference of the dB values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// The largest power of the clip.
    Max,
}

/// `(dB + offset_db) / scale_db` (Kaldi's features: as they are, with the offset 0 and the scale 1), after the mean over time of each band is taken off if asked.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Whether each band's mean over the frames is taken off first.
    pub mean_over_time: bool,
    /// Instead of it: the frames of a centred window whose mean is taken off each frame (Kaldi's `apply-cmvn-sliding`; Kaldi's front-ends alone).
    #[serde(skip)]
    pub cmn_window: Option<usize>,
    /// Added, in dB.
    pub offset_db: f64,
    /// What the sum is divided by, in dB.
    pub scale_db: f64,
}

impl Frontend {
    /// Reads the manifest's `frontend`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let (kind, rest) = kind_and_rest("frontend", value)?;
        match kind.as_str() {
            "logmel" => {
                let recipe: LogMelRecipe = parse("frontend", rest)?;
                recipe.check()?;
                Ok(Self::LogMel(recipe))
            }
            "kaldi-fbank" => {
                let recipe: KaldiFbankRecipe = parse("frontend", rest)?;
                recipe.check()?;
                Ok(Self::KaldiFbank(recipe))
            }
            "kaldi-mfcc" => {
                let recipe: KaldiMfccRecipe = parse("frontend", rest)?;
                recipe.check()?;
                Ok(Self::KaldiMfcc(recipe))
            }
            "speechbrain-fbank" => {
                let recipe: SpeechBrainFbankRecipe = parse("frontend", rest)?;
                recipe.check()?;
                Ok(Self::SpeechBrainFbank(recipe))
            }
            "raw" => Ok(Self::Raw(RawRecipe::parse(rest)?)),
            other => {
                let known = "`logmel`, `kaldi-fbank`, `kaldi-mfcc`, `speechbrain-fbank` and `raw`";
                Err(unknown_kind("frontend", other, known))
            }
        }
    }

    /// Values of one frame.
    pub fn bands(&self) -> usize {
        match self {
            Self::LogMel(recipe) => recipe.n_mels,
            Self::KaldiFbank(recipe) => recipe.columns(),
            Self::KaldiMfcc(recipe) => recipe.num_ceps,
            Self::SpeechBrainFbank(recipe) => recipe.n_mels,
            Self::Raw(_) => 1,
        }
    }

    /// The rate that samples must have, Hz.
    pub fn sample_rate_hz(&self) -> u32 {
        match self {
            Self::LogMel(recipe) => recipe.sample_rate_hz,
            Self::KaldiFbank(KaldiFbankRecipe { frame_opts, .. })
            | Self::KaldiMfcc(KaldiMfccRecipe { frame_opts, .. }) => frame_opts.samp_freq,
            Self::SpeechBrainFbank(recipe) => recipe.sample_rate_hz,
            Self::Raw(recipe) => recipe.sample_rate_hz,
        }
    }

    /// Samples of the longest segment that the network takes at once.
    pub fn window_samples(&self) -> usize {
        let (Self::LogMel(LogMelRecipe { window_s, .. })
        | Self::KaldiFbank(KaldiFbankRecipe { window_s, .. })
        | Self::KaldiMfcc(KaldiMfccRecipe { window_s, .. })
        | Self::SpeechBrainFbank(SpeechBrainFbankRecipe { window_s, .. })
        | Self::Raw(RawRecipe { window_s, .. })) = self;
        (window_s * f64::from(self.sample_rate_hz())).round() as usize
    }

    /// Frames of so many samples.
    pub fn frames(&self, samples: usize) -> usize {
        match self {
            Self::LogMel(recipe) => recipe.frames(samples),
            Self::KaldiFbank(KaldiFbankRecipe { frame_opts, .. })
            | Self::KaldiMfcc(KaldiMfccRecipe { frame_opts, .. }) => frame_opts.frames(samples),
            Self::SpeechBrainFbank(recipe) => 1 + samples / recipe.hop_length(),
            Self::Raw(_) => samples,
        }
    }

    /// The fewest samples that give so many frames.
    pub fn samples_for(&self, frames: usize) -> usize {
        match self {
            Self::LogMel(recipe) => frames.saturating_sub(1) * recipe.hop_length,
            Self::KaldiFbank(KaldiFbankRecipe { frame_opts, .. })
            | Self::KaldiMfcc(KaldiMfccRecipe { frame_opts, .. }) => frame_opts.samples_for(frames),
            Self::SpeechBrainFbank(recipe) => frames.saturating_sub(1) * recipe.hop_length(),
            Self::Raw(_) => frames,
        }
    }

    /// From features to what the network's first layer sees. Samples are normalised before, as they become features.
    pub fn normalisation(&self) -> Normalisation {
        match self {
            Self::LogMel(recipe) => recipe.normalisation,
            Self::KaldiFbank(KaldiFbankRecipe { mean_over_time, cmn_window, .. })
            | Self::KaldiMfcc(KaldiMfccRecipe { mean_over_time, cmn_window, .. }) => {
                Normalisation { cmn_window: *cmn_window, ..Normalisation::plain(*mean_over_time) }
            }
            Self::SpeechBrainFbank(recipe) => Normalisation::plain(recipe.mean_over_time),
            Self::Raw(_) => Normalisation::plain(false),
        }
    }

    /// How frames without speech are told, where the network must not see them.
    pub fn vad(&self) -> Option<&EnergyVadRecipe> {
        match self {
            Self::KaldiMfcc(recipe) => recipe.vad.as_ref(),
            _ => None,
        }
    }
}

impl LogMelRecipe {
    /// Refuses what makes no sense, and sizes beyond any front-end in use.
    fn check(&self) -> Result<()> {
        within("frontend.sample_rate_hz", &self.sample_rate_hz, 4_000..=384_000)?;
        within("frontend.n_fft", &self.n_fft, 2..=65_536)?;
        within("frontend.hop_length", &self.hop_length, 1..=self.n_fft)?;
        within("frontend.n_mels", &self.n_mels, 1..=1_024)?;
        within("frontend.f_max_hz", &self.f_max_hz, 1.0..=f64::from(self.sample_rate_hz) / 2.0)?;
        within("frontend.f_min_hz", &self.f_min_hz, 0.0..=self.f_max_hz)?;
        within("frontend.amin", &self.amin, 1e-30..=1.0)?;
        within("frontend.top_db", &self.top_db, 1.0..=1_000.0)?;
        within("frontend.window_s", &self.window_s, 0.1..=60.0)?;
        if self.power != 2.0 {
            return Err(wrong("frontend.power", format!("{} is not known; only 2 is", self.power)));
        }
        if self.f_min_hz == self.f_max_hz {
            return Err(wrong("frontend.f_max_hz", "is no higher than f_min_hz"));
        }
        self.normalisation.check()
    }

    /// Frames of that many samples: `1 + samples / hop_length`.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.hop_length
    }
}

impl Normalisation {
    fn check(self) -> Result<()> {
        within("frontend.normalisation.offset_db", &self.offset_db, -1_000.0..=1_000.0)?;
        within("frontend.normalisation.scale_db", &self.scale_db, 1e-3..=1_000.0)
    }

    /// Neither offset nor scale.
    fn plain(mean_over_time: bool) -> Self {
        Self { mean_over_time, cmn_window: None, offset_db: 0.0, scale_db: 1.0 }
    }

    /// In place on `[frames, bands]`. No frames are left as they are.
    ///
    /// # Panics
    ///
    /// If `features` is no whole number of frames.
    pub fn apply(self, features: &mut [f32], bands: usize) {
        assert!(features.len().is_multiple_of(bands.max(1)));
        if let Some(cmn_window) = self.cmn_window {
            return slide(features, bands, cmn_window);
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

/// Takes the mean of a centred window off each frame. The window is at least 1 frame, as the recipe was checked.
fn slide(features: &mut [f32], bands: usize, cmn_window: usize) {
    let options = SlidingCmvnOptions { cmn_window, min_window: 1, normalize_variance: false, center: true };
    if let Ok(mut plan) = SlidingCmvn::new(bands, options) {
        let mut out = Vec::with_capacity(features.len());
        plan.run(features, &mut out);
        features.copy_from_slice(&out);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::models) fn logmel() -> Value {
        json!({"kind": "logmel", "sample_rate_hz": 16000, "n_fft": 1024, "hop_length": 256, "window": "hann_periodic",
            "padding": "zeros_centred", "n_mels": 128, "mel_scale": "slaney", "mel_norm": "slaney", "f_min_hz": 0.0,
            "f_max_hz": 8000.0, "power": 2.0, "amin": 1e-10, "reference": "max", "top_db": 80.0, "window_s": 3.0,
            "normalisation": {"mean_over_time": false, "offset_db": 40.0, "scale_db": 20.0}})
    }

    #[test]
    fn three_seconds_are_188_frames() {
        let frontend = Frontend::parse(logmel()).unwrap();
        assert_eq!(frontend.window_samples(), 48_000);
        assert_eq!(frontend.frames(48_000), 188);
    }

    #[test]
    fn each_unknown_key_or_value_is_named() {
        for (key, value) in [
            ("kind", json!("kaldi-plp")),
            ("kind", json!(3)),
            ("window", json!("hamming")),
            ("padding", json!("reflect")),
            ("mel_scale", json!("htk")),
            ("mel_norm", json!(null)),
            ("reference", json!(1.0)),
            ("power", json!(1.0)),
            ("n_fft", json!(0)),
            ("n_fft", json!(1_u64 << 60)),
            ("n_fft", json!(-1)),
            ("n_fft", json!("1024")),
            ("hop_length", json!(0)),
            ("hop_length", json!(1025)),
            ("n_mels", json!(0)),
            ("n_mels", json!(1_000_000)),
            ("sample_rate_hz", json!(0)),
            ("f_min_hz", json!(8000.0)),
            ("f_max_hz", json!(8001.0)),
            ("amin", json!(0.0)),
            ("top_db", json!(-80.0)),
            ("window_s", json!(1e300)),
            ("dither", json!(0.0)),
        ] {
            let mut recipe = logmel();
            recipe[key] = value;
            let message = Frontend::parse(recipe).unwrap_err().to_string();
            assert!(
                message.contains("`frontend") && message.contains(if key == "f_min_hz" { "f_max_hz" } else { key }),
                "{message}"
            );
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        for key in logmel().as_object().unwrap().keys() {
            let mut recipe = logmel();
            recipe.as_object_mut().unwrap().remove(key);
            let message = Frontend::parse(recipe).unwrap_err().to_string();
            assert!(message.contains(key.as_str()), "{key}: {message}");
        }
        let mut recipe = logmel();
        recipe["normalisation"]["scale_db"] = json!(0.0);
        assert!(Frontend::parse(recipe).unwrap_err().to_string().contains("`frontend.normalisation.scale_db`"));
    }

    #[test]
    fn normalisation_is_its_formula() {
        let dry = Normalisation { mean_over_time: false, cmn_window: None, offset_db: 40.0, scale_db: 20.0 };
        let mut features = [-80.0, -40.0, 0.0, -20.0];
        dry.apply(&mut features, 2);
        assert_eq!(features, [-2.0, 0.0, 2.0, 1.0]);
        let centred = Normalisation { mean_over_time: true, cmn_window: None, offset_db: 0.0, scale_db: 10.0 };
        let mut features = [-80.0, -40.0, 0.0, -20.0];
        centred.apply(&mut features, 2);
        assert_eq!(features, [-4.0, -1.0, 4.0, 1.0]);
        centred.apply(&mut [], 2);
    }
}
