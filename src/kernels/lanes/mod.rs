//! SIMD across signals: sixteen frames are processed at once, one per lane.
//!
//! The Fourier transform, mel bands and cepstrum of a frame combine values of that frame, which
//! vectors of adjacent values suit badly. With one frame per lane there are no sums across a vector
//! and no remainders, and lanes are independent: the result of a frame does not depend on the other
//! frames.
//!
//! | file | concept |
//! |---|---|
//! | `multiversion_lanes` | one function body compiled for each instruction set |
//! | `vector` | vector of 16 values, one type per instruction set |
//! | `transpose` | rows to lanes and back |
//! | `frames` | windowing, mean removal, pre-emphasis, energy |
//! | `fft` | FFT of real signals |
//! | `banded_matrix` | product with a banded matrix: filter banks, DCT |
//! | `peaks` | highest local maximum, sums and maxima |

pub mod banded_matrix;
pub mod fft;
pub mod frames;
mod multiversion_lanes;
pub mod peaks;
pub mod transpose;
mod vector;

/// Number of signals that are processed at once.
pub const LANES: usize = 16;

/// One value of each of 16 signals.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// The same value in all lanes.
    pub const fn of(value: f32) -> Self {
        Self([value; LANES])
    }

    /// All values as a flat slice: the 16 lanes of the first element, then of the second, and so
    /// on.
    pub fn flat(values: &mut [Self]) -> &mut [f32] {
        // SAFETY: `Lanes` is 16 f32 without padding (64 bytes, by `repr(C)`), so the memory of
        // `values` is `16 · values.len()` f32 with the same lifetime.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len() * LANES) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_lists_the_lanes_of_each_element() {
        let mut values = [Lanes::of(1.0), Lanes::of(2.0)];
        Lanes::flat(&mut values)[17] = 7.0;
        assert_eq!(values[1].0[..3], [2.0, 7.0, 2.0]);
        assert_eq!(Lanes::flat(&mut []).len(), 0);
    }
}
