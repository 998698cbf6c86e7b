//! The whole job, from the bytes of a recording to its report, on one thread: `cargo bench --bench engine`.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first mistake")]

use std::io::Cursor;

use divan::Bencher;
use divan::counter::ItemsCount;
use persona_engine::dsp::resample;
use persona_engine::{Engine, Options, Recording};

fn main() {
    divan::main();
}

/// 60 s of the sample in the repository, over and over, as a float WAV.
fn minute(rate_hz: u32, channels: u16) -> Vec<u8> {
    let mut reader = hound::WavReader::open("tests/audio/speech.wav").unwrap();
    let speech: Vec<f32> = reader.samples::<i16>().map(|x| f32::from(x.unwrap()) / 32768.0).collect();
    let samples = resample(&speech, reader.spec().sample_rate, rate_hz).unwrap();
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for sample in samples.iter().cycle().take(60 * rate_hz as usize) {
        (0..channels).for_each(|_| writer.write_sample(*sample).unwrap());
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// Items are seconds of audio: their rate is how many times faster than real time it runs.
#[divan::bench(args = [(16_000, 1), (48_000, 2), (44_100, 1)])]
fn minute_to_report(bencher: Bencher<'_, '_>, (rate_hz, channels): (u32, u16)) {
    let engine = Engine::with_default_model(Options::default()).unwrap();
    let bytes = minute(rate_hz, channels);
    bencher
        .counter(ItemsCount::new(60_u32))
        .with_inputs(|| bytes.clone())
        .bench_values(|bytes| engine.infer(Recording::bytes(bytes)).unwrap());
}

/// From the model's bytes inside the program to an engine that is ready.
#[divan::bench]
fn start() -> Engine {
    Engine::with_default_model(Options::default()).unwrap()
}

#[divan::bench]
fn four_seconds_from_disk(bencher: Bencher<'_, '_>) {
    let engine = Engine::with_default_model(Options::default()).unwrap();

    bencher.bench(|| engine.infer(Recording::file("tests/audio/speech.wav")).unwrap());
}
