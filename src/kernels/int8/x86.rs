//! Inner loops of int8 products for x86-64: AVX2, AVX-VNNI, AVX-512 VNNI.
#![allow(clippy::needless_range_loop)] // register blocks: the indices are unrolled, iterators would hide the pattern

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16,
    _mm256_srli_epi16, _mm256_storeu_si256, _mm512_add_ps, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
};

#[cfg(test)]
use super::tile::ran;
use super::tile::{GROUP, Tile};
#[cfg(test)]
use crate::kernels::cpu::Int8Variant;
use crate::kernels::epilogue::x86::{self as epilogue, load};
use crate::kernels::epilogue::{Output, PANEL};

/// Four values from `at` on.
///
/// # Safety
///
/// `at + 4` is at most the length of `values`.
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn four(values: &[u8], at: usize) -> i32 {
    debug_assert!(at + GROUP <= values.len());
    // SAFETY: the caller guarantees four values; the load needs no alignment.
    unsafe { values.as_ptr().add(at).cast::<i32>().read_unaligned() }
}

/// AVX-512 VNNI: two vectors of sums per row, 20 of 32 registers for 10 rows.
///
/// # Safety
///
/// The slices of `tile` cover R rows and all its taps and groups.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn avx512_vnni<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
    #[cfg(test)]
    ran::note(Int8Variant::Avx512Vnni);
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for j in 0..tile.taps {
        let mut whole = [[_mm512_setzero_si512(); 2]; R];
        let weights = &tile.weights[j * tile.groups..][..tile.groups];
        let tap = j * tile.strides[1];
        for (l, w) in weights.iter().enumerate() {
            // SAFETY: w has 128 values; these are the first and the last 64. The loads need no
            // alignment.
            let w = unsafe { [_mm512_loadu_si512(w.as_ptr().cast()), _mm512_loadu_si512(w.as_ptr().add(64).cast())] };
            for r in 0..R {
                // SAFETY: row r < R, tap j < taps and group l < groups are in bounds, as the caller
                // guarantees.
                let q = _mm512_set1_epi32(unsafe { four(tile.values, r * tile.strides[0] + tap + l * GROUP) });
                whole[r] = [_mm512_dpbusd_epi32(whole[r][0], q, w[0]), _mm512_dpbusd_epi32(whole[r][1], q, w[1])];
            }
        }
        for r in 0..R {
            let scale = _mm512_set1_ps(tile.scales[tile.scale_at(r, j)]);
            for (sum, whole) in sums[r].iter_mut().zip(whole[r]) {
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_cvtepi32_ps(whole), scale));
            }
        }
        if let Some(offsets) = tile.offsets {
            let of_weights = load(&tile.weight_sums[j]);
            for r in 0..R {
                let offset = _mm512_set1_ps(offsets[tile.scale_at(r, j)]);
                for (sum, of_weights) in sums[r].iter_mut().zip(of_weights) {
                    *sum = _mm512_add_ps(*sum, _mm512_mul_ps(offset, of_weights));
                }
            }
        }
    }
    let place = out.place(panel, first);
    let (scale, bias) = (load(tile.weight_scales), load(&out.bias[place.column..place.column + place.width]));
    for r in 0..R {
        sums[r] = [0, 1].map(|half| _mm512_add_ps(_mm512_mul_ps(sums[r][half], scale[half]), bias[half]));
    }
    epilogue::avx512(out.epilogue, sums, out.values, place);
}

/// AVX-VNNI: a quarter of the panel at a time, one vector of sums per row.
///
/// # Safety
///
/// As [`avx512_vnni`].
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn avx_vnni<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
    #[cfg(test)]
    ran::note(Int8Variant::AvxVnni);
    let mut sums = [[0.0; PANEL]; R];
    for j in 0..tile.taps {
        let mut whole = [[0_i32; PANEL]; R];
        for quarter in 0..4 {
            let mut acc = [_mm256_setzero_si256(); R];
            for (l, w) in tile.weights[j * tile.groups..][..tile.groups].iter().enumerate() {
                let w = load_quarter(w, quarter);
                for r in 0..R {
                    let at = r * tile.strides[0] + j * tile.strides[1] + l * GROUP;
                    // SAFETY: row r < R, tap j < taps and group l < groups are in bounds, as the
                    // caller guarantees.
                    acc[r] = _mm256_dpbusd_avx_epi32(acc[r], _mm256_set1_epi32(unsafe { four(tile.values, at) }), w);
                }
            }
            (0..R).for_each(|r| store_quarter(acc[r], &mut whole[r], quarter));
        }
        (0..R).for_each(|r| tile.add_tap(r, j, &whole[r], &mut sums[r]));
    }
    tile.store(&mut sums, panel, first, out);
}

/// AVX2: as [`avx_vnni`], with activations and weights widened to 16 bits, even and odd bytes
/// separately. A sum of two products then fits 32 bits; the instruction for bytes would saturate at
/// 16.
///
/// # Safety
///
/// As [`avx512_vnni`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2<const R: usize>(tile: &Tile<'_>, panel: usize, first: usize, out: &mut Output<'_>) {
    #[cfg(test)]
    ran::note(Int8Variant::Avx2);
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
                    let at = r * tile.strides[0] + j * tile.strides[1] + l * GROUP;
                    // SAFETY: row r < R, tap j < taps and group l < groups are in bounds, as the
                    // caller guarantees.
                    let q = _mm256_set1_epi32(unsafe { four(tile.values, at) });
                    let q = [_mm256_and_si256(q, even), _mm256_srli_epi16::<8>(q)];
                    let both = _mm256_add_epi32(_mm256_madd_epi16(q[0], w[0]), _mm256_madd_epi16(q[1], w[1]));
                    acc[r] = _mm256_add_epi32(acc[r], both);
                }
            }
            (0..R).for_each(|r| store_quarter(acc[r], &mut whole[r], quarter));
        }
        (0..R).for_each(|r| tile.add_tap(r, j, &whole[r], &mut sums[r]));
    }
    tile.store(&mut sums, panel, first, out);
}

/// Loads the weights of eight outputs.
#[target_feature(enable = "avx2")]
#[inline]
fn load_quarter(w: &[i8; GROUP * PANEL], quarter: usize) -> __m256i {
    let w: &[i8; 32] = &w.as_chunks().0[quarter];
    // SAFETY: w has 32 bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(w.as_ptr().cast()) }
}

/// Stores the sums of eight outputs.
#[target_feature(enable = "avx2")]
#[inline]
fn store_quarter(sums: __m256i, row: &mut [i32; PANEL], quarter: usize) {
    let row: &mut [i32; 8] = &mut row.as_chunks_mut().0[quarter];
    // SAFETY: `row` has 8 values; the store needs no alignment.
    unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), sums) };
}
