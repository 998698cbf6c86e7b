//! `persona-engine model check MODEL --inputs A --expect B`

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use persona_engine::engine::{LayerCheck, Precision, check};

use crate::cli::model_choice;
use crate::cli::stop::Stop;

#[derive(Args)]
#[command(after_help = WHAT)]
pub(crate) struct CheckArgs {
    /// Model: a name of `model list`, or the path of a model file.
    #[arg(value_name = "NAME|FILE")]
    model: OsString,
    /// Inputs: a tensor `features` [frames, bands], or `samples` [n] at the model's sample rate.
    #[arg(long, value_name = "A.safetensors")]
    inputs: PathBuf,
    /// Outputs of another implementation, each under the name of its layer; `embedding` is the
    /// representation.
    #[arg(long, value_name = "B.safetensors")]
    expect: PathBuf,
    /// Print one line for every compared layer.
    #[arg(long)]
    layers: bool,
    /// Largest accepted difference, relative to the layer's largest magnitude (or absolute where
    /// that is below 1).
    #[arg(long, value_name = "D", default_value_t = 1e-4)]
    tolerance: f64,
}

const WHAT: &str = "\
Layers are named after their tensors, such as xvector.tdnn.0, xvector.pooling, campplus.head.conv1, campplus.xvector.block1.tdnnd1,
trunk.dense.0, heads.emotion: `--layers` prints those that were compared.

Exit codes: 0 all agree, 1 one differs (the first is named), 2 wrong usage or set-up.";

/// Compares layers in f32. Returns whether all agree.
pub(super) fn run(args: &CheckArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    let model = model_choice::open(Some(&args.model), Some(Precision::F32))?;
    let checked = check(&model, &args.inputs, &args.expect)?;
    for name in &checked.unknown {
        writeln!(err, "persona-engine: warning: `{}` is no layer of this model: not compared", name.escape_debug())?;
    }
    if args.layers {
        checked.layers.iter().try_for_each(|layer| writeln!(out, "{}", line(layer, args.tolerance)))?;
    }
    let first_difference = checked.first_difference(args.tolerance);
    if let Some(first) = first_difference {
        writeln!(out, "first difference: {}", line(first, args.tolerance))?;
    } else {
        let largest = checked.layers.iter().map(|layer| layer.difference).fold(0.0, f64::max);
        let count = checked.layers.len();
        writeln!(out, "{count} of {count} agree; largest difference {largest:.1e}")?;
    }
    Ok(first_difference.is_none())
}

fn line(layer: &LayerCheck, tolerance: f64) -> String {
    let LayerCheck { layer: name, shape, expected_shape, difference, largest, .. } = layer;
    if let Some(expected) = expected_shape {
        return format!("{name}  shape {shape:?}, expected {expected:?}");
    }
    let word = if layer.agrees(tolerance) { "agrees" } else { "differs" };
    format!("{name}  {word}: by {difference:.1e}, largest value {largest:.3}")
}
