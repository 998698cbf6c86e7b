//! Operands of one tile of an int8 product, and the f32 arithmetic that all variants share.

#[cfg(test)]
use crate::kernels::cpu::Int8Variant;
use crate::kernels::epilogue::{Output, PANEL};

/// Number of values that one instruction multiplies and sums.
pub(super) const GROUP: usize = 4;

/// Operands of one tile.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// Activations, starting with those of the first row and tap.
    pub(super) values: &'a [u8],
    pub(super) strides: [usize; 2],
    pub(super) scales: &'a [f32],
    pub(super) offsets: Option<&'a [f32]>,
    pub(super) scale_strides: [usize; 2],
    pub(super) taps: usize,
    /// Number of groups of a tap.
    pub(super) groups: usize,
    pub(super) weights: &'a [[i8; GROUP * PANEL]],
    pub(super) weight_sums: &'a [[f32; PANEL]],
    pub(super) weight_scales: &'a [f32; PANEL],
}

impl Tile<'_> {
    /// R rows, in portable code.
    pub(super) fn portable<const R: usize>(&self, panel: usize, first: usize, out: &mut Output<'_>) {
        #[cfg(test)]
        ran::note(Int8Variant::Portable);
        let mut sums = [[0.0; PANEL]; R];
        for j in 0..self.taps {
            for (r, sums) in sums.iter_mut().enumerate() {
                let values = &self.values[r * self.strides[0] + j * self.strides[1]..];
                let weights = &self.weights[j * self.groups..][..self.groups];
                let mut whole = [0_i32; PANEL];
                for (q, w) in values.as_chunks::<GROUP>().0.iter().zip(weights) {
                    for (sum, w) in whole.iter_mut().zip(w.as_chunks::<GROUP>().0) {
                        *sum += q.iter().zip(w).map(|(q, w)| i32::from(*q) * i32::from(*w)).sum::<i32>();
                    }
                }
                self.add_tap(r, j, &whole, sums);
            }
        }
        self.store(&mut sums, panel, first, out);
    }

    /// Index of the scale of row `r` and tap `j`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled with the target features of its caller
    pub(super) fn scale_at(&self, r: usize, j: usize) -> usize {
        r * self.scale_strides[0] + j * self.scale_strides[1]
    }

    /// `sums += scale · whole + offset · Σ w` for row `r` and tap `j`.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn add_tap(&self, r: usize, j: usize, whole: &[i32; PANEL], sums: &mut [f32; PANEL]) {
        let at = self.scale_at(r, j);
        let scale = self.scales[at];
        for (sum, whole) in sums.iter_mut().zip(whole) {
            *sum += *whole as f32 * scale;
        }
        if let Some(offsets) = self.offsets {
            let offset = offsets[at];
            for (sum, of_weights) in sums.iter_mut().zip(&self.weight_sums[j]) {
                *sum += offset * of_weights;
            }
        }
    }

    /// Multiplies the sums by the scales of the weights, adds the bias, applies the epilogue and
    /// stores the tile.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn store(&self, sums: &mut [[f32; PANEL]], panel: usize, first: usize, out: &mut Output<'_>) {
        let place = out.place(panel, first);
        let bias = &out.bias[place.column..place.column + place.width];
        for row in &mut *sums {
            for ((y, scale), b) in row.iter_mut().zip(self.weight_scales).zip(bias) {
                *y = *y * scale + b;
            }
        }
        out.epilogue.store(sums, out.values, place);
    }
}

/// Which variant ran last on this thread, for the test that runs them all.
#[cfg(test)]
pub(super) mod ran {
    use std::cell::Cell;

    use crate::kernels::cpu::Int8Variant;

    thread_local! { static RAN: Cell<Option<Int8Variant>> = const { Cell::new(None) } }

    pub(in super::super) fn note(variant: Int8Variant) {
        RAN.set(Some(variant));
    }

    pub(in super::super) fn take() -> Option<Int8Variant> {
        RAN.take()
    }
}
