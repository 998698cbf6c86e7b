//! Kaldi's frames: DC removal, pre-emphasis, window and zero padding.
//!
//! ```text
//! x[i] = scale · samples[first(t) + i]                       i = 0 .. N − 1, edges as in dsp/frame.rs
//! x[i] ← x[i] − mean(x)                                      remove_dc_offset
//! E_raw = Σ x[i]²
//! y[i] = (x[i] − preemph_coeff · x[max(i − 1, 0)]) · w[i]
//! E = Σ y[i]²
//! ```
//!
//! N = floor(samp_freq / 1000 · frame_length_ms), the shift likewise. y is zero-padded to the next
//! power of two (`round_to_power_of_two`).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dsp::frame::{Edges, Grid};
use crate::dsp::invalid_option::{InvalidOption, require, within};
use crate::dsp::spectrum::MAX_N_FFT;
use crate::dsp::window::WindowType;
use crate::kernels::lanes::Lanes;
use crate::kernels::lanes::frames::{emphasise, energies, scale_and_centre};

use super::LN_FLOORED;

/// Scale of the samples, which arrive with full scale ±1. Changes log energies by a constant,
/// except at the floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleScale {
    /// 32,768: Kaldi reads 16-bit samples as integers, and its models expect them.
    #[default]
    Int16,
    /// 1: samples stay in [−1, 1], as many users of torchaudio and kaldi-native-fbank have them.
    Unit,
}

impl SampleScale {
    fn factor(self) -> f32 {
        match self {
            Self::Int16 => 32_768.0,
            Self::Unit => 1.0,
        }
    }
}

/// Kaldi's `FrameExtractionOptions`, with Kaldi's defaults. Durations are f32, as there, because
/// the lengths in samples are rounded down from products with them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FrameOptions {
    /// Sample rate, Hz. Default 16,000.
    pub samp_freq: u32,
    /// Time from frame to frame, ms. Default 10.
    pub frame_shift_ms: f32,
    /// Length of a frame, ms. Default 25.
    pub frame_length_ms: f32,
    /// Amplitude of noise added to the samples. Only 0 is supported: features must be reproducible.
    pub dither: f32,
    /// Pre-emphasis: share of the previous sample that is subtracted, 0 to 1. Default 0.97.
    pub preemph_coeff: f32,
    /// Whether each frame's mean is subtracted. Default true.
    pub remove_dc_offset: bool,
    /// Analysis window. Default `povey`.
    pub window_type: WindowType,
    /// Coefficient of the `blackman` window. Default 0.42.
    pub blackman_coeff: f32,
    /// Whether frames are zero-padded to a power of two for the Fourier transform. Default true.
    pub round_to_power_of_two: bool,
    /// Whether only frames entirely inside the signal are computed; otherwise there is one frame
    /// per shift, and the signal is reflected at its ends. Default true.
    pub snip_edges: bool,
    /// Scale of the samples (in Kaldi determined by the file reader). Default `Int16`.
    pub sample_scale: SampleScale,
}

impl Default for FrameOptions {
    fn default() -> Self {
        Self {
            samp_freq: 16_000,
            frame_shift_ms: 10.0,
            frame_length_ms: 25.0,
            dither: 0.0,
            preemph_coeff: 0.97,
            remove_dc_offset: true,
            window_type: WindowType::Povey,
            blackman_coeff: 0.42,
            round_to_power_of_two: true,
            snip_edges: true,
            sample_scale: SampleScale::Int16,
        }
    }
}

impl FrameOptions {
    /// Duration in samples, computed in the order and the precision of Kaldi and rounded down.
    fn samples(&self, ms: f32) -> usize {
        (f64::from(self.samp_freq) * 0.001 * f64::from(ms)) as usize
    }

    /// Length of a frame, samples.
    pub fn frame_length(&self) -> usize {
        self.samples(self.frame_length_ms)
    }

    /// Samples from frame to frame.
    pub fn frame_shift(&self) -> usize {
        self.samples(self.frame_shift_ms)
    }

    /// Length of a zero-padded frame, samples.
    pub fn n_fft(&self) -> usize {
        let length = self.frame_length();
        if self.round_to_power_of_two { length.checked_next_power_of_two().unwrap_or(usize::MAX) } else { length }
    }

    /// Checks every option.
    pub(super) fn check(&self) -> Result<(), InvalidOption> {
        let (length, n_fft) = (self.frame_length(), self.n_fft());
        within("samp_freq", self.samp_freq, 4_000..=384_000)?;
        within("frame_length_ms", self.frame_length_ms, 1.0..=1_000.0)?;
        let valid = length >= 2 && n_fft <= MAX_N_FFT && n_fft.is_multiple_of(2);
        let expected = "2 to 65536 samples, an even number after padding";
        require("frame_length_ms", self.frame_length_ms, valid, expected)?;
        within("frame_shift_ms", self.frame_shift_ms, 1.0..=1_000.0)?;
        let valid = (1..=MAX_N_FFT).contains(&self.frame_shift());
        require("frame_shift_ms", self.frame_shift_ms, valid, "1 to 65536 samples")?;
        require("dither", self.dither, self.dither == 0.0, "0 (noise is not supported)")?;
        within("preemph_coeff", self.preemph_coeff, 0.0..=1.0)?;
        within("blackman_coeff", self.blackman_coeff, 0.0..=1.0)
    }

    /// Positions of the frames.
    fn grid(&self) -> Grid {
        let edges = if self.snip_edges { Edges::Snip } else { Edges::Mirrored };
        Grid::new(self.frame_length(), self.frame_shift(), edges)
    }

    /// Number of frames of `n_samples`; the table in [`crate::dsp::frame`] has the formulas.
    pub fn frames(&self, n_samples: usize) -> usize {
        self.grid().count(n_samples)
    }

