//! The recipes of Kaldi's front-ends, knob by knob under Kaldi's names.

use serde::Deserialize;

use crate::dsp::frame::{Edges, Grid};
use crate::dsp::kaldi::{FbankOptions, FrameOptions, KaldiMfccOptions, MelOptions, SampleScale};
use crate::dsp::window::WindowType;
use crate::error::Result;
use crate::models::energy_vad::EnergyVadRecipe;
use crate::models::recipe::{within, wrong};

/// `kaldi-fbank`: logarithms of mel band energies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the knobs are Kaldi's")]
pub struct KaldiFbankRecipe {
    /// Frames: lengths, window, edges.
    pub frame_opts: KaldiFrameRecipe,
    /// The filter bank.
    pub mel_opts: KaldiMelRecipe,
    /// Whether there is a column with the frame's log energy.
    pub use_energy: bool,
    /// Floor of that energy, absolute; 0 is none.
    pub energy_floor: f32,
    /// Whether that energy is taken before pre-emphasis and window.
    pub raw_energy: bool,
    /// Whether that column is the last instead of the first.
    pub htk_compat: bool,
    /// Whether logarithms are taken.
    pub use_log_fbank: bool,
    /// Whether bands add up powers, not magnitudes.
    pub use_power: bool,
    /// The longest segment that the network takes at once, in seconds.
    pub window_s: f64,
    /// Whether each column's mean over the frames is taken off.
    pub mean_over_time: bool,
    /// Instead of it: the frames of a centred window whose mean is taken off each frame (`apply-cmvn-sliding --center=true`).
    #[serde(default)]
    pub cmn_window: Option<usize>,
}

/// `kaldi-mfcc`: cepstral coefficients.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the knobs are Kaldi's")]
pub struct KaldiMfccRecipe {
    /// Frames: lengths, window, edges.
    pub frame_opts: KaldiFrameRecipe,
    /// The filter bank.
    pub mel_opts: KaldiMelRecipe,
    /// Coefficients kept, from number 0 on.
    pub num_ceps: usize,
    /// Whether coefficient 0 gives way to the frame's log energy.
    pub use_energy: bool,
    /// Floor of that energy, absolute; 0 is none.
    pub energy_floor: f32,
    /// Whether that energy is taken before pre-emphasis and window.
    pub raw_energy: bool,
    /// Q of the lifter; 0 for none.
    pub cepstral_lifter: f32,
    /// HTK's order and scale of coefficient 0.
    pub htk_compat: bool,
    /// The longest segment that the network takes at once, in seconds.
    pub window_s: f64,
    /// Whether each column's mean over the frames is taken off.
    pub mean_over_time: bool,
    /// Instead of it: the frames of a centred window whose mean is taken off each frame (`apply-cmvn-sliding --center=true`).
    #[serde(default)]
    pub cmn_window: Option<usize>,
    /// Which frames the network sees: those that hold speech by their log energy. All, if it is missing.
    #[serde(default)]
    pub vad: Option<EnergyVadRecipe>,
}

/// Kaldi's `FrameExtractionOptions`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KaldiFrameRecipe {
    /// Hz; audio of another rate is resampled to it.
    pub samp_freq: u32,
    /// Distance of frames, ms.
    pub frame_shift_ms: f32,
    /// Length of a frame, ms.
    pub frame_length_ms: f32,
    /// Noise added to the samples. Only 0 is known.
    pub dither: f32,
    /// How much of the sample before is taken off each sample.
    pub preemph_coeff: f32,
    /// Whether each frame's mean is taken off.
    pub remove_dc_offset: bool,
    /// The window.
    pub window_type: KaldiWindowKind,
    /// The knob of the `blackman` window.
    pub blackman_coeff: f32,
    /// Whether frames are zero-padded to a power of two.
    pub round_to_power_of_two: bool,
    /// Whether there are only frames that fit wholly into the signal.
    pub snip_edges: bool,
    /// What samples of ±1 are multiplied with first.
    pub sample_scale: SampleScaleKind,
}

/// Kaldi's `MelBanksOptions`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KaldiMelRecipe {
    /// Number of bands.
    pub num_bins: usize,
    /// Lower end of the lowest band, Hz.
    pub low_freq: f32,
    /// Upper end of the highest band, Hz; if 0 or less, added to half of `samp_freq`.
    pub high_freq: f32,
}

/// [`WindowType`] as the manifest writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KaldiWindowKind {
    /// Hann's, raised to 0.85.
    Povey,
    /// Hamming's.
    Hamming,
    /// Hann's.
    Hanning,
    /// None.
    Rectangular,
    /// Blackman's, with `blackman_coeff`.
    Blackman,
}

/// [`SampleScale`] as the manifest writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleScaleKind {
    /// 32,768: whole numbers, as in Kaldi itself.
    Int16,
    /// 1.
    Unit,
}

impl KaldiFbankRecipe {
    pub(super) fn check(&self) -> Result<()> {
        within("frontend.energy_floor", &self.energy_floor, 0.0..=f32::MAX)?;
        check_mean(self.mean_over_time, self.cmn_window)?;
        check(&self.frame_opts, &self.mel_opts, self.window_s)
    }

