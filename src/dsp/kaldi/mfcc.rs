//! Kaldi's MFCC: the orthonormal DCT-II of log mel band energies, liftered.
//!
//! ```text
//! c[t, k] = lifter[k] · DCT(ln max(B[t, ·], 2⁻²³))[k]          B: kaldi/bands.rs, with powers
//! lifter[k] = 1 + Q / 2 · sin(π k / Q)                         Q = cepstral_lifter; 1 if Q is 0
//! ```
//!
//! With `use_energy`, `c[t, 0]` is replaced by the frame's log energy. With `htk_compat`, column 0
//! moves to the end and, unless it is the energy, is multiplied by √2.

use std::f64::consts::{PI, SQRT_2};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dsp::dct::Dct;
use crate::dsp::feature_extractor::{FeatureExtractor, FeatureOptions};
use crate::dsp::invalid_option::{InvalidOption, within};
use crate::kernels::lanes::banded_matrix::BandedMatrix;
use crate::kernels::lanes::transpose::scatter;
use crate::kernels::lanes::{LANES, Lanes};

use super::bands::{Bands, MelOptions};
use super::frames::{Energy, FrameOptions};
use super::{LN_FLOORED, at_least, check_energy_floor, nan_unless_finite};

/// Kaldi's `MfccOptions`, with Kaldi's defaults.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KaldiMfccOptions {
    /// Framing: lengths, window, edges.
    pub frame_opts: FrameOptions,
    /// The filter bank.
    pub mel_opts: MelOptions,
    /// Number of coefficients, from number 0 on, at most `num_bins`. Default 13.
    pub num_ceps: usize,
    /// Whether coefficient 0 is replaced by the frame's log energy. Default true.
    pub use_energy: bool,
    /// Lower bound of that energy; 0 for none. Default 0.
    pub energy_floor: f32,
    /// Whether that energy is computed before pre-emphasis and window. Default true.
    pub raw_energy: bool,
    /// Parameter Q of the lifter; 0 for no lifter. Default 22.
    pub cepstral_lifter: f32,
    /// Whether coefficient 0 has HTK's position and scale. Default false.
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
    /// Factor of each coefficient, in the order of the DCT.
    fn scales(&self) -> Vec<f32> {
        let q = f64::from(self.cepstral_lifter);
        let lifter = |k: usize| if q == 0.0 { 1.0 } else { 1.0 + 0.5 * q * (PI * k as f64 / q).sin() };
        let first = if self.htk_compat { SQRT_2 } else { 1.0 };
        (0..self.num_ceps).map(|k| (lifter(k) * if k == 0 { first } else { 1.0 }) as f32).collect()
    }
}

impl FeatureOptions for KaldiMfccOptions {
    fn check(&self) -> Result<(), InvalidOption> {
        self.frame_opts.check().map_err(|invalid| invalid.inside("frame_opts"))?;
        self.mel_opts.check(&self.frame_opts).map_err(|invalid| invalid.inside("mel_opts"))?;
        within("num_ceps", self.num_ceps, 1..=self.mel_opts.num_bins)?;
        check_energy_floor(self.energy_floor)?;
        within("cepstral_lifter", self.cepstral_lifter, 0.0..=1e6)
    }

    fn summary(&self) -> String {
        format!("Kaldi MFCC, {} coefficients", self.num_ceps)
    }

    fn sample_rate_hz(&self) -> u32 {
        self.frame_opts.samp_freq
    }

    fn bands(&self) -> usize {
        self.num_ceps
    }

    fn frames(&self, n_samples: usize) -> usize {
        self.frame_opts.frames(n_samples)
    }

    fn samples_for(&self, frames: usize) -> usize {
        self.frame_opts.samples_for(frames)
    }

    fn extractor(&self) -> Result<FeatureExtractor, InvalidOption> {
        let mut plan = KaldiMfcc::new(self.clone())?;
        Ok(FeatureExtractor::new(plan.dim(), move |samples, features| plan.run(samples, features)))
    }
}

/// Kaldi's MFCC, planned, with its scratch memory.
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
    /// DCT matrix with the lifter.
    dct: BandedMatrix,
    /// `[num_bins]`.
    log_bands: Vec<Lanes>,
    /// `[num_ceps]`.
    columns: Vec<Lanes>,
}

