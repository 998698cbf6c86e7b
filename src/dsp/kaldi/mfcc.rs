//! Kaldi's MFCC: the orthonormal DCT-II of log mel band energies, liftered.
//!
//! ```text
//! c[t, k] = lifter[k] · DCT(ln max(B[t, ·], 2⁻²³))[k]          B: kaldi/bands.rs, with powers
//! lifter[k] = 1 + Q / 2 · sin(π k / Q)                         Q = cepstral_lifter; 1 if Q is 0
//! ```
//!
//! With `use_energy`, `c[t, 0]` gives way to the frame's log energy. With `htk_compat`, column 0 moves to the end, and, unless it is the
//! energy, is multiplied with √2.

use std::f64::consts::{PI, SQRT_2};
use std::ops::Range;

use crate::dsp::dct::Dct;
use crate::dsp::options;
use crate::error::{Error, Result};
use crate::kernels::lanes::banded_matrix::BandedMatrix;
use crate::kernels::lanes::transpose::scatter;
use crate::kernels::lanes::{LANES, Lanes};

use super::bands::{Bands, MelOptions};
use super::frames::{Energy, FrameOptions};
use super::{LN_FLOORED, at_least, energy_floor_knob, void_unless_finite};

/// Kaldi's `MfccOptions`; the defaults are Kaldi's.
#[derive(Clone, Debug, PartialEq)]
pub struct KaldiMfccOptions {
    /// Frames: lengths, window, edges.
    pub frame_opts: FrameOptions,
    /// The filter bank.
    pub mel_opts: MelOptions,
    /// Coefficients kept, from number 0 on, at most `num_bins`. Default 13.
    pub num_ceps: usize,
    /// Whether coefficient 0 gives way to the frame's log energy. Default true.
    pub use_energy: bool,
    /// Floor of that energy, absolute; 0 is none. Default 0.
    pub energy_floor: f32,
    /// Whether that energy is taken before pre-emphasis and window. Default true.
    pub raw_energy: bool,
    /// Q of the lifter; 0 for none. Default 22.
    pub cepstral_lifter: f32,
    /// HTK's order and scale of coefficient 0. Default false.
    pub htk_compat: bool,
}

impl Default for KaldiMfccOptions {
    fn default() -> Self {
        Self {
            frame_opts: FrameOptions::default(),
            mel_opts: MelOptions::default(),
            num_ceps: 13,
            use_energy: true,
            energy_floor: 0.0,
            raw_energy: true,
            cepstral_lifter: 22.0,
            htk_compat: false,
        }
    }
}

impl KaldiMfccOptions {
    fn check(&self) -> Result<()> {
        if !(1..=self.mel_opts.num_bins).contains(&self.num_ceps) {
            let (num_ceps, num_bins) = (self.num_ceps, self.mel_opts.num_bins);
            let message = format!("Kaldi MFCC option `num_ceps` is {num_ceps}, expected 1 to num_bins ({num_bins})");
            return Err(Error::Config(message));
        }
        let lifter = self.cepstral_lifter;
        let knobs = [
            energy_floor_knob(self.energy_floor),
            ("cepstral_lifter", f64::from(lifter), "0 or more", lifter.is_finite() && lifter >= 0.0),
        ];
        options::check("Kaldi MFCC", &knobs)
    }

    /// What each coefficient is multiplied with, in the order of the DCT.
    fn scales(&self) -> Vec<f32> {
        let q = f64::from(self.cepstral_lifter);
        let lifter = |k: usize| if q == 0.0 { 1.0 } else { 1.0 + 0.5 * q * (PI * k as f64 / q).sin() };
        let first = if self.htk_compat { SQRT_2 } else { 1.0 };
        (0..self.num_ceps).map(|k| (lifter(k) * if k == 0 { first } else { 1.0 }) as f32).collect()
    }
}

