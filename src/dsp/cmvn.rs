//! Cepstral mean and variance normalisation (CMVN) of each column, over the whole utterance or a
//! sliding window.
//!
//! Over the frames t of the window W:
//!
//! ```text
//! μ[d] = mean of x[t, d]        v[d] = mean of x[t, d]² − μ[d]²
//! out[t, d] = x[t, d] − μ[d],   with variance normalisation divided by √v[d]
//! ```
//!
//! Sums are f64. Features are `[frames, dim]`, row-major.

use super::invalid_option::{InvalidOption, within};

/// Whole-utterance normalisation: Kaldi's `apply-cmvn` on the utterance's own statistics, and with
/// the mean alone SpeechBrain's `InputNormalization(norm_type="sentence", std_norm=False)`.
///
/// Variances are at least 10⁻²⁰ (Kaldi's floor), so a constant column becomes 0. A column with a
/// NaN or infinite value becomes NaN throughout. Empty input is valid.
#[derive(Clone, Debug)]
pub struct Cmvn {
    norm_vars: bool,
    statistics: Statistics,
}

/// Kaldi's floor for the variance of an utterance.
const LEAST_VARIANCE: f64 = 1e-20;
/// Kaldi's floor for the variance of a sliding window.
const LEAST_SLIDING_VARIANCE: f64 = 1e-10;

impl Cmvn {
    /// Plans for features of `dim` columns. `norm_vars` (Kaldi's name): whether the variance is
    /// normalised too.
    ///
    /// # Panics
    /// If `dim` is 0.
    pub fn new(dim: usize, norm_vars: bool) -> Self {
        Self { norm_vars, statistics: Statistics::new(dim) }
    }

    /// Normalises `features` `[frames, dim]` in place. Allocates nothing.
    ///
    /// # Panics
    /// If the length is not a multiple of `dim`.
    pub fn run(&mut self, features: &mut [f32]) {
        self.statistics.clear();
        let dim = self.statistics.dim();
        assert!(features.len().is_multiple_of(dim), "whole frames of {dim} columns");
        features.chunks_exact(dim).for_each(|frame| self.statistics.add(frame));
        for frame in features.chunks_exact_mut(dim) {
            self.statistics.normalise(frame, self.norm_vars.then_some(LEAST_VARIANCE));
        }
    }
}

/// Kaldi's `SlidingWindowCmnOptions`, with Kaldi's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingCmvnOptions {
    /// Length of the window in frames, at least 1. Default 600.
    pub cmn_window: usize,
    /// Minimum length of the window at the start of the utterance, at most `cmn_window`; without
    /// `center` only. Default 100.
    pub min_window: usize,
    /// Whether the variance is normalised too. Default false.
    pub normalize_variance: bool,
    /// Whether the window is centred on the frame; otherwise it ends at the frame. Default false.
    pub center: bool,
}

impl Default for SlidingCmvnOptions {
    fn default() -> Self {
        Self { cmn_window: 600, min_window: 100, normalize_variance: false, center: false }
    }
}

impl SlidingCmvnOptions {
    /// The window of frame `t`: its first frame and the end (exclusive).
    ///
    /// ```text
    /// centred:  [t − cmn_window / 2, + cmn_window), shifted into the utterance
    /// else:     [t − cmn_window, t + 1), that is one frame more than cmn_window; near the start [0, max(t + 1, min_window))
    /// ```
    ///
    /// limited to the utterance.
    fn window(&self, t: usize, frames: usize) -> (usize, usize) {
        let (start, end) = if self.center {
            let start = t.saturating_sub(self.cmn_window / 2);
            (start, start + self.cmn_window)
        } else {
            (t.saturating_sub(self.cmn_window), (t + 1).max(self.min_window))
        };
        let beyond = end.saturating_sub(frames);
        (start.saturating_sub(beyond), end - beyond)
    }
}

/// Sliding-window normalisation, Kaldi's `apply-cmvn-sliding`.
///
/// Variances are at least 10⁻¹⁰; with variance normalisation, a window of one frame outputs 0. A
/// NaN or infinite value makes its column NaN from the first window that contains it to the end of
/// the utterance.
#[derive(Clone, Debug)]
pub struct SlidingCmvn {
    options: SlidingCmvnOptions,
    statistics: Statistics,
}

impl SlidingCmvn {
    /// Plans for features of `dim` columns.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first invalid option, or if `dim` is 0.
    pub fn new(dim: usize, options: SlidingCmvnOptions) -> Result<Self, InvalidOption> {
        within("dim", dim, 1..=usize::MAX)?;
        within("cmn_window", options.cmn_window as u64, 1..=1 << 32)?;
        within("min_window", options.min_window, 1..=options.cmn_window)?;
        Ok(Self { options, statistics: Statistics::new(dim) })
    }