    /// Smallest number of samples that gives `frames` frames.
    pub fn samples_for(&self, frames: usize) -> usize {
        let (length, shift) = (self.frame_length(), self.frame_shift());
        match frames {
            0 => 0,
            _ if self.snip_edges => length + (frames - 1) * shift,
            _ => frames * shift - shift / 2,
        }
    }
}

/// The energy that is computed for each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Energy {
    /// None.
    Unused,
    /// Before pre-emphasis and window.
    Raw,
    /// After them.
    Windowed,
}

impl Energy {
    /// From two of Kaldi's options.
    pub(super) fn from_options(use_energy: bool, raw_energy: bool) -> Self {
        match (use_energy, raw_energy) {
            (false, _) => Self::Unused,
            (true, true) => Self::Raw,
            (true, false) => Self::Windowed,
        }
    }
}

/// Frame extraction, planned, with its scratch memory.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    grid: Grid,
    window: Vec<f32>,
    scale: f32,
    remove_dc_offset: bool,
    preemph_coeff: f32,
    energy: Energy,
    scratch: Vec<f32>,
}

impl Frames {
    /// Plans for options that were checked.
    pub(super) fn new(options: &FrameOptions, energy: Energy) -> Self {
        Self {
            grid: options.grid(),
            window: options.window_type.samples(options.frame_length(), options.blackman_coeff),
            scale: options.sample_scale.factor(),
            remove_dc_offset: options.remove_dc_offset,
            preemph_coeff: options.preemph_coeff,
            energy,
            scratch: Vec::new(),
        }
    }

    pub(super) fn count(&self, n_samples: usize) -> usize {
        self.grid.count(n_samples)
    }

    /// Writes at most 16 frames, one per lane, to `lanes` `[n_fft]`, and returns their log
    /// energies, which are meaningless with [`Energy::Unused`].
    pub(super) fn write(&mut self, samples: &[f32], frames: Range<usize>, lanes: &mut [Lanes]) -> Lanes {
        let (lanes, padding) = lanes.split_at_mut(self.window.len());
        padding.fill(Lanes::default());
        self.grid.gather(samples, frames, &mut self.scratch, lanes);
        scale_and_centre(lanes, self.scale, self.remove_dc_offset);
        let raw = if self.energy == Energy::Raw { energies(lanes) } else { Lanes::default() };
        emphasise(lanes, self.preemph_coeff, &self.window);
        let mut energies = if self.energy == Energy::Windowed { energies(lanes) } else { raw };
        LN_FLOORED.run(&mut energies.0);
        energies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> FrameOptions {
        FrameOptions { preemph_coeff: 0.0, remove_dc_offset: false, ..FrameOptions::default() }
    }

    /// At a rate of 1 kHz: 4 ms are 4 samples, and 3 ms are 3 samples padded to 4.
    fn small(frame_length_ms: f32) -> FrameOptions {
        FrameOptions {
            samp_freq: 1000,
            frame_length_ms,
            frame_shift_ms: 1.0,
            window_type: WindowType::Rectangular,
            sample_scale: SampleScale::Unit,
            ..options()
        }
    }

    #[test]
    fn lengths_are_rounded_down_as_kaldi_does() {
        for (samp_freq, length, shift, n_fft) in
            [(8000, 200, 80, 256), (16_000, 400, 160, 512), (11_025, 275, 110, 512), (44_100, 1102, 441, 2048)]
        {
            let options = FrameOptions { samp_freq, ..options() };
            assert_eq!((options.frame_length(), options.frame_shift(), options.n_fft()), (length, shift, n_fft));
        }
        // 16.4 in f32 is slightly below 16.4.
        assert_eq!(FrameOptions { samp_freq: 10_000, frame_length_ms: 16.4, ..options() }.frame_length(), 163);
        assert_eq!(FrameOptions { round_to_power_of_two: false, ..options() }.n_fft(), 400);
    }

    #[test]
    fn each_step_has_the_values_computed_by_hand() {
        let samples = [1.0, 3.0, 2.0, 6.0];
        let mut frame = [f32::NAN; 4];
        let write = |options: &FrameOptions, energy, frame: &mut [f32; 4]| {
            let mut lanes = [Lanes::of(f32::NAN); 4];
            let energies = Frames::new(options, energy).write(&samples, 0..1, &mut lanes);
            *frame = lanes.map(|lanes| lanes.0[0]);
            energies.0[0]
        };
        write(&small(4.0), Energy::Unused, &mut frame);
        assert_eq!(frame, samples);
        write(&small(3.0), Energy::Unused, &mut frame);
        assert_eq!(frame, [1.0, 3.0, 2.0, 0.0]);
        let energy = write(&FrameOptions { remove_dc_offset: true, ..small(4.0) }, Energy::Raw, &mut frame);
        assert_eq!(frame, [-2.0, 0.0, -1.0, 3.0]);
        approx::assert_relative_eq!(energy, 14.0f32.ln());
        let energy = write(&FrameOptions { preemph_coeff: 0.5, ..small(4.0) }, Energy::Windowed, &mut frame);
        assert_eq!(frame, [0.5, 2.5, 0.5, 5.0]);
        approx::assert_relative_eq!(energy, 31.75f32.ln());
        let energy = write(&FrameOptions { preemph_coeff: 0.5, ..small(4.0) }, Energy::Raw, &mut frame);
        approx::assert_relative_eq!(energy, 50.0f32.ln());
        write(&FrameOptions { sample_scale: SampleScale::Int16, ..small(4.0) }, Energy::Unused, &mut frame);
        assert_eq!(frame, samples.map(|x| x * 32_768.0));
    }
}
