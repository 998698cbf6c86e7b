//! Dot product of two f32 vectors.
//!
//! ```text
//! dot(a, b) = Σ_i a[i] · b[i]
//! ```
//!
//! Every variant keeps many partial sums side by side (16 lanes in the portable one, 32 with AVX2, 64 with AVX-512) and adds
//! them pairwise at the end. This keeps the vector units busy, and it also keeps the rounding small: each partial sum sees
//! n / lanes terms, so the error is at most about (n / lanes + 6) · 2⁻²⁴ · Σ |a[i] · b[i]|, in practice far less.
//!
//! The order of additions depends on the variant and on the length alone, never on where the slices lie in memory: the same
//! values give the same bits on one CPU, and agree between CPUs within the bound above.

/// A way to compute the product: an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Plain Rust, on every CPU. The reference of the others.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors with fused multiply-add.
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
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The dot product by this variant, or by [`Variant::Portable`] where the CPU lacks it.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "dot product of vectors of different lengths");
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX2 and FMA.
            Self::Avx2 if self.is_available() => unsafe { x86::avx2(a, b) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found that this CPU has AVX-512F.
            Self::Avx512 if self.is_available() => unsafe { x86::avx512(a, b) },
            _ => portable(a, b),
        }
    }
}

/// The dot product by the fastest variant of this CPU. Empty slices give 0.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    Variant::best().dot(a, b)
}

/// 16 partial sums; compilers turn the inner loop into the vectors that the target always has (SSE2, NEON).
fn portable(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    #[cfg(test)]
    tests::note(Variant::Portable);
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
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
fn rest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::rest;
    use std::arch::x86_64::{
        __m256, __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps, _mm256_add_ps,
        _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
        _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_reduce_add_ps, _mm512_setzero_ps,
    };

    #[target_feature(enable = "avx2,fma")]
    fn load8(block: &[f32; 8]) -> __m256 {
        // SAFETY: the reference covers exactly the 32 bytes read; the load needs no alignment.
        unsafe { _mm256_loadu_ps(block.as_ptr()) }
    }

    #[target_feature(enable = "avx512f")]
    fn load16(block: &[f32; 16]) -> __m512 {
        // SAFETY: the reference covers exactly the 64 bytes read; the load needs no alignment.
        unsafe { _mm512_loadu_ps(block.as_ptr()) }
    }

    #[target_feature(enable = "avx2,fma")]
    fn sum8(v: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    /// Four vectors of 8 partial sums: one fused multiply-add takes 4 cycles, and two can start in each.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(a: &[f32], b: &[f32]) -> f32 {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx2);
        let (a_blocks, a_rest) = a.as_chunks::<8>();
        let (b_blocks, b_rest) = b.as_chunks::<8>();
        let (a_fours, a_ones) = a_blocks.as_chunks::<4>();
        let (b_fours, b_ones) = b_blocks.as_chunks::<4>();
        let mut sums = [_mm256_setzero_ps(); 4];
        for (x, y) in a_fours.iter().zip(b_fours) {
            for i in 0..4 {
                sums[i] = _mm256_fmadd_ps(load8(&x[i]), load8(&y[i]), sums[i]);
            }
        }
        for (x, y) in a_ones.iter().zip(b_ones) {
            sums[0] = _mm256_fmadd_ps(load8(x), load8(y), sums[0]);
        }
        let all = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
        sum8(all) + rest(a_rest, b_rest)
    }

    /// Four vectors of 16 partial sums.
    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(a: &[f32], b: &[f32]) -> f32 {
        #[cfg(test)]
        super::tests::note(super::Variant::Avx512);
        let (a_blocks, a_rest) = a.as_chunks::<16>();
        let (b_blocks, b_rest) = b.as_chunks::<16>();
        let (a_fours, a_ones) = a_blocks.as_chunks::<4>();
        let (b_fours, b_ones) = b_blocks.as_chunks::<4>();
        let mut sums = [_mm512_setzero_ps(); 4];
        for (x, y) in a_fours.iter().zip(b_fours) {
            for i in 0..4 {
                sums[i] = _mm512_fmadd_ps(load16(&x[i]), load16(&y[i]), sums[i]);
            }
        }
        for (x, y) in a_ones.iter().zip(b_ones) {
            sums[0] = _mm512_fmadd_ps(load16(x), load16(y), sums[0]);
        }
        let all = _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
        _mm512_reduce_add_ps(all) + rest(a_rest, b_rest)
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
            Variant::Avx2 => has("avx2") && has("fma"),
            Variant::Avx512 => has("avx512f"),
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
                let got = variant.dot(&a, &b);
                assert_eq!(RAN.get(), Some(variant), "another variant ran");
                // The bound of the page above, for the fewest lanes.
                let bound = (n as f64 / 16.0 + 20.0) * size / f64::from(1 << 24);
                assert!((f64::from(got) - exact).abs() <= bound, "{variant:?}, n = {n}: {got} against {exact}");
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
            let want = variant.dot(&a[..768], &b[..768]).to_bits();
            for shift in 1..17 {
                let mut moved = vec![0.0; shift];
                moved.extend_from_slice(&a[..768]);
                assert_eq!(variant.dot(&moved[shift..], &b[..768]).to_bits(), want, "{variant:?}, shift {shift}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "different lengths")]
    fn different_lengths_are_refused() {
        dot(&[1.0, 2.0], &[1.0]);
    }
}
