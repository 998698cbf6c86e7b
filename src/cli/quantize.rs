//! `persona-engine model quantize IN -o OUT.safetensors`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use persona_engine::Result;
use persona_engine::import::{QuantizedSizes, quantize_file};

use super::Stop;
use super::import::check_output;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QuantizeArgs {
    /// A model file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The model file to be written.
    #[arg(long, short, value_name = "OUT.safetensors")]
    output: PathBuf,
    /// Replace the output if it exists.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine model quantize campplus-fcn.safetensors -o campplus-fcn-int8.safetensors
  persona-engine infer call.wav --model campplus-fcn-int8.safetensors

The file answers in int8 unless --precision f32 is given, which computes with the same rounded weights. `model show` tells what it was made from.";

/// Reads, converts, writes. Always returns true: what fails is a set-up that does.
pub(super) fn run(args: &QuantizeArgs, err: &mut dyn Write) -> Result<bool, Stop> {
    let QuantizedSizes { before, after } = quantize(args).map_err(Stop::SetUp)?;
    let [before, after] = [before, after].map(|bytes| bytes as f64 / 1e6);
    writeln!(err, "persona-engine: {}: written, {after:.1} MB of {before:.1} MB", args.output.display())?;
    Ok(true)
}

fn quantize(args: &QuantizeArgs) -> Result<QuantizedSizes> {
    check_output(std::slice::from_ref(&args.file), &args.output, args.force)?;
    quantize_file(&args.file, &args.output)
}
