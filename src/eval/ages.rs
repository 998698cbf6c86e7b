//! Age metrics in years (RMSE, MAE, bias, correlation, interval coverage), computed from sums over
//! clips.

use super::ratio::ratio;
use crate::engine::Interval;

/// True and predicted age of one clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgeCase {
    /// True age in years.
    pub truth: f64,
    /// Predicted age in years.
    pub years: f64,
    /// Predicted interval, for models that have one.
    pub interval: Option<Interval>,
}

/// Ages are summed relative to this one, so that the variance is not lost in the sums of squares.
const ORIGIN: f64 = 40.0;

/// Sums over clips.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgeSums {
    clips: f64,
    error: f64,
    absolute_error: f64,
    squared_error: f64,
    truth: f64,
    truth_squared: f64,
    years: f64,
    years_squared: f64,
    product: f64,
    intervals: f64,
    covered: f64,
    width: f64,
    claimed: f64,
}

impl AgeSums {
    /// Sums over these clips.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a AgeCase>) -> Self {
        let mut sums = Self::default();
        cases.into_iter().for_each(|case| sums.add(case));
        sums
    }

    /// Adds one clip.
    pub fn add(&mut self, case: &AgeCase) {
        let (error, truth, years) = (case.years - case.truth, case.truth - ORIGIN, case.years - ORIGIN);
        self.clips += 1.0;
        self.error += error;
        self.absolute_error += error.abs();
        self.squared_error += error * error;
        self.truth += truth;
        self.truth_squared += truth * truth;
        self.years += years;
        self.years_squared += years * years;
        self.product += truth * years;
        if let Some(interval) = case.interval {
            self.intervals += 1.0;
            self.covered += f64::from(u8::from((interval.low_years..=interval.high_years).contains(&case.truth)));
            self.width += interval.high_years - interval.low_years;
            self.claimed += interval.coverage;
        }
    }

    /// Adds other sums, multiplied by `times`.
    pub fn add_times(&mut self, other: &Self, times: f64) {
        self.clips += times * other.clips;
        self.error += times * other.error;
        self.absolute_error += times * other.absolute_error;
        self.squared_error += times * other.squared_error;
        self.truth += times * other.truth;
        self.truth_squared += times * other.truth_squared;
        self.years += times * other.years;
        self.years_squared += times * other.years_squared;
        self.product += times * other.product;
        self.intervals += times * other.intervals;
        self.covered += times * other.covered;
        self.width += times * other.width;
        self.claimed += times * other.claimed;
    }

    /// Number of clips.
    pub fn clips(&self) -> f64 {
        self.clips
    }

    /// Root mean squared error. `None` of no clips, here and below.
    pub fn rmse(&self) -> Option<f64> {
        ratio(self.squared_error, self.clips).map(f64::sqrt)
    }

    /// Mean absolute error.
    pub fn mae(&self) -> Option<f64> {
        ratio(self.absolute_error, self.clips)
    }

    /// Mean of predicted − true age: positive if people are predicted too old.
    pub fn bias(&self) -> Option<f64> {
        ratio(self.error, self.clips)
    }

    /// Pearson correlation of predicted and true age; `None` if either is constant.
    pub fn correlation(&self) -> Option<f64> {
        let moment = |product: f64, a: f64, b: f64| product * self.clips - a * b;
        let (truth, years) =
            (moment(self.truth_squared, self.truth, self.truth), moment(self.years_squared, self.years, self.years));
        // the variance of a constant after rounding errors
        let constant = |moment: f64, squared: f64| moment <= 1e-12 * squared * self.clips;
        if constant(truth, self.truth_squared) || constant(years, self.years_squared) {
            return None;
        }
        Some((moment(self.product, self.truth, self.years) / (truth.sqrt() * years.sqrt())).clamp(-1.0, 1.0))
    }

    /// Share of intervals that contain the true age; `None` for a model without intervals.
    pub fn coverage(&self) -> Option<f64> {
        ratio(self.covered, self.intervals)
    }

    /// Mean width of the intervals in years.
    pub fn width(&self) -> Option<f64> {
        ratio(self.width, self.intervals)
    }

    /// The nominal coverage that the model states.
    pub fn claimed_coverage(&self) -> Option<f64> {
        ratio(self.claimed, self.intervals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(pairs: &[(f64, f64)]) -> Vec<AgeCase> {
        pairs.iter().map(|&(truth, years)| AgeCase { truth, years, interval: None }).collect()
    }

    #[test]
    fn perfect_ages_have_no_error() {
        let sums = AgeSums::of(&cases(&[(20.0, 20.0), (50.0, 50.0), (31.0, 31.0)]));
        assert_eq!([sums.rmse(), sums.mae(), sums.bias()], [Some(0.0); 3]);
        approx::assert_abs_diff_eq!(sums.correlation().unwrap(), 1.0, epsilon = 1e-14);
        assert_eq!((sums.coverage(), sums.width(), sums.claimed_coverage()), (None, None, None));
    }

    #[test]
    fn a_constant_age_has_no_correlation() {
        let sums = AgeSums::of(&cases(&[(20.1, 35.3), (50.7, 35.3), (31.9, 35.3)]));
        assert_eq!(sums.correlation(), None);
        approx::assert_abs_diff_eq!(sums.bias().unwrap(), 35.3 - (20.1 + 50.7 + 31.9) / 3.0, epsilon = 1e-12);
        let one = AgeSums::of(&cases(&[(20.0, 35.0)]));
        assert_eq!((one.rmse(), one.mae(), one.bias(), one.correlation()), (Some(15.0), Some(15.0), Some(15.0), None));
        assert_eq!(AgeSums::default().rmse(), None);
    }

    #[test]
    fn errors_are_their_definitions() {
        let sums = AgeSums::of(&cases(&[(20.0, 23.0), (40.0, 36.0)]));
        assert_eq!((sums.mae(), sums.bias()), (Some(3.5), Some(-0.5)));
        approx::assert_abs_diff_eq!(sums.rmse().unwrap(), 12.5_f64.sqrt(), epsilon = 1e-15);
    }

    #[test]
    fn intervals_are_evaluated_where_they_exist() {
        let with = |truth, low_years, high_years| AgeCase {
            truth,
            years: 30.0,
            interval: Some(Interval { low_years, high_years, coverage: 0.8 }),
        };
        let mut cases = vec![with(20.0, 20.0, 30.0), with(20.0, 21.0, 41.0), with(20.0, 10.0, 20.0)];
        cases.push(AgeCase { truth: 20.0, years: 20.0, interval: None });
        let sums = AgeSums::of(&cases);
        assert_eq!((sums.coverage(), sums.width()), (Some(2.0 / 3.0), Some(40.0 / 3.0)));
        approx::assert_abs_diff_eq!(sums.claimed_coverage().unwrap(), 0.8, epsilon = 1e-15);
    }

    #[test]
    fn sums_of_parts_are_the_sums_of_the_whole() {
        let all: Vec<_> = (0..20).map(|i| (f64::from(i) * 2.0 + 10.0, f64::from(i * i % 17) + 20.0)).collect();
        let all = cases(&all);
        let mut parts = AgeSums::of(&all[..5]);
        parts.add_times(&AgeSums::of(&all[5..]), 1.0);
        let whole = AgeSums::of(&all);
        for (a, b) in
            [(whole.rmse(), parts.rmse()), (whole.mae(), parts.mae()), (whole.correlation(), parts.correlation())]
        {
            approx::assert_abs_diff_eq!(a.unwrap(), b.unwrap(), epsilon = 1e-12);
        }
    }
}
