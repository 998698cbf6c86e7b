//! `persona-engine model import KIND FILE... -o OUT.safetensors`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use persona_engine::import::{self, Kind};
use persona_engine::{Error, Result};

use super::Stop;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportArgs {
    /// What the files hold: campplus, speechbrain-xvector, kaldi-xvector or wavlm.
    #[arg(value_name = "KIND")]
    kind: Kind,
    /// The network's file or files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The model file to be written.
    #[arg(long, short, value_name = "OUT.safetensors")]
    output: PathBuf,
    /// kaldi-xvector: show the network all frames. Otherwise those without speech are dropped, as Kaldi's recipes do (energy VAD; vad.conf, or theirs).
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

The files are read without Python, and nothing in them is run. What comes out is a network without heads: it embeds (`embed`, `similarity`).
The output appears when it is whole, or not at all.";

/// Reads, checks, writes. Always returns true: what fails is a set-up that does.
pub(super) fn run(args: &ImportArgs, err: &mut dyn Write) -> Result<bool, Stop> {
    let megabytes = import(args).map_err(Stop::SetUp)? as f64 / 1e6;
    writeln!(err, "persona-engine: {}: written, {megabytes:.1} MB", args.output.display())?;
    Ok(true)
}

/// Refuses an output that is an input, or that exists and shall not be replaced.
pub(super) fn check_output(files: &[PathBuf], output: &Path, force: bool) -> Result<()> {
    let same =
        |file: &PathBuf| fs::canonicalize(file).ok().is_some_and(|file| fs::canonicalize(output).ok() == Some(file));
    if files.iter().any(same) {
        return Err(Error::Config(format!("{}: input and output are one file", output.display())));
    }
    if output.exists() && !force {
        return Err(Error::Config(format!("{}: exists; --force replaces it", output.display())));
    }
    Ok(())
}

/// The bytes written.
fn import(args: &ImportArgs) -> Result<u64> {
    let output = &args.output;
    check_output(&args.files, output, args.force)?;
    let read = args.kind.read(&args.files)?;
    let read = if args.no_vad { read.without_vad()? } else { read };
    let named = |error: Error| match args.files.first() {
        Some(file) => error.in_file(file),
        None => error,
    };
    import::write_model(args.kind, read, output).map_err(named)
}
