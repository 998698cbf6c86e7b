//! The choice of a model: `--model`, `--precision` and the variable `PERSONA_MODEL`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use clap::Args;
use persona_engine::engine::{Catalogue, DEFAULT_MODEL, LoadOptions, Model, Precision};
use persona_engine::{Error, Result};

/// The model and its arithmetic.
#[derive(Args)]
pub(super) struct ModelArgs {
    /// Model: a name of `model list`, or the path of a model file [default: $PERSONA_MODEL, else
    /// the default model].
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<OsString>,
    /// Arithmetic: f32, int8 (about 2× faster, slightly different predictions) or auto (as the
    /// model file says, else f32).
    #[arg(long, value_name = "f32|int8|auto", default_value = "auto", hide_default_value = true)]
    precision: PrecisionArg,
}

impl ModelArgs {
    /// Loads the model, with or without heads.
    pub(super) fn open(&self) -> Result<Model> {
        open(self.model.as_deref(), self.precision.0)
    }

    /// Loads the model; one without heads is an error.
    pub(super) fn open_with_heads(&self) -> Result<Model> {
        let model = self.open()?;
        model.require_classifier()?;
        Ok(model)
    }
}

/// The value of `--precision`; `None` is `auto`.
#[derive(Clone, Copy)]
struct PrecisionArg(Option<Precision>);

impl FromStr for PrecisionArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self(None)),
            _ => text.parse().map(|precision| Self(Some(precision))).map_err(|_| "expected `f32`, `int8` or `auto`"),
        }
    }
}

/// The variable that names the model where the arguments do not.
pub(super) const MODEL_VARIABLE: &str = "PERSONA_MODEL";

/// The value of [`MODEL_VARIABLE`], unless it is empty.
pub(super) fn model_variable() -> Option<OsString> {
    env::var_os(MODEL_VARIABLE).filter(|value| !value.is_empty())
}

/// Loads the model called `name`, else the one in [`MODEL_VARIABLE`], else the default. `precision`
/// is that of the model file if it is `None`.
pub(super) fn open(name: Option<&OsStr>, precision: Option<Precision>) -> Result<Model> {
    let options = LoadOptions::default().with_precision(precision);
    let catalogue = Catalogue::installed();
    match (name, model_variable()) {
        (Some(name), _) => catalogue.load(name, options),
        (None, Some(name)) => catalogue
            .load(name, options)
            .map_err(|error| Error::usage(format!("model named by the variable {MODEL_VARIABLE}: {error}"))),
        (None, None) => catalogue.load(DEFAULT_MODEL, options),
    }
}
