//! `kaldi-xvector`: x-vector networks of Kaldi's nnet3 (`final.raw`, binary or text), as trained by
//! the SRE16 and VoxCeleb recipes.
//!
//! ```text
//! <Nnet3>
//! input-node name=input dim=30
//! component-node name=tdnn1.affine component=tdnn1.affine input=Append(Offset(input, -2), …)
//! …
//!                                                                (blank line)
//! <NumComponents> n  <ComponentName> tdnn1.affine <NaturalGradientAffineComponent> … </NaturalGradientAffineComponent> … </Nnet3>
//! ```
//!
//! The embedding is the affine map after the statistics pooling, `tdnn6.affine` in the recipes;
//! later components are read and dropped. From there the network is traced back to its input
//! through layers of affine map, ReLU and batch norm. Batch norm is in test mode, as
//! `nnet3-xvector-compute` sets it.
//!
//! A `final.raw` does not state its features: the recipe's `mfcc.conf` does, and its `vad.conf`
//! states which of their frames the network processes.
//!
//! Source: Kaldi's `nnet3/nnet-nnet`, `nnet-simple-component`, `nnet-normalize-component`,
//! `nnet-general-component`.

mod component;
mod conf;
mod descriptor;
mod errors;
mod file;
mod network;
mod reader;

use std::path::{Path, PathBuf};

use file::Nnet;
use serde_json::Value;

use super::network::ImportedNetwork;
use super::source::{Origin, file_name};
use crate::error::{Error, Result};
use crate::nn::weights::read_file;

/// Reads a network, and its `mfcc.conf` and `vad.conf` if given, in any order.
pub(super) fn read(path: &Path, confs: &[PathBuf]) -> Result<ImportedNetwork> {
    let bytes = read_file(path)?;
    let (bands, representation, tensors) =
        Nnet::read(&bytes).and_then(|nnet| network::convert(&nnet)).map_err(|error| error.in_file(path))?;
    let frontend = frontend(path, confs, bands)?;
    let (name, licence, data) = Origin::of(path, &bytes).describe(None);
    Ok(ImportedNetwork { name, licence, data, frontend, representation, tensors })
}

/// The manifest's `frontend`: features and VAD of the given files, or of the recipe.
fn frontend(path: &Path, confs: &[PathBuf], bands: usize) -> Result<Value> {
    let (mut features, mut vad) = (None, None);
    for file in confs {
        let text = String::from_utf8_lossy(&read_file(file)?).into_owned();
        let (place, read) = if conf::is_of_vad(&text) {
            (&mut vad, conf::vad(&text))
        } else {
            (&mut features, conf::frontend(&text, bands))
        };
        if place.replace(read.map_err(|error| error.in_file(file))?).is_some() {
            return Err(Error::Usage(format!(
                "`{}` is a second file of the same kind; one mfcc.conf and one vad.conf are expected",
                file_name(file)
            )));
        }
    }
    let mut features = match features {
        Some(features) => features,
        None => conf::of_recipe(bands).map_err(|error| error.in_file(path))?,
    };
    features["vad"] = vad.unwrap_or_else(conf::vad_of_recipe);
    Ok(features)
}
