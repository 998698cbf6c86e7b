//! `persona-engine model quantize IN -o OUT.safetensors`

use std::io::Write;
use std::path::PathBuf;
use std::slice;

use clap::Args;
use persona_engine::import::{QuantizedSizes, quantize_file};

use super::output_path;
use crate::cli::stop::Stop;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QuantizeArgs {
    /// Model file to quantise.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Model file to write.
    #[arg(long, short, value_name = "OUT.safetensors")]
    output: PathBuf,
    /// Store the first layer of the trunk as int8, too. It computes in f32 with the rounded weights.
    #[arg(long)]
    trunk: bool,
    /// Replace the output if it exists.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine model quantize campplus-fcn.safetensors -o campplus-fcn-int8.safetensors
  persona-engine infer call.wav --model campplus-fcn-int8.safetensors

The new file computes in int8. With --precision f32 it computes in f32 with the same rounded weights. `model show` names the file it was made from.";

/// Quantises a model file.
pub(super) fn run(args: &QuantizeArgs, err: &mut dyn Write) -> Result<(), Stop> {
    output_path::check(slice::from_ref(&args.file), &args.output, args.force)?;
    let QuantizedSizes { before, after } = quantize_file(&args.file, &args.output, args.trunk)?;
    let [before, after] = [before, after].map(|bytes| bytes as f64 / 1e6);
    writeln!(err, "persona-engine: wrote {}, {after:.1} MB instead of {before:.1} MB", args.output.display())?;
    Ok(())
}