    /// Replaces `out` by the normalised `features` `[frames, dim]`, of the same shape. Allocates
    /// nothing if the capacity of `out` suffices. The cost per frame does not depend on the window.
    ///
    /// # Panics
    /// If the length is not a multiple of `dim`.
    pub fn run(&mut self, features: &[f32], out: &mut Vec<f32>) {
        self.statistics.clear();
        let dim = self.statistics.dim();
        assert!(features.len().is_multiple_of(dim), "whole frames of {dim} columns");
        out.clear();
        out.extend_from_slice(features);
        let frames = features.len() / dim;
        let frame = |t: usize| &features[t * dim..(t + 1) * dim];
        let (mut first, mut next) = (0, 0);
        for (t, row) in out.chunks_exact_mut(dim).enumerate() {
            let (start, end) = self.options.window(t, frames);
            (next..end).for_each(|t| self.statistics.add(frame(t)));
            (first..start).for_each(|t| self.statistics.remove(frame(t)));
            (first, next) = (start, end);
            self.normalise(row, end - start);
        }
    }

    fn normalise(&self, row: &mut [f32], window: usize) {
        if self.options.normalize_variance && window == 1 {
            for x in row {
                *x *= 0.0; // NaN stays NaN
            }
        } else {
            self.statistics.normalise(row, self.options.normalize_variance.then_some(LEAST_SLIDING_VARIANCE));
        }
    }
}

/// Sums over frames, of which mean and variance are computed.
#[derive(Clone, Debug)]
struct Statistics {
    count: f64,
    /// `[dim]`: Σ x.
    sums: Vec<f64>,
    /// `[dim]`: Σ x².
    squares: Vec<f64>,
}

impl Statistics {
    fn new(dim: usize) -> Self {
        assert!(dim > 0, "features of at least one column");
        Self { count: 0.0, sums: vec![0.0; dim], squares: vec![0.0; dim] }
    }

    fn dim(&self) -> usize {
        self.sums.len()
    }

    fn clear(&mut self) {
        self.count = 0.0;
        self.sums.fill(0.0);
        self.squares.fill(0.0);
    }

    fn add(&mut self, frame: &[f32]) {
        self.weigh(frame, 1.0);
    }

    fn remove(&mut self, frame: &[f32]) {
        self.weigh(frame, -1.0);
    }

    fn weigh(&mut self, frame: &[f32], weight: f64) {
        self.count += weight;
        for ((sum, square), x) in self.sums.iter_mut().zip(&mut self.squares).zip(frame) {
            let x = f64::from(*x);
            *sum += weight * x;
            *square += weight * x * x;
        }
    }

