//! Change of the sample rate: polyphase windowed sinc, without delay, in chunks of any size.
//!
//! ```text
//! y[k] = Σ_i x[i] · h(k · in_hz / out_hz − i)             k = 0 .. ceil(n · out_hz / in_hz) − 1
//! ```
//!
//! h is the low-pass of `dsp/kaiser.rs`: flat (under 0.001 dB) to 95 % of the lower Nyquist frequency, at least 90 dB down from
//! 100 % on, so nothing above folds back (aliases) and nothing is mirrored up (images). It is even, so no frequency is delayed.
//! The weights are precomputed for each phase (`dsp/phases.rs`), for most pairs of rates laid out as a matrix (`dsp/rounds.rs`). Sums are f32;
//! their rounding is about −130 dB of the signal.
//!
//! While a rate is more than 2.5 times the wanted one it is halved first (`dsp/halver.rs`), and h works at half the rate, where it has half the weights. The sum of the
//! page is kept to −115 dB of the signal.
//!
//! Positions are exact integers (input sample, and remainder over L), so nothing drifts, however long the signal is.
//!
//! # Edges
//!
//! The signal counts as zero before its first and after its last sample. So the first and last 128 periods of the lower
//! rate (8 ms at 16 kHz) see a jump to zero wherever the signal does not begin and end quietly; they ring as any band-limited
//! edge does. Nothing is cut off or shifted.

use super::halver::Halver;
use super::phases::Phases;
use super::rounds::Rounds;
use crate::error::{Error, Result};

/// Lowest rate accepted on either side, Hz.
pub const MIN_RATE_HZ: u32 = 4_000;
/// Highest rate accepted on either side, Hz.
pub const MAX_RATE_HZ: u32 = 384_000;

/// Inputs taken into the buffer at a time. Bounds the memory, whatever the length of the chunk.
const BLOCK: usize = 8_192;
/// A rate is halved while it is more than so many times the wanted one. Nearer to twice that rate the halving filter grows long.
const HALVED_ABOVE: f64 = 2.5;
/// Rounds are computed so many at a time, until the signal ends: the matrix product's largest tile.
const ROUNDS: usize = 10;

/// A plan for one pair of rates, and the state of one signal that runs through it.
///
/// ```
/// # use persona_engine::dsp::Resampler;
/// let mut resampler = Resampler::new(48_000, 16_000)?;
/// let mut output = Vec::new();
/// for chunk in [[0.0; 480], [0.5; 480]] {
///     resampler.process(&chunk, &mut output);
/// }
/// resampler.finish(&mut output);
/// assert_eq!(output.len() as u64, resampler.output_len(960));
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resampler {
    /// L and M: out / in without common factor.
    up: u64,
    down: u64,
    /// What comes before `stream`, which is planned for the rate that they leave.
    halvers: Vec<Halver>,
    /// `None`: equal rates, nothing to do.
    stream: Option<Stream>,
}

impl Resampler {
    /// Plans the conversion from `in_hz` to `out_hz`. Equal rates pass the samples through, bit for bit.
    ///
    /// # Errors
    /// [`Error::Config`] if a rate is below [`MIN_RATE_HZ`] or above [`MAX_RATE_HZ`].
    pub fn new(in_hz: u32, out_hz: u32) -> Result<Self> {
        for (name, rate) in [("in_hz", in_hz), ("out_hz", out_hz)] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate) {
                return Err(Error::Config(format!(
                    "resampler: `{name}` is {rate} Hz, expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
                )));
            }
        }
        let halvers = halvers(f64::from(in_hz), f64::from(out_hz));
        let before = halvers.last().map_or(0, Halver::before);
        let (up, down) = without_common_factor(u64::from(out_hz), u64::from(in_hz));
        let (left_up, left_down) = without_common_factor(up << halvers.len(), down);
        let stream = (up != down).then(|| Stream::new(left_up, left_down, before));
        Ok(Self { up, down, halvers, stream })
    }

    /// Samples that a whole signal of `n_in` samples becomes: `ceil(n_in · out_hz / in_hz)`.
    pub fn output_len(&self, n_in: u64) -> u64 {
        let exact = (u128::from(n_in) * u128::from(self.up)).div_ceil(u128::from(self.down));
        u64::try_from(exact).unwrap_or(u64::MAX)
    }

    /// Takes the next samples and appends what is due of the output: all of it but the last few thousand inputs' worth at most, which come with
    /// later samples or with [`Resampler::finish`]. Cutting a signal into other chunks changes no bit of the result.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) {
        let Some(stream) = &mut self.stream else {
            return output.extend_from_slice(input);
        };
        output.reserve((input.len() as u128 * u128::from(self.up) / u128::from(self.down)) as usize);
        stream.taken += input.len() as u64;
        for block in input.chunks(BLOCK) {
            let left = self.halvers.iter_mut().fold(block, |samples, halver| halver.run(samples));
            stream.pending.extend_from_slice(left);
            stream.emit(output);
        }
    }

    /// Ends the signal: appends the outputs still due, with zeros past the last input, so that all of them together are
    /// [`Resampler::output_len`]. Afterwards the resampler is as new.
    pub fn finish(&mut self, output: &mut Vec<f32>) {
        let Some(taken) = self.stream.as_ref().map(|stream| stream.taken) else { return };
        let whole = self.output_len(taken);
        self.process(&vec![0.0; self.tail()], output);
        self.halvers.iter_mut().for_each(Halver::reset);
        if let Some(stream) = &mut self.stream {
            stream.emit_rest(whole - stream.given, output);
            stream.reset();
        }
    }

    /// Zeros after the last input that bring all of the signal out of the halvers.
    fn tail(&self) -> usize {
        self.halvers.iter().rev().fold(0, |after, halver| 2 * after + halver.tail())
    }
}

