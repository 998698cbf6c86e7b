//! The products' inner loops for x86-64.
#![allow(clippy::needless_range_loop)] // register blocks: the indices are unrolled, iterators would hide the pattern

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16,
    _mm256_srli_epi16, _mm256_storeu_si256, _mm512_add_ps, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
};

use super::product::Tile;
use super::{GROUP, PANEL};
use crate::kernels::epilogue::Output;
use crate::kernels::epilogue::x86::{self as finish, load};

/// The four codes at `at`.
///
/// # Safety
///
/// There are four.
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn four(codes: &[u8], at: usize) -> i32 {
    debug_assert!(at + GROUP <= codes.len());
    // SAFETY: the caller says so; the load needs no alignment.
    unsafe { codes.as_ptr().add(at).cast::<i32>().read_unaligned() }
}

/// Two vectors of sums for each row: 20 of 32 registers for 10 rows.
///
/// # Safety
///
/// The tile has the codes and weights of R rows, all its taps and groups.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn avx512_vnni<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
    #[cfg(test)]
    super::product::tests::note(super::Int8Variant::Avx512Vnni);
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for j in 0..tile.taps {
        let mut whole = [[_mm512_setzero_si512(); 2]; R];
        let weights = &tile.weights[j * tile.groups..][..tile.groups];
        let codes = j * tile.code_strides[1];
        for (l, w) in weights.iter().enumerate() {
            // SAFETY: w has 128 codes, of which these are the first and the last 64; the loads need no alignment.
            let w = unsafe { [_mm512_loadu_si512(w.as_ptr().cast()), _mm512_loadu_si512(w.as_ptr().add(64).cast())] };
            for r in 0..R {
                // SAFETY: row r < R, tap j < taps and group l < groups lie inside, says the caller.
                let q = _mm512_set1_epi32(unsafe { four(tile.codes, r * tile.code_strides[0] + codes + l * GROUP) });
                whole[r] = [_mm512_dpbusd_epi32(whole[r][0], q, w[0]), _mm512_dpbusd_epi32(whole[r][1], q, w[1])];
            }
        }
        for r in 0..R {
            let scale = _mm512_set1_ps(tile.scales[tile.scale_at(r, j)]);
            for (sum, whole) in sums[r].iter_mut().zip(whole[r]) {
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_cvtepi32_ps(whole), scale));
            }
        }
        if let Some(lows) = tile.lows {
            let of_weights = load(&tile.weight_sums[j]);
            for r in 0..R {
                let low = _mm512_set1_ps(lows[tile.scale_at(r, j)]);
                for (sum, of_weights) in sums[r].iter_mut().zip(of_weights) {
                    *sum = _mm512_add_ps(*sum, _mm512_mul_ps(low, of_weights));
                }
            }
        }
    }
    let place = out.place(panel, first);
    let (scale, bias) = (load(tile.weight_scales), load(&out.bias[place.column..place.column + place.width]));
    for r in 0..R {
        sums[r] = [0, 1].map(|half| _mm512_add_ps(_mm512_mul_ps(sums[r][half], scale[half]), bias[half]));
    }
    finish::avx512(out.finish, sums, out.values, place);
}

/// As [`avx512_vnni`], a quarter of the panel at a time: one vector of sums for each row.
///
/// # Safety
///
/// As there.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn avx_vnni<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
    #[cfg(test)]
    super::product::tests::note(super::Int8Variant::AvxVnni);
    let mut sums = [[0.0; PANEL]; R];
    for j in 0..tile.taps {
        let mut whole = [[0_i32; PANEL]; R];
        for quarter in 0..4 {
            let mut acc = [_mm256_setzero_si256(); R];
            for (l, w) in tile.weights[j * tile.groups..][..tile.groups].iter().enumerate() {
                let w = load_quarter(w, quarter);
                for r in 0..R {
                    let at = r * tile.code_strides[0] + j * tile.code_strides[1] + l * GROUP;
                    // SAFETY: row r < R, tap j < taps and group l < groups lie inside, says the caller.
                    acc[r] = _mm256_dpbusd_avx_epi32(acc[r], _mm256_set1_epi32(unsafe { four(tile.codes, at) }), w);
                }
            }
            (0..R).for_each(|r| store_quarter(acc[r], &mut whole[r], quarter));
        }
        (0..R).for_each(|r| tile.add_tap(r, j, &whole[r], &mut sums[r]));
    }
    tile.finish(&mut sums, panel, first, out);
}

/// As [`avx_vnni`]. Codes and weights are widened to 16 bits, those at even and at odd places apart; a product of two pairs then fits 32 bits, where
/// the one instruction for bytes would saturate 16.
///
/// # Safety
///
/// As there.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
    #[cfg(test)]
    super::product::tests::note(super::Int8Variant::Avx2);
    let even = _mm256_set1_epi16(0xff);
    let mut sums = [[0.0; PANEL]; R];
    for j in 0..tile.taps {
        let mut whole = [[0_i32; PANEL]; R];
        for quarter in 0..4 {
            let mut acc = [_mm256_setzero_si256(); R];
            for (l, w) in tile.weights[j * tile.groups..][..tile.groups].iter().enumerate() {
                let w = load_quarter(w, quarter);
                let w = [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w)), _mm256_srai_epi16::<8>(w)];
                for r in 0..R {
                    let at = r * tile.code_strides[0] + j * tile.code_strides[1] + l * GROUP;
                    // SAFETY: row r < R, tap j < taps and group l < groups lie inside, says the caller.
                    let q = _mm256_set1_epi32(unsafe { four(tile.codes, at) });
                    let q = [_mm256_and_si256(q, even), _mm256_srli_epi16::<8>(q)];
                    let both = _mm256_add_epi32(_mm256_madd_epi16(q[0], w[0]), _mm256_madd_epi16(q[1], w[1]));
                    acc[r] = _mm256_add_epi32(acc[r], both);
                }
            }
            (0..R).for_each(|r| store_quarter(acc[r], &mut whole[r], quarter));
        }
        (0..R).for_each(|r| tile.add_tap(r, j, &whole[r], &mut sums[r]));
    }
    tile.finish(&mut sums, panel, first, out);
}

/// Weights of eight outputs.
#[target_feature(enable = "avx2")]
#[inline]
fn load_quarter(w: &[i8; GROUP * PANEL], quarter: usize) -> __m256i {
    let w: &[i8; 32] = &w.as_chunks().0[quarter];
    // SAFETY: w has 32 bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(w.as_ptr().cast()) }
}

/// Sums of eight outputs.
#[target_feature(enable = "avx2")]
#[inline]
fn store_quarter(sums: __m256i, row: &mut [i32; PANEL], quarter: usize) {
    let row: &mut [i32; 8] = &mut row.as_chunks_mut().0[quarter];
    // SAFETY: `row` has 8 values; the store needs no alignment.
    unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), sums) };
}
