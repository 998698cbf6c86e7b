//! Dot products of f32 vectors, or of an f32 with f16 vectors.
//!
//! ```text
//! dot(a, b) = Σ_i a[i] · b[i]
//! ```
//!
//! Every variant keeps many partial sums (16 in the portable one, 32 with AVX2, 64 with AVX-512)
//! and adds them pairwise at the end. This hides the latency of the additions and keeps the
//! rounding error small: each partial sum has n / lanes terms, so the error is at most
//! `(n / lanes + 20) · 2⁻²⁴ · Σ |a[i] · b[i]|`, in practice far less (20: the pairwise end, and up
//! to 15 terms after the last whole vector).
//!
//! The order of additions depends on the variant and the length alone, never on alignment: the same
//! values give the same bits on one CPU, and agree between CPUs within the bound above.

use half::f16;

use super::cpu::Variant;

/// Element type of the second operand: f32, or f16, which halves the memory traffic. The result is
/// bit-identical to that of the same values widened to f32.
pub trait Float: Copy {
    /// Converts to f32, exactly.
    fn widened(self) -> f32;

    /// Loads 8 values and widens them to f32.
    ///
    /// # Safety
    ///
    /// `from` points to 8 readable values, and the CPU has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256;

    /// Loads 16 values and widens them to f32.
    ///
    /// # Safety
    ///
    /// `from` points to 16 readable values, and the CPU has AVX-512F.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512;
}

#[allow(clippy::inline_always)] // so that the loads are compiled with the target features of their caller
impl Float for f32 {
    #[inline(always)]
    fn widened(self) -> f32 {
        self
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller guarantees 8 readable values; the load needs no alignment.
        unsafe { std::arch::x86_64::_mm256_loadu_ps(from) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller guarantees 16 readable values; the load needs no alignment.
        unsafe { std::arch::x86_64::_mm512_loadu_ps(from) }
    }
}

#[allow(clippy::inline_always)]
impl Float for f16 {
    #[inline(always)]
    fn widened(self) -> f32 {
        self.to_f32()
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256 {
        use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps};
        // SAFETY: the caller guarantees 8 readable values, 16 bytes; the load needs no alignment.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::{_mm256_loadu_si256, _mm512_cvtph_ps};
        // SAFETY: the caller guarantees 16 readable values, 32 bytes; the load needs no alignment.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
}

/// The dot products of `a` with each of `b`, computed by `variant`, or by [`Variant::Portable`] if
/// the CPU lacks it. Each is bit-identical to [`dot`] of that pair.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub fn dots_by<W: Float, const N: usize>(variant: Variant, a: &[f32], b: [&[W]; N]) -> [f32; N] {
    assert!(b.iter().all(|b| b.len() == a.len()), "dot product of vectors of different lengths");
    match variant {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the guard has just found that this CPU has AVX2, FMA and F16C.
        Variant::Avx2 if variant.is_available() => unsafe { x86::avx2(a, b) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the guard has just found that this CPU has AVX-512F.
        Variant::Avx512 if variant.is_available() => unsafe { x86::avx512(a, b) },
        _ => b.map(|b| portable(a, b)),
    }
}

/// The dot product, by the fastest variant of this CPU. Empty slices give 0.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub fn dot<W: Float>(a: &[f32], b: &[W]) -> f32 {
    dots_by(Variant::best(), a, [b])[0]
}

/// The dot products of `a` with each of `b`, bit-identical to [`dot`]. Faster than N calls: `a` is
/// loaded once, and the final sums overlap. N = 4 is the fastest on AVX-512.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub fn dots<W: Float, const N: usize>(a: &[f32], b: [&[W]; N]) -> [f32; N] {
    dots_by(Variant::best(), a, b)
}

/// 16 partial sums; the compiler vectorises the inner loop with the target's baseline (SSE2, NEON).
fn portable<W: Float>(a: &[f32], b: &[W]) -> f32 {
    const LANES: usize = 16;
    #[cfg(test)]
    tests::note(Variant::Portable);
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane].widened();
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + rest(a_rest, b_rest)
}

