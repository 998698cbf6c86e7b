//! With which numbers a layer computes.

use std::str::FromStr;

use crate::kernels::int8::QuantisedRows;

/// The numbers of a layer's products. What lies between the layers is f32 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Weights and activations as 8-bit integers, added up exactly in 32 bits; see [`crate::kernels::int8`].
    Int8,
}

impl Precision {
    /// Its name: `f32` or `int8`.
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

/// What layers need beside input and output; grows to the largest that it saw, and no result depends on what it held.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The input as a layer of [`Precision::Int8`] reads it.
    pub(super) codes: QuantisedRows,
    /// The input as a layer of [`Precision::F32`] reads it, where it is not the one given.
    pub(super) values: Vec<f32>,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const BOTH: [Precision; 2] = [Precision::F32, Precision::Int8];

    /// What a layer reads for rows of weights, made by hand: in int8 the nearest of −127 to 127 steps, the largest weight of the row being 127 of them.
    pub(crate) fn weights_read(precision: Precision, weights: &[f32], row: usize) -> Vec<f64> {
        let largest = |row: &[f64]| row.iter().fold(0.0, |most: f64, w| most.max(w.abs()));
        rows_read(precision, weights, row, |row| (0.0, largest(row) / 127.0))
    }

    /// What it reads for rows of activations: in int8 the nearest of 0 to 255 steps above the row's least value, or above 0 if none is negative.
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
    fn names_are_read_back() {
        for precision in [Precision::F32, Precision::Int8] {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        assert!("int4".parse::<Precision>().is_err());
    }
}
