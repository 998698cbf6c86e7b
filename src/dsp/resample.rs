//! Resampler: polyphase windowed sinc without delay, in chunks of any size.
//!
//! ```text
//! y[k] = Σ_i x[i] · h(k · in_hz / out_hz − i)             k = 0 .. ceil(n · out_hz / in_hz) − 1
//! ```
//!
//! h is the low-pass of `dsp/kaiser.rs`: flat (within 0.001 dB) up to 95 % of the lower Nyquist
//! frequency, attenuated by at least 90 dB from 100 % on, so that there are neither aliases nor
//! images. It is even, so no frequency is delayed. The weights are precomputed for each phase
//! (`dsp/polyphase_filter.rs`) and for most pairs of rates arranged as a matrix
//! (`dsp/polyphase_blocks.rs`). Sums are f32; their rounding is about −130 dB of the signal.
//!
//! While the input rate is more than 2.5 times the output rate it is halved first
//! (`dsp/half_band_decimator.rs`), and h runs at half the rate, where it has half the weights. The
//! result differs from the formula by less than −115 dB of the signal.
//!
//! Positions are exact integers (input sample, and remainder modulo L), so there is no drift,
//! however long the signal is.
//!
//! # Edges
//!
//! The signal is zero before its first and after its last sample. So the first and last 128 periods
//! of the lower rate (8 ms at 16 kHz) contain the response to a step wherever the signal does not
//! begin and end at zero. Nothing is cut off or shifted.

use super::half_band_decimator::HalfBandDecimator;
use super::polyphase_blocks::PolyphaseBlocks;
use super::polyphase_filter::PolyphaseFilter;
use crate::error::{Error, Result};

/// Lowest rate accepted on either side, Hz.
pub const MIN_RATE_HZ: u32 = 4_000;
/// Highest rate accepted on either side, Hz.
pub const MAX_RATE_HZ: u32 = 384_000;

/// Inputs processed at a time. Bounds the memory for chunks of any length.
const BLOCK: usize = 8_192;
/// The input rate is halved while it is more than this many times the output rate. Close to 2, the
/// half-band filter would be long.
const HALVED_ABOVE: f64 = 2.5;
/// Blocks computed at a time until the signal ends: the largest tile of the matrix product.
const BLOCKS: usize = 10;

/// Resampler of one pair of rates, with the state of one signal.
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
    /// L and M: the ratio of output and input rate, reduced.
    up: u64,
    down: u64,
    /// Stages before `stream`, which is planned for the rate after them.
    decimators: Vec<HalfBandDecimator>,
    /// `None` for equal rates.
    stream: Option<Stream>,
}

impl Resampler {
    /// Plans the conversion from `in_hz` to `out_hz`. With equal rates, samples pass unchanged.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a rate is below [`MIN_RATE_HZ`] or above [`MAX_RATE_HZ`].
    pub fn new(in_hz: u32, out_hz: u32) -> Result<Self> {
        for (name, rate) in [("in_hz", in_hz), ("out_hz", out_hz)] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate) {
                return Err(Error::Unsupported(format!(
                    "resampler: `{name}` is {rate} Hz, expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
                )));
            }
        }
        let decimators = decimators(f64::from(in_hz), f64::from(out_hz));
        let before = decimators.last().map_or(0, HalfBandDecimator::before);
        let (up, down) = reduced(u64::from(out_hz), u64::from(in_hz));
        let (left_up, left_down) = reduced(up << decimators.len(), down);
        let stream = (up != down).then(|| Stream::new(left_up, left_down, before));
        Ok(Self { up, down, decimators, stream })
    }

    /// Number of outputs for a whole signal of `n_in` samples: `ceil(n_in · out_hz / in_hz)`.
    pub fn output_len(&self, n_in: u64) -> u64 {
        let exact = (u128::from(n_in) * u128::from(self.up)).div_ceil(u128::from(self.down));
        u64::try_from(exact).unwrap_or(u64::MAX)
    }

    /// Processes the next samples and appends the outputs that are complete. At most a few thousand
    /// inputs remain in the buffer; later calls or [`Resampler::finish`] output them. The result
    /// does not depend on how the signal is split into chunks.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) {
        let Some(stream) = &mut self.stream else {
            return output.extend_from_slice(input);
        };
        output.reserve((input.len() as u128 * u128::from(self.up) / u128::from(self.down)) as usize);
        stream.taken += input.len() as u64;
        for block in input.chunks(BLOCK) {
            let left = self.decimators.iter_mut().fold(block, |samples, decimator| decimator.run(samples));
            stream.pending.extend_from_slice(left);
            stream.emit(output);
        }
    }

    /// Ends the signal: appends the remaining outputs, with zeros after the last input, so that
    /// their total is [`Resampler::output_len`]. Then resets the state.
    pub fn finish(&mut self, output: &mut Vec<f32>) {
        let Some(taken) = self.stream.as_ref().map(|stream| stream.taken) else { return };
        let whole = self.output_len(taken);
        self.process(&vec![0.0; self.tail()], output);
        self.decimators.iter_mut().for_each(HalfBandDecimator::reset);
        if let Some(stream) = &mut self.stream {
            stream.emit_rest(whole - stream.given, output);
            stream.reset();
        }
    }

    /// Zeros needed after the last input to flush the decimators.
    fn tail(&self) -> usize {
        self.decimators.iter().rev().fold(0, |after, decimator| 2 * after + decimator.tail())
    }
}