impl KaldiMfcc {
    /// Plans the computation.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: KaldiMfccOptions) -> Result<Self, InvalidOption> {
        options.check()?;
        let energy = Energy::from_options(options.use_energy, options.raw_energy);
        let bands = Bands::new(&options.frame_opts, &options.mel_opts, true, energy);
        Ok(Self {
            dct: Dct::new(bands.bands(), options.num_ceps).scaled(&options.scales()),
            log_bands: vec![Lanes::default(); bands.bands()],
            columns: vec![Lanes::default(); options.num_ceps],
            bands,
            options,
        })
    }

    /// The options.
    pub fn options(&self) -> &KaldiMfccOptions {
        &self.options
    }

    /// Number of frames of `n_samples`; the table in [`crate::dsp::frame`] has the formulas.
    pub fn frames(&self, n_samples: usize) -> usize {
        self.bands.frames(n_samples)
    }

    /// Number of columns: num_ceps.
    pub fn dim(&self) -> usize {
        self.columns.len()
    }

    /// Replaces `out` by the features of `samples` `[n]` (full scale ±1): `[frames, num_ceps]`.
    /// Allocates nothing if the capacity of `out` suffices.
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
                nan_unless_finite(row);
            }
        }
    }

    /// Computes the coefficients of at most 16 frames, one per lane.
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
    use super::super::reference::{mfcc as naive, mfcc_options};
    use super::*;
    use crate::dsp::reference::{crema_d_wavs, golden_in, largest_difference, noise, toolkit_features};

    fn run(options: &KaldiMfccOptions, samples: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; 3];
        KaldiMfcc::new(options.clone()).unwrap().run(samples, &mut out);
        out
    }

    const LENGTHS: [usize; 9] = [0, 1, 39, 79, 200, 399, 400, 560, 3000];

    #[test]
    fn equals_the_reference_at_all_lengths() {
        for (name, options) in mfcc_options() {
            for n in LENGTHS {
                let samples = noise(n, 60);
                let error = largest_difference(&run(&options, &samples), &naive(&samples, &options));
                assert!(error < 1e-3, "{name}, n = {n}: {error}");
            }
        }
    }

    #[test]
    fn equals_the_reference_on_recorded_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in mfcc_options() {
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
        for (name, options) in mfcc_options() {
            let want: Vec<f64> = golden_in("kaldi", &format!("mfcc.{name}")).into_iter().map(f64::from).collect();
            let error = largest_difference(&run(&options, &samples), &want);
            println!("{name}: {error:.1e} from kaldi-native-fbank");
            assert!(error <= 1e-3, "{name}: {error}");
        }
    }

    #[test]
    fn equals_kaldi_native_fbank_on_recorded_speech() {
        for (clip, samples) in crema_d_wavs() {
            for (name, options) in mfcc_options() {
                let Some(want) = toolkit_features(&clip, &format!("mfcc.{name}")) else { return };
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
    fn a_reused_plan_equals_a_new_one() {
        for (name, options) in mfcc_options() {
            let mut plan = KaldiMfcc::new(options.clone()).unwrap();
            let mut out = Vec::new();
            for n in LENGTHS {
                plan.bands.fill_with_nan();
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
    fn bad_samples_affect_only_the_frames_that_contain_them() {
        for bad in [f32::NAN, f32::INFINITY, 1e30] {
            let mut samples = noise(3000, 63);
            samples[1500] = bad;
            for (t, row) in run(&KaldiMfccOptions::default(), &samples).chunks_exact(13).enumerate() {
                let contains = (t * 160..t * 160 + 400).contains(&1500);
                assert!(row.iter().all(|v| v.is_nan() == contains), "{bad}, frame {t}");
            }
        }
    }

    #[test]
    fn invalid_options_are_named() {
        let default = KaldiMfccOptions::default;
        for (field, options) in [
            ("num_ceps", KaldiMfccOptions { num_ceps: 0, ..default() }),
            ("num_ceps", KaldiMfccOptions { num_ceps: 24, ..default() }),
            ("energy_floor", KaldiMfccOptions { energy_floor: f32::INFINITY, ..default() }),
            ("cepstral_lifter", KaldiMfccOptions { cepstral_lifter: -1.0, ..default() }),
            ("cepstral_lifter", KaldiMfccOptions { cepstral_lifter: f32::NAN, ..default() }),
            (
                "frame_opts.dither",
                KaldiMfccOptions { frame_opts: FrameOptions { dither: 1.0, ..Default::default() }, ..default() },
            ),
            (
                "mel_opts.num_bins",
                KaldiMfccOptions { mel_opts: MelOptions { num_bins: 250, ..Default::default() }, ..default() },
            ),
        ] {
            let message = KaldiMfcc::new(options).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}` is ")), "{message}");
        }
    }
}