/// A whole signal `[n]` at once: `[ceil(n · out_hz / in_hz)]`. To convert many, keep a [`Resampler`].
///
/// # Errors
/// As [`Resampler::new`].
pub fn resample(input: &[f32], in_hz: u32, out_hz: u32) -> Result<Vec<f32>> {
    let mut resampler = Resampler::new(in_hz, out_hz)?;
    let mut output = Vec::with_capacity(resampler.output_len(input.len() as u64) as usize);
    resampler.process(input, &mut output);
    resampler.finish(&mut output);
    Ok(output)
}

/// The steps of halving between two rates, in Hz.
fn halvers(mut in_hz: f64, out_hz: f64) -> Vec<Halver> {
    let (mut halvers, mut before, mut longest) = (Vec::new(), 0, BLOCK);
    while in_hz > HALVED_ABOVE * out_hz {
        let halver = Halver::new(out_hz / 2.0 / in_hz, before, longest);
        (before, longest, in_hz) = (halver.before(), longest / 2 + 1, in_hz / 2.0);
        halvers.push(halver);
    }
    halvers
}

/// The running state: inputs still needed, and where the next output lies among them.
#[derive(Clone, Debug)]
struct Stream {
    weights: Weights,
    /// Inputs not yet done with. At the start of a signal: H − 1 zeros, for the time before it, of which the last `before` are still to come.
    pending: Vec<f32>,
    before: usize,
    /// The next output needs `pending[start .. start + 2H]`. May lie beyond the end of `pending` when M > L.
    start: usize,
    /// Inputs taken and outputs given of this signal.
    taken: u64,
    given: u64,
}

#[derive(Clone, Debug)]
enum Weights {
    /// One output after the other: L and M, and the next output's phase, `remainder` / L.
    Interpolated { phases: Phases, up: u64, down: u64, remainder: u64 },
    /// H, and rounds of outputs.
    Exact(usize, Rounds),
}

impl Weights {
    fn new(up: u64, down: u64) -> Self {
        let phases = Phases::new(up, down);
        if phases.is_exact() {
            Self::Exact(phases.half(), Rounds::new(&phases, up, down))
        } else {
            Self::Interpolated { phases, up, down, remainder: 0 }
        }
    }

    /// H: inputs on either side of an output.
    fn half(&self) -> usize {
        match self {
            Self::Interpolated { phases, .. } => phases.half(),
            Self::Exact(half, _) => *half,
        }
    }

    /// Inputs that must be pending for the next step.
    fn reach(&self) -> usize {
        match self {
            Self::Interpolated { phases, .. } => phases.length(),
            Self::Exact(_, rounds) => rounds.reach() + (ROUNDS - 1) * rounds.inputs(),
        }
    }
}

impl Stream {
    /// For conversion by `up` / `down` of signals of which `before` inputs come ahead of the first sample.
    fn new(up: u64, down: u64, before: usize) -> Self {
        let weights = Weights::new(up, down);
        let pending = Vec::with_capacity(weights.reach() + BLOCK);
        let mut stream = Self { weights, pending, before, start: 0, taken: 0, given: 0 };
        stream.reset();
        stream
    }

    fn reset(&mut self) {
        self.pending.clear();
        self.pending.resize(self.weights.half() - 1 - self.before, 0.0);
        (self.start, self.taken, self.given) = (0, 0, 0);
        if let Weights::Interpolated { remainder, .. } = &mut self.weights {
            *remainder = 0;
        }
    }

