//! Kernels on one thread: `cargo bench --bench kernels`. Items are multiplications and additions;
//! compare their rate with the peak of the CPU.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first mistake")]

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use persona_engine::kernels::epilogue::{Epilogue, Output};
use persona_engine::kernels::gemm::{Matrix, MatrixMut, Product, gemm};
use persona_engine::kernels::int8::{Int8Rows, Int8Weights, QuantisedRows};
use persona_engine::kernels::lanes::fft::RealFft;
use persona_engine::kernels::lanes::transpose::{gather, scatter};
use persona_engine::kernels::lanes::{LANES, Lanes};
use persona_engine::kernels::logarithm::LogScale;
use persona_engine::kernels::packed::{Packed, Rows};

fn main() {
    divan::main();
}

/// Rows, inputs and outputs: layers of an x-vector network on 3 s, a dense layer of CAM++, a
/// resampler.
const PRODUCTS: [[usize; 3]; 4] = [[184, 640, 512], [174, 512, 1500], [150, 768, 128], [85, 861, 32]];

/// Pseudo-random values in ±1.
fn noise(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| ((i.wrapping_mul(2_654_435_761) >> 8) as f32) / 8_388_608.0 - 1.0).collect()
}

#[divan::bench(args = PRODUCTS)]
fn packed_product(bencher: Bencher<'_, '_>, [m, k, n]: [usize; 3]) {
    let (a, b, mut c) = (noise(m * k), Packed::new(&noise(k * n), [1, k, n]), vec![0.0; m * n]);
    let bias = vec![0.0; n];
    bencher.counter(ItemsCount::new(2 * m * k * n)).bench_local(|| {
        let out = Output { values: &mut c, stride: n, bias: &bias, epilogue: Epilogue::Relu };
        b.run(Rows { values: black_box(&a), strides: [k, 0] }, 0..1, m, out);
    });
}

#[divan::bench(args = PRODUCTS)]
fn general_product(bencher: Bencher<'_, '_>, [m, k, n]: [usize; 3]) {
    let (a, b, mut c) = (noise(m * k), noise(k * n), vec![0.0; m * n]);
    bencher.counter(ItemsCount::new(2 * m * k * n)).bench_local(|| {
        let (a, b) = (Matrix::row_major(black_box(&a), (m, k)), Matrix::row_major(&b, (k, n)));
        gemm(a, b, MatrixMut::new(&mut c, (m, n), n), Product::Replaces);
    });
}

/// Includes the quantisation of the activations.
#[divan::bench(args = PRODUCTS)]
fn int8_product(bencher: Bencher<'_, '_>, [m, k, n]: [usize; 3]) {
    let (a, weights, mut c) =
        (noise(m * k), Int8Weights::new(&noise(k * n), &vec![1.0; n], [1, k, n]), vec![0.0; m * n]);
    let (mut quantised, bias) = (QuantisedRows::default(), vec![0.0; n]);
    bencher.counter(ItemsCount::new(2 * m * k * n)).bench_local(|| {
        quantised.quantise(black_box(&a).chunks_exact(k), k);
        let x = Int8Rows {
            values: quantised.values(),
            strides: [k, k],
            scales: quantised.scales(),
            offsets: quantised.offsets(),
            scale_strides: [1, 1],
        };
        weights.run(&x, 0..1, m, Output { values: &mut c, stride: n, bias: &bias, epilogue: Epilogue::Relu });
    });
}

/// 16 FFTs.
#[divan::bench(args = [400, 512, 1024])]
fn sixteen_power_spectra(bencher: Bencher<'_, '_>, n: usize) {
    let fft = RealFft::new(n).unwrap();
    let (mut signals, mut scratch) = (vec![Lanes::of(1.0); n], vec![Lanes::default(); n]);
    let mut powers = vec![Lanes::default(); fft.bins()];
    let operations = LANES * n * n.ilog2() as usize * 5 / 2;
    bencher.counter(ItemsCount::new(operations)).bench_local(|| {
        signals.fill(Lanes::of(1.0));
        fft.powers(black_box(&mut signals), &mut scratch, &mut powers);
    });
}

/// 16 rows to lanes and back.
#[divan::bench(args = [80, 1024])]
fn gather_and_scatter(bencher: Bencher<'_, '_>, n: usize) {
    let (mut rows, mut lanes) = (noise(LANES * n), vec![Lanes::default(); n]);
    bencher.counter(ItemsCount::new(2 * LANES * n)).bench_local(|| {
        gather(std::array::from_fn(|l| &black_box(&rows)[l * n..(l + 1) * n]), &mut lanes);
        scatter(&lanes, &mut rows);
    });
}

#[divan::bench]
fn logarithms(bencher: Bencher<'_, '_>) {
    let scale = LogScale { floor: 1e-10, factor: 1.0, less: 0.0, least: -80.0 };
    let values: Vec<f32> = noise(24_000).iter().map(|x| x * x).collect();
    let mut work = values.clone();
    bencher.counter(ItemsCount::new(values.len())).bench_local(|| {
        work.copy_from_slice(&values);
        scale.run(black_box(&mut work));
    });
}
