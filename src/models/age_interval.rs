//! Prediction interval of the age: both ends as piecewise linear functions of the predicted age.

use serde::Deserialize;

use crate::error::Result;
use crate::models::curve::Place;
use crate::models::recipe::{within, wrong};

/// Maximum number of knots, more than one per year.
const MAX_KNOTS: usize = 256;
/// Maximum age, years.
const MAX_YEARS: f64 = 150.0;

/// The manifest's `heads.age.interval`.
///
/// ```text
/// low(a)  = line through (knots_years[i], low_years[i]),  constant before the first knot and after the last
/// high(a) = line through (knots_years[i], high_years[i]), likewise;  a: the predicted age
/// ```
///
/// The ends are quantiles of the error on unseen speakers (split conformal prediction: Lei et al.
/// 2018, "Distribution-free predictive inference for regression"). The coverage is *marginal*: for
/// speakers from the distribution of the training corpus, the share `coverage` of the true ages is
/// inside. It does not hold for one speaker, one age band, or other kinds of recordings. If
/// predictions of an age are biased, the interval may be on one side of the prediction or not
/// contain it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeInterval {
    coverage: f64,
    knots_years: Vec<f64>,
    low_years: Vec<f64>,
    high_years: Vec<f64>,
}

impl AgeInterval {
    /// Refuses lengths that are not equal or not 1 to 256, knots that are not ascending, a low end
    /// above its high end, years outside 0 to 150, and a coverage that is not between 0 and 1.
    pub(crate) fn check(&self, key: &str) -> Result<()> {
        if !(self.coverage > 0.0 && self.coverage < 1.0) {
            return Err(wrong(&format!("{key}.coverage"), format!("{} is not between 0 and 1", self.coverage)));
        }
        let knots = self.knots_years.len();
        within(&format!("{key}.knots_years"), &knots, 1..=MAX_KNOTS)
            .map_err(|_| wrong(&format!("{key}.knots_years"), format!("{knots} knots; expected 1 to {MAX_KNOTS}")))?;
        for (name, years) in
            [("knots_years", &self.knots_years), ("low_years", &self.low_years), ("high_years", &self.high_years)]
        {
            check_years(&format!("{key}.{name}"), years, knots)?;
        }
        if let Some(at) = self.knots_years.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(wrong(&format!("{key}.knots_years[{}]", at + 1), "is not above the knot before it"));
        }
        let mut ends = self.low_years.iter().zip(&self.high_years);
        match ends.position(|(low, high)| low > high) {
            Some(at) => Err(wrong(&format!("{key}.low_years[{at}]"), "is above the high end of the same knot")),
            None => Ok(()),
        }
    }

    /// Share of speakers whose age is inside.
    pub fn coverage(&self) -> f64 {
        self.coverage
    }

    /// Low and high end, in years, for a predicted age. The low end is never above the high one.
    pub fn at(&self, years: f64) -> (f64, f64) {
        let place = Place::of(&self.knots_years, years);
        (place.value(&self.low_years), place.value(&self.high_years))
    }

    /// As [`AgeInterval::at`], with the distances from the predicted age to both ends multiplied by
    /// a factor, within 0 and 150 years.
    pub fn widened(&self, years: f64, factor: f64) -> (f64, f64) {
        let (low, high) = self.at(years);
        let end = |end: f64| (years + factor * (end - years)).clamp(0.0, MAX_YEARS);
        // rounding of 1 · (end − years) must not change what the file states
        if factor == 1.0 { (low, high) } else { (end(low).min(end(high)), end(low).max(end(high))) }
    }
}

