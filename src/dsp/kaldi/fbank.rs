//! Kaldi's fbank: logarithms of mel band energies.
//!
//! ```text
//! out[t, b] = ln max(B[t, b], 2⁻²³)                 B: kaldi/bands.rs; B itself without use_log_fbank
//! out[t, energy] = max(ln max(E[t], 2⁻²³), ln energy_floor)       with use_energy; E: kaldi/frames.rs
//! ```
//!
//! The energy is column 0, before the bands, or the last one with `htk_compat`.

use std::ops::Range;

use crate::dsp::options;
use crate::error::Result;
use crate::kernels::lanes::transpose::scatter;
use crate::kernels::lanes::{LANES, Lanes};

use super::bands::{Bands, MelOptions};
use super::frames::{Energy, FrameOptions};
use super::{LN_FLOORED, at_least, energy_floor_knob, void_unless_finite};

/// Kaldi's `FbankOptions`; the defaults are Kaldi's.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // the knobs are Kaldi's
pub struct FbankOptions {
    /// Frames: lengths, window, edges.
    pub frame_opts: FrameOptions,
    /// The filter bank.
    pub mel_opts: MelOptions,
    /// Whether there is a column with the frame's log energy. Default false.
    pub use_energy: bool,
    /// Floor of that energy, absolute; 0 is none. Default 0.
    pub energy_floor: f32,
    /// Whether that energy is taken before pre-emphasis and window. Default true.
    pub raw_energy: bool,
    /// Whether that column is the last instead of the first. Default false.
    pub htk_compat: bool,
    /// Whether logarithms are taken. Default true.
    pub use_log_fbank: bool,
    /// Whether bands add up powers, not magnitudes. Default true.
    pub use_power: bool,
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
        }
    }
}

