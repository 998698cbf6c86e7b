//! The tree of commands and their arguments.

use clap::{Parser, Subcommand};

use super::adapt::AdaptArgs;
use super::batch::BatchArgs;
use super::embed::{EmbedArgs, SimilarityArgs};
use super::eval::EvalArgs;
use super::features::FeaturesArgs;
use super::generate::{CompletionsArgs, ManArgs};
use super::help::TEMPLATE;
use super::infer::InferArgs;
use super::model::ModelCommand;
#[cfg(feature = "serve")]
use super::serve::ServeArgs;

/// Estimates emotion, gender and age from voice recordings: one model, one pass, offline.
#[derive(Parser)]
#[command(version, about, before_help = EXAMPLES, after_help = EXIT_CODES, help_template = TEMPLATE)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Print a notice for the people who are recorded. (`infer --notice` covers only the outputs
    /// that are enabled.)
    #[arg(long)]
    pub(super) notice: bool,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine infer call.wav                            a table for people
  persona-engine infer *.mp3 --json > reports.jsonl        one JSON object per file, for programs
  persona-engine infer call.wav --per-channel --timeline   each channel separately, over time
  persona-engine batch calls/ -o results.jsonl             thousands of files, on all cores
  persona-engine eval clips.csv --html report.html         accuracy on your own labelled recordings
  persona-engine model list                                the installed models";

const EXIT_CODES: &str = "\
Environment: PERSONA_MODEL the model to use without --model, PERSONA_MODELS folders with more models, NO_COLOR no colours.
Exit codes: 0 all inputs succeeded, 1 some input failed (the others have results), 2 wrong usage or set-up.

Results are estimates, not facts about a person. `persona-engine model show` lists the limits, `persona-engine --notice` prints the notice \
for data subjects.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Predict emotion, gender and age of recordings (WAV, MP3, FLAC, Ogg with Opus or Vorbis, WebM, M4A, AAC, AIFF, AU, CAF, raw PCM).
    Infer(InferArgs),
    /// Predict thousands of recordings: folders, patterns, manifests; in order, on all cores,
    /// resumable.
    Batch(Box<BatchArgs>),
    /// Evaluate a model on labelled recordings.
    Eval(Box<EvalArgs>),
    /// Print the embeddings of recordings, or write them to a file.
    Embed(EmbedArgs),
    /// Print the cosine similarity of two recordings' embeddings.
    Similarity(SimilarityArgs),
    /// Write the features of a recording, or compare them with another toolkit's.
    Features(FeaturesArgs),
    /// Run the HTTP server, with a web page.
    #[cfg(feature = "serve")]
    Serve(Box<ServeArgs>),
    /// Adapt a model to your own recordings, without labels.
    Adapt(AdaptArgs),
    /// List, inspect, import, quantise and verify model files.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Print a shell's completion script.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        Arguments::command().debug_assert();
    }
}