    /// Appends what can be computed, a step after the other, then drops the inputs that no later output needs.
    fn emit(&mut self, output: &mut Vec<f32>) {
        let before = output.len();
        match &mut self.weights {
            Weights::Interpolated { phases, up, down, remainder } => {
                while let Some(around) = self.pending.get(self.start..self.start + phases.length()) {
                    output.push(phases.output(*remainder, around));
                    *remainder += *down;
                    self.start += (*remainder / *up) as usize;
                    *remainder %= *up;
                }
            }
            Weights::Exact(_, rounds) => {
                let beyond = self.pending.len().saturating_sub(self.start).checked_sub(rounds.reach());
                let there = beyond.map_or(0, |beyond| (1 + beyond / rounds.inputs()) / ROUNDS * ROUNDS);
                if there > 0 {
                    rounds.run(&self.pending[self.start..], there, output);
                    self.start += there * rounds.inputs();
                }
            }
        }
        self.given += (output.len() - before) as u64;
        let done = self.start.min(self.pending.len());
        self.pending.drain(..done);
        self.start -= done;
    }

    /// Appends `due` outputs more, with zeros past the last input.
    fn emit_rest(&mut self, due: u64, output: &mut Vec<f32>) {
        let end = output.len() + due as usize;
        while output.len() < end {
            self.pending.resize(self.pending.len().max(self.start + self.weights.reach()), 0.0);
            self.emit(output);
        }
        output.truncate(end);
    }
}

/// Both divided by their greatest common divisor.
fn without_common_factor(a: u64, b: u64) -> (u64, u64) {
    let common = gcd(a, b);
    (a / common, b / common)
}

