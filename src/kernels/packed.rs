//! GEMM with packed weights, f32: rows of activations times the weights of a layer, over all taps,
//! with an epilogue.
//!
//! ```text
//! y[i, o] = bias[o] + Σ_j Σ_l W[j, l, o] · x[i · row stride + j · tap stride + l]        j over taps, l over the inputs of one
//! ```
//!
//! The weights are packed once, in the order in which they are read: panels of 32 outputs; in a
//! panel tap after tap; in a tap input after input; zeros after the last output. A few rows times
//! one panel form a tile, whose sums stay in registers over all taps up to the
//! [`Epilogue`](super::epilogue::Epilogue). The input is read in place: its rows may overlap or
//! have gaps, so a convolution copies nothing. Compared with [`super::gemm`], which packs both
//! matrices in each call, this is faster if weights are many and rows or outputs are few.
//!
//! Each sum runs over taps and inputs in order and independently, so a row does not depend on the
//! number of rows. AVX2 and AVX-512 (fused multiply-add) are bit-identical; portable code differs
//! by at most one rounding per product.

use std::ops::Range;

use super::cpu::Variant;
use super::epilogue::{Output, PANEL};
use super::lanes::transpose::gather;
use super::lanes::{LANES, Lanes};

/// Heights of tiles: the largest, and those for the remaining rows.
const ROWS: [usize; 4] = [10, 4, 2, 1];

/// Weights `[taps, inputs, outputs]`.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    shape: [usize; 3],
    /// `[panels, taps, inputs, PANEL]`.
    panels: Vec<[f32; PANEL]>,
}

/// Layout of the activations: where the values of each output row and tap are. Rows may overlap.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Values, starting with those of the first row.
    pub values: &'a [f32],
    /// Distances in values: between two output rows, and between two taps.
    pub strides: [usize; 2],
}

/// Operands of one tile.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// Values, starting with those of the first row and tap.
    values: &'a [f32],
    strides: [usize; 2],
    taps: usize,
    inputs: usize,
    /// `[taps · inputs, PANEL]`.
    weights: &'a [[f32; PANEL]],
}

impl Packed {
    /// Packs row-major weights `[taps, inputs, outputs]`.
    ///
    /// # Panics
    ///
    /// If there are not `taps · inputs · outputs` values.
    pub fn new(values: &[f32], shape: [usize; 3]) -> Self {
        let [taps, inputs, outputs] = shape;
        assert!(values.len() == taps * inputs * outputs, "{} values do not have the shape {shape:?}", values.len());
        let mut packed = Self::default();
        packed.refill(values, outputs, [taps * inputs, outputs]);
        Self { shape, ..packed }
    }

    /// Repacks one tap `[inputs, outputs]` in the memory of this matrix; rows of `values` are
    /// `stride` apart. For an operand that changes but is multiplied with many rows, such as the
    /// values of an attention head.
    ///
    /// # Panics
    ///
    /// If `values` ends before the last row does.
    pub fn refill(&mut self, values: &[f32], stride: usize, [inputs, outputs]: [usize; 2]) {
        self.clear(inputs, outputs);
        for first in (0..outputs).step_by(PANEL) {
            let width = PANEL.min(outputs - first);
            for row in 0..inputs {
                let mut padded = [0.0; PANEL];
                padded[..width].copy_from_slice(&values[row * stride + first..][..width]);
                self.panels.push(padded);
            }
        }
    }

    /// As [`Self::refill`], from the transposed matrix: each row of `values` belongs to an output.
    ///
    /// # Panics
    ///
    /// As [`Self::refill`].
    pub fn refill_transposed(&mut self, values: &[f32], stride: usize, [inputs, outputs]: [usize; 2]) {
        self.clear(inputs, outputs);
        self.panels.resize(outputs.div_ceil(PANEL) * inputs, [0.0; PANEL]);
        for (first, panel) in (0..outputs).step_by(PANEL).zip(self.panels.chunks_exact_mut(inputs.max(1))) {
            for column in 0..PANEL.min(outputs - first) {
                let row = &values[(first + column) * stride..][..inputs];
                panel.iter_mut().zip(row).for_each(|(of_input, x)| of_input[column] = *x);
            }
        }
    }

    fn clear(&mut self, inputs: usize, outputs: usize) {
        self.shape = [1, inputs, outputs];
        self.panels.clear();
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.shape[0]
    }