    /// Subtracts the mean from `row`, and divides by the standard deviation if a minimum variance
    /// is given. Outputs NaN if the mean is not finite.
    fn normalise(&self, row: &mut [f32], least_variance: Option<f64>) {
        for ((x, sum), square) in row.iter_mut().zip(&self.sums).zip(&self.squares) {
            let mean = sum / self.count;
            let scale = match least_variance {
                _ if !mean.is_finite() => f64::NAN,
                Some(least) => (square / self.count - mean * mean).max(least).sqrt().recip(),
                None => 1.0,
            };
            *x = ((f64::from(*x) - mean) * scale) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{golden_in, noise};
    use super::*;

    const DIM: usize = 5;

    /// Noise with another offset and scale in each column.
    fn features(frames: usize) -> Vec<f32> {
        let at = |i: usize, x: &f32| 10.0 * (i % DIM) as f32 - 20.0 + x * (1 + i % DIM) as f32;
        noise(frames * DIM, 30).iter().enumerate().map(|(i, x)| at(i, x)).collect()
    }

    /// The formula over the frames `start..end` in two passes, with the variance as the mean square
    /// of the deviations.
    fn naive(features: &[f32], t: usize, (start, end): (usize, usize), variance: bool) -> Vec<f64> {
        let n = (end - start) as f64;
        let column = |d: usize| (start..end).map(move |t| f64::from(features[t * DIM + d]));
        let value = |d: usize| {
            let mean = column(d).sum::<f64>() / n;
            let deviation = (column(d).map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            let x = f64::from(features[t * DIM + d]) - mean;
            if variance && end - start > 1 { x / deviation } else { x }
        };
        (0..DIM).map(value).collect()
    }

    fn assert_close(got: &[f32], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((f64::from(*g) - w).abs() < 1e-5, "{i}: {g} against {w}");
        }
    }

    #[test]
    fn utterance_equals_the_formula() {
        for norm_vars in [false, true] {
            for frames in [1, 2, 3, 50] {
                let x = features(frames);
                let mut got = x.clone();
                Cmvn::new(DIM, norm_vars).run(&mut got);
                let want: Vec<f64> =
                    (0..frames).flat_map(|t| naive(&x, t, (0, frames), norm_vars && frames > 1)).collect();
                assert_close(&got, &want);
            }
        }
    }

    /// Kaldi's computation of the window: shift right at the start, then left at the end.
    fn naive_window(options: &SlidingCmvnOptions, t: usize, frames: usize) -> (usize, usize) {
        let (t, frames, window) = (t as i64, frames as i64, options.cmn_window as i64);
        let mut start = if options.center { t - window / 2 } else { t - window };
        let mut end = if options.center { start + window } else { t + 1 };
        if start < 0 {
            end -= start;
            start = 0;
        }
        if !options.center {
            end = end.min(t + 1).max(options.min_window as i64);
        }
        if end > frames {
            start = (start - (end - frames)).max(0);
            end = frames;
        }
        (start as usize, end as usize)
    }

    #[test]
    fn sliding_equals_the_formula() {
        for (cmn_window, min_window) in [(1, 1), (7, 1), (8, 3), (20, 20)] {
            for (center, normalize_variance) in [(false, false), (true, false), (false, true), (true, true)] {
                let options = SlidingCmvnOptions { cmn_window, min_window, normalize_variance, center };
                for frames in [0, 1, 2, 7, 19, 60] {
                    let x = features(frames);
                    let mut got = vec![f32::NAN; 3];
                    SlidingCmvn::new(DIM, options.clone()).unwrap().run(&x, &mut got);
                    let want: Vec<f64> = (0..frames)
                        .flat_map(|t| naive(&x, t, naive_window(&options, t, frames), normalize_variance))
                        .collect();
                    assert_close(&got, &want);
                }
            }
        }
    }

    #[test]
    fn equal_the_golden_values() {
        let x = golden_in("kaldi", "cmvn.features");
        let dim = 4;
        for (name, norm_vars) in [("cmvn.mean", false), ("cmvn.mean_variance", true)] {
            let mut got = x.clone();
            Cmvn::new(dim, norm_vars).run(&mut got);
            let want: Vec<f64> = golden_in("kaldi", name).into_iter().map(f64::from).collect();
            assert_close(&got, &want);
        }
        for (name, center, normalize_variance) in [
            ("cmvn.sliding", false, false),
            ("cmvn.sliding_centred", true, false),
            ("cmvn.sliding_variance", true, true),
        ] {
            let options = SlidingCmvnOptions { normalize_variance, center, ..Default::default() };
            let mut got = Vec::new();
            SlidingCmvn::new(dim, options).unwrap().run(&x, &mut got);
            let want: Vec<f64> = golden_in("kaldi", name).into_iter().map(f64::from).collect();
            assert_close(&got, &want);
        }
    }

    #[test]
    fn a_window_over_everything_is_the_utterance() {
        let x = features(300);
        let mut utterance = x.clone();
        Cmvn::new(DIM, true).run(&mut utterance);
        let options = SlidingCmvnOptions { center: true, normalize_variance: true, ..Default::default() };
        let mut sliding = Vec::new();
        SlidingCmvn::new(DIM, options).unwrap().run(&x, &mut sliding);
        assert_eq!(sliding, utterance);
    }

    #[test]
    fn a_reused_plan_equals_a_new_one_and_constants_become_zero() {
        let options = SlidingCmvnOptions { cmn_window: 6, min_window: 2, ..Default::default() };
        let (mut plan, mut utterance) = (SlidingCmvn::new(DIM, options.clone()).unwrap(), Cmvn::new(DIM, true));
        let (mut got, mut want) = (Vec::new(), Vec::new());
        plan.run(&[f32::NAN; 40], &mut got);
        utterance.run(&mut [f32::INFINITY; 40]);
        plan.run(&features(30), &mut got);
        SlidingCmvn::new(DIM, options).unwrap().run(&features(30), &mut want);
        assert_eq!(got, want);
        let mut constant = [7.5; 40];
        utterance.run(&mut constant);
        assert_eq!(constant, [0.0; 40]);
        utterance.run(&mut []);
    }

    #[test]
    fn values_that_are_not_finite_give_nan() {
        let mut x = features(30);
        x[10 * DIM + 2] = f32::NAN;
        x[12 * DIM + 3] = f32::INFINITY;
        let mut whole = x.clone();
        Cmvn::new(DIM, true).run(&mut whole);
        for normalize_variance in [false, true] {
            let options = SlidingCmvnOptions { cmn_window: 5, min_window: 1, normalize_variance, center: false };
            let mut sliding = Vec::new();
            SlidingCmvn::new(DIM, options).unwrap().run(&x, &mut sliding);
            for t in 0..30 {
                let nan = |row: &[f32], d: usize| row[t * DIM + d].is_nan();
                assert!(nan(&whole, 2) && nan(&whole, 3) && !nan(&whole, 1));
                assert_eq!((nan(&sliding, 2), nan(&sliding, 3), nan(&sliding, 4)), (t >= 10, t >= 12, false), "{t}");
            }
        }
    }

    #[test]
    fn invalid_options_are_named() {
        let default = SlidingCmvnOptions::default;
        for (field, dim, options) in [
            ("dim", 0, default()),
            ("cmn_window", 1, SlidingCmvnOptions { cmn_window: 0, ..default() }),
            ("cmn_window", 1, SlidingCmvnOptions { cmn_window: usize::MAX, ..default() }),
            ("min_window", 1, SlidingCmvnOptions { min_window: 0, ..default() }),
            ("min_window", 1, SlidingCmvnOptions { min_window: 601, ..default() }),
        ] {
            let message = SlidingCmvn::new(dim, options).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}` is ")), "{field}: {message}");
        }
    }
}
