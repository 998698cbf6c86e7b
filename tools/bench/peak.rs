//! Peak arithmetic throughput of one core: f32 fused multiply-add and `vpdpbusd` of 8-bit integers,
//! operands in registers.
//!
//! ```text
//! rustc --edition 2024 -O tools/bench/peak.rs -o peak && ./peak
//! ```
//!
//! Needs AVX-512 with VNNI. Prints the best of several rounds; a multiplication and an addition
//! count as two operations.

use std::arch::x86_64::{
    _mm512_add_epi32, _mm512_add_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_reduce_add_epi32,
    _mm512_reduce_add_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
};
use std::hint::black_box;
use std::time::Instant;

/// Independent accumulators: more than the instructions in flight.
const SUMS: usize = 24;
const STEPS: usize = 10_000_000;

#[target_feature(enable = "avx512f")]
fn fma() -> f32 {
    let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.25)));
    let mut sums = [_mm512_setzero_ps(); SUMS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(a, b, *sum);
        }
    }
    let mut all = _mm512_setzero_ps();
    for sum in sums {
        all = _mm512_add_ps(all, sum);
    }
    _mm512_reduce_add_ps(all)
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn vnni() -> i32 {
    let (a, b) = (_mm512_set1_epi32(black_box(0x0102_0304)), _mm512_set1_epi32(black_box(0x0101_0101)));
    let mut sums = [_mm512_setzero_si512(); SUMS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, a, b);
        }
    }
    let mut all = _mm512_setzero_si512();
    for sum in sums {
        all = _mm512_add_epi32(all, sum);
    }
    _mm512_reduce_add_epi32(all)
}

/// Billions of operations per second, best of five.
fn best(run: impl Fn(), operations: usize) -> f64 {
    let rates = (0..5).map(|_| {
        let began = Instant::now();
        run();
        (STEPS * SUMS * operations) as f64 / began.elapsed().as_secs_f64() / 1e9
    });
    rates.fold(0.0, f64::max)
}

fn main() {
    if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")) {
        println!("no AVX-512 VNNI on this CPU");
        return;
    }
    // SAFETY: the CPU features that both functions need were detected above.
    println!("f32, fused multiply-add: {:.0} GFLOP/s", best(|| _ = black_box(unsafe { fma() }), 32));
    // SAFETY: as above.
    println!("8-bit, vpdpbusd: {:.0} GOP/s", best(|| _ = black_box(unsafe { vnni() }), 128));
}