    /// Computes `rows` rows of output over the given taps; the first of these reads the values at
    /// index 0.
    ///
    /// # Panics
    ///
    /// If `x` or `out` is too short, the rows of `out` overlap, or its bias does not have one value
    /// per output.
    pub fn run(&self, x: Rows<'_>, taps: Range<usize>, rows: usize, out: Output<'_>) {
        self.run_by(Variant::best(), x, taps, rows, out);
    }

    /// Packs weights in the layout of PyTorch's convolutions, `[outputs, inputs, taps]`, scaled by
    /// one factor per output. Transposes and packs in one pass, because loading a model consists
    /// mostly of this.
    ///
    /// # Panics
    ///
    /// If there are not `outputs · inputs · taps` values, or not one factor per output.
    pub fn of_convolution(values: &[f32], factors: &[f32], [outputs, inputs, taps]: [usize; 3]) -> Self {
        let size = inputs * taps;
        assert!(
            values.len() == outputs * size && factors.len() == outputs,
            "{} values, {outputs} outputs",
            values.len()
        );
        let (none, mut turned) = (vec![0.0; size], vec![Lanes::default(); size]);
        let mut panels = vec![[0.0; PANEL]; outputs.div_ceil(PANEL) * size];
        for first in (0..outputs).step_by(LANES) {
            let row = |o: usize| if o < outputs { &values[o * size..][..size] } else { &none };
            gather(std::array::from_fn(|l| row(first + l)), &mut turned);
            let factors = std::array::from_fn::<_, LANES, _>(|l| factors.get(first + l).copied().unwrap_or_default());
            let panel = &mut panels[first / PANEL * size..][..size];
            for (place, from) in turned.iter().enumerate() {
                let to = &mut panel[place % taps * inputs + place / taps][first % PANEL..][..LANES];
                to.iter_mut().zip(from.0.iter().zip(factors)).for_each(|(to, (w, factor))| *to = w * factor);
            }
        }
        Self { shape: [taps, inputs, outputs], panels }
    }

    fn run_by(&self, variant: Variant, x: Rows<'_>, taps: Range<usize>, rows: usize, mut out: Output<'_>) {
        let [all_taps, inputs, outputs] = self.shape;
        assert!(taps.end <= all_taps && out.bias.len() == outputs, "{taps:?}, {} biases", out.bias.len());
        assert!(rows <= 1 || out.stride >= outputs, "rows overlap at stride {}", out.stride);
        // contiguous taps are one longer tap: the same sums in the same order, with one inner loop
        let contiguous = x.strides[1] == inputs && !taps.is_empty();
        let (taps_of_tile, inputs_of_tile) = if contiguous { (1, taps.len() * inputs) } else { (taps.len(), inputs) };
        for panel in 0..outputs.div_ceil(PANEL) {
            let weights = &self.panels[(panel * all_taps + taps.start) * inputs..];
            for (first, height) in tiles(rows, out.epilogue.may_repeat()) {
                let values = &x.values[(first * x.strides[0]).min(x.values.len())..];
                let tile = Tile { values, strides: x.strides, taps: taps_of_tile, inputs: inputs_of_tile, weights };
                match height {
                    10 => tile.run::<10>(variant, panel, first, &mut out),
                    4 => tile.run::<4>(variant, panel, first, &mut out),
                    2 => tile.run::<2>(variant, panel, first, &mut out),
                    _ => tile.run::<1>(variant, panel, first, &mut out),
                }
            }
        }
    }
}

/// First row and height of each tile of `rows` rows. If rows may be stored twice, the last large
/// tile overlaps the one before it, which is faster than smaller tiles.
pub(super) fn tiles(rows: usize, may_repeat: bool) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = rows - first;
        if may_repeat && (1..ROWS[0]).contains(&left) && rows >= ROWS[0] {
            first = rows;
            return Some((rows - ROWS[0], ROWS[0]));
        }
        let height = ROWS.into_iter().find(|height| *height <= left)?;
        first += height;
        Some((first - height, height))
    })
}

