//! Samples to features: the signal processing between the audio reader and the networks.
//!
//! | file | in | out |
//! |---|---|---|
//! | [`mod@resample`] | `[n]` at one rate | `[ceil(n · out / in)]` at another |
//! | [`window`] | length | Hann's and Hamming's periodic windows, Kaldi's symmetric ones |
//! | [`frame`] | `[n]`, frame number | one frame `[n_fft]` |
//! | [`spectrum`] | `[n_fft]` | power spectrum `[n_fft / 2 + 1]` |
//! | [`mel_scale`] | Hz | mel |
//! | [`mel`] | `[n_fft / 2 + 1]` of 16 frames | mel bands `[n_mels]` of each |
//! | [`logmel`] | `[n]` | `[frames, n_mels]`, dB below the clip's maximum |
//! | [`dct`] | `[n_mels]` | `[n_mfcc]` |
//! | [`delta`] | `[frames, dim]` | how each column changes, `[frames, dim]` |
//! | [`mfcc`] | `[n]` | `[frames, n_mfcc]` |
//! | [`kaldi`] | `[n]` | fbank `[frames, num_bins]`, MFCC `[frames, num_ceps]`, Kaldi's |
//! | [`speechbrain`] | `[n]` | `[frames, n_mels]`, dB |
//! | [`cmvn`] | `[frames, dim]` | the same, without mean, or with variance 1 |
//! | [`activity`] | `[n]` | speech or not, with the evidence |
//! | [`bandwidth`] | `[n]`, as they come | how far up the sound reaches, Hz |
//! | [`vad_energy`] | `[frames, dim]` | speech or not `[frames]`, Kaldi's choice |
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
//! frame t of logmel, mfcc, speechbrain
//!                                centred at sample t · hop_length       = t · hop_length / sample_rate_hz seconds
//!                                covers    t · hop_length − n_fft / 2  ≤ i <  t · hop_length + n_fft / 2
//! number of frames               1 + floor(n / hop_length)              for n samples, also for n = 0
//! frame t of kaldi               covers    first ≤ i < first + N        N, S: frame_length_ms and frame_shift_ms in samples
//!   with snip_edges              first = t · S                          frames: 1 + floor((n − N) / S), none for n < N
//!   without                      first = t · S + floor(S / 2) − floor(N / 2)     frames: floor((n + floor(S / 2)) / S)
//! ```
//!
//! Outside the signal (`i < 0`, `i ≥ n`) every sample counts as zero, in the resampler and in the frames
//! (but for Kaldi's without `snip_edges`, which see the signal reflected). So frame 0 of the first three is centred
//! on the first sample and sees half a window of zeros before it, and the features of a clip equal the first
//! `1 + floor(n / hop_length)` frames of the same clip with zeros appended, as long as the loudest band lies among them.
//!
//! # Bad samples
//!
//! The audio reader deals with NaN and infinite samples before they come here. If one does come, no step turns it into a
//! plausible number: the resampler gives NaN wherever its filter touches it, and for at most 47 outputs around; [`logmel`], [`mfcc`] and [`speechbrain`], whose values are
//! relative to the loudest, give NaN throughout; [`kaldi`] gives NaN for the frames that see it, [`cmvn`] for the columns whose mean
//! does, and [`vad_energy`] an error.

pub mod activity;
pub mod bandwidth;
pub mod cmvn;
pub mod dct;
mod decibels;
pub mod delta;
pub mod frame;
mod halver;
mod kaiser;
pub mod kaldi;
pub mod logmel;
pub mod mel;
mod mel_frames;
pub mod mel_scale;
pub mod mfcc;
mod options;
mod phases;
pub mod resample;
mod rounds;
mod spectra;
pub mod spectrum;
pub mod speechbrain;
pub mod vad_energy;
pub mod window;

#[cfg(test)]
mod reference;

pub use activity::{Activity, ActivityOptions};
pub use bandwidth::Bandwidth;
pub use cmvn::{Cmvn, SlidingCmvn, SlidingCmvnOptions};
pub use kaldi::{Fbank, FbankOptions, KaldiMfcc, KaldiMfccOptions};
pub use logmel::{LogMel, LogMelOptions};
pub use mfcc::{Mfcc, MfccOptions};
pub use resample::{Resampler, resample};
pub use speechbrain::{SpeechBrainFbank, SpeechBrainFbankOptions};
pub use vad_energy::{VadEnergy, VadEnergyOptions};
