//! `persona-engine model import KIND FILE... -o OUT.safetensors`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use persona_engine::Result;
use persona_engine::import::{self, Kind};

use super::output_path;
use crate::cli::stop::Stop;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// Kind of checkpoint: campplus, speechbrain-xvector, kaldi-xvector or wavlm.
    #[arg(value_name = "KIND")]
    kind: Kind,
    /// Files of the checkpoint.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Model file to write.
    #[arg(long, short, value_name = "OUT.safetensors")]
    output: PathBuf,
    /// kaldi-xvector: give the network all frames. By default frames without speech are dropped, as
    /// in Kaldi's recipes (energy VAD, with the options of vad.conf or Kaldi's defaults).
    #[arg(long)]
    no_vad: bool,
    /// Replace the output if it exists.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine model import campplus campplus_cn_en_common.pt -o campplus.safetensors
  persona-engine model import speechbrain-xvector embedding_model.ckpt -o xvect.safetensors
  persona-engine model import kaldi-xvector final.raw mfcc.conf vad.conf -o kaldi.safetensors
  persona-engine model import wavlm model.safetensors config.json preprocessor_config.json -o wavlm.safetensors
  persona-engine model import wavlm WavLM-Large.pt -o wavlm.safetensors

No Python is needed, and no code in the files is executed. The result is a network without heads, for `embed` and `similarity`. The output is \
written whole or not at all.";

/// Converts a checkpoint.
pub(super) fn run(args: &ImportArgs, err: &mut dyn Write) -> Result<(), Stop> {
    let megabytes = import(args)? as f64 / 1e6;
    writeln!(err, "persona-engine: wrote {}, {megabytes:.1} MB", args.output.display())?;
    Ok(())
}

/// Returns the number of bytes written.
fn import(args: &ImportArgs) -> Result<u64> {
    output_path::check(&args.files, &args.output, args.force)?;
    let checkpoint = args.kind.read(&args.files)?;
    let checkpoint = if args.no_vad { checkpoint.without_vad()? } else { checkpoint };
    import::write_model(args.kind, checkpoint, &args.output).map_err(|error| match args.files.first() {
        Some(file) => error.in_file(file),
        None => error,
    })
}
