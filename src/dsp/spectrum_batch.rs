//! Power spectra of 16 frames at once; [`PowerSpectrum`] computes one.

use crate::kernels::lanes::fft::RealFft;
use crate::kernels::lanes::{LANES, Lanes};

use super::spectrum::PowerSpectrum;

/// FFT plan for 16 frames of one length, with its scratch memory.
#[derive(Clone, Debug)]
pub(super) struct PowerSpectrumBatch(Plan);

#[derive(Clone, Debug)]
enum Plan {
    Together {
        fft: RealFft,
        scratch: Vec<Lanes>,
    },
    /// For lengths with larger prime factors.
    OneByOne {
        spectrum: PowerSpectrum,
        frame: Vec<f32>,
        power: Vec<f32>,
    },
}

impl PowerSpectrumBatch {
    /// Plans frames of `n_fft` samples, any length of at least 1.
    pub(super) fn new(n_fft: usize) -> Self {
        let together = |fft| Plan::Together { fft, scratch: vec![Lanes::default(); n_fft] };
        Self(RealFft::new(n_fft).map_or_else(|| one_by_one(n_fft), together))
    }

    /// Number of bins: n_fft / 2 + 1.
    pub(super) fn bins(&self) -> usize {
        match &self.0 {
            Plan::Together { fft, .. } => fft.bins(),
            Plan::OneByOne { power, .. } => power.len(),
        }
    }

    /// Writes the power spectra of `frames` `[n_fft]` to `powers` `[bins]`. `frames` is
    /// overwritten.
    ///
    /// # Panics
    /// If a length differs from the planned one.
    pub(super) fn run(&mut self, frames: &mut [Lanes], powers: &mut [Lanes]) {
        match &mut self.0 {
            Plan::Together { fft, scratch } => fft.powers(frames, scratch, powers),
            Plan::OneByOne { spectrum, frame, power } => {
                for lane in 0..LANES {
                    frame.iter_mut().zip(&*frames).for_each(|(x, lanes)| *x = lanes.0[lane]);
                    spectrum.run(frame, power);
                    powers.iter_mut().zip(&*power).for_each(|(lanes, p)| lanes.0[lane] = *p);
                }
            }
        }
    }
}

fn one_by_one(n_fft: usize) -> Plan {
    let spectrum = PowerSpectrum::new(n_fft);
    Plan::OneByOne { frame: vec![0.0; n_fft], power: vec![0.0; spectrum.bins()], spectrum }
}

#[cfg(test)]
mod tests {
    use super::super::reference::noise;
    use super::*;

    #[test]
    fn each_lane_is_the_spectrum_of_its_frame() {
        for n_fft in [2, 14, 30, 400, 512, 2820] {
            let rows: Vec<Vec<f32>> = (0..LANES as u32).map(|lane| noise(n_fft, lane)).collect();
            let mut frames: Vec<Lanes> = (0..n_fft).map(|i| Lanes(std::array::from_fn(|l| rows[l][i]))).collect();
            let mut plan = PowerSpectrumBatch::new(n_fft);
            let mut powers = vec![Lanes::of(f32::NAN); plan.bins()];
            plan.run(&mut frames, &mut powers);
            for (lane, mut row) in rows.into_iter().enumerate() {
                let energy: f32 = row.iter().map(|x| x * x).sum::<f32>() * n_fft as f32;
                let mut want = vec![f32::NAN; plan.bins()];
                PowerSpectrum::new(n_fft).run(&mut row, &mut want);
                for (got, want) in powers.iter().zip(want) {
                    let tolerance = 2e-6 * (want * energy).sqrt() + 1e-10 * energy;
                    assert!((got.0[lane] - want).abs() <= tolerance, "n_fft {n_fft}, frame {lane}");
                }
            }
        }
    }
}
