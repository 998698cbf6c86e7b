//! Inner loop of int8 products for AArch64: `sdot`.
#![allow(clippy::needless_range_loop)] // register blocks: the indices are unrolled, iterators would hide the pattern

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vcvtq_s32_f32, vdupq_n_s32, vld1q_f32, vld1q_s8, vreinterpretq_s8_s32, vshlq_n_s32, vst1q_s32,
};
use std::arch::asm;

#[cfg(test)]
use super::tile::ran;
use super::tile::{GROUP, Tile};
#[cfg(test)]
use crate::kernels::cpu::Int8Variant;
use crate::kernels::epilogue::{Output, PANEL};

/// A quarter of the panel at a time: two vectors of sums per row, 20 of 32 registers for 10 rows.
/// `sdot` multiplies signed bytes only, so 128 is subtracted from the activations and 128 times the
/// sums of the weights is added:
///
/// ```text
/// Σ q · w = Σ (q − 128) · w + 128 · Σ w
/// ```
///
/// # Safety
///
/// The slices of `tile` cover R rows and all its taps and groups.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn neon_dot<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
    #[cfg(test)]
    ran::note(Int8Variant::NeonDot);
    let mut sums = [[0.0; PANEL]; R];
    for j in 0..tile.taps {
        let mut whole = [[0_i32; PANEL]; R];
        for column in (0..PANEL).step_by(8) {
            let mut acc = [shift_compensation(&tile.weight_sums[j], column); R];
            for (l, w) in tile.weights[j * tile.groups..][..tile.groups].iter().enumerate() {
                // SAFETY: column + 8 ≤ 32, and each column has four of the 128 values of w.
                let w = unsafe {
                    let w = w.as_ptr().add(column * GROUP);
                    [vld1q_s8(w), vld1q_s8(w.add(16))]
                };
                for r in 0..R {
                    let at = r * tile.strides[0] + j * tile.strides[1] + l * GROUP;
                    // SAFETY: row r < R, tap j < taps and group l < groups are in bounds, as the
                    // caller guarantees.
                    let q = unsafe { minus_128(tile.values, at) };
                    acc[r] = [sdot(acc[r][0], w[0], q), sdot(acc[r][1], w[1], q)];
                }
            }
            for r in 0..R {
                // SAFETY: column + 8 ≤ 32, the length of a row.
                unsafe {
                    vst1q_s32(whole[r].as_mut_ptr().add(column), acc[r][0]);
                    vst1q_s32(whole[r].as_mut_ptr().add(column + 4), acc[r][1]);
                }
            }
        }
        (0..R).for_each(|r| tile.add_tap(r, j, &whole[r], &mut sums[r]));
    }
    tile.store(&mut sums, panel, first, out);
}

/// 128 times the sums of the weights of eight outputs. The sums are integers below 2²⁴, so the
/// products fit 32 bits.
#[target_feature(enable = "neon")]
#[inline]
fn shift_compensation(weight_sums: &[f32; PANEL], column: usize) -> [int32x4_t; 2] {
    let eight: &[f32; 8] = &weight_sums.as_chunks().0[column / 8];
    // SAFETY: `eight` has eight values.
    let halves = unsafe { [vld1q_f32(eight.as_ptr()), vld1q_f32(eight.as_ptr().add(4))] };
    halves.map(|sums| vshlq_n_s32::<7>(vcvtq_s32_f32(sums)))
}

/// Four values from `at` on minus 128, repeated four times.
///
/// # Safety
///
/// `at + 4` is at most the length of `values`.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn minus_128(values: &[u8], at: usize) -> int8x16_t {
    debug_assert!(at + GROUP <= values.len());
    // SAFETY: the caller guarantees four values; the load needs no alignment.
    let four = unsafe { values.as_ptr().add(at).cast::<u32>().read_unaligned() };
    vreinterpretq_s8_s32(vdupq_n_s32((four ^ 0x8080_8080) as i32))
}

/// `sdot`: adds the four products of the bytes of each lane of `a` and `b` to that lane of `acc`.
/// (The intrinsic is unstable.)
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn sdot(mut acc: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction accesses only the three registers, and this function enables its
    // feature.
    unsafe {
        asm!(
            "sdot {acc:v}.4s, {a:v}.16b, {b:v}.16b",
            acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    acc
}
