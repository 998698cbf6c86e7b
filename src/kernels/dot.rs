//! Dot product of f32 vectors: one by one, or one with several.
//!
//! ```text
//! dot(a, b) = Σ_i a[i] · b[i]
//! ```
//!
//! Every variant keeps many partial sums side by side (16 lanes in the portable one, 32 with AVX2, 64 with AVX-512) and adds
//! them pairwise at the end. This keeps the vector units busy, and it also keeps the rounding small: each partial sum sees
//! n / lanes terms, so the error is at most `(n / lanes + 20) · 2⁻²⁴ · Σ |a[i] · b[i]|`, in practice far less (20: the pairwise end,
//! and up to 15 terms after the last whole vector).
//!
//! The order of additions depends on the variant and on the length alone, never on where the slices lie in memory: the same
//! values give the same bits on one CPU, and agree between CPUs within the bound above.

use half::f16;

/// A float that a vector is made of: f32, or f16, of which twice as many come from memory in the same time. A product with it has the bits of the
/// product with the f32 that it is.
pub trait Float: Copy {
    /// As f32, exactly.
    fn widened(self) -> f32;

    /// 8 values.
    ///
    /// # Safety
    ///
    /// There are 8 at `from`, and the CPU has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256;

    /// 16 values.
    ///
    /// # Safety
    ///
    /// There are 16 at `from`, and the CPU has AVX-512F.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512;
}

#[allow(clippy::inline_always)] // so that the loads are compiled for the vectors of their caller
impl Float for f32 {
    #[inline(always)]
    fn widened(self) -> f32 {
        self
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load8(from: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller says that they are there; the load needs no alignment.
        unsafe { std::arch::x86_64::_mm256_loadu_ps(from) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: as above.
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
        // SAFETY: the caller says that they are there, 16 bytes of them; the load needs no alignment.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load16(from: *const Self) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::{_mm256_loadu_si256, _mm512_cvtph_ps};
        // SAFETY: as above, 32 bytes.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
}

/// A way to compute the product: an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Plain Rust, on every CPU. The reference of the others.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors with fused multiply-add, and of bytes.
    Avx512,
}

impl Variant {
    /// All variants, the plainest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The fastest variant of this CPU. The standard library asks the CPU once and remembers.
    #[inline]
    pub fn best() -> Self {
        if Self::Avx512.is_available() {
            Self::Avx512
        } else if Self::Avx2.is_available() {
            Self::Avx2
        } else {
            Self::Portable
        }
    }

    /// Whether this CPU can run the variant.
    #[inline]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The dot products of `a` with each of `b` by this variant, or by [`Variant::Portable`] where the CPU lacks it. Each has the
    /// bits that it has alone.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn dots<W: Float, const N: usize>(self, a: &[f32], b: [&[W]; N]) -> [f32; N] {
        assert!(b.iter().all(|b| b.len() == a.len()), "dot product of vectors of different lengths");
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX2, FMA and F16C.
            Self::Avx2 if self.is_available() => unsafe { x86::avx2(a, b) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX-512F.
            Self::Avx512 if self.is_available() => unsafe { x86::avx512(a, b) },
            _ => b.map(|b| portable(a, b)),
        }
    }
}

/// The dot product by the fastest variant of this CPU. Empty slices give 0.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn dot<W: Float>(a: &[f32], b: &[W]) -> f32 {
    Variant::best().dots(a, [b])[0]
}

/// The dot products of `a` with each of `b`, each with the bits of [`dot`]. Faster than N calls: `a` is loaded once, and the
/// sums at the end overlap. N = 4 is the best on AVX-512.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn dots<W: Float, const N: usize>(a: &[f32], b: [&[W]; N]) -> [f32; N] {
    Variant::best().dots(a, b)
}

/// 16 partial sums; compilers turn the inner loop into the vectors that the target always has (SSE2, NEON).
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

