//! `persona-engine model check MODEL --inputs A --expect B`

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use persona_engine::Result;
use persona_engine::engine::{LayerCheck, check};

use super::Stop;
use super::args::{PrecisionArg, model};

#[derive(Args)]
#[command(after_help = WHAT)]
pub(super) struct CheckArgs {
    /// The system or imported network: a name of `model list`, or a file's path.
    #[arg(value_name = "NAME|FILE")]
    model: OsString,
    /// The tensor `features` [frames, bands], or `samples` [n] at the model's rate.
    #[arg(long, value_name = "A.safetensors")]
    inputs: PathBuf,
    /// What another implementation computed of it, each result under its layer's name; `embedding` is the representation.
    #[arg(long, value_name = "B.safetensors")]
    expect: PathBuf,
    /// A line for every layer that is compared.
    #[arg(long)]
    layers: bool,
    /// The largest difference, in shares of the layer's largest value (or of 1, where that is less).
    #[arg(long, value_name = "D", default_value_t = 1e-4)]
    tolerance: f64,
}

const WHAT: &str = "\
Layers have the names of their tensors, such as xvector.tdnn.0, xvector.pooling, campplus.head.conv1, campplus.xvector.block1.tdnnd1,
trunk.dense.0, heads.emotion: `--layers` prints those that are compared.

Exit codes: 0 all agree, 1 one differs (the first is named), 2 usage or set-up.";

/// Compares, prints. Returns whether all agree.
pub(super) fn run(args: &CheckArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    let model = model(Some(&args.model), PrecisionArg::F32).map_err(Stop::SetUp)?;
    let checked = check(&model, &args.inputs, &args.expect).map_err(Stop::SetUp)?;
    for name in &checked.unknown {
        writeln!(err, "persona-engine: warning: `{}` is no result of this network: not compared", name.escape_debug())?;
    }
    if args.layers {
        checked.layers.iter().try_for_each(|layer| writeln!(out, "{}", line(layer, args.tolerance)))?;
    }
    match checked.first_difference(args.tolerance) {
        None => {
            let worst = checked.layers.iter().map(|layer| layer.difference).fold(0.0, f64::max);
            writeln!(
                out,
                "{} of {} agree; largest difference {worst:.1e}",
                checked.layers.len(),
                checked.layers.len()
            )?;
        }
        Some(first) => writeln!(out, "the first that differs: {}", line(first, args.tolerance))?,
    }
    Ok(checked.first_difference(args.tolerance).is_none())
}

fn line(layer: &LayerCheck, tolerance: f64) -> String {
    let LayerCheck { layer: name, shape, expected_shape, difference, largest, .. } = layer;
    if let Some(expected) = expected_shape {
        return format!("{name}  shape {shape:?}, expected {expected:?}");
    }
    let word = if layer.agrees(tolerance) { "agrees" } else { "differs" };
    format!("{name}  {word}: by {difference:.1e}, largest value {largest:.3}")
}