/// The sum over the elements after the last whole vector.
#[inline]
fn rest<W: Float>(a: &[f32], b: &[W]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y.widened()).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(clippy::needless_range_loop)] // register blocks: the indices are unrolled, iterators would hide the pattern

    use super::{Float, rest};
    use std::arch::x86_64::{
        __m256, __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps, _mm256_add_ps,
        _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_setzero_ps, _mm512_add_ps,
        _mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_setzero_ps,
    };

    /// Vectors of partial sums per product: a fused multiply-add has a latency of 4 cycles, and two
    /// start per cycle.
    const SUMS: usize = 4;

    /// The 8 elements of `x` from `at` on.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn load8<W: Float>(x: &[W], at: usize) -> __m256 {
        debug_assert!(at + 8 <= x.len());
        // SAFETY: the callers' loops keep at + 8 within the length that all slices share (asserted
        // in `dots_by`); this function enables the features that `load8` requires.
        unsafe { W::load8(x.as_ptr().add(at)) }
    }

    /// The 16 elements of `x` from `at` on.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load16<W: Float>(x: &[W], at: usize) -> __m512 {
        debug_assert!(at + 16 <= x.len());
        // SAFETY: as in `load8`.
        unsafe { W::load16(x.as_ptr().add(at)) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn sum8(v: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn avx2<W: Float, const N: usize>(a: &[f32], b: [&[W]; N]) -> [f32; N] {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx2);
        let mut out = [0.0; N];
        // Two products at a time: with four, the partial sums alone would fill all 16 registers.
        for (out, b) in out.chunks_mut(2).zip(b.chunks(2)) {
            match *b {
                [first, second] => out.copy_from_slice(&avx2_few(a, [first, second])),
                [one] => out.copy_from_slice(&avx2_few(a, [one])),
                _ => {}
            }
        }
        out
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn avx2_few<W: Float, const N: usize>(a: &[f32], b: [&[W]; N]) -> [f32; N] {
        let (vectors, n) = (a.len() / 8, a.len());
        let mut sums = [[_mm256_setzero_ps(); SUMS]; N];
        for block in 0..vectors / SUMS {
            for i in 0..SUMS {
                let at = (block * SUMS + i) * 8;
                let x = load8(a, at);
                for w in 0..N {
                    sums[w][i] = _mm256_fmadd_ps(x, load8(b[w], at), sums[w][i]);
                }
            }
        }
        for vector in vectors / SUMS * SUMS..vectors {
            for w in 0..N {
                sums[w][0] = _mm256_fmadd_ps(load8(a, vector * 8), load8(b[w], vector * 8), sums[w][0]);
            }
        }
        let mut out = [0.0; N];
        for w in 0..N {
            let [p, q, r, s] = sums[w];
            let all = _mm256_add_ps(_mm256_add_ps(p, q), _mm256_add_ps(r, s));
            out[w] = sum8(all) + rest(&a[vectors * 8..n], &b[w][vectors * 8..n]);
        }
        out
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512<W: Float, const N: usize>(a: &[f32], b: [&[W]; N]) -> [f32; N] {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx512);
        let (vectors, n) = (a.len() / 16, a.len());
        let mut sums = [[_mm512_setzero_ps(); SUMS]; N];
        for block in 0..vectors / SUMS {
            for i in 0..SUMS {
                let at = (block * SUMS + i) * 16;
                let x = load16(a, at);
                for w in 0..N {
                    sums[w][i] = _mm512_fmadd_ps(x, load16(b[w], at), sums[w][i]);
                }
            }
        }
        for vector in vectors / SUMS * SUMS..vectors {
            for w in 0..N {
                sums[w][0] = _mm512_fmadd_ps(load16(a, vector * 16), load16(b[w], vector * 16), sums[w][0]);
            }
        }
        let mut out = [0.0; N];
        for w in 0..N {
            let [p, q, r, s] = sums[w];
            let all = _mm512_add_ps(_mm512_add_ps(p, q), _mm512_add_ps(r, s));
            out[w] = _mm512_reduce_add_ps(all) + rest(&a[vectors * 16..n], &b[w][vectors * 16..n]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! { static RAN: Cell<Option<Variant>> = const { Cell::new(None) } }

    /// Records which variant runs.
    pub(super) fn note(variant: Variant) {
        RAN.set(Some(variant));
    }

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn every_variant_of_this_cpu_runs_and_agrees_with_f64() {
        for variant in Variant::ALL {
            if !variant.is_available() {
                println!("{variant:?}: not on this CPU");
                continue;
            }
            for n in (0..70).chain([127, 128, 129, 255, 256, 1000, 24_576]) {
                let (a, b) = (noise(n, 1), noise(n, 2));
                let exact: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                let size: f64 = a.iter().zip(&b).map(|(x, y)| (f64::from(*x) * f64::from(*y)).abs()).sum();
                RAN.set(None);
                let [got] = dots_by(variant, &a, [&b]);
                assert_eq!(RAN.get(), Some(variant), "another variant ran");
                // the bound in the module documentation, for the fewest lanes
                let bound = (n as f64 / 16.0 + 20.0) * size / f64::from(1 << 24);
                assert!((f64::from(got) - exact).abs() <= bound, "{variant:?}, n = {n}: {got} against {exact}");
            }
        }
    }

    #[test]
    fn f16_is_bit_identical_to_the_same_values_in_f32() {
        for variant in Variant::ALL {
            for n in [0, 1, 7, 8, 17, 63, 65, 300, 1001] {
                let a = noise(n, 8);
                let halves: Vec<f16> = noise(n, 9).into_iter().map(f16::from_f32).collect();
                let floats: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
                RAN.set(None);
                let got = dots_by(variant, &a, [&halves[..], &halves[..]]);
                assert!(RAN.get() == Some(if variant.is_available() { variant } else { Variant::Portable }));
                assert_eq!(got, dots_by(variant, &a, [&floats[..], &floats[..]]), "{variant:?}, n = {n}");
            }
        }
    }

    #[test]
    fn dot_runs_the_best_variant() {
        dot(&[1.0], &[1.0]);
        assert_eq!(RAN.get(), Some(Variant::best()));
    }

    #[test]
    fn results_do_not_depend_on_alignment() {
        let (a, b) = (noise(800, 3), noise(800, 4));
        for variant in Variant::ALL {
            let want = dots_by(variant, &a[..768], [&b[..768]]).map(f32::to_bits);
            for shift in 1..17 {
                let mut moved = vec![0.0; shift];
                moved.extend_from_slice(&a[..768]);
                assert_eq!(
                    dots_by(variant, &moved[shift..], [&b[..768]]).map(f32::to_bits),
                    want,
                    "{variant:?}, shift {shift}"
                );
            }
        }
    }

    #[test]
    fn a_product_is_bit_identical_alone_and_with_others() {
        let b = noise(2000, 5);
        for variant in Variant::ALL {
            for n in [0, 1, 7, 8, 15, 16, 17, 31, 63, 64, 65, 768, 1001] {
                let a = noise(n, 6);
                let windows = [&b[..n], &b[3..n + 3], &b[441..n + 441], &b[999..n + 999], &b[1..=n]];
                let alone = windows.map(|w| dots_by(variant, &a, [w])[0]);
                assert_eq!(dots_by(variant, &a, windows), alone, "{variant:?}, n = {n}");
                assert_eq!(dots_by(variant, &a, [windows[0], windows[1]]), alone[..2]);
            }
        }
        let a = noise(100, 7);
        let windows = [&b[..100], &b[1..101], &b[2..102], &b[3..103]];
        assert_eq!(dots(&a, windows), windows.map(|w| dot(&a, w)));
    }

    #[test]
    #[should_panic(expected = "different lengths")]
    fn different_lengths_are_refused() {
        dots(&[1.0, 2.0], [&[1.0, 2.0], &[1.0, 2.0], &[1.0, 2.0], &[1.0]]);
    }
}
