//! `persona-engine features FILE --frontend KIND`

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use persona_engine::engine::{Frontend, Limits, Precision, Recording, features};
use persona_engine::{Error, Result};

use super::array::Array;
use super::input::RawArgs;
use super::model_choice;
use super::stop::Stop;

#[derive(Args)]
#[command(after_help = NOTES)]
pub(super) struct FeaturesArgs {
    /// A recording.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Front-end: logmel, kaldi-fbank, kaldi-mfcc or speechbrain-fbank, with the defaults of its
    /// toolkit.
    #[arg(long, value_name = "KIND", required_unless_present = "model")]
    frontend: Option<String>,
    /// Set an option of the front-end by its name in model files, such as mel_opts.num_bins=80. May
    /// be repeated.
    #[arg(long = "set", value_name = "OPTION=VALUE", requires = "frontend")]
    options: Vec<String>,
    /// Use the front-end of this model instead of --frontend: a name of `model list`, or the path
    /// of a model file.
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "frontend")]
    model: Option<OsString>,
    #[command(flatten)]
    raw: RawArgs,
    /// Write the features, [frames, bands] in f32.
    #[arg(long, short, value_name = "OUT.npy|OUT.safetensors", required_unless_present = "verify")]
    output: Option<PathBuf>,
    /// Compare the features with these, [frames, bands]; exit with code 1 if they differ.
    #[arg(long, value_name = "REFERENCE.npy|REFERENCE.safetensors")]
    verify: Option<PathBuf>,
    /// Largest difference that --verify accepts.
    #[arg(long, value_name = "D", default_value_t = 1e-3)]
    tolerance: f32,
}

const NOTES: &str = "\
Examples:
  persona-engine features call.wav --frontend kaldi-mfcc --set num_ceps=30 --set mel_opts.num_bins=30 -o mine.npy
  persona-engine features call.wav --frontend speechbrain-fbank --set n_mels=24 --set mean_over_time=true --verify theirs.npy
  persona-engine features call.wav --model campplus-fcn -o mine.safetensors

The recording is processed in one piece: channels averaged, resampled to the front-end's rate. Kaldi's front-ends scale samples to int16
(frame_opts.sample_scale=int16) and add no dither. `--set ?=` lists the options of a front-end.";

/// Writes the features, compares them, or both. Returns whether they agree.
pub(super) fn run(args: &FeaturesArgs, out: &mut dyn Write) -> Result<bool, Stop> {
    let features = args.features()?;
    if let Some(path) = &args.output {
        features.write(path, "features")?;
    }
    let Some(path) = &args.verify else { return Ok(true) };
    let comparison = Comparison::of(&features, &Array::read(path, "features")?);
    let agrees = comparison.agrees(args.tolerance);
    writeln!(out, "{}: {}{comparison}", path.display(), comparison.verdict(agrees))?;
    Ok(agrees)
}

impl FeaturesArgs {
    fn features(&self) -> Result<Array> {
        let frontend = if let Some(kind) = &self.frontend {
            let options = self.options.iter().map(|text| option(text)).collect::<Result<Vec<_>>>()?;
            Frontend::with_options(kind, &options)?
        } else {
            let model = model_choice::open(self.model.as_deref(), Some(Precision::F32))?;
            model.manifest().frontend.clone()
        };
        let recording = Recording::file(&self.file);
        let recording = match &self.raw.raw {
            None => recording,
            Some(format) => recording.raw(format.clone()),
        };
        let (values, frames) = features(recording, &frontend, &Limits::default())?;
        Ok(Array { shape: vec![frames, frontend.bands()], values })
    }
}

/// Splits `OPTION=VALUE`.
fn option(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Error::usage(format!("`{text}`: expected OPTION=VALUE, such as n_mels=80"))),
    }
}

/// The difference between two matrices.
enum Comparison {
    Shapes { ours: Vec<usize>, theirs: Vec<usize> },
    Values { largest: f32, mean: f64, frame: usize, column: usize, frames: usize },
}

impl Comparison {
    fn of(ours: &Array, theirs: &Array) -> Self {
        if ours.shape != theirs.shape {
            return Self::Shapes { ours: ours.shape.clone(), theirs: theirs.shape.clone() };
        }
        let differences = || ours.values.iter().zip(&theirs.values).map(|(a, b)| (a - b).abs());
        // The first NaN counts as the largest difference.
        let larger = |largest: (usize, f32), (index, d): (usize, f32)| {
            if d > largest.1 || d.is_nan() && !largest.1.is_nan() { (index, d) } else { largest }
        };
        let (index, largest) = differences().enumerate().fold((0, 0.0), larger);
        let mean = differences().map(f64::from).sum::<f64>() / (ours.values.len().max(1) as f64);
        let columns = ours.shape.last().copied().unwrap_or(1).max(1);
        Self::Values {
            largest,
            mean,
            frame: index / columns,
            column: index % columns,
            frames: ours.values.len() / columns,
        }
    }

    /// Whether no difference is above `tolerance`. NaN agrees with nothing.
    fn agrees(&self, tolerance: f32) -> bool {
        matches!(self, Self::Values { largest, .. } if *largest <= tolerance)
    }

    fn verdict(&self, agrees: bool) -> &'static str {
        match self {
            Self::Shapes { .. } => "",
            Self::Values { .. } if agrees => "agrees: ",
            Self::Values { .. } => "differs: ",
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shapes { ours, theirs } => write!(to, "shape {theirs:?}, here it is {ours:?}"),
            Self::Values { largest, mean, frame, column, frames } => write!(
                to,
                "largest difference {largest:.2e} (frame {frame}, column {column}), mean {mean:.2e}, {frames} frames"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_difference_is_located_and_nan_agrees_with_nothing() {
        let matrix = |values: &[f32]| Array { shape: vec![2, 2], values: values.to_vec() };
        let ours = matrix(&[1.0, 2.0, 3.0, 4.0]);
        let comparison = Comparison::of(&ours, &matrix(&[1.0, 2.0, 3.5, 4.25]));
        let text = comparison.to_string();
        assert!(comparison.agrees(0.5) && text.contains("5.00e-1 (frame 1, column 0)"), "{text}");
        assert!(!Comparison::of(&ours, &matrix(&[1.0, 2.0, f32::NAN, 9.0])).agrees(10.0));
        assert!(!Comparison::of(&ours, &Array { shape: vec![4], values: ours.values.clone() }).agrees(1.0));
    }
}
