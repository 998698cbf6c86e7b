//! What becomes of a product's sums before they are written.

use super::dot::Variant;
use super::vectors::for_each_width;

/// The last step of a layer.
#[derive(Clone, Copy, Debug)]
pub enum Finish<'a> {
    /// Nothing.
    Linear,
    /// ReLU.
    Relu,
    /// Values that lie as the output does are added, then ReLU: the end of a residual block.
    AddRelu(&'a [f32]),
    /// ReLU, then `scale · y + shift` of each column.
    ReluNorm([&'a [f32]; 2]),
    /// Leaky ReLU (values below 0 times the slope), then `scale · y + shift` of each column.
    LeakyReluNorm(f32, [&'a [f32]; 2]),
}

impl Finish<'_> {
    /// The same for the part of the output that begins `values` later.
    #[must_use]
    pub fn from(self, values: usize) -> Self {
        match self {
            Self::AddRelu(other) => Self::AddRelu(&other[values..]),
            all => all,
        }
    }

    /// In place on a whole output of rows of `columns` values that begin `stride` values apart.
    ///
    /// # Panics
    ///
    /// If what is added or the norm is shorter than the output.
    pub fn apply(self, values: &mut [f32], columns: usize, stride: usize) {
        apply_by(Variant::best(), self, values, columns, stride);
    }

    /// A piece of a row of sums, as long as `out`, whose first value is value `at` of the output and in column `column`. NaN stays NaN.
    ///
    /// # Panics
    ///
    /// If what is added or the norm is shorter than the output.
    #[inline(always)]
    #[allow(clippy::inline_always)] // so that it is compiled for the vectors of the product that ends with it
    pub(super) fn write(self, sums: &[f32], out: &mut [f32], at: usize, column: usize) {
        let columns = column..column + out.len();
        match self {
            Self::Linear => out.copy_from_slice(sums),
            Self::Relu => out.iter_mut().zip(sums).for_each(|(y, sum)| *y = rectified(*sum)),
            Self::AddRelu(other) => {
                let other = &other[at..at + out.len()];
                out.iter_mut().zip(sums).zip(other).for_each(|((y, sum), x)| *y = rectified(sum + x));
            }
            Self::ReluNorm([scale, shift]) => {
                let norm = scale[columns.clone()].iter().zip(&shift[columns]);
                out.iter_mut().zip(sums).zip(norm).for_each(|((y, sum), (s, t))| *y = s * rectified(*sum) + t);
            }
            Self::LeakyReluNorm(slope, [scale, shift]) => {
                let norm = scale[columns.clone()].iter().zip(&shift[columns]);
                out.iter_mut().zip(sums).zip(norm).for_each(|((y, sum), (s, t))| *y = s * leaky(*sum, slope) + t);
            }
        }
    }
}

for_each_width! {
    fn apply_by(finish: Finish<'_>, values: &mut [f32], columns: usize, stride: usize) {
        for (r, row) in values.chunks_mut(stride.max(1)).enumerate() {
            let Some(row) = row.get_mut(..columns) else { break };
            match finish {
                Finish::Linear => return,
                Finish::Relu => row.iter_mut().for_each(|y| *y = rectified(*y)),
                Finish::AddRelu(other) => {
                    row.iter_mut().zip(&other[r * stride..]).for_each(|(y, x)| *y = rectified(*y + x));
                }
                Finish::ReluNorm([scale, shift]) => {
                    let norm = scale.iter().zip(shift);
                    row.iter_mut().zip(norm).for_each(|(y, (s, t))| *y = s * rectified(*y) + t);
                }
                Finish::LeakyReluNorm(slope, [scale, shift]) => {
                    let norm = scale.iter().zip(shift);
                    row.iter_mut().zip(norm).for_each(|(y, (s, t))| *y = s * leaky(*y, slope) + t);
                }
            }
        }
    }
}

/// `f32::max` would turn NaN into 0.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn rectified(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn leaky(x: f32, slope: f32) -> f32 {
    if x < 0.0 { slope * x } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_its_formula() {
        let sums = [1.0, -2.0, f32::NAN];
        let run = |finish: Finish<'_>| {
            let mut out = [7.0; 3];
            finish.from(1).write(&sums, &mut out, 1, 1);
            assert!(out[2].is_nan(), "{finish:?}");
            [out[0], out[1]]
        };
        assert_eq!(run(Finish::Linear), [1.0, -2.0]);
        assert_eq!(run(Finish::Relu), [1.0, 0.0]);
        assert_eq!(run(Finish::AddRelu(&[0.0, 9.0, -3.0, 4.0, 0.0])), [0.0, 2.0]);
        assert_eq!(run(Finish::ReluNorm([&[0.0, 2.0, 3.0, 1.0], &[0.0, 0.5, -1.0, 0.0]])), [2.5, -1.0]);
        assert_eq!(run(Finish::LeakyReluNorm(0.25, [&[0.0, 2.0, 3.0, 1.0], &[0.0, 0.5, -1.0, 0.0]])), [2.5, -2.5]);
    }

    #[test]
    fn in_place_it_is_the_same_and_gaps_are_left_alone() {
        let other: Vec<f32> = (0..8).map(|i| i as f32 - 4.0).collect();
        let norm = [[1.5, -1.0, 2.0], [0.25, 0.5, -3.0]];
        let sums: Vec<f32> = (0..8).map(|i| (i as f32 * 1.7).sin() * 3.0).collect();
        let norm = [&norm[0][..], &norm[1][..]];
        for finish in [
            Finish::Linear,
            Finish::Relu,
            Finish::AddRelu(&other),
            Finish::ReluNorm(norm),
            Finish::LeakyReluNorm(0.1, norm),
        ] {
            let (mut want, mut got) = (sums.clone(), sums.clone());
            for at in [0, 4] {
                finish.write(&sums[at..at + 3], &mut want[at..at + 3], at, 0);
            }
            for variant in Variant::ALL {
                got.copy_from_slice(&sums);
                apply_by(variant, finish, &mut got, 3, 4);
                assert_eq!(got, want, "{finish:?}, {variant:?}");
            }
        }
    }
}