impl Tile<'_> {
    /// Computes R rows of the outputs of a panel.
    #[inline]
    fn run<const R: usize>(&self, variant: Variant, panel: usize, first: usize, out: &mut Output<'_>) {
        let last = (R - 1) * self.strides[0] + self.taps.saturating_sub(1) * self.strides[1];
        assert!(self.taps * self.inputs == 0 || self.values.len() >= last + self.inputs, "too few values");
        assert!(self.weights.len() >= self.taps * self.inputs);
        match variant {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX2 and FMA; the assertions above
            // are the conditions of the function.
            Variant::Avx2 if variant.is_available() => unsafe { x86::avx2::<R>(self, panel, first, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX-512F; the assertions above are
            // the conditions of the function.
            Variant::Avx512 if variant.is_available() => unsafe { x86::avx512::<R>(self, panel, first, out) },
            _ => self.portable::<R>(panel, first, out),
        }
    }

    fn portable<const R: usize>(&self, panel: usize, first: usize, out: &mut Output<'_>) {
        #[cfg(test)]
        tests::note(Variant::Portable);
        let mut sums = [[0.0; PANEL]; R];
        for (j, weights) in self.weights.chunks_exact(self.inputs.max(1)).take(self.taps).enumerate() {
            for (l, w) in weights.iter().enumerate() {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = self.values[r * self.strides[0] + j * self.strides[1] + l];
                    sums.iter_mut().zip(w).for_each(|(sum, w)| *sum += x * w);
                }
            }
        }
        store_tile(&mut sums, panel, first, out);
    }
}

