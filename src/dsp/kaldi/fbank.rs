//! Kaldi's fbank: log mel band energies.
//!
//! ```text
//! out[t, b] = ln max(B[t, b], band_floor)           B: kaldi/bands.rs; B itself without use_log_fbank
//! out[t, energy] = max(ln max(E[t], 2⁻²³), ln energy_floor)       with use_energy; E: kaldi/frames.rs
//! ```
//!
//! The energy is column 0, before the bands, or the last one with `htk_compat`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dsp::feature_extractor::{FeatureExtractor, FeatureOptions};
use crate::dsp::invalid_option::{InvalidOption, within};
use crate::kernels::lanes::transpose::scatter;
use crate::kernels::lanes::{LANES, Lanes};

use super::bands::{Bands, MelOptions};
use super::frames::{Energy, FrameOptions};
use super::{at_least, check_energy_floor, ln_floored, nan_unless_finite};

/// Kaldi's `FbankOptions`, with Kaldi's defaults.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the options are Kaldi's")]
pub struct FbankOptions {
    /// Framing: lengths, window, edges.
    pub frame_opts: FrameOptions,
    /// The filter bank.
    pub mel_opts: MelOptions,
    /// Whether a column with the frame's log energy is added. Default false.
    pub use_energy: bool,
    /// Lower bound of that energy; 0 for none. Default 0.
    pub energy_floor: f32,
    /// Whether that energy is computed before pre-emphasis and window. Default true.
    pub raw_energy: bool,
    /// Whether that column is the last one instead of the first. Default false.
    pub htk_compat: bool,
    /// Whether to output logarithms. Default true.
    pub use_log_fbank: bool,
    /// Whether bands sum powers instead of magnitudes. Default true.
    pub use_power: bool,
    /// Lower bound of a band's energy before the logarithm. Default 2⁻²³, Kaldi's (`FLT_EPSILON`),
    /// which is no option there; a higher one hides the quantisation noise of quiet recordings.
    #[serde(default = "kaldis_band_floor")]
    pub band_floor: f32,
}

impl Default for FbankOptions {
    fn default() -> Self {
        Self {
            frame_opts: FrameOptions::default(),
            mel_opts: MelOptions::default(),
            use_energy: false,
            energy_floor: 0.0,
            raw_energy: true,
            htk_compat: false,
            use_log_fbank: true,
            use_power: true,
            band_floor: kaldis_band_floor(),
        }
    }
}

fn kaldis_band_floor() -> f32 {
    f32::EPSILON
}

impl FeatureOptions for FbankOptions {
    fn check(&self) -> Result<(), InvalidOption> {
        self.frame_opts.check().map_err(|invalid| invalid.inside("frame_opts"))?;
        self.mel_opts.check(&self.frame_opts).map_err(|invalid| invalid.inside("mel_opts"))?;
        within("band_floor", self.band_floor, f32::MIN_POSITIVE..=f32::MAX)?;
        check_energy_floor(self.energy_floor)
    }

    fn summary(&self) -> String {
        format!("Kaldi fbank, {} bands", self.bands())
    }

    fn sample_rate_hz(&self) -> u32 {
        self.frame_opts.samp_freq
    }

    fn bands(&self) -> usize {
        self.mel_opts.num_bins + usize::from(self.use_energy)
    }

    fn frames(&self, n_samples: usize) -> usize {
        self.frame_opts.frames(n_samples)
    }

    fn samples_for(&self, frames: usize) -> usize {
        self.frame_opts.samples_for(frames)
    }

    fn extractor(&self) -> Result<FeatureExtractor, InvalidOption> {
        let mut plan = Fbank::new(self.clone())?;
        Ok(FeatureExtractor::new(plan.dim(), move |samples, features| plan.run(samples, features)))
    }
}

/// Kaldi's fbank, planned, with its scratch memory.
///
/// ```
/// # use persona_engine::dsp::kaldi::{Fbank, FbankOptions};
/// let mut fbank = Fbank::new(FbankOptions::default())?;
/// let mut features = Vec::new();
/// fbank.run(&[0.1; 560], &mut features);
/// assert_eq!(features.len(), fbank.frames(560) * fbank.dim());
/// assert_eq!((fbank.frames(560), fbank.dim()), (2, 23));
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fbank {
    options: FbankOptions,
    bands: Bands,
    columns: Vec<Lanes>,
}