/// The plan of one recipe, and its work space.
///
/// ```
/// # use persona_engine::dsp::kaldi::{KaldiMfcc, KaldiMfccOptions};
/// let mut mfcc = KaldiMfcc::new(KaldiMfccOptions::default())?;
/// let mut features = Vec::new();
/// mfcc.run(&[0.1; 560], &mut features);
/// assert_eq!(features.len(), mfcc.frames(560) * mfcc.dim());
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KaldiMfcc {
    options: KaldiMfccOptions,
    bands: Bands,
    /// The cosine transform, liftered.
    dct: BandedMatrix,
    /// `[num_bins]`.
    log_bands: Vec<Lanes>,
    /// `[num_ceps]`.
    columns: Vec<Lanes>,
}

impl KaldiMfcc {
    /// Plans the recipe.
    ///
    /// # Errors
    /// [`Error::Config`], naming the field and its value, if an option makes no sense.
    pub fn new(options: KaldiMfccOptions) -> Result<Self> {
        let energy = Energy::wanted(options.use_energy, options.raw_energy);
        let bands = Bands::new("Kaldi MFCC", &options.frame_opts, &options.mel_opts, true, energy)?;
        options.check()?;
        Ok(Self {
            dct: Dct::new(bands.bands(), options.num_ceps).scaled(&options.scales()),
            log_bands: vec![Lanes::default(); bands.bands()],
            columns: vec![Lanes::default(); options.num_ceps],
            bands,
            options,
        })
    }

    /// The recipe.
    pub fn options(&self) -> &KaldiMfccOptions {
        &self.options
    }

    /// Frames of `n_samples`; the table in [`crate::dsp::frame`] has the formulas.
    pub fn frames(&self, n_samples: usize) -> usize {
        self.bands.frames(n_samples)
    }

    /// Columns: num_ceps.
    pub fn dim(&self) -> usize {
        self.columns.len()
    }

