//! `persona-engine features FILE --frontend KIND`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use persona_engine::engine::{Frontend, Limits, RawFormat, Recording, features};
use persona_engine::{Error, Result};

use super::Stop;
use super::args::{PrecisionArg, model};
use super::array::Array;

#[derive(Args)]
#[command(after_help = WHAT)]
pub(super) struct FeaturesArgs {
    /// A recording.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The kind: logmel, kaldi-fbank, kaldi-mfcc or speechbrain-fbank, with its toolkit's defaults.
    #[arg(long, value_name = "KIND", required_unless_present = "model")]
    frontend: Option<String>,
    /// A knob by the name that a model file has for it, such as mel_opts.num_bins=80. May be given again.
    #[arg(long = "set", value_name = "KNOB=VALUE", requires = "frontend")]
    knobs: Vec<String>,
    /// The front-end of a system or imported network, instead of --frontend: what its network is given.
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "frontend")]
    model: Option<std::ffi::OsString>,
    /// Inputs have no header: ENCODING is s16le, s16be, s24le, s32le, f32le, u8, mulaw or alaw, RATE in Hz.
    #[arg(long, value_name = "ENCODING:RATE:CHANNELS")]
    raw: Option<RawFormat>,
    /// Where to write [frames, bands] in f32.
    #[arg(long, short, value_name = "OUT.npy|OUT.safetensors", required_unless_present = "verify")]
    output: Option<PathBuf>,
    /// Hold the features against these, [frames, bands], and end with code 1 if they differ.
    #[arg(long, value_name = "THEIRS.npy|THEIRS.safetensors")]
    verify: Option<PathBuf>,
    /// The largest difference that --verify lets pass.
    #[arg(long, value_name = "D", default_value_t = 1e-3)]
    tolerance: f32,
}

const WHAT: &str = "\
Examples:
  persona-engine features call.wav --frontend kaldi-mfcc --set num_ceps=30 --set mel_opts.num_bins=30 -o mine.npy
  persona-engine features call.wav --frontend speechbrain-fbank --set n_mels=24 --set mean_over_time=true --verify theirs.npy
  persona-engine features call.wav --model campplus-fcn -o mine.safetensors

The recording is taken as one segment, its channels averaged, resampled to the front-end's rate. Kaldi's kinds scale samples to whole numbers
(frame_opts.sample_scale=int16) and add no dither. `--set ?=` lists a kind's knobs.";

/// Writes, compares, or both. Returns whether nothing differed.
pub(super) fn run(args: &FeaturesArgs, out: &mut dyn Write) -> Result<bool, Stop> {
    let ours = args.features().map_err(Stop::SetUp)?;
    if let Some(path) = &args.output {
        ours.write(path, "features").map_err(Stop::SetUp)?;
    }
    let Some(path) = &args.verify else { return Ok(true) };
    let theirs = Array::read(path, "features").map_err(Stop::SetUp)?;
    let (text, agrees) = verdict(&ours, &theirs, args.tolerance);
    writeln!(out, "{}: {text}", path.display())?;
    Ok(agrees)
}

impl FeaturesArgs {
    fn features(&self) -> Result<Array> {
        let frontend = match &self.frontend {
            Some(kind) => {
                Frontend::with_options(kind, &self.knobs.iter().map(|text| knob(text)).collect::<Result<Vec<_>>>()?)?
            }
            None => model(self.model.as_deref(), PrecisionArg::F32)?.manifest().frontend.clone(),
        };
        let recording = Recording::file(&self.file);
        let recording = match &self.raw {
            None => recording,
            Some(format) => recording.raw(format.clone()),
        };
        let (values, frames) = features(recording, &frontend, &Limits::default())?;
        Ok(Array { shape: vec![frames, frontend.bands()], values })
    }
}

fn knob(text: &str) -> Result<(String, String)> {
    let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| Error::Config(format!("`{text}`: KNOB=VALUE was expected, such as n_mels=80")))
}

/// What is said of two matrices, and whether they agree. NaN agrees with nothing.
fn verdict(ours: &Array, theirs: &Array, tolerance: f32) -> (String, bool) {
    if ours.shape != theirs.shape {
        return (format!("shape {:?}, here it is {:?}", theirs.shape, ours.shape), false);
    }
    let differences = || ours.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs());
    let worse = |worst: (usize, f32), (at, d): (usize, f32)| {
        if d > worst.1 || d.is_nan() && !worst.1.is_nan() { (at, d) } else { worst }
    };
    let (at, largest) = differences().enumerate().fold((0, 0.0), worse);
    let mean = differences().map(f64::from).sum::<f64>() / (ours.values.len().max(1) as f64);
    let columns = ours.shape.last().copied().unwrap_or(1).max(1);
    let agrees = largest <= tolerance;
    let word = if agrees { "agrees" } else { "differs" };
    let place = format!("frame {}, column {}", at / columns, at % columns);
    (
        format!(
            "{word}: largest difference {largest:.2e} ({place}), mean {mean:.2e}, {} frames",
            ours.values.len() / columns
        ),
        agrees,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_difference_has_a_place_and_nan_agrees_with_nothing() {
        let of = |values: &[f32]| Array { shape: vec![2, 2], values: values.to_vec() };
        let (text, agrees) = verdict(&of(&[1.0, 2.0, 3.0, 4.0]), &of(&[1.0, 2.0, 3.5, 4.25]), 0.5);
        assert!(agrees && text.contains("5.00e-1 (frame 1, column 0)"), "{text}");
        assert!(!verdict(&of(&[1.0, 2.0, 3.0, 4.0]), &of(&[1.0, 2.0, f32::NAN, 9.0]), 10.0).1);
        assert!(!verdict(&of(&[1.0; 4]), &Array { shape: vec![4], values: vec![1.0; 4] }, 1.0).1);
    }
}
