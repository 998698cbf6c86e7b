//! Piecewise linear functions, constant before the first knot and after the last.

use serde::Deserialize;

use crate::error::Result;
use crate::models::recipe::{within, wrong};

/// Maximum number of knots.
const MAX_KNOTS: usize = 256;

/// Where a value lies between ascending knots: the knots on both sides, and its share of the way
/// from the first to the second. Outside of all knots both are the nearest one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    left: usize,
    right: usize,
    share: f64,
}

impl Place {
    /// The place of `x` among at least one knot.
    pub(super) fn of(knots: &[f64], x: f64) -> Self {
        let behind = knots.partition_point(|knot| *knot <= x);
        let (left, right) = (behind.saturating_sub(1), behind.min(knots.len() - 1));
        let (from, to) = (knots[left], knots[right]);
        Self { left, right, share: if from < to { (x - from) / (to - from) } else { 0.0 } }
    }

    /// The value there of a function with one value per knot.
    pub(super) fn value(self, values: &[f64]) -> f64 {
        // in this form, unlike `a + share · (b − a)`, rounding keeps the order of two functions
        (1.0 - self.share) * values[self.left] + self.share * values[self.right]
    }
}

/// A factor as a function of the distance to the training domain: lines through `(distance[i],
/// factor[i])`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorCurve {
    distance: Vec<f64>,
    factor: Vec<f64>,
}

impl FactorCurve {
    /// Refuses lengths that are not equal or not 1 to 256, distances that are negative or not
    /// ascending, and factors outside 0.01 to 100.
    pub(super) fn check(&self, key: &str) -> Result<()> {
        let knots = self.distance.len();
        if !(1..=MAX_KNOTS).contains(&knots) || self.factor.len() != knots {
            let what =
                format!("{knots} distances and {} factors; expected as many, 1 to {MAX_KNOTS}", self.factor.len());
            return Err(wrong(key, what));
        }
        for (at, (distance, factor)) in self.distance.iter().zip(&self.factor).enumerate() {
            within(&format!("{key}.distance[{at}]"), distance, 0.0..=1e9)?;
            within(&format!("{key}.factor[{at}]"), factor, 0.01..=100.0)?;
        }
        match self.distance.windows(2).position(|pair| pair[0] >= pair[1]) {
            Some(at) => Err(wrong(&format!("{key}.distance[{}]", at + 1), "is not above the knot before it")),
            None => Ok(()),
        }
    }

    /// The factor at a distance.
    pub fn at(&self, distance: f64) -> f64 {
        Place::of(&self.distance, distance).value(&self.factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(distance: &[f64], factor: &[f64]) -> FactorCurve {
        FactorCurve { distance: distance.to_vec(), factor: factor.to_vec() }
    }

    #[test]
    fn lines_between_knots_and_constant_outside() {
        let three = curve(&[1.0, 2.0, 4.0], &[1.0, 1.5, 3.5]);
        three.check("k").unwrap();
        for (distance, factor) in [(0.0, 1.0), (1.0, 1.0), (1.5, 1.25), (2.0, 1.5), (3.0, 2.5), (9.0, 3.5)] {
            approx::assert_abs_diff_eq!(three.at(distance), factor, epsilon = 1e-12);
        }
        assert_eq!(curve(&[1.0], &[2.0]).at(0.3), 2.0);
    }

    #[test]
    fn invalid_curves_are_named() {
        for (broken, name) in [
            (curve(&[], &[]), "`k`: 0 distances"),
            (curve(&[1.0, 2.0], &[1.0]), "`k`: 2 distances and 1"),
            (curve(&[1.0, 1.0], &[1.0, 1.0]), "`k.distance[1]`"),
            (curve(&[-1.0], &[1.0]), "`k.distance[0]`"),
            (curve(&[1.0], &[0.0]), "`k.factor[0]`"),
            (curve(&[1.0], &[f64::NAN]), "`k.factor[0]`"),
        ] {
            let message = broken.check("k").unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