    /// Values of one frame.
    pub fn columns(&self) -> usize {
        self.mel_opts.num_bins + usize::from(self.use_energy)
    }

    pub(super) fn options(&self) -> FbankOptions {
        FbankOptions {
            frame_opts: self.frame_opts.options(),
            mel_opts: self.mel_opts.options(),
            use_energy: self.use_energy,
            energy_floor: self.energy_floor,
            raw_energy: self.raw_energy,
            htk_compat: self.htk_compat,
            use_log_fbank: self.use_log_fbank,
            use_power: self.use_power,
        }
    }
}

impl KaldiMfccRecipe {
    pub(super) fn check(&self) -> Result<()> {
        check_mean(self.mean_over_time, self.cmn_window)?;
        check(&self.frame_opts, &self.mel_opts, self.window_s)?;
        within("frontend.num_ceps", &self.num_ceps, 1..=self.mel_opts.num_bins)?;
        within("frontend.energy_floor", &self.energy_floor, 0.0..=f32::MAX)?;
        within("frontend.cepstral_lifter", &self.cepstral_lifter, 0.0..=1e6)?;
        if self.htk_compat && self.vad.is_some() {
            return Err(wrong("frontend.vad", "needs the energy in column 0, where `htk_compat` does not have it"));
        }
        self.vad.as_ref().map_or(Ok(()), EnergyVadRecipe::check)
    }

    pub(super) fn options(&self) -> KaldiMfccOptions {
        KaldiMfccOptions {
            frame_opts: self.frame_opts.options(),
            mel_opts: self.mel_opts.options(),
            num_ceps: self.num_ceps,
            use_energy: self.use_energy,
            energy_floor: self.energy_floor,
            raw_energy: self.raw_energy,
            cepstral_lifter: self.cepstral_lifter,
            htk_compat: self.htk_compat,
        }
    }
}

fn check_mean(mean_over_time: bool, cmn_window: Option<usize>) -> Result<()> {
    let Some(frames) = cmn_window else { return Ok(()) };
    if mean_over_time {
        return Err(wrong("frontend.cmn_window", "stands beside `mean_over_time`: one of them takes the mean off"));
    }
    within("frontend.cmn_window", &frames, 1..=1_000_000)
}

/// Refuses sizes beyond any front-end in use; what else makes no sense, the signal processing refuses by name.
fn check(frame: &KaldiFrameRecipe, mel: &KaldiMelRecipe, window_s: f64) -> Result<()> {
    within("frontend.frame_opts.samp_freq", &frame.samp_freq, 4_000..=384_000)?;
    within("frontend.frame_opts.frame_shift_ms", &frame.frame_shift_ms, 1.0..=1_000.0)?;
    within("frontend.frame_opts.frame_length_ms", &frame.frame_length_ms, 1.0..=1_000.0)?;
    within("frontend.frame_opts.dither", &frame.dither, 0.0..=0.0)?;
    within("frontend.frame_opts.preemph_coeff", &frame.preemph_coeff, 0.0..=1.0)?;
    within("frontend.frame_opts.blackman_coeff", &frame.blackman_coeff, 0.0..=1.0)?;
    within("frontend.mel_opts.num_bins", &mel.num_bins, 3..=1_024)?;
    let half_rate = frame.samp_freq as f32 / 2.0;
    within("frontend.mel_opts.low_freq", &mel.low_freq, 0.0..=half_rate)?;
    within("frontend.mel_opts.high_freq", &mel.high_freq, -half_rate..=half_rate)?;
    within("frontend.window_s", &window_s, 0.1..=60.0)
}

impl KaldiFrameRecipe {
    fn options(&self) -> FrameOptions {
        FrameOptions {
            samp_freq: self.samp_freq as f32,
            frame_shift_ms: self.frame_shift_ms,
            frame_length_ms: self.frame_length_ms,
            dither: self.dither,
            preemph_coeff: self.preemph_coeff,
            remove_dc_offset: self.remove_dc_offset,
            window_type: self.window_type.into(),
            blackman_coeff: self.blackman_coeff,
            round_to_power_of_two: self.round_to_power_of_two,
            snip_edges: self.snip_edges,
            sample_scale: match self.sample_scale {
                SampleScaleKind::Int16 => SampleScale::Int16,
                SampleScaleKind::Unit => SampleScale::Unit,
            },
        }
    }

    /// Frames of so many samples.
    pub fn frames(&self, samples: usize) -> usize {
        let options = self.options();
        let edges = if self.snip_edges { Edges::Snip } else { Edges::Mirrored };
        Grid::new(options.frame_length(), options.frame_shift(), edges).count(samples)
    }

    /// The fewest samples that give so many frames.
    pub fn samples_for(&self, frames: usize) -> usize {
        let options = self.options();
        let (length, shift) = (options.frame_length(), options.frame_shift());
        match frames {
            0 => 0,
            _ if self.snip_edges => length + (frames - 1) * shift,
            _ => frames * shift - shift / 2,
        }
    }
}

