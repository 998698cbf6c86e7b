//! `persona-engine embed FILE...` and `persona-engine similarity A B`

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use persona_engine::engine::{EmbedOptions, Embedding, Engine, Failure, NoControl, Options, Recording, SCHEMA};
use persona_engine::{Error, Result};
use serde_json::json;

use super::array::{Array, Format, write_safetensors};
use super::input::{RawArgs, check_stdin_once, is_stdin};
use super::model_choice::ModelArgs;
use super::output::{write_json_line, write_warnings};
use super::stop::Stop;

/// Options of both commands.
#[derive(Args)]
pub(super) struct NetworkArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Output this layer instead of the representation, such as xvector.pooling or
    /// campplus.taps.block1.
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Threads that share one chunk of a WavLM. The output is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    #[command(flatten)]
    raw: RawArgs,
}

#[derive(Args)]
#[command(after_help = NOTES)]
pub(super) struct EmbedArgs {
    /// Recordings; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Write the embeddings to this file instead of JSON lines: a matrix with one row per file
    /// (.npy), or one vector under each file's name (.safetensors).
    #[arg(long, short, value_name = "OUT.npy|OUT.safetensors")]
    output: Option<PathBuf>,
    /// No warnings on standard error, only errors.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Args)]
pub(super) struct SimilarityArgs {
    /// A recording; `-` is standard input.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another recording.
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const NOTES: &str = "\
The embedding is the network's representation: of an imported network its speaker embedding, of a model with heads the input of the heads
(campplus-fcn: standardised statistics of four layers of CAM++; xvector-cnn: its x-vector). See `model show`.

A recording longer than a chunk (3 s for models with heads, 60 s for imported networks) is cut into chunks, the last one overlapping the one
before; their embeddings are averaged, weighted by new samples. Silence and noise count like speech.

Exit codes: 0 all inputs succeeded, 1 some input failed, 2 wrong usage or set-up.";

impl NetworkArgs {
    fn engine(&self) -> Result<Engine> {
        let (raw, threads) = (self.raw.raw.clone(), usize::from(self.threads));
        Engine::new(self.model.open()?, Options { raw, threads, ..Options::default() })
    }

    fn embed(&self, engine: &Engine, file: &Path) -> Result<Embedding> {
        let recording = if is_stdin(file) { Recording::reader(io::stdin()).named("-") } else { Recording::file(file) };
        engine.embed_with(recording, &EmbedOptions { layer: self.layer.clone() }, &mut NoControl)
    }
}

/// Embeds each file in turn. Returns whether none failed.
pub(super) fn run(args: &EmbedArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    check_stdin_once(&args.files)?;
    let format = args.output.as_deref().map(Format::of).transpose()?;
    let engine = args.network.engine()?;
    let (mut all_succeeded, mut embeddings) = (true, Vec::new());
    for file in &args.files {
        match args.network.embed(&engine, file) {
            Ok(embedding) => {
                if !args.quiet {
                    write_warnings(err, &embedding.file, &embedding.warnings)?;
                }
                match format {
                    None => write_json_line(out, &embedding)?,
                    Some(_) => embeddings.push(embedding),
                }
            }
            Err(error) => {
                all_succeeded = false;
                writeln!(err, "persona-engine: {error}")?;
                if format.is_none() {
                    write_json_line(out, &Failure::new(file.to_string_lossy(), &error))?;
                }
            }
        }
    }
    match (&args.output, format) {
        (Some(path), Some(Format::Safetensors)) => write_by_name(path, embeddings)?,
        (Some(path), Some(Format::Npy)) if all_succeeded => write_matrix(path, &embeddings)?,
        (Some(path), Some(Format::Npy)) => {
            let what = format!("{}: not written: the row of a failed input would be missing", path.display());
            return Err(Error::usage(what).into());
        }
        _ => {}
    }
    Ok(all_succeeded)
}

/// Writes one vector per file, under its name.
fn write_by_name(path: &Path, embeddings: Vec<Embedding>) -> Result<()> {
    let named = |e: Embedding| (e.file, Array { shape: vec![e.vector.len()], values: e.vector });
    write_safetensors(path, &embeddings.into_iter().map(named).collect::<BTreeMap<_, _>>())
}

/// Writes a matrix [files, dim].
fn write_matrix(path: &Path, embeddings: &[Embedding]) -> Result<()> {
    let dim = embeddings.first().map_or(0, |e| e.vector.len());
    let values = embeddings.iter().flat_map(|e| e.vector.iter().copied()).collect();
    Array { shape: vec![embeddings.len(), dim], values }.write(path, "embeddings")
}

/// Prints the cosine similarity. Always returns true: if an input fails, there is nothing to print
/// and the command fails.
pub(super) fn run_similarity(args: &SimilarityArgs, out: &mut dyn Write) -> Result<bool, Stop> {
    check_stdin_once(&[&args.a, &args.b])?;
    let engine = args.network.engine()?;
    let (a, b) = (args.network.embed(&engine, &args.a)?, args.network.embed(&engine, &args.b)?);
    let cosine = a.cosine(&b)?;
    if args.json {
        let object =
            json!({"schema": SCHEMA, "a": a.file, "b": b.file, "model": a.model, "layer": a.layer, "cosine": cosine});
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{cosine:.4}")?;
    }
    Ok(true)
}
