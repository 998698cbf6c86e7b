//! `persona-engine model show [NAME|FILE]`

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Args;
use persona_engine::engine::{
    ClassifierManifest, ConcatPart, Frontend, LEGAL_NOTICE, Manifest, Measure, Model, Precision, RepresentationRecipe,
    Score, TrunkRecipe,
};
use serde_json::Value;

use crate::cli::model_choice;
use crate::cli::numbers::exact_percent;
use crate::cli::stop::Stop;

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// Model: a name of `model list`, or the path of a model file [default: $PERSONA_MODEL, else
    /// the default model].
    #[arg(value_name = "NAME|FILE")]
    model: Option<OsString>,
}

/// Prints the contents of a model file's manifest.
pub(super) fn run(args: &ShowArgs, out: &mut dyn Write) -> Result<(), Stop> {
    let model = model_choice::open(args.model.as_deref(), Some(Precision::F32))?;
    write_origin(out, model.manifest())?;
    match &model.manifest().classifier {
        Some(classifier) => write_classifier(out, model.manifest(), classifier)?,
        None => write_embedder(out, &model)?,
    }
    Ok(())
}

/// Writes the properties of a model with heads.
fn write_classifier(out: &mut dyn Write, manifest: &Manifest, classifier: &ClassifierManifest) -> io::Result<()> {
    writeln!(out, "  network       {}", network(manifest, classifier))?;
    writeln!(out, "  emotions      {}", classifier.heads.emotion.labels.join(", "))?;
    writeln!(out, "  genders       {}", classifier.heads.gender.labels.join(", "))?;
    writeln!(out, "  calibration   {}", calibration(classifier))?;
    writeln!(out, "  precision     {} by default", manifest.precision.unwrap_or(Precision::F32).name())?;
    if let Some(domain) = &manifest.domain {
        writeln!(out, "  domain        familiar below a distance of {:.2}", domain.familiar_below)?;
    }
    if let Some(baseline) = &manifest.baseline {
        let heads: Vec<&str> = baseline.heads.names().collect();
        let (prior, heads) = (baseline.prior_clips, heads.join(", "));
        writeln!(out, "  baseline      of a speaker, N / (N + {prior}) of the mean, for {heads}")?;
    }
    if let Some(adapted) = &manifest.adapted {
        let count = adapted.get("recordings").map_or_else(String::new, brief);
        writeln!(out, "  adapted       to {count} recordings; scores were measured before")?;
    }
    if !classifier.scores.is_empty() {
        writeln!(out)?;
        write_scores(out, &classifier.scores)?;
    }
    writeln!(out)?;
    LEGAL_NOTICE.lines().try_for_each(|line| writeln!(out, "  {line}"))
}

/// Writes the properties of a model without heads.
fn write_embedder(out: &mut dyn Write, model: &Model) -> io::Result<()> {
    writeln!(out, "  network       {}, no heads", representation(&model.manifest().representation))?;
    writeln!(out)?;
    writeln!(
        out,
        "  An embedding of {} values, for `embed` and `similarity`; tools/train/train_heads.py adds heads.",
        model.dim()
    )
}

/// Writes what all models have: origin and front-end.
fn write_origin(out: &mut dyn Write, manifest: &Manifest) -> io::Result<()> {
    writeln!(out, "{}", manifest.name)?;
    writeln!(out)?;
    writeln!(out, "  sha256        {}", manifest.sha256)?;
    writeln!(out, "  made by       {}", manifest.created_by)?;
    writeln!(out, "  licence       {}", manifest.licence)?;
    for (key, value) in &manifest.data {
        writeln!(out, "  {:<13} {}", format!("data {key}"), brief(value))?;
    }
    writeln!(out, "  front-end     {}", frontend(&manifest.frontend))
}

fn frontend(frontend: &Frontend) -> String {
    let rate_hz = frontend.sample_rate_hz();
    let seconds = frontend.chunk_samples() as f64 / f64::from(rate_hz);
    let vad = if frontend.vad.is_some() { ", speech frames only" } else { "" };
    let level =
        frontend.level.map_or_else(String::new, |level| format!(", speech brought to {} dBFS", level.speech_dbfs));
    format!("{} at {rate_hz} Hz, chunks of {seconds} s{level}{vad}", frontend.summary())
}

