//! `persona-engine model import KIND FILE... -o OUT.safetensors`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use persona_engine::import::{self, Kind};
use persona_engine::{Error, Result};

use super::output_path;
use crate::cli::stop::Stop;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// Kind of checkpoint: campplus, speechbrain-xvector, kaldi-xvector, pyannote-segmentation, wavlm
    /// or whisper.
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
    /// pyannote-segmentation: store matrices in 16 bits, half the size. Predictions change by
    /// rounding errors.
    #[arg(long)]
    f16: bool,
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
  persona-engine model import pyannote-segmentation pytorch_model.bin campplus_cn_en_common.pt --f16 -o segmentation.safetensors
  persona-engine model import whisper model.safetensors config.json -o whisper.safetensors
  persona-engine model import whisper base.pt -o whisper.safetensors
  persona-engine model import whisper model.bin -o whisper.safetensors

No Python is needed, and no code in the files is executed. The result is a network without heads, for `embed` and `similarity`; a \
segmentation, with CAM++'s embedding layer, is for `infer --speakers`, where it is installed under the name segmentation.safetensors. The output is \
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
    if args.kind == Kind::PyannoteSegmentation {
        if args.no_vad {
            return Err(Error::usage("--no-vad: a segmentation has no energy VAD to remove"));
        }
        return import::write_segmentation(&args.files, args.f16, &args.output);
    }
    if args.f16 {
        return Err(Error::usage("--f16: only pyannote-segmentation is stored in 16 bits"));
    }
    let checkpoint = args.kind.read(&args.files)?;
    let checkpoint = if args.no_vad { checkpoint.without_vad()? } else { checkpoint };
    import::write_model(args.kind, checkpoint, &args.output).map_err(|error| match args.files.first() {
        Some(file) => error.in_file(file),
        None => error,
    })
}
