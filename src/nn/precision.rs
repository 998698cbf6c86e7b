//! The arithmetic of a layer's products: f32 or int8.

use std::str::FromStr;

/// Arithmetic of the products of a layer. Activations between layers are f32 in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Weights and activations are quantised to 8 bits and summed exactly in 32 bits; see
    /// [`crate::kernels::int8`].
    Int8,
}

impl Precision {
    /// `f32` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::F32, Self::Int8];
        all.into_iter().find(|p| p.name() == text).ok_or_else(|| "`f32` or `int8` was expected".to_owned())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const BOTH: [Precision; 2] = [Precision::F32, Precision::Int8];

    /// The weights that a layer computes with, in rows of `row` values; in int8 quantised by the
    /// definition.
    pub(crate) fn weights_read(precision: Precision, weights: &[f32], row: usize) -> Vec<f64> {
        let largest = |row: &[f64]| row.iter().fold(0.0, |most: f64, w| most.max(w.abs()));
        rows_read(precision, weights, row, |row| (0.0, largest(row) / 127.0))
    }

    /// The activations that a layer computes with, in rows of `row` values; in int8 quantised by
    /// the definition.
    pub(crate) fn activations_read(precision: Precision, values: &[f32], row: usize) -> Vec<f64> {
        rows_read(precision, values, row, |row| {
            let low = row.iter().fold(0.0, |least: f64, x| least.min(*x));
            (low, (row.iter().fold(f64::MIN, |most, x| most.max(*x)) - low) / 255.0)
        })
    }

    fn rows_read(
        precision: Precision,
        values: &[f32],
        row: usize,
        low_and_step: impl Fn(&[f64]) -> (f64, f64),
    ) -> Vec<f64> {
        let mut values: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
        if precision == Precision::Int8 {
            for row in values.chunks_mut(row) {
                let (low, step) = low_and_step(row);
                let near = |x: f64| if step > 0.0 { low + step * ((x - low) / step).round_ties_even() } else { low };
                for x in row {
                    *x = near(*x);
                }
            }
        }
        values
    }

    #[test]
    fn names_are_parsed() {
        for precision in [Precision::F32, Precision::Int8] {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        assert!("int4".parse::<Precision>().is_err());
    }
}
