//! `persona-engine model …`: commands on model files.

mod check;
mod import;
mod list;
pub(super) mod output_path;
mod quantize;
mod show;

use std::io::Write;

use clap::Subcommand;

use super::stop::Stop;
use check::CheckArgs;
use import::ImportArgs;
use list::ListArgs;
use quantize::QuantizeArgs;
use show::ShowArgs;

#[derive(Subcommand)]
pub(super) enum ModelCommand {
    /// List the models inside the program and the installed ones.
    List(ListArgs),
    /// Show a model's architecture, training data, scores and limits.
    Show(ShowArgs),
    /// Convert another toolkit's checkpoint to a model file, without Python.
    Import(ImportArgs),
    /// Write a smaller model file with int8 weights; its predictions are those of --precision int8.
    Quantize(QuantizeArgs),
    /// Compare a model's layers with another implementation's outputs.
    Check(CheckArgs),
}

/// Runs a command. Returns whether it found no difference; only `check` can find one.
pub(super) fn run(command: &ModelCommand, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    match command {
        ModelCommand::List(args) => list::run(args, out, err).map(|()| true),
        ModelCommand::Show(args) => show::run(args, out).map(|()| true),
        ModelCommand::Import(args) => import::run(args, err).map(|()| true),
        ModelCommand::Quantize(args) => quantize::run(args, err).map(|()| true),
        ModelCommand::Check(args) => check::run(args, out, err),
    }
}
