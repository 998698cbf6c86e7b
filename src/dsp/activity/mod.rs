//! Speech or not: the evidence of one window, from level, spectral shape and pitch.
//!
//! ```text
//! samples ─ frames of 64 ms every 16 ms, Hann ─▶ power spectrum
//!   ├─ level[t]    dBFS                                    ─▶ noise floor, swing (levels)
//!   ├─ bands[t,b]  dB, 16 bands on the mel scale           ─▶ flux[t], timbre (bands)
//!   └─ normalised autocorrelation, 60 to 500 Hz            ─▶ strength[t], pitch[t] (periodicity)
//! nucleus[t]  a voiced frame whose pitch and timbre both move, as in the middle of a syllable
//! speech      enough nuclei, in a window whose level and timbre move too (evidence)
//! ```
//!
//! What tells speech from other sounds with a pitch is that everything in it moves at once: vocal folds never hold a frequency
//! (tones, chords, drones and hum do), the mouth changes the spectrum while they glide (sweeps and sirens keep theirs), and syllables
//! rise and fall (held notes do not). Noise has no pitch. Whispered speech has none either, and is not found.
//!
//! A window is judged by itself alone, so windows can be judged in any order and on any thread. Thresholds and how they were found:
//! [`ActivityOptions`]. Figures by kind of sound come from `tools/measure_activity.py`.

mod bands;
mod evidence;
mod levels;
mod options;
mod periodicity;

pub use evidence::{Evidence, snr_db};
pub use options::ActivityOptions;

use std::ops::Range;

use super::frame::{Edges, Grid};
use super::spectrum::PowerSpectrum;
use super::window::hann_periodic;
use crate::error::Result;

use bands::Bands;
use evidence::Tracks;
use periodicity::Periodicity;

/// Frame length and hop, milliseconds: four periods of the lowest pitch; a quarter of that from frame to frame.
const FRAME_MS: usize = 64;
const HOP_MS: usize = 16;
/// Below this nothing counts, Hz: hum's fundamental, rumble and offset.
const LOWEST_HZ: f64 = 60.0;

/// A detector: planned once, then run on any number of windows without allocating (once the longest has been seen).
#[derive(Debug, Clone)]
pub struct Activity {
    options: ActivityOptions,
    window: Vec<f32>,
    grid: Grid,
    hop_length: usize,
    spectrum: PowerSpectrum,
    bands: Bands,
    periodicity: Periodicity,
    first_bin: usize,
    frame: Vec<f32>,
    power: Vec<f32>,
    tracks: Tracks,
}

impl Activity {
    /// Plans a detector for samples at `sample_rate_hz`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a rate under 4 kHz, or an option that makes no sense.
    pub fn new(sample_rate_hz: u32, options: ActivityOptions) -> Result<Self> {
        options.check(sample_rate_hz)?;
        let rate = sample_rate_hz as usize;
        let length = rate * FRAME_MS / 1000 / 4 * 4;
        let hop_length = rate * HOP_MS / 1000;
        let bin_hz = f64::from(sample_rate_hz) / length as f64;
        let spectrum = PowerSpectrum::new(length);
        Ok(Self {
            window: hann_periodic(length),
            grid: Grid::new(length, hop_length, Edges::Snip),
            hop_length,
            bands: Bands::new(length, sample_rate_hz),
            periodicity: Periodicity::new(length, sample_rate_hz),
            first_bin: (LOWEST_HZ / bin_hz).ceil() as usize,
            frame: vec![0.0; length],
            power: vec![0.0; spectrum.bins()],
            tracks: Tracks::default(),
            spectrum,
            options,
        })
    }

    /// The options.
    pub fn options(&self) -> &ActivityOptions {
        &self.options
    }

    /// Samples from one frame to the next.
    pub fn hop_length(&self) -> usize {
        self.hop_length
    }

    /// Judges one window. A window shorter than a frame holds no evidence. NaN samples are no speech.
    pub fn run(&mut self, samples: &[f32]) -> Evidence {
        self.tracks.clear();
        for t in 0..self.grid.count(samples.len()) {
            self.grid.copy(samples, t, &mut self.frame);
            self.frame.iter_mut().zip(&self.window).for_each(|(x, w)| *x *= w);
            self.spectrum.run(&mut self.frame, &mut self.power);
            self.track();
        }
        self.tracks.evidence(&self.options)
    }

    /// Whether each frame of the last window is speech. Frame t covers samples from `t · hop_length` on, for 64 ms.
    pub fn speech(&self) -> &[bool] {
        self.tracks.speech()
    }

    /// Samples' worth of speech in a part of the last window: the frames whose centres lie there, a hop each.
    pub fn speech_within(&self, part: Range<usize>) -> usize {
        let half = self.grid.length() / 2;
        let first = part.start.saturating_sub(half).div_ceil(self.hop_length);
        let end = part.end.saturating_sub(half).div_ceil(self.hop_length).min(self.speech().len());
        let frames = self.speech().get(first..end).map_or(0, |frames| frames.iter().filter(|speech| **speech).count());
        (frames * self.hop_length).min(part.len())
    }

    /// Takes the current spectrum down.
    fn track(&mut self) {
        let audible = &self.power[self.first_bin.min(self.power.len())..];
        let (total, peak) = audible.iter().fold((0.0_f32, 0.0_f32), |(sum, peak), &p| (sum + p, peak.max(p)));
        let n = self.window.len() as f64;
        // A Hann window keeps 3/8 of the power; one side of the spectrum holds half of n times that (Parseval).
        let level = 10.0 * (f64::from(total) * 16.0 / (3.0 * n * n) + f64::MIN_POSITIVE).log10();
        let period = self.periodicity.run(&self.power);
        self.tracks.levels.push(level as f32);
        self.tracks.peak_shares.push(if total > 0.0 { peak / total } else { 1.0 });
        self.tracks.periods.push(period);
        self.bands.append(&self.power, &mut self.tracks.bands);
    }
}

#[cfg(test)]
mod tests;
