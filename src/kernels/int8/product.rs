//! Int8 GEMM: quantised rows times packed weights over all taps, with an epilogue.

use std::ops::Range;

use super::tile::{GROUP, Tile};
use super::weights::Int8Weights;
use crate::kernels::cpu::Int8Variant;
use crate::kernels::epilogue::Output;
use crate::kernels::packed::tiles;

/// Layout of quantised activations: where the values and scales of each output row and tap are.
/// Rows may overlap.
#[derive(Clone, Copy, Debug)]
pub struct Int8Rows<'a> {
    /// Values, at least three more than the last row needs.
    pub values: &'a [u8],
    /// Distances in values: between two output rows, and between two taps.
    pub strides: [usize; 2],
    /// Scales of the quantised rows.
    pub scales: &'a [f32],
    /// Offsets of the quantised rows; empty if all are 0.
    pub offsets: &'a [f32],
    /// Distances in scales: between two output rows, and between two taps.
    pub scale_strides: [usize; 2],
}

impl Int8Weights {
    /// Computes `rows` rows of output over the given taps; the first of these reads the values at
    /// index 0.
    ///
    /// # Panics
    ///
    /// If `x` or `out` is too short, the rows of `out` overlap, or its bias does not have one value
    /// per output.
    pub fn run(&self, x: &Int8Rows<'_>, taps: Range<usize>, rows: usize, out: Output<'_>) {
        self.run_by(Int8Variant::best(), x, taps, rows, out);
    }

    pub(super) fn run_by(
        &self,
        variant: Int8Variant,
        x: &Int8Rows<'_>,
        taps: Range<usize>,
        rows: usize,
        mut out: Output<'_>,
    ) {
        assert!(taps.end <= self.taps() && out.bias.len() == self.outputs(), "{taps:?}, {} biases", out.bias.len());
        assert!(rows <= 1 || out.stride >= self.outputs(), "rows overlap at stride {}", out.stride);
        for panel in 0..self.panels() {
            for (first, height) in tiles(rows, out.epilogue.may_repeat()) {
                let tile = self.tile(x, &taps, panel, first);
                match height {
                    10 => tile.run::<10>(variant, panel, first, &mut out),
                    4 => tile.run::<4>(variant, panel, first, &mut out),
                    2 => tile.run::<2>(variant, panel, first, &mut out),
                    _ => tile.run::<1>(variant, panel, first, &mut out),
                }
            }
        }
    }

    fn tile<'a>(&'a self, x: &Int8Rows<'a>, taps: &Range<usize>, panel: usize, first: usize) -> Tile<'a> {
        let scale = first * x.scale_strides[0];
        Tile {
            values: &x.values[first * x.strides[0]..],
            strides: x.strides,
            scales: &x.scales[scale..],
            offsets: if x.offsets.is_empty() { None } else { Some(&x.offsets[scale..]) },
            scale_strides: x.scale_strides,
            taps: taps.len(),
            groups: self.groups(),
            weights: self.values(panel, taps.start),
            weight_sums: self.sums(panel, taps.start),
            weight_scales: self.scales(panel),
        }
    }
}

