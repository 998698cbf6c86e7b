//! Speech level: the offset of a chunk is taken off and its speech brought to a stated level, so
//! that the features behind it depend on neither.
//!
//! ```text
//! m = mean of x over the chunk
//! frames of 25 ms every 10 ms, whole ones only; a shorter signal is one frame
//! P[t] = mean of (x − m)² over frame t
//! speech: the frames with P[t] ≥ max P · 10^(−gate_db / 10)
//! gain = 10^(speech_dbfs / 20) / sqrt(mean of P over the speech frames)
//! y = gain · (x − m)
//! ```
//!
//! The speech frames are relative to the loudest one, so the gain of `g · x` is that of `x` divided
//! by `g`. Sums are f64.
//!
//! # Edges
//!
//! - A constant signal, or one without samples: gain 1.
//! - A NaN or infinite sample makes all samples NaN, as the features behind it show.

use serde::Deserialize;

use super::invalid_option::{InvalidOption, within};

/// Frame length, seconds.
const LENGTH_S: f64 = 0.025;
/// Frame shift, seconds.
const SHIFT_S: f64 = 0.01;
/// Power that counts as silence: more than what rounding leaves of a constant.
const SILENCE: f64 = 1e-24;

/// Options of the speech level: a manifest's `frontend.level`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechLevelOptions {
    /// Root mean square of the speech frames after the gain, dB below full scale.
    pub speech_dbfs: f64,
    /// Range below the loudest frame whose frames count as speech, dB.
    pub gate_db: f64,
}

impl SpeechLevelOptions {
    /// Checks the values.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid one.
    pub fn check(&self) -> Result<(), InvalidOption> {
        within("speech_dbfs", self.speech_dbfs, -120.0..=0.0)?;
        within("gate_db", self.gate_db, 0.0..=200.0)
    }
}

/// Offset and gain of a signal, planned, with scratch memory.
#[derive(Clone, Debug)]
pub struct SpeechLevel {
    target_power: f64,
    gate: f64,
    length: usize,
    shift: usize,
    /// Power of each frame.
    powers: Vec<f64>,
}

impl SpeechLevel {
    /// Plans for a sample rate.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option.
    pub fn new(options: SpeechLevelOptions, sample_rate_hz: u32) -> Result<Self, InvalidOption> {
        options.check()?;
        let samples = |seconds: f64| ((seconds * f64::from(sample_rate_hz)).round() as usize).max(1);
        Ok(Self {
            target_power: 10.0_f64.powf(options.speech_dbfs / 10.0),
            gate: 10.0_f64.powf(-options.gate_db / 10.0),
            length: samples(LENGTH_S),
            shift: samples(SHIFT_S),
            powers: Vec::new(),
        })
    }

    /// The gain of `samples` `[n]` with this mean.
    fn gain(&mut self, samples: &[f32], mean: f64) -> f64 {
        self.powers.clear();
        let square = |x: &f32| (f64::from(*x) - mean).powi(2);
        let power = |frame: &[f32]| frame.iter().map(square).sum::<f64>() / frame.len() as f64;
        if (1..self.length).contains(&samples.len()) {
            self.powers.push(power(samples));
        }
        self.powers.extend(samples.windows(self.length).step_by(self.shift).map(power));
        let powers = || self.powers.iter().copied();
        let least = self.gate * powers().fold(0.0, f64::max);
        let (sum, count) = powers().filter(|power| *power >= least).fold((0.0, 0_u32), |(s, n), p| (s + p, n + 1));
        if sum > SILENCE { (self.target_power * f64::from(count) / sum).sqrt() } else { 1.0 }
    }