/// Resamples a whole signal `[n]` to `[ceil(n · out_hz / in_hz)]`. For many signals, reuse a
/// [`Resampler`].
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

/// Decimators between two rates, in Hz.
fn decimators(mut in_hz: f64, out_hz: f64) -> Vec<HalfBandDecimator> {
    let (mut decimators, mut before, mut longest) = (Vec::new(), 0, BLOCK);
    while in_hz > HALVED_ABOVE * out_hz {
        let decimator = HalfBandDecimator::new(out_hz / 2.0 / in_hz, before, longest);
        (before, longest, in_hz) = (decimator.before(), longest / 2 + 1, in_hz / 2.0);
        decimators.push(decimator);
    }
    decimators
}

/// State of a signal: inputs still needed, and the position of the next output among them.
#[derive(Clone, Debug)]
struct Stream {
    weights: Weights,
    /// Inputs that later outputs still need. At the start of a signal: H − 1 − `before` zeros.
    pending: Vec<f32>,
    before: usize,
    /// The next output needs `pending[start .. start + 2H]`. May be beyond the end of `pending` if
    /// M > L.
    start: usize,
    /// Number of inputs and outputs of this signal so far.
    taken: u64,
    given: u64,
}

#[derive(Clone, Debug)]
enum Weights {
    /// One output at a time: L and M, and the phase of the next output, `remainder` / L.
    Interpolated { filter: PolyphaseFilter, up: u64, down: u64, remainder: u64 },
    /// H, and blocks of outputs.
    Exact(usize, PolyphaseBlocks),
}

impl Weights {
    fn new(up: u64, down: u64) -> Self {
        let filter = PolyphaseFilter::new(up, down);
        if filter.is_exact() {
            Self::Exact(filter.half(), PolyphaseBlocks::new(&filter, up, down))
        } else {
            Self::Interpolated { filter, up, down, remainder: 0 }
        }
    }

    /// H: inputs on either side of an output.
    fn half(&self) -> usize {
        match self {
            Self::Interpolated { filter, .. } => filter.half(),
            Self::Exact(half, _) => *half,
        }
    }

    /// Number of inputs that must be pending for the next step.
    fn reach(&self) -> usize {
        match self {
            Self::Interpolated { filter, .. } => filter.length(),
            Self::Exact(_, blocks) => blocks.reach() + (BLOCKS - 1) * blocks.inputs(),
        }
    }
}

impl Stream {
    /// Plans the conversion by `up` / `down` of signals whose first sample follows `before` inputs.
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