/// Euclid's algorithm.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::super::kaiser::KaiserSinc;
    use super::super::reference::noise;
    use super::*;

    /// Both kinds of table, up and down, near and far.
    const RATES: [(u32, u32); 13] = [
        (48_000, 16_000),
        (44_100, 16_000),
        (8_000, 16_000),
        (11_025, 16_000),
        (22_050, 16_000),
        (96_000, 16_000),
        (384_000, 16_000),
        (4_000, 16_000),
        (44_101, 16_000),
        (16_000, 44_100),
        (16_000, 44_101),
        (384_000, 4_001),
        (4_001, 384_000),
    ];

    /// The formula of the page in f64, over all inputs: no phases, no table, no streaming.
    fn naive(input: &[f32], in_hz: u32, out_hz: u32) -> Vec<f64> {
        let filter = KaiserSinc::for_ratio(f64::from(out_hz) / f64::from(in_hz));
        let n_out = (input.len() as u64 * u64::from(out_hz)).div_ceil(u64::from(in_hz));
        let output = |k: u64| {
            let (whole, part) = (k * u64::from(in_hz) / u64::from(out_hz), k * u64::from(in_hz) % u64::from(out_hz));
            let tau = |i: usize| (whole as f64 - i as f64) + part as f64 / f64::from(out_hz);
            input.iter().enumerate().map(|(i, x)| f64::from(*x) * filter.at(tau(i))).sum()
        };
        (0..n_out).map(output).collect()
    }

    #[test]
    fn equals_the_direct_sum() {
        for (in_hz, out_hz) in RATES {
            let input = noise(in_hz as usize / 100, 1);
            let want = naive(&input, in_hz, out_hz);
            let got = resample(&input, in_hz, out_hz).unwrap();
            assert_eq!(got.len(), want.len(), "{in_hz} to {out_hz}");
            let worst = got.iter().zip(&want).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max);
            println!("{in_hz} to {out_hz}: {worst:.1e} from the direct sum of full-scale noise");
            // Exact tables: f32 rounding. Interpolated ones: the error analysis of dsp/phases.rs, 6.3e-6 for a tone, in the
            // sum over all frequencies of white noise.
            assert!(worst < 6.3e-6, "{in_hz} to {out_hz}: {worst:e}");
        }
    }

    #[test]
    fn chunks_change_no_bit() {
        for (in_hz, out_hz) in RATES.into_iter().chain([(16_000, 16_000)]) {
            let input = noise(in_hz as usize / 5, 2);
            let whole = resample(&input, in_hz, out_hz).unwrap();
            let mut resampler = Resampler::new(in_hz, out_hz).unwrap();
            for (seed, longest) in [(3, 1.5f32), (4, 40.0), (5, 3000.0), (6, 30_000.0)] {
                let mut output = Vec::new();
                let mut rest = &input[..];
                for size in noise(1 << 18, seed) {
                    let (chunk, after) = rest.split_at(((size.abs() * longest) as usize).min(rest.len()));
                    resampler.process(chunk, &mut output);
                    rest = after;
                    if rest.is_empty() {
                        break;
                    }
                }
                assert!(rest.is_empty());
                resampler.finish(&mut output);
                assert!(output == whole, "{in_hz} to {out_hz}, chunks up to {longest}");
            }
        }
    }

    #[test]
    fn a_finished_resampler_equals_a_new_one() {
        for (in_hz, out_hz) in RATES {
            let mut used = Resampler::new(in_hz, out_hz).unwrap();
            used.process(&vec![f32::NAN; 12_345], &mut Vec::new());
            used.finish(&mut Vec::new());
            let input = noise(3000, 7);
            let mut output = Vec::new();
            used.process(&input, &mut output);
            used.finish(&mut output);
            assert_eq!(output, resample(&input, in_hz, out_hz).unwrap());
        }
    }

    #[test]
    fn lengths_are_exact() {
        for (in_hz, out_hz) in RATES {
            let resampler = Resampler::new(in_hz, out_hz).unwrap();
            for n in [0usize, 1, 2, 3, 95, 96, 97, 441, 1000, 8191, 8192, 8193] {
                let want = (n as u64 * u64::from(out_hz)).div_ceil(u64::from(in_hz));
                assert_eq!(resampler.output_len(n as u64), want);
                assert_eq!(
                    resample(&vec![0.5; n], in_hz, out_hz).unwrap().len() as u64,
                    want,
                    "{n}: {in_hz} to {out_hz}"
                );
            }
        }
        assert_eq!(Resampler::new(4_000, 384_000).unwrap().output_len(u64::MAX), u64::MAX);
    }

    #[test]
    fn equal_rates_keep_every_bit() {
        let odd = [0.1, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE / 8.0, 1e30];
        let output = resample(&odd, 16_000, 16_000).unwrap();
        assert_eq!(output.map_bits(), odd.to_vec().map_bits());
    }

    trait Bits {
        fn map_bits(&self) -> Vec<u32>;
    }
    impl Bits for Vec<f32> {
        fn map_bits(&self) -> Vec<u32> {
            self.iter().map(|x| x.to_bits()).collect()
        }
    }

    /// Zeros outside the signal: an impulse at the first, a middle or the last sample gives the filter itself, cut at the ends.
    #[test]
    fn an_impulse_gives_the_filter_at_its_place() {
        let filter = KaiserSinc::for_ratio(1.0 / 3.0);
        for place in [0, 600, 1199] {
            let mut input = [0.0; 1200];
            input[place] = 1.0;
            for (k, y) in resample(&input, 48_000, 16_000).unwrap().into_iter().enumerate() {
                let want = filter.at(3.0 * k as f64 - place as f64);
                // −115 dB of halving, of an impulse whose third is kept
                let error = (f64::from(y) - want).abs();
                assert!(error < 6e-7, "impulse at {place}, output {k}: {error:.1e}");
            }
        }
    }

    #[test]
    fn a_constant_stays_away_from_the_edges() {
        for (in_hz, out_hz) in RATES {
            let output = resample(&vec![1.0; in_hz as usize / 2], in_hz, out_hz).unwrap();
            let edge = 130 * out_hz as usize / in_hz.min(out_hz) as usize;
            for y in &output[edge..output.len() - edge] {
                assert!((y - 1.0).abs() < 3e-5, "{in_hz} to {out_hz}: {y}");
            }
        }
    }

    #[test]
    fn memory_stays_that_of_the_plan() {
        for (in_hz, out_hz) in [(48_000, 16_000), (384_000, 4_001)] {
            let mut resampler = Resampler::new(in_hz, out_hz).unwrap();
            let capacity = |r: &Resampler| r.stream.as_ref().unwrap().pending.capacity();
            let planned = capacity(&resampler);
            let mut output = Vec::with_capacity(resampler.output_len(2_000_000) as usize);
            let place = output.as_ptr();
            resampler.process(&noise(1_000_000, 9), &mut output);
            resampler.process(&noise(1_000_000, 9), &mut output);
            resampler.finish(&mut output);
            assert_eq!(capacity(&resampler), planned);
            assert_eq!(output.as_ptr(), place, "output was moved though it had room");
        }
    }

    #[test]
    fn a_bad_sample_gives_nan_where_the_filter_touches_it_and_in_the_same_panels_alone() {
        let mut input = vec![0.25; 48_000];
        input[24_000] = f32::NAN;
        let output = resample(&input, 48_000, 16_000).unwrap();
        for (k, y) in output.iter().enumerate() {
            let (touched, near) = (k.abs_diff(8000) < 128, k.abs_diff(8000) < 128 + 48);
            assert!(!touched || y.is_nan(), "output {k} is {y}");
            assert!(near || !y.is_nan(), "output {k} is {y}");
        }
    }

    #[test]
    fn rates_out_of_range_are_named() {
        for (in_hz, out_hz, name) in
            [(0, 16_000, "in_hz"), (3_999, 16_000, "in_hz"), (16_000, 384_001, "out_hz"), (u32::MAX, 0, "in_hz")]
        {
            let message = Resampler::new(in_hz, out_hz).unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}` is ")), "{message}");
        }
    }
}
