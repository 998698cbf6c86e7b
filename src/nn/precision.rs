//! With which numbers a layer computes.

use std::str::FromStr;

use crate::kernels::int8::Codes;

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
    pub(super) codes: Codes,
    /// The input as a layer of [`Precision::F32`] reads it, where it is not the one given.
    pub(super) values: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for precision in [Precision::F32, Precision::Int8] {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        assert!("int4".parse::<Precision>().is_err());
    }
}