impl Tile<'_> {
    /// Computes R rows of the outputs of a panel.
    fn run<const R: usize>(&self, variant: Int8Variant, panel: usize, first: usize, out: &mut Output<'_>) {
        let [row, tap] = self.strides;
        let [scale_row, scale_tap] = self.scale_strides;
        let back = self.taps.saturating_sub(1);
        assert!(self.values.len() >= (R - 1) * row + back * tap + self.groups * GROUP, "too few values");
        let scales = (R - 1) * scale_row + back * scale_tap + 1;
        assert!(
            self.scales.len() >= scales && self.offsets.is_none_or(|offsets| offsets.len() >= scales),
            "too few scales"
        );
        assert!(self.weights.len() >= self.taps * self.groups && self.weight_sums.len() >= self.taps);
        match variant {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX2; the assertions above are the
            // conditions of the function.
            Int8Variant::Avx2 if variant.is_available() => unsafe {
                super::x86::avx2::<R>(self, panel, first, out);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX2 and AVX-VNNI; the assertions
            // above are the conditions of the function.
            Int8Variant::AvxVnni if variant.is_available() => unsafe {
                super::x86::avx_vnni::<R>(self, panel, first, out);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX-512 F, BW and VNNI; the
            // assertions above are the conditions of the function.
            Int8Variant::Avx512Vnni if variant.is_available() => unsafe {
                super::x86::avx512_vnni::<R>(self, panel, first, out);
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the guard has just found that this CPU has `sdot`; the assertions above are
            // the conditions of the function.
            Int8Variant::NeonDot if variant.is_available() => unsafe {
                super::aarch64::neon_dot::<R>(self, panel, first, out);
            },
            _ => self.portable::<R>(panel, first, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::QuantisedRows;
    use super::super::tile::ran;
    use super::*;
    use crate::kernels::cpu::Variant;
    use crate::kernels::epilogue::Epilogue;

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    struct Case {
        weights: Int8Weights,
        x: QuantisedRows,
        bias: Vec<f32>,
        norm: [Vec<f32>; 2],
        /// Distances in quantised rows: between two output rows, and between two taps.
        step: [usize; 2],
        rows: usize,
    }

    impl Case {
        fn new([taps, inputs, outputs]: [usize; 3], step: [usize; 2], rows: usize, positive: bool) -> Self {
            let x_rows = (rows.max(1) - 1) * step[0] + (taps - 1) * step[1] + 1;
            let x = noise(x_rows * inputs, 0.1);
            let mut quantised = QuantisedRows::default();
            if positive {
                let x: Vec<f32> = x.iter().map(|x| x.abs()).collect();
                quantised.quantise_non_negative_by(Variant::best(), x.chunks_exact(inputs), inputs);
            } else {
                quantised.quantise(x.chunks_exact(inputs), inputs);
            }
            Self {
                weights: Int8Weights::new(
                    &noise(taps * inputs * outputs, 0.2),
                    &noise(outputs, 0.7),
                    [taps, inputs, outputs],
                ),
                x: quantised,
                bias: noise(outputs, 0.3),
                norm: [noise(outputs, 0.4), noise(outputs, 0.5)],
                step,
                rows,
            }
        }

        fn run(&self, variant: Int8Variant, taps: Range<usize>, epilogue: Epilogue<'_>, stride: usize) -> Vec<f32> {
            let inputs = self.weights.inputs();
            let x = Int8Rows {
                values: self.x.values(),
                strides: self.step.map(|step| step * inputs),
                scales: self.x.scales(),
                offsets: self.x.offsets(),
                scale_strides: self.step,
            };
            let mut values = vec![f32::NAN; self.rows * stride];
            ran::take();
            let out = Output { values: &mut values, stride, bias: &self.bias, epilogue };
            self.weights.run_by(variant, &x, taps, self.rows, out);
            let expected = if variant.is_available() { variant } else { Int8Variant::Portable };
            assert!(values.is_empty() || ran::take() == Some(expected), "{variant:?}: another variant ran");
            values
        }

        /// The formula of the module documentation, in f64, from the quantised values.
        fn naive(&self, taps: &Range<usize>, i: usize, o: usize) -> f64 {
            let inputs = self.weights.inputs();
            let mut sum = f64::from(self.bias[o]);
            for (place, j) in taps.clone().enumerate() {
                let r = i * self.step[0] + place * self.step[1];
                let offset = self.x.offsets().get(r).map_or(0.0, |offset| f64::from(*offset));
                for l in 0..inputs {
                    let x = offset + f64::from(self.x.scales()[r]) * f64::from(self.x.values()[r * inputs + l]);
                    sum += x * self.weights.at(j, l, o);
                }
            }
            sum
        }

        fn check(&self) {
            let outputs = self.weights.outputs();
            let stride = outputs + 3;
            let other = noise(self.rows * stride, 0.6);
            for taps in [0..self.weights.taps(), 1.min(self.weights.taps() - 1)..self.weights.taps()] {
                for epilogue in [
                    Epilogue::Linear,
                    Epilogue::Relu,
                    Epilogue::AddRelu(&other),
                    Epilogue::ReluNorm([&self.norm[0], &self.norm[1]]),
                ] {
                    let reference = self.run(Int8Variant::Portable, taps.clone(), epilogue, stride);
                    for (at, got) in reference.iter().enumerate() {
                        let (i, o) = (at / stride, at % stride);
                        if o >= outputs {
                            assert!(got.is_nan(), "written between the rows");
                            continue;
                        }
                        let sum = self.naive(&taps, i, o);
                        let want = match epilogue {
                            Epilogue::Linear => sum,
                            Epilogue::Add => unreachable!(),
                            Epilogue::Relu => sum.max(0.0),
                            Epilogue::AddRelu(other) => (sum + f64::from(other[at])).max(0.0),
                            Epilogue::ReluNorm([s, t]) => f64::from(s[o]) * sum.max(0.0) + f64::from(t[o]),
                            Epilogue::LeakyReluNorm(slope, [s, t]) => {
                                f64::from(s[o]) * sum.max(f64::from(slope) * sum) + f64::from(t[o])
                            }
                        };
                        assert!((want - f64::from(*got)).abs() < 1e-4, "{epilogue:?} {i} {o}: {want} {got}");
                    }
                    for variant in Int8Variant::ALL {
                        let got = self.run(variant, taps.clone(), epilogue, stride);
                        let same = got.iter().zip(&reference).all(|(x, y)| x.to_bits() == y.to_bits());
                        assert!(same, "{variant:?} differs from the reference");
                    }
                }
            }
        }
    }

    #[test]
    fn every_variant_is_bit_identical_to_the_reference_and_that_equals_the_formula() {
        for rows in [0, 1, 2, 3, 7, 9, 10, 11, 25] {
            for shape in [[1, 1, 1], [1, 4, 32], [3, 33, 33], [2, 96, 70], [1, 130, 31]] {
                for positive in [false, true] {
                    Case::new(shape, [1, 1], rows, positive).check();
                    Case::new(shape, [2, 3], rows, positive).check();
                }
            }
        }
    }

    /// The largest activations times the largest weights: a variant that saturates at 16 bits would
    /// show.
    #[test]
    fn nothing_saturates() {
        let inputs = 1000;
        let mut quantised = QuantisedRows::default();
        quantised.quantise_non_negative_by(Variant::best(), [1.0; 1000].chunks(inputs), inputs);
        for sign in [1.0, -1.0] {
            let weights = Int8Weights::new(&vec![sign; inputs], &[1.0], [1, inputs, 1]);
            for variant in Int8Variant::ALL {
                let x = Int8Rows {
                    values: quantised.values(),
                    strides: [inputs, 0],
                    scales: quantised.scales(),
                    offsets: &[],
                    scale_strides: [1, 0],
                };
                let mut y = [0.0];
                let out = Output { values: &mut y, stride: 1, bias: &[0.0], epilogue: Epilogue::Linear };
                weights.run_by(variant, &x, 0..1, 1, out);
                assert!((y[0] - sign * 1000.0).abs() < 0.01, "{variant:?}: {y:?}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_number_of_rows() {
        let shape = [2, 50, 40];
        let whole = Case::new(shape, [1, 2], 21, false);
        for variant in Int8Variant::ALL {
            let want = whole.run(variant, 0..2, Epilogue::Relu, 40);
            for rows in [1, 2, 5, 8, 11] {
                let few = Case { rows, ..Case::new(shape, [1, 2], 21, false) };
                assert_eq!(few.run(variant, 0..2, Epilogue::Relu, 40), want[..rows * 40], "{variant:?}, {rows} rows");
            }
        }
    }

    #[test]
    fn a_non_finite_row_gives_nan() {
        let mut case = Case::new([1, 8, 4], [1, 1], 3, true);
        let mut x = noise(24, 0.1).iter().map(|x| x.abs()).collect::<Vec<_>>();
        x[9] = f32::INFINITY;
        case.x.quantise_non_negative_by(Variant::best(), x.chunks(8), 8);
        for variant in Int8Variant::ALL {
            let y = case.run(variant, 0..1, Epilogue::Relu, 4);
            assert!(y[4..8].iter().all(|y| y.is_nan()) && y[..4].iter().chain(&y[8..]).all(|y| y.is_finite()));
        }
    }

    #[test]
    #[should_panic(expected = "too few values")]
    fn too_few_values_panic() {
        let weights = Int8Weights::new(&[1.0; 8], &[1.0], [1, 8, 1]);
        let x = Int8Rows { values: &[0; 15], strides: [8, 0], scales: &[1.0; 2], offsets: &[], scale_strides: [1, 0] };
        let out = Output { values: &mut [0.0; 2], stride: 1, bias: &[0.0], epilogue: Epilogue::Linear };
        weights.run(&x, 0..1, 2, out);
    }
}
