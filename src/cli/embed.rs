//! `persona-engine embed FILE...` and `persona-engine similarity A B`

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use persona_engine::engine::{
    EmbedOptions, Embedding, Engine, Failure, NoControl, Options, RawFormat, Recording, SCHEMA,
};
use persona_engine::{Error, Result};
use serde_json::json;

use super::Stop;
use super::args::{PrecisionArg, is_stdin, model, one_stdin};
use super::array::{Array, Format, write_safetensors};

/// What both commands ask for.
#[derive(Args)]
pub(super) struct NetworkArgs {
    /// The system or imported network: a name of `model list`, or a file's path [default: $PERSONA_MODEL, else the default system].
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<OsString>,
    /// A vector on the way instead of the representation, such as xvector.pooling or campplus.taps.block1.
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Threads that share one window of a WavLM, 1 unless asked; the vectors are the same bytes for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Numbers of the network's products: int8 takes half the time and moves vectors a little. `auto` is what the file asks for (`model show`), else f32.
    #[arg(long, value_name = "f32|int8|auto", default_value = "auto", hide_default_value = true)]
    precision: PrecisionArg,
    /// Inputs have no header: ENCODING is s16le, s16be, s24le, s32le, f32le, u8, mulaw or alaw, RATE in Hz.
    #[arg(long, value_name = "ENCODING:RATE:CHANNELS")]
    raw: Option<RawFormat>,
}

#[derive(Args)]
#[command(after_help = WHAT)]
pub(super) struct EmbedArgs {
    /// Recordings; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Write the vectors there instead of JSON lines: a matrix, a row a file (.npy), or a vector under each file's name (.safetensors).
    #[arg(long, short, value_name = "OUT.npy|OUT.safetensors")]
    output: Option<PathBuf>,
    /// No warnings on standard error; errors are still told.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Args)]
pub(super) struct SimilarityArgs {
    /// A recording; `-` is standard input.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another.
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

const WHAT: &str = "\
The vector is what the network's representation is: the speaker embedding of an imported network; of a shipped system what its heads are trained on
(campplus-fcn: standardised statistics of four places of CAM++, xvector-cnn: its x-vector). `model show` tells which.

A recording longer than the network's window (3 s of a shipped system, 60 s of an imported network) is cut into windows, the last one reaching back;
their vectors are averaged, each weighted by the samples that are new in it. Silence and noise count like speech.

Exit codes: 0 all embedded, 1 some input failed, 2 usage or set-up.";

impl NetworkArgs {
    fn engine(&self) -> Result<Engine> {
        let options = Options { raw: self.raw.clone(), threads: usize::from(self.threads), ..Options::default() };
        Engine::new(model(self.model.as_deref(), self.precision)?, options)
    }

    fn embed(&self, engine: &Engine, file: &Path) -> Result<Embedding> {
        let recording = if is_stdin(file) { Recording::reader(io::stdin()).named("-") } else { Recording::file(file) };
        engine.embed_with(recording, &EmbedOptions { layer: self.layer.clone() }, &mut NoControl)
    }
}

/// Embeds each file in turn. Returns whether none failed.
pub(super) fn run(args: &EmbedArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    one_stdin(&args.files).map_err(Stop::SetUp)?;
    let format = args.output.as_deref().map(Format::of).transpose().map_err(Stop::SetUp)?;
    let engine = args.network.engine().map_err(Stop::SetUp)?;
    let (mut all, mut done) = (true, Vec::new());
    for file in &args.files {
        match args.network.embed(&engine, file) {
            Ok(embedding) => {
                let told = if args.quiet { &[][..] } else { &embedding.warnings };
                told.iter()
                    .try_for_each(|warning| writeln!(err, "persona-engine: {}: warning: {warning}", embedding.file))?;
                match format {
                    None => write_line(out, &embedding)?,
                    Some(_) => done.push(embedding),
                }
            }
            Err(error) => {
                all = false;
                writeln!(err, "persona-engine: {error}")?;
                if format.is_none() {
                    write_line(out, &Failure::new(file.to_string_lossy(), &error))?;
                }
            }
        }
    }
    if let (Some(path), Some(format)) = (&args.output, format) {
        write_file(path, format, &done, all).map_err(Stop::SetUp)?;
    }
    Ok(all)
}

/// A matrix whose rows are the files' needs all of them; names can do without some.
fn write_file(path: &Path, format: Format, embeddings: &[Embedding], all: bool) -> Result<()> {
    if format == Format::Safetensors {
        let named = |e: &Embedding| (e.file.clone(), Array { shape: vec![e.vector.len()], values: e.vector.clone() });
        return write_safetensors(path, &embeddings.iter().map(named).collect::<BTreeMap<_, _>>());
    }
    if !all {
        return Err(Error::Config(format!(
            "{}: not written: a row would be missing for each input that failed",
            path.display()
        )));
    }
    let columns = embeddings.first().map_or(0, |e| e.vector.len());
    let values = embeddings.iter().flat_map(|e| e.vector.iter().copied()).collect();
    Array { shape: vec![embeddings.len(), columns], values }.write(path, "embeddings")
}

/// One object, one line, at once.
fn write_line(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush()
}

/// Prints the cosine. Returns true: an input that fails leaves nothing to print.
pub(super) fn run_similarity(args: &SimilarityArgs, out: &mut dyn Write) -> Result<bool, Stop> {
    let compare = || {
        one_stdin(&[&args.a, &args.b])?;
        let engine = args.network.engine()?;
        let (a, b) = (args.network.embed(&engine, &args.a)?, args.network.embed(&engine, &args.b)?);
        Ok((a.cosine(&b)?, a, b))
    };
    let (cosine, a, b) = compare().map_err(Stop::SetUp)?;
    if args.json {
        let object =
            json!({"schema": SCHEMA, "a": a.file, "b": b.file, "model": a.model, "layer": a.layer, "cosine": cosine});
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{cosine:.4}")?;
    }
    Ok(true)
}
