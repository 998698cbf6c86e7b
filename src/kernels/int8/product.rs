//! A layer's product: rows of codes times weights, all taps, and what becomes of the sums.

use std::ops::Range;

use super::variant::Int8Variant;
use super::{GROUP, Int8Weights};
use crate::kernels::epilogue::{Output, PANEL};
use crate::kernels::packed::tiles;

/// Where the codes of each output row and tap lie. Rows may overlap.
#[derive(Clone, Copy, Debug)]
pub struct CodeRows<'a> {
    /// Codes, at least three more than the last row needs.
    pub codes: &'a [u8],
    /// Codes from one output row's to the next one's, and from one tap's to the next one's.
    pub code_strides: [usize; 2],
    /// Scales of the codes' rows.
    pub scales: &'a [f32],
    /// Lows of the codes' rows; empty where all are 0.
    pub lows: &'a [f32],
    /// Places from one output row's scale to the next one's, and from one tap's to the next one's.
    pub scale_strides: [usize; 2],
}

/// What a tile's sums are made of.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// Codes from those of the first row and tap on.
    pub(super) codes: &'a [u8],
    pub(super) code_strides: [usize; 2],
    pub(super) scales: &'a [f32],
    pub(super) lows: Option<&'a [f32]>,
    pub(super) scale_strides: [usize; 2],
    pub(super) taps: usize,
    /// Groups of a tap.
    pub(super) groups: usize,
    pub(super) weights: &'a [[i8; GROUP * PANEL]],
    pub(super) weight_sums: &'a [[f32; PANEL]],
    pub(super) weight_scales: &'a [f32; PANEL],
}

impl Int8Weights {
    /// `rows` rows of output from the taps `taps`; the first of them reads the codes at 0.
    ///
    /// # Panics
    ///
    /// If `x` has too few codes or scales, `out` too few values, its rows overlap, or its bias is not one value an output.
    pub fn run(&self, x: &CodeRows<'_>, taps: Range<usize>, rows: usize, out: Output<'_>) {
        self.run_by(Int8Variant::best(), x, taps, rows, out);
    }