    /// `samples` `[n]` of full scale ±1 to `out` `[frames, num_ceps]`. What `out` held before is replaced; nothing is allocated
    /// if its capacity suffices.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let (dim, count) = (self.dim(), self.frames(samples.len()));
        out.resize(count * dim, 0.0);
        for (first, rows) in (0..).step_by(LANES).zip(out.chunks_mut(LANES * dim)) {
            self.measure(samples, first..count.min(first + LANES));
            scatter(&self.columns, rows);
            for row in rows.chunks_exact_mut(dim) {
                if self.options.htk_compat {
                    row.rotate_left(1);
                }
                void_unless_finite(row);
            }
        }
    }

    /// The coefficients of at most 16 frames, side by side.
    fn measure(&mut self, samples: &[f32], frames: Range<usize>) {
        let log_energies = self.bands.write(samples, frames, &mut self.log_bands);
        LN_FLOORED.run(Lanes::flat(&mut self.log_bands));
        self.dct.run(&self.log_bands, &mut self.columns);
        if self.options.use_energy {
            self.columns[0].0 = log_energies.0.map(|energy| at_least(energy, self.options.energy_floor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{mfcc as naive, mfcc_recipes};
    use super::*;
    use crate::dsp::reference::{crema_d_wavs, golden_in, largest_difference, noise, yardstick};

    fn run(options: &KaldiMfccOptions, samples: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; 3];
        KaldiMfcc::new(options.clone()).unwrap().run(samples, &mut out);
        out
    }

    const LENGTHS: [usize; 9] = [0, 1, 39, 79, 200, 399, 400, 560, 3000];

    #[test]
    fn equals_the_reference_at_all_lengths() {
        for (name, options) in mfcc_recipes() {
            for n in LENGTHS {
                let samples = noise(n, 60);
                let error = largest_difference(&run(&options, &samples), &naive(&samples, &options));
                assert!(error < 1e-3, "{name}, n = {n}: {error}");
            }
        }
    }

    #[test]
    fn equals_the_reference_on_real_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in mfcc_recipes() {
                let error = largest_difference(&run(&options, &samples), &naive(&samples, &options));
                println!("{clip}, {name}: {error:.1e} from the f64 reference");
                assert!(error <= 1e-3, "{clip}, {name}: {error}");
            }
        }
    }

    /// tools/golden/kaldi.py.
    #[test]
    fn equals_kaldi_native_fbank() {
        let samples = golden_in("kaldi", "samples");
        for (name, options) in mfcc_recipes() {
            let want: Vec<f64> = golden_in("kaldi", &format!("mfcc.{name}")).into_iter().map(f64::from).collect();
            let error = largest_difference(&run(&options, &samples), &want);
            println!("{name}: {error:.1e} from kaldi-native-fbank");
            assert!(error <= 1e-3, "{name}: {error}");
        }
    }

    #[test]
    fn equals_kaldi_native_fbank_on_real_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in mfcc_recipes() {
                let Some(want) = yardstick(&clip, &format!("mfcc.{name}")) else { return };
                let error = largest_difference(&run(&options, &samples), &want);
                println!("{clip}, mfcc {name}: {error:.1e} from kaldi-native-fbank");
                assert!(error <= 1e-3, "{clip}, {name}: {error}");
            }
        }
    }

    #[test]
    fn htk_order_moves_the_first_column_to_the_end() {
        let samples = noise(2000, 61);
        let kaldi = run(&KaldiMfccOptions::default(), &samples);
        let htk = run(&KaldiMfccOptions { htk_compat: true, ..Default::default() }, &samples);
        for (kaldi, htk) in kaldi.chunks_exact(13).zip(htk.chunks_exact(13)) {
            assert_eq!((kaldi[0], &kaldi[1..]), (htk[12], &htk[..12]));
        }
    }

    #[test]
    fn a_used_plan_and_dirty_buffers_equal_new_ones() {
        for (name, options) in mfcc_recipes() {
            let mut plan = KaldiMfcc::new(options.clone()).unwrap();
            let mut out = Vec::new();
            for n in LENGTHS {
                plan.bands.soil();
                plan.log_bands.fill(Lanes::of(f32::NAN));
                plan.columns.fill(Lanes::of(f32::NAN));
                out.fill(f32::NAN);
                plan.run(&noise(n, 62), &mut out);
                assert_eq!(out, run(&options, &noise(n, 62)), "{name}");
                assert_eq!(out.len(), plan.frames(n) * plan.dim());
            }
        }
    }

    #[test]
    fn bad_samples_void_the_frames_that_see_them_and_no_others() {
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            let mut samples = noise(3000, 63);
            samples[1500] = bad;
            for (t, row) in run(&KaldiMfccOptions::default(), &samples).chunks_exact(13).enumerate() {
                let sees = (t * 160..t * 160 + 400).contains(&1500);
                assert!(row.iter().all(|v| v.is_nan() == sees), "{bad}, frame {t}");
            }
        }
    }

    #[test]
    fn senseless_options_are_named() {
        let default = KaldiMfccOptions::default;
        for (field, options) in [
            ("num_ceps", KaldiMfccOptions { num_ceps: 0, ..default() }),
            ("num_ceps", KaldiMfccOptions { num_ceps: 24, ..default() }),
            ("energy_floor", KaldiMfccOptions { energy_floor: f32::INFINITY, ..default() }),
            ("cepstral_lifter", KaldiMfccOptions { cepstral_lifter: -1.0, ..default() }),
            ("cepstral_lifter", KaldiMfccOptions { cepstral_lifter: f32::NAN, ..default() }),
            (
                "dither",
                KaldiMfccOptions { frame_opts: FrameOptions { dither: 1.0, ..Default::default() }, ..default() },
            ),
            (
                "num_bins",
                KaldiMfccOptions { mel_opts: MelOptions { num_bins: 250, ..Default::default() }, ..default() },
            ),
        ] {
            let message = KaldiMfcc::new(options).unwrap_err().to_string();
            assert!(message.starts_with("Kaldi MFCC") && message.contains(&format!("`{field}` is ")), "{message}");
        }
    }
}