impl KaldiMelRecipe {
    fn options(&self) -> MelOptions {
        MelOptions { num_bins: self.num_bins, low_freq: self.low_freq, high_freq: self.high_freq }
    }
}

impl From<KaldiWindowKind> for WindowType {
    fn from(kind: KaldiWindowKind) -> Self {
        match kind {
            KaldiWindowKind::Povey => Self::Povey,
            KaldiWindowKind::Hamming => Self::Hamming,
            KaldiWindowKind::Hanning => Self::Hanning,
            KaldiWindowKind::Rectangular => Self::Rectangular,
            KaldiWindowKind::Blackman => Self::Blackman,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::models::Frontend;
    use serde_json::{Value, json};

    pub(in crate::models) fn fbank() -> Value {
        json!({"kind": "kaldi-fbank",
            "frame_opts": {"samp_freq": 16000, "frame_shift_ms": 10.0, "frame_length_ms": 25.0, "dither": 0.0,
                "preemph_coeff": 0.97, "remove_dc_offset": true, "window_type": "povey", "blackman_coeff": 0.42,
                "round_to_power_of_two": true, "snip_edges": true, "sample_scale": "unit"},
            "mel_opts": {"num_bins": 80, "low_freq": 20.0, "high_freq": 0.0},
            "use_energy": false, "energy_floor": 0.0, "raw_energy": true, "htk_compat": false, "use_log_fbank": true,
            "use_power": true, "window_s": 3.0, "mean_over_time": true})
    }

    pub(in crate::models) fn mfcc() -> Value {
        let mut recipe = fbank();
        let object = recipe.as_object_mut().unwrap();
        object.remove("use_log_fbank");
        object.remove("use_power");
        object.extend([("num_ceps".into(), json!(13)), ("cepstral_lifter".into(), json!(22.0))]);
        object.insert("kind".into(), json!("kaldi-mfcc"));
        recipe
    }

    #[test]
    fn three_seconds_are_298_frames() {
        for recipe in [fbank(), mfcc()] {
            let frontend = Frontend::parse(recipe).unwrap();
            assert_eq!((frontend.window_samples(), frontend.frames(48_000)), (48_000, 298));
            assert!(frontend.normalisation().mean_over_time);
        }
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (pointer, value) in [
            ("/frame_opts/samp_freq", json!(0)),
            ("/frame_opts/samp_freq", json!(1_u64 << 40)),
            ("/frame_opts/frame_shift_ms", json!(0.0)),
            ("/frame_opts/frame_shift_ms", json!(1e30)),
            ("/frame_opts/frame_length_ms", json!(-25.0)),
            ("/frame_opts/dither", json!(1.0)),
            ("/frame_opts/preemph_coeff", json!(1.5)),
            ("/frame_opts/window_type", json!("hann")),
            ("/frame_opts/blackman_coeff", json!(2.0)),
            ("/frame_opts/sample_scale", json!(32768)),
            ("/mel_opts/num_bins", json!(2)),
            ("/mel_opts/num_bins", json!(1_u64 << 60)),
            ("/mel_opts/low_freq", json!(-1.0)),
            ("/mel_opts/high_freq", json!(9000.0)),
            ("/energy_floor", json!(-1.0)),
            ("/window_s", json!(1e300)),
            ("/mean_over_time", json!(1)),
        ] {
            for mut recipe in [fbank(), mfcc()] {
                *recipe.pointer_mut(pointer).unwrap() = value.clone();
                let message = Frontend::parse(recipe).unwrap_err().to_string();
                assert!(message.contains(&format!("`frontend{}`", pointer.replace('/', "."))), "{message}");
            }
        }
        for (key, value) in [("num_ceps", json!(81)), ("num_ceps", json!(0)), ("cepstral_lifter", json!(-1.0))] {
            let mut recipe = mfcc();
            recipe[key] = value;
            let message = Frontend::parse(recipe).unwrap_err().to_string();
            assert!(message.contains(&format!("`frontend.{key}`")), "{message}");
        }
    }

    #[test]
    fn a_sliding_mean_takes_the_place_of_the_mean() {
        let mut recipe = mfcc();
        recipe["cmn_window"] = json!(3);
        assert!(Frontend::parse(recipe.clone()).unwrap_err().to_string().contains("`frontend.cmn_window`"));
        recipe["mean_over_time"] = json!(false);
        let normalisation = Frontend::parse(recipe.clone()).unwrap().normalisation();
        let mut features = [1.0, 5.0, 3.0, 8.0, 0.0];
        normalisation.apply(&mut features, 1);
        assert_eq!(features, [-2.0, 2.0, -7.0 / 3.0, 13.0 / 3.0, -11.0 / 3.0]);
        recipe["cmn_window"] = json!(0);
        assert!(Frontend::parse(recipe).unwrap_err().to_string().contains("`frontend.cmn_window`"));
    }

    #[test]
    fn a_filter_bank_with_an_empty_band_is_refused_when_it_is_planned() {
        let mut recipe = fbank();
        recipe["mel_opts"]["num_bins"] = json!(250);
        let message = Frontend::parse(recipe).unwrap().extractor().unwrap_err().to_string();
        assert!(message.contains("num_bins"), "{message}");
    }
}