    pub(super) fn run_by(
        &self,
        variant: Int8Variant,
        x: &CodeRows<'_>,
        taps: Range<usize>,
        rows: usize,
        mut out: Output<'_>,
    ) {
        assert!(taps.end <= self.taps() && out.bias.len() == self.outputs(), "{taps:?}, {} biases", out.bias.len());
        assert!(rows <= 1 || out.stride >= self.outputs(), "rows overlap at stride {}", out.stride);
        for panel in 0..self.panels() {
            for (first, height) in tiles(rows, out.finish.may_repeat()) {
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

    fn tile<'a>(&'a self, x: &CodeRows<'a>, taps: &Range<usize>, panel: usize, first: usize) -> Tile<'a> {
        let scale = first * x.scale_strides[0];
        Tile {
            codes: &x.codes[first * x.code_strides[0]..],
            code_strides: x.code_strides,
            scales: &x.scales[scale..],
            lows: if x.lows.is_empty() { None } else { Some(&x.lows[scale..]) },
            scale_strides: x.scale_strides,
            taps: taps.len(),
            groups: self.groups(),
            weights: self.codes(panel, taps.start),
            weight_sums: self.sums(panel, taps.start),
            weight_scales: self.scales(panel),
        }
    }
}

impl Tile<'_> {
    /// R rows of a panel's outputs.
    fn run<const R: usize>(&self, variant: Int8Variant, panel: usize, first: usize, out: &mut Output<'_>) {
        let [row, tap] = self.code_strides;
        let [scale_row, scale_tap] = self.scale_strides;
        let back = self.taps.saturating_sub(1);
        assert!(self.codes.len() >= (R - 1) * row + back * tap + self.groups * GROUP, "too few codes");
        let scales = (R - 1) * scale_row + back * scale_tap + 1;
        assert!(self.scales.len() >= scales && self.lows.is_none_or(|lows| lows.len() >= scales), "too few scales");
        assert!(self.weights.len() >= self.taps * self.groups && self.weight_sums.len() >= self.taps);
        match variant {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX2; the assertions above are what the function asks for.
            Int8Variant::Avx2 if variant.is_available() => unsafe {
                super::x86::avx2::<R>(self, panel, first, out);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above, with AVX-VNNI.
            Int8Variant::AvxVnni if variant.is_available() => unsafe {
                super::x86::avx_vnni::<R>(self, panel, first, out);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above, with AVX-512F, AVX-512BW and AVX-512 VNNI.
            Int8Variant::Avx512Vnni if variant.is_available() => unsafe {
                super::x86::avx512_vnni::<R>(self, panel, first, out);
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the guard has just found that this CPU has `sdot`; the assertions above are what the function asks for.
            Int8Variant::NeonDot if variant.is_available() => unsafe {
                super::aarch64::neon_dot::<R>(self, panel, first, out);
            },
            _ => self.portable::<R>(panel, first, out),
        }
    }

    fn portable<const R: usize>(&self, panel: usize, first: usize, out: &mut Output<'_>) {
        #[cfg(test)]
        tests::note(Int8Variant::Portable);
        let mut sums = [[0.0; PANEL]; R];
        for j in 0..self.taps {
            for (r, sums) in sums.iter_mut().enumerate() {
                let codes = &self.codes[r * self.code_strides[0] + j * self.code_strides[1]..];
                let weights = &self.weights[j * self.groups..][..self.groups];
                let mut whole = [0_i32; PANEL];
                for (q, w) in codes.as_chunks::<GROUP>().0.iter().zip(weights) {
                    for (sum, w) in whole.iter_mut().zip(w.as_chunks::<GROUP>().0) {
                        *sum += q.iter().zip(w).map(|(q, w)| i32::from(*q) * i32::from(*w)).sum::<i32>();
                    }
                }
                self.add_tap(r, j, &whole, sums);
            }
        }
        self.finish(&mut sums, panel, first, out);
    }

    /// The place of the scale of row `r` and tap `j`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled for the vectors of its caller
    pub(super) fn scale_at(&self, r: usize, j: usize) -> usize {
        r * self.scale_strides[0] + j * self.scale_strides[1]
    }

    /// `sums + scale · whole`, and `low · Σ w` where the row has a low.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn add_tap(&self, r: usize, j: usize, whole: &[i32; PANEL], sums: &mut [f32; PANEL]) {
        let at = self.scale_at(r, j);
        let scale = self.scales[at];
        for (sum, whole) in sums.iter_mut().zip(whole) {
            *sum += *whole as f32 * scale;
        }
        if let Some(lows) = self.lows {
            let low = lows[at];
            for (sum, of_weights) in sums.iter_mut().zip(&self.weight_sums[j]) {
                *sum += low * of_weights;
            }
        }
    }

    /// Scales the sums by the weights' scales, adds the bias, and writes what becomes of them.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn finish(&self, sums: &mut [[f32; PANEL]], panel: usize, first: usize, out: &mut Output<'_>) {
        let place = out.place(panel, first);
        let bias = &out.bias[place.column..place.column + place.width];
        for row in &mut *sums {
            for ((y, scale), b) in row.iter_mut().zip(self.weight_scales).zip(bias) {
                *y = *y * scale + b;
            }
        }
        out.finish.write(sums, out.values, place);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Codes;
    use super::*;
    use crate::kernels::epilogue::Epilogue;
    use std::cell::Cell;

    thread_local! { static RAN: Cell<Option<Int8Variant>> = const { Cell::new(None) } }

    /// Each variant says that it is the one that runs.
    pub(crate) fn note(variant: Int8Variant) {
        RAN.set(Some(variant));
    }

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + seed).sin()).collect()
    }

    struct Case {
        weights: Int8Weights,
        codes: Codes,
        bias: Vec<f32>,
        norm: [Vec<f32>; 2],
        /// Output rows that lie this many rows of codes apart, and taps likewise.
        step: [usize; 2],
        rows: usize,
    }

    impl Case {
        fn new([taps, inputs, outputs]: [usize; 3], step: [usize; 2], rows: usize, positive: bool) -> Self {
            let of_codes = (rows.max(1) - 1) * step[0] + (taps - 1) * step[1] + 1;
            let x = noise(of_codes * inputs, 0.1);
            let mut codes = Codes::default();
            if positive {
                let x: Vec<f32> = x.iter().map(|x| x.abs()).collect();
                codes.write_positive(x.chunks_exact(inputs), inputs);
            } else {
                codes.write(x.chunks_exact(inputs), inputs);
            }
            Self {
                weights: Int8Weights::new(
                    &noise(taps * inputs * outputs, 0.2),
                    &noise(outputs, 0.7),
                    [taps, inputs, outputs],
                ),
                codes,
                bias: noise(outputs, 0.3),
                norm: [noise(outputs, 0.4), noise(outputs, 0.5)],
                step,
                rows,
            }
        }

        fn run(&self, variant: Int8Variant, taps: Range<usize>, finish: Epilogue<'_>, stride: usize) -> Vec<f32> {
            let inputs = self.weights.inputs();
            let x = CodeRows {
                codes: self.codes.codes(),
                code_strides: self.step.map(|step| step * inputs),
                scales: self.codes.scales(),
                lows: self.codes.lows(),
                scale_strides: self.step,
            };
            let mut values = vec![f32::NAN; self.rows * stride];
            RAN.set(None);
            let out = Output { values: &mut values, stride, bias: &self.bias, finish };
            self.weights.run_by(variant, &x, taps, self.rows, out);
            let ran = if variant.is_available() { variant } else { Int8Variant::Portable };
            assert!(values.is_empty() || RAN.get() == Some(ran), "{variant:?}: another variant ran");
            values
        }

        /// The formula of the module's page, in f64, from the codes.
        fn naive(&self, taps: &Range<usize>, i: usize, o: usize) -> f64 {
            let inputs = self.weights.inputs();
            let mut sum = f64::from(self.bias[o]);
            for (place, j) in taps.clone().enumerate() {
                let r = i * self.step[0] + place * self.step[1];
                let low = self.codes.lows().get(r).map_or(0.0, |low| f64::from(*low));
                for l in 0..inputs {
                    let x = low + f64::from(self.codes.scales()[r]) * f64::from(self.codes.codes()[r * inputs + l]);
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
                for finish in [
                    Epilogue::Linear,
                    Epilogue::Relu,
                    Epilogue::AddRelu(&other),
                    Epilogue::ReluNorm([&self.norm[0], &self.norm[1]]),
                ] {
                    let reference = self.run(Int8Variant::Portable, taps.clone(), finish, stride);
                    for (at, got) in reference.iter().enumerate() {
                        let (i, o) = (at / stride, at % stride);
                        if o >= outputs {
                            assert!(got.is_nan(), "written between the rows");
                            continue;
                        }
                        let sum = self.naive(&taps, i, o);
                        let want = match finish {
                            Epilogue::Linear => sum,
                            Epilogue::Add => unreachable!(),
                            Epilogue::Relu => sum.max(0.0),
                            Epilogue::AddRelu(other) => (sum + f64::from(other[at])).max(0.0),
                            Epilogue::ReluNorm([s, t]) => f64::from(s[o]) * sum.max(0.0) + f64::from(t[o]),
                            Epilogue::LeakyReluNorm(slope, [s, t]) => {
                                f64::from(s[o]) * sum.max(f64::from(slope) * sum) + f64::from(t[o])
                            }
                        };
                        assert!((want - f64::from(*got)).abs() < 1e-4, "{finish:?} {i} {o}: {want} {got}");
                    }
                    for variant in Int8Variant::ALL {
                        let got = self.run(variant, taps.clone(), finish, stride);
                        let same = got.iter().zip(&reference).all(|(x, y)| x.to_bits() == y.to_bits());
                        assert!(same, "{variant:?} differs from the reference");
                    }
                }
            }
        }
    }

    #[test]
    fn every_variant_has_the_bits_of_the_reference_and_that_is_the_formula() {
        for rows in [0, 1, 2, 3, 7, 9, 10, 11, 25] {
            for shape in [[1, 1, 1], [1, 4, 32], [3, 33, 33], [2, 96, 70], [1, 130, 31]] {
                for positive in [false, true] {
                    Case::new(shape, [1, 1], rows, positive).check();
                    Case::new(shape, [2, 3], rows, positive).check();
                }
            }
        }
    }

    /// The largest codes times the largest weights: a product that saturated 16 bits on its way would show.
    #[test]
    fn nothing_saturates() {
        let inputs = 1000;
        let mut codes = Codes::default();
        let mut x = vec![1.0; inputs];
        x[0] = 1.0;
        codes.write_positive(x.chunks(inputs), inputs);
        for sign in [1.0, -1.0] {
            let weights = Int8Weights::new(&vec![sign; inputs], &[1.0], [1, inputs, 1]);
            for variant in Int8Variant::ALL {
                let x = CodeRows {
                    codes: codes.codes(),
                    code_strides: [inputs, 0],
                    scales: codes.scales(),
                    lows: &[],
                    scale_strides: [1, 0],
                };
                let mut y = [0.0];
                let out = Output { values: &mut y, stride: 1, bias: &[0.0], finish: Epilogue::Linear };
                weights.run_by(variant, &x, 0..1, 1, out);
                assert!((y[0] - sign * 1000.0).abs() < 0.01, "{variant:?}: {y:?}");
            }
        }
    }

    #[test]
    fn a_row_is_the_same_in_any_company() {
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
    fn a_row_that_is_not_finite_is_seen() {
        let mut case = Case::new([1, 8, 4], [1, 1], 3, true);
        let mut x = noise(24, 0.1).iter().map(|x| x.abs()).collect::<Vec<_>>();
        x[9] = f32::INFINITY;
        case.codes.write_positive(x.chunks(8), 8);
        for variant in Int8Variant::ALL {
            let y = case.run(variant, 0..1, Epilogue::Relu, 4);
            assert!(y[4..8].iter().all(|y| y.is_nan()) && y[..4].iter().chain(&y[8..]).all(|y| y.is_finite()));
        }
    }

    #[test]
    #[should_panic(expected = "too few codes")]
    fn codes_that_do_not_reach_are_refused() {
        let weights = Int8Weights::new(&[1.0; 8], &[1.0], [1, 8, 1]);
        let x = CodeRows { codes: &[0; 15], code_strides: [8, 0], scales: &[1.0; 2], lows: &[], scale_strides: [1, 0] };
        let out = Output { values: &mut [0.0; 2], stride: 1, bias: &[0.0], finish: Epilogue::Linear };
        weights.run(&x, 0..1, 2, out);
    }
}
