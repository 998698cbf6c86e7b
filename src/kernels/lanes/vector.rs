//! Vector of 16 f32: one type per instruction set, used only in the copies that
//! `multiversion_lanes` compiles.
#![allow(clippy::inline_always)] // each method is one or two instructions, compiled with the target features of its caller

use super::{LANES, Lanes};
#[cfg(test)]
use crate::kernels::cpu::Variant;

/// 16 values and element-wise operations on them.
pub(super) trait Vector: Copy {
    /// The instruction set.
    #[cfg(test)]
    const VARIANT: Variant;
    fn load(from: &Lanes) -> Self;
    fn store(self, to: &mut Lanes);
    fn splat(value: f32) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// `self · factor + other`, fused (rounded once) if the CPU has FMA.
    fn mul_add(self, factor: Self, other: Self) -> Self;

    /// Transposes 16 rows of 16 values: value i of row l becomes lane l of element i.
    #[inline(always)]
    fn transpose(rows: [&[f32; LANES]; LANES]) -> [Lanes; LANES] {
        let mut columns = [Lanes::default(); LANES];
        for (l, row) in rows.into_iter().enumerate() {
            columns.iter_mut().zip(row).for_each(|(column, x)| column.0[l] = *x);
        }
        columns
    }
}

/// Plain Rust: the reference for the others.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|l| f(self.0[l], other.0[l])))
    }
}

impl Vector for Portable {
    #[cfg(test)]
    const VARIANT: Variant = Variant::Portable;

    #[inline(always)]
    fn load(from: &Lanes) -> Self {
        Self(from.0)
    }

    #[inline(always)]
    fn store(self, to: &mut Lanes) {
        to.0 = self.0;
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, other: Self) -> Self {
        self.mul(factor).add(other)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_load_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_store_ps,
        _mm256_sub_ps, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps, _mm512_load_ps,
        _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_store_ps, _mm512_sub_ps,
        _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    #[cfg(test)]
    use super::Variant;
    use super::{LANES, Lanes, Vector};

    /// Two vectors of 8. Used only in functions compiled for AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256, __m256);

    /// Used only in functions compiled for AVX-512 F.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(__m512);

    impl Vector for Avx2 {
        #[cfg(test)]
        const VARIANT: Variant = Variant::Avx2;

        #[inline(always)]
        fn load(from: &Lanes) -> Self {
            let from = from.0.as_ptr();
            // SAFETY: `Lanes` is 16 values aligned to 64 bytes; these are the first and the last 8.
            // The calling copy runs only if the CPU has AVX2.
            unsafe { Self(_mm256_load_ps(from), _mm256_load_ps(from.add(8))) }
        }

        #[inline(always)]
        fn store(self, to: &mut Lanes) {
            let to = to.0.as_mut_ptr();
            // SAFETY: as for `load`.
            unsafe {
                _mm256_store_ps(to, self.0);
                _mm256_store_ps(to.add(8), self.1);
            }
        }

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: the calling copy runs only if the CPU has AVX2.
            let half = unsafe { _mm256_set1_ps(value) };
            Self(half, half)
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as for `splat`.
            unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: as for `splat`.
            unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            // SAFETY: as for `splat`.
            unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, other: Self) -> Self {
            // SAFETY: as for `splat`; the calling copy requires FMA, too.
            unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, other.0), _mm256_fmadd_ps(self.1, factor.1, other.1)) }
        }
    }

    impl Vector for Avx512 {
        #[cfg(test)]
        const VARIANT: Variant = Variant::Avx512;

        #[inline(always)]
        fn load(from: &Lanes) -> Self {
            // SAFETY: `Lanes` is 16 values aligned to 64 bytes; the calling copy runs only if the
            // CPU has AVX-512F.
            Self(unsafe { _mm512_load_ps(from.0.as_ptr()) })
        }

        #[inline(always)]
        fn store(self, to: &mut Lanes) {
            // SAFETY: as for `load`.
            unsafe { _mm512_store_ps(to.0.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: the calling copy runs only if the CPU has AVX-512F.
            Self(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as for `splat`.
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: as for `splat`.
            Self(unsafe { _mm512_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            // SAFETY: as for `splat`.
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, other: Self) -> Self {
            // SAFETY: as for `splat`.
            Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, other.0) })
        }

        /// Interleaves pairs of rows, then groups of four, within 128-bit quarters; then exchanges
        /// the quarters.
        #[inline(always)]
        fn transpose(rows: [&[f32; LANES]; LANES]) -> [Lanes; LANES] {
            // SAFETY: as for `splat`; each row has 16 values, and the loads need no alignment.
            unsafe {
                let mut fours = [[_mm512_set1_ps(0.0); 4]; 4];
                for (four, of) in fours.iter_mut().zip(rows.as_chunks::<4>().0) {
                    let (a, b) = (_mm512_loadu_ps(of[0].as_ptr()), _mm512_loadu_ps(of[1].as_ptr()));
                    let (c, d) = (_mm512_loadu_ps(of[2].as_ptr()), _mm512_loadu_ps(of[3].as_ptr()));
                    let pairs = [
                        [_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d)],
                        [_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d)],
                    ];
                    for (i, [ab, cd]) in pairs.into_iter().enumerate() {
                        let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
                        four[2 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                        four[2 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                    }
                }
                let mut columns = [Lanes::default(); LANES];
                for i in 0..4 {
                    let [a, b, c, d] = [fours[0][i], fours[1][i], fours[2][i], fours[3][i]];
                    let low = [_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d)];
                    let high = [_mm512_shuffle_f32x4::<0xEE>(a, b), _mm512_shuffle_f32x4::<0xEE>(c, d)];
                    for (half, [ab, cd]) in [low, high].into_iter().enumerate() {
                        Self(_mm512_shuffle_f32x4::<0x88>(ab, cd)).store(&mut columns[8 * half + i]);
                        Self(_mm512_shuffle_f32x4::<0xDD>(ab, cd)).store(&mut columns[8 * half + 4 + i]);
                    }
                }
                columns
            }
        }
    }
}