/// The few elements after the last whole vector.
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

    /// Vectors of partial sums for each product: one fused multiply-add takes 4 cycles, and two can start in each.
    const SUMS: usize = 4;

    /// The 8 elements of `x` from `at` on.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn load8<W: Float>(x: &[W], at: usize) -> __m256 {
        debug_assert!(at + 8 <= x.len());
        // SAFETY: the callers' loops keep at + 8 within the length that all slices share (asserted in `dots`); this function's features are
        // those that are asked for.
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

    /// Each variant says that it is the one that runs.
    pub(super) fn note(variant: Variant) {
        RAN.set(Some(variant));
    }

    /// Whether the kernel of the operating system reports the variant's instructions; asked independently of `is_available`.
    fn reported_by_linux(variant: Variant) -> bool {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let has =
            |flag: &str| cpuinfo.lines().any(|l| l.starts_with("flags") && l.split_whitespace().any(|f| f == flag));
        match variant {
            Variant::Portable => true,
            Variant::Avx2 => has("avx2") && has("fma") && has("f16c"),
            Variant::Avx512 => has("avx512f") && has("avx512bw"),
        }
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
            assert!(!reported_by_linux(variant) || variant.is_available(), "{variant:?} is there but not detected");
            if !variant.is_available() {
                println!("{variant:?}: not on this CPU");
                continue;
            }
            for n in (0..70).chain([127, 128, 129, 255, 256, 1000, 24_576]) {
                let (a, b) = (noise(n, 1), noise(n, 2));
                let exact: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                let size: f64 = a.iter().zip(&b).map(|(x, y)| (f64::from(*x) * f64::from(*y)).abs()).sum();
                RAN.set(None);
                let [got] = variant.dots(&a, [&b]);
                assert_eq!(RAN.get(), Some(variant), "another variant ran");
                // The bound of the page above, for the fewest lanes.
                let bound = (n as f64 / 16.0 + 20.0) * size / f64::from(1 << 24);
                assert!((f64::from(got) - exact).abs() <= bound, "{variant:?}, n = {n}: {got} against {exact}");
            }
        }
    }

    #[test]
    fn halves_have_the_bits_of_the_floats_that_they_are() {
        for variant in Variant::ALL {
            for n in [0, 1, 7, 8, 17, 63, 65, 300, 1001] {
                let a = noise(n, 8);
                let halves: Vec<f16> = noise(n, 9).into_iter().map(f16::from_f32).collect();
                let floats: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
                RAN.set(None);
                let got = variant.dots(&a, [&halves[..], &halves[..]]);
                assert!(RAN.get() == Some(if variant.is_available() { variant } else { Variant::Portable }));
                assert_eq!(got, variant.dots(&a, [&floats[..], &floats[..]]), "{variant:?}, n = {n}");
            }
        }
    }

    #[test]
    fn the_best_variant_is_the_widest_there_is() {
        let widest = Variant::ALL.into_iter().rev().find(|v| v.is_available()).unwrap();
        assert_eq!(Variant::best(), widest);
        dot(&[1.0], &[1.0]);
        assert_eq!(RAN.get(), Some(widest));
    }

    #[test]
    fn bits_do_not_depend_on_where_the_slices_lie() {
        let (a, b) = (noise(800, 3), noise(800, 4));
        for variant in Variant::ALL {
            let want = variant.dots(&a[..768], [&b[..768]]).map(f32::to_bits);
            for shift in 1..17 {
                let mut moved = vec![0.0; shift];
                moved.extend_from_slice(&a[..768]);
                assert_eq!(
                    variant.dots(&moved[shift..], [&b[..768]]).map(f32::to_bits),
                    want,
                    "{variant:?}, shift {shift}"
                );
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_company() {
        let b = noise(2000, 5);
        for variant in Variant::ALL {
            for n in [0, 1, 7, 8, 15, 16, 17, 31, 63, 64, 65, 768, 1001] {
                let a = noise(n, 6);
                let windows = [&b[..n], &b[3..n + 3], &b[441..n + 441], &b[999..n + 999], &b[1..=n]];
                let alone = windows.map(|w| variant.dots(&a, [w])[0]);
                assert_eq!(variant.dots(&a, windows), alone, "{variant:?}, n = {n}");
                assert_eq!(variant.dots(&a, [windows[0], windows[1]]), alone[..2]);
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
