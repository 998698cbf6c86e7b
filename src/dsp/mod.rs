//! Samples to features: the signal processing between the audio reader and the networks.
//!
//! | file | in | out |
//! |---|---|---|
//! | [`mod@resample`] | `[n]` at one rate | `[ceil(n · out / in)]` at another |
//! | [`window`] | length | periodic Hann window |
//! | [`frame`] | `[n]`, frame number | one windowed frame `[n_fft]` |
//! | [`spectrum`] | `[n_fft]` | power spectrum `[n_fft / 2 + 1]` |
//! | [`mel`] | `[n_fft / 2 + 1]` | mel bands `[n_mels]` |
//! | [`logmel`] | `[n]` | `[frames, n_mels]`, dB below the clip's maximum |
//! | [`dct`] | `[n_mels]` | `[n_mfcc]` |
//! | [`mfcc`] | `[n]` | `[frames, n_mfcc]` |
//!
//! All of it works on slices of f32 mono samples, full scale ±1, and knows nothing of files. Matrices are row-major. What is
//! costly (filters, FFT plans, filter banks) is built once in `new`; `run` and `process` reuse it and, once their buffers have
//! grown to the size of the signal, allocate nothing. A plan is owned by one thread; clone it for the next.
//!
//! # Time
//!
//! This page defines it for all front-ends. Numbers count from 0.
//!
//! ```text
//! sample i at rate r             lies at   i / r                        seconds
//! resampled sample k             lies at   k / out_hz                   seconds   (no delay: input position k · in_hz / out_hz)
//! frame t of logmel and mfcc     centred at sample t · hop_length       = t · hop_length / sample_rate_hz seconds
//!                                covers    t · hop_length − n_fft / 2  ≤ i <  t · hop_length + n_fft / 2
//! number of frames               1 + floor(n / hop_length)              for n samples, also for n = 0
//! ```
//!
//! Outside the signal (`i < 0`, `i ≥ n`) every sample counts as zero, in the resampler and in the frames. So frame 0 is centred
//! on the first sample and sees half a window of zeros before it, and the features of a clip equal the first
//! `1 + floor(n / hop_length)` frames of the same clip with zeros appended, as long as the loudest band lies among them.
//!
//! # Bad samples
//!
//! The audio reader deals with NaN and infinite samples before they come here. If one does come, no step turns it into a
//! plausible number: the resampler gives NaN wherever its filter touches it, and [`logmel`] and [`mfcc`] give NaN throughout.

pub mod dct;
pub mod frame;
mod kaiser;
pub mod logmel;
pub mod mel;
pub mod mfcc;
mod phases;
pub mod resample;
pub mod spectrum;
pub mod window;

#[cfg(test)]
mod reference;

pub use logmel::{LogMel, LogMelOptions};
pub use mfcc::{Mfcc, MfccOptions};
pub use resample::{Resampler, resample};
