//! Kaldi's frames: cut, DC taken off, pre-emphasised, windowed, padded.
//!
//! ```text
//! x[i] = scale · samples[first(t) + i]                       i = 0 .. N − 1, edges as in dsp/frame.rs
//! x[i] ← x[i] − mean(x)                                      remove_dc_offset
//! E_raw = Σ x[i]²
//! y[i] = (x[i] − preemph_coeff · x[max(i − 1, 0)]) · w[i]
//! E = Σ y[i]²
//! ```
//!
//! N = floor(samp_freq / 1000 · frame_length_ms), the shift likewise. y is followed by zeros up to the next power of two
//! (`round_to_power_of_two`).

use std::ops::Range;

use crate::dsp::frame::{Edges, Grid};
use crate::dsp::options::Knob;
use crate::dsp::spectrum::MAX_N_FFT;
use crate::dsp::window::WindowType;
use crate::kernels::lanes::Lanes;
use crate::kernels::lanes::frames::{emphasise, energies, scale_and_centre};

use super::LN_FLOORED;

/// What samples of ±1 are multiplied with before anything else. It moves log energies by a constant, but for the floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleScale {
    /// 32,768: Kaldi reads 16-bit samples as whole numbers, and its models expect that.
    #[default]
    Int16,
    /// 1: samples stay in [−1, 1], as many recipes around torchaudio and kaldi-native-fbank have it.
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

/// Kaldi's `FrameExtractionOptions`; the defaults are Kaldi's. Numbers are f32, as there, because the lengths in samples are rounded
/// down from their products.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameOptions {
    /// Rate of the samples that come in, Hz. Default 16,000.
    pub samp_freq: f32,
    /// Distance of frames, ms. Default 10.
    pub frame_shift_ms: f32,
    /// Length of a frame, ms. Default 25.
    pub frame_length_ms: f32,
    /// Noise added to the samples. Only 0 is known: with noise the same file would give other features each time.
    pub dither: f32,
    /// How much of the sample before is taken off each sample, 0 to 1. Default 0.97.
    pub preemph_coeff: f32,
    /// Whether each frame's mean is taken off. Default true.
    pub remove_dc_offset: bool,
    /// The window. Default `povey`.
    pub window_type: WindowType,
    /// The knob of the `blackman` window. Default 0.42.
    pub blackman_coeff: f32,
    /// Whether frames are zero-padded to a power of two for the Fourier transform. Default true.
    pub round_to_power_of_two: bool,
    /// Whether there are only frames that fit wholly into the signal; otherwise there is one for each shift, and the signal is
    /// reflected at its ends. Default true.
    pub snip_edges: bool,
    /// What samples are multiplied with (a matter of the file reader in Kaldi). Default `Int16`.
    pub sample_scale: SampleScale,
}

impl Default for FrameOptions {
    fn default() -> Self {
        Self {
            samp_freq: 16_000.0,
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
    /// Whole samples of `ms`, computed in the order and the precision of Kaldi.
    fn samples(&self, ms: f32) -> usize {
        (f64::from(self.samp_freq) * 0.001 * f64::from(ms)) as usize
    }

    /// Samples of a frame.
    pub fn frame_length(&self) -> usize {
        self.samples(self.frame_length_ms)
    }

    /// Samples from frame to frame.
    pub fn frame_shift(&self) -> usize {
        self.samples(self.frame_shift_ms)
    }

    /// Samples of a frame with the zeros after it.
    pub fn n_fft(&self) -> usize {
        let length = self.frame_length();
        if self.round_to_power_of_two { length.checked_next_power_of_two().unwrap_or(usize::MAX) } else { length }
    }

    pub(super) fn knobs(&self) -> [Knob; 6] {
        let (length, shift, n_fft) = (self.frame_length(), self.frame_shift(), self.n_fft());
        [
            ("samp_freq", f64::from(self.samp_freq), "1 to 1,000,000", (1.0..=1e6).contains(&self.samp_freq)),
            ("frame_length_ms", f64::from(self.frame_length_ms), "2 to 65536 samples, an even number after padding", {
                length >= 2 && n_fft <= MAX_N_FFT && n_fft.is_multiple_of(2)
            }),
            ("frame_shift_ms", f64::from(self.frame_shift_ms), "1 to 65536 samples", (1..=MAX_N_FFT).contains(&shift)),
            ("dither", f64::from(self.dither), "0 (noise is not supported)", self.dither == 0.0),
            ("preemph_coeff", f64::from(self.preemph_coeff), "0 to 1", (0.0..=1.0).contains(&self.preemph_coeff)),
            ("blackman_coeff", f64::from(self.blackman_coeff), "0 to 1", (0.0..=1.0).contains(&self.blackman_coeff)),
        ]
    }
}

/// Which energy of a frame is wanted beside its samples.
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
    /// By Kaldi's two knobs.
    pub(super) fn wanted(use_energy: bool, raw_energy: bool) -> Self {
        match (use_energy, raw_energy) {
            (false, _) => Self::Unused,
            (true, true) => Self::Raw,
            (true, false) => Self::Windowed,
        }
    }
}

/// The plan: where frames lie and what is done to them.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    grid: Grid,
    window: Vec<f32>,
    scale: f32,
    remove_dc_offset: bool,
    preemph_coeff: f32,
    energy: Energy,
    room: Vec<f32>,
}

impl Frames {
    /// `options` are checked.
    pub(super) fn new(options: &FrameOptions, energy: Energy) -> Self {
        let length = options.frame_length();
        let edges = if options.snip_edges { Edges::Snip } else { Edges::Mirrored };
        Self {
            grid: Grid::new(length, options.frame_shift(), edges),
            window: options.window_type.samples(length, options.blackman_coeff),
            scale: options.sample_scale.factor(),
            remove_dc_offset: options.remove_dc_offset,
            preemph_coeff: options.preemph_coeff,
            energy,
            room: Vec::new(),
        }
    }

    pub(super) fn count(&self, n_samples: usize) -> usize {
        self.grid.count(n_samples)
    }

    /// Writes `frames`, at most 16, side by side to `lanes` `[n_fft]`, all of which is overwritten, and returns the log energies that were asked for.
    pub(super) fn write(&mut self, samples: &[f32], frames: Range<usize>, lanes: &mut [Lanes]) -> Lanes {
        let (lanes, padding) = lanes.split_at_mut(self.window.len());
        padding.fill(Lanes::default());
        self.grid.gather(samples, frames, &mut self.room, lanes);
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

    /// 1 kHz rate: 4 ms are 4 samples, and 3 ms stay 3 samples of 4.
    fn small(frame_length_ms: f32) -> FrameOptions {
        FrameOptions {
            samp_freq: 1000.0,
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
            [(8000.0, 200, 80, 256), (16_000.0, 400, 160, 512), (11_025.0, 275, 110, 512), (44_100.0, 1102, 441, 2048)]
        {
            let options = FrameOptions { samp_freq, ..options() };
            assert_eq!((options.frame_length(), options.frame_shift(), options.n_fft()), (length, shift, n_fft));
        }
        // 16.4 in f32 lies just below 16.4.
        assert_eq!(FrameOptions { samp_freq: 10_000.0, frame_length_ms: 16.4, ..options() }.frame_length(), 163);
        assert_eq!(FrameOptions { round_to_power_of_two: false, ..options() }.n_fft(), 400);
    }

    #[test]
    fn each_step_by_hand() {
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