/// The plan of one recipe, and its work space.
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
    /// Plans the recipe.
    ///
    /// # Errors
    /// [`crate::Error::Config`], naming the field and its value, if an option makes no sense.
    pub fn new(options: FbankOptions) -> Result<Self> {
        let energy = Energy::wanted(options.use_energy, options.raw_energy);
        options::check("fbank", &[energy_floor_knob(options.energy_floor)])?;
        let bands = Bands::new("fbank", &options.frame_opts, &options.mel_opts, options.use_power, energy)?;
        let columns = vec![Lanes::default(); bands.bands() + usize::from(options.use_energy)];
        Ok(Self { options, bands, columns })
    }

    /// The recipe.
    pub fn options(&self) -> &FbankOptions {
        &self.options
    }

    /// Frames of `n_samples`; the table in [`crate::dsp::frame`] has the formulas.
    pub fn frames(&self, n_samples: usize) -> usize {
        self.bands.frames(n_samples)
    }

    /// Columns: num_bins, and one more with `use_energy`.
    pub fn dim(&self) -> usize {
        self.bands.bands() + usize::from(self.options.use_energy)
    }

    /// `samples` `[n]` of full scale ±1 to `out` `[frames, dim]`. What `out` held before is replaced; nothing is allocated if
    /// its capacity suffices.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let (dim, count) = (self.dim(), self.frames(samples.len()));
        out.resize(count * dim, 0.0);
        for (first, rows) in (0..).step_by(LANES).zip(out.chunks_mut(LANES * dim)) {
            self.measure(samples, first..count.min(first + LANES));
            scatter(&self.columns, rows);
            rows.chunks_exact_mut(dim).for_each(void_unless_finite);
        }
    }

    /// The columns of at most 16 frames, side by side.
    fn measure(&mut self, samples: &[f32], frames: Range<usize>) {
        let FbankOptions { use_energy, htk_compat, use_log_fbank, energy_floor, .. } = self.options;
        let first_band = usize::from(use_energy && !htk_compat);
        let bands = &mut self.columns[first_band..first_band + self.bands.bands()];
        let log_energies = self.bands.write(samples, frames, bands);
        if use_log_fbank {
            LN_FLOORED.run(Lanes::flat(bands));
        }
        if use_energy {
            let column = if htk_compat { self.bands.bands() } else { 0 };
            self.columns[column].0 = log_energies.0.map(|energy| at_least(energy, energy_floor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{fbank as naive, fbank_recipes};
    use super::*;
    use crate::dsp::cmvn::Cmvn;
    use crate::dsp::kaldi::SampleScale;
    use crate::dsp::reference::{crema_d_wavs, data_folder, golden_in, largest_difference, noise, yardstick};
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
        for (name, options) in fbank_recipes() {
            for n in LENGTHS {
                let samples = noise(n, 50);
                let error = error(&options, &run(&options, &samples), &naive(&samples, &options));
                assert!(error < 1e-4, "{name}, n = {n}: {error}");
            }
        }
    }

    /// Quiet bands lie near the rounding of the f32 transform.
    #[test]
    fn equals_the_reference_on_real_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in fbank_recipes() {
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
        for (name, options) in fbank_recipes() {
            let want: Vec<f64> = golden_in("kaldi", &format!("fbank.{name}")).into_iter().map(f64::from).collect();
            let error = error(&options, &run(&options, &samples), &want);
            println!("{name}: {error:.1e} from kaldi-native-fbank");
            assert!(error <= 1e-3, "{name}: {error}");
        }
    }

    #[test]
    fn equals_kaldi_native_fbank_on_real_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in fbank_recipes() {
                let Some(want) = yardstick(&clip, &format!("fbank.{name}")) else { return };
                let error = error(&options, &run(&options, &samples), &want);
                println!("{clip}, fbank {name}: {error:.1e} from kaldi-native-fbank");
                assert!(error <= 1e-3, "{clip}, {name}: {error}");
            }
        }
    }

    /// An array of an uncompressed `.npz`: after the member's name comes the `.npy` magic, the header's length and the header.
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

    /// 80 bands of samples in ±1, as the CAM++ speaker network takes them, computed by kaldi-native-fbank on 15 s of speech; the mean
    /// over time is taken off after. Where a band lies 89 dB below the loudest of its frame, both are 1.1e-3 away from the f64
    /// formula, by f32 rounding: hence the tolerance.
    #[test]
    fn equals_the_features_of_the_speaker_network() {
        let path = data_folder().join("../weights/campplus_reference.npz");
        let Ok(bytes) = std::fs::read(&path) else {
            return println!("skipped: no {}", path.display());
        };
        let options = fbank_recipes().into_iter().find(|(name, _)| *name == "speaker80").unwrap().1;
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
        for (name, options) in fbank_recipes() {
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
    fn a_used_plan_and_dirty_buffers_equal_new_ones() {
        for (name, options) in fbank_recipes() {
            let mut plan = Fbank::new(options.clone()).unwrap();
            let mut out = Vec::new();
            plan.run(&[f32::NAN; 3000], &mut out);
            for n in LENGTHS {
                plan.bands.soil();
                out.fill(f32::NAN);
                plan.run(&noise(n, 54), &mut out);
                assert_eq!(out, run(&options, &noise(n, 54)), "{name}");
            }
        }
    }

    // Hostile.

    #[test]
    fn bad_samples_void_the_frames_that_see_them_and_no_others() {
        for (name, options) in fbank_recipes().into_iter().filter(|(_, o)| o.frame_opts.snip_edges) {
            let (length, shift) = (options.frame_opts.frame_length(), options.frame_opts.frame_shift());
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
                let mut samples = noise(3000, 55);
                samples[1500] = bad;
                let got = run(&options, &samples);
                let dim = got.len() / Fbank::new(options.clone()).unwrap().frames(3000);
                for (t, row) in got.chunks_exact(dim).enumerate() {
                    let sees = (t * shift..t * shift + length).contains(&1500);
                    assert!(
                        row.iter().all(|v| v.is_nan() == sees && (sees || v.is_finite())),
                        "{name}, {bad}, frame {t}"
                    );
                }
            }
        }
    }

    #[test]
    fn senseless_options_are_named() {
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
            ("samp_freq", frame(|o| o.samp_freq = 0.0)),
            ("samp_freq", frame(|o| o.samp_freq = f32::NAN)),
            ("samp_freq", frame(|o| o.samp_freq = 1e9)),
            ("frame_length_ms", frame(|o| o.frame_length_ms = 0.1)),
            ("frame_length_ms", frame(|o| o.frame_length_ms = -25.0)),
            ("frame_length_ms", frame(|o| o.frame_length_ms = f32::INFINITY)),
            ("frame_length_ms", frame(|o| (o.frame_length_ms, o.round_to_power_of_two) = (25.0625, false))),
            ("frame_shift_ms", frame(|o| o.frame_shift_ms = 0.0)),
            ("frame_shift_ms", frame(|o| o.frame_shift_ms = f32::INFINITY)),
            ("dither", frame(|o| o.dither = 1.0)),
            ("dither", frame(|o| o.dither = f32::NAN)),
            ("preemph_coeff", frame(|o| o.preemph_coeff = 1.1)),
            ("preemph_coeff", frame(|o| o.preemph_coeff = f32::NAN)),
            ("blackman_coeff", frame(|o| (o.window_type, o.blackman_coeff) = (WindowType::Blackman, f32::INFINITY))),
            ("num_bins", mel(2, 20.0, 0.0)),
            ("num_bins", mel(257, 20.0, 0.0)),
            ("num_bins", mel(200, 20.0, 0.0)),
            ("num_bins", mel(23, 20.0, 20.01)),
            ("low_freq", mel(23, -1.0, 0.0)),
            ("low_freq", mel(23, f32::NAN, 0.0)),
            ("low_freq", mel(23, 8000.0, 0.0)),
            ("high_freq", mel(23, 20.0, 8001.0)),
            ("high_freq", mel(23, 20.0, -7990.0)),
            ("high_freq", mel(23, 20.0, f32::NAN)),
            ("energy_floor", FbankOptions { energy_floor: -1.0, ..Default::default() }),
            ("energy_floor", FbankOptions { energy_floor: f32::NAN, ..Default::default() }),
        ] {
            let message = Fbank::new(options).unwrap_err().to_string();
            assert!(message.starts_with("fbank") && message.contains(&format!("`{field}` is ")), "{field}: {message}");
        }
    }
}