fn check_years(key: &str, years: &[f64], expected: usize) -> Result<()> {
    if years.len() != expected {
        return Err(wrong(key, format!("{} values for {expected} knots", years.len())));
    }
    years.iter().enumerate().try_for_each(|(at, value)| within(&format!("{key}[{at}]"), value, 0.0..=MAX_YEARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(knots: &[f64], low: &[f64], high: &[f64]) -> AgeInterval {
        AgeInterval { coverage: 0.8, knots_years: knots.to_vec(), low_years: low.to_vec(), high_years: high.to_vec() }
    }

    #[test]
    fn lines_between_knots_and_flat_outside() {
        let three = interval(&[20.0, 30.0, 50.0], &[18.0, 22.0, 32.0], &[30.0, 46.0, 70.0]);
        three.check("k").unwrap();
        for (years, ends) in [
            (20.0, (18.0, 30.0)),
            (25.0, (20.0, 38.0)),
            (30.0, (22.0, 46.0)),
            (45.0, (29.5, 64.0)),
            (50.0, (32.0, 70.0)),
            (-1e30, (18.0, 30.0)),
            (1e30, (32.0, 70.0)),
        ] {
            assert_eq!(three.at(years), ends, "at {years}");
        }
        let one = interval(&[40.0], &[30.0], &[55.0]);
        one.check("k").unwrap();
        assert!([-5.0, 40.0, 40.1, 200.0].iter().all(|years| one.at(*years) == (30.0, 55.0)));
    }

    #[test]
    fn a_factor_widens_both_sides() {
        let interval = interval(&[40.0], &[30.0], &[55.0]);
        assert_eq!(interval.widened(40.0, 1.0), (30.0, 55.0));
        assert_eq!(interval.widened(40.0, 2.0), (20.0, 70.0));
        assert_eq!(interval.widened(40.0, 100.0), (0.0, 150.0));
    }

    /// Equal ends stay equal and ordered ends ordered, also at knots one ulp apart.
    #[test]
    fn low_is_never_above_high() {
        let close = 30.0_f64.next_up();
        let narrow = interval(&[20.0, 30.0, close, 90.0], &[0.1, 33.3, 41.7, 99.9], &[0.1, 33.3, 41.7, 150.0]);
        narrow.check("k").unwrap();
        for step in 0..20_000 {
            let years = f64::from(step) * 0.005;
            let (low, high) = narrow.at(years);
            assert!(low <= high && (0.1..=99.9).contains(&low), "at {years}: {low} to {high}");
        }
        assert_eq!(narrow.at(close), (41.7, 41.7));
    }

    /// Part of the message, and the change that makes the interval invalid.
    type Case = (&'static str, fn(&mut AgeInterval));

    #[test]
    fn each_invalid_interval_is_named() {
        let good = interval(&[20.0, 30.0], &[18.0, 22.0], &[30.0, 46.0]);
        let cases: &[Case] = &[
            ("`k.coverage`: 0 is", |i| i.coverage = 0.0),
            ("`k.coverage`: 1 is", |i| i.coverage = 1.0),
            ("`k.coverage`: NaN is", |i| i.coverage = f64::NAN),
            ("`k.knots_years`: 0 knots", |i| i.knots_years.clear()),
            ("`k.knots_years`: 257 knots", |i| i.knots_years = (0..257).map(|k| f64::from(k) / 2.0).collect()),
            ("`k.low_years`: 3 values for 2 knots", |i| i.low_years.push(23.0)),
            ("`k.high_years`: 1 values for 2 knots", |i| i.high_years.truncate(1)),
            ("`k.knots_years[1]`: is not above", |i| i.knots_years[1] = 20.0),
            ("`k.low_years[1]`: is above", |i| i.low_years[1] = 46.5),
            ("`k.high_years[0]`: is NaN", |i| i.high_years[0] = f64::NAN),
            ("`k.high_years[1]`: is 151", |i| i.high_years[1] = 151.0),
            ("`k.low_years[0]`: is -0.5", |i| i.low_years[0] = -0.5),
            ("`k.knots_years[0]`: is -inf", |i| i.knots_years[0] = f64::NEG_INFINITY),
        ];
        for (what, break_it) in cases {
            let mut broken = good.clone();
            break_it(&mut broken);
            let message = broken.check("k").unwrap_err().to_string();
            assert!(message.contains(what), "{what}: {message}");
        }
    }
}