fn network(manifest: &Manifest, classifier: &ClassifierManifest) -> String {
    let trunk = match &classifier.trunk {
        TrunkRecipe::Fcn { .. } => "FCN",
        TrunkRecipe::Cnn { .. } => "CNN",
    };
    format!("{}, {trunk} trunk, three heads", representation(&manifest.representation))
}

fn representation(recipe: &RepresentationRecipe) -> String {
    let joined = |parts: &mut dyn Iterator<Item = String>, by: &str| parts.collect::<Vec<_>>().join(by);
    match recipe {
        RepresentationRecipe::XVector(xvector) => {
            let layers = joined(&mut xvector.layers.iter().map(|layer| layer.channels.to_string()), "-");
            format!("x-vector (TDNN {layers}, embedding {})", xvector.embedding)
        }
        RepresentationRecipe::CamPlusPlus(cam) => {
            let blocks = joined(&mut cam.blocks.iter().map(|block| block.layers.to_string()), "-");
            let taps = joined(&mut cam.taps.iter().map(ToString::to_string), ", ");
            format!("CAM++ (dense blocks {blocks}, from {taps})")
        }
        RepresentationRecipe::MfccStats(mfcc) => {
            let deltas = ["", ", deltas", ", deltas and delta-deltas"];
            let deltas = deltas.get(mfcc.delta_orders).copied().unwrap_or_default();
            format!("statistics of MFCC ({} coefficients{deltas})", mfcc.coefficients)
        }
        RepresentationRecipe::WavLm(wavlm) => {
            let (layers, state) = (wavlm.num_hidden_layers, wavlm.hidden_state);
            format!("WavLM ({layers} layers of {}, mean of hidden state {state})", wavlm.hidden_size)
        }
        RepresentationRecipe::Whisper(whisper) => {
            let states = joined(&mut whisper.states.iter().map(ToString::to_string), ", ");
            format!("Whisper's encoder ({} layers of {}, means of states {states})", whisper.layers, whisper.width)
        }
        RepresentationRecipe::Concat(concat) => {
            let part =
                |part: &ConcatPart| format!("{} on {}", representation(&part.representation), part.frontend.summary());
            joined(&mut concat.parts.iter().map(part), " and ")
        }
    }
}

fn calibration(classifier: &ClassifierManifest) -> String {
    let heads = &classifier.heads;
    let age = match &heads.age.interval {
        Some(interval) => format!("{} % intervals for age", exact_percent(interval.coverage())),
        None => "no intervals for age".to_owned(),
    };
    format!("temperatures {} (emotion) and {} (gender), {age}", heads.emotion.temperature, heads.gender.temperature)
}

/// A value of the free-form part in one line; a long list as its length.
fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.len() > 8 => format!("{} items", items.len()),
        other => other.to_string(),
    }
}

fn write_scores(out: &mut dyn Write, scores: &[Score]) -> io::Result<()> {
    writeln!(out, "  {:<24}{:>14}{:>14}{:>14}{:>12}", "measured on", "emotion %", "gender %", "age RMSE", "age MAE")?;
    for score in scores {
        let row = [score.emotion_accuracy, score.gender_accuracy, score.age_rmse, score.age_mae];
        write_row(out, protocol(&score.protocol), row)?;
        for (name, group) in score.more.get("groups").and_then(Value::as_object).into_iter().flatten() {
            let measure = |key: &str| group.get(key).and_then(|v| serde_json::from_value(v.clone()).ok());
            let row = ["emotion_accuracy", "gender_accuracy", "age_rmse", "age_mae"].map(measure);
            write_row(out, &format!("  {name}"), row)?;
        }
    }
    Ok(())
}

fn write_row(out: &mut dyn Write, name: &str, row: [Option<Measure>; 4]) -> io::Result<()> {
    let cell = |measure: Option<Measure>| match measure {
        Some(Measure { mean, std: Some(std) }) => format!("{mean:.1} ± {std:.1}"),
        Some(Measure { mean, std: None }) => format!("{mean:.1}"),
        None => "–".to_owned(),
    };
    let [emotion, gender, rmse, mae] = row.map(cell);
    writeln!(out, "  {name:<24}{emotion:>14}{gender:>14}{rmse:>14}{mae:>12}")
}

/// A protocol's description.
fn protocol(name: &str) -> &str {
    match name {
        "fold_clip" => "random clips",
        "fold_actor" => "unseen speakers",
        "fold_sentence" => "unseen sentences",
        other => other,
    }
}