    /// Appends the outputs that are complete, then drops the inputs that no later output needs.
    fn emit(&mut self, output: &mut Vec<f32>) {
        let before = output.len();
        match &mut self.weights {
            Weights::Interpolated { filter, up, down, remainder } => {
                while let Some(around) = self.pending.get(self.start..self.start + filter.length()) {
                    output.push(filter.output(*remainder, around));
                    *remainder += *down;
                    self.start += (*remainder / *up) as usize;
                    *remainder %= *up;
                }
            }
            Weights::Exact(_, blocks) => {
                let beyond = self.pending.len().saturating_sub(self.start).checked_sub(blocks.reach());
                let there = beyond.map_or(0, |beyond| (1 + beyond / blocks.inputs()) / BLOCKS * BLOCKS);
                if there > 0 {
                    blocks.run(&self.pending[self.start..], there, output);
                    self.start += there * blocks.inputs();
                }
            }
        }
        self.given += (output.len() - before) as u64;
        let done = self.start.min(self.pending.len());
        self.pending.drain(..done);
        self.start -= done;
    }

    /// Appends `due` more outputs, with zeros after the last input.
    fn emit_rest(&mut self, due: u64, output: &mut Vec<f32>) {
        let end = output.len() + due as usize;
        while output.len() < end {
            self.pending.resize(self.pending.len().max(self.start + self.weights.reach()), 0.0);
            self.emit(output);
        }
        output.truncate(end);
    }
}

/// Divides both numbers by their greatest common divisor.
fn reduced(a: u64, b: u64) -> (u64, u64) {
    let common = gcd(a, b);
    (a / common, b / common)
}

/// Greatest common divisor by Euclid's algorithm.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::super::kaiser::KaiserSinc;
    use super::super::reference::noise;
    use super::*;

    /// Exact and interpolated filters, up and down, with and without decimators.
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

    /// The formula above in f64 over all inputs, without phases, tables and streaming.
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
            // Exact tables: f32 rounding. Interpolated ones: the error analysis of
            // dsp/polyphase_filter.rs, 6.3e-6 for a tone, in the sum over all frequencies of white
            // noise.
            assert!(worst < 6.3e-6, "{in_hz} to {out_hz}: {worst:e}");
        }
    }

    #[test]
    fn the_chunk_length_changes_no_bit() {
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
    fn a_reused_resampler_equals_a_new_one() {
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

    /// An impulse at the first, a middle or the last sample gives the filter itself, cut at the
    /// edges.
    #[test]
    fn an_impulse_gives_the_filter_at_its_position() {
        let filter = KaiserSinc::for_ratio(1.0 / 3.0);
        for place in [0, 600, 1199] {
            let mut input = [0.0; 1200];
            input[place] = 1.0;
            for (k, y) in resample(&input, 48_000, 16_000).unwrap().into_iter().enumerate() {
                let want = filter.at(3.0 * k as f64 - place as f64);
                // −115 dB of the decimator; the low-pass has a third of the impulse's bandwidth
                let error = (f64::from(y) - want).abs();
                assert!(error < 6e-7, "impulse at {place}, output {k}: {error:.1e}");
            }
        }
    }

    #[test]
    fn a_constant_is_unchanged_away_from_the_edges() {
        for (in_hz, out_hz) in RATES {
            let output = resample(&vec![1.0; in_hz as usize / 2], in_hz, out_hz).unwrap();
            let edge = 130 * out_hz as usize / in_hz.min(out_hz) as usize;
            for y in &output[edge..output.len() - edge] {
                assert!((y - 1.0).abs() < 3e-5, "{in_hz} to {out_hz}: {y}");
            }
        }
    }

    #[test]
    fn processing_does_not_grow_the_buffers() {
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
            assert_eq!(output.as_ptr(), place, "the output was reallocated despite its capacity");
        }
    }

    #[test]
    fn a_nan_sample_affects_only_outputs_whose_filter_or_panel_covers_it() {
        let mut input = vec![0.25; 48_000];
        input[24_000] = f32::NAN;
        let output = resample(&input, 48_000, 16_000).unwrap();
        for (k, y) in output.iter().enumerate() {
            let (covered, near) = (k.abs_diff(8000) < 128, k.abs_diff(8000) < 128 + 48);
            assert!(!covered || y.is_nan(), "output {k} is {y}");
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
