//! Speed of the signal processing on one minute of audio, one thread: `cargo bench --bench dsp`.
#![allow(missing_docs, clippy::unwrap_used)] // a benchmark, not an interface

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use persona_engine::dsp::kaldi::MelOptions;
use persona_engine::dsp::{Activity, ActivityOptions, Bandwidth};
use persona_engine::dsp::{
    Cmvn, Fbank, FbankOptions, KaldiMfcc, KaldiMfccOptions, LogMel, LogMelOptions, Mfcc, MfccOptions,
};
use persona_engine::dsp::{Resampler, SlidingCmvn, SlidingCmvnOptions, SpeechBrainFbank, SpeechBrainFbankOptions};
use persona_engine::kernels::cpu::Variant;
use persona_engine::kernels::dot::dots_by;

/// Reports the allocations of each benchmark; without allocations the report has no such lines.
#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const SECONDS: usize = 60;
/// Samples of one chunk: 3 s at 16 kHz.
const CHUNK: usize = 48_000;

fn main() {
    divan::main();
}

fn noise(n: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

#[divan::bench(args = [8_000, 11_025, 22_050, 44_100, 44_101, 48_000, 96_000])]
fn resample_60_s_to_16_khz(bencher: Bencher<'_, '_>, in_hz: u32) {
    let input = noise(in_hz as usize * SECONDS);
    let mut resampler = Resampler::new(in_hz, 16_000).unwrap();
    let mut output = Vec::with_capacity(16_000 * SECONDS);
    bencher.counter(ItemsCount::new(input.len())).bench_local(|| {
        output.clear();
        resampler.process(&input, &mut output);
        resampler.finish(&mut output);
    });
}

#[divan::bench(args = [8_000, 11_025, 44_100, 44_101, 48_000])]
fn plan_resampler_to_16_khz(in_hz: u32) -> Resampler {
    Resampler::new(in_hz, 16_000).unwrap()
}

#[divan::bench]
fn logmel_60_s(bencher: Bencher<'_, '_>) {
    let input = noise(16_000 * SECONDS);
    let mut logmel = LogMel::new(LogMelOptions::default()).unwrap();
    let mut output = Vec::new();
    bencher.bench_local(|| input.chunks(CHUNK).for_each(|chunk| logmel.run(chunk, &mut output)));
}

#[divan::bench]
fn mfcc_60_s(bencher: Bencher<'_, '_>) {
    let input = noise(16_000 * SECONDS);
    let mut mfcc = Mfcc::new(MfccOptions::default()).unwrap();
    let mut output = Vec::new();
    bencher.bench_local(|| input.chunks(CHUNK).for_each(|chunk| mfcc.run(chunk, &mut output)));
}

/// For comparison with kaldi-native-fbank: `python tools/golden/kaldi.py speed`.
#[divan::bench(args = [23, 80])]
fn kaldi_fbank_60_s(bencher: Bencher<'_, '_>, num_bins: usize) {
    let input = noise(16_000 * SECONDS);
    let mel_opts = MelOptions { num_bins, ..Default::default() };
    let mut fbank = Fbank::new(FbankOptions { mel_opts, ..Default::default() }).unwrap();
    let mut output = Vec::new();
    bencher.bench_local(|| fbank.run(&input, &mut output));
}

#[divan::bench]
fn kaldi_mfcc_60_s(bencher: Bencher<'_, '_>) {
    let input = noise(16_000 * SECONDS);
    let mut mfcc = KaldiMfcc::new(KaldiMfccOptions::default()).unwrap();
    let mut output = Vec::new();
    bencher.bench_local(|| mfcc.run(&input, &mut output));
}

#[divan::bench(args = [24, 80])]
fn speechbrain_fbank_60_s(bencher: Bencher<'_, '_>, n_mels: usize) {
    let input = noise(16_000 * SECONDS);
    let mut fbank = SpeechBrainFbank::new(SpeechBrainFbankOptions { n_mels, ..Default::default() }).unwrap();
    let mut output = Vec::new();
    bencher.bench_local(|| fbank.run(&input, &mut output));
}

/// Speech activity detector, chunk by chunk.
#[divan::bench]
fn activity_60_s(bencher: Bencher<'_, '_>) {
    let input = noise(16_000 * SECONDS);
    let mut activity = Activity::new(16_000, ActivityOptions::default()).unwrap();
    bencher.bench_local(|| input.chunks(CHUNK).map(|chunk| activity.run(chunk).frames).sum::<usize>());
}

#[divan::bench]
fn bandwidth_60_s(bencher: Bencher<'_, '_>) {
    let input = noise(16_000 * SECONDS);
    let mut bandwidth = Bandwidth::new(16_000);
    bencher.bench_local(|| input.chunks(4096).for_each(|block| bandwidth.push(block)));
}

/// CMVN of 60 s of 80 bands.
#[divan::bench]
fn cmvn_60_s(bencher: Bencher<'_, '_>) {
    let mut features = noise(6000 * 80);
    let mut cmvn = Cmvn::new(80, false);
    bencher.bench_local(|| cmvn.run(&mut features));
}

/// CMVN of 60 s of 80 bands.
#[divan::bench]
fn sliding_cmvn_60_s(bencher: Bencher<'_, '_>) {
    let features = noise(6000 * 80);
    let mut cmvn = SlidingCmvn::new(80, SlidingCmvnOptions::default()).unwrap();
    let mut output = Vec::new();
    bencher.bench_local(|| cmvn.run(&features, &mut output));
}

#[divan::bench]
fn plan_logmel() -> LogMel {
    LogMel::new(LogMelOptions::default()).unwrap()
}

#[divan::bench(args = [Variant::Portable, Variant::Avx2, Variant::Avx512])]
fn four_dots_768(bencher: Bencher<'_, '_>, variant: Variant) {
    let (a, b) = (noise(768), noise(800));
    bencher.counter(ItemsCount::new(4 * 768usize)).bench_local(|| {
        dots_by(variant, divan::black_box(&a), divan::black_box([&b[3..771], &b[6..774], &b[9..777], &b[12..780]]))
    });
}