/// Adds the bias, applies the epilogue and stores the tile.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled with the target features of its caller
fn store_tile(sums: &mut [[f32; PANEL]], panel: usize, first: usize, out: &mut Output<'_>) {
    let place = out.place(panel, first);
    let bias = &out.bias[place.column..place.column + place.width];
    for row in &mut *sums {
        row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
    }
    out.epilogue.store(sums, out.values, place);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(clippy::needless_range_loop)] // register blocks: the indices are unrolled, iterators would hide the pattern

    use super::{Output, PANEL, Tile, store_tile};
    use crate::kernels::epilogue::x86::{self as end, load};
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };

    /// `values[i]` without a bounds check.
    ///
    /// # Safety
    ///
    /// `i` is less than the length of `values`.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    unsafe fn at(values: &[f32], i: usize) -> f32 {
        debug_assert!(i < values.len());
        // SAFETY: the caller guarantees that `i` is in bounds.
        unsafe { *values.get_unchecked(i) }
    }

    /// Two vectors of sums per row: 20 of 32 registers for 10 rows.
    ///
    /// # Safety
    ///
    /// The slices of `tile` cover R rows and all its taps.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx512);
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        for j in 0..tile.taps {
            for (l, w) in tile.weights[j * tile.inputs..][..tile.inputs].iter().enumerate() {
                // SAFETY: w has 32 values; these are the first and the last 16. The loads need no
                // alignment.
                let w = unsafe { [_mm512_loadu_ps(w.as_ptr()), _mm512_loadu_ps(w.as_ptr().add(16))] };
                for r in 0..R {
                    // SAFETY: row r < R, tap j < taps and input l < inputs are in bounds, as the
                    // caller guarantees.
                    let x = unsafe { at(tile.values, r * tile.strides[0] + j * tile.strides[1] + l) };
                    let x = _mm512_set1_ps(x);
                    sums[r] = [_mm512_fmadd_ps(x, w[0], sums[r][0]), _mm512_fmadd_ps(x, w[1], sums[r][1])];
                }
            }
        }
        let place = out.place(panel, first);
        let bias = load(&out.bias[place.column..place.column + place.width]);
        for r in 0..R {
            sums[r] = [0, 1].map(|half| _mm512_add_ps(sums[r][half], bias[half]));
        }
        end::avx512(out.epilogue, sums, out.values, place);
    }

    /// Computes a quarter of the panel at a time: one vector of sums per row.
    ///
    /// # Safety
    ///
    /// As [`avx512`].
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx2);
        let mut rows = [[0.0; PANEL]; R];
        for column in (0..PANEL).step_by(8) {
            let mut sums = [_mm256_setzero_ps(); R];
            for j in 0..tile.taps {
                for (l, w) in tile.weights[j * tile.inputs..][..tile.inputs].iter().enumerate() {
                    // SAFETY: column + 8 ≤ 32, the length of w; the load needs no alignment.
                    let w = unsafe { _mm256_loadu_ps(w.as_ptr().add(column)) };
                    for r in 0..R {
                        // SAFETY: row r < R, tap j < taps and input l < inputs are in bounds, as
                        // the caller guarantees.
                        let x = unsafe { at(tile.values, r * tile.strides[0] + j * tile.strides[1] + l) };
                        sums[r] = _mm256_fmadd_ps(_mm256_set1_ps(x), w, sums[r]);
                    }
                }
            }
            for r in 0..R {
                // SAFETY: column + 8 ≤ 32, the length of a row; the store needs no alignment.
                unsafe { _mm256_storeu_ps(rows[r].as_mut_ptr().add(column), sums[r]) };
            }
        }
        store_tile(&mut rows, panel, first, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::epilogue::Epilogue;
    use std::cell::Cell;

    thread_local! { static RAN: Cell<Option<Variant>> = const { Cell::new(None) } }

    /// Records which variant runs.
    pub(super) fn note(variant: Variant) {
        RAN.set(Some(variant));
    }

    /// Pseudo-random values in ±1.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| ((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0)
            .collect()
    }

    struct Case {
        shape: [usize; 3],
        weights: Vec<f32>,
        values: Vec<f32>,
        strides: [usize; 2],
        bias: Vec<f32>,
        rows: usize,
    }

    impl Case {
        fn new(shape: [usize; 3], strides: [usize; 2], rows: usize) -> Self {
            let [taps, inputs, outputs] = shape;
            let reach = rows.saturating_sub(1) * strides[0] + (taps - 1) * strides[1] + inputs;
            let weights = noise(taps * inputs * outputs, 2);
            Self { shape, weights, values: noise(reach, 1), strides, bias: noise(outputs, 3), rows }
        }

        /// Output rows with gaps of five values; `old` is the content before the product.
        fn run(&self, variant: Variant, taps: Range<usize>, epilogue: Epilogue<'_>, old: f32) -> Vec<f32> {
            let stride = self.shape[2] + 5;
            let mut values = vec![old; self.rows * stride];
            RAN.set(None);
            let out = Output { values: &mut values, stride, bias: &self.bias, epilogue };
            let x = Rows { values: &self.values, strides: self.strides };
            Packed::new(&self.weights, self.shape).run_by(variant, x, taps, self.rows, out);
            let ran = if variant.is_available() { variant } else { Variant::Portable };
            assert!(self.rows * self.shape[2] == 0 || RAN.get() == Some(ran), "{variant:?}: another variant ran");
            values
        }

        /// The formula of the module documentation, in f64; the first of the taps reads the values
        /// at index 0.
        fn naive(&self, taps: &Range<usize>, i: usize, o: usize) -> f64 {
            let [_, inputs, outputs] = self.shape;
            let mut sum = f64::from(self.bias[o]);
            for (place, j) in taps.clone().enumerate() {
                for l in 0..inputs {
                    let x = self.values[i * self.strides[0] + place * self.strides[1] + l];
                    sum += f64::from(x) * f64::from(self.weights[(j * inputs + l) * outputs + o]);
                }
            }
            sum
        }

        fn check(&self, variant: Variant) {
            let [taps, inputs, outputs] = self.shape;
            for taps in [0..taps, 1.min(taps - 1)..taps] {
                for (epilogue, old) in [(Epilogue::Linear, f32::NAN), (Epilogue::Relu, f32::NAN), (Epilogue::Add, 2.0)]
                {
                    for (at, got) in self.run(variant, taps.clone(), epilogue, old).into_iter().enumerate() {
                        let (i, o) = (at / (outputs + 5), at % (outputs + 5));
                        if o >= outputs {
                            assert_eq!(got.to_bits(), old.to_bits(), "written between the rows");
                            continue;
                        }
                        let sum = self.naive(&taps, i, o);
                        let want = match epilogue {
                            Epilogue::Relu => sum.max(0.0),
                            Epilogue::Add => 2.0 + sum,
                            _ => sum,
                        };
                        let bound = 1e-6 * (2 + taps.len() * inputs) as f64;
                        let far = (want - f64::from(got)).abs();
                        assert!(far < bound, "{variant:?} {:?} {epilogue:?}: {want} {got}", self.shape);
                    }
                }
            }
        }
    }

    #[test]
    fn every_variant_equals_the_formula_around_the_tiles() {
        for variant in Variant::ALL {
            for rows in [0, 1, 2, 3, 7, 9, 10, 11, 25] {
                for shape in [[1, 1, 1], [1, 0, 5], [3, 2, 31], [2, 33, 32], [1, 300, 70], [5, 7, 33]] {
                    Case::new(shape, [shape[1], 3 * shape[1]], rows).check(variant);
                }
            }
        }
    }

    #[test]
    fn rows_and_taps_may_overlap_or_have_gaps() {
        for variant in Variant::ALL {
            Case::new([3, 30, 33], [7, 11], 13).check(variant);
            Case::new([3, 30, 33], [50, 200], 13).check(variant);
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_number_of_rows() {
        for variant in Variant::ALL {
            let product =
                |rows| Case { rows, ..Case::new([2, 77, 40], [77, 77], 21) }.run(variant, 0..2, Epilogue::Relu, 0.0);
            let whole = product(21);
            for rows in [1, 4, 5, 8, 13] {
                assert_eq!(product(rows), whole[..rows * 45], "{variant:?}, {rows} rows");
            }
        }
    }

    #[test]
    fn tiles_cover_each_row_and_repeat_rows_only_if_allowed() {
        for rows in 0..40 {
            for may_repeat in [false, true] {
                let mut seen = vec![0; rows];
                for (first, height) in tiles(rows, may_repeat) {
                    seen[first..first + height].iter_mut().for_each(|n| *n += 1);
                }
                assert!(seen.iter().all(|n| *n == 1 || may_repeat && *n == 2), "{rows}: {seen:?}");
            }
        }
    }

    /// Neither the previous content nor the gaps between rows have an effect.
    #[test]
    fn a_refilled_matrix_equals_a_new_one() {
        let mut refilled = Packed::new(&[f32::NAN; 40 * 70], [1, 40, 70]);
        for [inputs, outputs] in [[0, 3], [3, 0], [1, 1], [5, 31], [64, 33], [70, 64], [2, 97]] {
            let values = noise(inputs * outputs, 4);
            let apart = |rows: usize, width: usize, at: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
                let beside = |i: usize, j: usize| if j < width { at(i, j) } else { f32::NAN };
                (0..rows * (width + 3)).map(|n| beside(n / (width + 3), n % (width + 3))).collect()
            };
            let want = Packed::new(&values, [1, inputs, outputs]);
            let rows = apart(inputs, outputs, &|i, o| values[i * outputs + o]);
            refilled.refill(&rows, outputs + 3, [inputs, outputs]);
            assert_eq!((refilled.shape, &refilled.panels), (want.shape, &want.panels));
            let columns = apart(outputs, inputs, &|o, i| values[i * outputs + o]);
            refilled.refill_transposed(&columns, inputs + 3, [inputs, outputs]);
            assert_eq!((refilled.shape, &refilled.panels), (want.shape, &want.panels));
        }
    }

    #[test]
    fn weights_of_a_convolution_are_transposed() {
        for [outputs, inputs, taps] in
            [[0, 3, 2], [3, 0, 2], [1, 1, 1], [31, 5, 3], [33, 40, 1], [64, 17, 5], [97, 2, 16]]
        {
            let (values, factors) = (noise(outputs * inputs * taps, 5), noise(outputs, 6));
            let place = |n: usize| (n % outputs * inputs + n / outputs % inputs) * taps + n / outputs / inputs;
            let turned: Vec<f32> = (0..values.len()).map(|n| values[place(n)] * factors[n % outputs]).collect();
            let (want, got) = (
                Packed::new(&turned, [taps, inputs, outputs]),
                Packed::of_convolution(&values, &factors, [outputs, inputs, taps]),
            );
            assert_eq!((got.shape, got.panels), (want.shape, want.panels));
        }
    }

    #[test]
    #[should_panic(expected = "too few values")]
    fn too_few_values_panic() {
        let x = Rows { values: &[0.0; 7], strides: [4, 0] };
        let out = Output { values: &mut [0.0; 4], stride: 2, bias: &[0.0; 2], epilogue: Epilogue::Linear };
        Packed::new(&[0.0; 8], [1, 4, 2]).run(x, 0..1, 2, out);
    }

    #[test]
    #[should_panic(expected = "do not have the shape")]
    fn a_shape_of_another_size_panics() {
        Packed::new(&[0.0; 4], [1, 2, 3]);
    }
}
