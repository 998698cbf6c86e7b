//! Mel spectrogram: mel band powers of all frames of a signal, 16 frames at a time.
//!
//! ```text
//! frames of n_fft samples · window      dsp/frame.rs
//! P[t, k] = | FFT(frame t)[k] |²        dsp/spectrum_batch.rs
//! M[t, b] = Σ_k bank[b, k] · P[t, k]    dsp/mel.rs
//! ```

use crate::kernels::lanes::frames::multiply;
use crate::kernels::lanes::transpose::scatter;
use crate::kernels::lanes::{LANES, Lanes};

use super::frame::Framing;
use super::mel::MelBank;
use super::spectrum_batch::PowerSpectrumBatch;

/// Mel spectrogram, planned, with its scratch memory.
#[derive(Clone, Debug)]
pub(super) struct MelSpectrogram {
    framing: Framing,
    spectra: PowerSpectrumBatch,
    bank: MelBank,
    scratch: Vec<f32>,
    frames: Vec<Lanes>,
    powers: Vec<Lanes>,
    bands: Vec<Lanes>,
}

impl MelSpectrogram {
    /// Plans for a filter bank over spectra of frames of the framing's length.
    pub(super) fn new(framing: Framing, bank: MelBank) -> Self {
        let n_fft = framing.window().len();
        let spectra = PowerSpectrumBatch::new(n_fft);
        Self {
            scratch: Vec::new(),
            frames: vec![Lanes::default(); n_fft],
            powers: vec![Lanes::default(); spectra.bins()],
            bands: vec![Lanes::default(); bank.bands()],
            framing,
            spectra,
            bank,
        }
    }

    /// Number of frames of `n_samples`.
    pub(super) fn count(&self, n_samples: usize) -> usize {
        self.framing.count(n_samples)
    }

    /// Number of bands: n_mels.
    pub(super) fn bands(&self) -> usize {
        self.bank.bands()
    }

    /// Replaces `out` by the mel spectrogram of `samples` `[n]`: `[frames, n_mels]`.
    pub(super) fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let (count, bands) = (self.count(samples.len()), self.bands());
        out.resize(count * bands, 0.0);
        for (first, rows) in (0..).step_by(LANES).zip(out.chunks_mut(LANES * bands)) {
            self.measure(samples, first..count.min(first + LANES));
            scatter(&self.bands, rows);
        }
    }

    /// Computes spectra and bands of at most 16 frames.
    fn measure(&mut self, samples: &[f32], frames: std::ops::Range<usize>) {
        self.framing.grid().gather(samples, frames, &mut self.scratch, &mut self.frames);
        multiply(&mut self.frames, self.framing.window());
        self.spectra.run(&mut self.frames, &mut self.powers);
        self.bank.run(&self.powers, &mut self.bands);
    }

    /// Fills the scratch memory with NaN, which must not reach the next result.
    #[cfg(test)]
    pub(super) fn fill_with_nan(&mut self) {
        self.scratch.fill(f32::NAN);
        for lanes in [&mut self.frames, &mut self.powers, &mut self.bands] {
            lanes.fill(Lanes::of(f32::NAN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::super::window::hann_periodic;
    use super::*;

    /// Golden: numpy, layer by layer (tools/golden/frontend.py).
    #[test]
    fn equals_numpy_layer_by_layer() {
        let samples = reference::golden("samples");
        let bank = MelBank::slaney(16_000, 1024, 128, 0.0, 8000.0);
        let mut plan = MelSpectrogram::new(Framing::new(hann_periodic(1024), 256), bank);
        let (powers, bands) = (reference::golden("power"), reference::golden("mel"));
        for (i, t) in [0, 10, 40, 75].into_iter().enumerate() {
            plan.measure(&samples, t / LANES * LANES..(t / LANES + 1) * LANES);
            let lane = |of: &[Lanes]| of.iter().map(|lanes| lanes.0[t % LANES]).collect::<Vec<_>>();
            reference::assert_close(&lane(&plan.powers), &powers[i * 513..(i + 1) * 513], 1e-6, "power");
            reference::assert_close(&lane(&plan.bands), &bands[t * 128..(t + 1) * 128], 1e-6, "mel");
        }
    }
}