impl Fbank {
    /// Plans the computation.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: FbankOptions) -> Result<Self, InvalidOption> {
        options.check()?;
        let energy = Energy::from_options(options.use_energy, options.raw_energy);
        let bands = Bands::new(&options.frame_opts, &options.mel_opts, options.use_power, energy);
        let columns = vec![Lanes::default(); bands.bands() + usize::from(options.use_energy)];
        Ok(Self { options, bands, columns })
    }

    /// The options.
    pub fn options(&self) -> &FbankOptions {
        &self.options
    }

    /// Number of frames of `n_samples`; the table in [`crate::dsp::frame`] has the formulas.
    pub fn frames(&self, n_samples: usize) -> usize {
        self.bands.frames(n_samples)
    }

    /// Number of columns: num_bins, and one more with `use_energy`.
    pub fn dim(&self) -> usize {
        self.bands.bands() + usize::from(self.options.use_energy)
    }

    /// Replaces `out` by the features of `samples` `[n]` (full scale ±1): `[frames, dim]`.
    /// Allocates nothing if the capacity of `out` suffices.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let (dim, count) = (self.dim(), self.frames(samples.len()));
        out.resize(count * dim, 0.0);
        for (first, rows) in (0..).step_by(LANES).zip(out.chunks_mut(LANES * dim)) {
            self.measure(samples, first..count.min(first + LANES));
            scatter(&self.columns, rows);
            rows.chunks_exact_mut(dim).for_each(nan_unless_finite);
        }
    }

    /// Computes the columns of at most 16 frames, one per lane.
    fn measure(&mut self, samples: &[f32], frames: Range<usize>) {
        let FbankOptions { use_energy, htk_compat, use_log_fbank, energy_floor, band_floor, .. } = self.options;
        let first_band = usize::from(use_energy && !htk_compat);
        let bands = &mut self.columns[first_band..first_band + self.bands.bands()];
        let log_energies = self.bands.write(samples, frames, bands);
        if use_log_fbank {
            ln_floored(band_floor).run(Lanes::flat(bands));
        }
        if use_energy {
            let column = if htk_compat { self.bands.bands() } else { 0 };
            self.columns[column].0 = log_energies.0.map(|energy| at_least(energy, energy_floor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{fbank as naive, fbank_options};
    use super::*;
    use crate::dsp::cmvn::Cmvn;
    use crate::dsp::kaldi::SampleScale;
    use crate::dsp::reference::{crema_d_wavs, data_folder, golden_in, largest_difference, noise, toolkit_features};
    use crate::dsp::window::WindowType;

    fn run(options: &FbankOptions, samples: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; 3];
        Fbank::new(options.clone()).unwrap().run(samples, &mut out);
        out
    }

    /// Largest difference; without logarithms relative to the largest value.
    fn error(options: &FbankOptions, got: &[f32], want: &[f64]) -> f64 {
        let scale = if options.use_log_fbank { 1.0 } else { want.iter().copied().fold(1.0, f64::max) };
        largest_difference(got, want) / scale
    }

    /// Around no frame, one frame and the shift.
    const LENGTHS: [usize; 11] = [0, 1, 39, 79, 80, 199, 200, 399, 400, 560, 3000];

    // Reference.

    #[test]
    fn equals_the_reference_at_all_lengths() {
        for (name, options) in fbank_options() {
            for n in LENGTHS {
                let samples = noise(n, 50);
                let error = error(&options, &run(&options, &samples), &naive(&samples, &options));
                assert!(error < 1e-4, "{name}, n = {n}: {error}");
            }
        }
    }

    /// Quiet bands are close to the rounding error of the f32 transform.
    #[test]
    fn equals_the_reference_on_recorded_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in fbank_options() {
                let error = error(&options, &run(&options, &samples), &naive(&samples, &options));
                println!("{clip}, {name}: {error:.1e} from the f64 reference");
                assert!(error <= 1e-3, "{clip}, {name}: {error}");
            }
        }
    }

    // Golden: kaldi-native-fbank (tools/golden/kaldi.py).

    #[test]
    fn equals_kaldi_native_fbank() {
        let samples = golden_in("kaldi", "samples");
        for (name, options) in fbank_options() {
            let want: Vec<f64> = golden_in("kaldi", &format!("fbank.{name}")).into_iter().map(f64::from).collect();
            let error = error(&options, &run(&options, &samples), &want);
            println!("{name}: {error:.1e} from kaldi-native-fbank");
            assert!(error <= 1e-3, "{name}: {error}");
        }
    }

    #[test]
    fn equals_kaldi_native_fbank_on_recorded_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in fbank_options() {
                let Some(want) = toolkit_features(&clip, &format!("fbank.{name}")) else { return };
                let error = error(&options, &run(&options, &samples), &want);
                println!("{clip}, fbank {name}: {error:.1e} from kaldi-native-fbank");
                assert!(error <= 1e-3, "{clip}, {name}: {error}");
            }
        }
    }

    /// An array of an uncompressed `.npz`: the member's name, the `.npy` magic, the header's
    /// length, the header, the values.
    fn npz_array(bytes: &[u8], member: &str) -> Vec<f32> {
        let find = |from: usize, what: &[u8]| from + bytes[from..].windows(what.len()).position(|w| w == what).unwrap();
        let magic = find(find(0, member.as_bytes()), b"\x93NUMPY\x01\x00");
        let data = magic + 10 + usize::from(u16::from_le_bytes([bytes[magic + 8], bytes[magic + 9]]));
        let header = std::str::from_utf8(&bytes[magic + 10..data]).unwrap();
        assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
        let shape = header.split(['(', ')']).nth(1).unwrap();
        let length: usize = shape.split(',').filter_map(|n| n.trim().parse::<usize>().ok()).product();
        let values = &bytes[data..data + 4 * length];
        values.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    /// 80 bands of samples in ±1, as the CAM++ speaker network takes them, computed by
    /// kaldi-native-fbank on 15 s of speech, with the mean over time subtracted afterwards. In a
    /// band 89 dB below the loudest of its frame, both differ from the f64 formula by 1.1e-3, by
    /// f32 rounding: hence the tolerance.
    #[test]
    fn equals_the_features_of_the_speaker_network() {
        let path = data_folder().join("../weights/campplus_reference.npz");
        let Ok(bytes) = std::fs::read(&path) else {
            return println!("skipped: no {}", path.display());
        };
        let options = fbank_options().into_iter().find(|(name, _)| *name == "speaker80").unwrap().1;
        let (samples, mut want) = (npz_array(&bytes, "wav.npy"), npz_array(&bytes, "fbank.npy"));
        let mut got = run(&options, &samples);
        let difference = |got: &[f32], want: &[f32]| {
            largest_difference(got, &want.iter().copied().map(f64::from).collect::<Vec<_>>())
        };
        let before = difference(&got, &want);
        let rounding = largest_difference(&got, &naive(&samples, &options));
        Cmvn::new(80, false).run(&mut got);
        Cmvn::new(80, false).run(&mut want);
        let after = difference(&got, &want);
        println!("with mean {before:.1e}, without {after:.1e}; from the f64 reference {rounding:.1e}");
        assert!(before <= 2e-3 && after <= 2e-3 && rounding <= 2e-3);
    }

    // Properties.

    #[test]
    fn shape_and_columns() {
        for (name, options) in fbank_options() {
            let plan = Fbank::new(options.clone()).unwrap();
            assert_eq!(plan.dim(), options.mel_opts.num_bins + usize::from(options.use_energy), "{name}");
            for n in LENGTHS {
                assert_eq!(run(&options, &noise(n, 51)).len(), plan.frames(n) * plan.dim(), "{name}, n = {n}");
            }
        }
    }

    #[test]
    fn the_sample_scale_moves_log_bands_by_a_constant() {
        let unit = FbankOptions {
            frame_opts: FrameOptions { sample_scale: SampleScale::Unit, ..Default::default() },
            ..Default::default()
        };
        let samples = noise(4000, 52);
        for (a, b) in run(&FbankOptions::default(), &samples).iter().zip(run(&unit, &samples)) {
            approx::assert_abs_diff_eq!(*a, b + 30.0 * 2.0f32.ln(), epsilon = 1e-5);
        }
    }

    #[test]
    fn an_offset_changes_nothing_and_silence_is_the_floor() {
        let quantised: Vec<f32> = noise(4000, 53).iter().map(|x| (x * 8192.0).round() / 32_768.0).collect();
        let moved: Vec<f32> = quantised.iter().map(|x| x + 0.125).collect();
        let options = FbankOptions::default();
        let want: Vec<f64> = run(&options, &quantised).into_iter().map(f64::from).collect();
        assert!(largest_difference(&run(&options, &moved), &want) < 1e-3);
        assert!(run(&options, &[0.125; 2000]).iter().all(|v| *v == f32::EPSILON.ln()));
        assert!(
            run(&FbankOptions { use_energy: true, ..options }, &[0.0; 2000]).iter().all(|v| *v == f32::EPSILON.ln())
        );
    }

    #[test]
    fn a_1_khz_tone_lands_in_its_band() {
        let tone: Vec<f32> = (0..8000).map(|i| (std::f32::consts::TAU * (i % 16) as f32 / 16.0).sin() / 2.0).collect();
        let mel = |hz: f64| 1127.0 * (1.0 + hz / 700.0).ln();
        let step = (mel(8000.0) - mel(20.0)) / 24.0;
        let nearest = ((mel(1000.0) - mel(20.0)) / step).round() as usize - 1;
        for row in run(&FbankOptions::default(), &tone).chunks_exact(23) {
            let loudest = (0..23).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            assert_eq!(loudest, nearest);
        }
    }

    #[test]
    fn a_reused_plan_equals_a_new_one() {
        for (name, options) in fbank_options() {
            let mut plan = Fbank::new(options.clone()).unwrap();
            let mut out = Vec::new();
            plan.run(&[f32::NAN; 3000], &mut out);
            for n in LENGTHS {
                plan.bands.fill_with_nan();
                out.fill(f32::NAN);
                plan.run(&noise(n, 54), &mut out);
                assert_eq!(out, run(&options, &noise(n, 54)), "{name}");
            }
        }
    }

    // Bad input.

    #[test]
    fn bad_samples_affect_only_the_frames_that_contain_them() {
        for (name, options) in fbank_options().into_iter().filter(|(_, o)| o.frame_opts.snip_edges) {
            let (length, shift) = (options.frame_opts.frame_length(), options.frame_opts.frame_shift());
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
                let mut samples = noise(3000, 55);
                samples[1500] = bad;
                let got = run(&options, &samples);
                let dim = got.len() / Fbank::new(options.clone()).unwrap().frames(3000);
                for (t, row) in got.chunks_exact(dim).enumerate() {
                    let contains = (t * shift..t * shift + length).contains(&1500);
                    assert!(
                        row.iter().all(|v| v.is_nan() == contains && (contains || v.is_finite())),
                        "{name}, {bad}, frame {t}"
                    );
                }
            }
        }
    }

    #[test]
    fn invalid_options_are_named() {
        let frame = |change: fn(&mut FrameOptions)| {
            let mut options = FbankOptions::default();
            change(&mut options.frame_opts);
            options
        };
        let mel = |num_bins, low_freq, high_freq| FbankOptions {
            mel_opts: MelOptions { num_bins, low_freq, high_freq },
            ..Default::default()
        };
        for (field, options) in [
            ("frame_opts.samp_freq", frame(|o| o.samp_freq = 0)),
            ("frame_opts.samp_freq", frame(|o| o.samp_freq = 3_999)),
            ("frame_opts.samp_freq", frame(|o| o.samp_freq = 1_000_000_000)),
            ("frame_opts.frame_length_ms", frame(|o| o.frame_length_ms = 0.1)),
            ("frame_opts.frame_length_ms", frame(|o| o.frame_length_ms = -25.0)),
            ("frame_opts.frame_length_ms", frame(|o| o.frame_length_ms = f32::INFINITY)),
            ("frame_opts.frame_length_ms", frame(|o| (o.frame_length_ms, o.round_to_power_of_two) = (25.0625, false))),
            ("frame_opts.frame_shift_ms", frame(|o| o.frame_shift_ms = 0.0)),
            ("frame_opts.frame_shift_ms", frame(|o| o.frame_shift_ms = f32::INFINITY)),
            ("frame_opts.dither", frame(|o| o.dither = 1.0)),
            ("frame_opts.dither", frame(|o| o.dither = f32::NAN)),
            ("frame_opts.preemph_coeff", frame(|o| o.preemph_coeff = 1.1)),
            ("frame_opts.preemph_coeff", frame(|o| o.preemph_coeff = f32::NAN)),
            (
                "frame_opts.blackman_coeff",
                frame(|o| (o.window_type, o.blackman_coeff) = (WindowType::Blackman, f32::INFINITY)),
            ),
            ("mel_opts.num_bins", mel(2, 20.0, 0.0)),
            ("mel_opts.num_bins", mel(257, 20.0, 0.0)),
            ("mel_opts.num_bins", mel(200, 20.0, 0.0)),
            ("mel_opts.num_bins", mel(23, 20.0, 20.01)),
            ("mel_opts.low_freq", mel(23, -1.0, 0.0)),
            ("mel_opts.low_freq", mel(23, f32::NAN, 0.0)),
            ("mel_opts.low_freq", mel(23, 8000.0, 0.0)),
            ("mel_opts.high_freq", mel(23, 20.0, 8001.0)),
            ("mel_opts.high_freq", mel(23, 20.0, -7990.0)),
            ("mel_opts.high_freq", mel(23, 20.0, f32::NAN)),
            ("energy_floor", FbankOptions { energy_floor: -1.0, ..Default::default() }),
            ("energy_floor", FbankOptions { energy_floor: f32::NAN, ..Default::default() }),
        ] {
            let message = Fbank::new(options).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}` is ")), "{field}: {message}");
        }
    }
}