    /// Replaces `out` by the samples minus their mean, times their gain.
    pub fn run(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / samples.len().max(1) as f64;
        let gain = self.gain(samples, mean);
        out.clear();
        out.extend(samples.iter().map(|x| (gain * (f64::from(*x) - mean)) as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{golden_in, noise};
    use super::*;

    const OPTIONS: SpeechLevelOptions = SpeechLevelOptions { speech_dbfs: -23.0, gate_db: 30.0 };

    fn plan() -> SpeechLevel {
        SpeechLevel::new(OPTIONS, 16_000).unwrap()
    }

    /// The definition: frame by frame, in f64.
    fn naive(samples: &[f32]) -> Vec<f64> {
        let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / samples.len() as f64;
        let samples: Vec<f64> = samples.iter().map(|x| f64::from(*x) - mean).collect();
        let mut powers = Vec::new();
        let mut first = 0;
        while first + 400 <= samples.len() || (first == 0 && !samples.is_empty()) {
            let frame = &samples[first..samples.len().min(first + 400)];
            powers.push(frame.iter().map(|x| x * x).sum::<f64>() / frame.len() as f64);
            first += 160;
        }
        let loudest = powers.iter().copied().fold(0.0, f64::max);
        let speech: Vec<f64> = powers.into_iter().filter(|p| *p >= loudest / 1000.0).collect();
        let mean = speech.iter().sum::<f64>() / speech.len() as f64;
        let gain = if loudest > 0.0 { 10.0_f64.powf(-23.0 / 20.0) / mean.sqrt() } else { 1.0 };
        samples.iter().map(|x| gain * x).collect()
    }

    #[test]
    fn equals_the_definition_at_all_lengths() {
        let mut plan = plan();
        for n in [0, 1, 2, 159, 399, 400, 401, 559, 560, 561, 4_000, 48_000] {
            let mut samples = noise(n, 7);
            let quiet = n / 3;
            for (i, x) in samples.iter_mut().enumerate() {
                *x = 0.25 + if i < quiet { 1e-3 * *x } else { *x };
            }
            let mut got = vec![f32::NAN; 3];
            plan.run(&samples, &mut got);
            assert_eq!(got.len(), n);
            for (got, want) in got.iter().zip(naive(&samples)) {
                approx::assert_abs_diff_eq!(f64::from(*got), want, epsilon = 1e-6);
            }
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_level() {
        let samples = noise(5_000, 3);
        let offset = 0.125;
        let (mut want, mut got) = (Vec::new(), Vec::new());
        plan().run(&samples, &mut want);
        for gain in [1e-6, 0.01, 0.5, 4.0, 100.0] {
            let other: Vec<f32> = samples.iter().map(|x| gain * (x + offset)).collect();
            plan().run(&other, &mut got);
            for (want, got) in want.iter().zip(&got) {
                approx::assert_abs_diff_eq!(*want, *got, epsilon = 1e-6);
            }
        }
    }

    #[test]
    fn silence_stays_silent_and_a_bad_sample_spoils_the_chunk() {
        let mut out = vec![1.0];
        plan().run(&[], &mut out);
        assert!(out.is_empty());
        for constant in [0.0, 0.5, 0.1] {
            plan().run(&[constant; 1_000], &mut out);
            assert!(out.iter().all(|x| x.abs() < 1e-12), "{constant}");
        }
        for bad in [f32::NAN, f32::INFINITY] {
            let mut samples = noise(5_000, 5);
            samples[2_000] = bad;
            plan().run(&samples, &mut out);
            assert!(out.iter().all(|x| !x.is_finite()), "{bad}");
        }
    }

    /// Golden: the function that training uses (tools/golden/speech_level.py).
    #[test]
    fn equals_python() {
        let [samples, lengths, levelled] =
            ["samples", "lengths", "levelled"].map(|name| golden_in("speech-level", name));
        let (mut start, mut out) = (0, Vec::new());
        for length in lengths {
            let end = start + length as usize;
            plan().run(&samples[start..end], &mut out);
            for (got, want) in out.iter().zip(&levelled[start..end]) {
                approx::assert_abs_diff_eq!(*got, *want, epsilon = 1e-6);
            }
            start = end;
        }
        assert_eq!(start, samples.len());
    }

    #[test]
    fn invalid_options_are_named() {
        for (name, options) in [
            ("speech_dbfs", SpeechLevelOptions { speech_dbfs: 3.0, ..OPTIONS }),
            ("speech_dbfs", SpeechLevelOptions { speech_dbfs: f64::NAN, ..OPTIONS }),
            ("gate_db", SpeechLevelOptions { gate_db: -1.0, ..OPTIONS }),
        ] {
            let message = SpeechLevel::new(options, 16_000).unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}` is ")), "{message}");
        }
    }
}
