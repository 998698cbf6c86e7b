//! Signal processing between the audio decoder and the networks: samples to features.
//!
//! | file | in | out |
//! |---|---|---|
//! | [`mod@resample`] | `[n]` at one rate | `[ceil(n · out / in)]` at another |
//! | [`window`] | length | periodic Hann and Hamming windows, Kaldi's symmetric ones |
//! | [`frame`] | `[n]`, frame number | one frame `[n_fft]` |
//! | [`spectrum`] | `[n_fft]` | power spectrum `[n_fft / 2 + 1]` |
//! | [`mel_scale`] | Hz | mel |
//! | [`mel`] | `[n_fft / 2 + 1]` of 16 frames | mel bands `[n_mels]` of each |
//! | [`logmel`] | `[n]` | `[frames, n_mels]`, dB below the clip's maximum |
//! | [`dct`] | `[n_mels]` | `[n_mfcc]` |
//! | [`delta`] | `[frames, dim]` | regression slope of each column, `[frames, dim]` |
//! | [`mfcc`] | `[n]` | `[frames, n_mfcc]` |
//! | [`kaldi`] | `[n]` | Kaldi's fbank `[frames, num_bins]` and MFCC `[frames, num_ceps]` |
//! | [`speechbrain`] | `[n]` | `[frames, n_mels]`, dB |
//! | [`mod@whisper`] | `[n]` | Whisper's log-mel `[frames, n_mels]` |
//! | [`raw_samples`] | `[n]` | `[n]`, optionally with mean 0 and variance 1 |
//! | [`speech_level`] | `[n]` | `[n]`, its speech at a stated level |
//! | [`feature_extractor`] | `[n]` | `[frames, bands]` of any of these front-ends |
//! | [`cmvn`] | `[frames, dim]` | the same with mean 0, optionally with variance 1 |
//! | [`vad_energy`] | `[frames, dim]` | Kaldi's energy-based speech decision `[frames]` |
//! | [`activity`] | `[n]` | speech or not, with the evidence |
//! | [`bandwidth`] | `[n]`, in chunks | upper limit of the spectrum's content, Hz |
//!
//! Everything works on slices of f32 mono samples with full scale ±1. Matrices are row-major.
//! Filters, FFT plans and filter banks are built once in `new`; `run` and `process` reuse them and
//! allocate nothing once their buffers have grown to the length of the signal. A plan belongs to
//! one thread; clone it for another.
//!
//! The options of the front-ends ([`FeatureOptions`]) deserialise from a model file's manifest,
//! whose keys are the names of the fields.
//!
//! # Time
//!
//! The time axis of all front-ends. Numbers count from 0.
//!
//! ```text
//! sample i at rate r             is at     i / r                        seconds
//! resampled sample k             is at     k / out_hz                   seconds   (no delay: input position k · in_hz / out_hz)
//! frame t of logmel, mfcc, speechbrain
//!                                centred at sample t · hop_length       = t · hop_length / sample_rate_hz seconds
//!                                covers    t · hop_length − n_fft / 2  ≤ i <  t · hop_length + n_fft / 2
//! number of frames               1 + floor(n / hop_length)              for n samples, also for n = 0
//! frame t of whisper             centred as those, the signal reflected at its ends; floor(n / 160) frames, none for n ≤ 200
//! frame t of kaldi               covers    first ≤ i < first + N        N, S: frame_length_ms and frame_shift_ms in samples
//!   with snip_edges              first = t · S                          frames: 1 + floor((n − N) / S), none for n < N
//!   without                      first = t · S + floor(S / 2) − floor(N / 2)     frames: floor((n + floor(S / 2)) / S)
//! ```
//!
//! Samples outside the signal (`i < 0`, `i ≥ n`) are zero, in the resampler and in the frames,
//! except in Kaldi's frames without `snip_edges` and Whisper's, where the signal is reflected at its
//! ends. So
//! frame 0 of the first three front-ends is centred on the first sample, with half a window of
//! zeros before it, and the features of a clip equal the first `1 + floor(n / hop_length)` frames
//! of the same clip with zeros appended, if the loudest band is among them.
//!
//! # Bad samples
//!
//! The audio decoder rejects NaN and infinite samples. If one arrives here nevertheless, no step
//! turns it into a plausible number: the resampler outputs NaN wherever its filter covers the
//! sample, and for at most 47 outputs around; [`logmel`], [`mfcc`], [`speechbrain`] and
//! [`mod@whisper`], whose values are relative to the loudest, output NaN throughout; [`kaldi`] outputs NaN for the frames
//! that contain the sample, [`cmvn`] for the columns whose mean does, and [`vad_energy`] returns an
//! error.

pub mod activity;
pub mod bandwidth;
pub mod cmvn;
pub mod dct;
mod decibels;
pub mod delta;
pub mod feature_extractor;
pub mod frame;
mod half_band_decimator;
pub mod invalid_option;
mod kaiser;
pub mod kaldi;
pub mod logmel;
pub mod mel;
pub mod mel_scale;
mod mel_spectrogram;
pub mod mfcc;
mod polyphase_blocks;
mod polyphase_filter;
pub mod raw_samples;
pub mod resample;
pub mod spectrum;
mod spectrum_batch;
pub mod speech_level;
pub mod speechbrain;
pub mod vad_energy;
pub mod whisper;
pub mod window;

#[cfg(test)]
mod reference;

pub use activity::{Activity, ActivityOptions};
pub use bandwidth::Bandwidth;
pub use cmvn::{Cmvn, SlidingCmvn, SlidingCmvnOptions};
pub use feature_extractor::{FeatureExtractor, FeatureOptions};
pub use invalid_option::InvalidOption;
pub use kaldi::{Fbank, FbankOptions, KaldiMfcc, KaldiMfccOptions};
pub use logmel::{LogMel, LogMelOptions};
pub use mfcc::{Mfcc, MfccOptions};
pub use raw_samples::RawOptions;
pub use resample::{Resampler, resample};
pub use speech_level::{SpeechLevel, SpeechLevelOptions};
pub use speechbrain::{SpeechBrainFbank, SpeechBrainFbankOptions};
pub use vad_energy::{VadEnergy, VadEnergyOptions};
pub use whisper::{WhisperLogMel, WhisperLogMelOptions};
